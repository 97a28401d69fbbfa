#include "capture/input/layout.h"

#include "capture/input/keymap.h"
#include "capture/x11/x11.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Limit of keyboard codes: an X11 keycode has one byte. */
#define CODES_LIMIT 248

#define NAME_BYTES 128

/* Programs that set a layout change the keymap first, then its names. */
#define SETTLE_NS (100 * NS_PER_MS)

/* Time resolution of changes below "full": as for keys, see redactor.h. */
#define CLASSES_NS (100 * NS_PER_MS)
#define COUNTS_NS  (250 * NS_PER_MS)

struct layout {
	struct source_context context;
	struct layout_options options;
	const char *origin;
	char rules[NAME_BYTES], model[NAME_BYTES], layout[NAME_BYTES], variant[NAME_BYTES],
		names_options[NAME_BYTES];
	struct keymap *keymap;        /* NULL: no labels */
	xcb_connection_t *connection; /* of the keymap, or NULL */
	xcb_window_t root;
	bool has_group; /* the group in effect is known */
	unsigned char *last;
	size_t last_size; /* the last recorded message, packed */
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop, muted;
	void (*levels)(void *user, uint32_t level_keys);
	void *user;
};

static void copy(char to[static NAME_BYTES], const char *from, size_t size)
{
	snprintf(to, NAME_BYTES, "%.*s", (int)(size < NAME_BYTES ? size : NAME_BYTES - 1), from);
}

/* ---- the X server's ---- */

/* The property kept by setxkbmap and the server: five strings, each NUL-terminated. */
static bool read_names(struct layout *layout, xcb_connection_t *connection, xcb_window_t root)
{
	static const char property[] = "_XKB_RULES_NAMES";
	_autofree_ xcb_intern_atom_reply_t *atom = xcb_intern_atom_reply(
		connection, xcb_intern_atom(connection, 1, sizeof(property) - 1, property), NULL);
	_autofree_ xcb_get_property_reply_t *reply = NULL;
	char *const names[] = {layout->rules, layout->model, layout->layout, layout->variant,
		layout->names_options};
	const char *text;
	size_t left;

	if (!atom || !atom->atom)
		return false;
	reply = xcb_get_property_reply(connection,
		xcb_get_property(connection, 0, root, atom->atom, XCB_ATOM_STRING, 0, 1024), NULL);
	if (!reply || reply->format != 8)
		return false;
	text = xcb_get_property_value(reply);
	left = (size_t)xcb_get_property_value_length(reply);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t size = strnlen(text, left);

		copy(names[i], text, size);
		size += size < left;
		text += size;
		left -= size;
	}
	return *layout->layout != '\0';
}

static bool learn_from_server(struct layout *layout)
{
	const uint32_t mask = XCB_EVENT_MASK_PROPERTY_CHANGE;
	struct error error;
	xcb_screen_t *screen;
	bool known;

	layout->connection = x11_connect(layout->options.display, &screen, &error);
	if (!layout->connection)
		return false;
	layout->root = screen->root;
	xcb_change_window_attributes(layout->connection, layout->root, XCB_CW_EVENT_MASK, &mask);
	known = read_names(layout, layout->connection, layout->root);
	if (keymap_create_server(&layout->keymap, layout->connection) == 0)
		known = true;
	/* Xwayland has the compositor's keymap, but its group only while an X window has the focus */
	layout->has_group = layout->keymap && !getenv("WAYLAND_DISPLAY");
	layout->origin = "the X server";
	return known;
}

/* ---- from names ---- */

static bool learn_from_environment(struct layout *layout)
{
	static const char *const variables[] = {"XKB_DEFAULT_RULES", "XKB_DEFAULT_MODEL",
		"XKB_DEFAULT_LAYOUT", "XKB_DEFAULT_VARIANT", "XKB_DEFAULT_OPTIONS"};
	char *const names[] = {layout->rules, layout->model, layout->layout, layout->variant,
		layout->names_options};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (getenv(variables[i]))
			copy(names[i], getenv(variables[i]), strlen(getenv(variables[i])));
	layout->origin = "XKB_DEFAULT_LAYOUT";
	return *layout->layout != '\0';
}

/* keyboard(5): lines of NAME="value" */
static bool learn_from_file(struct layout *layout, const char *path)
{
	static const char *const keys[] = {"XKBMODEL=", "XKBLAYOUT=", "XKBVARIANT=", "XKBOPTIONS="};
	char *const names[] = {
		layout->model, layout->layout, layout->variant, layout->names_options};
	FILE *file = fopen(path, "re");
	char line[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			const char *value = line + strlen(keys[i]);

			if (strncmp(line, keys[i], strlen(keys[i])) != 0)
				continue;
			value += *value == '"';
			copy(names[i], value, strcspn(value, "\"\n"));
		}
	fclose(file);
	layout->origin = "/etc/default/keyboard";
	return *layout->layout != '\0';
}

static void compile(struct layout *layout)
{
	const struct keymap_names names = {layout->rules, layout->model, layout->layout,
		layout->variant, layout->names_options};

	keymap_create_names(&layout->keymap, &names);
}

/* ---- labels ---- */

static size_t make_labels(const struct keymap *keymap, Uxrec__KeyboardLayout__Label *labels,
	char texts[][32], Uxrec__KeyboardLayout__Label **pointers)
{
	size_t count = 0;

	for (uint32_t code = 1; keymap && code < CODES_LIMIT; code++) {
		if (!keymap_label(keymap, code, texts[count]))
			continue;
		uxrec__keyboard_layout__label__init(&labels[count]);
		labels[count].code = code;
		labels[count].text = texts[count];
		pointers[count] = &labels[count];
		count++;
	}
	return count;
}

/* @return true when the message differs from the last one; then remember this one */
static bool is_new(struct layout *layout, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	unsigned char *packed = malloc(size + 1);

	if (!packed)
		return true;
	protobuf_c_message_pack(message, packed);
	if (layout->last && size == layout->last_size && memcmp(packed, layout->last, size) == 0) {
		free(packed);
		return false;
	}
	free(layout->last);
	layout->last = packed;
	layout->last_size = size;
	return true;
}

static int push(struct layout *layout, int64_t from_ns)
{
	Uxrec__KeyboardLayout message = UXREC__KEYBOARD_LAYOUT__INIT;
	Uxrec__KeyboardLayout__Label labels[CODES_LIMIT], *pointers[CODES_LIMIT];
	char texts[CODES_LIMIT][32];
	struct packet *packet;
	int r;

	message.rules = layout->rules;
	message.model = layout->model;
	message.layout = layout->layout;
	message.variant = layout->variant;
	message.options = layout->names_options;
	message.origin = (char *)layout->origin;
	message.group = layout->has_group ? keymap_group(layout->keymap) + 1 : 0;
	message.labels = pointers;
	if (layout->options.labels)
		message.n_labels = make_labels(layout->keymap, labels, texts, pointers);
	if (!is_new(layout, &message.base))
		return 0;
	r = packet_create(&packet, layout->context.clock,
		&(struct packet_info){CHANNEL_KEYBOARD_LAYOUT, 0, from_ns, 0}, &message.base);
	if (r == 0)
		layout->context.sink->push(layout->context.sink, packet);
	return r;
}

/* ---- changes ---- */

/* Round a time: a change of group reveals a key press. */
static int64_t coarse_ns(const struct layout *layout, int64_t time_ns)
{
	switch (layout->options.keys) {
	case KEY_POLICY_FULL: return time_ns;
	case KEY_POLICY_CLASSES: return time_ns - time_ns % CLASSES_NS;
	default: return time_ns - time_ns % COUNTS_NS;
	}
}

/* @return true when an event changes the layout */
static bool handle_events(struct layout *layout)
{
	xcb_generic_event_t *event;
	bool changed = false;

	while ((event = xcb_poll_for_event(layout->connection))) {
		enum keymap_change change = keymap_handle_event(layout->keymap, event);

		changed |= change == KEYMAP_KEYS || (change == KEYMAP_GROUP && layout->has_group) ||
			(event->response_type & 0x7f) == XCB_PROPERTY_NOTIFY;
		if (change == KEYMAP_KEYS)
			layout->levels(layout->user, layout_level_keys(layout));
		free(event);
	}
	return changed;
}

static void *layout_thread(void *user)
{
	struct layout *layout = user;
	int64_t changed_ns = 0, due_ns = INT64_MAX;
	int r = 0;

	pthread_setname_np(pthread_self(), "uxrec-layout");
	while (!layout->stop && r >= 0) {
		int64_t now_ns = clock_now_ns();
		eventfd_t ignored;

		if (handle_events(layout)) {
			changed_ns = due_ns == INT64_MAX ? now_ns : changed_ns;
			due_ns = now_ns + SETTLE_NS;
		}
		if (layout->muted)
			changed_ns = INT64_MAX; /* record with the time of unmuting */
		if (due_ns <= now_ns && !layout->muted) {
			read_names(layout, layout->connection, layout->root);
			push(layout, coarse_ns(layout, changed_ns < now_ns ? changed_ns : now_ns));
			due_ns = INT64_MAX;
			continue; /* events read with the reply wait in xcb, unseen by poll() */
		}
		r = x11_wait(
			layout->connection, layout->wake_fd, layout->muted ? INT64_MAX : due_ns);
		eventfd_read(layout->wake_fd, &ignored);
	}
	return NULL;
}

/* ---- lifetime ---- */

uint32_t layout_level_keys(const struct layout *layout)
{
	uint32_t keys = 0;

	for (size_t i = 0; i < MODIFIER_KEYS; i++) {
		uint16_t code = modifier_keys[i];

		if (code == KEY_RIGHTCTRL && (!layout || !layout->has_group))
			keys |= 1u << i;
		for (unsigned g = 0;
			layout && layout->keymap && g < keymap_group_count(layout->keymap); g++)
			if (modifier_of_keysym(keymap_keysym(layout->keymap,
				    code + KEYMAP_CODE_OFFSET, g)) != modifier_of_code(code))
				keys |= 1u << i;
	}
	return keys;
}

int layout_create(struct layout **ret, const struct source_context *context,
	const struct layout_options *options)
{
	_destroy_(layout) struct layout *layout = calloc(1, sizeof(*layout));

	if (!layout)
		return -ENOMEM;
	layout->context = *context;
	layout->options = *options;
	layout->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (layout->wake_fd < 0)
		return -errno;
	if (!(options->display || getenv("DISPLAY")) || !learn_from_server(layout)) {
		if (!learn_from_environment(layout) &&
			!learn_from_file(layout, "/etc/default/keyboard"))
			return -ENOENT;
		compile(layout);
	}
	*ret = steal_ptr(layout);
	return 0;
}

int layout_start(struct layout *layout, int64_t from_ns,
	void (*levels)(void *user, uint32_t level_keys), void *user)
{
	int r = push(layout, from_ns);

	layout->levels = levels;
	layout->user = user;
	if (r < 0 || !layout->connection || !layout->keymap)
		return r;
	r = pthread_create(&layout->thread, NULL, layout_thread, layout);
	if (r != 0)
		layout->thread = 0;
	return -r;
}

void layout_set_muted(struct layout *layout, bool muted)
{
	if (layout->muted == muted)
		return;
	layout->muted = muted;
	eventfd_write(layout->wake_fd, 1);
}

static void abort_connection(void *user)
{
	x11_abort(((struct layout *)user)->connection);
}

void layout_destroy(struct layout *layout)
{
	if (!layout)
		return;
	layout->stop = true;
	if (layout->wake_fd >= 0)
		eventfd_write(layout->wake_fd, 1);
	if (layout->thread)
		source_join(layout->thread, abort_connection, layout);
	keymap_destroy(layout->keymap);
	if (layout->connection)
		xcb_disconnect(layout->connection);
	if (layout->wake_fd >= 0)
		close(layout->wake_fd);
	free(layout->last);
	free(layout);
}
