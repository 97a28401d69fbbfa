#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * Growable byte buffer. Zero-initialised: empty and valid. A failed allocation sets `failed` and drops the
 * append and every later one: check once at the end with buf_error().
 */
struct buf {
	unsigned char *data;
	size_t size_bytes;
	size_t capacity_bytes;
	int failed;
};

/** Free the data; the buffer is empty and usable again. */
void buf_finish(struct buf *buf);

/** Empty the buffer, keep the memory. */
void buf_clear(struct buf *buf);

/** Truncate to an earlier size and clear `failed`. */
void buf_cut(struct buf *buf, size_t size_bytes);

/**
 * Make room for @p size_bytes more.
 *
 * @return the position of the new bytes (not yet counted in size_bytes), or NULL without memory
 */
unsigned char *buf_reserve(struct buf *buf, size_t size_bytes);

/** @return 0, or -ENOMEM when any append failed */
int buf_error(const struct buf *buf);

void buf_put(struct buf *buf, const void *data, size_t size_bytes);

/** Little-endian integers, and the strings of MCAP: a uint32 length, then the bytes. */
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_put_string(struct buf *buf, const char *text);

/** Store or load little-endian integers of 1 to 8 bytes at any alignment. */
static inline void le_store(unsigned char *at, uint64_t value, size_t size_bytes)
{
	value = htole64(value);
	memcpy(at, &value, size_bytes);
}

static inline uint64_t le_load(const unsigned char *at, size_t size_bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, size_bytes);
	return le64toh(value);
}

/** A bounded view of bytes, read from the front. */
struct view {
	const unsigned char *data;
	size_t size_bytes;
	int failed; /* set by a read beyond the end; later reads return 0 */
};

/** Read a little-endian integer of 1 to 8 bytes. Inline: an index has half a million of them. */
static inline uint64_t view_get(struct view *view, size_t size_bytes)
{
	const unsigned char *at = view->data;

	if (view->failed || size_bytes > view->size_bytes) {
		view->failed = 1;
		return 0;
	}
	view->data += size_bytes;
	view->size_bytes -= size_bytes;
	return le_load(at, size_bytes);
}

/** Take @p size_bytes from the front; an empty failed view when there are fewer. */
struct view view_read_bytes(struct view *view, uint64_t size_bytes);

/** Read an MCAP string (uint32 length, then the bytes). */
struct view view_read_string(struct view *view);
