#include "capture/mask_x11_internal.h"

#include "protocol/base/cleanup.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#define CLIMB 32 /* windows in windows in windows */

/* A longer text counts as one that is to be hidden. */
#define TEXT_BYTES 1024

enum { ASK_CLASS, ASK_NAME, ASK_TITLE, ASK_TRANSIENT, ASK_LEADER, ASK_PROCESS, ASK_STATE };

bool mask_x11_is_telling(const struct mask_x11 *mask, xcb_atom_t atom)
{
	for (size_t i = 0; i < TELLING; i++)
		if (mask->telling[i] == atom)
			return true;
	return false;
}

/* ---- what one window says ---- */

struct asked {
	xcb_get_property_cookie_t property[TELLING];
	xcb_query_tree_cookie_t tree;
};

struct said {
	xcb_get_property_reply_t *reply[TELLING];
	xcb_query_tree_reply_t *tree;
};

static void said_finish(struct said *said)
{
	for (size_t i = 0; i < TELLING; i++)
		free(said->reply[i]);
	free(said->tree);
}

static void watch(struct mask_x11 *mask, xcb_window_t window, uint32_t events)
{
	xcb_change_window_attributes(mask->connection, window, XCB_CW_EVENT_MASK, &events);
}

static void ask(struct mask_x11 *mask, xcb_window_t window, struct asked *ret)
{
	/* first: then what changes after the answer comes as an event */
	watch(mask, window, XCB_EVENT_MASK_PROPERTY_CHANGE | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY);
	for (size_t i = 0; i < TELLING; i++)
		ret->property[i] = xcb_get_property(mask->connection, 0, window, mask->telling[i],
			XCB_GET_PROPERTY_TYPE_ANY, 0, TEXT_BYTES / 4);
	ret->tree = xcb_query_tree(mask->connection, window);
}

/* @return false when the window is gone */
static bool hear(struct mask_x11 *mask, const struct asked *asked, struct said *ret)
{
	bool there;

	for (size_t i = 0; i < TELLING; i++)
		ret->reply[i] = xcb_get_property_reply(mask->connection, asked->property[i], NULL);
	ret->tree = xcb_query_tree_reply(mask->connection, asked->tree, NULL);
	there = ret->tree != NULL;
	for (size_t i = 0; i < TELLING; i++)
		there &= ret->reply[i] != NULL;
	return there;
}

static uint32_t number(const struct said *said, int which)
{
	const xcb_get_property_reply_t *reply = said->reply[which];

	if (reply->format != 32 || xcb_get_property_value_length(reply) < 4)
		return 0;
	return *(const uint32_t *)xcb_get_property_value(reply);
}

static void text(const struct said *said, int which, char ret[TEXT_BYTES + 1])
{
	const xcb_get_property_reply_t *reply = said->reply[which];
	size_t size = reply->format == 8 ? (size_t)xcb_get_property_value_length(reply) : 0;

	memcpy(ret, xcb_get_property_value(reply), size);
	memset(ret + size, 0, TEXT_BYTES + 1 - size);
}

/* what cannot be compared matches */
static bool is_like(const char *pattern, const char *value)
{
	return fnmatch(pattern, value, FNM_CASEFOLD) != FNM_NOMATCH;
}

static bool class_matches(const struct said *said, const char *pattern)
{
	char class[TEXT_BYTES + 1];
	size_t length;

	if (!*pattern)
		return true;
	text(said, ASK_CLASS, class);
	length = strlen(class);
	return said->reply[ASK_CLASS]->bytes_after > 0 || (*class && is_like(pattern, class)) ||
		(length < TEXT_BYTES && class[length + 1] && is_like(pattern, class + length + 1));
}

static bool title_matches(const struct said *said, int which, const char *pattern)
{
	char title[TEXT_BYTES + 1];

	text(said, which, title);
	return said->reply[which]->bytes_after > 0 || (*title && is_like(pattern, title));
}

static bool is_to_be_hidden(const struct hide_rules *rules, const struct said *said)
{
	for (int i = 0; i < rules->window_count; i++) {
		const struct hide_window *window = &rules->windows[i];

		if (class_matches(said, window->class) &&
			(!*window->title || title_matches(said, ASK_NAME, window->title) ||
				title_matches(said, ASK_TITLE, window->title)))
			return true;
	}
	return false;
}

/* ---- a child of the root, and the windows in it ---- */

static bool measure(struct mask_x11 *mask, struct top *top)
{
	xcb_get_geometry_cookie_t asked = xcb_get_geometry(mask->connection, top->id);
	_autofree_ xcb_get_window_attributes_reply_t *attributes = xcb_get_window_attributes_reply(
		mask->connection, xcb_get_window_attributes(mask->connection, top->id), NULL);
	_autofree_ xcb_get_geometry_reply_t *place =
		xcb_get_geometry_reply(mask->connection, asked, NULL);

	if (!attributes || !place)
		return false;
	/* later ones than this come as events; earlier ones are told already, or will be in their order */
	if (!top->measured)
		top_place(
			top, place->x, place->y, place->width, place->height, place->border_width);
	top->override = attributes->override_redirect;
	top->blank = attributes->_class == XCB_WINDOW_CLASS_INPUT_ONLY;
	return true;
}

static void add_children(struct top *top, const xcb_query_tree_reply_t *tree)
{
	const xcb_window_t *children = xcb_query_tree_children(tree);

	for (int i = 0; i < tree->children_len; i++) {
		if (top->inside_count == INSPECTED) {
			top->crowded = true;
			return;
		}
		top->inside[top->inside_count++] = children[i];
	}
}

static void take(
	struct mask_x11 *mask, struct top *top, xcb_window_t window, const struct said *said)
{
	bool is_client = said->reply[ASK_STATE]->value_len > 0;

	if (is_client && !top->managed)
		top->client = window;
	top->managed |= is_client;
	top->matches |= is_to_be_hidden(mask->rules, said);
	if (!top->transient_for)
		top->transient_for = number(said, ASK_TRANSIENT);
	if (!top->leader)
		top->leader = number(said, ASK_LEADER);
	if (!top->process)
		top->process = number(said, ASK_PROCESS);
	/* managers put clients into frames, some into frames in frames; what is in a client is its own affair */
	if (is_client)
		watch(mask, window, XCB_EVENT_MASK_PROPERTY_CHANGE);
	else
		add_children(top, said->tree);
}

/* Ask windows that are as deep, all at once. @return false when the first one is gone */
static bool inspect_level(struct mask_x11 *mask, struct top *top, int from, int to)
{
	struct asked asked[INSPECTED];
	bool there = true;

	for (int i = from; i < to; i++)
		ask(mask, top->inside[i], &asked[i]);
	for (int i = from; i < to; i++) {
		_cleanup_(said_finish) struct said said = {{NULL}, NULL};

		if (hear(mask, &asked[i], &said))
			take(mask, top, top->inside[i], &said);
		else if (i == 0)
			there = false;
		else
			top->missed = true;
	}
	return there;
}

int mask_x11_inspect(struct mask_x11 *mask, struct top *top)
{
	bool there = measure(mask, top);
	int from = 0, to;

	top->managed = top->matches = top->crowded = false;
	top->transient_for = top->leader = XCB_NONE;
	top->process = 0;
	top->client = top->inside[0] = top->id;
	for (top->inside_count = to = 1; from < to && there; from = to, to = top->inside_count)
		there = inspect_level(mask, top, from, to);
	top->missed |= top->given && !top_has(top, top->given);
	top->given = XCB_NONE;
	/* a client may be in it that was not asked */
	top->matches |= top->crowded && !top->managed;
	top->known = there;
	return xcb_connection_has_error(mask->connection) ? -EPIPE : 0;
}

/* ---- the focus ---- */

/* Without a window manager keys go where the pointer is. */
static int find_pointed_at(struct mask_x11 *mask, xcb_window_t *ret)
{
	_autofree_ xcb_query_pointer_reply_t *pointer = xcb_query_pointer_reply(
		mask->connection, xcb_query_pointer(mask->connection, mask->root), NULL);

	if (!pointer)
		return -EPIPE;
	*ret = pointer->child;
	return 0;
}

int mask_x11_find_focus(struct mask_x11 *mask, xcb_window_t *ret)
{
	_autofree_ xcb_get_input_focus_reply_t *focus = xcb_get_input_focus_reply(
		mask->connection, xcb_get_input_focus(mask->connection), NULL);
	xcb_window_t window;

	if (!focus)
		return -EPIPE;
	window = focus->focus;
	*ret = XCB_NONE;
	if (window == XCB_NONE)
		return 0;
	if (window == XCB_INPUT_FOCUS_POINTER_ROOT || window == mask->root)
		return find_pointed_at(mask, ret);
	for (int depth = 0; depth < CLIMB; depth++) {
		_autofree_ xcb_query_tree_reply_t *tree = xcb_query_tree_reply(
			mask->connection, xcb_query_tree(mask->connection, window), NULL);

		if (!tree)
			return xcb_connection_has_error(mask->connection) ? -EPIPE : -EAGAIN;
		if (tree->parent == mask->root) {
			*ret = window;
			return 0;
		}
		window = tree->parent;
	}
	return -EAGAIN;
}

/* ---- the beginning ---- */

static int take_atoms(struct mask_x11 *mask)
{
	static const char *const names[] = {[ASK_TITLE] = "_NET_WM_NAME",
		[ASK_LEADER] = "WM_CLIENT_LEADER",
		[ASK_PROCESS] = "_NET_WM_PID",
		[ASK_STATE] = "WM_STATE"};

	mask->telling[ASK_CLASS] = XCB_ATOM_WM_CLASS;
	mask->telling[ASK_NAME] = XCB_ATOM_WM_NAME;
	mask->telling[ASK_TRANSIENT] = XCB_ATOM_WM_TRANSIENT_FOR;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_autofree_ xcb_intern_atom_reply_t *reply = NULL;

		if (!names[i])
			continue;
		reply = xcb_intern_atom_reply(mask->connection,
			xcb_intern_atom(mask->connection, 0, (uint16_t)strlen(names[i]), names[i]),
			NULL);
		if (!reply)
			return -EPIPE;
		mask->telling[i] = reply->atom;
	}
	return 0;
}

int mask_x11_begin(struct mask_x11 *mask)
{
	const uint32_t events =
		XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY;
	_autofree_ xcb_query_tree_reply_t *tree = NULL;
	int r = take_atoms(mask);

	if (r < 0)
		return r;
	xcb_change_window_attributes(mask->connection, mask->root, XCB_CW_EVENT_MASK, &events);
	tree = xcb_query_tree_reply(
		mask->connection, xcb_query_tree(mask->connection, mask->root), NULL);
	if (!tree)
		return -EPIPE;
	for (int i = 0; i < tree->children_len; i++) {
		xcb_window_t window = xcb_query_tree_children(tree)[i];
		_autofree_ xcb_get_window_attributes_reply_t *attributes =
			xcb_get_window_attributes_reply(mask->connection,
				xcb_get_window_attributes(mask->connection, window), NULL);
		struct top *top = attributes ? mask_x11_add(mask, window) : NULL;

		if (top)
			top->mapped = attributes->map_state != XCB_MAP_STATE_UNMAPPED;
	}
	return xcb_connection_has_error(mask->connection) ? -EPIPE : 0;
}
