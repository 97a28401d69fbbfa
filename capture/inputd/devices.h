#pragma once

/*
 * Inside uxrec-inputd: the device readers. Each runs until the recorder has shut down its end of the socket,
 * and reports everything through the link to the recorder.
 */

#include "capture/inputd/recorder_link.h"
#include "protocol/base/error.h"

/**
 * Read all evdev devices of /dev/input, with hotplug.
 *
 * @return 0 when the recorder has shut down its end, or a negative errno with the reason: -EACCES when there
 *         are devices but none is readable, -ENODEV when there is none
 */
int evdev_run(struct recorder_link *link, struct error *reterr);

/** Read an X server's raw events. @return as evdev_run(); -EPIPE when the server is gone */
int xinput_run(struct recorder_link *link, const char *display, struct error *reterr);

/** @return true when at least one keyboard or mouse of /dev/input can be read */
bool evdev_is_readable(void);
