/* Metrics of a study, as text and as JSON. */

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/json.h"
#include "replay/command/command.h"
#include "replay/metrics/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- one estimate ---- */

/* Number of decimals that distinguishes the ends of an interval. */
static int decimals_for(double low, double high, int usual)
{
	while (usual < 9 && fabs(high - low) < 2 * pow(10, -usual))
		usual++;
	return usual;
}

static void print_values(const Uxrec__Estimate *estimate, const char *unit)
{
	for (size_t i = 0; i < estimate->n_values; i++)
		printf("%s%.4g", i ? ", " : "; values: ", estimate->values[i]);
	if (estimate->n_values > 0 && *unit)
		printf(" %s", unit);
}

static bool is_undefined(const char *name, const Uxrec__Estimate *estimate)
{
	if (estimate && estimate->defined)
		return false;
	printf("  %-22s not defined: %s\n", name, estimate ? estimate->why : "out of memory");
	return true;
}

/* @param of  unit of the denominator, in the plural */
static void print_rate(const char *name, const char *of, const Uxrec__Estimate *estimate)
{
	if (is_undefined(name, estimate))
		return;
	if (!estimate->has_interval) {
		printf("  %-22s %g/%g %s   (no interval: %s)\n", name, estimate->x, estimate->n, of,
			estimate->why);
		return;
	}
	printf("  %-22s %5.1f %%   95 %%: %.1f to %.1f %%   (%g of %g %s", name,
		estimate->value * 100, estimate->low * 100, estimate->high * 100, estimate->x,
		estimate->n, of);
	if (estimate->n_effective > 0)
		printf(" by %u participants, effective sample size %.1f", estimate->participants,
			estimate->n_effective);
	printf(", %s)\n", estimate->method);
}

static void print_number(
	const char *name, const char *unit, const char *of, const Uxrec__Estimate *estimate)
{
	int decimals;

	if (is_undefined(name, estimate))
		return;
	if (!estimate->has_interval) {
		printf("  %-22s %.2f%s%s   (n = %.4g%s%s; no interval: %s", name, estimate->value,
			*unit ? " " : "", unit, estimate->n, *of ? " " : "", of, estimate->why);
		print_values(estimate, unit);
		printf(")\n");
		return;
	}
	decimals = decimals_for(estimate->low, estimate->high, 2);
	printf("  %-22s %.*f%s%s   95 %%: %.*f to %.*f   (n = %.4g%s%s, %s%s%s)\n", name, decimals,
		estimate->value, *unit ? " " : "", unit, decimals, estimate->low, decimals,
		estimate->high, estimate->n, *of ? " " : "", of, estimate->method,
		*estimate->why ? "; " : "", estimate->why);
}

/* ---- attempts ---- */

static void print_count(bool recorded, uint32_t count, const char *what)
{
	if (recorded)
		printf("%u %s, ", count, what);
	else
		printf("%s not recorded, ", what);
}

static void print_count_of(uint32_t count, const char *what)
{
	printf("%u %s%s", count, what, count == 1 ? "" : "s");
}

static void print_opportunities(const Uxrec__AttemptMetrics *row)
{
	if (row->opportunities + row->not_met + row->not_scored == 0)
		return;
	printf("; opportunities: %u met, erred at %u of them", row->opportunities, row->erred);
	if (row->not_met)
		printf(", %u not met", row->not_met);
	if (row->not_scored)
		printf(", %u not scored", row->not_scored);
}

static void print_attempt(const Uxrec__AttemptMetrics *row)
{
	printf("  %s %s, task %s (%u): %s%s, %.1f s, ", text_quote(row->session).text,
		text_quote(row->participant).text, text_quote(row->task).text, row->number,
		metrics_outcome_name(row->outcome),
		row->failure == UXREC__ATTEMPT__FAILURE__FAILURE_TIME_LIMIT
			? " (stopped by the time limit)"
			: "",
		row->time_s);
	print_count(row->clicks_recorded, row->clicks, "clicks");
	print_count(row->keys_recorded, row->keys, "keys");
	print_count_of(row->errors, "error");
	if (row->error_marks != row->errors)
		printf(" (%u marks of several observers)", row->error_marks);
	if (row->unplanned_errors)
		printf(", %u of them unplanned", row->unplanned_errors);
	if (row->not_judged)
		printf(", %u of them not judged", row->not_judged);
	if (row->assists) {
		printf(", ");
		print_count_of(row->assists, "assist");
	}
	print_opportunities(row);
	printf("\n");
	for (size_t i = 0; i < row->n_contradictions; i++)
		printf("    look again: %s\n", text_quote(row->contradictions[i]).text);
}

/* ---- tasks ---- */

/* Completions are a biased sample: the slowest participants gave up. */
static void print_times(const Uxrec__TaskMetrics *task)
{
	print_number("time", "s", "completions", task->time_s);
	if (task->time_s && task->time_s->defined && task->time_s->n < task->attempts)
		printf("  %-22s %g of %u attempts: completers only, which makes it too short\n", "",
			task->time_s->n, task->attempts);
	if (task->stopped == 0)
		return;
	printf("  %-22s %u, at %u s\n", "stopped by the limit", task->stopped, task->time_limit_s);
	print_number("median time with them", "s", "", task->time_censored_s);
}

static void print_error_rate(const Uxrec__TaskMetrics *task)
{
	print_rate("errors/opportunity", "opportunities met", task->error_rate);
	printf("  %-22s %u of %u errors, outside of that rate\n", "unplanned",
		task->unplanned_errors, task->errors);
	if (task->not_judged)
		printf("  %-22s %u of %u errors: at which opportunity, if any\n", "not judged",
			task->not_judged, task->errors);
}

static void print_task(const Uxrec__TaskMetrics *task)
{
	printf("\n%s%s%s: %u attempts of %u participants count, %u do not",
		text_quote(task->task).text, *task->task ? ": " : "", text_quote(task->title).text,
		task->attempts, task->participants, task->left_out);
	if (task->time_limit_s)
		printf("; time limit %u s", task->time_limit_s);
	printf("\n");
	print_rate("success", "attempts", task->success);
	print_rate("with assist", "attempts", task->assisted);
	print_rate("abandoned", "attempts", task->abandoned);
	if (*task->task)
		print_times(task);
	print_rate("with at least 1 error", "participants", task->with_error);
	print_number("errors/participant", "", "participants", task->errors_each);
	print_number("  by the total", "", "participants", task->errors_each_poisson);
	print_error_rate(task);
	print_number("errors/minute", "", "minutes", task->errors_per_minute);
	print_number("  by participants", "", "minutes", task->errors_per_minute_each);
}

/* ---- document ---- */

static void print_layer(const Uxrec__Metrics *metrics)
{
	char time_text[64] = "";
	time_t seconds = (time_t)(metrics->layer_since_ns / 1000000000);
	struct tm local;

	printf("study %s, layer %s (%s", text_quote(metrics->study).text,
		text_quote(metrics->layer).text, text_quote(metrics->layer_reason).text);
	if (*metrics->layer_author && localtime_r(&seconds, &local) &&
		strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M %z", &local) > 0)
		printf(" by %s, %s", text_quote(metrics->layer_author).text, time_text);
	printf(")\n");
}

static void print_outside(const Uxrec__OutsideTag *outside)
{
	printf("  %s at %.1f s, code '%s': %s%s\n", text_quote(outside->session).text,
		outside->at_s, text_quote(outside->code).text, text_quote(outside->reason).text,
		outside->counted ? "" : "; not counted");
}

static void print_metrics(const Uxrec__Metrics *metrics)
{
	print_layer(metrics);
	printf("\nattempts\n");
	for (size_t i = 0; i < metrics->n_attempts; i++)
		print_attempt(metrics->attempts[i]);
	for (size_t i = 0; i < metrics->n_tasks; i++)
		print_task(metrics->tasks[i]);
	if (metrics->n_outside)
		printf("\noutside: tags that no number has, or not where they were put\n");
	for (size_t i = 0; i < metrics->n_outside; i++)
		print_outside(metrics->outside[i]);
	for (size_t i = 0; i < metrics->n_left_out; i++)
		printf("\nleft out: %s\n", text_quote(metrics->left_out[i]).text);
}

/* A count that was not recorded is null, not 0. */
static struct json_object *metrics_to_json(const Uxrec__Metrics *metrics)
{
	struct json_object *document = json_of_message(&metrics->base);
	struct json_object *attempts = json_object_object_get(document, "attempts");

	for (size_t i = 0; i < metrics->n_attempts; i++) {
		struct json_object *row = json_object_array_get_idx(attempts, i);

		if (!metrics->attempts[i]->keys_recorded)
			json_object_object_add(row, "keys", NULL);
		if (!metrics->attempts[i]->clicks_recorded)
			json_object_object_add(row, "clicks", NULL);
	}
	return document;
}

/* Warns of a damaged log only once, although each session is opened repeatedly. */
struct named_sessions {
	char **paths;
	size_t warned;
};

static int open_named(void *user, size_t i, struct session **ret, struct error *reterr)
{
	struct named_sessions *named = user;
	int r = session_open_path(ret, named->paths[i], reterr);

	if (r == 0 && i >= named->warned) {
		named->warned = i + 1;
		if (*(*ret)->annotations_error.text)
			log_warning("%s", (*ret)->annotations_error.text);
	}
	return r;
}

/* The parent of the session's folder. @return NULL when unknown */
static char *find_library(const char *path)
{
	_destroy_(session) struct session *session = NULL;
	char *real, *slash;

	/* the same error is reported when the session is read later */
	if (session_open_path(&session, path, NULL) < 0)
		return NULL;
	real = realpath(folder_path(session->folder), NULL);
	slash = real ? strrchr(real, '/') : NULL;
	if (slash)
		*slash = '\0';
	return real;
}

int command_metrics(const struct command_options *options, int argc, char **argv)
{
	_autofree_ char *layer = NULL;
	int taken = command_pop_layer(&layer, &argc, argv);
	bool json = command_pop_flag(&argc, argv, "--json");
	struct named_sessions named = {.paths = argv + 1};
	struct metrics_request request = {.open = open_named, .user = &named, .layer = layer};
	struct error error = {"no reason given"};
	_autofree_ char *library = NULL;
	Uxrec__Metrics *metrics;

	(void)options;
	if (taken != EXIT_OK || command_has_leftovers(argc, argv, argc))
		return EXIT_USAGE;
	if (argc < 2)
		return command_usage("metrics FILE... [--layer LAYER] [--json]");
	library = find_library(argv[1]);
	request.library = library;
	request.count = (size_t)(argc - 1);
	if (metrics_compute(&metrics, &request, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	if (json)
		json_print(metrics_to_json(metrics));
	else
		print_metrics(metrics);
	uxrec__metrics__free_unpacked(metrics, NULL);
	return EXIT_OK;
}
