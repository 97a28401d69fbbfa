#pragma once

/*
 * Write-ahead log of a recording in progress: the content of its open chunks, packet by packet. The
 * rotation of its two files and its safety are described in FORMAT.md, "While recording".
 */

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/os/folder.h"

#include <stdbool.h>

/* ---- writing ---- */

struct wal;

/**
 * Create the two files "NAME.wal-a" and "NAME.wal-b" beside a recording, empty. Stale ones are
 * removed.
 *
 * @param ret   set on success; freed by wal_destroy(); holds a reference to the folder
 * @param name  of the recording
 * @return 0 or a negative errno
 */
int wal_create(struct wal **ret, struct folder *folder, const char *name);

/**
 * Append one record. After a return of 0 the record survives the process.
 *
 * @param group_offset  offset in the recording of the chunks that will contain the record
 * @return 0, or the error of write(2); nothing was appended then
 */
int wal_append(
	struct wal *wal, uint64_t group_offset, const unsigned char *record, size_t size_bytes);

/**
 * Note that everything appended so far is in the recording up to @p end, and that the recording is
 * on the disk up to @p synced. Later appends may overwrite data that is no longer needed.
 */
void wal_rotate(struct wal *wal, uint64_t end, uint64_t synced);

/** Sync appended data to the disk; from any thread. @return 0 or a negative errno */
int wal_sync(struct wal *wal);

/** Remove the files, once the recording has everything. */
void wal_remove(struct wal *wal);

/** Same for a recording without a writer. */
void wal_remove_of(const struct folder *folder, const char *name);

/** Close the files without removing them; NULL is fine. */
void wal_destroy(struct wal *wal);
DEFINE_DESTROY(wal);

/* ---- reading ---- */

/** Records with the same group_offset, as stored in one of the two files. */
struct wal_group {
	uint64_t group_offset;
	unsigned file;       /* 0 or 1 */
	uint64_t generation; /* of the file */
	uint64_t begin, end; /* of its frames in the file */
	/* for the reader: the records wanted from here, see reader_internal.h; freed by it */
	uint64_t *wanted;
	size_t wanted_count;
};

/**
 * Find the groups in the log of a recording, without torn or stale ones.
 *
 * @param fds         opened on success, -1 for a missing file; closed by the caller
 * @param ret_groups  set on success, sorted by group_offset; freed by the caller
 * @param ret_damage  -EIO on an unreadable part of the disk, -EBADMSG when a file of the log is a
 *                    link or not a regular file, else 0
 * @param ret_error   set with -EBADMSG: the file, and its type
 * @return the number of groups, or a negative errno
 */
ssize_t wal_scan(const struct folder *folder, const char *name, int fds[2],
	struct wal_group **ret_groups, int *ret_damage, struct error *ret_error);

/**
 * Read a group's records, concatenated, into an empty buffer.
 *
 * @return 0, -EBADMSG when it no longer exists, or another negative errno
 */
int wal_read(const struct wal_group *group, int fd, struct buf *ret);
