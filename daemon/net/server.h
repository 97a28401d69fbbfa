#pragma once

#include "daemon/access/access.h"
#include "daemon/access/hosts.h"
#include "daemon/peers/outlet.h"
#include "daemon/stream/stream.h"
#include "protocol/base/error.h"

/**
 * Serves the pages over HTTP and everything else over one WebSocket subprotocol, "uxrec.v1", in its own thread.
 * Answers requests that need no computation (ping, the live stream) and hands on the rest. It admits nobody: that is
 * the owner's decision.
 */
struct server;

/** Callbacks run on the server's thread, and must not block for long. */
struct server_options {
	int listening;       /* socket; taken over */
	const char *web;     /* folder of the pages */
	const char *program; /* name of the owner, for clients */
	const char *run;     /* 32 hex digits: the owner's process */
	const struct hosts *hosts;
	struct stream *stream;
	bool recorder;        /* the owner can record */
	uint64_t connections; /* number before that of the first connection */
	/** Ask for the admission of a connection; server_admit() answers. */
	void (*admit)(void *user, uint64_t connection, const Uxrec__Hello *hello);
	/** An admitted connection has ended, or one whose admission was asked. */
	void (*left)(void *user, uint64_t connection);
	/** A connection watches from now on. */
	void (*watch)(void *user, uint64_t connection, uint32_t epoch, bool needs_keyframe);
	/**
	 * Take over a message of an authenticated peer, already checked against its role. Answer through
	 * server_outlet(), at any time, from any thread.
	 */
	void (*handle_message)(void *user, struct peer *peer, Uxrec__ClientMessage *message);
	/** The thread lives: an answer to server_check(). */
	void (*alive)(void *user);
	void *user;
};

/** Start the thread. @return 0 (free with server_destroy()) or -errno with the reason */
int server_create(struct server **ret, const struct server_options *options, struct error *reterr);
void server_destroy(struct server *server);
DEFINE_DESTROY(server);

/** Stop the thread: no more messages, sends or callbacks. Call before freeing the callbacks' data. */
void server_stop(struct server *server);

/**
 * The way to its peers. A peer whose backlog exceeds its limit is closed; so is the one with the largest backlog when
 * the total exceeds its limit.
 */
const struct outlet *server_outlet(struct server *server);

/** Send an answer to the connection of this number; takes over the packet. Otherwise as of the outlet. Any thread. */
void server_send_to(
	struct server *server, uint64_t connection, struct packet *packet, unsigned kind);

/** Admit a connection, or close it with the code of @p admission, which is copied. Any thread. */
void server_admit(struct server *server, uint64_t connection, const struct admission *admission);

/** Ask whether the thread lives. Any thread. */
void server_check(struct server *server);

/** Signal new packets in the hub. Any thread. */
void server_wake(struct server *server);

/** Set the callback (run on the server's thread) for a long backlog that has drained. Set it before any send. */
void server_on_drained(struct server *server, void (*drained)(void *user), void *user);
