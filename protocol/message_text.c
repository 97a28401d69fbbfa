#include "protocol/message_text.h"

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Call @p callback for every string of a message until it returns true.
 *
 * @param callback  @return true to stop
 * @return the field of the string at the stop, or NULL
 */
static const ProtobufCFieldDescriptor *walk(
	const ProtobufCMessage *message, bool (*callback)(char *text, void *user), void *user)
{
	for (unsigned i = 0; message && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i], *found;
		const char *base = (const char *)message;
		void *const *items = (void *const *)(const void *)(base + field->offset);
		size_t count = 1;

		if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		/* of a oneof only the member that is set is valid */
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			*(const uint32_t *)(base + field->quantifier_offset) != field->id)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			count = *(const size_t *)(base + field->quantifier_offset);
			items = (void *const *)*items;
		}
		for (size_t k = 0; k < count; k++) {
			if (field->type == PROTOBUF_C_TYPE_MESSAGE)
				found = walk(items[k], callback, user);
			else
				found = items[k] && callback(items[k], user) ? field : NULL;
			if (found)
				return found;
		}
	}
	return NULL;
}

static bool is_bad(char *text, void *user)
{
	(void)user;
	return !utf8_is_valid(text);
}

static bool needs_cleaning(char *text, void *user)
{
	const bool *names = user;
	uint32_t point;

	for (size_t length; *text; text += length) {
		length = utf8_decode(text, &point);
		if (length == 0 || (*names && utf8_is_control(point)))
			return true;
	}
	return false;
}

/* an empty text may be protobuf-c's own constant */
static bool clean(char *text, void *user)
{
	const bool *names = user;

	if (*text)
		utf8_clean(text, *names);
	return false;
}

const ProtobufCFieldDescriptor *message_find_bad_text(const ProtobufCMessage *message)
{
	return walk(message, is_bad, NULL);
}

bool message_is_utf8(const ProtobufCMessage *message)
{
	return !message_find_bad_text(message);
}

int text_check(const char *name, const void *text, size_t size_bytes, struct error *reterr)
{
	size_t valid = utf8_valid_bytes(text, size_bytes);

	if (valid == size_bytes)
		return 0;
	return error_set(reterr, -EILSEQ, "%s: byte %zu (0x%02x) %s", name, valid + 1,
		((const unsigned char *)text)[valid],
		((const char *)text)[valid] ? "is not UTF-8" : "is not allowed in a text");
}

int text_check_typed(const char *name, const char *text, struct error *reterr)
{
	int r = text_check(name, text, strlen(text), reterr);
	uint32_t point;

	for (size_t at = 0; r == 0 && text[at];) {
		size_t length = utf8_decode(text + at, &point);

		if ((point < 0x20 && point != '\t' && point != '\n') ||
			(point >= 0x7f && point < 0xa0))
			r = error_set(reterr, -EINVAL,
				"%s: byte %zu is a control character (U+%04X)", name, at + 1,
				(unsigned)point);
		at += length;
	}
	return r;
}

static bool is_bad_at(char *text, void *user)
{
	const char **bad = user;

	*bad = text;
	return !utf8_is_valid(text);
}

int message_check_texts(const ProtobufCMessage *message, struct error *reterr)
{
	const char *bad;
	const ProtobufCFieldDescriptor *field = walk(message, is_bad_at, &bad);

	return field ? text_check(field->name, bad, strlen(bad), reterr) : 0;
}

static bool is_not_typed_at(char *text, void *user)
{
	const char **bad = user;

	*bad = text;
	return text_check_typed("", text, NULL) < 0;
}

int message_check_typed(const ProtobufCMessage *message, struct error *reterr)
{
	const char *bad;
	const ProtobufCFieldDescriptor *field = walk(message, is_not_typed_at, &bad);

	return field ? text_check_typed(field->name, bad, reterr) : 0;
}

ProtobufCMessage *message_clean_copy(const ProtobufCMessage *message, bool names)
{
	_autofree_ uint8_t *packed = NULL;
	ProtobufCMessage *copy;
	size_t size_bytes;

	if (!walk(message, needs_cleaning, &names))
		return NULL;
	size_bytes = protobuf_c_message_get_packed_size(message);
	packed = malloc(size_bytes + 1);
	if (!packed)
		return NULL;
	protobuf_c_message_pack(message, packed);
	copy = protobuf_c_message_unpack(message->descriptor, NULL, size_bytes, packed);
	walk(copy, clean, &names);
	return copy;
}
