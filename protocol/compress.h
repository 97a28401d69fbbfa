#pragma once

/* Chunk compressions of MCAP: "", "lz4" (frame format) and "zstd". */

#include "protocol/base/buf.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_LZ4,
	COMPRESSION_ZSTD,
	COMPRESSION_COUNT,
};

/** @return the name in a Chunk record */
const char *compression_name(enum compression compression);

/** @return the compression of that name, or -ENOTSUP */
int compression_find(struct view name);

/** Append @p data compressed to @p out. @return 0 or -ENOMEM */
int compress_append(enum compression compression, struct view data, struct buf *out);

/**
 * Expand @p data into exactly @p size_bytes at @p out. Longer output is refused before it is
 * written.
 *
 * @return 0, -EBADMSG when it is damaged or has another size, or -ENOMEM
 */
int compress_expand(
	enum compression compression, struct view data, unsigned char *out, size_t size_bytes);
