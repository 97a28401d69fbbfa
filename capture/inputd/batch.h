#pragma once

#include "capture/inputd/out.h"
#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Inside uxrec-inputd: columns of the events of one device other than keys: axes, wheels, buttons, contacts
 * and switches. Reports of the device are not split.
 */

/* Upper bound on the age of a batch with a button, from its first event; */
#define INPUT_FLUSH_NS (10 * NS_PER_MS)

/* and without a button, one frame at 60 Hz. Each batch has some 50 bytes of overhead, which the two
 * reports of a slow mouse in 10 ms do not justify. */
#define INPUT_FLUSH_MOTION_NS (17 * NS_PER_MS)

/* A batch is sent at the end of the report in which it reaches this number of events; */
#define INPUT_BATCH_EVENTS 256

/* and within a report at this limit, which no device reaches. */
#define INPUT_BATCH_LIMIT 512

/** Zero-initialised with a device number: empty. */
struct input_batch {
	uint32_t device;
	uint32_t buttons_before; /* buttons before the first of the batch; 0 without one */
	bool frame_open;         /* events since the last frame mark */
	bool has_button;         /* set by the caller that adds one */
	size_t count;
	int64_t first_ns, last_ns;
	uint32_t dt_us[INPUT_BATCH_LIMIT];
	int32_t control[INPUT_BATCH_LIMIT];
	int32_t value[INPUT_BATCH_LIMIT];
};

/**
 * Add one event. Sends the batch when it is full.
 *
 * @param time_ns  CLOCK_MONOTONIC; not before the previous event
 */
void input_batch_add(struct input_batch *batch, struct input_out *out, int64_t time_ns,
	Uxrec__Control control, int32_t value);

/** Send pending events. */
void input_batch_flush(struct input_batch *batch, struct input_out *out);

/** Send the batch if due. @return the time at which it will be due, INT64_MAX when it is empty */
int64_t input_batch_flush_due(struct input_batch *batch, struct input_out *out, int64_t now_ns);
