#pragma once

#include "daemon/access/access.h"
#include "daemon/access/hosts.h"
#include "daemon/peers/outlet.h"
#include "daemon/record/live.h"
#include "protocol/base/error.h"

/**
 * The owner's side of uxrec-server: starts it, feeds it, checks its requests, and starts it again when it ends. One
 * thread, which neither waits for the server nor keeps more for it than a bounded backlog: a server that is stopped,
 * mad or out of memory costs a recording nothing. The threat is in daemon/access/access.h.
 */
struct front;

/** All strings must outlive the front. */
struct front_options {
	const char *server;  /* path of uxrec-server */
	const char *service; /* socket of a service that is it, instead of a child; NULL: none */
	const char *program; /* name of this program, for clients */
	const char *address; /* "127.0.0.1" */
	int port;            /* 0: any free port */
	const char *web;     /* folder of the pages */
	const char *library, *studies, *examples; /* folders; NULL: none */
	const char *worker;                       /* path of uxrec-worker */
	const struct hosts *hosts;
	struct access *access;
	const char *page_marker; /* for moderators, see wire.proto; NULL: no screen recording */
	struct live *live;       /* NULL: library only */
	/**
	 * Take over a message of an admitted peer, already checked against its role and rate. Called on the
	 * front's thread; must not block. Answer through front_outlet(), at any time, from any thread.
	 */
	void (*handle_message)(void *user, struct peer *peer, Uxrec__ClientMessage *message);
	void *user;
};

/** Bind. @return 0 (free with front_destroy()), or a negative errno with the reason */
int front_create(struct front **ret, const struct front_options *options, struct error *reterr);

/**
 * Start the server, and wait until it serves.
 *
 * @return 0, or a negative errno with the reason: also when this first server ends at once
 */
int front_start(struct front *front, struct error *reterr);

/** End the server, and stop the thread: no more messages. Call before freeing the callbacks' data. */
void front_stop(struct front *front);
void front_destroy(struct front *front);
DEFINE_DESTROY(front);

/** The bound port. */
int front_port(const struct front *front);

/** The way to the peers. */
const struct outlet *front_outlet(struct front *front);

/** Number of admitted connections. Any thread. */
unsigned front_peers(const struct front *front);

/** Signal new packets, or a new state of the running session. Any thread. */
void front_wake(struct front *front);

/** Close the connections whose links were revoked. Any thread. */
void front_check_links(struct front *front);

/** Close the server's files of a session, which are about to be deleted. Any thread. */
void front_forget(struct front *front, const char *session);
