#include "protocol/wire.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/io.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/name.h"
#include "protocol/packet.h"
#include "protocol/message_text.h"

#include <errno.h>

int wire_parse(
	struct view frame, const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret)
{
	struct mcap_record record;
	ProtobufCMessage *message;

	if (mcap_next_record(&frame, &record) <= 0 || frame.size_bytes > 0 ||
		record.opcode != MCAP_PRIVATE)
		return -EBADMSG;
	message = protobuf_c_message_unpack(
		descriptor, NULL, record.content.size_bytes, record.content.data);
	if (message && !message_is_utf8(message)) {
		protobuf_c_message_free_unpacked(message, NULL);
		return -EBADMSG;
	}
	if (!message)
		return -EBADMSG;
	*ret = message;
	return 0;
}

int64_t wire_frame_size(struct view stream, size_t limit)
{
	uint64_t length;

	if (stream.size_bytes < MCAP_RECORD_HEADER_BYTES)
		return 0;
	length = le_load(stream.data + 1, 8);
	if (length > limit)
		return -EMSGSIZE;
	length += MCAP_RECORD_HEADER_BYTES;
	return length <= stream.size_bytes ? (int64_t)length : 0;
}

int wire_send(int fd, const ProtobufCMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;
	int r = packet_create_record_message(&packet, MCAP_PRIVATE, message);

	return r < 0 ? r : io_write_all(fd, packet->record, packet->size_bytes);
}

static int read_all(int fd, unsigned char *data, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t n = read(fd, data, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		data += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}

int wire_receive(
	int fd, const ProtobufCMessageDescriptor *descriptor, size_t limit, ProtobufCMessage **ret)
{
	_cleanup_(buf_finish) struct buf frame = {0};
	unsigned char *at = buf_reserve(&frame, MCAP_RECORD_HEADER_BYTES);
	uint64_t length;
	int r = at ? read_all(fd, at, MCAP_RECORD_HEADER_BYTES) : -ENOMEM;

	if (r < 0)
		return r;
	frame.size_bytes = MCAP_RECORD_HEADER_BYTES;
	length = le_load(frame.data + 1, 8);
	if (length > limit)
		return -EMSGSIZE;
	at = buf_reserve(&frame, length);
	r = at ? read_all(fd, at, length) : -ENOMEM;
	if (r < 0)
		return r;
	frame.size_bytes += length;
	return wire_parse((struct view){frame.data, frame.size_bytes, 0}, descriptor, ret);
}
