#include "tests/harness/studies.h"

#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/info.h"
#include "replay/session/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void push_press(struct making *making, int64_t time_ns, Uxrec__Control control)
{
	Uxrec__ControlBatch batch = UXREC__CONTROL_BATCH__INIT;
	uint32_t dt_us[] = {0, 60000};
	Uxrec__Control controls[] = {control, control};
	int32_t values[] = {1, 0};

	batch.device = 1;
	batch.n_dt_us = batch.n_control = batch.n_value = 2;
	batch.dt_us = dt_us;
	batch.control = controls;
	batch.value = values;
	push(making, CHANNEL_CONTROLS, time_ns, &batch.base);
}

static void push_keys(struct making *making, int64_t time_ns, uint32_t count)
{
	Uxrec__KeyClassBatch batch = UXREC__KEY_CLASS_BATCH__INIT;
	uint32_t dt_us[64] = {0};
	Uxrec__KeyClass classes[64];
	Uxrec__KeyAction actions[64];

	for (uint32_t i = 0; i < 2 * count; i++) {
		dt_us[i] = i ? 1000 : 0;
		classes[i] = UXREC__KEY_CLASS__KEY_CLASS_LETTER;
		actions[i] = i % 2 ? UXREC__KEY_ACTION__KEY_ACTION_RELEASE
				   : UXREC__KEY_ACTION__KEY_ACTION_PRESS;
	}
	batch.n_dt_us = batch.n_key_class = batch.n_action = 2 * count;
	batch.dt_us = dt_us;
	batch.key_class = classes;
	batch.action = actions;
	push(making, CHANNEL_KEY_CLASSES, time_ns, &batch.base);
}

static void push_position(struct making *making, int64_t time_ns, int32_t x, int32_t y)
{
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	uint32_t dt_us = 0;

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = 1;
	batch.dt_us = &dt_us;
	batch.x_px = &x;
	batch.y_px = &y;
	push(making, CHANNEL_POINTER, time_ns, &batch.base);
}

static void push_pause(struct making *making, int64_t from_ns, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = UXREC__GAP__REASON__REASON_PAUSE;
	gap.from_ns = from_ns;
	gap.to_ns = to_ns;
	push(making, CHANNEL_GAPS, from_ns, &gap.base);
}

#define COMPLETED UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED

static void attempts_have_their_numbers(void)
{
	_destroy_(session) struct session *session = NULL;
	struct making making;
	Uxrec__Metrics *metrics;
	const Uxrec__AttemptMetrics *row;

	begin_session(&making, "numbers", "P01", false);
	push_position(&making, AT(4), 300, 200);
	push_press(&making, AT(5), UXREC__CONTROL__CONTROL_BUTTON_LEFT); /* before the attempt */
	push_press(&making, AT(12), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_keys(&making, AT(14), 7);
	push_pause(&making, AT(20), AT(25));
	push_press(&making, AT(30), UXREC__CONTROL__CONTROL_BUTTON_RIGHT);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	add_tag(&making, "live", "slip", 15, "menu");
	add_tag(&making, "live", "slip", 16, "menu"); /* twice: one opportunity with error */
	add_tag(&making, "live", "omission", 17, AT_NONE);
	add_tag(&making, "live", "assist", 18, "");
	add_tag(&making, "live", "hesitation", 19, "");
	add_tag(&making, "live", "slip", 50, ""); /* after the attempt */
	add_tag(&making, "coder:Ben", "mistake", 15, "date");
	session = end_session(&making);

	check(compute(&metrics, &session, 1, "live", NULL) == 0);
	check(metrics->n_attempts == 1 && strcmp(metrics->layer, "live") == 0);
	row = metrics->attempts[0];
	expect_near(row->time_s, 25); /* 30 s less the pause */
	expect(row->clicks == 2 && row->keys == 7 && row->clicks_recorded && row->keys_recorded);
	expect(row->errors == 3 && row->slips == 2 && row->omissions == 1 && row->mistakes == 0);
	expect(row->unplanned_errors == 1 && row->assists == 1);
	expect(row->opportunities == 4 && row->erred == 1);
	expect(row->n_tags == 3); /* the evidence */
	expect(row->n_contradictions == 1);
	expect_near(metrics->tasks[0]->error_rate->value, 0.25);
	expect(!metrics->tasks[0]->error_rate->has_interval);
	uxrec__metrics__free_unpacked(metrics, NULL);

	/* the only coder's layer takes precedence over the live one; layers are never added up */
	check(compute(&metrics, &session, 1, "", NULL) == 0);
	expect(strcmp(metrics->layer, "coder:Ben") == 0 && metrics->n_layers == 2);
	expect(metrics->attempts[0]->errors == 1 && metrics->attempts[0]->mistakes == 1);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

/* reference values for metrics.c's formulas: e = 0, 1, 2, 0, 1 of 4 each, 4 of 5 completed */
static void studies_add_up(void)
{
	static const int erred[] = {0, 1, 2, 0, 1};
	static const double times[] = {55, 65, 75, 62, 45};
	static const char *const places[] = {"menu", "date"};
	struct session *sessions[7];
	Uxrec__Metrics *metrics;
	const Uxrec__TaskMetrics *task;
	struct making making;

	for (int i = 0; i < 5; i++) {
		char name[16], participant[16];

		snprintf(name, sizeof(name), "study-%d", i);
		snprintf(participant, sizeof(participant), "P%02d", i + 1);
		begin_session(&making, name, participant, false);
		add_attempt(&making, participant, "find", 10, 10 + times[i],
			i == 4 ? UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST
			       : COMPLETED);
		for (int e = 0; e < erred[i]; e++)
			add_tag(&making, "live", "slip", 15 + e, places[e]);
		add_attempt(&making, participant, "pay", 100, 130,
			UXREC__ATTEMPT__OUTCOME__OUTCOME_VOID);
		sessions[i] = end_session(&making);
	}
	begin_session(&making, "pilot", "P99", true);
	add_attempt(&making, "P99", "find", 10, 20, COMPLETED);
	sessions[5] = end_session(&making);

	check(compute(&metrics, sessions, 6, NULL, NULL) == 0);
	expect(metrics->n_left_out == 1 && strstr(metrics->left_out[0], "pilot"));
	check(metrics->n_tasks == 3 && metrics->n_attempts == 10);
	task = metrics->tasks[0];
	expect(task->attempts == 5 && task->left_out == 0);
	expect_near(task->success->low, 0.359631);
	expect_near(task->success->high, 0.979679);
	expect(task->success->x == 4 && task->success->n == 5);
	expect_near(task->assisted->value, 0.2);
	expect(task->time_s->n == 4); /* unassisted completions */
	expect_near(task->with_error->low, 0.229090);
	expect_near(task->errors_each->high, 1.838851);
	expect_near(task->errors_each_poisson->high, 2.048318);
	expect_near(task->error_rate->value, 0.2);
	expect_near(task->error_rate->low, 0.071164);
	expect_near(task->error_rate->high, 0.433001);
	expect(metrics->tasks[1]->attempts == 0 && metrics->tasks[1]->left_out == 5);
	expect(!metrics->tasks[1]->success->defined && *metrics->tasks[1]->success->why);
	uxrec__metrics__free_unpacked(metrics, NULL);
	for (int i = 0; i < 6; i++)
		session_destroy(sessions[i]);
}

/* a coder who has begun some sessions never makes the others free of errors */
static void layers_that_cover_some(void)
{
	struct session *sessions[2];
	struct making making;
	struct error error = {""};
	Uxrec__Metrics *metrics;

	begin_session(&making, "coded", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	add_tag(&making, "live", "slip", 15, "menu");
	add_tag(&making, "coder:Ben", "slip", 15, "menu");
	sessions[0] = end_session(&making);
	begin_session(&making, "uncoded", "P02", false);
	add_attempt(&making, "P02", "find", 10, 40, COMPLETED);
	add_tag(&making, "live", "slip", 15, "menu");
	add_tag(&making, "live", "slip", 16, "date");
	sessions[1] = end_session(&making);

	check(compute(&metrics, sessions, 2, NULL, NULL) == 0);
	expect(strcmp(metrics->layer, "live") == 0 && metrics->n_attempts == 2);
	expect(metrics->attempts[0]->errors + metrics->attempts[1]->errors == 3);
	/* all completed by both: a proportion's interval, not a point */
	expect(metrics->tasks[2]->success->has_interval);
	expect(metrics->tasks[2]->success->low < 0.5 && metrics->tasks[2]->success->n == 2);
	uxrec__metrics__free_unpacked(metrics, NULL);
	check(compute(&metrics, sessions, 2, "coder:Ben", NULL) == 0);
	expect(metrics->n_attempts == 1 && metrics->n_left_out == 1);
	expect(strstr(metrics->left_out[0], "not coded") != NULL);
	uxrec__metrics__free_unpacked(metrics, NULL);
	expect(compute(&metrics, sessions, 2, "coder:Bne", &error) == -ENODATA);
	expect(strstr(error.text, "coder:Bne") != NULL);
	session_destroy(sessions[0]);
	session_destroy(sessions[1]);
}

static void scores_decide_what_was_met(void)
{
	_destroy_(session) struct session *session = NULL;
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__OpportunityScore score = UXREC__OPPORTUNITY_SCORE__INIT;
	struct making making;
	Uxrec__Metrics *metrics;

	begin_session(&making, "scores", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED);
	add_tag(&making, "live", "slip", 15, "menu"); /* met, since there was an error at it */
	act.body_case = UXREC__ACT__BODY_OPPORTUNITY_SCORE;
	act.opportunity_score = &score;
	score.attempt = making.attempt;
	score.opportunity = (char *)"date";
	score.met = true;
	put_act(&making, &act, "live");
	session = end_session(&making);
	check(compute(&metrics, &session, 1, NULL, NULL) == 0);
	expect(metrics->attempts[0]->opportunities == 2 && metrics->attempts[0]->erred == 1);
	uxrec__metrics__free_unpacked(metrics, NULL);
}

static void events_have_places_and_runs(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	Uxrec__Timeline *message;
	struct making making;

	begin_session(&making, "events", "P01", false);
	push_position(&making, AT(1), 300, 200);
	push_position(&making, AT(2), 500, 400);
	push_press(&making, AT(1.5), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_press(&making, AT(2), UXREC__CONTROL__CONTROL_BUTTON_MIDDLE);
	push_keys(&making, AT(3), 4);
	push_keys(&making, AT(3.5), 3);
	push_keys(&making, AT(8), 1);
	push_pause(&making, AT(9), AT(12));
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	message = timeline_to_message(timeline);
	check(message && message->n_events == 4 && message->n_gaps == 1);
	expect(message->events[0]->x_px == 300 && message->events[0]->button == 1);
	expect(message->events[1]->x_px == 500 && message->events[1]->button == 2);
	expect(message->events[2]->count == 7 && message->events[3]->count == 1);
	expect(message->events[2]->by_class[UXREC__KEY_CLASS__KEY_CLASS_LETTER] == 7);
	uxrec__timeline__free_unpacked(message, NULL);
	check(session_facts_create(&facts, session) == 0);
	expect(facts->complete && facts->gap_count == 1);
	expect_near(facts->duration_s, 9);
}

static void push_layout(struct making *making)
{
	static const struct {
		uint32_t code;
		const char *text;
	} keys[] = {{28, "Return"}, {30, "q"}, {31, "s"}};
	Uxrec__KeyboardLayout layout = UXREC__KEYBOARD_LAYOUT__INIT;
	Uxrec__KeyboardLayout__Label labels[3], *pointers[3];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		uxrec__keyboard_layout__label__init(&labels[i]);
		labels[i].code = keys[i].code;
		labels[i].text = (char *)keys[i].text;
		pointers[i] = &labels[i];
	}
	layout.labels = pointers;
	layout.n_labels = ARRAY_SIZE(pointers);
	push(making, CHANNEL_KEYBOARD_LAYOUT, AT(0), &layout.base);
}

static void push_codes(struct making *making, int64_t time_ns)
{
	Uxrec__KeyBatch batch = UXREC__KEY_BATCH__INIT;
	uint32_t dt_us[] = {0, 1000, 1000, 1000, 1000}, codes[] = {30, 30, 31, 28, 4000000};
	Uxrec__KeyAction actions[] = {1, 2, 1, 1, 3}; /* the last was found down */

	batch.n_dt_us = batch.n_code = batch.n_action = ARRAY_SIZE(codes);
	batch.dt_us = dt_us;
	batch.code = codes;
	batch.action = actions;
	push(making, CHANNEL_KEYS, time_ns, &batch.base);
}

static void push_shortcut(struct making *making, int64_t time_ns, uint32_t code, uint32_t modifiers)
{
	Uxrec__ShortcutBatch batch = UXREC__SHORTCUT_BATCH__INIT;
	uint32_t dt_us = 0;

	batch.n_dt_us = batch.n_code = batch.n_modifiers = 1;
	batch.dt_us = &dt_us;
	batch.code = &code;
	batch.modifiers = &modifiers;
	push(making, CHANNEL_SHORTCUTS, time_ns, &batch.base);
}

static void push_policy(struct making *making, int64_t time_ns, Uxrec__KeyPolicy__Reason reason)
{
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;

	policy.reason = reason;
	push(making, CHANNEL_KEY_POLICY, time_ns, &policy.base);
}

/* found keys are not counted, labelled keys have their names, counts count */
static void keys_have_names_where_they_may(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	Uxrec__ControlBatch found = UXREC__CONTROL_BATCH__INIT;
	Uxrec__KeyCount count = UXREC__KEY_COUNT__INIT;
	Uxrec__Control controls[] = {UXREC__CONTROL__CONTROL_FOUND,
		UXREC__CONTROL__CONTROL_BUTTON_LEFT, UXREC__CONTROL__CONTROL_FRAME};
	int32_t values[] = {1, 1, 0};
	uint32_t dt_us[] = {0, 0, 0};
	Uxrec__Timeline *message;
	struct making making;

	begin_session(&making, "names", "P01", false);
	push_layout(&making);
	found.n_control = found.n_value = found.n_dt_us = ARRAY_SIZE(controls);
	found.control = controls;
	found.value = values;
	found.dt_us = dt_us;
	push(&making, CHANNEL_CONTROLS, AT(0), &found.base);
	push_codes(&making, AT(1));
	push_policy(&making, AT(2), UXREC__KEY_POLICY__REASON__REASON_PASSWORD);
	push_policy(&making, AT(3), UXREC__KEY_POLICY__REASON__REASON_NO_PASSWORD);
	push_shortcut(&making, AT(4), 31,
		UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_CTRL |
			UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_SHIFT);
	push_shortcut(&making, AT(5), 200, UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_SUPER);
	count.presses = 5;
	push(&making, CHANNEL_KEY_COUNTS, AT(8), &count.base);
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 8);
	expect(timeline_count(timeline, PRESS_BUTTON, INT64_MIN, INT64_MAX) == 0);
	message = timeline_to_message(timeline);
	check(message && message->n_events == 6);
	expect(strcmp(message->events[0]->text, "qs Return ") == 0);
	expect(message->events[1]->count == 5 && !*message->events[1]->text);
	expect(strcmp(message->events[2]->text, "password field: keys are not recorded") == 0);
	expect(message->events[3]->kind == UXREC__TIMELINE__EVENT__KIND__KIND_POLICY);
	expect(strcmp(message->events[4]->text, "Ctrl+Shift+s") == 0);
	expect(strcmp(message->events[5]->text, "Super+?") == 0);
	uxrec__timeline__free_unpacked(message, NULL);
}

static void push_clicked(struct making *making, int64_t at_ns, const char *name)
{
	Uxrec__ClickedObject object = UXREC__CLICKED_OBJECT__INIT;

	object.role = (char *)"push button";
	object.name = (char *)name;
	object.application = (char *)"Mail";
	write_message(making->writer, &making->clock, CHANNEL_CLICKED, at_ns, &object.base);
}

/* Their times come from two clocks; and not every click has an object. */
static void clicks_have_their_objects(void)
{
	_destroy_(timeline) struct timeline *timeline = NULL;
	_destroy_(session) struct session *session = NULL;
	Uxrec__Timeline *message;
	struct making making;

	begin_session(&making, "objects", "P01", false);
	push_clicked(&making, AT(1) + NS_PER_MS, "Early");
	push_press(&making, AT(1), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_press(&making, AT(2), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_press(&making, AT(2.05), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_press(&making, AT(3), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_press(&making, AT(4), UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	push_keys(&making, AT(5), 1);
	push_clicked(&making, AT(2) - NS_PER_MS, "First");
	push_clicked(&making, AT(2.05) + 3 * NS_PER_MS, "Second");
	push_clicked(&making, AT(4) + 40 * NS_PER_MS, "Of no click");
	push_clicked(&making, AT(5), "Of a key");
	session = end_session(&making);
	check(timeline_create(&timeline, session) == 0);
	message = timeline_to_message(timeline);
	check(message && message->n_events == 6);
	expect(strcmp(message->events[0]->name, "Early") == 0);
	expect(strcmp(message->events[0]->role, "push button") == 0);
	expect(strcmp(message->events[0]->application, "Mail") == 0);
	expect(strcmp(message->events[1]->name, "First") == 0);
	expect(strcmp(message->events[2]->name, "Second") == 0);
	for (size_t i = 3; i < 6; i++)
		expect(!*message->events[i]->role && !*message->events[i]->name);
	uxrec__timeline__free_unpacked(message, NULL);
}

static int open_one(void *user, size_t i, struct session **ret, struct error *reterr)
{
	(void)i;
	return session_open_path(ret, user, reterr);
}

/* A descriptor limit of a few sessions, and more sessions than that. */
static void many_sessions_take_few_descriptors(void)
{
	_autofree_ char *path = NULL;
	struct metrics_request request = {.open = open_one, .count = 600, .layer = "live"};
	struct rlimit before, few;
	Uxrec__Metrics *metrics;
	struct session *session;
	struct making making;
	int r;

	begin_session(&making, "many", "P01", false);
	add_attempt(&making, "P01", "find", 10, 40, COMPLETED);
	session = end_session(&making);
	path = strdup(session->path);
	session_destroy(session);
	request.user = path;
	check(getrlimit(RLIMIT_NOFILE, &before) == 0);
	few = (struct rlimit){20, before.rlim_max};
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	r = metrics_compute(&metrics, &request, NULL);
	check(setrlimit(RLIMIT_NOFILE, &before) == 0 && r == 0);
	/* one session, named repeatedly */
	expect(metrics->n_attempts == 1 && metrics->n_left_out == 599);
	uxrec__metrics__free_unpacked(metrics, NULL);
	/* sessions of another study than the requested one are ignored */
	request.study = "another";
	expect(metrics_compute(&metrics, &request, NULL) == -EINVAL);
}

static const struct test tests[] = {
	{"any number of sessions takes the descriptors of one", many_sessions_take_few_descriptors},
	{"an attempt has time, clicks, keys, errors and their evidence",
		attempts_have_their_numbers},
	{"a study adds up to the oracles, pilots and void attempts apart", studies_add_up},
	{"a layer that covers some sessions is not taken for all", layers_that_cover_some},
	{"scores and errors decide which opportunities were met", scores_decide_what_was_met},
	{"events have their places and come in runs", events_have_places_and_runs},
	{"keys have names where permitted, and buttons found down are not counted",
		keys_have_names_where_they_may},
	{"clicks have their accessible objects", clicks_have_their_objects},
};

int main(void)
{
	return RUN_TESTS("metrics", tests);
}
