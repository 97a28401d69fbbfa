#include "tests/harness/helpers.h"

#include "replay/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, Uxrec__Study **ret, struct error *error)
{
	return study_parse(ret, text, strlen(text), "study.yaml", error);
}

static void whole_study_is_read(void)
{
	static const char text[] =
		"study: Checkout, round 2\n"
		"keys: counts\n"
		"shortcuts: true\n"
		"names: roles\n"
		"consent: |\n  We record\n  the screen.\n"
		"tasks:\n"
		"  - id: find\n    title: Find the invoice\n    time_limit_s: 90\n"
		"    opportunities:\n      - {id: menu, title: Opens the menu}\n      - {id: date}\n"
		"codes:\n"
		"  - {id: slip, name: Slip, key: S, counts_as: error, error_type: slip, "
		"color: \"#aa0000\"}\n";
	Uxrec__Study *study;

	check(parse(text, &study, NULL) == 0);
	expect(strcmp(study->name, "Checkout, round 2") == 0);
	expect(strcmp(study->keys, "counts") == 0);
	expect(study->shortcuts && strcmp(study->names, "roles") == 0);
	expect(strcmp(study->consent_text, "We record\nthe screen.\n") == 0);
	check(study->n_tasks == 1 && study->tasks[0]->n_opportunities == 2);
	expect(study->tasks[0]->time_limit_s == 90);
	expect(strcmp(study_opportunity(study->tasks[0], "menu")->title, "Opens the menu") == 0);
	/* the flag is in every code book */
	check(study->n_codes == 2);
	expect(strcmp(study->codes[0]->key, "s") == 0);
	expect(study->codes[0]->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR);
	expect(study_code_typed(study, "F") == study_code(study, "flag"));
	expect(study_code(study, "flag") && !study_code(study, "f"));
	expect(study_code_typed(study, "S") == study->codes[0] && !study_code_typed(study, "x"));
	expect(study_task(study, "find") && !study_task(study, "lose"));
	expect(strcmp(study->yaml, text) == 0);
	uxrec__study__free_unpacked(study, NULL);
}

static void what_is_hidden_is_read(void)
{
	static const char text[] =
		"study: a\nscreen:\n  hide:\n"
		"    - {x: 0, y: 10, width: 200, height: 40}\n"
		"    - {window_class: KeePassXC}\n"
		"    - {window_title: \"*Bank*\", window_class: firefox}\n"
		"    - {password_fields: true}\n";
	Uxrec__Study *study;

	check(parse(text, &study, NULL) == 0);
	check(study->n_hide == 4);
	expect(study->hide[0]->x_px == 0 && study->hide[0]->y_px == 10);
	expect(study->hide[0]->width_px == 200 && study->hide[0]->height_px == 40);
	expect(strcmp(study->hide[1]->window_class, "KeePassXC") == 0);
	expect(strcmp(study->hide[2]->window_title, "*Bank*") == 0);
	expect(strcmp(study->hide[2]->window_class, "firefox") == 0);
	expect(study->hide[3]->password_fields && !study->hide[2]->password_fields);
	uxrec__study__free_unpacked(study, NULL);
}

static void least_study_has_the_usual_code_book(void)
{
	Uxrec__Study *study;

	check(parse("study: Least\n", &study, NULL) == 0);
	expect(study->n_tasks == 0 && study->n_codes == 7);
	expect(!study->shortcuts && !*study->names && !*study->keys);
	expect(study_code_typed(study, "o")->error_type ==
		UXREC__STUDY__ERROR_TYPE__ERROR_TYPE_OMISSION);
	uxrec__study__free_unpacked(study, NULL);
}

static void faults_are_told_with_their_place(void)
{
	static const struct {
		const char *text, *says;
	} table[] = {
		{"study: a\ntasks:\n  - id: x\n    titel: y\n",
			"study.yaml:4:5: Unexpected key: titel"},
		{"study: a\ncolour: red\n", "study.yaml:2:1: Unexpected key: colour"},
		{"study: a\ntasks:\n  - id: x\n    title: y\n    time_limit_s: soon\n",
			"study.yaml:5:19: Invalid"},
		{"study: a\ncodes:\n  - {id: s, name: S, key: s, counts_as: mistake}\n",
			"study.yaml:3:"},
		{"tasks: []\n", "study.yaml"},
		{"- a\n", "study.yaml"},
		{"study: [a\n", "study.yaml:1:"},
		{"study: \"a\n", "study.yaml"},
		{"study: &x a\nkeys: *x\n", "study.yaml"},
		{"", "study.yaml: the file is empty"},
		{"study: ../etc\n", "study.yaml: study '../etc'"},
		{"study: a\nscreen:\n  hide:\n    - {x: 0, y: 0, width: -5, height: 3}\n",
			"study.yaml:4:"},
		{"study: a\nscreen:\n  hide:\n    - {x: 0, y: 0, width: 5, hight: 3}\n",
			"study.yaml:4:30: Unexpected key: hight"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5}]}\n",
			"study.yaml: screen: hide: entry 1: an area has all"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5, height: 0}]}\n",
			"study.yaml: screen: hide: entry 1: an area that is empty"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5, height: 99999}]}\n",
			"study.yaml: screen: hide: entry 1: no screen"},
		{"study: a\nscreen: {hide: [{window_class: a}, {}]}\n",
			"study.yaml: screen: hide: entry 2: it is one of"},
		{"study: a\nscreen: {hide: [{window_class: a, password_fields: true}]}\n",
			"study.yaml: screen: hide: entry 1: it is one of"},
		{"study: a\nscreen: {hide: [{window_title: \"\"}]}\n", "study.yaml:2:"},
		{"study: a\nscreen: {hide: [password_fields]}\n", "study.yaml:2:"},
		{"study: a\nscreen: {hide: [{password_fields: yes}]}\n", "study.yaml:2:"},
		{"study: <script>\n", "study.yaml: study '<script>'"},
		{"study: a\nnames: some\n", "one of none, roles, full"},
		{"study: a\nshortcuts: some\n", "study.yaml:2:"},
		{"study: a\nkeys: all\n", "one of none, counts, classes, full"},
		{"study: a\ntasks:\n  - {id: x, title: y}\n  - {id: x, title: z}\n", "there twice"},
		{"study: a\ntasks:\n  - {id: x y, title: y}\n", "letters, digits"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: r}\n", "taken by the pages"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: \"1\"}\n", "must be a letter"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a}\n  - {id: b, name: B, key: A}\n",
			"same id or key"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a, color: red}\n", "six hex digits"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error error = {""};
		Uxrec__Study *study;
		int r = parse(table[i].text, &study, &error);

		expect(r == -EINVAL);
		if (!strstr(error.text, table[i].says))
			printf("# '%s' is not in '%s'\n", table[i].says, error.text);
		expect(strstr(error.text, table[i].says) != NULL);
		expect(!strchr(error.text, '\n'));
	}
}

static void any_text_is_survived(void)
{
	static const char text[] =
		"study: a\ntasks:\n  - id: x\n    title: y\n    opportunities:\n"
		"      - {id: o}\ncodes:\n  - {id: s, name: S, key: s}\n";
	uint64_t random = 11;

	for (int i = 0; i < 5000; i++) {
		char copy[sizeof(text)];
		Uxrec__Study *study;

		memcpy(copy, text, sizeof(text));
		for (int change = 0; change < 3; change++)
			copy[next_random(&random) % (sizeof(copy) - 1)] =
				"\n\t :{}[]-&*!|>'\"%@`#?,a\xff"[next_random(&random) % 24];
		if (study_parse(&study, copy, sizeof(copy) - 1, "x", NULL) == 0)
			uxrec__study__free_unpacked(study, NULL);
	}
}

static const struct test tests[] = {
	{"a whole study is read", whole_study_is_read},
	{"what a study hides of the screen is read", what_is_hidden_is_read},
	{"the least study has the usual code book", least_study_has_the_usual_code_book},
	{"faults are told in one sentence with line and column", faults_are_told_with_their_place},
	{"any text is survived", any_text_is_survived},
};

int main(void)
{
	return RUN_TESTS("study", tests);
}
