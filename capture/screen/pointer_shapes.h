#pragma once

#include "capture/source.h"
#include "protocol/screen.pb-c.h"

/**
 * The shapes of the pointer that are in the recording. One that comes again is referred to: an animated pointer shows the same
 * few pictures without end. Zero-initialised knows none. One thread.
 */
struct pointer_shapes {
	struct {
		uint64_t identity;
		int64_t defined_ns; /* CLOCK_MONOTONIC */
	} known[64];
	size_t next;
	uint64_t current; /* what is shown; 0: not known, or none */
	bool has_current;
};

/**
 * Push a shape, whole or as a reference; nothing when it is the one that is shown.
 *
 * @param shape  with `rgba`, malloc()ed, which is the caller's no more; width 0: no pointer
 * @return its identity
 */
uint64_t pointer_shapes_push(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, Uxrec__PointerShape *shape);

/**
 * Push a reference to a shape that was pushed before; nothing when it is the one that is shown.
 *
 * @return false when its pixels must be pushed again
 */
bool pointer_shapes_refer(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, uint64_t identity);
