#include "tests/harness/labs/pulse.h"

#include "capture/sound/audio_backend.h"
#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Written ahead: longer than any delay of a busy machine. */
#define AHEAD_SAMPLES (AUDIO_RATE_HZ / 4)

#define ASK_US (50 * PA_USEC_PER_MSEC)

static struct child server;

static void let_go(pa_operation *operation)
{
	check(operation != NULL);
	pa_operation_unref(operation);
}

/* ---- player: the loop's thread ---- */

static void on_writable(pa_stream *stream, size_t size_bytes, void *user)
{
	struct pulse_lab *lab = user;
	float block[480];
	size_t count = size_bytes / sizeof(float);

	while (count > 0) {
		size_t n = count < ARRAY_SIZE(block) ? count : ARRAY_SIZE(block);

		for (size_t i = 0; i < n; i++) {
			int64_t time_ns = pulse_clock_at(
				&lab->clock, lab->written + (int64_t)i + lab->clock.lost);

			block[i] = lab->clock.settled ? lab->voice->at(lab->voice, time_ns) : 0;
		}
		pa_stream_write(stream, block, n * sizeof(float), NULL, 0, PA_SEEK_RELATIVE);
		lab->written += (int64_t)n;
		count -= n;
	}
}

/* A sample read now is heard after all samples queued in the sink. */
static void on_time(pa_stream *stream, int success, void *user)
{
	struct pulse_lab *lab = user;
	const pa_timing_info *info = pa_stream_get_timing_info(stream);
	struct clock_sample now = clock_sample_take();
	int64_t time_ns;

	if (!success || !info || !info->playing || info->read_index_corrupt)
		return;
	time_ns = (int64_t)(pa_timeval_load(&info->timestamp) + info->sink_usec) * NS_PER_US;
	pulse_clock_feed(&lab->clock, info->read_index / (int64_t)sizeof(float),
		time_ns - now.wall_ns + now.monotonic_ns);
}

static void on_timer(
	pa_mainloop_api *api, pa_time_event *timer, const struct timeval *when, void *user)
{
	struct pulse_lab *lab = user;
	pa_operation *operation;

	(void)api;
	(void)when;
	if (pa_stream_get_state(lab->stream) != PA_STREAM_READY)
		return;
	operation = pa_stream_update_timing_info(lab->stream, on_time, lab);
	if (operation)
		pa_operation_unref(operation);
	pa_context_rttime_restart(lab->context, timer, pa_rtclock_now() + ASK_US);
}

/* ---- the test's thread ---- */

static bool connects(struct pulse_lab *lab)
{
	pa_context_state_t state;

	lab->context = pa_context_new(pa_threaded_mainloop_get_api(lab->loop), "voice");
	check(lab->context != NULL);
	pa_context_connect(lab->context, NULL, PA_CONTEXT_NOAUTOSPAWN, NULL);
	for (;;) {
		state = pa_context_get_state(lab->context);
		if (state == PA_CONTEXT_READY)
			return true;
		if (!PA_CONTEXT_IS_GOOD(state))
			break;
		pa_threaded_mainloop_unlock(lab->loop);
		sleep_ms(10);
		pa_threaded_mainloop_lock(lab->loop);
	}
	pa_context_unref(lab->context);
	lab->context = NULL;
	return false;
}

static void play(struct pulse_lab *lab)
{
	const pa_sample_spec format = {PA_SAMPLE_FLOAT32NE, AUDIO_RATE_HZ, 1};
	const pa_buffer_attr sizes = {
		.maxlength = (uint32_t)-1,
		.tlength = AHEAD_SAMPLES * sizeof(float),
		.prebuf = (uint32_t)-1,
		.minreq = AUDIO_RATE_HZ / 100 * sizeof(float),
	};

	lab->clock = (struct pulse_clock){0};
	lab->written = 0;
	lab->stream = pa_stream_new(lab->context, "voice", &format, NULL);
	check(lab->stream != NULL);
	pa_stream_set_write_callback(lab->stream, on_writable, lab);
	check(pa_stream_connect_playback(lab->stream, lab->sink ? lab->sink : "room", &sizes,
		      PA_STREAM_ADJUST_LATENCY, NULL, NULL) == 0);
	while (pa_stream_get_state(lab->stream) != PA_STREAM_READY) {
		check(PA_STREAM_IS_GOOD(pa_stream_get_state(lab->stream)));
		pa_threaded_mainloop_unlock(lab->loop);
		sleep_ms(10);
		pa_threaded_mainloop_lock(lab->loop);
	}
	lab->timer = pa_context_rttime_new(lab->context, pa_rtclock_now() + ASK_US, on_timer, lab);
	check(lab->timer != NULL);
}

void pulse_voice_start(struct pulse_lab *lab)
{
	int64_t until_ns = clock_now_ns() + 30 * NS_PER_S;

	lab->loop = pa_threaded_mainloop_new();
	check(lab->loop && pa_threaded_mainloop_start(lab->loop) == 0);
	pa_threaded_mainloop_lock(lab->loop);
	while (!connects(lab)) {
		check(clock_now_ns() < until_ns);
		sleep_ms(50);
	}
	play(lab);
	pa_threaded_mainloop_unlock(lab->loop);
}

void pulse_voice_end(struct pulse_lab *lab)
{
	if (!lab->loop)
		return;
	pa_threaded_mainloop_stop(lab->loop);
	if (lab->timer)
		pa_threaded_mainloop_get_api(lab->loop)->time_free(lab->timer);
	pa_stream_disconnect(lab->stream);
	pa_stream_unref(lab->stream);
	pa_context_disconnect(lab->context);
	pa_context_unref(lab->context);
	pa_threaded_mainloop_free(lab->loop);
	lab->loop = NULL;
	lab->timer = NULL;
}

void pulse_lab_run(struct pulse_lab *lab)
{
	_autofree_ char *native = NULL;

	check(asprintf(&native,
		      "module-native-protocol-unix auth-cookie-enabled=0 socket=%s/pulse/native",
		      temporary_folder()) > 0);
	server = start_child("pulseaudio",
		(const char *const[]){"-n", "--daemonize=no", "--system=no", "--use-pid-file=no",
			"--exit-idle-time=-1", "-L", native, "-L",
			"module-null-sink sink_name=room "
			"sink_properties=device.description=Room",
			"-L",
			"module-null-sink sink_name=other "
			"sink_properties=device.description=Other",
			/* an output's monitor is no microphone, unless remapped to one */
			"-L",
			"module-remap-source source_name=room.microphone master=room.monitor "
			"source_properties=device.description=RoomMicrophone",
			"-L",
			"module-remap-source source_name=other.microphone master=other.monitor "
			"source_properties=device.description=OtherMicrophone",
			"-L", "module-null-sink sink_name=eight channels=8 rate=48000", "-L",
			"module-null-sink sink_name=narrow channels=1 rate=8000", NULL});
	pulse_voice_start(lab);
}

bool pulse_lab_start(struct pulse_lab *lab, const struct voice *voice)
{
	static const char *const folders[] = {
		"XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"};
	_autofree_ char *folder = temporary_path("pulse"), *address = NULL;

	lab->voice = voice;
	if (!has_program("pulseaudio")) {
		skip_test("no PulseAudio");
		return false;
	}
	/* one at a time: a failed test leaves its own behind */
	end_child(&server, SIGKILL);
	mkdir(folder, 0700);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		setenv(folders[i], folder, 1);
	check(asprintf(&address, "unix:%s/native", folder) > 0);
	setenv("PULSE_SERVER", address, 1);
	pulse_lab_run(lab);
	return true;
}

void pulse_lab_kill(struct pulse_lab *lab)
{
	pulse_voice_end(lab);
	end_child(&server, SIGKILL);
}

void pulse_lab_mute(struct pulse_lab *lab, bool muted)
{
	pa_threaded_mainloop_lock(lab->loop);
	let_go(pa_context_set_source_mute_by_name(
		lab->context, "room.microphone", muted, NULL, NULL));
	pa_threaded_mainloop_unlock(lab->loop);
}

void pulse_lab_set_default(struct pulse_lab *lab, const char *sink)
{
	char source[64];

	snprintf(source, sizeof(source), "%s.microphone", sink);
	pa_threaded_mainloop_lock(lab->loop);
	let_go(pa_context_set_default_sink(lab->context, sink, NULL, NULL));
	let_go(pa_context_set_default_source(lab->context, source, NULL, NULL));
	pa_threaded_mainloop_unlock(lab->loop);
}

void pulse_lab_stall(bool stalled)
{
	kill(server.pid, stalled ? SIGSTOP : SIGCONT);
}
