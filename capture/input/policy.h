#pragma once

#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * The redaction policy for keys: what may leave uxrec-inputd. It is applied there and nowhere else;
 * the program that faces the network never holds a code that the policy forbids.
 */
enum key_policy {
	KEY_POLICY_NONE,    /* nothing about keys */
	KEY_POLICY_COUNTS,  /* how many presses in each quarter of a second */
	KEY_POLICY_CLASSES, /* the default: which class, never which key */
	KEY_POLICY_FULL,    /* codes; needs a consent act, and the ceiling of uxrec-inputd */
};

#define KEY_POLICY_NAMES "none, counts, classes, full"

/** @return 0, or -EINVAL when @p name is none of KEY_POLICY_NAMES */
int key_policy_parse(const char *name, enum key_policy *ret);
const char *key_policy_name(enum key_policy policy);

/** What an event of a device is, as far as it may be told. */
enum told_kind {
	TOLD_NOTHING, /* never said */
	TOLD_CONTROL, /* said under every policy */
	TOLD_KEY,     /* said as the policy allows: see redactor.h */
};

struct told {
	enum told_kind kind;
	Uxrec__Control control; /* TOLD_CONTROL */
};

/**
 * What may be told of one evdev event. The types that may pass are an allow-list: relative and absolute
 * axes, buttons that are no keys, the switches of lid and tablet mode, SYN_REPORT; and keys as the
 * policy says. EV_MSC, which carries the scan code of every key, LEDs and all else never pass.
 */
struct told policy_tell(uint16_t type, uint16_t code);

/** @return true for the controls that are pressed and released, and counted among keys */
bool control_is_button(Uxrec__Control control);

/** A key that chooses other letters: AltGr, level 3 and level 5, mode switch. Beside the bits of
 *  Uxrec__ShortcutBatch__Modifier, and never recorded: with it held nothing is a shortcut. */
#define MODIFIER_LEVEL 0x80u

/** The modifier that a key is (Uxrec__ShortcutBatch__Modifier or MODIFIER_LEVEL), 0 for all others. */
unsigned modifier_of_code(uint16_t code);
unsigned modifier_of_keysym(uint32_t keysym);

/** The keys by which modifier_of_code() makes shortcuts. */
#define MODIFIER_KEYS 5
extern const uint16_t modifier_keys[MODIFIER_KEYS];

/** Class of a Linux key code by its place on a PC keyboard. */
Uxrec__KeyClass key_class_of_code(uint16_t code);

/** Class of an X keysym (X11/keysymdef.h). */
Uxrec__KeyClass key_class_of_keysym(uint32_t keysym);
