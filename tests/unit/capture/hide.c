/* Hidden areas leave no trace: two screens that differ only there make equal packets. */

#include "tests/harness/helpers.h"

#include "capture/screen/patcher.h"
#include "capture/screen/screen.h"
#include "protocol/base/clock.h"
#include "protocol/base/queue.h"
#include "protocol/channel.h"

#include <errno.h>
#include <string.h>

enum { WIDTH = 331, HEIGHT = 277 };

static uint64_t seed = 23;

static int below(int limit)
{
	return (int)(next_random(&seed) % (uint64_t)limit);
}

static struct rect random_rect(int most)
{
	return (struct rect){below(WIDTH) - 5, below(HEIGHT) - 5, 1 + below(most), 1 + below(most)};
}

/* a screen, its canvas, and all packets pushed about it */
struct twin {
	uint8_t screen[HEIGHT][WIDTH][4];
	struct canvas *canvas;
	struct patcher *patcher;
	uint8_t *packed;
	size_t packed_bytes;
};

static void draw(struct twin *twin, const struct rect *rect, uint64_t pattern, bool hidden_alone)
{
	for (int y = rect->y; y < rect->y + rect->height; y++)
		for (int x = rect->x; x < rect->x + rect->width; x++) {
			uint64_t value = next_random(&pattern);

			if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT ||
				(hidden_alone && !canvas_hides(twin->canvas, x, y)))
				continue;
			memcpy(twin->screen[y][x], &value, 4);
		}
}

static void copy(struct twin *twin, struct rect rect)
{
	if (rect.x < 0 || rect.y < 0 || rect.x + rect.width > WIDTH ||
		rect.y + rect.height > HEIGHT)
		rect = (struct rect){0, 0, WIDTH, HEIGHT};
	canvas_put(twin->canvas, &rect, twin->screen[rect.y][rect.x], 4 * WIDTH);
}

/* like screen.c, without the video, whose picture is compared */
static void push(struct twin *twin, int64_t now_ns)
{
	struct areas changed = twin->canvas->changed;
	const Uxrec__ScreenPatches *patches;

	free(steal_ptr(twin->packed));
	twin->packed_bytes = 0;
	twin->canvas->changed.count = 0;
	patches = patcher_apply(twin->patcher, &changed, now_ns);
	if (!patches)
		patches = patcher_clear(twin->patcher, &changed, now_ns);
	if (!patches)
		patches = patcher_refine(twin->patcher, now_ns);
	if (!patches)
		return;
	twin->packed_bytes = uxrec__screen_patches__get_packed_size(patches);
	twin->packed = malloc(twin->packed_bytes + 1);
	check(twin->packed != NULL);
	uxrec__screen_patches__pack(patches, twin->packed);
}

static bool are_equal(const struct twin *a, const struct twin *b)
{
	const struct picture *p = a->canvas->picture, *q = b->canvas->picture;
	size_t luma = (size_t)p->stride_y * (size_t)p->height;
	bool equal = a->canvas->changed.count == b->canvas->changed.count &&
		memcmp(a->canvas->changed.area, b->canvas->changed.area,
			(size_t)a->canvas->changed.count * sizeof(struct rect)) == 0 &&
		memcmp(a->canvas->pixels, b->canvas->pixels, (size_t)WIDTH * HEIGHT * 4) == 0;

	/* the planes are contiguous */
	return equal && memcmp(p->memory, q->memory, luma / 2 * 3) == 0 &&
		a->packed_bytes == b->packed_bytes &&
		(a->packed_bytes == 0 || memcmp(a->packed, b->packed, a->packed_bytes) == 0);
}

static size_t wrong_pixels(const struct twin *twin)
{
	size_t wrong = 0;

	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++) {
			const uint8_t *shown =
				twin->canvas->pixels + y * twin->canvas->stride + 4 * x;

			wrong += memcmp(shown,
					 canvas_hides(twin->canvas, x, y) ? twin->canvas->hidden_row
									  : twin->screen[y][x],
					 4) != 0;
		}
	return wrong;
}

/* Areas that are uncovered become equal on both screens again, and are copied. */
static void set_masks(struct twin twins[2])
{
	enum mask which = (enum mask)below(MASK_COUNT);
	struct areas mask = {.count = 0}, uncovered[2] = {{.count = 0}, {.count = 0}};

	for (int areas = below(6); areas > 0; areas--) {
		struct rect rect = random_rect(120);

		areas_add(&mask, &rect);
	}
	for (int t = 0; t < 2; t++)
		canvas_set_mask(twins[t].canvas, which, &mask, &uncovered[t]);
	check(memcmp(&uncovered[0], &uncovered[1], sizeof(uncovered[0])) == 0);
	for (int i = 0; i < uncovered[0].count; i++) {
		const struct rect *area = &uncovered[0].area[i];

		for (int y = area->y; y < area->y + area->height; y++)
			for (int x = area->x; x < area->x + area->width; x++)
				if (!canvas_hides(twins[0].canvas, x, y))
					memcpy(twins[1].screen[y][x], twins[0].screen[y][x], 4);
		for (int t = 0; t < 2; t++)
			copy(&twins[t], *area);
	}
}

static void twin_open(struct twin *twin)
{
	check(canvas_create(&twin->canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	check(patcher_create(&twin->patcher, twin->canvas) == 0);
	copy(twin, (struct rect){0, 0, WIDTH, HEIGHT});
}

static void twin_close(struct twin *twin)
{
	patcher_destroy(twin->patcher);
	canvas_destroy(twin->canvas);
	free(twin->packed);
}

static void hidden_pixels_leave_no_trace(void)
{
	static struct twin twins[2];
	int64_t now_ns = 1000 * NS_PER_S;
	size_t unequal = 0, wrong = 0;
	int hidden = 0;

	twin_open(&twins[0]);
	twin_open(&twins[1]);
	for (int i = 0; i < 1000; i++, now_ns += 40 * NS_PER_MS) {
		struct rect rect = random_rect(below(4) ? 20 : 150);
		uint64_t pattern = next_random(&seed);

		if (below(5) == 0)
			set_masks(twins);
		for (int t = 0; t < 2; t++) {
			draw(&twins[t], &rect, pattern, false);
			/* under the masks draw different content on each, at any time */
			draw(&twins[t], &(struct rect){0, 0, WIDTH, HEIGHT}, next_random(&seed),
				true);
			copy(&twins[t], rect);
		}
		unequal += !are_equal(&twins[0], &twins[1]);
		if (below(3) == 0)
			for (int t = 0; t < 2; t++)
				push(&twins[t], now_ns);
		unequal += !are_equal(&twins[0], &twins[1]);
		if (i % 20 == 0)
			wrong += wrong_pixels(&twins[0]) + wrong_pixels(&twins[1]);
		hidden += canvas_hides(twins[0].canvas, WIDTH / 2, HEIGHT / 2);
	}
	expect(unequal == 0);
	expect(wrong == 0);
	expect(hidden > 30 && hidden < 970);
	twin_close(&twins[0]);
	twin_close(&twins[1]);
}

static void a_mask_is_painted_at_once_and_once(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	const struct areas mask = {.area = {{11, 13, 35, 17}, {-10, -10, 15, 15}}, .count = 2};
	struct areas uncovered = {.count = 0};

	check(canvas_create(&canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	canvas_set_mask(canvas, MASK_FIXED, &mask, &uncovered);
	expect(uncovered.count == 0);
	expect(areas_pixels(&canvas->changed) == 35 * 17 + 5 * 5);
	canvas->changed.count = 0;
	canvas_set_mask(canvas, MASK_FIXED, &mask, &uncovered);
	canvas_set_mask(canvas, MASK_WINDOWS, &mask, &uncovered);
	expect(canvas->changed.count == 0 && uncovered.count == 0);
	canvas_set_mask(canvas, MASK_FIXED, &(struct areas){.count = 0}, &uncovered);
	expect(uncovered.count == 0); /* the other mask still covers it */
	canvas_set_mask(canvas, MASK_WINDOWS, &(struct areas){.count = 0}, &uncovered);
	expect(areas_pixels(&uncovered) == 35 * 17 + 5 * 5);
	expect(canvas->changed.count == 0); /* it stays grey until it is copied */
	expect(!canvas_hides(canvas, 12, 14));
}

/* ---- the source ---- */

struct counting_sink {
	struct packet_sink base;
	_Atomic int packets, pictures;
};

static void count(struct packet_sink *base, struct packet *packet)
{
	struct counting_sink *sink = (struct counting_sink *)base;

	sink->packets++;
	sink->pictures += packet->channel == CHANNEL_SCREEN;
	packet_unref(packet);
}

static void never_lost(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	(void)reason;
	expect(false);
}

static void changes_of_what_is_hidden_push_nothing(void)
{
	struct counting_sink sink = {.base = {count}};
	struct session_clock clock;
	const struct source_context context = {
		.clock = &clock, .sink = &sink.base, .failed = never_lost};
	const struct hide_rules hide = {
		.fixed = {.area = {{0, 0, 640, 200}, {0, 200, 640, 160}}, .count = 2}};
	const struct screen_options options = {
		.grabber = "test", .encoder = "auto", .max_fps = 30, .hide = &hide};
	struct source *source;
	int packets;

	session_clock_init(&clock);
	check(screen_source_create(&source, &context, &options, NULL) == 0);
	for (int i = 0; i < 100 && sink.pictures == 0; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 20 * NS_PER_MS}, NULL);
	/* comes to rest; the screen below has ten pictures a second */
	sleep(2);
	packets = sink.packets;
	expect(sink.pictures >= 1);
	expect(screen_source_hides(source, 639, 359) && !screen_source_hides(source, 640, 0));
	sleep(2);
	expect(sink.packets == packets);
	source_request_keyframe(source);
	for (int i = 0; i < 100 && sink.packets == packets; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 20 * NS_PER_MS}, NULL);
	expect(sink.packets > packets);
	source_destroy(source);
}

static void what_cannot_be_hidden_is_not_recorded(void)
{
	struct counting_sink sink = {.base = {count}};
	struct session_clock clock;
	const struct source_context context = {
		.clock = &clock, .sink = &sink.base, .failed = never_lost};
	struct hide_rules hide = {.windows = {{"KeePassXC", ""}}, .window_count = 1};
	const struct screen_options options = {
		.grabber = "test", .encoder = "auto", .max_fps = 30, .hide = &hide};
	struct error error = {""};
	struct source *source;

	session_clock_init(&clock);
	expect(screen_source_create(&source, &context, &options, &error) == -EOPNOTSUPP);
	expect(strstr(error.text, "the study hides windows") != NULL);
	hide = (struct hide_rules){.passwords = true};
	expect(screen_source_create(&source, &context, &options, &error) == -EOPNOTSUPP);
	expect(sink.packets == 0);
}

static const struct test tests[] = {
	{"hidden areas leave no trace in pixels, pictures, patches and changes",
		hidden_pixels_leave_no_trace},
	{"a mask is painted at once, and once", a_mask_is_painted_at_once_and_once},
	{"changes in hidden areas push nothing", changes_of_what_is_hidden_push_nothing},
	{"a screen that cannot be masked is not recorded", what_cannot_be_hidden_is_not_recorded},
};

int main(void)
{
	return RUN_TESTS("hide", tests);
}
