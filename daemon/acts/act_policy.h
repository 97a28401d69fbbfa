#pragma once

#include "daemon/access/principal.h"
#include "replay/session/session.h"

/* Permissions for acts by role. Moderators may add any valid act. */

/**
 * Set the signature of an act: author, principal and, in a coder's layer, the layer's principal, which is empty
 * for clients without an identity. The log sets the act's id and session; values sent by the client are
 * ignored.
 */
void act_policy_sign(const struct principal *principal, Uxrec__Act *act);

/** Which acts of observers a session accepts. */
enum act_window {
	ACT_WINDOW_CLOSED,  /* none: ended */
	ACT_WINDOW_RUNNING, /* tags, notes and scores */
	ACT_WINDOW_NOTES,   /* notes only: ended a moment ago, and watched by the observer */
};

/**
 * Check an act without the session's log: observers add to the layer "live" of the running session, and notes
 * to that of the last one; reviewers to their own layer.
 *
 * @return 0, or -EACCES with the reason
 */
int act_policy_check(const struct principal *principal, const Uxrec__Act *act,
	enum act_window window, struct error *reterr);

/** Session referred to by an act. */
struct act_context {
	const struct annotations *log; /* with all acts so far */
	const Uxrec__Study *study;
	int64_t begin_ns;       /* start of the session; 0 when unknown */
	int64_t end_ns;         /* end of an ended session, otherwise 0 */
	int64_t now_ns;         /* of a running session, otherwise 0 */
	int64_t paused_ns;      /* start of the present pause; 0: none */
	enum act_window window; /* for observers */
};

/** @param session  with annotations; must outlive the context */
struct act_context act_context_of(const struct session *session);

/**
 * Check the references of an act: times of any body are within the session's span (unchecked without one), a
 * tag's moment is not in the present pause, tasks, codes, opportunities and modifiers exist in the study, and
 * referenced things in the log. For a patch, only the named fields.
 *
 * @return 0, -EBUSY in a pause, -ERANGE or -EINVAL, with the reason, which names the field
 */
int act_context_check(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr);

/**
 * Check an act against the acts before it, and with act_context_check().
 *
 * @return 0, -EACCES, -EBUSY, -EEXIST, -ENOENT, -ERANGE or -EINVAL, with the reason
 */
int act_policy_check_against(const struct principal *principal, const Uxrec__Act *act,
	const struct act_context *context, struct error *reterr);
