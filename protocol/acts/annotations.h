#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/os/folder.h"
#include "protocol/acts.pb-c.h"

#include <stdbool.h>

/**
 * `annotations.mcap`: all acts about a session, during it and after. Append-only: each act is a chunk of one
 * message with its CRC, written under flock(2) and fsynced before annotations_append() returns. Other MCAP layouts
 * are read as well (act_reader.h); behind the end of the data section nothing is, and the first act sets that aside
 * as a torn end.
 *
 * The state is the fold of all acts (act_fold.h). Acts of a later version, and acts that are not valid, stay in the
 * file and go along in a merge byte for byte; for their part in the state see act_judge().
 */
struct annotations;

struct annotations_counts {
	uint64_t acts; /* in the file, of whatever kind */
	unsigned later, invalid;
	unsigned damaged; /* records that could not be read */
};

struct annotations_problem {
	uint64_t offset; /* of the chunk or message in the file */
	char text[400];
};

/**
 * Open the log of a session. Opening and reading change nothing and wait for no lock; a torn end (a writer
 * was killed in mid-act) is not read. The first act opens the file for writing, makes it when there is
 * none, and moves a torn end to a file beside it.
 *
 * @param ret       set on success; freed by annotations_destroy()
 * @param path      of the file
 * @param writable  acts may be appended; then a file that is not there is an empty log
 * @return 0, -ENOENT, -EBADMSG when it is not an annotation log, or as folder_read()
 */
int annotations_open(
	struct annotations **ret, const char *path, bool writable, struct error *reterr);

/** The same for the log in a session's folder, of which it keeps a reference. */
int annotations_open_below(
	struct annotations **ret, struct folder *folder, bool writable, struct error *reterr);

/** The same for a log of another name: that of a study. */
int annotations_open_named(struct annotations **ret, struct folder *folder, const char *name,
	bool writable, struct error *reterr);

void annotations_destroy(struct annotations *log);
DEFINE_DESTROY(annotations);

/**
 * Set the session that the log is of: acts that are appended are about it, and acts of another session are not
 * merged. Without it, the log is of the session that its own acts are about.
 *
 * @param uuid  32 hex digits, or "" when it is not known (format 1)
 */
void annotations_set_session(struct annotations *log, const char *uuid);

/** @return the session that the log is of, or "" */
const char *annotations_session(const struct annotations *log);

/** Take in what other processes have appended since. @return 0 or a negative errno */
int annotations_refresh(struct annotations *log);

/**
 * Append one act. Its counter and wall time are set here, and its act_id where it has none; everything else must
 * pass act_check(). A patch must be about a thing that is there, and leave it valid. On return the act
 * is on the disk. A log that was removed meanwhile is made again.
 *
 * @param ret  set on success: the standing act about the thing: of a patch the whole thing, as KIND_CHANGE; of a
 *             removal the act itself. The log's own, valid until the next call
 * @return 0, -EINVAL, -ENOENT when a patch is about nothing, -EFBIG when the act or the log would be too large,
 *         -EROFS when it was not opened for writing, -ESTALE when another file has taken the place of the one that
 *         was read, -EBUSY when somebody holds its lock for seconds, or as folder_write(), write(2) or fsync(2);
 *         with the reason
 */
int annotations_append(struct annotations *log, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct error *reterr);

/** @return the act that the last successful annotations_append() wrote, valid until the next; NULL before the first */
const Uxrec__Act *annotations_appended(const struct annotations *log);

struct annotations_merged {
	size_t fresh;     /* acts that were taken */
	size_t later;     /* of them: acts of a later version */
	size_t invalid;   /* of them: acts that are not valid */
	size_t differing; /* not taken: an act here has the same act_id and other bytes */
	unsigned damaged; /* records that cannot be read */
	uint64_t torn_bytes;
	struct annotations_problem first; /* of the damage */
};

/**
 * Take in every act of another copy of the log that is not in this one: copies merge as the union of their acts,
 * whatever the order. An act with an act_id is the same as that of the same id, one without as that of the same
 * bytes. The bytes of an act stay as they are, whatever the layout that they come from.
 *
 * @return 0, -EXDEV when an act is about another session, -EBADMSG when the file has no channel of acts, or a
 *         negative errno; with the reason
 */
int annotations_merge(struct annotations *log, const char *path, struct annotations_merged *ret,
	struct error *reterr);

/** The same with the log in another session's folder. */
int annotations_merge_below(struct annotations *log, const struct folder *folder,
	struct annotations_merged *ret, struct error *reterr);

/** @return how many things there are now; act @p i with annotations_get(), in fold order */
size_t annotations_count(const struct annotations *log);
const Uxrec__Act *annotations_get(const struct annotations *log, size_t i);

/** @return the act about a thing that stands, or NULL */
const Uxrec__Act *annotations_find(const struct annotations *log, const char *id);

/** @return true when the log has an act about a thing, which may have been removed */
bool annotations_knows(const struct annotations *log, const char *id);

/** Bytes of the file that were read: at most ANNOTATIONS_LIMIT_BYTES, above which acts get -EFBIG. */
uint64_t annotations_size_bytes(const struct annotations *log);

/** Records of the file that could not be read, and cost their acts. */
unsigned annotations_damaged(const struct annotations *log);

/** Counts of the acts and damages in the file as read. */
const struct annotations_counts *annotations_counts(const struct annotations *log);

/** @return how many problems are listed: the first READER_DAMAGES_LIMIT damages and acts that are not valid */
size_t annotations_problems(const struct annotations *log, const struct annotations_problem **ret);
