/* uxrec study: check study files. */

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/json.h"
#include "replay/command/command.h"
#include "replay/study/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void show_problem(const char *file, const struct yaml_problem *problem)
{
	char place[600];

	yaml_problem_place(place, sizeof(place), file, problem);
	log_message(problem->warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s: %s", place,
		problem->text);
}

static void show(const char *file, const Uxrec__Study *study, const struct yaml_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		show_problem(file, &problems->listed[i]);
	if (problems->count < problems->errors + problems->warnings)
		log_error("%s: %zu errors and %zu warnings in all: the first %zu are listed", file,
			problems->errors, problems->warnings, problems->count);
	if (study)
		printf("%s: study '%s', %zu tasks, %zu codes\n", file, text_quote(study->name).text,
			study->n_tasks, study->n_codes);
}

static struct json_object *to_json(
	const char *file, const Uxrec__Study *study, const struct yaml_problems *problems)
{
	struct json_object *document = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_object_add(document, "file", json_text(file));
	json_object_object_add(document, "good", json_object_new_boolean(study != NULL));
	json_object_object_add(document, "study", study ? json_text(study->name) : NULL);
	if (study) {
		json_object_object_add(
			document, "tasks", json_object_new_int64((int64_t)study->n_tasks));
		json_object_object_add(
			document, "codes", json_object_new_int64((int64_t)study->n_codes));
	}
	json_object_object_add(
		document, "errors", json_object_new_int64((int64_t)problems->errors));
	json_object_object_add(
		document, "warnings", json_object_new_int64((int64_t)problems->warnings));
	for (size_t i = 0; i < problems->count; i++) {
		const struct yaml_problem *problem = &problems->listed[i];
		struct json_object *entry = json_object_new_object();

		json_object_object_add(
			entry, "line", problem->line ? json_object_new_int64(problem->line) : NULL);
		json_object_object_add(entry, "column",
			problem->line ? json_object_new_int64(problem->column) : NULL);
		json_object_object_add(entry, "severity",
			json_object_new_string(problem->warning ? "warning" : "error"));
		json_object_object_add(entry, "text", json_text(problem->text));
		json_object_array_add(list, entry);
	}
	json_object_object_add(document, "problems", list);
	return document;
}

/* @return true for a valid study */
static bool check(const char *file, struct json_list *printed)
{
	struct yaml_problems problems;
	struct error error = {"no reason given"};
	Uxrec__Study *study = NULL;
	int r = study_read_file(&study, file, &problems, &error);

	/* an unreadable file has no position */
	if (r < 0 && problems.errors == 0)
		yaml_error(&problems, NULL, "%s", error.text);
	if (printed)
		json_list_add(printed, to_json(file, study, &problems));
	else if (r < 0 && problems.count == 1 && problems.listed[0].line == 0 && r != -EINVAL)
		log_error("%s", error.text); /* includes the file name */
	else
		show(file, study, &problems);
	uxrec__study__free_unpacked(study, NULL);
	return r == 0;
}

int command_study(const struct command_options *options, int argc, char **argv)
{
	bool json, good = true;
	struct json_list printed;

	(void)options;
	if (argc > 1 && strcmp(argv[1], "layer") == 0)
		return command_study_layer(argc, argv);
	if (argc > 1 && strcmp(argv[1], "new") == 0)
		return command_study_new(argc, argv);
	json = command_pop_flag(&argc, argv, "--json");
	if (command_has_leftovers(argc, argv, argc))
		return EXIT_USAGE;
	if (argc < 3 || strcmp(argv[1], "check") != 0)
		return command_usage(
			"study new NAME | study check FILE... [--json] | study layer STUDY [LAYER]");
	if (json)
		json_list_begin(&printed);
	for (int i = 2; i < argc; i++)
		good &= check(argv[i], json ? &printed : NULL);
	if (json)
		json_list_end(&printed);
	return good ? EXIT_OK : EXIT_NO;
}
