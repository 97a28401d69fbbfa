#pragma once

#include "daemon/access/principal.h"

#include <stdbool.h>

/* More than a page has waiting at once. */
#define PEER_CANCELLED 16

/**
 * One authenticated connection of a browser, as held by other threads: it may be gone by the time they answer.
 * Reference-counted.
 */
struct peer {
	_Atomic unsigned refs;
	_Atomic bool closed;
	/* numbers of the requests that were cancelled last; the oldest is overwritten */
	_Atomic uint64_t cancelled[PEER_CANCELLED];
	_Atomic unsigned cancelled_count;
	_Atomic bool overflowed; /* backlog too long: it will be closed, and gets nothing more */
	_Atomic size_t queued_bytes; /* given to the server for it and unsent */
	uint64_t number; /* of its connection: unique, also among servers that follow each other */
	struct principal principal;
};

/** @param principal  is copied @return a peer with one reference, or NULL */
struct peer *peer_create(uint64_t number, const struct principal *principal);
/** Cancel a request of a peer, by its number. */
void peer_cancel(struct peer *peer, uint64_t request);
bool peer_has_cancelled(const struct peer *peer, uint64_t request);
struct peer *peer_ref(struct peer *peer);
/** Drop one reference; NULL is allowed. */
void peer_unref(struct peer *peer);
