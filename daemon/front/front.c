#include "daemon/front/internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/terminal.h"
#include "protocol/os/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Time in which the first server must serve; recording does not wait for it longer. */
#define READY_NS (10 * NS_PER_S)
/* A server is asked whether it lives, and ends when it takes nothing, or answers nothing, for so long. */
#define CHECK_NS   (5 * NS_PER_S)
#define SILENCE_NS (20 * NS_PER_S)
#define STALL_NS   (10 * NS_PER_S)
/* A port may be taken for a moment by the server of a recorder that was killed. */
#define BIND_NS NS_PER_S

/* ---- the thread ---- */

static void check_alive(struct front *front, int64_t now_ns)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Check check = UXREC__TO_SERVER__CHECK__INIT;

	if (now_ns - front->checked_ns < CHECK_NS)
		return;
	front->checked_ns = now_ns;
	log_limited_flush(&front->ends, LOG_LEVEL_WARNING, "server of the pages: ends");
	message.body_case = UXREC__TO_SERVER__BODY_CHECK;
	message.check = &check;
	outgoing_put(front, &message);
}

/* @return NULL, or why the server must end */
static const char *fault_of(const struct front *front, bool pending, int64_t now_ns)
{
	if (front->lost)
		return "there was no room for all that it was to get";
	if (pending && now_ns - front->sent_ns > STALL_NS)
		return "it does not read";
	if (now_ns - front->heard_ns > SILENCE_NS)
		return "it does not answer";
	return NULL;
}

/* @param events  of its socket @return true when the socket is full */
static bool serve(struct front *front, unsigned events)
{
	int64_t now_ns = clock_now_ns();
	struct error error;
	const char *fault;
	int r;

	if (events && incoming_receive(front, &error) < 0) {
		process_end(front, error.text);
		return false;
	}
	check_alive(front, now_ns);
	r = outgoing_send(front);
	if (r <= 0)
		front->sent_ns = now_ns;
	fault = r == -ENOMEM ? "out of memory"
		: r < 0      ? "it has ended"
			     : fault_of(front, r > 0, now_ns);
	if (fault)
		process_end(front, fault);
	return r > 0;
}

static void await(struct front *front, bool full, unsigned *ret_events)
{
	struct pollfd waits[2] = {{front->wake_fd, POLLIN, 0},
		{front->fd, (short)(full ? POLLIN | POLLOUT : POLLIN), 0}};
	int64_t until_ns = front->fd < 0 ? front->start_ns : clock_now_ns() + CHECK_NS;
	int64_t wait_ns = until_ns - clock_now_ns();
	uint64_t count;

	*ret_events = 0;
	if (poll(waits, 2, wait_ns > 0 ? (int)(wait_ns / NS_PER_MS) + 1 : 0) <= 0)
		return;
	if (waits[0].revents && read(front->wake_fd, &count, sizeof(count)) < 0)
		log_debug("front: %s", strerror(errno));
	*ret_events = (unsigned)waits[1].revents & ~(unsigned)POLLOUT;
}

static void *front_thread(void *user)
{
	struct front *front = user;
	unsigned events = 0;
	bool full = false;

	pthread_setname_np(pthread_self(), "uxrec-front");
	while (!front->stop) {
		if (front->fd < 0 && clock_now_ns() >= front->start_ns)
			process_start(front);
		if (front->check_links && front->serves) {
			front->check_links = false;
			incoming_check_links(front);
		}
		full = front->fd >= 0 && serve(front, events);
		await(front, full, &events);
	}
	process_end(front, NULL);
	return NULL;
}

/* ---- the listening socket ---- */

static int try_bind(struct front *front)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)front->options.port)};
	_autoclose_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(at);
	int on = 1;

	inet_pton(AF_INET, front->options.address, &at.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return -errno;
	front->port = ntohs(at.sin_port);
	return steal_fd(&fd);
}

/* Sets the port, which may have been 0 for any free one. */
static int open_socket(struct front *front, struct error *reterr)
{
	const struct front_options *options = &front->options;
	const int64_t until_ns = clock_now_ns() + BIND_NS;
	struct in_addr address;
	int fd;

	if (inet_pton(AF_INET, options->address, &address) != 1)
		return error_set(reterr, -EINVAL,
			"'%s' is not an IPv4 address to listen on; 127.0.0.1 is the usual one",
			text_quote(options->address).text);
	while ((fd = try_bind(front)) == -EADDRINUSE && options->port && clock_now_ns() < until_ns)
		usleep(20000);
	if (fd < 0)
		return error_set(reterr, fd, "cannot listen on %s:%d: %s", options->address,
			options->port,
			fd == -EADDRINUSE ? "the port is in use by another program; choose another "
					    "with --listen"
					  : strerror(-fd));
	front->listening = fd;
	return 0;
}

/* ---- entry points of other threads ---- */

void front_wake(struct front *front)
{
	const uint64_t one = 1;

	if (write(front->wake_fd, &one, sizeof(one)) < 0)
		log_debug("front: %s", strerror(errno));
}

void front_check_links(struct front *front)
{
	front->check_links = true;
	front_wake(front);
}

void front_forget(struct front *front, const char *session)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Forget forget = UXREC__TO_SERVER__FORGET__INIT;

	forget.session = (char *)session;
	message.body_case = UXREC__TO_SERVER__BODY_FORGET;
	message.forget = &forget;
	outgoing_put(front, &message);
}

int front_port(const struct front *front)
{
	return front->port;
}

unsigned front_peers(const struct front *front)
{
	return front->peers;
}

/* ---- lifecycle ---- */

static int await_first(struct front *front, struct error *reterr)
{
	const int64_t until_ns = clock_now_ns() + READY_NS;
	const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
	bool ready, failed;

	pthread_mutex_lock(&front->lock);
	while (!front->ready && !front->failed &&
		pthread_cond_clockwait(&front->changed, &front->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	ready = front->ready;
	failed = front->failed;
	pthread_mutex_unlock(&front->lock);
	if (failed)
		return error_set(
			reterr, -ECHILD, "%s cannot serve the pages", front->options.server);
	if (!ready)
		log_warning("the server of the pages does not answer yet");
	return 0;
}

int front_create(struct front **ret, const struct front_options *options, struct error *reterr)
{
	_destroy_(front) struct front *front = calloc(1, sizeof(*front));
	int r;

	if (!front)
		return error_set(reterr, -ENOMEM, "out of memory");
	front->options = *options;
	front->fd = front->server_fd = front->listening = front->wake_fd = -1;
	front->is_service = options->service != NULL;
	pthread_mutex_init(&front->lock, NULL);
	pthread_cond_init(&front->changed, NULL);
	/* a service has another working folder */
	front->library = realpath(options->library, NULL);
	if (!front->library)
		return error_set(reterr, -errno, "%s: %s", options->library, strerror(errno));
	front->studies = options->studies ? realpath(options->studies, NULL) : NULL;
	front->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (front->wake_fd < 0 || outgoing_create(front) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = io_random_hex(front->run, 16);
	if (r < 0)
		return error_set(reterr, r, "cannot get random numbers");
	r = open_socket(front, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(front);
	return 0;
}

int front_start(struct front *front, struct error *reterr)
{
	int r = pthread_create(&front->thread, NULL, front_thread, front);

	if (r != 0)
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	front->started = true;
	return await_first(front, reterr);
}

void front_stop(struct front *front)
{
	if (!front || !front->started)
		return;
	front->stop = true;
	front_wake(front);
	pthread_join(front->thread, NULL);
	front->started = false;
}

void front_destroy(struct front *front)
{
	if (!front)
		return;
	front_stop(front);
	if (front->listening >= 0)
		close(front->listening);
	if (front->wake_fd >= 0)
		close(front->wake_fd);
	queue_destroy(front->parcels);
	buf_finish(&front->received);
	pthread_cond_destroy(&front->changed);
	pthread_mutex_destroy(&front->lock);
	free(front->library);
	free(front->studies);
	free(front);
}
