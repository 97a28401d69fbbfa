/*
 * Runs inside the virtual machine, as root, on a real kernel: events of devices made by uinput are compared, one by
 * one, with other readings of the same devices.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* ---- maximum number ---- */

static size_t event_goal(void)
{
	return getenv("UXREC_VM_LONG") ? 100000 : 3000;
}

static void type_report(struct lab_device *device, int i)
{
	lab_send(device, EV_MSC, MSC_SCAN, 0x70004 + i / 2 % 26);
	lab_send(device, EV_KEY, (unsigned)(KEY_Q + i / 2 % 10), i % 2 == 0);
	lab_report(device);
}

static void move_report(struct lab_device *device, int i)
{
	lab_send(device, EV_REL, REL_X, i % 7 + 1);
	lab_send(device, EV_REL, REL_Y, -(i % 5) - 1);
	if (i % 100 == 0)
		lab_send(device, EV_REL, REL_WHEEL, 1);
	if (i % 50 == 0)
		lab_send(device, EV_KEY, BTN_LEFT, i / 50 % 2 == 0);
	lab_report(device);
}

/* each contact starts, moves for a while and ends, all ten at different times */
static void touch_report(struct lab_device *device, int i)
{
	int slot = i % 10, age = i / 10 % 20;

	lab_send(device, EV_ABS, ABS_MT_SLOT, slot);
	if (age == 0)
		lab_send(device, EV_ABS, ABS_MT_TRACKING_ID, i % 65536);
	if (age < 19) {
		lab_send(device, EV_ABS, ABS_MT_POSITION_X, 400 * slot + age);
		lab_send(device, EV_ABS, ABS_MT_POSITION_Y, 100 + 100 * age);
		lab_send(device, EV_ABS, ABS_MT_PRESSURE, 10 + age);
	} else {
		lab_send(device, EV_ABS, ABS_MT_TRACKING_ID, -1);
	}
	lab_report(device);
}

static void draw_report(struct lab_device *device, int i)
{
	bool down = i % 40 < 30;

	lab_send(device, EV_KEY, BTN_TOOL_PEN, i % 200 < 190);
	lab_send(device, EV_KEY, BTN_TOUCH, down);
	lab_send(device, EV_ABS, ABS_X, i * 13 % 44000);
	lab_send(device, EV_ABS, ABS_Y, i * 7 % 27000);
	lab_send(device, EV_ABS, ABS_PRESSURE, down ? 100 + i % 8000 : 0);
	lab_send(device, EV_ABS, ABS_TILT_X, i % 100 - 50);
	lab_send(device, EV_ABS, ABS_TILT_Y, 50 - i % 90);
	lab_report(device);
}

/* at most as many at once as the kernel's smallest queue holds */
static void make_events(struct lab_device *device,
	void (*make_report)(struct lab_device *device, int i), size_t goal)
{
	for (int i = 0; device->count < goal; i++) {
		make_report(device, i);
		if (i % 4 < 3)
			continue;
		lab_read(device);
		sleep_ms(1);
	}
	lab_read(device);
}

static void all_is_recorded(const char *name, const struct lab_ability *abilities,
	void (*make_report)(struct lab_device *device, int i))
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device device;
	int64_t begun_ns;
	double seconds;
	size_t equal;

	lab_device_make(&device, name, abilities);
	lab_record(&recording, "full");
	begun_ns = clock_now_ns();
	make_events(&device, make_report, event_goal());
	seconds = (double)(clock_now_ns() - begun_ns) / NS_PER_S;
	file = lab_recording_end(&recording);
	equal = lab_file_compare(file, &device);
	printf("# %s: %zu of %zu events in %.1f s are in the file, once, with their times\n", name,
		equal, device.count, seconds);
	expect(equal == device.count && equal >= event_goal());
	expect(lab_file_overflows(file) == 0);
	lab_device_remove(&device);
}

static void keyboard_is_recorded(void)
{
	all_is_recorded("uxrec test keyboard", lab_keyboard, type_report);
}

static void mouse_is_recorded(void)
{
	all_is_recorded("uxrec test mouse", lab_mouse, move_report);
}

static void touchscreen_is_recorded(void)
{
	all_is_recorded("uxrec test touchscreen", lab_touchscreen, touch_report);
}

static void tablet_is_recorded(void)
{
	all_is_recorded("uxrec test tablet", lab_tablet, draw_report);
}

/* ---- beside evemu ---- */

/*
 * evemu-record prints "E: SECONDS TYPE CODE VALUE", type and code in hexadecimal, seconds since its first event.
 * Convert that to the device's own independent reading.
 */
static size_t read_evemu(const char *text, struct lab_device *device)
{
	int64_t first_us = 0;
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, "\nE: ")); at++) {
		struct input_event *event = &device->events[count];
		long seconds, microseconds;
		unsigned type, code;
		int value;
		int64_t us;

		check(count < device->count);
		check(sscanf(at, "\nE: %ld.%ld %x %x %d", &seconds, &microseconds, &type, &code,
			      &value) == 5);
		us = event->input_event_sec * 1000000 + event->input_event_usec;
		if (count == 0)
			first_us = us - seconds * 1000000 - microseconds;
		us = first_us + seconds * 1000000 + microseconds;
		*event = (struct input_event){.type = (uint16_t)type,
			.code = (uint16_t)code,
			.value = value,
			.input_event_sec = us / 1000000,
			.input_event_usec = us % 1000000};
		count++;
	}
	return count;
}

static void evemu_agrees(void)
{
	static const struct {
		const char *name;
		const struct lab_ability *abilities;
		void (*make_report)(struct lab_device *device, int i);
	} kinds[] = {
		{"uxrec evemu keyboard", lab_keyboard, type_report},
		{"uxrec evemu mouse", lab_mouse, move_report},
		{"uxrec evemu touchscreen", lab_touchscreen, touch_report},
	};
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device devices[ARRAY_SIZE(kinds)];
	struct child evemu[ARRAY_SIZE(kinds)];

	if (!has_program("evemu-record")) {
		skip_test("no evemu-record");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		lab_device_make(&devices[i], kinds[i].name, kinds[i].abilities);
		evemu[i] = lab_evemu(&devices[i]);
	}
	lab_record(&recording, "full");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		make_events(
			&devices[i], kinds[i].make_report, getenv("UXREC_VM_LONG") ? 3000 : 1000);
	sleep_ms(500);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		end_child(&evemu[i], SIGINT);
	file = lab_recording_end(&recording);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_autofree_ char *text = child_output(&evemu[i]);
		size_t count = read_evemu(text, &devices[i]);

		printf("# %s: evemu-record and the file have the same %zu events\n", kinds[i].name,
			count);
		expect(count == devices[i].count);
		expect(lab_file_compare(file, &devices[i]) == count);
		lab_device_remove(&devices[i]);
	}
}

/* ---- wheels and switches ---- */

static void wheels_and_switches_are_recorded(void)
{
	static const struct lab_ability switches[] = {
		{EV_SW, SW_LID, SW_TABLET_MODE, 0, 0, 0},
		{EV_SW, SW_HEADPHONE_INSERT, SW_HEADPHONE_INSERT, 0, 0, 0},
		{0},
	};
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device mouse, lid;
	size_t seen = 0;

	lab_device_make(&mouse, "uxrec wheel", lab_mouse);
	lab_device_make(&lid, "uxrec lid", switches);
	lab_send(&lid, EV_SW, SW_TABLET_MODE, 1);
	lab_report(&lid);
	lab_record(&recording, "none");
	lid.count = 0;
	lab_read(&lid); /* the event before the recording is not in it */
	lid.count = 0;
	for (int i = 1; i <= 16; i++) {
		lab_send(&mouse, EV_REL, REL_WHEEL_HI_RES, 15);
		lab_send(&mouse, EV_REL, REL_HWHEEL_HI_RES, -15);
		if (i % 8 == 0)
			lab_send(&mouse, EV_REL, REL_WHEEL, 1);
		lab_report(&mouse);
		lab_send(&lid, EV_SW, SW_LID, i % 2);
		lab_report(&lid);
		sleep_ms(2);
	}
	lab_send(&lid, EV_SW, SW_HEADPHONE_INSERT, 1); /* not recorded */
	lab_report(&lid);
	lab_read(&mouse);
	lab_read(&lid);
	lid.count -= 2;
	file = lab_recording_end(&recording);
	expect(lab_file_compare(file, &mouse) == mouse.count && mouse.count == 50);
	expect(lab_file_compare(file, &lid) == lid.count && lid.count == 32);
	for (size_t i = 0; i < file->count; i++)
		seen += file->events[i].found == UXREC__FOUND__FOUND_AT_START &&
			file->events[i].what == UXREC__CONTROL__CONTROL_SWITCH_TABLET_MODE &&
			file->events[i].value == 1;
	expect(seen == 1); /* it was folded at the start of the recording */
	lab_device_remove(&mouse);
	lab_device_remove(&lid);
}

/* ---- pressed keys and buttons ---- */

static size_t count_of(const struct lab_file *file, uint32_t device, uint16_t channel, int32_t what,
	int32_t value, Uxrec__Found found)
{
	size_t count = 0;

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		count += seen->device == device && seen->channel == channel && seen->what == what &&
			seen->value == value && seen->found == found;
	}
	return count;
}

static void held_is_known(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device keyboard, mouse;
	uint32_t k, m;

	lab_device_make(&keyboard, "uxrec held keyboard", lab_keyboard);
	lab_device_make(&mouse, "uxrec held mouse", lab_mouse);
	lab_send(&keyboard, EV_KEY, KEY_LEFTSHIFT, 1);
	lab_report(&keyboard);
	lab_send(&mouse, EV_KEY, BTN_RIGHT, 1);
	lab_report(&mouse);
	lab_record(&recording, "full");
	lab_send(&keyboard, EV_KEY, KEY_LEFTSHIFT, 0);
	lab_send(&keyboard, EV_KEY, KEY_B, 1);
	lab_report(&keyboard);
	lab_send(&mouse, EV_KEY, BTN_LEFT, 1);
	lab_report(&mouse);
	file = lab_recording_end(&recording);
	k = lab_file_device(file, "uxrec held keyboard")->device;
	m = lab_file_device(file, "uxrec held mouse")->device;
	/* keys found at the start, and at the stop */
	expect(count_of(file, k, CHANNEL_KEYS, KEY_LEFTSHIFT,
		       UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN, 0) == 1);
	expect(count_of(file, k, CHANNEL_KEYS, KEY_B, UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN,
		       0) == 1);
	expect(count_of(file, m, CHANNEL_CONTROLS, UXREC__CONTROL__CONTROL_BUTTON_RIGHT, 1,
		       UXREC__FOUND__FOUND_AT_START) == 1);
	expect(count_of(file, m, CHANNEL_CONTROLS, UXREC__CONTROL__CONTROL_BUTTON_RIGHT, 1,
		       UXREC__FOUND__FOUND_AT_STOP) == 1);
	expect(count_of(file, m, CHANNEL_CONTROLS, UXREC__CONTROL__CONTROL_BUTTON_LEFT, 1,
		       UXREC__FOUND__FOUND_AT_STOP) == 1);
	expect(count_of(file, m, CHANNEL_CONTROLS, UXREC__CONTROL__CONTROL_BUTTON_LEFT, 1,
		       UXREC__FOUND__FOUND_AT_START) == 0);
	lab_device_remove(&keyboard);
	lab_device_remove(&mouse);
}

static void repeats_are_kept(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct libevdev *evdev = libevdev_new();
	struct lab_device keyboard;
	int delay = 200, period = 50;
	size_t repeats;
	uint32_t k;

	/* the kernel's own autorepeat, as for every keyboard without one */
	libevdev_set_name(evdev, "uxrec repeating keyboard");
	for (unsigned code = KEY_ESC; code <= KEY_DELETE; code++)
		libevdev_enable_event_code(evdev, EV_KEY, code, NULL);
	libevdev_enable_event_code(evdev, EV_REP, REP_DELAY, &delay);
	libevdev_enable_event_code(evdev, EV_REP, REP_PERIOD, &period);
	lab_device_make_of(&keyboard, evdev);
	lab_record(&recording, "full");
	lab_send(&keyboard, EV_KEY, KEY_A, 1);
	lab_report(&keyboard);
	sleep_ms(1000);
	lab_send(&keyboard, EV_KEY, KEY_A, 0);
	lab_report(&keyboard);
	lab_read(&keyboard);
	file = lab_recording_end(&recording);
	expect(lab_file_compare(file, &keyboard) == keyboard.count);
	k = lab_file_device(file, "uxrec repeating keyboard")->device;
	repeats = count_of(file, k, CHANNEL_KEYS, KEY_A, UXREC__KEY_ACTION__KEY_ACTION_REPEAT, 0);
	expect(repeats >= 3);
	expect(count_of(file, k, CHANNEL_KEYS, KEY_A, UXREC__KEY_ACTION__KEY_ACTION_PRESS, 0) == 1);
	lab_device_remove(&keyboard);
}

/* a receiver that is keyboard and mouse in one */
static void buttons_do_not_repeat(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct libevdev *evdev = libevdev_new();
	struct lab_device receiver;
	int delay = 200, period = 50;
	size_t repeated = 0;
	uint32_t number;

	libevdev_set_name(evdev, "uxrec receiver");
	libevdev_enable_event_code(evdev, EV_KEY, KEY_A, NULL);
	libevdev_enable_event_code(evdev, EV_KEY, BTN_LEFT, NULL);
	libevdev_enable_event_code(evdev, EV_REL, REL_X, NULL);
	libevdev_enable_event_code(evdev, EV_REL, REL_Y, NULL);
	libevdev_enable_event_code(evdev, EV_REP, REP_DELAY, &delay);
	libevdev_enable_event_code(evdev, EV_REP, REP_PERIOD, &period);
	lab_device_make_of(&receiver, evdev);
	lab_record(&recording, "none");
	for (int value = 1; value >= 0; value--) {
		lab_send(&receiver, EV_KEY, BTN_LEFT, value);
		lab_report(&receiver);
		sleep_ms(600);
	}
	lab_read(&receiver);
	file = lab_recording_end(&recording);
	number = lab_file_device(file, "uxrec receiver")->device;
	for (size_t i = 0; i < receiver.count; i++)
		repeated += receiver.events[i].type == EV_KEY && receiver.events[i].value == 2;
	expect(repeated >= 3); /* in the kernel's events */
	for (int value = 0; value <= 2; value++)
		expect(count_of(file, number, CHANNEL_CONTROLS, UXREC__CONTROL__CONTROL_BUTTON_LEFT,
			       value, 0) == (value < 2));
	lab_device_remove(&receiver);
}

/* ---- pauses ---- */

static void nothing_of_a_pause_is_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device keyboard, mouse;
	int64_t paused_ns, resumed_ns;
	size_t during = 0, pressed = 0;

	lab_device_make(&keyboard, "uxrec paused keyboard", lab_keyboard);
	lab_device_make(&mouse, "uxrec paused mouse", lab_mouse);
	lab_record(&recording, "full");
	expect(lab_open_inputs() >= 2);
	lab_tap(&keyboard, KEY_A);
	sleep_ms(50);
	lab_pause(&recording);
	paused_ns = clock_now_ns();
	expect(lab_open_inputs() == 0);
	for (int i = 0; i < 20; i++) {
		lab_tap(&keyboard, KEY_P);
		lab_send(&mouse, EV_REL, REL_X, 7777);
		lab_report(&mouse);
		sleep_ms(5);
	}
	expect(lab_open_inputs() == 0);
	resumed_ns = clock_now_ns();
	lab_resume(&recording);
	expect(lab_open_inputs() >= 2);
	lab_tap(&keyboard, KEY_Z);
	file = lab_recording_end(&recording);
	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		during += (seen->time_ns > paused_ns && seen->time_ns < resumed_ns) ||
			(seen->channel == CHANNEL_KEYS && seen->what == KEY_P) ||
			seen->value == 7777;
		pressed += seen->channel == CHANNEL_KEYS && seen->value == 1 &&
			(seen->what == KEY_A || seen->what == KEY_Z);
	}
	expect(during == 0 && pressed == 2);
	lab_device_remove(&keyboard);
	lab_device_remove(&mouse);
}

/* ---- shortcuts ---- */

static void record_shortcuts(struct lab_recording *recording)
{
	lab_record(recording, "classes"); /* with its daemon, replace the session */
	lab_stop(recording);
	lab_start(recording, "study: Keys\nshortcuts: true\ntasks: [{id: one, title: Do it}]\n",
		"classes");
}

struct kept {
	size_t count;
	uint32_t codes[8];
};

static int keep(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__ShortcutBatch *batch = (const void *)unpacked;
	struct kept *kept = user;

	(void)message;
	for (size_t i = 0; i < batch->n_code && kept->count < ARRAY_SIZE(kept->codes); i++)
		kept->codes[kept->count++] = batch->code[i];
	return 0;
}

static void hold(struct lab_device *device, unsigned code, int value)
{
	lab_send(device, EV_KEY, code, value);
	lab_report(device);
	sleep_ms(20);
}

/* while a client grabs a keyboard its releases reach no one else */
static void only_what_the_kernel_has_down_makes_shortcuts(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	_destroy_(session) struct session *session = NULL;
	struct lab_recording recording;
	struct lab_device keyboard, other;
	struct kept kept = {0};
	int grabber;

	lab_device_make(&keyboard, "uxrec shortcut keyboard", lab_keyboard);
	lab_device_make(&other, "uxrec other keyboard", lab_keyboard);
	grabber = open(keyboard.node, O_RDONLY | O_CLOEXEC);
	check(grabber >= 0);
	hold(&keyboard, KEY_LEFTCTRL, 1);
	record_shortcuts(&recording);
	lab_tap(&other, KEY_A); /* no shortcut: Ctrl was pressed before reading began */
	hold(&keyboard, KEY_LEFTCTRL, 0);
	hold(&keyboard, KEY_LEFTCTRL, 1);
	lab_tap(&other, KEY_S); /* kept */
	sleep_ms(100);
	check(ioctl(grabber, EVIOCGRAB, 1) == 0);
	hold(&keyboard, KEY_LEFTCTRL, 0);
	check(ioctl(grabber, EVIOCGRAB, 0) == 0);
	lab_tap(&other, KEY_B);
	lab_tap(&keyboard, KEY_C);
	hold(&keyboard, KEY_LEFTCTRL, 1);
	lab_tap(&keyboard, KEY_T); /* kept */
	hold(&keyboard, KEY_RIGHTALT, 1);
	lab_tap(&keyboard, KEY_Q); /* AltGr */
	hold(&keyboard, KEY_RIGHTALT, 0);
	lab_device_remove(&keyboard);
	sleep_ms(300);
	lab_tap(&other, KEY_D);
	/* the right one is a level shift on many layouts, and there is no keymap to query */
	hold(&other, KEY_RIGHTCTRL, 1);
	lab_tap(&other, KEY_F);
	hold(&other, KEY_RIGHTCTRL, 0);
	sleep_ms(300);
	file = lab_recording_end(&recording);
	session = daemon_session(&recording.daemon, recording.id);
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_SHORTCUTS, keep,
		      &kept) == 0);
	expect(kept.count == 2 && kept.codes[0] == KEY_S && kept.codes[1] == KEY_T);
	close(grabber);
	lab_device_remove(&other);
}

static const struct test tests[] = {
	{"every event of a keyboard is recorded once, with the kernel's time",
		keyboard_is_recorded},
	{"every event of a mouse is recorded once, with the kernel's time", mouse_is_recorded},
	{"every event of a touchscreen with ten contacts is recorded once, with the kernel's time",
		touchscreen_is_recorded},
	{"every event of a pen with pressure and tilt is recorded once, with the kernel's time",
		tablet_is_recorded},
	{"evemu-record has the same events, codes, values and times", evemu_agrees},
	{"wheels of high resolution, lid and tablet mode are recorded, other switches are not",
		wheels_and_switches_are_recorded},
	{"keys and buttons held at the start and at the stop are found", held_is_known},
	{"keys that repeat are kept, and marked", repeats_are_kept},
	{"buttons of a device with keys do not repeat, though the kernel's do",
		buttons_do_not_repeat},
	{"only modifiers that the kernel has down make shortcuts",
		only_what_the_kernel_has_down_makes_shortcuts},
	{"nothing of a pause is recorded, and no device is open in it",
		nothing_of_a_pause_is_recorded},
};

int main(void)
{
	return RUN_TESTS("vm events", tests) + lab_end();
}
