#include "protocol/name.h"

#include "protocol/base/log.h"
#include "protocol/base/utf8.h"
#include "protocol/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

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
		uint32_t point;
		size_t length = utf8_take((const char *)at, &point);

		if (length == 0 || utf8_is_control(point) || strchr("/\\<>\"`$|;*?", *at))
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
