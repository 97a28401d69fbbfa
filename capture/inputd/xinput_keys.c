#include "capture/inputd/xinput_internal.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- keymap ---- */

/* Read the core protocol's mapping, of which only the first group is certain. */
static int query_keysyms(struct xinput_reader *reader)
{
	const xcb_setup_t *setup = xcb_get_setup(reader->connection);
	uint8_t count = (uint8_t)(setup->max_keycode - setup->min_keycode + 1);
	_autofree_ xcb_get_keyboard_mapping_reply_t *reply = xcb_get_keyboard_mapping_reply(
		reader->connection,
		xcb_get_keyboard_mapping(reader->connection, setup->min_keycode, count), NULL);
	size_t keysym_count;
	uint32_t *keysyms;

	if (!reply)
		return -EPIPE;
	keysym_count = (size_t)xcb_get_keyboard_mapping_keysyms_length(reply);
	keysyms = malloc(keysym_count * sizeof(*keysyms) + 1);
	if (!keysyms)
		return -ENOMEM;
	memcpy(keysyms, xcb_get_keyboard_mapping_keysyms(reply), keysym_count * sizeof(*keysyms));
	free(reader->keysyms);
	reader->keysyms = keysyms;
	reader->keysym_count = keysym_count;
	reader->keysyms_per_code = reply->keysyms_per_keycode;
	reader->first_keycode = setup->min_keycode;
	return 0;
}

static uint32_t keysym_of(const struct xinput_reader *reader, uint32_t keycode)
{
	size_t at = (size_t)(keycode - reader->first_keycode) * reader->keysyms_per_code;

	if (reader->keymap)
		return keymap_keysym(reader->keymap, keycode, keymap_group(reader->keymap));
	return keycode >= reader->first_keycode && at < reader->keysym_count ? reader->keysyms[at]
									     : 0;
}

/* Read the modifier bits set by each key, and which of them are level shifts. */
static int query_modifiers(struct xinput_reader *reader)
{
	_autofree_ xcb_get_modifier_mapping_reply_t *reply = xcb_get_modifier_mapping_reply(
		reader->connection, xcb_get_modifier_mapping(reader->connection), NULL);
	const xcb_keycode_t *codes;

	if (!reply)
		return -EPIPE;
	memset(reader->modifier_bits, 0, sizeof(reader->modifier_bits));
	reader->level_bits = 0;
	codes = xcb_get_modifier_mapping_keycodes(reply);
	for (unsigned bit = 0; bit < 8; bit++)
		for (unsigned i = 0; i < reply->keycodes_per_modifier; i++) {
			uint8_t keycode = codes[bit * reply->keycodes_per_modifier + i];

			if (!keycode)
				continue;
			reader->modifier_bits[keycode] |= (uint8_t)(1u << bit);
			if (modifier_of_keysym(keysym_of(reader, keycode)) == MODIFIER_LEVEL)
				reader->level_bits |= (uint8_t)(1u << bit);
		}
	return 0;
}

/* A key whose modifier has changed, or is none any more, must not stay held as the old one. */
static void forget_changed(struct xinput_reader *reader)
{
	const struct modifiers *modifiers = &reader->redactor->modifiers;

	for (size_t i = 0; i < modifiers->count; i++) {
		uint32_t keycode = modifiers->keys[i].code + KEYMAP_CODE_OFFSET;

		if (modifier_of_keysym(keysym_of(reader, keycode)) != modifiers->keys[i].modifier) {
			redactor_invalidate_modifiers(reader->redactor);
			return;
		}
	}
}

int xinput_query_keys(struct xinput_reader *reader)
{
	int r = 0;

	if (!reader->keymap)
		r = keymap_create_server(&reader->keymap, reader->connection);
	if (r == -EOPNOTSUPP)
		r = query_keysyms(reader);
	return r < 0 ? r : query_modifiers(reader);
}

int xinput_handle_keymap(struct xinput_reader *reader, const xcb_generic_event_t *event)
{
	int r = 0;

	if (reader->keymap) {
		enum keymap_change change = keymap_handle_event(reader->keymap, event);

		if (change == KEYMAP_SAME)
			return 0;
		/* a modifier's bits do not depend on the group, but its meaning may */
		r = query_modifiers(reader);
	} else if ((event->response_type & 0x7f) == XCB_MAPPING_NOTIFY) {
		r = xinput_query_keys(reader);
	} else {
		return 0;
	}
	forget_changed(reader);
	return r < 0 ? r : 1;
}

void xinput_keys_destroy(struct xinput_reader *reader)
{
	keymap_destroy(reader->keymap);
	free(reader->keysyms);
}

/* ---- keys ---- */

static bool is_down(const uint8_t keys[static 32], uint32_t keycode)
{
	return keycode < 256 && keys[keycode / 8] >> (keycode % 8) & 1;
}

static void set_down(uint8_t keys[static 32], uint32_t keycode, bool down)
{
	uint8_t bit = (uint8_t)(1u << (keycode % 8));

	if (keycode >= 256)
		return;
	if (down)
		keys[keycode / 8] |= bit;
	else
		keys[keycode / 8] &= (uint8_t)~bit;
}

static void record_key(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	uint32_t keycode, Uxrec__KeyAction action)
{
	uint32_t keysym = keysym_of(reader, keycode);
	const struct key_event key = {.time_ns = time_ns,
		.device = device->batch.device,
		.code = (uint16_t)(keycode >= KEYMAP_CODE_OFFSET ? keycode - KEYMAP_CODE_OFFSET
								 : 0),
		.key_class = key_class_of_keysym(keysym),
		.modifier = modifier_of_keysym(keysym),
		.action = action};

	switch (action) {
	case UXREC__KEY_ACTION__KEY_ACTION_PRESS:
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN:
		set_down(device->keys_down, keycode, true);
		break;
	case UXREC__KEY_ACTION__KEY_ACTION_RELEASE:
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP:
		/* for a key found by a query, the keyboard is a guess */
		for (size_t i = 0; i < reader->count; i++)
			set_down(reader->devices[i]->keys_down, keycode, false);
		break;
	default: break;
	}
	redactor_key(reader->redactor, &key);
}

int xinput_handle_key(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_key_press_event_t *event)
{
	Uxrec__KeyAction action = event->event_type == XCB_INPUT_RAW_KEY_RELEASE
		? UXREC__KEY_ACTION__KEY_ACTION_RELEASE
		: event->flags & XCB_INPUT_KEY_EVENT_FLAGS_KEY_REPEAT
		? UXREC__KEY_ACTION__KEY_ACTION_REPEAT
		: UXREC__KEY_ACTION__KEY_ACTION_PRESS;
	/* the server may have blocked us since the last requests were read */
	int r = recorder_link_dispatch(reader->link);

	if (r != 0)
		return r;
	reader->last_key_ns = time_ns;
	record_key(reader, device, time_ns, event->detail, action);
	return 0;
}

/* The server knows which keys are down, but not on which keyboard: use the first real one. */
int xinput_report_keys(struct xinput_reader *reader, int64_t time_ns)
{
	_autofree_ xcb_query_keymap_reply_t *reply = xcb_query_keymap_reply(
		reader->connection, xcb_query_keymap(reader->connection), NULL);
	struct x_device *keyboard = NULL;

	if (!reply)
		return -EPIPE;
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->is_keyboard && !reader->devices[i]->excluded &&
			(!keyboard || (keyboard->is_virtual && !reader->devices[i]->is_virtual)))
			keyboard = reader->devices[i];
	for (uint32_t keycode = 0; keyboard && keycode < 256; keycode++)
		if (is_down(reply->keys, keycode))
			record_key(reader, keyboard, time_ns, keycode,
				UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
	return 0;
}

void xinput_release_keys(struct xinput_reader *reader, struct x_device *device, int64_t time_ns)
{
	for (uint32_t keycode = 0; keycode < 256; keycode++)
		if (is_down(device->keys_down, keycode))
			record_key(reader, device, time_ns, keycode,
				UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP);
}

/* ---- comparison with the server ---- */

/* True when the key is down on the server and effective as a modifier. */
static bool server_agrees(const struct xinput_reader *reader, const struct x_state *state,
	const struct modifier_key *held)
{
	uint32_t keycode = held->code + KEYMAP_CODE_OFFSET;
	unsigned bits = keycode < 256 ? reader->modifier_bits[keycode] : 0;

	return !modifier_is_claimed(held) ||
		(bits && (state->mask & bits) == bits && is_down(state->keys, keycode));
}

void xinput_settle_keys(struct xinput_reader *reader, const struct x_state *state)
{
	const struct modifiers *modifiers = &reader->redactor->modifiers;
	/* latched or locked: not visible in any key */
	bool agrees = !(state->mask & reader->level_bits);

	for (size_t i = 0; i < modifiers->count; i++)
		agrees &= server_agrees(reader, state, &modifiers->keys[i]);
	redactor_settle(reader->redactor, agrees);
}
