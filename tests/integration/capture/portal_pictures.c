/* Pixels shared by a desktop portal: changed areas, other sizes, and invalid metadata. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/portal_scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void shows(enum spa_video_format format, int padding, bool unsealed)
{
	static struct scene scene; /* static for its threads, also when a test fails */

	scene = (struct scene){
		.video = {.format = format, .padding = padding, .unsealed = unsealed}};
	if (!scene_begin(&scene))
		return;
	expect(scene.canvas->width == 320 && scene.canvas->height == 200);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	/* and no more until the next change */
	expect(scene_wait(&scene, SHORT_NS) == 0);
	video_paint(&scene.video, &(struct rect){100, 50, 30, 20}, 2);
	check(video_show(&scene.video, SOON_NS));
	check(scene_wait(&scene, SOON_NS) == 1);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	expect(areas_pixels(&scene.canvas->changed) == 600);
	scene_finish(&scene);
}

static void the_canvas_is_what_is_shown(void)
{
	shows(SPA_VIDEO_FORMAT_BGRx, 0, false);
	shows(SPA_VIDEO_FORMAT_BGRA, 64, true);
}

static void colours_in_the_other_order_are_swapped(void)
{
	shows(SPA_VIDEO_FORMAT_RGBx, 0, true);
	shows(SPA_VIDEO_FORMAT_RGBA, 24, false);
}

/* The sender may truncate the shared memory, and any access to it would kill us then. */
static void memory_that_goes_away_ends_nobody(void)
{
	static struct scene scene;
	const struct rect all = {0, 0, 320, 200}, part = {40, 150, 20, 30};

	scene = (struct scene){.video = {.unsealed = true}};
	if (!scene_begin(&scene))
		return;
	for (uint32_t i = 0; i < 6; i++) {
		const bool taken = i % 2 == 0;
		/* wide areas are read at once, narrow ones row by row */
		const struct rect *rect = i < 2 ? &all : &part;

		video_paint(&scene.video, rect, 10 + i);
		scene.video.said.damage[scene.video.said.damage_count++] = *rect;
		scene.video.said.taken_away = taken;
		check(video_show(&scene.video, SOON_NS));
		check(scene_wait(&scene, SOON_NS) == 1);
		expect(scene_grab(&scene) == (taken ? -EAGAIN : 0));
		/* missing content is not waited for, and not forgotten */
		expect(taken ? scene_wait(&scene, 0) == 0 : scene_wrong_pixels(&scene, 0, 0) == 0);
	}
	scene_finish(&scene);
}

/* ---- damage ---- */

static void say_damage(struct scene *scene, struct rect rect)
{
	struct video_said *said = &scene->video.said;

	said->damage[said->damage_count++] = rect;
}

static void only_what_has_changed_is_looked_at(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	scene_paint(&scene, (struct rect){10, 10, 20, 20}, 2);
	scene_paint(&scene, (struct rect){200, 100, 20, 20}, 3); /* omitted from the damage */
	say_damage(&scene, (struct rect){8, 8, 40, 40});
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 400);
	expect(areas_pixels(&scene.canvas->changed) == 400);
	/* until a full grab is requested */
	scene.grabber->ops->damage_all(scene.grabber);
	expect(scene_wait(&scene, 0) == 1);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	scene_finish(&scene);
}

static void what_is_skipped_is_united(void)
{
	static struct scene scene;
	int64_t before_ns, damage_ns;

	if (!scene_begin(&scene))
		return;
	before_ns = clock_now_ns();
	for (int i = 0; i < 40; i++) {
		const struct rect rect = {(i * 37) % 300, (i * 23) % 190, 7, 5};

		scene_paint(&scene, rect, 100 + (uint32_t)i);
		say_damage(&scene, rect);
		check(video_show(&scene.video, SOON_NS));
	}
	scene_settle(&scene);
	check(scene.grabber->ops->wait(scene.grabber, -1, INT64_MAX, &damage_ns) == 1);
	expect(damage_ns >= before_ns && damage_ns < before_ns + 2 * NS_PER_S);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	expect(scene_wait(&scene, SHORT_NS) == 0);
	scene_finish(&scene);
}

/* A picture that was not delivered takes its damage with it. */
static void behind_a_lost_picture_all_is_compared(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	scene_paint(&scene, (struct rect){200, 100, 20, 20}, 3);
	say_damage(&scene, (struct rect){0, 0, 4, 4});
	scene.video.said.lost = 1;
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	/* and after a corrupted one, whose pixels are not shown */
	scene_paint(&scene, (struct rect){20, 20, 40, 40}, 4);
	scene.video.said.corrupted = true;
	check(video_show(&scene.video, SOON_NS));
	expect(scene_wait(&scene, SHORT_NS) == 0);
	scene_paint(&scene, (struct rect){100, 20, 40, 40}, 5);
	say_damage(&scene, (struct rect){100, 20, 40, 40});
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	scene_finish(&scene);
}

static void a_picture_has_the_time_at_which_it_was_shown(void)
{
	static struct scene scene;
	int64_t damage_ns, shown_ns;

	if (!scene_begin(&scene))
		return;
	sleep_ms(20);
	scene.video.said.pts_ns = shown_ns = clock_now_ns() - 3 * NS_PER_MS;
	check(video_show(&scene.video, SOON_NS));
	check(scene.grabber->ops->wait(scene.grabber, -1, INT64_MAX, &damage_ns) == 1);
	expect(damage_ns == shown_ns);
	check(scene_grab(&scene) == 0);
	/* a timestamp of another clock is ignored */
	scene.video.said.pts_ns = 12345;
	shown_ns = clock_now_ns();
	check(video_show(&scene.video, SOON_NS));
	check(scene.grabber->ops->wait(scene.grabber, -1, INT64_MAX, &damage_ns) == 1);
	expect(damage_ns >= shown_ns && damage_ns <= clock_now_ns());
	scene_finish(&scene);
}

static int64_t used_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec * NS_PER_S + used.tv_nsec;
}

static void nothing_is_done_while_nothing_comes(void)
{
	static struct scene scene;
	int64_t before_ns;

	if (!scene_begin(&scene))
		return;
	before_ns = used_ns();
	expect(scene_wait(&scene, 2 * NS_PER_S) == 0);
	printf("# two seconds without a picture cost %.2f ms\n",
		(double)(used_ns() - before_ns) / 1e6);
	expect(used_ns() - before_ns < 100 * NS_PER_MS);
	scene_finish(&scene);
}

/* ---- other sizes ---- */

static void another_size_is_said(void)
{
	static struct scene scene;
	struct grabber_size size;

	if (!scene_begin(&scene))
		return;
	video_resize(&scene.video, 500, 130);
	scene_paint(&scene, (struct rect){0, 0, 500, 130}, 7);
	check(scene_show(&scene));
	expect(scene_grab(&scene) == -EAGAIN);
	size = scene.grabber->ops->size(scene.grabber);
	expect(size.width == 500 && size.height == 130);
	canvas_destroy(steal_ptr(scene.canvas));
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	scene.grabber->ops->damage_all(scene.grabber);
	check(scene_wait(&scene, SOON_NS) == 1);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	scene_finish(&scene);
}

static void a_part_of_the_picture_may_be_the_screen(void)
{
	const struct rect crop = {30, 40, 150, 101};
	static struct scene scene;
	struct grabber_size size;

	if (!scene_begin(&scene))
		return;
	scene.video.said.crop = crop;
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	expect(scene_grab(&scene) == -EAGAIN);
	size = scene.grabber->ops->size(scene.grabber);
	check(size.width == crop.width && size.height == crop.height);
	canvas_destroy(steal_ptr(scene.canvas));
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	scene.grabber->ops->damage_all(scene.grabber);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, crop.x, crop.y) == 0);
	/* damage is relative to the whole picture */
	scene_paint(&scene, (struct rect){60, 60, 10, 10}, 9);
	say_damage(&scene, (struct rect){60, 60, 10, 10});
	scene.video.said.crop = crop;
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, crop.x, crop.y) == 0);
	scene_finish(&scene);
}

static void what_does_not_fit_its_memory_is_not_taken(void)
{
	static const struct video_said lies[] = {
		{.stride = 8 * 320},
		{.stride = -4 * 320},
		{.stride = 4},
		{.stride = INT32_MAX},
		{.offset = 4},
		{.offset = UINT32_MAX},
		{.crop = {0, 0, 321, 200}},
		{.crop = {1, 0, 320, 200}},
		{.crop = {-1, 0, 100, 100}},
		{.crop = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}},
	};
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		scene.video.said = lies[i];
		check(video_show(&scene.video, SOON_NS));
	}
	expect(scene_wait(&scene, SHORT_NS) == 0);
	/* damage may have any coordinates */
	scene_paint(&scene, (struct rect){300, 190, 20, 10}, 9);
	say_damage(&scene, (struct rect){-100, -100, INT32_MAX, INT32_MAX});
	say_damage(&scene, (struct rect){INT32_MAX, INT32_MIN, -1, -1});
	check(video_show(&scene.video, SOON_NS));
	scene_settle(&scene);
	check(scene_grab(&scene) == 0);
	expect(scene_wrong_pixels(&scene, 0, 0) == 0);
	scene_finish(&scene);
}

static void buffers_shorter_than_they_say_are_refused(void)
{
	static struct scene scene = {.video = {.width = 320, .height = 200, .cut_rows = 20}};
	struct error error = {""};

	if (!scene_start(&scene))
		return;
	expect(scene_open(&scene, &error) < 0);
	printf("# %s\n", error.text);
	expect(strstr(error.text, "smaller than their stated size"));
	scene_finish(&scene);
}

int main(void)
{
	static const struct test tests[] = {
		{"the canvas equals the screen, to the pixel", the_canvas_is_what_is_shown},
		{"colours in the other order are swapped", colours_in_the_other_order_are_swapped},
		{"memory that goes away blocks nothing, and crashes nothing",
			memory_that_goes_away_ends_nobody},
		{"only damaged areas are compared", only_what_has_changed_is_looked_at},
		{"damage of skipped pictures is united", what_is_skipped_is_united},
		{"after a lost picture the whole screen is compared",
			behind_a_lost_picture_all_is_compared},
		{"a picture has the time at which it was shown",
			a_picture_has_the_time_at_which_it_was_shown},
		{"no work is done while no picture comes", nothing_is_done_while_nothing_comes},
		{"a change of size is reported, and then shown", another_size_is_said},
		{"a part of the picture may be the screen",
			a_part_of_the_picture_may_be_the_screen},
		{"a picture that does not fit its memory is refused",
			what_does_not_fit_its_memory_is_not_taken},
		{"buffers shorter than declared are refused",
			buffers_shorter_than_they_say_are_refused},
	};

	return RUN_TESTS("portal_pictures", tests);
}
