#include "protocol/pointer_shape.h"

#include "protocol/mcap.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* higher levels would take milliseconds for a cursor of 48 × 48 and save a few bytes */
#define DEFLATE_LEVEL 6

/* ---- shapes ---- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

uint64_t pointer_shape_identify(const Uxrec__PointerShape *shape)
{
	uint64_t hash = mix(mix(1, (uint64_t)shape->width_px << 32 | shape->height_px),
		(uint64_t)shape->hot_x_px << 32 | shape->hot_y_px);
	size_t at = 0;

	for (; at + 8 <= shape->rgba.len; at += 8)
		hash = mix(hash, le_load(shape->rgba.data + at, 8));
	if (at < shape->rgba.len)
		hash = mix(hash, le_load(shape->rgba.data + at, shape->rgba.len - at));
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

bool pointer_shape_is_reference(const Uxrec__PointerShape *shape)
{
	return shape->shape != 0 && shape->rgba.len == 0 && shape->deflated.len == 0;
}

int pointer_shape_deflate(Uxrec__PointerShape *shape)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(DEFLATE_LEVEL);
	size_t room = libdeflate_zlib_compress_bound(compressor, shape->rgba.len);
	uint8_t *data = compressor ? malloc(room) : NULL;
	int r = -ENOMEM;

	if (data) {
		shape->deflated.len = libdeflate_zlib_compress(
			compressor, shape->rgba.data, shape->rgba.len, data, room);
		shape->deflated.data = data;
		free(shape->rgba.data);
		shape->rgba = (ProtobufCBinaryData){0};
		r = 0;
	}
	libdeflate_free_compressor(compressor);
	return r;
}

static int inflate(Uxrec__PointerShape *shape, size_t size_bytes)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	uint8_t *data = decompressor ? malloc(size_bytes) : NULL;
	int r = data ? 0 : -ENOMEM;

	if (r == 0 &&
		libdeflate_zlib_decompress(decompressor, shape->deflated.data, shape->deflated.len,
			data, size_bytes, NULL) != LIBDEFLATE_SUCCESS)
		r = -EBADMSG;
	libdeflate_free_decompressor(decompressor);
	if (r < 0) {
		free(data);
		return r;
	}
	free(shape->rgba.data);
	shape->rgba = (ProtobufCBinaryData){size_bytes, data};
	free(shape->deflated.data);
	shape->deflated = (ProtobufCBinaryData){0};
	return 0;
}

int pointer_shape_inflate(Uxrec__PointerShape *shape)
{
	size_t size_bytes = (size_t)shape->width_px * shape->height_px * 4;

	if (pointer_shape_is_reference(shape))
		return 0;
	if (shape->width_px > POINTER_SHAPE_SIDE_LIMIT ||
		shape->height_px > POINTER_SHAPE_SIDE_LIMIT ||
		shape->hot_x_px > POINTER_SHAPE_SIDE_LIMIT ||
		shape->hot_y_px > POINTER_SHAPE_SIDE_LIMIT)
		return -EBADMSG;
	if (shape->deflated.len > 0)
		return size_bytes > 0 ? inflate(shape, size_bytes) : -EBADMSG;
	return shape->rgba.len == 0 || shape->rgba.len == size_bytes ? 0 : -EBADMSG;
}
