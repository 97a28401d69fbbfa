#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/file/reader.h"
#include "protocol/screen.pb-c.h"

/** The pointer of a session over time: its position and shape. */
struct track;

/** @return 0 (freed by track_destroy() before its reader) or -ENOMEM */
int track_create(struct track **ret, struct session_reader *reader);
void track_destroy(struct track *track);
DEFINE_DESTROY(track);

/** Seek to a time; cheap in forward direction. @return 0 or a negative errno */
int track_seek(struct track *track, int64_t at_ns);

/** @return the time of its next motion or change; INT64_MAX: none. After a seek. */
int64_t track_next(const struct track *track);

/** Its position, in pixels of the screen. @return false when unknown */
bool track_position(const struct track *track, int *ret_x, int *ret_y);

/**
 * @return its shape, validated: rgba has width * height * 4 bytes or none; NULL when unknown. Valid until the next
 *         seek.
 */
const Uxrec__PointerShape *track_shape(const struct track *track);
