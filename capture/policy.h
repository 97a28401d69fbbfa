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
	KEY_POLICY_CLASSES, /* the default: which class, never which key */
	KEY_POLICY_FULL,    /* codes; needs a consent act */
};

/** @return 0, or -EINVAL when @p name is not "none", "classes" or "full" */
int key_policy_parse(const char *name, enum key_policy *ret);
const char *key_policy_name(enum key_policy policy);

/** What becomes of one event of a device. */
struct redacted {
	enum {
		REDACTED_DROPPED,
		REDACTED_CONTROL,
		REDACTED_CLASS,
		REDACTED_KEY,
	} kind;
	Uxrec__Control control;    /* REDACTED_CONTROL */
	Uxrec__KeyClass key_class; /* REDACTED_CLASS */
	uint16_t code;             /* REDACTED_KEY: Linux input event code */
};

/**
 * Apply the policy to one evdev event. The event types that may pass are an allow-list: relative and
 * absolute axes, buttons that are no keys, SYN_REPORT; and keys as the policy says. EV_MSC, which
 * carries the scan code of every key, LEDs and all else never pass.
 */
struct redacted policy_apply(enum key_policy policy, uint16_t type, uint16_t code);

/** The same for a key that has an X keysym; @p code is its keycode less 8. */
struct redacted policy_apply_keysym(enum key_policy policy, uint32_t keysym, uint16_t code);

/** Class of a Linux key code by its place on a PC keyboard. */
Uxrec__KeyClass key_class_of_code(uint16_t code);

/** Class of an X keysym (X11/keysymdef.h). */
Uxrec__KeyClass key_class_of_keysym(uint32_t keysym);
