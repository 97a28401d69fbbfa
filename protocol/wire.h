#pragma once

/* Messages of wire.proto as records: opcode 0x80, uint64 length, the packed protobuf message. */

#include "protocol/base/buf.h"
#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>

/**
 * Parse exactly one private record. Everything in it is hostile: its length must be the frame's and
 * the message must parse, its texts be UTF-8 without 0 bytes. Fields that the descriptor does not know are dropped:
 * a peer must not fill files and memory with them; but those of an act stay, which act_check() refuses for them. A message without a body is the caller's to refuse.
 *
 * @param ret  set on success; freed with protobuf_c_message_free_unpacked(…, NULL)
 * @return 0, -EBADMSG, or -EILSEQ for a text, with the reason: wire_request() then gives the refused request
 */
int wire_parse(struct view frame, const ProtobufCMessageDescriptor *descriptor,
	ProtobufCMessage **ret, struct error *reterr);

/** @return the request number of a ClientMessage that wire_parse() has refused, 0 when it has none */
uint64_t wire_request(struct view frame);

/**
 * Look for one whole record at the front of a stream.
 *
 * @return its size in bytes, 0 when more bytes are needed, or -EMSGSIZE when it declares more than
 *         @p limit
 */
int64_t wire_frame_size(struct view stream, size_t limit);

/** Write one message to a blocking stream socket. @return 0 or a negative errno */
int wire_send(int fd, const ProtobufCMessage *message);

/** Read one message of at most @p limit bytes from a blocking stream socket. @return as wire_parse(),
 *  -EPIPE when the peer has closed, or what read(2) gave */
int wire_receive(
	int fd, const ProtobufCMessageDescriptor *descriptor, size_t limit, ProtobufCMessage **ret);
