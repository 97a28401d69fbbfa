#include "protocol/wire.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/io.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"
#include "protocol/message_text.h"

#include <errno.h>

static uint64_t read_varint(struct view *view)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = view_get(view, 1);

		value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	view->failed = 1;
	return 0;
}

/* Check the texts of a packed message that protobuf-c has unpacked: protobuf-c truncates texts
 * at 0 bytes. */
static int check_packed(
	struct view packed, const ProtobufCMessageDescriptor *descriptor, struct error *reterr)
{
	int r = 0;

	while (r == 0 && packed.size_bytes > 0 && !packed.failed) {
		uint64_t key = read_varint(&packed);
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(key >> 3));
		struct view bytes;

		switch (key & 7) {
		case PROTOBUF_C_WIRE_TYPE_VARINT: read_varint(&packed); continue;
		case PROTOBUF_C_WIRE_TYPE_64BIT: view_read_bytes(&packed, 8); continue;
		case PROTOBUF_C_WIRE_TYPE_32BIT: view_read_bytes(&packed, 4); continue;
		case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: break;
		default: return -EBADMSG;
		}
		bytes = view_read_bytes(&packed, read_varint(&packed));
		if (packed.failed || !field)
			continue;
		if (field->type == PROTOBUF_C_TYPE_STRING)
			r = text_check(field->name, bytes.data, bytes.size_bytes, reterr);
		else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			r = check_packed(bytes, field->descriptor, reterr);
	}
	return r == 0 && packed.failed ? -EBADMSG : r;
}

/*
 * Drop unknown fields of a message and of all nested messages. Those of an act stay: act_check()
 * refuses it for them.
 */
static void drop_unknown(ProtobufCMessage *message)
{
	if (message->descriptor == &uxrec__act__descriptor)
		return;
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		free(message->unknown_fields[i].data);
	free(message->unknown_fields);
	message->unknown_fields = NULL;
	message->n_unknown_fields = 0;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		char *base = (char *)message;
		void *const *items = (void *const *)(const void *)(base + field->offset);
		size_t count = 1;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE ||
			((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
				*(const uint32_t *)(base + field->quantifier_offset) != field->id))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			count = *(const size_t *)(base + field->quantifier_offset);
			items = (void *const *)*items;
		}
		for (size_t k = 0; k < count; k++)
			if (items[k])
				drop_unknown(items[k]);
	}
}

int wire_parse(struct view frame, const ProtobufCMessageDescriptor *descriptor,
	ProtobufCMessage **ret, struct error *reterr)
{
	struct mcap_record record;
	ProtobufCMessage *message;
	int r;

	if (mcap_next_record(&frame, &record) <= 0 || frame.size_bytes > 0 ||
		record.opcode != MCAP_PRIVATE)
		return error_set(reterr, -EBADMSG, "it is not one private record");
	message = protobuf_c_message_unpack(
		descriptor, NULL, record.content.size_bytes, record.content.data);
	if (!message)
		return error_set(reterr, -EBADMSG, "it is not a message");
	r = check_packed(record.content, descriptor, reterr);
	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	drop_unknown(message);
	*ret = message;
	return 0;
}

uint64_t wire_request(struct view frame)
{
	struct mcap_record record;
	Uxrec__ClientMessage *message;
	uint64_t request = 0;

	if (mcap_next_record(&frame, &record) <= 0)
		return 0;
	message =
		uxrec__client_message__unpack(NULL, record.content.size_bytes, record.content.data);
	if (message) {
		request = message->request;
		uxrec__client_message__free_unpacked(message, NULL);
	}
	return request;
}

int wire_peek(struct view frame, struct wire_head *ret)
{
	struct mcap_record record;
	struct view packed;

	*ret = (struct wire_head){0};
	if (mcap_next_record(&frame, &record) <= 0 || record.opcode != MCAP_PRIVATE ||
		frame.size_bytes != 0)
		return -EBADMSG;
	packed = record.content;
	while (packed.size_bytes > 0 && !packed.failed) {
		uint64_t key = read_varint(&packed);

		if (key == (1 << 3 | PROTOBUF_C_WIRE_TYPE_VARINT)) {
			ret->request = read_varint(&packed);
		} else if ((key & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && ret->body == 0 &&
			key >> 3 <= INT32_MAX) {
			ret->body = (unsigned)(key >> 3);
			view_read_bytes(&packed, read_varint(&packed));
		} else {
			return -EBADMSG;
		}
	}
	return packed.failed ? -EBADMSG : 0;
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

int wire_take_frames(
	struct buf *received, size_t limit, int (*take)(void *user, struct view frame), void *user)
{
	size_t taken = 0;
	int64_t size;
	int r = 0;

	while (r == 0 &&
		(size = wire_frame_size(
			 (struct view){received->data + taken, received->size_bytes - taken, 0},
			 limit)) != 0) {
		if (size < 0)
			return (int)size;
		r = take(user, (struct view){received->data + taken, (size_t)size, 0});
		taken += (size_t)size;
	}
	received->size_bytes -= taken;
	if (taken > 0)
		memmove(received->data, received->data + taken, received->size_bytes);
	return r;
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
	return wire_parse((struct view){frame.data, frame.size_bytes, 0}, descriptor, ret, NULL);
}
