#pragma once

#include "capture/inputd/out.h"
#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Inside uxrec-inputd: columns of what is no key, axes, wheels, buttons, contacts and switches of one
 * device. Reports of the device are kept together.
 */

/* Said at the latest this long after the first of a batch: with a button in it, */
#define INPUT_FLUSH_NS (10 * NS_PER_MS)

/* and without, a picture at 60 Hz later. Each batch costs some 50 bytes of its own, which the two reports that
 * a slow mouse makes in 10 ms are not worth. */
#define INPUT_FLUSH_MOTION_NS (17 * NS_PER_MS)

/* A batch is sent at the end of the report that it has so many events with; */
#define INPUT_BATCH_EVENTS 256

/* and in the midst of one that is longer than any device makes. */
#define INPUT_BATCH_LIMIT 512

/** Zero-initialised with a device number is empty. */
struct input_batch {
	uint32_t device;
	uint32_t buttons_before; /* before its first button, 0: it has none */
	bool frame_open;         /* something was added since the last frame mark */
	bool has_button;         /* set by who adds one */
	size_t count;
	int64_t first_ns, last_ns;
	uint32_t dt_us[INPUT_BATCH_LIMIT];
	int32_t control[INPUT_BATCH_LIMIT];
	int32_t value[INPUT_BATCH_LIMIT];
};

/**
 * Add one event. Sends the batch when it is full.
 *
 * @param time_ns  CLOCK_MONOTONIC; not before the event added last
 */
void input_batch_add(struct input_batch *batch, struct input_out *out, int64_t time_ns,
	Uxrec__Control control, int32_t value);

/** Send what there is. */
void input_batch_flush(struct input_batch *batch, struct input_out *out);

/** Send it when that is due. @return when it will be, INT64_MAX when it is empty */
int64_t input_batch_flush_due(struct input_batch *batch, struct input_out *out, int64_t now_ns);
