#pragma once

#include "protocol/packet.h"

/**
 * Packets in memory that are not known to be on the disk, in the order in which they came. Each has a number, counted from
 * the begin of the recording. Zero-initialised is empty. One thread.
 */
struct backlog {
	struct packet **ring; /* a place whose packet was given up is NULL */
	size_t first, count, capacity;
	size_t bytes;
	uint64_t number; /* of the first */
};

/** Append a packet; takes a reference of its own. @return 0 or -ENOMEM */
int backlog_push(struct backlog *backlog, struct packet *packet);

/** The place of the i-th packet, i < count; it may hold NULL. */
struct packet **backlog_at(const struct backlog *backlog, size_t i);

/** Give up the packet of a place; the place stays. */
void backlog_drop(struct backlog *backlog, struct packet **place);

/** Remove all packets before a number: they are on the disk. */
void backlog_release(struct backlog *backlog, uint64_t number);

/** Remove all and free the memory. */
void backlog_finish(struct backlog *backlog);
