#include "protocol/base/terminal.h"

#include "protocol/base/utf8.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wchar.h>

/* Fallback for a locale that is named but not installed: check its name. */
static bool name_has_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *name = NULL;

	for (size_t i = 0; i < 3 && (!name || !*name); i++)
		name = getenv(variables[i]);
	name = name ? strchr(name, '.') : NULL;
	return name && (strncasecmp(name, ".utf-8", 6) == 0 || strncasecmp(name, ".utf8", 5) == 0);
}

bool terminal_is_utf8(void)
{
	static _Atomic int known; /* 0: unset, 1: no, 2: yes */
	locale_t locale;

	if (known == 0) {
		locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
		known = 1 +
			(locale ? strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0
				: name_has_utf8());
		if (locale)
			freelocale(locale);
	}
	return known == 2;
}

size_t terminal_copy(char *ret, size_t room, const char *text, bool ascii)
{
	const char *at = text;

	while (*at) {
		uint32_t point;
		size_t length = utf8_decode(at, &point);
		bool shown = length > 0 && utf8_is_shown(point) && !(ascii && point >= 0x80);
		size_t needed = shown ? length : 1;

		if (needed + 1 > room)
			break;
		if (shown)
			memcpy(ret, at, length);
		else
			*ret = '?';
		ret += needed;
		room -= needed;
		at += length ? length : 1;
	}
	*ret = '\0';
	return (size_t)(at - text);
}

/* wcwidth(3) in this locale has the widths of all scripts; without it a character counts as one column. */
unsigned terminal_columns(const char *text)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = locale ? uselocale(locale) : (locale_t)0;
	unsigned columns = 0;
	uint32_t point;

	for (size_t length; *text; text += length ? length : 1) {
		int width;

		length = utf8_decode(text, &point);
		width = !locale || point < 0x80 ? 1 : wcwidth((wchar_t)point);
		columns += width < 0 ? 1 : (unsigned)width;
	}
	if (locale) {
		uselocale(before);
		freelocale(locale);
	}
	return columns;
}

void terminal_write(const char *text)
{
	bool ascii = !terminal_is_utf8() && isatty(STDOUT_FILENO);
	char part[1024];

	while (*text) {
		size_t line = strcspn(text, "\n"), taken;

		if (line == 0) {
			putchar(' ');
			text++;
			continue;
		}
		/* up to the end of the line, limited by the room */
		taken = terminal_copy(
			part, line < sizeof(part) - 1 ? line + 1 : sizeof(part), text, ascii);
		fputs(part, stdout);
		text += taken;
	}
}

struct terminal_cell terminal_cell(const char *text, unsigned columns)
{
	struct text_quoted quoted = text_quote(text);
	struct terminal_cell cell;
	unsigned used = terminal_columns(quoted.text);

	snprintf(cell.text, sizeof(cell.text), "%s%*s", quoted.text,
		used < columns ? (int)(columns - used) : 0, "");
	return cell;
}

/* ---- quoting ---- */

static bool text_is_ascii;

void terminal_init(void)
{
	text_is_ascii = !terminal_is_utf8();
}

struct text_quoted text_quote(const char *text)
{
	struct text_quoted quoted = {""};
	size_t taken = 0;

	if (text)
		taken = terminal_copy(quoted.text, sizeof(quoted.text) - 3, text, text_is_ascii);
	if (text && text[taken])
		strcat(quoted.text, "...");
	return quoted;
}
