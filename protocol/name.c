#include "protocol/name.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/base/utf8.h"
#include "protocol/acts.pb-c.h"
#include "protocol/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

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
		size_t length = utf8_decode((const char *)at, &point);

		if (length == 0 || utf8_is_control(point) || strchr("/\\<>\"`$|;*?", *at))
			return error_set(reterr, -EINVAL,
				"%s '%s': a name cannot have control characters or / \\ < > \" ` "
				"$ | "
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

/* ---- normalisation ---- */

static bool is_space(uint32_t point)
{
	switch (utf8proc_category((utf8proc_int32_t)point)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP: return true;
	default: return (point >= '\t' && point <= '\r') || point == 0x85;
	}
}

/* Zero-width characters that editors or web pages leave at the ends of a text. */
static bool is_trimmed(uint32_t point)
{
	return is_space(point) || point == 0x180e || (point >= 0x200b && point <= 0x200d) ||
		point == 0x2060 || point == 0xfeff;
}

/* @return the length of @p name without trimmed characters at its end */
static size_t trimmed_length(const char *name)
{
	size_t end = 0;
	uint32_t point;

	for (size_t at = 0, length; name[at]; at += length) {
		length = utf8_decode(name + at, &point);
		if (!is_trimmed(point))
			end = at + length;
	}
	return end;
}

/* Names that look the same must be equal: reject invisible characters, except joiners in scripts
 * that need them. */
static bool is_allowed(uint32_t point, uint32_t before)
{
	const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)point);

	if (point == 0x200c || point == 0x200d)
		return before >= 0x80;
	switch (property->category) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CC: return false;
	default: return !property->ignorable;
	}
}

/* Trim, and collapse inner runs of spaces. @param ret  strlen(name) + 1 bytes */
static int collapse(char *ret, const char *what, const char *name, struct error *reterr)
{
	const char *whole = name, *end;
	uint32_t point, before = 0;

	for (size_t length; *name; name += length) {
		length = utf8_decode(name, &point);
		if (!is_trimmed(point))
			break;
	}
	end = name + trimmed_length(name);
	for (size_t length; name < end; name += length) {
		bool space;

		length = utf8_decode(name, &point);
		space = point >= 0x20 && point != 0x7f && point != 0x85 && is_space(point);
		if (!space && !is_allowed(point, before))
			return error_set(reterr, -EINVAL,
				"%s '%s': a name cannot have control characters, or characters "
				"that "
				"are invisible or not assigned (U+%04X)",
				what, text_quote(whole).text, (unsigned)point);
		if (space && before != ' ')
			*ret++ = ' ';
		if (!space)
			ret = mempcpy(ret, name, length);
		before = space ? ' ' : point;
	}
	*ret = '\0';
	return 0;
}

int name_normalise(char **ret, const char *what, const char *name, struct error *reterr)
{
	_autofree_ char *collapsed = NULL;
	char *composed;
	int r;

	if (!utf8_is_valid(name))
		return error_set(reterr, -EINVAL, "%s '%s': the name is not UTF-8", what,
			text_quote(name).text);
	collapsed = malloc(strlen(name) + 1);
	if (!collapsed)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = collapse(collapsed, what, name, reterr);
	if (r < 0)
		return r;
	composed = (char *)utf8proc_NFC((const utf8proc_uint8_t *)collapsed);
	if (!composed)
		return error_set(reterr, -ENOMEM, "out of memory");
	*ret = composed;
	return 0;
}

bool name_is_same(const char *a, const char *b)
{
	_autofree_ char *x = NULL, *y = NULL;

	return strcmp(a, b) == 0 ||
		(name_normalise(&x, "", a, NULL) == 0 && name_normalise(&y, "", b, NULL) == 0 &&
			strcmp(x, y) == 0);
}

int name_normalise_in(char **name, const char *what, const char *prefix, struct error *reterr)
{
	size_t length = strlen(prefix);
	_autofree_ char *normal = NULL;
	char *whole;
	int r;

	/* an empty text is protobuf-c's own constant */
	if (!*name || !**name || strncmp(*name, prefix, length) != 0)
		return 0;
	r = name_normalise(&normal, what, *name + length, reterr);
	if (r < 0)
		return r;
	whole = malloc(length + strlen(normal) + 1);
	if (!whole)
		return error_set(reterr, -ENOMEM, "out of memory");
	strcpy(mempcpy(whole, prefix, length), normal);
	free(*name);
	*name = whole;
	return 0;
}

/* Fields that hold names, in messages from users. */
static const struct {
	const char *field, *prefix;
	const ProtobufCMessageDescriptor *only; /* NULL: of all messages */
} name_fields[] = {
	{"participant", "", NULL},
	{"participants", "", NULL},
	{"author", "", NULL},
	{"moderator", "", NULL},
	{"observers", "", NULL},
	{"study", "", NULL},
	{"signed_by", "", NULL},
	{"layer", "coder:", NULL},
	{"label", "", &uxrec__participant__descriptor},
};

static const char *name_prefix(
	const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(name_fields); i++)
		if (strcmp(name_fields[i].field, field->name) == 0 &&
			(!name_fields[i].only || name_fields[i].only == message))
			return name_fields[i].prefix;
	return NULL;
}

int names_normalise(ProtobufCMessage *message, struct error *reterr)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int r = 0;

	for (unsigned i = 0; i < descriptor->n_fields && r == 0; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const char *prefix = field->type == PROTOBUF_C_TYPE_STRING
			? name_prefix(descriptor, field)
			: NULL;
		char *base = (char *)message;
		void **items = (void **)(void *)(base + field->offset);
		size_t count = 1;

		if ((!prefix && field->type != PROTOBUF_C_TYPE_MESSAGE) ||
			((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
				*(const uint32_t *)(base + field->quantifier_offset) != field->id))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			count = *(const size_t *)(base + field->quantifier_offset);
			items = (void **)*items;
		}
		for (size_t k = 0; k < count && r == 0; k++)
			if (prefix)
				r = name_normalise_in(
					(char **)&items[k], field->name, prefix, reterr);
			else if (items[k])
				r = names_normalise(items[k], reterr);
	}
	return r;
}
