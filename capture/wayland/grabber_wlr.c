#include "capture/screen/grabber.h"
#include "protocol/base/terminal.h"

#include "capture/screen/transform.h"
#include "capture/wayland/wayland.h"
#include "capture/wayland/wlr-screencopy.h"
#include "capture/wayland/wlr_outputs.h"
#include "protocol/base/backoff.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <wayland-client.h>

/*
 * One frame is requested at a time, and only while a caller waits for damage. The compositor offers
 * the frame, we pass the buffer, and it stays silent until something changes; damage between
 * requests is kept for the next frame. It always copies the whole output and reports the damage
 * since the previous frame; so the buffer holds the whole screen, and grab() makes no request.
 *
 *   NONE ──wait──▶ ASKED ──buffer_done──▶ OFFERED ──wait──▶ COPYING ──ready──▶ READY ──grab──▶ NONE
 *    ▲              │ failed               │ failed          │ failed           │
 *    └──────────────┴──────────────────────┴─────────────────┴──────────────────┘ output changed
 */
enum frame_state { FRAME_NONE, FRAME_REQUESTED, FRAME_OFFERED, FRAME_COPYING, FRAME_READY };

/* timeout for a compositor that does not answer a new client */
#define SETUP_TIMEOUT_NS (5 * NS_PER_S)

/* A screen that is off fails at once and sends no event when it is on again: retry with backoff. */
static const struct backoff retries = {16 * NS_PER_MS, NS_PER_S};

/* older: a time of another clock */
#define AGE_LIMIT_NS (10 * NS_PER_S)

struct shape {
	uint32_t format, width, height, stride;
};

struct wlr_grabber {
	struct grabber base;
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_shm *shm;
	struct zwlr_screencopy_manager_v1 *manager;
	struct wlr_outputs outputs;
	char about[160];

	enum frame_state state;
	struct zwlr_screencopy_frame_v1 *frame;
	struct shape offered; /* format UINT32_MAX: none readable */
	uint32_t other_format;
	bool copying_all, bottom_first;
	struct areas damage; /* in the buffer's pixels */
	int64_t damage_ns, grabbed_ns;
	int64_t retry_ns;
	unsigned failures; /* since the last frame */

	struct wl_buffer *buffer;
	struct shape shape;
	uint8_t *shared; /* shape.height * shape.stride bytes, written by the compositor */
	size_t shared_bytes;
	uint8_t *upright; /* for rotated screens or swapped colours; else NULL */
	struct grabber_size size;
	struct monitors monitors; /* as of the last grab */
	bool all;                 /* copy the next frame whole */
};

static struct wlr_grabber *wlr(const struct grabber *grabber)
{
	return (struct wlr_grabber *)grabber;
}

/* ---- frames ---- */

static void drop_frame(struct wlr_grabber *grabber)
{
	if (grabber->frame)
		zwlr_screencopy_frame_v1_destroy(steal_ptr(grabber->frame));
	grabber->state = FRAME_NONE;
}

/* Discard the current copy: the output has changed. */
static void start_over(struct wlr_grabber *grabber)
{
	drop_frame(grabber);
	grabber->all = true;
	grabber->retry_ns = grabber->failures = 0;
}

static bool is_red_first(uint32_t format)
{
	return format == WL_SHM_FORMAT_ABGR8888 || format == WL_SHM_FORMAT_XBGR8888;
}

static bool is_readable(uint32_t format)
{
	return format == WL_SHM_FORMAT_ARGB8888 || format == WL_SHM_FORMAT_XRGB8888 ||
		is_red_first(format);
}

static void frame_buffer(void *user, struct zwlr_screencopy_frame_v1 *frame, uint32_t format,
	uint32_t width, uint32_t height, uint32_t stride)
{
	struct wlr_grabber *grabber = user;

	if (grabber->state != FRAME_REQUESTED)
		return;
	if (!is_readable(format))
		grabber->other_format = format;
	else if (grabber->offered.format == UINT32_MAX)
		grabber->offered = (struct shape){format, width, height, stride};
	/* last event of version 2 */
	if (zwlr_screencopy_frame_v1_get_version(frame) < 3)
		grabber->state = FRAME_OFFERED;
}

static void frame_linux_dmabuf(void *user, struct zwlr_screencopy_frame_v1 *frame, uint32_t format,
	uint32_t width, uint32_t height)
{
	(void)user;
	(void)frame;
	(void)format;
	(void)width;
	(void)height;
}

static void frame_buffer_done(void *user, struct zwlr_screencopy_frame_v1 *frame)
{
	struct wlr_grabber *grabber = user;

	(void)frame;
	if (grabber->state == FRAME_REQUESTED)
		grabber->state = FRAME_OFFERED;
}

static void frame_flags(void *user, struct zwlr_screencopy_frame_v1 *frame, uint32_t flags)
{
	(void)frame;
	wlr(user)->bottom_first = flags & ZWLR_SCREENCOPY_FRAME_V1_FLAGS_Y_INVERT;
}

static void frame_damage(void *user, struct zwlr_screencopy_frame_v1 *frame, uint32_t x, uint32_t y,
	uint32_t width, uint32_t height)
{
	struct wlr_grabber *grabber = user;
	const struct shape *shape = &grabber->shape;

	(void)frame;
	if (grabber->state != FRAME_COPYING || x >= shape->width || y >= shape->height)
		return;
	if (width > shape->width - x)
		width = shape->width - x;
	if (height > shape->height - y)
		height = shape->height - y;
	areas_add(&grabber->damage, &(struct rect){(int)x, (int)y, (int)width, (int)height});
}

static int64_t time_of(uint32_t tv_sec_hi, uint32_t tv_sec_lo, uint32_t tv_nsec)
{
	int64_t now_ns = clock_now_ns();

	if (tv_sec_hi > 0 || tv_nsec >= NS_PER_S || tv_sec_lo > now_ns / NS_PER_S)
		return now_ns;
	return tv_sec_lo * NS_PER_S + tv_nsec;
}

static void frame_ready(void *user, struct zwlr_screencopy_frame_v1 *frame, uint32_t tv_sec_hi,
	uint32_t tv_sec_lo, uint32_t tv_nsec)
{
	struct wlr_grabber *grabber = user;
	const struct shape *shape = &grabber->shape;
	int64_t at_ns = time_of(tv_sec_hi, tv_sec_lo, tv_nsec), now_ns = clock_now_ns();

	(void)frame;
	if (grabber->state != FRAME_COPYING)
		return;
	drop_frame(grabber);
	grabber->state = FRAME_READY;
	grabber->failures = 0;
	if (at_ns > now_ns || at_ns < now_ns - AGE_LIMIT_NS || at_ns <= grabber->grabbed_ns)
		at_ns = now_ns;
	grabber->damage_ns = at_ns;
	/* the protocol does not define the orientation of the damage of a y-inverted picture */
	if (grabber->copying_all || grabber->bottom_first || grabber->damage.count == 0)
		grabber->damage =
			(struct areas){{{0, 0, (int)shape->width, (int)shape->height}}, 1};
	if (grabber->copying_all)
		grabber->all = false;
}

static void frame_failed(void *user, struct zwlr_screencopy_frame_v1 *frame)
{
	struct wlr_grabber *grabber = user;

	(void)frame;
	drop_frame(grabber);
	grabber->retry_ns = clock_now_ns();
	/* the first retry is at once */
	if (grabber->failures > 0)
		grabber->retry_ns += backoff_ns(&retries, grabber->failures - 1);
	grabber->failures++;
}

static const struct zwlr_screencopy_frame_v1_listener frame_listener = {
	.buffer = frame_buffer,
	.flags = frame_flags,
	.ready = frame_ready,
	.failed = frame_failed,
	.damage = frame_damage,
	.linux_dmabuf = frame_linux_dmabuf,
	.buffer_done = frame_buffer_done,
};

/* Without the pointer: it would cause damage with every move. */
static int request_frame(struct wlr_grabber *grabber)
{
	grabber->frame = zwlr_screencopy_manager_v1_capture_output(
		grabber->manager, false, grabber->outputs.chosen->proxy);
	if (!grabber->frame)
		return -EPIPE;
	zwlr_screencopy_frame_v1_add_listener(grabber->frame, &frame_listener, grabber);
	grabber->offered = (struct shape){.format = UINT32_MAX};
	grabber->damage.count = 0;
	grabber->bottom_first = false;
	grabber->state = FRAME_REQUESTED;
	return 0;
}

/* ---- the buffer ---- */

static int check_offer(const struct wlr_grabber *grabber, struct error *reterr)
{
	const struct shape *offered = &grabber->offered;

	if (offered->format == UINT32_MAX)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor uses the pixel format 0x%08x: only 32-bit formats "
			"with 8 bits per colour can be recorded",
			grabber->other_format);
	if (offered->width < 1 || offered->width > CANVAS_SIDE_LIMIT || offered->height < 1 ||
		offered->height > CANVAS_SIDE_LIMIT)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor has a screen of %ux%u pixels, which cannot be "
			"recorded",
			offered->width, offered->height);
	/* a pool's size is a signed number of 32 bits */
	if (offered->stride < 4 * offered->width || offered->stride % 4 != 0 ||
		(uint64_t)offered->stride * offered->height > INT32_MAX)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor states an invalid stride of %u bytes for a row of "
			"%u pixels",
			offered->stride, offered->width);
	return 0;
}

static struct grabber_size size_of(const struct wlr_grabber *grabber)
{
	const struct transform transform = transform_make(grabber->outputs.chosen->transform,
		(int)grabber->offered.width, (int)grabber->offered.height);

	return (struct grabber_size){transform.width, transform.height};
}

static void unmap_shared(struct wlr_grabber *grabber)
{
	if (grabber->buffer)
		wl_buffer_destroy(steal_ptr(grabber->buffer));
	if (grabber->shared)
		munmap(steal_ptr(grabber->shared), grabber->shared_bytes);
	free(steal_ptr(grabber->upright));
}

static int map_shared(struct wlr_grabber *grabber, const struct shape *shape)
{
	size_t size = (size_t)shape->stride * shape->height;
	_autoclose_ int fd = memfd_create("uxrec-screen", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct wl_shm_pool *pool;
	void *shared;

	/* sealed, so that the peer cannot truncate memory that we read */
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return -errno;
	shared = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return -errno;
	grabber->shared = shared;
	grabber->shared_bytes = size;
	pool = wl_shm_create_pool(grabber->shm, fd, (int32_t)size);
	if (!pool)
		return -ENOMEM;
	grabber->buffer = wl_shm_pool_create_buffer(pool, 0, (int32_t)shape->width,
		(int32_t)shape->height, (int32_t)shape->stride, shape->format);
	wl_shm_pool_destroy(pool);
	return grabber->buffer ? 0 : -ENOMEM;
}

/* A buffer of the offered shape, and the on-screen size. */
static int prepare_buffer(struct wlr_grabber *grabber)
{
	const struct shape *offered = &grabber->offered;
	const struct grabber_size size = size_of(grabber);
	const bool is_transformed =
		grabber->outputs.chosen->transform || is_red_first(offered->format);
	int r;

	if (size.width != grabber->size.width || size.height != grabber->size.height)
		grabber->all = true;
	grabber->size = size;
	if (!grabber->buffer || memcmp(&grabber->shape, offered, sizeof(*offered)) != 0) {
		unmap_shared(grabber);
		grabber->all = true;
		r = map_shared(grabber, offered);
		if (r < 0)
			return r;
		grabber->shape = *offered;
	}
	if (is_transformed && !grabber->upright)
		grabber->upright = calloc((size_t)size.height, (size_t)size.width * 4);
	return is_transformed && !grabber->upright ? -ENOMEM : 0;
}

static int begin_copy(struct wlr_grabber *grabber)
{
	if (check_offer(grabber, NULL) < 0 || prepare_buffer(grabber) < 0)
		return -EPIPE;
	grabber->copying_all = grabber->all;
	if (grabber->all)
		zwlr_screencopy_frame_v1_copy(grabber->frame, grabber->buffer);
	else
		zwlr_screencopy_frame_v1_copy_with_damage(grabber->frame, grabber->buffer);
	grabber->state = FRAME_COPYING;
	return 0;
}

/* ---- globals ---- */

static void output_transform_changed(void *user)
{
	struct wlr_grabber *grabber = user;

	start_over(grabber);
	free(steal_ptr(grabber->upright));
}

static void output_mode_reported(void *user, int32_t width, int32_t height)
{
	struct wlr_grabber *grabber = user;

	/* also sent for a screen that was off: retry at once */
	grabber->retry_ns = grabber->failures = 0;
	if ((int64_t)grabber->shape.width != width || (int64_t)grabber->shape.height != height)
		start_over(grabber);
}

static const struct wlr_output_events output_events = {
	.transform_changed = output_transform_changed,
	.mode_reported = output_mode_reported,
};

static void registry_global(void *user, struct wl_registry *registry, uint32_t id,
	const char *interface, uint32_t version)
{
	struct wlr_grabber *grabber = user;

	if (strcmp(interface, wl_shm_interface.name) == 0 && !grabber->shm) {
		grabber->shm = wl_registry_bind(registry, id, &wl_shm_interface, 1);
	} else if (strcmp(interface, zwlr_screencopy_manager_v1_interface.name) == 0 &&
		!grabber->manager) {
		grabber->manager = wl_registry_bind(registry, id,
			&zwlr_screencopy_manager_v1_interface, version < 3 ? version : 3);
	} else if (strcmp(interface, wl_output_interface.name) == 0) {
		wlr_outputs_add(&grabber->outputs, registry, id, version);
	}
}

static void registry_global_remove(void *user, struct wl_registry *registry, uint32_t id)
{
	struct wlr_grabber *grabber = user;

	(void)registry;
	wlr_outputs_remove(&grabber->outputs, id);
}

static const struct wl_registry_listener registry_listener = {
	.global = registry_global,
	.global_remove = registry_global_remove,
};

static int check_globals(const struct wlr_grabber *grabber, struct error *reterr)
{
	if (!grabber->manager)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor does not support wlr-screencopy, which is needed "
			"to record its screen; compositors based on wlroots do (sway, labwc, "
			"cage)");
	if (zwlr_screencopy_manager_v1_get_version(grabber->manager) < 2)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor is too old: its wlr-screencopy does not report "
			"changes of the screen");
	if (!grabber->shm)
		return error_set(reterr, -EOPNOTSUPP,
			"the Wayland compositor does not support shared memory (wl_shm)");
	if (grabber->outputs.count == 0)
		return error_set(reterr, -ENODEV, "the Wayland session has no output");
	return 0;
}

/* The first offer carries size and format. */
static int wait_for_offer(struct wlr_grabber *grabber, int64_t deadline_ns, struct error *reterr)
{
	int r = request_frame(grabber);

	while (r >= 0 && grabber->state == FRAME_REQUESTED && clock_now_ns() < deadline_ns)
		r = wayland_dispatch(grabber->display, -1, deadline_ns);
	if (r < 0)
		return error_set(reterr, -EPIPE, "the Wayland compositor closed the connection");
	if (grabber->state == FRAME_REQUESTED)
		return wayland_no_answer(reterr);
	if (grabber->state == FRAME_NONE)
		return error_set(reterr, -ENODEV,
			"the Wayland compositor cannot copy the output%s%s: is it switched on?",
			*grabber->outputs.chosen->name ? " " : "",
			text_quote(grabber->outputs.chosen->name).text);
	r = check_offer(grabber, reterr);
	if (r == 0)
		grabber->size = size_of(grabber);
	return r;
}

/* ---- the grabber ---- */

static void wlr_destroy(struct grabber *base)
{
	struct wlr_grabber *grabber = wlr(base);

	drop_frame(grabber);
	unmap_shared(grabber);
	if (grabber->manager)
		zwlr_screencopy_manager_v1_destroy(grabber->manager);
	wlr_outputs_finish(&grabber->outputs);
	if (grabber->shm)
		wl_shm_destroy(grabber->shm);
	if (grabber->registry)
		wl_registry_destroy(grabber->registry);
	if (grabber->display)
		wl_display_disconnect(grabber->display);
	free(grabber);
}

static int wlr_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	_destroy_(grabber) struct grabber *base = calloc(1, sizeof(struct wlr_grabber));
	struct wlr_grabber *grabber = wlr(base);
	int64_t deadline_ns = clock_now_ns() + SETUP_TIMEOUT_NS;
	int r;

	if (!grabber)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &grabber_wlr;
	grabber->all = true;
	r = wayland_connect(&grabber->display, target->display, reterr);
	if (r < 0)
		return r;
	grabber->registry = wl_display_get_registry(grabber->display);
	if (!grabber->registry)
		return error_set(reterr, -ENOMEM, "out of memory");
	wl_registry_add_listener(grabber->registry, &registry_listener, grabber);
	r = wayland_round_trip(grabber->display, deadline_ns, reterr);
	if (r == 0)
		r = check_globals(grabber, reterr);
	if (r == 0) /* initial events of the outputs */
		r = wayland_round_trip(grabber->display, deadline_ns, reterr);
	if (r == 0)
		r = wlr_outputs_choose(&grabber->outputs, target->output, reterr);
	if (r == 0)
		r = wait_for_offer(grabber, deadline_ns, reterr);
	if (r < 0)
		return r;
	wlr_outputs_listen(&grabber->outputs, &output_events, grabber);
	wlr_outputs_describe(
		&grabber->outputs, target->output, grabber->about, sizeof(grabber->about));
	*ret = steal_ptr(base);
	return 0;
}

/* Make the next request of a frame. */
static int step(struct wlr_grabber *grabber)
{
	if (grabber->outputs.chosen_removed)
		return -EPIPE;
	if (grabber->state == FRAME_NONE && clock_now_ns() >= grabber->retry_ns)
		return request_frame(grabber);
	if (grabber->state == FRAME_OFFERED)
		return begin_copy(grabber);
	return 0;
}

static int wlr_wait(struct grabber *base, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	struct wlr_grabber *grabber = wlr(base);

	for (;;) {
		int64_t until_ns = deadline_ns;
		int r = step(grabber);

		if (r < 0)
			return -EPIPE;
		if (grabber->state == FRAME_READY) {
			*ret_damage_ns = grabber->damage_ns;
			return 1;
		}
		if (grabber->state == FRAME_NONE && grabber->retry_ns < until_ns)
			until_ns = grabber->retry_ns;
		r = wayland_dispatch(grabber->display, wake_fd, until_ns);
		if (r == -EPIPE)
			return r;
		if (grabber->state != FRAME_READY &&
			(r == -ECANCELED || clock_now_ns() >= deadline_ns))
			return grabber->outputs.chosen_removed ? -EPIPE : 0;
	}
}

static struct grabber_size wlr_size(const struct grabber *base)
{
	return wlr(base)->size;
}

static void put(struct wlr_grabber *grabber, const struct transformed_pixels *from,
	const struct rect *in_buffer, struct canvas *canvas)
{
	struct rect rect = transform_rect(&from->transform, in_buffer);

	if (!grabber->upright) {
		canvas_put(canvas, &rect,
			from->pixels + rect.y * from->stride + 4 * (ptrdiff_t)rect.x,
			(int)from->stride);
		return;
	}
	transform_copy(from, &rect, grabber->upright);
	canvas_put(canvas, &rect,
		grabber->upright + 4 * ((ptrdiff_t)rect.y * from->transform.width + rect.x),
		4 * from->transform.width);
}

/* One output: one monitor that covers the whole screen. */
static void note_monitor(struct wlr_grabber *grabber)
{
	struct monitor *monitor = &grabber->monitors.monitor[0];

	grabber->monitors.count = 1;
	monitor->area = (struct rect){0, 0, grabber->size.width, grabber->size.height};
	snprintf(monitor->name, sizeof(monitor->name), "%.*s", MONITOR_NAME_BYTES - 1,
		text_quote(grabber->outputs.chosen->name).text);
}

static const struct monitors *wlr_monitors(const struct grabber *base)
{
	return &wlr(base)->monitors;
}

static int wlr_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	struct wlr_grabber *grabber = wlr(base);
	const struct shape *shape = &grabber->shape;
	struct transformed_pixels from = {
		.transform = transform_make(
			grabber->outputs.chosen->transform, (int)shape->width, (int)shape->height),
		.pixels = grabber->shared,
		.stride = (ptrdiff_t)shape->stride,
		.red_first = is_red_first(shape->format),
	};

	if (canvas->width != grabber->size.width || canvas->height != grabber->size.height)
		return -EAGAIN;
	if (grabber->state != FRAME_READY) {
		/* no damage; but a canvas that is still empty is no picture */
		*ret_copied_ns = clock_now_ns();
		return grabber->all ? -EAGAIN : 0;
	}
	if (grabber->bottom_first) {
		from.pixels += (ptrdiff_t)(shape->height - 1) * from.stride;
		from.stride = -from.stride;
	}
	for (int i = 0; i < grabber->damage.count; i++)
		put(grabber, &from, &grabber->damage.area[i], canvas);
	grabber->state = FRAME_NONE;
	note_monitor(grabber);
	*ret_copied_ns = grabber->grabbed_ns = clock_now_ns();
	return 0;
}

/* When READY the buffer has the whole screen; otherwise a copy of damage only is dropped and
 * requested anew, whole. */
static void wlr_damage_all(struct grabber *base)
{
	struct wlr_grabber *grabber = wlr(base);

	if (grabber->state == FRAME_READY) {
		grabber->damage = (struct areas){
			{{0, 0, (int)grabber->shape.width, (int)grabber->shape.height}}, 1};
		return;
	}
	if (grabber->state == FRAME_COPYING && !grabber->copying_all)
		drop_frame(grabber);
	grabber->all = true;
}

static void wlr_abort(struct grabber *base)
{
	wayland_abort(wlr(base)->display);
}

static const char *wlr_output(const struct grabber *base)
{
	const char *name = ((const struct wlr_grabber *)base)->outputs.chosen->name;

	return *name ? name : NULL;
}

static const char *wlr_describe(const struct grabber *base)
{
	return wlr(base)->about;
}

const struct grabber_ops grabber_wlr = {
	.name = "wlr",
	.create = wlr_create,
	.wait = wlr_wait,
	.size = wlr_size,
	.grab = wlr_grab,
	.monitors = wlr_monitors,
	.damage_all = wlr_damage_all,
	.abort = wlr_abort,
	.output = wlr_output,
	.describe = wlr_describe,
	.destroy = wlr_destroy,
};
