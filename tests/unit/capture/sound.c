#include "tests/harness/listener.h"

#include "capture/sound/clock.h"
#include "capture/sound/levels.h"
#include "capture/sound/pulse_clock.h"
#include "capture/sound/sound.h"
#include "protocol/base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a device's clock ---- */

static double uniform(uint64_t *state)
{
	return (double)(next_random(state) >> 11) / (double)(1ULL << 53) - 0.5;
}

/* An hour of blocks of 10 ms with jitter of a millisecond; the worst error of the best 99 percent. */
static void an_hour_drifts(double ppm)
{
	static double off_ns[3600 * 100];
	struct sound_clock clock;
	uint64_t random = 3;
	size_t worse = 0;

	sound_clock_init(&clock, AUDIO_RATE_HZ);
	for (size_t i = 0; i < ARRAY_SIZE(off_ns); i++) {
		int64_t position = (int64_t)i * 480 + 1000000;
		int64_t truth_ns =
			llround(5e12 + (double)i * 0.01 / (1 + ppm / 1e6) * (double)NS_PER_S);

		sound_clock_feed(
			&clock, position, truth_ns + llround(uniform(&random) * (double)NS_PER_MS));
		off_ns[i] = fabs((double)(sound_clock_at(&clock, position) - truth_ns));
		worse += off_ns[i] > 2e6;
	}
	expect(worse < ARRAY_SIZE(off_ns) / 100);
	/* the estimate is far better at the end */
	expect(off_ns[ARRAY_SIZE(off_ns) - 1] < 0.2e6);
	expect(fabs(sound_clock_drift_ppm(&clock) - ppm) < 1);
	expect(sound_clock_error_ns(&clock) < 300000);
	expect(clock.restarts == 0);
}

static void drift_is_measured(void)
{
	an_hour_drifts(0);
	an_hour_drifts(200);
	an_hour_drifts(-200);
}

static void a_jump_begins_anew(void)
{
	struct sound_clock clock;
	int64_t shift_ns = 0;

	sound_clock_init(&clock, AUDIO_RATE_HZ);
	for (int64_t i = 0; i < 4000; i++) {
		shift_ns = i > 2000 ? 150 * NS_PER_MS : 0;
		sound_clock_feed(&clock, i * 480, NS_PER_S + i * 10 * NS_PER_MS + shift_ns);
	}
	expect(clock.restarts > 0);
	expect(llabs(sound_clock_at(&clock, 4000 * 480) -
		       (NS_PER_S + 4000 * 10 * NS_PER_MS + shift_ns)) < NS_PER_MS);
}

/* ---- a server's times ---- */

/* Feed answers every tenth of a second, with errors in ms. */
static void answer(struct pulse_clock *clock, int64_t *i, const double *off_ms, size_t count)
{
	for (size_t k = 0; k < count; k++, ++*i)
		pulse_clock_feed(clock, *i * 4800,
			NS_PER_S + *i * 100 * NS_PER_MS + llround(off_ms[k] * 1e6));
}

/* error of a sample's timestamp, ms */
static double off_ms(const struct pulse_clock *clock, int64_t i)
{
	return (double)(pulse_clock_at(clock, i * 4800 + clock->lost) - NS_PER_S -
		       i * 100 * NS_PER_MS) /
		1e6;
}

static void first_answers_are_waited_out(void)
{
	static const double settling[] = {186, 186, 120, 60, 3, 0.1, 0, 0.2}, then[] = {0, 0.1},
			    wild[] = {0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0,
				    9, 0, 9, 0, 9, 0, 9, 0, 9};
	struct pulse_clock clock = {0};
	int64_t i = 0;

	answer(&clock, &i, settling, ARRAY_SIZE(settling));
	expect(!clock.settled);
	answer(&clock, &i, then, ARRAY_SIZE(then));
	expect(clock.settled && clock.lost == 0);
	/* samples before settling have right times then too */
	expect(fabs(off_ms(&clock, 0)) < 0.3);
	/* an anchor that never settles is finally taken as it is */
	clock = (struct pulse_clock){0};
	i = 0;
	answer(&clock, &i, wild, ARRAY_SIZE(wild));
	expect(!clock.settled);
	answer(&clock, &i, then, 1);
	expect(clock.settled);
}

static void answers_that_are_off_are_left_out(void)
{
	static const double good[] = {0, 0, 0, 0, 0, 0}, outliers[] = {9, -7, 0, 30, 9, 0};
	static const double late[] = {16, 16, 16, 16}, early[] = {-20, -20, -20, -20};
	struct pulse_clock clock = {0};
	int64_t i = 0;

	answer(&clock, &i, good, ARRAY_SIZE(good));
	answer(&clock, &i, outliers, ARRAY_SIZE(outliers));
	expect(off_ms(&clock, i) == 0 && clock.lost == 0);
	/* a repeated error is real: late answers mean missing samples */
	answer(&clock, &i, late, ARRAY_SIZE(late));
	expect(off_ms(&clock, i) == 16 && clock.lost == 768);
	/* and early ones a device that restarted its count */
	answer(&clock, &i, early, ARRAY_SIZE(early));
	expect(off_ms(&clock, i) == -20 && clock.lost == 768);
}

/* ---- packets of a source ---- */

static void hear_for(
	struct listener *listener, const char *device, unsigned seconds, int64_t *ret_offset_ns)
{
	_destroy_(source) struct source *source = NULL;
	struct session_clock clock;
	const struct source_context context = {.clock = &clock, .sink = &listener->sink};

	session_clock_init(&clock);
	*ret_offset_ns = clock.utc_offset_ns;
	check(sound_source_create(
		      &source, &context, &(struct audio_config){"tone", device, false}, NULL) == 0);
	sleep(seconds);
}

static void clicks_are_where_they_were(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns, worst_ns;

	listener_start(&listener);
	/* avoid a click's time: half a click is none */
	while (clock_now_ns() % NS_PER_S < 3 * NS_PER_MS ||
		clock_now_ns() % NS_PER_S > 4 * NS_PER_MS)
		usleep(200);
	hear_for(&listener, "200", 12, &offset_ns);
	expect(listener_find_clicks(&listener, offset_ns, &worst_ns) >= 11);
	/* decoded clicks start a little early, as with all lossy coders */
	expect(worst_ns < 2 * NS_PER_MS);
	expect(fabs(listener.drift_ppm - 200) < 5);
	expect(listener.gaps == 0);
	/* no samples missing or repeated */
	expect(llabs(listener.longest_ns - 20 * NS_PER_MS) < NS_PER_MS);
}

static void lost_samples_are_silence_and_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns, worst_ns;

	listener_start(&listener);
	hear_for(&listener, "0,lossy", 8, &offset_ns);
	expect(listener.gaps == 1 && listener.lost == 768);
	expect(listener_find_clicks(&listener, offset_ns, &worst_ns) >= 7);
	expect(worst_ns < 2 * NS_PER_MS);
	expect(llabs(listener.longest_ns - 20 * NS_PER_MS) < NS_PER_MS);
}

static void no_device_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns;

	listener_start(&listener);
	hear_for(&listener, "nonsense", 2, &offset_ns);
	expect(listener.packets == 0 && listener.gaps == 1);
}

static void levels_say_how_loud_it_was(void)
{
	struct sound_levels levels = {0};
	float samples[480];

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		samples[i] = (float)sin(2 * M_PI * (double)i / 48) / 10;
	sound_levels_add(&levels, samples, ARRAY_SIZE(samples));
	/* a tenth is -20 dB, with half the power for a sine */
	expect(levels.peak[0] == 40 && levels.rms[0] == 46 && levels.clipped == 0);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		samples[i] = i % 2 ? 1 : -1;
	sound_levels_add(&levels, samples, ARRAY_SIZE(samples));
	expect(levels.peak[1] == 0 && levels.rms[1] == 0 && levels.clipped == 480);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		samples[i] = 0;
	sound_levels_add(&levels, samples, ARRAY_SIZE(samples));
	expect(levels.peak[2] == 255 && levels.count == 3);
	expect(sound_level_of(1e-9) == 254 && sound_level_of(NAN) == 255);
	expect(sound_level_db(40) == -20);
}

static void a_source_says_how_loud_it_is(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	int64_t offset_ns;

	listener_start(&listener);
	hear_for(&listener, NULL, 2, &offset_ns);
	/* the tone's clicks reach half of full scale, -6 dB */
	expect(listener.loudest >= 11 && listener.loudest <= 13);
	expect(listener.levels >= 9 && listener.infos == 1 && !listener.muted);
	expect(strcmp(listener.device, "clicks, 0 ppm fast") == 0);
}

static void a_check_listens_for_a_moment(void)
{
	struct error error = {""};
	struct audio_backend_report report;

	check(audio_backend_check(&report, &(struct audio_config){"tone", NULL, false}, &error) ==
		0);
	expect(fabs(report.peak_db + 6) < 1 && !report.muted && report.clipped == 0);
	expect(audio_backend_check(
		       &report, &(struct audio_config){"tone", "nonsense", false}, &error) < 0);
	expect(strstr(error.text, "nonsense") != NULL);
}

static const struct test tests[] = {
	{"the drift of a device's clock is measured through jitter", drift_is_measured},
	{"a jump of a device's clock is followed", a_jump_begins_anew},
	{"the times of a server are used once they agree", first_answers_are_waited_out},
	{"an outlier of a server's time is ignored, unless it persists",
		answers_that_are_off_are_left_out},
	{"clicks keep their times with a fast clock", clicks_are_where_they_were},
	{"lost samples become silence of their length and a gap",
		lost_samples_are_silence_and_a_gap},
	{"a missing device is a gap, and is retried", no_device_is_a_gap},
	{"levels are half decibels below full scale", levels_say_how_loud_it_was},
	{"a source reports its level and its device", a_source_says_how_loud_it_is},
	{"a check before a session listens for a moment", a_check_listens_for_a_moment},
};

int main(void)
{
	return RUN_TESTS("sound", tests);
}
