#include "capture/inputd_service.h"

#include "capture/input_batch.h"
#include "capture/inputd_protocol.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

/* as much as the kernel grants: half a second of an 8 kHz mouse and more */
#define SOCKET_BYTES (1024 * 1024)

#define STACK_BYTES (256 * 1024)

/* while one peer is served, a thread tells all others so */
struct doorman {
	pthread_t thread;
	int listen_fd, stop_fd, served_fd;
	uid_t served;
};

/* ---- peers ---- */

/*
 * Close so that what was said arrives: a socket that is closed with requests unread in it resets its
 * peer's, which then reads an error in the place of our words.
 */
static void part(int fd)
{
	char unread[1024];

	shutdown(fd, SHUT_RDWR);
	while (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0)
		;
	close(fd);
}

static void refuse(int fd, int error, const char *why)
{
	struct inputd_header header = {.kind = INPUTD_FAILED, .error = error};
	struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)why, strlen(why)}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* @return a descriptor, or a negative errno; -EAGAIN when there is nobody (any more) */
static int accept_peer(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
}

static int check_peer(int fd, struct ucred *ret_peer, struct seat **ret_seat, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	socklen_t size = sizeof(*ret_peer);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) < 0)
		return error_set(reterr, -errno, "nobody knows who asks: %s", strerror(errno));
	r = seat_create(&seat, ret_peer->uid, true, reterr);
	if (r < 0)
		return r;
	if (seat_dispatch(seat) == SEAT_INACTIVE)
		return error_set(reterr, -EACCES,
			"user %u does not have the seat of this machine now", ret_peer->uid);
	*ret_seat = steal_ptr(seat);
	return 0;
}

/* ---- the doorman ---- */

/* who comes after it is not turned away but waits a moment */
static bool served_one_leaves(const struct doorman *doorman)
{
	struct pollfd served = {.fd = doorman->served_fd, .events = POLLRDHUP};

	return poll(&served, 1, 0) == 1 && (served.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void *turn_away(void *user)
{
	struct doorman *doorman = user;
	char why[80];

	pthread_setname_np(pthread_self(), "uxrec-doorman");
	snprintf(
		why, sizeof(why), "another recorder (uid %u) reads the input now", doorman->served);
	for (;;) {
		struct pollfd fds[2] = {
			{.fd = doorman->listen_fd, .events = POLLIN},
			{.fd = doorman->stop_fd, .events = POLLIN},
		};
		int fd;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents || served_one_leaves(doorman))
			return NULL;
		fd = fds[0].revents ? accept_peer(doorman->listen_fd) : -EAGAIN;
		if (fd >= 0) {
			refuse(fd, -EBUSY, why);
			part(fd);
		} else if (fd != -EAGAIN) {
			/* out of descriptors: they wait until the served one has gone */
			return NULL;
		}
	}
}

static int doorman_start(struct doorman *doorman, int listen_fd, int served_fd, uid_t served)
{
	pthread_attr_t attributes;
	int r;

	doorman->listen_fd = listen_fd;
	doorman->served_fd = served_fd;
	doorman->served = served;
	doorman->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (doorman->stop_fd < 0)
		return -errno;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(&doorman->thread, &attributes, turn_away, doorman);
	pthread_attr_destroy(&attributes);
	if (r != 0)
		close(doorman->stop_fd);
	return -r;
}

static void doorman_stop(struct doorman *doorman)
{
	eventfd_write(doorman->stop_fd, 1);
	pthread_join(doorman->thread, NULL);
	close(doorman->stop_fd);
}

/* ---- serving ---- */

static int serve(int listen_fd, int fd, const struct inputd_service *service, struct ucred *peer,
	struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct inputd_conf conf;
	struct doorman doorman;
	int room = SOCKET_BYTES, r = check_peer(fd, peer, &seat, reterr);

	/* read for each, so that what the administrator writes holds from the next on */
	if (r == 0)
		r = inputd_conf_read(&conf, service->conf_path, true, reterr);
	if (r < 0)
		return r;
	r = doorman_start(&doorman, listen_fd, fd, peer->uid);
	if (r < 0)
		return error_set(reterr, r, "no thread: %s", strerror(-r));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	log_info("user %u (process %d) is served", peer->uid, peer->pid);
	service->converse(fd, seat, &conf, service->user);
	log_info("user %u (process %d) is served no more", peer->uid, peer->pid);
	doorman_stop(&doorman);
	return 0;
}

static void receive_peer(int listen_fd, int fd, const struct inputd_service *service)
{
	struct ucred peer = {.uid = (uid_t)-1};
	struct error why = {""};
	int r;

	r = serve(listen_fd, fd, service, &peer, &why);
	if (r < 0) {
		refuse(fd, r, why.text);
		log_warning("user %u (process %d) is refused: %s", peer.uid, peer.pid, why.text);
	}
	part(fd);
}

int inputd_service_run(int listen_fd, const struct inputd_service *service, struct error *reterr)
{
	struct pollfd door = {.fd = listen_fd, .events = POLLIN};

	for (;;) {
		int fd, r = poll(&door, 1, service->idle_ms);

		if (r == 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return error_set(reterr, -errno, "poll: %s", strerror(errno));
		fd = r > 0 ? accept_peer(listen_fd) : -EAGAIN;
		if (fd >= 0)
			receive_peer(listen_fd, fd, service);
		else if (fd != -EAGAIN)
			return error_set(reterr, fd, "accept: %s", strerror(-fd));
	}
}

int inputd_service_socket(struct error *reterr)
{
	int fd = SD_LISTEN_FDS_START;

	if (sd_listen_fds(true) != 1)
		return error_set(reterr, -ENOTCONN,
			"--service is started by uxrec-inputd.socket, with one socket");
	if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return error_set(reterr, -EPROTOTYPE,
			"the socket is not a listening one of kind ListenSequentialPacket=");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return error_set(reterr, -errno, "fcntl: %s", strerror(errno));
	return fd;
}
