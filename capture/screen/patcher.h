#pragma once

#include "capture/screen/canvas.h"
#include "protocol/screen.pb-c.h"

#include <stdbool.h>

/**
 * Produces lossless patches over the video: for small changes, in place of a full video picture, and for areas at
 * rest. Tracks for every tile of the screen its patch state and last change. FORMAT.md, "/screen/patches",
 * describes the reader's side. One thread.
 *
 * Returned messages are valid until the next call.
 */
struct patcher;

/** @return 0 (freed by patcher_destroy()) or -ENOMEM */
int patcher_create(struct patcher **ret, const struct canvas *canvas);
void patcher_destroy(struct patcher *patcher);
DEFINE_DESTROY(patcher);

/**
 * Lay patches for a change that is small, in places where the video shows no motion.
 *
 * @param changed  areas of the canvas
 * @return the message to push, or NULL: the video must show the change
 */
const Uxrec__ScreenPatches *patcher_apply(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns);

/**
 * Clear the patches over a change that the next video picture will show; without a change, mark that picture as
 * unchanged.
 *
 * @return the message to push with the picture's timestamp, or NULL: nothing
 */
const Uxrec__ScreenPatches *patcher_clear(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns);

/**
 * True while some patched tile differs from the last encoded picture; a caret that has vanished again owes nothing.
 */
bool patcher_is_stale(struct patcher *patcher);

/** Note that the video now shows the current canvas. */
void patcher_refreshed(struct patcher *patcher);

/** Note that a keyframe has cleared all patches; patcher_refine() lays them again first. */
void patcher_reset(struct patcher *patcher);

/**
 * Lay some patches for areas at rest. Call until NULL, but handle changes of the screen first.
 *
 * @return the message to push, or NULL: none now
 */
const Uxrec__ScreenPatches *patcher_refine(struct patcher *patcher, int64_t now_ns);

/** Time when patcher_refine() has work; INT64_MAX: not before the screen changes. */
int64_t patcher_refine_ns(struct patcher *patcher, int64_t now_ns);
