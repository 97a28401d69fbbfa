#pragma once

#include "protocol/base/error.h"

#include <stdint.h>
#include <xcb/xcb.h>

/**
 * Connect to an X server. One that takes connections and does not answer is given up after a few seconds.
 *
 * @param display  NULL: the environment's
 * @param ret_screen  the default screen, of the connection
 * @return the connection, or NULL with the reason
 */
xcb_connection_t *x11_connect(const char *display, xcb_screen_t **ret_screen, struct error *reterr);

/**
 * Turn a server time into CLOCK_MONOTONIC nanoseconds. Both Xorg and Xvfb count milliseconds of
 * CLOCK_MONOTONIC modulo 2^32.
 *
 * @param now_ns  a time at or after the event
 * @return the time, never after now_ns; now_ns itself when the server's clock is another one (it
 *         would lie more than ten seconds off)
 */
int64_t x11_time_ns(uint32_t server_ms, int64_t now_ns);

/**
 * Wait for the connection or another descriptor.
 *
 * @param deadline_ns  INT64_MAX: none
 * @return 1 the connection may have something, 0 wake_fd or the deadline, -EPIPE the server is gone
 */
int x11_wait(xcb_connection_t *connection, int wake_fd, int64_t deadline_ns);

/** Make every call on an xcb_connection_t, also one that waits in another thread, fail. */
void x11_cut(void *connection);
