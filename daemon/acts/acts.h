#pragma once

#include "daemon/peers/jobs.h"
#include "daemon/peers/outlet.h"
#include "daemon/record/live.h"

/**
 * The one way of acts into the logs of sessions, whoever makes them: rights, validity and references are checked, the
 * act is appended, recorded, and announced.
 *
 * Acts of peers have threads of their own: one for the running session, whose log is the station's and stays open, one
 * for all other sessions. Neither reading session files nor opening another session delays an act of the running one.
 */
struct acts;

/** The session of an act. */
struct act_session {
	const char *id;
	struct session_log *log;
	bool running;             /* its span and its pause are those of struct live */
	int64_t begin_ns, end_ns; /* of another one, as in struct act_context */
};

/**
 * @param ret     set on success; free with acts_destroy()
 * @param folder  of the sessions; must outlive the acts
 * @param live    NULL: this program is not recording
 */
int acts_create(struct acts **ret, const char *folder, struct live *live, struct error *reterr);

/** Set the outlet for answers. Call before any act. */
void acts_set_outlet(struct acts *acts, const struct outlet *outlet);

/** Store the act of a PutAct asynchronously, and answer; takes over the message. Any thread; never blocks. */
void acts_handle(struct acts *acts, struct peer *peer, Uxrec__ClientMessage *message);

/**
 * Add an act to the log of its session. Any thread.
 *
 * @param act  its signature is set; nothing of it is kept
 * @param job  answered with the stored act before it is announced; NULL: none
 * @return 0, or a negative errno of act_policy_check_against() or annotations_append(), with the reason
 */
int acts_add(struct acts *acts, const struct principal *principal,
	const struct act_session *session, Uxrec__Act *act, const struct job *job,
	struct error *reterr);

/** Drop pending acts. @return like worker_stop() */
int acts_stop(struct acts *acts, int64_t deadline_ns);
void acts_destroy(struct acts *acts);
DEFINE_DESTROY(acts);
