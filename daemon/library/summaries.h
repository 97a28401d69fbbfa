#pragma once

#include "protocol/base/buf.h"
#include "replay/session/session.h"

/**
 * Packed SessionSummary messages by session, so that a library that is listed again and again is not read
 * again: one is good as long as no file of its session's folder has changed. Bounded: 8 MiB. One thread.
 */
struct summaries;

/** @return 0 (freed by summaries_destroy()) or -ENOMEM */
int summaries_create(struct summaries **ret);
void summaries_destroy(struct summaries *summaries);
DEFINE_DESTROY(summaries);

/**
 * A number for the state of a session's files: names, inodes, sizes and times of change.
 *
 * @return false when there is none to rely on: the folder cannot be read, has a thousand entries, or has
 *         changed within the last two seconds, the resolution of a file system's times
 */
bool summaries_stamp(const char *library, const char *id, uint64_t *ret);

/** @return the packed summary for this state of the files, until summaries_put(), or a view without data */
struct view summaries_get(const struct summaries *summaries, const char *id, uint64_t stamp);

/** Keep a summary, in the place of the one of an earlier state; nothing when there is no room. */
void summaries_put(struct summaries *summaries, const char *id, uint64_t stamp, struct view packed);

/** Forget the sessions that are not among @p ids. */
void summaries_keep(struct summaries *summaries, const struct session_ids *ids);
