/* The video with its patches equals the screen, to the pixel, after any change of it. */

#include "tests/harness/helpers.h"

#include "capture/screen/patcher.h"
#include "capture/screen/png.h"
#include "protocol/base/clock.h"

#include <spng.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 700, HEIGHT = 333 };

static uint64_t seed = 11;

static int below(int limit)
{
	return (int)(next_random(&seed) % (uint64_t)limit);
}

/* ---- files, judged by another library's decoder ---- */

/* a decoded file: R G B A */
struct shown {
	int width, height;
	uint8_t pixels[WIDTH * HEIGHT * 4];
};

static void view(struct shown *shown, const uint8_t *data, size_t size)
{
	spng_ctx *context = spng_ctx_new(0);
	struct spng_ihdr header;
	size_t room;

	check(context && spng_set_png_buffer(context, data, size) == 0);
	check(spng_get_ihdr(context, &header) == 0);
	check(header.width <= WIDTH && header.height <= HEIGHT);
	check(spng_decoded_image_size(context, SPNG_FMT_RGBA8, &room) == 0);
	check(spng_decode_image(context, shown->pixels, room, SPNG_FMT_RGBA8, 0) == 0);
	shown->width = (int)header.width;
	shown->height = (int)header.height;
	spng_ctx_free(context);
}

/* 0xRRGGBB */
static uint32_t shown_at(const struct shown *shown, int x, int y)
{
	const uint8_t *at = shown->pixels + 4 * ((ptrdiff_t)y * shown->width + x);

	return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static uint32_t pixel(const uint8_t *pixels)
{
	return (uint32_t)pixels[2] << 16 | (uint32_t)pixels[1] << 8 | pixels[0];
}

static void fill(uint8_t *pixels, int count, int colours)
{
	for (int i = 0; i < count; i++, pixels += 4) {
		uint32_t colour = (uint32_t)below(colours) * 0x9e3779b1u >> 8;

		pixels[0] = (uint8_t)colour;
		pixels[1] = (uint8_t)(colour >> 8);
		pixels[2] = (uint8_t)(colour >> 16);
		pixels[3] = (uint8_t)below(256); /* unused */
	}
}

static void files_are_exact(void)
{
	static const int colours[] = {1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 5000};
	static const int sizes[][2] = {{1, 1}, {3, 2}, {8, 5}, {63, 64}, {129, 70}};
	static struct shown shown;
	_destroy_(png) struct png *png = NULL;
	struct buf out = {0};
	uint8_t pixels[130 * 70 * 4];
	size_t wrong = 0;

	check(png_create(&png) == 0);
	for (size_t c = 0; c < ARRAY_SIZE(colours); c++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			int width = sizes[s][0], height = sizes[s][1], stride = 4 * (width + 1);
			size_t size;

			fill(pixels, (width + 1) * height, colours[c]);
			buf_clear(&out);
			buf_put(&out, "before", 6);
			size = png_put(png, &out, pixels, stride, width, height);
			check(size > 0 && out.size_bytes == 6 + size);
			view(&shown, out.data + 6, size);
			check(shown.width == width && shown.height == height);
			for (int y = 0; y < height; y++)
				for (int x = 0; x < width; x++)
					wrong += shown_at(&shown, x, y) !=
						pixel(pixels + y * stride + 4 * x);
		}
	expect(wrong == 0);
	buf_finish(&out);
}

/* ---- the canvas ---- */

static void random_rect(struct rect *rect, int width, int height, int most)
{
	rect->x = below(width) - (below(8) == 0 ? 5 : 0);
	rect->y = below(height) - (below(8) == 0 ? 5 : 0);
	rect->width = 1 + below(most);
	rect->height = 1 + below(most);
}

static bool pictures_are_equal(const struct picture *a, const struct picture *b)
{
	for (int y = 0; y < a->height; y++)
		if (memcmp(a->y + y * a->stride_y, b->y + y * b->stride_y, (size_t)a->width) ||
			memcmp(a->u + y / 2 * a->stride_uv, b->u + y / 2 * b->stride_uv,
				(size_t)a->width / 2) ||
			memcmp(a->v + y / 2 * a->stride_uv, b->v + y / 2 * b->stride_uv,
				(size_t)a->width / 2))
			return false;
	return true;
}

static void canvas_has_every_change(void)
{
	enum { SMALL_WIDTH = 131, SMALL_HEIGHT = 77 };
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(picture) struct picture *whole = NULL;
	uint8_t before[SMALL_WIDTH * SMALL_HEIGHT * 4], pixels[60 * 60 * 4];
	const struct rect all = {0, 0, SMALL_WIDTH, SMALL_HEIGHT};
	size_t missed = 0;

	check(canvas_create(&canvas, SMALL_WIDTH, SMALL_HEIGHT, CHROMA_420) == 0);
	check(picture_create(&whole, SMALL_WIDTH, SMALL_HEIGHT, CHROMA_420) == 0);
	for (int i = 0; i < 2000; i++) {
		struct rect rect;

		memcpy(before, canvas->pixels, sizeof(before));
		canvas->changed.count = 0;
		for (int puts = 1 + below(40); puts > 0; puts--) {
			random_rect(&rect, SMALL_WIDTH, SMALL_HEIGHT, 60);
			fill(pixels, rect.width * rect.height, 1 + below(3));
			canvas_put(canvas, &rect, pixels, rect.width * 4);
		}
		for (int y = 0; y < SMALL_HEIGHT; y++)
			for (int x = 0; x < SMALL_WIDTH; x++)
				missed += memcmp(before + 4 * (y * SMALL_WIDTH + x),
						  canvas->pixels + 4 * (y * SMALL_WIDTH + x),
						  4) != 0 &&
					!areas_contain(&canvas->changed, x, y);
	}
	expect(missed == 0);
	/* converted in parts the result is the same, at the odd edges too */
	picture_put(whole, &all, canvas->pixels, canvas->stride);
	expect(pictures_are_equal(canvas->picture, whole));
	/* redrawn equal pixels are no change */
	memcpy(before, canvas->pixels, sizeof(before));
	canvas->changed.count = 0;
	canvas_put(canvas, &all, before, 4 * SMALL_WIDTH);
	expect(canvas->changed.count == 0);
	check(canvas_create(&canvas, 0, 5, CHROMA_420) < 0 &&
		canvas_create(&canvas, 5, 100000, CHROMA_420) < 0);
}

/* ---- the patcher, with an observer that follows FORMAT.md ---- */

struct observer {
	struct shown shown;
	uint32_t over[HEIGHT][WIDTH]; /* 0xRRGGBB of the patch there, or NOTHING */
};

#define NOTHING UINT32_MAX

static void observe(struct observer *observer, const Uxrec__ScreenPatches *patches)
{
	for (size_t i = 0; i + 3 < patches->n_cleared_px; i += 4) {
		const uint32_t *area = patches->cleared_px + i;

		check(area[0] + area[2] <= WIDTH && area[1] + area[3] <= HEIGHT);
		for (uint32_t y = area[1]; y < area[1] + area[3]; y++)
			for (uint32_t x = area[0]; x < area[0] + area[2]; x++)
				observer->over[y][x] = NOTHING;
	}
	for (size_t i = 0; i < patches->n_patches; i++) {
		const Uxrec__ScreenPatch *patch = patches->patches[i];
		const struct shown *shown = &observer->shown;

		view(&observer->shown, patch->png.data, patch->png.len);
		check(patch->x_px + (uint32_t)shown->width <= WIDTH &&
			patch->y_px + (uint32_t)shown->height <= HEIGHT);
		for (int y = 0; y < shown->height; y++)
			for (int x = 0; x < shown->width; x++)
				observer->over[(int)patch->y_px + y][(int)patch->x_px + x] =
					shown_at(shown, x, y);
	}
}

/* @return the number of wrong pixels; `bare`: of those without a patch */
static size_t compare(const struct observer *observer, const struct canvas *canvas, size_t *bare)
{
	size_t wrong = 0;

	*bare = 0;
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++) {
			uint32_t over = observer->over[y][x];

			*bare += over == NOTHING;
			wrong += over != NOTHING &&
				over != pixel(canvas->pixels + y * canvas->stride + 4 * x);
		}
	return wrong;
}

static void forget(struct observer *observer)
{
	memset(observer->over, 0xff, sizeof(observer->over));
}

/* text, a window, a photograph */
static void change(struct canvas *canvas)
{
	static uint8_t pixels[300 * 300 * 4];
	struct rect rect;
	int kind = below(20);

	random_rect(&rect, WIDTH, HEIGHT, kind < 14 ? 16 : kind < 18 ? 120 : 300);
	fill(pixels, rect.width * rect.height, kind == 19 ? 1 << 20 : 1 + below(40));
	canvas_put(canvas, &rect, pixels, rect.width * 4);
}

struct tally {
	int laid, shown, keyframes, rested;
};

/* like screen.c */
static void show(struct patcher *patcher, struct canvas *canvas, struct observer *observer,
	int64_t now_ns, struct tally *tally)
{
	struct areas changed = canvas->changed;
	const Uxrec__ScreenPatches *patches;
	bool keyframe = below(60) == 0;

	canvas->changed.count = 0;
	patches = keyframe ? NULL : patcher_apply(patcher, &changed, now_ns);
	if (patches) {
		tally->laid++;
	} else {
		patches = patcher_clear(patcher, &changed, now_ns);
		tally->shown++;
	}
	if (keyframe) {
		patcher_reset(patcher);
		forget(observer);
		tally->keyframes++;
	} else if (patches) {
		observe(observer, patches);
	}
}

static void rest(struct patcher *patcher, struct observer *observer, int64_t *now_ns,
	int64_t until_ns, struct tally *tally)
{
	int64_t due_ns;

	while ((due_ns = patcher_refine_ns(patcher, *now_ns)) <= until_ns) {
		const Uxrec__ScreenPatches *patches;

		*now_ns = due_ns > *now_ns ? due_ns : *now_ns;
		patches = patcher_refine(patcher, *now_ns);
		check(!patches || patches->unchanged);
		if (patches)
			observe(observer, patches);
		tally->rested += patches != NULL;
		(*now_ns)++;
	}
	*now_ns = until_ns > *now_ns && until_ns != INT64_MAX - 1 ? until_ns : *now_ns;
}

static void what_lies_there_is_true(void)
{
	static struct observer observer;
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(patcher) struct patcher *patcher = NULL;
	int64_t now_ns = 1000 * NS_PER_S;
	struct tally tally = {0};
	size_t wrong = 0, bare;

	forget(&observer);
	check(canvas_create(&canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	check(patcher_create(&patcher, canvas) == 0);
	for (int i = 0; i < 1500; i++) {
		for (int changes = 1 + below(3); changes > 0; changes--)
			change(canvas);
		show(patcher, canvas, &observer, now_ns, &tally);
		wrong += compare(&observer, canvas, &bare);
		rest(patcher, &observer, &now_ns,
			now_ns + (below(50) ? 33 * NS_PER_MS : 2 * NS_PER_S), &tally);
		if (i % 50 == 0)
			wrong += compare(&observer, canvas, &bare);
	}
	expect(wrong == 0);
	printf("# %d laid, %d by the video, %d keyframes, %d steps of rest\n", tally.laid,
		tally.shown, tally.keyframes, tally.rested);
	expect(tally.laid > 300 && tally.shown > 50 && tally.keyframes > 5 && tally.rested > 50);
}

/* at rest all is exact, except photographs */
static void rest_is_exact(void)
{
	static struct observer observer;
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(patcher) struct patcher *patcher = NULL;
	int64_t now_ns = 1000 * NS_PER_S, begun_ns;
	struct tally tally = {0};
	static uint8_t pixels[WIDTH * HEIGHT * 4];
	const struct rect all = {0, 0, WIDTH, HEIGHT}, photo = {64, 64, 128, 128};
	size_t bare;

	forget(&observer);
	check(canvas_create(&canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	check(patcher_create(&patcher, canvas) == 0);
	for (int i = 0; i < WIDTH * HEIGHT; i++)
		pixels[4 * i] = (uint8_t)(i / 50 % 2 * 255);
	canvas_put(canvas, &all, pixels, 4 * WIDTH);
	fill(pixels, 128 * 128, 1 << 20);
	canvas_put(canvas, &photo, pixels, 4 * 128);
	expect(patcher_apply(patcher, &canvas->changed, now_ns) == NULL);
	patcher_clear(patcher, &canvas->changed, now_ns);
	expect(patcher_refine_ns(patcher, now_ns) == now_ns + 500 * NS_PER_MS);
	expect(patcher_refine(patcher, now_ns + 499 * NS_PER_MS) == NULL);
	begun_ns = now_ns;
	rest(patcher, &observer, &now_ns, INT64_MAX - 1, &tally);
	expect(compare(&observer, canvas, &bare) == 0);
	expect(bare == 128 * 128);
	expect(now_ns - begun_ns < 2 * NS_PER_S);
	expect(patcher_refine_ns(patcher, now_ns) == INT64_MAX);
	/* a keyframe clears the patches, and they are sent again at once */
	patcher_reset(patcher);
	forget(&observer);
	expect(patcher_refine_ns(patcher, now_ns) <= now_ns);
	rest(patcher, &observer, &now_ns, INT64_MAX - 1, &tally);
	expect(compare(&observer, canvas, &bare) == 0 && bare == 128 * 128);
}

/* anti-aliased letters with subpixel rendering: more than 256 colours, and with much contrast */
static void letters(uint8_t *pixels)
{
	static uint8_t letter[26][12][7][3];

	for (size_t i = 0; i < sizeof(letter); i++)
		((uint8_t *)letter)[i] = (uint8_t)(below(2) ? 255 : below(8) * 36);
	for (int row = 0; row < HEIGHT / 12; row++)
		for (int column = 0; column < WIDTH / 7; column++) {
			int which = below(26);

			for (int i = 0; i < 12 * 7; i++)
				memcpy(pixels +
						4 *
							((row * 12 + i / 7) * WIDTH + column * 7 +
								i % 7),
					letter[which][i / 7][i % 7], 3);
		}
}

static void letters_at_rest_are_exact(void)
{
	static struct observer observer;
	static uint8_t pixels[WIDTH * HEIGHT * 4];
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(patcher) struct patcher *patcher = NULL;
	const struct rect all = {0, 0, WIDTH, HEIGHT};
	int64_t now_ns = 1000 * NS_PER_S;
	struct tally tally = {0};
	size_t bare;

	forget(&observer);
	check(canvas_create(&canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	check(patcher_create(&patcher, canvas) == 0);
	memset(pixels, 0xff, sizeof(pixels));
	letters(pixels);
	canvas_put(canvas, &all, pixels, 4 * WIDTH);
	expect(patcher_apply(patcher, &canvas->changed, now_ns) == NULL);
	patcher_clear(patcher, &canvas->changed, now_ns);
	rest(patcher, &observer, &now_ns, INT64_MAX - 1, &tally);
	expect(compare(&observer, canvas, &bare) == 0);
	expect(bare == 0);
}

/* a blinking caret: the video must show it once */
static void what_is_as_before_is_not_owed(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(patcher) struct patcher *patcher = NULL;
	const struct rect caret = {60, 100, 10, 20}; /* across two tiles */
	uint8_t on[10 * 20 * 4], off[10 * 20 * 4] = {0};
	int64_t now_ns = 1000 * NS_PER_S;
	int owed = 0;

	memset(on, 0xff, sizeof(on));
	check(canvas_create(&canvas, WIDTH, HEIGHT, CHROMA_420) == 0);
	check(patcher_create(&patcher, canvas) == 0);
	expect(!patcher_is_stale(patcher));
	for (int i = 0; i < 20; i++) {
		canvas->changed.count = 0;
		canvas_put(canvas, &caret, i % 2 ? off : on, 40);
		now_ns += 500 * NS_PER_MS;
		check(patcher_apply(patcher, &canvas->changed, now_ns) != NULL);
		if (i % 2 == 0)
			continue;
		owed += patcher_is_stale(patcher);
		if (i == 1)
			patcher_refreshed(patcher);
	}
	expect(owed == 1); /* before the video first showed it */
	canvas->changed.count = 0;
	canvas_put(canvas, &caret, on, 40);
	check(patcher_apply(patcher, &canvas->changed, now_ns) != NULL);
	expect(patcher_is_stale(patcher));
	patcher_refreshed(patcher);
	expect(!patcher_is_stale(patcher));
	/* the video has shown other content since */
	check(patcher_apply(patcher, &canvas->changed, now_ns) != NULL);
	patcher_clear(patcher, &canvas->changed, now_ns);
	expect(patcher_is_stale(patcher));
}

static const struct test tests[] = {
	{"files are exact, with every number of colours", files_are_exact},
	{"the canvas reports every change, and converts it", canvas_has_every_change},
	{"patches over the video equal the screen", what_lies_there_is_true},
	{"areas that the video shows already are not patched again", what_is_as_before_is_not_owed},
	{"areas at rest are exact, and patched again after a keyframe", rest_is_exact},
	{"letters with coloured edges at rest are exact too", letters_at_rest_are_exact},
};

int main(void)
{
	return RUN_TESTS("patches", tests);
}
