#pragma once

#include "capture/source.h"

/** What a screen source is asked for. */
struct screen_options {
	const char *grabber; /* "x11", "portal", "test" */
	const char *display; /* NULL: the environment's */
	int max_fps;         /* 1 to 240 */
};

/**
 * Capture a screen: whenever it changes, grab what changed, encode, push. Nothing is done and
 * nothing is pushed while it does not change. The first picture is a keyframe of the whole screen.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason
 */
int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr);
