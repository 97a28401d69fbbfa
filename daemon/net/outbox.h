#pragma once

#include "protocol/packet.h"

/**
 * What waits for one peer: a ring of packets. Zero-initialised is empty. One thread; who adds and takes
 * keeps account of the bytes.
 */
struct outbox {
	struct outbox_entry {
		struct packet *packet;
		unsigned kind;
	} * entries;
	size_t capacity, first, count;
};

void outbox_finish(struct outbox *outbox);

/** Add a packet, whose reference is taken over on success. @return 0 or -ENOMEM */
int outbox_put(struct outbox *outbox, struct packet *packet, unsigned kind);

/** @return the oldest, the caller's, or NULL */
struct packet *outbox_take(struct outbox *outbox);

/** Drop the packets of a kind, for newer ones replace them. @return their bytes */
size_t outbox_drop(struct outbox *outbox, unsigned kind);
