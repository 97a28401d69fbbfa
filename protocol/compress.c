#include "protocol/compress.h"

#include "protocol/base/cleanup.h"

#include <errno.h>
#include <lz4frame.h>
#include <zstd.h>

/* zstd's window is bounded by the size of one-shot input: a chunk */
#define ZSTD_LEVEL 1

static const char *const compression_names[COMPRESSION_COUNT] = {
	[COMPRESSION_NONE] = "",
	[COMPRESSION_LZ4] = "lz4",
	[COMPRESSION_ZSTD] = "zstd",
};

const char *compression_name(enum compression compression)
{
	return compression_names[compression];
}

int compression_find(struct view name)
{
	for (int i = 0; i < COMPRESSION_COUNT; i++)
		if (name.size_bytes == strlen(compression_names[i]) &&
			(name.size_bytes == 0 ||
				memcmp(name.data, compression_names[i], name.size_bytes) == 0))
			return i;
	return -ENOTSUP;
}

int compress_append(enum compression compression, struct view data, struct buf *out)
{
	LZ4F_preferences_t preferences = {
		.frameInfo = {.contentSize = data.size_bytes, .blockMode = LZ4F_blockIndependent},
	};
	size_t room, size;
	unsigned char *at;

	switch (compression) {
	case COMPRESSION_LZ4: room = LZ4F_compressFrameBound(data.size_bytes, &preferences); break;
	case COMPRESSION_ZSTD: room = ZSTD_compressBound(data.size_bytes); break;
	default: buf_put(out, data.data, data.size_bytes); return buf_error(out);
	}
	at = buf_reserve(out, room);
	if (!at)
		return -ENOMEM;
	if (compression == COMPRESSION_LZ4) {
		size = LZ4F_compressFrame(at, room, data.data, data.size_bytes, &preferences);
		if (LZ4F_isError(size))
			return -ENOMEM;
	} else {
		size = ZSTD_compress(at, room, data.data, data.size_bytes, ZSTD_LEVEL);
		if (ZSTD_isError(size))
			return -ENOMEM;
	}
	out->size_bytes += size;
	return 0;
}

static int expand_lz4(struct view data, unsigned char *out, size_t size_bytes)
{
	LZ4F_dctx *context = NULL;
	size_t done = 0, hint = 1;
	int r = 0;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return -ENOMEM;
	while (hint > 0 && data.size_bytes > 0 && r == 0) {
		size_t written = size_bytes - done, read = data.size_bytes;

		hint = LZ4F_decompress(context, out + done, &written, data.data, &read, NULL);
		if (LZ4F_isError(hint) || (read == 0 && written == 0))
			r = -EBADMSG;
		done += written;
		data.data += read;
		data.size_bytes -= read;
	}
	LZ4F_freeDecompressionContext(context);
	return r < 0 || hint > 0 || done != size_bytes || data.size_bytes > 0 ? -EBADMSG : 0;
}

int compress_expand(
	enum compression compression, struct view data, unsigned char *out, size_t size_bytes)
{
	size_t size;

	if (compression == COMPRESSION_LZ4)
		return expand_lz4(data, out, size_bytes);
	if (compression == COMPRESSION_ZSTD) {
		size = ZSTD_decompress(out, size_bytes, data.data, data.size_bytes);
		return ZSTD_isError(size) || size != size_bytes ? -EBADMSG : 0;
	}
	if (data.size_bytes != size_bytes)
		return -EBADMSG;
	if (size_bytes)
		memcpy(out, data.data, size_bytes);
	return 0;
}
