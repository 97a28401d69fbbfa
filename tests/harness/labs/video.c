#include "tests/harness/labs/video.h"

#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <fcntl.h>
#include <spa/param/video/format-utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int stride_of(const struct video_lab *video)
{
	return 4 * video->width + video->padding;
}

static enum spa_video_format format_of(const struct video_lab *video)
{
	return video->format ? video->format : SPA_VIDEO_FORMAT_BGRx;
}

static uint32_t as_format(const struct video_lab *video, uint32_t pixel)
{
	if (format_of(video) == SPA_VIDEO_FORMAT_RGBx || format_of(video) == SPA_VIDEO_FORMAT_RGBA)
		return (pixel & 0xff00ff00) | (pixel & 0xff) << 16 | (pixel >> 16 & 0xff);
	return pixel;
}

/* ---- stream ---- */

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct video_lab *video = user;

	(void)before;
	(void)error;
	video->state = state;
	video->node = pw_stream_get_node_id(video->stream);
}

static const struct spa_pod *meta_param(struct spa_pod_builder *builder, uint32_t type, size_t size)
{
	return spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
		SPA_PARAM_META_type, SPA_POD_Id(type), SPA_PARAM_META_size, SPA_POD_Int((int)size));
}

static void on_param_changed(void *user, uint32_t id, const struct spa_pod *param)
{
	struct video_lab *video = user;
	uint8_t memory[2048];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_pod *params[] = {
		spa_pod_builder_add_object(&builder, SPA_TYPE_OBJECT_ParamBuffers,
			SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
			SPA_POD_CHOICE_RANGE_Int(4, 2, 16), SPA_PARAM_BUFFERS_blocks,
			SPA_POD_Int(1), SPA_PARAM_BUFFERS_size,
			SPA_POD_Int(stride_of(video) * video->height), SPA_PARAM_BUFFERS_stride,
			SPA_POD_Int(stride_of(video)), SPA_PARAM_BUFFERS_dataType,
			SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd)),
		meta_param(&builder, SPA_META_Header, sizeof(struct spa_meta_header)),
		meta_param(&builder, SPA_META_VideoCrop, sizeof(struct spa_meta_region)),
		meta_param(&builder, SPA_META_VideoDamage,
			VIDEO_AREAS * sizeof(struct spa_meta_region)),
		meta_param(&builder, SPA_META_Cursor,
			sizeof(struct spa_meta_cursor) + sizeof(struct spa_meta_bitmap) +
				64 * 64 * 4),
	};

	struct spa_video_info_raw format;

	if (id != SPA_PARAM_Format || !param || spa_format_video_raw_parse(param, &format) < 0)
		return;
	video->agreed = format.size;
	pw_stream_update_params(video->stream, params, ARRAY_SIZE(params));
}

static void on_add_buffer(void *user, struct pw_buffer *buffer)
{
	struct video_lab *video = user;
	struct spa_data *data = &buffer->buffer->datas[0];
	size_t size = (size_t)stride_of(video) * (size_t)video->height;
	int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	check(fd >= 0);
	check(ftruncate(fd, (off_t)(size - (size_t)(stride_of(video) * video->cut_rows))) == 0);
	if (!video->unsealed)
		check(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	data->type = SPA_DATA_MemFd;
	data->flags = SPA_DATA_FLAG_READWRITE;
	data->fd = fd;
	data->mapoffset = 0;
	data->maxsize = (uint32_t)size;
	data->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(data->data != MAP_FAILED);
}

static void on_remove_buffer(void *user, struct pw_buffer *buffer)
{
	struct spa_data *data = &buffer->buffer->datas[0];

	(void)user;
	munmap(data->data, data->maxsize);
	close((int)data->fd);
}

static const struct pw_stream_events stream_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.param_changed = on_param_changed,
	.add_buffer = on_add_buffer,
	.remove_buffer = on_remove_buffer,
};

static const struct spa_pod *format_param(
	const struct video_lab *video, struct spa_pod_builder *builder)
{
	const struct spa_rectangle size = {(uint32_t)video->width, (uint32_t)video->height};
	const struct spa_fraction any = {0, 1};

	return spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat,
		SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
		SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format,
		SPA_POD_Id(format_of(video)), SPA_FORMAT_VIDEO_size, SPA_POD_Rectangle(&size),
		SPA_FORMAT_VIDEO_framerate, SPA_POD_Fraction(&any));
}

/* wait for a state; without the lock. @return false if not reached in time */
static bool comes_to(struct video_lab *video, enum pw_stream_state wanted, int64_t until_ns)
{
	for (;;) {
		enum pw_stream_state state;

		pw_thread_loop_lock(video->loop);
		state = video->state;
		pw_thread_loop_unlock(video->loop);
		if (state == wanted)
			return true;
		if (clock_now_ns() > until_ns)
			return false;
		sleep_ms(2);
	}
}

void video_start(struct video_lab *video)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_pod *params[] = {format_param(video, &builder)};
	struct pw_core *core;

	pw_init(NULL, NULL);
	video->pixels = calloc((size_t)video->width * (size_t)video->height, 4);
	video->loop = pw_thread_loop_new("video", NULL);
	check(video->loop != NULL);
	video->context = pw_context_new(pw_thread_loop_get_loop(video->loop), NULL, 0);
	check(video->context != NULL);
	core = pw_context_connect(video->context, NULL, 0);
	check(core != NULL);
	video->stream = pw_stream_new(core, "screen",
		pw_properties_new(PW_KEY_MEDIA_CLASS, "Video/Source", PW_KEY_NODE_NAME, "screen",
			PW_KEY_MEDIA_TYPE, "Video", NULL));
	check(video->stream != NULL);
	pw_stream_add_listener(video->stream, &video->hook, &stream_events, video);
	check(pw_stream_connect(video->stream, PW_DIRECTION_OUTPUT, PW_ID_ANY,
		      PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_ALLOC_BUFFERS, params, 1) >= 0);
	check(pw_thread_loop_start(video->loop) >= 0);
	check(comes_to(video, PW_STREAM_STATE_PAUSED, clock_now_ns() + 10 * NS_PER_S));
}

void video_end(struct video_lab *video)
{
	if (!video->loop)
		return;
	pw_thread_loop_stop(video->loop);
	pw_stream_destroy(video->stream);
	pw_context_destroy(video->context);
	pw_thread_loop_destroy(video->loop);
	free(video->pixels);
	video->loop = NULL;
}

void video_paint(struct video_lab *video, const struct rect *rect, uint32_t seed)
{
	for (int y = rect->y; y < rect->y + rect->height; y++)
		for (int x = rect->x; x < rect->x + rect->width; x++)
			video->pixels[y * video->width + x] =
				((uint32_t)x * 2654435761u + (uint32_t)y * 40503u + seed * 97u) &
				0xffffff;
}

/* ---- metadata of a picture ---- */

static struct spa_region region_of(const struct rect *rect)
{
	return SPA_REGION(rect->x, rect->y, (uint32_t)rect->width, (uint32_t)rect->height);
}

static void say_cursor(struct video_lab *video, struct spa_buffer *buffer)
{
	const struct video_said *said = &video->said;
	struct spa_meta_cursor *cursor =
		spa_buffer_find_meta_data(buffer, SPA_META_Cursor, sizeof(*cursor));
	struct spa_meta_bitmap *bitmap;
	uint32_t *pixels;

	if (!cursor)
		return;
	memset(cursor, 0, sizeof(*cursor));
	if (!said->has_cursor)
		return;
	cursor->id = said->cursor_id;
	cursor->position = SPA_POINT(said->cursor_x, said->cursor_y);
	if (!said->cursor_side)
		return;
	cursor->hotspot = SPA_POINT(1, 2);
	cursor->bitmap_offset = sizeof(*cursor);
	bitmap = SPA_PTROFF(cursor, cursor->bitmap_offset, struct spa_meta_bitmap);
	*bitmap = (struct spa_meta_bitmap){SPA_VIDEO_FORMAT_BGRA,
		{(uint32_t)said->cursor_side, (uint32_t)said->cursor_side}, 4 * said->cursor_side,
		sizeof(*bitmap)};
	pixels = SPA_PTROFF(bitmap, bitmap->offset, uint32_t);
	for (int i = 0; said->cursor_side <= 64 && i < said->cursor_side * said->cursor_side; i++)
		pixels[i] = 0xff000000u + (uint32_t)i;
}

static void say_metas(struct video_lab *video, struct spa_buffer *buffer)
{
	const struct video_said *said = &video->said;
	struct spa_meta_header *header =
		spa_buffer_find_meta_data(buffer, SPA_META_Header, sizeof(*header));
	struct spa_meta_region *crop =
		spa_buffer_find_meta_data(buffer, SPA_META_VideoCrop, sizeof(*crop));
	struct spa_meta_region *damage = spa_buffer_find_meta_data(
		buffer, SPA_META_VideoDamage, VIDEO_AREAS * sizeof(*damage));

	video->sequence += 1 + said->lost;
	if (header)
		*header = (struct spa_meta_header){
			.pts = said->pts_ns ? said->pts_ns : clock_now_ns(),
			.seq = video->sequence,
		};
	if (crop)
		crop->region = region_of(&said->crop);
	for (int i = 0; damage && i < VIDEO_AREAS; i++)
		damage[i].region = i < said->damage_count ? region_of(&said->damage[i])
							  : SPA_REGION(0, 0, 0, 0);
	say_cursor(video, buffer);
}

static void fill(struct video_lab *video, struct spa_buffer *buffer)
{
	struct spa_data *data = &buffer->datas[0];
	const struct video_said *said = &video->said;

	if (video->unsealed)
		check(ftruncate((int)data->fd, data->maxsize) == 0);
	for (int y = 0; y < video->height - video->cut_rows; y++) {
		uint32_t *row = SPA_PTROFF(data->data, y * stride_of(video), uint32_t);

		for (int x = 0; x < video->width; x++)
			row[x] = as_format(video, video->pixels[y * video->width + x]);
	}
	data->chunk->offset = said->offset;
	data->chunk->size = data->maxsize;
	data->chunk->stride = said->stride ? said->stride : stride_of(video);
	data->chunk->flags = said->corrupted ? SPA_CHUNK_FLAG_CORRUPTED : 0;
	if (said->taken_away)
		check(ftruncate((int)data->fd, 4096) == 0);
}

/* one of the present size, or NULL */
static struct pw_buffer *take_buffer(struct video_lab *video)
{
	if ((int)video->agreed.width != video->width || (int)video->agreed.height != video->height)
		return NULL;
	return pw_stream_dequeue_buffer(video->stream);
}

bool video_show(struct video_lab *video, int64_t within_ns)
{
	int64_t until_ns = clock_now_ns() + within_ns;
	struct pw_buffer *buffer = NULL;

	if (!comes_to(video, PW_STREAM_STATE_STREAMING, until_ns))
		return false;
	do {
		pw_thread_loop_lock(video->loop);
		buffer = take_buffer(video);
		if (buffer) {
			fill(video, buffer->buffer);
			say_metas(video, buffer->buffer);
			pw_stream_queue_buffer(video->stream, buffer);
		}
		pw_thread_loop_unlock(video->loop);
		sleep_ms(2);
	} while (!buffer && clock_now_ns() < until_ns);
	video->said = (struct video_said){0};
	return buffer;
}

void video_resize(struct video_lab *video, int width, int height)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_pod *params[1];

	pw_thread_loop_lock(video->loop);
	free(video->pixels);
	video->pixels = calloc((size_t)width * (size_t)height, 4);
	video->width = width;
	video->height = height;
	params[0] = format_param(video, &builder);
	pw_stream_update_params(video->stream, params, 1);
	pw_thread_loop_unlock(video->loop);
}
