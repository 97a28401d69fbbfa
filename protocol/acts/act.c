#include "protocol/acts/act.h"

#include "protocol/os/io.h"

#include <string.h>

ProtobufCMessage *act_body(const Uxrec__Act *act, const ProtobufCFieldDescriptor **ret_field)
{
	const ProtobufCFieldDescriptor *field = act->body_case
		? protobuf_c_message_descriptor_get_field(
			  &uxrec__act__descriptor, (unsigned)act->body_case)
		: NULL;

	if (!field)
		return NULL;
	if (ret_field)
		*ret_field = field;
	return *(ProtobufCMessage *const *)(const void *)((const char *)act + field->offset);
}

bool act_sets(const Uxrec__Act *act, const char *field)
{
	if (act->kind != UXREC__ACT__KIND__KIND_PATCH)
		return true;
	for (size_t i = 0; i < act->n_fields; i++)
		if (strcmp(act->fields[i], field) == 0)
			return true;
	return false;
}

bool act_is_about_consent(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_CONSENT ||
		act->body_case == UXREC__ACT__BODY_WITHDRAWAL;
}

int act_new_id(char id[33])
{
	return io_random_hex(id, 16);
}

bool act_id_is_valid(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}
