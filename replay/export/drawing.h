#pragma once

#include "replay/decode/frames.h"
#include "replay/session/session.h"

/* What is drawn over the screen's pictures: where the pointer was, and what was done. */

enum drawing_part {
	DRAWING_PATCHES = 1, /* nothing beside what the frames have anyway */
	DRAWING_POINTER = 2, /* in its shape of that moment */
	DRAWING_CLICKS = 4,  /* a ring that grows for 0.7 s */
	DRAWING_KEYS = 8, /* the classes of the keys of the last 1.5 s, and shortcuts as they are */
};

/** @return the part of that name ("patches", "pointer", "clicks", "keys"), or 0 */
unsigned drawing_find(const char *name);

/** Draws. One thread at a time. */
struct drawing;

/**
 * @param ret      set on success; freed by drawing_destroy() before its session
 * @param session  its reader is used as frames_create() has it
 * @param parts    enum drawing_part
 * @return 0, or a negative errno with the reason
 */
int drawing_create(
	struct drawing **ret, const struct session *session, unsigned parts, struct error *reterr);
void drawing_destroy(struct drawing *drawing);
DEFINE_DESTROY(drawing);

/** @return when, after a time, something that is drawn changes or moves on; INT64_MAX: never */
int64_t drawing_next(const struct drawing *drawing, int64_t after_ns);

/**
 * Lay a picture into one of another size, whole and in the middle, and draw over it what belongs to a
 * moment. Moments may come in any order; forward is cheap.
 *
 * @param ret  set on success: a picture of width * height that is valid until the next call
 * @return 0 or a negative errno
 */
int drawing_draw(struct drawing *drawing, const struct frame *frame, int width, int height,
	int64_t at_ns, struct frame *ret);

/**
 * Draw a picture that stands for none: dark, with a line of text.
 *
 * @param ret  as of drawing_draw()
 */
int drawing_blank(
	struct drawing *drawing, int width, int height, const char *text, struct frame *ret);
