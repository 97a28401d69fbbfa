#include "tests/harness/screens/portal_scene.h"

#include "tests/harness/helpers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Like desktops: a new client gets a picture, though nothing changes. */
static void *show_first(void *user)
{
	struct scene *scene = user;

	for (; !scene->shown; sleep_ms(50))
		video_show(&scene->video, 0);
	return NULL;
}

void scene_begin_showing(struct scene *scene)
{
	scene->shown = false;
	check(pthread_create(&scene->shower, NULL, show_first, scene) == 0);
}

void scene_end_showing(struct scene *scene)
{
	scene->shown = true;
	pthread_join(scene->shower, NULL);
}

bool scene_start(struct scene *scene)
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

void scene_finish(struct scene *scene)
{
	grabber_destroy(scene->grabber);
	canvas_destroy(scene->canvas);
	portal_lab_end(&scene->portal);
	video_end(&scene->video);
	pipewire_lab_kill(&scene->pipewire);
}

void scene_renew_video(struct scene *scene)
{
	video_end(&scene->video);
	video_start(&scene->video);
	scene->portal.node = scene->video.node;
}

int scene_open(struct scene *scene, struct error *reterr)
{
	int r;

	scene_begin_showing(scene);
	r = grabber_portal.create(&scene->grabber, &(struct grabber_target){NULL}, reterr);
	scene_end_showing(scene);
	return r;
}

int scene_wait(struct scene *scene, int64_t for_ns)
{
	int64_t damage_ns;

	return scene->grabber->ops->wait(scene->grabber, -1, clock_now_ns() + for_ns, &damage_ns);
}

int scene_grab(struct scene *scene)
{
	int64_t copied_ns;

	return scene->grabber->ops->grab(scene->grabber, scene->canvas, &copied_ns);
}

void scene_settle(struct scene *scene)
{
	check(scene_wait(scene, SOON_NS) == 1);
	sleep_ms(500);
}

/* A picture shown while sizes are negotiated may get lost: a desktop shows again and again. */
bool scene_show(struct scene *scene)
{
	for (int i = 0; i < 10; i++)
		if (video_show(&scene->video, SOON_NS) && scene_wait(scene, NS_PER_S) == 1)
			return true;
	return false;
}

int scene_wrong_pixels(const struct scene *scene, int left, int top)
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

bool scene_begin(struct scene *scene)
{
	struct error error = {""};
	struct grabber_size size;

	if (!scene_start(scene))
		return false;
	if (scene_open(scene, &error) < 0)
		printf("# %s\n", error.text);
	check(scene->grabber != NULL);
	size = scene->grabber->ops->size(scene->grabber);
	check(canvas_create(&scene->canvas, size.width, size.height, CHROMA_420) == 0);
	scene_settle(scene);
	check(scene_grab(scene) == 0);
	scene->canvas->changed.count = 0;
	return true;
}

void scene_paint(struct scene *scene, struct rect rect, uint32_t seed)
{
	video_paint(&scene->video, &rect, seed);
}

void scene_ends_with(struct scene *scene, const char *why)
{
	int64_t damage_ns;
	int r;

	/* earlier pictures may still be queued */
	while ((r = scene->grabber->ops->wait(
			scene->grabber, -1, clock_now_ns() + SOON_NS, &damage_ns)) == 1)
		if (scene_grab(scene) < 0)
			break;
	expect(scene_wait(scene, SOON_NS) == -EPIPE);
	expect(scene_grab(scene) == -EPIPE);
	printf("# %s\n", scene->grabber->ops->failure_reason(scene->grabber));
	expect(strstr(scene->grabber->ops->failure_reason(scene->grabber), why));
	scene_finish(scene);
}
