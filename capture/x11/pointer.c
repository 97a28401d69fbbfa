#include "capture/screen/pointer.h"

#include "capture/screen/pointer_shapes.h"
#include "capture/x11/x11.h"
#include "protocol/base/clock.h"
#include "protocol/screen.pb-c.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <xcb/xfixes.h>
#include <xcb/xinput.h>

/* Poll interval during motion, and number of unchanged positions that ends it. */
#define PERIOD_NS (NS_PER_S / 30)
#define STILL     8

/* Poll interval at rest: XWarpPointer moves the pointer without an event. */
#define REST_NS (NS_PER_S * 2 / 5)

/* toolkits make cursors of up to 256 × 256 */
#define SHAPE_LIMIT_PX 512

/* more at once are not made by hand */
#define PRESSES 16

#define CURSORS 64

struct pointer_source {
	struct source base;
	struct source_context context;
	struct pointer_options options;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop;
	/* guards `connection`: another thread may cut a blocking call */
	pthread_mutex_t connection_lock;
	xcb_connection_t *connection;
	xcb_window_t root;
	uint8_t xinput_opcode, cursor_event;
	bool has_shapes; /* XFIXES is present */
	struct pointer_shapes shapes;
	/* identities of the server's cursors: every step of an animation has its own serial, and they repeat */
	struct {
		uint32_t serial; /* 0: none */
		uint64_t identity;
	} cursors[CURSORS];
	size_t next_cursor;
	uint32_t shape_serial; /* the newest, not pushed yet */
	int64_t shape_ns;      /* time of its event; 0: none pending */
	int64_t next_shape_ns; /* earliest next push */
	bool motion_selected;
	int still;        /* consecutive unchanged positions */
	int64_t next_ns;  /* earliest next query */
	int64_t moved_ns; /* time of a move not yet queried; 0: none */
	int64_t rest_ns;  /* next query at rest */
	int last_x, last_y;
};

static struct pointer_source *pointer(struct source *source)
{
	return (struct pointer_source *)source;
}

static void push(struct pointer_source *source, uint16_t channel, int64_t time_ns,
	const ProtobufCMessage *message)
{
	struct packet *packet;

	if (packet_create(&packet, source->context.clock,
		    &(struct packet_info){channel, 0, time_ns, 0}, message) == 0)
		source->context.sink->push(source->context.sink, packet);
}

/* X has premultiplied ARGB in native words, the browser needs R G B A bytes */
static void to_rgba(const uint32_t *argb, size_t count, uint8_t *rgba)
{
	for (size_t i = 0; i < count; i++) {
		rgba[4 * i] = (uint8_t)(argb[i] >> 16);
		rgba[4 * i + 1] = (uint8_t)(argb[i] >> 8);
		rgba[4 * i + 2] = (uint8_t)argb[i];
		rgba[4 * i + 3] = (uint8_t)(argb[i] >> 24);
	}
}

/* @return true when the cursor was known and pushed as a reference */
static bool push_known(struct pointer_source *source, uint32_t serial, int64_t time_ns)
{
	for (size_t i = 0; i < CURSORS && serial; i++)
		if (source->cursors[i].serial == serial)
			return pointer_shapes_refer(&source->shapes, &source->context, time_ns,
				source->cursors[i].identity);
	return false;
}

static void note_cursor(struct pointer_source *source, uint32_t serial, uint64_t identity)
{
	size_t i = 0;

	while (i < CURSORS && source->cursors[i].serial != serial)
		i++;
	if (i == CURSORS)
		i = source->next_cursor++ % CURSORS;
	source->cursors[i].serial = serial;
	source->cursors[i].identity = identity;
}

/* @param serial  0: unknown */
static int push_shape(struct pointer_source *source, uint32_t serial, int64_t time_ns)
{
	_autofree_ xcb_xfixes_get_cursor_image_reply_t *reply = NULL;
	Uxrec__PointerShape shape = UXREC__POINTER_SHAPE__INIT;
	size_t count;

	if (!source->has_shapes || push_known(source, serial, time_ns))
		return 0;
	reply = xcb_xfixes_get_cursor_image_reply(
		source->connection, xcb_xfixes_get_cursor_image(source->connection), NULL);
	if (!reply)
		return xcb_connection_has_error(source->connection) ? -EPIPE : 0;
	count = (size_t)reply->width * reply->height;
	if (reply->width <= SHAPE_LIMIT_PX && reply->height <= SHAPE_LIMIT_PX &&
		xcb_xfixes_get_cursor_image_cursor_image_length(reply) >= (int)count) {
		shape.rgba.data = malloc(count * 4 + 1);
		if (!shape.rgba.data)
			return -ENOMEM;
		to_rgba(xcb_xfixes_get_cursor_image_cursor_image(reply), count, shape.rgba.data);
		shape.width_px = reply->width;
		shape.height_px = reply->height;
		shape.hot_x_px = reply->xhot;
		shape.hot_y_px = reply->yhot;
		shape.rgba.len = count * 4;
	}
	note_cursor(source, reply->cursor_serial,
		pointer_shapes_push(&source->shapes, &source->context, time_ns, &shape));
	return 0;
}

/* events since the last query */
struct seen {
	size_t press_count; /* all buttons */
	int64_t first_ns;   /* time of the first press */
	int64_t click_ns[PRESSES];
	size_t click_count;
};

static void note_press(struct seen *seen, uint32_t button, int64_t time_ns)
{
	bool is_wheel = button >= 4 && button <= 7;

	if (seen->press_count++ == 0)
		seen->first_ns = time_ns;
	if (!is_wheel && seen->click_count < PRESSES)
		seen->click_ns[seen->click_count++] = time_ns;
}

static void handle_events(struct pointer_source *source, struct seen *seen)
{
	xcb_generic_event_t *event;
	int64_t now_ns = clock_now_ns();

	while ((event = xcb_poll_for_event(source->connection))) {
		const xcb_ge_generic_event_t *generic = (const void *)event;
		uint8_t type = event->response_type & 0x7f;

		if (source->has_shapes && type == source->cursor_event) {
			const xcb_xfixes_cursor_notify_event_t *cursor = (const void *)event;

			source->shape_serial = cursor->cursor_serial;
			source->shape_ns = x11_time_ns(cursor->timestamp, now_ns);
		} else if (type == XCB_GE_GENERIC && generic->extension == source->xinput_opcode) {
			/* all raw events start alike */
			const xcb_input_raw_motion_event_t *raw = (const void *)event;

			source->moved_ns = x11_time_ns(raw->time, now_ns);
			if (generic->event_type == XCB_INPUT_RAW_BUTTON_PRESS)
				note_press(seen, raw->detail, source->moved_ns);
		}
		free(event);
	}
}

/* During motion poll by the clock instead: a mouse sends far more events, and each wakes the thread. */
static void select_motion(struct pointer_source *source, bool on)
{
	struct {
		xcb_input_event_mask_t head;
		uint32_t mask;
	} selection = {
		{XCB_INPUT_DEVICE_ALL_MASTER, 1},
		XCB_INPUT_XI_EVENT_MASK_RAW_BUTTON_PRESS |
			(on ? XCB_INPUT_XI_EVENT_MASK_RAW_MOTION : 0u),
	};

	if (on != source->motion_selected)
		xcb_input_xi_select_events(source->connection, source->root, 1, &selection.head);
	source->motion_selected = on;
}

/*
 * Query the position and take the events that preceded the reply. A press among them may have followed the
 * position's query in the server: query again.
 *
 * @return 1 moved, 0 unchanged, -EPIPE the display is gone
 */
static int query_position(struct pointer_source *source, struct seen *seen)
{
	xcb_query_pointer_reply_t *reply = NULL;
	size_t known;
	int x, y;

	do {
		free(reply);
		known = seen->press_count;
		reply = xcb_query_pointer_reply(source->connection,
			xcb_query_pointer(source->connection, source->root), NULL);
		if (!reply)
			return -EPIPE;
		handle_events(source, seen);
	} while (seen->press_count > known && seen->press_count < PRESSES);
	x = reply->root_x;
	y = reply->root_y;
	free(reply);
	if (x == source->last_x && y == source->last_y)
		return 0;
	source->last_x = x;
	source->last_y = y;
	return 1;
}

static void push_position(struct pointer_source *source, int64_t time_ns)
{
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	uint32_t dt_us = 0;
	int32_t x = source->last_x, y = source->last_y;

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = 1;
	batch.dt_us = &dt_us;
	batch.x_px = &x;
	batch.y_px = &y;
	push(source, CHANNEL_POINTER, time_ns, &batch.base);
}

/*
 * Push the position. Its time must not exceed that of a press, which has the server's resolution of milliseconds.
 */
static int update_position(struct pointer_source *source, struct seen *seen)
{
	int64_t now_ns = clock_now_ns(), time_ns = now_ns - now_ns % NS_PER_MS;
	int r;

	if (source->motion_selected && source->moved_ns)
		time_ns = source->moved_ns;
	r = query_position(source, seen);
	if (seen->press_count > 0)
		time_ns = seen->first_ns;
	if (r > 0)
		push_position(source, time_ns);
	return r;
}

/* Push the position. After a while without motion, wait for motion events instead. */
static int track_position(struct pointer_source *source, struct seen *seen)
{
	int r = update_position(source, seen);

	source->still = r == 0 && seen->press_count == 0 ? source->still + 1 : 0;
	if (r < 0)
		return r;
	select_motion(source, source->still >= STILL);
	if (source->still < STILL)
		return 0;
	source->still = 0;
	source->moved_ns = 0;
	/* it may have moved before motion events were selected */
	return update_position(source, seen);
}

/* Limit an animation to one shape per PERIOD_NS: the newest. */
static int push_due_shape(struct pointer_source *source, int64_t now_ns)
{
	int64_t time_ns = source->shape_ns;

	source->shape_ns = 0;
	source->next_shape_ns = now_ns + PERIOD_NS;
	return push_shape(source, source->shape_serial, time_ns);
}

/* Deadline for work without an event. */
static int64_t due_ns(const struct pointer_source *source)
{
	int64_t due_ns = source->moved_ns ? source->next_ns : source->rest_ns;

	return source->shape_ns && source->next_shape_ns < due_ns ? source->next_shape_ns : due_ns;
}

/* @return 1 after a round trip: its reply may have queued events that poll() does not see */
static int step(struct pointer_source *source)
{
	struct seen seen = {0};
	int64_t now_ns;
	bool is_due, is_at_rest, shape_is_due;

	handle_events(source, &seen);
	now_ns = clock_now_ns();
	is_due = source->moved_ns && (now_ns >= source->next_ns || seen.press_count > 0);
	is_at_rest = !source->moved_ns && now_ns >= source->rest_ns;
	if (is_due && track_position(source, &seen) < 0)
		return -EPIPE;
	if (is_at_rest && update_position(source, &seen) < 0)
		return -EPIPE;
	if (is_due || is_at_rest)
		source->rest_ns = now_ns + REST_NS;
	shape_is_due = source->shape_ns && now_ns >= source->next_shape_ns;
	if (shape_is_due && push_due_shape(source, now_ns) < 0)
		return -EPIPE;
	for (size_t i = 0; i < seen.click_count && source->options.pressed; i++)
		source->options.pressed(
			source->options.user, seen.click_ns[i], source->last_x, source->last_y);
	if (is_due)
		source->next_ns = now_ns + PERIOD_NS;
	return is_due || is_at_rest || shape_is_due;
}

static int select_events(struct pointer_source *source, struct error *reterr)
{
	xcb_connection_t *c = source->connection;
	const xcb_query_extension_reply_t *xinput = xcb_get_extension_data(c, &xcb_input_id);
	const xcb_query_extension_reply_t *xfixes = xcb_get_extension_data(c, &xcb_xfixes_id);

	if (!xinput || !xinput->present)
		return error_set(reterr, -EOPNOTSUPP,
			"the X server does not support XInput: the pointer cannot be recorded");
	source->xinput_opcode = xinput->major_opcode;
	source->has_shapes = xfixes && xfixes->present;
	free(xcb_input_xi_query_version_reply(c, xcb_input_xi_query_version(c, 2, 2), NULL));
	source->motion_selected = false; /* unset for a new connection */
	select_motion(source, true);
	if (source->has_shapes) {
		source->cursor_event = (uint8_t)(xfixes->first_event + XCB_XFIXES_CURSOR_NOTIFY);
		free(xcb_xfixes_query_version_reply(c, xcb_xfixes_query_version(c, 5, 0), NULL));
		xcb_xfixes_select_cursor_input(
			c, source->root, XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
	}
	/* round trip: all events from here on are received */
	free(xcb_get_input_focus_reply(c, xcb_get_input_focus(c), NULL));
	return 0;
}

/* Connect or reconnect. */
static int connect_pointer(struct source *base, struct error *reterr)
{
	struct pointer_source *source = pointer(base);
	xcb_screen_t *screen;
	xcb_connection_t *gone = source->connection,
			 *connection = x11_connect(source->options.display, &screen, reterr);

	if (!connection)
		return -ECONNREFUSED;
	pthread_mutex_lock(&source->connection_lock);
	source->connection = connection;
	pthread_mutex_unlock(&source->connection_lock);
	if (gone)
		xcb_disconnect(gone);
	source->root = screen->root;
	source->last_x = source->last_y = INT32_MIN;
	source->moved_ns = source->shape_ns = 0;
	/* serials restart with another server */
	memset(source->cursors, 0, sizeof(source->cursors));
	return select_events(source, reterr);
}

/* @return 0 when stopped, or a negative errno */
static int run(struct pointer_source *source)
{
	int r = push_shape(source, 0, clock_now_ns()) < 0 ? -EPIPE : 0;

	source->moved_ns = clock_now_ns();
	while (r >= 0 && !source->stop) {
		r = step(source);
		if (r == 0)
			r = x11_wait(source->connection, source->wake_fd, due_ns(source));
	}
	return r < 0 ? r : 0;
}

static void *pointer_thread(void *user)
{
	struct pointer_source *source = user;
	const struct source_outage outage = {"the connection to the display was lost",
		CHANNEL_POINTER, source->wake_fd, &source->stop, connect_pointer};

	pthread_setname_np(pthread_self(), "uxrec-pointer");
	while (run(source) < 0 && !source->stop &&
		source_reconnect(&source->base, &source->context, &outage))
		;
	return NULL;
}

static void abort_connection(void *user)
{
	struct pointer_source *source = user;

	pthread_mutex_lock(&source->connection_lock);
	x11_abort(source->connection);
	pthread_mutex_unlock(&source->connection_lock);
}

static void pointer_destroy(struct source *base)
{
	struct pointer_source *source = pointer(base);

	source->stop = true;
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	if (source->thread)
		source_join(source->thread, abort_connection, source);
	if (source->connection)
		xcb_disconnect(source->connection);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	pthread_mutex_destroy(&source->connection_lock);
	free(source);
}

static const struct source_ops pointer_source_ops = {
	.name = "pointer",
	.destroy = pointer_destroy,
};

int pointer_source_create(struct source **ret, const struct source_context *context,
	const struct pointer_options *options, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct pointer_source));
	struct pointer_source *source = pointer(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &pointer_source_ops;
	source->context = *context;
	source->options = *options;
	pthread_mutex_init(&source->connection_lock, NULL);
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	r = connect_pointer(base, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&source->thread, NULL, pointer_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = steal_ptr(base);
	return 0;
}
