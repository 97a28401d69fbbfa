#pragma once

#include "capture/inputd/modifiers.h"
#include "capture/inputd/out.h"
#include "protocol/base/ring.h"

/*
 * Inside uxrec-inputd: redaction of keys. A key is reduced to the data allowed by the policy at the moment it
 * is read; below "full" its code is dropped then. The reduced key waits here, for three reasons:
 *
 * - When passwords are watched, an application reports that a password field has the focus some milliseconds
 *   after the click or the key that moved it there, and a busy one later. So keys wait REDACTOR_HOLD_NS. On
 *   the report, all keys are dropped that were pressed since the first click or key of the last
 *   REDACTOR_HOLD_NS that can have moved the focus, or in the last REDACTOR_AHEAD_NS, whichever is longer.
 * - A key pressed while Ctrl, Alt or Super is held waits, with its code, for the reader to compare the
 *   modifiers with those of the server or the kernel: see redactor_settle().
 * - Below "full" the timestamp of a key is only that of its interval of REDACTOR_CLASSES_NS or
 *   REDACTOR_COUNTS_NS, and the key is reported after the end of the interval, not right after the press.
 */

/* longer than ACCESSIBLE_HANG_MS, the timeout after which an application counts as hung */
#define REDACTOR_HOLD_NS    NS_PER_S
#define REDACTOR_AHEAD_NS   (100 * NS_PER_MS)
#define REDACTOR_CLASSES_NS (100 * NS_PER_MS)
#define REDACTOR_COUNTS_NS  (250 * NS_PER_MS)

/* Room for a keyboard with 14,000 events a second during the hold time; the excess is dropped, as a gap. */
#define REDACTOR_KEYS_LIMIT 16384

/* Ring of the newest buttons, for the `buttons_before` of keys. */
#define REDACTOR_BUTTONS_LIMIT 256

/** A reduced key that waits. */
struct redactor_key {
	int64_t time_ns;
	uint32_t device;
	uint16_t code;            /* 0 if it must not be reported */
	unsigned key_class : 4;   /* Uxrec__KeyClass */
	unsigned action : 3;      /* Uxrec__KeyAction */
	unsigned modifiers : 4;   /* of a shortcut, else 0 */
	unsigned confirmed : 1;   /* modifiers confirmed by redactor_settle() */
	unsigned moves_focus : 1; /* may move the focus */
};

/* the ring is locked into memory */
_Static_assert(sizeof(struct redactor_key) == 16, "a waiting key");

/** Zero-initialised with @p out, then redactor_start(). */
struct redactor {
	struct input_out *out;
	enum key_policy allowed; /* upper limit of the policy */
	enum key_policy now;
	Uxrec__KeyPolicy__Reason reason; /* of `now` */
	bool shortcuts, hold;
	int64_t since_ns;    /* start of policy `now`; earlier keys are dropped */
	int64_t reported_ns; /* end of the latest reported interval */
	uint32_t buttons;    /* counter of button presses and releases, on any device */
	int64_t button_ns[REDACTOR_BUTTONS_LIMIT];
	struct modifiers modifiers;
	bool unsettled;   /* a shortcut waits for confirmation */
	uint64_t dropped; /* keys dropped for lack of room */
	int64_t dropped_ns;
	struct ring ring; /* of the keys */
	struct redactor_key keys[REDACTOR_KEYS_LIMIT];
};

/**
 * Start, and report the policy. With @p hold no keys are reported before redactor_set().
 *
 * @param shortcuts  record keys with Ctrl, Alt or Super whole under KEY_POLICY_CLASSES
 */
void redactor_start(struct redactor *redactor, enum key_policy allowed, bool shortcuts, bool hold,
	int64_t now_ns);

/** Apply @p policy from now on, limited to `allowed`, and report it. */
void redactor_set(struct redactor *redactor, enum key_policy policy,
	Uxrec__KeyPolicy__Reason reason, int64_t now_ns);

/** Process a key. */
void redactor_key(struct redactor *redactor, const struct key_event *key);

/** Count a press or release of a button. @return the number of buttons before this one */
uint32_t redactor_button(struct redactor *redactor, int64_t time_ns);

/**
 * True when shortcuts are unconfirmed: the reader must compare `modifiers` with the state of the server or
 * the kernel before redactor_flush_due(), which records only confirmed shortcuts.
 */
static inline bool redactor_is_unsettled(const struct redactor *redactor)
{
	return redactor->unsettled;
}

/**
 * @param holds  every modifier tracked as held is down on the server or in the kernel; otherwise as
 *               redactor_invalidate_modifiers()
 */
void redactor_settle(struct redactor *redactor, bool holds);

/** Events may have been lost: forget held modifiers, and turn unconfirmed shortcuts into plain keys. */
void redactor_invalidate_modifiers(struct redactor *redactor);

/** Reading stops: forget all held modifiers, which may be released meanwhile. */
void redactor_release_modifiers(struct redactor *redactor);

/**
 * @return the start of the time for which the focus of a password field is not known yet, INT64_MAX when
 *         passwords are not watched. Below "full" rounded to the interval of keys
 */
int64_t redactor_unsure_ns(const struct redactor *redactor, int64_t now_ns);

/**
 * Round a time at which a key may have been pressed as the policy requires: unchanged if "full" has held
 * since and keys of that time are not held back any more, else the start of its interval.
 */
int64_t redactor_time_ns(const struct redactor *redactor, int64_t time_ns, int64_t now_ns);

/** Report due keys. @return the time at which more will be due, INT64_MAX when none wait */
int64_t redactor_flush_due(struct redactor *redactor, int64_t now_ns);

/** Report keys as far as the policy allows, drop the rest. */
void redactor_finish(struct redactor *redactor, int64_t now_ns);
