#pragma once

#include "daemon/access/access.h"
#include "daemon/access/principal.h"
#include "daemon/access/tickets.h"
#include "daemon/record/live.h"
#include "protocol/base/error.h"

/**
 * Serves the pages over HTTP and everything else over one WebSocket subprotocol, "uxrec.v1", in a
 * thread of its own. It answers what needs no thinking (hello, ping, the live stream) and hands the
 * rest on.
 */
struct server;

struct server_options {
	const char *address; /* "127.0.0.1" */
	int port;            /* 0: any that is free */
	const char *web;     /* folder of the pages */
	const struct access *access;
	struct tickets *tickets; /* NULL: none are taken */
	/* principals of clients without an identity are derived from it: 32 hex digits */
	const char *secret;
	/* of every client with an identity, where all are this user's: browsers keep an identity by port, which
	 * is another each time; NULL: derived from the identity */
	const char *user_principal;
	const char
		*page_marker; /* for the moderator, see wire.proto; NULL: no screen is recorded */
	struct live *live;    /* NULL: only a library is served */
	/**
	 * Take over a message of an authenticated peer, checked against its role. From the server's
	 * thread; must not block. Answers go by server_send(), at any time, from any thread.
	 */
	void (*take)(void *user, struct peer *peer, Uxrec__ClientMessage *message);
	void *user;
};

/** Bind, and start the thread. @return 0 (freed by server_destroy()) or -errno with the reason */
int server_create(struct server **ret, const struct server_options *options, struct error *reterr);
void server_destroy(struct server *server);
DEFINE_DESTROY(server);

/** End the thread: nothing is taken, sent or called back any more. Before what it calls is freed. */
void server_stop(struct server *server);

/** The port that was bound. */
int server_port(const struct server *server);

/**
 * Send a record to one peer; takes over the packet. A closed peer gets nothing. One for which more waits
 * than it takes is closed, as is the largest when too much waits for all of them. Any thread.
 */
void server_send(struct server *server, struct peer *peer, struct packet *packet);

/**
 * The same for an answer that makes older ones of its kind worthless: those that were not sent go.
 *
 * @param kind  the body case of the request, below 1000; 0: nothing is replaced
 */
void server_send_newest(
	struct server *server, struct peer *peer, struct packet *packet, unsigned kind);

/** Send a message as an answer to @p request. Any thread. */
void server_answer(
	struct server *server, struct peer *peer, uint64_t request, Uxrec__ServerMessage *message);

/** Answer with a failure: one sentence. */
void server_fail(
	struct server *server, struct peer *peer, uint64_t request, int r, const char *text);

/**
 * Send a message to all whom it concerns. Any thread.
 *
 * @param session  only those who have this session open or watch it live; NULL: everybody
 */
void server_broadcast(
	struct server *server, const char *session, const Uxrec__ServerMessage *message);

/** Send a status to everybody; it replaces one that was not sent. Takes over the packet. Any thread. */
void server_broadcast_status(struct server *server, struct packet *packet);

/** Send a message to all moderators. Any thread. */
void server_broadcast_moderators(struct server *server, const Uxrec__ServerMessage *message);

/** Links were revoked: close their connections. Any thread. */
void server_check_links(struct server *server);

/** There is something new in the hub. Any thread. */
void server_wake(struct server *server);

/** Set, before anything is sent, who is told (on the server's thread) that a long queue is short. */
void server_on_drained(struct server *server, void (*drained)(void *user), void *user);

/** How many are connected and authenticated. Any thread. */
unsigned server_peers(const struct server *server);
