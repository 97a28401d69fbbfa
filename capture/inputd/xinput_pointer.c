#include "capture/inputd/xinput_internal.h"

#include <linux/input-event-codes.h>

/* X numbers: 1 left, 2 middle, 3 right, 4 to 7 wheel, 8 and up the rest */
static const uint16_t buttons[] = {[1] = BTN_LEFT,
	[2] = BTN_MIDDLE,
	[3] = BTN_RIGHT,
	[8] = BTN_SIDE,
	[9] = BTN_EXTRA,
	[10] = BTN_FORWARD,
	[11] = BTN_BACK};

static void add_control(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	uint16_t type, uint16_t code, int32_t value)
{
	struct disposition disposition = policy_classify(type, code);

	if (disposition.kind == DISPOSITION_CONTROL)
		recorder_link_send_control(
			reader->link, &device->batch, time_ns, disposition.control, value);
}

void xinput_handle_button(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_button_press_event_t *event)
{
	bool pressed = event->event_type == XCB_INPUT_RAW_BUTTON_PRESS;
	uint32_t button = event->detail;

	if (button >= 4 && button <= 7) {
		/* a wheel step is one press and one release */
		if (!pressed)
			return;
		add_control(reader, device, time_ns, EV_REL, button < 6 ? REL_WHEEL : REL_HWHEEL,
			button == 4 || button == 7 ? 1 : -1);
	} else if (button < ARRAY_SIZE(buttons) && buttons[button]) {
		if (pressed)
			device->buttons_down |= 1u << button;
		else
			device->buttons_down &= ~(1u << button);
		add_control(reader, device, time_ns, EV_KEY, buttons[button], pressed);
	} else {
		return;
	}
	add_control(reader, device, time_ns, EV_SYN, SYN_REPORT, 0);
}

/* ---- motion ---- */

static void expect_kind(struct x_device *device)
{
	if (device->is_xtest && device->unsettled_from > device->batch.count)
		device->unsettled_from = device->batch.count;
}

void xinput_handle_motion(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
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
			continue; /* wheels are reported as buttons too */
		expect_kind(device);
		if (device->absolute[axis])
			add_control(reader, device, time_ns, EV_ABS, axis ? ABS_Y : ABS_X, value);
		else
			add_control(reader, device, time_ns, EV_REL, axis ? REL_Y : REL_X, value);
		moved = true;
	}
	if (moved)
		add_control(reader, device, time_ns, EV_SYN, SYN_REPORT, 0);
}

bool xinput_motion_is_unsettled(const struct xinput_reader *reader)
{
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->unsettled_from != SIZE_MAX)
			return true;
	return false;
}

/* axis of a motion control, -1 for other controls */
static int axis_of(int32_t control)
{
	switch (control) {
	case UXREC__CONTROL__CONTROL_REL_X:
	case UXREC__CONTROL__CONTROL_ABS_X: return 0;
	case UXREC__CONTROL__CONTROL_REL_Y:
	case UXREC__CONTROL__CONTROL_ABS_Y: return 1;
	default: return -1;
	}
}

static int clamp(int64_t value, int limit)
{
	return value < 0 ? 0 : value >= limit ? limit - 1 : (int)value;
}

/* Compute the pointer position after all motions of the batch from @p from on, if they are of one kind. */
static void integrate_motion(const struct xinput_reader *reader, const struct x_device *device,
	size_t from, bool absolute, int place[static 2])
{
	const int limits[2] = {reader->width_px, reader->height_px};

	place[0] = reader->last_x;
	place[1] = reader->last_y;
	for (size_t i = from; i < device->batch.count; i++) {
		int axis = axis_of(device->batch.control[i]);

		if (axis >= 0)
			place[axis] = clamp(
				(int64_t)device->batch.value[i] + (absolute ? 0 : place[axis]),
				limits[axis]);
	}
}

static void set_kind(struct x_device *device, size_t from, bool absolute)
{
	static const int32_t controls[2][2] = {
		{UXREC__CONTROL__CONTROL_REL_X, UXREC__CONTROL__CONTROL_REL_Y},
		{UXREC__CONTROL__CONTROL_ABS_X, UXREC__CONTROL__CONTROL_ABS_Y},
	};

	device->absolute[0] = device->absolute[1] = absolute;
	for (size_t i = from; i < device->batch.count; i++) {
		int axis = axis_of(device->batch.control[i]);

		if (axis >= 0)
			device->batch.control[i] = controls[absolute][axis];
	}
}

/* Choose the kind that leads to the actual pointer position; keep the old one if both do, or neither. */
static void settle_device(
	const struct xinput_reader *reader, struct x_device *device, const struct x_state *state)
{
	size_t from = device->unsettled_from < device->batch.count ? device->unsettled_from : 0;
	bool leads[2];

	device->unsettled_from = SIZE_MAX;
	for (int absolute = 0; absolute < 2; absolute++) {
		int place[2];

		integrate_motion(reader, device, from, absolute, place);
		leads[absolute] = place[0] == state->x && place[1] == state->y;
	}
	if (leads[0] != leads[1])
		set_kind(device, from, leads[1]);
}

void xinput_settle_motion(struct xinput_reader *reader, const struct x_state *state)
{
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->unsettled_from != SIZE_MAX)
			settle_device(reader, reader->devices[i], state);
	reader->last_x = state->x;
	reader->last_y = state->y;
}

/* ---- contacts ---- */

/* @return the slot of a contact (0: a free slot), -1 when there is none */
static int slot_of(const struct x_device *device, uint32_t touch)
{
	for (int slot = 0; slot < XINPUT_TOUCHES_LIMIT; slot++)
		if (device->touches[slot] == touch)
			return slot;
	return -1;
}

static void add_found(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	Uxrec__Control control, int32_t value)
{
	input_batch_add(&device->batch, reader->out, time_ns, control, value);
}

/* Report a contact that began before reading as found, as for evdev. @return its slot, -1 without a free one */
static int find_contact(
	struct xinput_reader *reader, struct x_device *device, int64_t time_ns, uint32_t touch)
{
	int slot = slot_of(device, 0);

	if (slot < 0)
		return -1;
	device->touches[slot] = touch + 1;
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_FOUND,
		UXREC__FOUND__FOUND_AT_START);
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_MT_SLOT, slot);
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_MT_TRACKING_ID,
		(int32_t)(touch & INT32_MAX));
	if (device->touch_count++ == 0)
		add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_TOUCH, 1);
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_FRAME, 0);
	return slot;
}

/* Contacts, by the kernel's slot protocol (Documentation/input/multi-touch-protocol.rst, type B). */
void xinput_handle_touch(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_touch_begin_event_t *event)
{
	const uint32_t *mask = xcb_input_raw_touch_begin_valuator_mask(event);
	const xcb_input_fp3232_t *values = xcb_input_raw_touch_begin_axisvalues_raw(event);
	bool begins = event->event_type == XCB_INPUT_RAW_TOUCH_BEGIN;
	bool ends = event->event_type == XCB_INPUT_RAW_TOUCH_END;
	int slot = slot_of(device, begins ? 0 : event->detail + 1), at = 0;

	if (slot < 0 && !begins)
		slot = find_contact(reader, device, time_ns, event->detail);
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

/* ---- found reports ---- */

static void report_contacts(
	struct xinput_reader *reader, struct x_device *device, int64_t time_ns, int32_t value)
{
	for (int slot = 0; slot < XINPUT_TOUCHES_LIMIT; slot++) {
		if (!device->touches[slot])
			continue;
		add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_MT_SLOT, slot);
		add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_MT_TRACKING_ID,
			value ? (int32_t)((device->touches[slot] - 1) & INT32_MAX) : -1);
		if (!value)
			device->touches[slot] = 0;
	}
	if (device->touch_count > 0)
		add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_TOUCH, value);
	if (!value)
		device->touch_count = 0;
}

void xinput_report_found(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	Uxrec__Found found, int32_t value)
{
	uint32_t down = 0;

	for (unsigned button = 0; button < ARRAY_SIZE(buttons); button++)
		if (buttons[button])
			down |= device->buttons_down & 1u << button;
	if (!down && device->touch_count == 0)
		return;
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_FOUND, (int32_t)found);
	for (unsigned button = 0; button < ARRAY_SIZE(buttons); button++)
		if (down >> button & 1)
			add_found(reader, device, time_ns,
				policy_classify(EV_KEY, buttons[button]).control, value);
	report_contacts(reader, device, time_ns, value);
	add_found(reader, device, time_ns, UXREC__CONTROL__CONTROL_FRAME, 0);
	if (!value)
		device->buttons_down = 0;
}
