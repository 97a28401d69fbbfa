#pragma once

#include "capture/inputd/modifiers.h"
#include "capture/inputd/out.h"

#include <stddef.h>

/*
 * Inside uxrec-inputd: what becomes of keys. A key is reduced to what the policy allows in the moment in
 * which it is read; below "full" its code is forgotten then. What is left waits here, for three reasons:
 *
 * - When passwords are watched, an application reports that a password field has the focus some milliseconds after
 *   the click or the key that moved it there, and a busy one later. So keys wait REDACTOR_HOLD_NS. When the report
 *   comes, those are forgotten that were pressed since the first click or key of the last REDACTOR_HOLD_NS that can
 *   have moved the focus, or in the last REDACTOR_AHEAD_NS, whichever is longer.
 * - A key that was pressed while Ctrl, Alt or Super is held waits, with its code, for the reader to compare the
 *   modifiers with those of the server or the kernel: see redactor_settle().
 *
 * - Below "full" a key's time is only that of the REDACTOR_CLASSES_NS or REDACTOR_COUNTS_NS in which it
 *   fell, and it is said after their end, not after the key.
 */

/* longer than ACCESSIBLE_HANG_MS, after which an application that does not answer is known as such */
#define REDACTOR_HOLD_NS    NS_PER_S
#define REDACTOR_AHEAD_NS   (100 * NS_PER_MS)
#define REDACTOR_CLASSES_NS (100 * NS_PER_MS)
#define REDACTOR_COUNTS_NS  (250 * NS_PER_MS)

/* A keyboard that floods at 24,000 events a second fits while they wait. */
#define REDACTOR_KEYS_LIMIT 32768

/* The newest buttons, so that keys know after how many of them they came. */
#define REDACTOR_BUTTONS_LIMIT 256

/** What is left of a key while it waits. */
struct redactor_key {
	int64_t time_ns;
	uint32_t device;
	uint16_t code;     /* 0 where it must not be said */
	uint8_t key_class; /* Uxrec__KeyClass */
	uint8_t action;    /* Uxrec__KeyAction */
	uint8_t modifiers; /* of a shortcut, else 0 */
	bool confirmed;    /* of these: redactor_settle() */
	bool moves_focus;  /* it may */
};

/** Zero-initialised with @p out, and then redactor_start(). */
struct redactor {
	struct input_out *out;
	enum key_policy allowed; /* the most that may ever be said */
	enum key_policy now;
	Uxrec__KeyPolicy__Reason reason; /* of that */
	bool shortcuts, hold;
	int64_t since_ns; /* that policy holds; keys before it are forgotten */
	int64_t said_ns;  /* end of the latest interval that was said */
	uint32_t buttons; /* pressed and released so far, on any device */
	int64_t button_ns[REDACTOR_BUTTONS_LIMIT];
	struct modifiers modifiers;
	bool unsettled;   /* a shortcut waits to be confirmed */
	uint64_t dropped; /* keys that found no room */
	int64_t dropped_ns;
	size_t first, count;
	struct redactor_key keys[REDACTOR_KEYS_LIMIT];
};

/**
 * Begin, and say the policy. With @p hold nothing is said of keys before redactor_set().
 *
 * @param shortcuts  keys with Ctrl, Alt or Super are kept whole under KEY_POLICY_CLASSES
 */
void redactor_start(struct redactor *redactor, enum key_policy allowed, bool shortcuts, bool hold,
	int64_t now_ns);

/** From now on @p policy holds, or what is allowed when that is less. Says so. */
void redactor_set(struct redactor *redactor, enum key_policy policy,
	Uxrec__KeyPolicy__Reason reason, int64_t now_ns);

/** Take a key. */
void redactor_key(struct redactor *redactor, const struct key_seen *key);

/** A button was pressed or released. @return how many there were before */
uint32_t redactor_button(struct redactor *redactor, int64_t time_ns);

/**
 * Shortcuts were taken since the last settling: the reader compares `modifiers` with the state of the server or
 * the kernel before redactor_flush_due(), which records no shortcut that was not confirmed.
 */
static inline bool redactor_is_unsettled(const struct redactor *redactor)
{
	return redactor->unsettled;
}

/** @param holds  every modifier that is held here is down there; else as redactor_doubt() */
void redactor_settle(struct redactor *redactor, bool holds);

/** Events may have been lost: forget the modifiers that are held, and that unconfirmed keys were shortcuts. */
void redactor_doubt(struct redactor *redactor);

/** Nothing is read any more: forget all that is held, it may be released meanwhile. */
void redactor_release_modifiers(struct redactor *redactor);

/**
 * Begin of the time of which it is not known yet whether a password field has the focus, INT64_MAX where
 * passwords are not watched. Below "full" on the grid of keys.
 */
int64_t redactor_unsure_ns(const struct redactor *redactor, int64_t now_ns);

/**
 * What may be said, beside the keys themselves, of a time at which one may have been pressed: where "full" has
 * held since, and nothing is held back any more, that time, else the begin of its interval.
 */
int64_t redactor_time_ns(const struct redactor *redactor, int64_t time_ns, int64_t now_ns);

/** Say what is due. @return when more will be, INT64_MAX when nothing waits */
int64_t redactor_flush_due(struct redactor *redactor, int64_t now_ns);

/** Say what may be said, forget the rest. */
void redactor_finish(struct redactor *redactor, int64_t now_ns);
