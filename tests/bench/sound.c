/*
 * Accuracy and cost of sound recording: a microphone that clicks at every whole second, in another process, heard by
 * PipeWire; and at the same time a tone from a clock that is 200 ppm fast.
 *   sound [--seconds N] [--json]
 */

#include "tests/harness/labs/pipewire.h"
#include "tests/harness/listener.h"

#include "protocol/base/clock.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TONE_PPM 200

/* The stated clock drift is judged from here on. */
#define SETTLED_S 60

static int seconds = 3600;
static bool json;

/* ---- listening ---- */

/* a listener that measures its own decoding */
struct hearer {
	struct packet_sink sink;
	struct listener listener;
	int64_t thread_ns, decoding_ns; /* of the source's thread */
	int64_t settled_ns;
	double drift_off_ppm; /* maximum, after settling */
};

static void take(struct packet_sink *sink, struct packet *packet)
{
	struct hearer *hearer = (struct hearer *)sink;
	int64_t begun_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	double off_ppm;

	hearer->listener.sink.push(&hearer->listener.sink, packet);
	off_ppm = fabs(hearer->listener.drift_ppm - TONE_PPM);
	if (clock_now_ns() > hearer->settled_ns && off_ppm > hearer->drift_off_ppm)
		hearer->drift_off_ppm = off_ppm;
	hearer->thread_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	hearer->decoding_ns += hearer->thread_ns - begun_ns;
}

static struct source *hear(
	struct hearer *hearer, struct session_clock *clock, const char *backend, const char *device)
{
	const struct source_context context = {.clock = clock, .sink = &hearer->sink};
	const struct audio_config config = {backend, device, false};
	struct source *source = NULL;

	*hearer = (struct hearer){.sink.push = take};
	hearer->settled_ns = clock_now_ns() + SETTLED_S * NS_PER_S;
	listener_start(&hearer->listener);
	check(sound_source_create(&source, &context, &config, NULL) == 0);
	return source;
}

/* ---- figures ---- */

struct figures {
	size_t clicks;
	double p50_ms, p99_ms, max_ms; /* absolute error */
	double drift_ms;               /* per hour */
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Drift of the clicks per hour: least squares. */
static double slope_ms(const struct listener *listener, int64_t offset_ns)
{
	double n = (double)listener->click_count, mean_x = 0, mean_y = 0, xx = 0, xy = 0;

	for (size_t i = 0; i < listener->click_count; i++) {
		mean_x += (double)(listener->clicks[i] - offset_ns) / 1e9 / n;
		mean_y += (double)listener_click_off(listener, i, offset_ns) / 1e6 / n;
	}
	for (size_t i = 0; i < listener->click_count; i++) {
		double x = (double)(listener->clicks[i] - offset_ns) / 1e9 - mean_x;

		xx += x * x;
		xy += x * ((double)listener_click_off(listener, i, offset_ns) / 1e6 - mean_y);
	}
	return xx > 0 ? xy / xx * 3600 : 0;
}

static struct figures figures_of(const struct listener *listener, int64_t offset_ns)
{
	size_t count = listener->click_count;
	_autofree_ double *off_ms = calloc(count, sizeof(*off_ms));

	check(count > 0 && off_ms);
	for (size_t i = 0; i < count; i++)
		off_ms[i] = fabs((double)listener_click_off(listener, i, offset_ns)) / 1e6;
	qsort(off_ms, count, sizeof(*off_ms), by_size);
	return (struct figures){count, off_ms[count / 2], off_ms[count * 99 / 100],
		off_ms[count - 1], slope_ms(listener, offset_ns)};
}

static void print_text(const struct hearer *microphone, struct figures heard, double cpu)
{
	printf("%d s of PipeWire: %zu clicks, off by p50 %.3f ms, p99 %.3f ms, max %.3f ms; "
	       "drift %.3f ms an hour\n"
	       "capture and encoding take %.2f %% of a core; %zu gaps, %llu samples lost\n",
		seconds, heard.clicks, heard.p50_ms, heard.p99_ms, heard.max_ms, heard.drift_ms,
		cpu * 100, microphone->listener.gaps,
		(unsigned long long)microphone->listener.lost);
}

static void print_tone_text(const struct hearer *tone, struct figures toned)
{
	printf("a tone that is %d ppm fast: %zu clicks, off by p50 %.3f ms, p99 %.3f ms, max %.3f "
	       "ms; its drift is stated within %.3f ppm from the second minute on, %.3f ppm at the "
	       "end\n",
		TONE_PPM, toned.clicks, toned.p50_ms, toned.p99_ms, toned.max_ms,
		tone->drift_off_ppm, fabs(tone->listener.drift_ppm - TONE_PPM));
}

static void print_json(const char *name, const struct hearer *hearer, struct figures figures)
{
	printf("\"%s\": {\"clicks\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
	       "\"drift_ms_per_hour\": %.3f, \"stated_drift_ppm\": %.3f, \"gaps\": %zu, "
	       "\"lost_samples\": %llu}",
		name, figures.clicks, figures.p50_ms, figures.p99_ms, figures.max_ms,
		figures.drift_ms, hearer->listener.drift_ppm, hearer->listener.gaps,
		(unsigned long long)hearer->listener.lost);
}

static void print_all(
	const struct hearer *microphone, const struct hearer *tone, int64_t offset_ns, double cpu)
{
	struct figures heard = figures_of(&microphone->listener, offset_ns);
	struct figures toned = figures_of(&tone->listener, offset_ns);

	if (!json) {
		print_text(microphone, heard, cpu);
		print_tone_text(tone, toned);
		return;
	}
	printf("{\"seconds\": %d, \"cpu_of_a_core\": %.4f, ", seconds, cpu);
	print_json("pipewire", microphone, heard);
	printf(", ");
	print_json("tone_200_ppm", tone, toned);
	printf("}\n");
}

/* ---- the run ---- */

static void run(void)
{
	static struct hearer microphone, tone;
	struct source *microphone_source, *tone_source;
	struct pipewire_lab lab = {.quantum = 2048};
	struct session_clock clock;
	struct child clicking;
	int64_t cpu_ns, begun_ns;

	if (!pipewire_lab_start(&lab, NULL))
		return;
	clicking = start_child("/proc/self/exe", (const char *const[]){"microphone", NULL});
	session_clock_init(&clock);
	microphone_source = hear(&microphone, &clock, "pipewire", NULL);
	/* measure a running recording, not its start */
	check(listener_hears(&microphone.listener, 50, 60));
	tone_source = hear(&tone, &clock, "tone", "200");
	begun_ns = clock_now_ns();
	cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(seconds * 1000);
	source_destroy(tone_source);
	source_destroy(microphone_source);
	/* all work of this process except the tone and the listener's decoding */
	cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns - tone.thread_ns -
		microphone.decoding_ns;
	print_all(&microphone, &tone, clock.utc_offset_ns,
		(double)cpu_ns / (double)(clock_now_ns() - begun_ns));
	end_child(&clicking, SIGTERM);
	listener_finish(&microphone.listener);
	listener_finish(&tone.listener);
	pipewire_lab_kill(&lab);
}

static void click_until_ended(void)
{
	struct pipewire_lab lab = {.voice = &voice_clicks};

	pipewire_microphone_start(&lab);
	pause();
}

static const struct test microphones[] = {{"clicks are made", click_until_ended}};
static const struct test tests[] = {{"clicks are found, and their times printed", run}};

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int option;

	if (argc == 2 && strcmp(argv[1], "microphone") == 0)
		return RUN_TESTS("microphone", microphones);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = atoi(optarg);
		else if (option == 'j')
			json = true;
		else
			return 2;
	}
	if (seconds < 2 || seconds > LISTENER_CLICKS) {
		fprintf(stderr, "error: --seconds is 2 to %d\n", LISTENER_CLICKS);
		return 2;
	}
	return RUN_TESTS("bench-sound", tests);
}
