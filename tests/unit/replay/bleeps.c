#include "tests/harness/helpers.h"

#include "daemon/acts/act_policy.h"
#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/file/writer.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "protocol/study.pb-c.h"
#include "replay/session/bleeps.h"
#include "replay/session/timeline.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define AT(ms)   (BEGIN_NS + (ms)*NS_PER_MS)

/* a session folder in the making */
struct making {
	char *folder;
	struct session_writer *writer;
	struct session_clock clock;
	struct annotations *log;
};

static char *path_in(const struct making *making, const char *name)
{
	char *path;

	check(asprintf(&path, "%s/%s", making->folder, name) > 0);
	return path;
}

static void push(
	struct making *making, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, time_ns, message);
}

static void push_levels(struct making *making, int64_t time_ns, const uint8_t *peak,
	const uint8_t *rms, size_t steps)
{
	Uxrec__SoundLevels levels = UXREC__SOUND_LEVELS__INIT;

	levels.peak = (ProtobufCBinaryData){steps, (uint8_t *)peak};
	levels.rms = (ProtobufCBinaryData){steps, (uint8_t *)rms};
	push(making, CHANNEL_SOUND_LEVELS, time_ns, &levels.base);
}

static void begin_session(struct making *making, const char *name)
{
	_autofree_ char *recording = NULL, *annotations = NULL;
	Uxrec__Study study = UXREC__STUDY__INIT;

	*making = (struct making){.folder = temporary_path(name)};
	check(mkdir(making->folder, 0700) == 0);
	recording = path_in(making, "recording-0001.mcap");
	annotations = path_in(making, "annotations.mcap");
	check(session_writer_create(&making->writer, recording, SESSION_WRITER_RECORDING) == 0);
	check(annotations_open(&making->log, annotations, true, NULL) == 0);
	push(making, CHANNEL_STUDY, BEGIN_NS, &study.base);
}

static void say_bleep(struct annotations *log, char id[33], const char *author, const char *layer,
	int64_t from_ns, int64_t to_ns)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;

	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)author;
	act.layer = (char *)layer;
	act.body_case = UXREC__ACT__BODY_BLEEP;
	act.bleep = &bleep;
	bleep.from_ns = from_ns;
	bleep.to_ns = to_ns;
	check(annotations_append(log, &act, NULL, NULL) == 0);
}

static void take_back(struct annotations *log, char id[33], const char *layer)
{
	Uxrec__Act act = UXREC__ACT__INIT;

	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_REMOVE;
	act.author = (char *)"Ana";
	act.layer = (char *)layer;
	check(annotations_append(log, &act, NULL, NULL) == 0);
}

static struct session *end_session(struct making *making)
{
	struct session *session;

	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(making->writer);
	check(session_open_path(&session, making->folder, NULL) == 0);
	return session;
}

static void making_finish(struct making *making)
{
	annotations_destroy(making->log);
	free(making->folder);
}

/* ---- bleeped spans ---- */

static void bleeps_of_all_layers_count(void)
{
	_cleanup_(making_finish) struct making making;
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0}, fewer = {0};
	_destroy_(session) struct session *session = NULL;
	char ids[4][33];

	begin_session(&making, "layers");
	say_bleep(making.log, ids[0], "Ana", "coder:Ana", AT(5000), AT(6000));
	say_bleep(making.log, ids[1], "moderator", "live", AT(1000), AT(2000));
	say_bleep(making.log, ids[2], "Bob", "consensus", AT(1500), AT(2500));
	say_bleep(making.log, ids[3], "Bob", "coder:Bob", AT(8000), AT(9000));
	take_back(making.log, ids[3], "coder:Bob");
	session = end_session(&making);
	check(bleeps_collect(&bleeps, session) == 0);
	expect(bleeps.count == 2);
	expect(bleeps_touch(&bleeps, AT(999), AT(1001)) &&
		!bleeps_touch(&bleeps, AT(900), AT(1000)));
	expect(bleeps_touch(&bleeps, AT(2499), AT(2499)) &&
		!bleeps_touch(&bleeps, AT(2500), AT(5000)));
	expect(bleeps_touch(&bleeps, AT(0), AT(10000)) &&
		!bleeps_touch(&bleeps, AT(8000), AT(9000)));
	expect(bleeps_touch(&bleeps, AT(5500), AT(5501)) &&
		!bleeps_touch(&bleeps, AT(6000), AT(6001)));
	/* a bleep removed later is audible after the next refresh */
	take_back(making.log, ids[0], "coder:Ana");
	check(annotations_refresh(session->annotations) == 0);
	check(bleeps_collect(&fewer, session) == 0);
	expect(fewer.count == 1 && !bleeps_touch(&fewer, AT(5500), AT(5501)));
}

static void only_sound_is_silenced(void)
{
	struct bleep_span span = {AT(1000), AT(2000)};
	const struct bleeps bleeps = {&span, 1};
	static const struct {
		uint16_t channel;
		int before_ms; /* from the last audible message to the bleep; 0: any */
	} table[] = {
		{CHANNEL_SOUND, 27},
		{CHANNEL_MONITOR, 27},
		{CHANNEL_SOUND_LEVELS, 200},
		{CHANNEL_MONITOR_LEVELS, 200},
		{CHANNEL_SOUND_INFO, 0},
		{CHANNEL_MONITOR_INFO, 0},
		{CHANNEL_SCREEN, 0},
		{CHANNEL_CONTROLS, 0},
		{CHANNEL_GAPS, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct reader_channel channel = {.known = table[i].channel};
		_cleanup_(buf_finish) struct buf pairs = {0};
		struct reader_message message = {.channel = &channel, .time_ns = AT(1500)};

		buf_put_string(&pairs, "modality");
		buf_put_string(&pairs, modality_name(channel_kind_get(channel.known)->modality));
		channel.metadata = (struct view){pairs.data, pairs.size_bytes, 0};
		expect(bleeps_silence(&bleeps, &message) == (table[i].before_ms > 0));
		message.time_ns = AT(2000);
		expect(!bleeps_silence(&bleeps, &message));
		message.time_ns = AT(1000 - table[i].before_ms);
		expect(!bleeps_silence(&bleeps, &message));
		message.time_ns++;
		expect(bleeps_silence(&bleeps, &message) == (table[i].before_ms > 0));
		/* a channel of sound unknown to this program */
		channel.known = 0;
		message.time_ns = AT(1900);
		expect(bleeps_silence(&bleeps, &message) ==
			(channel_kind_get(table[i].channel)->modality == MODALITY_SOUND));
	}
}

static void what_is_not_known_is_not_heard(void)
{
	_cleanup_(making_finish) struct making making;
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *path = NULL;
	_autoclose_ int fd = -1;

	begin_session(&making, "unknown");
	path = path_in(&making, "annotations.mcap");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && io_write_all(fd, "no annotations", 14) == 0);
	session = end_session(&making);
	check(!session->annotations && *session->annotations_error.text);
	check(bleeps_collect(&bleeps, session) == 0);
	expect(bleeps_touch(&bleeps, INT64_MIN + 1, INT64_MIN + 2) &&
		bleeps_touch(&bleeps, AT(0), AT(1)));
	/* without sound there is no bleep */
	session_destroy(steal_ptr(session));
	bleeps_finish(&bleeps);
	check(unlink(path) == 0 && session_open_path(&session, making.folder, NULL) == 0);
	check(bleeps_collect(&bleeps, session) == 0);
	expect(bleeps.count == 0 && !bleeps_touch(&bleeps, AT(0), AT(1)));
}

/* ---- the timeline ---- */

static void loudness_is_in_the_timeline(void)
{
	/* peak and rms of ten steps of 20 ms */
	static const uint8_t first_peak[] = {40, 38, 36, 60, 60, 60, 60, 60, 60, 255};
	static const uint8_t first_rms[] = {60, 60, 60, 60, 60, 60, 60, 60, 60, 60};
	static const uint8_t loud[] = {0, 0, 0, 0, 0, 255, 255, 255, 255, 255};
	static const uint8_t nothing[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	static const uint8_t low[] = {254, 254, 254, 254, 254, 254, 254, 254, 254, 254};
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	Uxrec__Study study = UXREC__STUDY__INIT;
	Uxrec__Timeline *message;
	char id[33];

	begin_session(&making, "loudness");
	push_levels(&making, AT(0), first_peak, first_rms, 10);
	push_levels(&making, AT(400), loud, loud, 10);
	push_levels(&making, AT(600), nothing, nothing, 10);
	push_levels(&making, AT(800), low, low, 10);
	/* half of it in each of two steps */
	push_levels(&making, AT(1100), loud, loud, 10);
	/* invalid messages */
	push_levels(&making, AT(1400), loud, nothing, 0);
	push_levels(&making, AT(1600), loud, loud, 3);
	push_levels(&making, AT(2000), loud, loud, 10);
	push_levels(&making, AT(2200), loud, loud, 10);
	push_levels(&making, AT(2400), loud, loud, 10);
	push(&making, CHANNEL_STUDY, AT(3000), &study.base);
	say_bleep(making.log, id, "Ana", "coder:Ana", AT(2150), AT(2250));
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	message = timeline_to_message(timeline);
	check(message && message->sound_peak.len == 16 && message->sound_rms.len == 16);
	expect(message->sound_peak.data[0] == 36 && message->sound_rms.data[0] == 60);
	expect(message->sound_peak.data[1] == 255 && message->sound_rms.data[1] == 255);
	/* full scale for half of the time: 3 dB less, or 6 half decibels */
	expect(message->sound_peak.data[2] == 0 && message->sound_rms.data[2] == 6);
	expect(message->sound_peak.data[3] == 255 && message->sound_rms.data[3] == 255);
	expect(message->sound_peak.data[4] == 254 && message->sound_rms.data[4] == 254);
	expect(message->sound_peak.data[5] == 0 && message->sound_rms.data[5] == 0);
	expect(message->sound_peak.data[6] == 255 && message->sound_rms.data[6] == 255);
	expect(message->sound_peak.data[7] == 255 && message->sound_rms.data[7] == 255);
	expect(message->sound_peak.data[8] == 0 && message->sound_rms.data[8] == 0);
	/* a bleep across two steps */
	expect(message->sound_peak.data[10] == 255 && message->sound_rms.data[10] == 255);
	expect(message->sound_peak.data[11] == 255 && message->sound_rms.data[11] == 255);
	expect(message->sound_peak.data[12] == 0 && message->sound_rms.data[12] == 6);
	expect(message->sound_peak.data[15] == 255);
	expect(!message->has_transcript);
	uxrec__timeline__free_unpacked(message, NULL);
}

static void no_sound_is_no_bytes(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	_folder_unref_ struct folder *below = NULL;
	const struct vtt none = {0};
	Uxrec__Timeline *message;

	begin_session(&making, "soundless");
	below = open_folder(making.folder);
	check(transcript_store(below, &none, false, NULL) == 0);
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	message = timeline_to_message(timeline);
	check(message != NULL);
	expect(message->sound_peak.len == 0 && message->sound_rms.len == 0);
	expect(message->has_transcript);
	uxrec__timeline__free_unpacked(message, NULL);
}

/* a message of the year 2100 must not cost memory for all the years before it */
static void far_times_cost_no_memory(void)
{
	static const uint8_t loud[10];
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;

	begin_session(&making, "far");
	push_levels(&making, AT(200), loud, loud, 10);
	push_levels(&making, INT64_C(1) << 61, loud, loud, 10);
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	expect(timeline->sound_count == 2160000);
	expect(timeline->sound_peak[1] == 0 && timeline->sound_peak[2] == 255);
}

static void an_hour_of_sound_is_quick(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	uint8_t loud[10];
	int64_t begun_ns;

	begin_session(&making, "hour");
	memset(loud, 60, sizeof(loud));
	for (int i = 0; i < 3600 * 50; i++) {
		_packet_unref_ struct packet *packet =
			make_packet(&making.clock, CHANNEL_SOUND, AT(i * INT64_C(20)), 80);

		check(session_writer_append(making.writer, packet) == 0);
		if (i % 10 == 9)
			push_levels(&making, AT((i - 9) * INT64_C(20)), loud, loud, 10);
	}
	session = end_session(&making);
	begun_ns = clock_now_ns();
	check(timeline_create(&timeline, session) == 0);
	printf("# the timeline of an hour of sound, %.1f MB: %.1f ms\n",
		(double)session_reader_size(session->reader) / 1e6,
		(double)(clock_now_ns() - begun_ns) / 1e6);
	check(timeline->sound_count == 3600 * 5);
	for (size_t i = 0; i < timeline->sound_count; i++)
		check(timeline->sound_peak[i] == 60 && timeline->sound_rms[i] == 60);
}

/* ---- permissions ---- */

static void bleeps_are_for_reviewers_and_the_moderator(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	struct principal ana = {.role = UXREC__ROLE__ROLE_REVIEWER, .name = "Ana"};
	struct principal bob = {.role = UXREC__ROLE__ROLE_REVIEWER, .name = "Bob"};
	struct principal moderator = {.role = UXREC__ROLE__ROLE_MODERATOR, .name = "moderator"};
	struct principal observer = {.role = UXREC__ROLE__ROLE_OBSERVER, .name = "Ana"};
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;
	struct act_context context;
	char of_ana[33], live[33];

	begin_session(&making, "who");
	say_bleep(making.log, of_ana, "Ana", "coder:Ana", AT(1000), AT(2000));
	say_bleep(making.log, live, "Ana", "live", AT(1000), AT(2000));
	session = end_session(&making);
	context = act_context_of(session);
	act.id = (char *)"00000000000000000000000000000000";
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.layer = (char *)"coder:Ana";
	act.body_case = UXREC__ACT__BODY_BLEEP;
	act.bleep = &bleep;
	expect(act_policy_check(&ana, &act, ACT_WINDOW_CLOSED, NULL) == 0);
	expect(act_policy_check_against(&ana, &act, &context, NULL) == 0);
	expect(act_policy_check(&moderator, &act, ACT_WINDOW_CLOSED, NULL) == 0);
	act.layer = (char *)"live";
	expect(act_policy_check(&ana, &act, ACT_WINDOW_RUNNING, NULL) == -EACCES);
	expect(act_policy_check(&observer, &act, ACT_WINDOW_RUNNING, NULL) == -EACCES);
	for (int kind = UXREC__ACT__KIND__KIND_CHANGE; kind <= UXREC__ACT__KIND__KIND_REMOVE;
		kind++) {
		act.kind = (Uxrec__Act__Kind)kind;
		act.body_case = kind == UXREC__ACT__KIND__KIND_REMOVE ? UXREC__ACT__BODY__NOT_SET
								      : UXREC__ACT__BODY_BLEEP;
		act.id = of_ana;
		act.layer = (char *)"coder:Ana";
		expect(act_policy_check(&ana, &act, ACT_WINDOW_CLOSED, NULL) == 0 &&
			act_policy_check_against(&ana, &act, &context, NULL) == 0);
		expect(act_policy_check(&bob, &act, ACT_WINDOW_CLOSED, NULL) == 0 &&
			act_policy_check_against(&bob, &act, &context, NULL) == -EACCES);
		expect(act_policy_check_against(&moderator, &act, &context, NULL) == 0);
		/* nor an observer of the same name, in their own layer */
		act.id = live;
		act.layer = (char *)"live";
		expect(act_policy_check_against(&observer, &act, &context, NULL) == -EACCES);
		expect(act_policy_check_against(&moderator, &act, &context, NULL) == 0);
	}
}

static const struct test tests[] = {
	{"bleeps of all layers count, and those taken back do not", bleeps_of_all_layers_count},
	{"sound that reaches into a bleep is silenced, and nothing else", only_sound_is_silenced},
	{"when the bleeps cannot be read, all sound is silenced", what_is_not_known_is_not_heard},
	{"the timeline has sound levels, and none where bleeped", loudness_is_in_the_timeline},
	{"without sound there are no bytes, and a transcript is reported", no_sound_is_no_bytes},
	{"far times cost no memory", far_times_cost_no_memory},
	{"an hour of sound is quick", an_hour_of_sound_is_quick},
	{"bleeps are for reviewers and the moderator, each their own",
		bleeps_are_for_reviewers_and_the_moderator},
};

int main(void)
{
	return RUN_TESTS("bleeps", tests);
}
