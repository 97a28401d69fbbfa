#pragma once

#include "capture/screen/monitors.h"

#include <xcb/xcb.h>

/** Subscribe to changes. @return the first event number, or 0 without monitor support */
uint8_t x11_monitors_watch(xcb_connection_t *connection, xcb_window_t root);

/** Query the X server's current monitors (round trip). Unknown without RandR 1.5. */
void x11_monitors_read(xcb_connection_t *connection, xcb_window_t root, struct monitors *ret);
