#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/channel.h"

#include <protobuf-c/protobuf-c.h>

/** Headroom in front of a packet's bytes for the header of its transport (LWS_PRE is 16). */
#define PACKET_HEADROOM_BYTES 32

enum packet_flags {
	PACKET_KEYFRAME = 1, /* a decoder can begin here; pointer shape: it has its pixels */
	PACKET_MUTED = 2,    /* for moderators alone, as observers were muted */
};

/**
 * The common unit: produced by every source, written to the file and sent to every observer.
 * Immutable once made; reference-counted, from any thread.
 *
 * `record` is a complete MCAP record (MCAP specification, "Records": opcode, uint64 length,
 * content), encoded once. The PACKET_HEADROOM_BYTES before it also belong to the packet and may be
 * overwritten by the one sending thread.
 */
struct packet {
	_Atomic uint32_t refs;
	uint16_t channel;   /* enum channel_id; 0: not a Message record */
	uint16_t flags;     /* enum packet_flags */
	int64_t time_ns;    /* log_time, session time */
	size_t size_bytes;  /* of the record */
	size_t data_offset; /* of the message's data in the record */
	unsigned char *record;
};

/** Channel and times of a new packet. */
struct packet_info {
	uint16_t channel;
	uint16_t flags;
	int64_t time_ns;    /* source time of the first event, CLOCK_MONOTONIC */
	int64_t publish_ns; /* completion time (a picture: of its copy); 0: time_ns */
};

/**
 * Make a packet around a protobuf message. Strings that are not UTF-8 are cleaned
 * (protocol/message_text.h), and so are control characters on channels with names from outside.
 *
 * @param ret    set on success; one reference, owned by the caller
 * @param clock  supplies session time and the channel's next sequence number
 * @return 0 or -ENOMEM
 */
int packet_create(struct packet **ret, struct session_clock *clock, const struct packet_info *info,
	const ProtobufCMessage *message);

/** Same for a message that is already packed. */
int packet_create_data(struct packet **ret, struct session_clock *clock,
	const struct packet_info *info, const void *data, size_t size_bytes);

/**
 * Make a packet of any record: `opcode`, length, and a copy of the content. For records read from a
 * file and for the private records of the wire. `channel` and times are 0.
 */
int packet_create_record(
	struct packet **ret, uint8_t opcode, const void *content, size_t size_bytes);

/** Same for a packed protobuf message. */
int packet_create_record_message(
	struct packet **ret, uint8_t opcode, const ProtobufCMessage *message);

struct packet *packet_ref(struct packet *packet);

/** Drop one reference; NULL is fine. */
void packet_unref(struct packet *packet);

/** Data of the message (the packed protobuf message), and its size. */
static inline const unsigned char *packet_data(const struct packet *packet)
{
	return packet->record + packet->data_offset;
}

static inline size_t packet_data_size(const struct packet *packet)
{
	return packet->size_bytes - packet->data_offset;
}

static inline void packet_unref_pointer(struct packet **packet)
{
	packet_unref(*packet);
}

#define _packet_unref_ _cleanup_(packet_unref_pointer)

/**
 * Destination of packets. push() takes over the caller's reference, may be called from any thread
 * and never blocks; a full sink records its own drops.
 */
struct packet_sink {
	void (*push)(struct packet_sink *sink, struct packet *packet);
};
