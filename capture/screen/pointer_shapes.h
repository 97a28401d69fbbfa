#pragma once

#include "capture/source.h"
#include "protocol/screen.pb-c.h"

/**
 * Cache of recorded pointer shapes. A repeated shape is pushed as a reference: an animated pointer cycles through a
 * few pictures. Zero-initialised is empty. One thread.
 */
struct pointer_shapes {
	struct {
		uint64_t identity;
		int64_t defined_ns; /* CLOCK_MONOTONIC */
	} known[64];
	size_t next;
	uint64_t current; /* the shape shown; 0: unknown, or none */
	bool has_current;
};

/**
 * Push a shape, whole or as a reference; nothing for the current shape.
 *
 * @param shape  with `rgba`, malloc()ed, ownership passes to the callee; width 0: no pointer
 * @return its identity
 */
uint64_t pointer_shapes_push(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, Uxrec__PointerShape *shape);

/**
 * Push a reference to a shape pushed before; nothing for the current shape.
 *
 * @return false when the pixels must be pushed again
 */
bool pointer_shapes_refer(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, uint64_t identity);
