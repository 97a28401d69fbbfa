#include "daemon/net/server_internal.h"

#include "protocol/limits.h"

/* Size limit of a hello: a token of 32 letters and a name. */
#define HELLO_LIMIT_BYTES 1024

void frames_put_control(
	struct client *client, enum websocket_opcode opcode, const void *payload, size_t size)
{
	client->control_out[0] = (unsigned char)(0x80 | opcode);
	client->control_out[1] = (unsigned char)size;
	if (size)
		memcpy(client->control_out + 2, payload, size);
	client->control_out_bytes = 2 + size;
	transport_want_write(client);
}

int frames_close(struct server *server, struct client *client, unsigned status, const char *why)
{
	unsigned char payload[WEBSOCKET_CONTROL_BYTES] = {
		(unsigned char)(status >> 8), (unsigned char)status};
	size_t size = strnlen(why, sizeof(payload) - 2);

	if (client->state == CLIENT_ENDING || client->state == CLIENT_DEAD)
		return 0;
	memcpy(payload + 2, why, size);
	frames_put_control(client, WEBSOCKET_CLOSE, payload, 2 + size);
	client_set_state(server, client, CLIENT_ENDING);
	transport_pause(client, false);
	return 0;
}

static size_t message_limit(const struct client *client)
{
	return client->state == CLIENT_PEER ? WIRE_MESSAGE_LIMIT_BYTES : HELLO_LIMIT_BYTES;
}

/* @return 0; the state is ENDING when the frame is invalid */
static int begin_frame(struct server *server, struct client *client)
{
	const struct websocket_frame *frame = &client->frame;
	bool is_control = frame->opcode >= WEBSOCKET_CLOSE;

	client->payload_bytes = 0;
	client->in_payload = true;
	if (is_control)
		return 0;
	if (frame->opcode == WEBSOCKET_TEXT)
		return frames_close(server, client, WEBSOCKET_UNACCEPTABLE, "binary messages only");
	if ((frame->opcode == WEBSOCKET_CONTINUATION) != client->in_message)
		return frames_close(
			server, client, WEBSOCKET_PROTOCOL_ERROR, "a fragment out of order");
	client->in_message = true;
	if (frame->size_bytes > message_limit(client) - client->message.size_bytes)
		return frames_close(
			server, client, WEBSOCKET_TOO_LARGE, "the message is too large");
	return 0;
}

static int end_control(struct server *server, struct client *client)
{
	size_t size = (size_t)client->frame.size_bytes;

	switch (client->frame.opcode) {
	case WEBSOCKET_PING:
		frames_put_control(client, WEBSOCKET_PONG, client->control, size);
		return 0;
	case WEBSOCKET_CLOSE:
		return frames_close(
			server, client, websocket_close_status(client->control, size), "");
	default: return 0;
	}
}

static int end_frame(struct server *server, struct client *client)
{
	int r = 0;

	client->in_payload = false;
	client->header_bytes = 0;
	if (client->frame.opcode >= WEBSOCKET_CLOSE)
		return end_control(server, client);
	if (!client->frame.final)
		return 0;
	client->in_message = false;
	r = peer_process(server, client);
	/* free the buffer of a large message: those are rare */
	if (client->message.capacity_bytes > HELLO_LIMIT_BYTES)
		buf_finish(&client->message);
	buf_clear(&client->message);
	return r;
}

/* @return the number of bytes consumed, or -1 to close */
static ssize_t receive_header(
	struct server *server, struct client *client, const unsigned char *data, size_t size)
{
	size_t used = 0;
	int r = 0;

	while (used < size && client->header_bytes < sizeof(client->header) && r == 0) {
		client->header[client->header_bytes++] = data[used++];
		r = websocket_parse_header(&client->frame, client->header, client->header_bytes);
	}
	if (r < 0) {
		frames_close(server, client, WEBSOCKET_PROTOCOL_ERROR,
			"a frame that RFC 6455 does not allow");
	} else if (r > 0 && !places_count_frame(server, client)) {
		frames_close(server, client, WEBSOCKET_POLICY, "too many messages");
	} else if (r > 0) {
		begin_frame(server, client);
		if (client->state != CLIENT_ENDING && client->frame.size_bytes == 0 &&
			end_frame(server, client) < 0)
			return -1;
	}
	return (ssize_t)used;
}

static ssize_t receive_payload(
	struct server *server, struct client *client, const unsigned char *data, size_t size)
{
	uint64_t left = client->frame.size_bytes - client->payload_bytes;
	size_t take = size < left ? size : (size_t)left;
	unsigned char *to;

	if (!places_count_bytes(server, client, take)) {
		frames_close(server, client, WEBSOCKET_POLICY, "too many bytes");
		return (ssize_t)take;
	}
	if (client->frame.opcode >= WEBSOCKET_CLOSE) {
		to = client->control + client->payload_bytes;
	} else {
		to = buf_reserve(&client->message, take);
		if (!to)
			return -1;
		client->message.size_bytes += take;
	}
	memcpy(to, data, take);
	websocket_unmask(to, take, client->frame.mask, client->payload_bytes);
	client->payload_bytes += take;
	if (client->payload_bytes == client->frame.size_bytes && end_frame(server, client) < 0)
		return -1;
	return (ssize_t)take;
}

static bool may_read(struct client *client)
{
	if (client->state == CLIENT_PEER && !client->throttled && places_must_wait(client)) {
		client->throttled = true;
		transport_pause(client, true);
	}
	return client->state == CLIENT_SILENT ||
		(client->state == CLIENT_PEER && !client->throttled);
}

int frames_receive(
	struct server *server, struct client *client, const unsigned char *data, size_t size)
{
	while (size > 0 && may_read(client)) {
		ssize_t used = client->in_payload ? receive_payload(server, client, data, size)
						  : receive_header(server, client, data, size);

		if (used < 0)
			return -1;
		data += used;
		size -= (size_t)used;
	}
	if (client->throttled || client->state == CLIENT_ASKED || client->state == CLIENT_QUEUED)
		buf_put(&client->input, data, size);
	return buf_error(&client->input) < 0 ? -1 : 0;
}

int frames_resume(struct server *server, struct client *client)
{
	struct buf early = client->input;
	int r;

	if (places_must_wait(client))
		return 0;
	client->throttled = false;
	transport_pause(client, false);
	client->input = (struct buf){0};
	r = frames_receive(server, client, early.data, early.size_bytes);
	buf_finish(&early);
	return r;
}
