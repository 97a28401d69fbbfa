#pragma once

#include "replay/base/yaml.h"

#include <protobuf-c/protobuf-c.h>

/*
 * A YAML mapping as a protobuf message, by the message's descriptor: each key is a field's name, so that a new
 * field of a schema is a new key. Numbers are plain decimal digits, truth is true or false, values of enums
 * are their names without prefix in lower case, texts stay as they are.
 */

/** The differences from the descriptor, for one field of one message. */
struct yaml_rule {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	const char *key; /* NULL: the field's name; "": there is no key for it */
	const char *
		section; /* the key stands in a mapping under this key of the message; NULL: it does not */
	bool needed;
	size_t limit;       /* of a text in bytes, of a list in entries; 0: the usual one */
	const char *one_of; /* of a text: the words that are allowed, as "a, b, c" */
};

struct yaml_schema {
	const struct yaml_rule *rules;
	size_t count;
};

/**
 * Make a message of a mapping. Nodes of mappings get the message that was made of them as `made`.
 *
 * @param ret  always a message, freed by protobuf_c_message_free_unpacked(…, NULL); as far as there are no
 *             problems it has everything
 * @return 0 or -ENOMEM; each error is a problem
 */
int yaml_to_message(ProtobufCMessage **ret, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, const struct yaml_schema *schema,
	struct yaml_problems *problems);

/** Name the keys of a message, as "a, b, c". @param section  NULL: those outside of a section */
void yaml_name_keys(char *ret, size_t room, const ProtobufCMessageDescriptor *descriptor,
	const char *section, const struct yaml_schema *schema);
