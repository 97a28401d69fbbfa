#pragma once

#include "capture/input/policy.h"

#include <stddef.h>

/*
 * Inside uxrec-inputd: state of the modifier keys, to distinguish shortcuts from text. A missed shortcut is
 * harmless, a letter recorded as a shortcut is not. So a modifier counts as held from a press that was seen
 * to the first release of its code on any device, and every doubt resets it.
 */

/** A key event from a reader. */
struct key_event {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t device;
	uint16_t code;
	Uxrec__KeyClass key_class;
	unsigned modifier; /* Uxrec__ShortcutBatch__Modifier or MODIFIER_LEVEL, else 0 */
	Uxrec__KeyAction action;
};

#define MODIFIERS_LIMIT 32

/** One modifier key that is down. */
struct modifier_key {
	uint32_t device;
	uint16_t code;
	uint8_t modifier;
	/* from a query: the time of the press is unknown and the device may be a guess, so it can only
	 * rule shortcuts out */
	bool found;
};

/** Zero-initialised: no modifier is held. */
struct modifiers {
	struct modifier_key keys[MODIFIERS_LIMIT];
	size_t count;
	/* digits of a character's number may be entered, until none of `keys` makes shortcuts any more */
	bool is_entry;
	uint16_t entry_letter; /* first key of the entry, if a letter: stays a shortcut; else 0 */
	bool is_full;          /* no room for a modifier: no shortcuts until modifiers_reset() */
	uint32_t changes;      /* counter of modifier presses and releases */
};

/** @return true for a key that makes shortcuts, whose state the server or kernel has to confirm */
bool modifier_is_claimed(const struct modifier_key *key);

/**
 * Update the state with a key event.
 *
 * @param recorded  the session contains this event: a press missing from the session does not count
 * @return false when the event contradicts the state: the release before it was lost
 */
bool modifiers_update(struct modifiers *modifiers, const struct key_event *key, bool recorded);

/**
 * Process a press of a non-modifier key. Characters after one with Ctrl and Shift, or after a keypad key with
 * Alt, while these are held, may enter a character by its number and are no shortcuts.
 *
 * @return the modifiers of the shortcut, as in ShortcutBatch; 0: no shortcut
 */
uint8_t modifiers_of_shortcut(struct modifiers *modifiers, const struct key_event *key);

/** Forget the keys that make shortcuts: none counts before it is pressed again. */
void modifiers_forget(struct modifiers *modifiers);

/** Forget all keys, because reading has stopped. */
void modifiers_reset(struct modifiers *modifiers);
