#include "capture/inputd/devices.h"

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/evdev_internal.h"
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
#include <sys/ioctl.h>
#include <time.h>

#define DEVICES_LIMIT 128
#define INPUT_FOLDER  "/dev/input"

/*
 * Polling interval while there are events: two milliseconds, 48 events of an 8 kHz mouse. Shorter when a
 * device had more than POLL_EVENTS, a quarter of the kernel's queue for a mouse.
 */
#define POLL_INTERVAL_NS     (2 * NS_PER_MS)
#define POLL_INTERVAL_MIN_NS (NS_PER_MS / 2)
#define POLL_EVENTS          32

/*
 * Limit of the events of one device read with one call before the other devices get their turn, and the delay
 * until its next turn.
 */
#define DRAIN_EVENTS      512
#define DRAIN_INTERVAL_NS (50 * NS_PER_US)

/* Tries of settle(): a modifier that changes this often is not pressed by hand. */
#define SETTLE_TRIES 4

struct evdev_reader {
	struct recorder_link *link;
	struct input_out *out;
	struct redactor *redactor;
	struct evdev_device *devices[DEVICES_LIMIT];
	size_t count;
	uint32_t next_number;
	unsigned refused; /* devices that could not be opened for lack of permission */
	unsigned excluded;
	bool is_full;
	struct udev *udev;
	struct udev_monitor *monitor;
	int64_t polled_ns;        /* time of the last poll with events; 0: none */
	int64_t poll_interval_ns; /* delay until the next poll */
	size_t most;              /* largest number of events of one device in this poll */
};

static int64_t event_ns(const struct input_event *event)
{
	return event->input_event_sec * NS_PER_S + event->input_event_usec * NS_PER_US;
}

/* ---- events ---- */

/* The kernel repeats buttons too, on a device that also has keys. */
static bool repeats_button(const struct input_event *event)
{
	return event->type == EV_KEY && event->value > 1;
}

static void handle_event(
	struct evdev_reader *reader, struct evdev_device *device, const struct input_event *event)
{
	struct disposition disposition = policy_classify(event->type, event->code);
	int64_t time_ns = event_ns(event);

	device->last_ns = time_ns;
	if (disposition.kind == DISPOSITION_KEY && event->value >= 0 && event->value <= 2) {
		evdev_handle_key(
			device, reader->link, time_ns, event->code, (Uxrec__KeyAction)event->value);
	} else if (disposition.kind == DISPOSITION_CONTROL && !repeats_button(event)) {
		recorder_link_send_control(
			reader->link, &device->batch, time_ns, disposition.control, event->value);
	}
}

/* ---- hotplug ---- */

static void evdev_device_destroy(struct evdev_device *device)
{
	if (!device)
		return;
	libevdev_free(device->evdev);
	if (device->fd >= 0)
		close(device->fd);
	if (device->state_fd >= 0)
		close(device->state_fd);
	free(device);
}
DEFINE_DESTROY(evdev_device);

static void send_gap(struct evdev_reader *reader, const Uxrec__Gap *gap)
{
	/* gap times from inputd are CLOCK_MONOTONIC; the daemon converts them */
	input_out_packet(reader->out, CHANNEL_GAPS, gap->from_ns, &gap->base);
}

static void report_full(struct evdev_reader *reader)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)"/input"};

	if (reader->is_full)
		return;
	reader->is_full = true;
	gap.reason = UXREC__GAP__REASON__REASON_OVERLOAD;
	gap.from_ns = gap.to_ns = clock_now_ns();
	gap.topics = topics;
	gap.n_topics = ARRAY_SIZE(topics);
	gap.detail = (char *)"more input devices than can be read: some are not recorded";
	send_gap(reader, &gap);
}

/* @return a descriptor whose events have CLOCK_MONOTONIC timestamps, or a negative errno */
static int open_node(const char *node)
{
	_autoclose_ int fd = -1;
	char path[sizeof(INPUT_FOLDER) + 33];
	int clock = CLOCK_MONOTONIC;

	snprintf(path, sizeof(path), INPUT_FOLDER "/%s", node);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* at once: the kernel discards earlier events, as an overflow */
	if (fd < 0 || ioctl(fd, EVIOCSCLOCKID, &clock) < 0)
		return -errno;
	return steal_fd(&fd);
}

/*
 * Open a second descriptor of a device, only for state queries: a query makes the kernel remove the keys of
 * the reported state from that descriptor's queue. @return -1 on error
 */
static int open_state(const char *node)
{
	static const uint8_t no_type[EV_CNT / 8];
	const struct input_mask nothing = {.type = EV_SYN,
		.codes_size = sizeof(no_type),
		.codes_ptr = (uint64_t)(uintptr_t)no_type};
	int fd = open_node(node);

	/* without EVIOCSMASK (older kernels) the queue fills up, and is never read */
	if (fd >= 0)
		ioctl(fd, EVIOCSMASK, &nothing);
	return fd < 0 ? -1 : fd;
}

static void add_device(struct evdev_reader *reader, const char *node)
{
	_destroy_(evdev_device) struct evdev_device *device = NULL;

	for (size_t i = 0; i < reader->count; i++)
		if (strcmp(reader->devices[i]->node, node) == 0)
			return;
	if (strlen(node) >= sizeof(device->node))
		return;
	if (reader->count == DEVICES_LIMIT) {
		report_full(reader);
		return;
	}
	device = calloc(1, sizeof(*device));
	if (!device)
		return;
	snprintf(device->node, sizeof(device->node), "%s", node);
	device->state_fd = -1;
	device->fd = open_node(node);
	if (device->fd < 0) {
		reader->refused += device->fd == -EACCES || device->fd == -EPERM;
		return;
	}
	if (libevdev_new_from_fd(device->fd, &device->evdev) < 0)
		return;
	device->batch.device = reader->next_number;
	device->last_ns = clock_now_ns();
	if (!evdev_describe(device, reader->link, reader->udev)) {
		reader->excluded++;
		return;
	}
	reader->next_number++;
	if (device->has_keys && reader->redactor->shortcuts)
		device->state_fd = open_state(node);
	evdev_report_at_start(device, reader->link, device->last_ns);
	reader->devices[reader->count++] = steal_ptr(device);
}

static void remove_device(struct evdev_reader *reader, size_t i)
{
	struct evdev_device *device = reader->devices[i];
	int64_t now_ns = clock_now_ns();

	evdev_report_at_removal(device, reader->link, now_ns);
	input_batch_flush(&device->batch, reader->out);
	evdev_overflow_flush(device, reader->link, now_ns);
	evdev_describe_removed(device, reader->link);
	evdev_device_destroy(device);
	reader->devices[i] = reader->devices[--reader->count];
}

/* One per step: opening a device takes long enough for another device's queue to overflow. */
static void handle_hotplug(struct evdev_reader *reader)
{
	struct udev_device *change = udev_monitor_receive_device(reader->monitor);
	const char *action = change ? udev_device_get_action(change) : NULL;
	const char *name = change ? udev_device_get_sysname(change) : NULL;

	/* removals are detected by ENODEV */
	if (action && name && strcmp(action, "add") == 0 && strncmp(name, "event", 5) == 0 &&
		!reader->link->seat_lost_ns)
		add_device(reader, name);
	udev_device_unref(change);
}

static void watch_hotplug(struct evdev_reader *reader)
{
	reader->udev = udev_new();
	if (reader->udev)
		reader->monitor = udev_monitor_new_from_netlink(reader->udev, "udev");
	if (!reader->monitor)
		return; /* no netlink in this sandbox: no hotplug */
	udev_monitor_filter_add_match_subsystem_devtype(reader->monitor, "input", NULL);
	if (udev_monitor_enable_receiving(reader->monitor) < 0) {
		udev_monitor_unref(reader->monitor);
		reader->monitor = NULL;
	}
}

static void scan_devices(struct evdev_reader *reader)
{
	DIR *folder = opendir(INPUT_FOLDER);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder)))
		if (strncmp(entry->d_name, "event", 5) == 0)
			add_device(reader, entry->d_name);
	closedir(folder);
}

/* ---- reading ---- */

/*
 * Recover from a SYN_DROPPED: the kernel's ring buffer was full. Also discards its present content: the state
 * from a query is worth more than the rest of a report.
 */
static int resynchronise(struct evdev_reader *reader, struct evdev_device *device)
{
	int64_t from_ns = device->last_ns, found_ns = clock_now_ns(), compared_ns;
	int r;

	/* modifier state is unknown in between, also for keys of other devices */
	redactor_invalidate_modifiers(reader->redactor);
	r = evdev_report_after_overflow(device, reader->link, found_ns, &compared_ns);
	device->last_ns = found_ns;
	reader->most = DRAIN_EVENTS; /* poll it again at once */
	input_batch_flush(&device->batch, reader->out);
	evdev_overflow_note(device, reader->link, from_ns, compared_ns);
	return r;
}

/* libevdev's own reading makes one system call per event; so events are read here and libevdev's state is updated. */
static void update_state(struct evdev_device *device, const struct input_event *event)
{
	if (event->type == EV_KEY || event->type == EV_ABS || event->type == EV_SW)
		libevdev_set_event_value(device->evdev, event->type, event->code, event->value);
}

/* @return 0, or -ENODEV when the device is gone */
static int drain(struct evdev_reader *reader, struct evdev_device *device)
{
	struct input_event events[DRAIN_EVENTS];
	ssize_t size = read(device->fd, events, sizeof(events));
	size_t count = size > 0 ? (size_t)size / sizeof(events[0]) : 0;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (size <= 0)
		return -ENODEV;
	for (size_t i = 0; i < count; i++) {
		if (events[i].type == EV_SYN && events[i].code == SYN_DROPPED)
			return resynchronise(reader, device);
		update_state(device, &events[i]);
		handle_event(reader, device, &events[i]);
	}
	if (count > reader->most)
		reader->most = count;
	return 0;
}

/* ---- shortcuts ---- */

static bool kernel_agrees(const struct evdev_reader *reader)
{
	const struct modifiers *modifiers = &reader->redactor->modifiers;

	for (size_t i = 0; i < modifiers->count; i++) {
		const struct modifier_key *held = &modifiers->keys[i];
		bool is_down = !modifier_is_claimed(held);

		for (size_t d = 0; d < reader->count && !is_down; d++)
			is_down = reader->devices[d]->batch.device == held->device &&
				evdev_key_is_down(reader->devices[d], held->code);
		if (!is_down)
			return false;
	}
	return true;
}

/*
 * Compare the modifiers tracked from events with the kernel's: while another program has grabbed a device,
 * its releases reach nobody else. The kernel may be ahead of the events read; so the rest is read, and the
 * comparison holds if that contained no modifier.
 */
static void settle(struct evdev_reader *reader)
{
	bool agrees = false;

	for (int tries = 0; tries < SETTLE_TRIES; tries++) {
		uint32_t changes = reader->redactor->modifiers.changes;

		agrees = kernel_agrees(reader);
		for (size_t i = reader->count; i > 0; i--)
			if (drain(reader, reader->devices[i - 1]) < 0)
				remove_device(reader, i - 1);
		if (reader->redactor->modifiers.changes == changes)
			break;
		agrees = false;
	}
	redactor_settle(reader->redactor, agrees);
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t flush_due(struct evdev_reader *reader, int64_t now_ns)
{
	int64_t deadline_ns = redactor_flush_due(reader->redactor, now_ns);

	for (size_t i = 0; i < reader->count; i++) {
		struct evdev_device *device = reader->devices[i];

		deadline_ns = earlier(
			deadline_ns, input_batch_flush_due(&device->batch, reader->out, now_ns));
		deadline_ns = earlier(
			deadline_ns, evdev_overflow_flush_due(device, reader->link, now_ns));
	}
	return deadline_ns;
}

/* The next poll is due when a device at its present event rate has POLL_EVENTS again. */
static void update_poll_interval(struct evdev_reader *reader)
{
	if (reader->most > 0)
		reader->poll_interval_ns =
			reader->poll_interval_ns * POLL_EVENTS / (int64_t)reader->most;
	if (reader->poll_interval_ns < POLL_INTERVAL_MIN_NS)
		reader->poll_interval_ns = POLL_INTERVAL_MIN_NS;
	if (reader->poll_interval_ns > POLL_INTERVAL_NS)
		reader->poll_interval_ns = POLL_INTERVAL_NS;
	if (reader->most == DRAIN_EVENTS)
		reader->poll_interval_ns = DRAIN_INTERVAL_NS;
	reader->polled_ns = reader->most > 0 ? clock_now_ns() : 0;
}

static void sleep_until(int64_t until_ns)
{
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
		&(struct timespec){until_ns / NS_PER_S, until_ns % NS_PER_S}, NULL);
}

/* ---- the seat ---- */

/*
 * Another user's typing and the password at the lock screen must not be recorded: close every device while
 * the seat is not the recorded user's.
 */
static void update_seat(struct evdev_reader *reader)
{
	switch (recorder_link_update_seat(reader->link)) {
	case SEAT_UNCHANGED: break;
	case SEAT_LOST:
		while (reader->count > 0)
			remove_device(reader, reader->count - 1);
		break;
	case SEAT_REGAINED: recorder_link_send_seat_gap(reader->link); scan_devices(reader);
	}
}

/* @return 0 or a negative errno of poll() */
static int wait_for(struct pollfd *fds, size_t count, int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_now_ns();
	struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};

	if (left_ns < 0)
		left = (struct timespec){0};
	if (ppoll(fds, count, deadline_ns == INT64_MAX ? NULL : &left, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int step(struct evdev_reader *reader)
{
	struct pollfd fds[DEVICES_LIMIT + 3];
	size_t count = reader->count;
	int64_t now_ns = clock_now_ns(), deadline_ns;
	/* nothing is due before the requests up to that time have been read */
	int r = recorder_link_dispatch(reader->link);

	if (r != 0)
		return r;
	deadline_ns = flush_due(reader, now_ns);
	if (reader->polled_ns)
		sleep_until(reader->polled_ns + reader->poll_interval_ns);
	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = reader->devices[i]->fd, .events = POLLIN};
	fds[count] = (struct pollfd){.fd = reader->out->fd, .events = POLLIN};
	fds[count + 1] = (struct pollfd){
		.fd = reader->monitor ? udev_monitor_get_fd(reader->monitor) : -1,
		.events = POLLIN,
	};
	fds[count + 2] = (struct pollfd){
		.fd = reader->link->seat ? seat_fd(reader->link->seat) : -1,
		.events = POLLIN,
	};
	r = wait_for(fds, count + 3, deadline_ns);
	if (r < 0)
		return r;
	reader->most = 0;
	/* requests first, which may hold keys back; then the keys */
	if (fds[count].revents) {
		r = recorder_link_dispatch(reader->link);
		if (r != 0)
			return r;
	}
	if (fds[count + 2].revents)
		update_seat(reader);
	/* backwards, because a removal moves the last device into its place */
	for (size_t i = reader->link->seat_lost_ns ? 0 : count; i > 0; i--) {
		if (!fds[i - 1].revents)
			continue;
		if (drain(reader, reader->devices[i - 1]) < 0)
			remove_device(reader, i - 1);
	}
	if (redactor_is_unsettled(reader->redactor))
		settle(reader);
	update_poll_interval(reader);
	if (fds[count + 1].revents)
		handle_hotplug(reader);
	return 0;
}

static void reader_finish(struct evdev_reader *reader)
{
	int64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < reader->count; i++) {
		evdev_report_at_stop(reader->devices[i], reader->link, now_ns);
		input_batch_flush(&reader->devices[i]->batch, reader->out);
		evdev_overflow_flush(reader->devices[i], reader->link, now_ns);
		evdev_device_destroy(reader->devices[i]);
	}
	recorder_link_finish(reader->link, now_ns);
	if (reader->monitor)
		udev_monitor_unref(reader->monitor);
	if (reader->udev)
		udev_unref(reader->udev);
}

static int reader_start(struct evdev_reader *reader, struct error *reterr)
{
	char text[120];

	watch_hotplug(reader); /* first, so that no device is missed */
	if (recorder_link_update_seat(reader->link) != SEAT_UNCHANGED) {
		input_out_ready(reader->out, "evdev: devices, once the session is unlocked");
		return 0;
	}
	scan_devices(reader);
	if (reader->count == 0 && reader->refused > 0)
		return error_set(reterr, -EACCES,
			"%u input devices, none readable by this user: install the uxrec-inputd "
			"service, or record X11 input with --input x11",
			reader->refused);
	if (reader->count == 0 && reader->excluded > 0)
		return error_set(reterr, -ENODEV, "%u input devices, none of them selected",
			reader->excluded);
	if (reader->count == 0)
		return error_set(reterr, -ENODEV, "no input device in " INPUT_FOLDER);
	snprintf(text, sizeof(text), "evdev: %zu device%s", reader->count,
		reader->count == 1 ? "" : "s");
	if (reader->refused > 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"; %u not readable by this user", reader->refused);
	input_out_ready(reader->out, text);
	return 0;
}

int evdev_run(struct recorder_link *link, struct error *reterr)
{
	struct evdev_reader reader = {.link = link,
		.out = &link->out,
		.redactor = &link->redactor,
		.next_number = 1,
		.poll_interval_ns = POLL_INTERVAL_NS};
	int r = reader_start(&reader, reterr);

	while (r == 0 && !reader.out->failed)
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
			readable = evdev_is_keyboard(evdev) || evdev_is_pointer(evdev);
			libevdev_free(evdev);
		}
		close(fd);
	}
	closedir(folder);
	return readable;
}
