/* Writes a session file with every kind of message, with every field filled, each case of a oneof in a message of its
 * own: for other programs to decode. Usage: every_message OUT */

#include "protocol/base/clock.h"
#include "protocol/file/writer.h"
#include "protocol/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 6 /* nesting limit of messages */

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static ProtobufCMessage *make(
	const ProtobufCMessageDescriptor *descriptor, unsigned variant, int depth);

static void fill_value(const ProtobufCFieldDescriptor *field, void *at, unsigned number,
	unsigned variant, int depth)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_FLOAT: *(float *)at = (float)number + 0.5f; break;
	case PROTOBUF_C_TYPE_DOUBLE: *(double *)at = number + 0.25; break;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)at = 1; break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *values = field->descriptor;

		*(int *)at = values->values[values->n_values - 1].value;
		break;
	}
	case PROTOBUF_C_TYPE_STRING: *(char **)at = must(strdup("text, “quoted”")); break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)at = (ProtobufCBinaryData){3, must(strdup("\1\377\3"))};
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = make(field->descriptor, variant, depth + 1);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)at = UINT64_C(1800000000000000000) + number;
		break;
	default: *(uint32_t *)at = 1000 + number; break;
	}
}

static size_t size_of_value(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return 8;
	default: return 4;
	}
}

/* number of fields in a field's oneof; 1 without one */
static unsigned count_cases(const ProtobufCMessageDescriptor *descriptor,
	const ProtobufCFieldDescriptor *field, unsigned *ret_own)
{
	unsigned count = 0;

	*ret_own = 0;
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return 1;
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		if (descriptor->fields[i].quantifier_offset != field->quantifier_offset)
			continue;
		if (&descriptor->fields[i] == field)
			*ret_own = count;
		count++;
	}
	return count;
}

static void fill_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
	unsigned variant, int depth)
{
	void *at = (char *)message + field->offset,
	     *quantifier = (char *)message + field->quantifier_offset;
	size_t size = size_of_value(field);
	unsigned own, cases = count_cases(message->descriptor, field, &own);

	if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth >= DEPTH)
		return;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		char *values = must(calloc(2, size));

		for (unsigned i = 0; i < 2; i++)
			fill_value(field, values + i * size, field->id + i, variant + i, depth);
		*(void **)at = values;
		*(size_t *)quantifier = 2;
	} else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (variant % cases != own)
			return;
		*(uint32_t *)quantifier = field->id;
		fill_value(field, at, field->id, variant, depth);
	} else {
		if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset)
			*(protobuf_c_boolean *)quantifier = 1;
		fill_value(field, at, field->id, variant, depth);
	}
}

static ProtobufCMessage *make(
	const ProtobufCMessageDescriptor *descriptor, unsigned variant, int depth)
{
	ProtobufCMessage *message = must(malloc(descriptor->sizeof_message));

	protobuf_c_message_init(descriptor, message);
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		fill_field(message, &descriptor->fields[i], variant, depth);
	return message;
}

/* as many messages as the widest oneof has cases */
static unsigned count_variants(const ProtobufCMessageDescriptor *descriptor)
{
	unsigned most = 1, own;

	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		unsigned cases = count_cases(descriptor, &descriptor->fields[i], &own);

		most = cases > most ? cases : most;
	}
	return most;
}

int main(int argc, char **argv)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_clock clock = {0};

	if (argc != 2 || session_writer_create(&writer, argv[1], SESSION_WRITER_RECORDING) < 0)
		return 1;
	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		const ProtobufCMessageDescriptor *descriptor =
			schema_message(channel_kind_get(id)->schema);

		for (unsigned variant = 0; variant < count_variants(descriptor); variant++) {
			ProtobufCMessage *message = make(descriptor, variant, 0);
			_packet_unref_ struct packet *packet = NULL;

			if (packet_create(&packet, &clock,
				    &(struct packet_info){id, 0, NS_PER_S + variant, 0},
				    message) < 0 ||
				session_writer_append(writer, packet) < 0)
				return 1;
			protobuf_c_message_free_unpacked(message, NULL);
		}
	}
	return session_writer_finish(writer) < 0;
}
