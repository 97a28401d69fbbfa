#include "daemon/access/links.h"

#include "protocol/base/cleanup.h"
#include "protocol/constants.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* format of address, port and key */
#define LINE(page) page " http://%s:%d/" page "#%s\n"

/* Replace any existing file, without following a link or reusing a file of another user. */
static int write_file(const char *path, const char *text)
{
	_autoclose_ int fd = -1;

	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

int links_write(const char *path, const char *address, int port, const struct keyring *keyring,
	struct error *reterr)
{
	_autofree_ char *text = NULL;
	char moderator[KEY_BYTES], observer[KEY_BYTES], reviewer[KEY_BYTES];
	int r;

	keyring_present(keyring, UXREC__ROLE__ROLE_MODERATOR, moderator, NULL);
	keyring_present(keyring, UXREC__ROLE__ROLE_OBSERVER, observer, NULL);
	keyring_present(keyring, UXREC__ROLE__ROLE_REVIEWER, reviewer, NULL);
	r = asprintf(&text, LINE(PAGE_MODERATE) LINE(PAGE_LIVE) LINE(PAGE_LIBRARY), address, port,
		moderator, address, port, observer, address, port, reviewer);
	if (r < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (!path) {
		fputs(text, stdout);
		fflush(stdout);
		return 0;
	}
	r = write_file(path, text);
	return r < 0
		? error_set(reterr, r, "the links cannot be written to %s: %s", path, strerror(-r))
		: 0;
}
