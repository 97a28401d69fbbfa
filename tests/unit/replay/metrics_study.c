#include "tests/harness/studies.h"

#include "replay/study/study_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COMPLETED UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED
#define FAILED    UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED
#define VOIDED    UXREC__ATTEMPT__OUTCOME__OUTCOME_VOID

#define ANA  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BEN  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CLEO "cccccccccccccccccccccccccccccccc"
#define UUID "dddddddddddddddddddddddddddddddd"

static void as(struct making *making, const char *author, const char *principal)
{
	making->author = author;
	making->principal = principal;
}

static const Uxrec__OutsideTag *find_outside(const Uxrec__Metrics *metrics, const char *reason)
{
	for (size_t i = 0; i < metrics->n_outside; i++)
		if (strstr(metrics->outside[i]->reason, reason))
			return metrics->outside[i];
	return NULL;
}

/* ---- counted once ---- */

static void marks_of_observers_are_one_event(void)
{
	_destroy_(session) struct session *session = NULL;
	const Uxrec__AttemptMetrics *row;
	struct making making;
	Uxrec__Metrics *metrics;

	begin_session(&making, "observers", "P01", false);
	add_attempt(&making, "P01", "find", 10, 90, COMPLETED);
	as(&making, "Ana", ANA);
	add_tag(&making, "live", "slip", 20, "menu"); /* 1: joined with Ben's and Cleo's */
	add_tag(&making, "live", "slip", 30, "");     /* 2 */
	add_tag(&making, "live", "slip", 30.5, "");   /* 3: two marks of one author stay two */
	add_tag(&making, "live", "slip", 40, "date"); /* 4 */
	add_tag(&making, "live", "slip", 50, "");     /* 5 */
	add_tag(&making, "live", "assist", 60, "");
	as(&making, "Ben", BEN);
	add_tag(&making, "live", "slip", 21, "");
	add_tag(&making, "live", "slip", 41, "sort");  /* 6: another opportunity */
	add_tag(&making, "live", "slip", 52.5, "");    /* 7: outside the window */
	add_tag(&making, "live", "mistake", 30.2, ""); /* 8: another code */
	add_tag(&making, "live", "assist", 61.5, "");
	as(&making, "Cleo", CLEO);
	add_tag(&making, "live", "slip", 21.9, "menu");
	add_tag(&making, "coder:Cleo", "slip", 30, "");
	add_tag(&making, "coder:Cleo", "slip", 30.1, "");
	session = end_session(&making);

	check(compute(&metrics, &session, 1, "live", NULL) == 0);
	row = metrics->attempts[0];
	expect(row->errors == 8 && row->error_marks == 10 && row->n_tags == 10);
	expect(row->slips == 7 && row->mistakes == 1 && row->assists == 1);
	expect(row->erred == 3 && row->unplanned_errors == 0 && row->not_judged == 5);
	expect(metrics->tasks[0]->errors == 8 && metrics->tasks[0]->error_marks == 10);
	expect_near(metrics->window_s, 2);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(compute(&metrics, &session, 1, "coder:Cleo", NULL) == 0);
	expect(metrics->attempts[0]->errors == 2);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

/* The earliest mark is joined first: this gives the most partners, in any order of the acts. */
static void as_many_marks_as_possible_have_a_partner(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	Uxrec__Metrics *metrics;

	begin_session(&making, "chain", "P01", false);
	add_attempt(&making, "P01", "find", 10, 90, COMPLETED);
	as(&making, "Ben", BEN);
	for (int i = 3; i >= 0; i--)
		add_tag(&making, "live", "slip", 21.5 + 2 * i, "");
	as(&making, "Ana", ANA);
	for (int i = 0; i < 4; i++)
		add_tag(&making, "live", "slip", 20 + 2 * i, "");
	session = end_session(&making);
	check(compute(&metrics, &session, 1, "live", NULL) == 0);
	expect(metrics->attempts[0]->errors == 4 && metrics->attempts[0]->error_marks == 8);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

static void copies_of_a_session_count_once(void)
{
	struct session *sessions[6];
	struct making making;
	Uxrec__Metrics *metrics;
	char command[600];

	begin_session(&making, "old", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	sessions[0] = end_session(&making);
	sessions[1] = sessions[0];
	begin_session_of(&making, "new", "P02", false, UUID);
	add_attempt(&making, "P02", "find", 10, 40, COMPLETED);
	sessions[2] = end_session(&making);
	for (int i = 0; i < 2; i++) {
		const char *original = sessions[2 * i]->path;

		snprintf(command, sizeof(command), "cp -r '%s' '%s-copy'", original, original);
		check(system(command) == 0);
		snprintf(command, sizeof(command), "%s-copy", original);
		check(session_open_path(&sessions[3 + i], command, NULL) == 0);
	}
	/* of other people at the same times */
	begin_session(&making, "third", "P03", false);
	add_attempt(&making, "P03", "find", 10, 40, COMPLETED);
	sessions[5] = end_session(&making);

	check(compute(&metrics, sessions, 6, NULL, NULL) == 0);
	expect(metrics->n_attempts == 3 && metrics->n_left_out == 3);
	expect(strstr(metrics->left_out[0], "counts once") != NULL);
	expect(strstr(metrics->left_out[1], "a copy: ") != NULL);
	expect(metrics->tasks[0]->participants == 3 && metrics->tasks[0]->success->n == 3);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 6; i++)
		if (i != 1)
			session_destroy(sessions[i]);
}

/* The attempt named by the tag, else the one that began last. */
static void tags_in_overlapping_attempts_count_once(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	Uxrec__Metrics *metrics;
	char first[33];

	begin_session(&making, "overlap", "P01", false);
	add_attempt(&making, "P01", "find", 10, 60, COMPLETED);
	memcpy(first, making.attempt, sizeof(first));
	add_attempt(&making, "P01", "pay", 40, 90, COMPLETED);
	add_tag(&making, "live", "slip", 50, "");
	add_tag_of(&making, "live", "mistake", 50, "", first);
	add_tag(&making, "live", "omission", 90, "");       /* at the very end */
	add_tag_of(&making, "live", "slip", 95, "", first); /* late, but its attempt is known */
	session = end_session(&making);
	check(compute(&metrics, &session, 1, NULL, NULL) == 0);
	expect(metrics->attempts[0]->errors == 2 && metrics->attempts[0]->mistakes == 1);
	expect(metrics->attempts[1]->errors == 2 && metrics->attempts[1]->omissions == 1);
	expect(metrics->n_outside == 0);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

/* An attempt is live, or the shown layer's own in place of it. */
static void attempts_of_other_layers_do_not_count(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	Uxrec__Metrics *metrics;
	char live[33];

	begin_session(&making, "corrected", "P01", false);
	add_attempt(&making, "P01", "find", 10, 60, COMPLETED);
	memcpy(live, making.attempt, sizeof(live));
	as(&making, "Ben", BEN);
	add_attempt(&making, "P01", "find", 15, 40, FAILED);
	session = NULL;
	{
		Uxrec__Act act = UXREC__ACT__INIT;
		Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;

		act.body_case = UXREC__ACT__BODY_ATTEMPT;
		act.attempt = &attempt;
		attempt.participant = (char *)"P01";
		attempt.task = (char *)"pay";
		attempt.number = 1;
		attempt.live_begin_ns = AT(70);
		attempt.live_end_ns = AT(80);
		attempt.outcome = COMPLETED;
		put_act(&making, &act, "live");
		attempt.live_end_ns = AT(76);
		put_act(&making, &act, "coder:Ben");
	}
	add_tag_of(&making, "coder:Ben", "slip", 20, "menu", live);
	add_tag_of(&making, "live", "slip", 75, "", making.attempt); /* names Ben's attempt */
	session = end_session(&making);

	check(compute(&metrics, &session, 1, "live", NULL) == 0);
	expect(metrics->tasks[1]->attempts == 1 && metrics->n_outside == 1);
	expect(find_outside(metrics, "coder:Ben") != NULL);
	/* two live attempts have all in common */
	expect(metrics->tasks[0]->attempts == 2);
	expect(metrics->attempts[1]->n_contradictions == 1);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(compute(&metrics, &session, 1, "coder:Ben", NULL) == 0);
	expect(metrics->tasks[1]->attempts == 1);
	expect_near(metrics->tasks[1]->time_s->value, 6);
	expect(metrics->tasks[0]->errors == 1 && metrics->n_outside == 0);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

static void people_are_one_whatever_the_spelling(void)
{
	static const char *const spellings[] = {"Zo\xc3\xab", "Zo\xc3\xab ", "Zoe\xcc\x88"};
	struct session *sessions[3];
	struct making making;
	Uxrec__Metrics *metrics;

	for (int i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), "spelling-%d", i);
		begin_session(&making, name, "P01", false);
		add_attempt(&making, spellings[i], "find", 10, 40 + i, COMPLETED);
		sessions[i] = end_session(&making);
	}
	check(compute(&metrics, sessions, 3, NULL, NULL) == 0);
	expect(metrics->tasks[0]->attempts == 3 && metrics->tasks[0]->participants == 1);
	expect(!metrics->tasks[0]->success->has_interval);
	expect(metrics->tasks[0]->with_error->n == 1);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 3; i++)
		session_destroy(sessions[i]);
}

/* ---- choice of the layer ---- */

static void a_coder_who_found_nothing_has_coded(void)
{
	struct session *sessions[3];
	struct making making;
	Uxrec__Metrics *metrics;

	for (int i = 0; i < 3; i++) {
		char name[32], participant[16];

		snprintf(name, sizeof(name), "coded-%d", i);
		snprintf(participant, sizeof(participant), "P%02d", i + 1);
		begin_session(&making, name, participant, false);
		add_attempt(&making, participant, "find", 10, 40, COMPLETED);
		as(&making, "Ben", BEN);
		if (i == 0) {
			add_tag_of(&making, "coder:Ben", "slip", 20, "menu", making.attempt);
			add_tag_of(&making, "coder:Ben", "slip", 21, "date", making.attempt);
		}
		finish_layer(&making, "coder:Ben");
		sessions[i] = end_session(&making);
	}
	check(compute(&metrics, sessions, 3, NULL, NULL) == 0);
	expect(strcmp(metrics->layer, "coder:Ben") == 0 && metrics->n_left_out == 0);
	expect(strstr(metrics->layer_reason, "only coder") != NULL);
	expect(metrics->tasks[0]->error_rate->n == 12 && metrics->tasks[0]->error_rate->x == 2);
	expect_near(metrics->tasks[0]->error_rate->value, 2.0 / 12);
	expect_near(metrics->tasks[0]->error_rate->n_effective, 5);
	expect(metrics->tasks[0]->with_error->x == 1 && metrics->tasks[0]->with_error->n == 3);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 3; i++)
		session_destroy(sessions[i]);
}

/* @param coder  who codes it; NULL: none */
static struct session *make_coded(const char *name, const char *participant, const char *layer,
	const char *principal, bool finished)
{
	struct making making;

	begin_session(&making, name, participant, false);
	add_attempt(&making, participant, "find", 10, 40, COMPLETED);
	add_tag(&making, "live", "slip", 20, "menu");
	as(&making, "Ben", principal);
	if (layer)
		add_tag(&making, layer, "mistake", 20, "menu");
	if (finished)
		finish_layer(&making, layer);
	return end_session(&making);
}

static void the_layer_of_a_study_does_not_flip(void)
{
	struct session *sessions[] = {make_coded("flip-1", "P01", "coder:Ben", BEN, true),
		make_coded("flip-2", "P02", "coder:Ben", BEN, true),
		make_coded("flip-3", "P03", NULL, "", false)};
	_autofree_ char *library = temporary_path("library");
	_destroy_(study_log) struct study_log *log = NULL;
	const struct study_actor ana = {"Ana", ANA};
	Uxrec__LayerChoice body = UXREC__LAYER_CHOICE__INIT;
	Uxrec__Act choice = UXREC__ACT__INIT;
	Uxrec__Metrics *metrics;

	check(compute(&metrics, sessions, 3, NULL, NULL) == 0);
	expect(strcmp(metrics->layer, "live") == 0);
	expect(strstr(metrics->layer_reason, "coder:Ben has coded 2 of 3") != NULL);
	uxrec__metrics__free_unpacked(metrics, NULL);

	choice.body_case = UXREC__ACT__BODY_LAYER_CHOICE;
	choice.layer_choice = &body;
	choice.author = (char *)"Ana";
	choice.wall_ns = 5 * NS_PER_S;
	body.layer = (char *)"coder:Benjamin"; /* since renamed */
	body.layer_principal = (char *)BEN;
	check(compute_chosen(&metrics, sessions, 3, NULL, &choice) == 0);
	expect(strcmp(metrics->layer, "coder:Ben") == 0 && metrics->n_attempts == 2);
	expect(strcmp(metrics->layer_author, "Ana") == 0 &&
		metrics->layer_since_ns == 5 * NS_PER_S);
	expect(metrics->n_left_out == 1 && strstr(metrics->left_out[0], "not coded in coder:Ben"));
	uxrec__metrics__free_unpacked(metrics, NULL);

	/* and by the study's log */
	check(mkdir(library, 0700) == 0);
	check(compute_chosen(&metrics, sessions, 3, library, NULL) == 0);
	expect(strcmp(metrics->layer, "live") == 0);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(study_log_open(&log, library, "", "Invoices", &ana, NULL) == 0);
	check(study_log_choose_layer(log, &ana, "coder:Ben", BEN, NULL) == 0);
	check(compute_chosen(&metrics, sessions, 3, library, NULL) == 0);
	expect(strcmp(metrics->layer, "coder:Ben") == 0 && metrics->layer_since_ns > 0);
	expect(strcmp(metrics->layer_author, "Ana") == 0);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 3; i++)
		session_destroy(sessions[i]);
}

static void consensus_is_taken_when_it_is_closed(void)
{
	struct session *sessions[] = {make_coded("open-1", "P01", "consensus", "", true),
		make_coded("open-2", "P02", "consensus", "", false),
		make_coded("open-3", "P02", "consensus", "", true)};
	Uxrec__Metrics *metrics;

	check(compute(&metrics, sessions, 2, NULL, NULL) == 0);
	expect(strcmp(metrics->layer, "live") == 0);
	expect(strstr(metrics->layer_reason, "finished in 1 of 2") != NULL);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(compute(&metrics, (struct session *[]){sessions[0], sessions[2]}, 2, NULL, NULL) ==
		0);
	expect(strcmp(metrics->layer, "consensus") == 0);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 3; i++)
		session_destroy(sessions[i]);
}

static void reviewers_of_one_name_have_two_layers(void)
{
	_destroy_(session) struct session *session = NULL;
	struct error error = {""};
	struct making making;
	Uxrec__Metrics *metrics;

	begin_session(&making, "reviewers", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	as(&making, "reviewer", BEN);
	add_tag(&making, "coder:reviewer", "slip", 20, "menu");
	as(&making, "reviewer", CLEO);
	add_tag(&making, "coder:reviewer", "slip", 20, "menu");
	add_tag(&making, "coder:reviewer", "slip", 30, "date");
	session = end_session(&making);
	check(compute(&metrics, &session, 1, NULL, NULL) == 0);
	expect(strcmp(metrics->layer, "live") == 0 && metrics->n_layers == 2);
	expect(strstr(metrics->layer_reason, "2 coders") != NULL);
	uxrec__metrics__free_unpacked(metrics, NULL);
	expect(compute(&metrics, &session, 1, "coder:reviewer", &error) == -ENOTUNIQ);
	expect(strstr(error.text, "several") != NULL);
	check(compute(&metrics, &session, 1, "coder:" CLEO, NULL) == 0);
	expect(metrics->attempts[0]->errors == 2);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

/* ---- completeness ---- */

static void errors_are_counted_or_listed(void)
{
	_destroy_(session) struct session *session = NULL;
	const Uxrec__OutsideTag *outside;
	struct making making;
	Uxrec__Metrics *metrics;

	begin_session(&making, "outside", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	add_score(&making, "live", "sort", false);
	add_tag(&making, "live", "slip", 15, "meun");
	add_tag(&making, "live", "slip", 20, "sort");
	add_tag(&making, "live", "slip", 40.2, "menu");
	add_tag(&making, "live", "hesitation", 45, ""); /* no error, not counted anywhere */
	add_tag(&making, "live", "assist", 45, "");
	add_tag(&making, "live", "sleep", 30, "");
	add_tag_of(&making, "live", "slip", 30, "", "0123456789abcdef0123456789abcdef");
	add_attempt(&making, "P01", "pay", 50, 60, VOIDED);
	add_tag(&making, "live", "mistake", 55, "");
	add_attempt(&making, "P01", "send", 70, 80, COMPLETED); /* task not in the study */
	add_tag(&making, "live", "slip", 75, "");
	session = end_session(&making);

	check(compute(&metrics, &session, 1, NULL, NULL) == 0);
	expect(metrics->attempts[0]->errors == 2 && metrics->attempts[0]->unplanned_errors == 2);
	expect(metrics->attempts[0]->opportunities == 3 && metrics->attempts[0]->not_met == 1);
	expect(metrics->attempts[0]->n_contradictions == 1);
	expect(metrics->n_outside == 7);
	outside = find_outside(metrics, "no opportunity 'meun'");
	expect(outside && outside->counted && outside->at_s == 15);
	outside = find_outside(metrics, "scored as not met");
	expect(outside && outside->counted);
	outside = find_outside(metrics, "0.2 s after the end of task 'find' (P01)");
	expect(outside && !outside->counted && strcmp(outside->code, "slip") == 0);
	expect(find_outside(metrics, "5.0 s after the end") ||
		find_outside(metrics, "5.0 s before"));
	outside = find_outside(metrics, "no such code");
	expect(outside && strcmp(outside->code, "sleep") == 0);
	expect(find_outside(metrics, "removed") != NULL);
	outside = find_outside(metrics, "does not count: void");
	expect(outside && outside->time_ns == AT(55));
	check(metrics->n_tasks == 4);
	expect(strcmp(metrics->tasks[2]->task, "send") == 0 && metrics->tasks[2]->errors == 1);
	expect(metrics->tasks[3]->errors == metrics->tasks[0]->errors + metrics->tasks[2]->errors);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

/* Unscored differs from "not met". */
static void the_error_rate_waits_for_all_scores(void)
{
	struct session *sessions[2];
	static const char *const places[] = {"menu", "date", "sort", "open"};
	struct making making;
	Uxrec__Metrics *metrics;
	const Uxrec__TaskMetrics *task;

	begin_session(&making, "scored", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, FAILED);
	for (int i = 0; i < 4; i++)
		add_score(&making, "live", places[i], i < 2);
	add_tag(&making, "live", "slip", 20, "menu");
	sessions[0] = end_session(&making);
	begin_session(&making, "unscored", "P02", false);
	add_attempt(&making, "P02", "find", 10, 40, FAILED);
	add_tag(&making, "live", "slip", 20, "menu");
	sessions[1] = end_session(&making);

	check(compute(&metrics, sessions, 2, NULL, NULL) == 0);
	task = metrics->tasks[0];
	expect(!task->error_rate->defined && strstr(task->error_rate->why, "1 scored of 2"));
	expect(task->scored == 1 && metrics->attempts[1]->not_scored == 3);
	expect(metrics->attempts[0]->opportunities == 2 && metrics->attempts[0]->not_met == 2);
	expect(!metrics->tasks[2]->error_rate->defined);
	expect(strstr(metrics->tasks[1]->error_rate->why, "no attempt") != NULL);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(compute(&metrics, sessions, 1, NULL, NULL) == 0);
	expect(metrics->tasks[0]->error_rate->defined && metrics->tasks[0]->error_rate->n == 2);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 2; i++)
		session_destroy(sessions[i]);
}

/* 8 of 9 errors without an opportunity give no rate of 1 in 4. */
static void the_error_rate_waits_for_every_error_to_be_judged(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	Uxrec__Metrics *metrics;
	const Uxrec__TaskMetrics *task;

	for (int judged = 0; judged < 2; judged++) {
		begin_session(&making, judged ? "judged" : "unjudged", "P01", false);
		add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
		add_tag(&making, "live", "slip", 12, "menu");
		for (int i = 0; i < 8; i++)
			add_tag(&making, "live", "slip", 15 + 3 * i, judged ? AT_NONE : "");
		add_attempt(&making, "P01", "pay", 50, 60, COMPLETED); /* has no opportunities */
		add_tag(&making, "live", "slip", 55, "");
		session_destroy(session);
		session = end_session(&making);
		check(compute(&metrics, &session, 1, NULL, NULL) == 0);
		task = metrics->tasks[0];
		expect(metrics->attempts[0]->not_judged == (judged ? 0 : 8));
		expect(metrics->attempts[0]->unplanned_errors == (judged ? 8 : 0));
		expect(metrics->attempts[1]->unplanned_errors == 1);
		expect(task->errors == 9 && task->not_judged == (judged ? 0 : 8));
		expect(task->error_rate->defined == (judged == 1));
		expect(judged || strstr(task->error_rate->why, "0 scored of 1"));
		if (judged)
			expect_near(task->error_rate->value, 0.25);
		uxrec__metrics__free_unpacked(metrics, NULL);
	}
}

static void rates_of_all_tasks_are_pooled_by_participants(void)
{
	struct session *sessions[3];
	struct making making;
	Uxrec__Metrics *metrics;
	const Uxrec__TaskMetrics *all;

	for (int i = 0; i < 3; i++) {
		char name[32], participant[16];

		snprintf(name, sizeof(name), "pooled-%d", i);
		snprintf(participant, sizeof(participant), "P%02d", i + 1);
		begin_session(&making, name, participant, false);
		for (int k = 0; k < 4; k++)
			add_attempt(&making, participant, k % 2 ? "pay" : "find", 10 + 10 * k,
				20 + 10 * k,
				i < 2 ? COMPLETED : UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED);
		sessions[i] = end_session(&making);
	}
	check(compute(&metrics, sessions, 3, NULL, NULL) == 0);
	all = metrics->tasks[2];
	expect(all->success->n == 12 && all->success->x == 8 && all->success->participants == 3);
	expect_near(all->success->n_effective, 3);
	expect_near(all->abandoned->value, 1.0 / 3);
	expect_near(all->abandoned->n_effective, 3);
	expect(all->assisted->x == 0 && all->assisted->has_interval && all->participants == 3);
	expect(metrics->tasks[0]->time_s->n_values == 4 && *metrics->tasks[0]->time_s->why);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 3; i++)
		session_destroy(sessions[i]);
}

/* a withdrawal from a time on removes attempts and their tags, with a report of it */
static void attempts_that_consent_does_not_cover_have_no_numbers(void)
{
	struct making making;
	struct session *sessions[1];
	Uxrec__Metrics *metrics;
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	Uxrec__Withdrawal withdrawal = UXREC__WITHDRAWAL__INIT;
	char *screen = (char *)"screen";
	struct error error;

	begin_session(&making, "consent-later", "P01", false);
	add_attempt(&making, "P01", "find", 10, 20, UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED);
	add_attempt(&making, "P01", "pay", 25, 40, UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED);
	add_tag(&making, "live", "slip", 15, "");
	add_tag(&making, "live", "slip", 27, "");
	add_tag(&making, "live", "slip", 35, "");
	act.body_case = UXREC__ACT__BODY_CONSENT;
	act.consent = &consent;
	consent.method = UXREC__CONSENT__METHOD__METHOD_PAPER;
	consent.participant = withdrawal.participant = (char *)"P01";
	consent.modalities = &screen;
	consent.n_modalities = 1;
	put_act(&making, &act, "live");
	act = (Uxrec__Act)UXREC__ACT__INIT;
	act.body_case = UXREC__ACT__BODY_WITHDRAWAL;
	act.withdrawal = &withdrawal;
	withdrawal.from_ns = AT(30);
	put_act(&making, &act, "live");
	sessions[0] = end_session(&making);
	check(compute(&metrics, sessions, 1, "live", &error) == 0);
	expect(metrics->n_attempts == 1 && metrics->attempts[0]->errors == 1);
	expect(metrics->n_left_out == 1 &&
		strstr(metrics->left_out[0], "1 attempt that the consent does not cover"));
	for (size_t i = 0; i < metrics->n_outside; i++)
		expect(metrics->outside[i]->time_ns < AT(30));
	uxrec__metrics__free_unpacked(metrics, NULL);
	session_destroy(sessions[0]);
}

static const struct test tests[] = {
	{"attempts that consent does not cover have no numbers",
		attempts_that_consent_does_not_cover_have_no_numbers},
	{"marks of several observers of one moment are one event",
		marks_of_observers_are_one_event},
	{"as many marks as possible have a partner", as_many_marks_as_possible_have_a_partner},
	{"a session that is named twice, or copied, counts once", copies_of_a_session_count_once},
	{"a tag in overlapping attempts counts in one of them",
		tags_in_overlapping_attempts_count_once},
	{"attempts of other layers do not count", attempts_of_other_layers_do_not_count},
	{"a participant is one person whatever the spelling of the name",
		people_are_one_whatever_the_spelling},
	{"a coder who has finished and found nothing has coded",
		a_coder_who_found_nothing_has_coded},
	{"the layer chosen for a study stays when an uncoded session comes",
		the_layer_of_a_study_does_not_flip},
	{"consensus is taken when it is finished in every session",
		consensus_is_taken_when_it_is_closed},
	{"two reviewers of one name have two layers", reviewers_of_one_name_have_two_layers},
	{"each error tag is counted, or listed with a reason", errors_are_counted_or_listed},
	{"errors per opportunity have no rate before every attempt is scored",
		the_error_rate_waits_for_all_scores},
	{"errors per opportunity have no rate before every error is judged",
		the_error_rate_waits_for_every_error_to_be_judged},
	{"rates of all tasks are pooled by participants",
		rates_of_all_tasks_are_pooled_by_participants},
};

int main(void)
{
	return RUN_TESTS("metrics_study", tests);
}
