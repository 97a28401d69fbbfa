#pragma once

#include "capture/source.h"

struct pointer_options {
	const char *display; /* NULL: from the environment */
	/**
	 * A clicking button (not the wheel's 4 to 7) was pressed, with the pointer position queried right after.
	 * Called from the source's thread; must not block. May be NULL.
	 *
	 * @param time_ns  CLOCK_MONOTONIC, the input devices' timestamp
	 */
	void (*pressed)(void *user, int64_t time_ns, int x_px, int y_px);
	void *user;
};

/**
 * Follow the pointer of an X display: its position on every move (at most 30 times a second), and on a button press
 * with a timestamp no later than the press; its shape on every change. Idle while the pointer rests.
 *
 * @param ret  set on success; freed by source_destroy()
 */
int pointer_source_create(struct source **ret, const struct source_context *context,
	const struct pointer_options *options, struct error *reterr);
