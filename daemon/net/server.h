#pragma once

#include "daemon/access/access.h"
#include "daemon/access/principal.h"
#include "daemon/access/tickets.h"
#include "daemon/record/live.h"
#include "protocol/base/error.h"

/**
 * Serves the pages over HTTP and everything else over one WebSocket subprotocol, "uxrec.v1", in its own thread.
 * Answers requests that need no computation (hello, ping, the live stream) and hands on the rest.
 */
struct server;

struct server_options {
	const char *address; /* "127.0.0.1" */
	int port;            /* 0: any free port */
	const char *web;     /* folder of the pages */
	const char *program; /* name of this program, for clients */
	const struct access *access;
	struct tickets *tickets; /* NULL: no tickets accepted */
	/* secret from which principals of clients without an identity are derived: 32 hex digits */
	const char *secret;
	/* principal of every client with an identity, for servers where all are this user's: browsers store an
	 * identity per port, and the port changes each time; NULL: derived from the identity */
	const char *user_principal;
	const char *page_marker; /* for moderators, see wire.proto; NULL: no screen recording */
	struct live *live;       /* NULL: library only */
	/**
	 * Take over a message of an authenticated peer, already checked against its role. Called on the
	 * server's thread; must not block. Answer with server_send(), at any time, from any thread.
	 */
	void (*handle_message)(void *user, struct peer *peer, Uxrec__ClientMessage *message);
	void *user;
};

/** Bind, and start the thread. @return 0 (free with server_destroy()) or -errno with the reason */
int server_create(struct server **ret, const struct server_options *options, struct error *reterr);
void server_destroy(struct server *server);
DEFINE_DESTROY(server);

/** Stop the thread: no more messages, sends or callbacks. Call before freeing the callbacks' data. */
void server_stop(struct server *server);

/** The bound port. */
int server_port(const struct server *server);

/**
 * Send a record to one peer; takes over the packet. Discarded when the peer is closed. A peer whose backlog
 * exceeds its limit is closed; so is the one with the largest backlog when the total exceeds its limit. Any
 * thread.
 */
void server_send(struct server *server, struct peer *peer, struct packet *packet);

/**
 * Like server_send(), for an answer that supersedes older ones of its kind: unsent ones are dropped.
 *
 * @param kind  the body case of the request, below 1000; 0: nothing is replaced
 */
void server_send_newest(
	struct server *server, struct peer *peer, struct packet *packet, unsigned kind);

/** Send reply_packet() of a body as an answer to @p request. Any thread. */
void server_answer(
	struct server *server, struct peer *peer, uint64_t request, const ProtobufCMessage *body);

/** Answer with a failure of one sentence. */
void server_fail(
	struct server *server, struct peer *peer, uint64_t request, int r, const char *text);

/**
 * Send a message to all peers concerned. Any thread.
 *
 * @param session  only peers that have this session open or watch it live; NULL: all
 */
void server_broadcast(struct server *server, const char *session, const ProtobufCMessage *body);

/** Send a status to all peers, replacing an unsent one. Takes over the packet. Any thread. */
void server_broadcast_status(struct server *server, struct packet *packet);

/** Send a message to all moderators. Any thread. */
void server_broadcast_moderators(struct server *server, const ProtobufCMessage *body);

/** Close connections whose links were revoked. Any thread. */
void server_check_links(struct server *server);

/** Signal new packets in the hub. Any thread. */
void server_wake(struct server *server);

/** Set the callback (run on the server's thread) for a long backlog that has drained. Set it before any send. */
void server_on_drained(struct server *server, void (*drained)(void *user), void *user);

/** Number of connected, authenticated peers. Any thread. */
unsigned server_peers(const struct server *server);
