/* Estimates of one task, or of all, from the rows of their attempts. */

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "replay/metrics/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETED UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED
#define ASSISTED  UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST
#define ABANDONED UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED

/* Sums of one participant over the counted attempts. */
struct person {
	const char *name;
	double attempts, completed, assisted, abandoned, errors, minutes;
	struct stats_chances chances;
};

/* Sums over the rows of one task. */
struct sums {
	double attempts, completed, assisted, abandoned, left_out, scored, stopped;
	double errors, marks, unplanned, not_judged, minutes;
	bool has_opportunities;
	struct person *people;
	size_t person_count;
	double *times;
	size_t time_count;
	struct stats_duration
		*durations; /* of completed attempts, and of those ended by the time limit */
	size_t duration_count;
	/* buffers of one number per person */
	double *room;
	struct stats_chances *chances;
};

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
	message->n_effective = estimate.effective;
	message->participants = (uint32_t)estimate.people;
	message->method = strdup(estimate.method ? estimate.method : "");
	message->why = strdup(estimate.why ? estimate.why : "");
	return message;
}

/* Limit of values listed in place of an interval. */
#define VALUES_LIMIT 24

static Uxrec__Estimate *with_values(
	struct stats_estimate estimate, const double *values, size_t count)
{
	Uxrec__Estimate *message = to_message(estimate);

	if (!message || !estimate.defined || estimate.has_interval || count == 0 ||
		count > VALUES_LIMIT)
		return message;
	message->values = malloc(count * sizeof(*values));
	if (!message->values)
		return message;
	memcpy(message->values, values, count * sizeof(*values));
	message->n_values = count;
	return message;
}

/* ---- sums ---- */

static struct person *find_person(struct sums *sums, const char *name)
{
	for (size_t i = 0; i < sums->person_count; i++)
		if (strcmp(sums->people[i].name, name) == 0)
			return &sums->people[i];
	sums->people[sums->person_count] = (struct person){.name = name};
	return &sums->people[sums->person_count++];
}

static void sum_times(struct sums *sums, const Uxrec__AttemptMetrics *row)
{
	bool stopped = row->failure == UXREC__ATTEMPT__FAILURE__FAILURE_TIME_LIMIT &&
		row->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED;

	sums->stopped += stopped;
	if (row->outcome == COMPLETED)
		sums->times[sums->time_count++] = row->time_s;
	if (row->outcome == COMPLETED || stopped)
		sums->durations[sums->duration_count++] =
			(struct stats_duration){row->time_s, stopped};
}

static void sum_row(struct sums *sums, const Uxrec__AttemptMetrics *row)
{
	struct person *person;

	if (!row->counts) {
		sums->left_out++;
		return;
	}
	person = find_person(sums, row->person);
	sums->attempts++;
	sums->completed += row->outcome == COMPLETED;
	sums->assisted += row->outcome == ASSISTED;
	sums->abandoned += row->outcome == ABANDONED;
	sums->scored += row->not_scored + row->not_judged == 0;
	sums->has_opportunities |= row->opportunities + row->not_met + row->not_scored > 0;
	sums->errors += row->errors;
	sums->marks += row->error_marks;
	sums->unplanned += row->unplanned_errors;
	sums->not_judged += row->not_judged;
	sums->minutes += row->time_s / 60;
	person->attempts++;
	person->completed += row->outcome == COMPLETED;
	person->assisted += row->outcome == ASSISTED;
	person->abandoned += row->outcome == ABANDONED;
	person->errors += row->errors;
	person->minutes += row->time_s / 60;
	person->chances.met += row->opportunities;
	person->chances.erred += row->erred;
	sum_times(sums, row);
}

/* ---- estimates ---- */

/* Attempts of one person at several tasks are not independent: pooled over participants like error opportunities. */
static Uxrec__Estimate *pool(const struct sums *sums, size_t field)
{
	struct stats_estimate estimate;

	for (size_t i = 0; i < sums->person_count; i++)
		sums->chances[i] = (struct stats_chances){sums->people[i].attempts,
			*(const double *)((const char *)&sums->people[i] + field)};
	estimate = stats_error_rate(sums->chances, sums->person_count, NULL);
	if (!estimate.defined)
		estimate.why = "no attempt counts";
	return to_message(estimate);
}

static Uxrec__Estimate *rate_of_task(const struct sums *sums, double x)
{
	struct stats_estimate estimate = stats_rate(x, sums->attempts, sums->person_count);

	estimate.people = sums->person_count;
	if (sums->attempts == 0)
		estimate.why = "no attempt counts";
	return to_message(estimate);
}

/*
 * "Not scored" is not "not met", "not judged" is not "unplanned": a rate of only some attempts would be biased towards
 * the easy ones.
 */
static Uxrec__Estimate *error_rate(const struct sums *sums)
{
	struct stats_estimate estimate;
	Uxrec__Estimate *message;
	char *text;

	for (size_t i = 0; i < sums->person_count; i++)
		sums->chances[i] = sums->people[i].chances;
	estimate = stats_error_rate(sums->chances, sums->person_count, NULL);
	if (sums->attempts == 0)
		estimate.why = "no attempt counts";
	else if (!sums->has_opportunities)
		estimate.why = "the study has no opportunities here";
	else if (sums->scored < sums->attempts)
		estimate.defined = false;
	message = to_message(estimate);
	if (!message || sums->scored == sums->attempts)
		return message;
	if (asprintf(&text, "not scored yet: %g scored of %g attempts", sums->scored,
		    sums->attempts) < 0)
		return message;
	free(message->why);
	message->why = text;
	return message;
}

static void estimate_errors(Uxrec__TaskMetrics *task, const struct sums *sums)
{
	double with_error = 0, count = (double)sums->person_count;
	struct stats_estimate estimate;

	for (size_t i = 0; i < sums->person_count; i++) {
		with_error += sums->people[i].errors > 0;
		sums->room[i] = sums->people[i].errors;
	}
	task->with_error = to_message(stats_rate(with_error, count, sums->person_count));
	estimate = stats_events_each(sums->room, sums->person_count);
	task->errors_each = with_values(estimate, sums->room, sums->person_count);
	task->errors_each_poisson = to_message(stats_poisson(sums->errors, count));
	task->error_rate = error_rate(sums);
	task->errors_per_minute = to_message(stats_poisson(sums->errors, sums->minutes));
	for (size_t i = 0; i < sums->person_count; i++)
		sums->chances[i] =
			(struct stats_chances){sums->people[i].minutes, sums->people[i].errors};
	task->errors_per_minute_each = to_message(stats_ratio(sums->chances, sums->person_count));
}

/* Times of different tasks have no common centre. */
static struct stats_estimate per_task_only(void)
{
	return (struct stats_estimate){.method = "", .why = "given for each task"};
}

static void estimate_times(Uxrec__TaskMetrics *task, const struct sums *sums)
{
	struct stats_estimate estimate = stats_times(sums->times, sums->time_count);

	task->time_s = with_values(estimate, sums->times, sums->time_count);
	if (sums->stopped > 0)
		task->time_censored_s =
			to_message(stats_censored_median(sums->durations, sums->duration_count));
}

static void count_attempts(Uxrec__TaskMetrics *task, const struct sums *sums)
{
	task->attempts = (uint32_t)sums->attempts;
	task->left_out = (uint32_t)sums->left_out;
	task->participants = (uint32_t)sums->person_count;
	task->errors = (uint32_t)sums->errors;
	task->error_marks = (uint32_t)sums->marks;
	task->unplanned_errors = (uint32_t)sums->unplanned;
	task->not_judged = (uint32_t)sums->not_judged;
	task->scored = (uint32_t)sums->scored;
	task->stopped = (uint32_t)sums->stopped;
	for (size_t i = 0; i < sums->person_count; i++) {
		task->opportunities += (uint32_t)sums->people[i].chances.met;
		task->erred += (uint32_t)sums->people[i].chances.erred;
	}
}

static void estimate_task(Uxrec__TaskMetrics *task, const struct sums *sums)
{
	bool all = !*task->task;

	count_attempts(task, sums);
	if (all) {
		task->success = pool(sums, offsetof(struct person, completed));
		task->assisted = pool(sums, offsetof(struct person, assisted));
		task->abandoned = pool(sums, offsetof(struct person, abandoned));
		task->laplace = to_message(per_task_only());
		task->time_s = to_message(per_task_only());
	} else {
		task->success = rate_of_task(sums, sums->completed);
		task->assisted = rate_of_task(sums, sums->assisted);
		task->abandoned = rate_of_task(sums, sums->abandoned);
		task->laplace = to_message(stats_laplace(sums->completed, sums->attempts));
		estimate_times(task, sums);
	}
	estimate_errors(task, sums);
}

/* ---- tasks ---- */

static Uxrec__TaskMetrics *new_task(Uxrec__Metrics *metrics, const struct task_of_study *named)
{
	Uxrec__TaskMetrics *task = malloc(sizeof(*task));

	if (!task || !array_grow(metrics->tasks, metrics->n_tasks)) {
		free(task);
		return NULL;
	}
	uxrec__task_metrics__init(task);
	metrics->tasks[metrics->n_tasks++] = task;
	task->task = strdup(named ? named->id : "");
	task->title = strdup(named ? named->title : "All tasks");
	task->time_limit_s = named ? named->limit_s : 0;
	return task->task && task->title ? task : NULL;
}

int metrics_add_task(Uxrec__Metrics *metrics, const struct task_of_study *named)
{
	size_t count = metrics->n_attempts + 1;
	_autofree_ struct person *people = calloc(count, sizeof(*people));
	_autofree_ double *times = calloc(count, sizeof(*times));
	_autofree_ struct stats_duration *durations = calloc(count, sizeof(*durations));
	_autofree_ double *room = calloc(count, sizeof(*room));
	_autofree_ struct stats_chances *chances = calloc(count, sizeof(*chances));
	struct sums sums = {.people = people,
		.times = times,
		.durations = durations,
		.room = room,
		.chances = chances};
	Uxrec__TaskMetrics *task = new_task(metrics, named);

	if (!people || !times || !durations || !room || !chances || !task)
		return -ENOMEM;
	for (size_t i = 0; i < metrics->n_attempts; i++)
		if (!named || strcmp(metrics->attempts[i]->task, named->id) == 0)
			sum_row(&sums, metrics->attempts[i]);
	estimate_task(task, &sums);
	return 0;
}
