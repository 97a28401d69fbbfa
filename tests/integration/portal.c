/* What a desktop portal lets be seen: a real PipeWire server, a portal on a bus of the test's own, and pictures
 * that are known to the pixel. */

#include "tests/harness/helpers.h"
#include "tests/harness/lab_pipewire.h"
#include "tests/harness/lab_portal.h"
#include "tests/harness/lab_video.h"

#include "capture/grabber.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define SOON_NS  (10 * NS_PER_S)
#define SHORT_NS (300 * NS_PER_MS)

/* Everything there is, and what looks at it. */
struct scene {
	struct pipewire_lab pipewire;
	struct video_lab video;
	struct portal_lab portal;
	struct grabber *grabber;
	struct canvas *canvas;
	pthread_t shower;
	_Atomic bool shown;
};

/* The first picture comes when somebody has connected. */
static void *show_first(void *user)
{
	struct scene *scene = user;

	video_show(&scene->video);
	return NULL;
}

static bool scene_start(struct scene *scene)
{
	_autofree_ char *state = temporary_path("state");

	setenv("XDG_STATE_HOME", state, 1);
	if (!pipewire_lab_start(&scene->pipewire, NULL))
		return false;
	if (!scene->video.width) {
		scene->video.width = 320;
		scene->video.height = 200;
	}
	video_start(&scene->video);
	video_paint(
		&scene->video, &(struct rect){0, 0, scene->video.width, scene->video.height}, 1);
	scene->portal.node = scene->video.node;
	portal_lab_start(&scene->portal);
	return true;
}

static void scene_finish(struct scene *scene)
{
	grabber_destroy(scene->grabber);
	canvas_destroy(scene->canvas);
	portal_lab_end(&scene->portal);
	video_end(&scene->video);
	pipewire_lab_kill(&scene->pipewire);
}

static int scene_open(struct scene *scene, struct error *reterr)
{
	pthread_t shower;
	int r;

	pthread_create(&shower, NULL, show_first, scene);
	r = grabber_portal.create(&scene->grabber, NULL, reterr);
	pthread_join(shower, NULL);
	return r;
}

static int wait_for(struct scene *scene, int64_t for_ns)
{
	int64_t damage_ns;

	return scene->grabber->ops->wait(scene->grabber, -1, clock_now_ns() + for_ns, &damage_ns);
}

static int grab(struct scene *scene)
{
	int64_t copied_ns;

	return scene->grabber->ops->grab(scene->grabber, scene->canvas, &copied_ns);
}

/* how many pixels are not those of a part of the video */
static int wrong_pixels(const struct scene *scene, int left, int top)
{
	const struct canvas *canvas = scene->canvas;
	int wrong = 0;

	for (int y = 0; y < canvas->height; y++)
		for (int x = 0; x < canvas->width; x++) {
			uint32_t pixel;

			memcpy(&pixel, canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * x, 4);
			wrong += (pixel & 0xffffff) !=
				scene->video.pixels[(y + top) * scene->video.width + x + left];
		}
	return wrong;
}

/* With the first picture on the canvas. */
static bool scene_begin(struct scene *scene)
{
	struct error error = {""};
	struct grabber_size size;

	if (!scene_start(scene))
		return false;
	if (scene_open(scene, &error) < 0)
		printf("# %s\n", error.text);
	check(scene->grabber != NULL);
	size = scene->grabber->ops->size(scene->grabber);
	check(canvas_create(&scene->canvas, size.width, size.height) == 0);
	check(wait_for(scene, SOON_NS) == 1);
	check(grab(scene) == 0);
	scene->canvas->changed.count = 0;
	return true;
}

static void shows(enum spa_video_format format, int padding)
{
	struct scene scene = {.video = {.format = format, .padding = padding}};

	if (!scene_begin(&scene))
		return;
	expect(scene.canvas->width == 320 && scene.canvas->height == 200);
	expect(wrong_pixels(&scene, 0, 0) == 0);
	/* and nothing more until something changes */
	expect(wait_for(&scene, SHORT_NS) == 0);
	video_paint(&scene.video, &(struct rect){100, 50, 30, 20}, 2);
	check(video_show(&scene.video));
	check(wait_for(&scene, SOON_NS) == 1);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
	expect(areas_pixels(&scene.canvas->changed) == 600);
	scene_finish(&scene);
}

static void the_canvas_is_what_is_shown(void)
{
	shows(SPA_VIDEO_FORMAT_BGRx, 0);
}

int main(void)
{
	static const struct test tests[] = {
		{"the canvas is what is shown, to the pixel", the_canvas_is_what_is_shown},
	};

	return RUN_TESTS("portal", tests);
}
