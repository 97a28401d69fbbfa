#include "capture/input/helper.h"

#include "protocol/base/clock.h"
#include "protocol/os/child.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/local.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Socket buffer for events while the recorder is busy: half a second of an 8 kHz mouse. */
#define SOCKET_BYTES (1024 * 1024)

/* Time for a child to end by itself, before SIGKILL. */
#define END_NS (200 * NS_PER_MS)

static int spawn(struct input_helper *helper, const struct input_options *options, int child_fd,
	struct error *reterr)
{
	char *arguments[] = {(char *)options->helper, (char *)"--source", (char *)options->source,
		options->display ? (char *)"--display" : NULL, (char *)options->display, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, child_fd, INPUTD_SOCKET_FD);
	posix_spawnattr_init(&attributes);
	/* own process group: Ctrl-C in the terminal must reach the child through us, after the stop */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	r = posix_spawn(&helper->child, options->helper, &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r != 0) {
		helper->child = 0;
		return error_set(reterr, -r, "cannot start %s: %s", options->helper, strerror(r));
	}
	descriptors_restore(helper->child);
	return 0;
}

static int start_child(
	struct input_helper *helper, const struct input_options *options, struct error *reterr)
{
	int pair[2], room = SOCKET_BYTES, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(
			reterr, -errno, "cannot create a socket pair: %s", strerror(errno));
	helper->fd = pair[0];
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	r = spawn(helper, options, pair[1], reterr);
	close(pair[1]);
	return r;
}

static int connect_service(struct input_helper *helper, const char *path, struct error *reterr)
{
	struct error why;

	helper->fd = local_connect(path, SOCK_SEQPACKET, &why);
	if (helper->fd == -EPERM)
		return error_set(reterr, -EPERM, "the uxrec-inputd service is not trusted (%s: %s)",
			path, why.text);
	if (helper->fd < 0)
		return error_set(reterr, helper->fd,
			"cannot connect to the uxrec-inputd service (%s: %s): install it, then "
			"run systemctl start uxrec-inputd.socket",
			path, why.text);
	return 0;
}

int input_helper_send(const struct input_helper *helper, const struct inputd_request *request)
{
	ssize_t n;

	do
		n = send(helper->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int send_start(
	struct input_helper *helper, const struct input_options *options, uint32_t level_keys)
{
	struct inputd_request request = {
		.version = INPUTD_VERSION,
		.type = INPUTD_START,
		.keys = options->keys,
		.flags = (options->shortcuts ? INPUTD_SHORTCUTS : 0) |
			(options->passwords_watched ? INPUTD_HOLD : 0),
		.level_keys = level_keys,
	};

	if (strlen(options->consent_id) >= sizeof(request.consent) ||
		(options->devices && strlen(options->devices) >= sizeof(request.devices)))
		return -EINVAL;
	strcpy(request.consent, options->consent_id);
	if (options->devices)
		strcpy(request.devices, options->devices);
	return input_helper_send(helper, &request);
}

int input_helper_start(struct input_helper *ret, const struct input_options *options,
	const char *service, uint32_t level_keys, struct error *reterr)
{
	int r;

	*ret = (struct input_helper){.fd = -1};
	r = service ? connect_service(ret, service, reterr) : start_child(ret, options, reterr);
	if (r == 0) {
		r = send_start(ret, options, level_keys);
		/* a peer that has closed already has sent its reason */
		if (r == -EPIPE || r == -ECONNRESET)
			r = 0;
		if (r < 0)
			error_set(reterr, r, "cannot talk to uxrec-inputd: %s", strerror(-r));
	}
	if (r < 0)
		input_helper_end(ret);
	return r;
}

int input_helper_receive(const struct input_helper *helper, unsigned char *data, size_t *ret_size,
	struct inputd_header *ret_header)
{
	struct iovec parts[2] = {
		{ret_header, sizeof(*ret_header)},
		{data, INPUTD_MESSAGE_LIMIT_BYTES},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	do
		n = recvmsg(helper->fd, &message, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if ((size_t)n < sizeof(*ret_header) || (message.msg_flags & MSG_TRUNC))
		return -EPROTO;
	*ret_size = (size_t)n - sizeof(*ret_header);
	return 1;
}

void input_helper_abort(const struct input_helper *helper)
{
	if (helper->child > 0)
		kill(helper->child, SIGKILL);
	else if (helper->fd >= 0)
		shutdown(helper->fd, SHUT_RDWR);
}

void input_helper_end(struct input_helper *helper)
{
	if (helper->fd >= 0)
		close(helper->fd);
	if (helper->child > 0)
		child_end(helper->child, END_NS);
	*helper = (struct input_helper){.fd = -1};
}
