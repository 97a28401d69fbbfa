#pragma once

#include "protocol/base/error.h"

#include <stdint.h>

struct wl_display;

/**
 * Connect to a Wayland compositor.
 *
 * @param name  of its socket; NULL, or that of an X display: the environment's
 * @return 0, -ENOENT without a Wayland session, or -ECONNREFUSED, with the reason
 */
int wayland_connect(struct wl_display **ret, const char *name, struct error *reterr);

/**
 * Flush requests, wait for events and dispatch them.
 *
 * @param wake_fd      returns when it becomes readable; -1: none
 * @param deadline_ns  INT64_MAX: none
 * @return 1 events were dispatched, 0 the deadline has passed, -ECANCELED wake_fd is readable
 *         (events may have been dispatched too), -EPIPE the compositor is gone
 */
int wayland_dispatch(struct wl_display *display, int wake_fd, int64_t deadline_ns);

/** Wait for the replies to all requests. @return 0, -EPIPE or -ETIMEDOUT with the reason */
int wayland_round_trip(struct wl_display *display, int64_t deadline_ns, struct error *reterr);

/** @return -ETIMEDOUT, with the reason */
int wayland_no_answer(struct error *reterr);

/** Make every call on a display return -EPIPE, also one that blocks in another thread. */
void wayland_abort(struct wl_display *display);
