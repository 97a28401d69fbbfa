/* Tasks, reading, interruptions and phases of a session, and tags by people in the room. */

#include "daemon/station/internal.h"
#include "protocol/acts/act.h"
#include "protocol/base/array.h"
#include "protocol/base/terminal.h"

#include "protocol/base/log.h"
#include "protocol/base/utf8.h"
#include "protocol/message_text.h"
#include "replay/study/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Change fields of a thing; corrections of its other fields stay. @param act  with body and field names */
static int add_patch(struct station *station, const struct principal *principal, Uxrec__Act *act,
	const char *const *fields, size_t count, struct error *reterr)
{
	act->kind = UXREC__ACT__KIND__KIND_PATCH;
	act->fields = (char **)fields;
	act->n_fields = count;
	return station_add_act(station, principal, act, reterr);
}

/* ---- tasks ---- */

static int no_task(struct error *reterr)
{
	return error_set(reterr, -ENOENT, "no task is running");
}

static uint32_t next_number(struct station *station, const char *task)
{
	struct annotations *log = session_log_lock(station->recording.log);
	uint32_t number = 1;

	annotations_refresh(log);
	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		number += act->body_case == UXREC__ACT__BODY_ATTEMPT &&
			strcmp(act->attempt->task, task) == 0;
	}
	session_log_unlock(station->recording.log);
	return number;
}

int station_start_task(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	const Uxrec__TaskStart *start = request->message->task_start;
	Uxrec__Act act;
	int r;

	if (*station->recording.attempt_id)
		return error_set(reterr, -EBUSY, "task '%s' is running: end it first",
			station->recording.task);
	if (!study_task(station->recording.study, start->task))
		return error_set(reterr, -ENOENT, "the study has no task '%s'",
			text_quote(start->task).text);
	if (act_new_id(station->recording.attempt_id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	snprintf(station->recording.task, sizeof(station->recording.task), "%s", start->task);
	uxrec__attempt__init(&station->recording.attempt);
	station->recording.attempt.participant = station->recording.participant;
	station->recording.attempt.participant_id = station->recording.participant_id;
	station->recording.attempt.task = station->recording.task;
	station->recording.attempt.number = next_number(station, start->task);
	station->recording.attempt.live_begin_ns = station_now_ns(station);
	station_act_init(&act, station->recording.attempt_id);
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &station->recording.attempt;
	r = station_add_act(station, request->principal, &act, reterr);
	if (r < 0)
		station->recording.attempt_id[0] = '\0';
	else
		station_request_keyframe(station); /* entry point for seeking to starts of tasks */
	return r;
}

int station_task_ready(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	static const char *const fields[] = {"reading_ns", "live_begin_ns"};
	Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;
	Uxrec__Act act;
	int r;

	if (!*station->recording.attempt_id)
		return no_task(reterr);
	if (station->recording.attempt.reading_ns)
		return error_set(reterr, -EALREADY,
			"the participant was already ready: task '%s' has begun",
			station->recording.task);
	attempt.reading_ns = station->recording.attempt.live_begin_ns;
	attempt.live_begin_ns = station_now_ns(station);
	station_act_init(&act, station->recording.attempt_id);
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &attempt;
	r = add_patch(station, request->principal, &act, fields, ARRAY_SIZE(fields), reterr);
	if (r < 0)
		return r;
	station->recording.attempt.reading_ns = attempt.reading_ns;
	station->recording.attempt.live_begin_ns = attempt.live_begin_ns;
	station_request_keyframe(station);
	return 0;
}

int station_end_attempt(struct station *station, Uxrec__Attempt__Outcome outcome,
	Uxrec__Attempt__Failure failure, const struct principal *principal, struct error *reterr)
{
	static const char *const fields[] = {"live_end_ns", "outcome", "failure"};
	Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;
	Uxrec__Act act;
	int r;

	attempt.live_end_ns = station_now_ns(station);
	attempt.outcome = outcome;
	attempt.failure = failure;
	station_act_init(&act, station->recording.attempt_id);
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &attempt;
	r = add_patch(station, principal, &act, fields, ARRAY_SIZE(fields), reterr);
	/* an attempt removed meanwhile has no end */
	if (r == 0 || r == -ENOENT)
		station->recording.attempt_id[0] = '\0';
	return r == -ENOENT ? 0 : r;
}

static int check_outcome(
	Uxrec__Attempt__Outcome outcome, Uxrec__Attempt__Failure failure, struct error *reterr)
{
	if (!protobuf_c_enum_descriptor_get_value(
		    &uxrec__attempt__outcome__descriptor, (int)outcome))
		return error_set(reterr, -EINVAL, "unknown outcome %d", (int)outcome);
	if (!protobuf_c_enum_descriptor_get_value(
		    &uxrec__attempt__failure__descriptor, (int)failure))
		return error_set(reterr, -EINVAL, "unknown kind of failure %d", (int)failure);
	if (failure != UXREC__ATTEMPT__FAILURE__FAILURE_NONE &&
		outcome != UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED)
		return error_set(reterr, -EINVAL,
			"a kind of failure is allowed only with the outcome failed");
	return 0;
}

int station_end_task(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	const Uxrec__TaskEnd *end = request->message->task_end;
	int r = check_outcome(end->outcome, end->failure, reterr);

	if (r < 0)
		return r;
	if (!*station->recording.attempt_id)
		return no_task(reterr);
	if (end->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED)
		return error_set(reterr, -EINVAL, "the task's outcome is missing");
	return station_end_attempt(station, end->outcome, end->failure, request->principal, reterr);
}

int station_end_task_for_stop(struct station *station, const Uxrec__Stop *stop,
	const struct principal *principal, struct error *reterr)
{
	int r = check_outcome(stop->outcome, stop->failure, reterr);
	bool given = stop->outcome != UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED;

	if (r < 0 || (!*station->recording.attempt_id && !given))
		return r;
	if (!*station->recording.attempt_id)
		return error_set(reterr, -EINVAL, "no task is running: stop without an outcome");
	if (!given)
		return error_set(reterr, -EBUSY,
			"task '%s' is running: its outcome is needed, as in 'uxrec stop "
			"--outcome completed'; see 'uxrec task end' for the others",
			station->recording.task);
	return station_end_attempt(station, stop->outcome, stop->failure, principal, reterr);
}

/* ---- interruptions and phases: the running one is found in the log only ---- */

static bool is_open(const Uxrec__Act *act, Uxrec__Act__BodyCase kind)
{
	if (act->body_case != kind)
		return false;
	return kind == UXREC__ACT__BODY_PHASE ? !act->phase->to_ns : !act->interruption->to_ns;
}

/* @return the newest running one, or NULL; owned by the log */
static const Uxrec__Act *find_open(const struct annotations *log, Uxrec__Act__BodyCase kind)
{
	for (size_t i = annotations_count(log); i > 0; i--)
		if (is_open(annotations_get(log, i - 1), kind))
			return annotations_get(log, i - 1);
	return NULL;
}

/* @param ret_id  set to its id, "" when none of this kind is running */
static void find_open_id(struct station *station, Uxrec__Act__BodyCase kind, char ret_id[33])
{
	struct annotations *log = session_log_lock(station->recording.log);
	const Uxrec__Act *act;

	annotations_refresh(log);
	act = find_open(log, kind);
	snprintf(ret_id, 33, "%s", act ? act->id : "");
	session_log_unlock(station->recording.log);
}

/* @return 1 when one was ended, 0 when there was none, or a negative errno with the reason */
static int end_open(struct station *station, Uxrec__Act__BodyCase kind, int64_t at_ns,
	const struct principal *principal, struct error *reterr)
{
	static const char *const fields[] = {"to_ns"};
	Uxrec__Interruption interruption = UXREC__INTERRUPTION__INIT;
	Uxrec__Phase phase = UXREC__PHASE__INIT;
	Uxrec__Act act;
	char id[33];
	int r;

	find_open_id(station, kind, id);
	if (!*id)
		return 0;
	phase.to_ns = interruption.to_ns = at_ns;
	station_act_init(&act, id);
	act.body_case = kind;
	if (kind == UXREC__ACT__BODY_PHASE)
		act.phase = &phase;
	else
		act.interruption = &interruption;
	r = add_patch(station, principal, &act, fields, ARRAY_SIZE(fields), reterr);
	return r < 0 ? r : 1;
}

int station_begin_interruption(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	const Uxrec__InterruptionBegin *wanted = request->message->interruption_begin;
	Uxrec__Interruption interruption = UXREC__INTERRUPTION__INIT;
	char id[33];
	Uxrec__Act act;
	int r;

	find_open_id(station, UXREC__ACT__BODY_INTERRUPTION, id);
	if (*id)
		return error_set(reterr, -EALREADY,
			"an interruption is running: 'uxrec interruption end' ends it");
	if (!protobuf_c_enum_descriptor_get_value(
		    &uxrec__interruption__kind__descriptor, (int)wanted->kind))
		return error_set(
			reterr, -EINVAL, "unknown kind of interruption %d", (int)wanted->kind);
	r = message_check_typed(&wanted->base, reterr);
	if (r < 0)
		return r;
	if (act_new_id(id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	interruption.kind = wanted->kind;
	interruption.from_ns = station_now_ns(station);
	interruption.stops_clock = !wanted->keeps_clock;
	interruption.note = wanted->note;
	station_act_init(&act, id);
	act.body_case = UXREC__ACT__BODY_INTERRUPTION;
	act.interruption = &interruption;
	return station_add_act(station, request->principal, &act, reterr);
}

int station_end_interruption(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	int r = end_open(station, UXREC__ACT__BODY_INTERRUPTION, station_now_ns(station),
		request->principal, reterr);

	return r == 0 ? error_set(reterr, -ENOENT, "no interruption is running") : r < 0 ? r : 0;
}

int station_begin_phase(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	Uxrec__Phase__Kind kind = request->message->phase_begin->kind;
	Uxrec__Phase phase = UXREC__PHASE__INIT;
	int64_t at_ns = station_now_ns(station);
	char id[33];
	Uxrec__Act act;
	int r;

	if (kind == UXREC__PHASE__KIND__KIND_UNSPECIFIED ||
		!protobuf_c_enum_descriptor_get_value(&uxrec__phase__kind__descriptor, (int)kind))
		return error_set(reterr, -EINVAL, "unknown kind of phase %d", (int)kind);
	if (act_new_id(id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	r = end_open(station, UXREC__ACT__BODY_PHASE, at_ns, request->principal, reterr);
	if (r < 0)
		return r;
	phase.kind = kind;
	phase.from_ns = at_ns;
	station_act_init(&act, id);
	act.body_case = UXREC__ACT__BODY_PHASE;
	act.phase = &phase;
	return station_add_act(station, request->principal, &act, reterr);
}

int station_end_course(
	struct station *station, const struct principal *principal, struct error *reterr)
{
	int64_t at_ns = station_now_ns(station);
	int r = 0, r2;

	if (*station->recording.attempt_id)
		r = station_end_attempt(station, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED,
			UXREC__ATTEMPT__FAILURE__FAILURE_NONE, principal, reterr);
	r2 = end_open(station, UXREC__ACT__BODY_INTERRUPTION, at_ns, principal, reterr);
	if (r2 >= 0)
		r2 = end_open(station, UXREC__ACT__BODY_PHASE, at_ns, principal, reterr);
	return r < 0 ? r : r2 < 0 ? r2 : 0;
}

/* ---- time on task ---- */

int station_add_pause(struct station *station, int64_t from_ns, int64_t to_ns)
{
	if (!array_grow(station->recording.pauses, station->recording.pause_count))
		return -ENOMEM;
	station->recording.pauses[station->recording.pause_count++] =
		(struct time_span){.from_ns = from_ns, .to_ns = to_ns};
	return 0;
}

/* List all pauses and interruptions that stop the clock; a running one extends to @p at_ns. @return NULL when
 * out of memory */
static struct time_span *list_stops(
	struct station *station, const struct annotations *log, int64_t at_ns, size_t *ret_count)
{
	size_t room = station->recording.pause_count + annotations_count(log) + 1, count = 0;
	struct time_span *spans = calloc(room, sizeof(*spans));

	if (!spans)
		return NULL;
	for (size_t i = 0; i < station->recording.pause_count; i++)
		spans[count++] = station->recording.pauses[i];
	if (station->state == STATE_PAUSED)
		spans[count++] = (struct time_span){
			session_clock_at(&station->recording.clock, station->recording.paused_ns),
			at_ns};
	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);
		const Uxrec__Interruption *stop = act->interruption;

		if (act->body_case == UXREC__ACT__BODY_INTERRUPTION && stop->stops_clock)
			spans[count++] = (struct time_span){
				stop->from_ns, stop->to_ns ? stop->to_ns : at_ns};
	}
	*ret_count = count;
	return spans;
}

static void fill_attempt(
	struct station *station, const struct annotations *log, Uxrec__Status *status)
{
	const Uxrec__Act *act = annotations_find(log, station->recording.attempt_id);
	const Uxrec__Attempt *attempt = act && act->body_case == UXREC__ACT__BODY_ATTEMPT
		? act->attempt
		: &station->recording.attempt;
	_autofree_ struct time_span *stops = NULL;
	size_t count = 0;
	int64_t begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;

	status->task = station->recording.task;
	status->attempt = station->recording.attempt_id;
	status->attempt_begin_ns = begin_ns;
	status->attempt_reading_ns = station->recording.attempt.reading_ns;
	stops = list_stops(station, log, status->now_ns, &count);
	status->attempt_time_ns = status->now_ns - begin_ns -
		(stops ? spans_cover_ns(stops, count, begin_ns, status->now_ns) : 0);
	if (status->attempt_time_ns < 0)
		status->attempt_time_ns = 0;
}

void station_fill_course(struct station *station, Uxrec__Status *status)
{
	struct annotations *log = session_log_lock(station->recording.log);
	const Uxrec__Act *act;

	annotations_refresh(log);
	act = find_open(log, UXREC__ACT__BODY_INTERRUPTION);
	if (act) {
		memcpy(station->recording.interruption_id, act->id,
			sizeof(station->recording.interruption_id));
		status->interruption = station->recording.interruption_id;
		status->interruption_kind = act->interruption->kind;
		status->interruption_from_ns = act->interruption->from_ns;
		status->interruption_keeps_clock = !act->interruption->stops_clock;
	}
	status->attempt_clock_stopped =
		station->state == STATE_PAUSED || (act && act->interruption->stops_clock);
	act = find_open(log, UXREC__ACT__BODY_PHASE);
	if (act) {
		status->phase = act->phase->kind;
		status->phase_from_ns = act->phase->from_ns;
	}
	if (*station->recording.attempt_id)
		fill_attempt(station, log, status);
	session_log_unlock(station->recording.log);
}

/* ---- tags ---- */

/* Add a tag by somebody in the room, for the present moment. */
int station_tag_now(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	const Uxrec__TagNow *wanted = request->message->tag_now;
	struct principal author = *request->principal;
	Uxrec__Tag tag = UXREC__TAG__INIT;
	const Uxrec__Study__Code *code;
	Uxrec__Act act;
	char id[33];
	int r = message_check_typed(&wanted->base, reterr);

	if (r < 0)
		return r;
	code = study_code_typed(station->recording.study, wanted->code);
	if (!code)
		return error_set(reterr, -ENOENT, "the code book has no code '%s'",
			text_quote(wanted->code).text);
	if (act_new_id(id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	tag.code = code->id;
	tag.attempt = station->recording.attempt_id;
	tag.note = wanted->note;
	tag.opportunity = wanted->opportunity;
	tag.impact = wanted->impact;
	tag.watching = UXREC__TAG__WATCHING__WATCHING_ROOM;
	tag.media_ns = tag.press_ns = station_now_ns(station);
	if (*wanted->author)
		utf8_copy(author.name, sizeof(author.name), wanted->author);
	station_act_init(&act, id);
	act.body_case = UXREC__ACT__BODY_TAG;
	act.tag = &tag;
	return station_add_act(station, &author, &act, reterr);
}
