/*
 * Runs inside the virtual machine, as root, on a real kernel: recordings of events that the kernel drops, and of
 * devices that misbehave.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/uinput.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* ---- overflows ---- */

struct overflow {
	struct lab_recording recording;
	pid_t inputd;
	int64_t from_ns, to_ns; /* while uxrec-inputd was stopped */
};

static void stand_still(struct overflow *overflow)
{
	sleep_ms(100); /* events sent before are read */
	overflow->inputd = lab_inputd(&overflow->recording);
	check(overflow->inputd > 0 && kill(overflow->inputd, SIGSTOP) == 0);
	overflow->from_ns = clock_now_ns();
}

static void go_on(struct overflow *overflow)
{
	overflow->to_ns = clock_now_ns();
	check(kill(overflow->inputd, SIGCONT) == 0);
	sleep_ms(200);
}

/* Expect this one gap, and no event of the independent reading missing outside it. */
static void expect_gap(const struct lab_file *file, struct lab_device *device,
	const struct overflow *overflow, const char *lost)
{
	const struct lab_gap *gap = &file->gaps[0];
	size_t kept = 0;

	for (size_t i = 0; i < file->gap_count; i++)
		if (file->gaps[i].reason == UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW)
			gap = &file->gaps[i];
	check(lab_file_overflows(file) == 1);
	printf("# gap of %.1f ms: %s\n", (double)(gap->to_ns - gap->from_ns) / NS_PER_MS,
		gap->detail);
	expect(gap->from_ns <= overflow->from_ns && gap->to_ns >= overflow->to_ns);
	expect(strstr(gap->detail, lost) != NULL);
	expect(gap->topics > 0);
	for (size_t i = 0; i < device->count; i++) {
		const struct input_event *event = &device->events[i];
		int64_t time_ns =
			event->input_event_sec * NS_PER_S + event->input_event_usec * NS_PER_US;

		if (time_ns <= gap->from_ns || time_ns > gap->to_ns)
			device->events[kept++] = *event;
	}
	expect(kept < device->count);
	device->count = kept;
	expect(lab_file_compare(file, device) == kept);
}

static void keys_after_an_overflow_are_known(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	unsigned char kernel[KEY_CNT / 8 + 1] = {0}, down[KEY_CNT] = {0};
	size_t found_up = 0, found_down = 0, different = 0;
	struct overflow overflow;
	struct lab_device keyboard;
	uint32_t number;

	lab_device_make(&keyboard, "uxrec flooded keyboard", lab_keyboard);
	lab_record(&overflow.recording, "full");
	lab_send(&keyboard, EV_KEY, KEY_A, 1);
	lab_send(&keyboard, EV_KEY, KEY_B, 1);
	lab_report(&keyboard);
	stand_still(&overflow);
	lab_send(&keyboard, EV_KEY, KEY_A, 0);
	lab_send(&keyboard, EV_KEY, KEY_C, 1);
	lab_report(&keyboard);
	for (int i = 0; i < 300; i++) {
		lab_tap(&keyboard, KEY_D);
		lab_read(&keyboard);
	}
	go_on(&overflow);
	for (int i = 0; i < 10; i++)
		lab_tap(&keyboard, KEY_E);
	lab_read(&keyboard);
	check(ioctl(keyboard.fd, EVIOCGKEY(sizeof(kernel)), kernel) >= 0);
	file = lab_recording_end(&overflow.recording);
	number = lab_file_device(file, "uxrec flooded keyboard")->device;
	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		if (seen->device != number || seen->channel != CHANNEL_KEYS)
			continue;
		down[seen->what] = seen->value != UXREC__KEY_ACTION__KEY_ACTION_RELEASE &&
			seen->value != UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP;
		found_up += seen->what == KEY_A &&
			seen->value == UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP;
		found_down += seen->what == KEY_C &&
			seen->value == UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN;
	}
	for (size_t code = 0; code < KEY_CNT; code++)
		different += down[code] != (kernel[code / 8] >> code % 8 & 1);
	expect(different == 0 && down[KEY_B] && down[KEY_C] && !down[KEY_A]);
	expect(found_up == 1 && found_down == 2); /* after the overflow, and at the stop */
	expect_gap(file, &keyboard, &overflow, "keys pressed and released");
	lab_device_remove(&keyboard);
}

#define SLOTS 10

struct contact {
	int id, x, y;
};

static void touch(struct lab_device *device, int slot, struct contact contact)
{
	lab_send(device, EV_ABS, ABS_MT_SLOT, slot);
	lab_send(device, EV_ABS, ABS_MT_TRACKING_ID, contact.id);
	if (contact.id >= 0) {
		lab_send(device, EV_ABS, ABS_MT_POSITION_X, contact.x);
		lab_send(device, EV_ABS, ABS_MT_POSITION_Y, contact.y);
	}
	lab_report(device);
}

/* contacts as a reader of the session has them at its end */
static void fold_contacts(const struct lab_file *file, uint32_t device, struct contact *contacts)
{
	int slot = 0;

	for (int i = 0; i < SLOTS; i++)
		contacts[i] = (struct contact){-1, 0, 0};
	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		if (seen->device != device || seen->channel != CHANNEL_CONTROLS)
			continue;
		switch (seen->what) {
		case UXREC__CONTROL__CONTROL_MT_SLOT: slot = seen->value; break;
		case UXREC__CONTROL__CONTROL_MT_TRACKING_ID: contacts[slot].id = seen->value; break;
		case UXREC__CONTROL__CONTROL_MT_X: contacts[slot].x = seen->value; break;
		case UXREC__CONTROL__CONTROL_MT_Y: contacts[slot].y = seen->value; break;
		default: break;
		}
		check(slot >= 0 && slot < SLOTS);
	}
}

static void kernel_values(int fd, int code, int *values)
{
	struct {
		__u32 code;
		__s32 values[SLOTS];
	} request = {.code = (__u32)code};

	check(ioctl(fd, EVIOCGMTSLOTS(sizeof(request)), &request) >= 0);
	memcpy(values, request.values, sizeof(request.values));
}

static void contacts_after_an_overflow_are_known(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct contact contacts[SLOTS];
	int ids[SLOTS], xs[SLOTS], ys[SLOTS];
	struct overflow overflow;
	struct lab_device screen;
	size_t marked = 0;

	lab_device_make(&screen, "uxrec flooded touchscreen", lab_touchscreen);
	lab_record(&overflow.recording, "none");
	for (int i = 0; i < 5; i++)
		touch(&screen, i, (struct contact){100 + i, 10 * i, 20 * i});
	stand_still(&overflow);
	touch(&screen, 0, (struct contact){-1, 0, 0}); /* lifted */
	touch(&screen, 1, (struct contact){-1, 0, 0}); /* another finger in the same slot */
	touch(&screen, 1, (struct contact){200, 33, 44});
	touch(&screen, 7, (struct contact){207, 70, 71}); /* a new one */
	for (int i = 0; i < 600; i++) {
		lab_send(&screen, EV_ABS, ABS_MT_SLOT, 2);
		lab_send(&screen, EV_ABS, ABS_MT_POSITION_X, 500 + i);
		lab_report(&screen);
		lab_read(&screen);
	}
	go_on(&overflow);
	lab_send(&screen, EV_ABS, ABS_MT_POSITION_Y, 999); /* still in slot 2 */
	lab_report(&screen);
	lab_read(&screen);
	kernel_values(screen.fd, ABS_MT_TRACKING_ID, ids);
	kernel_values(screen.fd, ABS_MT_POSITION_X, xs);
	kernel_values(screen.fd, ABS_MT_POSITION_Y, ys);
	file = lab_recording_end(&overflow.recording);
	fold_contacts(file, lab_file_device(file, "uxrec flooded touchscreen")->device, contacts);
	for (int i = 0; i < SLOTS; i++) {
		expect(contacts[i].id == ids[i]);
		expect(ids[i] < 0 || (contacts[i].x == xs[i] && contacts[i].y == ys[i]));
	}
	expect(ids[1] == 200 && ids[7] == 207 && xs[2] == 1099 && ys[2] == 999);
	for (size_t i = 0; i < file->count; i++)
		marked += file->events[i].what == UXREC__CONTROL__CONTROL_FOUND &&
			file->events[i].found == UXREC__FOUND__FOUND_AFTER_OVERFLOW;
	expect(marked == 1);
	expect_gap(file, &screen, &overflow, "contacts");
	lab_device_remove(&screen);
}

static void overflow_of_a_mouse_is_told(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct overflow overflow;
	struct lab_device mouse;

	lab_device_make(&mouse, "uxrec flooded mouse", lab_mouse);
	lab_record(&overflow.recording, "classes");
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 300; i++) {
			lab_send(&mouse, EV_REL, REL_X, 1 + turn);
			lab_send(&mouse, EV_KEY, BTN_LEFT, i % 2);
			lab_report(&mouse);
			lab_read(&mouse);
			if (turn == 1 && i % 8 == 0)
				sleep_ms(1);
			if (turn == 0 && i == 20)
				stand_still(&overflow);
		}
		if (turn == 0)
			go_on(&overflow);
	}
	file = lab_recording_end(&overflow.recording);
	expect_gap(file, &mouse, &overflow, "motion, wheel steps and clicks");
	lab_device_remove(&mouse);
}

/* ---- odd devices ---- */

/* The kernel lets any opener of a device change the ranges of its axes, to any values. */
static void absurd_axes_are_recorded(void)
{
	static const struct input_absinfo absurd[] = {
		{.minimum = 1000, .maximum = -1000, .resolution = -5},
		{.minimum = INT_MIN,
			.maximum = INT_MAX,
			.fuzz = INT_MAX,
			.flat = INT_MIN,
			.resolution = INT_MAX},
	};
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device screen;
	const Uxrec__InputDevice *device;
	size_t seen = 0;

	lab_device_make(&screen, "uxrec absurd", lab_touchscreen);
	check(ioctl(screen.fd, EVIOCSABS(ABS_X), &absurd[0]) == 0);
	check(ioctl(screen.fd, EVIOCSABS(ABS_MT_POSITION_X), &absurd[1]) == 0);
	lab_record(&recording, "classes");
	lab_send(&screen, EV_ABS, ABS_X, INT_MIN);
	lab_report(&screen);
	lab_send(&screen, EV_ABS, ABS_X, INT_MAX);
	lab_report(&screen);
	lab_read(&screen);
	file = lab_recording_end(&recording);
	expect(lab_file_compare(file, &screen) == screen.count && screen.count >= 2);
	device = lab_file_device(file, "uxrec absurd");
	for (size_t i = 0; i < device->n_axes; i++) {
		const Uxrec__InputDevice__Axis *axis = device->axes[i];

		seen += axis->control == UXREC__CONTROL__CONTROL_ABS_X && axis->minimum == 1000 &&
			axis->maximum == -1000 && axis->resolution == -5;
		seen += axis->control == UXREC__CONTROL__CONTROL_MT_X && axis->minimum == INT_MIN &&
			axis->maximum == INT_MAX && axis->resolution == INT_MAX;
	}
	expect(seen == 2);
	lab_device_remove(&screen);
}

/* Write as fast as possible, until killed or the device is removed. */
static pid_t flood(struct lab_device *mouse)
{
	static const struct input_event report[] = {
		{.type = EV_REL, .code = REL_X, .value = 1},
		{.type = EV_SYN, .code = SYN_REPORT},
	};
	int fd = libevdev_uinput_get_fd(mouse->uinput);
	pid_t child = fork();

	check(child >= 0);
	if (child > 0)
		return child;
	while (write(fd, report, sizeof(report)) == sizeof(report))
		;
	_exit(0);
}

static void one_floods_and_others_go_on(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device keyboard, mouse;
	int64_t begun_ns;
	pid_t child;
	int status;

	lab_device_make(&keyboard, "uxrec calm keyboard", lab_keyboard);
	lab_device_make(&mouse, "uxrec mad mouse", lab_mouse);
	lab_record(&recording, "full");
	begun_ns = clock_now_ns();
	child = flood(&mouse);
	for (int i = 0; i < 100; i++) {
		lab_tap(&keyboard, (unsigned)(KEY_Q + i % 10));
		lab_read(&keyboard);
		sleep_ms(10);
	}
	kill(child, SIGKILL);
	check(waitpid(child, &status, 0) == child);
	sleep_ms(300);
	file = lab_recording_end(&recording);
	expect(lab_file_compare(file, &keyboard) == 400);
	printf("# meanwhile %zu events of the other, %zu gaps of overflows\n", file->count - 200,
		lab_file_overflows(file));
	/* one a second, and this machine may be slow */
	expect(lab_file_overflows(file) <= (size_t)((clock_now_ns() - begun_ns) / NS_PER_S) + 1);
	lab_device_remove(&keyboard);
	lab_device_remove(&mouse);
}

static void devices_vanish_while_read(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device keyboard, mice[8];
	size_t came = 0, went = 0;
	int status, inputs;

	lab_device_make(&keyboard, "uxrec staying keyboard", lab_keyboard);
	lab_record(&recording, "full");
	inputs = lab_open_inputs();
	for (size_t i = 0; i < ARRAY_SIZE(mice); i++) {
		pid_t child;

		lab_device_make(&mice[i], "uxrec vanishing mouse", lab_mouse);
		lab_await_inputs(inputs + 1);
		child = flood(&mice[i]);
		sleep_ms(50);
		check(ioctl(libevdev_uinput_get_fd(mice[i].uinput), UI_DEV_DESTROY) == 0);
		kill(child, SIGKILL);
		check(waitpid(child, &status, 0) == child);
		lab_device_remove(&mice[i]);
		lab_await_inputs(inputs);
		lab_tap(&keyboard, KEY_A);
		lab_read(&keyboard);
	}
	file = lab_recording_end(&recording);
	expect(lab_file_compare(file, &keyboard) == 4 * ARRAY_SIZE(mice));
	for (size_t i = 0; i < file->device_count; i++)
		if (strcmp(file->devices[i].message->name, "uxrec vanishing mouse") == 0) {
			came += !file->devices[i].message->removed;
			went += file->devices[i].message->removed;
		}
	expect(came == ARRAY_SIZE(mice) && went == ARRAY_SIZE(mice));
	lab_device_remove(&keyboard);
}

static const struct test tests[] = {
	{"after an overflow held keys are known, and the loss is reported",
		keys_after_an_overflow_are_known},
	{"after an overflow contacts are known, and the loss is reported",
		contacts_after_an_overflow_are_known},
	{"the loss in a mouse's overflow is reported, and nothing else is missing",
		overflow_of_a_mouse_is_told},
	{"absurd axes are recorded as they are", absurd_axes_are_recorded},
	{"a device that floods does not keep others from being recorded",
		one_floods_and_others_go_on},
	{"devices that vanish while they are read end well", devices_vanish_while_read},
};

int main(void)
{
	return RUN_TESTS("vm trouble", tests) + lab_end();
}
