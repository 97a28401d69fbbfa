/*
 * Runs inside the virtual machine, as root, on a real kernel: devices made by uinput, and a tablet and
 * a keyboard on USB that QEMU's monitor drives from outside. What uxrecd recorded through libevdev is
 * compared with what was sent.
 */

#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"

#include "capture/input.h"
#include "protocol/base/clock.h"
#include "protocol/base/io.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"

#include <fcntl.h>
#include <grp.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVDEV_INPUT ((const char *[]){"--screen", "none", "--input", "evdev", NULL})

struct seen {
	int64_t time_ns;
	uint32_t device;
	uint16_t channel;
	int32_t what, value;
};

/* everything that a session holds about input */
struct input_file {
	struct seen events[20000];
	size_t count;
	struct {
		uint32_t device;
		char name[64];
		uint32_t bus;
		bool removed;
	} devices[64];
	size_t device_count;
	int64_t offset_ns;
};

static void see(struct input_file *file, struct seen seen)
{
	check(file->count < ARRAY_SIZE(file->events));
	file->events[file->count++] = seen;
}

static void see_device(struct input_file *file, const Uxrec__InputDevice *device)
{
	check(file->device_count < ARRAY_SIZE(file->devices));
	file->devices[file->device_count].device = device->device;
	file->devices[file->device_count].bus = device->bus;
	file->devices[file->device_count].removed = device->removed;
	snprintf(file->devices[file->device_count].name, 64, "%s", device->name);
	file->device_count++;
}

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct input_file *file = user;
	int64_t at_ns = message->time_ns;

	if (message->channel->known == CHANNEL_CLOCK) {
		file->offset_ns = ((const Uxrec__ClockSample *)unpacked)->utc_offset_ns;
	} else if (message->channel->known == CHANNEL_INPUT_DEVICES) {
		see_device(file, (const void *)unpacked);
	} else if (message->channel->known == CHANNEL_CONTROLS) {
		const Uxrec__ControlBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_control; i++)
			see(file,
				(struct seen){at_ns += batch->dt_us[i] * NS_PER_US, batch->device,
					CHANNEL_CONTROLS, batch->control[i], batch->value[i]});
	} else if (message->channel->known == CHANNEL_KEYS) {
		const Uxrec__KeyBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_code; i++)
			see(file,
				(struct seen){at_ns += batch->dt_us[i] * NS_PER_US, batch->device,
					CHANNEL_KEYS, (int32_t)batch->code[i], batch->action[i]});
	} else if (message->channel->known == CHANNEL_KEY_CLASSES) {
		const Uxrec__KeyClassBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_key_class; i++)
			see(file,
				(struct seen){at_ns += batch->dt_us[i] * NS_PER_US, batch->device,
					CHANNEL_KEY_CLASSES, batch->key_class[i],
					batch->action[i]});
	}
	return 0;
}

static struct input_file *read_input(const struct daemon_child *daemon, const char *id)
{
	_destroy_(session) struct session *session = daemon_session(daemon, id);
	struct input_file *file = calloc(1, sizeof(*file));

	check(file &&
		session_each(
			session, INT64_MIN, INT64_MAX, UINT64_MAX & ~UINT64_C(1), take, file) == 0);
	return file;
}

static uint32_t device_named(const struct input_file *file, const char *name)
{
	for (size_t i = 0; i < file->device_count; i++)
		if (strstr(file->devices[i].name, name))
			return file->devices[i].device;
	return 0;
}

/* ---- devices by uinput ---- */

struct uinput_device {
	struct libevdev *evdev;
	struct libevdev_uinput *uinput;
};

static struct uinput_device make_device(
	const char *name, unsigned type, unsigned first, unsigned last)
{
	struct uinput_device device = {.evdev = libevdev_new()};

	libevdev_set_name(device.evdev, name);
	for (unsigned code = first; code <= last; code++)
		libevdev_enable_event_code(device.evdev, type, code, NULL);
	if (type == EV_REL) {
		libevdev_enable_event_code(device.evdev, EV_REL, REL_WHEEL, NULL);
		libevdev_enable_event_code(device.evdev, EV_KEY, BTN_LEFT, NULL);
		libevdev_enable_event_code(device.evdev, EV_KEY, BTN_RIGHT, NULL);
	} else {
		libevdev_enable_event_code(device.evdev, EV_MSC, MSC_SCAN, NULL);
	}
	check(libevdev_uinput_create_from_device(
		      device.evdev, LIBEVDEV_UINPUT_OPEN_MANAGED, &device.uinput) == 0);
	sleep_ms(500); /* udev names the node, and whoever watches opens it */
	return device;
}

static void remove_device(struct uinput_device *device)
{
	libevdev_uinput_destroy(device->uinput);
	libevdev_free(device->evdev);
}

static void send(struct uinput_device *device, unsigned type, unsigned code, int value)
{
	check(libevdev_uinput_write_event(device->uinput, type, code, value) == 0);
}

/* ---- tests ---- */

#define KEYS 2000

static void keyboard_is_recorded(void)
{
	struct uinput_device keyboard =
		make_device("uxrec test keyboard", EV_KEY, KEY_ESC, KEY_DELETE);
	struct daemon_child daemon;
	struct input_file *file;
	int64_t before_ns[KEYS], after_ns[KEYS];
	size_t next = 0, wrong_times = 0;
	uint32_t device;
	char id[21];

	daemon_start(&daemon, temporary_folder(), EVDEV_INPUT);
	daemon_record(&daemon, "full", id);
	for (int i = 0; i < KEYS; i++) {
		before_ns[i] = clock_now_ns();
		send(&keyboard, EV_MSC, MSC_SCAN, 0x70004 + i / 2 % 26);
		send(&keyboard, EV_KEY, (unsigned)(KEY_Q + i / 2 % 10), i % 2 == 0);
		send(&keyboard, EV_SYN, SYN_REPORT, 0);
		after_ns[i] = clock_now_ns();
		if (i % 8 == 0)
			sleep_ms(4); /* the kernel's queue has room for 40 keys */
	}
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	file = read_input(&daemon, id);
	device = device_named(file, "uxrec test keyboard");
	check(device != 0);
	for (size_t i = 0; i < file->count; i++) {
		const struct seen *seen = &file->events[i];
		int64_t time_ns = seen->time_ns - file->offset_ns;

		if (seen->device != device)
			continue;
		check(seen->channel == CHANNEL_KEYS && next < KEYS);
		check(seen->what == KEY_Q + (int)(next / 2 % 10) && seen->value == (next % 2 == 0));
		/* the kernel's own time, to its microsecond */
		wrong_times += time_ns < before_ns[next] - NS_PER_US || time_ns > after_ns[next];
		next++;
	}
	expect(next == KEYS);
	expect(wrong_times == 0);
	free(file);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	remove_device(&keyboard);
}

static void mouse_is_recorded(void)
{
	struct uinput_device mouse = make_device("uxrec test mouse", EV_REL, REL_X, REL_Y);
	struct daemon_child daemon;
	struct input_file *file;
	int32_t x = 0, y = 0, wheel = 0;
	size_t frames = 0, presses = 0;
	uint32_t device;
	char id[21];

	daemon_start(&daemon, temporary_folder(), EVDEV_INPUT);
	daemon_record(&daemon, "none", id);
	for (int i = 0; i < 1000; i++) {
		send(&mouse, EV_REL, REL_X, i % 7 + 1);
		send(&mouse, EV_REL, REL_Y, -(i % 5) - 1);
		if (i % 100 == 0)
			send(&mouse, EV_REL, REL_WHEEL, 1);
		if (i % 50 == 0)
			send(&mouse, EV_KEY, BTN_LEFT, i / 50 % 2 == 0);
		send(&mouse, EV_SYN, SYN_REPORT, 0);
		if (i % 8 == 0)
			sleep_ms(1);
	}
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	file = read_input(&daemon, id);
	device = device_named(file, "uxrec test mouse");
	check(device != 0);
	for (size_t i = 0; i < file->count; i++) {
		const struct seen *seen = &file->events[i];

		if (seen->device != device)
			continue;
		check(seen->channel == CHANNEL_CONTROLS);
		x += seen->what == UXREC__CONTROL__CONTROL_REL_X ? seen->value : 0;
		y += seen->what == UXREC__CONTROL__CONTROL_REL_Y ? seen->value : 0;
		wheel += seen->what == UXREC__CONTROL__CONTROL_WHEEL ? seen->value : 0;
		frames += seen->what == UXREC__CONTROL__CONTROL_FRAME;
		presses += seen->what == UXREC__CONTROL__CONTROL_BUTTON_LEFT && seen->value;
	}
	expect(x == 3997 && y == -3000 && wheel == 10 && frames == 1000 && presses == 10);
	free(file);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	remove_device(&mouse);
}

static void hotplug_is_recorded(void)
{
	struct uinput_device keyboard;
	struct daemon_child daemon;
	struct input_file *file;
	bool came = false, went = false;
	size_t keys = 0;
	char id[21];

	daemon_start(&daemon, temporary_folder(), EVDEV_INPUT);
	daemon_record(&daemon, "classes", id);
	keyboard = make_device("uxrec hot keyboard", EV_KEY, KEY_ESC, KEY_DELETE);
	sleep_ms(1000);
	for (int i = 0; i < 20; i++) {
		send(&keyboard, EV_KEY, KEY_A, i % 2 == 0);
		send(&keyboard, EV_SYN, SYN_REPORT, 0);
	}
	sleep_ms(200);
	remove_device(&keyboard);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	file = read_input(&daemon, id);
	for (size_t i = 0; i < file->device_count; i++)
		if (strcmp(file->devices[i].name, "uxrec hot keyboard") == 0) {
			came |= !file->devices[i].removed;
			went |= file->devices[i].removed;
		}
	expect(came && went);
	for (size_t i = 0; i < file->count; i++)
		keys += file->events[i].channel == CHANNEL_KEY_CLASSES &&
			file->events[i].device == device_named(file, "uxrec hot keyboard");
	expect(keys == 20);
	free(file);
	expect(end_child(&daemon.child, SIGTERM) == 0);
}

static bool wait_for_file(const char *path, int seconds)
{
	for (int i = 0; i < seconds * 10; i++) {
		if (access(path, F_OK) == 0)
			return true;
		sleep_ms(100);
	}
	return false;
}

static void touch(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT, 0600));
}

/*
 * tests/vm/run types "secret" on the USB keyboard, whose every key also sends its scan code, and
 * clicks with the tablet at five places.
 */
static void usb_devices_are_recorded(void)
{
	static const int32_t places[][2] = {
		{1000, 2000}, {8000, 16000}, {16384, 16384}, {30000, 100}, {32767, 32767}};
	struct daemon_child daemon;
	struct input_file *file;
	uint32_t keyboard, tablet;
	int32_t x = -1, y = -1;
	size_t classes = 0, clicks = 0;
	char id[21];

	daemon_start(&daemon, temporary_folder(), EVDEV_INPUT);
	daemon_record(&daemon, "classes", id);
	touch("/vm-out/qmp-go");
	check(wait_for_file("/vm-out/qmp-done", 60));
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	file = read_input(&daemon, id);
	keyboard = device_named(file, "USB Keyboard");
	tablet = device_named(file, "USB Tablet");
	check(keyboard && tablet);
	for (size_t i = 0; i < file->count; i++) {
		const struct seen *seen = &file->events[i];

		check(seen->channel != CHANNEL_KEYS);
		if (seen->device == keyboard) {
			check(seen->channel == CHANNEL_KEY_CLASSES);
			check(seen->what == UXREC__KEY_CLASS__KEY_CLASS_LETTER);
			classes++;
		} else if (seen->device == tablet) {
			x = seen->what == UXREC__CONTROL__CONTROL_ABS_X ? seen->value : x;
			y = seen->what == UXREC__CONTROL__CONTROL_ABS_Y ? seen->value : y;
			if (seen->what != UXREC__CONTROL__CONTROL_BUTTON_LEFT || !seen->value)
				continue;
			check(clicks < ARRAY_SIZE(places));
			expect(x == places[clicks][0] && y == places[clicks][1]);
			clicks++;
		}
	}
	expect(classes == 12); /* six letters, pressed and released */
	expect(clicks == ARRAY_SIZE(places));
	free(file);
	expect(end_child(&daemon.child, SIGTERM) == 0);
}

/* ---- without permission ---- */

static void drop(struct packet_sink *sink, struct packet *packet)
{
	(void)sink;
	packet_unref(packet);
}

static void ignore(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	(void)reason;
}

static void refusal_is_told(void)
{
	char helper[256];
	int status;
	pid_t child;

	snprintf(helper, sizeof(helper), "%s/uxrec-inputd", build_folder());
	child = fork();
	if (child == 0) {
		struct session_clock clock = {0};
		struct packet_sink sink = {drop};
		const struct source_context context = {&clock, &sink, ignore, NULL};
		const struct input_options options = {.source = "evdev",
			.helper = helper,
			.keys = KEY_POLICY_CLASSES,
			.consent_id = ""};
		struct error error = {""};
		struct source *source;
		int r;

		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		r = input_source_create(&source, &context, &options, &error);
		_exit(r < 0 && strstr(error.text, "may read none of them") ? 0 : 1);
	}
	check(waitpid(child, &status, 0) == child);
	expect(status == 0);
}

static const struct test tests[] = {
	{"a uinput keyboard is recorded, each key once with the kernel's time",
		keyboard_is_recorded},
	{"a uinput mouse is recorded, motion, wheel and buttons", mouse_is_recorded},
	{"a device that comes and goes is recorded", hotplug_is_recorded},
	{"a user who may read no device is told what to do", refusal_is_told},
	{"a USB tablet and keyboard are recorded; classes hide scan codes",
		usb_devices_are_recorded},
};

int main(void)
{
	return RUN_TESTS("vm", tests);
}
