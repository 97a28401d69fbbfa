#include "replay/base/yaml.h"

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"
#include "protocol/message_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* The deepest study has six levels. */
#define DEPTH_LIMIT 16

/* ---- problems ---- */

static void __attribute__((format(printf, 5, 0))) note(struct yaml_problems *problems,
	unsigned line, unsigned column, bool warning, const char *format, va_list args)
{
	struct yaml_problem *problem;

	(*(warning ? &problems->warnings : &problems->errors))++;
	problem = &problems->listed[problems->count];
	/* An error replaces a listed warning. */
	if (problems->count == YAML_PROBLEMS_LISTED) {
		problem = problems->listed;
		while (problem < problems->listed + problems->count && !problem->warning)
			problem++;
		if (warning || problem == problems->listed + problems->count)
			return;
	} else {
		problems->count++;
	}
	problem->line = line;
	problem->column = column;
	problem->warning = warning;
	if (vsnprintf(problem->text, sizeof(problem->text), format, args) >=
		(int)sizeof(problem->text))
		utf8_trim(problem->text);
	utf8_clean(problem->text, true);
}

void yaml_error(struct yaml_problems *problems, struct yaml_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(problems, node ? node->line : 0, node ? node->column : 0, false, format, args);
	va_end(args);
	if (node)
		node->bad = true;
}

void yaml_warn(
	struct yaml_problems *problems, const struct yaml_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(problems, node ? node->line : 0, node ? node->column : 0, true, format, args);
	va_end(args);
}

static void __attribute__((format(printf, 3, 4)))
note_at(struct yaml_problems *problems, yaml_mark_t mark, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(problems, (unsigned)mark.line + 1, (unsigned)mark.column + 1, false, format, args);
	va_end(args);
}

static int compare(const void *a, const void *b)
{
	const struct yaml_problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

void yaml_problems_sort(struct yaml_problems *problems)
{
	qsort(problems->listed, problems->count, sizeof(*problems->listed), compare);
}

void yaml_problem_place(
	char *ret, size_t room, const char *file_name, const struct yaml_problem *problem)
{
	if (problem->line)
		utf8_format(ret, room, "%s:%u:%u", file_name, problem->line, problem->column);
	else
		utf8_format(ret, room, "%s", file_name);
}

char *yaml_problems_text(const struct yaml_problems *problems, const char *file_name)
{
	_cleanup_(buf_finish) struct buf text = {0};
	size_t listed = 0;
	char line[1024];

	for (size_t i = 0; i < problems->count; i++) {
		const struct yaml_problem *problem = &problems->listed[i];
		char place[600];

		if (problem->warning)
			continue;
		yaml_problem_place(place, sizeof(place), file_name, problem);
		utf8_format(line, sizeof(line), "%s: %s", place, problem->text);
		if (listed++ > 0)
			buf_put(&text, "\n", 1);
		buf_put(&text, line, strlen(line));
	}
	if (problems->errors > listed) {
		snprintf(line, sizeof(line), "\nand %zu more", problems->errors - listed);
		buf_put(&text, line, strlen(line));
	}
	buf_put_u8(&text, 0);
	return buf_error(&text) < 0 ? NULL : (char *)steal_ptr(text.data);
}

/* ---- the tree ---- */

struct builder {
	struct yaml_document *document;
	struct yaml_problems *problems;
	struct yaml_node *open[DEPTH_LIMIT]; /* from the root */
	size_t depth;
	bool ended; /* end of document seen */
};

static struct yaml_node *add_node(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark)
{
	struct yaml_node *node = calloc(1, sizeof(*node)), *parent;

	if (!node)
		return NULL;
	node->kind = kind;
	node->line = (unsigned)mark.line + 1;
	node->column = (unsigned)mark.column + 1;
	node->read_before = builder->document->nodes;
	builder->document->nodes = node;
	if (builder->depth == 0) {
		builder->document->root = node;
		return node;
	}
	parent = builder->open[builder->depth - 1];
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	return node;
}

/* The tree supports only scalar keys. */
static bool is_key(const struct builder *builder)
{
	const struct yaml_node *parent =
		builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;

	return parent && parent->kind == YAML_MAPPING && parent->count % 2 == 0;
}

static int handle_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	struct yaml_node *node = add_node(builder, YAML_SCALAR, event->start_mark);

	if (!node)
		return -ENOMEM;
	node->whole = true;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = strndup(text, event->data.scalar.length);
	if (!node->text)
		return -ENOMEM;
	if (strlen(node->text) < event->data.scalar.length)
		yaml_error(builder->problems, node, "a 0 byte is not allowed in a text");
	if (event->data.scalar.anchor || event->data.scalar.tag)
		yaml_error(builder->problems, node,
			"anchors (&), aliases (*) and tags (!) are not supported: write the text "
			"itself, in quotes if it begins so");
	return 1;
}

/* @return 1, 0 to stop reading, or -ENOMEM */
static int handle_begin(struct builder *builder, const yaml_event_t *event)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	const yaml_char_t *anchor =
		list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
	const yaml_char_t *tag =
		list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
	struct yaml_node *node;

	if (is_key(builder)) {
		note_at(builder->problems, event->start_mark, "a key must be a word, not a %s",
			list ? "list" : "mapping");
		return 0;
	}
	if (builder->depth == DEPTH_LIMIT) {
		note_at(builder->problems, event->start_mark,
			"more than %d nested lists and mappings", DEPTH_LIMIT);
		return 0;
	}
	node = add_node(builder, list ? YAML_LIST : YAML_MAPPING, event->start_mark);
	if (!node)
		return -ENOMEM;
	if (anchor || tag)
		yaml_error(builder->problems, node,
			"anchors (&), aliases (*) and tags (!) are not read");
	builder->open[builder->depth++] = node;
	return 1;
}

/* @return 1, 0 to stop reading, or -ENOMEM */
static int handle_event(struct builder *builder, const yaml_event_t *event)
{
	struct yaml_node *node;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (builder->ended)
			note_at(builder->problems, event->start_mark,
				"a study is one document: a second one begins here");
		return !builder->ended;
	case YAML_DOCUMENT_END_EVENT: builder->ended = true; return 1;
	case YAML_SCALAR_EVENT: return handle_scalar(builder, event);
	case YAML_ALIAS_EVENT:
		node = add_node(builder, YAML_SCALAR, event->start_mark);
		if (!node)
			return -ENOMEM;
		node->text = strdup("");
		yaml_error(builder->problems, node,
			"anchors (&), aliases (*) and tags (!) are not supported: write the value "
			"itself");
		return node->text ? 1 : -ENOMEM;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT: return handle_begin(builder, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: builder->open[--builder->depth]->whole = true; return 1;
	case YAML_STREAM_END_EVENT: return 0;
	default: return 1;
	}
}

/* Messages for the author of a study file, by a substring of libyaml's message; the first match counts. */
static const struct {
	const char *part, *text;
} syntax_errors[] = {
	{"expected ',' or ']'", "a list that begins with [ is not closed: ',' or ']' is missing"},
	{"expected ',' or '}'", "a group that begins with { is not closed: ',' or '}' is missing"},
	{"expected ':'", "a key without ':' behind it"},
	{"expected key", "a key is missing here: keys of one group begin in the same column"},
	{"'-' indicator",
		"an entry of this list is missing: each begins with '-', in the same column"},
	{"mapping values are not allowed",
		"a ':' where no key can be: put the text in quotes, or fix the indentation"},
	{"block sequence entries are not allowed",
		"a '-' where no entry of a list can be: it begins a line of its own"},
	{"cannot start any token",
		"a tab, or a sign that begins no value: put the text in quotes, and "
		"indent with spaces"},
	{"tab character", "a tab: indent with spaces"},
	{"unexpected end of stream", "the file ends inside a text: its closing quote is missing"},
	{"unexpected document indicator",
		"a line of '---' or '...' inside a text: its closing quote is missing"},
	{"escape",
		"a \\ in a text in double quotes that is no escape: write \\\\, or take single "
		"quotes"},
	{"expected hexdecimal number",
		"a \\ in a text in double quotes that is no escape: write \\\\"},
	{"<document start>", "the file goes on behind its end: it is one group of keys"},
	{"node content", "a value is missing here"},
	{"tag", "a '!' that begins no value here: put the text in quotes"},
	{"directive", "a '%' that begins no line here: put the text in quotes"},
	{"control characters", "a control character"},
};

static const char *explain_syntax_error(const char *problem)
{
	for (size_t i = 0; problem && i < ARRAY_SIZE(syntax_errors); i++)
		if (strstr(problem, syntax_errors[i].part))
			return syntax_errors[i].text;
	return "cannot be parsed from here on: check indentation, quotes and brackets";
}

static void report_syntax_error(const yaml_parser_t *parser, struct yaml_problems *problems)
{
	yaml_mark_t mark = parser->problem_mark.line || parser->problem_mark.column
		? parser->problem_mark
		: parser->context_mark;

	note_at(problems, mark, "no YAML: %s", explain_syntax_error(parser->problem));
}

/* @return false, with a problem noted, for a byte that is not allowed in text */
static bool check_bytes(const char *text, size_t size_bytes, struct yaml_problems *problems)
{
	size_t valid = utf8_valid_bytes(text, size_bytes);
	yaml_mark_t mark = {0};
	struct error error;

	if (valid == size_bytes)
		return true;
	for (size_t i = 0; i < valid; i++) {
		mark.column += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	text_check("the text", text, size_bytes, &error);
	note_at(problems, mark, "%s", error.text);
	return false;
}

int yaml_read(struct yaml_document *ret, const char *text, size_t size_bytes,
	struct yaml_problems *problems)
{
	struct builder builder = {.document = ret, .problems = problems};
	yaml_parser_t parser;
	yaml_event_t event;
	int r = 1;

	*ret = (struct yaml_document){0};
	if (size_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		size_bytes -= 3;
	}
	if (!check_bytes(text, size_bytes, problems))
		return 0;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size_bytes);
	while (r > 0) {
		if (!yaml_parser_parse(&parser, &event)) {
			if (parser.error == YAML_MEMORY_ERROR)
				r = -ENOMEM;
			else
				report_syntax_error(&parser, problems);
			break;
		}
		r = handle_event(&builder, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return r < 0 ? r : 0;
}

void yaml_finish(struct yaml_document *document)
{
	for (struct yaml_node *node = document->nodes, *before; node; node = before) {
		before = node->read_before;
		free(node->text);
		free(node);
	}
	*document = (struct yaml_document){0};
}

struct yaml_node *yaml_find(const struct yaml_node *node, const char *key)
{
	if (!node || node->kind != YAML_MAPPING)
		return NULL;
	for (struct yaml_node *at = node->first; at && at->next; at = at->next->next)
		if (strcmp(at->text, key) == 0)
			return at->next;
	return NULL;
}
