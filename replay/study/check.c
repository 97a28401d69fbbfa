#include "replay/study/check.h"

#include "protocol/base/error.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/constants.h"
#include "protocol/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* maximum of H.264 */
#define SIDE_LIMIT 16384

/* @return the scalar value of a key, or NULL when absent or bad */
static struct yaml_node *valid_value(const struct yaml_node *mapping, const char *key)
{
	struct yaml_node *value = yaml_find(mapping, key);

	return value && !value->bad && value->kind == YAML_SCALAR ? value : NULL;
}

/* @param text  the message's copy, possibly normalised */
static void check_identifier(struct yaml_problems *problems, const struct yaml_node *mapping,
	const char *what, const char *text)
{
	struct yaml_node *value = valid_value(mapping, "id");
	struct error error;

	if (value && identifier_check(what, text, &error) < 0)
		yaml_error(problems, value, "%s", error.text);
}

static int check_name(
	struct yaml_problems *problems, struct yaml_node *value, const char *what, char **name)
{
	struct error error;
	int r;

	if (!value)
		return 0;
	r = name_normalise_in(name, what, "", &error);
	if (r == 0)
		r = name_check(what, *name, &error);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		yaml_error(problems, value, "%s", error.text);
	return 0;
}

/* @return true when an earlier entry of the list has the same text under a key */
static bool is_taken(const struct yaml_node *list, const struct yaml_node *entry, const char *key,
	const struct yaml_node *value)
{
	for (const struct yaml_node *before = list->first; before != entry; before = before->next) {
		const struct yaml_node *other = yaml_find(before, key);

		if (other && other->kind == YAML_SCALAR &&
			strcasecmp(other->text, value->text) == 0)
			return true;
	}
	return false;
}

static bool is_taken_exactly(
	const struct yaml_node *list, const struct yaml_node *entry, const struct yaml_node *value)
{
	for (const struct yaml_node *before = list->first; before != entry; before = before->next) {
		const struct yaml_node *other = yaml_find(before, "id");

		if (other && other->kind == YAML_SCALAR && strcmp(other->text, value->text) == 0)
			return true;
	}
	return false;
}

/* ---- codes ---- */

static void check_key(struct yaml_problems *problems, const struct yaml_node *list,
	const struct yaml_node *entry, Uxrec__Study__Code *code)
{
	struct yaml_node *value = valid_value(entry, "key");
	int letter = value ? tolower((unsigned char)*value->text) : 0;

	if (!value)
		return;
	if (strlen(value->text) != 1 || !isalpha(letter))
		yaml_error(problems, value, "key '%s': it must be one letter from a to z",
			text_quote(value->text).text);
	else if (strchr(RESERVED_KEYS, letter))
		yaml_error(problems, value,
			"key '%s': it is used by the pages: must not be one of " RESERVED_KEYS,
			value->text);
	else if (is_taken(list, entry, "key", value))
		yaml_error(problems, value, "key '%s': another code has it", value->text);
	else
		*code->key = (char)letter;
}

static void check_color(struct yaml_problems *problems, const struct yaml_node *entry)
{
	struct yaml_node *value = valid_value(entry, "color");

	if (value && *value->text &&
		(strlen(value->text) != 7 || value->text[0] != '#' ||
			strspn(value->text + 1, "0123456789abcdefABCDEF") != 6))
		yaml_error(problems, value,
			"color '%s': must be '#' and six hex digits, in quotes: \"#c2410c\"",
			text_quote(value->text).text);
}

static void check_modifiers(struct yaml_problems *problems, const struct yaml_node *entry)
{
	struct yaml_node *list = yaml_find(entry, "modifiers");

	if (!list || list->kind != YAML_LIST)
		return;
	for (struct yaml_node *value = list->first; value; value = value->next) {
		struct error error;
		bool again = false;

		if (value->bad || value->kind != YAML_SCALAR)
			continue;
		for (const struct yaml_node *other = list->first; other != value;
			other = other->next)
			again |=
				other->kind == YAML_SCALAR && strcmp(other->text, value->text) == 0;
		if (identifier_check("modifier", value->text, &error) < 0)
			yaml_error(problems, value, "%s", error.text);
		else if (again)
			yaml_error(problems, value, "modifier '%s' is defined twice", value->text);
	}
}

/* Warn of valid fields without effect on the counts. */
static void warn_of_code(struct yaml_problems *problems, const struct yaml_node *entry,
	const Uxrec__Study__Code *code)
{
	if (code->error_type != UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_NONE &&
		code->counts_as != UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR)
		yaml_warn(problems, yaml_find(entry, "error_type"),
			"code '%s' has an error_type and is not counted as an error: add "
			"'counts_as: error'",
			text_quote(code->id).text);
	if (code->assist_level != UXREC__STUDY__ASSIST_LEVEL__ASSIST_LEVEL_NONE &&
		code->counts_as != UXREC__STUDY__COUNTS_AS__COUNTS_AS_INTERVENTION)
		yaml_warn(problems, yaml_find(entry, "assist_level"),
			"code '%s' has an assist_level and is not counted as an intervention: add "
			"'counts_as: intervention'",
			text_quote(code->id).text);
}

static int check_codes(struct yaml_problems *problems, const struct yaml_node *list)
{
	if (!list || list->kind != YAML_LIST)
		return 0;
	for (struct yaml_node *entry = list->first; entry; entry = entry->next) {
		Uxrec__Study__Code *code = entry->made;
		struct yaml_node *id = valid_value(entry, "id");

		if (!code)
			continue;
		check_identifier(problems, entry, "code", code->id);
		if (id && strcmp(id->text, "flag") == 0)
			yaml_error(problems, id,
				"code 'flag' is in every code book already, under the key f");
		else if (id && is_taken_exactly(list, entry, id))
			yaml_error(problems, id, "code '%s' is defined twice",
				text_quote(id->text).text);
		if (check_name(problems, valid_value(entry, "name"), "code", &code->name) < 0)
			return -ENOMEM;
		check_key(problems, list, entry, code);
		check_color(problems, entry);
		check_modifiers(problems, entry);
		warn_of_code(problems, entry, code);
	}
	return 0;
}

/* ---- tasks ---- */

static void check_opportunities(struct yaml_problems *problems, const struct yaml_node *list)
{
	if (!list || list->kind != YAML_LIST)
		return;
	for (struct yaml_node *entry = list->first; entry; entry = entry->next) {
		Uxrec__Study__Opportunity *opportunity = entry->made;
		struct yaml_node *id = valid_value(entry, "id");

		if (!opportunity)
			continue;
		check_identifier(problems, entry, "opportunity", opportunity->id);
		if (id && is_taken_exactly(list, entry, id))
			yaml_error(problems, id, "opportunity '%s' is defined twice in its task",
				text_quote(id->text).text);
	}
}

static void check_tasks(struct yaml_problems *problems, const struct yaml_node *list)
{
	if (!list || list->kind != YAML_LIST)
		return;
	for (struct yaml_node *entry = list->first; entry; entry = entry->next) {
		Uxrec__Study__Task *task = entry->made;
		struct yaml_node *id = valid_value(entry, "id");

		if (!task)
			continue;
		check_identifier(problems, entry, "task", task->id);
		if (id && is_taken_exactly(list, entry, id))
			yaml_error(problems, id, "task '%s' is defined twice",
				text_quote(id->text).text);
		check_opportunities(problems, yaml_find(entry, "opportunities"));
	}
}

/* ---- hidden areas and windows ---- */

static bool is_area(const struct yaml_node *entry)
{
	return yaml_find(entry, "x") || yaml_find(entry, "y") || yaml_find(entry, "width") ||
		yaml_find(entry, "height");
}

static void check_area(struct yaml_problems *problems, struct yaml_node *entry)
{
	static const char *const keys[] = {"x", "y", "width", "height"};

	for (size_t i = 0; i < 4; i++)
		if (!yaml_find(entry, keys[i])) {
			yaml_error(problems, entry,
				"an area needs x, y, width and height, in pixels; '%s' is missing",
				keys[i]);
			return;
		}
	for (size_t i = 0; i < 4; i++) {
		struct yaml_node *value = valid_value(entry, keys[i]);
		size_t digits = value ? strlen(value->text) : 0;

		if (value && (digits > 5 || atoi(value->text) > SIDE_LIMIT))
			yaml_error(problems, value,
				"%s: %s: no screen has more than %d pixels a side", keys[i],
				value->text, SIDE_LIMIT);
		else if (value && i >= 2 && atoi(value->text) == 0)
			yaml_error(problems, value, "%s: 0: an empty area hides nothing", keys[i]);
	}
}

static void check_window(struct yaml_problems *problems, const struct yaml_node *entry)
{
	static const char *const keys[] = {"window_class", "window_title"};

	for (size_t i = 0; i < 2; i++) {
		struct yaml_node *value = valid_value(entry, keys[i]);

		if (value && !*value->text)
			yaml_error(problems, value, "%s: it is empty", keys[i]);
	}
}

static void check_hide(struct yaml_problems *problems, const struct yaml_node *list)
{
	unsigned areas = 0;

	if (!list || list->kind != YAML_LIST)
		return;
	for (struct yaml_node *entry = list->first; entry; entry = entry->next) {
		const Uxrec__Study__Hide *hide = entry->made;
		bool area = is_area(entry);
		bool window = yaml_find(entry, "window_class") || yaml_find(entry, "window_title");

		if (!hide || entry->kind != YAML_MAPPING)
			continue;
		if (area + window + (hide->password_fields != 0) != 1) {
			const struct yaml_node *words = yaml_find(entry, "password_fields");

			if (!words || !words->bad)
				yaml_error(problems, entry,
					"an entry of hide must be one of an area (x, y, width, "
					"height), a window (window_class, window_title, or both), "
					"password_fields: true");
			continue;
		}
		if (area && ++areas == HIDE_AREAS_LIMIT + 1)
			yaml_error(problems, entry, "more than %d areas", HIDE_AREAS_LIMIT);
		if (area)
			check_area(problems, entry);
		if (window)
			check_window(problems, entry);
	}
}

/* ---- all ---- */

static void warn(
	struct yaml_problems *problems, const Uxrec__Study *study, const struct yaml_node *root)
{
	bool has_error = study->n_codes == 0; /* the default code book has one */

	if (study->n_tasks == 0)
		yaml_warn(problems, yaml_find(root, "tasks"),
			"there are no tasks: nothing is counted by task");
	for (size_t i = 0; i < study->n_codes; i++)
		has_error |= study->codes[i]->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR;
	if (!has_error)
		yaml_warn(problems, yaml_find(root, "codes"),
			"no code has 'counts_as: error': there will be no errors in the numbers");
}

int study_check(Uxrec__Study *study, struct yaml_node *root, struct yaml_problems *problems)
{
	struct yaml_node *id = valid_value(root, "study_id");
	int r = check_name(problems, valid_value(root, "study"), "study", &study->name);

	if (r == 0)
		r = check_codes(problems, yaml_find(root, "codes"));
	if (r < 0)
		return r;
	check_tasks(problems, yaml_find(root, "tasks"));
	check_hide(problems, yaml_find(yaml_find(root, "screen"), "hide"));
	if (id && (strlen(id->text) != 32 || strspn(id->text, "0123456789abcdef") != 32))
		yaml_error(problems, id, "study_id '%s': must be 32 hex digits in lower case",
			text_quote(id->text).text);
	if (problems->errors == 0)
		warn(problems, study, root);
	return 0;
}
