#pragma once

#include "daemon/net/server.h"
#include "daemon/record/live.h"

/**
 * Answers to ListSessions, made step by step: sessions are opened one by one and closed at once, and a
 * list that comes in parts waits while much is queued for its peer. Sessions are in the order of their begin, the
 * newest first. Memory does not grow with the number of sessions, but for 100 bytes each and the bounded cache of
 * summaries.h. One thread.
 */
struct lists;

/**
 * @param ret     set on success; freed by lists_destroy()
 * @param folder  of the sessions; stays
 * @param live    NULL: nothing is being recorded by this program
 * @return 0 or -ENOMEM
 */
int lists_create(struct lists **ret, const char *folder, struct live *live);
void lists_destroy(struct lists *lists);
DEFINE_DESTROY(lists);

/** Where answers go. Before anything is begun. */
void lists_set_server(struct lists *lists, struct server *server);

/**
 * Begin a list for a peer. One that is under way for the same peer is finished first; of those that wait for it
 * the newest is made, the others are refused with ECANCELED.
 *
 * @param parts  the peer takes it in parts; otherwise it comes in one message, of at most 16 MiB
 * @return 0, or a negative errno with the reason
 */
int lists_begin(
	struct lists *lists, struct peer *peer, uint64_t request, bool parts, struct error *reterr);

/** Do some of the work, for some hundredths of a second. @return true when there is more that need not wait */
bool lists_step(struct lists *lists);
