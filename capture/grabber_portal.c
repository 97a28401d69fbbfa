#include "capture/grabber.h"

#include "capture/portal.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <pipewire/pipewire.h>
#include <poll.h>
#include <pthread.h>
#include <spa/param/video/format-utils.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

/*
 * The desktop pushes whole pictures, into buffers of memory that it shares with us. PipeWire's loop, a thread
 * of its own, takes each as it comes, keeps the newest and gives the older back at once, uniting what has
 * changed; grab() copies from the newest. All that both threads touch is under the loop's lock.
 *
 * What is in a buffer, and what is said of it, is written by the other side whenever it likes: numbers are
 * copied before they are looked at.
 *
 * Pictures in the graphics card's memory (dmabuf) are not asked for: to read them by the processor can be a
 * hundred times slower, and only some layouts can be read at all. Every portal has the others too.
 */

/* An answer of PipeWire: the format, then the first picture, which is there without any change. */
#define FIRST_NS (10 * NS_PER_S)

/* A picture with an older time than this has a time of something else. */
#define AGE_LIMIT_NS NS_PER_S

/* Rectangles of change that a picture may carry; cursors up to this many pixels square. */
#define REGIONS      16
#define CURSOR_SIDE  64
#define CURSOR_LIMIT 384
#define CURSOR_BYTES(side)                                                                         \
	(int)(sizeof(struct spa_meta_cursor) + sizeof(struct spa_meta_bitmap) + (side) * (side)*4)

/* One for us, one for the desktop, and some for the way. */
#define BUFFERS_WANTED 4

/* The memory of one buffer. */
struct mapping {
	uint8_t *memory;
	size_t length; /* of the mapping */
	size_t begin;  /* where the buffer's data are in it */
};

/* A picture in a buffer, checked against its memory. */
struct frame {
	struct pw_buffer *buffer; /* NULL: there is none */
	const uint8_t *pixels;
	int stride;
	struct grabber_size size;
	bool swapped; /* R G B X */
};

struct portal_grabber {
	struct grabber base;
	struct portal *portal;
	int event_fd; /* something has come, or all is over */
	_Atomic bool cut;
	struct grabber_size size; /* as the caller knows it */
	uint8_t *swapped;         /* to swap colours in */
	size_t swapped_bytes;
	int64_t grabbed_ns;

	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_core *core;
	struct pw_registry *registry;
	struct pw_stream *stream;
	struct spa_hook core_hook, registry_hook, stream_hook;

	/* under the loop's lock */
	uint32_t node;
	struct spa_video_info_raw format; /* size 0: not known yet */
	struct frame frame;
	struct areas damage;  /* of the frames since the last grab */
	bool all, has_damage; /* all of it; any */
	int64_t damage_ns;
	uint64_t sequence; /* of the last frame; 0: they have none */
	unsigned refused;  /* frames that did not fit their memory */
	char why[200];     /* "": all is well */
};

static struct portal_grabber *portal_grabber(struct grabber *grabber)
{
	return (struct portal_grabber *)grabber;
}

/* ---- PipeWire's loop ---- */

static void __attribute__((format(printf, 2, 3)))
fail(struct portal_grabber *grabber, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!*grabber->why)
		vsnprintf(grabber->why, sizeof(grabber->why), format, args);
	va_end(args);
	eventfd_write(grabber->event_fd, 1);
}

static void add_damage_all(struct portal_grabber *grabber)
{
	grabber->all = true;
}

/* ---- of a buffer: its memory ---- */

static void on_add_buffer(void *user, struct pw_buffer *buffer)
{
	struct portal_grabber *grabber = user;
	const struct spa_data *data = &buffer->buffer->datas[0];
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	size_t end = (size_t)data->mapoffset + data->maxsize;
	struct stat status;

	buffer->user_data = mapping;
	if (!mapping || buffer->buffer->n_datas != 1 || data->type != SPA_DATA_MemFd) {
		fail(grabber, "the desktop gives pictures in memory that cannot be read");
		return;
	}
	/* what a file does not have cannot be touched, whatever is said of it */
	if (fstat((int)data->fd, &status) < 0 || status.st_size < 0 ||
		(size_t)status.st_size < end) {
		fail(grabber, "the desktop gives buffers that are shorter than it says");
		return;
	}
	mapping->memory = mmap(NULL, end, PROT_READ, MAP_SHARED, (int)data->fd, 0);
	if (mapping->memory == MAP_FAILED) {
		mapping->memory = NULL;
		fail(grabber, "the desktop's pictures cannot be mapped: %s", strerror(errno));
		return;
	}
	mapping->length = end;
	mapping->begin = data->mapoffset;
}

static void on_remove_buffer(void *user, struct pw_buffer *buffer)
{
	struct portal_grabber *grabber = user;
	struct mapping *mapping = buffer->user_data;

	if (grabber->frame.buffer == buffer) {
		grabber->frame.buffer = NULL;
		grabber->has_damage = false; /* until the next one */
		add_damage_all(grabber);
	}
	if (mapping && mapping->memory)
		munmap(mapping->memory, mapping->length);
	free(mapping);
	buffer->user_data = NULL;
}

/* ---- of a buffer: what is in it ---- */

/* The part of the frame that is the screen; false when there is no such part. */
static bool find_crop(
	const struct portal_grabber *grabber, struct spa_buffer *buffer, struct spa_region *ret)
{
	const struct spa_meta_region *crop =
		spa_buffer_find_meta_data(buffer, SPA_META_VideoCrop, sizeof(*crop));
	const struct spa_rectangle *whole = &grabber->format.size;

	*ret = (struct spa_region){{0, 0}, *whole};
	if (crop && spa_meta_region_is_valid(crop))
		*ret = crop->region;
	return ret->position.x >= 0 && ret->position.y >= 0 && ret->size.width > 0 &&
		ret->size.height > 0 && ret->size.width <= whole->width &&
		ret->size.height <= whole->height &&
		(uint32_t)ret->position.x <= whole->width - ret->size.width &&
		(uint32_t)ret->position.y <= whole->height - ret->size.height;
}

static bool is_swapped(const struct spa_video_info_raw *format)
{
	return format->format == SPA_VIDEO_FORMAT_RGBx || format->format == SPA_VIDEO_FORMAT_RGBA;
}

/* Does what is said of the pixels fit into the memory? */
static bool look_at_pixels(const struct portal_grabber *grabber, const struct mapping *mapping,
	const struct spa_chunk *chunk, const struct spa_region *crop, struct frame *ret)
{
	const struct spa_rectangle *whole = &grabber->format.size;
	int64_t stride = chunk->stride ? chunk->stride : 4 * (int64_t)whole->width;
	int64_t end = (int64_t)mapping->begin + chunk->offset +
		stride * ((int64_t)whole->height - 1) + 4 * (int64_t)whole->width;

	if (!mapping->memory || stride < 4 * (int64_t)whole->width ||
		stride > 8 * CANVAS_SIDE_LIMIT || end > (int64_t)mapping->length)
		return false;
	ret->pixels = mapping->memory + mapping->begin + chunk->offset + stride * crop->position.y +
		4 * (ptrdiff_t)crop->position.x;
	ret->stride = (int)stride;
	ret->size = (struct grabber_size){(int)crop->size.width, (int)crop->size.height};
	ret->swapped = is_swapped(&grabber->format);
	return true;
}

static int64_t within(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Unite with what has changed in the frame: where it says so, or anywhere. */
static void add_damage(
	struct portal_grabber *grabber, struct spa_buffer *buffer, const struct spa_region *crop)
{
	const struct spa_meta *meta = spa_buffer_find_meta(buffer, SPA_META_VideoDamage);
	const struct spa_meta_region *each;
	bool said = false;

	if (meta)
		spa_meta_for_each(each, meta)
		{
			const struct spa_region region = each->region;
			int64_t x = (int64_t)region.position.x - crop->position.x;
			int64_t y = (int64_t)region.position.y - crop->position.y;
			int64_t left = within(x, 0, crop->size.width);
			int64_t top = within(y, 0, crop->size.height);
			int64_t right = within(x + region.size.width, 0, crop->size.width);
			int64_t bottom = within(y + region.size.height, 0, crop->size.height);

			if (region.size.width == 0 || region.size.height == 0)
				break;
			said = true;
			areas_add(&grabber->damage,
				&(struct rect){(int)left, (int)top, (int)(right - left),
					(int)(bottom - top)});
		}
	if (!said)
		add_damage_all(grabber);
}

/* When it was shown; and whether one before it was lost on the way, with what had changed in it. */
static int64_t look_at_header(struct portal_grabber *grabber, struct spa_buffer *buffer)
{
	const struct spa_meta_header *found =
		spa_buffer_find_meta_data(buffer, SPA_META_Header, sizeof(*found));
	int64_t now_ns = clock_now_ns();
	struct spa_meta_header header;

	if (!found)
		return now_ns;
	header = *found;
	if (header.seq != grabber->sequence + 1 && (header.seq || grabber->sequence))
		add_damage_all(grabber);
	grabber->sequence = header.seq;
	return header.pts > now_ns - AGE_LIMIT_NS && header.pts <= now_ns ? header.pts : now_ns;
}

static bool is_corrupted(struct spa_buffer *buffer, const struct spa_chunk *chunk)
{
	const struct spa_meta_header *header =
		spa_buffer_find_meta_data(buffer, SPA_META_Header, sizeof(*header));

	/* some say so of a buffer that has only a cursor in it */
	return chunk->size == 0 || chunk->flags & SPA_CHUNK_FLAG_CORRUPTED ||
		(header && header->flags & SPA_META_HEADER_FLAG_CORRUPTED);
}

static void take_frame(
	struct portal_grabber *grabber, struct pw_buffer *buffer, const struct spa_chunk *chunk)
{
	struct frame frame = {.buffer = buffer}, old = grabber->frame;
	int64_t shown_ns = look_at_header(grabber, buffer->buffer);
	struct spa_region crop;

	if (!buffer->user_data || !find_crop(grabber, buffer->buffer, &crop) ||
		!look_at_pixels(grabber, buffer->user_data, chunk, &crop, &frame)) {
		grabber->refused++;
		add_damage_all(grabber);
		pw_stream_queue_buffer(grabber->stream, buffer);
		return;
	}
	add_damage(grabber, buffer->buffer, &crop);
	if (old.size.width != frame.size.width || old.size.height != frame.size.height)
		add_damage_all(grabber);
	grabber->frame = frame;
	if (!grabber->has_damage)
		grabber->damage_ns = shown_ns > grabber->grabbed_ns ? shown_ns : clock_now_ns();
	grabber->has_damage = true;
	if (old.buffer)
		pw_stream_queue_buffer(grabber->stream, old.buffer);
	eventfd_write(grabber->event_fd, 1);
}

static void on_process(void *user)
{
	struct portal_grabber *grabber = user;
	struct pw_buffer *buffer;

	while ((buffer = pw_stream_dequeue_buffer(grabber->stream))) {
		const struct spa_chunk chunk =
			*(const volatile struct spa_chunk *)buffer->buffer->datas[0].chunk;

		if (is_corrupted(buffer->buffer, &chunk))
			pw_stream_queue_buffer(grabber->stream, buffer);
		else
			take_frame(grabber, buffer, &chunk);
	}
}

/* ---- of the stream ---- */

static const struct spa_pod *meta_param(
	struct spa_pod_builder *builder, uint32_t type, int size, int least, int most)
{
	return spa_pod_builder_add_object(builder, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
		SPA_PARAM_META_type, SPA_POD_Id(type), SPA_PARAM_META_size,
		SPA_POD_CHOICE_RANGE_Int(size, least, most));
}

static void ask_for_buffers(struct portal_grabber *grabber)
{
	uint8_t memory[2048];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const int region = sizeof(struct spa_meta_region), header = sizeof(struct spa_meta_header);
	const struct spa_pod *params[] = {
		spa_pod_builder_add_object(&builder, SPA_TYPE_OBJECT_ParamBuffers,
			SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
			SPA_POD_CHOICE_RANGE_Int(BUFFERS_WANTED, 2, 32), SPA_PARAM_BUFFERS_blocks,
			SPA_POD_Int(1), SPA_PARAM_BUFFERS_dataType,
			SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd)),
		meta_param(&builder, SPA_META_Header, header, header, header),
		meta_param(&builder, SPA_META_VideoCrop, region, region, region),
		meta_param(
			&builder, SPA_META_VideoDamage, REGIONS * region, region, REGIONS * region),
		meta_param(&builder, SPA_META_Cursor, CURSOR_BYTES(CURSOR_SIDE), CURSOR_BYTES(1),
			CURSOR_BYTES(CURSOR_LIMIT)),
	};

	pw_stream_update_params(grabber->stream, params, ARRAY_SIZE(params));
}

static void on_param_changed(void *user, uint32_t id, const struct spa_pod *param)
{
	struct portal_grabber *grabber = user;
	struct spa_video_info_raw format = {0};
	uint32_t type, subtype;

	if (id != SPA_PARAM_Format || !param)
		return;
	if (spa_format_parse(param, &type, &subtype) < 0 || type != SPA_MEDIA_TYPE_video ||
		subtype != SPA_MEDIA_SUBTYPE_raw ||
		spa_format_video_raw_parse(param, &format) < 0 || format.size.width < 1 ||
		format.size.height < 1 || format.size.width > CANVAS_SIDE_LIMIT ||
		format.size.height > CANVAS_SIDE_LIMIT) {
		fail(grabber,
			"the desktop gives pictures of %u × %u pixels, which cannot be recorded",
			format.size.width, format.size.height);
		return;
	}
	grabber->format = format;
	grabber->sequence = 0;
	ask_for_buffers(grabber);
}

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct portal_grabber *grabber = user;

	(void)before;
	if (state == PW_STREAM_STATE_ERROR)
		fail(grabber, "the desktop's pictures have ended: %s", error ? error : "no reason");
	else if (state == PW_STREAM_STATE_UNCONNECTED)
		fail(grabber, "the desktop's pictures have ended");
}

static const struct pw_stream_events stream_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.param_changed = on_param_changed,
	.add_buffer = on_add_buffer,
	.remove_buffer = on_remove_buffer,
	.process = on_process,
};

static void on_global_remove(void *user, uint32_t id)
{
	struct portal_grabber *grabber = user;

	if (id == grabber->node)
		fail(grabber, "the desktop shows this screen no longer");
}

static const struct pw_registry_events registry_events = {
	PW_VERSION_REGISTRY_EVENTS,
	.global_remove = on_global_remove,
};

static void on_core_error(void *user, uint32_t id, int sequence, int r, const char *message)
{
	struct portal_grabber *grabber = user;

	(void)sequence;
	if (id == PW_ID_CORE && r == -EPIPE)
		fail(grabber, "PipeWire is gone, and with it the desktop's pictures");
	else if (id == PW_ID_CORE)
		fail(grabber, "PipeWire does not let the screen be seen: %s", message);
}

static const struct pw_core_events core_events = {
	PW_VERSION_CORE_EVENTS,
	.error = on_core_error,
};

/* ---- ours ---- */

static int connect_stream(struct portal_grabber *grabber)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_rectangle usual = {1920, 1080}, least = {1, 1};
	const struct spa_rectangle most = {CANVAS_SIDE_LIMIT, CANVAS_SIDE_LIMIT};
	const struct spa_fraction usual_rate = {60, 1}, least_rate = {0, 1}, most_rate = {240, 1};
	const struct spa_pod *params[] = {spa_pod_builder_add_object(&builder,
		SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat, SPA_FORMAT_mediaType,
		SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
		SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format,
		SPA_POD_CHOICE_ENUM_Id(5, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_BGRx,
			SPA_VIDEO_FORMAT_BGRA, SPA_VIDEO_FORMAT_RGBx, SPA_VIDEO_FORMAT_RGBA),
		SPA_FORMAT_VIDEO_size, SPA_POD_CHOICE_RANGE_Rectangle(&usual, &least, &most),
		SPA_FORMAT_VIDEO_framerate,
		SPA_POD_CHOICE_RANGE_Fraction(&usual_rate, &least_rate, &most_rate))};

	/* when this screen goes away no other and no camera takes its place */
	return pw_stream_connect(grabber->stream, PW_DIRECTION_INPUT, grabber->node,
		PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_DONT_RECONNECT, params, 1);
}

/* @param fd  is given away */
static int create_stream(struct portal_grabber *grabber, int fd)
{
	grabber->context = pw_context_new(pw_thread_loop_get_loop(grabber->loop), NULL, 0);
	if (!grabber->context) {
		close(fd);
		return -ENOMEM;
	}
	grabber->core = pw_context_connect_fd(grabber->context, fd, NULL, 0);
	if (!grabber->core)
		return -errno;
	pw_core_add_listener(grabber->core, &grabber->core_hook, &core_events, grabber);
	grabber->registry = pw_core_get_registry(grabber->core, PW_VERSION_REGISTRY, 0);
	grabber->stream = pw_stream_new(grabber->core, "the screen",
		pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY, "Capture",
			PW_KEY_MEDIA_ROLE, "Screen", PW_KEY_NODE_NAME, "uxrec-screen", NULL));
	if (!grabber->registry || !grabber->stream)
		return -errno;
	pw_registry_add_listener(
		grabber->registry, &grabber->registry_hook, &registry_events, grabber);
	pw_stream_add_listener(grabber->stream, &grabber->stream_hook, &stream_events, grabber);
	return connect_stream(grabber);
}

static void portal_grabber_destroy(struct grabber *base)
{
	struct portal_grabber *grabber = portal_grabber(base);

	if (grabber->loop)
		pw_thread_loop_stop(grabber->loop);
	if (grabber->registry)
		pw_proxy_destroy((struct pw_proxy *)grabber->registry);
	if (grabber->stream)
		pw_stream_destroy(grabber->stream);
	if (grabber->core)
		spa_hook_remove(&grabber->core_hook);
	if (grabber->context)
		pw_context_destroy(grabber->context);
	if (grabber->loop)
		pw_thread_loop_destroy(grabber->loop);
	portal_destroy(grabber->portal);
	if (grabber->event_fd >= 0)
		close(grabber->event_fd);
	free(grabber->swapped);
	free(grabber);
}

/* Is there something to do, or is it over? As a grabber waits. */
static int look(struct portal_grabber *grabber, int64_t *ret_damage_ns)
{
	const char *gone = portal_check(grabber->portal);
	int r = 0;

	pw_thread_loop_lock(grabber->loop);
	if (gone)
		fail(grabber, "%s", gone);
	if (*grabber->why || grabber->cut) {
		r = -EPIPE;
	} else if (grabber->frame.buffer && grabber->has_damage) {
		*ret_damage_ns = grabber->damage_ns;
		r = 1;
	}
	pw_thread_loop_unlock(grabber->loop);
	return r;
}

/* @return whether something may have come; otherwise wake_fd is readable, or it is time */
static bool sleep_until(struct portal_grabber *grabber, int wake_fd, int64_t deadline_ns)
{
	struct pollfd fds[] = {{wake_fd, POLLIN, 0}, {grabber->event_fd, POLLIN, 0},
		{portal_fd(grabber->portal), POLLIN, 0}};
	int64_t left_ns = deadline_ns - clock_now_ns();
	struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
	eventfd_t ignored;

	if (left_ns < 0)
		left = (struct timespec){0, 0};
	if (ppoll(fds, ARRAY_SIZE(fds), deadline_ns == INT64_MAX ? NULL : &left, NULL) <= 0)
		return false;
	eventfd_read(grabber->event_fd, &ignored);
	return fds[1].revents || fds[2].revents;
}

static int portal_wait(
	struct grabber *base, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	struct portal_grabber *grabber = portal_grabber(base);
	int r = look(grabber, ret_damage_ns);

	while (r == 0 && sleep_until(grabber, wake_fd, deadline_ns))
		r = look(grabber, ret_damage_ns);
	return r;
}

static struct grabber_size portal_size(const struct grabber *base)
{
	return ((const struct portal_grabber *)base)->size;
}

static void portal_damage_all(struct grabber *base)
{
	struct portal_grabber *grabber = portal_grabber(base);

	pw_thread_loop_lock(grabber->loop);
	add_damage_all(grabber);
	if (!grabber->has_damage)
		grabber->damage_ns = clock_now_ns();
	grabber->has_damage = true;
	pw_thread_loop_unlock(grabber->loop);
}

/* The order of the colours is the other way round. */
static int put_swapped(struct portal_grabber *grabber, const struct rect *rect, const uint8_t *from,
	struct canvas *canvas)
{
	size_t bytes = (size_t)rect->width * (size_t)rect->height * 4;
	uint8_t *to = grabber->swapped;

	if (bytes > grabber->swapped_bytes) {
		to = realloc(grabber->swapped, bytes);
		if (!to)
			return -ENOMEM;
		grabber->swapped = to;
		grabber->swapped_bytes = bytes;
	}
	for (int y = 0; y < rect->height; y++, from += grabber->frame.stride)
		for (int i = 0; i < rect->width * 4; i += 4, to += 4) {
			to[0] = from[i + 2];
			to[1] = from[i + 1];
			to[2] = from[i];
			to[3] = from[i + 3];
		}
	canvas_put(canvas, rect, grabber->swapped, 4 * rect->width);
	return 0;
}

/* @param rect  within the frame, which is of the canvas' size */
static int put(struct portal_grabber *grabber, const struct rect *rect, struct canvas *canvas)
{
	const struct frame *frame = &grabber->frame;
	const uint8_t *from =
		frame->pixels + (ptrdiff_t)rect->y * frame->stride + 4 * (ptrdiff_t)rect->x;

	if (frame->swapped)
		return put_swapped(grabber, rect, from, canvas);
	canvas_put(canvas, rect, from, frame->stride);
	return 0;
}

static int copy(struct portal_grabber *grabber, struct canvas *canvas)
{
	int r = 0;

	if (grabber->all)
		grabber->damage = (struct areas){{{0, 0, canvas->width, canvas->height}}, 1};
	for (int i = 0; i < grabber->damage.count && r == 0; i++)
		r = put(grabber, &grabber->damage.area[i], canvas);
	grabber->damage.count = 0;
	grabber->all = grabber->has_damage = false;
	return r;
}

/* While the stream changes its format there is no picture. @return 0 there is one, or a negative errno */
static int await_frame(struct portal_grabber *grabber, int64_t until_ns)
{
	for (;;) {
		int64_t damage_ns;
		bool is_there;
		int r = look(grabber, &damage_ns);

		if (r < 0)
			return r;
		pw_thread_loop_lock(grabber->loop);
		is_there = grabber->frame.buffer;
		pw_thread_loop_unlock(grabber->loop);
		if (is_there)
			return 0;
		if (!sleep_until(grabber, -1, until_ns))
			return -EAGAIN;
	}
}

static int portal_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	struct portal_grabber *grabber = portal_grabber(base);
	int r = await_frame(grabber, clock_now_ns() + NS_PER_S);

	if (r < 0)
		return r;
	pw_thread_loop_lock(grabber->loop);
	if (!grabber->frame.buffer) {
		r = -EAGAIN;
	} else if (canvas->width != grabber->frame.size.width ||
		canvas->height != grabber->frame.size.height) {
		grabber->size = grabber->frame.size;
		r = -EAGAIN;
	} else {
		r = copy(grabber, canvas);
		*ret_copied_ns = grabber->grabbed_ns = clock_now_ns();
	}
	pw_thread_loop_unlock(grabber->loop);
	return r;
}

static void portal_cut(struct grabber *base)
{
	struct portal_grabber *grabber = portal_grabber(base);

	grabber->cut = true;
	eventfd_write(grabber->event_fd, 1);
}

/* it is said but once, and read after that */
static const char *portal_why(struct grabber *base)
{
	const char *why = portal_grabber(base)->why;

	return *why ? why : "the display is gone";
}

static void init_once(void)
{
	pw_init(NULL, NULL);
}

static int start(struct portal_grabber *grabber, int fd, struct error *reterr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r;

	pthread_once(&once, init_once);
	grabber->loop = pw_thread_loop_new("uxrec-portal", NULL);
	if (!grabber->loop) {
		close(fd);
		return error_set(reterr, -ENOMEM, "no memory");
	}
	r = create_stream(grabber, fd);
	if (r == 0)
		r = pw_thread_loop_start(grabber->loop);
	if (r < 0)
		return error_set(reterr, r,
			"the desktop lets the screen be seen, but PipeWire does not answer: %s",
			strerror(-r));
	r = await_frame(grabber, clock_now_ns() + FIRST_NS);
	if (r == -EPIPE)
		return error_set(reterr, r, "%s", portal_why(&grabber->base));
	if (r < 0)
		return error_set(reterr, r,
			grabber->format.size.width == 0
				? "the desktop lets the screen be seen, but gives no pictures "
				  "outside of the graphics card's memory"
				: grabber->refused
				? "the desktop gives pictures that do not fit "
				  "their memory"
				: "the desktop lets the screen be seen, but gives no "
				  "pictures");
	return 0;
}

static int portal_create(struct grabber **ret, const char *display, struct error *reterr)
{
	_destroy_(grabber) struct grabber *base = calloc(1, sizeof(struct portal_grabber));
	struct portal_grabber *grabber = portal_grabber(base);
	struct portal_stream stream;
	int r;

	(void)display;
	if (!grabber)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &grabber_portal;
	grabber->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (grabber->event_fd < 0)
		return error_set(reterr, -ENOMEM, "no memory");
	r = portal_open(&grabber->portal, &stream, reterr);
	if (r < 0)
		return r;
	grabber->node = stream.node;
	r = start(grabber, stream.fd, reterr);
	if (r < 0)
		return r;
	pw_thread_loop_lock(grabber->loop);
	grabber->size = grabber->frame.size;
	pw_thread_loop_unlock(grabber->loop);
	*ret = steal_ptr(base);
	return 0;
}

const struct grabber_ops grabber_portal = {
	.name = "portal",
	.create = portal_create,
	.wait = portal_wait,
	.size = portal_size,
	.grab = portal_grab,
	.damage_all = portal_damage_all,
	.cut = portal_cut,
	.why = portal_why,
	.destroy = portal_grabber_destroy,
};
