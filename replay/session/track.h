#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/file/reader.h"
#include "protocol/screen.pb-c.h"

/** The track of a pointer: where it was in a session, and what it looked like. */
struct track;

/** @return 0 (freed by track_destroy() before its reader) or -ENOMEM */
int track_create(struct track **ret, struct session_reader *reader);
void track_destroy(struct track *track);
DEFINE_DESTROY(track);

/** Go to a moment; forward is cheap. @return 0 or a negative errno */
int track_seek(struct track *track, int64_t at_ns);

/** @return when it next moves or changes; INT64_MAX: never again. After a seek. */
int64_t track_next(const struct track *track);

/** Where it is, in pixels of the screen. @return false when that is not known */
bool track_position(const struct track *track, int *ret_x, int *ret_y);

/** @return what it looks like, checked: rgba has width * height * 4 bytes or none; NULL when that was never
 *  said. Valid until the next seek. */
const Uxrec__PointerShape *track_shape(const struct track *track);
