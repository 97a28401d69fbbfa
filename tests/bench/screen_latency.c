/*
 * How long after a change on the screen its packet is handed to the recorder: a screen source with a sink of
 * this program, on an X server of its own.
 *
 *   screen_latency [--changes N] [--seconds N] [--fps N] [--seed N] [--json]
 *
 * Isolated: a word is written at a random place every 150 to 450 ms. Continuous: a 640x360 film of 30 pictures a
 * second, each of which has its number in it; the number is looked for in what was coded.
 */

#include "capture/screen.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"
#include "tests/harness/motion.h"
#include "tests/harness/stage.h"

#include <getopt.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MS 150
#define MOST_MS  450

#define FILM_X 640
#define FILM_Y 360
#define RATE   30

/* a number is in the film as black and white squares */
#define BITS   10
#define SQUARE 32

/* the server says of a damage in whole milliseconds when it was */
#define DAMAGE_OFF_NS NS_PER_MS

static struct {
	int changes, seconds, fps;
	uint64_t seed;
	bool json;
} wish = {.changes = 300, .seconds = 60, .fps = 30, .seed = 1};

/* ---- what is handed over ---- */

struct arrival {
	int64_t at_ns, damage_ns;
	struct packet *packet;
};

struct listener {
	struct packet_sink sink;
	pthread_mutex_t mutex;
	struct session_clock clock;
	struct arrival *arrivals;
	size_t count, room;
};

static void note(struct packet_sink *sink, struct packet *packet)
{
	struct listener *listener = (struct listener *)sink;
	int64_t now_ns = clock_now_ns();

	if (!channel_is_picture(packet->channel)) {
		packet_unref(packet);
		return;
	}
	pthread_mutex_lock(&listener->mutex);
	if (listener->count == listener->room) {
		listener->room = listener->room ? 2 * listener->room : 1024;
		listener->arrivals =
			realloc(listener->arrivals, listener->room * sizeof(*listener->arrivals));
		check(listener->arrivals != NULL);
	}
	listener->arrivals[listener->count++] =
		(struct arrival){now_ns, packet->time_ns - listener->clock.utc_offset_ns, packet};
	pthread_mutex_unlock(&listener->mutex);
}

static void listener_open(struct listener *listener)
{
	*listener = (struct listener){.sink.push = note};
	pthread_mutex_init(&listener->mutex, NULL);
	session_clock_init(&listener->clock);
}

static void listener_close(struct listener *listener)
{
	for (size_t i = 0; i < listener->count; i++)
		packet_unref(listener->arrivals[i].packet);
	free(listener->arrivals);
	pthread_mutex_destroy(&listener->mutex);
}

static void never_lost(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	printf("# the screen is lost: %s\n", reason);
}

static struct source *record(struct listener *listener)
{
	const struct source_context context = {
		.clock = &listener->clock, .sink = &listener->sink, .lost = never_lost};
	const struct screen_options options = {"x11", NULL, wish.fps};
	struct source *source = NULL;
	struct error error = {""};

	listener_open(listener);
	if (screen_source_create(&source, &context, &options, &error) < 0)
		printf("# %s\n", error.text);
	check(source != NULL);
	/* its begin is not what is measured */
	sleep_ms(1500);
	return source;
}

/* ---- what is said of it ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double of_all(const double *sorted_ms, int count, double share)
{
	int at = (int)(share * count);

	return sorted_ms[at < count ? at : count - 1];
}

static void print(const char *name, double *delays_ms, int count)
{
	int lost = 0;

	check(count > 0);
	qsort(delays_ms, count, sizeof(*delays_ms), by_size);
	for (int i = 0; i < count; i++)
		lost += isinf(delays_ms[i]);
	if (wish.json)
		printf("{\"change\": \"%s\", \"changes\": %d, \"never_shown\": %d, ", name, count,
			lost);
	else
		printf("%s: %d changes, %d never shown, ", name, count, lost);
	count -= lost;
	if (count == 0)
		printf(wish.json ? "\"p50_ms\": null}\n" : "none\n");
	else
		printf(wish.json
				? "\"p50_ms\": %.1f, \"p90_ms\": %.1f, \"p99_ms\": %.1f, \"max_ms\": %.1f}\n"
				: "p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms\n",
			of_all(delays_ms, count, 0.5), of_all(delays_ms, count, 0.9),
			of_all(delays_ms, count, 0.99), delays_ms[count - 1]);
}

/* ---- isolated changes ---- */

static void write_word(struct stage *stage, struct window *window, uint64_t *random)
{
	const struct font *font = &stage->mono;
	char word[9];
	int x = (int)(next_random(random) % (uint64_t)(window->image.width - 100));
	int y = (int)(next_random(random) % (uint64_t)(window->image.height - font->height));

	for (size_t i = 0; i < sizeof(word) - 1; i++)
		word[i] = (char)('a' + next_random(random) % 26);
	word[sizeof(word) - 1] = '\0';
	image_fill(&window->image, x, y, 8 * font->width, font->height, 0xffffff);
	image_text(&window->image, font, x, y, 0x202020, word);
	window_show(window, x, y, 8 * font->width, font->height);
}

static double delay_of(const struct listener *listener, int64_t drawn_ns)
{
	for (size_t i = 0; i < listener->count; i++)
		if (listener->arrivals[i].damage_ns >= drawn_ns - DAMAGE_OFF_NS &&
			listener->arrivals[i].at_ns > drawn_ns)
			return (double)(listener->arrivals[i].at_ns - drawn_ns) / 1e6;
	return INFINITY;
}

static void isolated(void)
{
	static struct listener listener;
	_autofree_ int64_t *drawn_ns = calloc(wish.changes, sizeof(*drawn_ns));
	_autofree_ double *delays_ms = calloc(wish.changes, sizeof(*delays_ms));
	struct desktop desktop = {.connection = NULL};
	uint64_t random = wish.seed;
	struct window window;
	struct source *source;
	struct stage stage;

	if (!desktop_start(&desktop, 1920, 1080)) {
		skip_test("no Xvfb");
		return;
	}
	check(drawn_ns && delays_ms);
	stage_open(&stage, false);
	stage_window(&stage, &window, "words", 100, 100, 1600, 900, false);
	source = record(&listener);
	for (int i = 0; i < wish.changes; i++) {
		int rest_ms = LEAST_MS + (int)(next_random(&random) % (MOST_MS - LEAST_MS + 1));

		drawn_ns[i] = clock_now_ns();
		write_word(&stage, &window, &random);
		stage_sync(&stage);
		stage_wait(&stage, drawn_ns[i] + rest_ms * NS_PER_MS);
	}
	source_destroy(source);
	for (int i = 0; i < wish.changes; i++)
		delays_ms[i] = delay_of(&listener, drawn_ns[i]);
	print("isolated", delays_ms, wish.changes);
	listener_close(&listener);
	stage_close(&stage);
	desktop_end(&desktop);
}

/* ---- continuous change ---- */

static void put_number(struct image *image, int number)
{
	for (int bit = 0; bit < BITS; bit++)
		image_fill(image, bit * SQUARE, 0, SQUARE, SQUARE,
			number >> bit & 1 ? 0xffffff : 0x000000);
}

static int number_in(const AVFrame *frame)
{
	const uint8_t *row = frame->data[0] + (FILM_Y + SQUARE / 2) * frame->linesize[0] + FILM_X;
	int number = 0;

	for (int bit = 0; bit < BITS; bit++)
		if (row[bit * SQUARE + SQUARE / 2] > 128)
			number |= 1 << bit;
	return number;
}

/* Of each picture the first arrival that shows it or a later one. */
static void find_numbers(const struct listener *listener, int64_t *shown_ns, int count)
{
	AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	AVPacket *coded = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	int next = 1;

	check(codec && coded && frame);
	codec->thread_count = 1;
	codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
	check(avcodec_open2(codec, NULL, NULL) == 0);
	for (size_t i = 0; i < listener->count; i++) {
		const struct packet *packet = listener->arrivals[i].packet;
		Foxglove__CompressedVideo *video;
		int ahead;

		if (packet->channel != CHANNEL_SCREEN)
			continue;
		video = foxglove__compressed_video__unpack(
			NULL, packet_data_size(packet), packet_data(packet));
		check(video && av_new_packet(coded, (int)video->data.len) == 0);
		memcpy(coded->data, video->data.data, video->data.len);
		foxglove__compressed_video__free_unpacked(video, NULL);
		check(avcodec_send_packet(codec, coded) == 0);
		av_packet_unref(coded);
		check(avcodec_receive_frame(codec, frame) == 0);
		/* numbers go round; it is never behind by half of it */
		ahead = (number_in(frame) - next) & ((1 << BITS) - 1);
		if (ahead >= 1 << (BITS - 1))
			continue;
		for (int last = next + ahead; next <= last && next <= count; next++)
			shown_ns[next - 1] = listener->arrivals[i].at_ns;
	}
	avcodec_free_context(&codec);
	av_packet_free(&coded);
	av_frame_free(&frame);
}

static void continuous(void)
{
	static struct listener listener;
	int count = wish.seconds * RATE;
	_autofree_ int64_t *drawn_ns = calloc(count, sizeof(*drawn_ns));
	_autofree_ int64_t *shown_ns = calloc(count, sizeof(*shown_ns));
	_autofree_ double *delays_ms = calloc(count, sizeof(*delays_ms));
	struct desktop desktop = {.connection = NULL};
	struct motion_picture motion;
	struct window window;
	struct source *source;
	struct stage stage;
	int64_t begun_ns;

	if (!desktop_start(&desktop, 1920, 1080)) {
		skip_test("no Xvfb");
		return;
	}
	check(drawn_ns && shown_ns && delays_ms);
	stage_open(&stage, false);
	stage_window(&stage, &window, "film", FILM_X, FILM_Y, MOTION_WIDTH, MOTION_HEIGHT, true);
	motion_create(&motion, wish.seed);
	source = record(&listener);
	begun_ns = clock_now_ns();
	for (int i = 0; i < count; i++) {
		motion_draw(&motion, &window.image, i);
		put_number(&window.image, i + 1); /* the empty window's is 0 */
		stage_wait(&stage, begun_ns + i * NS_PER_S / RATE);
		drawn_ns[i] = clock_now_ns();
		window_show(&window, 0, 0, MOTION_WIDTH, MOTION_HEIGHT);
		stage_sync(&stage);
	}
	sleep_ms(500);
	source_destroy(source);
	find_numbers(&listener, shown_ns, count);
	for (int i = 0; i < count; i++)
		delays_ms[i] = shown_ns[i] ? (double)(shown_ns[i] - drawn_ns[i]) / 1e6 : INFINITY;
	print("continuous", delays_ms, count);
	listener_close(&listener);
	motion_free(&motion);
	stage_close(&stage);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"isolated changes are timed", isolated}, {"changes in a film are timed", continuous}};

int main(int argc, char **argv)
{
	static const struct option options[] = {{"changes", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 's'}, {"fps", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': wish.changes = atoi(optarg); break;
		case 's': wish.seconds = atoi(optarg); break;
		case 'f': wish.fps = atoi(optarg); break;
		case 'r': wish.seed = strtoull(optarg, NULL, 10); break;
		case 'j': wish.json = true; break;
		default: return 2;
		}
	}
	if (wish.changes < 1 || wish.seconds < 1 || wish.seed == 0 || optind < argc) {
		fprintf(stderr, "error: --changes, --seconds and --seed are more than 0\n");
		return 2;
	}
	return RUN_TESTS("screen_latency", tests);
}
