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

/** Bring a directory's entries to the disk: new files have their names. @return 0 or -errno */
int io_sync_directory_of(const char *path);

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
 * @return the size in bytes, or a negative errno
 */
ssize_t io_read_file(const char *path, size_t limit, char **ret_data);

/** Was the file removed, so that only its descriptors are left of it? */
bool io_is_removed(int fd);

/**
 * Make a file that was removed again: a copy of it as @p path, on the disk.
 *
 * @return a descriptor of the copy for reading and writing, or a negative errno
 */
int io_put_back(int fd, const char *path);

/** Make a directory and those above it with @p mode. @return 0 (also when it was there), or -errno */
int io_make_directories(const char *path, mode_t mode);

/** Fill with bytes from the kernel's random source (getrandom(2)). @return 0 or a negative errno */
int io_random(void *data, size_t size_bytes);

/** Write @p size_bytes random bytes as hex digits: 2 * size_bytes + 1 chars. @return 0 or -errno */
int io_random_hex(char *text, size_t size_bytes);
