/* Tags and scores of one session: assignment to attempts, joining of marks to events, tags outside. */

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "replay/metrics/internal.h"
#include "replay/study/study.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE SIZE_MAX

/* Limit of events of one code within the window: no legitimate session has more, and joining takes quadratic time. */
#define JOIN_LIMIT 256

/* a tag in the shown layer */
struct mark {
	const Uxrec__Act *act;
	const Uxrec__Study__Code *code; /* NULL: not in the study */
	size_t row;                     /* of its attempt, or NOWHERE */
	size_t chance;                  /* opportunity of its task, or NOWHERE: unplanned */
	size_t next;                    /* next mark of the same event, or NOWHERE */
};

/* One occurrence, with the marks of all observers. */
struct event {
	size_t row, chance;
	const Uxrec__Study__Code *code;
	int64_t first_ns, last_ns; /* range of its marks */
	size_t marks;              /* its first mark */
	bool joined;               /* merged into another event, which has its marks */
};

/* Score and errors at one opportunity of an attempt. */
struct chance {
	bool scored, met, erred;
};

struct counting {
	struct computing *computing;
	const struct attempts *attempts;
	struct mark *marks;
	size_t mark_count;
	struct event *events;
	size_t event_count;
	int64_t begin_ns; /* start of the session */
};

/* ---- assignment of tags to attempts ---- */

static bool is_counted_kind(const Uxrec__Study__Code *code)
{
	return code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR ||
		/* a prompt is an intervention but not an assist */
		(code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_INTERVENTION &&
			code->assist_level != UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_PROMPT);
}

static size_t find_named(const struct attempts *attempts, const char *id)
{
	for (size_t i = 0; i < attempts->count; i++)
		if (strcmp(attempts->acts[i]->id, id) == 0)
			return i;
	for (size_t i = 0; i < attempts->replaced_count; i++)
		if (strcmp(attempts->replaced[i].act->id, id) == 0)
			return attempts->replaced[i].row;
	return NOWHERE;
}

/* Of overlapping attempts, the one that began last. The end of an attempt is inclusive unless another begins there. */
static size_t find_at(const struct attempts *attempts, const Uxrec__Tag *tag)
{
	size_t found = NOWHERE;

	for (size_t i = 0; i < attempts->count; i++) {
		const Uxrec__AttemptMetrics *row = attempts->rows[i];
		const char *whose = attempts->acts[i]->attempt->participant_id;

		if (tag->media_ns < row->begin_ns || tag->media_ns > row->end_ns)
			continue;
		if (*tag->participant_id && *whose && strcmp(tag->participant_id, whose) != 0)
			continue;
		if (found == NOWHERE || row->begin_ns > attempts->rows[found]->begin_ns)
			found = i;
	}
	return found;
}

static size_t find_chance(const struct counting *counting, const struct mark *mark)
{
	const char *id = mark->act->tag->opportunity;
	const Uxrec__Study__Task *task;

	if (mark->row == NOWHERE || !*id ||
		mark->act->tag->planned == UXREC__TAG__PLANNED__PLANNED_UNPLANNED)
		return NOWHERE;
	task = study_task(
		counting->attempts->session->study, counting->attempts->rows[mark->row]->task);
	for (size_t i = 0; task && i < task->n_opportunities; i++)
		if (strcmp(task->opportunities[i]->id, id) == 0)
			return i;
	return NOWHERE;
}

/* ---- tags outside of attempts ---- */

static int add_outside(
	struct counting *counting, const struct mark *mark, bool counted, char *reason)
{
	Uxrec__Metrics *metrics = counting->computing->metrics;
	Uxrec__OutsideTag *outside = malloc(sizeof(*outside));

	if (!outside || !reason || !array_grow(metrics->outside, metrics->n_outside)) {
		free(outside);
		free(reason);
		return -ENOMEM;
	}
	uxrec__outside_tag__init(outside);
	metrics->outside[metrics->n_outside++] = outside;
	outside->reason = reason;
	outside->counted = counted;
	outside->session = strdup(counting->attempts->session->id);
	outside->tag = strdup(mark->act->id);
	outside->code = strdup(mark->act->tag->code);
	outside->time_ns = mark->act->tag->media_ns;
	outside->at_s = (double)(outside->time_ns - counting->begin_ns) / (double)NS_PER_S;
	return outside->session && outside->tag && outside->code ? 0 : -ENOMEM;
}

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *format_text(const char *format, ...)
{
	va_list arguments;
	char *text;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	return r < 0 ? NULL : text;
}

/* The distance distinguishes 200 ms after a task's end from ten minutes before its start. */
static char *describe_nearest(const struct attempts *attempts, int64_t at_ns)
{
	const Uxrec__AttemptMetrics *nearest = NULL;
	int64_t least_ns = INT64_MAX;
	bool is_after = false;

	for (size_t i = 0; i < attempts->count; i++) {
		const Uxrec__AttemptMetrics *row = attempts->rows[i];
		int64_t away_ns = at_ns > row->end_ns ? at_ns - row->end_ns : row->begin_ns - at_ns;

		if (away_ns >= least_ns)
			continue;
		least_ns = away_ns;
		nearest = row;
		is_after = at_ns > row->end_ns;
	}
	if (!nearest)
		return strdup("the session has no attempt");
	return format_text("outside of every attempt: %.1f s %s of task '%s' (%s)",
		(double)least_ns / 1e9, is_after ? "after the end" : "before the begin",
		nearest->task, nearest->participant);
}

static char *describe_attempt(const struct counting *counting, const char *id)
{
	const Uxrec__Act *act = annotations_find(counting->attempts->session->annotations, id);

	if (!act || act->body_case != UXREC__ACT__BODY_ATTEMPT)
		return strdup("its attempt does not exist: removed, or never recorded");
	return format_text("its attempt is one of the layer '%s'", act->layer);
}

static int list_outside(struct counting *counting, const struct mark *mark)
{
	const struct attempts *attempts = counting->attempts;
	const Uxrec__Tag *tag = mark->act->tag;
	const Uxrec__AttemptMetrics *row = mark->row == NOWHERE ? NULL : attempts->rows[mark->row];

	if (!mark->code)
		return add_outside(counting, mark, false, strdup("the study has no such code"));
	if (!is_counted_kind(mark->code))
		return 0;
	if (!row && *tag->attempt)
		return add_outside(counting, mark, false, describe_attempt(counting, tag->attempt));
	if (!row)
		return add_outside(
			counting, mark, false, describe_nearest(attempts, tag->media_ns));
	if (!row->counts)
		return add_outside(counting, mark, false,
			format_text("its attempt at '%s' does not count: %s", row->task,
				metrics_outcome_name(row->outcome)));
	if (mark->code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR &&
		mark->chance == NOWHERE && *tag->opportunity &&
		tag->planned != UXREC__TAG__PLANNED__PLANNED_UNPLANNED)
		return add_outside(counting, mark, true,
			format_text("task '%s' has no opportunity '%s': counted as unplanned",
				row->task, tag->opportunity));
	return 0;
}

/* ---- joining of marks ---- */

static const char *author_of(const struct mark *mark)
{
	return *mark->act->principal ? mark->act->principal : mark->act->author;
}

/* By attempt, code and time; ties independent of the order of acts. */
static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int64_t x_ns = x->act->tag->media_ns, y_ns = y->act->tag->media_ns;
	int codes = strcmp(x->act->tag->code, y->act->tag->code);

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (codes != 0)
		return codes;
	return x_ns != y_ns ? (x_ns < y_ns ? -1 : 1) : strcmp(x->act->id, y->act->id);
}

/* True when there is at most one mark per author, all within the window. */
static bool are_one(const struct counting *counting, const struct event *a, const struct event *b)
{
	const struct mark *marks = counting->marks;
	int64_t first_ns = a->first_ns < b->first_ns ? a->first_ns : b->first_ns;
	int64_t last_ns = a->last_ns > b->last_ns ? a->last_ns : b->last_ns;

	if (a->row != b->row || a->code != b->code || last_ns - first_ns > METRICS_WINDOW_NS)
		return false;
	for (size_t i = a->marks; i != NOWHERE; i = marks[i].next)
		for (size_t k = b->marks; k != NOWHERE; k = marks[k].next)
			if (strcmp(author_of(&marks[i]), author_of(&marks[k])) == 0)
				return false;
	return true;
}

static void join(struct counting *counting, struct event *event, struct event *other)
{
	size_t last = event->marks;

	while (counting->marks[last].next != NOWHERE)
		last = counting->marks[last].next;
	counting->marks[last].next = other->marks;
	if (other->first_ns < event->first_ns)
		event->first_ns = other->first_ns;
	if (other->last_ns > event->last_ns)
		event->last_ns = other->last_ns;
	other->joined = true;
}

/*
 * Join events of the same opportunity, or those without one to those with one. Events are sorted by time within each
 * attempt and code; each is joined to the earliest match.
 */
static void join_events(struct counting *counting, bool same_chance)
{
	struct event *events = counting->events;
	size_t from = 0;

	for (size_t b = 1; b < counting->event_count; b++) {
		while (from < b &&
			(events[from].row != events[b].row || events[from].code != events[b].code ||
				events[b].first_ns - events[from].first_ns > METRICS_WINDOW_NS))
			from++;
		if (b - from > JOIN_LIMIT)
			from = b - JOIN_LIMIT;
		for (size_t a = from; a < b && !events[b].joined; a++) {
			bool fits = same_chance
				? events[a].chance == events[b].chance
				: (events[a].chance == NOWHERE) != (events[b].chance == NOWHERE);

			if (events[a].joined || !fits || !are_one(counting, &events[a], &events[b]))
				continue;
			if (events[a].chance == NOWHERE)
				events[a].chance = events[b].chance;
			join(counting, &events[a], &events[b]);
		}
	}
}

/*
 * Marks at the same opportunity are joined first; different opportunities are different events. Only in the live layer
 * several observers mark the same event: in other layers each tag is an event.
 */
static int make_events(struct counting *counting)
{
	counting->events = calloc(counting->mark_count + 1, sizeof(*counting->events));
	if (!counting->events)
		return -ENOMEM;
	if (counting->mark_count > 1)
		qsort(counting->marks, counting->mark_count, sizeof(*counting->marks),
			compare_marks);
	for (size_t i = 0; i < counting->mark_count; i++) {
		struct mark *mark = &counting->marks[i];

		mark->next = NOWHERE;
		if (mark->row == NOWHERE || !mark->code || !is_counted_kind(mark->code))
			continue;
		counting->events[counting->event_count++] = (struct event){
			.row = mark->row,
			.chance = mark->chance,
			.code = mark->code,
			.first_ns = mark->act->tag->media_ns,
			.last_ns = mark->act->tag->media_ns,
			.marks = i,
		};
	}
	if (layer_kind(counting->computing->shown.layer) == LAYER_LIVE) {
		join_events(counting, true);
		join_events(counting, false);
	}
	return 0;
}

/* ---- counts per attempt ---- */

static int contradict(Uxrec__AttemptMetrics *row, const char *text)
{
	return metrics_append_text(&row->contradictions, &row->n_contradictions, text);
}

/* The last score of an opportunity counts. */
static int apply_scores(
	struct counting *counting, size_t i, const Uxrec__Study__Task *task, struct chance *chances)
{
	const struct annotations *log = counting->attempts->session->annotations;

	for (size_t k = 0; task && k < annotations_count(log); k++) {
		const Uxrec__Act *act = annotations_get(log, k);
		const Uxrec__OpportunityScore *score = act->opportunity_score;

		if (act->body_case != UXREC__ACT__BODY_OPPORTUNITY_SCORE ||
			!metrics_shows(counting->computing, act) ||
			find_named(counting->attempts, score->attempt) != i)
			continue;
		for (size_t j = 0; j < task->n_opportunities; j++)
			if (strcmp(task->opportunities[j]->id, score->opportunity) == 0) {
				chances[j].scored = true;
				chances[j].met = score->score ==
						UXREC__OPPORTUNITY_SCORE__SCORE__SCORE_UNSPECIFIED
					? score->met
					: score->score ==
						UXREC__OPPORTUNITY_SCORE__SCORE__SCORE_MET;
			}
	}
	return 0;
}

/* True when the task has opportunities, and no mark names one or is marked as unplanned. */
static bool is_not_judged(
	const struct counting *counting, const struct event *event, const Uxrec__Study__Task *task)
{
	if (!task || task->n_opportunities == 0 || event->chance != NOWHERE)
		return false;
	for (size_t i = event->marks; i != NOWHERE; i = counting->marks[i].next) {
		const Uxrec__Tag *tag = counting->marks[i].act->tag;

		if (*tag->opportunity || tag->planned == UXREC__TAG__PLANNED__PLANNED_UNPLANNED)
			return false;
	}
	return true;
}

/* An error at an opportunity scored as not met contradicts the score, but counts as an error. */
static int list_unmet(
	struct counting *counting, const struct event *event, const Uxrec__Study__Task *task)
{
	Uxrec__AttemptMetrics *row = counting->attempts->rows[event->row];
	const char *id = task->opportunities[event->chance]->id;
	char text[160];
	int r;

	snprintf(text, sizeof(text), "an error is tagged at '%s', which is scored as not met", id);
	r = contradict(row, text);
	for (size_t i = event->marks; i != NOWHERE && r == 0 && row->counts;
		i = counting->marks[i].next)
		r = add_outside(counting, &counting->marks[i], true,
			format_text(
				"opportunity '%s' of task '%s' is scored as not met: counted as "
				"unplanned",
				id, row->task));
	return r;
}

static int count_error(struct counting *counting, const struct event *event,
	const Uxrec__Study__Task *task, struct chance *chances)
{
	Uxrec__AttemptMetrics *row = counting->attempts->rows[event->row];
	struct chance *chance = event->chance == NOWHERE ? NULL : &chances[event->chance];
	bool unmet = chance && chance->scored && !chance->met;
	int r = 0;

	row->errors++;
	row->slips += event->code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_SLIP;
	row->mistakes += event->code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_MISTAKE;
	row->omissions += event->code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_OMISSION;
	if (chance && !unmet)
		chance->erred = true;
	else if (is_not_judged(counting, event, task))
		row->not_judged++;
	else
		row->unplanned_errors++;
	for (size_t i = event->marks; i != NOWHERE && r == 0; i = counting->marks[i].next) {
		row->error_marks++;
		r = metrics_append_text(&row->tags, &row->n_tags, counting->marks[i].act->id);
	}
	return r == 0 && unmet ? list_unmet(counting, event, task) : r;
}

/*
 * "Not scored" is not "not met". An unscored opportunity was met if an error was made at it, or if the task was
 * completed, which requires passing all its opportunities. Otherwise it is unknown.
 */
static void sum_chances(
	Uxrec__AttemptMetrics *row, const Uxrec__Study__Task *task, const struct chance *chances)
{
	bool completed = row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED ||
		row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST;

	for (size_t i = 0; task && i < task->n_opportunities; i++) {
		bool met = chances[i].scored ? chances[i].met : chances[i].erred || completed;

		row->opportunities += met;
		row->erred += met && chances[i].erred;
		row->not_met += !met && chances[i].scored;
		row->not_scored += !met && !chances[i].scored;
	}
}

static int find_contradictions(Uxrec__AttemptMetrics *row, const Uxrec__Study__Task *task)
{
	char text[120];
	int r = 0;

	if (row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED && row->assists > 0)
		r = contradict(row, "completed without assist, but an assist is tagged");
	if (row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST &&
		row->assists == 0)
		r = contradict(row, "completed with assist, but no assist is tagged");
	if (r < 0 || !task || task->time_limit_s == 0 || !(row->time_s > task->time_limit_s) ||
		row->outcome != UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED)
		return r;
	snprintf(text, sizeof(text), "completed in %.1f s, but the time limit is %u s", row->time_s,
		task->time_limit_s);
	return contradict(row, text);
}

/* @param from  events before it belong to earlier attempts. @return 0 or a negative errno */
static int count_row(struct counting *counting, size_t i, size_t *from)
{
	Uxrec__AttemptMetrics *row = counting->attempts->rows[i];
	const Uxrec__Study__Task *task = study_task(counting->attempts->session->study, row->task);
	_autofree_ struct chance *chances =
		calloc((task ? task->n_opportunities : 0) + 1, sizeof(*chances));
	int r;

	if (!chances)
		return -ENOMEM;
	r = apply_scores(counting, i, task, chances);
	for (; *from < counting->event_count && counting->events[*from].row == i && r == 0;
		(*from)++) {
		const struct event *event = &counting->events[*from];

		if (event->joined)
			continue;
		if (event->code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR)
			r = count_error(counting, event, task, chances);
		else
			row->assists++;
	}
	sum_chances(row, task, chances);
	return r < 0 ? r : find_contradictions(row, task);
}

/* Tags at times not covered by consent are hidden; such attempts are listed as left out. */
static bool is_covered(const struct session *session, const Uxrec__Tag *tag)
{
	const Uxrec__Act *attempt =
		*tag->attempt ? annotations_find(session->annotations, tag->attempt) : NULL;

	if (attempt && attempt->body_case == UXREC__ACT__BODY_ATTEMPT)
		return session_allows_attempt(session, attempt->attempt);
	return consent_allows(
		session->consent, MODALITY_SESSION, session->use, tag->media_ns, tag->media_ns + 1);
}

static int collect_marks(struct counting *counting)
{
	const struct annotations *log = counting->attempts->session->annotations;
	size_t count = annotations_count(log);
	int r = 0;

	counting->marks = calloc(count + 1, sizeof(*counting->marks));
	if (!counting->marks)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		const Uxrec__Act *act = annotations_get(log, i);
		struct mark *mark = &counting->marks[counting->mark_count];

		if (act->body_case != UXREC__ACT__BODY_TAG ||
			!metrics_shows(counting->computing, act) ||
			!is_covered(counting->attempts->session, act->tag))
			continue;
		mark->act = act;
		mark->code = study_code(counting->attempts->session->study, act->tag->code);
		mark->row = *act->tag->attempt ? find_named(counting->attempts, act->tag->attempt)
					       : find_at(counting->attempts, act->tag);
		mark->chance = find_chance(counting, mark);
		counting->mark_count++;
		r = list_outside(counting, mark);
	}
	return r;
}

int metrics_count_events(struct computing *computing, const struct attempts *attempts)
{
	struct counting counting = {.computing = computing, .attempts = attempts};
	int64_t end_ns;
	size_t from = 0;
	int r;

	if (!session_span(attempts->session, &counting.begin_ns, &end_ns))
		counting.begin_ns = 0;
	r = collect_marks(&counting);
	if (r == 0)
		r = make_events(&counting);
	for (size_t i = 0; i < attempts->count && r == 0; i++)
		r = count_row(&counting, i, &from);
	free(counting.marks);
	free(counting.events);
	return r;
}
