#pragma once

#include "replay/base/yaml.h"

#include <protobuf-c/protobuf-c.h>

/*
 * Conversion of a YAML mapping to a protobuf message by its descriptor: each key is a field name, so a new field of a
 * schema is a new key. Numbers are plain decimal digits, booleans are true or false, enum values are their names
 * without prefix in lower case, texts stay unchanged.
 */

/** Exceptions from the descriptor, for one field of one message. */
struct yaml_rule {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	const char *key;     /* NULL: the field's name; "": no key */
	const char *section; /* key of the mapping that has the key; NULL: the message itself */
	bool needed;
	size_t limit;       /* bytes of a text, entries of a list; 0: the default */
	const char *one_of; /* allowed words of a text, as "a, b, c" */
};

struct yaml_schema {
	const struct yaml_rule *rules;
	size_t count;
};

/**
 * Convert a mapping to a message. The `made` of each mapping node is set to its message.
 *
 * @param ret  always a message, freed by protobuf_c_message_free_unpacked(…, NULL); complete except for values with
 *             problems
 * @return 0 or -ENOMEM; each error is a problem
 */
int yaml_to_message(ProtobufCMessage **ret, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, const struct yaml_schema *schema,
	struct yaml_problems *problems);

/** List the keys of a message, as "a, b, c". @param section  NULL: those outside of any section */
void yaml_name_keys(char *ret, size_t room, const ProtobufCMessageDescriptor *descriptor,
	const char *section, const struct yaml_schema *schema);
