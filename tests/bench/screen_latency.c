/*
 * Latency from a change on the screen to the recorder's receipt of its packet: a screen source with a sink of this
 * program, on an X server of its own.
 *
 *   screen_latency [--changes N] [--seconds N] [--fps N] [--seed N] [--json]
 *
 * Isolated: a word is written at a random place every 150 to 450 ms. Continuous: a 640x360 film of 30 pictures a
 * second, each with its number in it. The received packets are then shown as in a replay, and words and numbers are
 * searched for in the pictures.
 */

#include "capture/screen/screen.h"
#include "protocol/base/clock.h"
#include "replay/decode/frames.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"
#include "tests/harness/screens/motion.h"
#include "tests/harness/screens/stage.h"

#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MS 150
#define MOST_MS  450

#define WORDS_X  100
#define WORDS_Y  100
#define LETTERS  8
#define WORD_OFF 16 /* maximum mean error of its pixels, in levels of 255 */

#define FILM_X 640
#define FILM_Y 360
#define RATE   30

/* numbers are black and white squares in the film */
#define BITS   10
#define SQUARE 32

static struct {
	int changes, seconds, fps;
	uint64_t seed;
	bool json;
} wish = {.changes = 300, .seconds = 60, .fps = 30, .seed = 1};

/* ---- received packets ---- */

struct arrival {
	int64_t at_ns;
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

	pthread_mutex_lock(&listener->mutex);
	if (listener->count == listener->room) {
		listener->room = listener->room ? 2 * listener->room : 1024;
		listener->arrivals =
			realloc(listener->arrivals, listener->room * sizeof(*listener->arrivals));
		check(listener->arrivals != NULL);
	}
	listener->arrivals[listener->count++] = (struct arrival){now_ns, packet};
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

/* A session of the received packets. */
static struct session_reader *read_back(const struct listener *listener, const char *name)
{
	_autofree_ char *path = temporary_path(name);
	struct session_writer *writer;
	struct session_reader *reader;

	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	for (size_t i = 0; i < listener->count; i++)
		check(session_writer_append(writer, listener->arrivals[i].packet) == 0);
	check(session_writer_finish(writer) == 0);
	session_writer_destroy(writer);
	check(session_reader_open(&reader, path, NULL) == 0);
	return reader;
}

/* Receipt time of the last message with a timestamp. */
static int64_t arrival_of(const struct listener *listener, int64_t time_ns)
{
	for (size_t i = listener->count; i-- > 0;)
		if (channel_is_picture(listener->arrivals[i].packet->channel) &&
			listener->arrivals[i].packet->time_ns == time_ns)
			return listener->arrivals[i].at_ns;
	return 0;
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
		.clock = &listener->clock, .sink = &listener->sink, .failed = never_lost};
	const struct screen_options options = {
		.grabber = "x11", .encoder = "auto", .priority = "low", .max_fps = wish.fps};
	struct source *source = NULL;
	struct error error = {""};

	listener_open(listener);
	if (screen_source_create(&source, &context, &options, &error) < 0)
		printf("# %s\n", error.text);
	check(source != NULL);
	/* its start is not measured */
	sleep_ms(1500);
	return source;
}

/* ---- figures ---- */

static double delay_ms(int64_t drawn_ns, int64_t shown_ns)
{
	return shown_ns ? (double)(shown_ns - drawn_ns) / 1e6 : INFINITY;
}

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

struct word {
	int64_t drawn_ns, shown_ns;
	int x, y, width, height; /* on the screen */
	uint32_t *pixels;
};

static void draw_word(
	struct stage *stage, struct window *window, uint64_t *random, struct word *word)
{
	const struct font *font = &stage->mono;
	const struct image *image = &window->image;
	char text[LETTERS + 1] = "";
	int x, y;

	word->width = LETTERS * font->width;
	word->height = font->height;
	x = (int)(next_random(random) % (uint64_t)(image->width - word->width));
	y = (int)(next_random(random) % (uint64_t)(image->height - word->height));
	for (int i = 0; i < LETTERS; i++)
		text[i] = (char)('a' + next_random(random) % 26);
	image_fill(&window->image, x, y, word->width, word->height, 0xffffff);
	image_text(&window->image, font, x, y, 0x202020, text);
	word->x = WORDS_X + x;
	word->y = WORDS_Y + y;
	word->pixels = malloc((size_t)word->width * word->height * 4);
	check(word->pixels != NULL);
	for (int row = 0; row < word->height; row++)
		memcpy(word->pixels + row * word->width,
			image->pixels + (y + row) * image->width + x, (size_t)word->width * 4);
	word->drawn_ns = clock_now_ns();
	window_show(window, x, y, word->width, word->height);
	stage_sync(stage);
}

/* True if a picture shows a word, within coding errors. */
static bool shows(const struct frame *frame, const struct word *word)
{
	int64_t off = 0;

	for (int row = 0; row < word->height; row++) {
		const uint8_t *shown = frame->pixels +
			(size_t)(word->y + row) * frame->stride_bytes + (size_t)word->x * 4;
		const uint8_t *wanted = (const uint8_t *)(word->pixels + row * word->width);

		/* green dominates the luma */
		for (int column = 0; column < word->width; column++)
			off += abs(shown[column * 4 + 1] - wanted[column * 4 + 1]);
	}
	return off < (int64_t)WORD_OFF * word->width * word->height;
}

static void find_words(const struct listener *listener, struct word *words, int count)
{
	_destroy_(session_reader) struct session_reader *reader = read_back(listener, "words.mcap");
	_destroy_(frames) struct frames *frames = NULL;
	struct frame frame;

	check(frames_create(&frames, reader, NULL) == 0);
	while (frames_next(frames, &frame) == 1) {
		int64_t at_ns = arrival_of(listener, frame.time_ns);

		for (int i = 0; i < count && words[i].drawn_ns < at_ns; i++)
			if (!words[i].shown_ns && shows(&frame, &words[i]))
				words[i].shown_ns = at_ns;
	}
}

static void isolated(void)
{
	static struct listener listener;
	_autofree_ struct word *words = calloc(wish.changes, sizeof(*words));
	_autofree_ double *delays_ms = calloc(wish.changes, sizeof(*delays_ms));
	struct desktop desktop = {.connection = NULL};
	uint64_t random = wish.seed;
	struct window window;
	struct source *source;
	struct stage stage;

	if (!desktop_start(&desktop, 1920, 1080))
		return;
	check(words && delays_ms);
	stage_open(&stage, false);
	stage_window(&stage, &window, "words", WORDS_X, WORDS_Y, 1600, 900, false);
	source = record(&listener);
	for (int i = 0; i < wish.changes; i++) {
		int rest_ms = LEAST_MS + (int)(next_random(&random) % (MOST_MS - LEAST_MS + 1));

		draw_word(&stage, &window, &random, &words[i]);
		stage_wait(&stage, words[i].drawn_ns + rest_ms * NS_PER_MS);
	}
	source_destroy(source);
	find_words(&listener, words, wish.changes);
	for (int i = 0; i < wish.changes; i++) {
		delays_ms[i] = delay_ms(words[i].drawn_ns, words[i].shown_ns);
		free(words[i].pixels);
	}
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

static int number_in(const struct frame *frame)
{
	const uint8_t *row = frame->pixels + (size_t)(FILM_Y + SQUARE / 2) * frame->stride_bytes;
	int number = 0;

	for (int bit = 0; bit < BITS; bit++)
		if (row[(FILM_X + bit * SQUARE + SQUARE / 2) * 4 + 1] > 128)
			number |= 1 << bit;
	return number;
}

/* For each picture the first receipt that shows it or a later one. */
static void find_numbers(const struct listener *listener, int64_t *shown_ns, int count)
{
	_destroy_(session_reader) struct session_reader *reader = read_back(listener, "film.mcap");
	_destroy_(frames) struct frames *frames = NULL;
	struct frame frame;
	int next = 1;

	check(frames_create(&frames, reader, NULL) == 0);
	while (frames_next(frames, &frame) == 1) {
		/* numbers wrap around; the lag is less than half of their range */
		int ahead = (number_in(&frame) - next) & ((1 << BITS) - 1);

		if (ahead >= 1 << (BITS - 1))
			continue;
		for (int last = next + ahead; next <= last && next <= count; next++)
			shown_ns[next - 1] = arrival_of(listener, frame.time_ns);
	}
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

	if (!desktop_start(&desktop, 1920, 1080))
		return;
	check(drawn_ns && shown_ns && delays_ms);
	stage_open(&stage, false);
	stage_window(&stage, &window, "film", FILM_X, FILM_Y, MOTION_WIDTH, MOTION_HEIGHT, true);
	motion_create(&motion, wish.seed);
	source = record(&listener);
	begun_ns = clock_now_ns();
	for (int i = 0; i < count; i++) {
		motion_draw(&motion, &window.image, i);
		put_number(&window.image, i + 1); /* the empty window has 0 */
		stage_wait(&stage, begun_ns + i * NS_PER_S / RATE);
		drawn_ns[i] = clock_now_ns();
		window_show(&window, 0, 0, MOTION_WIDTH, MOTION_HEIGHT);
		stage_sync(&stage);
	}
	sleep_ms(500);
	source_destroy(source);
	find_numbers(&listener, shown_ns, count);
	for (int i = 0; i < count; i++)
		delays_ms[i] = delay_ms(drawn_ns[i], shown_ns[i]);
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
