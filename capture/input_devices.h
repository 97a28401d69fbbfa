#pragma once

/*
 * Inside uxrec-inputd: what reads the devices. Each runs until the daemon closes its end of the
 * socket, and sends everything by @p out, redacted.
 */

#include "capture/input_batch.h"
#include "protocol/base/error.h"

/**
 * Read all evdev devices of /dev/input, those that are plugged in later too.
 *
 * @return 0 when the daemon closed the socket, or a negative errno with the reason: -EACCES when
 *         there are devices and none may be read, -ENODEV when there is none
 */
int evdev_run(struct input_out *out, enum key_policy policy, struct error *reterr);

/** Read an X server's raw events. @return as evdev_run(); -EPIPE when the server is gone */
int xinput_run(
	struct input_out *out, enum key_policy policy, const char *display, struct error *reterr);

/** @return true when at least one keyboard or mouse of /dev/input can be read */
bool evdev_is_readable(void);
