#pragma once

#include "daemon/live.h"
#include "daemon/server.h"

/**
 * Everything that reads session files for browsers, and writes what reviewers and observers say about
 * them, in a thread of its own: a slow disk or a long file never delays the live stream.
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
void library_destroy(struct library *library);
DEFINE_DESTROY(library);

/** Where answers go. Before anything is taken. */
void library_set_server(struct library *library, struct server *server);

/** @return true for the messages that library_take() answers */
bool library_answers(const Uxrec__ClientMessage *message);

/** Answer a message, later, in the library's thread; takes it over. Any thread. */
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
