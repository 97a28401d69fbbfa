/* What a desktop portal lets be seen: a real PipeWire server, a portal on a bus of the test's own, and pictures
 * that are known to the pixel. */

#include "tests/harness/helpers.h"
#include "tests/harness/lab_mutter.h"
#include "tests/harness/lab_pipewire.h"
#include "tests/harness/lab_portal.h"
#include "tests/harness/lab_video.h"

#include "capture/grabber.h"
#include "protocol/base/clock.h"
#include "protocol/base/io.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

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

/* As desktops do: who connects gets a picture, though nothing changes. */
static void *show_first(void *user)
{
	struct scene *scene = user;

	for (; !scene->shown; sleep_ms(50))
		video_show(&scene->video, 0);
	return NULL;
}

static void begin_showing(struct scene *scene)
{
	scene->shown = false;
	check(pthread_create(&scene->shower, NULL, show_first, scene) == 0);
}

static void end_showing(struct scene *scene)
{
	scene->shown = true;
	pthread_join(scene->shower, NULL);
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

/* Every session has a stream of its own. */
static void renew_video(struct scene *scene)
{
	video_end(&scene->video);
	video_start(&scene->video);
	scene->portal.node = scene->video.node;
}

static int scene_open(struct scene *scene, struct error *reterr)
{
	int r;

	begin_showing(scene);
	r = grabber_portal.create(&scene->grabber, NULL, NULL, reterr);
	end_showing(scene);
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

/* Until the newest of what was shown has arrived. */
static void settle(struct scene *scene)
{
	check(wait_for(scene, SOON_NS) == 1);
	sleep_ms(200);
}

/* What is shown while sizes are talked about may get lost: a desktop shows again and again. */
static bool show_until_it_arrives(struct scene *scene)
{
	for (int i = 0; i < 10; i++)
		if (video_show(&scene->video, SOON_NS) && wait_for(scene, NS_PER_S) == 1)
			return true;
	return false;
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
	check(canvas_create(&scene->canvas, size.width, size.height, CHROMA_420) == 0);
	settle(scene);
	check(grab(scene) == 0);
	scene->canvas->changed.count = 0;
	return true;
}

static void shows(enum spa_video_format format, int padding, bool unsealed)
{
	static struct scene scene; /* for its threads also when a test fails */

	scene = (struct scene){
		.video = {.format = format, .padding = padding, .unsealed = unsealed}};
	if (!scene_begin(&scene))
		return;
	expect(scene.canvas->width == 320 && scene.canvas->height == 200);
	expect(wrong_pixels(&scene, 0, 0) == 0);
	/* and nothing more until something changes */
	expect(wait_for(&scene, SHORT_NS) == 0);
	video_paint(&scene.video, &(struct rect){100, 50, 30, 20}, 2);
	check(video_show(&scene.video, SOON_NS));
	check(wait_for(&scene, SOON_NS) == 1);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
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

/* Who gives the pictures may shorten their memory when we have it, and would end us if we touched it then. */
static void memory_that_goes_away_ends_nobody(void)
{
	static struct scene scene;
	const struct rect all = {0, 0, 320, 200}, part = {40, 150, 20, 30};

	scene = (struct scene){.video = {.unsealed = true}};
	if (!scene_begin(&scene))
		return;
	for (uint32_t i = 0; i < 6; i++) {
		const bool taken = i % 2 == 0;
		/* wide parts are read at once, narrow ones row by row */
		const struct rect *rect = i < 2 ? &all : &part;

		video_paint(&scene.video, rect, 10 + i);
		scene.video.said.damage[scene.video.said.damage_count++] = *rect;
		scene.video.said.taken_away = taken;
		check(video_show(&scene.video, SOON_NS));
		check(wait_for(&scene, SOON_NS) == 1);
		expect(grab(&scene) == (taken ? -EAGAIN : 0));
		/* what was not there is not waited for, and not forgotten */
		expect(taken ? wait_for(&scene, 0) == 0 : wrong_pixels(&scene, 0, 0) == 0);
	}
	scene_finish(&scene);
}

/* ---- what has changed ---- */

static void say_damage(struct scene *scene, struct rect rect)
{
	struct video_said *said = &scene->video.said;

	said->damage[said->damage_count++] = rect;
}

static void paint(struct scene *scene, struct rect rect, uint32_t seed)
{
	video_paint(&scene->video, &rect, seed);
}

static void only_what_has_changed_is_looked_at(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	paint(&scene, (struct rect){10, 10, 20, 20}, 2);
	paint(&scene, (struct rect){200, 100, 20, 20}, 3); /* which is not said */
	say_damage(&scene, (struct rect){8, 8, 40, 40});
	check(video_show(&scene.video, SOON_NS));
	settle(&scene);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 400);
	expect(areas_pixels(&scene.canvas->changed) == 400);
	/* until all of it is asked for */
	scene.grabber->ops->damage_all(scene.grabber);
	expect(wait_for(&scene, 0) == 1);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
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

		paint(&scene, rect, 100 + (uint32_t)i);
		say_damage(&scene, rect);
		check(video_show(&scene.video, SOON_NS));
	}
	settle(&scene);
	check(scene.grabber->ops->wait(scene.grabber, -1, INT64_MAX, &damage_ns) == 1);
	expect(damage_ns >= before_ns && damage_ns < before_ns + 2 * NS_PER_S);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
	expect(wait_for(&scene, SHORT_NS) == 0);
	scene_finish(&scene);
}

/* What had changed in a picture that nobody got is in nobody's list. */
static void behind_a_lost_picture_all_is_compared(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	paint(&scene, (struct rect){200, 100, 20, 20}, 3);
	say_damage(&scene, (struct rect){0, 0, 4, 4});
	scene.video.said.lost = 1;
	check(video_show(&scene.video, SOON_NS));
	settle(&scene);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
	/* and behind one that was damaged itself, whose pixels are not shown */
	paint(&scene, (struct rect){20, 20, 40, 40}, 4);
	scene.video.said.corrupted = true;
	check(video_show(&scene.video, SOON_NS));
	expect(wait_for(&scene, SHORT_NS) == 0);
	paint(&scene, (struct rect){100, 20, 40, 40}, 5);
	say_damage(&scene, (struct rect){100, 20, 40, 40});
	check(video_show(&scene.video, SOON_NS));
	settle(&scene);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
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
	check(grab(&scene) == 0);
	/* a time of some other clock is none */
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
	expect(wait_for(&scene, 2 * NS_PER_S) == 0);
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
	paint(&scene, (struct rect){0, 0, 500, 130}, 7);
	check(show_until_it_arrives(&scene));
	expect(grab(&scene) == -EAGAIN);
	size = scene.grabber->ops->size(scene.grabber);
	expect(size.width == 500 && size.height == 130);
	canvas_destroy(steal_ptr(scene.canvas));
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	scene.grabber->ops->damage_all(scene.grabber);
	check(wait_for(&scene, SOON_NS) == 1);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
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
	settle(&scene);
	expect(grab(&scene) == -EAGAIN);
	size = scene.grabber->ops->size(scene.grabber);
	check(size.width == crop.width && size.height == crop.height);
	canvas_destroy(steal_ptr(scene.canvas));
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	scene.grabber->ops->damage_all(scene.grabber);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, crop.x, crop.y) == 0);
	/* damage is said of the whole picture */
	paint(&scene, (struct rect){60, 60, 10, 10}, 9);
	say_damage(&scene, (struct rect){60, 60, 10, 10});
	scene.video.said.crop = crop;
	check(video_show(&scene.video, SOON_NS));
	settle(&scene);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, crop.x, crop.y) == 0);
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
	expect(wait_for(&scene, SHORT_NS) == 0);
	/* damage may lie anywhere */
	paint(&scene, (struct rect){300, 190, 20, 10}, 9);
	say_damage(&scene, (struct rect){-100, -100, INT32_MAX, INT32_MAX});
	say_damage(&scene, (struct rect){INT32_MAX, INT32_MIN, -1, -1});
	check(video_show(&scene.video, SOON_NS));
	settle(&scene);
	check(grab(&scene) == 0);
	expect(wrong_pixels(&scene, 0, 0) == 0);
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
	expect(strstr(error.text, "shorter"));
	scene_finish(&scene);
}

/* ---- the end ---- */

static void ends_with(struct scene *scene, const char *why)
{
	int64_t damage_ns;
	int r;

	/* what was shown before may still be there */
	while ((r = scene->grabber->ops->wait(
			scene->grabber, -1, clock_now_ns() + SOON_NS, &damage_ns)) == 1)
		if (grab(scene) < 0)
			break;
	expect(wait_for(scene, SOON_NS) == -EPIPE);
	expect(grab(scene) == -EPIPE);
	printf("# %s\n", scene->grabber->ops->why(scene->grabber));
	expect(strstr(scene->grabber->ops->why(scene->grabber), why));
	scene_finish(scene);
}

static void the_end_of_the_sharing_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	portal_lab_close_session(&scene.portal);
	ends_with(&scene, "ended the sharing");
}

static void the_end_of_the_portal_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	portal_lab_end(&scene.portal);
	ends_with(&scene, "the desktop portal is gone");
}

static void the_end_of_the_stream_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	video_end(&scene.video);
	ends_with(&scene, "the desktop");
}

static void the_end_of_pipewire_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	video_end(&scene.video);
	pipewire_lab_kill(&scene.pipewire);
	ends_with(&scene, "");
}

static void who_waits_can_be_cut_off(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	scene.grabber->ops->cut(scene.grabber);
	expect(wait_for(&scene, SOON_NS) == -EPIPE);
	expect(wait_for(&scene, SOON_NS) == -EPIPE);
	expect(grab(&scene) == -EPIPE);
	expect(!scene.portal.closed);
	grabber_destroy(steal_ptr(scene.grabber));
	expect(scene.portal.closed);
	scene_finish(&scene);
}

static void who_waits_can_be_woken(void)
{
	static struct scene scene;
	int64_t damage_ns;
	int fd;

	if (!scene_begin(&scene))
		return;
	fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	expect(scene.grabber->ops->wait(scene.grabber, fd, INT64_MAX, &damage_ns) == 0);
	close(fd);
	scene_finish(&scene);
}

/* ---- what the portal answers ---- */

/* @param answer  of the person; the portal may be none at all */
static void refuses(enum portal_answer answer, int wanted, const char *why)
{
	static struct scene scene;
	struct error error = {""};

	scene = (struct scene){.portal.answer = answer};
	if (!scene_start(&scene))
		return;
	expect(grabber_portal.create(&scene.grabber, NULL, NULL, &error) == wanted);
	printf("# %s\n", error.text);
	expect(strstr(error.text, why));
	scene_finish(&scene);
}

static void a_no_is_a_no(void)
{
	refuses(PORTAL_NO, -EACCES, "answered with no");
	refuses(PORTAL_END, -ECANCELED, "ended its question");
}

static void without_a_portal_that_is_said(void)
{
	static struct scene scene;
	struct error error = {""};

	if (!scene_start(&scene))
		return;
	portal_lab_end(&scene.portal);
	expect(grabber_portal.create(&scene.grabber, NULL, NULL, &error) == -EOPNOTSUPP);
	printf("# %s\n", error.text);
	expect(strstr(error.text, "install xdg-desktop-portal"));
	scene_finish(&scene);
}

static void odd_answers_are_refused(void)
{
	static struct scene scene = {.portal.no_streams = true};
	struct error error = {""};

	if (!scene_start(&scene))
		return;
	expect(grabber_portal.create(&scene.grabber, NULL, NULL, &error) == -EPROTO);
	printf("# %s\n", error.text);
	scene.portal.no_streams = false;
	scene.portal.no_remote = true;
	expect(grabber_portal.create(&scene.grabber, NULL, NULL, &error) == -EPROTO);
	printf("# %s\n", error.text);
	expect(scene.portal.closed);
	scene_finish(&scene);
}

static char *kept_token(mode_t *ret_mode)
{
	_autofree_ char *path = temporary_path("state/uxrec/portal-token");
	struct stat status = {0};
	char *text = NULL;

	stat(path, &status);
	*ret_mode = status.st_mode & 0777;
	return io_read_file(path, 1000, &text) < 0 ? strdup("") : text;
}

static void expect_token(const char *wanted)
{
	mode_t mode;
	_autofree_ char *token = kept_token(&mode);

	expect(strcmp(token, wanted) == 0);
	expect(!*wanted || mode == 0600);
}

static void open_and_close(struct scene *scene, bool opens)
{
	struct error error = {""};
	int r = opens ? scene_open(scene, &error)
		      : grabber_portal.create(&scene->grabber, NULL, NULL, &error);

	expect((r == 0) == opens);
	grabber_destroy(steal_ptr(scene->grabber));
	renew_video(scene);
}

static void it_is_asked_once(void)
{
	static struct scene scene = {.portal.answer = PORTAL_YES_AND_REMEMBER};

	if (!scene_start(&scene))
		return;
	expect_token("");
	open_and_close(&scene, true);
	expect(scene.portal.types == 1 && scene.portal.persist_mode == 2);
	expect(!*scene.portal.token && scene.portal.dialogs == 1);
	expect_token("token-1\n");
	/* each is good once */
	open_and_close(&scene, true);
	expect(strcmp(scene.portal.token, "token-1") == 0 && scene.portal.dialogs == 1);
	expect_token("token-2\n");
	open_and_close(&scene, true);
	expect(strcmp(scene.portal.token, "token-2") == 0 && scene.portal.dialogs == 1);
	expect_token("token-3\n");
	/* whoever then says no is not to be asked by what they said before */
	scene.portal.answer = PORTAL_NO;
	open_and_close(&scene, false);
	expect_token("");
	scene.portal.answer = PORTAL_YES;
	open_and_close(&scene, true);
	expect(!*scene.portal.token);
	expect_token("");
	scene_finish(&scene);
}

static void the_pointer_is_wished_beside_the_pictures(void)
{
	static const struct {
		uint32_t offered, version, wished;
	} cases[] = {{7, 4, 4}, {3, 4, 1}, {2, 4, 2}, {6, 4, 4}, {7, 1, 0}};
	static struct scene scene;

	if (!scene_start(&scene))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error error;

		renew_video(&scene);
		scene.portal.cursor_modes = cases[i].offered;
		scene.portal.version = cases[i].version;
		if (scene_open(&scene, &error) < 0)
			printf("# %s\n", error.text);
		check(scene.grabber != NULL);
		expect(scene.portal.cursor_mode == cases[i].wished);
		printf("# %s\n", scene.grabber->ops->describe(scene.grabber));
		grabber_destroy(steal_ptr(scene.grabber));
	}
	scene_finish(&scene);
}

/* ---- the pointer ---- */

struct told {
	struct grabber_pointer last;
	uint32_t first_pixel, last_pixel;
	_Atomic unsigned count, shapes;
};

static void take_told(void *user, const struct grabber_pointer *pointer)
{
	struct told *told = user;

	told->last = *pointer;
	if (pointer->rgba && pointer->width > 0) {
		size_t last = (size_t)pointer->width * (size_t)pointer->height - 1;

		memcpy(&told->first_pixel, pointer->rgba, 4);
		memcpy(&told->last_pixel, pointer->rgba + 4 * last, 4);
	}
	told->shapes += pointer->rgba != NULL;
	told->count++;
}

static void show_pointer(struct scene *scene, int x, int y, int side)
{
	struct video_said *said = &scene->video.said;

	said->has_cursor = true;
	said->cursor_id = 1;
	said->cursor_x = x;
	said->cursor_y = y;
	said->cursor_side = side;
	check(video_show(&scene->video, SOON_NS));
	sleep_ms(100);
}

static void the_pointer_is_told(void)
{
	static struct scene scene;
	struct told told = {0}, late = {0};

	if (!scene_begin(&scene))
		return;
	scene.grabber->ops->follow(scene.grabber, take_told, &told);
	expect(told.count == 0);
	show_pointer(&scene, 30, 40, 16);
	expect(told.count == 1 && told.shapes == 1);
	expect(told.last.x == 30 && told.last.y == 40 && told.last.width == 16);
	expect(told.last.hot_x == 1 && told.last.hot_y == 2);
	expect(told.first_pixel == 0xff000000);
	expect(told.last_pixel == 0xffff0000); /* B G R A, 255 of blue, as R G B A */
	/* a buffer with a pointer alone in it */
	scene.video.said.corrupted = true;
	show_pointer(&scene, 31, 45, 0);
	expect(told.count == 2 && told.shapes == 1);
	expect(told.last.x == 31 && told.last.y == 45);
	/* what does not fit is no shape */
	show_pointer(&scene, 32, 45, 65);
	expect(told.count == 3 && told.shapes == 1);
	/* whoever asks later is told what it is */
	scene.grabber->ops->follow(scene.grabber, take_told, &late);
	expect(late.count == 1 && late.shapes == 1 && late.last.x == 32);
	expect(late.last_pixel == 0xffff0000);
	scene_finish(&scene);
}

/* ---- a session ---- */

static int messages_of(const struct daemon_child *daemon, const char *name, uint16_t channel)
{
	_destroy_(session) struct session *session = daemon_session(daemon, name);
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int count = 0;

	check(session_cursor_create(
		      &cursor, session->reader, INT64_MIN, INT64_MAX, UINT64_C(1) << channel) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		count++;
	return count;
}

static void a_session_is_recorded(void)
{
	static struct scene scene = {.portal.answer = PORTAL_YES_AND_REMEMBER};
	struct daemon_child daemon;
	_autofree_ char *library = temporary_path("library");
	char session[21];

	if (!scene_start(&scene))
		return;
	begin_showing(&scene);
	daemon_start(&daemon, library,
		(const char *const[]){
			"--screen", "portal", "--input", "none", "--sound", "none", NULL});
	daemon_record(&daemon, "none", session);
	end_showing(&scene);
	expect(scene.portal.dialogs == 1); /* when it was started */
	for (int i = 0; i < 10; i++) {
		paint(&scene, (struct rect){i * 20, 50, 18, 30}, 20 + (uint32_t)i);
		show_pointer(&scene, i * 3, 7, i == 0 ? 24 : 0);
	}
	/* a person ends the sharing, and the session ends, with the reason */
	portal_lab_close_session(&scene.portal);
	expect(child_says(&daemon.child, "ended the sharing", 20));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	expect(messages_of(&daemon, session, CHANNEL_SCREEN) >= 1);
	expect(messages_of(&daemon, session, CHANNEL_POINTER) == 10);
	expect(messages_of(&daemon, session, CHANNEL_POINTER_SHAPE) == 1);
	scene_finish(&scene);
}

/* ---- a real compositor ---- */

static int wrong_of_mutter(const struct scene *scene, bool painted)
{
	int wrong = 0;

	for (int y = 0; y < scene->canvas->height; y++)
		for (int x = 0; x < scene->canvas->width; x++) {
			uint32_t pixel;

			memcpy(&pixel,
				scene->canvas->pixels + (ptrdiff_t)y * scene->canvas->stride +
					4 * x,
				4);
			wrong += (pixel & 0xffffff) != mutter_lab_pixel(painted, x, y);
		}
	return wrong;
}

/* Pictures come until it is right. */
static bool becomes(struct scene *scene, bool painted)
{
	int64_t until_ns = clock_now_ns() + SOON_NS;

	while (wrong_of_mutter(scene, painted) > 0) {
		if (clock_now_ns() > until_ns) {
			printf("# %d pixels are wrong, the first is %02x%02x%02x\n",
				wrong_of_mutter(scene, painted), scene->canvas->pixels[2],
				scene->canvas->pixels[1], scene->canvas->pixels[0]);
			return false;
		}
		if (wait_for(scene, SHORT_NS) == 1)
			check(grab(scene) == 0);
	}
	return true;
}

static void what_mutter_shows_is_on_the_canvas(void)
{
	static struct scene scene;
	static struct mutter_lab mutter;
	struct error error = {""};
	struct told told = {0};
	struct grabber_size size;
	int64_t began_ns;

	if (!pipewire_lab_start(&scene.pipewire, NULL) || !mutter_lab_start(&mutter))
		return;
	scene.portal.node = mutter.node;
	portal_lab_start(&scene.portal);
	began_ns = clock_now_ns();
	if (grabber_portal.create(&scene.grabber, NULL, NULL, &error) < 0)
		printf("# %s\n", error.text);
	check(scene.grabber != NULL);
	printf("# the first picture of mutter came after %.0f ms\n",
		(double)(clock_now_ns() - began_ns) / 1e6);
	scene.grabber->ops->follow(scene.grabber, take_told, &told);
	size = scene.grabber->ops->size(scene.grabber);
	check(size.width == MUTTER_WIDTH && size.height == MUTTER_HEIGHT);
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	expect(becomes(&scene, false));
	mutter_lab_paint(&mutter);
	began_ns = clock_now_ns();
	expect(becomes(&scene, true));
	printf("# what was painted was on the canvas after %.0f ms\n",
		(double)(clock_now_ns() - began_ns) / 1e6);
	expect(wait_for(&scene, SHORT_NS) == 0);
	mutter_lab_paint(&mutter);
	expect(becomes(&scene, false));
	mutter_lab_end(&mutter);
	ends_with(&scene, "the desktop");
}

int main(void)
{
	static const struct test tests[] = {
		{"the canvas is what is shown, to the pixel", the_canvas_is_what_is_shown},
		{"colours in the other order are swapped", colours_in_the_other_order_are_swapped},
		{"memory that goes away is not waited for, and ends nobody",
			memory_that_goes_away_ends_nobody},
		{"only what has changed is looked at", only_what_has_changed_is_looked_at},
		{"what has changed in pictures that are skipped is united",
			what_is_skipped_is_united},
		{"behind a picture that was lost all is compared",
			behind_a_lost_picture_all_is_compared},
		{"a picture has the time at which it was shown",
			a_picture_has_the_time_at_which_it_was_shown},
		{"nothing is done while nothing comes", nothing_is_done_while_nothing_comes},
		{"another size is said, and then shown", another_size_is_said},
		{"a part of the picture may be the screen",
			a_part_of_the_picture_may_be_the_screen},
		{"what does not fit its memory is not taken",
			what_does_not_fit_its_memory_is_not_taken},
		{"buffers shorter than they say are refused",
			buffers_shorter_than_they_say_are_refused},
		{"the end of the sharing is told", the_end_of_the_sharing_is_told},
		{"the end of the portal is told", the_end_of_the_portal_is_told},
		{"the end of the stream is told", the_end_of_the_stream_is_told},
		{"the end of PipeWire is told", the_end_of_pipewire_is_told},
		{"who waits can be cut off", who_waits_can_be_cut_off},
		{"who waits can be woken", who_waits_can_be_woken},
		{"a no is a no", a_no_is_a_no},
		{"without a portal that is said", without_a_portal_that_is_said},
		{"odd answers are refused", odd_answers_are_refused},
		{"it is asked once, and each token is used once", it_is_asked_once},
		{"the pointer is wished beside the pictures",
			the_pointer_is_wished_beside_the_pictures},
		{"the pointer is told, with its shape", the_pointer_is_told},
		{"a session is recorded, and says why it ended", a_session_is_recorded},
		{"what mutter shows is on the canvas, to the pixel",
			what_mutter_shows_is_on_the_canvas},
	};

	return RUN_TESTS("portal", tests);
}
