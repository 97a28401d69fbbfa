#pragma once

/*
 * A pointer for a compositor without devices: zwlr_virtual_pointer_v1. Without one no cursor is drawn.
 */

/** Connect to $WAYLAND_DISPLAY and make the pointer, which lasts until the descriptor is closed. */
int wayland_pointer_open(void);

/** Move it to a place on a screen of that size. */
void wayland_pointer_move(int fd, int x, int y, int width, int height);
