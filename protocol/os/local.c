#include "protocol/os/local.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/io.h"
#include "protocol/os/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int local_address(struct sockaddr_un *ret, const char *path, struct error *reterr)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return error_set(reterr, -ENAMETOOLONG,
			"the path of the socket is longer than %zu bytes: %s",
			sizeof(ret->sun_path) - 1, path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

/* ---- the folder ---- */

/* "." when the path has no slash */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool is_default(const char *socket_path)
{
	_autofree_ char *usual = paths_control();

	return usual && strcmp(usual, socket_path) == 0;
}

static int check_own(const char *folder, const struct stat *status, struct error *reterr)
{
	if (status->st_uid != geteuid())
		return error_set(reterr, -EPERM,
			"%s belongs to user %u and is not trusted: set XDG_RUNTIME_DIR to a "
			"folder of "
			"your own, or name a socket with --control",
			folder, status->st_uid);
	if (status->st_mode & 077)
		return error_set(reterr, -EPERM,
			"%s is open to other users (mode %04o) and is not trusted: chmod 700 it, "
			"if "
			"all that is in it is yours",
			folder, status->st_mode & 07777);
	return 0;
}

static int check_named(const char *folder, const struct stat *status, struct error *reterr)
{
	if (status->st_uid != geteuid() && status->st_uid != 0)
		return error_set(reterr, -EPERM,
			"%s belongs to user %u and is not trusted: name a socket in a folder of "
			"your "
			"own with --control",
			folder, status->st_uid);
	if ((status->st_mode & 022) && !(status->st_mode & S_ISVTX))
		return error_set(reterr, -EPERM,
			"others may write in %s (mode %04o), where they could replace the socket: "
			"chmod go-w it, or name a socket elsewhere with --control",
			folder, status->st_mode & 07777);
	return 0;
}

int local_check_folder(const char *socket_path, struct error *reterr)
{
	_autofree_ char *folder = folder_of(socket_path);
	bool own = is_default(socket_path);
	struct stat status;

	if (!folder)
		return error_set(reterr, -ENOMEM, "out of memory");
	if ((own ? lstat(folder, &status) : stat(folder, &status)) < 0)
		return error_set(reterr, -errno, "%s: %s", folder, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return error_set(reterr, -ENOTDIR, "%s is not a folder%s", folder,
			own ? ", or is a symbolic link" : "");
	return own ? check_own(folder, &status, reterr) : check_named(folder, &status, reterr);
}

int local_make_folder(const char *socket_path, struct error *reterr)
{
	_autofree_ char *folder = folder_of(socket_path);
	int r = folder ? io_make_directories(folder, 0700) : -ENOMEM;

	if (r < 0)
		return error_set(reterr, r, "%s: %s", folder ? folder : socket_path, strerror(-r));
	return local_check_folder(socket_path, reterr);
}

/* ---- the peer ---- */

int local_check_peer(int fd, struct error *reterr)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(reterr, -EPERM, "cannot identify the peer: %s", strerror(errno));
	if (peer.uid != geteuid() && peer.uid != 0)
		return error_set(
			reterr, -EPERM, "the peer is a program of user %u, not yours", peer.uid);
	return 0;
}

int local_connect(const char *path, int type, struct error *reterr)
{
	const struct timeval timeout = {.tv_sec = 5}, forever = {0};
	_autoclose_ int fd = -1;
	struct sockaddr_un address;
	int r = local_address(&address, path, reterr);

	if (r == 0)
		r = local_check_folder(path, reterr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	/* timeout for a place in the listen queue */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(reterr, -errno, "%s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	r = local_check_peer(fd, reterr);
	return r < 0 ? r : steal_fd(&fd);
}
