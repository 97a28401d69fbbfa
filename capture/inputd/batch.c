#include "capture/inputd/batch.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"

/* The column is int32_t, as are protobuf-c's enums: gcc and clang use int for them. */
_Static_assert(sizeof(Uxrec__Control) == sizeof(int32_t), "enum columns");

void input_batch_flush(struct input_batch *batch, struct input_out *out)
{
	Uxrec__ControlBatch message = UXREC__CONTROL_BATCH__INIT;

	if (batch->count == 0)
		return;
	message.device = batch->device;
	message.n_dt_us = message.n_control = message.n_value = batch->count;
	message.dt_us = batch->dt_us;
	message.control = (Uxrec__Control *)batch->control;
	message.value = batch->value;
	message.buttons_before = batch->buttons_before;
	input_out_packet(out, CHANNEL_CONTROLS, batch->first_ns, &message.base);
	batch->count = 0;
	batch->buttons_before = 0;
	batch->has_button = false;
}

void input_batch_add(struct input_batch *batch, struct input_out *out, int64_t time_ns,
	Uxrec__Control control, int32_t value)
{
	bool ends = control == UXREC__CONTROL__CONTROL_FRAME;
	int64_t dt_us = 0;

	if (ends && !batch->frame_open)
		return; /* a report with keys only */
	batch->frame_open = !ends;
	if (batch->count == 0)
		batch->first_ns = batch->last_ns = time_ns;
	if (time_ns > batch->last_ns) {
		dt_us = (time_ns - batch->last_ns) / NS_PER_US;
		batch->last_ns += dt_us * NS_PER_US; /* avoids accumulating rounding errors */
	}
	batch->dt_us[batch->count] = (uint32_t)dt_us;
	batch->control[batch->count] = (int32_t)control;
	batch->value[batch->count] = value;
	batch->count++;
	if (batch->count == INPUT_BATCH_LIMIT || (ends && batch->count >= INPUT_BATCH_EVENTS))
		input_batch_flush(batch, out);
}

int64_t input_batch_flush_due(struct input_batch *batch, struct input_out *out, int64_t now_ns)
{
	int64_t due_ns;

	if (batch->count == 0)
		return INT64_MAX;
	due_ns = batch->first_ns + (batch->has_button ? INPUT_FLUSH_NS : INPUT_FLUSH_MOTION_NS);
	if (due_ns > now_ns)
		return due_ns;
	input_batch_flush(batch, out);
	return INT64_MAX;
}
