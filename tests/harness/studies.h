#pragma once

/* Sessions with acts, made for tests of metrics. */

#include "tests/harness/helpers.h"

#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/file/writer.h"
#include "replay/metrics/metrics.h"

#define BEGIN_NS (1000 * NS_PER_S)
#define AT(s)    (BEGIN_NS + (int64_t)((s)*1e9))

/** A session's folder in the making. */
struct making {
	char *folder;
	struct session_writer *writer;
	struct session_clock clock;
	struct annotations *log;
	char attempt[33];   /* id of the newest */
	const char *author; /* of the next acts */
	const char *
		principal; /* likewise, with layers "coder:…" as their principal; "" for format 1 */
};

/**
 * @param folder  becomes the session's, freed by end_session()
 * @param uuid    NULL: a session of format 1
 * @param study   its YAML, or NULL: "Invoices"
 * @param info    the first act of its log: its session info
 */
void begin_session_in(struct making *making, char *folder, const char *uuid, const char *study,
	Uxrec__SessionInfo *info);
void begin_session_of(struct making *making, const char *name, const char *participant, bool pilot,
	const char *uuid);
/** The study "Invoices": the tasks "find", with four opportunities, and "pay". */
void begin_session(struct making *making, const char *name, const char *participant, bool pilot);

/** Write one message of the recording. */
void push(
	struct making *making, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message);

/** Append an act with a fresh id, which stays in it until the next call. */
void put_act(struct making *making, Uxrec__Act *act, const char *layer);

/** Same about the object with an id. @param act  its kind is set, unless ADD */
void put_act_as(struct making *making, Uxrec__Act *act, const char *id, const char *layer);

void add_attempt(struct making *making, const char *participant, const char *task, double from_s,
	double to_s, Uxrec__Attempt__Outcome outcome);
/* as an opportunity: the error belongs to none */
#define AT_NONE "!"

void add_tag(struct making *making, const char *layer, const char *code, double at_s,
	const char *opportunity);

/** A tag that names its attempt. */
void add_tag_of(struct making *making, const char *layer, const char *code, double at_s,
	const char *opportunity, const char *attempt);
void add_score(struct making *making, const char *layer, const char *opportunity, bool met);
void finish_layer(struct making *making, const char *layer);

/** @return the open session, freed with session_destroy() */
struct session *end_session(struct making *making);

/** Compute the metrics of sessions that are reopened by their folders. */
int compute(Uxrec__Metrics **ret, struct session **sessions, size_t count, const char *layer,
	struct error *reterr);

/** Same with the layer chosen in a study's log, or by an act. @param library  of the log, or NULL */
int compute_chosen(Uxrec__Metrics **ret, struct session **sessions, size_t count,
	const char *library, const Uxrec__Act *choice);
