#include "capture/wayland/portal_frame.h"

#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <spa/buffer/meta.h>
#include <spa/param/video/format-utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Damage rectangles per picture, and the usual cursor size. */
#define REGIONS     16
#define CURSOR_SIDE 64
#define CURSOR_BYTES(side)                                                                         \
	(int)(sizeof(struct spa_meta_cursor) + sizeof(struct spa_meta_bitmap) + (side) * (side)*4)

/* One in use here, one being returned, of which PipeWire takes one a cycle, one for the desktop,
 * and some in transit. With four, mutter ran out, and its last picture of a change never came. */
#define BUFFERS_WANTED 8

/* no desktop pads its rows more */
#define STRIDE_LIMIT (8 * CANVAS_SIDE_LIMIT)

/* ---- memory ---- */

/* Only a memfd has seals: F_GET_SEALS is an error for other files. */
static bool keeps_its_length(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && seals & F_SEAL_SHRINK;
}

int portal_memory_map(
	struct portal_memory *ret, const struct spa_buffer *buffer, struct error *reterr)
{
	const struct spa_data *data = &buffer->datas[0];
	size_t end = (size_t)data->mapoffset + data->maxsize;
	bool is_sealed = keeps_its_length((int)data->fd); /* before the length is checked */
	void *memory = NULL;
	struct stat status;

	if (buffer->n_datas != 1 || data->type != SPA_DATA_MemFd)
		return error_set(reterr, -EOPNOTSUPP,
			"the desktop's pictures are in memory that cannot be read");
	/* the file must cover the advertised size */
	if (fstat((int)data->fd, &status) < 0 || status.st_size < 0 || end == 0 ||
		(size_t)status.st_size < end)
		return error_set(reterr, -EBADMSG,
			"the desktop's buffers are smaller than their stated size");
	if (is_sealed)
		memory = mmap(NULL, end, PROT_READ, MAP_SHARED, (int)data->fd, 0);
	if (memory == MAP_FAILED)
		return error_set(reterr, -errno, "the desktop's pictures cannot be mapped: %s",
			strerror(errno));
	*ret = (struct portal_memory){memory, (int)data->fd, end, data->mapoffset};
	return 0;
}

void portal_memory_unmap(struct portal_memory *memory)
{
	if (memory->memory)
		munmap(memory->memory, memory->length);
	*memory = (struct portal_memory){.memory = NULL};
}

/* ---- format negotiation ---- */

const struct spa_pod *portal_param_of_formats(struct spa_pod_builder *builder)
{
	const struct spa_rectangle usual = {1920, 1080}, least = {1, 1};
	const struct spa_rectangle most = {CANVAS_SIDE_LIMIT, CANVAS_SIDE_LIMIT};
	const struct spa_fraction usual_rate = {60, 1}, least_rate = {0, 1}, most_rate = {240, 1};

	return spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat,
		SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
		SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format,
		SPA_POD_CHOICE_ENUM_Id(5, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_BGRx,
			SPA_VIDEO_FORMAT_BGRA, SPA_VIDEO_FORMAT_RGBx, SPA_VIDEO_FORMAT_RGBA),
		SPA_FORMAT_VIDEO_size, SPA_POD_CHOICE_RANGE_Rectangle(&usual, &least, &most),
		SPA_FORMAT_VIDEO_framerate,
		SPA_POD_CHOICE_RANGE_Fraction(&usual_rate, &least_rate, &most_rate));
}

static const struct spa_pod *meta_param(
	struct spa_pod_builder *builder, uint32_t type, int size, int least, int most)
{
	return spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
		SPA_PARAM_META_type, SPA_POD_Id(type), SPA_PARAM_META_size,
		SPA_POD_CHOICE_RANGE_Int(size, least, most));
}

void portal_params_of_buffers(
	struct spa_pod_builder *builder, const struct spa_pod *ret[PORTAL_PARAMS])
{
	const int region = sizeof(struct spa_meta_region), header = sizeof(struct spa_meta_header);

	ret[0] =
		spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers,
			SPA_PARAM_BUFFERS_buffers, SPA_POD_CHOICE_RANGE_Int(BUFFERS_WANTED, 2, 32),
			SPA_PARAM_BUFFERS_blocks, SPA_POD_Int(1), SPA_PARAM_BUFFERS_dataType,
			SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd));
	ret[1] = meta_param(builder, SPA_META_Header, header, header, header);
	ret[2] = meta_param(builder, SPA_META_VideoCrop, region, region, region);
	ret[3] = meta_param(
		builder, SPA_META_VideoDamage, REGIONS * region, region, REGIONS * region);
	ret[4] = meta_param(builder, SPA_META_Cursor, CURSOR_BYTES(CURSOR_SIDE), CURSOR_BYTES(1),
		CURSOR_BYTES(PORTAL_CURSOR_SIDE));
}

bool portal_format_read(struct spa_video_info_raw *ret, const struct spa_pod *param)
{
	uint32_t type, subtype;

	return spa_format_parse(param, &type, &subtype) >= 0 && type == SPA_MEDIA_TYPE_video &&
		subtype == SPA_MEDIA_SUBTYPE_raw && spa_format_video_raw_parse(param, ret) >= 0 &&
		ret->size.width >= 1 && ret->size.height >= 1 &&
		ret->size.width <= CANVAS_SIDE_LIMIT && ret->size.height <= CANVAS_SIDE_LIMIT;
}

/* ---- contents of a buffer ---- */

static bool lies_within(const struct spa_region *part, const struct spa_rectangle *whole)
{
	return part->position.x >= 0 && part->position.y >= 0 && part->size.width > 0 &&
		part->size.height > 0 && part->size.width <= whole->width &&
		part->size.height <= whole->height &&
		(uint32_t)part->position.x <= whole->width - part->size.width &&
		(uint32_t)part->position.y <= whole->height - part->size.height;
}

/* The screen's part of the buffer. */
static struct spa_region crop_of(struct spa_buffer *buffer, const struct spa_rectangle *whole)
{
	const struct spa_meta_region *found =
		spa_buffer_find_meta_data(buffer, SPA_META_VideoCrop, sizeof(*found));
	struct spa_region crop = {{0, 0}, *whole};

	if (found)
		crop = ((const volatile struct spa_meta_region *)found)->region;
	if (crop.size.width == 0 || crop.size.height == 0)
		crop = (struct spa_region){{0, 0}, *whole};
	return crop;
}

/* Some desktops flag a buffer that carries only a cursor as corrupted. */
static bool has_picture(struct spa_buffer *buffer, const struct spa_chunk *chunk)
{
	const struct spa_meta_header *header =
		spa_buffer_find_meta_data(buffer, SPA_META_Header, sizeof(*header));

	return chunk->size > 0 && !(chunk->flags & SPA_CHUNK_FLAG_CORRUPTED) &&
		!(header && header->flags & SPA_META_HEADER_FLAG_CORRUPTED);
}

int portal_frame_read(struct portal_frame *ret, struct spa_buffer *buffer,
	const struct portal_memory *memory, const struct spa_video_info_raw *format)
{
	const struct spa_chunk chunk = *(const volatile struct spa_chunk *)buffer->datas[0].chunk;
	const struct spa_rectangle *whole = &format->size;
	const struct spa_region crop = crop_of(buffer, whole);
	int64_t stride = chunk.stride ? chunk.stride : 4 * (int64_t)whole->width;
	int64_t end;

	if (!has_picture(buffer, &chunk))
		return -ENODATA;
	if (!memory || memory->length == 0 || !lies_within(&crop, whole) ||
		stride < 4 * (int64_t)whole->width || stride > STRIDE_LIMIT)
		return -EBADMSG;
	end = (int64_t)memory->begin + chunk.offset + stride * ((int64_t)whole->height - 1) +
		4 * (int64_t)whole->width;
	if (end > (int64_t)memory->length)
		return -EBADMSG;
	*ret = (struct portal_frame){
		.memory = memory,
		.begin = memory->begin + chunk.offset + (size_t)stride * (size_t)crop.position.y +
			4 * (size_t)crop.position.x,
		.stride = (int)stride,
		.x = crop.position.x,
		.y = crop.position.y,
		.size = {(int)crop.size.width, (int)crop.size.height},
		.swapped = format->format == SPA_VIDEO_FORMAT_RGBx ||
			format->format == SPA_VIDEO_FORMAT_RGBA,
	};
	return 0;
}

int portal_scratch_reserve(struct portal_scratch *scratch, size_t size_bytes)
{
	uint8_t *memory;

	if (size_bytes <= scratch->size_bytes)
		return 0;
	memory = realloc(scratch->memory, size_bytes);
	if (!memory)
		return -ENOMEM;
	*scratch = (struct portal_scratch){memory, size_bytes};
	return 0;
}

/* @return 0 or -EBADMSG */
static int read_all(int fd, uint8_t *to, size_t size_bytes, size_t at)
{
	return io_pread_full(fd, to, size_bytes, (off_t)at) == (ssize_t)size_bytes ? 0 : -EBADMSG;
}

int portal_frame_pixels(const struct portal_frame *frame, const struct rect *rect,
	struct portal_scratch *scratch, const uint8_t **ret, int *ret_stride)
{
	const struct portal_memory *memory = frame->memory;
	const size_t stride = (size_t)frame->stride, row = 4 * (size_t)rect->width;
	const size_t rows = (size_t)rect->height;
	const size_t begin = frame->begin + stride * (size_t)rect->y + 4 * (size_t)rect->x;
	/* wide parts are read with the gaps between rows: cheaper than one read per row */
	const bool at_once = row * 2 >= stride;
	int r;

	*ret_stride = at_once || memory->memory ? frame->stride : (int)row;
	if (memory->memory) {
		*ret = memory->memory + begin;
		return 0;
	}
	r = portal_scratch_reserve(scratch, at_once ? stride * (rows - 1) + row : row * rows);
	if (r == 0 && at_once)
		r = read_all(memory->fd, scratch->memory, stride * (rows - 1) + row, begin);
	for (size_t y = 0; y < rows && r == 0 && !at_once; y++)
		r = read_all(memory->fd, scratch->memory + y * row, row, begin + y * stride);
	*ret = scratch->memory;
	return r;
}

int portal_pixels_swap(const struct rect *rect, struct portal_scratch *scratch,
	const uint8_t **pixels, int *stride)
{
	const uint8_t *from = *pixels;
	uint8_t *to;

	if (portal_scratch_reserve(scratch, (size_t)rect->width * (size_t)rect->height * 4) < 0)
		return -ENOMEM;
	to = scratch->memory;
	for (int y = 0; y < rect->height; y++, from += *stride)
		for (int i = 0; i < rect->width * 4; i += 4, to += 4) {
			to[0] = from[i + 2];
			to[1] = from[i + 1];
			to[2] = from[i];
			to[3] = from[i + 3];
		}
	*pixels = scratch->memory;
	*stride = 4 * rect->width;
	return 0;
}

static int within(int64_t value, int limit)
{
	return (int)(value < 0 ? 0 : value > limit ? limit : value);
}

bool portal_frame_damage(
	struct areas *areas, struct spa_buffer *buffer, const struct portal_frame *frame)
{
	const struct spa_meta *meta = spa_buffer_find_meta(buffer, SPA_META_VideoDamage);
	const struct spa_meta_region *each;
	bool found = false;

	if (!meta)
		return false;
	spa_meta_for_each(each, meta)
	{
		const struct spa_region region =
			((const volatile struct spa_meta_region *)each)->region;
		int64_t x = (int64_t)region.position.x - frame->x;
		int64_t y = (int64_t)region.position.y - frame->y;
		int left = within(x, frame->size.width), top = within(y, frame->size.height);
		int right = within(x + region.size.width, frame->size.width);
		int bottom = within(y + region.size.height, frame->size.height);

		if (region.size.width == 0 || region.size.height == 0)
			break;
		found = true;
		areas_add(areas, &(struct rect){left, top, right - left, bottom - top});
	}
	return found;
}

int64_t portal_frame_time(struct spa_buffer *buffer, uint64_t *ret_sequence)
{
	const volatile struct spa_meta_header *header =
		spa_buffer_find_meta_data(buffer, SPA_META_Header, sizeof(*header));

	*ret_sequence = header ? header->seq : 0;
	return header ? header->pts : INT64_MIN;
}

/* ---- the pointer ---- */

static void to_rgba(const uint8_t *from, uint8_t *to, int count, enum spa_video_format format)
{
	const bool swapped = format == SPA_VIDEO_FORMAT_BGRA;

	for (int i = 0; i < count; i++, from += 4, to += 4) {
		to[0] = from[swapped ? 2 : 0];
		to[1] = from[1];
		to[2] = from[swapped ? 0 : 2];
		to[3] = from[3];
	}
}

/* @return false without a readable shape */
static bool read_shape(
	const struct spa_meta *meta, size_t begin, struct grabber_pointer *ret, uint8_t *rgba)
{
	struct spa_meta_bitmap bitmap;
	const uint8_t *pixels;
	size_t last;

	if (begin < sizeof(struct spa_meta_cursor) || begin % 4 != 0 ||
		begin + sizeof(bitmap) > meta->size)
		return false;
	bitmap = *SPA_PTROFF(meta->data, begin, const volatile struct spa_meta_bitmap);
	ret->rgba = rgba;
	ret->width = ret->height = 0;
	if (bitmap.offset == 0 || bitmap.size.width == 0 || bitmap.size.height == 0)
		return true; /* invisible */
	if (bitmap.size.width > PORTAL_CURSOR_SIDE || bitmap.size.height > PORTAL_CURSOR_SIDE ||
		bitmap.offset < sizeof(bitmap) || bitmap.stride < 4 * (int)bitmap.size.width ||
		bitmap.stride > STRIDE_LIMIT ||
		(bitmap.format != SPA_VIDEO_FORMAT_BGRA && bitmap.format != SPA_VIDEO_FORMAT_RGBA))
		return false;
	last = (size_t)bitmap.stride * (bitmap.size.height - 1) + 4 * (size_t)bitmap.size.width;
	if (begin + bitmap.offset + last > meta->size)
		return false;
	pixels = SPA_PTROFF(meta->data, begin + bitmap.offset, const uint8_t);
	ret->width = (int)bitmap.size.width;
	ret->height = (int)bitmap.size.height;
	for (int y = 0; y < ret->height; y++)
		to_rgba(pixels + (ptrdiff_t)y * bitmap.stride, rgba + 4 * (ptrdiff_t)y * ret->width,
			ret->width, bitmap.format);
	return true;
}

enum portal_pointer portal_frame_pointer(
	struct spa_buffer *buffer, struct grabber_pointer *ret, uint8_t *rgba)
{
	const struct spa_meta *meta = spa_buffer_find_meta(buffer, SPA_META_Cursor);
	struct spa_meta_cursor cursor;

	if (!meta || meta->size < sizeof(cursor))
		return PORTAL_POINTER_UNCHANGED;
	cursor = *(const volatile struct spa_meta_cursor *)meta->data;
	if (!spa_meta_cursor_is_valid(&cursor))
		return PORTAL_POINTER_OUTSIDE;
	*ret = (struct grabber_pointer){.x = cursor.position.x, .y = cursor.position.y};
	if (cursor.bitmap_offset && read_shape(meta, cursor.bitmap_offset, ret, rgba)) {
		ret->hot_x = cursor.hotspot.x;
		ret->hot_y = cursor.hotspot.y;
	} else {
		ret->rgba = NULL;
	}
	return PORTAL_POINTER_INSIDE;
}
