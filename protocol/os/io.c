#include "protocol/os/io.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

/* Timeout of io_lock(): appending an act to a session's file, or writing a transcript, takes less than a
 * second. A longer hold means a stopped or hostile program. */
#define LOCK_TIMEOUT_NS (5 * NS_PER_S)
#define LOCK_RETRY_US   2000

int io_write_all(int fd, const void *data, size_t size_bytes)
{
	const char *at = data;

	while (size_bytes > 0) {
		ssize_t n = write(fd, at, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}

int io_pwrite_all(int fd, const void *data, size_t size_bytes, off_t offset)
{
	const char *at = data;

	while (size_bytes > 0) {
		ssize_t n = pwrite(fd, at, size_bytes, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}

int io_pwritev_all(int fd, struct iovec *parts, int count, off_t offset)
{
	while (count > 0) {
		ssize_t n;

		if (parts->iov_len == 0) {
			parts++;
			count--;
			continue;
		}
		n = pwritev(fd, parts, count, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		offset += n;
		for (; count > 0 && (size_t)n >= parts->iov_len; parts++, count--)
			n -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return 0;
}

ssize_t io_pread_full(int fd, void *data, size_t size_bytes, off_t offset)
{
	size_t got = 0;

	while (got < size_bytes) {
		ssize_t n = pread(fd, (char *)data + got, size_bytes - got, offset + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

bool io_is_removed(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_nlink == 0;
}

int io_lock(int fd, int operation)
{
	for (int64_t until_ns = clock_now_ns() + LOCK_TIMEOUT_NS;;) {
		if (flock(fd, operation | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_now_ns() >= until_ns)
			return -EBUSY;
		usleep(LOCK_RETRY_US);
	}
}

ssize_t io_read_whole(int fd, size_t limit, char **ret_data)
{
	_autofree_ char *data = NULL;
	struct stat status;
	ssize_t size;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EBADMSG;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;
	data = malloc((size_t)status.st_size + 1);
	if (!data)
		return -ENOMEM;
	size = io_pread_full(fd, data, (size_t)status.st_size, 0);
	if (size < 0)
		return size;
	data[size] = '\0';
	*ret_data = steal_ptr(data);
	return size;
}

ssize_t io_read_file(const char *path, size_t limit, char **ret_data)
{
	_autoclose_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : io_read_whole(fd, limit, ret_data);
}

int io_create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int io_make_directories(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int io_random(void *data, size_t size_bytes)
{
	ssize_t n;

	do
		n = getrandom(data, size_bytes, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size_bytes ? 0 : -EIO;
}

bool io_secrets_equal(const void *a, const void *b, size_t size_bytes)
{
	const unsigned char *left = a, *right = b;
	unsigned char different = 0;

	for (size_t i = 0; i < size_bytes; i++)
		different |= (unsigned char)(left[i] ^ right[i]);
	return different == 0;
}

int io_random_hex(char *text, size_t size_bytes)
{
	unsigned char bytes[32];
	int r;

	if (size_bytes > sizeof(bytes))
		return -EINVAL;
	r = io_random(bytes, size_bytes);
	if (r < 0)
		return r;
	for (size_t i = 0; i < size_bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}
