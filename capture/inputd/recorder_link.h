#pragma once

/*
 * Inside uxrec-inputd: what a recorder has asked for, and what it is told. Those who read devices say
 * everything by a conversation.
 */

#include "capture/input/filter.h"
#include "capture/input/inputd_protocol.h"
#include "capture/inputd/batch.h"
#include "capture/inputd/redactor.h"
#include "capture/inputd/seat.h"

struct conversation {
	struct input_out out;
	struct redactor redactor;
	struct input_filter filter;
	const struct input_filter *limit; /* the administrator's; NULL: none */
	struct seat *seat;                /* read only while it is ours; NULL: always */
	int64_t away_ns;                  /* since when the seat is not ours; 0: it is */
	bool locked;                      /* that is why */
	uint32_t level_keys;              /* as in struct inputd_request */
};

/**
 * Take one request off a socket; never blocks.
 *
 * @return 1, 0 when the recorder has shut down its end, -EAGAIN when there is none, -EPROTO for what makes
 *         no sense
 */
int conversation_receive(int fd, struct inputd_request *ret);

/**
 * Take in what the recorder has asked since it began; never blocks.
 *
 * @return 0, 1 when it has shut down its end, -EPROTO when what it asked makes no sense
 */
int conversation_take(struct conversation *conversation);

/** @return the modifier that a key of an evdev device is by the layout: see modifier_of_code() */
unsigned conversation_modifier(const struct conversation *conversation, uint16_t code);

/** @return true when that device was asked for, and may be read */
bool conversation_wants(const struct conversation *conversation, const Uxrec__InputDevice *device);

/** Say what a device has done that is no key, by its batch. Buttons are counted. */
void conversation_say_control(struct conversation *conversation, struct input_batch *batch,
	int64_t time_ns, Uxrec__Control control, int32_t value);

/** Whether the seat has been left, or come back to, since this was asked last. */
enum seat_turn {
	SEAT_STAYS,
	SEAT_LEFT,      /* read nothing from now on: `away_ns` is set */
	SEAT_COME_BACK, /* begin anew, and then conversation_say_back() */
};

enum seat_turn conversation_follow_seat(struct conversation *conversation);

/** Say from when to when nothing was read. */
void conversation_say_back(struct conversation *conversation);

/** Say what may still be said, forget the rest. */
void conversation_finish(struct conversation *conversation, int64_t now_ns);
