#pragma once

#include "capture/inputd/recorder_link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the files of the evdev reader share:
 *
 *   evdev.c           devices come and go; events, and what was dropped of them
 *   evdev_describe.c  what a device is
 *   evdev_found.c     what it has down when nobody has seen that happen
 *   evdev_overflow.c  gaps, where the kernel has dropped events
 */

struct libevdev;
struct udev;

/** Overflows that are not said yet. */
struct evdev_overflow {
	unsigned count;
	bool with_keys; /* something was to be said of keys */
	int64_t from_ns, to_ns;
	int64_t due_ns;
};

struct evdev_device {
	char node[32]; /* "event7" */
	char seat[32];
	Uxrec__InputDevice__Kind kinds[8];
	size_t kind_count;
	bool is_virtual;
	bool has_keys;
	int fd;
	int state_fd; /* of the same device, never read: for evdev_has_down(); -1: there is none */
	struct libevdev *evdev;
	struct input_batch batch;
	struct evdev_overflow overflow;
	int64_t last_ns;     /* of the newest event */
	int64_t last_key_ns; /* of the newest key */
};

/**
 * Learn what a device is, which must be asked while it is there, and say it.
 *
 * @param device  its node, evdev and batch.device are set; the rest of what describes it will be
 * @param udev    NULL: kinds are guessed from what it can do
 * @return false, and nothing is said, when such a device is not to be read
 */
bool evdev_describe(
	struct evdev_device *device, struct conversation *conversation, struct udev *udev);

/** Say that it has gone. */
void evdev_describe_removed(struct evdev_device *device, struct conversation *conversation);

bool evdev_is_keyboard(const struct libevdev *evdev);
bool evdev_is_pointer(const struct libevdev *evdev);

/** What an overflow has lost for good, of such a device. */
const char *evdev_lost_for_good(const struct libevdev *evdev);

/** Take a key, or that it was found so. */
void evdev_take_key(struct evdev_device *device, struct conversation *conversation, int64_t time_ns,
	uint16_t code, Uxrec__KeyAction action);

/** Ask the kernel whether a key is down now. @return false also when it does not answer */
bool evdev_has_down(const struct evdev_device *device, uint16_t code);

/*
 * Say the state that a device is found in, as a report that it has not made (CONTROL_FOUND) and keys as
 * the policy allows. The device's evdev has that state.
 */

/** Reading begins: what is down or on, and where absolute axes stand. */
void evdev_find_at_start(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns);

/** Reading ends: what is down or on. */
void evdev_find_at_stop(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns);

/** It is not read any more: what it had down is up. */
void evdev_find_at_removal(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns);

/**
 * The kernel has dropped events: what has changed. What waits to be read is thrown away.
 *
 * @param ret_compared_ns  up to when what was dropped is known
 * @return 0, or -ENODEV when the device is gone
 */
int evdev_find_after_overflow(struct evdev_device *device, struct conversation *conversation,
	int64_t now_ns, int64_t *ret_compared_ns);

/* A device that floods has thousands of overflows: they are one gap a second. */
#define EVDEV_OVERFLOW_NS NS_PER_S

/**
 * The kernel has dropped events of a device, after the one that it had at @p from_ns and until @p to_ns. A
 * gap says it EVDEV_OVERFLOW_NS later, together with what has been dropped by then.
 */
void evdev_overflow_note(struct evdev_device *device, const struct conversation *conversation,
	int64_t from_ns, int64_t to_ns);

/** Say it now. */
void evdev_overflow_flush(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns);

/** Say it when that is due. @return when it will be, INT64_MAX when there is none */
int64_t evdev_overflow_flush_due(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns);
