#include "capture/layout.h"

#include "capture/keymap.h"
#include "capture/x11.h"
#include "protocol/input.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Codes of keyboards end here: X11's keycodes have a byte. */
#define CODES_LIMIT 248

#define NAME_BYTES 128

struct layout {
	const char *origin;
	char rules[NAME_BYTES], model[NAME_BYTES], layout[NAME_BYTES], variant[NAME_BYTES],
		options[NAME_BYTES];
	struct keymap *keymap;        /* NULL: labels are not known */
	xcb_connection_t *connection; /* of that, or NULL */
};

static void copy(char to[static NAME_BYTES], const char *from, size_t size)
{
	snprintf(to, NAME_BYTES, "%.*s", (int)(size < NAME_BYTES ? size : NAME_BYTES - 1), from);
}

/* ---- the X server's ---- */

/* The property that setxkbmap and the server keep: five texts, each with its end. */
static bool take_names(struct layout *layout, xcb_connection_t *connection, xcb_window_t root)
{
	static const char property[] = "_XKB_RULES_NAMES";
	_autofree_ xcb_intern_atom_reply_t *atom = xcb_intern_atom_reply(
		connection, xcb_intern_atom(connection, 1, sizeof(property) - 1, property), NULL);
	_autofree_ xcb_get_property_reply_t *reply = NULL;
	char *const names[] = {
		layout->rules, layout->model, layout->layout, layout->variant, layout->options};
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

static bool learn_from_server(struct layout *layout, const char *display)
{
	struct error error;
	xcb_screen_t *screen;
	bool known;

	layout->connection = x11_connect(display, &screen, &error);
	if (!layout->connection)
		return false;
	known = take_names(layout, layout->connection, screen->root);
	if (keymap_create_server(&layout->keymap, layout->connection) == 0)
		known = true;
	layout->origin = "the X server";
	return known;
}

/* ---- of names ---- */

static bool learn_from_environment(struct layout *layout)
{
	static const char *const variables[] = {"XKB_DEFAULT_RULES", "XKB_DEFAULT_MODEL",
		"XKB_DEFAULT_LAYOUT", "XKB_DEFAULT_VARIANT", "XKB_DEFAULT_OPTIONS"};
	char *const names[] = {
		layout->rules, layout->model, layout->layout, layout->variant, layout->options};

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
	char *const names[] = {layout->model, layout->layout, layout->variant, layout->options};
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
	const struct keymap_names names = {
		layout->rules, layout->model, layout->layout, layout->variant, layout->options};

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

static int push(const struct source_context *context, struct layout *layout, bool with_labels,
	int64_t from_ns)
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
	message.options = layout->options;
	message.origin = (char *)layout->origin;
	message.labels = pointers;
	if (with_labels)
		message.n_labels = make_labels(layout->keymap, labels, texts, pointers);
	r = packet_create(&packet, context->clock,
		&(struct packet_info){CHANNEL_KEYBOARD_LAYOUT, 0, from_ns, 0}, &message.base);
	if (r == 0)
		context->sink->push(context->sink, packet);
	return r;
}

int layout_record(
	const struct source_context *context, const char *display, bool labels, int64_t from_ns)
{
	struct layout layout = {0};
	bool known;
	int r;

	known = (display || getenv("DISPLAY")) && learn_from_server(&layout, display);
	known = known || learn_from_environment(&layout) ||
		learn_from_file(&layout, "/etc/default/keyboard");
	if (known && labels && !layout.keymap)
		compile(&layout);
	r = known ? push(context, &layout, labels, from_ns) : -ENOENT;
	keymap_destroy(layout.keymap);
	if (layout.connection)
		xcb_disconnect(layout.connection);
	return r;
}
