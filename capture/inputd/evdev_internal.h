#pragma once

#include "capture/inputd/recorder_link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Shared by the files of the evdev reader:
 *
 *   evdev.c           hotplug, events, and overflows
 *   evdev_describe.c  description of a device
 *   evdev_found.c     device state found by a query, without events
 *   evdev_overflow.c  gaps where the kernel has dropped events
 */

struct libevdev;
struct udev;

/** Overflows not reported yet. */
struct evdev_overflow {
	unsigned count;
	bool with_keys; /* the policy allowed reporting keys */
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
	int state_fd; /* second one, for evdev_key_is_down() only, never read; -1: none */
	struct libevdev *evdev;
	struct input_batch batch;
	struct evdev_overflow overflow;
	int64_t last_ns;     /* time of the newest event */
	int64_t last_key_ns; /* time of the newest key */
};

/**
 * Describe a device and report the description. Call while the device is present.
 *
 * @param device  node, evdev and batch.device are set; the other descriptive fields are filled in
 * @param udev    NULL: guess the kinds from the device's capabilities
 * @return false, and nothing is reported, when the filters exclude the device
 */
bool evdev_describe(struct evdev_device *device, struct recorder_link *link, struct udev *udev);

/** Report the removal of the device. */
void evdev_describe_removed(struct evdev_device *device, struct recorder_link *link);

bool evdev_is_keyboard(const struct libevdev *evdev);
bool evdev_is_pointer(const struct libevdev *evdev);

/** @return a text for the events that an overflow of the device has lost for good */
const char *evdev_unrecoverable_events(const struct libevdev *evdev);

/** Process a key event, or a key state found by a query. */
void evdev_handle_key(struct evdev_device *device, struct recorder_link *link, int64_t time_ns,
	uint16_t code, Uxrec__KeyAction action);

/** Query the kernel for the current state of a key. @return true when it is down, false also on error */
bool evdev_key_is_down(const struct evdev_device *device, uint16_t code);

/*
 * Report the state of a device, found by a query, as a report that the device has not made (CONTROL_FOUND),
 * and keys as the policy allows. The device's evdev holds that state.
 */

/** At the start of reading: buttons and keys that are down, switches that are on, positions of absolute axes. */
void evdev_report_at_start(struct evdev_device *device, struct recorder_link *link, int64_t now_ns);

/** At the end of reading: buttons and keys that are down, switches that are on. */
void evdev_report_at_stop(struct evdev_device *device, struct recorder_link *link, int64_t now_ns);

/** When the device is no longer read: report everything that was down as up. */
void evdev_report_at_removal(
	struct evdev_device *device, struct recorder_link *link, int64_t now_ns);

/**
 * After the kernel has dropped events: report the changes of state. Discards the unread events.
 *
 * @param ret_compared_ns  time up to which the outcome of the dropped events is known
 * @return 0, or -ENODEV when the device is gone
 */
int evdev_report_after_overflow(struct evdev_device *device, struct recorder_link *link,
	int64_t now_ns, int64_t *ret_compared_ns);

/* Interval of overflow gaps: a device that floods overflows thousands of times. */
#define EVDEV_OVERFLOW_NS NS_PER_S

/**
 * Record an overflow: the kernel has dropped events of the device, after its event at @p from_ns and until @p
 * to_ns. A gap is reported EVDEV_OVERFLOW_NS later, together with the overflows until then.
 */
void evdev_overflow_note(struct evdev_device *device, const struct recorder_link *link,
	int64_t from_ns, int64_t to_ns);

/** Report the pending gap now. */
void evdev_overflow_flush(struct evdev_device *device, struct recorder_link *link, int64_t now_ns);

/** Report the gap if due. @return the time at which it will be due, INT64_MAX without one */
int64_t evdev_overflow_flush_due(
	struct evdev_device *device, struct recorder_link *link, int64_t now_ns);
