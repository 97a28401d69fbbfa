#pragma once

#include "replay/decode/frames.h"
#include "replay/session/session.h"

/* Overlays drawn on the screen's pictures: pointer, clicks and keys. */

enum drawing_part {
	DRAWING_PATCHES = 1, /* none: frames include the patches */
	DRAWING_POINTER = 2, /* in its shape at that time */
	DRAWING_CLICKS = 4,  /* a ring growing for 0.7 s */
	DRAWING_KEYS = 8,    /* classes of the keys of the last 1.5 s, and shortcuts verbatim */
};

/** @return the part with this name ("patches", "pointer", "clicks", "keys"), or 0 */
unsigned drawing_find(const char *name);

/** Drawing context. One thread at a time. */
struct drawing;

/**
 * @param ret      set on success; freed by drawing_destroy() before its session
 * @param session  its reader is used under the rules of frames_create()
 * @param parts    enum drawing_part
 * @return 0, or a negative errno with the reason
 */
int drawing_create(
	struct drawing **ret, const struct session *session, unsigned parts, struct error *reterr);
void drawing_destroy(struct drawing *drawing);
DEFINE_DESTROY(drawing);

/** @return the time of the next change or animation step after a time; INT64_MAX: none */
int64_t drawing_next(const struct drawing *drawing, int64_t after_ns);

/**
 * Scale a picture to fit into another size, centred, and draw the overlays of a time. Times may come in any order;
 * forward is cheap.
 *
 * @param ret  set on success: a picture of width * height, valid until the next call
 * @return 0 or a negative errno
 */
int drawing_draw(struct drawing *drawing, const struct frame *frame, int width, int height,
	int64_t at_ns, struct frame *ret);

/**
 * Draw a placeholder picture: dark, with a line of text.
 *
 * @param ret  as of drawing_draw()
 */
int drawing_blank(
	struct drawing *drawing, int width, int height, const char *text, struct frame *ret);
