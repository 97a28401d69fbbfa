#pragma once

#include "daemon/peers/outlet.h"
#include "daemon/stream/stream.h"
#include "replay/study/studies.h"

#include <sys/types.h>

/** Reads session files for browsers in its own thread, so that a slow disk or a long file delays no live stream. */
struct library;

/**
 * @param ret      set on success; free with library_destroy()
 * @param folder   of the sessions; must exist
 * @param studies  their names must outlive the library
 * @param stream   the running session
 */
int library_create(struct library **ret, const char *folder, const struct studies *studies,
	struct stream *stream, struct error *reterr);

/**
 * Drop pending requests, unanswered, and stop the threads. No more requests are accepted.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until
 * @return 0, or -ETIMEDOUT when a file in progress takes longer: the program can then only exit, without
 *         freeing the library or its dependencies
 */
int library_stop(struct library *library, int64_t deadline_ns);

/** Stops the threads first, without a time limit. */
void library_destroy(struct library *library);
DEFINE_DESTROY(library);

/**
 * Set how requests of REQUEST_OF_WORKER are done. Call before any.
 *
 * @param program    path of uxrec-worker, which must outlive the library; NULL: they are refused
 * @param end, user  as of struct work
 */
void library_set_worker(struct library *library, const char *program,
	void (*end)(void *user, pid_t worker), void *user);

/** Set the outlet for answers. Call before any request. */
void library_set_outlet(struct library *library, const struct outlet *outlet);

/** Answer a message of REQUEST_OF_LIBRARY or _WORKER asynchronously, in one of the library's threads; takes it over. Any thread; never blocks. */
void library_handle(struct library *library, struct peer *peer, Uxrec__ClientMessage *message);

/** Close a session whose files are being deleted; its reads fail. Any thread. */
void library_forget(struct library *library, const char *session);

/** Call when a peer's backlog has drained, or the peer is gone. Any thread. */
void library_wake(struct library *library);
