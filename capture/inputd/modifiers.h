#pragma once

#include "capture/input/policy.h"

#include <stddef.h>

/*
 * Inside uxrec-inputd: which modifier keys are held, so that a shortcut can be told from text. A shortcut that
 * is missed is harmless, a letter that is kept as one is not. So a modifier is held from a press that was seen
 * to the first release of its code on any device, and every doubt forgets it.
 */

/** A key event as a reader has it. */
struct key_seen {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t device;
	uint16_t code;
	Uxrec__KeyClass key_class;
	unsigned
		modifier; /* that the key is: of Uxrec__ShortcutBatch__Modifier or MODIFIER_LEVEL; else 0 */
	Uxrec__KeyAction action;
};

#define MODIFIERS_LIMIT 32

/** One modifier key that is down. */
struct modifier_key {
	uint32_t device;
	uint16_t code;
	uint8_t modifier;
	/* by a query: since when is not known, and the device may be a guess; it may only rule shortcuts out */
	bool found;
};

/** Zero-initialised: none is held. */
struct modifiers {
	struct modifier_key keys[MODIFIERS_LIMIT];
	size_t count;
	/* digits of a character's number may be pressed, until none of `keys` makes shortcuts any more */
	bool is_entry;
	uint16_t entry_letter; /* the key that began it, if a letter: it stays a shortcut; else 0 */
	bool is_full;     /* one found no room: nothing is a shortcut until modifiers_reset() */
	uint32_t changes; /* presses and releases of modifiers so far */
};

/** Whether a key makes shortcuts, so that server or kernel have to confirm that it is down. */
bool modifier_is_claimed(const struct modifier_key *key);

/**
 * Follow a key event.
 *
 * @param recorded  the session has this event: the press of a modifier that it lacks does not count
 * @return false when the event contradicts the state: the release before it was lost
 */
bool modifiers_follow(struct modifiers *modifiers, const struct key_seen *key, bool recorded);

/**
 * Take a press of a key that is no modifier. Characters that follow one with Ctrl and Shift, or one of the keypad with
 * Alt, while these are held, may enter a character by its number and are no shortcuts.
 *
 * @return the modifiers of the shortcut that it is, as in ShortcutBatch; 0: it is none
 */
uint8_t modifiers_of_shortcut(struct modifiers *modifiers, const struct key_seen *key);

/** Forget the keys that make shortcuts: none counts before it is pressed anew. */
void modifiers_forget(struct modifiers *modifiers);

/** Forget all keys: none is read any more. */
void modifiers_reset(struct modifiers *modifiers);
