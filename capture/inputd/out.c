#include "capture/inputd/out.h"

#include "capture/input/inputd_protocol.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Timeout of a full socket: a peer that has read nothing for this long will not read again. */
#define SEND_TIMEOUT_NS (5 * NS_PER_S)

/* @return 0, -EAGAIN when the socket is full, or another negative errno */
static int send_message(
	struct input_out *out, const struct inputd_header *header, const void *data, size_t size)
{
	struct iovec parts[2] = {
		{(void *)header, sizeof(*header)},
		{(void *)data, size},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	do
		n = sendmsg(out->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Report dropped packets, before any other message. */
static int send_gap(struct input_out *out)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	struct inputd_header header = {
		.kind = INPUTD_PACKET, .channel = CHANNEL_GAPS, .time_ns = out->blocked_ns};
	uint8_t data[128];
	char *topics[] = {(char *)"/input"};
	int r;

	if (out->dropped == 0)
		return 0;
	gap.reason = UXREC__GAP__REASON__REASON_OVERLOAD;
	gap.from_ns = out->blocked_ns;
	gap.to_ns = clock_now_ns();
	gap.count = out->dropped;
	gap.topics = topics;
	gap.n_topics = 1;
	gap.detail = (char *)"the recorder did not receive the input in time";
	r = send_message(out, &header, data, uxrec__gap__pack(&gap, data));
	if (r == 0)
		out->dropped = 0;
	return r;
}

static void send_or_drop(
	struct input_out *out, const struct inputd_header *header, const void *data, size_t size)
{
	int r;

	if (out->failed)
		return;
	r = send_gap(out);
	if (r == 0)
		r = send_message(out, header, data, size);
	if (r == 0) {
		out->blocked_ns = 0;
		return;
	}
	if (r != -EAGAIN) {
		out->failed = r;
		return;
	}
	if (!out->blocked_ns)
		out->blocked_ns = clock_now_ns();
	out->dropped++;
	if (clock_now_ns() - out->blocked_ns > SEND_TIMEOUT_NS)
		out->failed = -ETIMEDOUT;
}

void input_out_ready(struct input_out *out, const char *what)
{
	send_or_drop(out, &(struct inputd_header){.kind = INPUTD_READY}, what, strlen(what));
}

void input_out_failed(struct input_out *out, int error, const char *why)
{
	send_or_drop(out, &(struct inputd_header){.kind = INPUTD_FAILED, .error = error}, why,
		strlen(why));
}

void input_out_pong(struct input_out *out)
{
	/* no need to retry when the socket is full: the recorder has other messages to read */
	if (!out->failed)
		send_message(out, &(struct inputd_header){.kind = INPUTD_PONG}, NULL, 0);
}

void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	struct inputd_header header = {
		.kind = INPUTD_PACKET, .channel = channel, .time_ns = time_ns};
	size_t size = protobuf_c_message_get_packed_size(message);
	unsigned char data[INPUTD_MESSAGE_LIMIT_BYTES];

	if (size > sizeof(data)) {
		out->failed = -EMSGSIZE;
		return;
	}
	protobuf_c_message_pack(message, data);
	send_or_drop(out, &header, data, size);
}
