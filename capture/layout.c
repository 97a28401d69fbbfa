#include "capture/layout.h"

#include "capture/x11.h"
#include "protocol/input.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xkbcommon/xkbcommon-x11.h>
#include <xkbcommon/xkbcommon.h>

/* an XKB keycode is the kernel's code plus this (xkeyboard-config, keycodes/evdev) */
#define KEYCODE_OFFSET 8

/* Codes of keyboards end here: X11's keycodes have a byte. */
#define CODES_LIMIT 248

#define NAME_BYTES 128

struct layout {
	const char *origin;
	char rules[NAME_BYTES], model[NAME_BYTES], layout[NAME_BYTES], variant[NAME_BYTES],
		options[NAME_BYTES];
	struct xkb_keymap *keymap; /* NULL: labels are not known */
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

static bool learn_from_server(struct layout *layout, struct xkb_context *xkb, const char *display)
{
	struct error error;
	xcb_screen_t *screen;
	xcb_connection_t *connection = x11_connect(display, &screen, &error);
	bool known;

	if (!connection)
		return false;
	known = take_names(layout, connection, screen->root);
	if (xkb_x11_setup_xkb_extension(connection, XKB_X11_MIN_MAJOR_XKB_VERSION,
		    XKB_X11_MIN_MINOR_XKB_VERSION, XKB_X11_SETUP_XKB_EXTENSION_NO_FLAGS, NULL, NULL,
		    NULL, NULL))
		layout->keymap = xkb_x11_keymap_new_from_device(xkb, connection,
			xkb_x11_get_core_keyboard_device_id(connection),
			XKB_KEYMAP_COMPILE_NO_FLAGS);
	xcb_disconnect(connection);
	layout->origin = "the X server";
	return known || layout->keymap;
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

static void compile(struct layout *layout, struct xkb_context *xkb)
{
	const struct xkb_rule_names names = {
		layout->rules, layout->model, layout->layout, layout->variant, layout->options};

	layout->keymap = xkb_keymap_new_from_names(xkb, &names, XKB_KEYMAP_COMPILE_NO_FLAGS);
}

/* ---- labels ---- */

/* @return true when the key makes something */
static bool label_of(struct xkb_keymap *keymap, uint32_t code, char text[static 32])
{
	const xkb_keysym_t *symbols;
	int count = xkb_keymap_key_get_syms_by_level(keymap, code + KEYCODE_OFFSET, 0, 0, &symbols);

	if (count < 1 || symbols[0] == XKB_KEY_NoSymbol)
		return false;
	/* what is to be seen as itself; a space and a control character are not */
	if (xkb_keysym_to_utf32(symbols[0]) > 0x20 && xkb_keysym_to_utf32(symbols[0]) != 0x7f)
		return xkb_keysym_to_utf8(symbols[0], text, 32) > 0;
	return xkb_keysym_get_name(symbols[0], text, 32) > 0;
}

static size_t make_labels(struct xkb_keymap *keymap, Uxrec__KeyboardLayout__Label *labels,
	char texts[][32], Uxrec__KeyboardLayout__Label **pointers)
{
	size_t count = 0;

	for (uint32_t code = 1; keymap && code < CODES_LIMIT; code++) {
		if (!label_of(keymap, code, texts[count]))
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
	struct xkb_context *xkb = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
	struct layout layout = {0};
	bool known;
	int r;

	if (!xkb)
		return -ENOMEM;
	/* what it has to say of a layout that does not compile is nothing to our log */
	xkb_context_set_log_level(xkb, XKB_LOG_LEVEL_CRITICAL);
	known = (display || getenv("DISPLAY")) && learn_from_server(&layout, xkb, display);
	known = known || learn_from_environment(&layout) ||
		learn_from_file(&layout, "/etc/default/keyboard");
	if (known && labels && !layout.keymap)
		compile(&layout, xkb);
	r = known ? push(context, &layout, labels, from_ns) : -ENOENT;
	xkb_keymap_unref(layout.keymap);
	xkb_context_unref(xkb);
	return r;
}
