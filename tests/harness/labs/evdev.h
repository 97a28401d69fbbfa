#pragma once

#include "tests/harness/screens/desktop.h"

#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <linux/input.h>

/*
 * For what runs inside the virtual machine, as root: devices made by uinput, each with an independent
 * reading of the kernel's events beside it; what a session's file holds of input; and a hand outside of the
 * machine, which drives its devices by QEMU's monitor.
 */

/* ---- devices ---- */

struct lab_device {
	struct libevdev *evdev;
	struct libevdev_uinput *uinput;
	const char *node;           /* "/dev/input/event7" */
	int fd;                     /* the independent reading: raw, CLOCK_MONOTONIC */
	struct input_event *events; /* all that was read so far */
	size_t count, room;
	bool overflowed;
	size_t waiting; /* of the report that is being made */
	struct input_event report[64];
};

/** What a device can do, as a list of ranges that ends with type 0. */
struct lab_ability {
	unsigned type, first, last;
	int minimum, maximum, resolution; /* EV_ABS */
};

/** Make a device, and wait until udev has named it and whoever watches has opened it. */
void lab_device_make(
	struct lab_device *device, const char *name, const struct lab_ability *abilities);

/** The same of a description that becomes the device's. */
void lab_device_make_of(struct lab_device *device, struct libevdev *evdev);

/** The same without waiting or reading. */
void lab_device_plug(struct lab_device *device, struct libevdev *evdev);

void lab_device_remove(struct lab_device *device);

/** Add one event to the report. */
void lab_send(struct lab_device *device, unsigned type, unsigned code, int value);

/** End the report, and write it with one call. */
void lab_report(struct lab_device *device);

/** Take in what the kernel has for the independent reading. */
void lab_read(struct lab_device *device);

/** Press and release a key. */
void lab_tap(struct lab_device *device, unsigned code);

extern const struct lab_ability lab_keyboard[], lab_mouse[], lab_touchscreen[], lab_tablet[];

/* ---- what a session holds ---- */

/* an event, or with CHANNEL_POINTER a position on the screen: x, y */
struct lab_seen {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t device;
	uint16_t channel;
	int32_t what, value;
	Uxrec__Found found; /* of a report that the device has not made */
};

struct lab_gap {
	int64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	Uxrec__Gap__Reason reason;
	size_t topics;
	char detail[200];
};

struct lab_device_seen {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	Uxrec__InputDevice *message;
};

struct lab_file {
	struct lab_seen *events;
	size_t count, room;
	struct lab_gap gaps[4096];
	size_t gap_count;
	struct lab_device_seen devices[512];
	size_t device_count;
	int64_t offset_ns;
	size_t bytes; /* of the file */
};

struct lab_file *lab_file_read(const struct daemon_child *daemon, const char *session);
void lab_file_destroy(struct lab_file *file);
DEFINE_DESTROY(lab_file);

/** @return the first description of the device of that name, or part of it; ends the test without one */
const Uxrec__InputDevice *lab_file_device(const struct lab_file *file, const char *name);

/** @return how many gaps there are because a device's queue overflowed */
size_t lab_file_overflows(const struct lab_file *file);

/**
 * Compare what the file has of a device with the independent reading: all of it, in order, with the same
 * times, and nothing else but what was found. @return how many events were equal, SYN_REPORT among them
 */
size_t lab_file_compare(const struct lab_file *file, const struct lab_device *device);

/* ---- recording ---- */

struct lab_recording {
	struct daemon_child daemon;
	char id[21];
};

/** Record evdev devices, without a screen; with the daemon of the recording before, this machine being slow. */
void lab_record(struct lab_recording *recording, const char *keys);

/** The same with a fresh daemon and its options, ending with NULL. */
void lab_record_with(struct lab_recording *recording, const char *keys, const char *const *options);

/** With the daemon that runs: start a session of a study's text, end one, interrupt one. The test ends when it refuses. */
void lab_start(struct lab_recording *recording, const char *study, const char *keys);
void lab_stop(struct lab_recording *recording);
void lab_pause(struct lab_recording *recording);
void lab_resume(struct lab_recording *recording);

/** End it. @return the file, to be destroyed */
struct lab_file *lab_recording_end(struct lab_recording *recording);

/** End the daemon; for main(). @return 0, or 1 when it did not end well */
int lab_end(void);

/** @return how many descriptors of /dev/input uxrec's programs have open */
int lab_open_inputs(void);

/** Wait until they are so many: on a busy machine udev is late. */
void lab_await_inputs(int count);

/** Start evemu-record, which prints what it reads, as prompt as uxrec-inputd, and wait until it reads. */
struct child lab_evemu(const struct lab_device *device);

/** A file of /proc, which tells no size; the caller frees it. Ends the test when there is none. */
char *lab_proc(const char *path);

/** @return the process of uxrec-inputd, 0 when there is none */
pid_t lab_inputd(const struct lab_recording *recording);

/* ---- outside ---- */

/**
 * Have QEMU's monitor do something: lines of JSON, each a command with its arguments, or {"sleep": ms}.
 *
 * @return false when there is no monitor, or it refused
 */
bool lab_host_do(const char *lines);

/** Have it click with the left button of the tablet; both of 0 to 32767. */
bool lab_host_click(int32_t x, int32_t y);

/** Have it press and release a key, by QEMU's name. */
bool lab_host_tap(char key);
