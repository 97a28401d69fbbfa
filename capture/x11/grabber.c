#include "capture/screen/grabber.h"

#include "capture/x11/copy.h"
#include "capture/x11/mask.h"
#include "capture/x11/monitors.h"
#include "capture/x11/x11.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/damage.h>
#include <xcb/xfixes.h>

/*
 * Damage is reported at level "non-empty": the server reports once and then stays silent until the damage is
 * subtracted. grab() subtracts first and copies afterwards, so anything drawn in between is either in the copy or
 * in the next report. A server without damage reports is polled.
 */

/* Poll interval for a server without damage reports; polling takes at most a tenth of the time. */
#define POLL_NS    (200 * NS_PER_MS)
#define POLL_SHARE 10

/* above this, one request for the bounding box is cheaper than one per rectangle */
#define RECTANGLES_LIMIT 24
#define COPIED_LIMIT     X11_COPY_RECTS
_Static_assert(RECTANGLES_LIMIT + CANVAS_AREAS <= COPIED_LIMIT && MONITORS_PIECES <= COPIED_LIMIT,
	"all that is shown can be copied at once");

/* Limit of repeated copies while windows appear and change; unknown windows are hidden then. */
#define COPIES_LIMIT 5

#define BLACK_ROWS 64

struct x11_grabber {
	struct grabber base;
	xcb_connection_t *connection;
	xcb_window_t root;
	int width, height;
	uint8_t damage_event; /* number of DamageNotify */
	xcb_damage_damage_t damage;
	xcb_xfixes_region_t region;
	struct x11_copy *copy;
	bool has_damage_events; /* damage reports available; else polled */
	int64_t poll_ns;        /* next poll */
	char limitation[160];
	uint8_t monitor_event; /* first event of RandR; 0: no RandR */
	struct monitors monitors;
	struct pieces shown, hidden; /* of the screen */
	bool has_hidden;             /* some of it is hidden */
	/* sequence number of the last subtraction: earlier reports are stale */
	uint32_t subtracted;
	bool damaged, damaged_all, resized;
	struct mask_x11 *mask;  /* NULL: no window is hidden */
	struct areas uncovered; /* no longer hidden, pending a copy */
	int64_t damage_ns;      /* of the first damage since the last grab */
	int64_t grabbed_ns;
};

static struct x11_grabber *x11(const struct grabber *grabber)
{
	return (struct x11_grabber *)grabber;
}

static bool has(struct x11_grabber *grabber, xcb_extension_t *extension)
{
	const xcb_query_extension_reply_t *found =
		xcb_get_extension_data(grabber->connection, extension);

	return found && found->present;
}

/* XFIXES gives the place of damage, DAMAGE the time. */
static bool check_damage_extension(struct x11_grabber *grabber)
{
	xcb_connection_t *c = grabber->connection;
	_autofree_ xcb_damage_query_version_reply_t *damage = NULL;
	_autofree_ xcb_xfixes_query_version_reply_t *xfixes = NULL;

	if (!has(grabber, &xcb_xfixes_id) || !has(grabber, &xcb_damage_id))
		return false;
	damage = xcb_damage_query_version_reply(c, xcb_damage_query_version(c, 1, 1), NULL);
	xfixes = xcb_xfixes_query_version_reply(c, xcb_xfixes_query_version(c, 5, 0), NULL);
	grabber->damage_event = (uint8_t)(xcb_get_extension_data(c, &xcb_damage_id)->first_event +
		XCB_DAMAGE_NOTIFY);
	return damage && xfixes && xfixes->major_version >= 2;
}

static void describe(struct x11_grabber *grabber)
{
	bool shared = x11_copy_is_shared(grabber->copy);

	snprintf(grabber->limitation, sizeof(grabber->limitation), "%s%s%s",
		shared ? ""
		       : "no shared memory with the X server: pictures come over its connection",
		shared || grabber->has_damage_events ? "" : "; ",
		grabber->has_damage_events
			? ""
			: "no change events from the X server (DAMAGE, XFIXES): it is "
			  "polled 5 times a second");
}

static const char *x11_limitation(const struct grabber *base)
{
	return *x11(base)->limitation ? x11(base)->limitation : NULL;
}

/* @return true when the monitors have changed */
static bool read_monitors(struct x11_grabber *grabber)
{
	struct monitors before = grabber->monitors;

	if (!grabber->monitor_event)
		return false;
	x11_monitors_read(grabber->connection, grabber->root, &grabber->monitors);
	grabber->has_hidden = monitors_split(&grabber->monitors, grabber->width, grabber->height,
				      &grabber->shown, &grabber->hidden) &&
		grabber->hidden.count > 0;
	return !monitors_equal(&before, &grabber->monitors);
}

static const struct monitors *x11_monitors(const struct grabber *base)
{
	return &x11(base)->monitors;
}

static void watch(struct x11_grabber *grabber)
{
	const uint32_t structure = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
	xcb_connection_t *c = grabber->connection;

	xcb_change_window_attributes(c, grabber->root, XCB_CW_EVENT_MASK, &structure);
	grabber->monitor_event = x11_monitors_watch(c, grabber->root);
	read_monitors(grabber);
	if (!grabber->has_damage_events)
		return;
	grabber->damage = xcb_generate_id(c);
	grabber->region = xcb_generate_id(c);
	xcb_damage_create(c, grabber->damage, grabber->root, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
	xcb_xfixes_create_region(c, grabber->region, 0, NULL);
}

static void x11_destroy(struct grabber *base)
{
	struct x11_grabber *grabber = x11(base);

	mask_x11_destroy(grabber->mask);
	if (grabber->connection) {
		x11_copy_destroy(grabber->copy);
		xcb_disconnect(grabber->connection);
	}
	free(grabber);
}

static int x11_hide(struct grabber *base, const struct hide_rules *rules,
	const _Atomic bool *focused, struct error *reterr)
{
	struct x11_grabber *grabber = x11(base);
	int r = mask_x11_create(&grabber->mask, grabber->connection, grabber->root, rules, focused);

	if (r == -ENOENT)
		return error_set(reterr, r,
			"the locale C.UTF-8 is missing, which is needed to compare window titles");
	return r < 0 ? error_set(reterr, r, "cannot list the windows of the X server") : 0;
}

static void x11_damage_all(struct grabber *base)
{
	struct x11_grabber *grabber = x11(base);

	grabber->damage_ns = clock_now_ns();
	grabber->damaged = grabber->damaged_all = true;
}

static int x11_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	_destroy_(grabber) struct grabber *base = calloc(1, sizeof(struct x11_grabber));
	struct x11_grabber *grabber = x11(base);
	xcb_screen_t *screen;
	int r;

	if (!grabber)
		return -ENOMEM;
	base->ops = &grabber_x11;
	grabber->connection = x11_connect(target->display, &screen, reterr);
	if (!grabber->connection)
		return -ECONNREFUSED;
	grabber->root = screen->root;
	grabber->width = screen->width_in_pixels;
	grabber->height = screen->height_in_pixels;
	r = x11_copy_create(&grabber->copy, grabber->connection, screen, reterr);
	if (r < 0)
		return r;
	grabber->has_damage_events = check_damage_extension(grabber);
	describe(grabber);
	watch(grabber);
	x11_damage_all(base);
	*ret = steal_ptr(base);
	return 0;
}

static void handle_damage(struct x11_grabber *grabber, const xcb_generic_event_t *generic)
{
	const xcb_damage_notify_event_t *event = (const void *)generic;
	int64_t now_ns = clock_now_ns(), at_ns = x11_time_ns(event->timestamp, now_ns);

	if (grabber->damaged || (int32_t)(generic->full_sequence - grabber->subtracted) < 0)
		return;
	grabber->damaged = true;
	/* millisecond resolution: our last copy may have begun within the same */
	grabber->damage_ns = at_ns > grabber->grabbed_ns ? at_ns : grabber->grabbed_ns + 1;
}

static void handle_configure(
	struct x11_grabber *grabber, const xcb_configure_notify_event_t *configure)
{
	if (configure->window != grabber->root ||
		(configure->width == grabber->width && configure->height == grabber->height))
		return;
	grabber->width = configure->width;
	grabber->height = configure->height;
	grabber->resized = true;
	x11_damage_all(&grabber->base);
}

static void handle_events(struct x11_grabber *grabber)
{
	xcb_generic_event_t *event;
	bool moved = false;

	while ((event = xcb_poll_for_event(grabber->connection))) {
		uint8_t type = event->response_type & 0x7f;

		if (grabber->has_damage_events && type == grabber->damage_event)
			handle_damage(grabber, event);
		else if (type == XCB_CONFIGURE_NOTIFY)
			handle_configure(grabber, (const void *)event);
		/* for a user-defined monitor there is only the root's ConfigureNotify */
		moved |= type == XCB_CONFIGURE_NOTIFY ||
			(grabber->monitor_event &&
				(type == grabber->monitor_event ||
					type == grabber->monitor_event + 1));
		if (grabber->mask)
			mask_x11_event(grabber->mask, event);
		free(event);
	}
	if (moved && read_monitors(grabber))
		x11_damage_all(&grabber->base);
}

/* Without damage reports, assume damage. */
static void poll_damage(struct x11_grabber *grabber)
{
	if (!grabber->has_damage_events && !grabber->damaged && clock_now_ns() >= grabber->poll_ns)
		x11_damage_all(&grabber->base);
}

/* The mask may need a new position without any drawing. */
static void check_mask(struct x11_grabber *grabber)
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

	handle_events(grabber); /* replies may have queued events */
	check_mask(grabber);
	if (!grabber->damaged) {
		int r;

		due_ns = grabber->mask ? mask_x11_due_ns(grabber->mask) : INT64_MAX;
		if (!grabber->has_damage_events && grabber->poll_ns < due_ns)
			due_ns = grabber->poll_ns;
		r = x11_wait(
			grabber->connection, wake_fd, due_ns < deadline_ns ? due_ns : deadline_ns);
		if (r < 0)
			return r;
		handle_events(grabber);
		check_mask(grabber);
		poll_damage(grabber);
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

static struct rect clip_to_screen(const struct x11_grabber *grabber, const xcb_rectangle_t *from)
{
	int left = from->x < 0 ? 0 : from->x, top = from->y < 0 ? 0 : from->y;
	int right = from->x + from->width, bottom = from->y + from->height;

	if (right > grabber->width)
		right = grabber->width;
	if (bottom > grabber->height)
		bottom = grabber->height;
	return (struct rect){left, top, right - left, bottom - top};
}

/* Without damage reports, take the whole screen. */
static int whole_screen(struct x11_grabber *grabber, struct rect *rects)
{
	rects[0] = (struct rect){0, 0, grabber->width, grabber->height};
	return 1;
}

/* Subtract the damage and return its rectangles. Rectangles of a region do not overlap. */
static int fetch_damage(struct x11_grabber *grabber, struct rect *rects)
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
		rects[i] = clip_to_screen(grabber, &from[i]);
	return count;
}

/* Drop parts outside of all monitors: nobody sees them, whatever their pixels. */
static int clip_to_monitors(struct x11_grabber *grabber, struct rect *rects, int count)
{
	struct rect shown[COPIED_LIMIT];
	int kept = 0;

	if (!grabber->has_hidden)
		return count;
	for (int i = 0; i < count; i++)
		for (int k = 0; k < grabber->shown.count; k++) {
			struct rect common = rect_intersection(&rects[i], &grabber->shown.piece[k]);

			if (common.width <= 0 || common.height <= 0)
				continue;
			/* too many: all shown parts */
			if (kept == COPIED_LIMIT) {
				memcpy(rects, grabber->shown.piece, sizeof(grabber->shown.piece));
				return grabber->shown.count;
			}
			shown[kept++] = common;
		}
	memcpy(rects, shown, (size_t)kept * sizeof(*rects));
	return kept;
}

static int blacken_hidden(struct x11_grabber *grabber, struct canvas *canvas)
{
	_autofree_ uint8_t *black = NULL;

	if (!grabber->has_hidden)
		return 0;
	black = calloc((size_t)grabber->width, 4 * BLACK_ROWS);
	if (!black)
		return -ENOMEM;
	for (int i = 0; i < grabber->hidden.count; i++) {
		struct rect band = grabber->hidden.piece[i];
		int bottom = band.y + band.height;

		for (; band.y < bottom; band.y += BLACK_ROWS) {
			band.height = bottom - band.y < BLACK_ROWS ? bottom - band.y : BLACK_ROWS;
			canvas_put(canvas, &band, black, grabber->width * 4);
		}
	}
	return 0;
}

/* Slow copies, over a slow connection, are made rarely. */
static void schedule_poll(struct x11_grabber *grabber, int64_t begun_ns)
{
	int64_t pause_ns = (grabber->grabbed_ns - begun_ns) * POLL_SHARE;

	grabber->poll_ns = grabber->grabbed_ns + (pause_ns > POLL_NS ? pause_ns : POLL_NS);
}

/*
 * x11_copy_fetch(), repeated until all windows in the copy are known: events precede the replies that follow them.
 */
static int copy_known(struct x11_grabber *grabber, const struct rect *rects, int count)
{
	const struct rect screen = {0, 0, grabber->width, grabber->height};
	int r = 0, settled = 0;

	for (int copies = 0; copies < COPIES_LIMIT && r == 0 && settled == 0; copies++) {
		r = mask_x11_update(grabber->mask, &screen);
		if (r == 0)
			r = x11_copy_fetch(grabber->copy, rects, count);
		handle_events(grabber);
		if (r == 0)
			settled = mask_x11_settle(grabber->mask);
	}
	return r < 0 ? r : settled < 0 ? settled : 0;
}

static void hide_windows(struct x11_grabber *grabber, struct canvas *canvas)
{
	struct areas hidden;

	mask_x11_get_areas(grabber->mask, &hidden, &canvas->windows_hidden);
	canvas_set_mask(canvas, MASK_WINDOWS, &hidden, &grabber->uncovered);
}

/* Damage and uncovered areas; the whole screen when their overlaps exceed the buffer. */
static int collect_rects(struct x11_grabber *grabber, struct rect *rects)
{
	int64_t pixels = 0, room = (int64_t)grabber->width * grabber->height;
	int count = grabber->has_damage_events ? fetch_damage(grabber, rects)
					       : whole_screen(grabber, rects),
	    usable = 0;

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

static int copy_onto(struct x11_grabber *grabber, struct canvas *canvas)
{
	struct rect rects[COPIED_LIMIT];
	bool all, uncovered;
	int r, count;

	grabber->damaged = false; /* later reports count for the next grab */
	uncovered = grabber->uncovered.count > 0;
	count = collect_rects(grabber, rects);
	if (count < 0)
		return count;
	/* uncovered areas outside of all monitors are not copied */
	all = grabber->damaged_all || uncovered;
	grabber->damaged_all = false;
	count = clip_to_monitors(grabber, rects, count);
	r = grabber->mask ? copy_known(grabber, rects, count)
			  : x11_copy_fetch(grabber->copy, rects, count);
	if (r < 0)
		return r;
	if (grabber->mask)
		hide_windows(grabber, canvas);
	x11_copy_put(grabber->copy, rects, count, canvas);
	return all ? blacken_hidden(grabber, canvas) : 0;
}

static int x11_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	struct x11_grabber *grabber = x11(base);
	int64_t begun_ns = clock_now_ns();
	int r;

	handle_events(grabber);
	if (grabber->resized) {
		r = x11_copy_resize(grabber->copy, grabber->width, grabber->height, NULL);
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
	*ret_copied_ns = grabber->grabbed_ns = clock_now_ns();
	schedule_poll(grabber, begun_ns);
	if (grabber->uncovered.count > 0) {
		grabber->damaged = true;
		grabber->damage_ns = grabber->grabbed_ns;
	}
	return 0;
}

static void x11_grabber_abort(struct grabber *base)
{
	x11_abort(x11(base)->connection);
}

const struct grabber_ops grabber_x11 = {
	.name = "x11",
	.create = x11_create,
	.wait = x11_grabber_wait,
	.size = x11_size,
	.grab = x11_grab,
	.monitors = x11_monitors,
	.limitation = x11_limitation,
	.damage_all = x11_damage_all,
	.hide = x11_hide,
	.abort = x11_grabber_abort,
	.destroy = x11_destroy,
};
