#include "tests/harness/inputd_peer.h"

#include "tests/harness/helpers.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* send the descriptor back from the process that runs as the user */
static void send_fd(int through, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	_exit(sendmsg(through, &message, 0) == 1 ? 0 : 1);
}

static int receive_fd(int through)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	int fd;

	check(recvmsg(through, &message, MSG_CMSG_CLOEXEC) == 1);
	check(CMSG_FIRSTHDR(&message) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

int peer_connect(uid_t uid, const struct sockaddr_un *address, socklen_t address_size)
{
	int pair[2], fd;
	pid_t child;

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (setgid(uid) < 0 || setuid(uid) < 0 ||
			connect(fd, (const struct sockaddr *)address, address_size) < 0)
			_exit(1);
		send_fd(pair[1], fd);
	}
	close(pair[1]);
	fd = receive_fd(pair[0]);
	close(pair[0]);
	waitpid(child, NULL, 0);
	return fd;
}

bool peer_receive(int fd, struct peer_message *ret, int timeout_ms)
{
	struct iovec parts[2] = {
		{&ret->header, sizeof(ret->header)},
		{ret->data, sizeof(ret->data) - 1},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, timeout_ms) != 1)
		return false;
	n = recvmsg(fd, &message, 0);
	if (n < (ssize_t)sizeof(ret->header))
		return false;
	ret->size_bytes = (size_t)n - sizeof(ret->header);
	ret->data[ret->size_bytes] = '\0';
	return true;
}

bool peer_hears(int fd, enum inputd_kind kind, const char *text)
{
	static struct peer_message message;

	if (!peer_receive(fd, &message, 10000))
		return false;
	if (message.header.kind == kind && strstr((char *)message.data, text))
		return true;
	printf("# %u: %s\n", message.header.kind, message.data);
	return false;
}

bool peer_hears_end(int fd)
{
	char byte;

	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) == 1 &&
		recv(fd, &byte, 1, 0) == 0;
}
