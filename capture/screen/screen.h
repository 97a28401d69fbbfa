#pragma once

#include "capture/screen/grabber.h"
#include "capture/screen/hide.h"
#include "capture/source.h"

/** What a screen source is asked for. */
struct screen_options {
	const char *grabber;           /* "x11", "wlr", "portal", "test" */
	const struct grabber_ops *ops; /* instead of a name; NULL: none */
	const char *display;           /* NULL: the environment's */
	const char *
		output; /* see grabber_ops.create(); NULL: the grabber's choice, and then always the same */
	const char *encoder; /* see encoder_create() */
	/* "usual", "low" (nice 5) or "idle" (SCHED_IDLE: only what nobody else wants of the machine); NULL: usual */
	const char *priority;
	int max_fps; /* 1 to 240 */
	enum chroma chroma;
	const struct hide_rules *hide; /* NULL: nothing is; lives longer than the source */
};

/**
 * Capture a screen: whenever it changes, grab what changed, encode, push. Nothing is done and
 * nothing is pushed while it does not change. The first picture is a keyframe of the whole screen.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason: -EOPNOTSUPP when what is to be hidden cannot be
 */
int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr);

/** @return the name of the output that alone is recorded, the source's; NULL: there is none */
const char *screen_source_output(const struct source *source);

/**
 * The window that has the focus is to be hidden, or no more, if the rules are for that. It is until the first call.
 * Any thread.
 */
void screen_source_hide_focused(struct source *source, bool hidden);

/** @return whether a pixel was hidden when the screen was copied last. Any thread. */
bool screen_source_hides(struct source *source, int x_px, int y_px);
