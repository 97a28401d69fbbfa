#include "tests/harness/helpers.h"

#include "capture/screen/encoder.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/decode/frames.h"
#include "replay/export/export.h"
#include "replay/session/session.h"

#include <errno.h>
#include <spng.h>
#include <stdio.h>
#include <string.h>

#define AT(ms) ((int64_t)(ms)*NS_PER_MS)

/* ---- a session in the making ---- */

#define SIDE_LIMIT 128

/* opaque pixels B G R X */
struct drawing {
	int width, height;
	uint8_t pixels[SIDE_LIMIT * SIDE_LIMIT * 4];
};

struct making {
	char *path;
	struct session_writer *writer;
	struct session_clock clock;
	struct encoder_options options;
	struct encoder *encoder;
	struct picture *picture;
	int copied_ms; /* delay of the copy after the begin, for messages from here on */
};

static void begin(struct making *making, const char *name)
{
	*making = (struct making){
		.path = temporary_path(name), .options = {ENCODER_FALLBACK, 30, CHROMA_420}};
	unlink(making->path);
	check(session_writer_create(&making->writer, making->path, SESSION_WRITER_RECORDING) == 0);
}

static struct session_reader *end(struct making *making)
{
	struct session_reader *reader;

	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(making->writer);
	encoder_destroy(making->encoder);
	picture_destroy(making->picture);
	check(session_reader_open(&reader, making->path, NULL) == 0);
	free(making->path);
	return reader;
}

static void push(
	struct making *making, uint16_t channel, int64_t ms, const ProtobufCMessage *message)
{
	const struct packet_info info = {channel, 0, AT(ms), AT(ms + making->copied_ms)};
	_packet_unref_ struct packet *packet = NULL;

	check(packet_create(&packet, &making->clock, &info, message) == 0);
	check(session_writer_append(making->writer, packet) == 0);
}

/* change the screen's size from here on */
static void push_size(struct making *making, int64_t ms, int width, int height)
{
	Uxrec__Screen screen = UXREC__SCREEN__INIT;

	encoder_destroy(making->encoder);
	picture_destroy(making->picture);
	check(picture_create(&making->picture, width, height, making->options.chroma) == 0);
	check(encoder_create(&making->encoder, making->picture->width, making->picture->height,
		      &making->options, NULL) == 0);
	screen.width_px = (uint32_t)width;
	screen.height_px = (uint32_t)height;
	push(making, CHANNEL_SCREEN_INFO, ms, &screen.base);
}

static void push_video(struct making *making, int64_t ms, const void *data, size_t size)
{
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;

	video.format = (char *)encoder_format(making->encoder);
	video.data.data = (uint8_t *)data;
	video.data.len = size;
	push(making, CHANNEL_SCREEN, ms, &video.base);
}

static void push_keyframe(struct making *making, int64_t ms)
{
	Uxrec__Keyframe keyframe = UXREC__KEYFRAME__INIT;

	push(making, CHANNEL_SCREEN_KEYFRAMES, ms, &keyframe.base);
}

static struct encoded encode(
	struct making *making, int64_t ms, const struct drawing *drawing, bool keyframe)
{
	const struct rect all = {0, 0, drawing->width, drawing->height};
	struct encoded encoded;

	picture_put(making->picture, &all, drawing->pixels, drawing->width * 4);
	check(encoder_encode(making->encoder, making->picture, AT(ms), keyframe, &encoded) == 0);
	return encoded;
}

static void push_picture(
	struct making *making, int64_t ms, const struct drawing *drawing, bool keyframe)
{
	struct encoded encoded = encode(making, ms, drawing, keyframe);

	if (encoded.keyframe)
		push_keyframe(making, ms);
	push_video(making, ms, encoded.data, encoded.size_bytes);
}

/* ---- drawings ---- */

static void fill(struct drawing *drawing, int width, int height, uint8_t b, uint8_t g, uint8_t r)
{
	drawing->width = width;
	drawing->height = height;
	for (int i = 0; i < width * height; i++)
		memcpy(&drawing->pixels[i * 4], (uint8_t[]){b, g, r, 255}, 4);
}

static void scatter(struct drawing *drawing, int width, int height, uint64_t *random)
{
	drawing->width = width;
	drawing->height = height;
	for (int i = 0; i < width * height; i++) {
		uint64_t bits = next_random(random);

		memcpy(&drawing->pixels[i * 4],
			(uint8_t[]){
				(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), 255},
			4);
	}
}

/* draw a small drawing over a large one; X becomes 254 there */
static void lay(struct drawing *on, int x, int y, const struct drawing *small)
{
	for (int row = 0; row < small->height; row++)
		for (int i = 0; i < small->width; i++) {
			uint8_t *at = &on->pixels[((y + row) * on->width + x + i) * 4];

			memcpy(at, &small->pixels[(row * small->width + i) * 4], 4);
			at[3] = 254;
		}
}

/* remove a patch */
static void wipe(struct drawing *on, int x, int y, int width, int height)
{
	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++)
			on->pixels[(row * on->width + column) * 4 + 3] = 255;
}

/* ---- patches ---- */

/* @return a PNG file, which the caller frees */
static void *png_of(const struct drawing *drawing, size_t *ret_size)
{
	static uint8_t rgb[SIDE_LIMIT * SIDE_LIMIT * 3];
	struct spng_ihdr header = {.width = (uint32_t)drawing->width,
		.height = (uint32_t)drawing->height,
		.bit_depth = 8,
		.color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	size_t pixels = (size_t)drawing->width * (size_t)drawing->height;
	void *data;
	int r;

	for (size_t i = 0; i < pixels; i++)
		for (size_t part = 0; part < 3; part++)
			rgb[i * 3 + part] = drawing->pixels[i * 4 + 2 - part];
	check(spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1) == 0);
	check(spng_set_ihdr(png, &header) == 0);
	check(spng_encode_image(png, rgb, pixels * 3, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0);
	data = spng_get_png_buffer(png, ret_size, &r);
	check(data);
	spng_ctx_free(png);
	return data;
}

static void push_png(
	struct making *making, int64_t ms, uint32_t x, uint32_t y, const void *data, size_t size)
{
	Uxrec__ScreenPatches patches = UXREC__SCREEN_PATCHES__INIT;
	Uxrec__ScreenPatch patch = UXREC__SCREEN_PATCH__INIT;
	Uxrec__ScreenPatch *list[] = {&patch};

	patch.x_px = x;
	patch.y_px = y;
	patch.png.data = (uint8_t *)data;
	patch.png.len = size;
	patches.patches = list;
	patches.n_patches = 1;
	push(making, CHANNEL_SCREEN_PATCHES, ms, &patches.base);
}

static void push_patch(
	struct making *making, int64_t ms, int x, int y, const struct drawing *drawing)
{
	size_t size;
	_autofree_ void *data = png_of(drawing, &size);

	push_png(making, ms, (uint32_t)x, (uint32_t)y, data, size);
}

static void push_cleared(struct making *making, int64_t ms, int x, int y, int width, int height)
{
	Uxrec__ScreenPatches patches = UXREC__SCREEN_PATCHES__INIT;
	uint32_t area[] = {(uint32_t)x, (uint32_t)y, (uint32_t)width, (uint32_t)height};

	patches.cleared_px = area;
	patches.n_cleared_px = 4;
	push(making, CHANNEL_SCREEN_PATCHES, ms, &patches.base);
}

/* ---- inspecting ---- */

static const uint8_t *pixel(const struct frame *frame, int x, int y)
{
	return frame->pixels + (ptrdiff_t)y * frame->stride_bytes + (ptrdiff_t)x * 4;
}

static bool is_exactly(const struct frame *frame, int x, int y, uint8_t b, uint8_t g, uint8_t r)
{
	return memcmp(pixel(frame, x, y), (uint8_t[]){b, g, r, 255}, 4) == 0;
}

static bool is_nearly(const struct frame *frame, int x, int y, int b, int g, int r)
{
	const uint8_t *at = pixel(frame, x, y);

	return abs(at[0] - b) < 9 && abs(at[1] - g) < 9 && abs(at[2] - r) < 9 && at[3] == 255;
}

static uint64_t hash_of(const struct frame *frame)
{
	uint64_t hash = (uint64_t)frame->width << 32 | (uint64_t)frame->height;

	for (int row = 0; row < frame->height; row++)
		for (int i = 0; i < frame->width * 4; i++)
			hash = (hash ^ pixel(frame, 0, row)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static struct frames *frames_of(struct session_reader *reader)
{
	struct frames *frames;

	check(frames_create(&frames, reader, NULL) == 0);
	return frames;
}

/* ---- shown frames ---- */

static void a_patch_lies_over_the_video_exactly(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct making making;
	struct drawing screen, patch;
	struct frame frame;

	begin(&making, "exact.mcap");
	push_size(&making, 0, 64, 48);
	fill(&screen, 64, 48, 200, 100, 50);
	push_picture(&making, 0, &screen, true);
	fill(&patch, 5, 3, 1, 2, 3);
	push_patch(&making, 10, 7, 9, &patch);
	fill(&patch, 4, 4, 254, 255, 253);
	push_patch(&making, 20, 10, 10, &patch);
	/* a patch that comes with a picture clears the first one, except where it covers it */
	push_cleared(&making, 30, 0, 0, 10, 48);
	fill(&screen, 64, 48, 20, 100, 220);
	push_picture(&making, 30, &screen, false);
	push_picture(&making, 40, &screen, true);
	reader = end(&making);
	frames = frames_of(reader);
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(0) && frame.width == 64 && frame.height == 48);
	expect(is_nearly(&frame, 7, 9, 200, 100, 50) && is_nearly(&frame, 63, 47, 200, 100, 50));
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(10));
	expect(is_exactly(&frame, 7, 9, 1, 2, 3) && is_exactly(&frame, 11, 11, 1, 2, 3));
	expect(is_nearly(&frame, 6, 9, 200, 100, 50) && is_nearly(&frame, 12, 11, 200, 100, 50));
	check(frames_next(frames, &frame) == 1);
	expect(is_exactly(&frame, 9, 11, 1, 2, 3) && is_exactly(&frame, 11, 11, 254, 255, 253));
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(30));
	expect(is_nearly(&frame, 9, 11, 20, 100, 220) && is_exactly(&frame, 11, 9, 1, 2, 3));
	expect(is_exactly(&frame, 13, 13, 254, 255, 253));
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(40) && is_nearly(&frame, 13, 13, 20, 100, 220));
	expect(frames_next(frames, &frame) == 0 && frames_next(frames, &frame) == 0);
	expect(frames_faults(frames).patches == 0 && frames_faults(frames).pictures == 0);
	/* backwards, and between two frames */
	check(frames_seek(frames, AT(25), &frame) == 1);
	expect(frame.time_ns == AT(20) && is_exactly(&frame, 11, 11, 254, 255, 253));
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(30));
}

/* blue with a red line of one pixel */
static void fill_with_line(struct drawing *drawing, int x)
{
	fill(drawing, 64, 48, 255, 0, 0);
	for (int y = 0; y < 48; y++)
		memcpy(&drawing->pixels[(y * 64 + x) * 4], (uint8_t[]){0, 0, 255, 255}, 4);
}

/* a film has one format: a change is refused, unless it is encoded again */
static void expect_export_as_one(void)
{
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *path = temporary_path("formats.mcap"), *film = temporary_path("film.mkv");
	struct bleeps none = {0};
	struct export_options options = {
		.format = EXPORT_MKV, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .bleeps = &none};
	struct error error;

	check(session_open_path(&session, path, &error) == 0);
	expect(session_export(session, film, &options, NULL, &error) == -EOPNOTSUPP);
	expect(strstr(error.text, "the video is AV1 up to") != NULL);
	options.format = EXPORT_H264;
	expect(session_export(session, film, &options, NULL, &error) == -EOPNOTSUPP);
	options.format = EXPORT_MKV;
	options.draw = DRAWING_PATCHES;
	expect(session_export(session, film, &options, NULL, &error) == 0);
}

static void the_video_may_change_its_format(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct making making;
	struct drawing screen;
	struct frame frame;

	begin(&making, "formats.mcap");
	making.options = (struct encoder_options){"libaom-av1", 30, CHROMA_444};
	push_size(&making, 0, 64, 48);
	fill_with_line(&screen, 20);
	push_picture(&making, 0, &screen, true);
	fill_with_line(&screen, 31);
	push_picture(&making, 10, &screen, false);
	push_video(&making, 15, "\x12\x00\x32\x03xyz", 7);
	making.options = (struct encoder_options){ENCODER_FALLBACK, 30, CHROMA_444};
	push_size(&making, 20, 64, 48);
	fill_with_line(&screen, 40);
	push_picture(&making, 20, &screen, true);
	making.options.chroma = CHROMA_420;
	push_size(&making, 30, 64, 48);
	push_picture(&making, 30, &screen, true);
	reader = end(&making);
	frames = frames_of(reader);
	/* to it, backwards, and forwards */
	for (int i = 0; i < 3; i++) {
		check(frames_seek(frames, AT(35), &frame) == 1);
		expect(!is_nearly(&frame, 40, 9, 0, 0, 255));
		check(frames_seek(frames, AT(18), &frame) == 1);
		expect(frame.time_ns == AT(10) && pixel(&frame, 31, 9)[2] > 200 &&
			pixel(&frame, 31, 9)[0] < 55 && pixel(&frame, 20, 9)[2] < 55);
		check(frames_next(frames, &frame) == 1);
		expect(frame.time_ns == AT(20) && pixel(&frame, 40, 9)[2] > 200 &&
			pixel(&frame, 40, 9)[0] < 55);
	}
	expect(frames_faults(frames).pictures == 3);
	expect_export_as_one();
}

/* An exported part shows nothing of later times. */
static void an_end_is_kept_by_what_was_copied_behind_it(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct making making;
	struct drawing screen;
	struct frame frame;

	begin(&making, "end.mcap");
	push_size(&making, 0, 32, 32);
	fill(&screen, 32, 32, 0, 200, 0);
	push_picture(&making, 0, &screen, true);
	fill(&screen, 4, 4, 1, 2, 3);
	making.copied_ms = 9;
	push_patch(&making, 10, 0, 0, &screen);
	making.copied_ms = 10;
	push_patch(&making, 20, 8, 8, &screen);
	fill(&screen, 32, 32, 200, 0, 0);
	push_picture(&making, 25, &screen, true);
	push_patch(&making, 40, 0, 0, &screen);
	reader = end(&making);
	frames = frames_of(reader);
	frames_end(frames, AT(30));
	/* at the late patch's place, and the keyframe's after it, the earlier content remains */
	check(frames_seek(frames, AT(29), &frame) == 1);
	expect(frame.time_ns == AT(10) && is_exactly(&frame, 0, 0, 1, 2, 3));
	expect(is_nearly(&frame, 8, 8, 0, 200, 0) && is_nearly(&frame, 31, 31, 0, 200, 0));
	expect(frames_peek(frames) == INT64_MAX && frames_next(frames, &frame) == 0);
}

static void nothing_is_shown_before_the_first_keyframe(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL, *empty = NULL;
	_destroy_(frames) struct frames *frames = NULL, *none = NULL;
	struct making making;
	struct drawing screen, patch;
	struct frame frame;

	begin(&making, "missing.mcap");
	push_size(&making, 0, 32, 32);
	fill(&screen, 32, 32, 0, 200, 0);
	fill(&patch, 4, 4, 1, 2, 3);
	/* the keyframe of these is not in the file */
	encode(&making, 0, &screen, true);
	for (int i = 1; i < 5; i++) {
		struct encoded encoded = encode(&making, i * 10, &screen, false);

		push_video(&making, i * 10, encoded.data, encoded.size_bytes);
		push_patch(&making, i * 10 + 5, 0, 0, &patch);
	}
	push_picture(&making, 100, &screen, true);
	push_patch(&making, 100, 0, 0, &patch); /* at the keyframe's time: not later than it */
	reader = end(&making);
	frames = frames_of(reader);
	expect(frames_seek(frames, AT(-1), &frame) == 0 &&
		frames_seek(frames, AT(99), &frame) == 0);
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(100) && is_nearly(&frame, 0, 0, 0, 200, 0));
	check(frames_seek(frames, INT64_MAX, &frame) == 1);
	expect(is_nearly(&frame, 0, 0, 0, 200, 0));
	begin(&making, "empty.mcap");
	empty = end(&making);
	none = frames_of(empty);
	expect(frames_next(none, &frame) == 0 && frames_seek(none, AT(5), &frame) == 0);
}

static void a_keyframe_that_is_lost_shows_nothing(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct making making;
	struct drawing screen;
	struct frame frame;

	begin(&making, "lost.mcap");
	push_size(&making, 0, 32, 32);
	fill(&screen, 32, 32, 0, 200, 0);
	push_picture(&making, 0, &screen, true);
	encode(&making, 100, &screen, true);
	push_keyframe(&making, 100);
	push_video(&making, 100, "\0\0\0\1\x65nothing that is a picture", 30);
	push_picture(&making, 110, &screen, false);
	push_picture(&making, 200, &screen, true);
	push_video(&making, 210, "", 0);
	reader = end(&making);
	frames = frames_of(reader);
	expect(frames_seek(frames, AT(99), &frame) == 1);
	expect(frames_seek(frames, AT(105), &frame) == 0);
	expect(frames_seek(frames, AT(120), &frame) == 0);
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(200));
	expect(frames_next(frames, &frame) == 0 && frames_faults(frames).pictures == 2);
	check(frames_seek(frames, AT(300), &frame) == 1);
	expect(frame.time_ns == AT(200) && is_nearly(&frame, 31, 31, 0, 200, 0));
}

static void push_gap(struct making *making, Uxrec__Gap__Reason reason, int64_t from_ms,
	int64_t to_ms, const char *topic)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)topic};

	gap.reason = reason;
	gap.from_ns = AT(from_ms);
	gap.to_ns = to_ms ? AT(to_ms) : 0;
	gap.topics = topics;
	gap.n_topics = topic ? 1 : 0;
	push(making, CHANNEL_GAPS, from_ms, &gap.base);
}

/* @return the green value at a time, -1 in a gap, which must have that reason */
static int shown_green(struct frames *frames, int64_t ms, Uxrec__Gap__Reason reason)
{
	struct frame frame;
	int r = frames_seek(frames, AT(ms), &frame);
	const struct screen_gap *gap = frames_gap(frames);

	check(r >= 0 && (r == 0) == (gap != NULL));
	expect(!gap || gap->reason == reason);
	return r ? frame.pixels[1] : -1;
}

static void nothing_is_shown_in_a_gap(void)
{
	const Uxrec__Gap__Reason pause = UXREC__GAP__REASON__REASON_PAUSE,
				 erased = UXREC__GAP__REASON__REASON_ERASED,
				 overload = UXREC__GAP__REASON__REASON_OVERLOAD,
				 lost = UXREC__GAP__REASON__REASON_SOURCE_LOST;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct making making;
	struct drawing dark, light;
	struct screen_gap_text text;
	struct frame frame;

	begin(&making, "gaps.mcap");
	push_size(&making, 0, 32, 32);
	fill(&dark, 32, 32, 0, 60, 0);
	fill(&light, 32, 32, 0, 200, 0);
	push_picture(&making, 0, &dark, true);
	push_gap(&making, pause, 100, 200, NULL);
	push_picture(&making, 150, &dark, false); /* was in flight */
	push_picture(&making, 230, &light, true);
	push_gap(&making, erased, 300, 400, "/screen");
	push_picture(&making, 500, &dark, false);
	push_gap(&making, lost, 600, 700, "/sound");
	push_gap(&making, overload, 710, 790, "/screen");
	push_gap(&making, overload, 800, 2800, "/screen");
	push_picture(&making, 900, &light, false); /* at a low rate */
	push_gap(&making, overload, 3000, 5000, "/screen");
	push_picture(&making, 5010, &dark, false);
	push_gap(&making, lost, 6000, 0, "/screen");
	reader = end(&making);
	frames = frames_of(reader);
	for (int back = 0; back < 2; back++) {
		expect(abs(shown_green(frames, 99, pause) - 60) < 8);
		expect(shown_green(frames, 100, pause) < 0 && shown_green(frames, 160, pause) < 0);
		/* until the keyframe */
		expect(shown_green(frames, 229, pause) < 0);
		expect(abs(shown_green(frames, 230, pause) - 200) < 8);
		expect(shown_green(frames, 300, erased) < 0 &&
			shown_green(frames, 399, erased) < 0);
		/* the video continues from the picture before: none of it was erased */
		expect(abs(shown_green(frames, 400, erased) - 200) < 8);
		expect(abs(shown_green(frames, 650, lost) - 60) < 8);
		expect(abs(shown_green(frames, 750, overload) - 60) < 8);
		expect(abs(shown_green(frames, 850, overload) - 60) < 8);
		expect(abs(shown_green(frames, 2900, overload) - 200) < 8);
		expect(shown_green(frames, 4000, overload) < 0);
		expect(abs(shown_green(frames, 5010, overload) - 60) < 8);
		expect(shown_green(frames, 6000, lost) < 0 && shown_green(frames, 99000, lost) < 0);
	}
	check(frames_seek(frames, AT(150), &frame) == 0);
	expect(frames_peek(frames) == AT(230));
	check(frames_seek(frames, AT(90), &frame) == 1);
	expect(frames_peek(frames) == AT(100));
	check(frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(230));
	text = screen_gap_describe(
		&(struct screen_gap){AT(72000), AT(80550), pause, false}, AT(1000));
	expect(strcmp(text.text, "nothing recorded from 1:11.0 to 1:19.5: paused") == 0);
}

static void odd_sizes_have_no_padding_and_may_change(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	const int sizes[][2] = {{33, 21}, {64, 64}, {1, 1}, {127, 2}, {32, 33}};
	struct making making;
	struct drawing screen, patch;
	struct frame frame;

	begin(&making, "sizes.mcap");
	for (int i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
		push_size(&making, i * 100, sizes[i][0], sizes[i][1]);
		fill(&screen, sizes[i][0], sizes[i][1], 30, 60, (uint8_t)(40 * i + 20));
		push_picture(&making, i * 100, &screen, true);
		fill(&patch, 1, 1, 9, 8, (uint8_t)i);
		push_patch(&making, i * 100 + 50, sizes[i][0] - 1, sizes[i][1] - 1, &patch);
	}
	reader = end(&making);
	frames = frames_of(reader);
	for (int i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
		check(frames_next(frames, &frame) == 1);
		expect(frame.width == sizes[i][0] && frame.height == sizes[i][1]);
		expect(is_nearly(&frame, frame.width - 1, frame.height - 1, 30, 60, 40 * i + 20));
		check(frames_next(frames, &frame) == 1);
		expect(is_exactly(&frame, frame.width - 1, frame.height - 1, 9, 8, (uint8_t)i));
	}
	for (int i = (int)ARRAY_SIZE(sizes) - 1; i >= 0; i--) {
		check(frames_seek(frames, AT(i * 100 + 99), &frame) == 1);
		expect(frame.width == sizes[i][0] && frame.height == sizes[i][1]);
		expect(is_exactly(&frame, frame.width - 1, frame.height - 1, 9, 8, (uint8_t)i));
	}
}

/* ---- hostile patches ---- */

/* set a new width and height in a PNG file's header, with a valid CRC */
static void forge(uint8_t *png, uint32_t width, uint32_t height)
{
	uint32_t crc = UINT32_MAX;

	for (int i = 0; i < 4; i++) {
		png[16 + i] = (uint8_t)(width >> (24 - 8 * i));
		png[20 + i] = (uint8_t)(height >> (24 - 8 * i));
	}
	for (int i = 12; i < 29; i++) {
		crc ^= png[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	for (int i = 0; i < 4; i++)
		png[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
}

static void a_bad_patch_is_left_out_and_counted(void)
{
	static const uint32_t forged[][2] = {{0, 0}, {0, 8}, {UINT32_MAX, 1}, {1, UINT32_MAX},
		{1u << 31, 1u << 31}, {0x7fffffff, 0x7fffffff}, {65, 1}, {1, 49}, {64, 48}};
	static const uint32_t places[][2] = {{64, 0}, {0, 48}, {57, 0}, {0, 41}, {UINT32_MAX, 0},
		{UINT32_MAX - 6, UINT32_MAX - 6}, {1u << 31, 1u << 31}};
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	_autofree_ uint8_t *png = NULL;
	struct making making;
	struct drawing screen, patch;
	struct frame frame;
	uint64_t bad = 0, random = 5;
	size_t size;
	int64_t ms = 1;

	begin(&making, "bad.mcap");
	push_size(&making, 0, 64, 48);
	fill(&screen, 64, 48, 100, 100, 100);
	push_picture(&making, 0, &screen, true);
	scatter(&patch, 8, 8, &random);
	png = png_of(&patch, &size);
	for (size_t cut = 0; cut < size - 4; cut++, bad++)
		push_png(&making, ms++, 3, 3, png, cut);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++, bad++)
		push_png(&making, ms++, places[i][0], places[i][1], png, size);
	for (size_t i = 0; i < size; i++, bad++) { /* every chunk has a CRC */
		png[i] ^= 0x10;
		push_png(&making, ms++, 3, 3, png, size);
		png[i] ^= 0x10;
	}
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++, bad++) {
		forge(png, forged[i][0], forged[i][1]);
		push_png(&making, ms++, 0, 0, png, size);
	}
	forge(png, 8, 8);
	push_cleared(&making, ms++, -1, -1, -1, -1);
	push_cleared(&making, ms++, 0, 0, -1, 0);
	push_png(&making, ms++, 56, 40, png, size); /* a valid one in the corner */
	reader = end(&making);
	frames = frames_of(reader);
	check(frames_next(frames, &frame) == 1 && frames_next(frames, &frame) == 1);
	expect(frame.time_ns == AT(ms - 1));
	expect(frames_faults(frames).patches == bad);
	expect(is_nearly(&frame, 3, 3, 100, 100, 100) && is_nearly(&frame, 0, 0, 100, 100, 100));
	expect(memcmp(pixel(&frame, 63, 47), &patch.pixels[63 * 4], 3) == 0);
}

static void a_message_made_to_keep_the_reader_busy_is_cut_short(void)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	Uxrec__ScreenPatches patches = UXREC__SCREEN_PATCHES__INIT;
	Uxrec__ScreenPatch patch = UXREC__SCREEN_PATCH__INIT, *list[1000];
	struct making making;
	struct drawing screen;
	struct frame frame;

	begin(&making, "busy.mcap");
	push_size(&making, 0, 64, 48);
	fill(&screen, 64, 48, 100, 100, 100);
	push_picture(&making, 0, &screen, true);
	patch.png.data = png_of(&screen, &patch.png.len);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = &patch;
	patches.patches = list;
	patches.n_patches = ARRAY_SIZE(list);
	push(&making, CHANNEL_SCREEN_PATCHES, 10, &patches.base);
	free(patch.png.data);
	reader = end(&making);
	frames = frames_of(reader);
	check(frames_seek(frames, AT(10), &frame) == 1);
	expect(is_exactly(&frame, 0, 0, 100, 100, 100));
	expect(frames_faults(frames).patches > 900);
}

/* ---- seeking ---- */

#define MOMENTS 400

static int between(uint64_t *random, int least, int most)
{
	return least + (int)(next_random(random) % (uint64_t)(most - least + 1));
}

/* One random change per moment, of 10 ms; the patches over the video at each moment are kept as drawings. */
static void push_random(struct making *making, struct drawing *over, uint64_t *random, bool patched)
{
	struct drawing screen, patch;
	int64_t last_key = 0;

	fill(&screen, 1, 1, 0, 0, 0);
	for (int i = 0; i < MOMENTS; i++) {
		struct drawing *now = &over[i];
		int what = i ? between(random, 0, 99) : 0;
		int x, y, width, height;

		if (i > 0)
			*now = over[i - 1];
		if (what < 2) {
			width = between(random, 20, 100);
			height = between(random, 20, 60);
			scatter(&screen, width, height, random);
			push_size(making, i * 10, width, height);
		}
		if (what < 8) { /* a keyframe */
			fill(now, screen.width, screen.height, 0, 0, 0);
			push_picture(making, i * 10, &screen, true);
			last_key = i;
			continue;
		}
		x = between(random, 0, screen.width - 8);
		y = between(random, 0, screen.height - 8);
		width = between(random, 1, 8);
		height = between(random, 1, 8);
		scatter(&patch, width, height, random);
		if (what < 60) { /* a patch, sometimes in two messages of one moment */
			for (int j = 0; j < 1 + (what < 20); j++) {
				lay(now, x / (j + 1), y, &patch);
				if (patched)
					push_patch(making, i * 10, x / (j + 1), y, &patch);
			}
			continue;
		}
		lay(&screen, x, y, &patch);
		if (what < 80) {
			wipe(now, x, y, width, height);
			if (patched)
				push_cleared(making, i * 10, x, y, width, height);
		}
		push_picture(making, i * 10, &screen, i - last_key > 60);
		if (i - last_key > 60) {
			fill(now, screen.width, screen.height, 0, 0, 0);
			last_key = i;
		}
	}
}

/* patches exactly, and elsewhere the plain video */
static bool is_as_made(
	const struct frame *frame, const struct frame *video, const struct drawing *over)
{
	if (frame->width != over->width || frame->height != over->height ||
		video->width != over->width || video->height != over->height)
		return false;
	for (int y = 0; y < frame->height; y++)
		for (int x = 0; x < frame->width; x++) {
			const uint8_t *wanted = &over->pixels[(y * over->width + x) * 4];

			if (wanted[3] != 254)
				wanted = pixel(video, x, y);
			if (memcmp(pixel(frame, x, y), wanted, 3) != 0)
				return false;
		}
	return true;
}

static void a_seek_shows_what_linear_play_shows(void)
{
	static struct drawing over[MOMENTS];
	uint64_t hashes[MOMENTS] = {0}, random, before = 0;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		_destroy_(session_reader) struct session_reader *reader = NULL, *plain = NULL;
		_destroy_(frames) struct frames *frames = NULL, *video = NULL, *other = NULL;
		struct making making;
		struct frame frame, without;
		int at = 0, r = 1, wrong = 0;

		random = seed;
		begin(&making, "plain.mcap");
		push_random(&making, over, &random, false);
		plain = end(&making);
		random = seed;
		begin(&making, "patched.mcap");
		push_random(&making, over, &random, true);
		reader = end(&making);
		video = frames_of(plain);
		frames = frames_of(reader);
		other = frames_of(reader);
		while ((r = frames_next(frames, &frame)) > 0) {
			/* a moment without a change shows the frame before */
			for (; AT(at * 10) < frame.time_ns; at++)
				hashes[at] = before;
			check(frames_seek(video, frame.time_ns, &without) == 1);
			wrong += !is_as_made(&frame, &without, &over[at]);
			before = hashes[at++] = hash_of(&frame);
		}
		expect(r == 0 && at > MOMENTS * 9 / 10 && wrong == 0);
		for (int i = 0; i < 300; i++) {
			int moment = between(&random, 0, at - 1);

			check(frames_seek(other, AT(moment * 10) + between(&random, 0, 9999999),
				      &frame) == 1);
			wrong += hash_of(&frame) != hashes[moment];
			/* and forwards from there */
			for (int steps = between(&random, 0, 3); steps > 0; steps--) {
				if (frames_next(other, &frame) <= 0)
					break;
				wrong += hash_of(&frame) != hashes[frame.time_ns / AT(10)];
			}
		}
		expect(wrong == 0);
	}
}

int main(void)
{
	static const struct test tests[] = {
		{"a patch lies over the video exactly", a_patch_lies_over_the_video_exactly},
		{"the video may be AV1, with the colour of every pixel, and change its format",
			the_video_may_change_its_format},
		{"where an end is set, nothing copied after it is shown",
			an_end_is_kept_by_what_was_copied_behind_it},
		{"nothing is shown before the first keyframe",
			nothing_is_shown_before_the_first_keyframe},
		{"a keyframe that is lost shows nothing", a_keyframe_that_is_lost_shows_nothing},
		{"nothing is shown in a gap of the screen, up to the next keyframe",
			nothing_is_shown_in_a_gap},
		{"odd sizes have no padding and may change",
			odd_sizes_have_no_padding_and_may_change},
		{"a bad patch is left out and counted", a_bad_patch_is_left_out_and_counted},
		{"a message with excessive work is truncated",
			a_message_made_to_keep_the_reader_busy_is_cut_short},
		{"a seek shows the same as linear play", a_seek_shows_what_linear_play_shows},
	};

	return RUN_TESTS("frames", tests);
}
