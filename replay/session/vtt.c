#include "replay/session/vtt.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT 0xfffd
#define NBSP        0xa0

/* ---- cues ---- */

void vtt_destroy(struct vtt *vtt)
{
	if (!vtt)
		return;
	for (size_t i = 0; i < vtt->count; i++) {
		free(vtt->cues[i].speaker);
		free(vtt->cues[i].text);
	}
	free(vtt->cues);
	free(vtt);
}

int vtt_add(struct vtt *vtt, const struct vtt_cue *cue)
{
	struct vtt_cue copy = {cue->from_ns, cue->to_ns, NULL, NULL, vtt->count};

	if (vtt->count == TRANSCRIPT_CUES_LIMIT)
		return -EFBIG;
	if (!array_grow(vtt->cues, vtt->count))
		return -ENOMEM;
	copy.speaker = strdup(cue->speaker);
	copy.text = strdup(cue->text);
	if (!copy.speaker || !copy.text) {
		free(copy.speaker);
		free(copy.text);
		return -ENOMEM;
	}
	vtt->cues[vtt->count++] = copy;
	return 0;
}

static int cue_compare(const void *a, const void *b)
{
	const struct vtt_cue *x = a, *y = b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

void vtt_sort(struct vtt *vtt)
{
	if (vtt->count > 1)
		qsort(vtt->cues, vtt->count, sizeof(*vtt->cues), cue_compare);
	for (size_t i = 0; i < vtt->count; i++)
		vtt->cues[i].number = i;
}

/* ---- lines ---- */

struct line {
	const char *text;
	size_t length;
};

struct parser {
	struct vtt *vtt;
	const char *at, *end, *name;
	struct line line;          /* the current line */
	unsigned number;           /* of the current line, from 1; 0 before the first */
	struct vtt_faults *faults; /* NULL: the first fault is an error */
	struct error *error;
};

/* @return 0 to continue reading, or -EINVAL */
static int fault(const struct parser *parser, unsigned line, const char *why)
{
	struct vtt_faults *faults = parser->faults;
	size_t at;

	if (!faults)
		return error_set(
			parser->error, -EINVAL, "%s, line %u: %s", parser->name, line, why);
	at = faults->count++;
	if (at >= VTT_FAULTS_NAMED)
		return 0;
	for (; at > 0 && faults->named[at - 1].line > line; at--)
		faults->named[at] = faults->named[at - 1];
	faults->named[at].line = line;
	faults->named[at].why = why;
	return 0;
}

/* Lines end with CR LF, LF or CR. @return false at the end */
static bool next_line(struct parser *parser)
{
	const char *at = parser->at;

	if (at == parser->end)
		return false;
	while (at < parser->end && *at != '\n' && *at != '\r')
		at++;
	parser->line = (struct line){parser->at, (size_t)(at - parser->at)};
	if (at < parser->end)
		at += *at == '\r' && at + 1 < parser->end && at[1] == '\n' ? 2 : 1;
	parser->at = at;
	parser->number++;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool line_is_empty(struct line line)
{
	for (size_t i = 0; i < line.length; i++)
		if (!is_blank(line.text[i]))
			return false;
	return true;
}

static bool line_begins(struct line line, const char *word)
{
	size_t length = strlen(word);

	return line.length >= length && memcmp(line.text, word, length) == 0 &&
		(line.length == length || is_blank(line.text[length]));
}

static bool line_is(struct line line, const char *word)
{
	size_t length = strlen(word);

	return line_begins(line, word) &&
		line_is_empty((struct line){line.text + length, line.length - length});
}

static bool line_has_arrow(struct line line)
{
	return line.length >= 3 && memmem(line.text, line.length, "-->", 3);
}

static void skip_block(struct parser *parser)
{
	while (next_line(parser) && !line_is_empty(parser->line))
		continue;
}

/* ---- times ---- */

/* Digits at the front of a line. @return their number */
static size_t parse_digits(struct line *line, int64_t *ret)
{
	size_t count = 0;

	*ret = 0;
	while (count < line->length && isdigit((unsigned char)line->text[count]) && count < 9)
		*ret = *ret * 10 + (line->text[count++] - '0');
	line->text += count;
	line->length -= count;
	return count;
}

static bool consume_char(struct line *line, char c)
{
	if (line->length == 0 || *line->text != c)
		return false;
	line->text++;
	line->length--;
	return true;
}

static void skip_blanks(struct line *line)
{
	while (line->length > 0 && is_blank(*line->text))
		consume_char(line, *line->text);
}

/* ".5", ",500", ".500123", or nothing */
static bool parse_fraction(struct line *line, int64_t *ret_ms)
{
	int64_t digit = 0, unit = 100;

	*ret_ms = 0;
	if (!consume_char(line, '.') && !consume_char(line, ','))
		return true;
	if (line->length == 0 || !isdigit((unsigned char)*line->text))
		return false;
	for (; line->length > 0 && isdigit((unsigned char)*line->text); unit /= 10) {
		digit = *line->text - '0';
		*ret_ms += digit * unit;
		consume_char(line, *line->text);
	}
	return true;
}

/* "mm:ss.mmm" or "hh:mm:ss.mmm", and common deviations: "1:00:00.000", "0:01.5", "00:01", "00:00:01,000" */
static bool parse_time(struct line *line, int64_t *ret_ns)
{
	int64_t parts[3] = {0}, ms;

	if (parse_digits(line, &parts[1]) == 0 || !consume_char(line, ':') ||
		parse_digits(line, &parts[2]) == 0)
		return false;
	if (consume_char(line, ':')) {
		parts[0] = parts[1];
		parts[1] = parts[2];
		if (parse_digits(line, &parts[2]) == 0)
			return false;
	}
	if (!parse_fraction(line, &ms) || parts[0] >= TRANSCRIPT_HOURS_LIMIT || parts[1] > 59 ||
		parts[2] > 59)
		return false;
	*ret_ns = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * NS_PER_S + ms * NS_PER_MS;
	return true;
}

/* @return the reason for an invalid timing line, or NULL with the times set */
static const char *read_times(struct line line, struct vtt_cue *cue)
{
	bool good;

	skip_blanks(&line);
	good = parse_time(&line, &cue->from_ns);
	skip_blanks(&line);
	good = good && consume_char(&line, '-') && consume_char(&line, '-') &&
		consume_char(&line, '>');
	skip_blanks(&line);
	good = good && parse_time(&line, &cue->to_ns) &&
		(line.length == 0 || is_blank(*line.text)); /* settings follow */
	if (!good)
		return "times are written 00:01:02.500 --> 00:01:04.000";
	return cue->to_ns < cue->from_ns ? "the cue ends before it begins" : NULL;
}

/* ---- text ---- */

static void put_point(struct buf *out, uint32_t point)
{
	unsigned char bytes[4];

	if (point < 0x80) {
		buf_put_u8(out, (uint8_t)point);
		return;
	}
	if (point < 0x800) {
		bytes[0] = (unsigned char)(0xc0 | point >> 6);
		bytes[1] = (unsigned char)(0x80 | (point & 63));
		buf_put(out, bytes, 2);
		return;
	}
	if (point < 0x10000) {
		bytes[0] = (unsigned char)(0xe0 | point >> 12);
		bytes[1] = (unsigned char)(0x80 | (point >> 6 & 63));
		bytes[2] = (unsigned char)(0x80 | (point & 63));
		buf_put(out, bytes, 3);
		return;
	}
	bytes[0] = (unsigned char)(0xf0 | point >> 18);
	bytes[1] = (unsigned char)(0x80 | (point >> 12 & 63));
	bytes[2] = (unsigned char)(0x80 | (point >> 6 & 63));
	bytes[3] = (unsigned char)(0x80 | (point & 63));
	buf_put(out, bytes, 4);
}

/* A character for display on terminals: without controls, repeated spaces and repeated line ends. */
static void put_shown(struct buf *out, uint32_t point)
{
	unsigned char before = out->size_bytes ? out->data[out->size_bytes - 1] : '\n';

	if (point != '\n' && utf8_is_control(point))
		point = ' ';
	if (point == '\n' && before == ' ') {
		buf_cut(out, out->size_bytes - 1);
		before = out->size_bytes ? out->data[out->size_bytes - 1] : '\n';
	}
	if ((point == ' ' && (before == ' ' || before == '\n')) ||
		(point == '\n' && before == '\n'))
		return;
	put_point(out, point);
}

static void trim_end(struct buf *text)
{
	while (text->size_bytes > 0 &&
		(text->data[text->size_bytes - 1] == ' ' ||
			text->data[text->size_bytes - 1] == '\n'))
		buf_cut(text, text->size_bytes - 1);
}

/* "&#8211;", "&#x2013;". @return its length, 0 when invalid */
static size_t parse_number(const char *at, size_t length, uint32_t *ret)
{
	bool hex = length > 2 && (at[2] == 'x' || at[2] == 'X');
	size_t first = hex ? 3 : 2, i = first;
	uint32_t point = 0;

	for (; i < length && (hex ? isxdigit((unsigned char)at[i]) : isdigit((unsigned char)at[i]));
		i++) {
		uint32_t digit = (uint32_t)(isdigit((unsigned char)at[i])
				? at[i] - '0'
				: tolower((unsigned char)at[i]) - 'a' + 10);

		point = point > 0x10ffff ? point : point * (hex ? 16 : 10) + digit;
	}
	if (i == first || i == length || at[i] != ';')
		return 0;
	if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		point = REPLACEMENT;
	*ret = point == '\n' ? ' ' : point;
	return i + 1;
}

/* @return the length of a character reference, 0 for a plain "&" */
static size_t parse_reference(const char *at, size_t length, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t point;
	} table[] = {
		{"&amp;", '&'},
		{"&lt;", '<'},
		{"&gt;", '>'},
		{"&quot;", '"'},
		{"&apos;", '\''},
		{"&nbsp;", NBSP},
		{"&lrm;", VTT_LRM},
		{"&rlm;", VTT_RLM},
	};

	if (length > 2 && at[1] == '#')
		return parse_number(at, length, ret);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t name_length = strlen(table[i].name);

		if (length >= name_length && memcmp(at, table[i].name, name_length) == 0) {
			*ret = table[i].point;
			return name_length;
		}
	}
	return 0;
}

/* Text without tags; the whole file is validated as UTF-8. */
static void put_text(struct buf *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		uint32_t point;
		size_t taken = text[i] == '&' ? parse_reference(text + i, length - i, &point) : 0;

		if (taken == 0)
			taken = utf8_decode(text + i, &point);
		put_shown(out, point);
		i += taken;
	}
}

/* @return true when "<" begins a tag, false for a plain "<" */
static bool is_tag(const char *at, const char *end)
{
	return end && at + 1 <= end &&
		(isalnum((unsigned char)at[1]) || at[1] == '/' || at[1] == '>' || at[1] == '.');
}

/* "<v Name>", "<v.loud Name>"; @return false for any other tag */
static bool parse_voice(const char *tag, size_t length, struct buf *ret_name)
{
	size_t at = 2;

	if (length < 3 || tag[1] != 'v' || !(tag[2] == '.' || tag[2] == '\n' || is_blank(tag[2])))
		return false;
	while (at < length - 1 && tag[at] != '\n' && !is_blank(tag[at]))
		at++;
	buf_clear(ret_name);
	put_text(ret_name, tag + at, length - 1 - at);
	for (size_t i = 0; i < ret_name->size_bytes; i++)
		if (ret_name->data[i] == '\n')
			ret_name->data[i] = ' ';
	trim_end(ret_name);
	return true;
}

/* ---- cues of a file ---- */

/* Add a cue for one voice. */
static int end_voice(struct parser *parser, struct vtt_cue *cue, struct buf *name, struct buf *text)
{
	size_t length;
	int r;

	trim_end(text);
	if (text->size_bytes == 0)
		return buf_error(text);
	if (name->size_bytes > NAME_LIMIT_BYTES) {
		r = fault(
			parser, parser->number, "the name of the speaker is longer than 100 bytes");
		if (r < 0)
			return r;
		buf_clear(name);
	}
	length = text->size_bytes;
	buf_put_u8(text, 0);
	buf_put_u8(name, 0);
	if (text->failed || name->failed)
		return -ENOMEM;
	cue->text = (char *)text->data;
	cue->speaker = (char *)name->data;
	r = vtt_add(parser->vtt, cue);
	buf_cut(text, length);
	buf_cut(name, name->size_bytes - 1);
	return r == -EFBIG ? error_set(parser->error, r, "%s: it has more than %d cues",
				     parser->name, TRANSCRIPT_CUES_LIMIT)
			   : r;
}

static int parse_text(struct parser *parser, struct vtt_cue *cue, const char *at, const char *end)
{
	_cleanup_(buf_finish) struct buf name = {0}, next = {0}, text = {0};
	const char *closing = at; /* the next ">", searched once instead of for each "<" */
	int r = 0;

	while (at < end && r == 0) {
		const char *opening = memchr(at, '<', (size_t)(end - at));

		put_text(&text, at, (size_t)((opening ? opening : end) - at));
		at = opening;
		if (!at)
			break;
		if (closing && closing <= at)
			closing = memchr(at, '>', (size_t)(end - at));
		if (!is_tag(at, closing)) {
			put_shown(&text, '<');
			at++;
			continue;
		}
		if (parse_voice(at, (size_t)(closing - at) + 1, &next)) {
			r = end_voice(parser, cue, &name, &text);
			buf_clear(&text);
			buf_clear(&name);
			buf_put(&name, next.data, next.size_bytes);
		}
		at = closing + 1;
	}
	if (r == 0 && (name.failed || next.failed))
		r = -ENOMEM;
	return r == 0 ? end_voice(parser, cue, &name, &text) : r;
}

/* The current line has the times; without valid times the text is dropped, too. */
static int parse_cue(struct parser *parser)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct vtt_cue cue = {0};
	const char *why = read_times(parser->line, &cue);
	int r = why ? fault(parser, parser->number, why) : 0;

	while (r == 0) {
		const struct parser before = *parser;

		if (!next_line(parser) || line_is_empty(parser->line))
			break;
		if (line_has_arrow(parser->line)) {
			*parser = before; /* the next cue begins, without an empty line */
			break;
		}
		buf_put(&text, parser->line.text, parser->line.length);
		buf_put_u8(&text, '\n');
	}
	buf_put_u8(&text, 0); /* terminator for utf8_decode() */
	if (r == 0)
		r = buf_error(&text);
	if (r < 0 || why)
		return r;
	return parse_text(parser, &cue, (const char *)text.data,
		(const char *)text.data + text.size_bytes - 1);
}

/* "Kind: captions", "Language: en", "X-TIMESTAMP-MAP=…": some programs write an empty line before them. */
static bool is_metadata(struct line line)
{
	size_t length = 0;

	while (length < line.length &&
		(isalpha((unsigned char)line.text[length]) || line.text[length] == '-'))
		length++;
	return length > 0 && length < line.length &&
		(line.text[length] == ':' || line.text[length] == '=');
}

/* Lines of a block without times. Before the first cue they may be metadata. */
static int parse_loose(struct parser *parser)
{
	unsigned first = parser->number, lines = 0;
	bool metadata = parser->vtt->count == 0;

	for (;;) {
		const struct parser before = *parser;

		metadata &= is_metadata(parser->line);
		lines++;
		if (!next_line(parser) || line_is_empty(parser->line))
			return metadata ? 0 : fault(parser, first, "the time of a cue is missing");
		if (!line_has_arrow(parser->line))
			continue;
		*parser = before; /* a cue begins; the line before was its id */
		return lines == 1 || metadata
			? 0
			: fault(parser, first, "the time of a cue is missing");
	}
}

/* The current line is the first of the block. */
static int parse_block(struct parser *parser)
{
	if (line_has_arrow(parser->line))
		return parse_cue(parser);
	if (line_begins(parser->line, "NOTE") || line_is(parser->line, "STYLE") ||
		line_is(parser->line, "REGION")) {
		skip_block(parser);
		return 0;
	}
	return parse_loose(parser);
}

static int parse_header(struct parser *parser)
{
	const struct parser begin = *parser;

	if (!next_line(parser) || !line_begins(parser->line, "WEBVTT")) {
		*parser = begin;
		return fault(parser, 1, "a WebVTT file begins with WEBVTT");
	}
	for (;;) {
		const struct parser before = *parser;

		if (!next_line(parser) || line_is_empty(parser->line))
			return 0;
		if (line_has_arrow(parser->line)) {
			*parser = before;
			return 0;
		}
	}
}

/* Copy the text, with invalid characters replaced by U+FFFD. */
static int copy_characters(struct buf *ret, struct parser *parser)
{
	struct parser lines = *parser;
	int r = 0;

	while (r == 0 && next_line(&lines)) {
		const char *why = NULL;

		for (size_t i = 0; i < lines.line.length;) {
			uint32_t point;
			size_t taken = utf8_decode(lines.line.text + i, &point);

			if (taken > 0 && point != 0 && taken <= lines.line.length - i) {
				buf_put(ret, lines.line.text + i, taken);
				i += taken;
				continue;
			}
			why = taken && point == 0 ? "it contains a 0 byte" : "it is not UTF-8";
			buf_put(ret, "\xef\xbf\xbd", 3);
			i++;
		}
		buf_put_u8(ret, '\n');
		if (why)
			r = fault(&lines, lines.number, why);
	}
	buf_put_u8(ret, 0);
	return r < 0 ? r : buf_error(ret);
}

static int parse_all(struct parser *parser)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int r;

	if (parser->end - parser->at >= 3 && memcmp(parser->at, "\xef\xbb\xbf", 3) == 0)
		parser->at += 3;
	r = copy_characters(&text, parser);
	if (r < 0)
		return r;
	parser->at = (const char *)text.data;
	parser->end = parser->at + text.size_bytes - 1;
	r = parse_header(parser);
	while (r == 0 && next_line(parser))
		if (!line_is_empty(parser->line))
			r = parse_block(parser);
	return r;
}

int vtt_parse(struct vtt **ret, const char *text, size_t size_bytes, const char *name,
	struct vtt_faults *ret_faults, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = calloc(1, sizeof(*vtt));
	struct vtt_faults faults = {0};
	struct parser parser = {
		vtt, text, text + size_bytes, name, {0}, 0, ret_faults ? &faults : NULL, reterr};
	int r;

	if (!vtt)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (size_bytes > TRANSCRIPT_LIMIT_BYTES)
		return error_set(reterr, -EFBIG, "%s: it is larger than %d MiB", name,
			TRANSCRIPT_LIMIT_BYTES >> 20);
	r = parse_all(&parser);
	if (r == -ENOMEM)
		error_set(reterr, r, "out of memory");
	if (r < 0)
		return r;
	/* nothing readable: not a transcript */
	if (vtt->count == 0 && faults.count > 0)
		return error_set(reterr, -EINVAL, "%s, line %u: %s", name, faults.named[0].line,
			faults.named[0].why);
	vtt_sort(vtt);
	if (ret_faults)
		*ret_faults = faults;
	*ret = steal_ptr(vtt);
	return 0;
}
