#pragma once

#include "capture/input/policy.h"
#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "protocol/wire.pb-c.h"

/** What is to be looked at: what a session would use. */
struct doctor_options {
	const char *grabber; /* "auto", "x11", "wlr", "portal", "test", "none" */
	const char *display;
	const char *output;    /* the one that is captured; NULL: the grabber's choice */
	const char *input;     /* "auto", "evdev", "x11", "none" */
	const char *devices;   /* which of them: capture/input/filter.h; "": all of seat0 */
	const char *helper;    /* path of uxrec-inputd */
	const char *library;   /* folder of the sessions, NULL: not looked at */
	struct ear_wish sound; /* a name of "none": not listened to */
	const char *encoder;   /* see encoder_create(); of pictures with this chroma */
	enum chroma chroma;
	bool picture; /* with a picture of the screen as it is now */
	bool hidden;  /* but a study hides parts of it, from whoever looks too: then without */
};

/**
 * Try everything that a session needs, keep nothing, and say what was found and what to do about it.
 * Takes up to a few seconds, because it listens.
 *
 * @param ret  set on success; freed by the caller with uxrec__doctor_report__free_unpacked()
 * @return 0 or -ENOMEM
 */
int doctor_run(Uxrec__DoctorReport **ret, const struct doctor_options *options);

/**
 * Print what would be recorded of input, redacted as it would be, while it happens.
 *
 * @param keys  the policy, below KEY_POLICY_FULL
 * @return 0, or a negative errno with the reason
 */
int doctor_show(const struct doctor_options *options, enum key_policy keys, int seconds,
	struct error *reterr);

/** @return true when no finding is bad */
bool doctor_is_good(const Uxrec__DoctorReport *report);
