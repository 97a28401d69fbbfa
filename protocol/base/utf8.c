#include "protocol/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t utf8_decode(const char *text, uint32_t *ret_point)
{
	const unsigned char *at = (const unsigned char *)text;
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80     ? 1
		: (at[0] & 0xe0) == 0xc0 ? 2
		: (at[0] & 0xf0) == 0xe0 ? 3
		: (at[0] & 0xf8) == 0xf0 ? 4
					 : 0;
	uint32_t point;

	*ret_point = at[0];
	if (length < 2)
		return length;
	point = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fu);
	}
	if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0; /* overlong or surrogate */
	*ret_point = point;
	return length;
}

bool utf8_is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
		(point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

bool utf8_is_shown(uint32_t point)
{
	static const struct {
		uint32_t from, to;
	} hidden[] = {
		{0xad, 0xad},        /* soft hyphen */
		{0x61c, 0x61c},      /* Arabic letter mark */
		{0x200b, 0x200b},    /* zero width space */
		{0x200e, 0x200f},    /* direction marks */
		{0x2028, 0x202e},    /* line and paragraph separators, embeddings, overrides */
		{0x2060, 0x206f},    /* word joiner, invisible operators, isolates, digit shapes */
		{0xfeff, 0xfeff},    /* byte order mark */
		{0xfff0, 0xfffb},    /* annotations */
		{0xe0000, 0xe0fff},  /* tags, supplementary variation selectors */
		{0xf0000, 0x10ffff}, /* private use */
	};

	if (utf8_is_control(point) || (point & 0xfffe) == 0xfffe)
		return false;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (point >= hidden[i].from && point <= hidden[i].to)
			return false;
	return true;
}

size_t utf8_valid_bytes(const char *text, size_t size_bytes)
{
	size_t at = 0;

	while (at < size_bytes) {
		char next[5] = "";
		uint32_t point;
		size_t length;

		memcpy(next, text + at, size_bytes - at < 4 ? size_bytes - at : 4);
		length = *next ? utf8_decode(next, &point) : 0;
		if (length == 0)
			return at;
		at += length;
	}
	return at;
}

bool utf8_is_valid(const char *text)
{
	size_t size_bytes = strlen(text);

	return utf8_valid_bytes(text, size_bytes) == size_bytes;
}

void utf8_clean(char *text, bool names)
{
	char *to = text;

	while (*text) {
		uint32_t point;
		size_t length = utf8_decode(text, &point);

		if (length == 0 || (names && utf8_is_control(point))) {
			*to++ = '?';
			text += length ? length : 1;
			continue;
		}
		memmove(to, text, length);
		to += length;
		text += length;
	}
	*to = '\0';
}

void utf8_trim(char *text)
{
	size_t length = strlen(text), begin = length;
	uint32_t point;

	while (begin > 0 && length - begin < 3 && ((unsigned char)text[begin - 1] & 0xc0) == 0x80)
		begin--;
	if (begin > 0 && (unsigned char)text[begin - 1] >= 0xc0 &&
		utf8_decode(text + begin - 1, &point) == 0)
		text[begin - 1] = '\0';
}

void utf8_copy(char *ret, size_t room, const char *text)
{
	utf8_format(ret, room, "%s", text ? text : "");
}

void utf8_format(char *ret, size_t room, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(ret, room, format, args);
	va_end(args);
	if (length < 0)
		*ret = '\0';
	else if ((size_t)length >= room)
		utf8_trim(ret);
	utf8_clean(ret, true);
}
