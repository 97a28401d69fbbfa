#pragma once

#include "capture/policy.h"

#include <stddef.h>

/* Inside uxrec-inputd: columns of events, and the socket that they leave by. */

/* Events are sent at the latest this long after the first of their batch. */
#define INPUT_FLUSH_NS (10 * NS_PER_MS)

#define INPUT_BATCH_EVENTS 256

/** Where packets leave. */
struct input_out {
	int fd;
	int failed; /* negative errno of the first send that failed; then nothing is sent any more */
};

void input_out_text(struct input_out *out, uint32_t kind, const char *text);
void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message);

/** Columns of one kind of event. Zero-initialised is empty. */
struct input_columns {
	size_t count;
	int64_t first_ns, last_ns;
	uint32_t dt_us[INPUT_BATCH_EVENTS];
	int32_t what[INPUT_BATCH_EVENTS];  /* Control, KeyClass or code */
	int32_t value[INPUT_BATCH_EVENTS]; /* value or KeyAction */
};

/** What one device has to say. Zero-initialised with a device number is empty. */
struct input_batch {
	uint32_t device;
	struct input_columns controls, classes, keys;
	bool frame_open; /* a control was added since the last frame mark */
};

/**
 * Add one event, redacted already. Sends the batch when it is full.
 *
 * @param time_ns  CLOCK_MONOTONIC; not before the event added last
 * @param value    of the event; of a key 0 release, 1 press, 2 repeat
 */
void input_batch_add(struct input_batch *batch, struct input_out *out, int64_t time_ns,
	const struct redacted *event, int32_t value);

/** Send what there is. */
void input_batch_flush(struct input_batch *batch, struct input_out *out);

/** When it must be flushed, INT64_MAX when it is empty. */
int64_t input_batch_deadline_ns(const struct input_batch *batch);
