#include "replay/study.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/folder.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "replay/study_hide.h"

#include <ctype.h>
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Letters that mean something else on every page; see CONTRIBUTING.md, "Keys". */
#define RESERVED_KEYS "efjklnrtz"

#define ID_LENGTH   64
#define NAME_LENGTH NAME_LIMIT_BYTES
#define TEXT_LENGTH 20000

/* ---- the file as libcyaml knows it ---- */

struct yaml_opportunity {
	char *id, *title;
};

struct yaml_task {
	char *id, *title, *instructions, *success;
	uint32_t time_limit_s;
	struct yaml_opportunity *opportunities;
	unsigned opportunities_count;
};

struct yaml_code {
	char *id, *name, *key, *color;
	Uxrec__Study__CountsAs counts_as;
	Uxrec__Study__ErrorType error_type;
	Uxrec__Study__AssistLevel assist_level;
};

struct yaml_screen {
	struct yaml_hide *hide;
	unsigned hide_count;
};

struct yaml_study {
	char *study, *keys, *names, *consent;
	uint32_t shortcuts;
	struct yaml_screen screen;
	struct yaml_task *tasks;
	unsigned tasks_count;
	struct yaml_code *codes;
	unsigned codes_count;
};

#define TEXT_FIELD(name, type, member, limit)                                                      \
	CYAML_FIELD_STRING_PTR(                                                                    \
		name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, limit)
#define NEEDED_FIELD(name, type, member, limit)                                                    \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER, type, member, 1, limit)

static const cyaml_schema_field_t opportunity_fields[] = {
	NEEDED_FIELD("id", struct yaml_opportunity, id, ID_LENGTH),
	TEXT_FIELD("title", struct yaml_opportunity, title, NAME_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t opportunity_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_opportunity, opportunity_fields),
};

static const cyaml_schema_field_t task_fields[] = {
	NEEDED_FIELD("id", struct yaml_task, id, ID_LENGTH),
	NEEDED_FIELD("title", struct yaml_task, title, NAME_LENGTH),
	TEXT_FIELD("instructions", struct yaml_task, instructions, TEXT_LENGTH),
	TEXT_FIELD("success", struct yaml_task, success, TEXT_LENGTH),
	CYAML_FIELD_UINT("time_limit_s", CYAML_FLAG_OPTIONAL, struct yaml_task, time_limit_s),
	CYAML_FIELD_SEQUENCE("opportunities", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct yaml_task, opportunities, &opportunity_value, 0, 1000),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t task_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_task, task_fields),
};

static const cyaml_strval_t counts_as_names[] = {
	{"observation", UXREC__STUDY__COUNTS_AS__COUNTS_AS_OBSERVATION},
	{"error", UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR},
	{"intervention", UXREC__STUDY__COUNTS_AS__COUNTS_AS_INTERVENTION},
	{"system", UXREC__STUDY__COUNTS_AS__COUNTS_AS_SYSTEM},
};

static const cyaml_strval_t error_type_names[] = {
	{"slip", UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_SLIP},
	{"mistake", UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_MISTAKE},
	{"omission", UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_OMISSION},
};

static const cyaml_strval_t assist_level_names[] = {
	{"prompt", UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_PROMPT},
	{"hint", UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_HINT},
	{"instruction", UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_INSTRUCTION},
	{"takeover", UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_TAKEOVER},
};

static const cyaml_schema_field_t code_fields[] = {
	NEEDED_FIELD("id", struct yaml_code, id, ID_LENGTH),
	NEEDED_FIELD("name", struct yaml_code, name, NAME_LENGTH),
	NEEDED_FIELD("key", struct yaml_code, key, 1),
	TEXT_FIELD("color", struct yaml_code, color, 7),
	CYAML_FIELD_ENUM("counts_as", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct yaml_code,
		counts_as, counts_as_names, ARRAY_SIZE(counts_as_names)),
	CYAML_FIELD_ENUM("error_type", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct yaml_code,
		error_type, error_type_names, ARRAY_SIZE(error_type_names)),
	CYAML_FIELD_ENUM("assist_level", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct yaml_code,
		assist_level, assist_level_names, ARRAY_SIZE(assist_level_names)),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t code_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_code, code_fields),
};

/* libcyaml's own truth takes every word that it does not know for true */
static const cyaml_strval_t truth_names[] = {{"false", 0}, {"true", 1}};

#define PIXELS_FIELD(member)                                                                       \
	CYAML_FIELD_UINT_PTR(                                                                      \
		#member, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_hide, member)

static const cyaml_schema_field_t hide_fields[] = {
	PIXELS_FIELD(x),
	PIXELS_FIELD(y),
	PIXELS_FIELD(width),
	PIXELS_FIELD(height),
	CYAML_FIELD_STRING_PTR("window_class", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct yaml_hide, window_class, 1, NAME_LENGTH),
	CYAML_FIELD_STRING_PTR("window_title", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct yaml_hide, window_title, 1, NAME_LENGTH),
	CYAML_FIELD_ENUM("password_fields", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL,
		struct yaml_hide, password_fields, truth_names, ARRAY_SIZE(truth_names)),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t hide_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_hide, hide_fields),
};

static const cyaml_schema_field_t screen_fields[] = {
	CYAML_FIELD_SEQUENCE("hide", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_screen,
		hide, &hide_value, 0, HIDE_RULES_LIMIT),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t study_fields[] = {
	NEEDED_FIELD("study", struct yaml_study, study, 4 * NAME_LENGTH),
	TEXT_FIELD("keys", struct yaml_study, keys, ID_LENGTH),
	CYAML_FIELD_ENUM("shortcuts", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct yaml_study,
		shortcuts, truth_names, ARRAY_SIZE(truth_names)),
	TEXT_FIELD("names", struct yaml_study, names, ID_LENGTH),
	CYAML_FIELD_MAPPING(
		"screen", CYAML_FLAG_OPTIONAL, struct yaml_study, screen, screen_fields),
	TEXT_FIELD("consent", struct yaml_study, consent, TEXT_LENGTH),
	CYAML_FIELD_SEQUENCE("tasks", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_study,
		tasks, &task_value, 0, 200),
	CYAML_FIELD_SEQUENCE("codes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_study,
		codes, &code_value, 0, 26),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t study_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_study, study_fields),
};

/* ---- errors with their place ---- */

/* what libcyaml said: its first sentence, and the innermost place of its backtrace */
struct complaint {
	char sentence[160];
	int line, column;
};

static void __attribute__((format(printf, 3, 0)))
hear_complaint(cyaml_log_t level, void *user, const char *format, va_list args)
{
	struct complaint *complaint = user;
	char text[400];
	const char *place;

	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	place = strstr(text, "(line: ");
	if (place && complaint->line == 0)
		sscanf(place, "(line: %d, column: %d)", &complaint->line, &complaint->column);
	if (!*complaint->sentence && !place && !strstr(text, "Backtrace"))
		utf8_copy(complaint->sentence, sizeof(complaint->sentence),
			strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
}

static void advance(const char **at, const char *end, int *line, int *column)
{
	if (*at >= end)
		return;
	if (**at == '\n') {
		(*line)++;
		*column = 1;
	} else {
		(*column)++;
	}
	(*at)++;
}

/* libcyaml tells the place of the value before an unknown key: the key is the next such word. */
static void find_key(struct complaint *complaint, const char *text, size_t size_bytes)
{
	static const char prefix[] = "Unexpected key: ";
	const char *key = complaint->sentence + sizeof(prefix) - 1, *at = text;
	const char *end = text + size_bytes;
	int line = 1, column = 1;
	size_t length;

	if (strncmp(complaint->sentence, prefix, sizeof(prefix) - 1) != 0)
		return;
	length = strlen(key);
	while (at < end &&
		(line < complaint->line || (line == complaint->line && column < complaint->column)))
		advance(&at, end, &line, &column);
	for (; at + length < end; advance(&at, end, &line, &column)) {
		const char *after = at + length;

		if (strncmp(at, key, length) != 0 || (at > text && isalnum((unsigned char)at[-1])))
			continue;
		while (after < end && strchr("\"' ", *after))
			after++;
		if (after < end && *after == ':') {
			complaint->line = line;
			complaint->column = column;
			return;
		}
	}
}

static int report_complaint(struct complaint *complaint, cyaml_err_t code, const char *text,
	size_t size_bytes, const char *file_name, struct error *reterr)
{
	const char *sentence = *complaint->sentence ? complaint->sentence : cyaml_strerror(code);

	find_key(complaint, text, size_bytes);
	if (complaint->line > 0)
		return error_set(reterr, -EINVAL, "%s:%d:%d: %s", file_name, complaint->line,
			complaint->column, text_quote(sentence).text);
	return error_set(reterr, -EINVAL, "%s: %s", file_name, text_quote(sentence).text);
}

/* ---- checks that the form alone cannot make ---- */

static int check_codes(const struct yaml_study *yaml, struct error *reterr)
{
	for (unsigned i = 0; i < yaml->codes_count; i++) {
		const struct yaml_code *code = &yaml->codes[i];
		int r = identifier_check("code", code->id, reterr);

		if (r == 0)
			r = name_check("code", code->name, reterr);
		if (r < 0)
			return r;
		if (!isalpha((unsigned char)code->key[0]) ||
			strchr(RESERVED_KEYS, tolower((unsigned char)code->key[0])))
			return error_set(reterr, -EINVAL,
				"code '%s': its key must be a letter that is not taken by the pages "
				"(" RESERVED_KEYS " are)",
				code->id);
		if (code->color &&
			(strlen(code->color) != 7 || code->color[0] != '#' ||
				strspn(code->color + 1, "0123456789abcdefABCDEF") != 6))
			return error_set(reterr, -EINVAL,
				"code '%s': a colour is '#' and six hex digits", code->id);
		if (strcmp(code->id, "flag") == 0)
			return error_set(reterr, -EINVAL,
				"code 'flag' is in every code book already, under the key f");
		for (unsigned j = 0; j < i; j++)
			if (strcmp(yaml->codes[j].id, code->id) == 0 ||
				tolower((unsigned char)yaml->codes[j].key[0]) ==
					tolower((unsigned char)code->key[0]))
				return error_set(reterr, -EINVAL,
					"code '%s': another code has the same id or key", code->id);
	}
	return 0;
}

static int check_tasks(const struct yaml_study *yaml, struct error *reterr)
{
	for (unsigned i = 0; i < yaml->tasks_count; i++) {
		const struct yaml_task *task = &yaml->tasks[i];
		int r = identifier_check("task", task->id, reterr);

		for (unsigned j = 0; j < i && r == 0; j++)
			if (strcmp(yaml->tasks[j].id, task->id) == 0)
				r = error_set(
					reterr, -EINVAL, "task '%s' is there twice", task->id);
		for (unsigned o = 0; o < task->opportunities_count && r == 0; o++) {
			r = identifier_check("opportunity", task->opportunities[o].id, reterr);
			for (unsigned p = 0; p < o && r == 0; p++)
				if (strcmp(task->opportunities[p].id, task->opportunities[o].id) ==
					0)
					r = error_set(reterr, -EINVAL,
						"task '%s': opportunity '%s' is there twice",
						task->id, task->opportunities[o].id);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int check(const struct yaml_study *yaml, struct error *reterr)
{
	int r = name_check("study", yaml->study, reterr);

	if (r == 0 && yaml->keys && strcmp(yaml->keys, "none") != 0 &&
		strcmp(yaml->keys, "counts") != 0 && strcmp(yaml->keys, "classes") != 0 &&
		strcmp(yaml->keys, "full") != 0)
		r = error_set(reterr, -EINVAL,
			"keys '%s': it is one of none, counts, classes, full",
			text_quote(yaml->keys).text);
	if (r == 0 && yaml->names && strcmp(yaml->names, "none") != 0 &&
		strcmp(yaml->names, "roles") != 0 && strcmp(yaml->names, "full") != 0)
		r = error_set(reterr, -EINVAL, "names '%s': it is one of none, roles, full",
			text_quote(yaml->names).text);
	if (r == 0)
		r = study_hide_check(yaml->screen.hide, yaml->screen.hide_count, reterr);
	if (r == 0)
		r = check_tasks(yaml, reterr);
	if (r == 0)
		r = check_codes(yaml, reterr);
	return r;
}

/* ---- into the message that the session keeps ---- */

static const struct yaml_code default_codes[] = {
	{.id = (char *)"slip",
		.name = (char *)"Slip",
		.key = (char *)"s",
		.color = (char *)"#c2410c",
		.counts_as = UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR,
		.error_type = UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_SLIP},
	{.id = (char *)"mistake",
		.name = (char *)"Mistake",
		.key = (char *)"m",
		.color = (char *)"#b91c1c",
		.counts_as = UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR,
		.error_type = UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_MISTAKE},
	{.id = (char *)"omission",
		.name = (char *)"Omission",
		.key = (char *)"o",
		.color = (char *)"#a21caf",
		.counts_as = UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR,
		.error_type = UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_OMISSION},
	{.id = (char *)"assist",
		.name = (char *)"Assist",
		.key = (char *)"a",
		.color = (char *)"#1d4ed8",
		.counts_as = UXREC__STUDY__COUNTS_AS__COUNTS_AS_INTERVENTION,
		.assist_level = UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_HINT},
	{.id = (char *)"hesitation",
		.name = (char *)"Hesitation",
		.key = (char *)"h",
		.color = (char *)"#a16207"},
	{.id = (char *)"system",
		.name = (char *)"System",
		.key = (char *)"y",
		.color = (char *)"#475569",
		.counts_as = UXREC__STUDY__COUNTS_AS__COUNTS_AS_SYSTEM},
};

static const struct yaml_code flag_code = {.id = (char *)"flag",
	.name = (char *)"Flag",
	.key = (char *)"f",
	.color = (char *)"#15803d"};

static char *text(const char *from)
{
	return (char *)(from ? from : "");
}

/* Messages on the caller's stack that point into the YAML; packed and unpacked they become free. */
struct message_parts {
	Uxrec__Study__Task tasks[200], *task_pointers[200];
	Uxrec__Study__Code codes[32], *code_pointers[32];
	Uxrec__Study__Opportunity *opportunities;
	Uxrec__Study__Opportunity **opportunity_pointers;
	char keys[32][2];
	Uxrec__Study__Hide hide[HIDE_RULES_LIMIT], *hide_pointers[HIDE_RULES_LIMIT];
};

static void fill_code(struct message_parts *parts, size_t i, const struct yaml_code *from)
{
	Uxrec__Study__Code *code = &parts->codes[i];

	uxrec__study__code__init(code);
	parts->keys[i][0] = (char)tolower((unsigned char)from->key[0]);
	parts->code_pointers[i] = code;
	code->id = from->id;
	code->name = from->name;
	code->key = parts->keys[i];
	code->color = text(from->color);
	code->counts_as = from->counts_as;
	code->error_type = from->error_type;
	code->assist_level = from->assist_level;
}

static size_t fill_codes(struct message_parts *parts, const struct yaml_study *yaml)
{
	const struct yaml_code *codes = yaml->codes_count ? yaml->codes : default_codes;
	size_t count = yaml->codes_count ? yaml->codes_count : ARRAY_SIZE(default_codes);

	for (size_t i = 0; i < count; i++)
		fill_code(parts, i, &codes[i]);
	fill_code(parts, count, &flag_code);
	return count + 1;
}

static int fill_tasks(struct message_parts *parts, const struct yaml_study *yaml)
{
	size_t total = 0, next = 0;

	for (unsigned i = 0; i < yaml->tasks_count; i++)
		total += yaml->tasks[i].opportunities_count;
	parts->opportunities = calloc(total + 1, sizeof(*parts->opportunities));
	parts->opportunity_pointers = calloc(total + 1, sizeof(*parts->opportunity_pointers));
	if (!parts->opportunities || !parts->opportunity_pointers)
		return -ENOMEM;
	for (unsigned i = 0; i < yaml->tasks_count; i++) {
		const struct yaml_task *from = &yaml->tasks[i];
		Uxrec__Study__Task *task = &parts->tasks[i];

		uxrec__study__task__init(task);
		parts->task_pointers[i] = task;
		task->id = from->id;
		task->title = from->title;
		task->instructions = text(from->instructions);
		task->success = text(from->success);
		task->time_limit_s = from->time_limit_s;
		task->opportunities = parts->opportunity_pointers + next;
		task->n_opportunities = from->opportunities_count;
		for (unsigned o = 0; o < from->opportunities_count; o++, next++) {
			uxrec__study__opportunity__init(&parts->opportunities[next]);
			parts->opportunity_pointers[next] = &parts->opportunities[next];
			parts->opportunities[next].id = from->opportunities[o].id;
			parts->opportunities[next].title = text(from->opportunities[o].title);
		}
	}
	return 0;
}

Uxrec__Study *study_copy(const Uxrec__Study *study)
{
	size_t size = uxrec__study__get_packed_size(study);
	_autofree_ uint8_t *packed = malloc(size + 1);

	if (!packed)
		return NULL;
	uxrec__study__pack(study, packed);
	return uxrec__study__unpack(NULL, size, packed);
}

static size_t fill_hide(struct message_parts *parts, const struct yaml_screen *yaml)
{
	for (unsigned i = 0; i < yaml->hide_count; i++) {
		study_hide_fill(&parts->hide[i], &yaml->hide[i]);
		parts->hide_pointers[i] = &parts->hide[i];
	}
	return yaml->hide_count;
}

static int to_message(Uxrec__Study **ret, const struct yaml_study *yaml, const char *source)
{
	_autofree_ struct message_parts *parts = calloc(1, sizeof(*parts));
	Uxrec__Study study = UXREC__STUDY__INIT;
	int r;

	if (!parts)
		return -ENOMEM;
	r = fill_tasks(parts, yaml);
	if (r == 0) {
		study.name = yaml->study;
		study.keys = text(yaml->keys);
		study.names = text(yaml->names);
		study.shortcuts = yaml->shortcuts != 0;
		study.consent_text = text(yaml->consent);
		study.hide = parts->hide_pointers;
		study.n_hide = fill_hide(parts, &yaml->screen);
		study.yaml = text(source);
		study.tasks = parts->task_pointers;
		study.n_tasks = yaml->tasks_count;
		study.codes = parts->code_pointers;
		study.n_codes = fill_codes(parts, yaml);
		*ret = study_copy(&study);
		r = *ret ? 0 : -ENOMEM;
	}
	free(parts->opportunities);
	free(parts->opportunity_pointers);
	return r;
}

int study_parse(Uxrec__Study **ret, const char *source, size_t size_bytes, const char *file_name,
	struct error *reterr)
{
	struct complaint complaint = {0};
	const cyaml_config_t config = {
		.log_fn = hear_complaint,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS, /* no billion laughs */
	};
	_autofree_ char *copy = strndup(source, size_bytes);
	struct yaml_study *yaml = NULL;
	struct error error;
	cyaml_err_t code;
	int r;

	if (!copy)
		return error_set(reterr, -ENOMEM, "no memory");
	if (strlen(copy) != size_bytes)
		return error_set(reterr, -EINVAL, "%s: it has a 0 byte in it", file_name);
	code = cyaml_load_data((const uint8_t *)source, size_bytes, &config, &study_value,
		(cyaml_data_t **)&yaml, NULL);
	if (code != CYAML_OK)
		return report_complaint(&complaint, code, source, size_bytes, file_name, reterr);
	if (!yaml)
		return error_set(reterr, -EINVAL, "%s: the file is empty", file_name);
	r = check(yaml, &error);
	if (r < 0)
		error_set(reterr, r, "%s: %s", file_name, error.text);
	else
		r = to_message(ret, yaml, copy);
	cyaml_free(&config, &study_value, yaml, 0);
	return r;
}

int study_load(Uxrec__Study **ret, const char *path, struct error *reterr)
{
	_autofree_ char *source = NULL;
	ssize_t size = file_read_whole(path, STUDY_LIMIT_BYTES, &source, reterr);

	if (size < 0)
		return (int)size;
	return study_parse(ret, source, (size_t)size, path, reterr);
}

/* ---- looking things up ---- */

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
