#pragma once

#include "protocol/file/reader.h"
#include "protocol/screen.pb-c.h"

/*
 * Pointer shapes that refer to the pixels of an earlier message, when reading a file and when
 * copying it. The rule is in FORMAT.md, "/pointer/shape".
 */

/**
 * Unpack a message, and resolve the pixels of a reference.
 *
 * @param ret  set on success; freed by uxrec__pointer_shape__free_unpacked(). Without pixels for a
 *             dangling reference
 * @return 0, -EBADMSG, -ENOMEM, or as session_cursor_next()
 */
int pointer_shape_read(Uxrec__PointerShape **ret, struct session_reader *reader,
	const struct reader_message *message);

/**
 * Definitions seen while copying, so that no reference in the copy dangles. Zero-initialised is
 * empty.
 */
struct pointer_shape_copy {
	struct pointer_shape_known {
		uint64_t identity;
		int64_t written_ns; /* of its definition in the copy; INT64_MIN: none */
		struct buf data;    /* the packed message */
	} known[128];
	size_t next;
};

void pointer_shape_copy_finish(struct pointer_shape_copy *copy);

/**
 * Register a message of the channel in the source, whether copied or not, in time order.
 *
 * @return 0 or -ENOMEM
 */
int pointer_shape_copy_register(
	struct pointer_shape_copy *copy, const struct reader_message *message);

/**
 * Same for all messages that one at or after a given time may refer to.
 *
 * @return 0, or a negative errno
 */
int pointer_shape_copy_register_before(
	struct pointer_shape_copy *copy, struct session_reader *reader, int64_t at_ns);

/**
 * Make the record with pixels for a message that is a reference.
 *
 * @param ret  empty
 * @return 1 when `ret` was made, 0 when the message has its pixels or they are unknown, or -ENOMEM
 */
int pointer_shape_copy_define(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret);

/**
 * Resolve a message of the channel that is about to be copied.
 *
 * @param ret  empty; set to a replacement record for a reference without a definition in the copy
 * @return 1 when `ret` was made, 0, or -ENOMEM
 */
int pointer_shape_copy_resolve(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret);
