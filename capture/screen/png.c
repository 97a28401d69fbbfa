#include "capture/screen/png.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stddef.h>

/* libdeflate levels. A palette compresses fast; 24 bits at level 6 would take two to four times as long for 3 to
 * 15 % fewer bytes (text with coloured edges, text over gradients, photographs). */
#define LEVEL_PALETTE 6
#define LEVEL_RGB     1

#define COLOURS 256
#define SLOTS   1024 /* of a hash table of the colours; a power of two */

enum colour_type {
	TYPE_RGB = 2,
	TYPE_PALETTE = 3,
};

/* PNG, 9.2 "Filter types for filter method 0" */
enum filter {
	FILTER_NONE,
	FILTER_SUB,
	FILTER_UP,
	FILTER_PAETH = 4,
};

struct png {
	struct libdeflate_compressor *for_palette, *for_rgb;
	struct buf rows;         /* filtered, not yet compressed */
	unsigned char *lines[4]; /* rows of RGB: current, above, and two filter candidates */
	int line_px;             /* capacity of each */

	uint32_t colours[COLOURS];
	int count;
	uint32_t slot_colour[SLOTS];
	uint16_t slot_index[SLOTS]; /* 0: free; else the index + 1 */
};

int png_create(struct png **ret)
{
	_destroy_(png) struct png *png = calloc(1, sizeof(*png));

	if (!png)
		return -ENOMEM;
	png->for_palette = libdeflate_alloc_compressor(LEVEL_PALETTE);
	png->for_rgb = libdeflate_alloc_compressor(LEVEL_RGB);
	if (!png->for_palette || !png->for_rgb)
		return -ENOMEM;
	*ret = steal_ptr(png);
	return 0;
}

void png_destroy(struct png *png)
{
	if (!png)
		return;
	libdeflate_free_compressor(png->for_palette);
	libdeflate_free_compressor(png->for_rgb);
	buf_finish(&png->rows);
	free(png->lines[0]);
	free(png);
}

uint32_t png_crc32(uint32_t sum, const void *data, size_t size_bytes)
{
	return libdeflate_crc32(sum, data, size_bytes);
}

/* ---- chunks ---- */

static void put_be32(struct buf *out, uint32_t value)
{
	value = htobe32(value);
	buf_put(out, &value, sizeof(value));
}

/* Close a chunk with the CRC of its type and data. */
static void end_chunk(struct buf *out, size_t begin)
{
	uint32_t size, crc;

	if (out->failed)
		return;
	size = htobe32((uint32_t)(out->size_bytes - begin - 8));
	crc = libdeflate_crc32(0, out->data + begin + 4, out->size_bytes - begin - 4);
	memcpy(out->data + begin, &size, sizeof(size));
	put_be32(out, crc);
}

static size_t begin_chunk(struct buf *out, const char *type)
{
	size_t begin = out->size_bytes;

	put_be32(out, 0);
	buf_put(out, type, 4);
	return begin;
}

static void put_header(struct buf *out, int width, int height, int bits, enum colour_type type)
{
	size_t begin;

	buf_put(out, "\x89PNG\r\n\x1a\n", 8);
	begin = begin_chunk(out, "IHDR");
	put_be32(out, (uint32_t)width);
	put_be32(out, (uint32_t)height);
	buf_put_u8(out, (uint8_t)bits);
	buf_put_u8(out, (uint8_t)type);
	buf_put(out, "\0\0", 3); /* compression, filter method, not interlaced */
	end_chunk(out, begin);
}

static void put_palette(struct png *png, struct buf *out)
{
	size_t begin = begin_chunk(out, "PLTE");

	for (int i = 0; i < png->count; i++) {
		buf_put_u8(out, (uint8_t)(png->colours[i] >> 16));
		buf_put_u8(out, (uint8_t)(png->colours[i] >> 8));
		buf_put_u8(out, (uint8_t)png->colours[i]);
	}
	end_chunk(out, begin);
}

static void put_rows(
	const struct png *png, struct libdeflate_compressor *compressor, struct buf *out)
{
	size_t most, begin = begin_chunk(out, "IDAT"), size;
	unsigned char *to;

	most = libdeflate_zlib_compress_bound(compressor, png->rows.size_bytes);
	to = buf_reserve(out, most);
	if (!to)
		return;
	size = libdeflate_zlib_compress(compressor, png->rows.data, png->rows.size_bytes, to, most);
	out->size_bytes += size;
	end_chunk(out, begin);
	begin = begin_chunk(out, "IEND");
	end_chunk(out, begin);
}

/* ---- palette ---- */

static uint32_t pixel_at(const uint8_t *pixels)
{
	return (uint32_t)le_load(pixels, 4) & 0xffffff;
}

/* @return the colour's index, or -1 with too many colours */
static int index_of(struct png *png, uint32_t colour)
{
	uint32_t slot = (colour * 2654435761u) >> 22;

	while (png->slot_index[slot] && png->slot_colour[slot] != colour)
		slot = (slot + 1) % SLOTS;
	if (!png->slot_index[slot]) {
		if (png->count == COLOURS)
			return -1;
		png->colours[png->count++] = colour;
		png->slot_colour[slot] = colour;
		png->slot_index[slot] = (uint16_t)png->count;
	}
	return png->slot_index[slot] - 1;
}

/* @return false with too many colours */
static bool put_index_row(struct png *png, unsigned char *to, const uint8_t *pixels, int width)
{
	uint32_t before = pixel_at(pixels) + 1;
	int index = 0;

	*to++ = FILTER_NONE;
	for (int x = 0; x < width; x++) {
		uint32_t colour = pixel_at(pixels + 4 * (ptrdiff_t)x);

		if (colour != before)
			index = index_of(png, colour);
		if (index < 0)
			return false;
		before = colour;
		*to++ = (unsigned char)index;
	}
	return true;
}

static bool find_indices(
	struct png *png, const uint8_t *pixels, int stride_bytes, int width, int height)
{
	size_t size = (size_t)height * ((size_t)width + 1);
	unsigned char *to = buf_reserve(&png->rows, size);

	png->count = 0;
	memset(png->slot_index, 0, sizeof(png->slot_index));
	if (!to)
		return false;
	for (int y = 0; y < height; y++)
		if (!put_index_row(png, to + (size_t)y * ((size_t)width + 1),
			    pixels + (ptrdiff_t)y * stride_bytes, width))
			return false;
	png->rows.size_bytes = size;
	return true;
}

/* @return bits per index */
static int bits_of(int count)
{
	return count <= 2 ? 1 : count <= 4 ? 2 : count <= 16 ? 4 : 8;
}

/* Pack several indices per byte, the leftmost in the high bits; in place. */
static void pack_indices(struct png *png, int bits, int width, int height)
{
	unsigned char *from = png->rows.data, *to = png->rows.data;

	if (bits == 8)
		return;
	for (int y = 0; y < height; y++) {
		*to++ = *from++; /* filter type */
		for (int x = 0; x < width;) {
			unsigned packed = 0;

			for (int shift = 8 - bits; shift >= 0; shift -= bits, x++)
				packed |= (x < width ? (unsigned)*from++ : 0u) << shift;
			*to++ = (unsigned char)packed;
		}
	}
	png->rows.size_bytes = (size_t)(to - png->rows.data);
}

/* ---- 24 bits ---- */

static int make_lines(struct png *png, int width)
{
	size_t size = (size_t)width * 3 + 3; /* room for a black pixel before the first */
	unsigned char *memory;

	if (width > png->line_px) {
		memory = realloc(png->lines[0], 4 * size);
		if (!memory)
			return -ENOMEM;
		png->line_px = width;
		for (int i = 0; i < 4; i++)
			png->lines[i] = memory + (size_t)i * size;
	}
	memset(png->lines[0], 0, 3);
	memset(png->lines[1], 0, (size_t)width * 3 + 3);
	return 0;
}

static void to_rgb(unsigned char *to, const uint8_t *pixels, int width)
{
	for (int x = 0; x < width; x++, to += 3, pixels += 4) {
		to[0] = pixels[2];
		to[1] = pixels[1];
		to[2] = pixels[0];
	}
}

static unsigned char paeth(int left, int above, int corner)
{
	int p = left + above - corner;
	int a = abs(p - left), b = abs(p - above), c = abs(p - corner);

	return (unsigned char)(a <= b && a <= c ? left : b <= c ? above : corner);
}

/* Apply a filter; PNG, 12.7: choose the one with the smallest sum of absolute values. @return that sum */
static long try_filter(enum filter filter, const unsigned char *row, const unsigned char *above,
	int size, unsigned char *to)
{
	long sum = 0;

	for (int i = 0; i < size; i++) {
		int predicted = filter == FILTER_SUB ? row[i - 3]
			: filter == FILTER_UP        ? above[i]
			: filter == FILTER_PAETH     ? paeth(row[i - 3], above[i], above[i - 3])
						     : 0;

		to[i] = (unsigned char)(row[i] - predicted);
		sum += abs((signed char)to[i]);
	}
	return sum;
}

static void filter_row(
	struct png *png, const unsigned char *row, const unsigned char *above, int size)
{
	static const enum filter filters[] = {FILTER_UP, FILTER_SUB, FILTER_PAETH, FILTER_NONE};
	unsigned char *best = png->lines[2], *other = png->lines[3];
	enum filter chosen = filters[0];
	long least = try_filter(chosen, row, above, size, best);

	for (size_t i = 1; i < ARRAY_SIZE(filters) && least > 0; i++) {
		long sum = try_filter(filters[i], row, above, size, other);
		unsigned char *swap = best;

		if (sum >= least)
			continue;
		least = sum;
		chosen = filters[i];
		best = other;
		other = swap;
	}
	buf_put_u8(&png->rows, (uint8_t)chosen);
	buf_put(&png->rows, best, (size_t)size);
}

static int put_colours(
	struct png *png, const uint8_t *pixels, int stride_bytes, int width, int height)
{
	unsigned char *row, *above;

	if (make_lines(png, width) < 0)
		return -ENOMEM;
	row = png->lines[0] + 3;
	above = png->lines[1] + 3;
	memset(png->lines[0], 0, 3);
	for (int y = 0; y < height; y++) {
		unsigned char *swap = row;

		to_rgb(row, pixels + (ptrdiff_t)y * stride_bytes, width);
		filter_row(png, row, above, 3 * width);
		row = above;
		above = swap;
	}
	return buf_error(&png->rows);
}

size_t png_put(struct png *png, struct buf *out, const uint8_t *pixels, int stride_bytes, int width,
	int height)
{
	size_t begin = out->size_bytes;

	buf_clear(&png->rows);
	if (find_indices(png, pixels, stride_bytes, width, height)) {
		int bits = bits_of(png->count);

		pack_indices(png, bits, width, height);
		put_header(out, width, height, bits, TYPE_PALETTE);
		put_palette(png, out);
		put_rows(png, png->for_palette, out);
	} else {
		if (put_colours(png, pixels, stride_bytes, width, height) < 0)
			out->failed = 1;
		put_header(out, width, height, 8, TYPE_RGB);
		put_rows(png, png->for_rgb, out);
	}
	if (out->failed || png->rows.failed)
		return 0;
	return out->size_bytes - begin;
}
