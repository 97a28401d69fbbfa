#pragma once

#include "daemon/net/server.h"
#include "daemon/record/live.h"

/**
 * Everything that reads session files for browsers, in a thread of its own, and stores their acts, in others (see
 * acts.h): a slow disk or a long file delays neither the live stream nor an act.
 */
struct library;

/**
 * @param ret      set on success; freed by library_destroy()
 * @param folder   of the sessions; exists
 * @param studies  folder of study files, and @p examples another one; either may be NULL
 * @param live     NULL: nothing is being recorded by this program
 */
int library_create(struct library **ret, const char *folder, const char *studies,
	const char *examples, struct live *live, struct error *reterr);

/**
 * Drop all that waits, unanswered, and end the threads. Nothing is taken any more.
 *
 * @param deadline_ns  CLOCK_MONOTONIC time to wait until
 * @return 0, or -ETIMEDOUT when a file is being read that takes longer: then the program can only exit, without
 *         freeing the library or what it uses
 */
int library_stop(struct library *library, int64_t deadline_ns);

/** Also stops it, whatever time that takes. */
void library_destroy(struct library *library);
DEFINE_DESTROY(library);

/** Where answers go. Before anything is taken. */
void library_set_server(struct library *library, struct server *server);

/** @return true for the messages that library_take() answers */
bool library_answers(const Uxrec__ClientMessage *message);

/** Answer a message, later, in one of the library's threads; takes it over. Any thread; never blocks. */
void library_take(struct library *library, struct peer *peer, Uxrec__ClientMessage *message);

/** An act was stored by somebody else: tell those who have its session open. Any thread. */
void library_tell_act(struct library *library, const char *session, const Uxrec__Act *act);

/** A peer can take more, or is gone. Any thread. */
void library_poke(struct library *library);

/**
 * Find a study by its name in the folders of studies.
 *
 * @return 0 (freed with uxrec__study__free_unpacked()), -ENOENT, or what study_load() gives
 */
int library_find_study(
	struct library *library, const char *name, Uxrec__Study **ret, struct error *reterr);

/** @return whether any study in these folders hides parts of the screen */
bool library_studies_hide(struct library *library);
