/* Tables of a session, and its row in a list. */

#include "tests/harness/studies.h"

#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "replay/export/extract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- tables ---- */

static char *table_of(const struct session *session, enum extract part)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct extract_notes notes;
	struct error error = {""};

	check(extract_write(&text, SIZE_MAX, session, part, &notes, &error) == 0);
	buf_put_u8(&text, '\0');
	check(buf_error(&text) == 0);
	return strdup((char *)text.data);
}

static bool has_line(const char *table, const char *line)
{
	const char *found = strstr(table, line);

	return found && (found == table || found[-1] == '\n') &&
		strncmp(found + strlen(line), "\r\n", 2) == 0;
}

static void add_note(struct making *making, const char *layer, double at_s, const char *text)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;

	note.media_ns = AT(at_s);
	note.text = (char *)text;
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	put_act(making, &act, layer);
}

static void a_file_above_its_limit_takes_no_memory(void)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct extract_notes notes;
	struct making making;
	struct session *session;
	struct error error = {""};

	begin_session(&making, "long", "P01", false);
	for (int i = 0; i < 2000; i++)
		add_note(&making, "live", 1, "a note that makes the table long");
	session = end_session(&making);
	expect(extract_write(&text, 10000, session, EXTRACT_NOTES, &notes, &error) == -EFBIG);
	expect(text.size_bytes <= 10000 && strstr(error.text, "MB") != NULL);
	session_destroy(session);
}

static void a_table_is_csv_that_no_spreadsheet_runs(void)
{
	struct making making;
	struct session *session;
	_autofree_ char *notes = NULL;

	begin_session(&making, "notes", "P01", false);
	add_note(&making, "live", 2, "=HYPERLINK(\"x\")");
	add_note(&making, "live", 1.5, "two\nlines, \"quoted\"");
	add_note(&making, "coder:Ben", 3, "-1");
	add_note(&making, "live", 4, "@you");
	session = end_session(&making);
	notes = table_of(session, EXTRACT_NOTES);
	expect(has_line(notes, "session,participant,time_s,note,author,layer"));
	expect(has_line(notes, "notes,P01,1.500,\"two\nlines, \"\"quoted\"\"\",Ana,live"));
	expect(has_line(notes, "notes,P01,2.000,\"'=HYPERLINK(\"\"x\"\")\",Ana,live"));
	expect(has_line(notes, "notes,P01,3.000,'-1,Ana,coder:Ben"));
	expect(has_line(notes, "notes,P01,4.000,'@you,Ana,live"));
	/* by time, not in the order of creation */
	expect(strstr(notes, "two\n") < strstr(notes, "HYPERLINK"));
	session_destroy(session);
}

static void tags_have_their_attempt_and_attempts_their_times(void)
{
	struct making making;
	struct session *session;
	_autofree_ char *tags = NULL, *attempts = NULL, *events = NULL;

	begin_session(&making, "tables", "P01", true);
	add_attempt(&making, "P01", "find", 2, 8.25, UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED);
	add_tag_of(&making, "coder:Ana", "slip", 4, "menu", making.attempt);
	add_tag_of(&making, "live", "hesitation", 9, "", "");
	session = end_session(&making);
	tags = table_of(session, EXTRACT_TAGS);
	expect(has_line(tags, "tables,P01,4.000,,slip,Slip,error,find,1,,,menu,,Ana,coder:Ana,"));
	expect(has_line(
		tags, "tables,P01,9.000,,hesitation,Hesitation,observation,,,,,,,Ana,live,"));
	/* also of a pilot, which has no metrics */
	attempts = table_of(session, EXTRACT_ATTEMPTS);
	expect(has_line(attempts,
		"tables,P01,find,Find the invoice,1,failed,,,2.000,8.250,2.000,8.250,6.250,,,live"));
	events = table_of(session, EXTRACT_EVENTS);
	expect(strncmp(events, "session,time_s,end_s,kind,", 26) == 0);
	session_destroy(session);
}

static void a_session_without_a_transcript_has_none_to_export(void)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct extract_notes notes;
	struct error error = {""};
	struct making making;
	struct session *session;

	begin_session(&making, "silent", "P01", false);
	session = end_session(&making);
	expect(extract_write(&text, SIZE_MAX, session, EXTRACT_TRANSCRIPT_VTT, &notes, &error) ==
		-ENOENT);
	expect(strcmp(error.text, "the session has no transcript") == 0);
	expect(extract_find_table("tags") == EXTRACT_TAGS);
	expect(extract_find_table("transcript") == -1);
	session_destroy(session);
}

/* ---- the summary ---- */

static void add_gap(struct making *making, Uxrec__Gap__Reason reason, double from_s, double to_s,
	const char *topic)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = reason;
	gap.from_ns = AT(from_s);
	gap.to_ns = to_s > 0 ? AT(to_s) : 0;
	gap.topics = (char **)&topic;
	gap.n_topics = topic ? 1 : 0;
	push(making, CHANNEL_GAPS, AT(to_s > 0 ? to_s : from_s), &gap.base);
}

/* a session of 100 s of screen and sound */
static void begin_recorded(struct making *making, const char *name)
{
	Uxrec__Screen screen = UXREC__SCREEN__INIT;
	Uxrec__Sound sound = UXREC__SOUND__INIT;
	Uxrec__ClockSample clock = UXREC__CLOCK_SAMPLE__INIT;

	begin_session(making, name, "P01", false);
	push(making, CHANNEL_SCREEN_INFO, AT(0), &screen.base);
	push(making, CHANNEL_SOUND_INFO, AT(0), &sound.base);
	push(making, CHANNEL_CLOCK, AT(100), &clock.base);
}

static void a_summary_has_coders_and_lost_time(void)
{
	struct making making;
	struct session *session;
	Uxrec__SessionSummary *summary;

	begin_recorded(&making, "summary");
	making.principal = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	add_tag(&making, "live", "slip", 1, "");
	add_tag(&making, "coder:Ana", "slip", 2, "");
	add_tag(&making, "coder:Ana", "mistake", 3, "");
	finish_layer(&making, "coder:Ana");
	making.principal = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	add_tag(&making, "coder:Ben", "slip", 2, "");
	add_gap(&making, UXREC__GAP__REASON__REASON_OVERLOAD, 10, 12, "/screen");
	add_gap(&making, UXREC__GAP__REASON__REASON_SOURCE_LOST, 11, 13, "/screen");
	add_gap(&making, UXREC__GAP__REASON__REASON_PAUSE, 40, 45, NULL);
	for (int i = 0; i < 5000; i++)
		add_gap(&making, UXREC__GAP__REASON__REASON_ERASED, 50, 57, "/sound");
	session = end_session(&making);
	summary = session_summarise(session);
	check(summary && summary->n_layers == 3 && summary->n_coding == 3);
	expect(strcmp(summary->layers[1], "coder:Ana") == 0);
	expect(summary->coding[0]->tags == 1 && summary->coding[1]->tags == 2);
	expect(summary->coding[1]->finished && !summary->coding[2]->finished);
	expect(summary->coding[2]->tags == 1 && summary->coding[2]->changed_ns > 0);
	check(summary->n_lost == 1);
	expect(summary->lost[0]->part == UXREC__LOST_TIME__PART__PART_SCREEN);
	expect(summary->lost[0]->lost_ns == 3 * NS_PER_S && summary->lost[0]->gaps == 2);
	/* input was not recorded: neither a loss, nor 0 */
	check(summary->n_recorded == 2);
	expect(strcmp(summary->recorded[0], "screen") == 0);
	expect(strcmp(summary->recorded[1], "sound") == 0);
	expect(summary->paused_ns == 5 * NS_PER_S && summary->removed_ns == 7 * NS_PER_S);
	expect(summary->gaps == 5003);
	uxrec__session_summary__free_unpacked(summary, NULL);
	session_destroy(session);
}

static const struct test tests[] = {
	{"a file above its limit takes no memory", a_file_above_its_limit_takes_no_memory},
	{"a table is CSV that no spreadsheet runs", a_table_is_csv_that_no_spreadsheet_runs},
	{"tags have their attempt, and attempts their times",
		tags_have_their_attempt_and_attempts_their_times},
	{"a session without a transcript has none to export",
		a_session_without_a_transcript_has_none_to_export},
	{"a summary has coders and lost time", a_summary_has_coders_and_lost_time},
};

int main(void)
{
	return RUN_TESTS("extract", tests);
}
