#pragma once

#include "daemon/acts/acts.h"

/**
 * All changes of sessions by requests: acts (see acts.h), and in a thread of their own transcripts and deletion, which
 * the running session does not have.
 */
struct changes;

/** The callback runs on the thread. */
struct changes_options {
	const char *folder; /* of the sessions; must outlive the changes */
	struct live *live;  /* NULL: this program is not recording */
	/* close the files of a session, which are about to be deleted */
	void (*forget)(void *user, const char *session);
	void *user;
};

/** @return 0 (free with changes_destroy()), or a negative errno with the reason */
int changes_create(
	struct changes **ret, const struct changes_options *options, struct error *reterr);

/** Set the outlet for answers. Call before any request. */
void changes_set_outlet(struct changes *changes, const struct outlet *outlet);

/** The way of acts, owned by the changes. */
struct acts *changes_acts(struct changes *changes);

/** Do a request of REQUEST_OF_WRITER asynchronously, and answer; takes over the message. Any thread; never blocks. */
void changes_handle(struct changes *changes, struct peer *peer, Uxrec__ClientMessage *message);

/** Drop pending requests. @return like worker_stop() */
int changes_stop(struct changes *changes, int64_t deadline_ns);
void changes_destroy(struct changes *changes);
DEFINE_DESTROY(changes);
