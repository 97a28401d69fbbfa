#pragma once

#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Redaction policy for keys: the limit of the data that leaves uxrec-inputd. Applied there and nowhere else;
 * the program that faces the network never holds a code that the policy forbids.
 */
enum key_policy {
	KEY_POLICY_NONE,    /* nothing about keys */
	KEY_POLICY_COUNTS,  /* number of presses in each quarter of a second */
	KEY_POLICY_CLASSES, /* default: the class of a key, never its code */
	KEY_POLICY_FULL,    /* codes; needs a consent act, and permission in inputd.conf */
};

#define KEY_POLICY_NAMES "none, counts, classes, full"

/** @return 0, or -EINVAL when @p name is none of KEY_POLICY_NAMES */
int key_policy_parse(const char *name, enum key_policy *ret);
const char *key_policy_name(enum key_policy policy);

/** Disclosure of a device event. */
enum event_disposition {
	DISPOSITION_DROP,    /* never reported */
	DISPOSITION_CONTROL, /* reported under every policy */
	DISPOSITION_KEY,     /* reported as the policy allows: see redactor.h */
};

struct disposition {
	enum event_disposition kind;
	Uxrec__Control control; /* DISPOSITION_CONTROL */
};

/**
 * Classify one evdev event by an allow-list: relative and absolute axes, buttons that are no keys, the
 * switches of lid and tablet mode, and SYN_REPORT pass, keys as far as the policy allows. EV_MSC, which
 * carries the scan code of every key, LEDs and all else never pass.
 */
struct disposition policy_classify(uint16_t type, uint16_t code);

/** @return true for controls with a press and a release, which are counted among keys */
bool control_is_button(Uxrec__Control control);

/**
 * A level shift, a key that selects other letters: AltGr, level 3 and level 5, mode switch. Beside the bits
 * of Uxrec__ShortcutBatch__Modifier, and never recorded: while it is held no key press is a shortcut.
 */
#define MODIFIER_LEVEL 0x80u

/** @return the modifier of a key (Uxrec__ShortcutBatch__Modifier or MODIFIER_LEVEL), 0 for other keys */
unsigned modifier_of_code(uint16_t code);
unsigned modifier_of_keysym(uint32_t keysym);

/** Keys with which modifier_of_code() makes shortcuts. */
#define MODIFIER_KEYS 5
extern const uint16_t modifier_keys[MODIFIER_KEYS];

/** @return the class of a Linux key code by its place on a PC keyboard */
Uxrec__KeyClass key_class_of_code(uint16_t code);

/** @return the class of an X keysym (X11/keysymdef.h) */
Uxrec__KeyClass key_class_of_keysym(uint32_t keysym);
