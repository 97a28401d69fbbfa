#pragma once

#include "daemon/library/library.h"
#include "daemon/peers/jobs.h"
#include "daemon/peers/worker.h"
#include "protocol/base/queue.h"
#include "replay/export/way_out.h"
#include "replay/session/session.h"

/*
 * Modules of the library, all on its thread unless noted:
 *   library.c   the thread, requests and their answers
 *   sessions.c  open sessions and their consent gate
 *   reading.c   messages of a session for a player
 */

#define OPEN_LIMIT 8

/* session kept open for further requests */
struct open_session {
	struct session *session;
	unsigned users; /* reads in progress */
	int64_t used_ns;
	struct consent_span *muted; /* spans of sound withheld from all but moderators */
};

struct reading;

struct library {
	char *folder;
	struct studies studies;
	struct stream *stream;
	const struct outlet *outlet;
	const char *worker_program;                   /* of REQUEST_OF_WORKER; NULL: none */
	void (*end_worker)(void *user, pid_t worker); /* as of struct work */
	void *end_user;
	struct worker *worker;   /* waits for the processes that do it */
	struct worker *reader;   /* its thread owns the fields below */
	struct queue *forgotten; /* sessions that are being deleted */
	struct lists *lists;
	struct open_session open[OPEN_LIMIT];
	struct reading *readings;
};

/* ---- library.c ---- */

/** @param body  as of reply_packet() */
void library_send_answer(
	struct library *library, const struct job *job, const ProtobufCMessage *body);

/* ---- sessions.c ---- */

/** Open a session, or reuse an open one, without a gate. @return 0, -EBUSY, or an error of session_open() */
int library_open_session(
	struct library *library, const char *id, struct open_session **ret, struct error *reterr);

/**
 * Gate a session for a peer by its present consent. Call before each piece of work: peers share the session,
 * and consent may be withdrawn in between. While a session is being recorded, only moderators get sound
 * recorded while observers were muted.
 *
 * @return 0, -EACCES without the consent needed, or a negative errno when the consent is unreadable
 */
int library_gate_session(struct library *library, struct open_session *open,
	const struct peer *peer, enum way_out way, struct error *reterr);

/** Open a session for a peer's request. @return like library_open_session() and library_gate_session() */
int library_open_for(struct library *library, const struct job *job, const char *id,
	enum way_out way, struct open_session **ret, struct error *reterr);

/** Close a session, NULL: all; only after its reads have ended. */
void library_close_sessions(struct library *library, const char *id);

/* ---- reading.c ---- */

/** Start a Read; a read with state replaces those of the same peer. */
int library_begin_reading(struct library *library, const struct job *job, struct error *reterr);

/** Send to each peer as much as its backlog allows. */
void library_continue_reading(struct library *library);

/** End reads with a failure. @param peer  NULL: any, @p session: likewise */
void library_fail_readings(struct library *library, const struct peer *peer, const char *session,
	int reason, const char *why);

/** End all reads without an answer. */
void library_end_readings(struct library *library);
