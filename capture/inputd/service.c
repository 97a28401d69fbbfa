#include "capture/inputd/service.h"

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/batch.h"
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

/* as far as the kernel grants: half a second of an 8 kHz mouse and more */
#define SOCKET_BYTES (1024 * 1024)

#define STACK_BYTES (256 * 1024)

/*
 * Rate limit: anybody may connect. After this many refusals in a row there is a pause, so that a flood of
 * connections uses up neither a processor nor, under a real-time priority, the LimitRTTIME= budget.
 */
#define REFUSALS_IN_A_ROW 128
#define PAUSE_NS          NS_PER_MS

/* Capacity of the listen queue. */
#define GONE_IN_A_ROW 4096

/* retry interval when descriptors or memory are exhausted */
#define SHORTAGE_NS (100 * NS_PER_MS)

/* Limit of logged refusals. */
#define LINES_A_MINUTE 10

struct refusals {
	unsigned in_a_row, lines, unlogged;
	int64_t minute_ns;
};

/* thread that refuses all other peers while one is served */
struct doorman {
	pthread_t thread;
	int listen_fd, stop_fd, served_fd;
	uid_t served;
	int next_fd;     /* descriptor of the peer to serve next; -1: none */
	bool taken_over; /* by the next peer, which has the seat instead of the served one */
	struct refusals refusals;
};

/* ---- peers ---- */

/*
 * Drain and close, so that sent messages arrive: closing a socket with unread requests resets the peer's,
 * which then gets an error instead of our message.
 */
static void drain_and_close(int fd)
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

static bool has_hung_up(int fd)
{
	struct pollfd peer = {.fd = fd, .events = POLLRDHUP};

	return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* @return a descriptor, or a negative errno; -EAGAIN when no peer is left */
static int accept_peer(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	/* peers that have gone already stay in the queue: skip them cheaply */
	for (int gone = 0; fd >= 0 && has_hung_up(fd); gone++) {
		close(fd);
		if (gone == GONE_IN_A_ROW)
			return -EAGAIN;
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
}

static void pause_ns(int64_t ns)
{
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = ns}, NULL);
}

static void throttle(struct refusals *refusals)
{
	if (++refusals->in_a_row % REFUSALS_IN_A_ROW == 0)
		pause_ns(PAUSE_NS);
}

static void log_refusal(struct refusals *refusals, const struct ucred *peer, const char *why)
{
	int64_t now_ns = clock_now_ns();

	if (now_ns - refusals->minute_ns > 60 * NS_PER_S) {
		if (refusals->unlogged > 0)
			log_warning("%u more connections were refused", refusals->unlogged);
		*refusals = (struct refusals){refusals->in_a_row, 0, 0, now_ns};
	}
	if (refusals->lines++ < LINES_A_MINUTE)
		log_warning("user %u (process %d) is refused: %s", peer->uid, peer->pid, why);
	else
		refusals->unlogged++;
}

static int check_peer(int fd, struct ucred *ret_peer, struct seat **ret_seat, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	socklen_t size = sizeof(*ret_peer);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) < 0)
		return error_set(reterr, -errno, "cannot identify the connecting process: %s",
			strerror(errno));
	r = seat_create(&seat, ret_peer->uid, true, reterr);
	if (r < 0)
		return r;
	if (seat_dispatch(seat) == SEAT_INACTIVE)
		return error_set(reterr, -EACCES,
			"user %u is not the active user at the seat of this machine",
			ret_peer->uid);
	*ret_seat = steal_ptr(seat);
	return 0;
}

/* ---- doorman thread ---- */

/* a peer that connects now is not refused but waits a moment */
static bool served_one_leaves(const struct doorman *doorman)
{
	return has_hung_up(doorman->served_fd);
}

/* True when the new peer has the seat instead of the served one: that recorder reads nothing and would
 * block the rightful one. */
static bool takes_over(const struct doorman *doorman, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	uid_t holder;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		peer.uid != doorman->served && seat_holder(&holder) == 0 && holder == peer.uid;
}

static void *refuse_peers(void *user)
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
		/* accept_peer() may have taken a while */
		if (fd >= 0 && served_one_leaves(doorman)) {
			doorman->next_fd = fd;
			return NULL;
		}
		if (fd >= 0 && takes_over(doorman, fd)) {
			doorman->next_fd = fd;
			doorman->taken_over = true;
			/* as if the served peer had gone: pending input is still sent */
			shutdown(doorman->served_fd, SHUT_RD);
			return NULL;
		}
		if (fd >= 0) {
			refuse(fd, -EBUSY, why);
			drain_and_close(fd);
			throttle(&doorman->refusals);
		} else if (fd != -EAGAIN) {
			pause_ns(SHORTAGE_NS);
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
	doorman->next_fd = -1;
	doorman->taken_over = false;
	doorman->refusals = (struct refusals){0};
	doorman->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (doorman->stop_fd < 0)
		return -errno;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(&doorman->thread, &attributes, refuse_peers, doorman);
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

/* @param ret_next  set on success: a peer to serve right after this one, or -1 */
static int serve(int listen_fd, int fd, const struct inputd_service *service, struct ucred *peer,
	int *ret_next, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct inputd_conf conf;
	struct doorman doorman;
	int room = SOCKET_BYTES, r = check_peer(fd, peer, &seat, reterr);

	/* read for each peer, so that a change by the administrator applies from the next one on */
	if (r == 0)
		r = inputd_conf_read(&conf, service->conf_path, true, reterr);
	if (r < 0)
		return r;
	r = doorman_start(&doorman, listen_fd, fd, peer->uid);
	if (r < 0)
		return error_set(reterr, r, "cannot start a thread: %s", strerror(-r));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	log_info("user %u (process %d) is served", peer->uid, peer->pid);
	service->handle_peer(fd, seat, &conf, service->user);
	log_info("user %u (process %d) is no longer served", peer->uid, peer->pid);
	doorman_stop(&doorman);
	*ret_next = doorman.next_fd;
	if (doorman.taken_over)
		refuse(fd, -EACCES,
			"another user is active at the seat of this machine, and records");
	return 0;
}

/* Serve or refuse a peer, and any peers that take over from it. */
static void receive_peer(
	int listen_fd, int fd, const struct inputd_service *service, struct refusals *refusals)
{
	while (fd >= 0) {
		struct ucred peer = {.uid = (uid_t)-1};
		struct error why = {""};
		int next_fd = -1, r = serve(listen_fd, fd, service, &peer, &next_fd, &why);

		if (r < 0) {
			refuse(fd, r, why.text);
			log_refusal(refusals, &peer, why.text);
			drain_and_close(fd);
			throttle(refusals);
		} else {
			drain_and_close(fd);
			refusals->in_a_row = 0;
		}
		fd = next_fd;
	}
}

int inputd_service_run(int listen_fd, const struct inputd_service *service, struct error *reterr)
{
	struct pollfd door = {.fd = listen_fd, .events = POLLIN};
	struct refusals refusals = {0};

	for (;;) {
		int fd, r = poll(&door, 1, service->idle_ms);

		if (r == 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return error_set(reterr, -errno, "poll: %s", strerror(errno));
		fd = r > 0 ? accept_peer(listen_fd) : -EAGAIN;
		if (fd == -EBADF || fd == -EINVAL || fd == -ENOTSOCK)
			return error_set(reterr, fd, "accept: %s", strerror(-fd));
		if (fd >= 0)
			receive_peer(listen_fd, fd, service, &refusals);
		else if (fd != -EAGAIN)
			pause_ns(SHORTAGE_NS); /* no exit: systemd would restart us at once */
	}
}

int inputd_service_socket(struct error *reterr)
{
	int fd = SD_LISTEN_FDS_START;

	if (sd_listen_fds(true) != 1)
		return error_set(reterr, -ENOTCONN,
			"--service must be started by uxrec-inputd.socket, with one socket");
	if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return error_set(reterr, -EPROTOTYPE,
			"the socket is not a listening socket of type ListenSequentialPacket=");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return error_set(reterr, -errno, "fcntl: %s", strerror(errno));
	return fd;
}
