#include "replay/base/enum_text.h"

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Length of the prefix of enum Outcome's values, "OUTCOME_"; 0 for a value with another prefix. */
static size_t prefix_length(const ProtobufCEnumDescriptor *descriptor, const char *value)
{
	char prefix[64];
	size_t n = 0;

	for (const char *c = descriptor->short_name; *c && n < sizeof(prefix) - 3; c++) {
		if (isupper((unsigned char)*c) && n > 0)
			prefix[n++] = '_';
		prefix[n++] = (char)toupper((unsigned char)*c);
	}
	prefix[n++] = '_';
	return strncmp(value, prefix, n) == 0 ? n : 0;
}

struct enum_text enum_text(const ProtobufCEnumDescriptor *descriptor, int number)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
	struct enum_text text;
	const char *name;
	size_t n = 0;

	if (!value) {
		snprintf(text.text, sizeof(text.text), "%d", number);
		return text;
	}
	name = value->name + prefix_length(descriptor, value->name);
	for (; name[n] && n < sizeof(text.text) - 1; n++)
		text.text[n] = (char)tolower((unsigned char)name[n]);
	text.text[n] = '\0';
	return text;
}

static bool is_same(const char *name, const char *text)
{
	for (; *name && (*name == *text || (*name == '_' && *text == '-')); name++)
		text++;
	return !*name && !*text;
}

int enum_parse(const ProtobufCEnumDescriptor *descriptor, int lowest, const char *what,
	const char *text, int *ret, struct error *reterr)
{
	char names[256] = "";

	for (unsigned i = 0; i < descriptor->n_values; i++) {
		int number = descriptor->values[i].value;
		struct enum_text name = enum_text(descriptor, number);
		size_t n = strlen(names);

		if (number < lowest)
			continue;
		if (is_same(name.text, text)) {
			*ret = number;
			return 0;
		}
		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", name.text);
	}
	return error_set(
		reterr, -EINVAL, "%s '%s': must be one of %s", what, text_quote(text).text, names);
}
