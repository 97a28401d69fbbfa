#pragma once

#include "daemon/acts/acts.h"
#include "daemon/net/server.h"
#include "daemon/record/live.h"

/**
 * Reads session files for browsers in its own thread, and stores their acts in others (see acts.h): a slow disk
 * or a long file delays neither the live stream nor an act.
 */
struct library;

/**
 * @param ret      set on success; free with library_destroy()
 * @param folder   of the sessions; must exist
 * @param studies  folder of study files, with @p examples a second one; either may be NULL
 * @param live     NULL: this program is not recording
 */
int library_create(struct library **ret, const char *folder, const char *studies,
	const char *examples, struct live *live, struct error *reterr);

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

/** Set the path of uxrec-worker, which must outlive the library; NULL: its requests are refused. Call before any. */
void library_set_worker(struct library *library, const char *program);

/** Set the server for answers. Call before any request. */
void library_set_server(struct library *library, struct server *server);

/** Answer a message of REQUEST_OF_LIBRARY, _WORKER or _ACTS asynchronously, in one of the library's threads; takes it over. Any thread; never blocks. */
void library_handle(struct library *library, struct peer *peer, Uxrec__ClientMessage *message);

/** The way of acts into sessions, owned by the library. */
struct acts *library_acts(struct library *library);

/** Call when a peer's backlog has drained, or the peer is gone. Any thread. */
void library_wake(struct library *library);

/**
 * Find a study by name in the folders of studies.
 *
 * @return 0 (free with uxrec__study__free_unpacked()), -ENOENT, or an error of study_load()
 */
int library_find_study(
	struct library *library, const char *name, Uxrec__Study **ret, struct error *reterr);

/** @return true when any study in these folders hides parts of the screen */
bool library_studies_hide(struct library *library);
