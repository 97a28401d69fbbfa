/*
 * write_study STUDY FOLDER: write the sessions described on standard input, one act per line, fields separated by tabs.
 * Times are seconds since the session's begin, "-" is an empty field:
 *
 *   session NAME UUID PARTICIPANT PARTICIPANT_ID PILOT EXCLUDED
 *   author NAME PRINCIPAL
 *   pause FROM TO
 *   interruption FROM TO STOPS_CLOCK
 *   attempt ID LAYER PARTICIPANT PARTICIPANT_ID TASK NUMBER FROM TO OUTCOME FAILURE
 *   tag LAYER CODE AT OPPORTUNITY ATTEMPT
 *   score LAYER ATTEMPT OPPORTUNITY MET
 *   finish LAYER
 *   remove ID
 *
 * with LAYER "coder:NAME" the author's. UUID "-" makes a session of format 1.
 */

#include "tests/harness/studies.h"

#include "protocol/session.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 12

struct input {
	char *fields[FIELDS];
	size_t count;
};

static struct making making;
static char author[80], principal[33], study_text[65536];

static char *field(const struct input *input, size_t i)
{
	check(i < input->count);
	return strcmp(input->fields[i], "-") == 0 ? (char *)"" : input->fields[i];
}

static double number(const struct input *input, size_t i)
{
	check(i < input->count);
	return atof(input->fields[i]);
}

static void end_one(void)
{
	if (making.folder)
		session_destroy(end_session(&making));
	making.folder = NULL;
}

static void push_gap(int64_t from_ns, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = UXREC__GAP__REASON__REASON_PAUSE;
	gap.from_ns = from_ns;
	gap.to_ns = to_ns;
	push(&making, CHANNEL_GAPS, to_ns, &gap.base);
}

static void begin_one(const char *library, const struct input *input)
{
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;
	char *folder, *participant = field(input, 3), *id = field(input, 4);

	end_one();
	info.participants = &participant;
	info.n_participants = 1;
	info.participant_ids = &id;
	info.n_participant_ids = *id != '\0';
	info.pilot = number(input, 5) != 0;
	info.excluded = number(input, 6) != 0;
	check(asprintf(&folder, "%s/%s", library, field(input, 1)) > 0);
	begin_session_in(
		&making, folder, *field(input, 2) ? field(input, 2) : NULL, study_text, &info);
	making.author = author;
	making.principal = principal;
}

static void add_interruption(const struct input *input)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Interruption interruption = UXREC__INTERRUPTION__INIT;

	act.body_case = UXREC__ACT__BODY_INTERRUPTION;
	act.interruption = &interruption;
	interruption.kind = UXREC__INTERRUPTION__KIND__KIND_EXTERNAL;
	interruption.from_ns = AT(number(input, 1));
	interruption.to_ns = AT(number(input, 2));
	interruption.stops_clock = number(input, 3) != 0;
	put_act(&making, &act, "live");
}

static void put_attempt(const struct input *input)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;
	char *layer = field(input, 2);

	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &attempt;
	attempt.participant = field(input, 3);
	attempt.participant_id = field(input, 4);
	attempt.task = field(input, 5);
	attempt.number = (uint32_t)number(input, 6);
	attempt.live_begin_ns = AT(number(input, 7));
	attempt.live_end_ns = AT(number(input, 8));
	attempt.outcome = (Uxrec__Attempt__Outcome)number(input, 9);
	attempt.failure = (Uxrec__Attempt__Failure)number(input, 10);
	put_act_as(&making, &act, field(input, 1), layer);
}

static void put_score(const struct input *input)
{
	memcpy(making.attempt, field(input, 2), sizeof(making.attempt));
	add_score(&making, field(input, 1), field(input, 3), number(input, 4) != 0);
}

static void remove_thing(const struct input *input)
{
	Uxrec__Act act = UXREC__ACT__INIT;

	act.kind = UXREC__ACT__KIND__KIND_REMOVE;
	put_act_as(&making, &act, field(input, 1), "live");
}

static void take(const char *library, const struct input *input)
{
	const char *what = input->fields[0];

	if (strcmp(what, "session") == 0)
		begin_one(library, input);
	else if (strcmp(what, "author") == 0) {
		snprintf(author, sizeof(author), "%s", field(input, 1));
		snprintf(principal, sizeof(principal), "%s", field(input, 2));
	} else if (strcmp(what, "pause") == 0)
		push_gap(AT(number(input, 1)), AT(number(input, 2)));
	else if (strcmp(what, "interruption") == 0)
		add_interruption(input);
	else if (strcmp(what, "attempt") == 0)
		put_attempt(input);
	else if (strcmp(what, "tag") == 0)
		add_tag_of(&making, field(input, 1), field(input, 2), number(input, 3),
			field(input, 4), field(input, 5));
	else if (strcmp(what, "score") == 0)
		put_score(input);
	else if (strcmp(what, "finish") == 0)
		finish_layer(&making, field(input, 1));
	else {
		check(strcmp(what, "remove") == 0);
		remove_thing(input);
	}
}

static const char *study_path, *library_path;

static void write_sessions(void)
{
	FILE *study = fopen(study_path, "r");
	char line[1024];

	check(study && fread(study_text, 1, sizeof(study_text) - 1, study) > 0);
	fclose(study);
	while (fgets(line, sizeof(line), stdin)) {
		struct input input = {.count = 0};
		char *rest = line, *next;

		line[strcspn(line, "\n")] = '\0';
		while (input.count < FIELDS && (next = strsep(&rest, "\t")))
			input.fields[input.count++] = next;
		take(library_path, &input);
	}
	end_one();
}

int main(int argc, char **argv)
{
	/* the harness checks only within tests */
	static const struct test tests[] = {{"the sessions are written", write_sessions}};

	if (argc != 3)
		return 2;
	study_path = argv[1];
	library_path = argv[2];
	return RUN_TESTS("write_study", tests);
}
