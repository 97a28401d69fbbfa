#pragma once

#include "capture/input/policy.h"

/** Options of the input source. */
struct input_options {
	/* "auto": the system service if there is one, else a child with this program's permissions;
	 * "service", or "service:PATH" of its socket; "evdev" and "x11": by a child */
	const char *source;
	const char *display; /* NULL: from the environment */
	const char *helper;  /* path of uxrec-inputd */
	const char *devices; /* see filter.h; NULL or "": all of seat0 */
	enum key_policy keys;
	const char *consent_id; /* id of the consent act for KEY_POLICY_FULL, else "" */
	bool shortcuts;         /* record keys with Ctrl, Alt or Super whole under CLASSES */
	/* The focus is tracked: no keys are reported before input_source_set_keys(), and keys are held for
	 * REDACTOR_HOLD_NS. */
	bool passwords_watched;
};
