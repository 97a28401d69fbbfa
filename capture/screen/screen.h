#pragma once

#include "capture/screen/grabber.h"
#include "capture/screen/hide.h"
#include "capture/source.h"

/** Options of a screen source. */
struct screen_options {
	const char *grabber;           /* "x11", "wlr", "portal", "test" */
	const struct grabber_ops *ops; /* overrides the name; NULL: unset */
	const char *display;           /* NULL: from the environment */
	/* see struct grabber_target; NULL: the grabber's first choice, then kept */
	const char *output;
	const char *encoder; /* see encoder_create() */
	/* "usual", "low" (nice 5) or "idle" (SCHED_IDLE: idle processor time only); NULL: usual */
	const char *priority;
	int max_fps; /* 1 to 240 */
	enum chroma chroma;
	const struct hide_rules *hide; /* NULL: nothing hidden; outlives the source */
};

/**
 * Capture a screen: on damage, grab it, encode, push. Without damage the source is idle and pushes nothing. The
 * first picture is a keyframe of the whole screen.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason: -EOPNOTSUPP when the hiding rules cannot be applied
 */
int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr);

/** @return the name of the only recorded output, owned by the source; NULL: none */
const char *screen_source_output(const struct source *source);

/** Start or stop hiding the focused window, if enabled in the rules. Hidden until the first call. Any thread. */
void screen_source_hide_focused(struct source *source, bool hidden);

/** @return true for a pixel hidden in the last copy of the screen. Any thread. */
bool screen_source_hides(struct source *source, int x_px, int y_px);
