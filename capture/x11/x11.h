#pragma once

#include "protocol/base/error.h"

#include <stdint.h>
#include <xcb/xcb.h>

/**
 * Connect to an X server. A server that accepts the connection but does not answer times out after a few seconds.
 *
 * @param display     NULL: from the environment
 * @param ret_screen  the default screen, owned by the connection
 * @return the connection, or NULL with the reason
 */
xcb_connection_t *x11_connect(const char *display, xcb_screen_t **ret_screen, struct error *reterr);

/**
 * Convert a server timestamp to CLOCK_MONOTONIC nanoseconds. Both Xorg and Xvfb count milliseconds of
 * CLOCK_MONOTONIC modulo 2^32.
 *
 * @param now_ns  a time at or after the event
 * @return the time, at most now_ns; now_ns itself when the server uses another clock (more than
 *         ten seconds off)
 */
int64_t x11_time_ns(uint32_t server_ms, int64_t now_ns);

/**
 * Wait for the connection or another file descriptor.
 *
 * @param deadline_ns  INT64_MAX: none
 * @return 1 the connection may have data, 0 wake_fd or the deadline, -EPIPE the server is gone
 */
int x11_wait(xcb_connection_t *connection, int wake_fd, int64_t deadline_ns);

/** Make all present and later calls on an xcb_connection_t fail, in any thread. */
void x11_abort(void *connection);
