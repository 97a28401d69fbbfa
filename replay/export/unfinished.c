#include "replay/export/unfinished.h"

#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A dangling link exists, too. */
static int look_for(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == 0)
		return -EEXIST;
	return errno == ENOENT ? 0 : -errno;
}

int unfinished_begin(struct unfinished *ret, const char *path)
{
	char random[9];
	int r = look_for(path);

	*ret = (struct unfinished){.path = path};
	if (r == 0)
		r = io_random_hex(random, 4);
	if (r < 0)
		return r;
	/* trailing slashes are ignored: "shots/" equals "shots" */
	for (int length = (int)strlen(path); length > 0; length--)
		if (length == 1 || path[length - 1] != '/') {
			if (asprintf(&ret->made, "%.*s.part-%s", length, path, random) < 0)
				ret->made = NULL;
			break;
		}
	return ret->made ? 0 : -ENOMEM;
}

static int sync_file(const char *path)
{
	_autoclose_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	/* a network file system may report a full disk only now */
	return S_ISREG(status.st_mode) && fsync(fd) < 0 ? -errno : 0;
}

int unfinished_keep(const struct unfinished *unfinished)
{
	int r = sync_file(unfinished->made);

	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, unfinished->made, AT_FDCWD, unfinished->path, RENAME_NOREPLACE) ==
		0)
		return 0;
	/* not every file system supports RENAME_NOREPLACE */
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	r = look_for(unfinished->path);
	if (r == 0 && rename(unfinished->made, unfinished->path) < 0)
		r = -errno;
	return r;
}

void unfinished_free(struct unfinished *unfinished)
{
	free(unfinished->made);
	unfinished->made = NULL;
}
