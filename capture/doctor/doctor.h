#pragma once

#include "capture/input/policy.h"
#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "protocol/wire.pb-c.h"

/** Checks to run, with the settings of a session. */
struct doctor_options {
	const char *grabber; /* "auto", "x11", "wlr", "portal", "test", "none" */
	const char *display;
	const char *output;        /* the only captured output; NULL: the grabber's choice */
	const char *input;         /* "auto", "evdev", "x11", "none" */
	const char *devices;       /* filter: capture/input/filter.h; "": all of seat0 */
	const char *helper;        /* path of uxrec-inputd */
	const char *library;       /* session folder, NULL: not checked */
	struct audio_config sound; /* name "none": not checked */
	const char *encoder;       /* see encoder_create(); for this chroma */
	enum chroma chroma;
	bool picture; /* with a picture of the current screen */
	bool hidden;  /* a study hides parts of the screen from everybody: no picture */
	const _Atomic bool *cancelled; /* true: do not wait for the desktop's dialog. NULL: never */
};

/**
 * Try everything needed by a session, keep nothing, and report findings with advice. Takes up to a few seconds,
 * because sound is checked.
 *
 * @param ret  set on success; freed by the caller with uxrec__doctor_report__free_unpacked()
 * @return 0 or -ENOMEM
 */
int doctor_run(Uxrec__DoctorReport **ret, const struct doctor_options *options);

/**
 * Print live input as it would be recorded, with the same redaction.
 *
 * @param keys  the policy, below KEY_POLICY_FULL
 * @return 0, or a negative errno with the reason
 */
int doctor_show(const struct doctor_options *options, enum key_policy keys, int seconds,
	struct error *reterr);

/** @return true without a bad finding */
bool doctor_is_good(const Uxrec__DoctorReport *report);
