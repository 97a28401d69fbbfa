#pragma once

/*
 * Inside uxrec-inputd: the requests of a recorder and the reports to it. Device readers report everything
 * through a conversation.
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
	const struct input_filter *limit; /* the administrator's filter; NULL: none */
	struct seat *seat;                /* read only while it is SEAT_OURS; NULL: always */
	int64_t away_ns;                  /* since when the seat is not ours; 0: it is */
	bool locked;                      /* away because the session is locked */
	uint32_t level_keys;              /* as in struct inputd_request */
};

/**
 * Receive one request from a socket; never blocks.
 *
 * @return 1, 0 when the recorder has shut down its end, -EAGAIN when none is pending, -EPROTO for an invalid
 *         request
 */
int conversation_receive(int fd, struct inputd_request *ret);

/**
 * Process all pending requests of the recorder; never blocks.
 *
 * @return 0, 1 when the recorder has shut down its end, -EPROTO for an invalid request
 */
int conversation_take(struct conversation *conversation);

/** @return the modifier of an evdev key in the layout: see modifier_of_code() */
unsigned conversation_modifier(const struct conversation *conversation, uint16_t code);

/** @return true when the recorder's filter and the administrator's both select the device */
bool conversation_wants(const struct conversation *conversation, const Uxrec__InputDevice *device);

/** Report a control event through the device's batch. Buttons are counted. */
void conversation_say_control(struct conversation *conversation, struct input_batch *batch,
	int64_t time_ns, Uxrec__Control control, int32_t value);

/** Change of the seat since the last call. */
enum seat_turn {
	SEAT_STAYS,
	SEAT_LEFT,      /* stop reading: `away_ns` is set */
	SEAT_COME_BACK, /* start reading again, then call conversation_say_back() */
};

enum seat_turn conversation_follow_seat(struct conversation *conversation);

/** Report the gap during which the seat was not ours. */
void conversation_say_back(struct conversation *conversation);

/** Report pending keys as far as the policy allows, discard the rest. */
void conversation_finish(struct conversation *conversation, int64_t now_ns);
