#pragma once

#include "capture/source.h"

/**
 * Follow the pointer of an X display: its position whenever it moves (at most 60 times a second) or
 * a button is pressed, and its picture whenever that changes. Nothing is done while it rests.
 *
 * @param ret      set on success; freed by source_destroy()
 * @param display  NULL: the environment's
 */
int pointer_source_create(struct source **ret, const struct source_context *context,
	const char *display, struct error *reterr);
