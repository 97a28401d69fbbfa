#include "replay/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "OUTCOME_COMPLETED_WITH_ASSIST" of enum Outcome becomes "completed_with_assist" */
static struct json_object *enum_name(const ProtobufCEnumDescriptor *descriptor, int number)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
	char prefix[64], text[64];
	size_t n = 0, skip;

	if (!value)
		return json_object_new_int(number);
	for (const char *c = descriptor->short_name; *c && n < sizeof(prefix) - 3; c++) {
		if (isupper((unsigned char)*c) && n > 0)
			prefix[n++] = '_';
		prefix[n++] = (char)toupper((unsigned char)*c);
	}
	prefix[n++] = '_';
	prefix[n] = '\0';
	skip = strncmp(value->name, prefix, n) == 0 ? n : 0;
	for (n = 0; value->name[skip + n] && n < sizeof(text) - 1; n++)
		text[n] = (char)tolower((unsigned char)value->name[skip + n]);
	text[n] = '\0';
	return json_object_new_string(text);
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
	case PROTOBUF_C_TYPE_FLOAT: return json_object_new_double((double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE: return json_object_new_double(*(const double *)at);
	case PROTOBUF_C_TYPE_BOOL: return json_object_new_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM: return enum_name(field->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING: return json_object_new_string(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return json_object_new_int64((int64_t)((const ProtobufCBinaryData *)at)->len);
	case PROTOBUF_C_TYPE_MESSAGE: return json_of_message(*(const ProtobufCMessage *const *)at);
	}
	return NULL;
}

static size_t member_bytes(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return 8;
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	default: return 4;
	}
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
				json_object_array_add(
					value, member(field, items + j * member_bytes(field)));
		} else {
			value = member(field, bytes + field->offset);
		}
		json_object_object_add(object, field->name, value);
	}
	return object;
}

void json_print(struct json_object *document)
{
	puts(json_object_to_json_string_ext(document,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE |
			JSON_C_TO_STRING_SPACED));
	json_object_put(document);
}
