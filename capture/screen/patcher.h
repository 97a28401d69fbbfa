#pragma once

#include "capture/screen/canvas.h"
#include "protocol/screen.pb-c.h"

#include <stdbool.h>

/**
 * Says what lies over the video, exact to the pixel: what has changed little, instead of a whole picture of the
 * video, and what has come to rest. It knows of every tile of the screen whether something lies over it, and when
 * it changed. FORMAT.md, "/screen/patches", tells what a reader makes of it. One thread.
 *
 * What it gives out is valid until its next call.
 */
struct patcher;

/** @return 0 (freed by patcher_destroy()) or -ENOMEM */
int patcher_create(struct patcher **ret, const struct canvas *canvas);
void patcher_destroy(struct patcher *patcher);
DEFINE_DESTROY(patcher);

/**
 * Lay what has changed over the video, if that is little, and the video does not show these places move.
 *
 * @param changed  areas of the canvas
 * @return what is to be pushed, or NULL: the video must show it
 */
const Uxrec__ScreenPatches *patcher_lay(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns);

/**
 * The video is about to show what has changed, or that nothing has: what lies there is taken away with that picture.
 *
 * @return what is to be pushed with the picture's time, or NULL: nothing
 */
const Uxrec__ScreenPatches *patcher_clear(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns);

/**
 * Whether the video lacks something of what was laid: a caret that is gone again is as the video shows it.
 */
bool patcher_owes(struct patcher *patcher);

/** The video has shown the canvas as it is. */
void patcher_paid(struct patcher *patcher);

/** A keyframe has taken all away; it is laid again as the next thing that patcher_rest() says. */
void patcher_reset(struct patcher *patcher);

/**
 * Lay some of what has come to rest. To be called until it has no more, but changes of the screen come first.
 *
 * @return what is to be pushed, or NULL: nothing now
 */
const Uxrec__ScreenPatches *patcher_rest(struct patcher *patcher, int64_t now_ns);

/** When patcher_rest() has something; INT64_MAX: not before the screen changes. */
int64_t patcher_rest_ns(struct patcher *patcher, int64_t now_ns);
