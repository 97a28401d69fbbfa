/* A real PulseAudio server without a sound card, and a microphone that clicks at every whole second. */

#include "tests/harness/labs/pulse.h"
#include "tests/harness/listener.h"

#include "protocol/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void judge_clicks(struct listener *listener, size_t wanted)
{
	int64_t worst_ns;

	expect(listener_find_clicks(listener, listener->clock.utc_offset_ns, &worst_ns) >= wanted);
	printf("# %zu clicks are at most %.3f ms off, the drift %.1f ppm\n", listener->click_count,
		(double)worst_ns / 1e6, listener->drift_ppm);
	/* on a busy machine the player of the clicks is late now and then */
	expect(listener_is_in_time(listener, worst_ns));
	expect(listener->numberless == 0);
}

/* The server converts any format of the microphone. */
static void clicks_are_heard_when_they_were_made(void)
{
	static const char *const sinks[] = {NULL, "eight", "narrow"};
	static const char *const devices[] = {"room.monitor", "eight.monitor", "narrow.monitor"};
	struct pulse_lab labs[3] = {{0}};
	struct listener listeners[3];

	if (!pulse_lab_start(&labs[0], &voice_clicks))
		return;
	for (size_t i = 0; i < 3; i++) {
		if (i > 0) {
			labs[i] = (struct pulse_lab){.voice = &voice_clicks, .sink = sinks[i]};
			pulse_voice_start(&labs[i]);
		}
		listener_record(&listeners[i], "pulse", devices[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		expect(listener_hears(&listeners[i], 8 * 50, 60));
		listener_end(&listeners[i]);
		judge_clicks(&listeners[i], 5);
		listener_finish(&listeners[i]);
	}
	pulse_voice_end(&labs[1]);
	pulse_voice_end(&labs[2]);
	pulse_lab_kill(&labs[0]);
}

static void a_server_that_dies_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pulse_lab lab = {0};
	size_t before;

	if (!pulse_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pulse", NULL);
	check(listener_hears(&listener, 50, 60));
	pulse_lab_kill(&lab);
	sleep_ms(1200);
	before = listener_packets(&listener);
	pulse_lab_run(&lab);
	check(listener_hears(&listener, before + 50, 60));
	listener_end(&listener);
	expect(listener.away == 1);
	expect(listener.longest_ns > NS_PER_S);
	pulse_lab_kill(&lab);
}

static void a_server_that_stalls_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_destroy_(audio_backend) struct audio_backend *backend = NULL;
	struct pulse_lab lab = {0};
	struct error error = {""};
	size_t before;
	int64_t begun_ns;

	if (!pulse_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pulse", NULL);
	check(listener_hears(&listener, 50, 60));
	pulse_lab_stall(true);
	/* neither connecting nor closing waits for ever */
	begun_ns = clock_now_ns();
	expect(audio_backend_pulse.create(&backend, NULL, false, &error) == -ETIMEDOUT);
	expect(strstr(error.text, "PulseAudio does not answer") != NULL);
	expect(clock_now_ns() - begun_ns < 20 * NS_PER_S);
	sleep_ms(1500);
	before = listener_packets(&listener);
	pulse_lab_stall(false);
	check(listener_hears(&listener, before + 50, 60));
	pulse_lab_stall(true);
	begun_ns = clock_now_ns();
	listener_end(&listener);
	expect(clock_now_ns() - begun_ns < 20 * NS_PER_S);
	pulse_lab_stall(false);
	expect(listener.away == 1);
	expect(listener.longest_ns > NS_PER_S);
	pulse_lab_kill(&lab);
}

/* Read until a condition holds. @return false after ten seconds, or without any sound */
static bool reads_until(struct audio_backend *backend,
	bool (*is_so)(const struct audio_block *block, struct audio_backend *backend))
{
	int64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
	struct audio_block block;

	while (clock_now_ns() < until_ns) {
		if (backend->ops->read(backend, -1, &block) != 1)
			return false;
		if (is_so(&block, backend))
			return true;
	}
	return false;
}

static bool is_muted(const struct audio_block *block, struct audio_backend *backend)
{
	(void)backend;
	return block->muted;
}

static bool is_not_muted(const struct audio_block *block, struct audio_backend *backend)
{
	(void)backend;
	return !block->muted;
}

static bool is_of(struct audio_backend *backend, const char *microphone, const char *output)
{
	const char *device = backend->ops->device(backend);

	return strcmp(device, microphone) == 0 || strcmp(device, output) == 0;
}

static bool is_room(const struct audio_block *block, struct audio_backend *backend)
{
	(void)block;
	return is_of(backend, "RoomMicrophone", "Monitor of Room");
}

static bool is_other(const struct audio_block *block, struct audio_backend *backend)
{
	(void)block;
	return is_of(backend, "OtherMicrophone", "Monitor of Other");
}

static void devices_are_followed(void)
{
	_destroy_(audio_backend) struct audio_backend *backend = NULL, *machine = NULL;
	struct pulse_lab lab = {0};

	if (!pulse_lab_start(&lab, &voice_clicks))
		return;
	pulse_lab_set_default(&lab, "room");
	sleep_ms(200);
	check(audio_backend_pulse.create(&backend, NULL, false, NULL) == 0);
	expect(reads_until(backend, is_room));
	expect(reads_until(backend, is_not_muted));
	pulse_lab_mute(&lab, true);
	expect(reads_until(backend, is_muted));
	pulse_lab_mute(&lab, false);
	expect(reads_until(backend, is_not_muted));
	/* a backend on the default device follows changes of it */
	check(audio_backend_pulse.create(&machine, NULL, true, NULL) == 0);
	expect(reads_until(machine, is_room));
	pulse_lab_set_default(&lab, "other");
	expect(reads_until(backend, is_other));
	/* playback moves to another sink: that needs another backend */
	expect(!reads_until(machine, is_other));
	audio_backend_destroy(steal_ptr(machine));
	check(audio_backend_pulse.create(&machine, NULL, true, NULL) == 0);
	expect(reads_until(machine, is_other));
	pulse_lab_kill(&lab);
}

static void what_is_played_is_heard(void)
{
	_destroy_(audio_backend) struct audio_backend *backend = NULL;
	struct pulse_lab lab = {0};
	struct error error = {""};
	int64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
	float loudest = 0;
	struct audio_block block;

	if (!pulse_lab_start(&lab, &voice_clicks))
		return;
	expect(audio_backend_pulse.create(&backend, "nowhere", true, &error) == -ENODEV);
	expect(strcmp(error.text, "no sound: PulseAudio has no output 'nowhere'") == 0);
	expect(audio_backend_pulse.create(&backend, "nowhere", false, &error) == -ENODEV);
	expect(strcmp(error.text, "no sound: PulseAudio has no microphone 'nowhere'") == 0);
	check(audio_backend_pulse.create(&backend, "room", true, NULL) == 0);
	while (loudest < 0.4f && clock_now_ns() < until_ns) {
		check(backend->ops->read(backend, -1, &block) == 1);
		for (size_t i = 0; i < block.count; i++)
			loudest = fmaxf(loudest, block.samples[i]);
	}
	expect(loudest >= 0.4f);
	pulse_lab_kill(&lab);
}

static void no_server_is_said(void)
{
	_destroy_(audio_backend) struct audio_backend *backend = NULL;
	_autofree_ char *server = NULL;
	struct error error = {""};

	check(asprintf(&server, "unix:%s/nowhere", temporary_folder()) > 0);
	setenv("PULSE_SERVER", server, 1);
	expect(audio_backend_pulse.create(&backend, NULL, false, &error) == -ECONNREFUSED);
	expect(strcmp(error.text,
		       "no sound: PulseAudio does not answer; is it running in this session?") ==
		0);
}

static const struct test tests[] = {
	{"PulseAudio's clicks are recorded at their times, also of 8 channels and of 8 kHz",
		clicks_are_heard_when_they_were_made},
	{"a server that dies is a gap, and sound comes back with it", a_server_that_dies_is_a_gap},
	{"a server that stalls is a gap, and nothing waits for it", a_server_that_stalls_is_a_gap},
	{"the device's name and mute are current", devices_are_followed},
	{"the machine's playback is recorded, of an existing device", what_is_played_is_heard},
	{"a missing server is reported", no_server_is_said},
};

int main(void)
{
	return RUN_TESTS("sound_pulse", tests);
}
