#include "capture/wayland/portal_token.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/io.h"
#include "protocol/os/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* tokens of xdg-desktop-portal are UUIDs */
#define TOKEN_BYTES 1024

/* one line of printable ASCII, valid as a D-Bus string */
static bool is_token(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length < TOKEN_BYTES;
}

static char *path_of(const char *name)
{
	_autofree_ char *folder = paths_state();
	char *path;

	return folder && asprintf(&path, "%s/%s", folder, name) >= 0 ? path : NULL;
}

char *portal_token_read(void)
{
	_autofree_ char *path = path_of("portal-token");
	_autofree_ char *text = NULL;

	if (!path || io_read_file(path, TOKEN_BYTES, &text) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return is_token(text) ? steal_ptr(text) : NULL;
}

static int write_token(const char *path, const char *token)
{
	_autoclose_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return -errno;
	r = io_write_all(fd, token, strlen(token));
	if (r == 0)
		r = io_write_all(fd, "\n", 1);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int portal_token_store(const char *token)
{
	_autofree_ char *folder = paths_state();
	_autofree_ char *path = path_of("portal-token");
	_autofree_ char *fresh = path_of("portal-token.new");
	int r;

	if (!folder || !path || !fresh)
		return -ENOMEM;
	if (!token || !is_token(token)) {
		r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
		return r == 0 && token ? -EINVAL : r;
	}
	r = io_make_directories(folder, 0700);
	if (r == 0)
		r = write_token(fresh, token);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		unlink(path); /* it has been used */
	}
	return r;
}
