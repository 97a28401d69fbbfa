#pragma once

#include "protocol/base/rate.h"
#include "protocol/wire.pb-c.h"

#include <stdbool.h>

/** Who executes a request. Each has the handlers of its kinds. */
enum request_owner {
	/* in uxrec-server */
	REQUEST_OF_CONNECTION, /* of the connection alone: net/server_peer.c */
	REQUEST_OF_LIBRARY,    /* the reader of session files: library/library.c */
	REQUEST_OF_WORKER,     /* a process of its own: worker/worker_main.c */
	/* in the owner of the sessions, uxrecd or uxrec-play */
	REQUEST_OF_ACCESS,   /* the owner of the links: front/front.c */
	REQUEST_OF_RECORDER, /* the owner of the running session: station/station.c */
	REQUEST_OF_WRITER,   /* the writer of session files: acts/acts.c */
	REQUEST_OF_COMMAND,  /* the control socket, and no page: station/control.c */
};

/** True when uxrec-server passes these requests on. */
static inline bool request_is_passed_on(enum request_owner owner)
{
	return owner >= REQUEST_OF_ACCESS;
}

/** How often one connection may send requests of these kinds. */
enum request_rate {
	REQUEST_OFTEN,  /* only the rate of messages limits them */
	REQUEST_ACTS,   /* one person's acts, with those kept while a connection was lost */
	REQUEST_STEERS, /* the running session */
	REQUEST_WORKS,  /* reads many files, or long ones, and is not replaced by the next */
	REQUEST_RATE_END,
};

/** Which waiting request of the same connection a newer one of its kind replaces. */
enum request_replaces {
	REQUEST_REPLACES_NONE,
	REQUEST_REPLACES_EQUAL, /* one with the same body */
	REQUEST_REPLACES_ALL,
};

/** Rights and treatment of one kind of request. */
struct request_kind {
	unsigned roles; /* bits (1 << Uxrec__Role) of those that may send it */
	enum request_owner owner;
	enum request_rate rate;
	enum request_replaces replaces;
	bool newest; /* its answer replaces unsent older ones */
};

/** @return the row of a kind; one without roles for a kind that does not exist */
const struct request_kind *request_kind(Uxrec__ClientMessage__BodyCase body);

/** The limit of a rate, in requests; NULL for REQUEST_OFTEN. */
const struct rate_limit *request_rate_limit(enum request_rate rate);

/** True when a role may send requests of this kind. */
static inline bool request_allows(const struct request_kind *kind, Uxrec__Role role)
{
	return kind->roles >> role & 1;
}
