#include "capture/inputd/modifiers.h"

#include <linux/input-event-codes.h>
#include <string.h>

#define MODIFIER(name) UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_##name

static void remove_at(struct modifiers *modifiers, size_t i)
{
	modifiers->keys[i] = modifiers->keys[--modifiers->count];
}

bool modifier_is_claimed(const struct modifier_key *key)
{
	return key->modifier != MODIFIER_LEVEL && !key->found;
}

static bool is_held(const struct modifiers *modifiers, const struct key_event *key, bool found)
{
	for (size_t i = 0; i < modifiers->count; i++)
		if (modifiers->keys[i].code == key->code &&
			modifiers->keys[i].device == key->device &&
			modifiers->keys[i].found == found)
			return true;
	return false;
}

/*
 * Remove released modifiers. A level shift ends only on its own device, because another keyboard may hold one
 * too; a key that makes shortcuts ends on any device. Both err towards text.
 */
static void release(struct modifiers *modifiers, const struct key_event *key)
{
	for (size_t i = modifiers->count; i > 0; i--) {
		const struct modifier_key *held = &modifiers->keys[i - 1];

		if (held->code == key->code &&
			(held->modifier != MODIFIER_LEVEL || held->found ||
				held->device == key->device))
			remove_at(modifiers, i - 1);
	}
}

static void hold(struct modifiers *modifiers, const struct key_event *key)
{
	if (modifiers->count == MODIFIERS_LIMIT) {
		modifiers->is_full = true;
		return;
	}
	modifiers->keys[modifiers->count++] = (struct modifier_key){
		.device = key->device,
		.code = key->code,
		.modifier = (uint8_t)key->modifier,
		.found = key->action == UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN,
	};
}

/* the entry of a character by its number ends when the last key held for it is released */
static void end_entry(struct modifiers *modifiers)
{
	for (size_t i = 0; i < modifiers->count; i++)
		if (modifiers->keys[i].modifier != MODIFIER_LEVEL)
			return;
	modifiers->is_entry = false;
}

bool modifiers_update(struct modifiers *modifiers, const struct key_event *key, bool recorded)
{
	if (!key->modifier)
		return true;
	switch (key->action) {
	case UXREC__KEY_ACTION__KEY_ACTION_PRESS:
		modifiers->changes++;
		if (is_held(modifiers, key, false))
			return false;
		if (recorded || key->modifier == MODIFIER_LEVEL)
			hold(modifiers, key);
		return true;
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN:
		if (!is_held(modifiers, key, true))
			hold(modifiers, key);
		return true;
	case UXREC__KEY_ACTION__KEY_ACTION_RELEASE:
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP:
		modifiers->changes++;
		release(modifiers, key);
		end_entry(modifiers);
		return true;
	default: return true;
	}
}

static bool makes_character(Uxrec__KeyClass key_class)
{
	return key_class == UXREC__KEY_CLASS__KEY_CLASS_LETTER ||
		key_class == UXREC__KEY_CLASS__KEY_CLASS_DIGIT ||
		key_class == UXREC__KEY_CLASS__KEY_CLASS_SPACE ||
		key_class == UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION;
}

static bool is_on_keypad(const struct key_event *key)
{
	return key->code >= KEY_KP7 && key->code <= KEY_KPDOT;
}

/*
 * Toolkits and input methods take the digits after Ctrl+Shift+U, or Ctrl+Shift (ISO 14755), as the number of
 * a character, and Windows in a virtual machine or a remote desktop the keypad digits with Alt: text. The
 * letter U is on another key in each layout, so every first character with Ctrl+Shift may begin such a
 * number; a repeat of the same letter is none of its digits.
 *
 * @return true when the press may be a digit of a number
 */
static bool update_entry(struct modifiers *modifiers, const struct key_event *key, unsigned held)
{
	const unsigned both = MODIFIER(CTRL) | MODIFIER(SHIFT);
	bool by_keypad = held & MODIFIER(ALT) && is_on_keypad(key);

	if (!makes_character(key->key_class) && !is_on_keypad(key))
		return false;
	if (modifiers->is_entry)
		return key->code != modifiers->entry_letter;
	modifiers->is_entry = by_keypad || (held & both) == both;
	modifiers->entry_letter =
		key->key_class == UXREC__KEY_CLASS__KEY_CLASS_LETTER ? key->code : 0;
	return by_keypad;
}

uint8_t modifiers_of_shortcut(struct modifiers *modifiers, const struct key_event *key)
{
	const unsigned altgr = MODIFIER(CTRL) | MODIFIER(ALT);
	unsigned held = 0;
	bool any_found = false;

	if (key->modifier || key->key_class == UXREC__KEY_CLASS__KEY_CLASS_MODIFIER ||
		modifiers->is_full || key->action != UXREC__KEY_ACTION__KEY_ACTION_PRESS)
		return 0;
	for (size_t i = 0; i < modifiers->count; i++) {
		held |= modifiers->keys[i].modifier;
		any_found |= modifiers->keys[i].found;
	}
	if (held & MODIFIER_LEVEL || !(held & ~(unsigned)MODIFIER(SHIFT)))
		return 0;
	/* remote desktops and virtual machines send both for AltGr */
	if ((held & altgr) == altgr && makes_character(key->key_class))
		return 0;
	if (update_entry(modifiers, key, held) || any_found)
		return 0;
	return (uint8_t)held;
}

void modifiers_forget(struct modifiers *modifiers)
{
	for (size_t i = modifiers->count; i > 0; i--)
		if (modifier_is_claimed(&modifiers->keys[i - 1]))
			remove_at(modifiers, i - 1);
	end_entry(modifiers);
}

void modifiers_reset(struct modifiers *modifiers)
{
	modifiers->count = 0;
	modifiers->is_full = false;
	modifiers->is_entry = false;
}
