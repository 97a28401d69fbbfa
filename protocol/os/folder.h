#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * A folder held by its descriptor, and the only way to the files in it. A session's folder may have been
 * made by somebody else, so its entries are hostile:
 *
 * - A name is one component: never empty, ".", ".." or with a slash. No openat2(2) is needed then.
 * - Symbolic links are never followed (-ELOOP), not at the folder and not at a file in it.
 * - Only regular files are opened; a FIFO, a device, a socket or a folder is an error at once (-EBADMSG)
 *   and never waited for.
 * - A new file must not exist yet (O_EXCL); its mode is 0600.
 * - A file with several names (hard links) is read and not written: a change would reach the other name
 *   (-EMLINK). Owners are not compared: shared libraries have files of colleagues, whose content is as
 *   hostile as that of any other.
 *
 * Immutable, counted by references: any thread. Errors name the folder, the file, and what it is.
 */
struct folder;

/**
 * Open a folder that a person has named. Links above its last component are followed.
 *
 * @param ret  set on success; given back with folder_unref()
 * @return 0, -ELOOP when it is a symbolic link, -ENOTDIR, or what open(2) gave
 */
int folder_open(struct folder **ret, const char *path, struct error *reterr);

/** The same for a folder of the user's own, such as a library: it may be a symbolic link. */
int folder_open_linked(struct folder **ret, const char *path, struct error *reterr);

/**
 * Open the folder that a named file lies in, which may be a symbolic link.
 *
 * @param ret_name  the file's name: the end of @p path
 * @return as folder_open_linked(), or -EISDIR when the path ends in a slash, "." or ".."
 */
int folder_open_of(
	struct folder **ret, const char *path, const char **ret_name, struct error *reterr);

/** Open a folder in a folder. @return as folder_open() */
int folder_open_below(
	struct folder **ret, const struct folder *parent, const char *name, struct error *reterr);

/** Open a folder in a folder, made with mode 0700 when there is nothing of that name. @return as folder_open() */
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

/** The path it was opened by; for messages, never to open anything. */
const char *folder_path(const struct folder *folder);

/** The folder's own descriptor, which stays the folder's. */
int folder_fd(const struct folder *folder);

/** Open a file for reading. @return its descriptor, or a negative errno with the reason */
int folder_read(const struct folder *folder, const char *name, struct error *reterr);

/** Open a file that exists for reading and writing. @return likewise */
int folder_write(const struct folder *folder, const char *name, struct error *reterr);

/** Make a file, for reading and writing. @return likewise; -EEXIST when there is anything of that name */
int folder_create(const struct folder *folder, const char *name, struct error *reterr);

/**
 * Read a whole file into fresh memory, with a 0 byte behind it that is not counted.
 *
 * @param limit     in bytes; -EFBIG when the file is larger
 * @param ret_data  set on success; the caller frees it
 * @return the size in bytes, or a negative errno with the reason
 */
ssize_t folder_read_whole(const struct folder *folder, const char *name, size_t limit,
	char **ret_data, struct error *reterr);

/** Whether there is anything of that name, of whatever kind. @return 1, 0, or a negative errno */
int folder_has(const struct folder *folder, const char *name);

/**
 * Call back with the name of each entry but "." and "..", in no order.
 *
 * @param limit  on the entries; more of them are -E2BIG
 * @param take   returns 0 to go on; anything else ends and is returned
 * @return 0, the value of take() that ended it, or a negative errno
 */
int folder_each(const struct folder *folder, unsigned limit,
	int (*take)(void *user, const char *name), void *user);

/**
 * Compute a number for the state of a folder and its entries: names, inodes, sizes and times of change.
 *
 * @param limit           on the entries; more of them are -E2BIG
 * @param ret_changed_ns  CLOCK_REALTIME time of the last change; also written on failure
 * @return 0 or a negative errno
 */
int folder_stamp(
	const struct folder *folder, unsigned limit, uint64_t *ret_stamp, int64_t *ret_changed_ns);

/** Remove a file or a link; never what the link points at. @return 0, -ENOENT, or a negative errno */
int folder_remove(const struct folder *folder, const char *name);

/** Result of folder_remove_whole(). */
struct folder_removed {
	unsigned files;
	uint64_t bytes;
	unsigned left; /* entries that are still there: folders, and any whose removal failed */
	struct error why_left; /* the first of them */
};

/**
 * Remove a folder in a folder, with all files, links and other entries in it; never the target of a link, and
 * no folder in it, whose entries nobody has looked at.
 *
 * @param ret  written in any case
 * @return 0 when it is gone, -ENOTEMPTY when something is left in it, or as folder_open_below(); with the reason
 */
int folder_remove_whole(const struct folder *parent, const char *name, struct folder_removed *ret,
	struct error *reterr);

/** Give a file another name, in the place of what has it. @return 0 or a negative errno */
int folder_rename(const struct folder *folder, const char *from, const char *to);

/**
 * Take the folder's exclusive lock (flock(2)): of two who change a file in it the second sees what the first
 * has done. It is waited for as in io_lock().
 *
 * @return a descriptor that holds it until it is closed, or a negative errno
 */
int folder_lock(const struct folder *folder);

/** Bring the folder's entries to the disk. @return 0 or a negative errno */
int folder_sync(const struct folder *folder);

/**
 * Make a file that was removed again, of the descriptor that is left: a copy on the disk.
 *
 * @return a descriptor of the copy for reading and writing, or a negative errno
 */
int folder_put_back(const struct folder *folder, const char *name, int fd);

/**
 * Whether others can read what is made here although its mode is 0600: on file systems without owners
 * and modes (vfat, exFAT, some network and FUSE mounts) chmod(2) has no effect. A file is made and
 * removed again to see it.
 *
 * @param ret_why  written with 0: what is wrong, for a person
 * @return 1 private, 0 not, or a negative errno
 */
int folder_is_private(const struct folder *folder, struct error *ret_why);

/** The part of it that decides: what fstat(2) gives of a file that was made with mode 0600 by @p owner. */
bool folder_status_is_private(const struct stat *status, uid_t owner);

/**
 * Read a whole file that a person has named: links are followed; only regular files.
 *
 * @return as folder_read_whole()
 */
ssize_t file_read_whole(const char *path, size_t limit, char **ret_data, struct error *reterr);
