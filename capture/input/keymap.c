#include "capture/input/keymap.h"

#include <errno.h>
#include <stdlib.h>
#include <xcb/xkb.h>
#include <xkbcommon/xkbcommon-x11.h>
#include <xkbcommon/xkbcommon.h>

struct keymap {
	struct xkb_context *context;
	struct xkb_keymap *keymap;
	xcb_connection_t *connection; /* NULL: from names */
	int32_t device;
	uint8_t first_event;
	unsigned group;
};

static int create(struct keymap **ret, enum xkb_context_flags flags)
{
	_destroy_(keymap) struct keymap *keymap = calloc(1, sizeof(*keymap));

	if (!keymap)
		return -ENOMEM;
	keymap->context = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES | flags);
	if (!keymap->context)
		return -ENOMEM;
	/* keep warnings about a foreign layout out of our log */
	xkb_context_set_log_level(keymap->context, XKB_LOG_LEVEL_CRITICAL);
	*ret = steal_ptr(keymap);
	return 0;
}

void keymap_destroy(struct keymap *keymap)
{
	if (!keymap)
		return;
	xkb_keymap_unref(keymap->keymap);
	xkb_context_unref(keymap->context);
	free(keymap);
}

/* ---- keymap of a server ---- */

#define MAP_PARTS                                                                                  \
	(XCB_XKB_MAP_PART_KEY_TYPES | XCB_XKB_MAP_PART_KEY_SYMS | XCB_XKB_MAP_PART_MODIFIER_MAP |  \
		XCB_XKB_MAP_PART_VIRTUAL_MODS | XCB_XKB_MAP_PART_VIRTUAL_MOD_MAP)

static void select_events(struct keymap *keymap)
{
	static const uint16_t events = XCB_XKB_EVENT_TYPE_NEW_KEYBOARD_NOTIFY |
		XCB_XKB_EVENT_TYPE_MAP_NOTIFY | XCB_XKB_EVENT_TYPE_STATE_NOTIFY;
	static const uint16_t new_keyboard = XCB_XKB_NKN_DETAIL_KEYCODES |
		XCB_XKB_NKN_DETAIL_GEOMETRY | XCB_XKB_NKN_DETAIL_DEVICE_ID;
	const xcb_xkb_select_events_details_t details = {
		.affectNewKeyboard = new_keyboard,
		.newKeyboardDetails = new_keyboard,
		.affectState = XCB_XKB_STATE_PART_GROUP_STATE,
		.stateDetails = XCB_XKB_STATE_PART_GROUP_STATE,
	};

	xcb_xkb_select_events_aux(keymap->connection, (uint16_t)keymap->device, events, 0, 0,
		MAP_PARTS, MAP_PARTS, &details);
}

static int read_keys(struct keymap *keymap)
{
	struct xkb_keymap *fresh = xkb_x11_keymap_new_from_device(
		keymap->context, keymap->connection, keymap->device, XKB_KEYMAP_COMPILE_NO_FLAGS);

	if (!fresh)
		return xcb_connection_has_error(keymap->connection) ? -EPIPE : -EOPNOTSUPP;
	xkb_keymap_unref(keymap->keymap);
	keymap->keymap = fresh;
	return 0;
}

static int read_group(struct keymap *keymap)
{
	_autofree_ xcb_xkb_get_state_reply_t *state = xcb_xkb_get_state_reply(keymap->connection,
		xcb_xkb_get_state(keymap->connection, (uint16_t)keymap->device), NULL);

	if (!state)
		return -EPIPE;
	keymap->group = state->group;
	return 0;
}

int keymap_create_server(struct keymap **ret, xcb_connection_t *connection)
{
	_destroy_(keymap) struct keymap *keymap = NULL;
	/* no files needed, and a sandbox allows none */
	int r = create(&keymap, XKB_CONTEXT_NO_DEFAULT_INCLUDES);

	if (r < 0)
		return r;
	keymap->connection = connection;
	if (!xkb_x11_setup_xkb_extension(connection, XKB_X11_MIN_MAJOR_XKB_VERSION,
		    XKB_X11_MIN_MINOR_XKB_VERSION, XKB_X11_SETUP_XKB_EXTENSION_NO_FLAGS, NULL, NULL,
		    &keymap->first_event, NULL))
		return -EOPNOTSUPP;
	keymap->device = xkb_x11_get_core_keyboard_device_id(connection);
	if (keymap->device < 0)
		return -EOPNOTSUPP;
	select_events(keymap); /* first, so that no change is missed */
	r = read_keys(keymap);
	if (r == 0)
		r = read_group(keymap);
	if (r < 0)
		return r;
	*ret = steal_ptr(keymap);
	return 0;
}

enum keymap_change keymap_handle_event(struct keymap *keymap, const xcb_generic_event_t *event)
{
	const xcb_xkb_state_notify_event_t *state = (const void *)event;
	unsigned before = keymap->group;

	if (!keymap->connection || (event->response_type & 0x7f) != keymap->first_event)
		return KEYMAP_SAME;
	switch (state->xkbType) {
	case XCB_XKB_STATE_NOTIFY:
		keymap->group = state->group;
		return keymap->group == before ? KEYMAP_SAME : KEYMAP_GROUP;
	case XCB_XKB_NEW_KEYBOARD_NOTIFY:
	case XCB_XKB_MAP_NOTIFY:
		/* keep the previous keymap if the new one cannot be read */
		if (read_keys(keymap) == 0)
			read_group(keymap);
		return KEYMAP_KEYS;
	default: return KEYMAP_SAME;
	}
}

/* ---- keymap from names ---- */

int keymap_create_names(struct keymap **ret, const struct keymap_names *names)
{
	_destroy_(keymap) struct keymap *keymap = NULL;
	const struct xkb_rule_names wanted = {
		names->rules, names->model, names->layout, names->variant, names->options};
	int r = create(&keymap, XKB_CONTEXT_NO_FLAGS);

	if (r < 0)
		return r;
	keymap->keymap =
		xkb_keymap_new_from_names(keymap->context, &wanted, XKB_KEYMAP_COMPILE_NO_FLAGS);
	if (!keymap->keymap)
		return -ENOENT;
	*ret = steal_ptr(keymap);
	return 0;
}

/* ---- common ---- */

unsigned keymap_group(const struct keymap *keymap)
{
	return keymap->group;
}

unsigned keymap_group_count(const struct keymap *keymap)
{
	return xkb_keymap_num_layouts(keymap->keymap);
}

uint32_t keymap_keysym(const struct keymap *keymap, uint32_t keycode, unsigned group)
{
	const xkb_keysym_t *symbols;
	int count = xkb_keymap_key_get_syms_by_level(keymap->keymap, keycode, group, 0, &symbols);

	return count < 1 ? XKB_KEY_NoSymbol : symbols[0];
}

bool keymap_label(const struct keymap *keymap, uint32_t code, char text[static 32])
{
	uint32_t keysym = keymap_keysym(keymap, code + KEYMAP_CODE_OFFSET, keymap->group);

	if (keysym == XKB_KEY_NoSymbol)
		return false;
	/* printable characters only: no space, no control character */
	if (xkb_keysym_to_utf32(keysym) > 0x20 && xkb_keysym_to_utf32(keysym) != 0x7f)
		return xkb_keysym_to_utf8(keysym, text, 32) > 0;
	return xkb_keysym_get_name(keysym, text, 32) > 0;
}
