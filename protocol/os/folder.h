#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * A folder held by its descriptor, and the only access to the files in it. A session's folder may come from
 * somebody else, so its entries are hostile:
 *
 * - A name is one component: never empty, ".", ".." or with a slash. No openat2(2) is needed then.
 * - Symbolic links are never followed (-ELOOP), neither for the folder nor for a file in it.
 * - Only regular files are opened; a FIFO, a device, a socket or a folder fails at once (-EBADMSG), without
 *   blocking.
 * - A new file must not exist yet (O_EXCL); its mode is 0600.
 * - A file with several names (hard links) can be read but not written: a change would affect the other name
 *   (-EMLINK). Owners are not compared: shared libraries have files of colleagues, whose content is as
 *   hostile as any other.
 *
 * Immutable, reference-counted: any thread. Errors name the folder, the file, and the kind of the entry.
 */
struct folder;

/**
 * Open a folder named by the user. Links above its last component are followed.
 *
 * @param ret  set on success; released by folder_unref()
 * @return 0, -ELOOP when it is a symbolic link, -ENOTDIR, or the errno of open(2)
 */
int folder_open(struct folder **ret, const char *path, struct error *reterr);

/** As folder_open(), for the user's own folder, such as a library: it may be a symbolic link. */
int folder_open_linked(struct folder **ret, const char *path, struct error *reterr);

/**
 * Open the parent folder of a named file; the folder may be a symbolic link.
 *
 * @param ret_name  the file's name: the end of @p path
 * @return as folder_open_linked(), or -EISDIR when the path ends in a slash, "." or ".."
 */
int folder_open_of(
	struct folder **ret, const char *path, const char **ret_name, struct error *reterr);

/** Open a subfolder. @return as folder_open() */
int folder_open_below(
	struct folder **ret, const struct folder *parent, const char *name, struct error *reterr);

/** Open a subfolder, creating it with mode 0700 if nothing has that name. @return as folder_open() */
int folder_make_below(
	struct folder **ret, const struct folder *parent, const char *name, struct error *reterr);

struct folder *folder_ref(struct folder *folder);

/** NULL is fine. */
void folder_unref(struct folder *folder);

static inline void folder_unref_pointer(struct folder **folder)
{
	folder_unref(*folder);
}

#define _folder_unref_ _cleanup_(folder_unref_pointer)

/** @return the path it was opened by; for messages only, never for opening */
const char *folder_path(const struct folder *folder);

/** @return the folder's descriptor, owned by the folder */
int folder_fd(const struct folder *folder);

/** Open a file for reading. @return its descriptor, or a negative errno with the reason */
int folder_read(const struct folder *folder, const char *name, struct error *reterr);

/** Open an existing file for reading and writing. @return as folder_read() */
int folder_write(const struct folder *folder, const char *name, struct error *reterr);

/** Create a file, for reading and writing. @return as folder_read(); -EEXIST when the name is taken */
int folder_create(const struct folder *folder, const char *name, struct error *reterr);

/**
 * Read a whole file into a new allocation, followed by a 0 byte that is not counted.
 *
 * @param limit     in bytes; -EFBIG when the file is larger
 * @param ret_data  set on success; freed by the caller
 * @return the size in bytes, or a negative errno with the reason
 */
ssize_t folder_read_whole(const struct folder *folder, const char *name, size_t limit,
	char **ret_data, struct error *reterr);

/** Check for an entry of any kind. @return 1, 0, or a negative errno */
int folder_has(const struct folder *folder, const char *name);

/**
 * Call @p callback with the name of each entry except "." and "..", in no particular order.
 *
 * @param limit     maximum number of entries; -E2BIG above it
 * @param callback  returns 0 to continue; any other value stops and is returned
 * @return 0, the value of callback() that stopped it, or a negative errno
 */
int folder_each(const struct folder *folder, unsigned limit,
	int (*callback)(void *user, const char *name), void *user);

/**
 * Compute a stamp of the state of a folder and its entries, from names, inodes, sizes and change times.
 *
 * @param limit           maximum number of entries; -E2BIG above it
 * @param ret_changed_ns  CLOCK_REALTIME time of the last change; also written on failure
 * @return 0 or a negative errno
 */
int folder_stamp(
	const struct folder *folder, unsigned limit, uint64_t *ret_stamp, int64_t *ret_changed_ns);

/** Remove a file or a link, never a link's target. @return 0, -ENOENT, or a negative errno */
int folder_remove(const struct folder *folder, const char *name);

/** Result of folder_remove_whole(). */
struct folder_removed {
	unsigned files;
	uint64_t bytes;
	unsigned left;            /* entries left: folders, and any whose removal failed */
	struct error left_reason; /* reason for the first of them */
};

/**
 * Remove a subfolder with all files, links and other entries in it; never the target of a link, and no folder
 * inside it, whose entries have not been checked.
 *
 * @param ret  always written
 * @return 0 when it is gone, -ENOTEMPTY when entries are left, or as folder_open_below(); with the reason
 */
int folder_remove_whole(const struct folder *parent, const char *name, struct folder_removed *ret,
	struct error *reterr);

/** Rename a file, replacing an existing one. @return 0 or a negative errno */
int folder_rename(const struct folder *folder, const char *from, const char *to);

/**
 * Take the folder's exclusive lock (flock(2)), so that writers of a file in it see each other's changes.
 * Timeout as in io_lock().
 *
 * @return a descriptor that holds the lock until it is closed, or a negative errno
 */
int folder_lock(const struct folder *folder);

/** Sync the folder's entries to disk. @return 0 or a negative errno */
int folder_sync(const struct folder *folder);

/**
 * Restore a removed file from its remaining descriptor: write a copy to disk.
 *
 * @return a descriptor of the copy for reading and writing, or a negative errno
 */
int folder_restore(const struct folder *folder, const char *name, int fd);

/**
 * Check that mode 0600 keeps others from reading new files: on file systems without owners and modes (vfat,
 * exFAT, some network and FUSE mounts) chmod(2) has no effect. Creates and removes a probe file.
 *
 * @param ret_reason  written with 0: the reason, for display
 * @return 1 private, 0 not, or a negative errno
 */
int folder_is_private(const struct folder *folder, struct error *ret_reason);

/** The decision in folder_is_private(). @param status  fstat(2) of a file created with mode 0600 by @p owner */
bool folder_status_is_private(const struct stat *status, uid_t owner);

/**
 * Read a whole file named by the user: links are followed; only regular files.
 *
 * @return as folder_read_whole()
 */
ssize_t file_read_whole(const char *path, size_t limit, char **ret_data, struct error *reterr);
