#pragma once

#include "protocol/screen.pb-c.h"

#include <stdbool.h>

/*
 * Pictures of the pointer. An animated pointer cycles through a few: each has an identity, a hash
 * of its content, and its pixels are in the file once per SESSION_SHAPE_SPAN_NS. The rule is in
 * FORMAT.md, "/pointer/shape".
 */

/* Largest side in pixels; X11 has no larger ones. */
#define POINTER_SHAPE_SIDE_LIMIT 1024

/** Identify a shape by its size, hot spot and `rgba`. @return never 0 */
uint64_t pointer_shape_identify(const Uxrec__PointerShape *shape);

/**
 * @return true when a message has no pixels of its own, but refers to those of an earlier one with
 *         the same identity
 */
bool pointer_shape_is_reference(const Uxrec__PointerShape *shape);

/**
 * Move the pixels from `rgba` to `deflated`, both malloc()ed.
 *
 * @return 0 or -ENOMEM; nothing has changed then
 */
int pointer_shape_deflate(Uxrec__PointerShape *shape);

/**
 * Inverse of the above, with all checks. A reference is left alone.
 *
 * @return 0, -EBADMSG or -ENOMEM
 */
int pointer_shape_inflate(Uxrec__PointerShape *shape);
