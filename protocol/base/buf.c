#include "protocol/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void buf_finish(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
	buf->size_bytes = 0;
	buf->failed = 0;
}

void buf_cut(struct buf *buf, size_t size_bytes)
{
	assert(size_bytes <= buf->size_bytes);
	buf->size_bytes = size_bytes;
	buf->failed = 0;
}

unsigned char *buf_reserve(struct buf *buf, size_t size_bytes)
{
	size_t wanted, capacity;
	unsigned char *data;

	if (buf->failed || __builtin_add_overflow(buf->size_bytes, size_bytes, &wanted)) {
		buf->failed = 1;
		return NULL;
	}
	if (wanted <= buf->capacity_bytes && buf->data)
		return buf->data + buf->size_bytes;
	capacity = buf->capacity_bytes ? buf->capacity_bytes : 256;
	while (capacity < wanted)
		capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
	data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = 1;
		return NULL;
	}
	buf->data = data;
	buf->capacity_bytes = capacity;
	return buf->data + buf->size_bytes;
}

int buf_error(const struct buf *buf)
{
	return buf->failed ? -ENOMEM : 0;
}

void buf_put(struct buf *buf, const void *data, size_t size_bytes)
{
	unsigned char *at = buf_reserve(buf, size_bytes);

	if (!at)
		return;
	if (size_bytes)
		memcpy(at, data, size_bytes);
	buf->size_bytes += size_bytes;
}

static void put_le(struct buf *buf, uint64_t value, size_t size_bytes)
{
	unsigned char bytes[8];

	le_store(bytes, value, size_bytes);
	buf_put(buf, bytes, size_bytes);
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
	put_le(buf, value, 1);
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
	put_le(buf, value, 2);
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
	put_le(buf, value, 4);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
	put_le(buf, value, 8);
}

void buf_put_string(struct buf *buf, const char *text)
{
	size_t length = strlen(text);

	assert(length <= UINT32_MAX);
	buf_put_u32(buf, (uint32_t)length);
	buf_put(buf, text, length);
}

struct view view_read_bytes(struct view *view, uint64_t size_bytes)
{
	struct view taken = {.data = view->data};

	if (view->failed || size_bytes > view->size_bytes) {
		view->failed = 1;
		return (struct view){.failed = 1};
	}
	taken.size_bytes = (size_t)size_bytes;
	if (view->data)
		view->data += size_bytes;
	view->size_bytes -= (size_t)size_bytes;
	return taken;
}

struct view view_read_string(struct view *view)
{
	return view_read_bytes(view, view_get(view, 4));
}
