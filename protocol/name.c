#include "protocol/name.h"

#include "protocol/base/log.h"
#include "protocol/letters.h"
#include "protocol/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

size_t utf8_take(const char *text, uint32_t *ret_point)
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
		return 0; /* overlong, surrogates */
	*ret_point = point;
	return length;
}

bool utf8_is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
		(point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static bool field_is_utf8(const ProtobufCFieldDescriptor *field, const void *item)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *text = *(char *const *)item;

		return !text || letters_are_utf8(text);
	}
	return message_is_utf8(*(ProtobufCMessage *const *)item);
}

bool message_is_utf8(const ProtobufCMessage *message)
{
	for (unsigned i = 0; message && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const char *base = (const char *)message;
		const void *member = base + field->offset;

		if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t count = *(const size_t *)(base + field->quantifier_offset);
			const char *items = *(char *const *)member;

			for (size_t k = 0; k < count; k++)
				if (!field_is_utf8(field, items + k * sizeof(void *)))
					return false;
			continue;
		}
		/* of a oneof only the member that is set is there */
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			*(const uint32_t *)(base + field->quantifier_offset) != field->id)
			continue;
		if (!field_is_utf8(field, member))
			return false;
	}
	return true;
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
