#include "tests/harness/helpers.h"

#include "protocol/acts.pb-c.h"
#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/os/folder.h"
#include "replay/base/enum_text.h"
#include "replay/study/study.h"

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

static void errors_have_their_place_and_what_is_allowed(void)
{
	static const struct {
		const char *text, *wanted;
	} table[] = {
		{"study: a\ntasks:\n  - id: x\n    title: t\n    titel: y\n",
			"study.yaml:5:5: unexpected key 'titel': must be one of id, title, "
			"instructions, success, time_limit_s, opportunities"},
		{"study: a\ncolour: red\n",
			"study.yaml:2:1: unexpected key 'colour': must be one of study, tasks, codes, "
			"consent, keys, shortcuts, names, screen, study_id, version"},
		{"study: a\nyaml: b\n", "study.yaml:2:1: unexpected key 'yaml'"},
		{"study: a\nname: b\n", "study.yaml:2:1: unexpected key 'name'"},
		{"study: a\nstudy: b\n", "study.yaml:2:1: the key 'study' is set twice"},
		{"study: a\nscreen: {}\nscreen: {}\n",
			"study.yaml:3:1: the key 'screen' is set twice"},
		{"study: a\nhide: []\n", "study.yaml:2:1: unexpected key 'hide'"},
		{"study: a\nscreen: {show: []}\n",
			"study.yaml:2:10: unexpected key 'show': must be one of hide"},
		{"study: a\ntasks:\n  - id: x\n    title: y\n    time_limit_s: soon\n",
			"study.yaml:5:19: time_limit_s: 'soon': must be a whole number from 0 to "
			"4294967295, in digits only"},
		{"study: a\ncodes:\n  - {id: s, name: S, key: s, counts_as: mistake}\n",
			"study.yaml:3:41: counts_as 'mistake': must be one of observation, error, "
			"intervention, system"},
		{"tasks: []\n", "study.yaml:1:1: the key 'study' is missing"},
		{"study:\n", "study.yaml:1:7: study: it is empty"},
		{"- a\n", "study.yaml:1:1: must be keys with values, of study, tasks"},
		{"study: a\nscreen: [1]\n", "study.yaml:2:9: must be keys with values, of hide"},
		{"a\n", "study.yaml:1:1: must be keys with values"},
		{"study: a\ntasks: {id: x}\n", "study.yaml:2:8: tasks: must be a list"},
		{"study: a\ntasks:\n", "study.yaml:2:7: tasks: must be a list"},
		{"study: a\ntasks:\n  - x\n",
			"study.yaml:3:5: must be keys with values, of id, title, instr"},
		{"study: [a]\n", "study.yaml:1:8: study: must be a single value, not a list"},
		{"study: a\ntasks: [a\n", "study.yaml:2:9: must be keys with values"},
		{"study: a\nscreen: {\n", "study.yaml:3:1: no YAML: "},
		{"study: \"a\n", "study.yaml:2:1: no YAML: "},
		{"study: a\n\tkeys: none\n", "study.yaml:2:"},
		{"study: &x a\n", "study.yaml:1:8: anchors"},
		{"study: a\nkeys: *x\n", "study.yaml:2:7: anchors"},
		{"study: !!binary YQ==\n", "study.yaml:1:8: anchors"},
		{"study: ! a\n", "study.yaml:1:8: anchors"},
		{"study: a\ntasks: &t [{id: x, title: y}]\n", "study.yaml:2:8: anchors"},
		{"study: a\n? [a, b]\n: c\n", "study.yaml:2:3: a key must be a word, not a list"},
		{"study: a\n<<: {keys: none}\n", "study.yaml:2:1: unexpected key '<<'"},
		{"study: a\n---\nstudy: b\n", "study.yaml:2:1: a study is one document"},
		{"", "study.yaml: the file is empty"},
		{"# nothing\n", "study.yaml: the file is empty"},
		{"study: a\nkeys: \xff\n", "study.yaml:2:7: the text: byte 16 (0xff) is not UTF-8"},
		{"study: \"a\\0b\"\n", "study.yaml:1:8: a 0 byte is not allowed in a text"},
		{"study: a\ntasks: [{id: x, title: \"\\e[31m\"}]\n",
			"study.yaml:2:24: title: byte 1 is a control character (U+001B)"},
		{"study: ../etc\n", "study.yaml:1:8: study '../etc': a name begins with"},
		{"study: <script>\n", "study.yaml:1:8: study '<script>'"},
		{"study: \"a\\u202Eb\"\n", "study.yaml:1:8: study 'a?b': a name cannot have"},
		{"study: a\nscreen:\n  hide:\n    - {x: 0, y: 0, width: -5, height: 3}\n",
			"study.yaml:4:27: width: '-5': must be a whole number"},
		{"study: a\nscreen:\n  hide:\n    - {x: 0, y: 0, width: 5, hight: 3}\n",
			"study.yaml:4:7: an area needs x, y, width and height, in pixels; "
			"'height' is missing; and 1 more"},
		{"study: a\nscreen: {hide: [{window_class: a, hight: 3}]}\n",
			"study.yaml:2:35: unexpected key 'hight': must be one of x, y, width, height, "
			"window_class, window_title, password_fields"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5}]}\n",
			"study.yaml:2:17: an area needs x, y, width and height"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5, height: 0}]}\n",
			"study.yaml:2:48: height: 0: an empty area"},
		{"study: a\nscreen: {hide: [{x: 0, y: 0, width: 5, height: 99999}]}\n",
			"study.yaml:2:48: height: 99999: no screen has more than 16384 pixels"},
		{"study: a\nscreen: {hide: [{window_class: a}, {}]}\n",
			"study.yaml:2:36: an entry of hide must be one of"},
		{"study: a\nscreen: {hide: [{window_class: a, password_fields: true}]}\n",
			"study.yaml:2:17: an entry of hide must be one of"},
		{"study: a\nscreen: {hide: [{window_title: \"\"}]}\n",
			"study.yaml:2:32: window_title: it is empty"},
		{"study: a\nscreen: {hide: [password_fields]}\n",
			"study.yaml:2:17: must be keys with values"},
		{"study: a\nscreen: {hide: [{password_fields: yes}]}\n",
			"study.yaml:2:35: password_fields: 'yes': must be true or false"},
		{"study: a\nnames: some\n",
			"study.yaml:2:8: names: 'some': must be one of none, roles, full"},
		{"study: a\nshortcuts: some\n",
			"study.yaml:2:12: shortcuts: 'some': must be true or false"},
		{"study: a\nkeys: all\n",
			"study.yaml:2:7: keys: 'all': must be one of none, counts, classes, full"},
		{"study: a\nkeys: 'none, counts'\n", "study.yaml:2:7: keys: "},
		{"study: a\nkeys: \"\"\n", "study.yaml:2:7: keys: "},
		{"study: a\ntasks:\n  - {id: x, title: y}\n  - {id: x, title: z}\n",
			"study.yaml:4:10: task 'x' is defined twice"},
		{"study: a\ntasks:\n  - {id: x, title: y, opportunities: [{id: o}, {id: o}]}\n",
			"study.yaml:3:53: opportunity 'o' is defined twice"},
		{"study: a\ntasks:\n  - {id: x y, title: y}\n",
			"study.yaml:3:10: task 'x y': an id has only letters, digits"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: r}\n",
			"study.yaml:3:27: key 'r': it is used by the pages"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: \"1\"}\n",
			"study.yaml:3:27: key '1': it must be one letter"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: ab}\n", "study.yaml:3:27: key 'ab'"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a}\n  - {id: b, name: B, key: A}\n",
			"study.yaml:4:27: key 'A': another code has it"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a}\n  - {id: a, name: B, key: b}\n",
			"study.yaml:4:10: code 'a' is defined twice"},
		{"study: a\ncodes:\n  - {id: flag, name: A, key: a}\n",
			"study.yaml:3:10: code 'flag'"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a, color: red}\n",
			"study.yaml:3:37: color 'red': must be '#' and six hex digits"},
		{"study: a\ncodes:\n  - {id: a, name: A, key: a, modifiers: [b, b]}\n",
			"study.yaml:3:45: modifier 'b' is defined twice"},
		{"study: a\nstudy_id: 12\n",
			"study.yaml:2:11: study_id '12': must be 32 hex digits"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error error = {""};
		Uxrec__Study *study;
		int r = parse(table[i].text, &study, &error);

		expect(r == -EINVAL);
		if (strncmp(error.text, table[i].wanted, strlen(table[i].wanted)) != 0)
			printf("# '%s' does not begin with '%s'\n", error.text, table[i].wanted);
		expect(strncmp(error.text, table[i].wanted, strlen(table[i].wanted)) == 0);
		expect(!strchr(error.text, '\n'));
	}
}

static void all_errors_are_listed(void)
{
	static const char text[] =
		"study: <a>\n"
		"keys: all\n"
		"shortcuts: on\n"
		"tasks:\n"
		"  - {id: x, title: X, time_limit_s: 1:30}\n"
		"  - {id: x, title: Y, colour: red}\n"
		"  - {title: Z}\n"
		"codes:\n"
		"  - {id: a, name: A, key: e, color: red}\n"
		"  - {id: b, name: B, key: b, counts_as: errors}\n"
		"broken: [\n";
	static const char *const wanted[] = {"f:1:8: study '<a>'", "f:2:7: keys: 'all'",
		"f:3:12: shortcuts: 'on'", "f:5:37: time_limit_s: '1:30'", "f:6:10: task 'x'",
		"f:6:23: unexpected key 'colour'", "f:7:5: the key 'id' is missing",
		"f:9:27: key 'e'", "f:9:37: color 'red'", "f:10:41: counts_as 'errors'",
		"f:11:1: unexpected key 'broken'", "f:12:1: no YAML: "};
	struct yaml_problems problems;
	_autofree_ char *lines = NULL;
	const char *line;
	Uxrec__Study *study;

	expect(study_read(&study, text, strlen(text), &problems) == -EINVAL);
	expect(problems.errors == ARRAY_SIZE(wanted) && problems.warnings == 0);
	lines = yaml_problems_text(&problems, "f");
	check(lines != NULL);
	line = lines;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (strncmp(line, wanted[i], strlen(wanted[i])) != 0)
			printf("# '%.60s' is not '%s'\n", line, wanted[i]);
		expect(strncmp(line, wanted[i], strlen(wanted[i])) == 0);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

/* Error texts are this program's own, with any parser. */
static void broken_yaml_is_explained_to_its_author(void)
{
	static const struct {
		const char *text, *wanted;
	} table[] = {
		{"study: a\ntasks: [{id: x\n", "',' or '}' is missing"},
		{"study: a\ntasks: [x\nkeys: none\n", "',' or ']' is missing"},
		{"study: a\ntitle: b: c\n", "a ':' where no key can be"},
		{"study: a\n\tkeys: none\n", "indent with spaces"},
		{"study: a\n  keys: none\n", "a ':' where no key can be"},
		{"study: a\nkeys\ntasks: []\n", "a key without ':'"},
		{"study: @a\n", "put the text in quotes"},
		{"study: \"a\\q\"\n", "that is no escape"},
		{"study: \"a\n", "its closing quote is missing"},
		{"study: a\ntasks:\n  - {id: x, title: y}\n  z: 1\n", "begins with '-'"},
		{"study: a - b\n - c: d\n", "where no"},
		{"%YAML 7\n", "check indentation, quotes and brackets"},
	};
	static const char *const foreign[] = {
		"did not find", "could not find", "found", "while", "expected", "token", "scalar"};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct yaml_problems problems;
		_autofree_ char *lines = NULL;
		Uxrec__Study *study;
		bool good;

		expect(study_read(&study, table[i].text, strlen(table[i].text), &problems) ==
			-EINVAL);
		lines = yaml_problems_text(&problems, "f");
		good = lines && strncmp(lines, "f:", 2) == 0 && strstr(lines, table[i].wanted);
		for (size_t k = 0; k < ARRAY_SIZE(foreign); k++)
			good = good && !strstr(strstr(lines, "no YAML"), foreign[k]);
		if (!good)
			printf("# %s: %s\n", table[i].text, lines);
		expect(good);
	}
}

static void more_errors_than_are_listed_are_counted(void)
{
	struct buf text = {0};
	struct yaml_problems problems;
	_autofree_ char *lines = NULL;
	Uxrec__Study *study;

	for (int i = 0; i < 3000; i++)
		buf_put(&text, "colour: red\n", 12);
	expect(study_read(&study, (const char *)text.data, text.size_bytes, &problems) == -EINVAL);
	expect(problems.errors == 3001 && problems.count == YAML_PROBLEMS_LISTED);
	lines = yaml_problems_text(&problems, "f");
	expect(lines && strstr(lines, "\nand 2981 more"));
	buf_finish(&text);
}

static void numbers_and_words_are_what_they_look_like(void)
{
	static const char *const refused[] = {"1:30", "010", "0x10", "1e3", "+5", "-0", "5 s",
		"1_000", "1.0", "0o7", ".5", "''", "~", "4294967296", "99999999999999999999",
		"\xd9\xa1", "5s"};
	static const char text[] =
		"study: no\n"
		"version: 1.0\n"
		"consent: ~\n"
		"tasks:\n"
		"  - {id: 01, title: Yes, time_limit_s: 0}\n"
		"  - {id: no, title: 1e3, success: null, time_limit_s: 4294967295}\n"
		"codes: [{id: 0x1F, name: \"off\", key: y}, {id: n, name: 2026-11-29, key: o}]\n";
	Uxrec__Study *study;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct error error = {""};
		char whole[200];

		snprintf(whole, sizeof(whole),
			"study: a\ntasks: [{id: x, title: t, time_limit_s: %s}]\n", refused[i]);
		expect(parse(whole, &study, &error) == -EINVAL);
		if (!strstr(error.text, "must be a whole number from 0"))
			printf("# %s: '%s'\n", refused[i], error.text);
		expect(strstr(error.text, "study.yaml:2:41: time_limit_s: '") == error.text);
		expect(strstr(error.text, "must be a whole number from 0") != NULL);
	}
	check(parse(text, &study, NULL) == 0);
	expect(strcmp(study->name, "no") == 0 && strcmp(study->version, "1.0") == 0);
	expect(strcmp(study->consent_text, "~") == 0);
	expect(strcmp(study->tasks[0]->id, "01") == 0 && study->tasks[0]->time_limit_s == 0);
	expect(strcmp(study->tasks[0]->title, "Yes") == 0);
	expect(strcmp(study->tasks[1]->id, "no") == 0);
	expect(study->tasks[1]->time_limit_s == UINT32_MAX);
	expect(strcmp(study->tasks[1]->success, "null") == 0);
	expect(strcmp(study->codes[0]->id, "0x1F") == 0 && strcmp(study->codes[0]->key, "y") == 0);
	expect(strcmp(study->codes[1]->name, "2026-11-29") == 0);
	uxrec__study__free_unpacked(study, NULL);
}

/* The reader's keys are the descriptor's: including fields without a rule, and messages of other schemas. */
static void a_field_of_the_schema_is_a_key(void)
{
	static const char text[] =
		"study: a\nversion: \"2\"\nstudy_id: 0123456789abcdef0123456789abcdef\n"
		"codes:\n  - {id: a, name: A, key: a, state: true, modifiers: [left, right]}\n";
	static const char clip_text[] =
		"from_ns: 9007199254740993\nto_ns: 9223372036854775807\ntitle: no\ntags: [a, b]\n";
	static const struct yaml_schema none;
	_cleanup_(yaml_finish) struct yaml_document document = {0};
	struct yaml_problems problems = {0};
	Uxrec__Study *study;
	Uxrec__Clip *clip;

	check(parse(text, &study, NULL) == 0);
	expect(strcmp(study->version, "2") == 0 && strlen(study->study_id) == 32);
	expect(study->codes[0]->state && study->codes[0]->n_modifiers == 2);
	expect(strcmp(study->codes[0]->modifiers[1], "right") == 0);
	uxrec__study__free_unpacked(study, NULL);

	check(yaml_read(&document, clip_text, strlen(clip_text), &problems) == 0);
	check(yaml_to_message((ProtobufCMessage **)&clip, document.root, &uxrec__clip__descriptor,
		      &none, &problems) == 0);
	expect(problems.errors == 0);
	expect(clip->from_ns == 9007199254740993 && clip->to_ns == INT64_MAX);
	expect(strcmp(clip->title, "no") == 0 && clip->n_tags == 2);
	uxrec__clip__free_unpacked(clip, NULL);
}

static void encodings_of_editors_are_read(void)
{
	Uxrec__Study *study;

	check(parse("\xef\xbb\xbfstudy: a\r\ntasks:\r\n  - {id: x, title: Ma\xcc\x88rz}\r\n",
		      &study, NULL) == 0);
	expect(study->n_tasks == 1 && strcmp(study->name, "a") == 0);
	uxrec__study__free_unpacked(study, NULL);
	/* names are normalised */
	check(parse("study: \" Pru\xcc\x88"
		    "fung  1 \"\n",
		      &study, NULL) == 0);
	expect(strcmp(study->name,
		       "Pr\xc3\xbc"
		       "fung 1") == 0);
	uxrec__study__free_unpacked(study, NULL);
	expect(study_parse(&study, "\xff\xfes\0t\0", 6, "x", NULL) == -EINVAL);
	expect(study_parse(&study, "study: a\0b\n", 11, "x", NULL) == -EINVAL);
}

static void what_counts_otherwise_than_it_reads_is_a_warning(void)
{
	static const char text[] =
		"study: a\n"
		"codes:\n"
		"  - {id: a, name: A, key: a, error_type: slip}\n"
		"  - {id: b, name: B, key: b, assist_level: hint}\n";
	struct yaml_problems problems;
	Uxrec__Study *study;

	check(study_read(&study, text, strlen(text), &problems) == 0);
	expect(problems.errors == 0 && problems.warnings == 4 && problems.count == 4);
	expect(problems.listed[0].line == 0 && strstr(problems.listed[0].text, "no tasks"));
	expect(problems.listed[1].line == 3 && problems.listed[1].column == 3);
	expect(strstr(problems.listed[1].text, "no code has"));
	expect(problems.listed[2].line == 3 && problems.listed[2].column == 42);
	expect(problems.listed[3].line == 4 && problems.listed[3].warning);
	uxrec__study__free_unpacked(study, NULL);
}

static void hostile_files_take_no_time(void)
{
	static const struct {
		const char *begin, *again, *end;
		size_t count;
	} table[] = {
		{"study: ", "[", "", 60000},
		{"study: ", "{a: ", "", 30000},
		{"", "- ", "", 60000},
		{"", "a:\n", "", 40000},
		{"", "? ", "", 60000},
		{"study: a\ntasks: [", "{id: a},", "]", 16000},
		{"study: a\ncodes: [", "{}, ", "]", 30000},
		{"study: a\ntasks: [{id: a, title: b, opportunities: [", "{id: o},", "]}]", 999},
		{"study: \"", "\\u4e00", "\"\n", 20000},
		{"study: ", "&a ", "b\n", 40000},
		{"study: ", "!a ", "b\n", 40000},
		{"%YAML 1.1\n", "%TAG ! tag:x,2000:\n", "---\nstudy: a\n", 6000},
		{"study: '", "a\n", "'\n", 60000},
		{"", "a: &x [*x, ", "", 10000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct buf text = {0};
		Uxrec__Study *study;
		int64_t begin_ns = clock_now_ns();

		buf_put(&text, table[i].begin, strlen(table[i].begin));
		for (size_t k = 0; k < table[i].count; k++)
			buf_put(&text, table[i].again, strlen(table[i].again));
		buf_put(&text, table[i].end, strlen(table[i].end));
		expect(study_parse(&study, (const char *)text.data, text.size_bytes, "x", NULL) ==
			-EINVAL);
		/* a second on an idle machine: quadratic parsing would take minutes */
		expect(clock_now_ns() - begin_ns < 60 * NS_PER_S);
		if (clock_now_ns() - begin_ns > NS_PER_S)
			printf("# row %zu: %lld ms\n", i,
				(long long)(clock_now_ns() - begin_ns) / 1000000);
		buf_finish(&text);
	}
}

/* A new field of study.proto needs its line in the manual: each key is there as *key*. */
static void name_in_manual(const char *manual, const char *keys)
{
	char list[400], *rest;

	snprintf(list, sizeof(list), "%s", keys);
	for (char *key = strtok_r(list, ", ", &rest); key; key = strtok_r(NULL, ", ", &rest)) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "*%s", key);
		if (!strstr(manual, wanted))
			printf("# uxrec-study.5.scd lacks %s\n", key);
		expect(strstr(manual, wanted) != NULL);
	}
}

static void manual_has_every_key_and_word(void)
{
	static const ProtobufCMessageDescriptor *const messages[] = {&uxrec__study__descriptor,
		&uxrec__study__hide__descriptor, &uxrec__study__task__descriptor,
		&uxrec__study__opportunity__descriptor, &uxrec__study__code__descriptor};
	static const ProtobufCEnumDescriptor *const enums[] = {&uxrec__study__counts_as__descriptor,
		&uxrec__study__error_type__descriptor, &uxrec__study__assist_level__descriptor};
	_autofree_ char *manual = NULL;
	char keys[400];

	check(file_read_whole("replay/study/uxrec-study.5.scd", 100000, &manual, NULL) > 0);
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		yaml_name_keys(keys, sizeof(keys), messages[i], NULL, study_schema());
		expect(*keys);
		name_in_manual(manual, keys);
	}
	yaml_name_keys(keys, sizeof(keys), messages[0], "screen", study_schema());
	expect(strcmp(keys, "hide") == 0);
	for (size_t i = 0; i < ARRAY_SIZE(enums); i++)
		for (unsigned k = 0; k < enums[i]->n_values; k++)
			name_in_manual(manual, enum_text(enums[i], enums[i]->values[k].value).text);
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
	{"hidden areas of a study are read", what_is_hidden_is_read},
	{"a minimal study has the default code book", least_study_has_the_usual_code_book},
	{"errors have line, column and the allowed values",
		errors_have_their_place_and_what_is_allowed},
	{"all errors of a file are listed", all_errors_are_listed},
	{"broken YAML is explained to the author of the file",
		broken_yaml_is_explained_to_its_author},
	{"errors beyond those listed are counted", more_errors_than_are_listed_are_counted},
	{"numbers are plain digits, and texts stay texts",
		numbers_and_words_are_what_they_look_like},
	{"a field of the schema is a key of the file", a_field_of_the_schema_is_a_key},
	{"byte order marks, line ends and compositions of editors are read",
		encodings_of_editors_are_read},
	{"codes and tasks that count otherwise than they read get a warning",
		what_counts_otherwise_than_it_reads_is_a_warning},
	{"hostile files are refused at once", hostile_files_take_no_time},
	{"the manual has every key and word", manual_has_every_key_and_word},
	{"any text is survived", any_text_is_survived},
};

int main(void)
{
	return RUN_TESTS("study", tests);
}
