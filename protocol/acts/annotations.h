#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/os/folder.h"
#include "protocol/acts.pb-c.h"

#include <stdbool.h>

/**
 * `annotations.mcap`: all acts about a session, during it and after. Append-only: each act is a
 * chunk of one message with its CRC, written under flock(2) and fsynced before annotations_append()
 * returns. Other MCAP layouts are read as well (act_reader.h); data after the end of the data
 * section is ignored, and the first act sets it aside as a torn end.
 *
 * The state is the fold of all acts (act_fold.h). Acts of a later version and invalid acts stay in
 * the file and are merged byte for byte; for their part in the state see act_judge().
 */
struct annotations;

struct annotations_counts {
	uint64_t acts; /* in the file, of any kind */
	unsigned later, invalid;
	unsigned damaged; /* unreadable records */
};

struct annotations_problem {
	uint64_t offset; /* of the chunk or message in the file */
	char text[400];
};

/**
 * Open the log of a session. Opening and reading change nothing and do not wait for a lock; a torn
 * end (a writer was killed in mid-act) is not read. The first act opens the file for writing,
 * creating it if needed, and moves a torn end to a file beside it.
 *
 * @param ret       set on success; freed by annotations_destroy()
 * @param path      of the file
 * @param writable  acts may be appended; a missing file is then an empty log
 * @return 0, -ENOENT, -EBADMSG when it is not an annotation log, or as folder_read()
 */
int annotations_open(
	struct annotations **ret, const char *path, bool writable, struct error *reterr);

/** Same for the log in a session's folder; keeps a reference to @p folder. */
int annotations_open_below(
	struct annotations **ret, struct folder *folder, bool writable, struct error *reterr);

/** Same for a log of another name: that of a study. */
int annotations_open_named(struct annotations **ret, struct folder *folder, const char *name,
	bool writable, struct error *reterr);

void annotations_destroy(struct annotations *log);
DEFINE_DESTROY(annotations);

/**
 * Set the log's session: appended acts are about it, and acts of another session are not merged.
 * Without it, the session is taken from the log's own acts.
 *
 * @param uuid  32 hex digits, or "" when unknown (format 1)
 */
void annotations_set_session(struct annotations *log, const char *uuid);

/** @return the log's session, or "" */
const char *annotations_session(const struct annotations *log);

/** Read acts appended by other processes since. @return 0 or a negative errno */
int annotations_refresh(struct annotations *log);

/**
 * Append one act. Its counter and wall time are set here, and its act_id if empty; everything else
 * must pass act_check(). A patch must be about an existing thing, and leave it valid. On return the
 * act is on the disk. A log that was removed meanwhile is created again.
 *
 * @param ret  set on success: the standing act about the thing: for a patch the whole thing, as
 *             KIND_CHANGE; for a removal the act itself. Owned by the log, valid until the next
 *             call
 * @return 0, -EINVAL, -ENOENT when a patch is about nothing, -EFBIG when the act or the log would
 *         be too large, -EROFS when it was not opened for writing, -ESTALE when another file has
 *         replaced the one that was read, -EBUSY when its lock is held for seconds, or as
 *         folder_write(), write(2) or fsync(2); with the reason
 */
int annotations_append(struct annotations *log, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct error *reterr);

/**
 * @return the act written by the last successful annotations_append(), valid until the next; NULL
 *         before the first
 */
const Uxrec__Act *annotations_appended(const struct annotations *log);

struct annotations_merged {
	size_t fresh;     /* acts taken */
	size_t later;     /* of them: acts of a later version */
	size_t invalid;   /* of them: acts that are not valid */
	size_t differing; /* not taken: same act_id as an act here, but other bytes */
	unsigned damaged; /* unreadable records */
	uint64_t torn_bytes;
	struct annotations_problem first; /* of the damage */
};

/**
 * Add every act of another copy of the log that is missing from this one: the merge is the union of
 * the acts, in any order. Acts with an act_id are compared by it, those without by their bytes. The
 * bytes of an act are kept, whatever its source layout.
 *
 * @return 0, -EXDEV when an act is about another session, -EBADMSG when the file has no channel of
 *         acts, or a negative errno; with the reason
 */
int annotations_merge(struct annotations *log, const char *path, struct annotations_merged *ret,
	struct error *reterr);

/** Same with the log in another session's folder. */
int annotations_merge_below(struct annotations *log, const struct folder *folder,
	struct annotations_merged *ret, struct error *reterr);

/** @return the current number of things; act @p i with annotations_get(), in fold order */
size_t annotations_count(const struct annotations *log);
const Uxrec__Act *annotations_get(const struct annotations *log, size_t i);

/** @return the standing act about a thing, or NULL */
const Uxrec__Act *annotations_find(const struct annotations *log, const char *id);

/** @return true when the log has an act about a thing, even if the thing was removed */
bool annotations_knows(const struct annotations *log, const char *id);

/**
 * Bytes read from the file: at most ANNOTATIONS_LIMIT_BYTES; beyond that appending returns -EFBIG.
 */
uint64_t annotations_size_bytes(const struct annotations *log);

/** Number of unreadable records in the file, whose acts are lost. */
unsigned annotations_damaged(const struct annotations *log);

/** Counts of the acts and damages in the file as read. */
const struct annotations_counts *annotations_counts(const struct annotations *log);

/**
 * @return the number of listed problems: the first READER_DAMAGES_LIMIT damages and invalid acts
 */
size_t annotations_problems(const struct annotations *log, const struct annotations_problem **ret);
