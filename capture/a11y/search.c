#include "capture/a11y/internal.h"

#include "protocol/base/clock.h"

#include <errno.h>

/* Objects visited in one search, and concurrent calls: GTK 4 has to be queried object by object. */
#define NODES   512
#define AT_ONCE 16

#define ANSWER_NS (250 * NS_PER_MS)

struct node {
	struct a11y_search *search;
	struct a11y_object object;
	sd_bus_slot *slot;
	enum node_kind {
		NODE_DESKTOP,
		NODE_APPLICATION,
		NODE_WINDOW,
		NODE_WIDGET,
	} kind;
};

struct a11y_search {
	void (*found)(void *user, const struct a11y_object *object, bool seen);
	void *user;
	struct a11y_bus *bus;
	struct node nodes[NODES]; /* breadth first */
	size_t count, next, open; /* total, next one to query, pending calls */
	bool seen;                /* a window is active, or a reply is missing */
};

static void continue_search(struct a11y_search *search);

void a11y_search_stop(struct a11y_search *search)
{
	for (size_t i = 0; i < search->count; i++)
		search->nodes[i].slot = sd_bus_slot_unref(search->nodes[i].slot);
	search->count = search->next = search->open = 0;
}

static void finish(struct a11y_search *search, const struct a11y_object *object)
{
	struct a11y_object copy;

	if (object)
		copy = *object;
	a11y_search_stop(search);
	search->found(search->user, object ? &copy : NULL, search->seen);
}

static void add(struct a11y_search *search, const struct a11y_object *object, enum node_kind kind)
{
	if (search->count < NODES)
		search->nodes[search->count++] =
			(struct node){.search = search, .object = *object, .kind = kind};
}

/* Count the reply. @return false when it is an error */
static bool answered(struct node *node, sd_bus_message *message)
{
	node->slot = sd_bus_slot_unref(node->slot);
	node->search->open--;
	node->search->seen |= sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY);
	return !sd_bus_message_is_method_error(message, NULL);
}

static bool query(struct node *node, enum a11y_method method, sd_bus_message_handler_t answer)
{
	struct a11y_search *search = node->search;
	bool good = a11y_query(search->bus, &node->slot, method, &node->object, ANSWER_NS, answer,
			    node) == 0;

	search->open += good;
	return good;
}

static int on_children(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct node *node = user;
	struct a11y_search *search = node->search;
	enum node_kind kind = node->kind == NODE_WIDGET ? NODE_WIDGET : node->kind + 1;
	struct a11y_object children[64];

	(void)error;
	if (answered(node, message)) {
		size_t count = a11y_read_objects(message, children, ARRAY_SIZE(children));

		for (size_t i = 0; i < count; i++)
			add(search, &children[i], kind);
	}
	continue_search(search);
	return 0;
}

static int on_matches(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct node *node = user;
	struct a11y_search *search = node->search;
	struct a11y_object object;

	(void)error;
	if (answered(node, message)) {
		if (a11y_read_objects(message, &object, 1) == 1) {
			finish(search, &object);
			return 0;
		}
	} else if (sd_bus_message_is_method_error(message, SD_BUS_ERROR_UNKNOWN_METHOD) ||
		sd_bus_message_is_method_error(message, SD_BUS_ERROR_UNKNOWN_INTERFACE)) {
		query(node, METHOD_CHILDREN, on_children);
	}
	continue_search(search);
	return 0;
}

/* Descend into the active window only, and in it into visible objects. */
static int on_state(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct node *node = user;
	struct a11y_search *search = node->search;
	uint64_t states;

	(void)error;
	if (answered(node, message) && a11y_read_states(message, &states)) {
		if (states >> A11Y_STATE_FOCUSED & 1) {
			finish(search, &node->object);
			return 0;
		}
		if (node->kind == NODE_WINDOW && states >> A11Y_STATE_ACTIVE & 1) {
			search->seen = true;
			query(node, METHOD_MATCHES, on_matches);
		}
		if (node->kind == NODE_WIDGET && states >> A11Y_STATE_VISIBLE & 1)
			query(node, METHOD_CHILDREN, on_children);
	}
	continue_search(search);
	return 0;
}

static void continue_search(struct a11y_search *search)
{
	while (search->next < search->count && search->open < AT_ONCE) {
		struct node *node = &search->nodes[search->next++];

		if (node->kind >= NODE_WINDOW)
			query(node, METHOD_STATE, on_state);
		else
			query(node, METHOD_CHILDREN, on_children);
	}
	if (search->open == 0)
		finish(search, NULL);
}

void a11y_search_begin(struct a11y_search *search, struct a11y_bus *bus)
{
	a11y_search_stop(search);
	search->bus = bus;
	search->seen = false;
	add(search, &a11y_desktop, NODE_DESKTOP);
	continue_search(search);
}

int a11y_search_create(struct a11y_search **ret,
	void (*found)(void *user, const struct a11y_object *object, bool seen), void *user)
{
	struct a11y_search *search = calloc(1, sizeof(*search));

	if (!search)
		return -ENOMEM;
	search->found = found;
	search->user = user;
	*ret = search;
	return 0;
}

void a11y_search_destroy(struct a11y_search *search)
{
	if (!search)
		return;
	a11y_search_stop(search);
	free(search);
}
