#include "capture/input_devices.h"

#include "capture/inputd_protocol.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev.h>
#include <libudev.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define DEVICES_LIMIT 64
#define INPUT_FOLDER  "/dev/input"

struct device {
	char node[32]; /* "event7" */
	int fd;
	struct libevdev *evdev;
	struct input_batch batch;
	int64_t last_ns; /* of the newest event */
};

struct evdev_reader {
	struct input_out *out;
	enum key_policy policy;
	struct device *devices[DEVICES_LIMIT];
	size_t count;
	uint32_t next_number;
	unsigned refused; /* devices that may not be opened */
	struct udev *udev;
	struct udev_monitor *monitor;
};

static int64_t event_ns(const struct input_event *event)
{
	return event->input_event_sec * NS_PER_S + event->input_event_usec * NS_PER_US;
}

/* ---- describing ---- */

static bool is_virtual(struct libevdev *evdev, const char *node)
{
	char path[80], target[256];
	ssize_t n;

	if (libevdev_get_id_bustype(evdev) == BUS_VIRTUAL)
		return true;
	snprintf(path, sizeof(path), "/sys/class/input/%s", node);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strstr(target, "/virtual/") != NULL;
}

static size_t describe_axes(struct device *device, Uxrec__InputDevice__Axis *axes,
	Uxrec__InputDevice__Axis **pointers, size_t limit)
{
	size_t count = 0;

	for (uint16_t code = 0; code < ABS_CNT && count < limit; code++) {
		const struct input_absinfo *info = libevdev_get_abs_info(device->evdev, code);
		struct redacted axis = policy_apply(KEY_POLICY_NONE, EV_ABS, code);

		if (!info || axis.kind != REDACTED_CONTROL)
			continue;
		uxrec__input_device__axis__init(&axes[count]);
		axes[count].control = axis.control;
		axes[count].minimum = info->minimum;
		axes[count].maximum = info->maximum;
		axes[count].resolution = info->resolution;
		pointers[count] = &axes[count];
		count++;
	}
	return count;
}

static bool is_keyboard(struct libevdev *evdev)
{
	return libevdev_has_event_code(evdev, EV_KEY, KEY_A) ||
		libevdev_has_event_code(evdev, EV_KEY, KEY_1);
}

static bool is_pointer(struct libevdev *evdev)
{
	return libevdev_has_event_code(evdev, EV_REL, REL_X) ||
		libevdev_has_event_code(evdev, EV_ABS, ABS_X);
}

static void describe(struct evdev_reader *reader, struct device *device, bool removed)
{
	Uxrec__InputDevice message = UXREC__INPUT_DEVICE__INIT;
	Uxrec__InputDevice__Axis axes[32], *pointers[32];

	message.device = device->batch.device;
	message.source = UXREC__INPUT_SOURCE__INPUT_SOURCE_EVDEV;
	message.name = (char *)libevdev_get_name(device->evdev);
	message.bus = (uint32_t)libevdev_get_id_bustype(device->evdev);
	message.vendor = (uint32_t)libevdev_get_id_vendor(device->evdev);
	message.product = (uint32_t)libevdev_get_id_product(device->evdev);
	message.version = (uint32_t)libevdev_get_id_version(device->evdev);
	message.keyboard = is_keyboard(device->evdev);
	message.pointer = is_pointer(device->evdev);
	message.touch = libevdev_has_event_code(device->evdev, EV_ABS, ABS_MT_POSITION_X);
	message.virtual_ = is_virtual(device->evdev, device->node);
	message.removed = removed;
	message.time_resolution_us = 1;
	message.n_axes = describe_axes(device, axes, pointers, ARRAY_SIZE(axes));
	message.axes = pointers;
	input_out_packet(reader->out, CHANNEL_INPUT_DEVICES, clock_now_ns(), &message.base);
}

/* ---- devices come and go ---- */

static void device_free(struct device *device)
{
	libevdev_free(device->evdev);
	if (device->fd >= 0)
		close(device->fd);
	free(device);
}

static void add_device(struct evdev_reader *reader, const char *node)
{
	char path[sizeof(INPUT_FOLDER) + 33];
	struct device *device;

	for (size_t i = 0; i < reader->count; i++)
		if (strcmp(reader->devices[i]->node, node) == 0)
			return;
	if (reader->count == DEVICES_LIMIT || strlen(node) >= sizeof(device->node))
		return;
	device = calloc(1, sizeof(*device));
	if (!device)
		return;
	snprintf(device->node, sizeof(device->node), "%s", node);
	snprintf(path, sizeof(path), INPUT_FOLDER "/%s", node);
	device->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (device->fd < 0) {
		reader->refused += errno == EACCES || errno == EPERM;
		free(device);
		return;
	}
	if (libevdev_new_from_fd(device->fd, &device->evdev) < 0 ||
		libevdev_set_clock_id(device->evdev, CLOCK_MONOTONIC) < 0) {
		device_free(device);
		return;
	}
	device->batch.device = reader->next_number++;
	device->last_ns = clock_now_ns();
	reader->devices[reader->count++] = device;
	describe(reader, device, false);
}

static void remove_device(struct evdev_reader *reader, size_t i)
{
	struct device *device = reader->devices[i];

	input_batch_flush(&device->batch, reader->out);
	describe(reader, device, true);
	device_free(device);
	reader->devices[i] = reader->devices[--reader->count];
}

static void take_hotplug(struct evdev_reader *reader)
{
	struct udev_device *change;

	while ((change = udev_monitor_receive_device(reader->monitor))) {
		const char *action = udev_device_get_action(change);
		const char *name = udev_device_get_sysname(change);

		/* removals show themselves by ENODEV */
		if (action && name && strcmp(action, "add") == 0 && strncmp(name, "event", 5) == 0)
			add_device(reader, name);
		udev_device_unref(change);
	}
}

static void watch_hotplug(struct evdev_reader *reader)
{
	reader->udev = udev_new();
	if (reader->udev)
		reader->monitor = udev_monitor_new_from_netlink(reader->udev, "udev");
	if (!reader->monitor)
		return; /* no netlink in this sandbox: what is there now is all there will be */
	udev_monitor_filter_add_match_subsystem_devtype(reader->monitor, "input", NULL);
	if (udev_monitor_enable_receiving(reader->monitor) < 0) {
		udev_monitor_unref(reader->monitor);
		reader->monitor = NULL;
	}
}

static int scan_devices(struct evdev_reader *reader)
{
	DIR *folder = opendir(INPUT_FOLDER);
	struct dirent *entry;

	if (!folder)
		return -errno;
	while ((entry = readdir(folder)))
		if (strncmp(entry->d_name, "event", 5) == 0)
			add_device(reader, entry->d_name);
	closedir(folder);
	return 0;
}

/* ---- events ---- */

static void take_event(
	struct evdev_reader *reader, struct device *device, const struct input_event *event)
{
	struct redacted redacted = policy_apply(reader->policy, event->type, event->code);

	device->last_ns = event_ns(event);
	input_batch_add(&device->batch, reader->out, device->last_ns, &redacted, event->value);
}

/*
 * The kernel dropped events because its ring was full. libevdev tells by synthetic events how the
 * state differs now; relative motion of that time is gone for good.
 */
static int resynchronise(struct evdev_reader *reader, struct device *device, int64_t from_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {
		(char *)"/input/controls", (char *)"/input/keys", (char *)"/input/keys/full"};
	char detail[64];
	struct input_event event;
	int r;

	while ((r = libevdev_next_event(device->evdev, LIBEVDEV_READ_FLAG_SYNC, &event)) ==
		LIBEVDEV_READ_STATUS_SYNC)
		take_event(reader, device, &event);
	input_batch_flush(&device->batch, reader->out);
	/* times of a gap that inputd states are CLOCK_MONOTONIC; the daemon turns them */
	gap.reason = UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW;
	gap.from_ns = from_ns;
	gap.to_ns = clock_now_ns();
	gap.topics = topics;
	gap.n_topics = ARRAY_SIZE(topics);
	snprintf(detail, sizeof(detail), "device %u: its queue in the kernel overflowed",
		device->batch.device);
	gap.detail = detail;
	input_out_packet(reader->out, CHANNEL_GAPS, from_ns, &gap.base);
	return r;
}

/* @return 0, or -ENODEV when the device is gone */
static int drain(struct evdev_reader *reader, struct device *device)
{
	struct input_event event;
	int r;

	for (;;) {
		int64_t before_ns = device->last_ns;

		r = libevdev_next_event(device->evdev, LIBEVDEV_READ_FLAG_NORMAL, &event);
		if (r == LIBEVDEV_READ_STATUS_SYNC)
			r = resynchronise(reader, device, before_ns);
		else if (r == LIBEVDEV_READ_STATUS_SUCCESS)
			take_event(reader, device, &event);
		if (r == -EAGAIN || r == -EINTR)
			return 0;
		if (r < 0)
			return -ENODEV;
	}
}

static int64_t flush_due(struct evdev_reader *reader)
{
	int64_t deadline_ns = INT64_MAX, now_ns = clock_now_ns();

	for (size_t i = 0; i < reader->count; i++) {
		struct input_batch *batch = &reader->devices[i]->batch;
		int64_t due_ns = input_batch_deadline_ns(batch);

		if (due_ns <= now_ns)
			input_batch_flush(batch, reader->out);
		else if (due_ns < deadline_ns)
			deadline_ns = due_ns;
	}
	return deadline_ns;
}

static int step(struct evdev_reader *reader)
{
	struct pollfd fds[DEVICES_LIMIT + 2];
	size_t count = reader->count;
	int64_t deadline_ns = flush_due(reader);
	int timeout_ms = -1;

	if (deadline_ns != INT64_MAX) {
		int64_t left_ns = deadline_ns - clock_now_ns();

		timeout_ms = left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0;
	}
	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = reader->devices[i]->fd, .events = POLLIN};
	fds[count] = (struct pollfd){.fd = reader->out->fd, .events = POLLIN};
	fds[count + 1] = (struct pollfd){
		.fd = reader->monitor ? udev_monitor_get_fd(reader->monitor) : -1,
		.events = POLLIN,
	};
	if (poll(fds, count + 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[count].revents)
		return 1; /* the daemon says nothing: it has closed */
	/* from the last, because a removal moves the last into its place */
	for (size_t i = count; i > 0; i--)
		if (fds[i - 1].revents && drain(reader, reader->devices[i - 1]) < 0)
			remove_device(reader, i - 1);
	if (fds[count + 1].revents)
		take_hotplug(reader);
	return 0;
}

static void reader_finish(struct evdev_reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		input_batch_flush(&reader->devices[i]->batch, reader->out);
		device_free(reader->devices[i]);
	}
	if (reader->monitor)
		udev_monitor_unref(reader->monitor);
	if (reader->udev)
		udev_unref(reader->udev);
}

static int reader_start(struct evdev_reader *reader, struct error *reterr)
{
	char text[80];

	watch_hotplug(reader); /* first, so that nothing falls between */
	scan_devices(reader);
	if (reader->count == 0 && reader->refused > 0)
		return error_set(reterr, -EACCES,
			"%u input devices, and this user may read none of them: install the "
			"uxrec-inputd service, or record X11 input with --input x11",
			reader->refused);
	if (reader->count == 0)
		return error_set(reterr, -ENODEV, "no input device in " INPUT_FOLDER);
	snprintf(text, sizeof(text), "evdev: %zu devices", reader->count);
	input_out_text(reader->out, INPUTD_READY, text);
	return 0;
}

int evdev_run(struct input_out *out, enum key_policy policy, struct error *reterr)
{
	struct evdev_reader reader = {.out = out, .policy = policy, .next_number = 1};
	int r = reader_start(&reader, reterr);

	while (r == 0 && !out->failed)
		r = step(&reader);
	reader_finish(&reader);
	return r < 0 ? r : 0;
}

bool evdev_is_readable(void)
{
	DIR *folder = opendir(INPUT_FOLDER);
	struct dirent *entry;
	bool readable = false;

	if (!folder)
		return false;
	while (!readable && (entry = readdir(folder))) {
		char path[300];
		struct libevdev *evdev = NULL;
		int fd;

		if (strncmp(entry->d_name, "event", 5) != 0)
			continue;
		snprintf(path, sizeof(path), INPUT_FOLDER "/%s", entry->d_name);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (libevdev_new_from_fd(fd, &evdev) == 0) {
			readable = is_keyboard(evdev) || is_pointer(evdev);
			libevdev_free(evdev);
		}
		close(fd);
	}
	closedir(folder);
	return readable;
}
