/* Every picture at rest on a real X server is in the file to the pixel. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "replay/decode/frames.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define WIDTH         1024
#define HEIGHT        600
#define WINDOWS       5
#define GOLDENS_LIMIT 200
#define STROKES_LIMIT 20000

/* a changed area is at rest after half a second, and exact soon after */
#define REST_MS 1500

/* an X server counts milliseconds, and reads its clock before some of its drawing */
#define SERVER_NS (6 * NS_PER_MS)

static const char *const screen_alone[] = {"--input", "none", NULL};

/* ---- drawing ---- */

/* content of the screen at rest */
struct golden {
	int64_t at_ns;
	int width, height;
	uint32_t *pixels;
};

/* a drawing between two readings of the clock */
struct stroke {
	int64_t before_ns, after_ns;
};

struct easel {
	struct desktop desktop;
	struct daemon_child daemon;
	char session[21];
	uint64_t random;
	xcb_window_t windows[WINDOWS];
	struct extent {
		int width, height;
	} extents[WINDOWS];
	xcb_gcontext_t gc;
	struct golden goldens[GOLDENS_LIMIT];
	size_t golden_count;
	struct stroke strokes[STROKES_LIMIT];
	size_t stroke_count;
};

static int below(struct easel *easel, int limit)
{
	return (int)(next_random(&easel->random) % (uint64_t)limit);
}

static uint32_t colour(struct easel *easel)
{
	static const uint32_t colours[] = {
		0xffffff, 0x000000, 0x1f5fbf, 0xd0d0d8, 0xc02020, 0x123456, 0x80ff01};

	return colours[below(easel, ARRAY_SIZE(colours))];
}

static void choose_colour(struct easel *easel)
{
	xcb_change_gc(easel->desktop.connection, easel->gc, XCB_GC_FOREGROUND,
		(uint32_t[]){colour(easel)});
}

static void make_windows(struct easel *easel)
{
	xcb_connection_t *c = easel->desktop.connection;
	xcb_screen_t *screen = easel->desktop.screen;

	for (int i = 0; i < WINDOWS; i++) {
		struct extent *extent = &easel->extents[i];

		*extent = (struct extent){60 + below(easel, 400), 40 + below(easel, 300)};
		easel->windows[i] = xcb_generate_id(c);
		xcb_create_window(c, XCB_COPY_FROM_PARENT, easel->windows[i], screen->root,
			(int16_t)below(easel, WIDTH), (int16_t)below(easel, HEIGHT),
			(uint16_t)extent->width, (uint16_t)extent->height, 0,
			XCB_WINDOW_CLASS_INPUT_OUTPUT, screen->root_visual,
			XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT,
			(uint32_t[]){colour(easel), 1});
		xcb_map_window(c, easel->windows[i]);
	}
	easel->gc = xcb_generate_id(c);
	xcb_create_gc(c, easel->gc, screen->root, XCB_GC_GRAPHICS_EXPOSURES, (uint32_t[]){0});
}

static void move(struct easel *easel, int window)
{
	xcb_configure_window(easel->desktop.connection, easel->windows[window],
		XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y | XCB_CONFIG_WINDOW_STACK_MODE,
		(uint32_t[]){(uint32_t)(below(easel, WIDTH) - 50),
			(uint32_t)(below(easel, HEIGHT) - 50),
			below(easel, 4) ? XCB_STACK_MODE_ABOVE : XCB_STACK_MODE_BELOW});
}

static void stretch(struct easel *easel, int window)
{
	struct extent *extent = &easel->extents[window];

	*extent = (struct extent){60 + below(easel, 400), 40 + below(easel, 300)};
	xcb_configure_window(easel->desktop.connection, easel->windows[window],
		XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT,
		(uint32_t[]){(uint32_t)extent->width, (uint32_t)extent->height});
}

static void fill(struct easel *easel, int window)
{
	const struct extent *extent = &easel->extents[window];
	const xcb_rectangle_t area = {(int16_t)below(easel, extent->width),
		(int16_t)below(easel, extent->height), (uint16_t)(1 + below(easel, 200)),
		(uint16_t)(1 + below(easel, 100))};

	choose_colour(easel);
	xcb_poly_fill_rectangle(
		easel->desktop.connection, easel->windows[window], easel->gc, 1, &area);
}

/* a line of shapes like letters */
static void write_line(struct easel *easel, int window)
{
	const struct extent *extent = &easel->extents[window];
	int16_t y = (int16_t)below(easel, extent->height);
	xcb_rectangle_t bars[60];

	for (size_t i = 0; i < ARRAY_SIZE(bars); i++)
		bars[i] = (xcb_rectangle_t){(int16_t)(i * 5), (int16_t)(y + below(easel, 6)),
			(uint16_t)(1 + below(easel, 3)), (uint16_t)(1 + below(easel, 9))};
	choose_colour(easel);
	xcb_poly_fill_rectangle(easel->desktop.connection, easel->windows[window], easel->gc,
		(uint32_t)(1 + below(easel, ARRAY_SIZE(bars))), bars);
}

static void scroll(struct easel *easel, int window)
{
	const struct extent *extent = &easel->extents[window];
	int by = 1 + below(easel, 30);

	xcb_copy_area(easel->desktop.connection, easel->windows[window], easel->windows[window],
		easel->gc, 0, (int16_t)by, 0, 0, (uint16_t)extent->width,
		(uint16_t)(extent->height > by ? extent->height - by : 1));
}

static void round_trip(struct easel *easel)
{
	xcb_connection_t *c = easel->desktop.connection;

	free(xcb_get_input_focus_reply(c, xcb_get_input_focus(c), NULL));
}

static void begin_stroke(struct easel *easel)
{
	check(easel->stroke_count < STROKES_LIMIT);
	easel->strokes[easel->stroke_count].before_ns = clock_now_ns();
}

static void end_stroke(struct easel *easel)
{
	round_trip(easel);
	easel->strokes[easel->stroke_count++].after_ns = clock_now_ns();
}

static void draw(struct easel *easel)
{
	static void (*const acts[])(struct easel * easel, int window) = {
		move, fill, write_line, write_line, write_line, scroll, scroll, stretch};

	begin_stroke(easel);
	for (int count = 1 + below(easel, 3); count > 0; count--)
		acts[below(easel, ARRAY_SIZE(acts))](easel, below(easel, WINDOWS));
	end_stroke(easel);
}

static void draw_for(struct easel *easel, int ms)
{
	int64_t until_ns = clock_now_ns() + ms * NS_PER_MS;

	while (clock_now_ns() < until_ns) {
		draw(easel);
		sleep_ms(below(easel, 8) ? 1 + below(easel, 20) : 100);
	}
}

/* Let the screen come to rest, and keep its content. */
static void rest(struct easel *easel)
{
	struct golden *golden = &easel->goldens[easel->golden_count++];

	check(easel->golden_count <= GOLDENS_LIMIT);
	sleep_ms(REST_MS);
	golden->at_ns =
		clock_now_ns() - SERVER_NS; /* the next drawing may have an earlier timestamp */
	golden->pixels = desktop_picture(&easel->desktop, &golden->width, &golden->height);
}

/* @return NULL without an X server */
static struct easel *set_up(uint64_t seed)
{
	struct easel *easel = calloc(1, sizeof(*easel));

	check(easel != NULL);
	easel->random = seed;
	if (!desktop_start(&easel->desktop, WIDTH, HEIGHT)) {
		free(easel);
		return NULL;
	}
	make_windows(easel);
	daemon_start(&easel->daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&easel->daemon, "paper:screen", "none", easel->session);
	return easel;
}

static struct session *end_recording(struct easel *easel)
{
	expect(daemon_command(&easel->daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&easel->daemon.child, SIGTERM) == 0);
	desktop_end(&easel->desktop);
	return daemon_session(&easel->daemon, easel->session);
}

static void put_away(struct easel *easel)
{
	for (size_t i = 0; i < easel->golden_count; i++)
		free(easel->goldens[i].pixels);
	free(easel);
}

/* ---- comparing ---- */

/* count and bounding box of the pixels that differ */
struct difference {
	size_t pixels;
	int left, top, right, bottom;
};

static void note_wrong(struct difference *difference, int x, int y)
{
	difference->pixels++;
	difference->left = x < difference->left ? x : difference->left;
	difference->top = y < difference->top ? y : difference->top;
	difference->right = x > difference->right ? x : difference->right;
	difference->bottom = y > difference->bottom ? y : difference->bottom;
}

static struct difference compare(const struct frame *frame, const struct golden *golden)
{
	struct difference difference = {0, INT32_MAX, INT32_MAX, -1, -1};

	if (frame->width != golden->width || frame->height != golden->height)
		return (struct difference){SIZE_MAX, 0, 0, golden->width, golden->height};
	for (int y = 0; y < frame->height; y++) {
		const uint32_t *shown =
			(const void *)(frame->pixels + (ptrdiff_t)y * frame->stride_bytes);
		const uint32_t *wanted = golden->pixels + (ptrdiff_t)y * golden->width;

		for (int x = 0; x < frame->width; x++)
			if ((shown[x] ^ wanted[x]) << 8)
				note_wrong(&difference, x, y);
	}
	return difference;
}

static void goldens_are_shown(const struct easel *easel, const struct session *session)
{
	_destroy_(frames) struct frames *frames = NULL;
	int64_t offset_ns = session_offset_ns(session);

	check(frames_create(&frames, session->reader, NULL) == 0);
	for (size_t i = 0; i < easel->golden_count; i++) {
		const struct golden *golden = &easel->goldens[i];
		struct frame frame;
		struct difference wrong;

		check(frames_seek(frames, golden->at_ns + offset_ns, &frame) == 1);
		wrong = compare(&frame, golden);
		if (wrong.pixels > 0)
			printf("# rest %zu of %dx%d (%dx%d): %zu wrong pixels in %d,%d–%d,%d\n", i,
				golden->width, golden->height, frame.width, frame.height,
				wrong.pixels, wrong.left, wrong.top, wrong.right, wrong.bottom);
		expect(wrong.pixels == 0);
	}
	expect(frames_faults(frames).pictures == 0 && frames_faults(frames).patches == 0);
}

static uint64_t sum_up(const struct frame *frame)
{
	uint64_t sum = (uint64_t)frame->width << 32 | (uint32_t)frame->height;

	for (int y = 0; y < frame->height; y++) {
		const uint8_t *row = frame->pixels + (ptrdiff_t)y * frame->stride_bytes;

		for (int x = 0; x < frame->width; x++) {
			uint32_t pixel;

			memcpy(&pixel, row + 4 * x, 4);
			sum = (sum ^ pixel) * UINT64_C(0x100000001b3);
			sum ^= sum >> 29;
		}
	}
	return sum;
}

struct shown {
	int64_t time_ns;
	uint64_t sum;
};

#define SEEKS 40

/* A seek to any time shows the same as playing up to it. */
static void seeks_equal_play(struct easel *easel, const struct session *session)
{
	_destroy_(frames) struct frames *play = NULL, *seek = NULL;
	_autofree_ struct shown *all = calloc(STROKES_LIMIT, sizeof(*all));
	struct frame frame;
	size_t count = 0, wrong = 0;

	check(all && frames_create(&play, session->reader, NULL) == 0 &&
		frames_create(&seek, session->reader, NULL) == 0);
	for (; frames_next(play, &frame) == 1; count++) {
		check(count < STROKES_LIMIT);
		all[count] = (struct shown){frame.time_ns, sum_up(&frame)};
	}
	check(count > 20);
	for (int i = 0; i < SEEKS; i++) {
		size_t at = (size_t)below(easel, (int)count);

		check(frames_seek(seek, all[at].time_ns + below(easel, 2) * 1000, &frame) == 1);
		while (at + 1 < count && all[at + 1].time_ns <= frame.time_ns)
			at++;
		wrong += frame.time_ns != all[at].time_ns || sum_up(&frame) != all[at].sum;
	}
	printf("# %zu pictures, %d of them sought\n", count, SEEKS);
	expect(wrong == 0);
}

/* ---- times ---- */

struct times {
	const struct easel *easel;
	int64_t offset_ns, first_ns,
		latest_ns; /* latest: longest delay from a change to its copy */
	size_t changes, wrong, put_off;
};

/* Allowance for a machine too busy to report a change in time: the watermark had passed it already. */
#define PUT_OFF_NS (300 * NS_PER_MS)

/* True if there was a drawing at that time, or up to @p before_ns earlier. */
static bool was_drawn(const struct easel *easel, int64_t at_ns, int64_t before_ns)
{
	size_t from = 0, to = easel->stroke_count;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (easel->strokes[middle].after_ns + SERVER_NS + before_ns < at_ns)
			from = middle + 1;
		else
			to = middle;
	}
	return from < easel->stroke_count && easel->strokes[from].before_ns - SERVER_NS <= at_ns;
}

static int take_times(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct times *times = user;
	int64_t at_ns = message->time_ns - times->offset_ns;
	int64_t copied_ns = message->publish_ns - times->offset_ns;

	(void)unpacked;
	if (copied_ns == at_ns || at_ns < times->easel->strokes[0].before_ns)
		return 0; /* rested content, or the initial screen */
	times->changes++;
	if (copied_ns - at_ns > times->latest_ns)
		times->latest_ns = copied_ns - at_ns;
	times->wrong += copied_ns < at_ns || !was_drawn(times->easel, at_ns, PUT_OFF_NS);
	times->put_off += !was_drawn(times->easel, at_ns, 0);
	return 0;
}

/* A change has the timestamp of its drawing, and was copied after it. */
static void times_are_true(const struct easel *easel, const struct session *session)
{
	struct times times = {.easel = easel, .offset_ns = session_offset_ns(session)};

	check(session_each(session, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_PATCHES,
		      take_times, &times) == 0);
	printf("# %zu changes of %zu drawings, %zu put off, %zu at times at which nothing was drawn; "
	       "at most %.1f ms to the copy\n",
		times.changes, easel->stroke_count, times.put_off, times.wrong,
		(double)times.latest_ns / 1e6);
	expect(times.changes > 20 && times.wrong == 0 && times.put_off * 10 < times.changes);
}

/* ---- the tests ---- */

/* Nine seconds, a minute with UXREC_LONG; UXREC_EXACT_SECONDS sets a longer drawing. */
static void what_rests_is_exact(void)
{
	_destroy_(session) struct session *session = NULL;
	const char *seconds = getenv("UXREC_EXACT_SECONDS");
	int draws_s = seconds ? atoi(seconds) : getenv("UXREC_LONG") ? 60 : 9;
	struct easel *easel = set_up(20261122);

	if (!easel)
		return;
	for (int left_ms = 1000 * draws_s; left_ms > 0;) {
		int for_ms = 500 + below(easel, 2500);

		draw_for(easel, for_ms);
		rest(easel);
		left_ms -= for_ms;
	}
	session = end_recording(easel);
	goldens_are_shown(easel, session);
	times_are_true(easel, session);
	seeks_equal_play(easel, session);
	put_away(easel);
}

static void every_size_is_exact(void)
{
	_destroy_(session) struct session *session = NULL;
	struct easel *easel = set_up(4);
	int sizes = getenv("UXREC_LONG") ? 10 : 5;

	if (!easel)
		return;
	for (int i = 0; i < sizes; i++) {
		draw_for(easel, 150);
		begin_stroke(easel);
		check(desktop_resize(&easel->desktop, 16 + below(easel, WIDTH - 15),
			16 + below(easel, HEIGHT - 15)));
		end_stroke(easel);
		draw_for(easel, 150);
		rest(easel);
	}
	session = end_recording(easel);
	goldens_are_shown(easel, session);
	seeks_equal_play(easel, session);
	put_away(easel);
}

static const struct test tests[] = {
	{"areas at rest are exact, seeks show the same as play, times are the drawing's",
		what_rests_is_exact},
	{"a screen whose size changes is exact in each size", every_size_is_exact},
};

int main(void)
{
	return RUN_TESTS("screen_exact", tests);
}
