#include "replay/study/study.h"

#include "protocol/base/cleanup.h"
#include "protocol/limits.h"
#include "protocol/message_patch.h"
#include "protocol/os/folder.h"
#include "replay/base/yaml_message.h"
#include "replay/study/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES 64

/* ---- keys that differ from study.proto ---- */

#define STUDY       &uxrec__study__descriptor
#define HIDE        &uxrec__study__hide__descriptor
#define TASK        &uxrec__study__task__descriptor
#define OPPORTUNITY &uxrec__study__opportunity__descriptor
#define CODE        &uxrec__study__code__descriptor

static const struct yaml_rule rules[] = {
	{STUDY, "name", .key = "study", .needed = true},
	{STUDY, "tasks", .limit = 200},
	{STUDY, "codes", .limit = 26},
	{STUDY, "consent_text", .key = "consent"},
	{STUDY, "keys", .one_of = "none, counts, classes, full"},
	{STUDY, "yaml", .key = ""},
	{STUDY, "names", .one_of = "none, roles, full"},
	{STUDY, "hide", .section = "screen", .limit = HIDE_RULES_LIMIT},
	{STUDY, "version", .limit = NAME_LIMIT_BYTES},
	{HIDE, "x_px", .key = "x"},
	{HIDE, "y_px", .key = "y"},
	{HIDE, "width_px", .key = "width"},
	{HIDE, "height_px", .key = "height"},
	{HIDE, "window_class", .limit = NAME_LIMIT_BYTES},
	{HIDE, "window_title", .limit = NAME_LIMIT_BYTES},
	{TASK, "id", .needed = true, .limit = ID_BYTES},
	{TASK, "title", .needed = true, .limit = NAME_LIMIT_BYTES},
	{OPPORTUNITY, "id", .needed = true, .limit = ID_BYTES},
	{OPPORTUNITY, "title", .limit = NAME_LIMIT_BYTES},
	{CODE, "id", .needed = true, .limit = ID_BYTES},
	{CODE, "name", .needed = true, .limit = NAME_LIMIT_BYTES},
	{CODE, "key", .needed = true},
	{CODE, "modifiers", .limit = 20},
};

static const struct yaml_schema schema = {rules, ARRAY_SIZE(rules)};

const struct yaml_schema *study_schema(void)
{
	return &schema;
}

/* ---- the code book ---- */

/* The default, for a study without codes. */
static const char usual_codes[] =
	"study: usual\n"
	"codes:\n"
	"  - {id: slip, name: Slip, key: s, counts_as: error, error_type: slip, color: '#c2410c'}\n"
	"  - {id: mistake, name: Mistake, key: m, counts_as: error, error_type: mistake, color: "
	"'#b91c1c'}\n"
	"  - {id: omission, name: Omission, key: o, counts_as: error, error_type: omission, "
	"color: '#a21caf'}\n"
	"  - {id: assist, name: Assist, key: a, counts_as: intervention, assist_level: hint, "
	"color: '#1d4ed8'}\n"
	"  - {id: hesitation, name: Hesitation, key: h, color: '#a16207'}\n"
	"  - {id: system, name: System, key: y, counts_as: system, color: '#475569'}\n";

/* Appended to every code book. */
static const char flag_code[] =
	"study: flag\n"
	"codes: [{id: flag, name: Flag, key: f, color: '#15803d'}]\n";

static int read_message(Uxrec__Study **ret, struct yaml_document *document, const char *text,
	size_t size_bytes, struct yaml_problems *problems)
{
	int r = yaml_read(document, text, size_bytes, problems);

	*ret = NULL;
	if (r == 0 && document->root)
		r = yaml_to_message(
			(ProtobufCMessage **)ret, document->root, STUDY, &schema, problems);
	return r;
}

/* @return 0 or -ENOMEM */
static int append_codes(Uxrec__Study *study, const char *text)
{
	_cleanup_(yaml_finish) struct yaml_document document = {0};
	struct yaml_problems problems = {0};
	Uxrec__Study__Code **codes = NULL;
	Uxrec__Study *more;

	if (read_message(&more, &document, text, strlen(text), &problems) < 0 || !more)
		return -ENOMEM;
	codes = realloc(study->codes, (study->n_codes + more->n_codes) * sizeof(*codes));
	if (codes) {
		memcpy(codes + study->n_codes, more->codes, more->n_codes * sizeof(*codes));
		study->codes = codes;
		study->n_codes += more->n_codes;
		more->n_codes = 0;
	}
	uxrec__study__free_unpacked(more, NULL);
	return codes ? 0 : -ENOMEM;
}

/* ---- reading ---- */

static int complete(Uxrec__Study *study, const char *text, size_t size_bytes)
{
	int r = study->n_codes == 0 ? append_codes(study, usual_codes) : 0;

	if (r == 0)
		r = append_codes(study, flag_code);
	if (r == 0) {
		study->yaml = strndup(text, size_bytes);
		r = study->yaml ? 0 : -ENOMEM;
	}
	return r;
}

int study_read(
	Uxrec__Study **ret, const char *text, size_t size_bytes, struct yaml_problems *ret_problems)
{
	_cleanup_(yaml_finish) struct yaml_document document = {0};
	Uxrec__Study *study;
	int r;

	*ret_problems = (struct yaml_problems){0};
	r = read_message(&study, &document, text, size_bytes, ret_problems);
	if (r == 0 && study)
		r = study_check(study, document.root, ret_problems);
	else if (r == 0 && ret_problems->errors == 0)
		yaml_error(ret_problems, NULL, "the file is empty: its first key is 'study'");
	yaml_problems_sort(ret_problems);
	if (r == 0 && ret_problems->errors > 0)
		r = -EINVAL;
	if (r == 0)
		r = complete(study, text, size_bytes);
	if (r == 0)
		*ret = study;
	else if (study)
		uxrec__study__free_unpacked(study, NULL);
	return r;
}

int study_parse(Uxrec__Study **ret, const char *text, size_t size_bytes, const char *file_name,
	struct error *reterr)
{
	struct yaml_problems problems;
	const struct yaml_problem *first = problems.listed;
	char place[200], more[80] = "";
	int r = study_read(ret, text, size_bytes, &problems);

	if (r == -ENOMEM)
		return error_set(reterr, r, "out of memory");
	if (r == 0)
		return 0;
	while (first->warning)
		first++;
	yaml_problem_place(place, sizeof(place), file_name, first);
	if (problems.errors > 1)
		snprintf(more, sizeof(more), "; and %zu more, which 'uxrec study check' lists",
			problems.errors - 1);
	/* A problem's text is shorter than an error's, which also holds place and count. */
	return error_set(reterr, r, "%s: %.*s%s", place,
		(int)(sizeof(reterr->text) - strlen(place) - strlen(more) - 3), first->text, more);
}

int study_read_file(Uxrec__Study **ret, const char *path, struct yaml_problems *ret_problems,
	struct error *reterr)
{
	_autofree_ char *text = NULL;
	ssize_t size = file_read_whole(path, STUDY_LIMIT_BYTES, &text, reterr);
	int r;

	*ret_problems = (struct yaml_problems){0};
	if (size < 0)
		return (int)size;
	r = study_read(ret, text, (size_t)size, ret_problems);
	if (r == -EINVAL)
		return error_set(reterr, r, "%s: %zu errors", path, ret_problems->errors);
	return r < 0 ? error_set(reterr, r, "%s: out of memory", path) : 0;
}

Uxrec__Study *study_copy(const Uxrec__Study *study)
{
	return (Uxrec__Study *)message_copy(&study->base);
}

/* ---- lookup ---- */

const Uxrec__Study__Task *study_task(const Uxrec__Study *study, const char *id)
{
	for (size_t i = 0; i < study->n_tasks; i++)
		if (strcmp(study->tasks[i]->id, id) == 0)
			return study->tasks[i];
	return NULL;
}

const Uxrec__Study__Code *study_code(const Uxrec__Study *study, const char *id)
{
	for (size_t i = 0; i < study->n_codes; i++)
		if (strcmp(study->codes[i]->id, id) == 0)
			return study->codes[i];
	return NULL;
}

const Uxrec__Study__Code *study_code_typed(const Uxrec__Study *study, const char *id_or_key)
{
	const Uxrec__Study__Code *code = study_code(study, id_or_key);

	for (size_t i = 0; !code && i < study->n_codes; i++)
		if (strcasecmp(study->codes[i]->key, id_or_key) == 0)
			code = study->codes[i];
	return code;
}

const Uxrec__Study__Opportunity *study_opportunity(const Uxrec__Study__Task *task, const char *id)
{
	for (size_t i = 0; i < task->n_opportunities; i++)
		if (strcmp(task->opportunities[i]->id, id) == 0)
			return task->opportunities[i];
	return NULL;
}
