#pragma once

#include "daemon/peer.h"
#include "replay/session.h"

/* Who may say what about a session. Moderators may say everything that holds. */

/**
 * Check what can be known without the session: observers speak in the layer "live" of the running
 * session, reviewers in their own.
 *
 * @param live  the session is being recorded now
 * @return 0, or -EACCES with the reason
 */
int say_check(const struct peer *peer, const Uxrec__Act *act, bool live, struct error *reterr);

/**
 * Check an act against what was said before, and against the study.
 *
 * @param session  with its annotations
 * @return 0, -EACCES, -EEXIST, -ENOENT or -EINVAL, with the reason
 */
int say_check_against(const struct peer *peer, const Uxrec__Act *act, const struct session *session,
	struct error *reterr);
