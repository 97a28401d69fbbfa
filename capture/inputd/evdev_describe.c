#include "capture/inputd/evdev_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <libevdev/libevdev.h>
#include <libudev.h>
#include <stdio.h>
#include <string.h>

/*
 * Devices of programs are below devices/virtual: those of uinput, and of uhid except BlueZ's Bluetooth
 * devices. BUS_VIRTUAL is no criterion: the devices of a virtual machine have it too.
 */
static bool is_virtual(struct libevdev *evdev, const char *node)
{
	char path[80], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/input/%s", node);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strstr(target, "/virtual/input/") ||
		(strstr(target, "/virtual/misc/uhid/") &&
			libevdev_get_id_bustype(evdev) != BUS_BLUETOOTH);
}

static Uxrec__InputDevice__Unit unit_of(uint16_t code)
{
	switch (code) {
	case ABS_X:
	case ABS_Y:
	case ABS_MT_POSITION_X:
	case ABS_MT_POSITION_Y:
	case ABS_MT_TOUCH_MAJOR:
	case ABS_MT_TOUCH_MINOR: return UXREC__INPUT_DEVICE__UNIT__UNIT_MILLIMETRE;
	case ABS_TILT_X:
	case ABS_TILT_Y: return UXREC__INPUT_DEVICE__UNIT__UNIT_RADIAN;
	default: return UXREC__INPUT_DEVICE__UNIT__UNIT_UNSPECIFIED;
	}
}

static size_t describe_axes(struct evdev_device *device, Uxrec__InputDevice__Axis *axes,
	Uxrec__InputDevice__Axis **pointers, size_t limit)
{
	size_t count = 0;

	for (uint16_t code = 0; code < ABS_CNT && count < limit; code++) {
		const struct input_absinfo *info = libevdev_get_abs_info(device->evdev, code);
		struct disposition axis = policy_classify(EV_ABS, code);

		if (!info || axis.kind != DISPOSITION_CONTROL)
			continue;
		uxrec__input_device__axis__init(&axes[count]);
		axes[count].control = axis.control;
		axes[count].minimum = info->minimum;
		axes[count].maximum = info->maximum;
		axes[count].resolution = info->resolution;
		axes[count].fuzz = info->fuzz;
		axes[count].flat = info->flat;
		axes[count].unit = unit_of(code);
		pointers[count] = &axes[count];
		count++;
	}
	return count;
}

/* List the device's capabilities: each control, but only the number of keys. */
static size_t describe_controls(
	struct libevdev *evdev, Uxrec__Control *controls, size_t limit, uint32_t *ret_keys)
{
	static const uint16_t types[] = {EV_KEY, EV_REL, EV_ABS, EV_SW};
	size_t count = 0;

	*ret_keys = 0;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int last = libevdev_event_type_get_max(types[i]);

		for (int code = 0; code <= last; code++) {
			struct disposition disposition = policy_classify(types[i], (uint16_t)code);

			if (!libevdev_has_event_code(evdev, types[i], (unsigned)code))
				continue;
			*ret_keys += disposition.kind == DISPOSITION_KEY;
			if (disposition.kind == DISPOSITION_CONTROL && count < limit)
				controls[count++] = disposition.control;
		}
	}
	return count;
}

bool evdev_is_keyboard(const struct libevdev *evdev)
{
	return libevdev_has_event_code(evdev, EV_KEY, KEY_A) ||
		libevdev_has_event_code(evdev, EV_KEY, KEY_1);
}

bool evdev_is_pointer(const struct libevdev *evdev)
{
	return libevdev_has_event_code(evdev, EV_REL, REL_X) ||
		libevdev_has_event_code(evdev, EV_ABS, ABS_X);
}

#define KIND(name) UXREC__INPUT_DEVICE__KIND__KIND_##name

/* Kinds according to udev; without udev, guessed from the capabilities. */
static size_t describe_kinds(struct libevdev *evdev, struct udev_device *udev_device,
	Uxrec__InputDevice__Kind kinds[static 8])
{
	static const struct {
		const char *property;
		Uxrec__InputDevice__Kind kind;
	} properties[] = {
		{"ID_INPUT_KEYBOARD", KIND(KEYBOARD)},
		{"ID_INPUT_MOUSE", KIND(MOUSE)},
		{"ID_INPUT_TOUCHPAD", KIND(TOUCHPAD)},
		{"ID_INPUT_TOUCHSCREEN", KIND(TOUCHSCREEN)},
		{"ID_INPUT_TABLET", KIND(TABLET)},
		{"ID_INPUT_SWITCH", KIND(SWITCH)},
	};
	bool known = udev_device && udev_device_get_property_value(udev_device, "ID_INPUT");
	size_t count = 0;

	for (size_t i = 0; known && i < ARRAY_SIZE(properties); i++)
		if (udev_device_get_property_value(udev_device, properties[i].property))
			kinds[count++] = properties[i].kind;
	if (!known && evdev_is_keyboard(evdev))
		kinds[count++] = KIND(KEYBOARD);
	if (!known && libevdev_has_event_code(evdev, EV_ABS, ABS_MT_POSITION_X))
		kinds[count++] = KIND(TOUCHSCREEN);
	else if (!known && evdev_is_pointer(evdev))
		kinds[count++] = KIND(MOUSE);
	if (count == 0)
		kinds[count++] = KIND(OTHER);
	return count;
}

/* Read the properties that need the device: a removed one keeps its seat and its kinds. */
static void get_to_know(struct evdev_device *device, struct udev *udev)
{
	struct udev_device *udev_device =
		udev ? udev_device_new_from_subsystem_sysname(udev, "input", device->node) : NULL;
	const char *seat =
		udev_device ? udev_device_get_property_value(udev_device, "ID_SEAT") : NULL;

	snprintf(device->seat, sizeof(device->seat), "%s", seat ? seat : "seat0");
	device->kind_count = describe_kinds(device->evdev, udev_device, device->kinds);
	device->is_virtual = is_virtual(device->evdev, device->node);
	udev_device_unref(udev_device);
}

/* Fill in everything except axes and controls, which need buffers of the caller. */
static void describe_shortly(struct evdev_device *device, Uxrec__InputDevice *message)
{
	message->device = device->batch.device;
	message->source = UXREC__INPUT_SOURCE__INPUT_SOURCE_EVDEV;
	message->name = (char *)libevdev_get_name(device->evdev);
	message->seat = device->seat;
	message->bus = (uint32_t)libevdev_get_id_bustype(device->evdev);
	message->vendor = (uint32_t)libevdev_get_id_vendor(device->evdev);
	message->product = (uint32_t)libevdev_get_id_product(device->evdev);
	message->version = (uint32_t)libevdev_get_id_version(device->evdev);
	message->keyboard = evdev_is_keyboard(device->evdev);
	message->pointer = evdev_is_pointer(device->evdev);
	message->touch = libevdev_has_event_code(device->evdev, EV_ABS, ABS_MT_POSITION_X);
	message->virtual_ = device->is_virtual;
	message->time_resolution_us = 1;
	message->kinds = device->kinds;
	message->n_kinds = device->kind_count;
	if (libevdev_get_num_slots(device->evdev) > 0)
		message->slots = (uint32_t)libevdev_get_num_slots(device->evdev);
}

static void send_device(struct recorder_link *link, Uxrec__InputDevice *message)
{
	input_out_packet(&link->out, CHANNEL_INPUT_DEVICES, clock_now_ns(), &message->base);
}

bool evdev_describe(struct evdev_device *device, struct recorder_link *link, struct udev *udev)
{
	Uxrec__InputDevice message = UXREC__INPUT_DEVICE__INIT;
	Uxrec__InputDevice__Axis axes[32], *pointers[32];
	Uxrec__Control controls[96];
	uint32_t properties[INPUT_PROP_CNT];

	get_to_know(device, udev);
	describe_shortly(device, &message);
	if (!recorder_link_matches(link, &message))
		return false;
	message.n_axes = describe_axes(device, axes, pointers, ARRAY_SIZE(axes));
	message.axes = pointers;
	message.n_controls = describe_controls(
		device->evdev, controls, ARRAY_SIZE(controls), &message.key_count);
	message.controls = controls;
	device->has_keys = message.key_count > 0;
	message.properties = properties;
	for (uint32_t property = 0; property < INPUT_PROP_CNT; property++)
		if (libevdev_has_property(device->evdev, property))
			properties[message.n_properties++] = property;
	send_device(link, &message);
	return true;
}

void evdev_describe_removed(struct evdev_device *device, struct recorder_link *link)
{
	Uxrec__InputDevice message = UXREC__INPUT_DEVICE__INIT;

	describe_shortly(device, &message);
	message.removed = true;
	send_device(link, &message);
}

const char *evdev_unrecoverable_events(const struct libevdev *evdev)
{
	bool moves = libevdev_has_event_type(evdev, EV_REL);

	if (moves && evdev_is_keyboard(evdev))
		return "motion, wheel steps and keys pressed meanwhile are lost";
	if (moves)
		return "motion, wheel steps and clicks meanwhile are lost";
	if (evdev_is_keyboard(evdev))
		return "keys pressed and released meanwhile are lost";
	return "positions and contacts meanwhile are lost";
}
