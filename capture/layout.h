#pragma once

#include "capture/source.h"

/**
 * Record the layout of the session's keyboards as CHANNEL_KEYBOARD_LAYOUT: the X server's, or without one
 * what XKB_DEFAULT_LAYOUT and its like say, or /etc/default/keyboard.
 *
 * @param display  NULL: the environment's, if there is one
 * @param labels   with the label of every key: only where codes may be recorded
 * @param from_ns  CLOCK_MONOTONIC: not after the first key
 * @return 0, -ENOENT when it cannot be learned, or another negative errno
 */
int layout_record(
	const struct source_context *context, const char *display, bool labels, int64_t from_ns);
