/* Attempts of one session. */

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/name.h"
#include "replay/metrics/internal.h"
#include "replay/session/spans.h"
#include "replay/study/study.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool metrics_row_counts(const Uxrec__AttemptMetrics *row)
{
	return row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED ||
		row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST ||
		row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED ||
		row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED;
}

const char *metrics_outcome_name(Uxrec__Attempt__Outcome outcome)
{
	static const char *const names[] = {"no outcome", "completed", "completed with assist",
		"failed", "abandoned", "void", "skipped", "not reached"};

	return (unsigned)outcome < ARRAY_SIZE(names) ? names[outcome]
						     : "an outcome of a later version";
}

/* ---- participant of an attempt ---- */

/* Normalise a name; an invalid one from an old file stays unchanged. @return NULL without memory */
static char *normalise_label(const char *label)
{
	char *text;

	return name_normalise(&text, "participant", label, NULL) < 0 ? strdup(label) : text;
}

/* The participant's id, when the session has one for this label. */
static const char *find_id(const Uxrec__SessionInfo *info, const Uxrec__Attempt *attempt)
{
	if (*attempt->participant_id)
		return attempt->participant_id;
	if (!info)
		return "";
	if (!*attempt->participant && info->n_participants <= 1 && info->n_participant_ids == 1)
		return info->participant_ids[0];
	for (size_t i = 0; i < info->n_participants && i < info->n_participant_ids; i++)
		if (name_is_same(info->participants[i], attempt->participant))
			return info->participant_ids[i];
	return "";
}

/* A participant without id and label is distinct in each session. */
static char *identify(const struct session *session, const Uxrec__Attempt *attempt)
{
	const Uxrec__SessionInfo *info = session_info(session);
	const char *id = find_id(info, attempt), *label = attempt->participant;
	char *text;

	if (*id)
		return strdup(id);
	if (!*label && info && info->n_participants == 1)
		label = info->participants[0];
	if (*label)
		return normalise_label(label);
	return asprintf(&text, "session %s", session->id) < 0 ? NULL : text;
}

/* ---- time on task ---- */

/* Time on task, excluding the union of pauses and of interruptions that stop the clock. */
static double task_time_s(const struct session *session, const struct timeline *timeline,
	int64_t begin_ns, int64_t end_ns)
{
	size_t acts = session->annotations ? annotations_count(session->annotations) : 0, count = 0;
	_autofree_ struct time_span *spans = calloc(acts + timeline->gap_count + 1, sizeof(*spans));

	if (!spans)
		return NAN;
	for (size_t i = 0; i < timeline->gap_count; i++)
		if (timeline->gaps[i]->reason == UXREC__GAP__REASON__REASON_PAUSE)
			spans[count++] = (struct time_span){
				timeline->gaps[i]->from_ns, timeline->gaps[i]->to_ns};
	for (size_t i = 0; i < acts; i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_INTERRUPTION &&
			act->interruption->stops_clock)
			spans[count++] = (struct time_span){
				act->interruption->from_ns, act->interruption->to_ns};
	}
	return (double)(end_ns - begin_ns - spans_cover_ns(spans, count, begin_ns, end_ns)) / 1e9;
}

/* ---- rows ---- */

int metrics_fill_row(Uxrec__AttemptMetrics *row, const struct session *session,
	const struct timeline *timeline, const Uxrec__Act *act)
{
	const Uxrec__Attempt *attempt = act->attempt;

	row->session = strdup(session->id);
	row->attempt = strdup(act->id);
	row->participant = strdup(attempt->participant);
	row->task = strdup(attempt->task);
	row->person = identify(session, attempt);
	if (!row->session || !row->attempt || !row->participant || !row->task || !row->person)
		return -ENOMEM;
	row->number = attempt->number;
	row->outcome = attempt->outcome;
	row->failure = attempt->failure;
	row->counts = metrics_row_counts(row);
	row->begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;
	row->end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
	if (row->end_ns == 0)
		row->end_ns = timeline->end_ns > row->begin_ns ? timeline->end_ns : row->begin_ns;
	row->time_s = task_time_s(session, timeline, row->begin_ns, row->end_ns);
	row->clicks_recorded = timeline->clicks_recorded;
	row->keys_recorded = timeline->keys_recorded;
	row->clicks = timeline_count(timeline, PRESS_BUTTON, row->begin_ns, row->end_ns);
	row->keys = timeline_count(timeline, PRESS_KEY, row->begin_ns, row->end_ns);
	/* a count of 0 is unknown when some could not be recorded */
	row->clicks_recorded &= row->clicks > 0 ||
		!timeline_lacks(timeline, PRESS_BUTTON, row->begin_ns, row->end_ns);
	row->keys_recorded &=
		row->keys > 0 || !timeline_lacks(timeline, PRESS_KEY, row->begin_ns, row->end_ns);
	return 0;
}

static Uxrec__AttemptMetrics *new_row(struct computing *computing)
{
	Uxrec__Metrics *metrics = computing->metrics;
	Uxrec__AttemptMetrics *row = malloc(sizeof(*row));

	if (!row || !array_grow(metrics->attempts, metrics->n_attempts)) {
		free(row);
		return NULL;
	}
	uxrec__attempt_metrics__init(row);
	metrics->attempts[metrics->n_attempts++] = row;
	return row;
}

/* ---- live and shown attempts ---- */

static bool is_live(const Uxrec__Act *act)
{
	return layer_kind(act->layer) == LAYER_LIVE;
}

static bool is_same_attempt(const struct session *session, const Uxrec__Act *a, const Uxrec__Act *b)
{
	_autofree_ char *x = NULL, *y = NULL;

	if (a->attempt->number != b->attempt->number ||
		strcmp(a->attempt->task, b->attempt->task) != 0)
		return false;
	x = identify(session, a->attempt);
	y = identify(session, b->attempt);
	return x && y && strcmp(x, y) == 0;
}

/* Attempts with the same task, person and number are one: that of the shown layer, else the live one. */
static const Uxrec__Act *find_own(
	const struct computing *computing, const struct session *session, const Uxrec__Act *live)
{
	const struct annotations *log = session->annotations;

	for (size_t i = 0;
		layer_kind(computing->shown.layer) != LAYER_LIVE && i < annotations_count(log);
		i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case == UXREC__ACT__BODY_ATTEMPT && metrics_shows(computing, act) &&
			is_same_attempt(session, act, live))
			return act;
	}
	return NULL;
}

static size_t index_of(const struct attempts *attempts, const Uxrec__Act *act)
{
	size_t i = 0;

	while (i < attempts->count && attempts->acts[i] != act)
		i++;
	return i;
}

/* Attempts of any other layer do not count; tags that refer to one are listed as outside. */
static void choose_attempts(const struct computing *computing, struct attempts *attempts)
{
	const struct annotations *log = attempts->session->annotations;

	for (int live = 0; live < 2; live++)
		for (size_t i = 0; i < annotations_count(log); i++) {
			const Uxrec__Act *act = annotations_get(log, i), *own;

			if (act->body_case != UXREC__ACT__BODY_ATTEMPT || is_live(act) != live ||
				(!live && !metrics_shows(computing, act)) ||
				!session_allows_attempt(attempts->session, act->attempt))
				continue;
			own = live ? find_own(computing, attempts->session, act) : NULL;
			if (own)
				attempts->replaced[attempts->replaced_count++] =
					(struct in_place_of){act, index_of(attempts, own)};
			else
				attempts->acts[attempts->count++] = act;
		}
}

/* Warn of attempts with the same participant, task and number: possibly one attempt. */
static int find_twins(const struct attempts *attempts)
{
	for (size_t i = 1; i < attempts->count; i++) {
		Uxrec__AttemptMetrics *row = attempts->rows[i];

		for (size_t k = 0; k < i && row->counts; k++) {
			const Uxrec__AttemptMetrics *other = attempts->rows[k];

			if (!other->counts || row->number != other->number ||
				strcmp(row->task, other->task) != 0 ||
				strcmp(row->person, other->person) != 0)
				continue;
			if (metrics_append_text(&row->contradictions, &row->n_contradictions,
				    "another attempt has the same participant, task and number") <
				0)
				return -ENOMEM;
			break;
		}
	}
	return 0;
}

static int add_chosen(
	struct computing *computing, struct attempts *attempts, const struct timeline *timeline)
{
	int r = 0;

	for (size_t i = 0; i < attempts->count && r == 0; i++) {
		attempts->rows[i] = new_row(computing);
		r = attempts->rows[i] ? metrics_fill_row(attempts->rows[i], attempts->session,
						timeline, attempts->acts[i])
				      : -ENOMEM;
	}
	if (r == 0)
		r = find_twins(attempts);
	return r < 0 ? r : metrics_count_events(computing, attempts);
}

int metrics_add_rows(struct computing *computing, const struct session *session)
{
	_destroy_(timeline) struct timeline *timeline = NULL;
	size_t count = annotations_count(session->annotations);
	struct attempts attempts = {.session = session};
	int r = timeline_create(&timeline, session);

	attempts.acts = calloc(count + 1, sizeof(*attempts.acts));
	attempts.rows = calloc(count + 1, sizeof(*attempts.rows));
	attempts.replaced = calloc(count + 1, sizeof(*attempts.replaced));
	if (r == 0 && (!attempts.acts || !attempts.rows || !attempts.replaced))
		r = -ENOMEM;
	if (r == 0) {
		choose_attempts(computing, &attempts);
		r = add_chosen(computing, &attempts, timeline);
	}
	free(attempts.acts);
	free(attempts.rows);
	free(attempts.replaced);
	return r;
}
