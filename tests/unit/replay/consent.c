#include "tests/harness/helpers.h"

#include "protocol/acts/act.h"
#include "protocol/base/clock.h"
#include "protocol/file/consent.h"
#include "protocol/file/copy.h"
#include "protocol/file/writer.h"
#include "protocol/input.pb-c.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "protocol/study.pb-c.h"
#include "replay/export/copied_consent.h"
#include "replay/export/way_out.h"
#include "replay/metrics/metrics.h"
#include "replay/session/screen_gaps.h"
#include "replay/session/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define AT(s)    (BEGIN_NS + (s)*NS_PER_S)
#define LENGTH_S 10

/* a recording and its log */
struct making {
	char *folder;
	struct session_writer *writer;
	struct session_clock clock;
	char ids[8][33];
	size_t stated;
};

static void push(
	struct making *making, uint16_t channel, int64_t ns, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, ns, message);
}

/* ---- statements, written as text ---- */

/* Split "a,b" into a list; "-" is an empty one. @return the count */
static size_t split(char *text, char **list)
{
	size_t count = 0;

	for (char *at = text, *one; strcmp(text, "-") != 0 && (one = strsep(&at, ","));)
		list[count++] = one;
	return count;
}

/*
 * Append "consent WHO MODALITIES USES FROM", "withdrawal …", "withdrawn WHO" (a Consent of format 1), "people NAMES" (a
 * SessionInfo) or "remove INDEX" (of the INDEXth statement); WHO is a label, LABEL/ID (of one digit, which is repeated)
 * or "-", FROM seconds after the begin or "-". With @p recorded to its channel /acts, unchecked like a later version's;
 * else to the log.
 */
static void state(struct annotations *log, struct making *recorded, const char *text,
	char (*ids)[33], size_t number)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	Uxrec__Withdrawal withdrawal = UXREC__WITHDRAWAL__INIT;
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;
	char kind[20], who[40] = "-", modalities[60] = "-", uses[60] = "-", from[20] = "-";
	char *modality_list[8], *use_list[8], *slash, *id = (char *)"", long_id[33] = "";
	int64_t from_ns;

	check(sscanf(text, "%19s %39s %59s %59s %19s", kind, who, modalities, uses, from) >= 2);
	check(act_new_id(ids[number]) == 0);
	act.id = ids[number];
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)"moderator";
	act.layer = (char *)"live";
	from_ns = strcmp(from, "-") == 0 ? 0 : AT(atoi(from));
	slash = strchr(who, '/');
	if (slash) {
		*slash = '\0';
		memset(long_id, slash[1], 32);
		id = long_id;
	}
	if (strcmp(kind, "remove") == 0) {
		act.id = ids[atoi(who)];
		act.kind = UXREC__ACT__KIND__KIND_REMOVE;
	} else if (strcmp(kind, "people") == 0) {
		act.body_case = UXREC__ACT__BODY_SESSION_INFO;
		act.session_info = &info;
		info.participants = modality_list;
		info.n_participants = split(who, modality_list);
	} else if (strcmp(kind, "withdrawal") == 0) {
		act.body_case = UXREC__ACT__BODY_WITHDRAWAL;
		act.withdrawal = &withdrawal;
		withdrawal.participant = strcmp(who, "-") == 0 ? (char *)"" : who;
		withdrawal.participant_id = id;
		withdrawal.modalities = modality_list;
		withdrawal.n_modalities = split(modalities, modality_list);
		withdrawal.uses = use_list;
		withdrawal.n_uses = split(uses, use_list);
		withdrawal.from_ns = from_ns;
	} else {
		act.body_case = UXREC__ACT__BODY_CONSENT;
		act.consent = &consent;
		consent.method = UXREC__CONSENT__METHOD__METHOD_PAPER;
		consent.participant = strcmp(who, "-") == 0 ? (char *)"" : who;
		consent.participant_id = id;
		consent.modalities = modality_list;
		consent.n_modalities = split(modalities, modality_list);
		consent.uses = use_list;
		consent.n_uses = split(uses, use_list);
		consent.from_ns = from_ns;
		consent.withdrawn = strcmp(kind, "withdrawn") == 0;
	}
	act.counter = number + 1;
	if (recorded)
		push(recorded, CHANNEL_ACTS, AT(1), &act.base);
	else
		check(annotations_append(log, &act, NULL, NULL) == 0);
}

/* "screen:analysis@3" @return true if covered at that second; "sound:clips" is at any */
static bool covered(const struct consent *consent, const char *text)
{
	char modality[20], use[20];
	int at = 0, m, u, n = sscanf(text, "%19[a-z]:%19[a-z]@%d", modality, use, &at);

	m = strcmp(modality, "session") == 0 ? MODALITY_SESSION : consent_modality_find(modality);
	u = consent_use_find(use);
	check(n >= 2 && m >= 0 && u >= 0);
	return n == 3
		? consent_allows(consent, (unsigned)m, (enum consent_use)u, AT(at), AT(at) + 1)
		: consent_allows_some(consent, (unsigned)m, (enum consent_use)u);
}

static const struct {
	const char *statements[6];
	const char *yes, *no;
} fold[] = {
	/* format 1: without uses, all uses of its time */
	{{"consent P01 screen,input - -"},
		"screen:analysis@0 screen:observers@0 input:clips@9 session:analysis@0",
		"screen:publication@0 sound:analysis@0 camera:analysis@0"},
	{{"consent P01 screen,sound analysis -"}, "screen:analysis@5 sound:analysis@5",
		"screen:clips sound:observers screen:publication input:analysis"},
	{{"consent P01 - analysis -"}, "", "screen:analysis session:analysis"},
	{{"withdrawn P01 screen - -"}, "", "screen:analysis screen:clips session:analysis"},
	/* from a time on */
	{{"consent P01 screen - 3"}, "screen:analysis@3 screen:clips@9", "screen:analysis@2"},
	{{"consent P01 screen,sound - -", "withdrawal P01 sound - 4"},
		"sound:analysis@3 screen:analysis@9", "sound:analysis@4 sound:clips@9"},
	{{"consent P01 screen - -", "withdrawal P01 - - 4"}, "screen:analysis@3 session:analysis@3",
		"screen:analysis@4 session:analysis@4"},
	/* uses */
	{{"consent P01 screen,sound - -", "withdrawal P01 - clips -"},
		"screen:analysis sound:observers", "screen:clips sound:clips"},
	{{"consent P01 screen,sound - -", "withdrawal P01 sound clips -"},
		"screen:clips sound:analysis", "sound:clips"},
	/* granted again, only by a later consent */
	{{"withdrawal P01 - - -", "consent P01 screen - -"}, "screen:analysis", "sound:analysis"},
	{{"consent P01 screen - -", "withdrawal P01 - - -"}, "", "screen:analysis"},
	{{"consent P01 screen,sound - -", "withdrawal P01 - - -", "consent P01 screen analysis -"},
		"screen:analysis", "screen:clips sound:analysis"},
	{{"consent P01 screen - -", "withdrawal P01 - - -", "remove 1"}, "screen:analysis", ""},
	{{"withdrawn P01 screen - -", "consent P01 screen - -"}, "screen:analysis",
		"input:analysis"},
	/* with several people all must consent */
	{{"consent P01 screen,sound - -", "consent P02 screen - -"}, "screen:analysis",
		"sound:analysis"},
	{{"consent P01 screen - -", "consent P02 screen - -", "withdrawal P02 - - 5"},
		"screen:analysis@4", "screen:analysis@5"},
	{{"consent P01 screen - -", "withdrawal P02 - - -"}, "", "screen:analysis"},
	{{"consent P01/a screen - -", "withdrawal Anna/a - - -"}, "", "screen:analysis"},
	{{"consent P01/a screen - -", "consent P01/b screen - -", "withdrawal P01/b - - 5"},
		"screen:analysis@4", "screen:analysis@5"},
	{{"consent - screen - -", "withdrawal P01 - - -"}, "", "screen:analysis"},
	{{"people P01,P02", "consent P01 screen - -"}, "", "screen:analysis session:analysis"},
	{{"people P01,P02", "consent P01 screen - -", "consent P02 screen - -"}, "screen:analysis",
		""},
	{{"people P07", "consent P01 screen - -"}, "screen:analysis", ""},
	{{"people P01,P02", "consent - screen - -"}, "screen:analysis", ""},
	{{"consent P01 camera - -"}, "camera:analysis session:analysis", "screen:analysis"},
	/* no participants */
	{{NULL}, "screen:publication sound:analysis session:clips", ""},
};

static void expect_all(const struct consent *consent, const char *texts, bool wanted, size_t row)
{
	_autofree_ char *copy = strdup(texts);

	for (char *at = copy, *one; (one = strsep(&at, " "));) {
		if (!*one || covered(consent, one) == wanted)
			continue;
		printf("# row %zu, '%s': %s is%s covered\n", row,
			fold[row].statements[0] ? fold[row].statements[0] : "", one,
			wanted ? " not" : "");
		expect(false);
	}
}

static void consent_is_the_fold_of_its_statements(void)
{
	for (size_t row = 0; row < ARRAY_SIZE(fold); row++) {
		_destroy_(annotations) struct annotations *log = NULL;
		_destroy_(consent) struct consent *consent = NULL;
		_autofree_ char *path = NULL;
		char name[40], ids[6][33];

		snprintf(name, sizeof(name), "fold-%zu.mcap", row);
		path = temporary_path(name);
		check(annotations_open(&log, path, true, NULL) == 0);
		for (size_t i = 0; i < 6 && fold[row].statements[i]; i++)
			state(log, NULL, fold[row].statements[i], ids, i);
		check(consent_create(&consent, log, NULL, "") == 0);
		expect_all(consent, fold[row].yes, true, row);
		expect_all(consent, fold[row].no, false, row);
	}
}

/* ---- a recording ---- */

static void push_bytes(struct making *making, uint16_t channel, int64_t ns)
{
	_packet_unref_ struct packet *packet = make_packet(&making->clock, channel, ns, 40);

	check(session_writer_append(making->writer, packet) == 0);
}

static char *path_in(const struct making *making, const char *name)
{
	char *path;

	check(asprintf(&path, "%s/%s", making->folder, name) > 0);
	return path;
}

static void say(struct making *making, const char *statement)
{
	_destroy_(annotations) struct annotations *log = NULL;
	_autofree_ char *path = path_in(making, "annotations.mcap");

	check(annotations_open(&log, path, true, NULL) == 0);
	state(log, NULL, statement, making->ids, making->stated++);
}

static void push_screen(struct making *making)
{
	Uxrec__Screen screen = UXREC__SCREEN__INIT;
	Uxrec__Keyframe keyframe = UXREC__KEYFRAME__INIT;

	screen.width_px = screen.height_px = 100;
	push(making, CHANNEL_SCREEN_INFO, AT(0), &screen.base);
	for (int tenths = 0; tenths < LENGTH_S * 10; tenths++) {
		int64_t ns = AT(0) + tenths * (NS_PER_S / 10);

		if (tenths % 20 == 0)
			push(making, CHANNEL_SCREEN_KEYFRAMES, ns, &keyframe.base);
		push_bytes(making, CHANNEL_SCREEN, ns);
	}
}

/* A picture and a packet of sound every 100 ms, a keyframe every 2 s, a click every second. */
static void begin_session(struct making *making, const char *name)
{
	_autofree_ char *recording = NULL;
	Uxrec__Study study = UXREC__STUDY__INIT;
	Uxrec__InputDevice device = UXREC__INPUT_DEVICE__INIT;
	Uxrec__Sound sound = UXREC__SOUND__INIT;
	Uxrec__SessionEvent event = UXREC__SESSION_EVENT__INIT;

	*making = (struct making){.folder = temporary_path(name)};
	check(mkdir(making->folder, 0700) == 0);
	recording = path_in(making, "recording-0001.mcap");
	check(session_writer_create(&making->writer, recording, SESSION_WRITER_RECORDING) == 0);
	push(making, CHANNEL_STUDY, AT(0), &study.base);
	event.kind = UXREC__SESSION_EVENT__KIND__KIND_STARTED;
	push(making, CHANNEL_EVENTS, AT(0), &event.base);
	device.pointer = true;
	push(making, CHANNEL_INPUT_DEVICES, AT(0), &device.base);
	push(making, CHANNEL_SOUND_INFO, AT(0), &sound.base);
	push_screen(making);
	for (int tenths = 0; tenths < LENGTH_S * 10; tenths++)
		push_bytes(making, CHANNEL_SOUND, AT(0) + tenths * (NS_PER_S / 10));
	for (int s = 0; s < LENGTH_S; s++) {
		Uxrec__ControlBatch batch = UXREC__CONTROL_BATCH__INIT;
		uint32_t dt_us = 0;
		Uxrec__Control control = UXREC__CONTROL__CONTROL_BUTTON_LEFT;
		int32_t value = 1;

		batch.n_dt_us = batch.n_control = batch.n_value = 1;
		batch.dt_us = &dt_us;
		batch.control = &control;
		batch.value = &value;
		push(making, CHANNEL_CONTROLS, AT(s), &batch.base);
	}
}

static void end_recording(struct making *making)
{
	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(steal_ptr(making->writer));
}

static struct session *open_session(const struct making *making)
{
	struct session *session;

	check(session_open_path(&session, making->folder, NULL) == 0);
	return session;
}

static void making_finish(struct making *making)
{
	session_writer_destroy(making->writer);
	free(making->folder);
}

/* count and time span of a channel's visible messages */
struct passed {
	size_t count;
	int64_t first_ns, last_ns;
};

static struct passed count_passed(const struct session *session, uint16_t known)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	struct passed passed = {0};

	check(session_cursor_create(
		      &cursor, session->reader, INT64_MIN, INT64_MAX, UINT64_C(1) << known) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		if (passed.count++ == 0)
			passed.first_ns = message.time_ns;
		passed.last_ns = message.time_ns;
	}
	return passed;
}

static int count_gap(void *user, const Uxrec__Gap *gap)
{
	expect(gap->reason == UXREC__GAP__REASON__REASON_CONSENT && *gap->detail && gap->n_topics);
	++*(int *)user;
	return 0;
}

static void what_was_withdrawn_from_a_time_on_stays(void)
{
	_cleanup_(making_finish) struct making making;
	_cleanup_(screen_gaps_finish) struct screen_gaps gaps = {0};
	_destroy_(session) struct session *session = NULL;
	struct reader_message message;
	const struct reader_channel *channel;
	int kept_back = 0;

	begin_session(&making, "later");
	end_recording(&making);
	say(&making, "consent P01 screen,input,sound - -");
	say(&making, "withdrawal P01 - - 5");
	session = open_session(&making);
	expect(count_passed(session, CHANNEL_SCREEN).count == 50);
	expect(count_passed(session, CHANNEL_SCREEN_KEYFRAMES).count == 3);
	expect(count_passed(session, CHANNEL_SOUND).count == 50);
	expect(count_passed(session, CHANNEL_CONTROLS).count == 5);
	expect(count_passed(session, CHANNEL_EVENTS).count == 1);
	/* also for the latest message before a time */
	channel = session_reader_find(session->reader, CHANNEL_SCREEN_KEYFRAMES);
	check(session_reader_latest(session->reader, channel, INT64_MAX, &message) == 1);
	expect(message.time_ns == AT(4));
	check(session_reader_each_withheld(session->reader, count_gap, &kept_back) == 0);
	expect(kept_back == 3);
	check(screen_gaps_collect(&gaps, session->reader) == 0);
	expect(gaps.count == 1 && gaps.list[0].from_ns == AT(5) && gaps.list[0].to_ns == INT64_MAX);
	/* the rest of the session was withdrawn: visible again once the withdrawal is removed */
	say(&making, "remove 1");
	check(session_refresh(session) == 0);
	expect(count_passed(session, CHANNEL_SCREEN).count == 100);
}

static void what_was_before_the_consent_stays(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	struct passed pictures;

	begin_session(&making, "before");
	end_recording(&making);
	say(&making, "consent P01 screen,input,sound - 3");
	session = open_session(&making);
	/* the video begins with a keyframe, and its description is there */
	pictures = count_passed(session, CHANNEL_SCREEN);
	expect(pictures.first_ns == AT(4) && pictures.count == 60);
	expect(count_passed(session, CHANNEL_SCREEN_KEYFRAMES).first_ns == AT(4));
	expect(count_passed(session, CHANNEL_SCREEN_INFO).count == 1);
	expect(count_passed(session, CHANNEL_INPUT_DEVICES).count == 1);
	expect(count_passed(session, CHANNEL_SOUND).first_ns == AT(3));
	expect(count_passed(session, CHANNEL_CONTROLS).count == 7);
}

static void messages_that_reach_over_the_end_stay(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;

	begin_session(&making, "over");
	push_bytes(&making, CHANNEL_SOUND, AT(5) - 26 * NS_PER_MS);
	push_bytes(&making, CHANNEL_SOUND, AT(5) - 27 * NS_PER_MS);
	push_bytes(&making, CHANNEL_KEY_COUNTS, AT(5) - 249 * NS_PER_MS);
	push_bytes(&making, CHANNEL_KEY_COUNTS, AT(5) - 250 * NS_PER_MS);
	push_bytes(&making, CHANNEL_SOUND_LEVELS, AT(5) - 199 * NS_PER_MS);
	push_bytes(&making, CHANNEL_SOUND_LEVELS, AT(5) - 200 * NS_PER_MS);
	end_recording(&making);
	say(&making, "consent P01 screen,input,sound - -");
	say(&making, "withdrawal P01 - - 5");
	session = open_session(&making);
	expect(count_passed(session, CHANNEL_SOUND).count == 51);
	expect(count_passed(session, CHANNEL_KEY_COUNTS).count == 1);
	expect(count_passed(session, CHANNEL_SOUND_LEVELS).count == 1);
}

static void counts_without_consent_to_input_are_not_known(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;

	begin_session(&making, "clicks");
	end_recording(&making);
	say(&making, "consent P01 screen,input - -");
	session = open_session(&making);
	check(timeline_create(&timeline, session) == 0);
	expect(timeline->clicks_recorded &&
		timeline_count(timeline, PRESS_BUTTON, AT(0), AT(9)) == 9);
	expect(!timeline_lacks(timeline, PRESS_BUTTON, AT(0), AT(10)));
	timeline_destroy(steal_ptr(timeline));
	say(&making, "withdrawal P01 input - 6");
	check(session_refresh(session) == 0 && timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_BUTTON, AT(0), AT(10)) == 6);
	expect(timeline_lacks(timeline, PRESS_BUTTON, AT(5), AT(8)));
	expect(!timeline_lacks(timeline, PRESS_BUTTON, AT(0), AT(5)));
	timeline_destroy(steal_ptr(timeline));
	say(&making, "withdrawal P01 input - -");
	check(session_refresh(session) == 0 && timeline_create(&timeline, session) == 0);
	expect(!timeline->clicks_recorded && !timeline->keys_recorded);
}

static void muted_sound_stays_whatever_the_consent(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	const struct consent_span muted[] = {{AT(2), AT(4)}, {AT(8), INT64_MAX}};

	begin_session(&making, "muted");
	end_recording(&making);
	session = open_session(&making);
	expect(count_passed(session, CHANNEL_SOUND).count == 100);
	session_set_muted(session, (struct consent_muted){muted, 2});
	expect(count_passed(session, CHANNEL_SOUND).count == 60);
	expect(count_passed(session, CHANNEL_SOUND_INFO).count == 1);
	expect(count_passed(session, CHANNEL_SCREEN).count == 100);
}

/* ---- sources of statements ---- */

static void nothing_leaves_when_the_log_cannot_be_read(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *path = NULL;
	_autoclose_ int fd = -1;
	unsigned char byte = 0;
	struct stat status;
	struct error error;

	begin_session(&making, "unreadable");
	end_recording(&making);
	say(&making, "consent P01 screen,input,sound - -");
	say(&making, "withdrawal P01 - - -");
	path = path_in(&making, "annotations.mcap");
	/* a bit flip in a withdrawal must not restore consent */
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &status) == 0);
	check(pread(fd, &byte, 1, status.st_size - 5) == 1);
	byte ^= 0x10;
	check(pwrite(fd, &byte, 1, status.st_size - 5) == 1);
	session = open_session(&making);
	expect(way_out_open(session, WAY_OUT_DUMP, CONSENT_ANALYSIS, &error) == -EACCES);
	expect(count_passed(session, CHANNEL_SCREEN).count == 0);
	session_destroy(steal_ptr(session));
	check(ftruncate(fd, 0) == 0 && io_write_all(fd, "no annotations", 14) == 0);
	session = open_session(&making);
	expect(way_out_open(session, WAY_OUT_REPLAY, CONSENT_ANALYSIS, &error) == -EACCES);
	expect(way_out_open(session, WAY_OUT_LABELS, CONSENT_ANALYSIS, &error) == 0);
	expect(count_passed(session, CHANNEL_SOUND).count == 0);
}

static void push_act(struct making *making, const char *statement)
{
	state(NULL, making, statement, making->ids, making->stated++);
}

/* both in a log and in a recording without one */
static void names_and_fields_of_a_later_version_never_widen_consent(void)
{
	static const struct {
		const char *statements[2];
		const char *yes, *no;
	} rows[] = {
		{{"consent P01 screen,eyes training,analysis -"}, "screen:analysis",
			"screen:clips"},
		{{"consent P01 screen,sound - -", "withdrawal P01 eyes - -"}, "",
			"screen:analysis"},
		{{"consent P01 screen,sound - -", "withdrawal P01 sound training -"}, "",
			"screen:analysis"},
	};
	/* field 100, of wire type 0 */
	static uint8_t one = 1;
	ProtobufCMessageUnknownField later = {100, PROTOBUF_C_WIRE_TYPE_VARINT, 1, &one};
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Consent given = UXREC__CONSENT__INIT;
	char *screen = (char *)"screen";

	for (size_t i = 0; i <= ARRAY_SIZE(rows); i++) {
		_cleanup_(making_finish) struct making making;
		_destroy_(session) struct session *session = NULL;
		char name[20];

		snprintf(name, sizeof(name), "of-later-%zu", i);
		begin_session(&making, name);
		for (size_t k = 0; i < ARRAY_SIZE(rows) && k < 2 && rows[i].statements[k]; k++)
			push_act(&making, rows[i].statements[k]);
		if (i == ARRAY_SIZE(rows)) {
			act.id = (char *)"00112233445566778899aabbccddeeff";
			act.kind = UXREC__ACT__KIND__KIND_ADD;
			act.body_case = UXREC__ACT__BODY_CONSENT;
			act.consent = &given;
			given.modalities = &screen;
			given.n_modalities = 1;
			given.base.unknown_fields = &later;
			given.base.n_unknown_fields = 1;
			push(&making, CHANNEL_ACTS, AT(1), &act.base);
		}
		end_recording(&making);
		session = open_session(&making);
		if (i == ARRAY_SIZE(rows)) {
			expect(!covered(session->consent, "screen:analysis"));
			continue;
		}
		expect(!*rows[i].yes || covered(session->consent, rows[i].yes));
		expect(!covered(session->consent, rows[i].no));
	}
}

static void a_recording_alone_is_gated_by_its_own_acts(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *path = NULL;

	begin_session(&making, "alone");
	push_act(&making, "consent P01 screen,sound - -");
	push_act(&making, "withdrawal P01 sound - -");
	end_recording(&making);
	path = path_in(&making, "recording-0001.mcap");
	check(session_open_path(&session, path, NULL) == 0);
	expect(count_passed(session, CHANNEL_SCREEN).count == 100);
	expect(count_passed(session, CHANNEL_SOUND).count == 0);
	expect(count_passed(session, CHANNEL_CONTROLS).count == 0);
	/* a log of other acts beside it does not restrict that */
	say(&making, "people P01");
	check(session_refresh(session) == 0);
	session_destroy(steal_ptr(session));
	check(session_open_path(&session, path, NULL) == 0);
	expect(count_passed(session, CHANNEL_SOUND).count == 0);
}

static void a_consent_that_was_removed_is_none(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL;

	begin_session(&making, "removed");
	push_act(&making, "consent P01 screen - -");
	end_recording(&making);
	say(&making, "remove 0");
	session = open_session(&making);
	expect(count_passed(session, CHANNEL_SCREEN).count == 0);
	expect(!session_allows(session, MODALITY_SESSION));
}

static void a_copy_is_gated_as_its_session(void)
{
	_cleanup_(making_finish) struct making making;
	_destroy_(session) struct session *session = NULL, *copy = NULL;
	_autofree_ char *path = temporary_path("copy.mcap");
	struct session_copy_options options = {
		.from_ns = AT(3), .to_ns = AT(8), .add = copied_consent_add};
	struct copied_consent copied;
	struct session_copy_result result;
	struct error error;
	bool open;

	begin_session(&making, "copied");
	push_act(&making, "consent P01 screen,input,sound - -");
	end_recording(&making);
	say(&making, "consent P01 screen,input,sound analysis -");
	say(&making, "withdrawal P01 sound - 6");
	session = open_session(&making);
	copied = (struct copied_consent){session, options.from_ns, options.to_ns};
	options.user = &copied;
	check(session_copy(session->reader, path, &options, &result, &error) == 0);
	check(session_open_path(&copy, path, &error) == 0);
	expect(count_passed(copy, CHANNEL_SOUND).count == 40); /* from the keyframe at 2 s */
	expect(count_passed(copy, CHANNEL_SOUND).last_ns < AT(6));
	expect(session_count_gaps(copy, &open) == 1);
	/* the copy has the same granted uses */
	expect(way_out_open(copy, WAY_OUT_REPLAY, CONSENT_ANALYSIS, &error) == 0);
	expect(way_out_open(copy, WAY_OUT_FILM, CONSENT_CLIPS, &error) == -EACCES);
	expect(consent_allows(copy->consent, MODALITY_SOUND, CONSENT_ANALYSIS, AT(3), AT(6)));
	expect(!consent_allows(copy->consent, MODALITY_SOUND, CONSENT_ANALYSIS, AT(6), AT(7)));
}

/* ---- the table ---- */

/* expected needs of each way, independent of the program's table; "any" is one of the present modalities */
static const struct {
	enum way_out way;
	const char *use;   /* of the call; the needed one for ways that choose it themselves */
	const char *needs; /* a modality, "any", or "nothing" */
} ways[] = {
	{WAY_OUT_LIVE_OBSERVER, "observers", "any"},
	{WAY_OUT_REPLAY, "analysis", "any"},
	{WAY_OUT_TIMELINE, "analysis", "any"},
	{WAY_OUT_TRANSCRIPT, "analysis", "sound"},
	{WAY_OUT_TRANSCRIBE, "analysis", "sound"},
	{WAY_OUT_METRICS, "analysis", "any"},
	{WAY_OUT_DUMP, "analysis", "any"},
	{WAY_OUT_TABLE, "analysis", "any"},
	{WAY_OUT_EVENTS, "analysis", "input"},
	{WAY_OUT_COPY, "analysis", "any"},
	{WAY_OUT_FILM, "clips", "screen"},
	{WAY_OUT_FILM, "publication", "screen"},
	{WAY_OUT_PICTURE, "clips", "screen"},
	{WAY_OUT_PICTURE, "analysis", "screen"},
	{WAY_OUT_SOUND, "clips", "sound"},
	{WAY_OUT_SOUND, "publication", "sound"},
	{WAY_OUT_CAPTIONS, "analysis", "any"},
	{WAY_OUT_LABELS, "analysis", "nothing"},
	{WAY_OUT_KEEPING, "analysis", "nothing"},
};

static void expect_way(struct session *session, size_t i, const char *modality, const char *use)
{
	bool wanted = strcmp(ways[i].needs, "nothing") == 0 ||
		(strcmp(use, ways[i].use) == 0 &&
			(strcmp(ways[i].needs, "any") == 0 ||
				strcmp(ways[i].needs, modality) == 0));
	struct error error = {""};
	int r = way_out_open(
		session, ways[i].way, (enum consent_use)consent_use_find(ways[i].use), &error);

	if (r != (wanted ? 0 : -EACCES))
		printf("# way %zu with consent to %s for %s: %d %s\n", i, modality, use, r,
			error.text);
	expect(r == (wanted ? 0 : -EACCES));
}

/* consent to one modality for one use, and each way out */
static void every_way_out_needs_its_modality_and_use(void)
{
	static const char *const modalities[] = {"screen", "input", "sound"};
	static const uint16_t channels[] = {CHANNEL_SCREEN, CHANNEL_CONTROLS, CHANNEL_SOUND};
	static const char *const uses[] = {"analysis", "observers", "clips", "publication"};

	for (size_t m = 0; m < ARRAY_SIZE(modalities); m++)
		for (size_t u = 0; u < ARRAY_SIZE(uses); u++) {
			_cleanup_(making_finish) struct making making;
			_destroy_(session) struct session *session = NULL;
			char name[40], statement[80];

			snprintf(name, sizeof(name), "cell-%zu-%zu", m, u);
			snprintf(statement, sizeof(statement), "consent P01 %s %s -", modalities[m],
				uses[u]);
			begin_session(&making, name);
			end_recording(&making);
			say(&making, statement);
			session = open_session(&making);
			for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
				expect_way(session, i, modalities[m], uses[u]);
			/* and only the modality's messages are visible */
			for (size_t c = 0; c < ARRAY_SIZE(channels); c++)
				for (size_t use = 0; use < ARRAY_SIZE(uses); use++) {
					check(session_set_use(session, (enum consent_use)use) == 0);
					expect((count_passed(session, channels[c]).count > 0) ==
						(c == m && use == u));
				}
			say(&making, "withdrawal P01 - - -");
			check(session_refresh(session) == 0);
			for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
				expect_way(session, i, "none", "none");
		}
}

static const struct test tests[] = {
	{"consent is the fold of its statements, for each participant",
		consent_is_the_fold_of_its_statements},
	{"names and fields of a later version never widen consent",
		names_and_fields_of_a_later_version_never_widen_consent},
	{"data after a partial withdrawal is withheld", what_was_withdrawn_from_a_time_on_stays},
	{"data before the consent is withheld", what_was_before_the_consent_stays},
	{"messages that extend past the end of consent are withheld",
		messages_that_reach_over_the_end_stay},
	{"counts without consent to input are unknown",
		counts_without_consent_to_input_are_not_known},
	{"muted sound is withheld, whatever the consent", muted_sound_stays_whatever_the_consent},
	{"nothing is exported when the log cannot be read",
		nothing_leaves_when_the_log_cannot_be_read},
	{"a recording alone is gated by its own acts", a_recording_alone_is_gated_by_its_own_acts},
	{"a removed consent does not count", a_consent_that_was_removed_is_none},
	{"a copy is gated like its session", a_copy_is_gated_as_its_session},
	{"every export needs consent to its modality and use",
		every_way_out_needs_its_modality_and_use},
};

int main(void)
{
	return RUN_TESTS("consent", tests);
}
