/* Selection of sessions, and order of the computation. */

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/name.h"
#include "replay/metrics/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int metrics_append_text(char ***texts, size_t *count, const char *text)
{
	if (!array_grow(*texts, *count))
		return -ENOMEM;
	(*texts)[*count] = strdup(text);
	if (!(*texts)[*count])
		return -ENOMEM;
	(*count)++;
	return 0;
}

/* ---- selection of sessions ---- */

/* Compared by id when both have one; the name is only a label. */
static bool is_of_study(const struct computing *computing, const struct session *session)
{
	const char *id = session_study_id(session);

	if (*id && *computing->study_id)
		return strcmp(id, computing->study_id) == 0;
	return name_is_same(session->study->name, computing->metrics->study);
}

/* @return the reason for leaving a session out, or NULL when it counts */
static const char *why_left_out(const struct computing *computing, const struct session *session)
{
	const Uxrec__SessionInfo *info = session_info(session);

	if (!is_of_study(computing, session))
		return "of another study";
	if (consent_is_withdrawn(session->consent))
		return "the participant has withdrawn their consent";
	if (!session_allows(session, MODALITY_SESSION))
		return "the consent does not cover analysis";
	if (!session->annotations || !info)
		return "no act about it can be read";
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
	return metrics_append_text(&metrics->left_out, &metrics->n_left_out, text);
}

/* ---- copies ---- */

/*
 * The identity shared by all copies of a session: its uuid, or (format 1) its times, to the nanosecond, with its name
 * or the random id of the first act.
 */
static void note_identity(struct coded *coded, const struct session *session)
{
	snprintf(coded->id, sizeof(coded->id), "%s", session->id);
	memcpy(coded->uuid, session->uuid, sizeof(coded->uuid));
	if (!session_span(session, &coded->begin_ns, &coded->end_ns))
		coded->begin_ns = coded->end_ns = 0;
	if (session->annotations && annotations_count(session->annotations) > 0)
		snprintf(coded->first_act, sizeof(coded->first_act), "%s",
			annotations_get(session->annotations, 0)->id);
}

static bool is_copy(const struct coded *a, const struct coded *b)
{
	if (*a->uuid && *b->uuid)
		return strcmp(a->uuid, b->uuid) == 0;
	if (a->begin_ns != b->begin_ns || a->end_ns != b->end_ns)
		return false;
	return (*a->id && strcmp(a->id, b->id) == 0) ||
		(*a->first_act && strcmp(a->first_act, b->first_act) == 0);
}

static const struct coded *find_original(const struct computing *computing, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (is_copy(&computing->coded[k], &computing->coded[i]))
			return &computing->coded[k];
	return NULL;
}

/* ---- the study ---- */

static int add_task_of_study(
	struct computing *computing, const char *id, const char *title, uint32_t limit_s)
{
	struct task_of_study *task;

	for (size_t k = 0; k < computing->task_count; k++)
		if (strcmp(computing->tasks[k].id, id) == 0)
			return 0;
	if (!array_grow(computing->tasks, computing->task_count))
		return -ENOMEM;
	task = &computing->tasks[computing->task_count];
	*task = (struct task_of_study){strdup(id), strdup(title), limit_s};
	if (!task->id || !task->title) {
		free(task->id);
		free(task->title);
		return -ENOMEM;
	}
	computing->task_count++;
	return 0;
}

/* The study's file may change between sessions: collect the tasks of all. */
static int note_tasks(struct computing *computing, const Uxrec__Study *study)
{
	int r = 0;

	for (size_t i = 0; i < study->n_tasks && r == 0; i++)
		r = add_task_of_study(computing, study->tasks[i]->id, study->tasks[i]->title,
			study->tasks[i]->time_limit_s);
	return r;
}

/* Add rows for tasks that only attempts name, so that the sum over all tasks includes every attempt. */
static int note_unknown_tasks(struct computing *computing)
{
	int r = 0;

	for (size_t i = 0; i < computing->metrics->n_attempts && r == 0; i++)
		r = add_task_of_study(computing, computing->metrics->attempts[i]->task,
			"a task that the study does not have", 0);
	return r;
}

/* ---- computation ---- */

typedef int (*session_handler)(
	struct computing *computing, size_t i, const struct session *session);

/* Call @p handle for each session; each is closed before the next is opened. */
static int each_session(struct computing *computing, session_handler handle)
{
	const struct metrics_request *request = computing->request;
	int r = 0;

	for (size_t i = 0; i < request->count && r == 0; i++) {
		_destroy_(session) struct session *session = NULL;

		r = request->open(request->user, i, &session, computing->error);
		if (r < 0)
			return r;
		if (session)
			r = handle(computing, i, session);
	}
	return r;
}

/* The study of the first session with a known study. @return 1 to stop the search */
static int find_study(struct computing *computing, size_t i, const struct session *session)
{
	const char *asked = computing->request->study;

	(void)i;
	if (asked && strcmp(session->study->name, asked) != 0)
		return 0;
	computing->found++;
	if (!*session->study->name)
		return 0;
	free(computing->metrics->study);
	free(computing->study_id);
	computing->metrics->study = strdup(session->study->name);
	computing->study_id = strdup(session_study_id(session));
	return computing->metrics->study && computing->study_id ? 1 : -ENOMEM;
}

/* Sessions of other studies are ignored, not listed as left out, when a study was requested. */
static bool is_asked_for(const struct computing *computing, const struct session *session)
{
	return !computing->request->study || is_of_study(computing, session);
}

static int note_copy(struct coded *coded, const struct coded *original)
{
	bool same_name = strcmp(original->id, coded->id) == 0;

	if (asprintf(&coded->why, "%s%s is there already%s",
		    same_name ? "" : "a copy: ", same_name ? "it" : original->id,
		    same_name ? ", and counts once"
			      : "; 'uxrec merge' brings their acts together") >= 0)
		return 0;
	coded->why = NULL;
	return -ENOMEM;
}

static int find_layers(struct computing *computing, size_t i, const struct session *session)
{
	struct coded *coded = &computing->coded[i];
	const struct coded *original;
	const char *why = why_left_out(computing, session);

	if (!is_asked_for(computing, session)) {
		coded->why = strdup(why ? why : "");
		return coded->why ? 0 : -ENOMEM;
	}
	note_identity(coded, session);
	original = find_original(computing, i);
	if (original)
		return note_copy(coded, original);
	if (why) {
		coded->why = strdup(why);
		return coded->why ? 0 : -ENOMEM;
	}
	return metrics_collect_layers(computing, coded, session);
}

static int leave_out_uncoded(struct computing *computing, const struct session *session)
{
	_autofree_ char *text = NULL;

	if (asprintf(&text,
		    "not coded in %s: it counts from the first tag in it on, or when its coder has "
		    "finished",
		    computing->metrics->layer) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return leave_out(computing->metrics, session, text);
}

/* Attempts not fully covered by consent have no row, and their tags are not listed. */
static int leave_out_attempts(Uxrec__Metrics *metrics, const struct session *session)
{
	char why[100];
	size_t count = 0;

	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		count += act->body_case == UXREC__ACT__BODY_ATTEMPT &&
			!session_allows_attempt(session, act->attempt);
	}
	if (count == 0)
		return 0;
	snprintf(why, sizeof(why), "%zu attempt%s that the consent does not cover", count,
		count > 1 ? "s" : "");
	return leave_out(metrics, session, why);
}

static int add_session(struct computing *computing, size_t i, const struct session *session)
{
	const struct coded *coded = &computing->coded[i];
	int r;

	if (!is_asked_for(computing, session))
		return 0;
	if (coded->why)
		return leave_out(computing->metrics, session, coded->why);
	r = note_tasks(computing, session->study);
	if (r == 0 && !computing->request->coding && !metrics_covers(computing, coded))
		return leave_out_uncoded(computing, session);
	if (r == 0)
		r = leave_out_attempts(computing->metrics, session);
	return r < 0 ? r : metrics_add_rows(computing, session);
}

static int compute(struct computing *computing)
{
	Uxrec__Metrics *metrics = computing->metrics;
	int r;

	metrics->confidence = STATS_CONFIDENCE;
	metrics->window_s = (double)METRICS_WINDOW_NS / 1e9;
	metrics->study = strdup("");
	computing->study_id = strdup("");
	if (!metrics->study || !computing->study_id)
		return -ENOMEM;
	r = each_session(computing, find_study);
	if (r >= 0 && computing->found == 0)
		return error_set(computing->error, -EINVAL, "no session to compute anything from");
	if (r >= 0)
		r = each_session(computing, find_layers);
	if (r == 0)
		r = metrics_decide_layer(computing);
	if (r == 0)
		r = each_session(computing, add_session);
	if (r == 0)
		r = note_unknown_tasks(computing);
	for (size_t i = 0; i < computing->task_count && r == 0; i++)
		r = metrics_add_task(metrics, &computing->tasks[i]);
	return r < 0 ? r : metrics_add_task(metrics, NULL);
}

static void computing_finish(struct computing *computing)
{
	for (size_t i = 0; computing->coded && i < computing->request->count; i++) {
		free(computing->coded[i].why);
		free(computing->coded[i].codings);
	}
	free(computing->coded);
	for (size_t i = 0; i < computing->task_count; i++) {
		free(computing->tasks[i].id);
		free(computing->tasks[i].title);
	}
	free(computing->tasks);
	free(computing->study_id);
	free(computing->shown_text);
	free(computing->shown_principal);
	layers_finish(&computing->layers);
	study_log_destroy(computing->log);
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
		return error_set(reterr, -ENOMEM, "out of memory");
	}
	uxrec__metrics__init(computing.metrics);
	r = compute(&computing);
	if (r < 0) {
		uxrec__metrics__free_unpacked(computing.metrics, NULL);
		return *error.text ? error_set(reterr, r, "%s", error.text)
				   : error_set(reterr, r, "cannot compute: %s", strerror(-r));
	}
	*ret = computing.metrics;
	return 0;
}
