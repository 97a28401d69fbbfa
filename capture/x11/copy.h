#pragma once

#include "capture/screen/canvas.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <xcb/xcb.h>

/**
 * Copies parts of an X screen onto a canvas: through memory shared with the server, or else over the connection.
 * Converts the screen's pixel format to the canvas's B G R X. One thread.
 */
struct x11_copy;

/**
 * @param ret  set on success; freed by x11_copy_destroy() before the connection
 * @return 0, -EOPNOTSUPP for an unsupported pixel format, or a negative errno, with the reason
 */
int x11_copy_create(struct x11_copy **ret, xcb_connection_t *connection, const xcb_screen_t *screen,
	struct error *reterr);
void x11_copy_destroy(struct x11_copy *copy);
DEFINE_DESTROY(x11_copy);

/** Change the screen size, any time after x11_copy_create(). @return 0, -EPIPE or -ENOMEM, with the reason */
int x11_copy_resize(struct x11_copy *copy, int width, int height, struct error *reterr);

/** @return true when the server shares memory */
bool x11_copy_is_shared(const struct x11_copy *copy);

/* upper bound on rectangles per call */
#define X11_COPY_RECTS (24 + CANVAS_AREAS)

/**
 * Copy parts of the screen into the buffer.
 *
 * @param rects  within the screen, not empty, in total not larger than it
 * @return 0, -EAGAIN when the screen has become smaller, or -EPIPE
 */
int x11_copy_fetch(struct x11_copy *copy, const struct rect *rects, int count);

/** Put the copied parts, with the same rectangles, onto a canvas. */
void x11_copy_put(
	struct x11_copy *copy, const struct rect *rects, int count, struct canvas *canvas);
