#pragma once

#include "protocol/base/ring.h"
#include "protocol/packet.h"

/**
 * Send queue of one peer: a ring buffer of packets. Zero-initialised is empty. Single-threaded; the caller
 * accounts for the bytes.
 */
struct outbox {
	struct outbox_entry {
		struct packet *packet;
		unsigned kind;
	} * entries;
	struct ring ring; /* of the entries */
};

void outbox_finish(struct outbox *outbox);

/** Add a packet; its reference passes to the outbox on success. @return 0 or -ENOMEM */
int outbox_put(struct outbox *outbox, struct packet *packet, unsigned kind);

/** @return the oldest packet, owned by the caller, or NULL */
struct packet *outbox_pop(struct outbox *outbox);

/** Bytes that a packet counts in a backlog. */
static inline size_t packet_cost(const struct packet *packet)
{
	return packet->size_bytes + sizeof(*packet) + PACKET_HEADROOM_BYTES;
}

/** Drop the packets of a kind, superseded by newer ones. @return the sum of their costs */
size_t outbox_drop(struct outbox *outbox, unsigned kind);
