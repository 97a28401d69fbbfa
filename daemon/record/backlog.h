#pragma once

#include "protocol/base/ring.h"
#include "protocol/packet.h"

/**
 * Packets in memory not yet known to be on disk, in order of arrival. Each has a number, counted from the start
 * of the recording. Zero-initialised is empty. Single-threaded.
 */
struct backlog {
	struct packet **packets; /* the slot of a dropped packet is NULL */
	struct ring ring;        /* of the packets */
	size_t bytes;
	uint64_t number; /* of the first packet */
};

/** Append a packet; takes its own reference. @return 0 or -ENOMEM */
int backlog_push(struct backlog *backlog, struct packet *packet);

/** Slot of the i-th packet, i < count; may hold NULL. */
struct packet **backlog_at(const struct backlog *backlog, size_t i);

/** Drop the packet in a slot; the slot stays. */
void backlog_drop(struct backlog *backlog, struct packet **place);

/** Remove all packets before a number: they are on disk. */
void backlog_release(struct backlog *backlog, uint64_t number);

/** Remove all and free the memory. */
void backlog_finish(struct backlog *backlog);
