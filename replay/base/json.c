#include "replay/base/json.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/utf8.h"
#include "protocol/message_patch.h"
#include "replay/base/enum_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct json_object *json_text(const char *text)
{
	_autofree_ char *clean = utf8_is_valid(text) ? NULL : strdup(text);

	if (clean)
		utf8_clean(clean, false);
	return json_object_new_string(clean ? clean : utf8_is_valid(text) ? text : "");
}

static struct json_object *enum_name(const ProtobufCEnumDescriptor *descriptor, int number)
{
	return protobuf_c_enum_descriptor_get_value(descriptor, number)
		? json_object_new_string(enum_text(descriptor, number).text)
		: json_object_new_int(number);
}

/* JSON has no NaN and no infinity: null instead. */
static struct json_object *number_of(double value)
{
	return isfinite(value) ? json_object_new_double(value) : NULL;
}

static struct json_object *member(const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32: return json_object_new_int(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: return json_object_new_int64(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64: return json_object_new_int64(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return json_object_new_uint64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT: return number_of((double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE: return number_of(*(const double *)at);
	case PROTOBUF_C_TYPE_BOOL: return json_object_new_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM: return enum_name(field->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING: return json_text(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return json_object_new_int64((int64_t)((const ProtobufCBinaryData *)at)->len);
	case PROTOBUF_C_TYPE_MESSAGE: return json_of_message(*(const ProtobufCMessage *const *)at);
	}
	return NULL;
}

static bool is_set(const ProtobufCFieldDescriptor *field, const char *message)
{
	const void *at = message + field->offset;

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(message + field->quantifier_offset) == field->id;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING)
		return *(void *const *)at != NULL;
	return true;
}

struct json_object *json_of_message(const ProtobufCMessage *message)
{
	struct json_object *object = json_object_new_object();
	const char *bytes = (const char *)message;

	for (unsigned i = 0; message && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		struct json_object *value;

		if (!is_set(field, bytes))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t count = *(const size_t *)(bytes + field->quantifier_offset);
			const char *items = *(char *const *)(bytes + field->offset);

			value = json_object_new_array();
			for (size_t j = 0; j < count; j++)
				json_object_array_add(value,
					member(field, items + j * message_value_bytes(field)));
		} else {
			value = member(field, bytes + field->offset);
		}
		json_object_object_add(object, field->name, value);
	}
	return object;
}

/* ---- ProtoJSON ---- */

static struct json_object *text_of(uint64_t value, bool negative)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%" PRIu64, negative ? "-" : "", negative ? -value : value);
	return json_object_new_string(text);
}

/* RFC 4648, section 4 */
static struct json_object *base64_of(const ProtobufCBinaryData *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_autofree_ char *text = malloc((bytes->len + 2) / 3 * 4 + 1);
	size_t n = 0;

	for (size_t i = 0; text && i < bytes->len; i += 3) {
		size_t left = bytes->len - i;
		uint32_t word = (uint32_t)bytes->data[i] << 16 |
			(left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0) |
			(left > 2 ? bytes->data[i + 2] : 0);

		text[n++] = digits[word >> 18 & 63];
		text[n++] = digits[word >> 12 & 63];
		text[n++] = left > 1 ? digits[word >> 6 & 63] : '=';
		text[n++] = left > 2 ? digits[word & 63] : '=';
	}
	return text ? json_object_new_string_len(text, (int)n) : NULL;
}

static struct json_object *standard_member(const ProtobufCFieldDescriptor *field, const void *at)
{
	const ProtobufCEnumValue *value;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return text_of(*(const uint64_t *)at, *(const int64_t *)at < 0);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return text_of(*(const uint64_t *)at, false);
	case PROTOBUF_C_TYPE_ENUM:
		value = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
		return value ? json_object_new_string(value->name)
			     : json_object_new_int(*(const int *)at);
	case PROTOBUF_C_TYPE_BYTES: return base64_of(at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return json_of_message_standard(*(const ProtobufCMessage *const *)at);
	default: return member(field, at);
	}
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
	static const char zeros[8];

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return false;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return **(const char *const *)at == '\0';
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)at)->len == 0;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return false;
	return memcmp(at, zeros, message_value_bytes(field)) == 0;
}

static const char *camel_case(const char *name, char text[80])
{
	size_t n = 0;

	for (; *name && n < 79; name++) {
		bool upper = name[0] == '_' && name[1];

		name += upper;
		text[n++] = upper ? (char)toupper((unsigned char)*name) : *name;
	}
	text[n] = '\0';
	return text;
}

/* google.protobuf.Timestamp is a string: RFC 3339 with nanoseconds; null when the year is out of range. */
static struct json_object *timestamp_of(const ProtobufCMessage *message)
{
	const int64_t seconds =
		*(const int64_t *)((const char *)message + message->descriptor->fields[0].offset);
	const int32_t nanos =
		*(const int32_t *)((const char *)message + message->descriptor->fields[1].offset);
	time_t time = (time_t)seconds;
	char text[64], day[32];
	struct tm utc;

	if (!gmtime_r(&time, &utc))
		return NULL; /* year out of range */
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%09dZ", day, nanos);
	return json_object_new_string(text);
}

/* Unknown fields: number, wire type, and the bytes after the key. */
static struct json_object *unknown_of(const ProtobufCMessage *message)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < message->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];
		const ProtobufCBinaryData bytes = {field->len, field->data};
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "number", json_object_new_int64(field->tag));
		json_object_object_add(one, "wireType", json_object_new_int(field->wire_type));
		json_object_object_add(one, "bytes", base64_of(&bytes));
		json_object_array_add(list, one);
	}
	return list;
}

struct json_object *json_of_message_standard(const ProtobufCMessage *message)
{
	struct json_object *object;
	const char *bytes = (const char *)message;

	if (message && strcmp(message->descriptor->name, "google.protobuf.Timestamp") == 0)
		return timestamp_of(message);
	object = json_object_new_object();
	for (unsigned i = 0; message && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const void *at = bytes + field->offset;
		struct json_object *value;
		char name[80];

		if (!is_set(field, bytes))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t count = *(const size_t *)(bytes + field->quantifier_offset);
			const char *items = *(char *const *)at;

			if (count == 0)
				continue;
			value = json_object_new_array();
			for (size_t j = 0; j < count; j++)
				json_object_array_add(value,
					standard_member(
						field, items + j * message_value_bytes(field)));
		} else if (is_default(field, at)) {
			continue;
		} else {
			value = standard_member(field, at);
		}
		json_object_object_add(object, camel_case(field->name, name), value);
	}
	if (message && message->n_unknown_fields > 0)
		json_object_object_add(object, "unknownFields", unknown_of(message));
	return object;
}

/* ---- printing ---- */

/* Characters that could control a terminal occur only in strings; escaped there (RFC 8259, section 7). */
static size_t put_character(FILE *out, const char *at)
{
	uint32_t point;
	size_t length = utf8_decode(at, &point);

	if (length == 0 || point == '\n' || (point != 0x7f && utf8_is_shown(point)))
		fwrite(at, 1, length ? length : 1, out);
	else if (point < 0x10000)
		fprintf(out, "\\u%04x", (unsigned)point);
	else
		fprintf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((point - 0x10000) >> 10)),
			(unsigned)(0xdc00 + ((point - 0x10000) & 0x3ff)));
	return length ? length : 1;
}

/* @param indent  appended to each line break */
static void put_json(FILE *out, struct json_object *document, int flags, const char *indent)
{
	const char *at =
		json_object_to_json_string_ext(document, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

	while (at && *at) {
		size_t plain = 0;

		while (at[plain] >= 0x20 && at[plain] < 0x7f)
			plain++;
		fwrite(at, 1, plain, out);
		at += plain;
		if (!*at)
			break;
		at += put_character(out, at);
		if (at[-1] == '\n')
			fputs(indent, out);
	}
}

void json_print_line(struct json_object *document)
{
	put_json(stdout, document, JSON_C_TO_STRING_PLAIN, "");
	putchar('\n');
	json_object_put(document);
}

void json_write(FILE *out, struct json_object *document)
{
	put_json(out, document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED, "");
	putc('\n', out);
	json_object_put(document);
}

void json_print(struct json_object *document)
{
	json_write(stdout, document);
}

void json_list_begin(struct json_list *list)
{
	list->has_elements = false;
}

void json_list_add(struct json_list *list, struct json_object *element)
{
	fputs(list->has_elements ? ",\n  " : "[\n  ", stdout);
	list->has_elements = true;
	put_json(stdout, element, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED, "  ");
	json_object_put(element);
}

void json_list_end(const struct json_list *list)
{
	puts(list->has_elements ? "\n]" : "[]");
}
