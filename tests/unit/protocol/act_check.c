#include "tests/harness/helpers.h"

#include "daemon/acts/act_policy.h"
#include "protocol/acts/act_check.h"
#include "protocol/limits.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ID  "0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210"
#define S   INT64_C(1000000000)
#define T   (INT64_C(1700000000) * S)

/* one valid act of each body */
struct all {
	Uxrec__Act act;
	Uxrec__SessionInfo session_info;
	Uxrec__Phase phase;
	Uxrec__Interruption interruption;
	Uxrec__Attempt attempt;
	Uxrec__Tag tag;
	Uxrec__Problem problem;
	Uxrec__Problem__Rating problem_rating;
	Uxrec__Consent consent;
	Uxrec__Answer answer;
	Uxrec__Answer__Item item;
	Uxrec__OpportunityScore score;
	Uxrec__Note note;
	Uxrec__LayerState layer_state;
	Uxrec__Finding finding;
	Uxrec__Bleep bleep;
	Uxrec__Rating rating;
	Uxrec__Suggestion suggestion;
	Uxrec__Assignment assignment;
	Uxrec__Clip clip;
	Uxrec__Participant participant;
	Uxrec__Participant__Attribute attribute;
	Uxrec__Withdrawal withdrawal;
	Uxrec__LayerChoice layer_choice;
	Uxrec__StudyName study_name;
	char *texts[4], *ids[4];
	Uxrec__Problem__Rating *ratings[1];
	Uxrec__Answer__Item *items[1];
	Uxrec__Participant__Attribute *attributes[1];
};

static void fill_session(struct all *all)
{
	uxrec__session_info__init(&all->session_info);
	all->session_info.participants = all->texts;
	all->session_info.n_participants = 1;
	uxrec__phase__init(&all->phase);
	all->phase.kind = UXREC__PHASE__KIND__KIND_TASK;
	all->phase.from_ns = T;
	uxrec__interruption__init(&all->interruption);
	all->interruption.from_ns = T;
	all->interruption.to_ns = T + S;
	uxrec__attempt__init(&all->attempt);
	all->attempt.participant = (char *)"P01";
	all->attempt.task = (char *)"find";
	all->attempt.number = 1;
	all->attempt.live_begin_ns = T;
	all->attempt.live_end_ns = T + 9 * S;
	uxrec__consent__init(&all->consent);
	uxrec__withdrawal__init(&all->withdrawal);
	uxrec__finding__init(&all->finding);
	all->finding.text = (char *)"the disk is full";
	uxrec__participant__init(&all->participant);
	all->participant.participant_id = (char *)ID;
	all->participant.n_attributes = 1;
	all->participant.attributes = all->attributes;
	all->attributes[0] = &all->attribute;
	uxrec__participant__attribute__init(&all->attribute);
	all->attribute.name = (char *)"experience";
}

static void fill_marks(struct all *all)
{
	uxrec__tag__init(&all->tag);
	all->tag.code = (char *)"slip";
	all->tag.media_ns = T;
	uxrec__note__init(&all->note);
	all->note.media_ns = T;
	uxrec__opportunity_score__init(&all->score);
	all->score.attempt = (char *)ID;
	all->score.opportunity = (char *)"search";
	uxrec__bleep__init(&all->bleep);
	all->bleep.from_ns = T;
	all->bleep.to_ns = T + S;
	uxrec__clip__init(&all->clip);
	all->clip.from_ns = T;
	all->clip.to_ns = T + S;
	uxrec__suggestion__init(&all->suggestion);
	all->suggestion.detector = (char *)"long pauses";
	all->suggestion.from_ns = T;
	uxrec__layer_state__init(&all->layer_state);
	uxrec__layer_choice__init(&all->layer_choice);
	all->layer_choice.layer = (char *)"consensus";
	uxrec__study_name__init(&all->study_name);
	all->study_name.name = (char *)"Invoices";
	uxrec__assignment__init(&all->assignment);
	all->assignment.coder = (char *)ID;
}

static void fill_reports(struct all *all)
{
	uxrec__problem__init(&all->problem);
	all->problem.title = (char *)"The search is not found";
	all->problem.ratings = all->ratings;
	all->problem.n_ratings = 1;
	all->ratings[0] = &all->problem_rating;
	uxrec__problem__rating__init(&all->problem_rating);
	uxrec__rating__init(&all->rating);
	all->rating.problem = (char *)ID;
	uxrec__answer__init(&all->answer);
	all->answer.questionnaire = (char *)"sus";
	all->answer.items = all->items;
	all->answer.n_items = 1;
	all->items[0] = &all->item;
	uxrec__answer__item__init(&all->item);
	all->item.item = (char *)"q1";
	all->item.value_case = UXREC__ANSWER__ITEM__VALUE_NUMBER;
}

static void fill(struct all *all)
{
	*all = (struct all){.texts = {(char *)"P01"}, .ids = {(char *)ID}};
	fill_session(all);
	fill_marks(all);
	fill_reports(all);
	uxrec__act__init(&all->act);
	all->act.id = (char *)ID;
	all->act.kind = UXREC__ACT__KIND__KIND_ADD;
	all->act.author = (char *)"Ana";
	all->act.layer = (char *)"live";
}

static const struct {
	Uxrec__Act__BodyCase body;
	size_t offset;
} bodies[] = {
	{UXREC__ACT__BODY_SESSION_INFO, offsetof(struct all, session_info)},
	{UXREC__ACT__BODY_PHASE, offsetof(struct all, phase)},
	{UXREC__ACT__BODY_INTERRUPTION, offsetof(struct all, interruption)},
	{UXREC__ACT__BODY_ATTEMPT, offsetof(struct all, attempt)},
	{UXREC__ACT__BODY_TAG, offsetof(struct all, tag)},
	{UXREC__ACT__BODY_PROBLEM, offsetof(struct all, problem)},
	{UXREC__ACT__BODY_CONSENT, offsetof(struct all, consent)},
	{UXREC__ACT__BODY_ANSWER, offsetof(struct all, answer)},
	{UXREC__ACT__BODY_OPPORTUNITY_SCORE, offsetof(struct all, score)},
	{UXREC__ACT__BODY_NOTE, offsetof(struct all, note)},
	{UXREC__ACT__BODY_LAYER_STATE, offsetof(struct all, layer_state)},
	{UXREC__ACT__BODY_FINDING, offsetof(struct all, finding)},
	{UXREC__ACT__BODY_BLEEP, offsetof(struct all, bleep)},
	{UXREC__ACT__BODY_RATING, offsetof(struct all, rating)},
	{UXREC__ACT__BODY_SUGGESTION, offsetof(struct all, suggestion)},
	{UXREC__ACT__BODY_ASSIGNMENT, offsetof(struct all, assignment)},
	{UXREC__ACT__BODY_CLIP, offsetof(struct all, clip)},
	{UXREC__ACT__BODY_PARTICIPANT, offsetof(struct all, participant)},
	{UXREC__ACT__BODY_WITHDRAWAL, offsetof(struct all, withdrawal)},
	{UXREC__ACT__BODY_LAYER_CHOICE, offsetof(struct all, layer_choice)},
	{UXREC__ACT__BODY_STUDY_NAME, offsetof(struct all, study_name)},
};

/* @return its body, with the act's present content */
static void *set_body(struct all *all, Uxrec__Act__BodyCase body)
{
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		if (bodies[i].body == body) {
			all->act.body_case = body;
			all->act.tag = (void *)((char *)all + bodies[i].offset);
			return all->act.tag;
		}
	check(false);
	return NULL;
}

static bool is_refused(const struct all *all, const char *because)
{
	struct error error = {""};

	if (act_check(&all->act, &error) != -EINVAL || !strstr(error.text, because)) {
		printf("# wanted: %s, is: %s\n", because, error.text);
		return false;
	}
	return true;
}

static void every_body_has_its_check(void)
{
	const ProtobufCMessageDescriptor *act = &uxrec__act__descriptor;
	size_t count = 0;
	struct all all;

	for (unsigned i = 0; i < act->n_fields; i++)
		count += (act->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
	expect(count == ARRAY_SIZE(bodies));
	fill(&all);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct error error = {""};

		set_body(&all, bodies[i].body);
		expect(act_check(&all.act, &error) == 0);
		if (*error.text)
			printf("# body %d: %s\n", (int)bodies[i].body, error.text);
	}
}

/* Every field of every body is set to values that no session has, through the descriptors. */
static void absurd_values_are_refused_in_every_field(void)
{
	static char long_text[50001];
	size_t refused = 0;
	struct all all;

	memset(long_text, 'x', sizeof(long_text) - 1);
	fill(&all);
	for (size_t b = 0; b < ARRAY_SIZE(bodies); b++) {
		ProtobufCMessage *body = set_body(&all, bodies[b].body);

		for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
			const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
			char *at = (char *)body + field->offset;
			const int64_t times[] = {-5, INT64_MIN, INT64_MAX, READER_TIME_LIMIT_NS};
			size_t length = strlen(field->name);

			if (field->label == PROTOBUF_C_LABEL_REPEATED)
				continue;
			if (field->type == PROTOBUF_C_TYPE_INT64 &&
				strcmp(field->name + length - 3, "_ns") == 0) {
				for (size_t k = 0; k < ARRAY_SIZE(times); k++, refused++) {
					*(int64_t *)(void *)at = times[k];
					expect(is_refused(&all, field->name));
				}
			} else if (field->type == PROTOBUF_C_TYPE_ENUM) {
				*(int *)(void *)at = 77;
				expect(is_refused(&all, field->name));
				refused++;
			} else if (field->type == PROTOBUF_C_TYPE_STRING &&
				strcmp(field->name, "text") != 0) {
				*(char **)(void *)at = long_text;
				expect(is_refused(&all, field->name));
				refused++;
			}
			fill(&all);
			set_body(&all, bodies[b].body);
		}
	}
	expect(refused > 100);
}

#define REFUSED(body, because, ...)                                                                \
	do {                                                                                       \
		fill(&all);                                                                        \
		set_body(&all, UXREC__ACT__BODY_##body);                                           \
		__VA_ARGS__;                                                                       \
		expect(is_refused(&all, because));                                                 \
	} while (0)

static void bodies_that_contradict_themselves_are_refused(void)
{
	char *many[1001];
	struct all all;

	REFUSED(PHASE, "the phase ends before it begins", all.phase.to_ns = T - 1);
	REFUSED(PHASE, "the phase has no begin", all.phase.from_ns = 0);
	REFUSED(INTERRUPTION, "ends before it begins", all.interruption.to_ns = T);
	REFUSED(ATTEMPT, "ends before it begins", all.attempt.end_ns = T - 1);
	REFUSED(ATTEMPT, "as it was live", all.attempt.live_end_ns = T - 1;
		all.attempt.end_ns = T + S);
	REFUSED(ATTEMPT, "attempt.number", all.attempt.number = 0);
	REFUSED(ATTEMPT, "attempt.number", all.attempt.number = 4000000000);
	REFUSED(ATTEMPT, "attempt.reading_ns", all.attempt.reading_ns = T + 1);
	REFUSED(ATTEMPT, "attempt.task", all.attempt.task = (char *)"");
	REFUSED(TAG, "the tag ends before it begins", all.tag.end_ns = T - 1);
	REFUSED(TAG, "tag.lag_us", all.tag.lag_us = INT64_MAX);
	REFUSED(TAG, "tag.opportunity",
		all.tag.planned = UXREC__TAG__PLANNED__PLANNED_AT_OPPORTUNITY);
	REFUSED(TAG, "tag.attempt", all.tag.attempt = (char *)"P01");
	REFUSED(PROBLEM, "problem.title", all.problem.title = (char *)"");
	REFUSED(PROBLEM, "severity: 9", all.problem_rating.severity = 9);
	REFUSED(CONSENT, "consent.modalities: there is no 'everything'",
		all.consent.modalities = all.texts;
		all.consent.n_modalities = 1; all.texts[0] = (char *)"everything");
	REFUSED(CONSENT, "consent.uses: there is no 'screen'", all.consent.uses = all.texts;
		all.consent.n_uses = 1; all.texts[0] = (char *)"screen");
	REFUSED(CONSENT, "retention_days", all.consent.retention_days = UINT32_MAX);
	REFUSED(WITHDRAWAL, "withdrawal.uses", all.withdrawal.uses = all.texts;
		all.withdrawal.n_uses = 1; all.texts[0] = (char *)"");
	REFUSED(ANSWER, "items.number", all.item.number = NAN);
	REFUSED(ANSWER, "items.number", all.item.number = INFINITY);
	REFUSED(ANSWER, "older than the question", all.answer.asked_ns = T + S;
		all.answer.answered_ns = T);
	REFUSED(BLEEP, "ends before it begins", all.bleep.to_ns = T);
	REFUSED(CLIP, "the clip has no end", all.clip.to_ns = 0);
	REFUSED(RATING, "rating.problem", all.rating.problem = (char *)"");
	REFUSED(SUGGESTION, "ends before it begins", all.suggestion.to_ns = T - S);
	REFUSED(ASSIGNMENT, "assignment.coder", all.assignment.coder = (char *)"Ben");
	REFUSED(LAYER_CHOICE, "layer_choice.layer", all.layer_choice.layer = (char *)"everybody");
	REFUSED(STUDY_NAME, "study_name.name", all.study_name.name = (char *)"");
	REFUSED(PARTICIPANT, "participant.participant_id",
		all.participant.participant_id = (char *)"");
	REFUSED(SESSION_INFO, "participant_ids: 2 of 1", all.session_info.participant_ids = all.ids;
		all.session_info.n_participant_ids = 2; all.ids[1] = (char *)ID2);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (char *)"find";
	REFUSED(SESSION_INFO, "session_info.planned_tasks: 1001",
		all.session_info.planned_tasks = many;
		all.session_info.n_planned_tasks = ARRAY_SIZE(many));
	REFUSED(SESSION_INFO, "a name cannot have", all.texts[0] = (char *)"a/b");
}

static void what_this_version_does_not_know_is_refused(void)
{
	ProtobufCMessageUnknownField unknown = {.tag = 99};
	char *fields[] = {(char *)"note", (char *)"colour"};
	struct all all;

	REFUSED(TAG, "not 9", all.act.kind = (Uxrec__Act__Kind)9);
	REFUSED(TAG, "not 0", all.act.kind = UXREC__ACT__KIND__KIND_UNSPECIFIED);
	REFUSED(TAG, "field of the number 99", all.act.base.n_unknown_fields = 1;
		all.act.base.unknown_fields = &unknown);
	REFUSED(TAG, "tag has a field of the number 99", all.tag.base.n_unknown_fields = 1;
		all.tag.base.unknown_fields = &unknown);
	REFUSED(TAG, "layer 'machine:x'", all.act.layer = (char *)"machine:x");
	REFUSED(TAG, "a patch of 'colour'", all.act.kind = UXREC__ACT__KIND__KIND_PATCH;
		all.act.fields = fields; all.act.n_fields = 2);
	REFUSED(TAG, "must name the fields", all.act.kind = UXREC__ACT__KIND__KIND_PATCH);
	REFUSED(TAG, "tag.note", all.act.kind = UXREC__ACT__KIND__KIND_PATCH;
		all.act.fields = fields; all.act.n_fields = 1;
		all.tag.note = (char[9000]){[0 ... 8998] = 'x'});
	/* fields that a patch does not name are not checked */
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_TAG);
	all.act.kind = UXREC__ACT__KIND__KIND_PATCH;
	all.act.fields = fields;
	all.act.n_fields = 1;
	all.tag.media_ns = -1;
	all.tag.code = (char *)"";
	expect(act_check(&all.act, NULL) == 0);
	all.act.body_case = UXREC__ACT__BODY__NOT_SET;
	expect(is_refused(&all, "the act has no content"));
}

static void an_act_that_is_stored_is_judged_and_not_refused(void)
{
	struct act_standing standing;
	struct all all;

	fill(&all);
	set_body(&all, UXREC__ACT__BODY_ATTEMPT);
	all.attempt.outcome = (Uxrec__Attempt__Outcome)42;
	standing = act_judge(&all.act);
	expect(standing.folds && standing.later && !standing.invalid);
	expect(all.attempt.outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED);
	set_body(&all, UXREC__ACT__BODY_TAG);
	all.tag.source = (Uxrec__Tag__Source)42; /* 0 is a person */
	standing = act_judge(&all.act);
	expect(!standing.folds && standing.later && !standing.invalid);
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_TAG);
	all.act.layer = (char *)"machine:x";
	standing = act_judge(&all.act);
	expect(!standing.folds && standing.later);
	all.act.layer = (char *)"live";
	all.act.kind = (Uxrec__Act__Kind)9;
	standing = act_judge(&all.act);
	expect(!standing.folds && standing.later);
	all.act.kind = UXREC__ACT__KIND__KIND_ADD;
	all.tag.media_ns = -5;
	standing = act_judge(&all.act);
	expect(!standing.folds && !standing.later && standing.invalid);
	expect(strstr(standing.reason.text, "tag.media_ns: -5") != NULL);
	/* consent to an unknown modality grants nothing; an unclear withdrawal revokes all */
	set_body(&all, UXREC__ACT__BODY_CONSENT);
	all.consent.modalities = all.texts;
	all.consent.n_modalities = 1;
	all.texts[0] = (char *)"everything";
	standing = act_judge(&all.act);
	expect(standing.folds && standing.later && all.consent.n_modalities == 1);
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_WITHDRAWAL);
	all.withdrawal.from_ns = -5;
	standing = act_judge(&all.act);
	expect(standing.folds && standing.invalid && all.withdrawal.from_ns == 0);
}

/* ---- against the session and the study ---- */

struct referring {
	Uxrec__Study study;
	Uxrec__Study__Task tasks[2], *task_list[2];
	Uxrec__Study__Opportunity opportunity, *opportunities[1];
	Uxrec__Study__Code code, *codes[1];
	struct act_context context;
};

static void fill_study(struct referring *referring)
{
	*referring = (struct referring){0};
	uxrec__study__init(&referring->study);
	uxrec__study__code__init(&referring->code);
	referring->code.id = (char *)"slip";
	referring->codes[0] = &referring->code;
	referring->study.codes = referring->codes;
	referring->study.n_codes = 1;
	uxrec__study__opportunity__init(&referring->opportunity);
	referring->opportunity.id = (char *)"search";
	referring->opportunities[0] = &referring->opportunity;
	for (size_t i = 0; i < 2; i++) {
		uxrec__study__task__init(&referring->tasks[i]);
		referring->tasks[i].id = (char *)(i ? "pay" : "find");
		referring->task_list[i] = &referring->tasks[i];
	}
	referring->tasks[0].opportunities = referring->opportunities;
	referring->tasks[0].n_opportunities = 1;
	referring->study.tasks = referring->task_list;
	referring->study.n_tasks = 2;
	referring->context.study = &referring->study;
	referring->context.begin_ns = T;
	referring->context.end_ns = T + 60 * S;
}

static bool is_outside(
	const struct referring *referring, const struct all *all, int r, const char *because)
{
	struct error error = {""};

	if (act_context_check(&referring->context, &all->act, &error) == r &&
		strstr(error.text, because))
		return true;
	printf("# wanted: %s, is: %s\n", because, error.text);
	return false;
}

static void times_of_every_body_are_within_the_session(void)
{
	struct referring referring;
	size_t checked = 0;
	struct all all;

	fill_study(&referring);
	for (size_t b = 0; b < ARRAY_SIZE(bodies); b++) {
		ProtobufCMessage *body;

		fill(&all);
		body = set_body(&all, bodies[b].body);
		for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
			const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
			int64_t *at = (void *)((char *)body + field->offset), before;

			if (field->type != PROTOBUF_C_TYPE_INT64 || !strstr(field->name, "_ns"))
				continue;
			before = *at;
			*at = 1000 * S; /* in 1970 */
			expect(is_outside(&referring, &all, -ERANGE, field->name));
			*at = T + 62 * S;
			expect(is_outside(&referring, &all, -ERANGE, "60.000 s long"));
			*at = before;
			checked++;
		}
	}
	expect(checked >= 20);
	/* a running session ends now */
	referring.context.end_ns = 0;
	referring.context.now_ns = T + 10 * S;
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_NOTE);
	all.note.media_ns = T + 25 * S;
	expect(is_outside(&referring, &all, -ERANGE, "so far"));
	all.note.media_ns = T - 2 * S;
	expect(is_outside(&referring, &all, -ERANGE, "note.media_ns"));
	all.note.media_ns = T + 10 * S;
	expect(act_context_check(&referring.context, &all.act, NULL) == 0);
	/* and an attempt's end may lie in the future */
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_ATTEMPT);
	all.attempt.live_end_ns = T + 70 * S;
	expect(act_context_check(&referring.context, &all.act, NULL) == 0);
	all.attempt.live_end_ns = T + 7200 * S;
	expect(is_outside(&referring, &all, -ERANGE, "so far"));
}

static void append_one(struct annotations *log, struct all *all, const char *id)
{
	all->act.id = (char *)id;
	check(annotations_append(log, &all->act, NULL, NULL) == 0);
}

/* No body refers to a missing task, code, opportunity or object. */
static void what_an_act_refers_to_is_there(void)
{
	_autofree_ char *path = temporary_path("refers.mcap");
	_destroy_(annotations) struct annotations *log = NULL;
	struct referring referring;
	struct all all;

#define OUTSIDE(body, because, ...)                                                                \
	do {                                                                                       \
		fill(&all);                                                                        \
		all.act.id = (char *)"00000000000000000000000000000000";                           \
		set_body(&all, UXREC__ACT__BODY_##body);                                           \
		__VA_ARGS__;                                                                       \
		expect(is_outside(&referring, &all, -EINVAL, because));                            \
	} while (0)
	fill_study(&referring);
	check(annotations_open(&log, path, true, NULL) == 0);
	referring.context.log = log;
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_ATTEMPT);
	all.attempt.task = (char *)"pay";
	append_one(log, &all, ID2);
	OUTSIDE(ATTEMPT, "no task 'buy'", all.attempt.task = (char *)"buy");
	OUTSIDE(SESSION_INFO, "planned_tasks", all.session_info.planned_tasks = all.texts;
		all.session_info.n_planned_tasks = 1);
	OUTSIDE(TAG, "no code 'slap'", all.tag.code = (char *)"slap");
	OUTSIDE(TAG, "tag.attempt", all.tag.attempt = (char *)ID);
	OUTSIDE(TAG, "tag.opportunity", all.tag.opportunity = (char *)"serach");
	/* the task of that attempt has none */
	OUTSIDE(TAG, "tag.opportunity", all.tag.attempt = (char *)ID2;
		all.tag.opportunity = (char *)"search");
	OUTSIDE(TAG, "tag.modifiers", all.tag.modifiers = all.texts; all.tag.n_modifiers = 1);
	OUTSIDE(TAG, "tag.from_tags", all.tag.from_tags = all.ids; all.tag.n_from_tags = 1);
	OUTSIDE(OPPORTUNITY_SCORE, "score.attempt", );
	OUTSIDE(OPPORTUNITY_SCORE, "score.opportunity", all.score.attempt = (char *)ID2);
	OUTSIDE(PROBLEM, "problem.tags", all.problem.tags = all.ids; all.problem.n_tags = 1);
	OUTSIDE(RATING, "rating.problem", );
	OUTSIDE(ANSWER, "answer.attempt", all.answer.attempt = (char *)ID);
	OUTSIDE(CLIP, "clip.tags", all.clip.tags = all.ids; all.clip.n_tags = 1);
	OUTSIDE(SUGGESTION, "suggestion.tag", all.suggestion.tag = (char *)ID);
	fill(&all);
	set_body(&all, UXREC__ACT__BODY_TAG);
	all.tag.opportunity = (char *)"search";
	expect(act_context_check(&referring.context, &all.act, NULL) == 0);
}

static const struct test tests[] = {
	{"every body has a check that accepts a valid act", every_body_has_its_check},
	{"invalid times, enums and texts are refused in every field",
		absurd_values_are_refused_in_every_field},
	{"contradictory bodies are refused with the field's name",
		bodies_that_contradict_themselves_are_refused},
	{"bodies, kinds, layers and fields of a later version are refused",
		what_this_version_does_not_know_is_refused},
	{"a stored act is checked by its known part",
		an_act_that_is_stored_is_judged_and_not_refused},
	{"times of every body are within the session, running or not",
		times_of_every_body_are_within_the_session},
	{"tasks, codes, opportunities and things referenced by an act must exist",
		what_an_act_refers_to_is_there},
};

int main(void)
{
	return RUN_TESTS("act_check", tests);
}
