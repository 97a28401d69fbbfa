#pragma once

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

/**
 * One authenticated connection of a browser, as other threads may hold it: it may be gone by the time
 * they answer. Shared by counting references.
 */
struct peer {
	_Atomic unsigned refs;
	_Atomic bool closed;
	_Atomic bool
		overflowed; /* too much waits for it: it will be closed, and gets nothing more */
	_Atomic size_t queued_bytes; /* given to the server for it and not yet sent */
	Uxrec__Role role;            /* constant, as are the fields below */
	char name[NAME_LIMIT_BYTES + 1];
	char principal[33]; /* of its acts: 32 hex digits, derived from its hello */
	bool identified;    /* its hello had an identity: a layer of its own */
};

/**
 * @param principal   32 hex digits
 * @param identified  derived from an identity, and not from the name
 * @return a peer with one reference, or NULL
 */
struct peer *peer_create(
	Uxrec__Role role, const char *name, const char *principal, bool identified);
struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer);
