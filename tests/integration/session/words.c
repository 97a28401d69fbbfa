/* Bleeps and transcripts: the commands on sessions with clicks in their sound. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "capture/sound/encoder.h"
#include "protocol/base/clock.h"
#include "protocol/file/writer.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "protocol/study.pb-c.h"
#include "replay/session/transcript.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define RATE_HZ  48000
#define SECONDS  8
/* the bleep of most tests */
#define FROM_MS 2500
#define TO_MS   4600

static char *program(void)
{
	char *path;

	check(asprintf(&path, "%s/uxrec", build_folder()) > 0);
	return path;
}

#define uxrec(ret_output, ...)                                                                     \
	({                                                                                         \
		_autofree_ char *program_ = program();                                             \
		run_child(ret_output, program_, __VA_ARGS__, NULL);                                \
	})

/* ---- a session with clicks ---- */

struct noise {
	int from_ms, to_ms; /* white noise, over all other sound */
};

static bool has_transcript(const char *path)
{
	_folder_unref_ struct folder *folder = open_folder(path);

	return transcript_exists(folder);
}

/* a click of 5 ms and 1 kHz at every second, from `phase` on */
static float sample_at(int64_t at, int phase_ms, struct noise noise, uint64_t *random)
{
	int64_t in_second = (at - phase_ms * 48 + 10 * RATE_HZ) % RATE_HZ, ms = at / 48;

	if (ms >= noise.from_ms && ms < noise.to_ms)
		return (float)((double)(next_random(random) % 2000) / 1000 - 1) * 0.7f;
	return in_second < 240 ? (float)(0.5 * cos(2 * M_PI * (double)in_second / 48)) : 0;
}

static void push_sound(struct session_writer *writer, struct session_clock *clock, uint16_t channel,
	int64_t time_ns, const unsigned char *packet, int size)
{
	Foxglove__CompressedAudio audio = FOXGLOVE__COMPRESSED_AUDIO__INIT;

	audio.format = (char *)"opus";
	audio.data = (ProtobufCBinaryData){(size_t)size, (uint8_t *)packet};
	write_message(writer, clock, channel, time_ns, &audio.base);
}

/* like a recorder: with the encoder's delay in the timestamps */
static void push_all_sound(
	struct session_writer *writer, struct session_clock *clock, struct noise noise)
{
	static const struct {
		uint16_t channel;
		int phase_ms;
	} sounds[] = {{CHANNEL_SOUND, 0}, {CHANNEL_MONITOR, 500}};
	_destroy_(sound_encoder) struct sound_encoder *microphone = NULL, *monitor = NULL;
	uint64_t random = 3;

	check(sound_encoder_create(&microphone, NULL) == 0);
	check(sound_encoder_create(&monitor, NULL) == 0);
	for (int64_t at = 960 * 5; at < SECONDS * RATE_HZ; at += SOUND_FRAME_SAMPLES)
		for (size_t s = 0; s < 2; s++) {
			struct sound_encoder *encoder = s == 0 ? microphone : monitor;
			int64_t from = at - sound_encoder_preskip(encoder);
			float samples[SOUND_FRAME_SAMPLES];
			const unsigned char *packet;
			int size;

			for (int i = 0; i < SOUND_FRAME_SAMPLES; i++)
				samples[i] = sample_at(at + i, sounds[s].phase_ms, noise, &random);
			size = sound_encoder_encode(encoder, samples, &packet);
			check(size > 0);
			push_sound(writer, clock, sounds[s].channel,
				BEGIN_NS + from * NS_PER_S / RATE_HZ, packet, size);
		}
}

/* @return its folder; the caller frees it */
static char *make_session(const char *name, struct noise noise)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	_autofree_ char *path = NULL;
	struct session_clock clock = {0};
	Uxrec__Study study = UXREC__STUDY__INIT;
	char *folder = temporary_path(name);

	check(mkdir(folder, 0700) == 0);
	check(asprintf(&path, "%s/recording-0001.mcap", folder) > 0);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	write_message(writer, &clock, CHANNEL_STUDY, BEGIN_NS, &study.base);
	push_all_sound(writer, &clock, noise);
	check(session_writer_finish(writer) == 0);
	return folder;
}

/* ---- sound of an export ---- */

struct heard {
	int16_t *samples;
	size_t count;
};

static void heard_finish(struct heard *heard)
{
	free(heard->samples);
}

/* decode a track with ffmpeg, independent of our code */
static void hear(struct heard *ret, const char *path, const char *track)
{
	_autofree_ char *raw = temporary_path("heard.raw"), *told = NULL, *data = NULL;
	ssize_t size;

	if (run_child(&told, "ffmpeg", "-v", "error", "-y", "-copyts", "-i", path, "-map", track,
		    "-af", "aresample=async=1:first_pts=0", "-f", "s16le", "-ar", "48000", "-ac",
		    "1", raw, NULL) != 0 ||
		*told)
		printf("# %s\n", told);
	check(*told == '\0');
	size = io_read_file(raw, 100 * 1024 * 1024, &data);
	check(size > 0);
	*ret = (struct heard){(int16_t *)(void *)steal_ptr(data), (size_t)size / 2};
}

/* Clicks: @return the number that begin on time in a span; their total in @p ret_all */
static size_t count_clicks(const struct heard *heard, int from_ms, int to_ms, int phase_ms,
	int off_ms, size_t *ret_all)
{
	size_t in_place = 0, quiet = RATE_HZ;

	*ret_all = 0;
	for (size_t i = 0; i < heard->count; i++) {
		int64_t ms = (int64_t)i / 48, off;

		if (abs(heard->samples[i]) < 6554) {
			quiet++;
			continue;
		}
		off = ((ms - phase_ms + 500 + 10000) % 1000) - 500;
		if (quiet > RATE_HZ / 4 && ms >= from_ms && ms < to_ms) {
			*ret_all += 1;
			in_place += off >= -off_ms && off <= off_ms;
		}
		quiet = 0;
	}
	return in_place;
}

/* share of a span's power at 1 kHz, and its level in dB of full scale */
static double tone_in(const struct heard *heard, int from_ms, int to_ms, double *ret_db)
{
	double sine = 0, cosine = 0, power = 0, count = (to_ms - from_ms) * 48.0;

	for (int i = from_ms * 48; i < to_ms * 48; i++) {
		double sample = (size_t)i < heard->count ? heard->samples[i] / 32768.0 : 0;

		sine += sample * sin(2 * M_PI * i / 48.0);
		cosine += sample * cos(2 * M_PI * i / 48.0);
		power += sample * sample;
	}
	*ret_db = 10 * log10(power / count + 1e-12);
	return power > 0 ? 2 * (sine * sine + cosine * cosine) / count / power : 0;
}

static const struct export
{
	const char *to, *monitor, *track;
	int phase_ms, off_ms;
}
exports[] = {
	{"wav", NULL, "0:a:0", 0, 2},
	{"wav", "--monitor", "0:a:0", 500, 2},
	{"mkv", NULL, "0:a:0", 0, 2},
	{"mkv", NULL, "0:a:1", 500, 2},
	/* whole packets without gaps: rounded to the nearest */
	{"opus", NULL, "0:a:0", 0, 12},
	{"opus", "--monitor", "0:a:0", 500, 12},
};

static void export_as(const struct export *export, const char *folder, const char *out)
{
	unlink(out);
	if (export->monitor)
		check(uxrec(NULL, "export", folder, "--to", export->to, "-o", out,
			      export->monitor) == 0);
	else
		check(uxrec(NULL, "export", folder, "--to", export->to, "-o", out) == 0);
}

/* ---- bleeps ---- */

static void bleeped_clicks_are_not_in_exports(void)
{
	_autofree_ char *folder = make_session("clicks", (struct noise){0}), *told = NULL;

	check(uxrec(&told, "bleep", folder, "--from", "2.5", "--to", "0:04.6", "--reason", "a name",
		      "--who", "Ana") == 0);
	expect(strstr(told, "00:00:02.500  00:00:04.600  Ana: a name") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(exports); i++) {
		_cleanup_(heard_finish) struct heard heard = {0};
		_autofree_ char *out = temporary_path("clicks.out");
		size_t all;
		double db, tone;

		export_as(&exports[i], folder, out);
		hear(&heard, out, exports[i].track);
		expect(count_clicks(&heard, 200, FROM_MS - 30, exports[i].phase_ms,
			       exports[i].off_ms, &all) == 2 &&
			all == 2);
		expect(count_clicks(&heard, TO_MS + 30, SECONDS * 1000, exports[i].phase_ms,
			       exports[i].off_ms, &all) == 3 &&
			all == 3);
		count_clicks(&heard, FROM_MS - 30, TO_MS + 30, 0, 1000, &all);
		expect(all == 0);
		/* only a tone */
		tone = tone_in(&heard, FROM_MS + 100, TO_MS - 100, &db);
		if (!(tone > 0.98 && db > -25 && db < -21))
			printf("# %s %s: %.4f of %.1f dB\n", exports[i].to, exports[i].track, tone,
				db);
		expect(tone > 0.98 && db > -25 && db < -21);
	}
}

/* Two sessions that differ only in the bleeped sound: their exports are equal up to its end. */
static void nothing_of_what_is_bleeped_is_left(void)
{
	_autofree_ char *quiet = make_session("quiet", (struct noise){0}),
			*noisy = make_session("noisy", (struct noise){FROM_MS, TO_MS});
	char *const folders[] = {quiet, noisy};

	for (size_t i = 0; i < ARRAY_SIZE(exports); i++) {
		struct heard heard[2];
		bool differs = false;

		for (size_t f = 0; f < 2; f++) {
			_autofree_ char *out = temporary_path("same.out");

			if (i == 0)
				check(uxrec(NULL, "bleep", folders[f], "--from", "2.5", "--to",
					      "4.6") == 0);
			export_as(&exports[i], folders[f], out);
			hear(&heard[f], out, exports[i].track);
		}
		for (size_t k = 0; k < TO_MS * 48 && !differs; k++)
			if (heard[0].samples[k] != heard[1].samples[k]) {
				differs = true;
				printf("# %s %s differs at %zu ms\n", exports[i].to,
					exports[i].track, k / 48);
			}
		expect(!differs);
		heard_finish(&heard[0]);
		heard_finish(&heard[1]);
	}
}

static void tracks_have_their_names(void)
{
	_autofree_ char *folder = make_session("names", (struct noise){0}), *told = NULL,
			*out = temporary_path("names.mkv");

	check(uxrec(NULL, "export", folder, "--to", "mkv", "-o", out) == 0);
	expect(run_child(&told, "ffprobe", "-v", "error", "-show_entries", "stream_tags=title",
		       "-of", "csv=p=0", out, NULL) == 0);
	expect(strcmp(told, "microphone\nthe machine's sound\n") == 0);
}

static void bleeps_are_listed_and_taken_back(void)
{
	_autofree_ char *folder = make_session("listed", (struct noise){0}), *told = NULL,
			*out = NULL, *part = temporary_path("part.mcap"),
			*wav = temporary_path("part.wav");
	_cleanup_(heard_finish) struct heard heard = {0};
	char id[33];
	size_t all;

	expect(uxrec(NULL, "bleep", folder, "--from", "2") == 2);
	expect(uxrec(NULL, "bleep", folder, "--from", "2", "--to", "1") == 2);
	expect(uxrec(NULL, "bleep", folder, "--remove", "nothing") == 1);
	check(uxrec(&told, "bleep", folder, "--from", "2.5", "--to", "4.6") == 0);
	check(strlen(told) > 33);
	snprintf(id, sizeof(id), "%.32s", told);
	check(uxrec(&out, "bleep", folder) == 0);
	expect(strcmp(told, out) == 0);
	free(steal_ptr(out));
	check(uxrec(&out, "bleep", folder, "--json") == 0);
	expect(strstr(out, id) && strstr(out, "\"from_s\": 2.5") && strstr(out, "coder:moderator"));
	/* a part cut for sharing has none of it either */
	check(uxrec(NULL, "cut", folder, "--from", "1", "--to", "7", "-o", part) == 0);
	check(uxrec(NULL, "export", part, "--to", "wav", "-o", wav) == 0);
	hear(&heard, wav, "0:a:0");
	count_clicks(&heard, 0, SECONDS * 1000, 0, 1000, &all);
	expect(all == 4);
	heard_finish(&heard);
	check(uxrec(NULL, "bleep", folder, "--remove", id, "--who", "Bob") == 0);
	free(steal_ptr(out));
	check(uxrec(&out, "bleep", folder) == 0);
	expect(*out == '\0');
	unlink(wav);
	check(uxrec(NULL, "export", folder, "--to", "wav", "-o", wav) == 0);
	hear(&heard, wav, "0:a:0");
	expect(count_clicks(&heard, 0, SECONDS * 1000, 0, 2, &all) == 7 && all == 7);
}

static void nothing_is_given_out_when_bleeps_are_not_known(void)
{
	_autofree_ char *folder = make_session("torn", (struct noise){0}), *path = NULL,
			*told = NULL, *out = temporary_path("torn.wav");
	_autoclose_ int fd = -1;

	check(asprintf(&path, "%s/annotations.mcap", folder) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && io_write_all(fd, "no annotations", 14) == 0);
	expect(uxrec(&told, "export", folder, "--to", "wav", "-o", out) == 3);
	expect(strstr(told, "its bleeps cannot be read") && access(out, F_OK) < 0);
	expect(uxrec(NULL, "transcribe", folder, "--with", "true") == 3);
}

/* ---- transcripts ---- */

static void put_file(const char *path, const char *text, mode_t mode)
{
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

static const char said[] =
	"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ana>Wo ist die M\u00dcLLABFUHR?\n\n"
	"00:02.400 --> 00:02.700\n<v Bob>Meyer\n\n00:05.000 --> 00:06.000\nDas ist sie.\n";

static void a_transcript_is_attached_shown_and_searched(void)
{
	_autofree_ char *folder = make_session("said", (struct noise){0}),
			*other = make_session("silent", (struct noise){0}),
			*vtt = temporary_path("said.vtt"), *out = temporary_path("out.vtt"),
			*told = NULL, *text = NULL;

	put_file(vtt, said, 0600);
	expect(uxrec(NULL, "transcript", folder) == 1);
	check(uxrec(NULL, "transcript", folder, "--attach", vtt) == 0);
	expect(uxrec(&told, "transcript", folder, "--attach", vtt) == 3 && strstr(told, "--force"));
	check(uxrec(NULL, "transcript", folder, "--attach", vtt, "--offset", "0.25", "--force") ==
		0);
	check(uxrec(NULL, "bleep", folder, "--from", "2.5", "--to", "4.6") == 0);
	free(steal_ptr(told));
	check(uxrec(&told, "transcript", folder) == 0);
	expect(strcmp(told,
		       "00:00:01.250  Ana: Wo ist die M\u00dcLLABFUHR?\n"
		       "00:00:02.650  Bob: [bleeped]\n00:00:05.250  Das ist sie.\n") == 0);
	free(steal_ptr(told));
	check(uxrec(&told, "transcript", folder, "--json") == 0);
	expect(strstr(told, "\"from_ns\": 1001250000000") && strstr(told, "[bleeped]") &&
		!strstr(told, "Meyer"));
	free(steal_ptr(told));
	check(uxrec(&told, "transcript", other, folder, "--search", "m\u00fcll") == 0);
	expect(strcmp(told, "said  00:00:01.250  Ana: Wo ist die M\u00dcLLABFUHR?\n") == 0);
	free(steal_ptr(told));
	/* a bleeped word is not found */
	expect(uxrec(&told, "transcript", folder, "--search", "meyer") == 1 && *told == '\0');
	check(uxrec(NULL, "transcript", folder, "--export", out) == 0);
	expect(uxrec(NULL, "transcript", folder, "-o", out) == 3);
	check(io_read_file(out, 10000, &text) > 0);
	expect(strstr(text, "00:00:02.650 --> 00:00:02.950\n<v Bob>[bleeped]\n") &&
		!strstr(text, "Meyer"));
	check(uxrec(NULL, "transcript", folder, "--remove") == 0 && !has_transcript(folder));
	/* a file without a valid cue is not attached */
	put_file(vtt, "WEBVTT\n\nsoon --> later\nx\n", 0600);
	free(steal_ptr(told));
	expect(uxrec(&told, "transcript", folder, "--attach", vtt) == 3 && strstr(told, "line 3"));
	expect(!has_transcript(folder));
	check(uxrec(NULL, "verify", folder) == 0);
	free(steal_ptr(text));
	check(asprintf(&text, "%s/transcript.vtt", folder) > 0);
	put_file(text, "words\n", 0600);
	free(steal_ptr(told));
	expect(uxrec(&told, "verify", folder) == 1 && strstr(told, "transcript.vtt, line 1"));
}

static bool file_has(const char *folder, const char *name, const char *word)
{
	_autofree_ char *path = NULL, *text = NULL;
	ssize_t size;

	check(asprintf(&path, "%s/%s", folder, name) > 0);
	size = io_read_file(path, 10000000, &text);
	return size > 0 && memmem(text, (size_t)size, word, strlen(word));
}

static size_t sounds_between(const char *folder, int from_ms, int to_ms)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	check(session_open_path(&session, folder, NULL) == 0);
	check(session_cursor_create(&cursor, session->reader, BEGIN_NS + from_ms * NS_PER_MS,
		      BEGIN_NS + to_ms * NS_PER_MS, UINT64_C(1) << CHANNEL_SOUND) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		count++;
	return count;
}

static void erased_sound_takes_its_words_along(void)
{
	_autofree_ char *folder = make_session("erased", (struct noise){0}),
			*vtt = temporary_path("erased.vtt"), *segment = NULL, *obstacle = NULL,
			*told = NULL;
	int fd;

	put_file(vtt, said, 0600);
	check(uxrec(NULL, "transcript", folder, "--attach", vtt) == 0);
	check(asprintf(&segment, "%s/recording-0001.mcap", folder) > 0);
	check(asprintf(&obstacle, "%s/.erasing.mcap", folder) > 0);
	/* erasing is refused during recording */
	fd = open(segment, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && flock(fd, LOCK_EX) == 0);
	expect(uxrec(NULL, "erase", folder, "--from", "2.5", "--to", "4.6", "--who", "Ana") == 3);
	expect(file_has(folder, "transcript.vtt", "Meyer") &&
		sounds_between(folder, 3000, 4000) > 45);
	close(fd);
	/* erasing other modalities keeps the words */
	check(uxrec(NULL, "erase", folder, "--from", "2.5", "--to", "4.6", "--who", "Ana",
		      "--modality", "screen") == 0);
	expect(file_has(folder, "transcript.vtt", "Meyer"));
	/* interrupted in the middle: the words are gone, and a repetition completes it */
	check(mkdir(obstacle, 0700) == 0);
	expect(uxrec(&told, "erase", folder, "--from", "2.5", "--to", "4.6", "--who", "Ana",
		       "--modality", "sound") == 3);
	expect(strstr(told, "erased: 1 cues of the transcript") != NULL);
	expect(!file_has(folder, "transcript.vtt", "Meyer") &&
		sounds_between(folder, 3000, 4000) > 45);
	check(rmdir(obstacle) == 0);
	check(uxrec(NULL, "erase", folder, "--from", "2.5", "--to", "4.6", "--who", "Ana",
		      "--modality", "sound") == 0);
	expect(sounds_between(folder, 2500, 4600) == 0);
	expect(file_has(folder, "transcript.vtt", "Das ist sie.") &&
		!file_has(folder, "transcript.vtt", "Meyer"));
	/* unreadable words may be among the erased ones */
	free(steal_ptr(told));
	check(asprintf(&told, "%s/transcript.vtt", folder) > 0);
	put_file(told, "Meyer\n", 0600);
	free(steal_ptr(told));
	expect(uxrec(&told, "erase", folder, "--from", "5", "--to", "6", "--who", "Ana") == 3);
	expect(strstr(told, "nothing was erased") && sounds_between(folder, 5000, 6000) > 45);
}

/* ---- recognisers ---- */

/* reports a word wherever a click ends the silence */
static const char click_recogniser[] =
	"#!/bin/sh\n"
	"[ \"$(stat -c %a \"$1\")\" = 600 ] && [ \"$(stat -c %a \"$(dirname \"$1\")\")\" = 700 ] || exit 9\n"
	"echo \"$1\" >\"$UXREC_TEST_WAV\"\n"
	"echo listening >&2\n"
	"printf 'WEBVTT\\n'\n"
	"ffmpeg -i \"$1\" -af silencedetect=n=-15dB:d=0.3 -f null - 2>&1 | sed -n "
	"'s/.*silence_end: \\([0-9.]*\\).*/\\1/p' | while read -r t; do\n"
	"  LC_ALL=C awk -v t=\"$t\" -v l=\"$2\" 'BEGIN { printf \"\\n00:%06.3f --> 00:%06.3f\\n<v %s>click "
	"%d\\n\", t, t + 0.005, l, t + 0.5 }'\n"
	"done\n";

static bool is_gone(const char *name_file)
{
	_autofree_ char *wav = NULL;

	if (io_read_file(name_file, 1000, &wav) <= 0)
		return false;
	*strchr(wav, '\n') = '\0';
	if (access(wav, F_OK) == 0)
		return false;
	*strrchr(wav, '/') = '\0';
	return access(wav, F_OK) < 0;
}

static void a_recogniser_hears_what_is_not_bleeped(void)
{
	_autofree_ char *folder = make_session("heard", (struct noise){0}),
			*script = temporary_path("recogniser"), *wav = temporary_path("wav-name"),
			*told = NULL;

	put_file(script, click_recogniser, 0700);
	setenv("UXREC_TEST_WAV", wav, 1);
	unsetenv("UXREC_TRANSCRIBER");
	check(uxrec(NULL, "bleep", folder, "--from", "2.5", "--to", "4.6") == 0);
	expect(uxrec(&told, "transcribe", folder) == 3);
	expect(strstr(told, "--with") && strstr(told, "UXREC_TRANSCRIBER"));
	free(steal_ptr(told));
	expect(uxrec(&told, "transcribe", folder, "--with", "/nowhere/recogniser") == 3);
	expect(strstr(told, "/nowhere/recogniser") && strstr(told, "No such file"));
	expect(uxrec(NULL, "transcribe", folder, "--with", script, "--language", "-x") == 2);
	setenv("UXREC_TRANSCRIBER", script, 1);
	free(steal_ptr(told));
	check(uxrec(&told, "transcribe", folder, "--language", "de-AT") == 0);
	expect(strstr(told, "listening") && strstr(told, " cues\n"));
	expect(is_gone(wav));
	free(steal_ptr(told));
	check(uxrec(&told, "transcript", folder) == 0);
	expect(strstr(told, "de-AT: click 1\n") && strstr(told, "de-AT: click 2\n") &&
		strstr(told, "click 5\n") && strstr(told, "click 6\n") &&
		strstr(told, "click 7\n"));
	expect(!strstr(told, "click 3\n") && !strstr(told, "click 4\n"));
	expect(uxrec(NULL, "transcribe", folder) == 3);
	expect(uxrec(NULL, "transcribe", folder, "--force") == 0);
}

static void a_recogniser_that_fails_changes_nothing(void)
{
	static const struct {
		const char *script, *says;
	} table[] = {
		{"#!/bin/sh\necho WEBVTT\nexit 4\n", "exit status 4"},
		{"#!/bin/sh\nkill -9 $$\n", "signal 9"},
		{"#!/bin/sh\necho hello\n", "line 1: a WebVTT file begins"},
		{"#!/bin/sh\nexec yes\n", "exceeds the size limit of a transcript"},
		{"#!/bin/sh\nexit 0\n", "line 1: a WebVTT file begins"},
	};
	_autofree_ char *folder = make_session("failing", (struct noise){0}),
			*script = temporary_path("failing-recogniser");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_autofree_ char *told = NULL;

		put_file(script, table[i].script, 0700);
		expect(uxrec(&told, "transcribe", folder, "--with", script) == 3);
		if (!strstr(told, table[i].says))
			printf("# '%s' is not in '%s'\n", table[i].says, told);
		expect(strstr(told, table[i].says) && !has_transcript(folder));
	}
}

static void a_signal_leaves_no_sound_behind(void)
{
	_autofree_ char *folder = make_session("stopped", (struct noise){0}),
			*script = temporary_path("slow-recogniser"),
			*wav = temporary_path("slow-wav"), *command = program();
	static const int signals[] = {SIGINT, SIGTERM};

	put_file(script, "#!/bin/sh\necho \"$1\" >\"$UXREC_TEST_WAV\"\necho $$ >&2\nsleep 100\n",
		0700);
	setenv("UXREC_TEST_WAV", wav, 1);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct child child = start_child(command,
			(const char *const[]){"transcribe", folder, "--with", script, NULL});
		_autofree_ char *told = NULL;
		bool ended = false;

		check(child_says(&child, "\n", 60));
		told = child_output(&child);
		expect(!is_gone(wav));
		expect(end_child(&child, signals[i]) == 128 + signals[i]);
		expect(is_gone(wav) && !has_transcript(folder));
		for (int tries = 0; tries < 200 && !ended; tries++) {
			ended = kill(atoi(told), 0) < 0;
			sleep_ms(10);
		}
		expect(ended);
	}
}

static const struct test tests[] = {
	{"clicks that are bleeped are in no export, the others in their place",
		bleeped_clicks_are_not_in_exports},
	{"nothing bleeped is left", nothing_of_what_is_bleeped_is_left},
	{"tracks have their names", tracks_have_their_names},
	{"bleeps are listed and taken back", bleeps_are_listed_and_taken_back},
	{"while bleeps are unknown nothing is exported",
		nothing_is_given_out_when_bleeps_are_not_known},
	{"a transcript is attached, shown, searched and exported",
		a_transcript_is_attached_shown_and_searched},
	{"erased sound takes its words along", erased_sound_takes_its_words_along},
	{"a recogniser gets the sound without bleeped spans",
		a_recogniser_hears_what_is_not_bleeped},
	{"a recogniser that fails changes nothing", a_recogniser_that_fails_changes_nothing},
	{"a signal leaves no sound behind", a_signal_leaves_no_sound_behind},
};

int main(void)
{
	return RUN_TESTS("words", tests);
}
