#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** Write all bytes, retrying after EINTR and short writes. @return 0 or a negative errno */
int io_write_all(int fd, const void *data, size_t size_bytes);

/** As io_write_all(), at an offset. @return 0 or a negative errno */
int io_pwrite_all(int fd, const void *data, size_t size_bytes, off_t offset);

/** Write @p count parts consecutively at an offset; modifies @p parts. @return 0 or a negative errno */
int io_pwritev_all(int fd, struct iovec *parts, int count, off_t offset);

/**
 * Read up to @p size_bytes at an offset, retrying after EINTR and short reads.
 *
 * @return the number of bytes read (fewer only at the end of the file), or a negative errno
 */
ssize_t io_pread_full(int fd, void *data, size_t size_bytes, off_t offset);

/**
 * Read a whole file into a new allocation, followed by a 0 byte that is not counted.
 *
 * @param ret_data  set on success; freed by the caller
 * @param limit     -EFBIG when the file is larger
 * @return the size in bytes, -EISDIR, -EBADMSG for other non-regular files, or a negative errno
 */
ssize_t io_read_whole(int fd, size_t limit, char **ret_data);

/** As io_read_whole(), by path; links are followed. For errors that name the kind of the file see folder.h. */
ssize_t io_read_file(const char *path, size_t limit, char **ret_data);

/**
 * Create an output file named by the user, for session data: mode 0600 whatever the umask.
 *
 * @return a descriptor for reading and writing, -EEXIST when the name is taken, or -errno
 */
int io_create(const char *path);

/** @return true when the file has been removed and only descriptors are left */
bool io_is_removed(int fd);

/**
 * Take a flock(2) lock, with a timeout of some seconds: a stopped or hostile program would hold it forever.
 *
 * @param operation  LOCK_EX or LOCK_SH
 * @return 0, -EBUSY on timeout, or another negative errno
 */
int io_lock(int fd, int operation);

/** Create a directory and its parents with @p mode. @return 0 (also if it exists), or -errno */
int io_make_directories(const char *path, mode_t mode);

/** Fill with bytes from the kernel's random source (getrandom(2)). @return 0 or a negative errno */
int io_random(void *data, size_t size_bytes);

/** Compare two secrets of the same size in constant time. @return true when they are equal */
bool io_secrets_equal(const void *a, const void *b, size_t size_bytes);

/** Write @p size_bytes random bytes as hex digits: 2 * size_bytes + 1 chars. @return 0 or -errno */
int io_random_hex(char *text, size_t size_bytes);
