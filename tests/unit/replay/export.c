/* Content of an exported film: each picture in its size, at its time, with its overlays. */

#include "tests/harness/helpers.h"

#include "capture/screen/encoder.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/base/jail.h"
#include "replay/decode/sound_decode.h"
#include "replay/export/export.h"
#include "replay/export/tone.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define AT(ms)   (BEGIN_NS + (int64_t)(ms)*NS_PER_MS)

/* ---- a session ---- */

struct making {
	char *path;
	struct session_writer *writer;
	struct session_clock clock;
	struct encoder *encoder;
	struct picture *picture;
	int width, height;
};

static void begin(struct making *making, const char *name)
{
	*making = (struct making){.path = temporary_path(name)};
	check(session_writer_create(&making->writer, making->path, SESSION_WRITER_RECORDING) == 0);
}

static struct session *end(struct making *making)
{
	struct session *session;

	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(making->writer);
	encoder_destroy(making->encoder);
	picture_destroy(making->picture);
	check(session_open_path(&session, making->path, NULL) == 0);
	free(making->path);
	return session;
}

static void push(
	struct making *making, uint16_t channel, int64_t ms, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, AT(ms), message);
}

/* @param max_fps  goes into the SPS */
static void push_screen(struct making *making, int64_t ms, int width, int height, int max_fps)
{
	Uxrec__Screen screen = UXREC__SCREEN__INIT;

	encoder_destroy(making->encoder);
	picture_destroy(making->picture);
	making->width = width;
	making->height = height;
	check(picture_create(&making->picture, width, height, CHROMA_420) == 0);
	check(encoder_create(&making->encoder, making->picture->width, making->picture->height,
		      &(struct encoder_options){ENCODER_FALLBACK, max_fps, CHROMA_420}, NULL) == 0);
	screen.width_px = (uint32_t)width;
	screen.height_px = (uint32_t)height;
	push(making, CHANNEL_SCREEN_INFO, ms, &screen.base);
}

/* all of one gray; @p copied_ms: delay of the copy */
static void push_gray(struct making *making, int64_t ms, int copied_ms, uint8_t gray, bool keyframe)
{
	const struct rect all = {0, 0, making->width, making->height};
	const struct packet_info info = {CHANNEL_SCREEN, 0, AT(ms), AT(ms + copied_ms)};
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;
	Uxrec__Keyframe mark = UXREC__KEYFRAME__INIT;
	static uint8_t pixels[320 * 200 * 4];
	_packet_unref_ struct packet *packet = NULL;
	struct encoded encoded;

	memset(pixels, gray, sizeof(pixels));
	picture_put(making->picture, &all, pixels, making->width * 4);
	check(encoder_encode(making->encoder, making->picture, AT(ms), keyframe, &encoded) == 0);
	check(encoded.keyframe == keyframe);
	if (keyframe)
		push(making, CHANNEL_SCREEN_KEYFRAMES, ms, &mark.base);
	video.format = (char *)"h264";
	video.data.data = (uint8_t *)encoded.data;
	video.data.len = encoded.size_bytes;
	check(packet_create(&packet, &making->clock, &info, &video.base) == 0);
	check(session_writer_append(making->writer, packet) == 0);
}

/* ---- a film, decoded ---- */

struct film {
	AVFormatContext *in;
	AVCodecContext *decoder;
	AVFrame *frames[200];
	int64_t ms[200];
	int count;
};

static void take_frames(struct film *film)
{
	AVRational base = film->in->streams[0]->time_base;
	AVFrame *frame = av_frame_alloc();

	while (avcodec_receive_frame(film->decoder, frame) == 0) {
		check(film->count < (int)ARRAY_SIZE(film->frames));
		film->ms[film->count] = av_rescale_q(frame->pts, base, (AVRational){1, 1000});
		film->frames[film->count++] = frame;
		frame = av_frame_alloc();
	}
	av_frame_free(&frame);
}

static void film_open(struct film *film, const char *path)
{
	AVPacket *packet = av_packet_alloc();

	*film = (struct film){0};
	check(avformat_open_input(&film->in, path, NULL, NULL) == 0);
	check(film->in->nb_streams == 1);
	film->decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	check(avcodec_parameters_to_context(film->decoder, film->in->streams[0]->codecpar) == 0);
	film->decoder->thread_count = 1;
	check(avcodec_open2(film->decoder, NULL, NULL) == 0);
	while (av_read_frame(film->in, packet) == 0) {
		check(avcodec_send_packet(film->decoder, packet) == 0);
		av_packet_unref(packet);
		take_frames(film);
	}
	avcodec_send_packet(film->decoder, NULL);
	take_frames(film);
	av_packet_free(&packet);
}

static void film_close(struct film *film)
{
	for (int i = 0; i < film->count; i++)
		av_frame_free(&film->frames[i]);
	avcodec_free_context(&film->decoder);
	avformat_close_input(&film->in);
}

static void export_film(struct film *film, const struct session *session, enum export_format format,
	int64_t to_ns, unsigned draw)
{
	static const struct bleeps none;
	const struct export_options options = {.format = format,
		.from_ns = INT64_MIN,
		.to_ns = to_ns,
		.bleeps = &none,
		.draw = draw};
	_autofree_ char *path = temporary_path("film");

	unlink(path);
	check(session_export(session, path, &options, NULL, NULL) == 0);
	film_open(film, path);
}

/* luma of BT.601, limited range */
static int luma_of(int gray)
{
	return 16 + gray * 219 / 255;
}

static bool is_gray(const AVFrame *frame, int gray)
{
	int found = frame->data[0][frame->height / 2 * frame->linesize[0] + frame->width / 2];

	return found >= luma_of(gray) - 3 && found <= luma_of(gray) + 3;
}

/* ---- stream copy ---- */

struct shown {
	int ms, copied_ms, gray, width, height;
	bool keyframe;
};

static void expect_film(const struct film *film, const struct shown *shown, int count)
{
	/* Matroska repeats the last one */
	check(film->count == count ||
		(film->count == count + 1 && is_gray(film->frames[count], shown[count - 1].gray)));
	for (int i = 0; i < count; i++) {
		expect(film->ms[i] == shown[i].ms);
		expect(film->frames[i]->width == shown[i].width &&
			film->frames[i]->height == shown[i].height);
		expect(is_gray(film->frames[i], shown[i].gray));
	}
}

static void sizes_and_encoders_may_change(void)
{
	static const struct shown shown[] = {
		{0, 5, 40, 320, 200, true},
		{200, 5, 60, 320, 200, false},
		{1000, 5, 80, 200, 120, true}, /* another size */
		{1200, 5, 100, 200, 120, false},
		{2000, 5, 120, 200, 120, true}, /* another encoder */
		{2200, 400, 140, 200, 120, false},
	};
	_destroy_(session) struct session *session = NULL;
	struct making making;
	struct film film;

	begin(&making, "sizes.mcap");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		if (shown[i].keyframe)
			push_screen(&making, shown[i].ms, shown[i].width, shown[i].height,
				i < 4 ? 30 : 60);
		push_gray(&making, shown[i].ms, shown[i].copied_ms, (uint8_t)shown[i].gray,
			shown[i].keyframe);
	}
	session = end(&making);
	for (enum export_format format = EXPORT_MKV; format <= EXPORT_MP4; format++) {
		export_film(&film, session, format, INT64_MAX, 0);
		expect_film(&film, shown, 6);
		film_close(&film);
		/* pictures copied after the end are not in it, wherever they begin */
		export_film(&film, session, format, AT(2500), 0);
		expect_film(&film, shown, 5);
		film_close(&film);
	}
	/* encoded again all have one size; the end is kept too */
	export_film(&film, session, EXPORT_MKV, AT(2500), DRAWING_PATCHES);
	check(film.count > 5);
	for (int i = 0; i < film.count; i++) {
		expect(film.frames[i]->width == 320 && film.frames[i]->height == 200);
		expect(!is_gray(film.frames[i], 140));
	}
	expect(is_gray(film.frames[0], 40) && is_gray(film.frames[film.count - 1], 120));
	film_close(&film);
}

/* ---- gaps and durations ---- */

static bool is_blank(const AVFrame *frame)
{
	int corner = frame->data[0][4 * frame->linesize[0] + 4];

	return abs(corner - luma_of(26)) <= 3;
}

static void push_pause(struct making *making, int64_t from_ms, int64_t to_ms)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = UXREC__GAP__REASON__REASON_PAUSE;
	gap.from_ns = AT(from_ms);
	gap.to_ns = AT(to_ms);
	push(making, CHANNEL_GAPS, from_ms, &gap.base);
}

/* the newest one at a time */
static const AVFrame *frame_at(const struct film *film, int64_t ms)
{
	int i = film->count - 1;

	while (i > 0 && film->ms[i] > ms)
		i--;
	return film->frames[i];
}

static void a_pause_has_no_picture(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	struct film film;
	const unsigned draw[] = {0, 0, DRAWING_PATCHES};
	const enum export_format formats[] = {EXPORT_MKV, EXPORT_MP4, EXPORT_MKV};

	begin(&making, "paused.mcap");
	push_screen(&making, 0, 320, 200, 30);
	push_gray(&making, 0, 5, 60, true);
	push_pause(&making, 500, 1500);
	push_gray(&making, 510, 5, 70, false); /* was in flight */
	push_gray(&making, 1600, 5, 140, true);
	push_gray(&making, 2200, 5, 150, false);
	push_pause(&making, 2500, 3500);
	session = end(&making);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		export_film(&film, session, formats[i], AT(3500), draw[i]);
		expect(is_gray(frame_at(&film, 450), 60));
		expect(is_blank(frame_at(&film, 550)) && is_blank(frame_at(&film, 1500)));
		expect(is_gray(frame_at(&film, 1650), 140) && is_gray(frame_at(&film, 2300), 150));
		expect(is_blank(frame_at(&film, 2550)));
		film_close(&film);
	}
}

/* One picture at the begin, and another message seconds later. */
static void the_last_picture_lasts_to_the_end(void)
{
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;
	_destroy_(session) struct session *session = NULL;
	struct making making;
	struct film film;

	begin(&making, "static.mcap");
	push_screen(&making, 0, 320, 200, 30);
	push_gray(&making, 0, 5, 60, true);
	push_gray(&making, 100, 5, 90, false);
	policy.level = UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES;
	push(&making, CHANNEL_KEY_POLICY, 8000, &policy.base);
	session = end(&making);
	for (enum export_format format = EXPORT_MKV; format <= EXPORT_MP4; format++) {
		export_film(&film, session, format, INT64_MAX, 0);
		expect(film.in->duration >= 7900 * (AV_TIME_BASE / 1000));
		if (format == EXPORT_MKV)
			expect(film.count == 3 && film.ms[2] > 7900);
		expect(is_gray(film.frames[film.count - 1], 90));
		film_close(&film);
	}
}

/* 1 within 0, 3 within 2, which continues; 4 begins at the end of 2 */
static void chapters_follow_each_other(void)
{
	static const struct {
		int64_t from_ns, to_ns;
	} spans[] = {{5, 10}, {6, 8}, {20, 30}, {22, 25}, {30, 32}, {31, 31}};
	static const struct {
		int64_t from_ns, to_ns;
		const char *title;
	} wanted[] = {{0, 5, "(no task)"}, {5, 6, "0"}, {6, 8, "1"}, {8, 10, "0"},
		{10, 20, "(no task)"}, {20, 22, "2"}, {22, 25, "3"}, {25, 30, "2"}, {30, 31, "4"}};
	static const char *const titles[] = {"0", "1", "2", "3", "4", "5"};
	Uxrec__Attempt attempts[ARRAY_SIZE(spans)];
	struct chapter list[ARRAY_SIZE(spans)];
	struct chapters nested = {list, ARRAY_SIZE(spans)}, flat;

	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		list[i] = (struct chapter){
			spans[i].from_ns, spans[i].to_ns, (char *)titles[i], &attempts[i]};
	check(chapters_flatten(&flat, &nested, 0, 31) == 0);
	check(flat.count == ARRAY_SIZE(wanted));
	for (size_t i = 0; i < flat.count; i++) {
		expect(flat.list[i].from_ns == wanted[i].from_ns &&
			flat.list[i].to_ns == wanted[i].to_ns);
		expect(strcmp(flat.list[i].title, wanted[i].title) == 0);
	}
	chapters_finish(&flat);
	check(chapters_flatten(&flat, &nested, 33, 40) == 0);
	expect(flat.count == 0);
}

/* ---- overlays ---- */

#define GRAY 100

static void push_what_was_done(struct making *making)
{
	static uint8_t rgba[16 * 16 * 4];
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;
	Uxrec__PointerShape shape = UXREC__POINTER_SHAPE__INIT;
	Uxrec__PointerBatch where = UXREC__POINTER_BATCH__INIT;
	Uxrec__ControlBatch click = UXREC__CONTROL_BATCH__INIT;
	Uxrec__KeyClassBatch key = UXREC__KEY_CLASS_BATCH__INIT;
	Uxrec__Control control = UXREC__CONTROL__CONTROL_BUTTON_LEFT;
	Uxrec__KeyClass key_class = UXREC__KEY_CLASS__KEY_CLASS_LETTER;
	Uxrec__KeyAction action = UXREC__KEY_ACTION__KEY_ACTION_PRESS;
	uint32_t zero = 0;
	int32_t x = 200, y = 80, one = 1;

	for (size_t i = 0; i < sizeof(rgba); i += 4)
		memcpy(&rgba[i], (uint8_t[]){255, 0, 0, 255}, 4);
	policy.level = UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES;
	push(making, CHANNEL_KEY_POLICY, 0, &policy.base);
	shape.width_px = shape.height_px = 16;
	shape.rgba = (ProtobufCBinaryData){sizeof(rgba), rgba};
	push(making, CHANNEL_POINTER_SHAPE, 10, &shape.base);
	where.n_dt_us = where.n_x_px = where.n_y_px = 1;
	where.dt_us = &zero;
	where.x_px = &x;
	where.y_px = &y;
	push(making, CHANNEL_POINTER, 500, &where.base);
	click.n_dt_us = click.n_control = click.n_value = 1;
	click.dt_us = &zero;
	click.control = &control;
	click.value = &one;
	push(making, CHANNEL_CONTROLS, 1500, &click.base);
	key.n_dt_us = key.n_key_class = key.n_action = key.n_buttons_before = 1;
	key.dt_us = key.buttons_before = &zero;
	key.key_class = &key_class;
	key.action = &action;
	push(making, CHANNEL_KEY_CLASSES, 2500, &key.base);
}

/* number of pixels of an area that differ from the screen's gray in luma or chroma */
static int drawn(const AVFrame *frame, int x, int y, int width, int height)
{
	int count = 0;

	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++) {
			int luma = frame->data[0][row * frame->linesize[0] + column];
			int red = frame->data[2][row / 2 * frame->linesize[2] + column / 2];

			count += abs(luma - luma_of(GRAY)) > 12 || abs(red - 128) > 12;
		}
	return count;
}

static void what_was_done_is_seen_where_it_was_done(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	struct film film;
	const AVFrame *frame;

	begin(&making, "done.mcap");
	push_screen(&making, 0, 320, 200, 30);
	push_gray(&making, 0, 5, GRAY, true);
	push_what_was_done(&making);
	push_gray(&making, 4500, 5, GRAY, false);
	session = end(&making);
	export_film(&film, session, EXPORT_MKV, INT64_MAX,
		DRAWING_POINTER | DRAWING_CLICKS | DRAWING_KEYS);
	frame = frame_at(&film, 400);
	expect(drawn(frame, 0, 0, 320, 200) == 0);
	/* only the pointer, with coding errors close around it */
	frame = frame_at(&film, 1400);
	expect(drawn(frame, 201, 81, 14, 14) == 14 * 14);
	expect(drawn(frame, 0, 0, 320, 200) == drawn(frame, 192, 72, 32, 32));
	/* a ring around the click */
	frame = frame_at(&film, 1700);
	expect(drawn(frame, 160, 40, 80, 80) > 16 * 16 + 100);
	expect(drawn(frame, 0, 0, 320, 200) == drawn(frame, 150, 30, 100, 100));
	frame = frame_at(&film, 2400);
	expect(drawn(frame, 0, 0, 320, 200) == drawn(frame, 192, 72, 32, 32));
	/* a chip for the key, at the bottom */
	frame = frame_at(&film, 2700);
	expect(drawn(frame, 16, 200 - 44, 304, 28) > 28 * 28 / 2);
	expect(drawn(frame, 0, 0, 320, 70) == 0);
	frame = frame_at(&film, 4300);
	expect(drawn(frame, 0, 140, 320, 60) == 0 && drawn(frame, 201, 81, 14, 14) == 14 * 14);
	film_close(&film);
}

/* ---- sound ---- */

static bool has_seccomp_filter(pid_t pid)
{
	char path[64], line[256];
	int mode = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	check(file != NULL);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "Seccomp: %d", &mode);
	fclose(file);
	return mode == 2;
}

static void sound_is_decoded_without_rights(void)
{
	static uint8_t noise[70000];
	_destroy_(sound_decoder) struct sound_decoder *decoder = NULL;
	_destroy_(tone) struct tone *tone = NULL;
	struct view packet;
	struct error error = {""};
	const int16_t *samples;

	memset(noise, 0xff, sizeof(noise));
	check(tone_create(&tone, NULL) == 0);
	packet = tone_packet(tone, 0);
	check(sound_decoder_create(&decoder, NULL) == 0);
	expect(sound_decoder_decode(decoder, noise, 0, &samples, NULL) == 0);
	expect(sound_decoder_decode(decoder, noise, 40, &samples, NULL) == 0);
	expect(sound_decoder_decode(decoder, noise, sizeof(noise), &samples, NULL) == 0);
	for (size_t i = 0; i < 3; i++)
		check(sound_decoder_decode(decoder, packet.data, packet.size_bytes, &samples,
			      NULL) == TONE_PACKET_SAMPLES);
	expect(abs(samples[10]) > 100 || abs(samples[20]) > 100);
	check(first_child(getpid()) > 0);
	if (jail_is_built())
		expect(has_seccomp_filter(first_child(getpid())));
	/* like a crash */
	check(kill(first_child(getpid()), SIGKILL) == 0);
	for (size_t i = 0; i < 2; i++) {
		expect(sound_decoder_decode(decoder, packet.data, packet.size_bytes, &samples,
			       &error) == -EBADMSG);
		expect(strcmp(error.text, "the sound's decoder crashed (signal 9)") == 0);
	}
	expect(first_child(getpid()) == 0);
}

/* Packets of 20 ms: tone, no valid sound, tone. */
static void what_is_no_sound_is_silence_and_nothing_more(void)
{
	static const struct view broken[] = {{(const uint8_t *)"", 0, 0},
		{(const uint8_t *)"\xff\xff\xff\xff", 4, 0}, {(const uint8_t *)"\x03", 1, 0}};
	static const struct bleeps none;
	const struct export_options options = {
		.format = EXPORT_WAV, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .bleeps = &none};
	_destroy_(tone) struct tone *tone = NULL;

	check(tone_create(&tone, NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		_autofree_ char *path = temporary_path("sound");
		_destroy_(session) struct session *session = NULL;
		static int16_t all[8 * TONE_PACKET_SAMPLES];
		Foxglove__CompressedAudio audio = FOXGLOVE__COMPRESSED_AUDIO__INIT;
		struct making making;
		size_t count, loud[2] = {0};
		FILE *file;

		begin(&making, i == 0 ? "sound-0.mcap" : i == 1 ? "sound-1.mcap" : "sound-2.mcap");
		audio.format = (char *)"opus";
		for (int64_t n = 0; n < 7; n++) {
			struct view packet = n == 3 ? broken[i] : tone_packet(tone, (size_t)n);

			audio.data.data = (uint8_t *)packet.data;
			audio.data.len = packet.size_bytes;
			push(&making, CHANNEL_SOUND, n * 20, &audio.base);
		}
		session = end(&making);
		unlink(path);
		check(session_export(session, path, &options, NULL, NULL) == 0);
		file = fopen(path, "re");
		check(file && fseek(file, -7 * TONE_PACKET_SAMPLES * 2, SEEK_END) == 0);
		count = fread(all, 2, ARRAY_SIZE(all), file);
		fclose(file);
		check(count == 7 * TONE_PACKET_SAMPLES);
		for (size_t at = TONE_PACKET_SAMPLES; at < count; at++)
			loud[at >= 4 * TONE_PACKET_SAMPLES] += abs(all[at]) > 100;
		expect(loud[0] > TONE_PACKET_SAMPLES && loud[1] > 2 * TONE_PACKET_SAMPLES);
	}
}

static const struct test tests[] = {
	{"a film goes on when size or encoder change, without later pictures",
		sizes_and_encoders_may_change},
	{"a pause has no picture in any film", a_pause_has_no_picture},
	{"the last picture lasts to the end of the film", the_last_picture_lasts_to_the_end},
	{"chapters of nested tasks follow each other", chapters_follow_each_other},
	{"pointer, clicks and keys are drawn in a film at their places",
		what_was_done_is_seen_where_it_was_done},
	{"sound is decoded in a jail, whose end is an error", sound_is_decoded_without_rights},
	{"an invalid Opus packet is silence, and the sound after it is decoded",
		what_is_no_sound_is_silence_and_nothing_more},
};

int main(void)
{
	return RUN_TESTS("export", tests);
}
