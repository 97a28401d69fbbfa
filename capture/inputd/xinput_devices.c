#include "capture/inputd/xinput_internal.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool contains_virtual(const char *name)
{
	return strstr(name, "XTEST") || strstr(name, "Virtual") || strstr(name, "virtual");
}

static void add_axis(Uxrec__InputDevice *message, Uxrec__InputDevice__Axis axes[static 2],
	unsigned number, int32_t minimum, int32_t maximum)
{
	Uxrec__InputDevice__Axis *to = &axes[message->n_axes];

	uxrec__input_device__axis__init(to);
	to->control = number ? UXREC__CONTROL__CONTROL_ABS_Y : UXREC__CONTROL__CONTROL_ABS_X;
	to->minimum = minimum;
	to->maximum = maximum;
	to->unit = UXREC__INPUT_DEVICE__UNIT__UNIT_MILLIMETRE;
	message->axes[message->n_axes++] = to;
}

/* Derive the device's capabilities from its XI2 classes. */
static void describe_classes(Uxrec__InputDevice *message, Uxrec__InputDevice__Axis axes[static 2],
	const xcb_input_xi_device_info_t *info)
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
			add_axis(message, axes, axis->number, axis->min.integral,
				axis->max.integral);
			/* from units per metre */
			axes[message->n_axes - 1].resolution = (int32_t)(axis->resolution / 1000);
		}
	}
}

/* @param info  NULL: the device has been removed */
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
		describe_classes(&message, axes, info);
	/* XTEST positions are pixels of the screen */
	for (unsigned i = 0; info && device->is_xtest && message.n_axes < 2; i++)
		add_axis(&message, axes, i, 0, (i ? reader->height_px : reader->width_px) - 1);
	if (message.touch)
		kind = UXREC__INPUT_DEVICE__KIND__KIND_TOUCHSCREEN;
	message.kinds = &kind;
	message.n_kinds = 1;
	if (info && !recorder_link_matches(reader->link, &message))
		return false;
	input_out_packet(reader->out, CHANNEL_INPUT_DEVICES, clock_now_ns(), &message.base);
	return true;
}

struct x_device *xinput_find_device(struct xinput_reader *reader, uint16_t id)
{
	for (size_t i = 0; i < reader->count; i++)
		if (reader->devices[i]->id == id)
			return reader->devices[i];
	return NULL;
}

/* ---- state in a description ---- */

static void read_buttons(struct x_device *device, const xcb_input_button_class_t *buttons)
{
	if (buttons->num_buttons > 0)
		device->buttons_down = *xcb_input_button_class_state(buttons);
}

static void read_axis(struct x_device *device, const xcb_input_valuator_class_t *axis)
{
	if (axis->number < 2)
		device->absolute[axis->number] = axis->mode == XCB_INPUT_VALUATOR_MODE_ABSOLUTE;
}

static void read_classes(
	struct x_device *device, const xcb_input_xi_device_info_t *info, bool with_buttons)
{
	for (xcb_input_device_class_iterator_t i = xcb_input_xi_device_info_classes_iterator(info);
		i.rem; xcb_input_device_class_next(&i)) {
		if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_VALUATOR)
			read_axis(device, (const void *)i.data);
		else if (i.data->type == XCB_INPUT_DEVICE_CLASS_TYPE_BUTTON && with_buttons)
			read_buttons(device, (const void *)i.data);
	}
}

/* ---- hotplug ---- */

static int add_device(struct xinput_reader *reader, const xcb_input_xi_device_info_t *info)
{
	struct x_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	snprintf(device->name, sizeof(device->name), "%.*s",
		xcb_input_xi_device_info_name_length(info), xcb_input_xi_device_info_name(info));
	device->id = info->deviceid;
	device->is_keyboard = info->type == XCB_INPUT_DEVICE_TYPE_SLAVE_KEYBOARD;
	device->is_virtual = contains_virtual(device->name);
	device->is_xtest = !device->is_keyboard && strstr(device->name, "XTEST");
	device->batch.device = ++reader->last_number;
	device->unsettled_from = SIZE_MAX;
	reader->devices[reader->count++] = device;
	device->excluded = !describe(reader, device, info);
	return 0;
}

static void report_removed(struct xinput_reader *reader, struct x_device *device, int64_t now_ns)
{
	xinput_report_found(reader, device, now_ns, UXREC__FOUND__FOUND_AT_REMOVAL, 0);
	xinput_release_keys(reader, device, now_ns);
	input_batch_flush(&device->batch, reader->out);
}

static void remove_device(struct xinput_reader *reader, size_t i)
{
	struct x_device *device = reader->devices[i];

	if (!device->excluded) {
		report_removed(reader, device, clock_now_ns());
		describe(reader, device, NULL);
	}
	free(device);
	reader->devices[i] = reader->devices[--reader->count];
}

static bool is_master(const xcb_input_xi_device_info_t *info)
{
	return info->type == XCB_INPUT_DEVICE_TYPE_MASTER_POINTER ||
		info->type == XCB_INPUT_DEVICE_TYPE_MASTER_KEYBOARD;
}

static int update_device(
	struct xinput_reader *reader, const xcb_input_xi_device_info_t *info, bool begins)
{
	struct x_device *device = xinput_find_device(reader, info->deviceid);
	bool is_new = !device;

	if (is_new) {
		if (is_master(info) || reader->count == XINPUT_DEVICES_LIMIT)
			return 0;
		if (add_device(reader, info) < 0)
			return -ENOMEM;
		device = reader->devices[reader->count - 1];
	}
	device->found = true;
	read_classes(device, info, begins || is_new);
	if ((begins || is_new) && !device->excluded)
		xinput_report_found(
			reader, device, clock_now_ns(), UXREC__FOUND__FOUND_AT_START, 1);
	return 0;
}

int xinput_query_devices(struct xinput_reader *reader, bool begins)
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
		i.rem && r == 0; xcb_input_xi_device_info_next(&i))
		r = update_device(reader, i.data, begins);
	for (size_t i = reader->count; i > 0; i--)
		if (!reader->devices[i - 1]->found)
			remove_device(reader, i - 1);
	return r;
}

/* ---- all devices ---- */

void xinput_report_at_stop(struct xinput_reader *reader, int64_t now_ns)
{
	for (size_t i = 0; i < reader->count; i++)
		if (!reader->devices[i]->excluded)
			xinput_report_found(
				reader, reader->devices[i], now_ns, UXREC__FOUND__FOUND_AT_STOP, 1);
}

void xinput_report_released(struct xinput_reader *reader, int64_t now_ns)
{
	for (size_t i = 0; i < reader->count; i++)
		if (!reader->devices[i]->excluded)
			report_removed(reader, reader->devices[i], now_ns);
}

void xinput_devices_destroy(struct xinput_reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		input_batch_flush(&reader->devices[i]->batch, reader->out);
		free(reader->devices[i]);
	}
	reader->count = 0;
}
