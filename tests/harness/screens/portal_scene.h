#pragma once

/* A desktop portal on a bus of the test's own, a real PipeWire server, pictures that are known to the pixel, and
 * the grabber that looks at them. */

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
	struct video_lab video; /* zero, or its size and what is odd of it before scene_start() */
	struct portal_lab portal;
	struct grabber *grabber;
	struct canvas *canvas;
	pthread_t shower;
	_Atomic bool shown;
};

/** Begin with no grabber. @return false when something is not installed: the test is skipped */
bool scene_start(struct scene *scene);

/** Begin with the first picture on the canvas. @return as scene_start() */
bool scene_begin(struct scene *scene);

void scene_finish(struct scene *scene);

/** Open the grabber. @return as its create() */
int scene_open(struct scene *scene, struct error *reterr);

/** Every session has a stream of its own: another one, for the next. */
void scene_renew_video(struct scene *scene);

/** From here to scene_end_showing() whoever connects gets a picture, though nothing changes. */
void scene_begin_showing(struct scene *scene);
void scene_end_showing(struct scene *scene);

/** Paint a part of the next picture, with what a seed makes of it. */
void scene_paint(struct scene *scene, struct rect rect, uint32_t seed);

/** Show the picture until it has arrived. @return false when it does not */
bool scene_show(struct scene *scene);

/** As the grabber waits and grabs. */
int scene_wait(struct scene *scene, int64_t for_ns);
int scene_grab(struct scene *scene);

/** Wait until the newest of what was shown has arrived. */
void scene_settle(struct scene *scene);

/** @return how many pixels of the canvas are not those of the video, from there on */
int scene_wrong_pixels(const struct scene *scene, int left, int top);

/** The grabber says that it has ended, and why; then finish. */
void scene_ends_with(struct scene *scene, const char *why);
