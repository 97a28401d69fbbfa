#pragma once

#include "capture/screen/monitors.h"

#include <xcb/xcb.h>

/** Ask to be told of changes. @return the number of the first event, 0 when there are no monitors to tell of */
uint8_t x11_monitors_watch(xcb_connection_t *connection, xcb_window_t root);

/** What the X server's monitors show now; it asks the server. Without RandR 1.5 nothing is known. */
void x11_monitors_read(xcb_connection_t *connection, xcb_window_t root, struct monitors *ret);
