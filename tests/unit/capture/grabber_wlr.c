/* The Wayland grabber with a scripted compositor, valid and not. With a real one: tests/integration/capture/wayland.c. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/compositor.h"

#include "capture/screen/grabber.h"
#include "capture/screen/transform.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <wayland-client-protocol.h>

#define SOON_NS  (5 * NS_PER_S)
#define SHORT_NS (50 * NS_PER_MS)

static const struct compositor_script usual = {
	.version = 3,
	.format = WL_SHM_FORMAT_XRGB8888,
	.width = 64,
	.height = 40,
	.stride = 64 * 4,
	.seed = 1,
};

static struct grabber *create(struct compositor *compositor)
{
	struct grabber *grabber = NULL;
	struct error error = {""};

	if (grabber_wlr.create(
		    &grabber, &(struct grabber_target){.display = compositor->socket}, &error) < 0)
		printf("# %s\n", error.text);
	check(grabber != NULL);
	return grabber;
}

static int wait_for(struct grabber *grabber, int64_t for_ns)
{
	int64_t damage_ns;

	return grabber->ops->wait(grabber, -1, clock_now_ns() + for_ns, &damage_ns);
}

static int grab(struct grabber *grabber, struct canvas *canvas)
{
	int64_t copied_ns;

	return grabber->ops->grab(grabber, canvas, &copied_ns);
}

/* A canvas with the whole screen on it. */
static struct canvas *first_picture(struct grabber *grabber)
{
	struct grabber_size size = grabber->ops->size(grabber);
	struct canvas *canvas = NULL;

	check(canvas_create(&canvas, size.width, size.height, CHROMA_420) == 0);
	check(wait_for(grabber, SOON_NS) == 1);
	check(grab(grabber, canvas) == 0);
	return canvas;
}

static uint32_t pixel(const struct canvas *canvas, int x, int y)
{
	uint32_t value;

	memcpy(&value, canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)x, 4);
	return value & 0xffffff;
}

/* number of pixels that differ from the compositor's */
static int wrong_pixels(const struct canvas *canvas, uint32_t seed)
{
	int wrong = 0;

	for (int y = 0; y < canvas->height; y++)
		for (int x = 0; x < canvas->width; x++)
			wrong += pixel(canvas, x, y) != compositor_pixel(seed, x, y);
	return wrong;
}

static void tell_damage(
	struct compositor_script *script, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	const uint32_t damage[4] = {x, y, width, height};

	memcpy(script->damage[script->damages++], damage, sizeof(damage));
}

/* ---- valid events ---- */

static void pictures_are_exact(void)
{
	static const struct compositor_script ways[] = {
		{.format = WL_SHM_FORMAT_XRGB8888, .version = 3, .stride = 256},
		{.format = WL_SHM_FORMAT_ARGB8888, .version = 2, .stride = 256},
		{.format = WL_SHM_FORMAT_XRGB8888, .version = 3, .stride = 300},
		{.format = WL_SHM_FORMAT_XBGR8888, .version = 3, .stride = 256},
		{.format = WL_SHM_FORMAT_XRGB8888,
			.version = 3,
			.stride = 300,
			.bottom_first = true},
		{.format = WL_SHM_FORMAT_XBGR8888,
			.version = 3,
			.stride = 260,
			.bottom_first = true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct compositor_script script = ways[i];
		struct compositor *compositor;
		struct grabber *grabber;
		struct canvas *canvas;

		script.width = 64;
		script.height = 40;
		script.seed = 5;
		compositor = compositor_start(&script);
		grabber = create(compositor);
		canvas = first_picture(grabber);
		expect(wrong_pixels(canvas, 5) == 0);
		canvas->changed.count = 0;
		script.seed = 6;
		tell_damage(&script, 0, 0, 64, 40);
		compositor_change(compositor, &script);
		check(wait_for(grabber, SOON_NS) == 1 && grab(grabber, canvas) == 0);
		expect(wrong_pixels(canvas, 6) == 0);
		canvas_destroy(canvas);
		grabber_destroy(grabber);
		compositor_end(compositor);
	}
}

static void one_pixel_is_a_screen(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor;
	struct grabber *grabber;
	struct canvas *canvas;

	script.width = script.height = 1;
	script.stride = 4;
	compositor = compositor_start(&script);
	grabber = create(compositor);
	canvas = first_picture(grabber);
	expect(canvas->width == 1 && canvas->height == 1 && wrong_pixels(canvas, 1) == 0);
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void damage_is_what_is_copied(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = first_picture(grabber);
	int64_t damage_ns, copied_ns, now_ns;

	expect(wait_for(grabber, SHORT_NS) == 0);
	script.seed = 2;
	script.age_ns = 3 * NS_PER_MS;
	tell_damage(&script, 8, 10, 6, 4);
	tell_damage(&script, 60, 38, 100, UINT32_MAX); /* beyond the edge */
	tell_damage(&script, UINT32_MAX, 0, 1, 1);
	compositor_change(compositor, &script);
	check(grabber->ops->wait(grabber, -1, clock_now_ns() + SOON_NS, &damage_ns) == 1);
	now_ns = clock_now_ns();
	expect(damage_ns <= now_ns - script.age_ns && damage_ns > now_ns - NS_PER_S);
	check(grabber->ops->grab(grabber, canvas, &copied_ns) == 0);
	expect(copied_ns >= now_ns && copied_ns <= clock_now_ns());
	for (int y = 0; y < 40; y++)
		for (int x = 0; x < 64; x++) {
			bool damaged =
				(x >= 8 && x < 14 && y >= 10 && y < 14) || (x >= 60 && y >= 38);

			check(pixel(canvas, x, y) == compositor_pixel(damaged ? 2 : 1, x, y));
		}
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void nothing_is_asked_for_while_nothing_changes(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = first_picture(grabber);
	struct compositor_counts counts;
	eventfd_t ignored;
	int64_t damage_ns;
	int wake_fd = eventfd(1, EFD_CLOEXEC);

	expect(wait_for(grabber, 300 * NS_PER_MS) == 0);
	expect(wait_for(grabber, 0) == 0);
	counts = compositor_counts(compositor);
	expect(counts.frames == 2 && counts.copies == 1 && counts.copies_with_damage == 1);
	/* the wake descriptor wakes it; damage at the same time is not lost */
	expect(grabber->ops->wait(grabber, wake_fd, INT64_MAX, &damage_ns) == 0);
	tell_damage(&script, 0, 0, 1, 1);
	compositor_change(compositor, &script);

	for (int i = 0; i < 100 && grabber->ops->wait(grabber, wake_fd, INT64_MAX, &damage_ns) == 0;
		i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, NS_PER_MS}, NULL);
	/* no further request before the grab */
	for (int i = 0; i < 10; i++)
		expect(wait_for(grabber, 0) == 1);
	expect(compositor_counts(compositor).frames == 2);
	/* a grab without a change is allowed */
	expect(grab(grabber, canvas) == 0);
	expect(grab(grabber, canvas) == 0);
	expect(compositor_counts(compositor).frames == 2);
	eventfd_read(wake_fd, &ignored);
	close(wake_fd);
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void fresh_canvas_is_filled(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = NULL;

	check(canvas_create(&canvas, 64, 40, CHROMA_420) == 0);
	/* no content yet: not a picture */
	expect(grab(grabber, canvas) == -EAGAIN);
	canvas_destroy(canvas);
	canvas = first_picture(grabber);
	expect(wait_for(grabber, SHORT_NS) == 0); /* a frame now waits for damage */
	canvas_destroy(steal_ptr(canvas));
	grabber->ops->damage_all(grabber);
	canvas = first_picture(grabber);
	expect(wrong_pixels(canvas, 1) == 0);
	expect(compositor_counts(compositor).copies == 2);
	/* also with a frame that is ready already */
	expect(wait_for(grabber, SHORT_NS) == 0);
	script.seed = 3;
	tell_damage(&script, 1, 1, 1, 1);
	compositor_change(compositor, &script);
	check(wait_for(grabber, SOON_NS) == 1);
	grabber->ops->damage_all(grabber);
	check(grab(grabber, canvas) == 0);
	expect(wrong_pixels(canvas, 3) == 0);
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void size_and_side_may_change(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = first_picture(grabber);
	struct grabber_size size;

	expect(wait_for(grabber, SHORT_NS) == 0);
	script.width = 50;
	script.height = 30;
	script.stride = 200;
	script.seed = 9;
	compositor_change(compositor, &script);
	check(wait_for(grabber, SOON_NS) == 1);
	check(grab(grabber, canvas) == -EAGAIN);
	size = grabber->ops->size(grabber);
	check(size.width == 50 && size.height == 30);
	canvas_destroy(canvas);
	grabber->ops->damage_all(grabber);
	canvas = first_picture(grabber);
	expect(wrong_pixels(canvas, 9) == 0);
	expect(wait_for(grabber, SHORT_NS) == 0);
	script.transform = WL_OUTPUT_TRANSFORM_90;
	compositor_change(compositor, &script);
	check(wait_for(grabber, SOON_NS) == 1);
	check(grab(grabber, canvas) == -EAGAIN);
	canvas_destroy(canvas);
	size = grabber->ops->size(grabber);
	check(size.width == 30 && size.height == 50);
	canvas = first_picture(grabber);
	expect(pixel(canvas, 0, 0) == compositor_pixel(9, 0, 29));
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void screen_that_is_off_is_asked_seldom(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = first_picture(grabber);
	int frames;

	expect(wait_for(grabber, SHORT_NS) == 0);
	script.fails = true;
	compositor_change(compositor, &script);
	expect(wait_for(grabber, NS_PER_S) == 0);
	frames = compositor_counts(compositor).frames;
	expect(frames < 15);
	expect(grab(grabber, canvas) == 0 && wrong_pixels(canvas, 1) == 0);
	script.fails = false;
	script.seed = 4;
	tell_damage(&script, 0, 0, 64, 40);
	compositor_change(compositor, &script);
	check(wait_for(grabber, SOON_NS) == 1);
	check(grab(grabber, canvas) == 0);
	expect(wrong_pixels(canvas, 4) == 0);
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

/* ---- invalid events ---- */

static void bad_offers_are_refused(void)
{
	static const struct {
		struct compositor_script script;
		int r;
		const char *says;
	} table[] = {
		{{.no_screencopy = true}, -EOPNOTSUPP, "does not support wlr-screencopy"},
		{{.no_shm = true, .version = 3}, -EOPNOTSUPP, "does not support shared memory"},
		{{.no_output = true, .version = 3}, -ENODEV, "no output"},
		{{.version = 1}, -EOPNOTSUPP, "too old"},
		{{.version = 3, .fails = true, .width = 9}, -ENODEV, "switched on"},
		{{.version = 3}, -ETIMEDOUT, "does not answer"},
		{{.version = 3, .ends_connection = true}, -EPIPE, "closed the connection"},
		{{.version = 3, .format = 0x30335258, .width = 64, .height = 40, .stride = 256},
			-EOPNOTSUPP, "0x30335258"},
		{{.version = 2, .format = 0x36314752, .width = 64, .height = 40, .stride = 128},
			-EOPNOTSUPP, "0x36314752"},
		{{.version = 3, .width = 64, .height = 0, .stride = 256}, -EOPNOTSUPP, "64x0"},
		{{.version = 3, .width = 16385, .height = 1, .stride = 65540}, -EOPNOTSUPP,
			"16385x1"},
		{{.version = 3, .width = UINT32_MAX, .height = UINT32_MAX, .stride = 0},
			-EOPNOTSUPP, "4294967295x4294967295"},
		{{.version = 3, .width = 0x40000000, .height = 1, .stride = 4}, -EOPNOTSUPP, "x1"},
		{{.version = 3, .width = 64, .height = 40, .stride = 252}, -EOPNOTSUPP,
			"252 bytes"},
		{{.version = 3, .width = 64, .height = 40, .stride = 257}, -EOPNOTSUPP,
			"257 bytes"},
		{{.version = 3, .width = 64, .height = 16384, .stride = 0x80000000}, -EOPNOTSUPP,
			"2147483648 bytes"},
		{{.version = 3, .width = 16384, .height = 16384, .stride = 131072}, -EOPNOTSUPP,
			"131072 bytes"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct compositor *compositor = compositor_start(&table[i].script);
		struct grabber *grabber = NULL;
		struct error error = {""};
		int r = grabber_wlr.create(
			&grabber, &(struct grabber_target){.display = compositor->socket}, &error);

		if (r != table[i].r || !strstr(error.text, table[i].says))
			printf("# %zu: %d '%s'\n", i, r, error.text);
		expect(r == table[i].r && strstr(error.text, table[i].says) && !grabber);
		compositor_end(compositor);
	}
}

static void bad_offers_later_end_it(void)
{
	static const struct compositor_script bad[] = {
		{.format = WL_SHM_FORMAT_XRGB8888, .width = 64, .height = 40, .stride = 4},
		{.format = 0x30335258, .width = 64, .height = 40, .stride = 256},
		{.format = WL_SHM_FORMAT_XRGB8888,
			.width = UINT32_MAX,
			.height = 40,
			.stride = 256},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct compositor_script script = bad[i];
		struct compositor *compositor = compositor_start(&usual);
		struct grabber *grabber = create(compositor);
		struct canvas *canvas = first_picture(grabber);

		tell_damage(&script, 0, 0, 1, 1);
		compositor_change(compositor, &script);
		expect(wait_for(grabber, SOON_NS) == -EPIPE);
		expect(wait_for(grabber, SOON_NS) == -EPIPE);
		canvas_destroy(canvas);
		grabber_destroy(grabber);
		compositor_end(compositor);
	}
}

static void much_damage_is_fewer_areas(void)
{
	struct compositor_script script = usual;
	struct compositor *compositor = compositor_start(&script);
	struct grabber *grabber = create(compositor);
	struct canvas *canvas = first_picture(grabber);

	script.seed = 7;
	for (int i = 0; i < COMPOSITOR_DAMAGES; i++)
		tell_damage(&script, (uint32_t)(i * 7 % 64), (uint32_t)i, 1, 1);
	script.age_ns = -5 * NS_PER_S; /* and a time in the future */
	compositor_change(compositor, &script);
	check(wait_for(grabber, SOON_NS) == 1 && grab(grabber, canvas) == 0);
	for (int i = 0; i < COMPOSITOR_DAMAGES; i++)
		expect(pixel(canvas, i * 7 % 64, i) == compositor_pixel(7, i * 7 % 64, i));
	canvas_destroy(canvas);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

static void what_goes_away_is_told(void)
{
	struct compositor *compositor = compositor_start(&usual);
	struct grabber *grabber = create(compositor);

	canvas_destroy(first_picture(grabber));
	expect(wait_for(grabber, SHORT_NS) == 0);
	compositor_remove_output(compositor);
	expect(wait_for(grabber, SOON_NS) == -EPIPE);
	grabber_destroy(grabber);
	compositor_end(compositor);

	compositor = compositor_start(&usual);
	grabber = create(compositor);
	compositor_end(compositor);
	expect(wait_for(grabber, SOON_NS) == -EPIPE);
	expect(wait_for(grabber, 0) == -EPIPE);
	grabber_destroy(grabber);
}

static void *cut_later(void *user)
{
	struct grabber *grabber = user;

	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 100 * NS_PER_MS}, NULL);
	grabber->ops->abort(grabber);
	return NULL;
}

static void cut_ends_waiting(void)
{
	struct compositor *compositor = compositor_start(&usual);
	struct grabber *grabber = create(compositor);
	int64_t damage_ns;
	pthread_t thread;

	canvas_destroy(first_picture(grabber));
	check(pthread_create(&thread, NULL, cut_later, grabber) == 0);
	expect(grabber->ops->wait(grabber, -1, INT64_MAX, &damage_ns) == -EPIPE);
	expect(grabber->ops->wait(grabber, -1, INT64_MAX, &damage_ns) == -EPIPE);
	pthread_join(thread, NULL);
	grabber_destroy(grabber);
	compositor_end(compositor);
}

/* ---- choice of grabber ---- */

static void choose(const char *wayland, const char *x11, const char *named,
	const struct grabber_ops *wanted, const char *why)
{
	const struct grabber_ops *chosen;
	struct error error = {""};

	unsetenv("WAYLAND_DISPLAY");
	unsetenv("DISPLAY");
	if (wayland)
		setenv("WAYLAND_DISPLAY", wayland, 1);
	if (x11)
		setenv("DISPLAY", x11, 1);
	chosen = grabber_choose(named, NULL, &error);
	if (chosen != wanted || !strstr(error.text, why))
		printf("# %s: %s\n", chosen ? chosen->name : "none", error.text);
	expect(chosen == wanted && strstr(error.text, why));
}

static void choose_output(const char *wayland, const char *named, const char *why)
{
	struct error error = {""};

	setenv("WAYLAND_DISPLAY", wayland, 1);
	expect(!grabber_choose(named, "DP-1", &error) && strstr(error.text, why));
	if (!strstr(error.text, why))
		printf("# %s\n", error.text);
}

static void chosen_is_what_a_person_sees(void)
{
	static const struct compositor_script without = {.no_screencopy = true};
	struct compositor *wlroots = compositor_start(&usual);
	struct compositor *other = compositor_start(&without);

	choose(wlroots->socket, NULL, NULL, &grabber_wlr, "the Wayland session's output");
	choose(wlroots->socket, ":0", NULL, &grabber_wlr, "the Wayland session's output");
	choose(wlroots->socket, ":0", ":7", &grabber_x11, "the X display of --display: :7");
	/* its X display has only the X11 windows */
	choose(other->socket, ":0", NULL, &grabber_portal, "the desktop's portal, because ");
	choose("/nowhere", ":0", NULL, &grabber_x11, "'/nowhere': No such file");
	choose("/nowhere", NULL, NULL, NULL, "'/nowhere': No such file");
	choose(NULL, ":0", NULL, &grabber_x11, "the X display of DISPLAY: :0");
	choose(NULL, NULL, NULL, NULL, "no display");
	/* in version 3 outputs have no name */
	choose_output(wlroots->socket, NULL, "does not report the names of its outputs");
	choose_output(other->socket, NULL, "chosen in its dialog");
	choose_output(wlroots->socket, ":7", "with an X display all monitors are recorded");
	compositor_end(wlroots);
	compositor_end(other);
}

/* ---- transforms ---- */

static void every_transform_keeps_its_areas(void)
{
	enum { W = 37, H = 53 };
	static uint8_t buffer[W * H * 4], upright[W * H * 4];

	for (int i = 0; i < W * H; i++)
		memcpy(buffer + 4 * i, &(uint32_t){(uint32_t)i}, 4);
	for (int transform = 0; transform < 8; transform++) {
		const struct transformed_pixels from = {
			.transform = transform_make(transform, W, H),
			.pixels = buffer,
			.stride = W * 4};
		const struct rect whole = {0, 0, from.transform.width, from.transform.height};

		expect(from.transform.width == (transform & 1 ? H : W));
		transform_copy(&from, &whole, upright);
		/* each pixel of the buffer is at its place by transform_rect() */
		for (int i = 0; i < W * H; i++) {
			const struct rect one = {i % W, i / W, 1, 1};
			struct rect at = transform_rect(&from.transform, &one);
			uint32_t value;

			check(at.width == 1 && at.height == 1 && at.x >= 0 && at.y >= 0 &&
				at.x < from.transform.width && at.y < from.transform.height);
			memcpy(&value, upright + 4 * (at.y * from.transform.width + at.x), 4);
			check(value == (uint32_t)i);
		}
		expect(transform_rect(&from.transform, &(struct rect){3, 5, 11, 7}).width ==
			(transform & 1 ? 7 : 11));
	}
}

static const struct test tests[] = {
	{"pictures are exact, whatever their format, stride and direction", pictures_are_exact},
	{"one pixel is a screen", one_pixel_is_a_screen},
	{"only damage is copied", damage_is_what_is_copied},
	{"no frame is requested while nothing changes", nothing_is_asked_for_while_nothing_changes},
	{"a fresh canvas is filled before its first picture", fresh_canvas_is_filled},
	{"an output may change its size and transform", size_and_side_may_change},
	{"a screen that is off is polled at a low rate, and comes back",
		screen_that_is_off_is_asked_seldom},
	{"invalid offers are refused with a message", bad_offers_are_refused},
	{"invalid offers in mid-session end it", bad_offers_later_end_it},
	{"many damage areas are all copied, whatever their timestamp", much_damage_is_fewer_areas},
	{"the loss of an output or a compositor is reported", what_goes_away_is_told},
	{"waiting for a compositor can be cancelled", cut_ends_waiting},
	{"the screen that a person sees is chosen", chosen_is_what_a_person_sees},
	{"every transform of a screen keeps its areas", every_transform_keeps_its_areas},
};

int main(void)
{
	return RUN_TESTS("grabber_wlr", tests);
}
