#pragma once

#include "capture/source.h"

struct pointer_options {
	const char *display; /* NULL: the environment's */
	/**
	 * A button was pressed, of those that click (not the wheel's 4 to 7), and where the pointer was when
	 * the server was asked right after it. Called from the source's thread; must not block. May be NULL.
	 *
	 * @param time_ns  CLOCK_MONOTONIC, as the input devices' events have it
	 */
	void (*pressed)(void *user, int64_t time_ns, int x_px, int y_px);
	void *user;
};

/**
 * Follow the pointer of an X display: its position whenever it moves (at most 30 times a second), and as it is
 * when a button is pressed with no later time than the press has; and its picture whenever that changes. Nothing
 * is done while it rests.
 *
 * @param ret  set on success; freed by source_destroy()
 */
int pointer_source_create(struct source **ret, const struct source_context *context,
	const struct pointer_options *options, struct error *reterr);
