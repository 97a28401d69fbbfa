#pragma once

/*
 * Inside uxrec-inputd: what reads the devices. Each reader runs until the recorder has shut down its end of
 * the socket, and says everything by the conversation.
 */

#include "capture/inputd/recorder_link.h"
#include "protocol/base/error.h"

/**
 * Read all evdev devices of /dev/input, those that are plugged in later too.
 *
 * @return 0 when the recorder shut down its end, or a negative errno with the reason: -EACCES when
 *         there are devices and none may be read, -ENODEV when there is none
 */
int evdev_run(struct conversation *conversation, struct error *reterr);

/** Read an X server's raw events. @return as evdev_run(); -EPIPE when the server is gone */
int xinput_run(struct conversation *conversation, const char *display, struct error *reterr);

/** @return true when at least one keyboard or mouse of /dev/input can be read */
bool evdev_is_readable(void);
