#include "tests/harness/helpers.h"

#include "capture/screen/encoder.h"
#include "capture/screen/screen.h"
#include "capture/x11/x11.h"
#include "protocol/base/clock.h"
#include "protocol/base/queue.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"

#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct encoder_options software = {ENCODER_FALLBACK, 30, CHROMA_420};

/* ---- pictures ---- */

static void odd_edges_are_whole(void)
{
	_destroy_(picture) struct picture *picture = NULL;
	const struct rect corner = {2, 4, 3, 1};
	uint8_t pixels[3 * 4];

	check(picture_create(&picture, 5, 5, CHROMA_420) == 0);
	expect(picture->width == 6 && picture->height == 6);
	memset(pixels, 0xff, sizeof(pixels));
	picture_put(picture, &corner, pixels, 12);
	/* white is 235; the doubled column and row are white too, all else is black */
	for (int y = 0; y < 6; y++)
		for (int x = 0; x < 6; x++)
			check(picture->y[y * picture->stride_y + x] ==
				(x >= 2 && y >= 4 ? 235 : 16));
}

static void odd_edges_have_their_colour(void)
{
	_destroy_(picture) struct picture *picture = NULL;
	const struct rect corner = {4, 4, 1, 1};
	const uint8_t red[4] = {0, 0, 255, 255};
	ptrdiff_t at;

	check(picture_create(&picture, 5, 5, CHROMA_444) == 0);
	picture_put(picture, &corner, red, 4);
	for (int y = 4; y < 6; y++)
		for (int x = 4; x < 6; x++) {
			at = (ptrdiff_t)y * picture->stride_uv + x;
			check(picture->u[at] < 100 && picture->v[at] > 200);
		}
	at = (ptrdiff_t)3 * picture->stride_uv + 3;
	check(picture->u[at] == 128 && picture->v[at] == 128);
}

/* both match their colour tags */
static void both_chromas_have_one_matrix(void)
{
	_destroy_(picture) struct picture *half = NULL;
	_destroy_(picture) struct picture *whole = NULL;
	const struct rect all = {0, 0, 32, 2};
	uint8_t pixels[2 * 32 * 4];

	check(picture_create(&half, 32, 2, CHROMA_420) == 0);
	check(picture_create(&whole, 32, 2, CHROMA_444) == 0);
	for (int colour = 0; colour < 64; colour++) {
		for (size_t i = 0; i < sizeof(pixels); i++)
			pixels[i] = (uint8_t)(85 * (colour >> 2 * (i % 4) & 3));
		picture_put(half, &all, pixels, 32 * 4);
		picture_put(whole, &all, pixels, 32 * 4);
		expect(abs(half->y[9] - whole->y[9]) <= 1);
		expect(abs(half->u[9] - whole->u[9]) <= 1);
		expect(abs(half->v[9] - whole->v[9]) <= 1);
	}
}

static void jpeg_is_made(void)
{
	for (enum chroma chroma = 0; chroma < CHROMA_COUNT; chroma++) {
		_destroy_(picture) struct picture *picture = NULL, *small = NULL;
		uint8_t *jpeg;
		int64_t size;

		check(picture_create(&picture, 1920, 1080, chroma) == 0);
		check(picture_scale(&small, picture, 640) == 0);
		expect(small->width == 640 && small->height == 360);
		size = encode_jpeg(small, &jpeg);
		check(size > 100);
		expect(jpeg[0] == 0xff && jpeg[1] == 0xd8 && jpeg[size - 2] == 0xff &&
			jpeg[size - 1] == 0xd9);
		free(jpeg);
	}
}

/* ---- encoding, checked with a decoder ---- */

struct decoder {
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
};

static struct decoder decoder_open(enum AVCodecID id)
{
	struct decoder decoder = {
		.codec = avcodec_alloc_context3(avcodec_find_decoder(id)),
		.packet = av_packet_alloc(),
		.frame = av_frame_alloc(),
	};

	check(decoder.codec && decoder.packet && decoder.frame);
	decoder.codec->thread_count = 1;
	decoder.codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
	check(avcodec_open2(decoder.codec, NULL, NULL) == 0);
	return decoder;
}

static void decoder_close(struct decoder *decoder)
{
	avcodec_free_context(&decoder->codec);
	av_packet_free(&decoder->packet);
	av_frame_free(&decoder->frame);
}

/* one picture in, one picture out without delay */
static void decode(struct decoder *decoder, const unsigned char *data, size_t size)
{
	check(av_new_packet(decoder->packet, (int)size) == 0);
	memcpy(decoder->packet->data, data, size);
	check(avcodec_send_packet(decoder->codec, decoder->packet) == 0);
	av_packet_unref(decoder->packet);
	check(avcodec_receive_frame(decoder->codec, decoder->frame) == 0);
}

static bool has_nal(const unsigned char *data, size_t size, int type)
{
	for (size_t i = 0; i + 3 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 &&
			(data[i + 3] & 31) == type)
			return true;
	return false;
}

/* AV1 specification, 5.3.2 */
static bool has_obu(const unsigned char *data, size_t size, int type)
{
	for (size_t i = 0; i < size;) {
		size_t length = 0;
		bool found = (data[i] >> 3 & 15) == type;

		check((data[i] & 0x86) == 2);
		for (int shift = 0; i++, shift < 28; shift += 7) {
			length |= (size_t)(data[i] & 127) << shift;
			if (data[i] < 128)
				break;
		}
		i += 1 + length;
		check(i <= size);
		if (found)
			return true;
	}
	return false;
}

/* ---- SPS: ITU-T H.264, 7.3.2.1.1 and E.1.1 ---- */

struct bits {
	uint8_t data[256]; /* without emulation prevention bytes */
	size_t count, at;  /* bits */
};

static uint32_t take_bits(struct bits *bits, int count)
{
	uint32_t value = 0;

	check(bits->at + (size_t)count <= bits->count);
	for (; count > 0; count--, bits->at++)
		value = value << 1 | (bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1);
	return value;
}

/* an Exp-Golomb code; signed ones have the same length */
static uint32_t take_ue(struct bits *bits)
{
	int zeros = 0;

	while (take_bits(bits, 1) == 0)
		zeros++;
	check(zeros < 32);
	return (uint32_t)((UINT64_C(1) << zeros) - 1) + take_bits(bits, zeros);
}

static void take_ues(struct bits *bits, int count)
{
	for (int i = 0; i < count; i++)
		take_ue(bits);
}

/* @return the SPS after its start code */
static struct bits find_sps(const unsigned char *data, size_t size)
{
	struct bits sps = {.count = 0};
	size_t i = 0, length = 0;

	while (i + 3 < size &&
		(data[i] || data[i + 1] || data[i + 2] != 1 || (data[i + 3] & 31) != 7))
		i++;
	for (i += 4; i + 2 < size && length < sizeof(sps.data); i++) {
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1)
			break;
		if (i >= 2 && data[i - 2] == 0 && data[i - 1] == 0 && data[i] == 3)
			continue;
		sps.data[length++] = data[i];
	}
	sps.count = length * 8;
	check(length > 8);
	return sps;
}

/* skip to the VUI. @return true if present */
static bool pass_to_vui(struct bits *sps)
{
	uint32_t profile = take_bits(sps, 8), order;

	take_bits(sps, 16); /* constraints, level */
	take_ue(sps);
	if (profile == 100 || profile == 244) {
		uint32_t chroma = take_ue(sps);

		check(chroma == 1 || chroma == 3);
		if (chroma == 3)
			check(take_bits(sps, 1) == 0); /* no separate colour planes */
		take_ues(sps, 2);
		take_bits(sps, 1);
		check(take_bits(sps, 1) == 0); /* no scaling matrix */
	} else {
		check(profile == 66 || profile == 77);
	}
	take_ue(sps);
	order = take_ue(sps);
	check(order != 1);
	if (order == 0)
		take_ue(sps);
	take_ue(sps);
	take_bits(sps, 1);
	take_ues(sps, 2);              /* picture size */
	check(take_bits(sps, 1) == 1); /* frames only */
	take_bits(sps, 1);
	if (take_bits(sps, 1))
		take_ues(sps, 4); /* cropping */
	return take_bits(sps, 1);
}

/* @return max_num_reorder_frames, or -1 if absent: then a decoder may wait for more pictures */
static int most_reordered(const unsigned char *data, size_t size)
{
	struct bits sps = find_sps(data, size);

	if (!pass_to_vui(&sps))
		return -1;
	if (take_bits(&sps, 1) && take_bits(&sps, 8) == 255) /* sample aspect ratio */
		take_bits(&sps, 32);
	if (take_bits(&sps, 1)) /* overscan */
		take_bits(&sps, 1);
	if (take_bits(&sps, 1) && take_bits(&sps, 5) & 1) /* signal type, colours */
		take_bits(&sps, 24);
	if (take_bits(&sps, 1)) /* chroma location */
		take_ues(&sps, 2);
	if (take_bits(&sps, 1)) { /* timing */
		take_bits(&sps, 32);
		take_bits(&sps, 32);
		take_bits(&sps, 1);
	}
	check(take_bits(&sps, 2) == 0); /* no HRD */
	take_bits(&sps, 1);
	if (!take_bits(&sps, 1)) /* bitstream_restriction_flag */
		return -1;
	take_bits(&sps, 1);
	take_ues(&sps, 4);
	return (int)take_ue(&sps);
}

/* every keyframe has all headers a decoder needs, and other pictures have none */
static void expect_header(const struct encoder *encoder, const struct encoded *encoded)
{
	if (strcmp(encoder_format(encoder), "av1") == 0) {
		expect(has_obu(encoded->data, encoded->size_bytes, 1) == encoded->keyframe);
		return;
	}
	expect(has_nal(encoded->data, encoded->size_bytes, 5) == encoded->keyframe);
	expect(has_nal(encoded->data, encoded->size_bytes, 7) == encoded->keyframe);
	expect(has_nal(encoded->data, encoded->size_bytes, 8) == encoded->keyframe);
	/* and must not reorder pictures */
	if (encoded->keyframe)
		expect(most_reordered(encoded->data, encoded->size_bytes) == 0);
}

static void paint(struct picture *picture, int step)
{
	uint8_t pixels[64 * 32 * 4];
	const struct rect rect = {16 + 4 * step, 32, 64, 32};

	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)((i / 4 % 64) * 4);
	picture_put(picture, &rect, pixels, 64 * 4);
}

static void expect_one_out(const struct encoder_options *options, enum AVCodecID id)
{
	_destroy_(encoder) struct encoder *encoder = NULL;
	_destroy_(picture) struct picture *picture = NULL;
	_cleanup_(decoder_close) struct decoder decoder = decoder_open(id);
	struct error error;

	check(picture_create(&picture, 322, 181, options->chroma) == 0);
	check(encoder_create(&encoder, picture->width, picture->height, options, &error) == 0);
	for (int i = 0; i < 30; i++) {
		bool keyframe = i == 0 || i == 17;
		struct encoded encoded;
		double difference = 0;

		paint(picture, i);
		check(encoder_encode(encoder, picture, i * 33 * NS_PER_MS, keyframe, &encoded) ==
			0);
		expect(encoded.keyframe == keyframe);
		expect_header(encoder, &encoded);
		decode(&decoder, encoded.data, encoded.size_bytes);
		check(decoder.frame->width == 322 && decoder.frame->height == 182);
		for (int y = 0; y < 182; y++)
			for (int x = 0; x < 322; x++)
				difference += abs(
					decoder.frame->data[0][y * decoder.frame->linesize[0] + x] -
					picture->y[y * picture->stride_y + x]);
		expect(difference / (322 * 182) < 2);
	}
	expect(decoder.codec->colorspace == AVCOL_SPC_SMPTE170M);
	expect(decoder.codec->color_range == AVCOL_RANGE_MPEG);
	expect(decoder.codec->pix_fmt ==
		(options->chroma == CHROMA_444 ? AV_PIX_FMT_YUV444P : AV_PIX_FMT_YUV420P));
}

static void one_picture_in_one_out(void)
{
	for (enum chroma chroma = 0; chroma < CHROMA_COUNT; chroma++) {
		expect_one_out(
			&(struct encoder_options){ENCODER_FALLBACK, 30, chroma}, AV_CODEC_ID_H264);
		expect_one_out(
			&(struct encoder_options){"libaom-av1", 30, chroma}, AV_CODEC_ID_AV1);
	}
}

#define SIDE 64

/* red of a line one pixel wide, on blue, after coding */
static int red_of_a_line(const char *name, enum AVCodecID id, enum chroma chroma)
{
	_destroy_(encoder) struct encoder *encoder = NULL;
	_destroy_(picture) struct picture *picture = NULL;
	_cleanup_(decoder_close) struct decoder decoder = decoder_open(id);
	const struct encoder_options options = {name, 30, chroma};
	const struct rect all = {0, 0, SIDE, SIDE};
	uint8_t pixels[SIDE * SIDE * 4] = {0};
	struct encoded encoded;
	int shift = chroma == CHROMA_420;

	for (int i = 0; i < SIDE * SIDE; i++)
		pixels[4 * i + (i % SIDE == SIDE / 2 ? 2 : 0)] = 255;
	check(picture_create(&picture, SIDE, SIDE, chroma) == 0);
	check(encoder_create(&encoder, SIDE, SIDE, &options, NULL) == 0);
	picture_put(picture, &all, pixels, SIDE * 4);
	check(encoder_encode(encoder, picture, 0, true, &encoded) == 0);
	decode(&decoder, encoded.data, encoded.size_bytes);
	return decoder.frame->data[2][(ptrdiff_t)(SIDE / 2 >> shift) * decoder.frame->linesize[2] +
		(SIDE / 2 >> shift)];
}

/* source red is 240, on a blue background 110 */
static void a_line_keeps_its_colour(void)
{
	expect(red_of_a_line("libx264", AV_CODEC_ID_H264, CHROMA_444) > 225);
	expect(red_of_a_line("libaom-av1", AV_CODEC_ID_AV1, CHROMA_444) > 225);
	expect(red_of_a_line("libx264", AV_CODEC_ID_H264, CHROMA_420) < 200);
	expect(red_of_a_line("libaom-av1", AV_CODEC_ID_AV1, CHROMA_420) < 200);
}

static void what_cannot_be_had_is_said(void)
{
	struct encoder *encoder = NULL;
	struct error error;

	check(encoder_create(&encoder, 64, 64,
		      &(struct encoder_options){"h264_vaapi", 30, CHROMA_444}, &error) < 0);
	expect(strstr(error.text, "4:4:4") != NULL);
	/* but auto finds one that can */
	check(encoder_create(&encoder, 64, 64, &(struct encoder_options){"auto", 30, CHROMA_444},
		      &error) == 0);
	expect(strcmp(encoder_format(encoder), "h264") == 0);
	encoder_destroy(encoder);
}

static void times_may_stand_still(void)
{
	_destroy_(encoder) struct encoder *encoder = NULL;
	_destroy_(picture) struct picture *picture = NULL;
	struct encoded encoded;

	check(picture_create(&picture, 64, 64, CHROMA_420) == 0);
	check(encoder_create(&encoder, 64, 64, &software, NULL) == 0);
	for (int i = 0; i < 5; i++)
		check(encoder_encode(encoder, picture, 1000, false, &encoded) == 0);
}

/* ---- the screen source with its test picture ---- */

struct memory_sink {
	struct packet_sink base;
	struct queue *queue;
};

static void sink_push(struct packet_sink *sink, struct packet *packet)
{
	if (queue_push(((struct memory_sink *)sink)->queue, packet, 0, true) < 0)
		packet_unref(packet);
}

static void never_lost(void *user, struct source *source, const char *reason)
{
	(void)source;
	(void)reason;
	*(bool *)user = true;
}

static struct packet *next_of(struct memory_sink *sink, uint16_t channel)
{
	for (;;) {
		struct packet *packet = queue_pop(sink->queue, clock_now_ns() + 20 * NS_PER_S);

		check(packet != NULL);
		if (packet->channel == channel)
			return packet;
		packet_unref(packet);
	}
}

/* of the video or the patches */
static struct packet *next_picture(struct memory_sink *sink)
{
	for (;;) {
		struct packet *packet = queue_pop(sink->queue, clock_now_ns() + 20 * NS_PER_S);

		check(packet != NULL);
		if (channel_is_picture(packet->channel))
			return packet;
		packet_unref(packet);
	}
}

static uint32_t counter_of(const AVFrame *frame)
{
	uint32_t counter = 0;

	for (int bit = 0; bit < 32; bit++)
		counter = counter << 1 |
			(frame->data[0][8 * frame->linesize[0] + bit * 16 + 8] > 128);
	return counter;
}

static void screen_source_pushes_every_change(void)
{
	_cleanup_(decoder_close) struct decoder decoder = decoder_open(AV_CODEC_ID_H264);
	struct memory_sink sink = {{sink_push}, NULL};
	struct session_clock clock;
	bool lost = false;
	const struct source_context context = {
		.clock = &clock, .sink = &sink.base, .failed = never_lost, .user = &lost};
	const struct screen_options options = {.grabber = "test", .encoder = "auto", .max_fps = 30};
	struct source *source;
	int64_t before_ns = 0;
	uint32_t counter = 0;

	check(queue_create(&sink.queue, SIZE_MAX, false) == 0);
	session_clock_init(&clock);
	check(screen_source_create(&source, &context, &options, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		_packet_unref_ struct packet *packet = next_of(&sink, CHANNEL_SCREEN);
		Foxglove__CompressedVideo *video = foxglove__compressed_video__unpack(
			NULL, packet_data_size(packet), packet_data(packet));

		check(video && strcmp(video->format, "h264") == 0);
		decode(&decoder, video->data.data, video->data.len);
		if (i > 0)
			expect(counter_of(decoder.frame) > counter);
		counter = counter_of(decoder.frame);
		expect(packet->time_ns > before_ns);
		expect(video->timestamp->seconds * NS_PER_S + video->timestamp->nanos ==
			packet->time_ns);
		expect((i == 0) == ((packet->flags & PACKET_KEYFRAME) != 0));
		before_ns = packet->time_ns;
		foxglove__compressed_video__free_unpacked(video, NULL);
	}
	/* pictures before the watermark are pushed first */
	for (int i = 0; i < 20; i++) {
		int64_t complete_ns =
			session_clock_at(&clock, source_watermark(source, clock_now_ns()));
		struct packet *packet;

		while ((packet = queue_pop(sink.queue, 0)))
			packet_unref(packet);
		packet = next_picture(&sink);
		expect(packet->time_ns > complete_ns);
		packet_unref(packet);
	}
	source_request_keyframe(source);
	for (int i = 0;; i++) {
		_packet_unref_ struct packet *packet = next_of(&sink, CHANNEL_SCREEN);

		check(i < 3);
		if (packet->flags & PACKET_KEYFRAME)
			break;
	}
	source_destroy(source);
	expect(!lost);
	queue_set_drop(sink.queue, (void (*)(void *))packet_unref);
	queue_destroy(sink.queue);
}

static void server_times_are_mapped(void)
{
	int64_t now_ns = (INT64_C(0x1ffffffff) + 5) * NS_PER_MS + 700000; /* after wrapping */

	expect(x11_time_ns(4, now_ns) == now_ns - 700000);
	expect(x11_time_ns(0xffffffffu, now_ns) == now_ns - 700000 - 5 * NS_PER_MS);
	expect(x11_time_ns(6, now_ns) <= now_ns);      /* slightly in the future: now */
	expect(x11_time_ns(900000, now_ns) == now_ns); /* another clock */
}

static const struct test tests[] = {
	{"odd edges are doubled", odd_edges_are_whole},
	{"the moderator's picture is a JPEG", jpeg_is_made},
	{"odd edges have their colour", odd_edges_have_their_colour},
	{"a colour is the same with half the chroma and with all", both_chromas_have_one_matrix},
	{"one picture in gives one picture out, and it is the same", one_picture_in_one_out},
	{"a line of one pixel keeps its colour in 4:4:4, and not in 4:2:0",
		a_line_keeps_its_colour},
	{"VA-API refuses 4:4:4", what_cannot_be_had_is_said},
	{"equal timestamps do not stop the encoder", times_may_stand_still},
	{"a screen source pushes every change, and its watermark stays below pending pictures",
		screen_source_pushes_every_change},
	{"server times become CLOCK_MONOTONIC", server_times_are_mapped},
};

int main(void)
{
	return RUN_TESTS("capture", tests);
}
