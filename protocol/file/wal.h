#pragma once

/*
 * The write-ahead log of a recording that is being written: what is in its open chunks, packet by
 * packet. FORMAT.md, "While recording", says how its two files take turns and why that is sound.
 */

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/os/folder.h"

#include <stdbool.h>

/* ---- writing ---- */

struct wal;

/**
 * Make the two files "NAME.wal-a" and "NAME.wal-b" beside a recording, empty. Stale ones are removed.
 *
 * @param ret   set on success; freed by wal_destroy(); holds a reference of the folder
 * @param name  of the recording
 * @return 0 or a negative errno
 */
int wal_create(struct wal **ret, struct folder *folder, const char *name);

/**
 * Append one record. When it returns 0, the record outlives the process.
 *
 * @param group_offset  where in the recording the chunks that the record belongs to will begin
 * @return 0, or what write(2) gave: then nothing was appended
 */
int wal_append(
	struct wal *wal, uint64_t group_offset, const unsigned char *record, size_t size_bytes);

/**
 * Say that everything appended so far is in the recording up to @p end, and that the recording is
 * on the disk up to @p synced. What comes next may go over what is not needed any more.
 */
void wal_turn(struct wal *wal, uint64_t end, uint64_t synced);

/** Bring what was appended to the disk; from any thread. @return 0 or a negative errno */
int wal_sync(struct wal *wal);

/** Remove the files: the recording has everything. */
void wal_remove(struct wal *wal);

/** The same of a recording that nobody writes any more. */
void wal_remove_of(const struct folder *folder, const char *name);

/** Close the files and leave them; NULL is fine. */
void wal_destroy(struct wal *wal);
DEFINE_DESTROY(wal);

/* ---- reading ---- */

/** Records with the same group_offset, as they lie in one of the two files. */
struct wal_group {
	uint64_t group_offset;
	unsigned file;       /* 0 or 1 */
	uint64_t generation; /* of the file */
	uint64_t begin, end; /* of its frames in the file */
	/* the reader's: what it takes from here, see reader_internal.h; freed by it */
	uint64_t *wanted;
	size_t wanted_count;
};

/**
 * Find the groups in the log of a recording; what is torn or stale is left out.
 *
 * @param fds         opened on success, -1 where there is no file; the caller closes them
 * @param ret_groups  set on success, sorted by group_offset; the caller frees them
 * @param ret_damage  -EIO when the disk does not give all of it back, -EBADMSG when a file of the log
 *                    is a link or no regular file, else 0
 * @param ret_error   written with -EBADMSG: which file, and what it is
 * @return how many, or a negative errno
 */
ssize_t wal_scan(const struct folder *folder, const char *name, int fds[2],
	struct wal_group **ret_groups, int *ret_damage, struct error *ret_error);

/**
 * Read a group's records, one behind the other, into an empty buffer.
 *
 * @return 0, -EBADMSG when it is not there any more, or another negative errno
 */
int wal_read(const struct wal_group *group, int fd, struct buf *ret);
