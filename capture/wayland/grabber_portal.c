#include "capture/screen/grabber.h"

#include "capture/wayland/portal.h"
#include "capture/wayland/portal_frame.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <pipewire/pipewire.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/*
 * The desktop pushes whole pictures, in shared memory buffers. PipeWire's loop, a thread of its
 * own, dequeues each as it arrives, keeps the newest and requeues the older one at once,
 * accumulating damage; grab() copies from the newest. All state shared by the threads is under the
 * loop's lock.
 *
 * Pictures in GPU memory (dmabuf) are not negotiated: CPU reads can be a hundred times slower, and
 * only some layouts are readable at all. Every portal supports shared memory too.
 */

/* Timeout for PipeWire: the format, then the first picture, which arrives without any change. */
#define FIRST_NS (10 * NS_PER_S)

/* An older timestamp is from another clock. */
#define AGE_LIMIT_NS NS_PER_S

struct portal_grabber {
	struct grabber base;
	struct portal *portal;
	int event_fd; /* new events, or the end */
	_Atomic bool aborted;
	struct portal_stream allowed;
	struct grabber_size size; /* as known to the caller */
	struct portal_scratch read,
		swapped; /* pixels read from a picture, and colour-swapped ones */
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
	struct pw_buffer *newest;         /* NULL: none */
	struct portal_frame frame;        /* in newest */
	struct areas damage;              /* accumulated since the last grab */
	bool all, has_damage;             /* all of it; any */
	int64_t damage_ns;
	uint64_t sequence;        /* of the last frame; 0: without numbers */
	unsigned refused;         /* frames with invalid metadata or unreadable memory */
	char failure_reason[200]; /* "": no failure */

	/* the pointer: last state, and its listener */
	void (*report)(void *user, const struct grabber_pointer *pointer);
	void *report_user;
	struct grabber_pointer pointer;
	bool has_pointer, pointer_outside; /* away: outside the shared area */
	uint8_t *shape, *shape_scratch;    /* the current one, and scratch for the next */
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
	if (!*grabber->failure_reason)
		vsnprintf(grabber->failure_reason, sizeof(grabber->failure_reason), format, args);
	va_end(args);
	eventfd_write(grabber->event_fd, 1);
}

/* ---- buffer memory ---- */

static void on_add_buffer(void *user, struct pw_buffer *buffer)
{
	struct portal_grabber *grabber = user;
	struct error error = {"out of memory"};

	buffer->user_data = calloc(1, sizeof(struct portal_memory));
	if (!buffer->user_data || portal_memory_map(buffer->user_data, buffer->buffer, &error) < 0)
		fail(grabber, "%s", error.text);
}

static void on_remove_buffer(void *user, struct pw_buffer *buffer)
{
	struct portal_grabber *grabber = user;

	if (grabber->newest == buffer) {
		grabber->newest = NULL;
		grabber->has_damage = false; /* until the next one */
		grabber->all = true;
	}
	if (buffer->user_data)
		portal_memory_unmap(buffer->user_data);
	free(buffer->user_data);
	buffer->user_data = NULL;
}

/* ---- buffer contents ---- */

/* @param same  the shape is unchanged since the last call */
static void report_pointer(struct portal_grabber *grabber, bool same)
{
	struct grabber_pointer pointer = grabber->pointer;

	pointer.time_ns = clock_now_ns();
	if (grabber->pointer_outside)
		pointer.width = pointer.height = pointer.hot_x = pointer.hot_y = 0;
	if (same)
		pointer.rgba = NULL;
	else if (!pointer.rgba && grabber->pointer_outside)
		pointer.rgba = grabber->shape; /* never read: the size is 0 */
	if (grabber->report)
		grabber->report(grabber->report_user, &pointer);
}

static void handle_pointer(struct portal_grabber *grabber, struct spa_buffer *buffer)
{
	struct grabber_pointer pointer;
	bool was_outside = grabber->pointer_outside;

	switch (portal_frame_pointer(buffer, &pointer, grabber->shape_scratch)) {
	case PORTAL_POINTER_UNCHANGED: return;
	case PORTAL_POINTER_OUTSIDE:
		grabber->pointer_outside = true;
		if (grabber->has_pointer && !was_outside)
			report_pointer(grabber, false);
		return;
	case PORTAL_POINTER_INSIDE: break;
	}
	grabber->pointer_outside = false;
	if (pointer.rgba) {
		uint8_t *room = grabber->shape;

		grabber->shape = grabber->shape_scratch;
		grabber->shape_scratch = room;
		grabber->pointer = pointer;
	} else {
		grabber->pointer.x = pointer.x;
		grabber->pointer.y = pointer.y;
	}
	grabber->has_pointer = true;
	report_pointer(grabber, !pointer.rgba && !was_outside);
}

/* Presentation time. A lost frame took its damage with it. */
static int64_t read_time(struct portal_grabber *grabber, struct spa_buffer *buffer)
{
	uint64_t sequence;
	int64_t shown_ns = portal_frame_time(buffer, &sequence), now_ns = clock_now_ns();

	if (sequence != grabber->sequence + 1 && (sequence || grabber->sequence))
		grabber->all = true;
	grabber->sequence = sequence;
	if (shown_ns > now_ns || shown_ns < now_ns - AGE_LIMIT_NS ||
		shown_ns <= grabber->grabbed_ns)
		return now_ns;
	return shown_ns;
}

static bool same_size(const struct portal_frame *a, const struct portal_frame *b)
{
	return a->size.width == b->size.width && a->size.height == b->size.height;
}

/* @return true when the buffer is kept */
static bool accept_frame(struct portal_grabber *grabber, struct pw_buffer *buffer)
{
	struct portal_frame frame;
	int64_t shown_ns;
	int r = portal_frame_read(&frame, buffer->buffer, buffer->user_data, &grabber->format);

	if (r == -EBADMSG) {
		grabber->refused++;
		grabber->all = true;
	}
	if (r < 0)
		return false;
	shown_ns = read_time(grabber, buffer->buffer);
	if (!portal_frame_damage(&grabber->damage, buffer->buffer, &frame) ||
		!same_size(&frame, &grabber->frame))
		grabber->all = true;
	if (grabber->newest)
		pw_stream_queue_buffer(grabber->stream, grabber->newest);
	grabber->newest = buffer;
	grabber->frame = frame;
	if (!grabber->has_damage)
		grabber->damage_ns = shown_ns;
	grabber->has_damage = true;
	eventfd_write(grabber->event_fd, 1);
	return true;
}

static void on_process(void *user)
{
	struct portal_grabber *grabber = user;
	struct pw_buffer *buffer;

	while ((buffer = pw_stream_dequeue_buffer(grabber->stream))) {
		handle_pointer(grabber, buffer->buffer);
		if (!accept_frame(grabber, buffer))
			pw_stream_queue_buffer(grabber->stream, buffer);
	}
}

/* ---- stream events ---- */

static void on_param_changed(void *user, uint32_t id, const struct spa_pod *param)
{
	struct portal_grabber *grabber = user;
	uint8_t memory[2048];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_pod *params[PORTAL_PARAMS];
	struct spa_video_info_raw format = {0};

	if (id != SPA_PARAM_Format || !param)
		return;
	if (!portal_format_read(&format, param)) {
		fail(grabber,
			"the desktop shares pictures of %u × %u pixels, which cannot be recorded",
			format.size.width, format.size.height);
		return;
	}
	grabber->format = format;
	grabber->sequence = 0;
	portal_params_of_buffers(&builder, params);
	pw_stream_update_params(grabber->stream, params, PORTAL_PARAMS);
}

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct portal_grabber *grabber = user;

	(void)before;
	if (state == PW_STREAM_STATE_ERROR)
		fail(grabber, "the desktop's screen-sharing stream has ended: %s",
			error ? error : "unknown error");
	else if (state == PW_STREAM_STATE_UNCONNECTED)
		fail(grabber, "the desktop's screen-sharing stream has ended");
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
		fail(grabber, "the desktop no longer shares this screen");
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
		fail(grabber,
			"the connection to PipeWire was lost: the desktop's screen-sharing stream "
			"has ended");
	else if (id == PW_ID_CORE)
		fail(grabber, "PipeWire error in the desktop's screen-sharing stream: %s", message);
}

static const struct pw_core_events core_events = {
	PW_VERSION_CORE_EVENTS,
	.error = on_core_error,
};

/* ---- the caller's thread ---- */

static int connect_stream(struct portal_grabber *grabber)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	const struct spa_pod *params[] = {portal_param_of_formats(&builder)};

	/* never reconnect to another screen or a camera when this screen goes away */
	return pw_stream_connect(grabber->stream, PW_DIRECTION_INPUT, grabber->node,
		PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_DONT_RECONNECT, params, 1);
}

/* @param fd  ownership passes to the callee */
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
	free(grabber->read.memory);
	free(grabber->swapped.memory);
	free(grabber->shape);
	free(grabber->shape_scratch);
	free(grabber);
}

/* Check for damage or the end. @return as the grabber's wait */
static int look(struct portal_grabber *grabber, int64_t *ret_damage_ns)
{
	const char *gone = portal_check(grabber->portal);
	int r = 0;

	pw_thread_loop_lock(grabber->loop);
	if (gone)
		fail(grabber, "%s", gone);
	if (*grabber->failure_reason || grabber->aborted) {
		r = -EPIPE;
	} else if (grabber->newest && grabber->has_damage) {
		*ret_damage_ns = grabber->damage_ns;
		r = 1;
	}
	pw_thread_loop_unlock(grabber->loop);
	return r;
}

/* @return true when events may have arrived; false when wake_fd is readable or the deadline has
 * passed */
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
	grabber->all = true;
	if (!grabber->has_damage)
		grabber->damage_ns = clock_now_ns();
	grabber->has_damage = true;
	pw_thread_loop_unlock(grabber->loop);
}

/* @param rect  within the frame, which is of the canvas' size */
static int put(struct portal_grabber *grabber, const struct rect *rect, struct canvas *canvas)
{
	const uint8_t *from;
	int stride, r;

	if (rect->width <= 0 || rect->height <= 0)
		return 0;
	r = portal_frame_pixels(&grabber->frame, rect, &grabber->read, &from, &stride);
	if (r == 0 && grabber->frame.swapped)
		r = portal_pixels_swap(rect, &grabber->swapped, &from, &stride);
	if (r == 0)
		canvas_put(canvas, rect, from, stride);
	return r;
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
	if (r != -EBADMSG)
		return r;
	/* its memory was truncated: drop this frame, the next may be good */
	pw_stream_queue_buffer(grabber->stream, steal_ptr(grabber->newest));
	grabber->refused++;
	grabber->all = true;
	return -EAGAIN;
}

/* Wait for a picture: there is none during a format change. @return 0, or a negative errno */
static int await_frame(struct portal_grabber *grabber, int64_t until_ns)
{
	for (;;) {
		int64_t damage_ns;
		bool is_there;
		int r = look(grabber, &damage_ns);

		if (r < 0)
			return r;
		pw_thread_loop_lock(grabber->loop);
		is_there = grabber->newest;
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
	int r = await_frame(grabber, 0);

	if (r < 0)
		return r;
	pw_thread_loop_lock(grabber->loop);
	if (!grabber->newest) {
		r = -EAGAIN;
	} else if (canvas->width != grabber->frame.size.width ||
		canvas->height != grabber->frame.size.height) {
		grabber->size = grabber->frame.size;
		r = -EAGAIN;
	} else {
		r = copy(grabber, canvas);
		if (r == 0)
			*ret_copied_ns = grabber->grabbed_ns = clock_now_ns();
	}
	pw_thread_loop_unlock(grabber->loop);
	return r;
}

static void portal_abort(struct grabber *base)
{
	struct portal_grabber *grabber = portal_grabber(base);

	grabber->aborted = true;
	eventfd_write(grabber->event_fd, 1);
}

static void portal_track_pointer(struct grabber *base,
	void (*report)(void *user, const struct grabber_pointer *pointer), void *user)
{
	struct portal_grabber *grabber = portal_grabber(base);

	pw_thread_loop_lock(grabber->loop);
	grabber->report = report;
	grabber->report_user = user;
	if (grabber->has_pointer)
		report_pointer(grabber, false);
	pw_thread_loop_unlock(grabber->loop);
}

static const char *portal_describe(const struct grabber *base)
{
	const struct portal_stream *allowed = &((const struct portal_grabber *)base)->allowed;

	if (allowed->cursor == PORTAL_CURSOR_EMBEDDED)
		return allowed->remembered
			? "permission remembered by the desktop; the pointer is drawn into "
			  "the picture"
			: "permission asked for each time; the pointer is drawn into the "
			  "picture";
	if (allowed->cursor == PORTAL_CURSOR_HIDDEN)
		return allowed->remembered
			? "permission remembered by the desktop; without the pointer"
			: "permission asked for each time; without the pointer";
	return allowed->remembered ? "permission remembered by the desktop"
				   : "permission asked for each time";
}

/* written once, before it is read */
static const char *portal_failure_reason(struct grabber *base)
{
	const char *failure_reason = portal_grabber(base)->failure_reason;

	return *failure_reason ? failure_reason : "the connection to the display was lost";
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
		return error_set(reterr, -ENOMEM, "out of memory");
	}
	r = create_stream(grabber, fd);
	if (r == 0)
		r = pw_thread_loop_start(grabber->loop);
	if (r < 0)
		return error_set(reterr, r,
			"screen sharing is permitted, but PipeWire does not answer: %s",
			strerror(-r));
	r = await_frame(grabber, clock_now_ns() + FIRST_NS);
	if (r == -EPIPE)
		return error_set(reterr, r, "%s", portal_failure_reason(&grabber->base));
	if (r < 0)
		return error_set(reterr, r,
			grabber->format.size.width == 0
				? "screen sharing is permitted, but the desktop has "
				  "pictures only in the graphics card's memory"
				: grabber->refused
				? "the desktop's pictures are larger than their buffers"
				: "screen sharing is permitted, but the desktop sends no "
				  "pictures");
	return 0;
}

static int portal_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	_destroy_(grabber) struct grabber *base = calloc(1, sizeof(struct portal_grabber));
	struct portal_grabber *grabber = portal_grabber(base);
	int r;

	if (!grabber)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &grabber_portal;
	grabber->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	grabber->shape = malloc(PORTAL_CURSOR_SIDE * PORTAL_CURSOR_SIDE * 4);
	grabber->shape_scratch = malloc(PORTAL_CURSOR_SIDE * PORTAL_CURSOR_SIDE * 4);
	if (grabber->event_fd < 0 || !grabber->shape || !grabber->shape_scratch)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = portal_open(&grabber->portal, &grabber->allowed, target->cancelled, reterr);
	if (r < 0)
		return r;
	grabber->node = grabber->allowed.node;
	r = start(grabber, grabber->allowed.fd, reterr);
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
	.abort = portal_abort,
	.track_pointer = portal_track_pointer,
	.failure_reason = portal_failure_reason,
	.describe = portal_describe,
	.destroy = portal_grabber_destroy,
};
