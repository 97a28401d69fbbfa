#pragma once

#include "protocol/screen.pb-c.h"

#include <stdbool.h>

/*
 * The pictures of the pointer. An animated pointer shows the same few again and again: each has an identity, made of all that it
 * is, and its pixels are in the file once in SESSION_SHAPE_SPAN_NS. FORMAT.md, "/pointer/shape", has the rule.
 */

/* The largest side in pixels; X11 has none that are larger. */
#define POINTER_SHAPE_SIDE_LIMIT 1024

/** Identify a shape by its size, hot spot and `rgba`. @return never 0 */
uint64_t pointer_shape_identify(const Uxrec__PointerShape *shape);

/** @return true when a message has no pixels of its own: they are in an earlier one of the same identity */
bool pointer_shape_is_reference(const Uxrec__PointerShape *shape);

/**
 * Move the pixels from `rgba`, which is malloc()ed, to `deflated`, likewise.
 *
 * @return 0 or -ENOMEM; then nothing has changed
 */
int pointer_shape_deflate(Uxrec__PointerShape *shape);

/** The other way round, and check all of it. Nothing is done to a reference. @return 0, -EBADMSG or -ENOMEM */
int pointer_shape_inflate(Uxrec__PointerShape *shape);
