#include "protocol/acts/act_check.h"

#include "protocol/acts/act.h"
#include "protocol/acts/act_fields.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/limits.h"
#include "protocol/message_text.h"
#include "protocol/name.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A session has a handful of tasks, each with a few attempts. */
#define ATTEMPT_NUMBER_LIMIT 1000
/* More than the fields of any body. */
#define PATCH_FIELDS_LIMIT 64
/* A century; longer periods are stated as unlimited (0). */
#define RETENTION_LIMIT_DAYS 36525

/* ---- constraints between the fields of a body: one function per body ---- */

static int need(const char *value, const char *name, struct error *reterr)
{
	return *value ? 0 : error_set(reterr, -EINVAL, "%s: it is missing", name);
}

static int need_time(int64_t ns, const char *name, struct error *reterr)
{
	return ns ? 0 : error_set(reterr, -EINVAL, "%s: the time is missing", name);
}

/* @param open  a `to` of 0 is a pending end */
static int check_span(
	int64_t from_ns, int64_t to_ns, bool open, const char *name, struct error *reterr)
{
	if (!from_ns || (!to_ns && !open))
		return error_set(
			reterr, -EINVAL, "the %s has no %s", name, from_ns ? "end" : "begin");
	if (to_ns && to_ns <= from_ns)
		return error_set(reterr, -EINVAL, "the %s ends before it begins", name);
	return 0;
}

static int check_session_info(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__SessionInfo *info = act->session_info;

	if (info->n_participant_ids > 0 && info->n_participant_ids != info->n_participants)
		return error_set(reterr, -EINVAL,
			"session_info.participant_ids: %zu of %zu participants",
			info->n_participant_ids, info->n_participants);
	return 0;
}

static int check_phase(const Uxrec__Act *act, struct error *reterr)
{
	return check_span(act->phase->from_ns, act->phase->to_ns, true, "phase", reterr);
}

static int check_interruption(const Uxrec__Act *act, struct error *reterr)
{
	return check_span(
		act->interruption->from_ns, act->interruption->to_ns, true, "interruption", reterr);
}

static int check_attempt(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__Attempt *attempt = act->attempt;
	int64_t begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;
	int64_t end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
	int r = need(attempt->task, "attempt.task", reterr);

	if (r == 0)
		r = need(attempt->participant, "attempt.participant", reterr);
	if (r < 0)
		return r;
	if (attempt->number == 0 || attempt->number > ATTEMPT_NUMBER_LIMIT)
		return error_set(reterr, -EINVAL,
			"attempt.number: attempts are counted from 1 to %d", ATTEMPT_NUMBER_LIMIT);
	if (attempt->live_begin_ns && attempt->live_end_ns &&
		attempt->live_end_ns <= attempt->live_begin_ns)
		return error_set(
			reterr, -EINVAL, "the attempt ends before it begins, as it was live");
	if (attempt->reading_ns > begin_ns)
		return error_set(reterr, -EINVAL,
			"attempt.reading_ns: the participant reads the task before the attempt "
			"begins");
	return check_span(begin_ns, end_ns, true, "attempt", reterr);
}

static int check_tag(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__Tag *tag = act->tag;
	int r = need(tag->code, "tag.code", reterr);

	if (r == 0)
		r = need_time(tag->media_ns, "tag.media_ns", reterr);
	if (r < 0)
		return r;
	if (tag->planned == UXREC__TAG__PLANNED__PLANNED_AT_OPPORTUNITY && !*tag->opportunity)
		return error_set(reterr, -EINVAL, "tag.opportunity: missing for a planned error");
	if (tag->planned == UXREC__TAG__PLANNED__PLANNED_UNPLANNED && *tag->opportunity)
		return error_set(
			reterr, -EINVAL, "tag.opportunity: not allowed for an unplanned error");
	return check_span(tag->media_ns, tag->end_ns, true, "tag", reterr);
}

static int check_problem(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__Problem *problem = act->problem;

	for (size_t i = 0; i < problem->n_ratings; i++)
		if (problem->ratings[i]->severity > 4)
			return error_set(reterr, -EINVAL,
				"problem.ratings.severity: %u is not one of 0 to 4",
				problem->ratings[i]->severity);
	return need(problem->title, "problem.title", reterr);
}

static int check_consent(const Uxrec__Act *act, struct error *reterr)
{
	return act->consent->retention_days <= RETENTION_LIMIT_DAYS
		? 0
		: error_set(reterr, -EINVAL, "consent.retention_days: %u are more than a century",
			  act->consent->retention_days);
}

static int check_answer(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__Answer *answer = act->answer;

	for (size_t i = 0; i < answer->n_items; i++)
		if (!*answer->items[i]->item)
			return error_set(reterr, -EINVAL, "answer.items.item: it is missing");
	if (answer->asked_ns && answer->answered_ns && answer->answered_ns < answer->asked_ns)
		return error_set(reterr, -EINVAL,
			"answer.answered_ns: the answer is older than the question");
	return need(answer->questionnaire, "answer.questionnaire", reterr);
}

static int check_opportunity_score(const Uxrec__Act *act, struct error *reterr)
{
	int r = need(act->opportunity_score->attempt, "opportunity_score.attempt", reterr);

	return r < 0 ? r
		     : need(act->opportunity_score->opportunity, "opportunity_score.opportunity",
			       reterr);
}

static int check_note(const Uxrec__Act *act, struct error *reterr)
{
	return need_time(act->note->media_ns, "note.media_ns", reterr);
}

static int check_layer_state(const Uxrec__Act *act, struct error *reterr)
{
	(void)act;
	(void)reterr;
	return 0; /* two booleans */
}

static int check_finding(const Uxrec__Act *act, struct error *reterr)
{
	return need(act->finding->text, "finding.text", reterr);
}

static int check_bleep(const Uxrec__Act *act, struct error *reterr)
{
	return check_span(act->bleep->from_ns, act->bleep->to_ns, false, "bleep", reterr);
}

static int check_rating(const Uxrec__Act *act, struct error *reterr)
{
	return need(act->rating->problem, "rating.problem", reterr);
}

static int check_suggestion(const Uxrec__Act *act, struct error *reterr)
{
	int r = need(act->suggestion->detector, "suggestion.detector", reterr);

	return r < 0 ? r
		     : check_span(act->suggestion->from_ns, act->suggestion->to_ns, true,
			       "suggestion", reterr);
}

static int check_assignment(const Uxrec__Act *act, struct error *reterr)
{
	return need(act->assignment->coder, "assignment.coder", reterr);
}

static int check_clip(const Uxrec__Act *act, struct error *reterr)
{
	return check_span(act->clip->from_ns, act->clip->to_ns, false, "clip", reterr);
}

static int check_participant(const Uxrec__Act *act, struct error *reterr)
{
	const Uxrec__Participant *participant = act->participant;

	for (size_t i = 0; i < participant->n_attributes; i++)
		if (!*participant->attributes[i]->name)
			return error_set(
				reterr, -EINVAL, "participant.attributes.name: it is missing");
	return need(participant->participant_id, "participant.participant_id", reterr);
}

static int check_withdrawal(const Uxrec__Act *act, struct error *reterr)
{
	(void)act;
	(void)reterr;
	return 0; /* withdraws everything when it names nothing */
}

static int check_layer_choice(const Uxrec__Act *act, struct error *reterr)
{
	return need(act->layer_choice->layer, "layer_choice.layer", reterr);
}

static int check_study_name(const Uxrec__Act *act, struct error *reterr)
{
	return need(act->study_name->name, "study_name.name", reterr);
}

static const struct {
	Uxrec__Act__BodyCase body;
	int (*check)(const Uxrec__Act *act, struct error *reterr);
} rows[] = {
	{UXREC__ACT__BODY_SESSION_INFO, check_session_info},
	{UXREC__ACT__BODY_PHASE, check_phase},
	{UXREC__ACT__BODY_INTERRUPTION, check_interruption},
	{UXREC__ACT__BODY_ATTEMPT, check_attempt},
	{UXREC__ACT__BODY_TAG, check_tag},
	{UXREC__ACT__BODY_PROBLEM, check_problem},
	{UXREC__ACT__BODY_CONSENT, check_consent},
	{UXREC__ACT__BODY_ANSWER, check_answer},
	{UXREC__ACT__BODY_OPPORTUNITY_SCORE, check_opportunity_score},
	{UXREC__ACT__BODY_NOTE, check_note},
	{UXREC__ACT__BODY_LAYER_STATE, check_layer_state},
	{UXREC__ACT__BODY_FINDING, check_finding},
	{UXREC__ACT__BODY_BLEEP, check_bleep},
	{UXREC__ACT__BODY_RATING, check_rating},
	{UXREC__ACT__BODY_SUGGESTION, check_suggestion},
	{UXREC__ACT__BODY_ASSIGNMENT, check_assignment},
	{UXREC__ACT__BODY_CLIP, check_clip},
	{UXREC__ACT__BODY_PARTICIPANT, check_participant},
	{UXREC__ACT__BODY_WITHDRAWAL, check_withdrawal},
	{UXREC__ACT__BODY_LAYER_CHOICE, check_layer_choice},
	{UXREC__ACT__BODY_STUDY_NAME, check_study_name},
};

/* ---- bodies ---- */

static int check_patch(struct act_checking *checking, const Uxrec__Act *act,
	const ProtobufCMessageDescriptor *body, struct error *reterr)
{
	if (act->n_fields == 0)
		return error_set(reterr, -EINVAL, "a patch must name the fields that it sets");
	if (act->n_fields > PATCH_FIELDS_LIMIT)
		return error_set(reterr, -EINVAL, "a patch of %zu fields", act->n_fields);
	for (size_t i = 0; i < act->n_fields; i++) {
		if (protobuf_c_message_descriptor_get_field_by_name(body, act->fields[i]))
			continue;
		if (!checking->reading)
			return error_set(reterr, -EINVAL, "a patch of '%s', which no %s has",
				text_quote(act->fields[i]).text, body->short_name);
		checking->later = true;
	}
	return 0;
}

static int check_body(struct act_checking *checking, Uxrec__Act *act, struct error *reterr)
{
	const ProtobufCFieldDescriptor *field = NULL;
	ProtobufCMessage *body = act_body(act, &field);
	bool patches = act->kind == UXREC__ACT__KIND__KIND_PATCH;
	int r = 0;

	if (!body)
		return error_set(reterr, -EINVAL, "the act has no content");
	if (patches) {
		r = check_patch(checking, act, body->descriptor, reterr);
		checking->only = act;
	}
	if (r == 0)
		r = act_check_fields(checking, body, field->name, reterr);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0 && !patches; i++)
		if (rows[i].body == act->body_case)
			return rows[i].check(act, reterr);
	return r;
}

/* ---- acts ---- */

static int check_id(const char *id, const char *name, bool needed, struct error *reterr)
{
	return (!*id && !needed) || act_id_is_valid(id)
		? 0
		: error_set(reterr, -EINVAL, "the act's %s is not an id of 32 hex digits", name);
}

static int check_envelope(const Uxrec__Act *act, struct error *reterr)
{
	int r = check_id(act->id, "id", true, reterr);

	if (r == 0)
		r = check_id(act->act_id, "act_id", false, reterr);
	if (r == 0)
		r = check_id(act->principal, "principal", false, reterr);
	if (r == 0)
		r = check_id(act->session_uuid, "session_uuid", false, reterr);
	if (r == 0)
		r = check_id(act->layer_principal, "layer_principal", false, reterr);
	if (r < 0)
		return r;
	if (message_check_texts(&act->base, reterr) < 0)
		return -EINVAL;
	if (act->counter > ACT_COUNTER_LIMIT)
		return error_set(reterr, -EINVAL, "the act's counter is invalid");
	return name_check("author", act->author, reterr);
}

/* An act of unknown kind or body is opaque. @return -EINVAL when that is not allowed */
static int check_kind(struct act_checking *checking, const Uxrec__Act *act, struct error *reterr)
{
	bool known = protobuf_c_enum_descriptor_get_value(
			     &uxrec__act__kind__descriptor, (int)act->kind) != NULL;

	if (act->kind == UXREC__ACT__KIND__KIND_UNSPECIFIED || (!known && !checking->reading))
		return error_set(reterr, -EINVAL,
			"an act adds, changes, patches or removes, not %d", (int)act->kind);
	if (act->base.n_unknown_fields > 0 && !checking->reading)
		return error_set(reterr, -EINVAL,
			"the act has a field of the number %u, which this version does not know",
			act->base.unknown_fields[0].tag);
	if (!known || act->base.n_unknown_fields > 0)
		checking->later = true;
	if (!known ||
		(act->base.n_unknown_fields > 0 && !act->body_case &&
			act->kind != UXREC__ACT__KIND__KIND_REMOVE))
		checking->opaque = true;
	return 0;
}

/* @param act  modified when reading */
static int check_act(struct act_checking *checking, Uxrec__Act *act, struct error *reterr)
{
	int r = check_envelope(act, reterr);

	if (r == 0)
		r = check_kind(checking, act, reterr);
	if (r == 0)
		r = act_check_layer(checking, act->layer, reterr);
	if (r < 0 || checking->opaque || act->kind == UXREC__ACT__KIND__KIND_REMOVE)
		return r;
	return check_body(checking, act, reterr);
}

int act_check(const Uxrec__Act *act, struct error *reterr)
{
	struct act_checking checking = {.reading = false};

	return check_act(&checking, (Uxrec__Act *)act, reterr);
}

/* ---- stored acts ---- */

static void clear_list(char **texts, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free(texts[i]);
	*count = 0;
}

/* An opaque consent grants nothing, an opaque withdrawal takes back everything. */
static bool close_consent(Uxrec__Act *act)
{
	if (act->kind == UXREC__ACT__KIND__KIND_REMOVE || !act_id_is_valid(act->id) ||
		act->counter > ACT_COUNTER_LIMIT)
		return false;
	if (act->body_case == UXREC__ACT__BODY_WITHDRAWAL) {
		clear_list(act->withdrawal->modalities, &act->withdrawal->n_modalities);
		clear_list(act->withdrawal->uses, &act->withdrawal->n_uses);
		act->withdrawal->from_ns = 0;
	} else if (act->body_case == UXREC__ACT__BODY_CONSENT) {
		clear_list(act->consent->modalities, &act->consent->n_modalities);
		clear_list(act->consent->uses, &act->consent->n_uses);
		act->consent->from_ns = 0;
		act->consent->retention_days = 0;
		act->consent->full_keys = false;
	}
	return act_is_about_consent(act);
}

struct act_standing act_judge(Uxrec__Act *act)
{
	struct act_checking checking = {.reading = true};
	struct act_standing standing = {0};
	int r = check_act(&checking, act, &standing.reason);

	act_trim_unknown(&act->base);
	standing.invalid = r < 0;
	standing.later = r == 0 && checking.later;
	standing.folds = (r == 0 && !checking.opaque) || close_consent(act);
	return standing;
}
