/*
 * uxrec-bench, run as `uxrec bench`: cost of recording the screen on this machine. A reproducible picture takes the
 * path of a session's screen up to the writer; nothing is recorded, and nothing is kept.
 */

#include "capture/screen/encoder.h"
#include "capture/screen/screen.h"
#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/screen.pb-c.h"

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char usage[] =
	"Usage: uxrec bench [OPTION]...\n"
	"Measure the load of recording the screen on this machine, with a fixed workload: nothing changes,\n"
	"letters are typed, text scrolls, a film plays. Nothing is recorded.\n"
	"\n"
	"  --size WIDTHxHEIGHT           of the screen (default 1920x1080)\n"
	"  --seconds N                   for each of the four parts (default 5)\n"
	"  --fps N                       pictures a second at most (default 30)\n"
	"  --encoder auto|h264_vaapi|libx264|libaom-av1\n"
	"  --chroma 420|444              see uxrecd(8) (default auto, 420)\n"
	"  --json                        print JSON\n"
	"\n"
	"Exit status: 0 the machine keeps up, 1 it does not, 2 wrong usage, 3 measurement failed.\n";

/* The first picture and its patches at rest count for no phase. */
#define SETTLE_NS (3 * NS_PER_S)
/* Required share of the expected pictures. */
#define ENOUGH 0.9

#define LETTER_WIDTH  8
#define LETTER_HEIGHT 16
#define LETTERS       64
#define FILM_WIDTH    640
#define FILM_HEIGHT   360
#define PAPER         0xffffff

enum { IDLE, TYPING, SCROLLING, FILM, PHASES };

static const struct {
	const char *name, *text;
	int rate; /* changes a second */
} phases[PHASES] = {
	{"idle", "nothing changes", 0},
	{"typing", "letters are typed", 8},
	{"scrolling", "text scrolls", 30},
	{"film", "a film of 640x360", 30},
};

static struct {
	int width, height, seconds, fps;
	const char *encoder;
	enum chroma chroma;
	bool json;
} config = {.width = 1920, .height = 1080, .seconds = 5, .fps = 30, .encoder = "auto"};

struct measured {
	int64_t cpu_ns, bytes;
	int pictures;      /* pictures taken */
	double *delays_ms; /* latency from a change to its packet */
	size_t count;
};

/* ---- reproducible screen ---- */

/* Owned by the grabbing thread, except begin_ns, which is constant, and the atomics. */
static struct {
	struct grabber base;
	int64_t begin_ns; /* of the first phase */
	int phase;
	int64_t step;     /* the phase's current change */
	int64_t drawn_ns; /* time of the current change */
	bool all;
	uint64_t random;
	int letter_x, letter_y;
	uint32_t *pixels, *film;
	uint8_t letters[LETTERS][LETTER_HEIGHT]; /* bitmaps, one byte per row */
	_Atomic int64_t spent_ns;                /* processor time of drawing */
	_Atomic int64_t newest_ns;               /* drawn_ns of the last copy */
	_Atomic int pictures;
} stage;

static uint32_t next_number(uint32_t below)
{
	stage.random = stage.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(stage.random >> 33) % below;
}

/* Margins: three rows above and below, one column at each side. */
static void make_letters(void)
{
	for (int letter = 0; letter < LETTERS; letter++)
		for (int y = 3; y < LETTER_HEIGHT - 3; y++)
			stage.letters[letter][y] =
				letter % 7 == 0 ? 0 : (uint8_t)(next_number(256) & 0x7e);
}

static void draw_letter(int x, int y)
{
	uint32_t letter = next_number(LETTERS);

	for (int row = 0; row < LETTER_HEIGHT && y + row < config.height; row++)
		for (int i = 0; i < LETTER_WIDTH && x + i < config.width; i++)
			stage.pixels[(ptrdiff_t)(y + row) * config.width + x + i] =
				stage.letters[letter][row] >> i & 1 ? 0x202020 : PAPER;
}

static void draw_line(int y)
{
	for (int x = 0; x < config.width; x += LETTER_WIDTH)
		draw_letter(x, y);
}

/* Twice as wide and high as the visible part: gradients, and camera-like noise. */
static void make_film(void)
{
	for (int y = 0; y < 2 * FILM_HEIGHT; y++)
		for (int x = 0; x < 2 * FILM_WIDTH; x++) {
			uint32_t shade = (uint32_t)(abs(x % 256 - 128) + abs(y % 160 - 80)) / 2;

			shade += next_number(8) + ((x / 90 + y / 70) % 2 ? 60 : 0);
			stage.film[(ptrdiff_t)y * 2 * FILM_WIDTH + x] =
				shade * 0x010100 | (255 - shade);
		}
}

static struct rect scroll(void)
{
	size_t line = (size_t)LETTER_HEIGHT * (size_t)config.width;
	int rows = config.height / LETTER_HEIGHT;

	memmove(stage.pixels, stage.pixels + line, (size_t)(rows - 1) * line * 4);
	draw_line((rows - 1) * LETTER_HEIGHT);
	return (struct rect){0, 0, config.width, rows * LETTER_HEIGHT};
}

static struct rect type(void)
{
	struct rect changed = {stage.letter_x, stage.letter_y, LETTER_WIDTH, LETTER_HEIGHT};

	draw_letter(stage.letter_x, stage.letter_y);
	stage.letter_x += LETTER_WIDTH;
	if (stage.letter_x + LETTER_WIDTH > config.width) {
		stage.letter_x = 0;
		stage.letter_y =
			(stage.letter_y + LETTER_HEIGHT) % (config.height - LETTER_HEIGHT + 1);
	}
	return changed;
}

static struct rect show_film(int64_t step)
{
	int width = config.width < FILM_WIDTH ? config.width : FILM_WIDTH;
	int height = config.height < FILM_HEIGHT ? config.height : FILM_HEIGHT;
	int left = abs((int)(step * 5 % (2 * FILM_WIDTH)) - FILM_WIDTH);
	int top = abs((int)(step * 2 % (2 * FILM_HEIGHT)) - FILM_HEIGHT);

	for (int y = 0; y < height; y++)
		memcpy(stage.pixels + (ptrdiff_t)y * config.width,
			stage.film + (ptrdiff_t)(top + y) * 2 * FILM_WIDTH + left,
			(size_t)width * 4);
	return (struct rect){0, 0, width, height};
}

static struct rect draw(int phase, int64_t step)
{
	switch (phase) {
	case TYPING: return type();
	case SCROLLING: return scroll();
	case FILM: return show_film(step);
	default: return (struct rect){0};
	}
}

/* Find the current change. @return the time of the next */
static int64_t look_ahead(int64_t now_ns, int *ret_phase, int64_t *ret_step)
{
	const int64_t length_ns = config.seconds * NS_PER_S;
	int64_t into_ns = now_ns - stage.begin_ns;
	int rate;

	*ret_phase = into_ns < 0 ? IDLE : (int)(into_ns / length_ns);
	*ret_step = 0;
	if (into_ns < 0)
		return stage.begin_ns;
	if (*ret_phase >= PHASES)
		return INT64_MAX;
	rate = phases[*ret_phase].rate;
	into_ns -= *ret_phase * length_ns;
	if (rate == 0)
		return stage.begin_ns + (*ret_phase + 1) * length_ns;
	*ret_step = 1 + into_ns * rate / NS_PER_S;
	return stage.begin_ns + *ret_phase * length_ns + *ret_step * NS_PER_S / rate;
}

static int stage_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	(void)target, (void)reterr;
	stage.all = true;
	*ret = &stage.base;
	return 0;
}

static int stage_wait(
	struct grabber *base, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	(void)base;
	for (;;) {
		int64_t now_ns = clock_now_ns(), next_ns, step;
		struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
		int phase;

		next_ns = look_ahead(now_ns, &phase, &step);
		if (stage.all || (step > 0 && (phase != stage.phase || step != stage.step))) {
			*ret_damage_ns = stage.all
				? now_ns
				: stage.begin_ns + phase * config.seconds * NS_PER_S +
					(step - 1) * NS_PER_S / phases[phase].rate;
			stage.drawn_ns = *ret_damage_ns;
			return 1;
		}
		if (now_ns >= deadline_ns)
			return 0;
		if (next_ns > deadline_ns)
			next_ns = deadline_ns;
		if (poll(&wake, 1,
			    next_ns == INT64_MAX
				    ? -1
				    : (int)((next_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS)) != 0)
			return 0;
	}
}

static struct grabber_size stage_size(const struct grabber *base)
{
	(void)base;
	return (struct grabber_size){config.width, config.height};
}

static int stage_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	int64_t before_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID), step;
	struct rect changed = {0};
	int phase;

	(void)base;
	look_ahead(clock_now_ns(), &phase, &step);
	if (phase < PHASES && (phase != stage.phase || step != stage.step))
		changed = draw(phase, step);
	stage.phase = phase;
	stage.step = step;
	if (stage.all)
		changed = (struct rect){0, 0, config.width, config.height};
	stage.all = false;
	stage.spent_ns += clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
	canvas_put(canvas, &changed,
		(const uint8_t *)(stage.pixels + (ptrdiff_t)changed.y * config.width + changed.x),
		4 * config.width);
	stage.newest_ns = stage.drawn_ns;
	stage.pictures++;
	*ret_copied_ns = clock_now_ns();
	return 0;
}

static void stage_damage_all(struct grabber *base)
{
	(void)base;
	stage.all = true;
}

static void stage_destroy(struct grabber *base)
{
	(void)base;
}

static const struct grabber_ops stage_ops = {
	.name = "bench",
	.create = stage_create,
	.wait = stage_wait,
	.size = stage_size,
	.grab = stage_grab,
	.damage_all = stage_damage_all,
	.destroy = stage_destroy,
};

static bool stage_open(void)
{
	stage.base.ops = &stage_ops;
	stage.random = 1;
	stage.pixels = calloc((size_t)config.width * (size_t)config.height, 4);
	stage.film = calloc((size_t)4 * FILM_WIDTH * FILM_HEIGHT, 4);
	if (!stage.pixels || !stage.film)
		return false;
	memset(stage.pixels, 0xff, (size_t)config.width * (size_t)config.height * 4);
	make_letters();
	make_film();
	for (int y = 0; y + LETTER_HEIGHT <= config.height; y += LETTER_HEIGHT)
		draw_line(y);
	stage.begin_ns = clock_now_ns() + SETTLE_NS;
	return true;
}

/* ---- sink ---- */

struct listener {
	struct packet_sink sink;
	pthread_mutex_t lock;
	struct session_clock clock;
	struct measured measured[PHASES];
	int phase; /* PHASES: none */
	char encoder[300];
	_Atomic bool failed;
};

static void note_delay(struct measured *measured, double ms)
{
	if (array_grow(measured->delays_ms, measured->count))
		measured->delays_ms[measured->count++] = ms;
}

static void note_encoder(struct listener *listener, const struct packet *packet)
{
	Uxrec__Screen *info =
		uxrec__screen__unpack(NULL, packet_data_size(packet), packet_data(packet));

	if (info)
		snprintf(listener->encoder, sizeof(listener->encoder), "%s", info->encoder);
	uxrec__screen__free_unpacked(info, NULL);
}

static void handle_packet(struct packet_sink *sink, struct packet *packet)
{
	struct listener *listener = (struct listener *)sink;
	int64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&listener->lock);
	if (packet->channel == CHANNEL_SCREEN_INFO)
		note_encoder(listener, packet);
	if (listener->phase < PHASES) {
		struct measured *measured = &listener->measured[listener->phase];

		measured->bytes += packet->size_bytes;
		/* patches at rest and owed video have other timestamps */
		if (channel_is_picture(packet->channel) &&
			packet->time_ns == session_clock_at(&listener->clock, stage.newest_ns))
			note_delay(measured, (double)(now_ns - stage.newest_ns) / 1e6);
	}
	pthread_mutex_unlock(&listener->lock);
	packet_unref(packet);
}

static void note_failed(void *user, struct source *source, const char *reason)
{
	(void)source;
	log_error("%s", reason);
	((struct listener *)user)->failed = true;
}

static void sleep_until(int64_t until_ns)
{
	const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Processor time of recording, without drawing. */
static int64_t used_ns(void)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - stage.spent_ns;
}

/* ---- report ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 0 without delays */
static double delay_at(const struct measured *measured, double share)
{
	size_t at = (size_t)(share * (double)measured->count);

	if (measured->count == 0)
		return 0;
	return measured->delays_ms[at < measured->count ? at : measured->count - 1];
}

static double cpu_percent(const struct measured *measured)
{
	return 100.0 * (double)measured->cpu_ns / (double)(config.seconds * NS_PER_S);
}

static int wanted_pictures(int phase)
{
	int rate = phases[phase].rate < config.fps ? phases[phase].rate : config.fps;

	return rate * config.seconds;
}

static bool keeps_up(const struct measured *measured, int phase)
{
	return measured->pictures >= ENOUGH * wanted_pictures(phase);
}

static void print_phase(const struct measured *measured, int phase)
{
	printf("%-18s %6.1f %%   %5.1f of %2d   %8.1f", phases[phase].text, cpu_percent(measured),
		(double)measured->pictures / config.seconds,
		wanted_pictures(phase) / config.seconds,
		(double)measured->bytes / 1e6 * 60 / config.seconds);
	if (measured->count > 0)
		printf("   %6.1f  %6.1f", delay_at(measured, 0.5), delay_at(measured, 0.99));
	printf("\n");
	fflush(stdout);
}

static void print_json(const struct listener *listener, bool good)
{
	struct json_object *document = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(document, "width_px", json_object_new_int(config.width));
	json_object_object_add(document, "height_px", json_object_new_int(config.height));
	json_object_object_add(document, "encoder", json_object_new_string(listener->encoder));
	json_object_object_add(document, "max_fps", json_object_new_int(config.fps));
	json_object_object_add(document, "seconds", json_object_new_int(config.seconds));
	for (int phase = 0; phase < PHASES; phase++) {
		const struct measured *measured = &listener->measured[phase];
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "name", json_object_new_string(phases[phase].name));
		json_object_object_add(
			one, "cpu_percent", json_object_new_double(cpu_percent(measured)));
		json_object_object_add(one, "pictures", json_object_new_int(measured->pictures));
		json_object_object_add(
			one, "wanted_pictures", json_object_new_int(wanted_pictures(phase)));
		json_object_object_add(one, "bytes", json_object_new_int64(measured->bytes));
		json_object_object_add(
			one, "delay_p50_ms", json_object_new_double(delay_at(measured, 0.5)));
		json_object_object_add(
			one, "delay_p99_ms", json_object_new_double(delay_at(measured, 0.99)));
		json_object_array_add(list, one);
	}
	json_object_object_add(document, "phases", list);
	json_object_object_add(document, "keeps_up", json_object_new_boolean(good));
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY));
	json_object_put(document);
}

/* ---- run ---- */

static bool measure(struct listener *listener)
{
	bool good = true;

	for (int phase = 0; phase < PHASES && !listener->failed; phase++) {
		struct measured *measured = &listener->measured[phase];
		int64_t begin_ns = stage.begin_ns + phase * config.seconds * NS_PER_S;
		int pictures;

		sleep_until(begin_ns);
		pthread_mutex_lock(&listener->lock);
		listener->phase = phase;
		pthread_mutex_unlock(&listener->lock);
		measured->cpu_ns = -used_ns();
		pictures = stage.pictures;
		sleep_until(begin_ns + config.seconds * NS_PER_S);
		pthread_mutex_lock(&listener->lock);
		measured->cpu_ns += used_ns();
		measured->pictures = stage.pictures - pictures;
		listener->phase = PHASES;
		if (measured->count > 0)
			qsort(measured->delays_ms, measured->count, sizeof(*measured->delays_ms),
				compare);
		pthread_mutex_unlock(&listener->lock);
		good = good && keeps_up(measured, phase);
		if (!config.json)
			print_phase(measured, phase);
	}
	return good;
}

static int run(void)
{
	static struct listener listener = {.sink.push = handle_packet, .phase = PHASES};
	const struct source_context context = {.clock = &listener.clock,
		.sink = &listener.sink,
		.failed = note_failed,
		.user = &listener};
	const struct screen_options options = {.ops = &stage_ops,
		.encoder = config.encoder,
		.chroma = config.chroma,
		.max_fps = config.fps};
	_destroy_(source) struct source *source = NULL;
	struct error error = {""};
	bool good;

	pthread_mutex_init(&listener.lock, NULL);
	session_clock_init(&listener.clock);
	if (!stage_open()) {
		log_error("out of memory for a picture of %dx%d", config.width, config.height);
		return 3;
	}
	if (screen_source_create(&source, &context, &options, &error) < 0) {
		log_error("%s", error.text);
		return 3;
	}
	sleep_until(stage.begin_ns - NS_PER_S);
	if (!config.json)
		printf("%d x %d pixels, at most %d pictures a second\n\n"
		       "%-18s %8s   %11s   %8s   %s\n",
			config.width, config.height, config.fps, "", "CPU", "pictures/s", "MB/min",
			"latency in ms: median, 99 %");
	fflush(stdout);
	good = measure(&listener);
	source_destroy(steal_ptr(source));
	if (listener.failed)
		return 3;
	if (config.json)
		print_json(&listener, good);
	else
		printf("\n%s\n",
			good ? "The machine keeps up."
			     : "The machine does not keep up: pictures are dropped, and "
			       "recordings have gaps. Use a lower --fps or a smaller screen.");
	for (int phase = 0; phase < PHASES; phase++)
		free(listener.measured[phase].delays_ms);
	free(stage.pixels);
	free(stage.film);
	return good ? 0 : 1;
}

/* @return 2, the exit status */
static int wrong(const char *option, const char *value, const char *range)
{
	log_error("--%s '%s': must be %s", option, text_quote(value).text, range);
	return 2;
}

static int parse_number(const char *option, const char *text, int most, int *ret)
{
	char *end, range[32];
	long value = strtol(text, &end, 10);

	*ret = (int)value;
	snprintf(range, sizeof(range), "1 to %d", most);
	return *text && !*end && value >= 1 && value <= most ? 0 : wrong(option, text, range);
}

static int parse_size(const char *text)
{
	char rest;

	return sscanf(text, "%5dx%5d%c", &config.width, &config.height, &rest) == 2 &&
			config.width >= 2 * LETTER_WIDTH && config.height >= 2 * LETTER_HEIGHT &&
			config.width <= CANVAS_SIDE_LIMIT && config.height <= CANVAS_SIDE_LIMIT
		? 0
		: wrong("size", text, "WIDTHxHEIGHT in pixels, from 16x32 to 16384x16384");
}

static int parse_encoder(const char *name)
{
	config.encoder = name;
	for (const char *const *known = encoder_names; *known; known++)
		if (strcmp(*known, name) == 0)
			return 0;
	return wrong("encoder", name, "one of auto, h264_vaapi, libx264, libaom-av1");
}

static int parse_option(int c, const char *value)
{
	switch (c) {
	case 's': return parse_size(value);
	case 'n': return parse_number("seconds", value, 3600, &config.seconds);
	case 'f': return parse_number("fps", value, 240, &config.fps);
	case 'e': return parse_encoder(value);
	case 'c':
		return chroma_parse(value, &config.chroma) ? 0
							   : wrong("chroma", value, "420 or 444");
	default: config.json = true; return 0;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"size", required_argument, NULL, 's'},
		{"seconds", required_argument, NULL, 'n'},
		{"fps", required_argument, NULL, 'f'},
		{"encoder", required_argument, NULL, 'e'},
		{"chroma", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c == '?') {
			log_error(
				"unknown option '%s', or its value is missing; see uxrec bench --help",
				text_quote(argv[optind - 1]).text);
			return 2;
		}
		r = parse_option(c, optarg);
		if (r != 0)
			return r;
	}
	if (optind < argc) {
		log_error("unknown argument '%s'; see uxrec bench --help",
			text_quote(argv[optind]).text);
		return 2;
	}
	if (!encoder_supports(config.encoder, config.chroma)) {
		log_error("%s does not support 4:4:4: use --encoder libx264, or --chroma 420",
			config.encoder);
		return 2;
	}
	return run();
}
