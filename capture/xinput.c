#include "capture/input_devices.h"

#include "capture/inputd_protocol.h"
#include "capture/sandbox.h"
#include "capture/x11.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <xcb/xinput.h>

/*
 * Raw events of an X server: seen without privileges, also while another client holds a grab. They
 * are selected on all *master* devices: on all devices each would come twice.
 */

#define DEVICES_LIMIT 64

/* an Xorg keycode is the kernel's code plus this (xkeyboard-config, keycodes/evdev) */
#define KEYCODE_OFFSET 8

/* as many fingers as the largest screens tell apart */
#define TOUCHES_LIMIT 16

struct x_device {
	uint16_t id;      /* the server's */
	bool absolute[2]; /* x and y are positions and not steps */
	bool found;       /* in the latest list of the server's */
	bool unwanted;
	bool is_keyboard, is_virtual;
	char name[128];
	uint32_t touches
		[TOUCHES_LIMIT]; /* the server's number plus 1 of the contact in each slot; 0: none */
	unsigned touch_count;
	struct input_batch batch;
};

struct xinput_reader {
	struct conversation *conversation;
	struct input_out *out;
	struct redactor *redactor;
	xcb_connection_t *connection;
	xcb_window_t root;
	uint8_t opcode;
	struct x_device *devices[DEVICES_LIMIT];
	size_t count;
	uint32_t last_number;
	int watch_fd; /* readable when the recorder asks, or the seat changes */
	uint8_t first_keycode;
	uint8_t keysyms_per_code;
	size_t keysym_count;
	uint32_t *keysyms;
};

/* ---- devices ---- */

static bool contains_virtual(const char *name)
{
	return strstr(name, "XTEST") || strstr(name, "Virtual") || strstr(name, "virtual");
}

/* What its classes say that it can do. */
static void describe_classes(Uxrec__InputDevice *message, Uxrec__InputDevice__Axis axes[static 2],
	Uxrec__InputDevice__Axis **pointers, const xcb_input_xi_device_info_t *info)
{
	for (xcb_input_device_class_iterator_t i = xcb_input_xi_device_info_classes_iterator(info);
		i.rem; xcb_input_device_class_next(&i)) {
		const xcb_input_valuator_class_t *axis = (const void *)i.data;
		const xcb_input_touch_class_t *touch = (const void *)i.data;
		const xcb_input_key_class_t *keys = (const void *)i.data;

		if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_KEY) {
			message->key_count = keys->num_keys;
		} else if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_TOUCH) {
			message->touch = true;
			message->slots = touch->num_touches;
		} else if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_VALUATOR &&
			axis->number < 2 && message->n_axes < 2 &&
			axis->mode == XCB_INPUT_VALUATOR_MODE_ABSOLUTE) {
			Uxrec__InputDevice__Axis *to = &axes[message->n_axes];

			uxrec__input_device__axis__init(to);
			to->control = axis->number ? UXREC__CONTROL__CONTROL_ABS_Y
						   : UXREC__CONTROL__CONTROL_ABS_X;
			to->minimum = axis->min.integral;
			to->maximum = axis->max.integral;
			to->resolution = (int32_t)(axis->resolution / 1000); /* units a metre */
			to->unit = UXREC__INPUT_DEVICE__UNIT__UNIT_MILLIMETRE;
			pointers[message->n_axes++] = to;
		}
	}
}

/* @param info  NULL: it has gone */
static bool describe(struct xinput_reader *reader, const struct x_device *device,
	const xcb_input_xi_device_info_t *info)
{
	Uxrec__InputDevice message = UXREC__INPUT_DEVICE__INIT;
	Uxrec__InputDevice__Kind kind = device->is_keyboard
		? UXREC__INPUT_DEVICE__KIND__KIND_KEYBOARD
		: UXREC__INPUT_DEVICE__KIND__KIND_MOUSE;
	Uxrec__InputDevice__Axis axes[2], *pointers[2];

	message.device = device->batch.device;
	message.source = UXREC__INPUT_SOURCE__INPUT_SOURCE_X11;
	message.name = (char *)device->name;
	message.keyboard = device->is_keyboard;
	message.pointer = !device->is_keyboard;
	message.virtual_ = device->is_virtual;
	message.time_resolution_us = 1000;
	message.removed = !info;
	message.axes = pointers;
	if (info)
		describe_classes(&message, axes, pointers, info);
	if (message.touch)
		kind = UXREC__INPUT_DEVICE__KIND__KIND_TOUCHSCREEN;
	message.kinds = &kind;
	message.n_kinds = 1;
	if (info && !conversation_wants(reader->conversation, &message))
		return false;
	input_out_packet(reader->out, CHANNEL_INPUT_DEVICES, clock_now_ns(), &message.base);
	return true;
}

static struct x_device *find_device(struct xinput_reader *reader, uint16_t id)
{
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->id == id)
			return reader->devices[i];
	return NULL;
}

static void take_axes(struct x_device *device, const xcb_input_xi_device_info_t *info)
{
	for (xcb_input_device_class_iterator_t i = xcb_input_xi_device_info_classes_iterator(info);
		i.rem; xcb_input_device_class_next(&i)) {
		const xcb_input_valuator_class_t *axis = (const void *)i.data;

		if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_VALUATOR && axis->number < 2)
			device->absolute[axis->number] =
				axis->mode == XCB_INPUT_VALUATOR_MODE_ABSOLUTE;
	}
}

static int add_device(struct xinput_reader *reader, const xcb_input_xi_device_info_t *info)
{
	struct x_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	snprintf(device->name, sizeof(device->name), "%.*s",
		xcb_input_xi_device_info_name_length(info), xcb_input_xi_device_info_name(info));
	device->id = info->deviceid;
	device->found = true;
	device->is_keyboard = info->type == XCB_INPUT_DEVICE_TYPE_SLAVE_KEYBOARD;
	device->is_virtual = contains_virtual(device->name);
	device->batch.device = ++reader->last_number;
	take_axes(device, info);
	reader->devices[reader->count++] = device;
	device->unwanted = !describe(reader, device, info);
	return 0;
}

static void remove_device(struct xinput_reader *reader, size_t i)
{
	struct x_device *device = reader->devices[i];

	input_batch_flush(&device->batch, reader->out);
	if (!device->unwanted)
		describe(reader, device, NULL);
	free(device);
	reader->devices[i] = reader->devices[--reader->count];
}

static int query_devices(struct xinput_reader *reader)
{
	_autofree_ xcb_input_xi_query_device_reply_t *reply =
		xcb_input_xi_query_device_reply(reader->connection,
			xcb_input_xi_query_device(reader->connection, XCB_INPUT_DEVICE_ALL), NULL);
	int r = 0;

	if (!reply)
		return -EPIPE;
	for (size_t i = 0; i < reader->count; i++)
		reader->devices[i]->found = false;
	for (xcb_input_xi_device_info_iterator_t i =
			xcb_input_xi_query_device_infos_iterator(reply);
		i.rem && r == 0; xcb_input_xi_device_info_next(&i)) {
		struct x_device *device = find_device(reader, i.data->deviceid);

		if (device)
			device->found = true;
		else if (i.data->type != XCB_INPUT_DEVICE_TYPE_MASTER_POINTER &&
			i.data->type != XCB_INPUT_DEVICE_TYPE_MASTER_KEYBOARD &&
			reader->count < DEVICES_LIMIT)
			r = add_device(reader, i.data);
	}
	for (size_t i = reader->count; i > 0; i--)
		if (!reader->devices[i - 1]->found)
			remove_device(reader, i - 1);
	return r;
}

/* ---- keys ---- */

static int query_keysyms(struct xinput_reader *reader)
{
	const xcb_setup_t *setup = xcb_get_setup(reader->connection);
	uint8_t count = (uint8_t)(setup->max_keycode - setup->min_keycode + 1);
	_autofree_ xcb_get_keyboard_mapping_reply_t *reply = xcb_get_keyboard_mapping_reply(
		reader->connection,
		xcb_get_keyboard_mapping(reader->connection, setup->min_keycode, count), NULL);
	size_t keysym_count;
	uint32_t *keysyms;

	if (!reply)
		return -EPIPE;
	keysym_count = (size_t)xcb_get_keyboard_mapping_keysyms_length(reply);
	keysyms = malloc(keysym_count * sizeof(*keysyms) + 1);
	if (!keysyms)
		return -ENOMEM;
	memcpy(keysyms, xcb_get_keyboard_mapping_keysyms(reply), keysym_count * sizeof(*keysyms));
	free(reader->keysyms);
	reader->keysyms = keysyms;
	reader->keysym_count = keysym_count;
	reader->keysyms_per_code = reply->keysyms_per_keycode;
	reader->first_keycode = setup->min_keycode;
	return 0;
}

static uint32_t keysym_of(const struct xinput_reader *reader, uint32_t keycode)
{
	size_t at = (size_t)(keycode - reader->first_keycode) * reader->keysyms_per_code;

	return keycode >= reader->first_keycode && at < reader->keysym_count ? reader->keysyms[at]
									     : 0;
}

static void say_key(struct xinput_reader *reader, const struct x_device *device, int64_t time_ns,
	uint32_t keycode, Uxrec__KeyAction action)
{
	uint32_t keysym = keysym_of(reader, keycode);
	const struct key_seen key = {.time_ns = time_ns,
		.device = device->batch.device,
		.code = (uint16_t)(keycode >= KEYCODE_OFFSET ? keycode - KEYCODE_OFFSET : 0),
		.key_class = key_class_of_keysym(keysym),
		.modifier = modifier_of_keysym(keysym),
		.action = action};

	redactor_key(reader->redactor, &key);
}

static void take_key(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_key_press_event_t *event)
{
	Uxrec__KeyAction action = event->event_type == XCB_INPUT_RAW_KEY_RELEASE
		? UXREC__KEY_ACTION__KEY_ACTION_RELEASE
		: event->flags & XCB_INPUT_KEY_EVENT_FLAGS_KEY_REPEAT
		? UXREC__KEY_ACTION__KEY_ACTION_REPEAT
		: UXREC__KEY_ACTION__KEY_ACTION_PRESS;

	say_key(reader, device, time_ns, event->detail, action);
}

/* The server knows which keys are down, not on which of its keyboards: the first real one is said. */
static int find_keys(struct xinput_reader *reader, int64_t time_ns)
{
	_autofree_ xcb_query_keymap_reply_t *reply = xcb_query_keymap_reply(
		reader->connection, xcb_query_keymap(reader->connection), NULL);
	const struct x_device *keyboard = NULL;

	if (!reply)
		return -EPIPE;
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->is_keyboard && !reader->devices[i]->unwanted &&
			(!keyboard || (keyboard->is_virtual && !reader->devices[i]->is_virtual)))
			keyboard = reader->devices[i];
	for (uint32_t keycode = 0; keyboard && keycode < 256; keycode++)
		if (reply->keys[keycode / 8] >> (keycode % 8) & 1)
			say_key(reader, keyboard, time_ns, keycode,
				UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
	return 0;
}

/* ---- pointer ---- */

static void add_control(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	uint16_t type, uint16_t code, int32_t value)
{
	struct told told = policy_tell(type, code);

	if (told.kind == TOLD_CONTROL)
		conversation_say_control(
			reader->conversation, &device->batch, time_ns, told.control, value);
}

static void take_button(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_button_press_event_t *event)
{
	/* X numbers: 1 left, 2 middle, 3 right, 4 to 7 wheel, 8 and up the rest */
	static const uint16_t buttons[] = {[1] = BTN_LEFT,
		[2] = BTN_MIDDLE,
		[3] = BTN_RIGHT,
		[8] = BTN_SIDE,
		[9] = BTN_EXTRA,
		[10] = BTN_FORWARD,
		[11] = BTN_BACK};
	bool pressed = event->event_type == XCB_INPUT_RAW_BUTTON_PRESS;
	uint32_t button = event->detail;

	if (button >= 4 && button <= 7) {
		/* a wheel's step is one press and one release */
		if (!pressed)
			return;
		add_control(reader, device, time_ns, EV_REL, button < 6 ? REL_WHEEL : REL_HWHEEL,
			button == 4 || button == 7 ? 1 : -1);
	} else if (button < ARRAY_SIZE(buttons) && buttons[button]) {
		add_control(reader, device, time_ns, EV_KEY, buttons[button], pressed);
	} else {
		return;
	}
	add_control(reader, device, time_ns, EV_SYN, SYN_REPORT, 0);
}

static void take_motion(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_motion_event_t *event)
{
	const uint32_t *mask = xcb_input_raw_button_press_valuator_mask(event);
	const xcb_input_fp3232_t *values = xcb_input_raw_button_press_axisvalues_raw(event);
	bool moved = false;
	int at = 0;

	for (uint16_t axis = 0; axis < event->valuators_len * 32; axis++) {
		int32_t value;

		if (!(mask[axis / 32] >> (axis % 32) & 1))
			continue;
		value = values[at].integral + (values[at].frac >= 0x80000000u);
		at++;
		if (axis >= 2)
			continue; /* wheels come as buttons too */
		if (device->absolute[axis])
			add_control(reader, device, time_ns, EV_ABS, axis ? ABS_Y : ABS_X, value);
		else
			add_control(reader, device, time_ns, EV_REL, axis ? REL_Y : REL_X, value);
		moved = true;
	}
	if (moved)
		add_control(reader, device, time_ns, EV_SYN, SYN_REPORT, 0);
}

/* @return the slot of a contact, a free one for one that begins, -1 when there is none */
static int slot_of(const struct x_device *device, uint32_t touch)
{
	for (int slot = 0; slot < TOUCHES_LIMIT; slot++)
		if (device->touches[slot] == touch)
			return slot;
	return -1;
}

/* Contacts, in the kernel's protocol of slots (Documentation/input/multi-touch-protocol.rst, B). */
static void take_touch(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_touch_begin_event_t *event)
{
	const uint32_t *mask = xcb_input_raw_touch_begin_valuator_mask(event);
	const xcb_input_fp3232_t *values = xcb_input_raw_touch_begin_axisvalues_raw(event);
	bool begins = event->event_type == XCB_INPUT_RAW_TOUCH_BEGIN;
	bool ends = event->event_type == XCB_INPUT_RAW_TOUCH_END;
	int slot = slot_of(device, begins ? 0 : event->detail + 1), at = 0;

	if (slot < 0)
		return;
	add_control(reader, device, time_ns, EV_ABS, ABS_MT_SLOT, slot);
	if (begins || ends) {
		device->touches[slot] = begins ? event->detail + 1 : 0;
		add_control(reader, device, time_ns, EV_ABS, ABS_MT_TRACKING_ID,
			begins ? (int32_t)(event->detail & INT32_MAX) : -1);
	}
	for (uint16_t axis = 0; axis < 2 && axis < event->valuators_len * 32 && !ends; axis++)
		if (mask[0] >> axis & 1)
			add_control(reader, device, time_ns, EV_ABS,
				axis ? ABS_MT_POSITION_Y : ABS_MT_POSITION_X,
				values[at++].integral);
	/* the first finger presses, the last one releases */
	if ((begins && device->touch_count++ == 0) || (ends && --device->touch_count == 0))
		add_control(reader, device, time_ns, EV_KEY, BTN_TOUCH, begins);
	add_control(reader, device, time_ns, EV_SYN, SYN_REPORT, 0);
}

/* ---- events ---- */

static int take_raw(struct xinput_reader *reader, const xcb_ge_generic_event_t *generic)
{
	/* all raw events begin alike */
	const xcb_input_raw_motion_event_t *raw = (const void *)generic;
	struct x_device *device = find_device(reader, raw->sourceid);
	int64_t time_ns = x11_time_ns(raw->time, clock_now_ns());

	if (!device) {
		int r = query_devices(reader);

		device = find_device(reader, raw->sourceid);
		if (r < 0 || !device)
			return r;
	}
	if (device->unwanted)
		return 0;
	switch (generic->event_type) {
	case XCB_INPUT_RAW_KEY_PRESS:
	case XCB_INPUT_RAW_KEY_RELEASE: take_key(reader, device, time_ns, (const void *)raw); break;
	case XCB_INPUT_RAW_BUTTON_PRESS:
	case XCB_INPUT_RAW_BUTTON_RELEASE:
		take_button(reader, device, time_ns, (const void *)raw);
		break;
	case XCB_INPUT_RAW_MOTION: take_motion(reader, device, time_ns, raw); break;
	case XCB_INPUT_RAW_TOUCH_BEGIN:
	case XCB_INPUT_RAW_TOUCH_UPDATE:
	case XCB_INPUT_RAW_TOUCH_END: take_touch(reader, device, time_ns, (const void *)raw); break;
	default: break;
	}
	return 0;
}

static int take_events(struct xinput_reader *reader)
{
	xcb_generic_event_t *event;
	int r = 0;

	while (r == 0 && (event = xcb_poll_for_event(reader->connection))) {
		const xcb_ge_generic_event_t *generic = (const void *)event;
		uint8_t type = event->response_type & 0x7f;

		if (type == XCB_MAPPING_NOTIFY)
			r = query_keysyms(reader);
		else if (type == XCB_GE_GENERIC && generic->extension == reader->opcode)
			r = generic->event_type == XCB_INPUT_HIERARCHY ? query_devices(reader)
								       : take_raw(reader, generic);
		free(event);
	}
	return r;
}

static int64_t flush_due(struct xinput_reader *reader)
{
	int64_t now_ns = clock_now_ns();
	int64_t deadline_ns = redactor_flush_due(reader->redactor, now_ns);

	for (size_t i = 0; i < reader->count; i++) {
		int64_t due_ns =
			input_batch_flush_due(&reader->devices[i]->batch, reader->out, now_ns);

		if (due_ns < deadline_ns)
			deadline_ns = due_ns;
	}
	return deadline_ns;
}

/* @param on  false: the server sends nothing any more of what is done */
static void select_events(struct xinput_reader *reader, bool on)
{
	struct {
		xcb_input_event_mask_t head;
		uint32_t mask;
	} selections[] = {
		{{XCB_INPUT_DEVICE_ALL, 1}, XCB_INPUT_XI_EVENT_MASK_HIERARCHY},
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
			"the X server has no XInput 2: its input cannot be recorded");
	reader->opcode = extension->major_opcode;
	return 0;
}

/* ---- the seat ---- */

/* Forget what has come of events, also what came before it was known that they are not ours. */
static void drop_events(struct xinput_reader *reader)
{
	xcb_generic_event_t *event;

	free(xcb_get_input_focus_reply(
		reader->connection, xcb_get_input_focus(reader->connection), NULL));
	while ((event = xcb_poll_for_event(reader->connection)))
		free(event);
}

static int begin(struct xinput_reader *reader)
{
	int r;

	select_events(reader, true);
	r = query_keysyms(reader);
	if (r == 0)
		r = query_devices(reader);
	return r == 0 ? find_keys(reader, clock_now_ns()) : r;
}

/* The password at the lock screen is not this recording's, nor what another user types. */
static int follow_seat(struct xinput_reader *reader)
{
	int r = 0;

	switch (conversation_follow_seat(reader->conversation)) {
	case SEAT_STAYS: break;
	case SEAT_LEFT:
		select_events(reader, false);
		drop_events(reader);
		break;
	case SEAT_COME_BACK:
		drop_events(reader);
		r = begin(reader);
		conversation_say_back(reader->conversation);
	}
	return r;
}

/* ---- the whole ---- */

/* One descriptor for the recorder and the seat, beside the connection's own. */
static int watch(struct xinput_reader *reader, struct error *reterr)
{
	struct epoll_event readable = {.events = EPOLLIN};
	int seat = reader->conversation->seat ? seat_fd(reader->conversation->seat) : -1;

	reader->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reader->watch_fd < 0 ||
		epoll_ctl(reader->watch_fd, EPOLL_CTL_ADD, reader->out->fd, &readable) < 0 ||
		(seat >= 0 && epoll_ctl(reader->watch_fd, EPOLL_CTL_ADD, seat, &readable) < 0))
		return error_set(reterr, -errno, "no event descriptor: %s", strerror(errno));
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
	r = find_extension(reader, reterr);
	if (r == 0)
		r = watch(reader, reterr);
	if (r < 0)
		return r;
	/* it may be locked: then it begins when it is not any more */
	if (conversation_follow_seat(reader->conversation) == SEAT_STAYS && begin(reader) < 0)
		return error_set(reterr, -EPIPE, "the X server does not answer");
	snprintf(text, sizeof(text), "XInput: %zu devices%s", reader->count,
		reader->conversation->away_ns ? ", when the session is not locked any more" : "");
	input_out_ready(reader->out, text);
	return 0;
}

/* @return 0, 1 when the recorder has shut down its end, or a negative errno with the reason */
static int step(struct xinput_reader *reader, struct error *reterr)
{
	struct epoll_event events[2];
	int r = 0;

	/* first what is to be kept back, and then the keys */
	if (epoll_wait(reader->watch_fd, events, 2, 0) > 0) {
		r = conversation_take(reader->conversation);
		if (r == 0)
			r = follow_seat(reader);
	}
	if (r == 0 && !reader->conversation->away_ns)
		r = take_events(reader);
	if (r == 0 && x11_wait(reader->connection, reader->watch_fd, flush_due(reader)) < 0)
		r = -EPIPE;
	if (r == 0 && reader->conversation->away_ns)
		drop_events(reader);
	if (xcb_connection_has_error(reader->connection))
		return error_set(reterr, -EPIPE, "the X server is gone");
	return r;
}

int xinput_run(struct conversation *conversation, const char *display, struct error *reterr)
{
	struct xinput_reader reader = {.conversation = conversation,
		.out = &conversation->out,
		.redactor = &conversation->redactor,
		.watch_fd = -1};
	int64_t now_ns;
	int r = start(&reader, display, reterr);

	/* what is needed is connected; logind's files are read again */
	if (r == 0)
		r = sandbox_enter(conversation->seat ? SANDBOX_EVDEV : SANDBOX_X11, reterr);
	while (r == 0 && !reader.out->failed)
		r = step(&reader, reterr);
	now_ns = clock_now_ns();
	/* whether keys that are held back may be told of is not known, nor which of them are down */
	if (r > 0 && !reader.redactor->hold && !conversation->away_ns)
		find_keys(&reader, now_ns);
	conversation_finish(conversation, now_ns);
	for (size_t i = 0; i < reader.count; i++) {
		input_batch_flush(&reader.devices[i]->batch, reader.out);
		free(reader.devices[i]);
	}
	if (reader.connection)
		xcb_disconnect(reader.connection);
	if (reader.watch_fd >= 0)
		close(reader.watch_fd);
	free(reader.keysyms);
	return r < 0 ? r : 0;
}
