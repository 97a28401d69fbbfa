#pragma once

#include "daemon/access/principal.h"
#include "replay/session/session.h"

/* Who may say what about a session. Moderators may say everything that holds. */

/**
 * Set whose act it is: author, principal and, of a coder's layer, the layer's principal, which is empty for
 * clients without an identity. The log sets the act's id and its session; values of the client's do not count.
 */
void say_sign(const struct peer *peer, Uxrec__Act *act);

/** Which acts of observers a session takes. */
enum say_window {
	SAY_CLOSED,  /* none: it has ended */
	SAY_RUNNING, /* tags, notes and scores */
	SAY_NOTES,   /* notes alone: it ended a moment ago, and the observer watched it */
};

/**
 * Check an act without the session's log: observers add to the layer "live" of the running session, and notes to
 * that of the one that ended last; reviewers to their own.
 *
 * @return 0, or -EACCES with the reason
 */
int say_check(const struct peer *peer, const Uxrec__Act *act, enum say_window window,
	struct error *reterr);

/** The session that an act refers to. */
struct act_context {
	const struct annotations *log; /* with all acts so far */
	const Uxrec__Study *study;
	int64_t begin_ns;       /* the session's; 0 where it is not known */
	int64_t end_ns;         /* of a session that has ended, otherwise 0 */
	int64_t now_ns;         /* of a running session, otherwise 0 */
	int64_t paused_ns;      /* begin of the pause that lasts; 0: none */
	enum say_window window; /* of observers */
};

/** @param session  with annotations; the context is good as long as it is */
struct act_context say_context(const struct session *session);

/**
 * Check the references of an act: times of any body are within the session's span (without one they are not
 * checked), a tag's moment is in no pause that lasts, tasks, codes, opportunities and modifiers are those of the
 * study, things are in the log. Of a patch the fields that it names.
 *
 * @return 0, -EBUSY in a pause, -ERANGE or -EINVAL, with the reason, which names the field
 */
int say_check_context(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr);

/**
 * Check an act against the acts before it and by say_check_context().
 *
 * @return 0, -EACCES, -EBUSY, -EEXIST, -ENOENT, -ERANGE or -EINVAL, with the reason
 */
int say_check_against(const struct peer *peer, const Uxrec__Act *act,
	const struct act_context *context, struct error *reterr);
