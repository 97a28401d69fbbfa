#pragma once

/*
 * A pointer for a compositor that has no devices: zwlr_virtual_pointer_v1. Without one nothing is drawn where
 * the pointer would be.
 */

/** Connect to $WAYLAND_DISPLAY and make the pointer. It is there until the descriptor is closed. */
int wayland_pointer_open(void);

/** Move it to a place on the screen of that size. */
void wayland_pointer_move(int fd, int x, int y, int width, int height);
