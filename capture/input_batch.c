#include "capture/input_batch.h"

#include "capture/inputd_protocol.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void send_message(
	struct input_out *out, const struct inputd_header *header, const void *data, size_t size)
{
	struct iovec parts[2] = {
		{(void *)header, sizeof(*header)},
		{(void *)data, size},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	if (out->failed)
		return;
	do
		n = sendmsg(out->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		out->failed = -errno;
}

void input_out_text(struct input_out *out, uint32_t kind, const char *text)
{
	send_message(out, &(struct inputd_header){.kind = kind}, text, strlen(text));
}

void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	struct inputd_header header = {INPUTD_PACKET, channel, time_ns};
	size_t size = protobuf_c_message_get_packed_size(message);
	unsigned char data[INPUTD_MESSAGE_LIMIT_BYTES];

	if (size > sizeof(data)) {
		out->failed = -EMSGSIZE;
		return;
	}
	protobuf_c_message_pack(message, data);
	send_message(out, &header, data, size);
}

/* The columns are of int32_t, as are protobuf-c's enums: gcc and clang make them of int. */
_Static_assert(sizeof(Uxrec__Control) == sizeof(int32_t), "enum columns");

static void send_controls(const struct input_batch *batch, struct input_out *out)
{
	const struct input_columns *columns = &batch->controls;
	Uxrec__ControlBatch message = UXREC__CONTROL_BATCH__INIT;

	message.device = batch->device;
	message.n_dt_us = message.n_control = message.n_value = columns->count;
	message.dt_us = (uint32_t *)columns->dt_us;
	message.control = (Uxrec__Control *)columns->what;
	message.value = (int32_t *)columns->value;
	input_out_packet(out, CHANNEL_CONTROLS, columns->first_ns, &message.base);
}

static void send_classes(const struct input_batch *batch, struct input_out *out)
{
	const struct input_columns *columns = &batch->classes;
	Uxrec__KeyClassBatch message = UXREC__KEY_CLASS_BATCH__INIT;

	message.device = batch->device;
	message.n_dt_us = message.n_key_class = message.n_action = columns->count;
	message.dt_us = (uint32_t *)columns->dt_us;
	message.key_class = (Uxrec__KeyClass *)columns->what;
	message.action = (Uxrec__KeyAction *)columns->value;
	input_out_packet(out, CHANNEL_KEY_CLASSES, columns->first_ns, &message.base);
}

static void send_keys(const struct input_batch *batch, struct input_out *out)
{
	const struct input_columns *columns = &batch->keys;
	Uxrec__KeyBatch message = UXREC__KEY_BATCH__INIT;

	message.device = batch->device;
	message.n_dt_us = message.n_code = message.n_action = columns->count;
	message.dt_us = (uint32_t *)columns->dt_us;
	message.code = (uint32_t *)columns->what;
	message.action = (Uxrec__KeyAction *)columns->value;
	input_out_packet(out, CHANNEL_KEYS, columns->first_ns, &message.base);
}

void input_batch_flush(struct input_batch *batch, struct input_out *out)
{
	if (batch->controls.count > 0)
		send_controls(batch, out);
	if (batch->classes.count > 0)
		send_classes(batch, out);
	if (batch->keys.count > 0)
		send_keys(batch, out);
	batch->controls.count = batch->classes.count = batch->keys.count = 0;
}

static void add(struct input_columns *columns, int64_t time_ns, int32_t what, int32_t value)
{
	int64_t dt_us = 0;

	if (columns->count == 0)
		columns->first_ns = columns->last_ns = time_ns;
	if (time_ns > columns->last_ns) {
		dt_us = (time_ns - columns->last_ns) / NS_PER_US;
		columns->last_ns += dt_us * NS_PER_US; /* so that roundings do not add up */
	}
	columns->dt_us[columns->count] = (uint32_t)dt_us;
	columns->what[columns->count] = what;
	columns->value[columns->count] = value;
	columns->count++;
}

void input_batch_add(struct input_batch *batch, struct input_out *out, int64_t time_ns,
	const struct redacted *event, int32_t value)
{
	switch (event->kind) {
	case REDACTED_DROPPED: return;
	case REDACTED_CLASS: add(&batch->classes, time_ns, (int32_t)event->key_class, value); break;
	case REDACTED_KEY: add(&batch->keys, time_ns, event->code, value); break;
	case REDACTED_CONTROL:
		if (event->control == UXREC__CONTROL__CONTROL_FRAME) {
			if (!batch->frame_open)
				return; /* a frame of keys alone */
			batch->frame_open = false;
		} else {
			batch->frame_open = true;
		}
		add(&batch->controls, time_ns, (int32_t)event->control, value);
		break;
	}
	if (batch->controls.count == INPUT_BATCH_EVENTS ||
		batch->classes.count == INPUT_BATCH_EVENTS ||
		batch->keys.count == INPUT_BATCH_EVENTS)
		input_batch_flush(batch, out);
}

static void sooner(const struct input_columns *columns, int64_t *deadline_ns)
{
	if (columns->count > 0 && columns->first_ns + INPUT_FLUSH_NS < *deadline_ns)
		*deadline_ns = columns->first_ns + INPUT_FLUSH_NS;
}

int64_t input_batch_deadline_ns(const struct input_batch *batch)
{
	int64_t deadline_ns = INT64_MAX;

	sooner(&batch->controls, &deadline_ns);
	sooner(&batch->classes, &deadline_ns);
	sooner(&batch->keys, &deadline_ns);
	return deadline_ns;
}
