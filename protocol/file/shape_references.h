#pragma once

#include "protocol/file/reader.h"
#include "protocol/screen.pb-c.h"

/*
 * Shapes of the pointer that refer to the pixels of an earlier message, in a file that is read and in a copy of it. FORMAT.md,
 * "/pointer/shape", has the rule.
 */

/**
 * Unpack a message, and when it is a reference find its pixels.
 *
 * @param ret  set on success; freed by uxrec__pointer_shape__free_unpacked(). A reference whose pixels are missing has none
 * @return 0, -EBADMSG, -ENOMEM, or as session_cursor_next()
 */
int pointer_shape_read(Uxrec__PointerShape **ret, struct session_reader *reader,
	const struct reader_message *message);

/** What a copy needs so that none of its references lacks its pixels. Zero-initialised knows nothing. */
struct pointer_shape_copy {
	struct pointer_shape_known {
		uint64_t identity;
		int64_t written_ns; /* of that in the copy; INT64_MIN: none */
		struct buf data;    /* the packed message */
	} known[128];
	size_t next;
};

void pointer_shape_copy_finish(struct pointer_shape_copy *copy);

/** A message of the channel is in the source, whether it is copied or not. In the order of time. @return 0 or -ENOMEM */
int pointer_shape_copy_see(struct pointer_shape_copy *copy, const struct reader_message *message);

/** The same of all that a message from a time on may refer to. @return 0, or a negative errno */
int pointer_shape_copy_see_before(
	struct pointer_shape_copy *copy, struct session_reader *reader, int64_t at_ns);

/**
 * Make the record with its pixels of a message that is a reference.
 *
 * @param ret  empty
 * @return 1 when `ret` was made, 0: it has its pixels, or they are not known; or -ENOMEM
 */
int pointer_shape_copy_define(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret);

/**
 * A message of the channel is to be copied.
 *
 * @param ret  empty; the record to be written in its place, when it is a reference and the copy has no definition for it
 * @return 1 when `ret` was made, 0, or -ENOMEM
 */
int pointer_shape_copy_resolve(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret);
