#pragma once

#include "daemon/peers/peer.h"
#include "protocol/packet.h"

/** Receivers of a message that answers no request. */
struct audience {
	const char *session; /* peers that have this session open or watch it; NULL: all */
	unsigned roles;      /* bits (1 << Uxrec__Role); 0: all */
};

/* Kinds of messages that replace older unsent ones, beside the body cases of requests, which are below 1000. */
#define OUTLET_KIND_STATUS 1000u

/**
 * The way of answers and messages to peers: out of this process by its server, or to the process that has it. Any
 * thread; never blocks. A message that cannot be sent is dropped, and the connection with it.
 */
struct outlet {
	/* Takes over the packet. A nonzero kind replaces older unsent packets of this kind. */
	void (*send)(void *user, struct peer *peer, struct packet *packet, unsigned kind);
	void (*broadcast)(
		void *user, const struct audience *audience, struct packet *packet, unsigned kind);
	void *user;
};

/** Send a record to one peer; takes over the packet, which may be NULL. */
void outlet_send(const struct outlet *outlet, struct peer *peer, struct packet *packet);

/** Send reply_packet() of a body as an answer to @p request. */
void outlet_answer(const struct outlet *outlet, struct peer *peer, uint64_t request,
	const ProtobufCMessage *body);

/** Answer with a failure of one sentence. */
void outlet_fail(
	const struct outlet *outlet, struct peer *peer, uint64_t request, int r, const char *text);

/** Send a message to an audience. */
void outlet_broadcast(
	const struct outlet *outlet, const struct audience *audience, const ProtobufCMessage *body);
