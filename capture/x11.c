#include "capture/x11.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <stdlib.h>

xcb_connection_t *x11_connect(const char *display, xcb_screen_t **ret_screen, struct error *reterr)
{
	xcb_screen_iterator_t screens;
	xcb_connection_t *connection;
	int number = 0;

	if (!display && !getenv("DISPLAY")) {
		error_set(reterr, -ENOENT,
			"no display: neither --display nor DISPLAY says which X server to record");
		return NULL;
	}
	connection = xcb_connect(display, &number);
	if (xcb_connection_has_error(connection)) {
		error_set(reterr, -ECONNREFUSED,
			"cannot connect to the X display '%s': is it running, and may this user "
			"use it (XAUTHORITY)?",
			text_quote(display ? display : getenv("DISPLAY")).text);
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

	/* a millisecond that has just begun may look like the future */
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

void x11_cut(void *connection)
{
	shutdown(xcb_get_file_descriptor(connection), SHUT_RDWR);
}
