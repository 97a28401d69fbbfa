#include "protocol/name.h"

#include "protocol/base/log.h"
#include "protocol/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* @return the length of one well-formed UTF-8 sequence (RFC 3629), 0 when there is none */
static size_t utf8_length(const unsigned char *at)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80     ? 1
		: (at[0] & 0xe0) == 0xc0 ? 2
		: (at[0] & 0xf0) == 0xe0 ? 3
		: (at[0] & 0xf8) == 0xf0 ? 4
					 : 0;
	uint32_t point;

	if (length < 2)
		return length;
	point = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fu);
	}
	if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ||
		(point >= 0x80 && point < 0xa0) || (point >= 0x202a && point <= 0x202e) ||
		(point >= 0x2066 && point <= 0x2069))
		return 0; /* overlong, surrogates, controls, and what turns text around */
	return length;
}

int name_check(const char *what, const char *name, struct error *reterr)
{
	const unsigned char *at = (const unsigned char *)name;

	if (!name || !*name)
		return error_set(reterr, -EINVAL, "%s: the name is missing", what);
	if (strlen(name) > NAME_LIMIT_BYTES)
		return error_set(reterr, -EINVAL, "%s '%s': the name is longer than %d bytes", what,
			text_quote(name).text, NAME_LIMIT_BYTES);
	if (*at < 0x80 && !isalnum(*at))
		return error_set(reterr, -EINVAL, "%s '%s': a name begins with a letter or a digit",
			what, text_quote(name).text);
	while (*at) {
		size_t length = utf8_length(at);

		if (length == 0 || *at < 0x20 || *at == 0x7f || strchr("/\\<>\"`$|;*?", *at))
			return error_set(reterr, -EINVAL,
				"%s '%s': a name cannot have control characters or / \\ < > \" ` $ | "
				"; * ? in it",
				what, text_quote(name).text);
		at += length;
	}
	return 0;
}

int identifier_check(const char *what, const char *identifier, struct error *reterr)
{
	size_t length = identifier ? strlen(identifier) : 0;

	if (length == 0 || length > 64)
		return error_set(reterr, -EINVAL, "%s: an id has 1 to 64 characters", what);
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)identifier[i]) && !strchr("-_", identifier[i]))
			return error_set(reterr, -EINVAL,
				"%s '%s': an id has only letters, digits, - and _", what,
				text_quote(identifier).text);
	return 0;
}
