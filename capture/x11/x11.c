#include "capture/x11/x11.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_TIMEOUT_NS (5 * NS_PER_S)

/* Connection attempt in a thread that can be abandoned: connecting to a stopped server blocks forever. */
struct attempt {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	char *display; /* NULL: from the environment */
	xcb_connection_t *connection;
	int number;
	bool abandoned; /* abandoned */
};

static void attempt_destroy(struct attempt *attempt)
{
	if (!attempt)
		return;
	pthread_mutex_destroy(&attempt->lock);
	pthread_cond_destroy(&attempt->ended);
	free(attempt->display);
	free(attempt);
}
DEFINE_DESTROY(attempt);

static struct attempt *attempt_create(const char *display)
{
	_destroy_(attempt) struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (!attempt)
		return NULL;
	pthread_mutex_init(&attempt->lock, NULL);
	pthread_cond_init(&attempt->ended, NULL);
	attempt->display = display ? strdup(display) : NULL;
	return display && !attempt->display ? NULL : steal_ptr(attempt);
}

static void *attempt_thread(void *user)
{
	struct attempt *attempt = user;
	int number = 0;
	xcb_connection_t *connection = xcb_connect(attempt->display, &number);
	bool abandoned;

	pthread_mutex_lock(&attempt->lock);
	attempt->connection = connection;
	attempt->number = number;
	abandoned = attempt->abandoned;
	pthread_cond_signal(&attempt->ended);
	pthread_mutex_unlock(&attempt->lock);
	if (abandoned) {
		xcb_disconnect(connection);
		attempt_destroy(attempt);
	}
	return NULL;
}

/* @return NULL on timeout: the attempt then belongs to the thread */
static xcb_connection_t *await(struct attempt *attempt)
{
	int64_t until_ns = clock_now_ns() + ANSWER_TIMEOUT_NS;
	const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
	xcb_connection_t *connection;
	int r = 0;

	pthread_mutex_lock(&attempt->lock);
	while (!attempt->connection && r == 0)
		r = pthread_cond_clockwait(
			&attempt->ended, &attempt->lock, CLOCK_MONOTONIC, &until);
	connection = attempt->connection;
	attempt->abandoned = !connection;
	pthread_mutex_unlock(&attempt->lock);
	return connection;
}

/* @return as xcb_connect(), but NULL on timeout or when out of memory */
static xcb_connection_t *connect_with_timeout(const char *display, int *ret_number)
{
	_destroy_(attempt) struct attempt *attempt = attempt_create(display);
	xcb_connection_t *connection;
	pthread_t thread;

	if (!attempt || pthread_create(&thread, NULL, attempt_thread, attempt) != 0)
		return NULL;
	connection = await(attempt);
	if (!connection) {
		pthread_detach(thread);
		steal_ptr(attempt);
		return NULL;
	}
	pthread_join(thread, NULL);
	*ret_number = attempt->number;
	return connection;
}

xcb_connection_t *x11_connect(const char *display, xcb_screen_t **ret_screen, struct error *reterr)
{
	const char *name = display ? display : getenv("DISPLAY");
	xcb_screen_iterator_t screens;
	xcb_connection_t *connection;
	int number = 0;

	if (!name) {
		error_set(reterr, -ENOENT,
			"no display: neither --display nor DISPLAY is set; start uxrecd in the "
			"participant's session, or use --display :0");
		return NULL;
	}
	connection = connect_with_timeout(display, &number);
	if (!connection) {
		error_set(reterr, -ETIMEDOUT,
			"the X display '%s' does not answer: is its server stopped? Restart it, "
			"or record another with --display",
			text_quote(name).text);
		return NULL;
	}
	if (xcb_connection_has_error(connection)) {
		error_set(reterr, -ECONNREFUSED,
			"cannot connect to the X display '%s': is it running (ls "
			"/tmp/.X11-unix), and "
			"may this user use it? Start uxrecd in its session, or set XAUTHORITY",
			text_quote(name).text);
		xcb_disconnect(connection);
		return NULL;
	}
	screens = xcb_setup_roots_iterator(xcb_get_setup(connection));
	for (int i = 0; i < number && screens.rem > 1; i++)
		xcb_screen_next(&screens);
	*ret_screen = screens.data;
	return connection;
}

int64_t x11_time_ns(uint32_t server_ms, int64_t now_ns)
{
	uint32_t now_ms = (uint32_t)(uint64_t)(now_ns / NS_PER_MS);
	int32_t age_ms = (int32_t)(now_ms - server_ms);

	/* a millisecond that has just begun may seem to lie in the future */
	if (age_ms < 0 && age_ms > -10)
		age_ms = 0;
	if (age_ms < 0 || age_ms > 10000)
		return now_ns;
	if (age_ms == 0)
		return now_ns - now_ns % NS_PER_MS;
	return (now_ns / NS_PER_MS - age_ms) * NS_PER_MS;
}

static int poll_timeout(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == INT64_MAX)
		return -1;
	left_ns = deadline_ns - clock_now_ns();
	return left_ns <= 0 ? 0 : (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

int x11_wait(xcb_connection_t *connection, int wake_fd, int64_t deadline_ns)
{
	struct pollfd fds[2] = {
		{.fd = xcb_get_file_descriptor(connection), .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};

	xcb_flush(connection);
	if (xcb_connection_has_error(connection))
		return -EPIPE;
	if (poll(fds, 2, poll_timeout(deadline_ns)) < 0)
		return errno == EINTR ? 0 : -EPIPE;
	if (fds[0].revents)
		return 1;
	return 0;
}

void x11_abort(void *connection)
{
	shutdown(xcb_get_file_descriptor(connection), SHUT_RDWR);
}
