#pragma once

#include "capture/conversation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the files of the evdev reader share:
 *
 *   evdev.c           devices come and go; events, and what was dropped of them
 *   evdev_describe.c  what a device is
 */

struct libevdev;
struct udev;

struct evdev_device {
	char node[32]; /* "event7" */
	char seat[32];
	Uxrec__InputDevice__Kind kinds[8];
	size_t kind_count;
	bool is_virtual;
	bool has_keys;
	int fd;
	struct libevdev *evdev;
	struct input_batch batch;
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
