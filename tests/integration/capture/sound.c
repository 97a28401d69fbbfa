/* A real PipeWire server without a sound card, and a microphone that clicks at every whole second. */

#include "tests/harness/labs/pipewire.h"
#include "tests/harness/listener.h"

#include "capture/sound/sound.h"
#include "protocol/base/clock.h"
#include "protocol/os/io.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- tests ---- */

static void clicks_are_heard_when_they_were_made(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {0};
	int64_t worst_ns;

	if (!pipewire_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 10 * 50, 60));
	listener_end(&listener);
	expect(listener_find_clicks(&listener, listener.clock.utc_offset_ns, &worst_ns) >= 6);
	printf("# clicks are at most %.3f ms off, the drift %.1f ppm\n", (double)worst_ns / 1e6,
		listener.drift_ppm);
	expect(listener_is_in_time(&listener, worst_ns));
	pipewire_lab_kill(&lab);
}

/* The server converts any format of the microphone. */
static void hears_a_format(unsigned rate_hz, unsigned channels)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {.rate_hz = rate_hz, .channels = channels};
	int64_t worst_ns;

	if (!pipewire_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 5 * 50, 60));
	listener_end(&listener);
	expect(listener_find_clicks(&listener, listener.clock.utc_offset_ns, &worst_ns) >= 3);
	printf("# %u Hz, %u channels: clicks are at most %.3f ms off\n", rate_hz, channels,
		(double)worst_ns / 1e6);
	expect(listener_is_in_time(&listener, worst_ns));
	pipewire_lab_kill(&lab);
}

static void eight_channels_are_heard(void)
{
	hears_a_format(48000, 8);
}

static void eight_kilohertz_are_heard(void)
{
	hears_a_format(8000, 1);
}

/* Number of NaN or infinite samples from an audio backend in two seconds. */
static size_t read_nonfinite(void)
{
	_destroy_(audio_backend) struct audio_backend *backend = NULL;
	int64_t until_ns = clock_now_ns() + 2 * NS_PER_S;
	struct audio_block heard;
	size_t count = 0;

	check(audio_backend_pipewire.create(&backend, NULL, false, NULL) == 0);
	while (clock_now_ns() < until_ns) {
		check(backend->ops->read(backend, -1, &heard) == 1);
		for (size_t i = 0; i < heard.count; i++)
			count += !isfinite(heard.samples[i]);
	}
	return count;
}

static void what_is_no_number_is_silence(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {0};
	int64_t worst_ns;

	if (!pipewire_lab_start(&lab, &voice_broken))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 50, 60));
	/* a tenth of the input */
	expect(read_nonfinite() > AUDIO_RATE_HZ / 20);
	check(listener_hears(&listener, 4 * 50, 60));
	listener_end(&listener);
	expect(listener.numberless == 0);
	expect(listener_find_clicks(&listener, listener.clock.utc_offset_ns, &worst_ns) >= 2);
	expect(listener_is_in_time(&listener, worst_ns));
	pipewire_lab_kill(&lab);
}

/* ---- speech ---- */

#define WINDOW_NS (20 * NS_PER_MS)
#define WINDOWS   300

/* Loudness in windows of 20 ms: root mean squares. */
struct envelope {
	double sums[WINDOWS];
	size_t counts[WINDOWS];
};

static void envelope_add(struct envelope *envelope, int64_t after_ns, float sample)
{
	if (after_ns < 0 || after_ns >= WINDOWS * WINDOW_NS)
		return;
	envelope->sums[after_ns / WINDOW_NS] += (double)sample * (double)sample;
	envelope->counts[after_ns / WINDOW_NS]++;
}

static double loudness(const struct envelope *envelope, size_t i)
{
	return envelope->counts[i] ? sqrt(envelope->sums[i] / (double)envelope->counts[i]) : 0;
}

/* Pearson's r */
static double correlation(const struct envelope *a, const struct envelope *b)
{
	double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;

	for (size_t i = 0; i < WINDOWS; i++) {
		mean_a += loudness(a, i) / WINDOWS;
		mean_b += loudness(b, i) / WINDOWS;
	}
	for (size_t i = 0; i < WINDOWS; i++) {
		double da = loudness(a, i) - mean_a, db = loudness(b, i) - mean_b;

		aa += da * da;
		bb += db * db;
		ab += da * db;
	}
	return ab / sqrt(aa * bb);
}

static void speech_is_heard_as_it_was_said(void)
{
	static const char text[] =
		"I would look for the price first. Now where is the button to pay?";
	_cleanup_(listener_finish) struct listener listener = {0};
	_cleanup_(voice_finish) struct voice voice = {0};
	_autofree_ char *wav = temporary_path("speech.wav");
	struct envelope said = {0}, heard = {0};
	struct pipewire_lab lab = {0};
	int64_t end_ns, step_ns = NS_PER_S / AUDIO_RATE_HZ;

	if (!has_program("espeak-ng")) {
		skip_test("no espeak-ng");
		return;
	}
	check(run_child(NULL, "espeak-ng", "-v", "en", "-w", wav, text, NULL) == 0);
	voice_read(&voice, wav, clock_now_ns() + 4 * NS_PER_S);
	end_ns = voice.begin_ns +
		(int64_t)((double)voice.count / voice.rate_hz * (double)NS_PER_S) + NS_PER_S / 2;
	if (!pipewire_lab_start(&lab, &voice))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 1, 60));
	while (clock_now_ns() < end_ns)
		sleep_ms(50);
	listener_end(&listener);
	for (int64_t ns = 0; ns < WINDOWS * WINDOW_NS; ns += step_ns)
		envelope_add(&said, ns, voice.at(&voice, voice.begin_ns + ns));
	for (size_t i = 0; i < listener.count; i++)
		envelope_add(&heard,
			listener.times[i] - listener.clock.utc_offset_ns - voice.begin_ns,
			listener.samples[i]);
	printf("# what was heard is as loud as what was said: r = %.4f\n",
		correlation(&said, &heard));
	expect(correlation(&said, &heard) >= 0.95);
	pipewire_lab_kill(&lab);
}

/* ---- servers that stop ---- */

static void what_is_played_is_heard(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {.plays = true};
	int64_t worst_ns;

	if (!pipewire_lab_start(&lab, &voice_clicks))
		return;
	listener_record_monitor(&listener, "pipewire");
	check(listener_hears(&listener, 6 * 50, 60));
	listener_end(&listener);
	expect(strcmp(listener.device, "Speaker") == 0);
	expect(listener_find_clicks(&listener, listener.clock.utc_offset_ns, &worst_ns) >= 3);
	printf("# clicks that are played are at most %.3f ms off\n", (double)worst_ns / 1e6);
	/* the server does not report an output's playing time: exact to a cycle, here of 5.3 ms */
	expect(worst_ns < 12 * NS_PER_MS);
	pipewire_lab_kill(&lab);
}

/* wait for /sound/info to have these values, up to a few seconds */
static bool is_said(struct listener *listener, const char *device, bool muted)
{
	for (int i = 0; i < 200; i++) {
		bool is;

		pthread_mutex_lock(&listener->lock);
		is = strcmp(listener->device, device) == 0 && listener->muted == muted;
		pthread_mutex_unlock(&listener->lock);
		if (is)
			return true;
		sleep_ms(50);
	}
	printf("# the device is '%s'%s\n", listener->device, listener->muted ? ", muted" : "");
	return false;
}

static void a_muted_microphone_is_said(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {0};

	if (!pipewire_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 50, 60));
	expect(is_said(&listener, "microphone", false));
	pipewire_microphone_mute(&lab, true);
	expect(is_said(&listener, "microphone", true));
	pipewire_microphone_mute(&lab, false);
	expect(is_said(&listener, "microphone", false));
	listener_end(&listener);
	pipewire_lab_kill(&lab);
}

static void a_server_that_dies_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {0};
	size_t before;

	if (!pipewire_lab_start(&lab, &voice_clicks))
		return;
	listener_record(&listener, "pipewire", NULL);
	check(listener_hears(&listener, 50, 60));
	pipewire_lab_kill(&lab);
	sleep_ms(3000);
	before = listener_packets(&listener);
	pipewire_lab_run(&lab);
	check(listener_hears(&listener, before + 50, 60));
	listener_end(&listener);
	/* perhaps one before it was there; one for its death */
	expect(listener.away >= 1 && listener.away <= 2);
	expect(listener.longest_ns > 2 * NS_PER_S);
	pipewire_lab_kill(&lab);
}

static void a_microphone_that_comes_is_taken_up(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	struct pipewire_lab lab = {0};
	struct audio_backend_report report;
	struct error error = {""};

	/* no other server: the report is about this one */
	setenv("PULSE_SERVER", "unix:/nonexistent", 1);
	if (!pipewire_lab_start(&lab, NULL))
		return;
	expect(audio_backend_check(
		       &report, &(struct audio_config){"pipewire", NULL, false}, &error) < 0);
	expect(strcmp(error.text,
		       "no sound: pipewire answers, but no microphone delivers samples") == 0);
	listener_record(&listener, "auto", NULL);
	sleep_ms(3000);
	expect(listener_packets(&listener) == 0);
	lab.voice = &voice_clicks;
	pipewire_microphone_start(&lab);
	expect(listener_hears(&listener, 50, 60));
	listener_end(&listener);
	expect(listener.away == 1);
	unsetenv("PULSE_SERVER");
	pipewire_lab_kill(&lab);
}

static void no_server_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_autofree_ char *nowhere = temporary_path("nowhere");

	setenv("XDG_RUNTIME_DIR", nowhere, 1);
	setenv("PIPEWIRE_RUNTIME_DIR", nowhere, 1);
	listener_record(&listener, "pipewire", NULL);
	sleep_ms(1500);
	listener_end(&listener);
	expect(listener.packets == 0 && listener.away == 1);
}

/* ---- exports ---- */

/* number of messages of a channel, and the offset of the recording's clock */
static size_t look_at(const struct session *session, uint16_t known, int64_t *ret_offset_ns)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	check(session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		if (message.channel->known == CHANNEL_CLOCK) {
			Uxrec__ClockSample *sample = uxrec__clock_sample__unpack(
				NULL, message.data.size_bytes, message.data.data);

			*ret_offset_ns = sample->utc_offset_ns;
			uxrec__clock_sample__free_unpacked(sample, NULL);
		}
		count += message.channel->known == known;
	}
	return count;
}

/* Count the clicks in a WAV file of one channel and 16 bits that begins at a time. */
static size_t clicks_of_wav(const char *path, int64_t begin_ns, int64_t *ret_worst_ns)
{
	_autofree_ char *data = NULL;
	ssize_t size = io_read_file(path, 100 * 1024 * 1024, &data);
	_cleanup_(listener_finish) struct listener listener = {0};
	const char *samples;

	check(size > 1000 && memcmp(data, "RIFF", 4) == 0);
	samples = memmem(data, (size_t)size, "data", 4);
	check(samples != NULL);
	listener_start(&listener);
	samples += 8;
	for (int64_t i = 0; samples + 2 <= data + size; i++, samples += 2) {
		int16_t sample;
		float value;

		memcpy(&sample, samples, 2);
		value = (float)sample / 32768;
		listener_take(&listener, &value, 1, begin_ns + i * NS_PER_S / AUDIO_RATE_HZ);
	}
	return listener_find_clicks(&listener, 0, ret_worst_ns);
}

/* ffmpeg decodes all of it without a message */
static void expect_decodable(const char *path)
{
	_autofree_ char *told = NULL;

	/* pictures keep their times: two may be a few milliseconds apart */
	expect(run_child(&told, "ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough",
		       "-enc_time_base:v", "1:1000", "-f", "null", "-", NULL) == 0);
	if (*told)
		printf("# ffmpeg of %s: %s\n", path, told);
	expect(*told == '\0');
}

static void exports_keep_the_times(void)
{
	static const char *const both[] = {
		"--screen", "test", "--input", "none", "--sound", "tone:200", NULL};
	_autofree_ char *folder = NULL, *wav = temporary_path("out.wav");
	_autofree_ char *mkv = temporary_path("out.mkv"), *opus = temporary_path("out.opus");
	_autofree_ char *told = NULL;
	_destroy_(session) struct session *session = NULL;
	struct daemon_child daemon;
	int64_t first_ns, last_ns, offset_ns = 0, worst_ns;
	size_t pictures, sounds, shown, heard;
	char id[21], program[256];

	daemon_start(&daemon, temporary_folder(), both);
	daemon_record_agreed(&daemon, "paper:screen,sound", "classes", id);
	sleep_ms(3000);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	sleep_ms(1000);
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	sleep_ms(3000);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	pictures = look_at(session, CHANNEL_SCREEN, &offset_ns);
	sounds = look_at(session, CHANNEL_SOUND, &offset_ns);
	check(session_span(session, &first_ns, &last_ns));
	check(asprintf(&folder, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	/* the pause is silence of its length: later sound keeps its time */
	expect(run_child(NULL, program, "export", folder, "--to", "wav", "-o", wav, NULL) == 0);
	expect(clicks_of_wav(wav, first_ns - offset_ns, &worst_ns) >= 5);
	expect(worst_ns < 2 * NS_PER_MS);
	expect(run_child(NULL, program, "export", folder, "--to", "mkv", "-o", mkv, NULL) == 0);
	expect(run_child(&told, "ffprobe", "-v", "error", "-count_packets", "-show_entries",
		       "stream=codec_name,nb_read_packets", "-of", "csv=p=0", mkv, NULL) == 0);
	/* the pause is a card of its own, and the last picture is repeated at the end */
	check(sscanf(told, "h264,%zu opus,%zu", &shown, &heard) == 2);
	expect(shown >= pictures && shown <= pictures + 4);
	expect(heard == sounds);
	expect_decodable(mkv);
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 0);
	expect_decodable(opus);
	/* an existing file is not overwritten */
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 3);
}

static const struct test tests[] = {
	{"PipeWire's clicks are recorded at their times", clicks_are_heard_when_they_were_made},
	{"a microphone of eight channels is recorded in time", eight_channels_are_heard},
	{"a microphone of 8 kHz is recorded in time", eight_kilohertz_are_heard},
	{"NaN samples become silence", what_is_no_number_is_silence},
	{"recorded speech correlates with its source", speech_is_heard_as_it_was_said},
	{"the machine's playback is recorded, on channels of its own", what_is_played_is_heard},
	{"a muted microphone is reported by its name", a_muted_microphone_is_said},
	{"a server that dies is a gap, and sound comes back with it", a_server_that_dies_is_a_gap},
	{"a missing microphone is a gap, and is opened when it comes",
		a_microphone_that_comes_is_taken_up},
	{"without a server there is a gap and no sound", no_server_is_a_gap},
	{"exports keep the times of sound and pictures", exports_keep_the_times},
};

int main(void)
{
	return RUN_TESTS("sound", tests);
}
