#pragma once

/* Messages of wire.proto as records: opcode 0x80, uint64 length, the packed protobuf message. */

#include "protocol/base/buf.h"
#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>

/**
 * Parse exactly one private record from an untrusted peer: its length must match the frame, the
 * message must parse, and its texts must be UTF-8 without 0 bytes. Unknown fields are dropped, so
 * that a peer cannot fill files and memory with them, except in acts: act_check() refuses those.
 * The caller refuses messages without a body.
 *
 * @param ret  set on success; freed with protobuf_c_message_free_unpacked(…, NULL)
 * @return 0, -EBADMSG, or -EILSEQ for a text, with the reason; wire_request() then returns the
 *         refused request
 */
int wire_parse(struct view frame, const ProtobufCMessageDescriptor *descriptor,
	ProtobufCMessage **ret, struct error *reterr);

/** @return the request number of a ClientMessage refused by wire_parse(), 0 when it has none */
uint64_t wire_request(struct view frame);

/** Request number and body of a packed ServerMessage. */
struct wire_head {
	uint64_t request;
	unsigned body; /* field number; 0: none */
};

/**
 * Read the head of a record with a ServerMessage, without unpacking its body.
 *
 * @return 0, or -EBADMSG when it is no such record, or has more than one body
 */
int wire_peek(struct view frame, struct wire_head *ret);

/**
 * Find one whole record at the front of a stream.
 *
 * @return its size in bytes, 0 when more bytes are needed, or -EMSGSIZE when it declares more than
 *         @p limit
 */
int64_t wire_frame_size(struct view stream, size_t limit);

/**
 * Take the whole records off the front of a stream, in their order.
 *
 * @param received  keeps the part of a record at its end
 * @param take      is given each record, valid during the call; a nonzero result is the last
 * @return 0, the result of @p take, or -EMSGSIZE at a record that declares more than @p limit
 */
int wire_take_frames(
	struct buf *received, size_t limit, int (*take)(void *user, struct view frame), void *user);

/** Write one message to a blocking stream socket. @return 0 or a negative errno */
int wire_send(int fd, const ProtobufCMessage *message);

/**
 * Read one message of at most @p limit bytes from a blocking stream socket.
 *
 * @return as wire_parse(), -EPIPE when the peer has closed, or the error of read(2)
 */
int wire_receive(
	int fd, const ProtobufCMessageDescriptor *descriptor, size_t limit, ProtobufCMessage **ret);
