#pragma once

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

/**
 * One authenticated connection of a browser, as held by other threads: it may be gone by the time they answer.
 * Reference-counted.
 */
struct peer {
	_Atomic unsigned refs;
	_Atomic bool closed;
	_Atomic bool overflowed; /* backlog too long: it will be closed, and gets nothing more */
	_Atomic size_t queued_bytes; /* given to the server for it and unsent */
	Uxrec__Role role;            /* constant, like the fields below */
	char name[NAME_LIMIT_BYTES + 1];
	char principal[33]; /* of its acts: 32 hex digits, derived from its hello */
	bool identified;    /* its hello had an identity: it has its own layer */
};

/**
 * @param principal   32 hex digits
 * @param identified  derived from an identity rather than the name
 * @return a peer with one reference, or NULL
 */
struct peer *peer_create(
	Uxrec__Role role, const char *name, const char *principal, bool identified);
struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer);
