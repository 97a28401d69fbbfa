#include "protocol/os/folder.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/io.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

/* O_NONBLOCK: never block on a FIFO, or on a file with a lease held by its owner */
#define FILE_FLAGS   (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

#define COPY_BYTES ((size_t)1024 * 1024)

struct folder {
	_Atomic unsigned references;
	int fd;
	char *path;
};

/* ---- errors ---- */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK: return "a symbolic link";
	case S_IFDIR: return "a folder";
	case S_IFIFO: return "a FIFO";
	case S_IFSOCK: return "a socket";
	case S_IFCHR:
	case S_IFBLK: return "a device";
	default: return "not a regular file";
	}
}

static int fail(struct error *reterr, int r, const struct folder *folder, const char *name)
{
	return error_set(reterr, r, "%s/%s: %s", folder->path, name, strerror(-r));
}

static int refuse_kind(
	struct error *reterr, const struct folder *folder, const char *name, mode_t mode)
{
	return error_set(reterr, S_ISLNK(mode) ? -ELOOP : -EBADMSG,
		"%s/%s: it is %s; only regular files of a session are opened", folder->path, name,
		kind_of(mode));
}

static bool is_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* ---- folders ---- */

/* takes ownership of the descriptor */
static int wrap(struct folder **ret, int fd, char *path, struct error *reterr)
{
	struct folder *folder = path ? malloc(sizeof(*folder)) : NULL;

	if (!folder) {
		close(fd);
		free(path);
		return error_set(reterr, -ENOMEM, "out of memory");
	}
	*folder = (struct folder){.references = 1, .fd = fd, .path = path};
	*ret = folder;
	return 0;
}

/* strip trailing slashes: O_NOFOLLOW has no effect on a path with one */
static char *trim(const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	return strndup(path, length);
}

static int open_folder(struct folder **ret, int parent, const char *name, char *path, int flags,
	struct error *reterr)
{
	struct stat status;
	int fd, r;

	if (!path)
		return error_set(reterr, -ENOMEM, "out of memory");
	fd = openat(parent, name, FOLDER_FLAGS | flags);
	if (fd >= 0)
		return wrap(ret, fd, path, reterr);
	r = -errno;
	if ((r == -ENOTDIR || r == -ELOOP) && flags & O_NOFOLLOW &&
		fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		!S_ISDIR(status.st_mode)) {
		r = S_ISLNK(status.st_mode) ? -ELOOP : -ENOTDIR;
		error_set(reterr, r, "%s: it is %s%s", path,
			S_ISREG(status.st_mode) ? "a file" : kind_of(status.st_mode),
			r == -ELOOP ? "; name the folder itself" : ", not a folder");
	} else {
		error_set(reterr, r, "%s: %s", path, strerror(-r));
	}
	free(path);
	return r;
}

int folder_open(struct folder **ret, const char *path, struct error *reterr)
{
	_autofree_ char *trimmed = trim(path);

	return trimmed ? open_folder(ret, AT_FDCWD, trimmed, strdup(trimmed), O_NOFOLLOW, reterr)
		       : error_set(reterr, -ENOMEM, "out of memory");
}

int folder_open_linked(struct folder **ret, const char *path, struct error *reterr)
{
	return open_folder(ret, AT_FDCWD, path, trim(path), 0, reterr);
}

int folder_open_of(
	struct folder **ret, const char *path, const char **ret_name, struct error *reterr)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_autofree_ char *above = NULL;

	if (!is_name(name))
		return error_set(reterr, *path ? -EISDIR : -ENOENT, "%s: %s", path,
			strerror(*path ? EISDIR : ENOENT));
	above = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!above)
		return error_set(reterr, -ENOMEM, "out of memory");
	*ret_name = name;
	return folder_open_linked(ret, above, reterr);
}

int folder_open_below(
	struct folder **ret, const struct folder *parent, const char *name, struct error *reterr)
{
	char *path;

	assert(is_name(name));
	if (asprintf(&path, "%s/%s", parent->path, name) < 0)
		path = NULL;
	return open_folder(ret, parent->fd, name, path, O_NOFOLLOW, reterr);
}

int folder_make_below(
	struct folder **ret, const struct folder *parent, const char *name, struct error *reterr)
{
	assert(is_name(name));
	if (mkdirat(parent->fd, name, 0700) < 0 && errno != EEXIST)
		return error_set(reterr, -errno, "%s/%s: %s", parent->path, name, strerror(errno));
	return folder_open_below(ret, parent, name, reterr);
}

struct folder *folder_ref(struct folder *folder)
{
	folder->references++;
	return folder;
}

void folder_unref(struct folder *folder)
{
	if (!folder || --folder->references > 0)
		return;
	close(folder->fd);
	free(folder->path);
	free(folder);
}

const char *folder_path(const struct folder *folder)
{
	return folder->path;
}

int folder_fd(const struct folder *folder)
{
	return folder->fd;
}

/* ---- files ---- */

static int open_file(const struct folder *folder, const char *name, int flags, struct error *reterr)
{
	_autoclose_ int fd = -1;
	struct stat status;

	assert(is_name(name));
	/* check before opening: opening alone can affect a device, or wake the other end of a FIFO */
	if (fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(reterr, -errno, folder, name);
	if (!S_ISREG(status.st_mode))
		return refuse_kind(reterr, folder, name, status.st_mode);
	fd = openat(folder->fd, name, flags | FILE_FLAGS | O_NOFOLLOW);
	/* and again after opening: the entry may have been exchanged meanwhile */
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(reterr, -errno, folder, name);
	if (!S_ISREG(status.st_mode))
		return refuse_kind(reterr, folder, name, status.st_mode);
	if ((flags & O_ACCMODE) != O_RDONLY && status.st_nlink > 1)
		return error_set(reterr, -EMLINK,
			"%s/%s: the file has %lu names (hard links), and writing would change all "
			"of them: make a copy of it first",
			folder->path, name, (unsigned long)status.st_nlink);
	return steal_fd(&fd);
}

int folder_read(const struct folder *folder, const char *name, struct error *reterr)
{
	return open_file(folder, name, O_RDONLY, reterr);
}

int folder_write(const struct folder *folder, const char *name, struct error *reterr)
{
	return open_file(folder, name, O_RDWR, reterr);
}

int folder_create(const struct folder *folder, const char *name, struct error *reterr)
{
	int fd;

	assert(is_name(name));
	fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | FILE_FLAGS, 0600);
	return fd < 0 ? fail(reterr, -errno, folder, name) : fd;
}

static ssize_t read_whole(
	int fd, const char *path, size_t limit, char **ret_data, struct error *reterr)
{
	ssize_t size = io_read_whole(fd, limit, ret_data);

	if (size == -EFBIG)
		return error_set(
			reterr, -EFBIG, "%s: the file is larger than %zu bytes", path, limit);
	return size < 0 ? error_set(reterr, (int)size, "%s: %s", path, strerror((int)-size)) : size;
}

ssize_t folder_read_whole(const struct folder *folder, const char *name, size_t limit,
	char **ret_data, struct error *reterr)
{
	_autoclose_ int fd = folder_read(folder, name, reterr);
	_autofree_ char *path = NULL;

	if (fd < 0)
		return fd;
	if (asprintf(&path, "%s/%s", folder->path, name) < 0) {
		path = NULL;
		return error_set(reterr, -ENOMEM, "out of memory");
	}
	return read_whole(fd, path, limit, ret_data, reterr);
}

ssize_t file_read_whole(const char *path, size_t limit, char **ret_data, struct error *reterr)
{
	_autoclose_ int fd = -1;
	struct stat status;

	if (stat(path, &status) < 0)
		return error_set(reterr, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(reterr, S_ISDIR(status.st_mode) ? -EISDIR : -EBADMSG,
			"%s: it is %s, and not a file", path, kind_of(status.st_mode));
	fd = open(path, O_RDONLY | FILE_FLAGS);
	if (fd < 0)
		return error_set(reterr, -errno, "%s: %s", path, strerror(errno));
	return read_whole(fd, path, limit, ret_data, reterr);
}

int folder_has(const struct folder *folder, const char *name)
{
	struct stat status;

	assert(is_name(name));
	if (fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits */
static uint64_t mix(uint64_t hash, const void *data, size_t size_bytes)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < size_bytes; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Add an entry, independent of the order of the entries. */
static int stamp_entry(int fd, const char *name, uint64_t *stamp, int64_t *changed_ns)
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), name, strlen(name));
	struct stat status;
	int64_t at_ns;

	if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	at_ns = status.st_ctim.tv_sec * NS_PER_S + status.st_ctim.tv_nsec;
	hash = mix(hash, &status.st_ino, sizeof(status.st_ino));
	hash = mix(hash, &status.st_size, sizeof(status.st_size));
	*stamp += mix(hash, &at_ns, sizeof(at_ns));
	if (at_ns > *changed_ns)
		*changed_ns = at_ns;
	return 0;
}

/* @return NULL with errno set */
static DIR *list_entries(const struct folder *folder)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (!entries && fd >= 0)
		close(fd);
	return entries;
}

int folder_each(const struct folder *folder, unsigned limit,
	int (*callback)(void *user, const char *name), void *user)
{
	DIR *entries = list_entries(folder);
	struct dirent *entry;
	unsigned count = 0;
	int r = 0;

	if (!entries)
		return -errno;
	while (r == 0 && (entry = readdir(entries)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = ++count > limit ? -E2BIG : callback(user, entry->d_name);
	closedir(entries);
	return r;
}

int folder_stamp(
	const struct folder *folder, unsigned limit, uint64_t *ret_stamp, int64_t *ret_changed_ns)
{
	DIR *entries = list_entries(folder);
	struct dirent *entry;
	unsigned count = 0;
	int r = 0;

	*ret_stamp = 0;
	*ret_changed_ns = 0;
	if (!entries)
		return -errno;
	/* includes ".", which changes when entries are added or removed */
	while (r == 0 && (entry = readdir(entries)))
		if (strcmp(entry->d_name, "..") != 0)
			r = ++count > limit ? -E2BIG
					    : stamp_entry(dirfd(entries), entry->d_name, ret_stamp,
						      ret_changed_ns);
	closedir(entries);
	return r;
}

int folder_remove(const struct folder *folder, const char *name)
{
	assert(is_name(name));
	return TEMP_FAILURE_RETRY(unlinkat(folder->fd, name, 0)) < 0 ? -errno : 0;
}

static void note_left(struct folder_removed *removed, const struct folder *folder, const char *name,
	const char *reason)
{
	if (removed->left++ == 0)
		error_set(&removed->left_reason, 0, "%s/%s: %s", folder->path,
			text_quote(name).text, reason);
}

/* @return 1 when the entry is gone, 0 when it is left */
static int remove_entry(
	const struct folder *folder, const char *name, struct folder_removed *removed)
{
	struct stat status = {0};

	if (fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(status.st_mode)) {
		note_left(removed, folder, name, "it is a folder, not a file of a session");
		return 0;
	}
	if (TEMP_FAILURE_RETRY(unlinkat(folder->fd, name, 0)) < 0 && errno != ENOENT) {
		note_left(removed, folder, name, strerror(errno));
		return 0;
	}
	removed->files++;
	/* with further hard links the bytes remain in use */
	if (S_ISREG(status.st_mode) && status.st_nlink == 1)
		removed->bytes += (uint64_t)status.st_size;
	return 1;
}

/* Listing a folder may skip entries while it changes: repeat until a pass removes nothing. */
static int remove_entries(const struct folder *folder, struct folder_removed *removed)
{
	int fd = openat(folder->fd, ".", FOLDER_FLAGS);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool again = true;

	/* bounded: a program that keeps adding entries must not block us */
	if (!entries) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	for (int attempt = 0; again && attempt < 16; attempt++) {
		again = false;
		removed->left = 0;
		rewinddir(entries);
		while ((entry = readdir(entries)))
			if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
				remove_entry(folder, entry->d_name, removed))
				again = true;
	}
	closedir(entries);
	return 0;
}

int folder_remove_whole(const struct folder *parent, const char *name, struct folder_removed *ret,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	int r;

	*ret = (struct folder_removed){0};
	r = folder_open_below(&folder, parent, name, reterr);
	if (r < 0)
		return r;
	r = remove_entries(folder, ret);
	if (r < 0)
		return fail(reterr, r, parent, name);
	if (ret->left > 0)
		return error_set(reterr, -ENOTEMPTY, "%s", ret->left_reason.text);
	/* removes empty folders only */
	if (unlinkat(parent->fd, name, AT_REMOVEDIR) < 0)
		return fail(reterr, -errno, parent, name);
	folder_sync(parent);
	return 0;
}

int folder_rename(const struct folder *folder, const char *from, const char *to)
{
	assert(is_name(from) && is_name(to));
	return TEMP_FAILURE_RETRY(renameat(folder->fd, from, folder->fd, to)) < 0 ? -errno : 0;
}

int folder_lock(const struct folder *folder)
{
	/* a descriptor of its own: a shared one would share the lock */
	_autoclose_ int fd = openat(folder->fd, ".", FOLDER_FLAGS);
	int r = fd < 0 ? -errno : io_lock(fd, LOCK_EX);

	return r < 0 ? r : steal_fd(&fd);
}

int folder_sync(const struct folder *folder)
{
	return fsync(folder->fd) < 0 ? -errno : 0;
}

int folder_restore(const struct folder *folder, const char *name, int fd)
{
	_autofree_ char *piece = malloc(COPY_BYTES);
	_autoclose_ int copy = -1;
	off_t offset = 0;
	ssize_t n;
	int r = 0;

	if (!piece)
		return -ENOMEM;
	copy = folder_create(folder, name, NULL);
	if (copy < 0)
		return steal_fd(&copy);
	while (r == 0 && (n = io_pread_full(fd, piece, COPY_BYTES, offset)) != 0) {
		r = n < 0 ? (int)n : io_pwrite_all(copy, piece, (size_t)n, offset);
		offset += n;
	}
	if (r == 0 && fsync(copy) < 0)
		r = -errno;
	if (r == 0)
		r = folder_sync(folder);
	if (r < 0) {
		folder_remove(folder, name);
		return r;
	}
	return steal_fd(&copy);
}

/* ---- privacy ---- */

bool folder_status_is_private(const struct stat *status, uid_t owner)
{
	return status->st_uid == owner && (status->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

int folder_is_private(const struct folder *folder, struct error *ret_reason)
{
	char name[30] = ".probe-";
	_autoclose_ int fd = -1;
	struct stat status;
	int r = io_random_hex(name + strlen(name), 8);

	if (r == 0)
		fd = folder_create(folder, name, NULL);
	if (r < 0 || fd < 0)
		return r < 0 ? r : steal_fd(&fd);
	r = fchmod(fd, 0600) < 0 && errno != EPERM && errno != ENOTSUP && errno != ENOSYS ? -errno
											  : 0;
	if (fstat(fd, &status) < 0)
		r = -errno;
	folder_remove(folder, name);
	if (r < 0 || folder_status_is_private(&status, geteuid()))
		return r < 0 ? r : 1;
	error_set(ret_reason, 0,
		"%s: the file system does not store owners and modes (a new file has mode %04o "
		"and owner %u): others on this machine may read what is recorded there",
		folder->path, (unsigned)status.st_mode & 07777, (unsigned)status.st_uid);
	return 0;
}
