/* Checks the references of acts: the session's span, the study, other acts. */

#include "daemon/acts/act_policy.h"
#include "protocol/acts/act.h"
#include "protocol/base/terminal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "replay/study/study.h"

#include <errno.h>
#include <string.h>

/* Pages show times in whole seconds. */
#define ROUNDING_NS NS_PER_S
/* Error of a browser's copy of the running session's clock: the latency of a message, which may be long. */
#define AHEAD_NS (10 * NS_PER_S)
/* The end of a running session is unknown, and an attempt's end may be planned: its time limit. */
#define PLANNED_NS (3600 * NS_PER_S)

/* ---- times ---- */

static bool is_time_field(const ProtobufCFieldDescriptor *field)
{
	size_t length = strlen(field->name);

	return field->type == PROTOBUF_C_TYPE_INT64 && length > 3 &&
		strcmp(field->name + length - 3, "_ns") == 0;
}

static int check_times(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr)
{
	const ProtobufCFieldDescriptor *of = NULL;
	const ProtobufCMessage *body = act_body(act, &of);
	int64_t ahead_ns = act->body_case == UXREC__ACT__BODY_ATTEMPT ? PLANNED_NS : AHEAD_NS;
	int64_t end_ns =
		context->end_ns ? context->end_ns + ROUNDING_NS : context->now_ns + ahead_ns;

	for (unsigned i = 0; body && i < body->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
		int64_t ns;

		if (!is_time_field(field) || !act_sets(act, field->name))
			continue;
		ns = *(const int64_t *)(const void *)((const char *)body + field->offset);
		if (ns == 0 || (ns > context->begin_ns - ROUNDING_NS && ns < end_ns))
			continue;
		return error_set(reterr, -ERANGE,
			"%s.%s is outside of the session, which is %.3f s long%s", of->name,
			field->name,
			(double)((context->end_ns ? context->end_ns : context->now_ns) -
				context->begin_ns) /
				NS_PER_S,
			context->end_ns ? "" : " so far");
	}
	return 0;
}

/* Latency of a pause's announcement: pages show moments beyond its start until then. */
#define PAUSE_KNOWN_NS (500 * NS_PER_MS)

static int check_pause(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr)
{
	if (!context->paused_ns || act->body_case != UXREC__ACT__BODY_TAG ||
		!act_sets(act, "media_ns") ||
		act->tag->media_ns < context->paused_ns + PAUSE_KNOWN_NS)
		return 0;
	return error_set(reterr, -EBUSY,
		"the session is paused, and a tag needs a moment of the recording: write a note, "
		"or set the tag after the pause");
}

/* ---- things and the study ---- */

struct referring {
	const struct act_context *context;
	const Uxrec__Act *act;
	const char *body;
	struct error *reterr;
};

/* @param id  empty: no reference */
static int need_thing(const struct referring *referring, const char *field, const char *id,
	Uxrec__Act__BodyCase body)
{
	const Uxrec__Act *thing;

	if (!*id || !act_sets(referring->act, field))
		return 0;
	thing = annotations_find(referring->context->log, id);
	return thing && thing->body_case == body
		? 0
		: error_set(referring->reterr, -EINVAL, "%s.%s: %s is not in this session",
			  referring->body, field, id);
}

static int need_things(const struct referring *referring, const char *field, char *const *ids,
	size_t count, Uxrec__Act__BodyCase body)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = need_thing(referring, field, ids[i], body);
	return r;
}

static int need_tasks(
	const struct referring *referring, const char *field, char *const *tasks, size_t count)
{
	if (!act_sets(referring->act, field))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (*tasks[i] && !study_task(referring->context->study, tasks[i]))
			return error_set(referring->reterr, -EINVAL,
				"%s.%s: the study has no task '%s'", referring->body, field,
				text_quote(tasks[i]).text);
	return 0;
}

static const Uxrec__Study__Code *code_of(const struct referring *referring, const char *code)
{
	return *code ? study_code(referring->context->study, code) : NULL;
}

static int need_code(const struct referring *referring, const char *code)
{
	return !*code || !act_sets(referring->act, "code") || code_of(referring, code)
		? 0
		: error_set(referring->reterr, -EINVAL, "%s.code: the code book has no code '%s'",
			  referring->body, text_quote(code).text);
}

/* @param attempt  attempt whose task must have the opportunity; empty: any task of the study */
static int need_opportunity(
	const struct referring *referring, const char *attempt, const char *opportunity)
{
	const Uxrec__Study *study = referring->context->study;
	const Uxrec__Act *of = *attempt ? annotations_find(referring->context->log, attempt) : NULL;

	if (!*opportunity || !act_sets(referring->act, "opportunity"))
		return 0;
	for (size_t i = 0; i < study->n_tasks; i++)
		if ((!of || of->body_case != UXREC__ACT__BODY_ATTEMPT ||
			    strcmp(of->attempt->task, study->tasks[i]->id) == 0) &&
			study_opportunity(study->tasks[i], opportunity))
			return 0;
	return error_set(referring->reterr, -EINVAL,
		"%s.opportunity: the task has no opportunity '%s'", referring->body,
		text_quote(opportunity).text);
}

static int check_modifiers(const struct referring *referring, const Uxrec__Tag *tag)
{
	const Uxrec__Study__Code *code = code_of(referring, tag->code);

	if (!act_sets(referring->act, "modifiers"))
		return 0;
	for (size_t i = 0; i < tag->n_modifiers && code; i++) {
		bool known = false;

		for (size_t m = 0; m < code->n_modifiers && !known; m++)
			known = strcmp(code->modifiers[m], tag->modifiers[i]) == 0;
		if (!known)
			return error_set(referring->reterr, -EINVAL,
				"tag.modifiers: the code '%s' has no modifier '%s'",
				text_quote(tag->code).text, text_quote(tag->modifiers[i]).text);
	}
	return 0;
}

static int check_tag(const struct referring *referring, const Uxrec__Tag *tag)
{
	/* a patch has the attempt only when it changes it */
	const Uxrec__Act *before = annotations_find(referring->context->log, referring->act->id);
	const char *attempt = !act_sets(referring->act, "attempt") && before &&
			before->body_case == UXREC__ACT__BODY_TAG
		? before->tag->attempt
		: tag->attempt;
	int r = need_code(referring, tag->code);

	if (r == 0)
		r = need_thing(referring, "attempt", tag->attempt, UXREC__ACT__BODY_ATTEMPT);
	if (r == 0)
		r = need_opportunity(referring, attempt, tag->opportunity);
	if (r == 0)
		r = check_modifiers(referring, tag);
	return r < 0 ? r
		     : need_things(referring, "from_tags", tag->from_tags, tag->n_from_tags,
			       UXREC__ACT__BODY_TAG);
}

static int check_info(const struct referring *referring, const Uxrec__SessionInfo *info)
{
	int r = need_tasks(referring, "planned_tasks", info->planned_tasks, info->n_planned_tasks);

	return r < 0
		? r
		: need_tasks(referring, "actual_tasks", info->actual_tasks, info->n_actual_tasks);
}

static int check_references(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr)
{
	const ProtobufCFieldDescriptor *field = NULL;
	struct referring referring = {context, act, "", reterr};
	int r;

	if (!act_body(act, &field))
		return 0;
	referring.body = field->name;
	switch (act->body_case) {
	case UXREC__ACT__BODY_SESSION_INFO: return check_info(&referring, act->session_info);
	case UXREC__ACT__BODY_ATTEMPT:
		return need_tasks(&referring, "task", &act->attempt->task, 1);
	case UXREC__ACT__BODY_TAG: return check_tag(&referring, act->tag);
	case UXREC__ACT__BODY_PROBLEM:
		return need_things(&referring, "tags", act->problem->tags, act->problem->n_tags,
			UXREC__ACT__BODY_TAG);
	case UXREC__ACT__BODY_ANSWER:
		return need_thing(
			&referring, "attempt", act->answer->attempt, UXREC__ACT__BODY_ATTEMPT);
	case UXREC__ACT__BODY_OPPORTUNITY_SCORE:
		r = need_thing(&referring, "attempt", act->opportunity_score->attempt,
			UXREC__ACT__BODY_ATTEMPT);
		return r < 0 ? r
			     : need_opportunity(&referring, act->opportunity_score->attempt,
				       act->opportunity_score->opportunity);
	case UXREC__ACT__BODY_RATING:
		return need_thing(
			&referring, "problem", act->rating->problem, UXREC__ACT__BODY_PROBLEM);
	case UXREC__ACT__BODY_SUGGESTION:
		r = need_code(&referring, act->suggestion->code);
		return r < 0
			? r
			: need_thing(&referring, "tag", act->suggestion->tag, UXREC__ACT__BODY_TAG);
	case UXREC__ACT__BODY_CLIP:
		return need_things(&referring, "tags", act->clip->tags, act->clip->n_tags,
			UXREC__ACT__BODY_TAG);
	default: return 0;
	}
}

int act_context_check(
	const struct act_context *context, const Uxrec__Act *act, struct error *reterr)
{
	int r = 0;

	if (act->kind == UXREC__ACT__KIND__KIND_REMOVE)
		return 0;
	if (context->end_ns || context->now_ns)
		r = check_times(context, act, reterr);
	if (r == 0)
		r = check_pause(context, act, reterr);
	return r == 0 ? check_references(context, act, reterr) : r;
}
