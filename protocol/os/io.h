#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** Write all bytes, going on after EINTR and short writes. @return 0 or a negative errno */
int io_write_all(int fd, const void *data, size_t size_bytes);

/** Write all bytes at an offset. @return 0 or a negative errno */
int io_pwrite_all(int fd, const void *data, size_t size_bytes, off_t offset);

/** Write all of @p count parts one behind the other, which are changed meanwhile. @return likewise */
int io_pwritev_all(int fd, struct iovec *parts, int count, off_t offset);

/**
 * Read up to @p size_bytes at an offset, going on after EINTR and short reads.
 *
 * @return how many bytes were read (less than asked only at the end of the file), or a negative
 *         errno
 */
ssize_t io_pread_full(int fd, void *data, size_t size_bytes, off_t offset);

/**
 * Read a whole file into fresh memory, with a 0 byte behind it that is not counted.
 *
 * @param ret_data  set on success; the caller frees it
 * @param limit     -EFBIG when the file is larger
 * @return the size in bytes, -EISDIR, -EBADMSG when it is no regular file either, or a negative errno
 */
ssize_t io_read_whole(int fd, size_t limit, char **ret_data);

/** The same by path; links are followed. For errors that name the file's kind see folder.h. */
ssize_t io_read_file(const char *path, size_t limit, char **ret_data);

/**
 * Make a file that a person wants written, for what sessions hold: 0600 whatever the umask.
 *
 * @return a descriptor for reading and writing, -EEXIST when there is anything of that name, or -errno
 */
int io_create(const char *path);

/** Was the file removed, so that only its descriptors are left of it? */
bool io_is_removed(int fd);

/**
 * Take a lock of flock(2), waiting for it for some seconds at most: a program that was stopped, or a
 * hostile one, would hold it for ever.
 *
 * @param operation  LOCK_EX or LOCK_SH
 * @return 0, -EBUSY, or another negative errno
 */
int io_lock(int fd, int operation);

/** Make a directory and those above it with @p mode. @return 0 (also when it was there), or -errno */
int io_make_directories(const char *path, mode_t mode);

/** Fill with bytes from the kernel's random source (getrandom(2)). @return 0 or a negative errno */
int io_random(void *data, size_t size_bytes);

/** @return true when two secrets of the same size are equal, in a time that does not depend on where they differ */
bool io_secrets_equal(const void *a, const void *b, size_t size_bytes);

/** Write @p size_bytes random bytes as hex digits: 2 * size_bytes + 1 chars. @return 0 or -errno */
int io_random_hex(char *text, size_t size_bytes);
