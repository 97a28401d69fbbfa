/* Makes a session whose screen is known to the pixel: plain pictures of the video, patches over them, and notes to seek
 * to. Usage: patched_session FOLDER SEED [torn]; prints the content of the messages, one per line, as JSON. "torn": one
 * picture is invalid, and after it there are only keyframes; it is not printed.
 *
 * The pixel x, y of a patch is its colour, red xor x and green xor y. */

#include "capture/screen/encoder.h"
#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/study.pb-c.h"
#include "tests/harness/helpers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BEGIN_NS (1700000000 * NS_PER_S)
#define STEPS    100
#define KEYFRAME 25 /* interval in steps; size and encoder change half way */
#define NOTES    24
#define TORN     40 /* number of a step between two keyframes */
#define AREAS    3  /* maximum per message */

struct making {
	struct session_writer *writer;
	struct session_clock clock;
	struct annotations *notes;
	struct encoder *encoder;
	struct picture *picture;
	uint64_t random;
	int64_t time_ns;
	int width, height;
	bool torn;
};

static void must(bool good)
{
	if (!good)
		abort();
}

static int up_to(struct making *making, int most)
{
	return (int)((next_random(&making->random) >> 20) % (uint64_t)(most + 1));
}

static void push(struct making *making, uint16_t channel, const ProtobufCMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;

	must(packet_create(&packet, &making->clock,
		     &(struct packet_info){channel, 0, making->time_ns, 0}, message) == 0);
	must(session_writer_append(making->writer, packet) == 0);
}

/* ---- PNG ---- */

static void put_be32(struct buf *buf, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_put(buf, &(uint8_t){(uint8_t)(value >> shift)}, 1);
}

static void put_chunk(struct buf *buf, const char *type, const void *data, size_t size)
{
	put_be32(buf, (uint32_t)size);
	buf_put(buf, type, 4);
	buf_put(buf, data, size);
	put_be32(buf, mcap_crc(mcap_crc(0, type, 4), data, size));
}

/* zlib without compression: a block per row */
static void put_rows(struct buf *buf, int width, int height, uint32_t rgb)
{
	uint32_t a = 1, b = 0;
	uint16_t size = (uint16_t)(1 + 3 * width);

	buf_put(buf, "\x78\x01", 2);
	for (int y = 0; y < height; y++) {
		uint8_t head[6] = {y == height - 1, (uint8_t)size, (uint8_t)(size >> 8),
			(uint8_t)~size, (uint8_t)(~size >> 8), 0};

		buf_put(buf, head, sizeof(head));
		b += a; /* the filter byte is 0 */
		for (int x = 0; x < width; x++) {
			uint8_t pixel[3] = {(uint8_t)(rgb >> 16 ^ (uint32_t)x),
				(uint8_t)(rgb >> 8 ^ (uint32_t)y), (uint8_t)rgb};

			buf_put(buf, pixel, sizeof(pixel));
			for (int i = 0; i < 3; i++) {
				a = (a + pixel[i]) % 65521;
				b = (b + a) % 65521;
			}
		}
		b %= 65521;
	}
	put_be32(buf, b << 16 | a);
}

/* @param odd  its colour metadata differs much from the screen's: decoders must ignore it */
static void make_png(struct buf *ret, int width, int height, uint32_t rgb, bool odd)
{
	_cleanup_(buf_finish) struct buf head = {0}, rows = {0}, gamma = {0};

	put_be32(&head, (uint32_t)width);
	put_be32(&head, (uint32_t)height);
	buf_put(&head, "\x08\x02\x00\x00\x00", 5);
	put_be32(&gamma, 220000);
	put_rows(&rows, width, height, rgb);
	buf_put(ret, "\x89PNG\r\n\x1a\n", 8);
	put_chunk(ret, "IHDR", head.data, head.size_bytes);
	if (odd)
		put_chunk(ret, "gAMA", gamma.data, gamma.size_bytes);
	put_chunk(ret, "IDAT", rows.data, rows.size_bytes);
	put_chunk(ret, "IEND", NULL, 0);
	must(!ret->failed);
}

/* ---- messages ---- */

static void add_area(struct making *making, uint32_t area[4])
{
	for (int i = 0; i < 4; i++)
		area[i] = (uint32_t)up_to(
			making, i % 2 ? making->height - (i == 1) : making->width - (i == 0));
	for (int i = 0; i < 4; i++)
		printf("%s%u", i ? "," : "", area[i]);
}

static void add_patch(struct making *making, Uxrec__ScreenPatch *patch, struct buf *png)
{
	bool all = up_to(making, 30) == 0, broken = up_to(making, 8) == 0;
	int width = all ? making->width : 1 + up_to(making, making->width / 3);
	int height = all ? making->height : 1 + up_to(making, making->height / 3);
	uint32_t rgb = (uint32_t)next_random(&making->random) & 0xffffff;

	uxrec__screen_patch__init(patch);
	patch->x_px = all ? 0 : (uint32_t)up_to(making, making->width + 9);
	patch->y_px = all ? 0 : (uint32_t)up_to(making, making->height + 9);
	make_png(png, width, height, rgb, up_to(making, 1));
	if (broken)
		png->size_bytes = (size_t)up_to(making, 1) * 33;
	patch->png = (ProtobufCBinaryData){png->size_bytes, png->data};
	printf("{\"x\":%u,\"y\":%u,\"width\":%d,\"height\":%d,\"rgb\":%u,\"broken\":%s}",
		patch->x_px, patch->y_px, width, height, rgb, broken ? "true" : "false");
}

static void push_patches(struct making *making, int cleared, int laid)
{
	Uxrec__ScreenPatches patches = UXREC__SCREEN_PATCHES__INIT;
	Uxrec__ScreenPatch patch[AREAS], *list[AREAS];
	struct buf png[AREAS] = {0};
	uint32_t areas[4 * AREAS];

	printf("{\"t\":\"%" PRId64 "\",\"cleared\":[", making->time_ns);
	for (int i = 0; i < cleared; i++) {
		printf(i ? "," : "");
		add_area(making, areas + (size_t)4 * i);
	}
	printf("],\"patches\":[");
	for (int i = 0; i < laid; i++) {
		printf(i ? "," : "");
		list[i] = &patch[i];
		add_patch(making, &patch[i], &png[i]);
	}
	printf("]}\n");
	patches.cleared_px = areas;
	patches.n_cleared_px = (size_t)4 * cleared;
	patches.patches = list;
	patches.n_patches = (size_t)laid;
	push(making, CHANNEL_SCREEN_PATCHES, &patches.base);
	for (int i = 0; i < laid; i++)
		buf_finish(&png[i]);
}

static void paint(struct making *making, uint32_t rgb)
{
	size_t size = (size_t)making->width * making->height * 4;
	_autofree_ uint8_t *pixels = malloc(size);

	must(pixels != NULL);
	for (size_t i = 0; i < size; i++)
		pixels[i] = (uint8_t)(rgb >> i % 4 * 8);
	picture_put(making->picture, &(struct rect){0, 0, making->width, making->height}, pixels,
		making->width * 4);
}

static void push_picture(struct making *making, bool keyframe)
{
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;
	Uxrec__Keyframe mark = UXREC__KEYFRAME__INIT;
	struct encoded encoded;
	uint32_t rgb = 0;

	for (int i = 0; i < 3; i++)
		rgb = rgb << 8 | (uint32_t)(40 + 60 * up_to(making, 3));
	paint(making, rgb);
	must(encoder_encode(
		     making->encoder, making->picture, making->time_ns, keyframe, &encoded) == 0);
	must(encoded.keyframe == keyframe);
	if (keyframe)
		push(making, CHANNEL_SCREEN_KEYFRAMES, &mark.base);
	video.frame_id = (char *)"screen0";
	video.format = (char *)encoder_format(making->encoder);
	video.data.data = (uint8_t *)encoded.data;
	video.data.len = encoded.size_bytes;
	push(making, CHANNEL_SCREEN, &video.base);
	printf("{\"t\":\"%" PRId64 "\",\"key\":%s,\"width\":%d,\"height\":%d,\"rgb\":%u}\n",
		making->time_ns, keyframe ? "true" : "false", making->width, making->height, rgb);
}

static void push_torn(struct making *making)
{
	static uint8_t data[] = {0x32, 0x04, 0xff, 0xff, 0xff, 0xff};
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;

	video.frame_id = (char *)"screen0";
	video.format = (char *)encoder_format(making->encoder);
	video.data.data = data;
	video.data.len = sizeof(data);
	push(making, CHANNEL_SCREEN, &video.base);
	making->time_ns++;
}

static void set_size(
	struct making *making, int width, int height, const struct encoder_options *options)
{
	Uxrec__Screen info = UXREC__SCREEN__INIT;

	encoder_destroy(steal_ptr(making->encoder));
	picture_destroy(steal_ptr(making->picture));
	making->width = width;
	making->height = height;
	must(picture_create(&making->picture, width, height, options->chroma) == 0);
	must(encoder_create(&making->encoder, making->picture->width, making->picture->height,
		     options, NULL) == 0);
	info.width_px = (uint32_t)width;
	info.height_px = (uint32_t)height;
	info.grabber = (char *)"test";
	push(making, CHANNEL_SCREEN_INFO, &info.base);
}

static void push_keyframe(struct making *making)
{
	push_picture(making, true);
	if (up_to(making, 1))
		push_patches(making, 0, 1); /* not later than the keyframe: ignored */
	making->time_ns++;
	push_patches(making, 0, AREAS);
}

static void step(struct making *making, int number)
{
	static const struct encoder_options first = {"libaom-av1", 30, CHROMA_420};
	static const struct encoder_options second = {ENCODER_FALLBACK, 30, CHROMA_444};
	int kind = up_to(making, 5);

	making->time_ns += (15 + up_to(making, 40)) * NS_PER_MS + up_to(making, 999);
	if (making->torn && number == TORN)
		push_torn(making);
	if (making->torn && number >= TORN && number % KEYFRAME != 0 && kind <= 2)
		kind = 3;
	if (number % KEYFRAME == 0) {
		if (number == 0)
			set_size(making, 321, 201, &first);
		else if (number == STEPS / 2)
			set_size(making, 258, 160, &second);
		push_keyframe(making);
	} else if (kind == 0) {
		push_picture(making, false);
		/* in the same microsecond */
		making->time_ns++;
		push_picture(making, false);
	} else if (kind <= 2) {
		push_patches(making, 1 + up_to(making, AREAS - 1), up_to(making, AREAS));
		push_picture(making, false);
	} else {
		/* no recorder clears alone, but readers must accept it */
		push_patches(making, up_to(making, 9) == 0, 1 + up_to(making, AREAS - 1));
	}
}

static void add_notes(struct making *making, const int64_t *times, int count)
{
	for (int i = 0; i < NOTES; i++) {
		Uxrec__Act act = UXREC__ACT__INIT;
		Uxrec__Note note = UXREC__NOTE__INIT;
		char id[33];

		must(act_new_id(id) == 0);
		act.id = id;
		act.kind = UXREC__ACT__KIND__KIND_ADD;
		act.author = act.layer = (char *)"live";
		act.body_case = UXREC__ACT__BODY_NOTE;
		act.note = &note;
		note.text = (char *)"look";
		/* at it, right before it, or some time after it */
		note.media_ns = times[1 + up_to(making, count - 2)] +
			(i % 3 == 0                  ? 0
					: i % 3 == 1 ? -1
						     : up_to(making, 20) * NS_PER_MS);
		must(annotations_append(making->notes, &act, NULL, NULL) == 0);
		printf("{\"note\":\"%" PRId64 "\"}\n", note.media_ns);
	}
}

int main(int argc, char **argv)
{
	struct making making = {.random = argc >= 3 ? strtoull(argv[2], NULL, 10) : 0,
		.time_ns = BEGIN_NS,
		.torn = argc == 4 && strcmp(argv[3], "torn") == 0};
	Uxrec__Study study = UXREC__STUDY__INIT;
	_autofree_ char *recording = NULL, *notes = NULL;
	int64_t times[STEPS];

	if (making.random == 0)
		return 2;
	must(asprintf(&recording, "%s/recording-0001.mcap", argv[1]) > 0);
	must(asprintf(&notes, "%s/annotations.mcap", argv[1]) > 0);
	must(mkdir(argv[1], 0700) == 0);
	must(session_writer_create(&making.writer, recording, SESSION_WRITER_RECORDING) == 0);
	must(annotations_open(&making.notes, notes, true, NULL) == 0);
	push(&making, CHANNEL_STUDY, &study.base);
	for (int i = 0; i < STEPS; i++) {
		step(&making, i);
		times[i] = making.time_ns;
	}
	add_notes(&making, times, STEPS);
	must(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
	annotations_destroy(making.notes);
	encoder_destroy(making.encoder);
	picture_destroy(making.picture);
	return 0;
}
