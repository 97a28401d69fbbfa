#pragma once

#include "capture/input/policy.h"

/** What the input source is asked for. */
struct input_options {
	/* "auto": the system service where there is one, else what a child of this program may read;
	 * "service", or "service:PATH" of its socket; "evdev" and "x11": by a child */
	const char *source;
	const char *display; /* NULL: the environment's */
	const char *helper;  /* path of uxrec-inputd */
	const char *devices; /* which, as input_filter.h has it; NULL or "": all of seat0 */
	enum key_policy keys;
	const char *consent_id; /* of the consent act that allows KEY_POLICY_FULL, else "" */
	bool shortcuts;         /* keys with Ctrl, Alt or Super are kept whole under CLASSES */
	/* What has the focus is followed: nothing is said of keys before input_source_set_keys(), and
	 * keys wait REDACTOR_HOLD_NS for it. */
	bool passwords_watched;
};
