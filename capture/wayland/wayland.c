#include "capture/wayland/wayland.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wayland-client.h>

/* longest single poll; the deadline is checked in between */
#define POLL_LIMIT_NS (3600 * NS_PER_S)

/* libwayland logs foreign text to standard error when a connection ends */
static void __attribute__((format(printf, 1, 0))) discard_log(const char *format, va_list args)
{
	(void)format;
	(void)args;
}

int wayland_connect(struct wl_display **ret, const char *name, struct error *reterr)
{
	if (!name || strchr(name, ':'))
		name = getenv("WAYLAND_DISPLAY");
	if (!name || !*name)
		return error_set(reterr, -ENOENT, "no Wayland session: WAYLAND_DISPLAY is not set");
	wl_log_set_handler_client(discard_log);
	*ret = wl_display_connect(name);
	if (!*ret)
		return error_set(reterr, -ECONNREFUSED,
			"cannot connect to the Wayland compositor '%s': %s", text_quote(name).text,
			strerror(errno));
	return 0;
}

static int poll_timeout(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == INT64_MAX)
		return -1;
	left_ns = deadline_ns - clock_now_ns();
	if (left_ns > POLL_LIMIT_NS)
		left_ns = POLL_LIMIT_NS;
	return left_ns <= 0 ? 0 : (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* @return as poll(); -1 also when sending fails */
static int flush_and_poll(struct wl_display *display, struct pollfd *fds, int64_t deadline_ns)
{
	if (wl_display_flush(display) < 0) {
		if (errno != EAGAIN)
			return -1;
		fds[0].events |= POLLOUT;
	}
	return poll(fds, 2, poll_timeout(deadline_ns));
}

int wayland_dispatch(struct wl_display *display, int wake_fd, int64_t deadline_ns)
{
	struct pollfd fds[2] = {
		{.fd = wl_display_get_fd(display), .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};
	int r, error;

	if (wl_display_prepare_read(display) < 0)
		return wl_display_dispatch_pending(display) < 0 ? -EPIPE : 1;
	r = flush_and_poll(display, fds, deadline_ns);
	error = errno;
	if (r <= 0 || !fds[0].revents) {
		wl_display_cancel_read(display);
		if (r < 0)
			return error == EINTR ? 0 : -EPIPE;
		return fds[1].revents ? -ECANCELED : 0;
	}
	if (wl_display_read_events(display) < 0 || wl_display_dispatch_pending(display) < 0)
		return -EPIPE;
	return fds[1].revents ? -ECANCELED : 1;
}

static void sync_done(void *user, struct wl_callback *callback, uint32_t serial)
{
	(void)callback;
	(void)serial;
	*(bool *)user = true;
}

static const struct wl_callback_listener sync_listener = {.done = sync_done};

int wayland_round_trip(struct wl_display *display, int64_t deadline_ns, struct error *reterr)
{
	struct wl_callback *callback = wl_display_sync(display);
	bool done = false;
	int r = 0;

	if (!callback)
		return error_set(reterr, -ENOMEM, "out of memory");
	wl_callback_add_listener(callback, &sync_listener, &done);
	while (!done && r >= 0 && clock_now_ns() < deadline_ns)
		r = wayland_dispatch(display, -1, deadline_ns);
	wl_callback_destroy(callback);
	if (r < 0)
		return error_set(reterr, -EPIPE, "the Wayland compositor closed the connection");
	return done ? 0 : wayland_no_answer(reterr);
}

int wayland_no_answer(struct error *reterr)
{
	return error_set(reterr, -ETIMEDOUT, "the Wayland compositor does not answer");
}

void wayland_abort(struct wl_display *display)
{
	shutdown(wl_display_get_fd(display), SHUT_RDWR);
}
