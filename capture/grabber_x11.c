#include "capture/grabber.h"

#include "capture/mask_x11.h"
#include "capture/x11.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xcb/damage.h>
#include <xcb/shm.h>
#include <xcb/xfixes.h>

/*
 * Damage is asked for at the level "non-empty": the server reports once and then stays silent until
 * the damage is subtracted. grab() subtracts first and copies afterwards, so what is drawn in
 * between is either in the copy or in the next report.
 */

/* with more rectangles than this, what surrounds them all costs less than asking for each */
#define RECTANGLES_LIMIT 24
#define COPIED_LIMIT     (RECTANGLES_LIMIT + CANVAS_AREAS)

/* A copy is made again so often when windows come and change meanwhile; what is not known then is hidden. */
#define COPIES_LIMIT 5

struct x11_grabber {
	struct grabber base;
	xcb_connection_t *connection;
	xcb_window_t root;
	int width, height;
	uint8_t damage_event; /* number of DamageNotify */
	xcb_damage_damage_t damage;
	xcb_xfixes_region_t region;
	xcb_shm_seg_t segment;
	uint8_t *shared; /* width * height * 4 bytes, written by the server */
	size_t shared_bytes;
	uint32_t
		subtracted; /* sequence number of the last subtraction: reports before it are done with */
	bool damaged, damaged_all, resized;
	struct mask_x11 *mask;  /* NULL: no window is hidden */
	struct areas uncovered; /* nothing hides them any more: to be copied */
	int64_t damage_ns;      /* of the first since the last grab */
	int64_t grabbed_ns;
};

static struct x11_grabber *x11(const struct grabber *grabber)
{
	return (struct x11_grabber *)grabber;
}

static int need_extension(struct x11_grabber *grabber, xcb_extension_t *extension, const char *name,
	const char *why, const xcb_query_extension_reply_t **ret, struct error *reterr)
{
	*ret = xcb_get_extension_data(grabber->connection, extension);
	if (!*ret || !(*ret)->present)
		return error_set(
			reterr, -EOPNOTSUPP, "the X server has no %s extension, %s", name, why);
	return 0;
}

static int ask_extensions(struct x11_grabber *grabber, struct error *reterr)
{
	const xcb_query_extension_reply_t *extension;
	xcb_connection_t *c = grabber->connection;
	_autofree_ xcb_damage_query_version_reply_t *damage = NULL;
	_autofree_ xcb_xfixes_query_version_reply_t *xfixes = NULL;
	_autofree_ xcb_shm_query_version_reply_t *shm = NULL;
	int r;

	r = need_extension(grabber, &xcb_shm_id, "MIT-SHM",
		"which a recorder on another machine cannot have: run uxrecd where the display is",
		&extension, reterr);
	if (r == 0)
		r = need_extension(grabber, &xcb_xfixes_id, "XFIXES",
			"which tells where it has changed", &extension, reterr);
	if (r == 0)
		r = need_extension(grabber, &xcb_damage_id, "DAMAGE",
			"which tells when it has changed", &extension, reterr);
	if (r < 0)
		return r;
	grabber->damage_event = (uint8_t)(extension->first_event + XCB_DAMAGE_NOTIFY);
	damage = xcb_damage_query_version_reply(c, xcb_damage_query_version(c, 1, 1), NULL);
	xfixes = xcb_xfixes_query_version_reply(c, xcb_xfixes_query_version(c, 5, 0), NULL);
	shm = xcb_shm_query_version_reply(c, xcb_shm_query_version(c), NULL);
	if (!damage || !xfixes || !shm || shm->major_version < 1 ||
		(shm->major_version == 1 && shm->minor_version < 2))
		return error_set(reterr, -EOPNOTSUPP,
			"the X server is too old: it has no MIT-SHM 1.2, XFIXES 5 or DAMAGE 1.1");
	return 0;
}

static int check_pixels(
	const struct x11_grabber *grabber, const xcb_screen_t *screen, struct error *reterr)
{
	const xcb_setup_t *setup = xcb_get_setup(grabber->connection);
	uint8_t bits = 0;

	for (xcb_format_iterator_t i = xcb_setup_pixmap_formats_iterator(setup); i.rem;
		xcb_format_next(&i))
		if (i.data->depth == screen->root_depth)
			bits = i.data->bits_per_pixel;
	if (screen->root_depth != 24 || bits != 32 ||
		setup->image_byte_order != XCB_IMAGE_ORDER_LSB_FIRST)
		return error_set(reterr, -EOPNOTSUPP,
			"the screen has %u bits of colour in %u; only 24 in 32 can be recorded: set "
			"the X server to depth 24",
			screen->root_depth, bits);
	return 0;
}

static void unmap_shared(struct x11_grabber *grabber)
{
	if (!grabber->shared)
		return;
	xcb_shm_detach(grabber->connection, grabber->segment);
	munmap(grabber->shared, grabber->shared_bytes);
	grabber->shared = NULL;
}

static int map_shared(struct x11_grabber *grabber, struct error *reterr)
{
	size_t size = (size_t)grabber->width * (size_t)grabber->height * 4;
	_autoclose_ int fd = memfd_create("uxrec-screen", MFD_CLOEXEC);
	_autofree_ xcb_generic_error_t *refused = NULL;
	void *shared;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return error_set(
			reterr, -errno, "no shared memory for the screen: %s", strerror(errno));
	shared = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return error_set(
			reterr, -errno, "no shared memory for the screen: %s", strerror(errno));
	grabber->segment = xcb_generate_id(grabber->connection);
	refused = xcb_request_check(grabber->connection,
		xcb_shm_attach_fd_checked(
			grabber->connection, grabber->segment, steal_fd(&fd), false));
	if (refused || xcb_connection_has_error(grabber->connection)) {
		munmap(shared, size);
		return error_set(reterr, -EOPNOTSUPP,
			"the X server cannot share memory with this program: uxrecd must run on the "
			"machine and in the container where the display is");
	}
	grabber->shared = shared;
	grabber->shared_bytes = size;
	return 0;
}

static void watch(struct x11_grabber *grabber)
{
	const uint32_t structure = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
	xcb_connection_t *c = grabber->connection;

	grabber->damage = xcb_generate_id(c);
	grabber->region = xcb_generate_id(c);
	xcb_change_window_attributes(c, grabber->root, XCB_CW_EVENT_MASK, &structure);
	xcb_damage_create(c, grabber->damage, grabber->root, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
	xcb_xfixes_create_region(c, grabber->region, 0, NULL);
}

static void x11_destroy(struct grabber *base)
{
	struct x11_grabber *grabber = x11(base);

	mask_x11_destroy(grabber->mask);
	if (grabber->connection) {
		unmap_shared(grabber);
		xcb_disconnect(grabber->connection);
	}
	free(grabber);
}

static int x11_hide(struct grabber *base, const struct hide_rules *rules,
	const _Atomic bool *focused, struct error *reterr)
{
	struct x11_grabber *grabber = x11(base);
	int r = mask_x11_create(&grabber->mask, grabber->connection, grabber->root, rules, focused);

	return r < 0 ? error_set(reterr, r, "cannot ask the X server for its windows") : 0;
}

static void x11_damage_all(struct grabber *base)
{
	struct x11_grabber *grabber = x11(base);

	grabber->damage_ns = clock_now_ns();
	grabber->damaged = grabber->damaged_all = true;
}

static int x11_create(struct grabber **ret, const char *display, struct error *reterr)
{
	_destroy_(grabber) struct grabber *base = calloc(1, sizeof(struct x11_grabber));
	struct x11_grabber *grabber = x11(base);
	xcb_screen_t *screen;
	int r;

	if (!grabber)
		return -ENOMEM;
	base->ops = &grabber_x11;
	grabber->connection = x11_connect(display, &screen, reterr);
	if (!grabber->connection)
		return -ECONNREFUSED;
	grabber->root = screen->root;
	grabber->width = screen->width_in_pixels;
	grabber->height = screen->height_in_pixels;
	r = ask_extensions(grabber, reterr);
	if (r == 0)
		r = check_pixels(grabber, screen, reterr);
	if (r == 0)
		r = map_shared(grabber, reterr);
	if (r < 0)
		return r;
	watch(grabber);
	x11_damage_all(base);
	*ret = steal_ptr(base);
	return 0;
}

static void take_damage_event(struct x11_grabber *grabber, const xcb_generic_event_t *generic)
{
	const xcb_damage_notify_event_t *event = (const void *)generic;
	int64_t now_ns = clock_now_ns(), at_ns = x11_time_ns(event->timestamp, now_ns);

	if (grabber->damaged || (int32_t)(generic->full_sequence - grabber->subtracted) < 0)
		return;
	grabber->damaged = true;
	/* it knows milliseconds, of which our last copy may have begun in the same */
	grabber->damage_ns = at_ns > grabber->grabbed_ns ? at_ns : grabber->grabbed_ns + 1;
}

static void take_events(struct x11_grabber *grabber)
{
	xcb_generic_event_t *event;

	while ((event = xcb_poll_for_event(grabber->connection))) {
		uint8_t type = event->response_type & 0x7f;

		if (type == grabber->damage_event) {
			take_damage_event(grabber, event);
		} else if (type == XCB_CONFIGURE_NOTIFY) {
			const xcb_configure_notify_event_t *configure = (const void *)event;

			if (configure->window == grabber->root &&
				(configure->width != grabber->width ||
					configure->height != grabber->height)) {
				grabber->width = configure->width;
				grabber->height = configure->height;
				grabber->resized = true;
				x11_damage_all(&grabber->base);
			}
		}
		if (grabber->mask)
			mask_x11_event(grabber->mask, event);
		free(event);
	}
}

/* What is hidden may have to be another place, without anything being drawn. */
static void look_at_mask(struct x11_grabber *grabber)
{
	int64_t now_ns = clock_now_ns();

	if (grabber->damaged || !grabber->mask || mask_x11_due_ns(grabber->mask) > now_ns)
		return;
	grabber->damaged = true;
	grabber->damage_ns = now_ns;
}

static int x11_grabber_wait(
	struct grabber *base, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	struct x11_grabber *grabber = x11(base);
	int64_t due_ns;

	take_events(grabber); /* replies may have brought some along */
	look_at_mask(grabber);
	if (!grabber->damaged) {
		int r;

		due_ns = grabber->mask ? mask_x11_due_ns(grabber->mask) : INT64_MAX;
		r = x11_wait(
			grabber->connection, wake_fd, due_ns < deadline_ns ? due_ns : deadline_ns);
		if (r < 0)
			return r;
		take_events(grabber);
		look_at_mask(grabber);
		if (r == 0 && !grabber->damaged)
			return 0;
	}
	if (xcb_connection_has_error(grabber->connection))
		return -EPIPE;
	*ret_damage_ns = grabber->damage_ns;
	return grabber->damaged;
}

static struct grabber_size x11_size(const struct grabber *base)
{
	const struct x11_grabber *grabber = x11(base);

	return (struct grabber_size){grabber->width, grabber->height};
}

static struct rect cut_to_screen(const struct x11_grabber *grabber, const xcb_rectangle_t *from)
{
	int left = from->x < 0 ? 0 : from->x, top = from->y < 0 ? 0 : from->y;
	int right = from->x + from->width, bottom = from->y + from->height;

	if (right > grabber->width)
		right = grabber->width;
	if (bottom > grabber->height)
		bottom = grabber->height;
	return (struct rect){left, top, right - left, bottom - top};
}

/* Take the damage away and say where it was. Rectangles that come out of a region do not overlap. */
static int take_damage(struct x11_grabber *grabber, struct rect *rects)
{
	xcb_connection_t *c = grabber->connection;
	_autofree_ xcb_xfixes_fetch_region_reply_t *region = NULL;
	const xcb_rectangle_t whole = {0, 0, (uint16_t)grabber->width, (uint16_t)grabber->height};
	const xcb_rectangle_t *from;
	int count;

	grabber->subtracted =
		xcb_damage_subtract(c, grabber->damage, XCB_NONE, grabber->region).sequence;
	region =
		xcb_xfixes_fetch_region_reply(c, xcb_xfixes_fetch_region(c, grabber->region), NULL);
	if (!region)
		return -EPIPE;
	from = xcb_xfixes_fetch_region_rectangles(region);
	count = xcb_xfixes_fetch_region_rectangles_length(region);
	if (grabber->damaged_all) {
		from = &whole;
		count = 1;
	} else if (count > RECTANGLES_LIMIT) {
		from = &region->extents;
		count = 1;
	}
	for (int i = 0; i < count; i++)
		rects[i] = cut_to_screen(grabber, &from[i]);
	return count;
}

/* Copy into the shared memory, one area behind the other. */
static int copy_rects(struct x11_grabber *grabber, const struct rect *rects, int count)
{
	xcb_connection_t *c = grabber->connection;
	xcb_shm_get_image_cookie_t cookies[COPIED_LIMIT];
	uint32_t offset = 0;
	int r = 0;

	for (int i = 0; i < count; i++) {
		cookies[i] = xcb_shm_get_image(c, grabber->root, (int16_t)rects[i].x,
			(int16_t)rects[i].y, (uint16_t)rects[i].width, (uint16_t)rects[i].height,
			UINT32_MAX, XCB_IMAGE_FORMAT_Z_PIXMAP, grabber->segment, offset);
		offset += (uint32_t)(rects[i].width * rects[i].height * 4);
	}
	for (int i = 0; i < count; i++) {
		_autofree_ xcb_generic_error_t *refused = NULL;
		_autofree_ xcb_shm_get_image_reply_t *reply =
			xcb_shm_get_image_reply(c, cookies[i], &refused);

		/* the screen may have become smaller before the server came to it */
		if (!reply && r == 0)
			r = xcb_connection_has_error(c) ? -EPIPE : -EAGAIN;
	}
	return r;
}

/* The same, until it is known which windows are in the copy: events come before the replies that follow them. */
static int copy_known(struct x11_grabber *grabber, const struct rect *rects, int count)
{
	int r = 0, settled = 0;

	for (int copies = 0; copies < COPIES_LIMIT && r == 0 && settled == 0; copies++) {
		r = mask_x11_look(grabber->mask);
		if (r == 0)
			r = copy_rects(grabber, rects, count);
		take_events(grabber);
		if (r == 0)
			settled = mask_x11_settle(grabber->mask);
	}
	return r < 0 ? r : settled < 0 ? settled : 0;
}

static void hide_windows(struct x11_grabber *grabber, struct canvas *canvas)
{
	struct areas hidden;

	mask_x11_take(grabber->mask, &(struct rect){0, 0, canvas->width, canvas->height}, &hidden);
	canvas_set_mask(canvas, MASK_WINDOWS, &hidden, &grabber->uncovered);
}

/* Damage and what is uncovered, as much of it as there is room for: all of the screen when they overlap too much. */
static int take_rects(struct x11_grabber *grabber, struct rect *rects)
{
	int64_t pixels = 0, room = (int64_t)grabber->width * grabber->height;
	int count = take_damage(grabber, rects), usable = 0;

	if (count < 0)
		return count;
	for (int i = 0; i < grabber->uncovered.count; i++)
		rects[count++] = grabber->uncovered.area[i];
	grabber->uncovered.count = 0;
	for (int i = 0; i < count; i++)
		if (rects[i].width > 0 && rects[i].height > 0) {
			pixels += (int64_t)rects[i].width * rects[i].height;
			rects[usable++] = rects[i];
		}
	if (pixels <= room)
		return usable;
	rects[0] = (struct rect){0, 0, grabber->width, grabber->height};
	return 1;
}

static void put_rects(
	struct x11_grabber *grabber, const struct rect *rects, int count, struct canvas *canvas)
{
	const uint8_t *from = grabber->shared;

	for (int i = 0; i < count; i++) {
		canvas_put(canvas, &rects[i], from, rects[i].width * 4);
		from += (ptrdiff_t)rects[i].width * rects[i].height * 4;
	}
}

static int copy_onto(struct x11_grabber *grabber, struct canvas *canvas)
{
	struct rect rects[COPIED_LIMIT];
	int r, count;

	grabber->damaged = false; /* what is reported from here on is for the next one */
	count = take_rects(grabber, rects);
	if (count < 0)
		return count;
	r = grabber->mask ? copy_known(grabber, rects, count) : copy_rects(grabber, rects, count);
	if (r < 0)
		return r;
	if (grabber->mask)
		hide_windows(grabber, canvas);
	put_rects(grabber, rects, count, canvas);
	return 0;
}

static int x11_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	struct x11_grabber *grabber = x11(base);
	struct error error;
	int r;

	take_events(grabber);
	if (grabber->resized) {
		unmap_shared(grabber);
		r = map_shared(grabber, &error);
		grabber->resized = false;
		grabber->uncovered.count = 0;
		return r < 0 ? -EPIPE : -EAGAIN;
	}
	if (canvas->width != grabber->width || canvas->height != grabber->height)
		return -EAGAIN;
	r = copy_onto(grabber, canvas);
	if (r == -EAGAIN)
		x11_damage_all(base);
	if (r < 0)
		return r;
	grabber->damaged_all = false;
	*ret_copied_ns = grabber->grabbed_ns = clock_now_ns();
	if (grabber->uncovered.count > 0) {
		grabber->damaged = true;
		grabber->damage_ns = grabber->grabbed_ns;
	}
	return 0;
}

static void x11_grabber_cut(struct grabber *base)
{
	x11_cut(x11(base)->connection);
}

const struct grabber_ops grabber_x11 = {
	.name = "x11",
	.create = x11_create,
	.wait = x11_grabber_wait,
	.size = x11_size,
	.grab = x11_grab,
	.damage_all = x11_damage_all,
	.hide = x11_hide,
	.cut = x11_grabber_cut,
	.destroy = x11_destroy,
};
