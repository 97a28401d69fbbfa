#include "capture/inputd/devices.h"

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/sandbox.h"
#include "capture/inputd/xinput_internal.h"
#include "capture/x11/x11.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * Raw events of an X server: delivered without privileges, also while another client holds a grab. They are
 * selected on all *master* devices: on all devices each would be delivered twice.
 */

/* ---- events ---- */

static int handle_raw(struct xinput_reader *reader, const xcb_ge_generic_event_t *generic)
{
	/* all raw events share this prefix */
	const xcb_input_raw_motion_event_t *raw = (const void *)generic;
	struct x_device *device = xinput_find_device(reader, raw->sourceid);
	int64_t time_ns = x11_time_ns(raw->time, clock_now_ns());

	if (!device) {
		int r = xinput_query_devices(reader, false);

		device = xinput_find_device(reader, raw->sourceid);
		if (r < 0 || !device)
			return r;
	}
	if (device->excluded)
		return 0;
	switch (generic->event_type) {
	case XCB_INPUT_RAW_KEY_PRESS:
	case XCB_INPUT_RAW_KEY_RELEASE:
		return xinput_handle_key(reader, device, time_ns, (const void *)raw);
	case XCB_INPUT_RAW_BUTTON_PRESS:
	case XCB_INPUT_RAW_BUTTON_RELEASE:
		xinput_handle_button(reader, device, time_ns, (const void *)raw);
		break;
	case XCB_INPUT_RAW_MOTION: xinput_handle_motion(reader, device, time_ns, raw); break;
	case XCB_INPUT_RAW_TOUCH_BEGIN:
	case XCB_INPUT_RAW_TOUCH_UPDATE:
	case XCB_INPUT_RAW_TOUCH_END:
		xinput_handle_touch(reader, device, time_ns, (const void *)raw);
		break;
	default: break;
	}
	return 0;
}

/* @return 0, a value of recorder_link_dispatch() or a negative errno */
static int handle_event(struct xinput_reader *reader, const xcb_generic_event_t *event)
{
	const xcb_ge_generic_event_t *generic = (const void *)event;
	const xcb_input_device_changed_event_t *changed = (const void *)event;
	int r;

	if ((event->response_type & 0x7f) != XCB_GE_GENERIC ||
		generic->extension != reader->opcode) {
		r = xinput_handle_keymap(reader, event);
		return r < 0 ? r : 0;
	}
	switch (generic->event_type) {
	case XCB_INPUT_HIERARCHY: return xinput_query_devices(reader, false);
	case XCB_INPUT_DEVICE_CHANGED:
		return changed->reason == XCB_INPUT_CHANGE_REASON_DEVICE_CHANGE
			? xinput_query_devices(reader, false)
			: 0;
	default: return handle_raw(reader, generic);
	}
}

static int handle_queued(struct xinput_reader *reader)
{
	xcb_generic_event_t *event;
	int r = 0;

	while (r == 0 &&
		(event = reader->next_event ? steal_ptr(reader->next_event)
					    : xcb_poll_for_event(reader->connection))) {
		r = handle_event(reader, event);
		free(event);
	}
	return r;
}

/* @param ret_sequence  events with lower sequence numbers precede the state */
static int query_state(struct xinput_reader *reader, struct x_state *ret, unsigned *ret_sequence)
{
	xcb_query_keymap_cookie_t keys = xcb_query_keymap(reader->connection);
	xcb_query_pointer_cookie_t pointer = xcb_query_pointer(reader->connection, reader->root);
	_autofree_ xcb_query_keymap_reply_t *keys_reply =
		xcb_query_keymap_reply(reader->connection, keys, NULL);
	_autofree_ xcb_query_pointer_reply_t *pointer_reply =
		xcb_query_pointer_reply(reader->connection, pointer, NULL);

	if (!keys_reply || !pointer_reply)
		return -EPIPE;
	memcpy(ret->keys, keys_reply->keys, sizeof(ret->keys));
	ret->mask = pointer_reply->mask & 0xff;
	ret->x = pointer_reply->root_x;
	ret->y = pointer_reply->root_y;
	*ret_sequence = keys.sequence;
	return 0;
}

/*
 * Compare the state tracked from events with the server's at one position in the stream: raw events carry
 * none. So a missed release cannot turn a letter into a shortcut.
 */
static int settle(struct xinput_reader *reader)
{
	xcb_generic_event_t *event;
	struct x_state state;
	unsigned sequence;
	int r = query_state(reader, &state, &sequence);

	while (r == 0 && (event = xcb_poll_for_queued_event(reader->connection))) {
		if ((int)(event->full_sequence - sequence) >= 0) {
			reader->next_event = event;
			break;
		}
		r = handle_event(reader, event);
		free(event);
	}
	if (r != 0)
		return r;
	xinput_settle_keys(reader, &state);
	xinput_settle_motion(reader, &state);
	return 0;
}

static int handle_events(struct xinput_reader *reader)
{
	int r = handle_queued(reader);

	while (r == 0 &&
		(redactor_is_unsettled(reader->redactor) || xinput_motion_is_unsettled(reader))) {
		r = settle(reader);
		/* events read with the reply wait in xcb's queue, unseen by poll() */
		if (r == 0)
			r = handle_queued(reader);
	}
	return r;
}

static int64_t flush_due(struct xinput_reader *reader, int64_t now_ns)
{
	int64_t deadline_ns = redactor_flush_due(reader->redactor, now_ns);

	for (size_t i = 0; i < reader->count; i++) {
		int64_t due_ns =
			input_batch_flush_due(&reader->devices[i]->batch, reader->out, now_ns);

		if (due_ns < deadline_ns)
			deadline_ns = due_ns;
	}
	return deadline_ns;
}

/* @param on  false: no input events any more */
static void select_events(struct xinput_reader *reader, bool on)
{
	struct {
		xcb_input_event_mask_t head;
		uint32_t mask;
	} selections[] = {
		{{XCB_INPUT_DEVICE_ALL, 1},
			XCB_INPUT_XI_EVENT_MASK_HIERARCHY | XCB_INPUT_XI_EVENT_MASK_DEVICE_CHANGED},
		{{XCB_INPUT_DEVICE_ALL_MASTER, 1},
			on ? XCB_INPUT_XI_EVENT_MASK_RAW_KEY_PRESS |
					XCB_INPUT_XI_EVENT_MASK_RAW_KEY_RELEASE |
					XCB_INPUT_XI_EVENT_MASK_RAW_BUTTON_PRESS |
					XCB_INPUT_XI_EVENT_MASK_RAW_BUTTON_RELEASE |
					XCB_INPUT_XI_EVENT_MASK_RAW_MOTION |
					XCB_INPUT_XI_EVENT_MASK_RAW_TOUCH_BEGIN |
					XCB_INPUT_XI_EVENT_MASK_RAW_TOUCH_UPDATE |
					XCB_INPUT_XI_EVENT_MASK_RAW_TOUCH_END
			   : 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(selections); i++)
		xcb_input_xi_select_events(
			reader->connection, reader->root, 1, &selections[i].head);
}

static int find_extension(struct xinput_reader *reader, struct error *reterr)
{
	xcb_connection_t *c = reader->connection;
	const xcb_query_extension_reply_t *extension = xcb_get_extension_data(c, &xcb_input_id);
	_autofree_ xcb_input_xi_query_version_reply_t *version = NULL;

	if (extension && extension->present)
		version = xcb_input_xi_query_version_reply(
			c, xcb_input_xi_query_version(c, 2, 2), NULL);
	if (!version || version->major_version < 2)
		return error_set(reterr, -EOPNOTSUPP,
			"the X server does not support XInput 2: its input cannot be recorded");
	reader->opcode = extension->major_opcode;
	return 0;
}

/* ---- the seat ---- */

/* Discard pending events, also those that arrived before the loss of the seat was known. */
static void drop_events(struct xinput_reader *reader)
{
	xcb_generic_event_t *event;

	free(xcb_get_input_focus_reply(
		reader->connection, xcb_get_input_focus(reader->connection), NULL));
	free(steal_ptr(reader->next_event));
	while ((event = xcb_poll_for_event(reader->connection))) {
		xinput_handle_keymap(reader, event);
		free(event);
	}
}

static int begin(struct xinput_reader *reader)
{
	struct x_state state;
	unsigned sequence;
	int r;

	select_events(reader, true);
	r = xinput_query_keys(reader);
	if (r == 0)
		r = query_state(reader, &state, &sequence);
	if (r < 0)
		return r;
	reader->last_x = state.x;
	reader->last_y = state.y;
	r = xinput_query_devices(reader, true);
	return r == 0 ? xinput_report_keys(reader, clock_now_ns()) : r;
}

/* The password at the lock screen and another user's typing must not be recorded. */
static int update_seat(struct xinput_reader *reader)
{
	int r = 0;

	switch (recorder_link_update_seat(reader->link)) {
	case SEAT_UNCHANGED: break;
	case SEAT_LOST:
		select_events(reader, false);
		xinput_report_released(reader, reader->link->seat_lost_ns);
		drop_events(reader);
		break;
	case SEAT_REGAINED:
		drop_events(reader);
		r = begin(reader);
		recorder_link_send_seat_gap(reader->link);
	}
	return r;
}

/* ---- entry point ---- */

/* One descriptor for the recorder and the seat, in addition to the connection's. */
static int watch(struct xinput_reader *reader, struct error *reterr)
{
	struct epoll_event readable = {.events = EPOLLIN};
	int seat = reader->link->seat ? seat_fd(reader->link->seat) : -1;

	reader->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reader->watch_fd < 0 ||
		epoll_ctl(reader->watch_fd, EPOLL_CTL_ADD, reader->out->fd, &readable) < 0 ||
		(seat >= 0 && epoll_ctl(reader->watch_fd, EPOLL_CTL_ADD, seat, &readable) < 0))
		return error_set(reterr, -errno, "cannot set up epoll: %s", strerror(errno));
	return 0;
}

static int start(struct xinput_reader *reader, const char *display, struct error *reterr)
{
	xcb_screen_t *screen;
	char text[80];
	int r;

	reader->connection = x11_connect(display, &screen, reterr);
	if (!reader->connection)
		return -ECONNREFUSED;
	reader->root = screen->root;
	reader->width_px = screen->width_in_pixels;
	reader->height_px = screen->height_in_pixels;
	r = find_extension(reader, reterr);
	if (r == 0)
		r = watch(reader, reterr);
	if (r < 0)
		return r;
	/* if the session is locked, reading begins when it is unlocked */
	if (recorder_link_update_seat(reader->link) == SEAT_UNCHANGED && begin(reader) < 0)
		return error_set(reterr, -EPIPE, "the X server does not answer");
	snprintf(text, sizeof(text), "XInput: %zu devices%s", reader->count,
		reader->link->seat_lost_ns ? ", once the session is unlocked" : "");
	input_out_ready(reader->out, text);
	return 0;
}

/* @return 0, 1 when the recorder has shut down its end, or a negative errno with the reason */
static int step(struct xinput_reader *reader, struct error *reterr)
{
	struct epoll_event events[2];
	int64_t now_ns;
	int r = 0;

	/* requests first, which may hold keys back; then the keys */
	if (epoll_wait(reader->watch_fd, events, 2, 0) > 0) {
		r = recorder_link_dispatch(reader->link);
		if (r == 0)
			r = update_seat(reader);
	}
	if (r == 0 && !reader->link->seat_lost_ns)
		r = handle_events(reader);
	/* the server may have blocked us: nothing is due before the requests up to that time have been read */
	now_ns = clock_now_ns();
	if (r == 0)
		r = recorder_link_dispatch(reader->link);
	if (r == 0 && x11_wait(reader->connection, reader->watch_fd, flush_due(reader, now_ns)) < 0)
		r = -EPIPE;
	if (r == 0 && reader->link->seat_lost_ns)
		drop_events(reader);
	if (xcb_connection_has_error(reader->connection))
		return error_set(reterr, -EPIPE, "the connection to the X server was lost");
	return r;
}

/* Report buttons, contacts and keys that are down at the end, but no key while the focus of a password
 * field is unknown. */
static void report_end(struct xinput_reader *reader, int64_t now_ns)
{
	int64_t unsure_ns = redactor_unsure_ns(reader->redactor, now_ns);

	xinput_report_at_stop(reader, now_ns);
	if (reader->last_key_ns < unsure_ns)
		xinput_report_keys(reader, now_ns < unsure_ns ? now_ns : unsure_ns - 1);
}

int xinput_run(struct recorder_link *link, const char *display, struct error *reterr)
{
	struct xinput_reader reader = {
		.link = link, .out = &link->out, .redactor = &link->redactor, .watch_fd = -1};
	int64_t now_ns;
	int r = start(&reader, display, reterr);

	/* already connected; with a seat, logind's files are still read */
	if (r == 0)
		r = sandbox_enter(link->seat ? SANDBOX_EVDEV : SANDBOX_X11, reterr);
	while (r == 0 && !reader.out->failed)
		r = step(&reader, reterr);
	now_ns = clock_now_ns();
	if (r > 0 && !link->seat_lost_ns)
		report_end(&reader, now_ns);
	recorder_link_finish(link, now_ns);
	xinput_devices_destroy(&reader);
	xinput_keys_destroy(&reader);
	free(reader.next_event);
	if (reader.connection)
		xcb_disconnect(reader.connection);
	if (reader.watch_fd >= 0)
		close(reader.watch_fd);
	return r < 0 ? r : 0;
}
