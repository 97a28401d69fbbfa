#pragma once

/*
 * Inside uxrec-inputd: one conversation with a recorder, and what reads the devices for it. Each reader
 * runs until the recorder has shut down its end of the socket, and says everything by the conversation.
 */

#include "capture/input_batch.h"
#include "capture/input_filter.h"
#include "capture/redactor.h"
#include "capture/seat.h"
#include "protocol/base/error.h"

struct conversation {
	struct input_out out;
	struct redactor redactor;
	struct input_filter filter;
	const struct input_filter *limit; /* the administrator's; NULL: none */
	struct seat *seat;                /* read only while it is ours; NULL: always */
};

/** @return true when that device was asked for, and may be read */
bool conversation_wants(const struct conversation *conversation, const Uxrec__InputDevice *device);

/** Say that nothing was read, because the seat was another's or locked. Times are CLOCK_MONOTONIC. */
void conversation_say_away(
	struct conversation *conversation, int64_t from_ns, int64_t to_ns, bool locked);

/**
 * Take in what the recorder has asked since; never blocks.
 *
 * @return 0, 1 when it has shut down its end, -EPROTO when what it asked makes no sense
 */
int conversation_take(struct conversation *conversation);

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
