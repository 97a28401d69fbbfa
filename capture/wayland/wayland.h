#pragma once

#include "protocol/base/error.h"

#include <stdint.h>

struct wl_display;

/**
 * Connect to a Wayland compositor.
 *
 * @param name  of its socket; NULL, or that of an X display: the environment's
 * @return 0, -ENOENT when this is no Wayland session, or -ECONNREFUSED, with the reason
 */
int wayland_connect(struct wl_display **ret, const char *name, struct error *reterr);

/**
 * Send what is to be sent, wait, and call the listeners of what came.
 *
 * @param wake_fd      returns when it becomes readable; -1: none
 * @param deadline_ns  INT64_MAX: none
 * @return 1 something came, 0 the time is up, -ECANCELED wake_fd is readable (something may have come
 *         too), -EPIPE the compositor is gone
 */
int wayland_exchange(struct wl_display *display, int wake_fd, int64_t deadline_ns);

/** Wait until all that was asked for is answered. @return 0, -EPIPE or -ETIMEDOUT with the reason */
int wayland_round_trip(struct wl_display *display, int64_t deadline_ns, struct error *reterr);

/** @return -ETIMEDOUT, and says so */
int wayland_no_answer(struct error *reterr);

/** Make every call on a display, also one that waits in another thread, return -EPIPE. */
void wayland_cut(struct wl_display *display);
