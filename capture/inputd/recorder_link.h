#pragma once

/*
 * Inside uxrec-inputd: the requests of a recorder and the reports to it. Device readers report everything
 * through this link.
 */

#include "capture/input/filter.h"
#include "capture/input/inputd_protocol.h"
#include "capture/inputd/batch.h"
#include "capture/inputd/redactor.h"
#include "capture/inputd/seat.h"

struct recorder_link {
	struct input_out out;
	struct redactor redactor;
	struct input_filter filter;
	const struct input_filter *limit; /* the administrator's filter; NULL: none */
	struct seat *seat;                /* read only while it is SEAT_OURS; NULL: always */
	int64_t seat_lost_ns;             /* since when the seat is not ours; 0: it is */
	bool locked;                      /* away because the session is locked */
	uint32_t level_keys;              /* as in struct inputd_request */
};

/**
 * Receive one request from a socket; never blocks.
 *
 * @return 1, 0 when the recorder has shut down its end, -EAGAIN when none is pending, -EPROTO for an invalid
 *         request
 */
int recorder_link_receive(int fd, struct inputd_request *ret);

/**
 * Process all pending requests of the recorder; never blocks.
 *
 * @return 0, 1 when the recorder has shut down its end, -EPROTO for an invalid request
 */
int recorder_link_dispatch(struct recorder_link *link);

/** @return the modifier of an evdev key in the layout: see modifier_of_code() */
unsigned recorder_link_modifier(const struct recorder_link *link, uint16_t code);

/** @return true when the recorder's filter and the administrator's both select the device */
bool recorder_link_matches(const struct recorder_link *link, const Uxrec__InputDevice *device);

/** Report a control event through the device's batch. Buttons are counted. */
void recorder_link_send_control(struct recorder_link *link, struct input_batch *batch,
	int64_t time_ns, Uxrec__Control control, int32_t value);

/** Change of the seat since the last call. */
enum seat_change {
	SEAT_UNCHANGED,
	SEAT_LOST,     /* stop reading: `seat_lost_ns` is set */
	SEAT_REGAINED, /* start reading again, then call recorder_link_send_seat_gap() */
};

enum seat_change recorder_link_update_seat(struct recorder_link *link);

/** Report the gap during which the seat was not ours. */
void recorder_link_send_seat_gap(struct recorder_link *link);

/** Report pending keys as far as the policy allows, discard the rest. */
void recorder_link_finish(struct recorder_link *link, int64_t now_ns);
