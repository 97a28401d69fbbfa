#pragma once

#include "tests/harness/screens/glyphs.h"

#include <stdbool.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

/*
 * Windows with text and pictures in them, drawn as programs do: parts of an image are sent to the
 * server, and once more where something that lay over a window has gone.
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
	int x, y; /* as asked for */
	struct image image;
	xcb_shm_seg_t segment; /* 0: its pixels go through the connection */
};

void stage_open(struct stage *stage, bool managed);
void stage_close(struct stage *stage);

/** Whether a window manager is there. */
bool stage_has_manager(const struct stage *stage);

/** Make and show a window. @param shared  its image is memory that the server sees too, as players do it */
void stage_window(struct stage *stage, struct window *window, const char *title, int x, int y,
	int width, int height, bool shared);

/** Show a part of the window's image. */
void window_show(struct window *window, int x, int y, int width, int height);

/** Move what is in a part of the window up, as terminals do, in the image as well. */
void window_scroll(struct window *window, int x, int y, int width, int height, int by);

void window_move(struct window *window, int x, int y);

/** Above all others, or below. */
void window_raise(struct window *window);
void window_lower(struct window *window);

/** Wait until the server has done everything, and draw what it asks for meanwhile. */
void stage_sync(struct stage *stage);

/** Draw what the server asks for until a time (CLOCK_MONOTONIC). */
void stage_wait(struct stage *stage, int64_t until_ns);

/** What the server has of a part of a window, on the screen at *ret_x, *ret_y. The caller frees the pixels. */
uint32_t *window_grab(
	struct window *window, int x, int y, int width, int height, int *ret_x, int *ret_y);
