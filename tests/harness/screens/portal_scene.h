#pragma once

/* A desktop portal on a bus of the test's own, a real PipeWire server, pictures known to the pixel, and the grabber
 * under test. */

#include "tests/harness/labs/pipewire.h"
#include "tests/harness/labs/portal.h"
#include "tests/harness/labs/video.h"

#include "capture/screen/grabber.h"
#include "protocol/base/clock.h"

#include <pthread.h>

#define SOON_NS  (10 * NS_PER_S)
#define SHORT_NS (300 * NS_PER_MS)

struct scene {
	struct pipewire_lab pipewire;
	struct video_lab video; /* zero, or its size and defects, before scene_start() */
	struct portal_lab portal;
	struct grabber *grabber;
	struct canvas *canvas;
	pthread_t shower;
	_Atomic bool shown;
};

/** Begin without a grabber. @return false if a program is missing: the test is skipped */
bool scene_start(struct scene *scene);

/** Begin with the first picture on the canvas. @return as scene_start() */
bool scene_begin(struct scene *scene);

void scene_finish(struct scene *scene);

/** Open the grabber. @return as its create() */
int scene_open(struct scene *scene, struct error *reterr);

/** Replace the stream: every session has its own. */
void scene_renew_video(struct scene *scene);

/** From here to scene_end_showing() each new client gets a picture, though nothing changes. */
void scene_begin_showing(struct scene *scene);
void scene_end_showing(struct scene *scene);

/** Paint a part of the next picture, from a seed. */
void scene_paint(struct scene *scene, struct rect rect, uint32_t seed);

/** Show the picture until it has arrived. @return false if it does not */
bool scene_show(struct scene *scene);

/** The grabber's wait and grab. */
int scene_wait(struct scene *scene, int64_t for_ns);
int scene_grab(struct scene *scene);

/** Wait until the newest shown picture has arrived. */
void scene_settle(struct scene *scene);

/** @return the number of canvas pixels that differ from the video's, from @p left, @p top on */
int scene_wrong_pixels(const struct scene *scene, int left, int top);

/** Expect the grabber to end with this reason; then finish. */
void scene_ends_with(struct scene *scene, const char *why);
