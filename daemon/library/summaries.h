#pragma once

#include "protocol/base/buf.h"
#include "replay/session/session.h"

/**
 * Cache of packed SessionSummary messages by session, so that repeated lists do not reread the library. An
 * entry is valid as long as no file in its session's folder has changed. Bounded: 8 MiB. Single-threaded.
 */
struct summaries;

/** @return 0 (free with summaries_destroy()) or -ENOMEM */
int summaries_create(struct summaries **ret);
void summaries_destroy(struct summaries *summaries);
DEFINE_DESTROY(summaries);

/**
 * Hash of the state of a session's files: names, inodes, sizes and change times.
 *
 * @return false when there is no reliable one: the folder is unreadable, has a thousand entries, or has changed
 *         within the last two seconds, the resolution of file system timestamps
 */
bool summaries_stamp(const char *library, const char *id, uint64_t *ret);

/** @return the packed summary for this state of the files, valid until summaries_put(), or a view without data */
struct view summaries_get(const struct summaries *summaries, const char *id, uint64_t stamp);

/** Store a summary, replacing one of an earlier state; no-op when there is no room. */
void summaries_put(struct summaries *summaries, const char *id, uint64_t stamp, struct view packed);

/** Drop the sessions not in @p ids. */
void summaries_keep(struct summaries *summaries, const struct session_ids *ids);
