/* A real PipeWire server without a sound card, and a microphone that clicks at every whole second. */

#include "tests/harness/lab_pipewire.h"
#include "tests/harness/listener.h"

#include "capture/sound.h"
#include "protocol/base/clock.h"
#include "protocol/base/io.h"

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
	/* on a busy machine the server itself loses a cycle now and then, of 5 ms */
	expect(worst_ns < 6 * NS_PER_MS && listener.clicks_off <= 1);
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
	/* one when it was not there yet, perhaps; one when it died */
	expect(listener.away >= 1 && listener.away <= 2);
	expect(listener.longest_ns > 2 * NS_PER_S);
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

/* how many messages of a channel the recording has, and its clock's offset */
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

/* Clicks in a WAV file of one channel and 16 bits that begins at a time. */
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
		listener_take(&listener, &value, 1, begin_ns + i * NS_PER_S / EAR_RATE_HZ);
	}
	return listener_find_clicks(&listener, 0, ret_worst_ns);
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
	size_t pictures, sounds;
	char id[21], program[256], wanted[64];

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
	/* the pause is silence of its length: what comes behind it is where it was */
	expect(run_child(NULL, program, "export", folder, "--to", "wav", "-o", wav, NULL) == 0);
	expect(clicks_of_wav(wav, first_ns - offset_ns, &worst_ns) >= 5);
	expect(worst_ns < 2 * NS_PER_MS);
	expect(run_child(NULL, program, "export", folder, "--to", "mkv", "-o", mkv, NULL) == 0);
	expect(run_child(&told, "ffprobe", "-v", "error", "-count_packets", "-show_entries",
		       "stream=codec_name,nb_read_packets", "-of", "csv=p=0", mkv, NULL) == 0);
	snprintf(wanted, sizeof(wanted), "h264,%zu\nopus,%zu\n", pictures, sounds);
	expect(strcmp(told, wanted) == 0);
	free(steal_ptr(told));
	/* every picture and every packet can be decoded */
	expect(run_child(&told, "ffmpeg", "-v", "error", "-i", mkv, "-f", "null", "-", NULL) == 0);
	expect(*told == '\0');
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 0);
	free(steal_ptr(told));
	expect(run_child(&told, "ffmpeg", "-v", "error", "-i", opus, "-f", "null", "-", NULL) == 0);
	expect(*told == '\0');
	/* what is there is not written over */
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 3);
}

static const struct test tests[] = {
	{"PipeWire's clicks are heard when they were made", clicks_are_heard_when_they_were_made},
	{"a server that dies is a gap, and sound comes back with it", a_server_that_dies_is_a_gap},
	{"without a server there is a gap and no sound", no_server_is_a_gap},
	{"exports keep the times of sound and pictures", exports_keep_the_times},
};

int main(void)
{
	return RUN_TESTS("sound", tests);
}
