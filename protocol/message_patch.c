#include "protocol/message_patch.h"

#include "protocol/base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

ProtobufCMessage *message_copy(const ProtobufCMessage *message)
{
	size_t size_bytes = protobuf_c_message_get_packed_size(message);
	_autofree_ uint8_t *packed = malloc(size_bytes + 1);

	if (!packed)
		return NULL;
	protobuf_c_message_pack(message, packed);
	return protobuf_c_message_unpack(message->descriptor, NULL, size_bytes, packed);
}

size_t message_value_bytes(const ProtobufCFieldDescriptor *field)
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

static void swap_bytes(void *a, void *b, size_t size_bytes)
{
	unsigned char *x = a, *y = b;

	for (size_t i = 0; i < size_bytes; i++) {
		unsigned char held = x[i];

		x[i] = y[i];
		y[i] = held;
	}
}

static void swap_value(
	ProtobufCMessage *a, ProtobufCMessage *b, const ProtobufCFieldDescriptor *field)
{
	bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;

	swap_bytes((char *)a + field->offset, (char *)b + field->offset,
		repeated ? sizeof(void *) : message_value_bytes(field));
	if (repeated)
		swap_bytes((char *)a + field->quantifier_offset,
			(char *)b + field->quantifier_offset, sizeof(size_t));
}

static uint32_t *case_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (uint32_t *)(void *)((char *)message + field->quantifier_offset);
}

/* The members of a oneof share storage: swap the largest, whichever is set. */
static void swap_oneof(
	ProtobufCMessage *a, ProtobufCMessage *b, const ProtobufCFieldDescriptor *field)
{
	size_t largest = 0;

	for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *member = &a->descriptor->fields[i];

		if ((member->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			member->quantifier_offset == field->quantifier_offset &&
			message_value_bytes(member) > largest)
			largest = message_value_bytes(member);
	}
	swap_bytes((char *)a + field->offset, (char *)b + field->offset, largest);
	swap_bytes(case_of(a, field), case_of(b, field), sizeof(uint32_t));
}

static int clear_oneof(ProtobufCMessage *to, const ProtobufCFieldDescriptor *field)
{
	ProtobufCMessage *empty = malloc(to->descriptor->sizeof_message);

	if (!empty)
		return -ENOMEM;
	protobuf_c_message_init(to->descriptor, empty);
	swap_oneof(to, empty, field);
	protobuf_c_message_free_unpacked(empty, NULL);
	return 0;
}

int message_set_field(ProtobufCMessage *to, ProtobufCMessage *from, const char *name)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(to->descriptor, name);

	if (!field)
		return -ENOENT;
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		swap_value(to, from, field);
	else if (*case_of(from, field) == field->id)
		swap_oneof(to, from, field);
	else if (*case_of(to, field) == field->id)
		return clear_oneof(to, field);
	return 0;
}
