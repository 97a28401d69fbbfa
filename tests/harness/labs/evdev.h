#pragma once

#include "tests/harness/screens/desktop.h"

#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <linux/input.h>

/*
 * For programs inside the virtual machine, as root: devices made by uinput, each with an independent reading of the
 * kernel's events; the input of a session's file; and a hand outside the machine, which drives its devices through
 * QEMU's monitor.
 */

/* ---- devices ---- */

struct lab_device {
	struct libevdev *evdev;
	struct libevdev_uinput *uinput;
	const char *node;           /* "/dev/input/event7" */
	int fd;                     /* the independent reading: raw, CLOCK_MONOTONIC */
	struct input_event *events; /* all events read so far */
	size_t count, room;
	bool overflowed;
	size_t waiting; /* events of the pending report */
	struct input_event report[64];
};

/** Capabilities of a device, as a list of ranges that ends with type 0. */
struct lab_ability {
	unsigned type, first, last;
	int minimum, maximum, resolution; /* EV_ABS */
};

/** Make a device, and wait until udev has named it and every watcher has opened it. */
void lab_device_make(
	struct lab_device *device, const char *name, const struct lab_ability *abilities);

/** Same from a description, which becomes the device's. */
void lab_device_make_of(struct lab_device *device, struct libevdev *evdev);

/** Same without waiting or reading. */
void lab_device_plug(struct lab_device *device, struct libevdev *evdev);

void lab_device_remove(struct lab_device *device);

/** Add one event to the pending report. */
void lab_send(struct lab_device *device, unsigned type, unsigned code, int value);

/** End the report, and write it with one call. */
void lab_report(struct lab_device *device);

/** Read the kernel's pending events into the independent reading. */
void lab_read(struct lab_device *device);

/** Press and release a key. */
void lab_tap(struct lab_device *device, unsigned code);

extern const struct lab_ability lab_keyboard[], lab_mouse[], lab_touchscreen[], lab_tablet[];

/* ---- content of a session ---- */

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

/** @return the number of gaps due to an overflowed device queue */
size_t lab_file_overflows(const struct lab_file *file);

/**
 * Compare a device's events in the file with the independent reading: all of them, in order, with equal timestamps, and
 * nothing else but found state. @return the number of equal events, SYN_REPORT included
 */
size_t lab_file_compare(const struct lab_file *file, const struct lab_device *device);

/* ---- recording ---- */

struct lab_recording {
	struct daemon_child daemon;
	char id[21];
};

/** Record evdev devices, without a screen; reuses the daemon of the previous recording, as this machine is slow. */
void lab_record(struct lab_recording *recording, const char *keys);

/** Same with a fresh daemon and its options, NULL-terminated. */
void lab_record_with(struct lab_recording *recording, const char *keys, const char *const *options);

/** With the running daemon: start a session of a study's text, end one, interrupt one. The test ends if it refuses. */
void lab_start(struct lab_recording *recording, const char *study, const char *keys);
void lab_stop(struct lab_recording *recording);
void lab_pause(struct lab_recording *recording);
void lab_resume(struct lab_recording *recording);

/** End it. @return the file, which the caller destroys */
struct lab_file *lab_recording_end(struct lab_recording *recording);

/** End the daemon; for main(). @return 0, or 1 after a bad exit */
int lab_end(void);

/** @return the number of descriptors of /dev/input that uxrec's programs have open */
int lab_open_inputs(void);

/** Wait for that number: on a busy machine udev is late. */
void lab_await_inputs(int count);

/** Start evemu-record, which prints its events with uxrec-inputd's priority, and wait until it reads. */
struct child lab_evemu(const struct lab_device *device);

/** A file of /proc, which reports no size; the caller frees it. Ends the test if missing. */
char *lab_proc(const char *path);

/** @return the process of uxrec-inputd, 0 without one */
pid_t lab_inputd(const struct lab_recording *recording);

/* ---- outside ---- */

/**
 * Send commands to QEMU's monitor: lines of JSON, each a command with its arguments, or {"sleep": ms}.
 *
 * @return false without a monitor, or if it refused
 */
bool lab_host_do(const char *lines);

/** Click with the left button of the tablet; both coordinates of 0 to 32767. */
bool lab_host_click(int32_t x, int32_t y);

/** Press and release a key, by QEMU's name. */
bool lab_host_tap(char key);
