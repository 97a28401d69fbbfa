#pragma once

#include "daemon/access/links_file.h"
#include "protocol/limits.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

/**
 * Who asks: made once, of the hello of a connection, of the user of the control socket, or for the recorder's own acts.
 * Constant from then on. Its role alone decides its rights: see requests.h and act_policy.h.
 */
struct principal {
	Uxrec__Role role;
	char name[NAME_LIMIT_BYTES + 1]; /* for display; the author of its acts */
	char id[33];                     /* 32 hex digits: the principal of its acts */
	bool identified;                 /* its hello had an identity: it has its own layer */
	char link[LINK_ID_BYTES];        /* of its key; "": it came by no link */
};

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
	struct principal principal;
};

/** @param principal  is copied @return a peer with one reference, or NULL */
struct peer *peer_create(const struct principal *principal);
/** Cancel a request of a peer, by its number. */
void peer_cancel(struct peer *peer, uint64_t request);
bool peer_has_cancelled(const struct peer *peer, uint64_t request);
struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer);
