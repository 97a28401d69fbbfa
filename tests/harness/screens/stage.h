#pragma once

#include "tests/harness/screens/glyphs.h"

#include <stdbool.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

/*
 * Windows with text and pictures, drawn as programs do: parts of an image are sent to the server, and again where they
 * were uncovered.
 */

#define STAGE_WINDOWS 8

struct stage {
	xcb_connection_t *connection;
	xcb_screen_t *screen;
	bool managed; /* by a window manager; else windows are override-redirect */
	struct window *windows[STAGE_WINDOWS];
	int count;
	struct font mono, sans;
};

struct window {
	struct stage *stage;
	xcb_window_t id;
	xcb_gcontext_t gc;
	int x, y; /* as requested */
	struct image image;
	xcb_shm_seg_t segment; /* 0: pixels go through the connection */
};

void stage_open(struct stage *stage, bool managed);
void stage_close(struct stage *stage);

/** True if a window manager runs. */
bool stage_has_manager(const struct stage *stage);

/** Make and show a window. @param shared  its image is in shared memory, as players do it */
void stage_window(struct stage *stage, struct window *window, const char *title, int x, int y,
	int width, int height, bool shared);

/** Show a part of the window's image. */
void window_show(struct window *window, int x, int y, int width, int height);

/** Scroll a part of the window up, as terminals do, in the image as well. */
void window_scroll(struct window *window, int x, int y, int width, int height, int by);

void window_move(struct window *window, int x, int y);

/** Restack above or below all others. */
void window_raise(struct window *window);
void window_lower(struct window *window);

/** Wait until the server is done, and handle its expose events meanwhile. */
void stage_sync(struct stage *stage);

/** Handle expose events until a time (CLOCK_MONOTONIC). */
void stage_wait(struct stage *stage, int64_t until_ns);

/** The server's content of a part of a window, on the screen at *ret_x, *ret_y. The caller frees the pixels. */
uint32_t *window_grab(
	struct window *window, int x, int y, int width, int height, int *ret_x, int *ret_y);
