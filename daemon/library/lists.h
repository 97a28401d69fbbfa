#pragma once

#include "daemon/peers/outlet.h"
#include "daemon/stream/stream.h"

/**
 * Answers to ListSessions, made incrementally: sessions are opened one by one and closed at once, and a list in
 * parts pauses while its peer's backlog is long. Sessions are sorted by start time, newest first. Memory does
 * not grow with the number of sessions, except for 100 bytes each and the bounded cache of summaries.h.
 * Single-threaded.
 */
struct lists;

/**
 * @param ret     set on success; free with lists_destroy()
 * @param folder  of the sessions; must outlive the lists
 * @param stream  the running session
 * @return 0 or -ENOMEM
 */
int lists_create(struct lists **ret, const char *folder, struct stream *stream);
void lists_destroy(struct lists *lists);
DEFINE_DESTROY(lists);

/** Set the outlet for answers. Call before any list. */
void lists_set_outlet(struct lists *lists, const struct outlet *outlet);

/**
 * Start a list for a peer. A list in progress for the same peer is finished first; of the requests waiting for
 * it the newest is served, the others are refused with ECANCELED.
 *
 * @param parts  the peer accepts it in parts; otherwise it is one message, of at most 16 MiB
 * @return 0, or a negative errno with the reason
 */
int lists_begin(
	struct lists *lists, struct peer *peer, uint64_t request, bool parts, struct error *reterr);

/** Work for some hundredths of a second. @return true when there is more work that is not blocked by a backlog */
bool lists_step(struct lists *lists);
