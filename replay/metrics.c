#include "replay/metrics.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "replay/spans.h"
#include "replay/stats.h"
#include "replay/study.h"
#include "replay/timeline.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef Uxrec__Attempt__Outcome Outcome;

#define COMPLETED   UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED
#define ASSISTED    UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST
#define FAILED      UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED
#define ABANDONED   UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED
#define UNSPECIFIED UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED

/* all the rows, while they are made */
struct rows {
	Uxrec__AttemptMetrics **rows;
	size_t count;
};

/* what is kept of each session between its readings */
struct coded {
	bool counts; /* it is not left out, whatever the layer */
	char **layers;
	size_t layer_count;
};

/* a computation */
struct computing {
	const struct metrics_request *request;
	Uxrec__Metrics *metrics;
	struct rows rows;
	struct coded *coded; /* of each session */
	struct task_name {
		char *id, *title;
	} * tasks; /* of all sessions that count, as they come */
	size_t task_count;
	size_t found; /* sessions that could be opened, and are of the study that was asked for */
	struct error *error;
};

/* ---- small helpers ---- */

static int append_text(char ***texts, size_t *count, const char *text)
{
	char **grown = realloc(*texts, (*count + 1) * sizeof(**texts));

	if (!grown)
		return -ENOMEM;
	*texts = grown;
	grown[*count] = strdup(text);
	if (!grown[*count])
		return -ENOMEM;
	(*count)++;
	return 0;
}

static bool has_text(char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

static Uxrec__Estimate *to_message(struct stats_estimate estimate)
{
	Uxrec__Estimate *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	uxrec__estimate__init(message);
	message->defined = estimate.defined;
	message->value = estimate.value;
	message->has_interval = estimate.has_interval;
	message->low = estimate.low;
	message->high = estimate.high;
	message->n = estimate.n;
	message->x = estimate.x;
	message->method = strdup(estimate.method ? estimate.method : "");
	message->why = strdup(estimate.why ? estimate.why : "");
	return message;
}

/* ---- which layer ---- */

/* Who watches live and tags nothing has seen no error; who codes afterwards has to have begun. */
static bool layer_covers(const struct coded *coded, const char *layer)
{
	return strcmp(layer, "live") == 0 || has_text(coded->layers, coded->layer_count, layer);
}

/* the layers that a session is coded in, for itself and for all */
static int collect_layers(
	Uxrec__Metrics *metrics, struct coded *coded, const struct session *session)
{
	const struct annotations *log = session->annotations;

	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case != UXREC__ACT__BODY_TAG &&
			act->body_case != UXREC__ACT__BODY_OPPORTUNITY_SCORE)
			continue;
		if (!has_text(coded->layers, coded->layer_count, act->layer) &&
			append_text(&coded->layers, &coded->layer_count, act->layer) < 0)
			return -ENOMEM;
		if (!has_text(metrics->layers, metrics->n_layers, act->layer) &&
			append_text(&metrics->layers, &metrics->n_layers, act->layer) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool covers_all(const struct computing *computing, const char *layer)
{
	for (size_t i = 0; i < computing->request->count; i++)
		if (computing->coded[i].counts &&
			!has_text(
				computing->coded[i].layers, computing->coded[i].layer_count, layer))
			return false;
	return true;
}

/* Consensus, else the only coder's, when every session that counts is coded in it; else live. */
static const char *choose_layer(const struct computing *computing)
{
	const Uxrec__Metrics *metrics = computing->metrics;
	const char *coder = NULL;
	unsigned coders = 0;

	if (has_text(metrics->layers, metrics->n_layers, "consensus") &&
		covers_all(computing, "consensus"))
		return "consensus";
	for (size_t i = 0; i < metrics->n_layers; i++)
		if (strncmp(metrics->layers[i], "coder:", 6) == 0 &&
			covers_all(computing, metrics->layers[i])) {
			coder = metrics->layers[i];
			coders++;
		}
	return coders == 1 ? coder : "live";
}

/* ---- one attempt ---- */

/* time on task: less the union of pauses and of interruptions that stop the clock */
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

/* what the tags of one attempt say about one of its opportunities */
struct chance {
	bool scored, met, erred;
};

static bool belongs(const Uxrec__AttemptMetrics *row, const char *attempt, int64_t at_ns)
{
	if (*attempt)
		return strcmp(attempt, row->attempt) == 0;
	return at_ns >= row->begin_ns && at_ns < row->end_ns;
}

static size_t opportunity_number(const Uxrec__Study__Task *task, const char *id)
{
	for (size_t i = 0; task && i < task->n_opportunities; i++)
		if (strcmp(task->opportunities[i]->id, id) == 0)
			return i;
	return SIZE_MAX;
}

static int count_error(Uxrec__AttemptMetrics *row, const Uxrec__Act *act,
	const Uxrec__Study__Code *code, const Uxrec__Study__Task *task, struct chance *chances)
{
	size_t chance = opportunity_number(task, act->tag->opportunity);

	row->errors++;
	row->slips += code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_SLIP;
	row->mistakes += code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_MISTAKE;
	row->omissions += code->error_type == UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_OMISSION;
	if (chance == SIZE_MAX)
		row->unplanned_errors++;
	else
		chances[chance].erred = true;
	return append_text(&row->tags, &row->n_tags, act->id);
}

static int count_tag(Uxrec__AttemptMetrics *row, const struct session *session,
	const Uxrec__Act *act, const Uxrec__Study__Task *task, struct chance *chances)
{
	const Uxrec__Study__Code *code = study_code(session->study, act->tag->code);

	if (!code || !belongs(row, act->tag->attempt, act->tag->media_ns))
		return 0;
	if (code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR)
		return count_error(row, act, code, task, chances);
	/* a prompt is an intervention and no assist */
	if (code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_INTERVENTION &&
		code->assist_level != UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_PROMPT)
		row->assists++;
	return 0;
}

static int count_acts(Uxrec__AttemptMetrics *row, const struct session *session, const char *layer,
	const Uxrec__Study__Task *task, struct chance *chances)
{
	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);
		int r = 0;

		if (strcmp(act->layer, layer) != 0)
			continue;
		if (act->body_case == UXREC__ACT__BODY_TAG) {
			r = count_tag(row, session, act, task, chances);
		} else if (act->body_case == UXREC__ACT__BODY_OPPORTUNITY_SCORE &&
			strcmp(act->opportunity_score->attempt, row->attempt) == 0) {
			size_t chance =
				opportunity_number(task, act->opportunity_score->opportunity);

			if (chance != SIZE_MAX) {
				chances[chance].scored = true;
				chances[chance].met = act->opportunity_score->met;
			}
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * An opportunity that nobody scored was met if an error was made at it, or if the task was completed:
 * whoever completes a task has passed all of its places.
 */
static void sum_chances(
	Uxrec__AttemptMetrics *row, const Uxrec__Study__Task *task, const struct chance *chances)
{
	bool completed = row->outcome == COMPLETED || row->outcome == ASSISTED;

	for (size_t i = 0; task && i < task->n_opportunities; i++) {
		bool met = chances[i].scored ? chances[i].met : chances[i].erred || completed;

		row->opportunities += met;
		row->erred += met && chances[i].erred;
	}
}

static int find_contradictions(Uxrec__AttemptMetrics *row)
{
	if (row->outcome == COMPLETED && row->assists > 0)
		return append_text(&row->contradictions, &row->n_contradictions,
			"completed without assist, but an assist is tagged");
	if (row->outcome == ASSISTED && row->assists == 0)
		return append_text(&row->contradictions, &row->n_contradictions,
			"completed with assist, but no assist is tagged");
	return 0;
}

static int fill_row(Uxrec__AttemptMetrics *row, const struct session *session,
	const struct timeline *timeline, const Uxrec__Act *act, const char *layer)
{
	const Uxrec__Attempt *attempt = act->attempt;
	const Uxrec__Study__Task *task = study_task(session->study, attempt->task);
	_autofree_ struct chance *chances =
		calloc((task ? task->n_opportunities : 0) + 1, sizeof(*chances));
	int r;

	if (!chances)
		return -ENOMEM;
	row->session = strdup(session->id);
	row->attempt = strdup(act->id);
	row->participant = strdup(attempt->participant);
	row->task = strdup(attempt->task);
	if (!row->session || !row->attempt || !row->participant || !row->task)
		return -ENOMEM;
	row->number = attempt->number;
	row->outcome = attempt->outcome;
	row->begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;
	row->end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
	if (row->end_ns == 0)
		row->end_ns = timeline->end_ns > row->begin_ns ? timeline->end_ns : row->begin_ns;
	row->time_s = task_time_s(session, timeline, row->begin_ns, row->end_ns);
	row->clicks_recorded = timeline->clicks_recorded;
	row->keys_recorded = timeline->keys_recorded;
	row->clicks = timeline_count(timeline, PRESS_BUTTON, row->begin_ns, row->end_ns);
	row->keys = timeline_count(timeline, PRESS_KEY, row->begin_ns, row->end_ns);
	/* none is not zero where some could not be recorded */
	row->clicks_recorded &= row->clicks > 0 ||
		!timeline_lacks(timeline, PRESS_BUTTON, row->begin_ns, row->end_ns);
	row->keys_recorded &=
		row->keys > 0 || !timeline_lacks(timeline, PRESS_KEY, row->begin_ns, row->end_ns);
	r = count_acts(row, session, layer, task, chances);
	if (r < 0)
		return r;
	sum_chances(row, task, chances);
	return find_contradictions(row);
}

static int add_row(struct rows *rows, const struct session *session,
	const struct timeline *timeline, const Uxrec__Act *act, const char *layer)
{
	Uxrec__AttemptMetrics **grown =
		realloc(rows->rows, (rows->count + 1) * sizeof(*rows->rows));
	Uxrec__AttemptMetrics *row = malloc(sizeof(*row));

	if (grown)
		rows->rows = grown;
	if (!grown || !row) {
		free(row);
		return -ENOMEM;
	}
	uxrec__attempt_metrics__init(row);
	rows->rows[rows->count++] = row;
	return fill_row(row, session, timeline, act, layer);
}

/* ---- one session ---- */

/* @return the reason why a session does not count, or NULL when it does */
static const char *why_left_out(const struct session *session, const char *study)
{
	const Uxrec__SessionInfo *info = session_info(session);

	if (strcmp(session->study->name, study) != 0)
		return "of another study";
	if (!session->annotations || !info)
		return "nothing was said about it";
	if (info->pilot)
		return "a pilot";
	if (info->excluded)
		return *info->excluded_reason ? info->excluded_reason : "excluded";
	return NULL;
}

static int leave_out(Uxrec__Metrics *metrics, const struct session *session, const char *why)
{
	_autofree_ char *text = NULL;

	if (asprintf(&text, "%s: %s", session->id, why) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return append_text(&metrics->left_out, &metrics->n_left_out, text);
}

static int add_rows(struct computing *computing, const struct session *session)
{
	_destroy_(timeline) struct timeline *timeline = NULL;
	int r = timeline_create(&timeline, session);

	for (size_t i = 0; r == 0 && i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_ATTEMPT)
			r = add_row(&computing->rows, session, timeline, act,
				computing->metrics->layer);
	}
	return r;
}

/* A study's file may have changed between two sessions: every task that one of them had. */
static int note_tasks(struct computing *computing, const Uxrec__Study *study)
{
	for (size_t i = 0; i < study->n_tasks; i++) {
		struct task_name *tasks = computing->tasks;
		bool known = false;

		for (size_t k = 0; k < computing->task_count && !known; k++)
			known = strcmp(tasks[k].id, study->tasks[i]->id) == 0;
		if (known)
			continue;
		tasks = realloc(tasks, (computing->task_count + 1) * sizeof(*tasks));
		if (!tasks)
			return -ENOMEM;
		computing->tasks = tasks;
		tasks[computing->task_count] = (struct task_name){
			strdup(study->tasks[i]->id), strdup(study->tasks[i]->title)};
		if (!tasks[computing->task_count].id || !tasks[computing->task_count].title) {
			free(tasks[computing->task_count].id);
			free(tasks[computing->task_count].title);
			return -ENOMEM;
		}
		computing->task_count++;
	}
	return 0;
}

static int add_session(struct computing *computing, size_t i, const struct session *session)
{
	Uxrec__Metrics *metrics = computing->metrics;
	const char *why = why_left_out(session, metrics->study);
	int r;

	if (!why)
		r = note_tasks(computing, session->study);
	else
		return leave_out(metrics, session, why);
	if (r == 0 && !computing->request->coding &&
		!layer_covers(&computing->coded[i], metrics->layer))
		return leave_out(metrics, session, "not coded in this layer");
	return r < 0 ? r : add_rows(computing, session);
}

/* ---- one task, or all ---- */

static bool counts(const Uxrec__AttemptMetrics *row)
{
	return row->outcome == COMPLETED || row->outcome == ASSISTED || row->outcome == FAILED ||
		row->outcome == ABANDONED;
}

/* sums of one participant over the attempts that count */
struct person {
	const char *participant;
	double attempts, completed, errors;
	struct stats_chances chances;
};

/* everything about the rows of one task */
struct sums {
	double attempts, completed, assisted, abandoned, left_out;
	double errors, unplanned, minutes;
	struct person *people;
	size_t person_count;
	double *times;
	size_t time_count;
};

static struct person *find_person(struct sums *sums, const char *participant)
{
	for (size_t i = 0; i < sums->person_count; i++)
		if (strcmp(sums->people[i].participant, participant) == 0)
			return &sums->people[i];
	sums->people[sums->person_count] = (struct person){.participant = participant};
	return &sums->people[sums->person_count++];
}

static void sum_row(struct sums *sums, const Uxrec__AttemptMetrics *row)
{
	struct person *person;

	if (!counts(row)) {
		sums->left_out++;
		return;
	}
	person = find_person(sums, row->participant);
	sums->attempts++;
	sums->completed += row->outcome == COMPLETED;
	sums->assisted += row->outcome == ASSISTED;
	sums->abandoned += row->outcome == ABANDONED;
	sums->errors += row->errors;
	sums->unplanned += row->unplanned_errors;
	sums->minutes += row->time_s / 60;
	person->attempts++;
	person->completed += row->outcome == COMPLETED;
	person->errors += row->errors;
	person->chances.met += row->opportunities;
	person->chances.erred += row->erred;
	if (row->outcome == COMPLETED)
		sums->times[sums->time_count++] = row->time_s;
}

/*
 * Attempts of one person at several tasks are not independent, as chances for error are not: the
 * same ratio of sums over participants.
 */
static struct stats_estimate success_of_all(const struct sums *sums, struct stats_chances *chances)
{
	struct stats_estimate estimate;

	for (size_t i = 0; i < sums->person_count; i++)
		chances[i] =
			(struct stats_chances){sums->people[i].attempts, sums->people[i].completed};
	estimate = stats_error_rate(chances, sums->person_count, NULL);
	if (!estimate.defined)
		estimate.why = "no attempt counts";
	else if (estimate.has_interval)
		estimate.method = "adjusted Wald on effective attempts";
	return estimate;
}

static void estimate_errors(Uxrec__TaskMetrics *task, const struct sums *sums, double *room,
	struct stats_chances *chances)
{
	double with_error = 0, count = (double)sums->person_count;
	struct stats_estimate poisson;

	for (size_t i = 0; i < sums->person_count; i++) {
		with_error += sums->people[i].errors > 0;
		room[i] = sums->people[i].errors;
		chances[i] = sums->people[i].chances;
	}
	task->with_error = to_message(stats_rate(with_error, count, sums->person_count));
	task->errors_each = to_message(stats_events_each(room, sums->person_count));
	poisson = stats_poisson(sums->errors, count);
	task->errors_each_poisson = to_message(poisson);
	task->error_rate = to_message(stats_error_rate(chances, sums->person_count, NULL));
	task->errors_per_minute = to_message(stats_poisson(sums->errors, sums->minutes));
}

/* One person's attempts at several tasks are not independent, and times of different tasks have no
 * common centre. */
static struct stats_estimate per_task_only(bool all, struct stats_estimate estimate)
{
	if (all)
		return (struct stats_estimate){.method = "", .why = "said for each task"};
	return estimate;
}

static int estimate_task(Uxrec__TaskMetrics *task, struct sums *sums)
{
	_autofree_ double *room = calloc(sums->person_count + 1, sizeof(*room));
	_autofree_ struct stats_chances *chances = calloc(sums->person_count + 1, sizeof(*chances));
	bool all = !*task->task;

	if (!room || !chances)
		return -ENOMEM;
	task->attempts = (uint32_t)sums->attempts;
	task->left_out = (uint32_t)sums->left_out;
	task->unplanned_errors = (uint32_t)sums->unplanned;
	task->success =
		to_message(all ? success_of_all(sums, chances)
			       : stats_rate(sums->completed, sums->attempts, sums->person_count));
	task->assisted = to_message(
		per_task_only(all, stats_rate(sums->assisted, sums->attempts, sums->person_count)));
	task->abandoned = to_message(per_task_only(
		all, stats_rate(sums->abandoned, sums->attempts, sums->person_count)));
	task->laplace =
		to_message(per_task_only(all, stats_laplace(sums->completed, sums->attempts)));
	task->time_s = to_message(per_task_only(all, stats_times(sums->times, sums->time_count)));
	estimate_errors(task, sums, room, chances);
	return 0;
}

static Uxrec__TaskMetrics *new_task(const char *id, const char *title)
{
	Uxrec__TaskMetrics *task = malloc(sizeof(*task));

	if (!task)
		return NULL;
	uxrec__task_metrics__init(task);
	task->task = strdup(id);
	task->title = strdup(title);
	return task;
}

/* @param id  "": all tasks */
static int add_task(
	Uxrec__Metrics *metrics, const struct rows *rows, const char *id, const char *title)
{
	_autofree_ struct person *people = calloc(rows->count + 1, sizeof(*people));
	_autofree_ double *times = calloc(rows->count + 1, sizeof(*times));
	struct sums sums = {.people = people, .times = times};
	Uxrec__TaskMetrics **grown =
		realloc(metrics->tasks, (metrics->n_tasks + 1) * sizeof(*metrics->tasks));
	Uxrec__TaskMetrics *task = new_task(id, title);

	if (grown)
		metrics->tasks = grown;
	if (!people || !times || !grown || !task) {
		free(task);
		return -ENOMEM;
	}
	metrics->tasks[metrics->n_tasks++] = task;
	for (size_t i = 0; i < rows->count; i++)
		if (!*id || strcmp(rows->rows[i]->task, id) == 0)
			sum_row(&sums, rows->rows[i]);
	return estimate_task(task, &sums);
}

/* ---- all of it ---- */

/* Hand one session after the other over; each is closed before the next is opened. */
static int each_session(struct computing *computing,
	int (*take)(struct computing *computing, size_t i, const struct session *session))
{
	const struct metrics_request *request = computing->request;
	int r = 0;

	for (size_t i = 0; i < request->count && r == 0; i++) {
		_destroy_(session) struct session *session = NULL;

		r = request->open(request->user, i, &session, computing->error);
		if (r < 0)
			return r;
		if (session &&
			(!request->study || strcmp(session->study->name, request->study) == 0))
			r = take(computing, i, session);
	}
	return r;
}

/* the study of the first session that still knows its own. @return 1 to look no further */
static int find_study(struct computing *computing, size_t i, const struct session *session)
{
	(void)i;
	computing->found++;
	if (!*session->study->name)
		return 0;
	free(computing->metrics->study);
	computing->metrics->study = strdup(session->study->name);
	return computing->metrics->study ? 1 : -ENOMEM;
}

static int find_layers(struct computing *computing, size_t i, const struct session *session)
{
	struct coded *coded = &computing->coded[i];

	coded->counts = !why_left_out(session, computing->metrics->study);
	return coded->counts ? collect_layers(computing->metrics, coded, session) : 0;
}

static int decide_layer(struct computing *computing)
{
	const struct metrics_request *request = computing->request;
	Uxrec__Metrics *metrics = computing->metrics;
	bool asked = request->layer && *request->layer;

	if (!request->coding && asked && strcmp(request->layer, "live") != 0 &&
		!has_text(metrics->layers, metrics->n_layers, request->layer))
		return error_set(computing->error, -ENODATA, "nothing is coded in the layer '%s'",
			text_quote(request->layer).text);
	metrics->layer = strdup(asked ? request->layer : choose_layer(computing));
	return metrics->layer ? 0 : -ENOMEM;
}

static int compute(struct computing *computing)
{
	Uxrec__Metrics *metrics = computing->metrics;
	int r;

	metrics->confidence = STATS_CONFIDENCE;
	metrics->study = strdup("");
	if (!metrics->study)
		return -ENOMEM;
	r = each_session(computing, find_study);
	if (r >= 0 && computing->found == 0)
		return error_set(computing->error, -EINVAL, "no session to compute anything from");
	if (r >= 0)
		r = each_session(computing, find_layers);
	if (r == 0)
		r = decide_layer(computing);
	if (r == 0)
		r = each_session(computing, add_session);
	for (size_t i = 0; i < computing->task_count && r == 0; i++)
		r = add_task(metrics, &computing->rows, computing->tasks[i].id,
			computing->tasks[i].title);
	return r < 0 ? r : add_task(metrics, &computing->rows, "", "All tasks");
}

static void computing_finish(struct computing *computing)
{
	for (size_t i = 0; computing->coded && i < computing->request->count; i++) {
		for (size_t k = 0; k < computing->coded[i].layer_count; k++)
			free(computing->coded[i].layers[k]);
		free(computing->coded[i].layers);
	}
	free(computing->coded);
	for (size_t i = 0; i < computing->task_count; i++) {
		free(computing->tasks[i].id);
		free(computing->tasks[i].title);
	}
	free(computing->tasks);
}

int metrics_compute(
	Uxrec__Metrics **ret, const struct metrics_request *request, struct error *reterr)
{
	struct error error = {""};
	_cleanup_(computing_finish) struct computing computing = {
		.request = request, .error = &error};
	int r;

	computing.coded = calloc(request->count + 1, sizeof(*computing.coded));
	computing.metrics = malloc(sizeof(*computing.metrics));
	if (!computing.coded || !computing.metrics) {
		free(computing.metrics);
		return error_set(reterr, -ENOMEM, "no memory");
	}
	uxrec__metrics__init(computing.metrics);
	r = compute(&computing);
	computing.metrics->attempts = computing.rows.rows;
	computing.metrics->n_attempts = computing.rows.count;
	if (r < 0) {
		uxrec__metrics__free_unpacked(computing.metrics, NULL);
		return *error.text ? error_set(reterr, r, "%s", error.text)
				   : error_set(reterr, r, "cannot compute: %s", strerror(-r));
	}
	*ret = computing.metrics;
	return 0;
}
