#include "replay/base/yaml_message.h"

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/message_patch.h"
#include "protocol/message_text.h"
#include "replay/base/enum_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT_BYTES 20000
#define LIST_LIMIT       1000
#define FIELDS_LIMIT     64

struct reader {
	const struct yaml_schema *schema;
	struct yaml_problems *problems;
};

static const struct yaml_rule *rule_of(const struct yaml_schema *schema,
	const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	static const struct yaml_rule usual;

	for (size_t i = 0; i < schema->count; i++)
		if (schema->rules[i].message == message &&
			strcmp(schema->rules[i].field, field->name) == 0)
			return &schema->rules[i];
	return &usual;
}

static const char *key_of(const struct yaml_rule *rule, const ProtobufCFieldDescriptor *field)
{
	return rule->key ? rule->key : field->name;
}

static bool is_in(const struct yaml_rule *rule, const char *section)
{
	return !rule->section == !section && (!section || strcmp(rule->section, section) == 0);
}

static const ProtobufCFieldDescriptor *find_field(const struct yaml_schema *schema,
	const ProtobufCMessageDescriptor *message, const char *section, const char *key)
{
	for (unsigned i = 0; i < message->n_fields && *key; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		const struct yaml_rule *rule = rule_of(schema, message, field);

		if (is_in(rule, section) && strcmp(key_of(rule, field), key) == 0)
			return field;
	}
	return NULL;
}

static const char *find_section(const struct yaml_schema *schema,
	const ProtobufCMessageDescriptor *message, const char *key)
{
	for (size_t i = 0; i < schema->count; i++)
		if (schema->rules[i].message == message && schema->rules[i].section &&
			strcmp(schema->rules[i].section, key) == 0)
			return schema->rules[i].section;
	return NULL;
}

static void name_key(char *ret, size_t room, const char *key)
{
	size_t n = strlen(ret);

	snprintf(ret + n, room - n, "%s%s", n ? ", " : "", key);
}

void yaml_name_keys(char *ret, size_t room, const ProtobufCMessageDescriptor *descriptor,
	const char *section, const struct yaml_schema *schema)
{
	const char *named = NULL;

	*ret = '\0';
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const struct yaml_rule *rule = rule_of(schema, descriptor, field);

		if (is_in(rule, section)) {
			if (*key_of(rule, field))
				name_key(ret, room, key_of(rule, field));
		} else if (!section && (!named || strcmp(named, rule->section) != 0)) {
			named = rule->section;
			name_key(ret, room, named);
		}
	}
}

/* ---- scalars: 1 when set, 0 with a problem, -ENOMEM ---- */

/* No sign, no leading 0, no colon, no unit: YAML 1.1 reads those as octal, base 60 and floating point. */
static int parse_number(struct reader *reader, struct yaml_node *node, const char *key,
	uint64_t limit, uint64_t *ret)
{
	const char *text = node->text;
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;
	bool good = digits > 0 && !text[digits] && (digits == 1 || *text != '0');

	for (size_t i = 0; i < digits && good; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		good = value <= (limit - digit) / 10 && digit <= limit;
		value = value * 10 + digit;
	}
	if (good) {
		*ret = value;
		return 1;
	}
	yaml_error(reader->problems, node,
		"%s: '%s': must be a whole number from 0 to %llu, in digits only: 90, not 1:30, "
		"090, 9e1 or 90 s",
		key, text_quote(text).text, (unsigned long long)limit);
	return 0;
}

static bool is_one_of(const char *words, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = words; length > 0; at += strspn(at, ", ")) {
		size_t word = strcspn(at, ",");

		if (word == length && strncmp(at, text, length) == 0)
			return true;
		at += word;
		if (!*at)
			return false;
	}
	return false;
}

static int parse_text(struct reader *reader, struct yaml_node *node, const char *key,
	const struct yaml_rule *rule, char **ret)
{
	size_t limit = rule->limit ? rule->limit : TEXT_LIMIT_BYTES;
	struct error error;

	if (strlen(node->text) > limit)
		yaml_error(reader->problems, node, "%s: it is longer than %zu bytes", key, limit);
	else if (text_check_typed(key, node->text, &error) < 0)
		yaml_error(reader->problems, node, "%s", error.text);
	else if (rule->needed && !*node->text)
		yaml_error(reader->problems, node, "%s: it is empty", key);
	else if (rule->one_of && !is_one_of(rule->one_of, node->text))
		yaml_error(reader->problems, node, "%s: '%s': must be one of %s", key,
			text_quote(node->text).text, rule->one_of);
	if (node->bad)
		return 0;
	*ret = strdup(node->text);
	return *ret ? 1 : -ENOMEM;
}

static int parse_enum(struct reader *reader, struct yaml_node *node, const char *key,
	const ProtobufCEnumDescriptor *descriptor, int *ret)
{
	/* "unspecified" is the absence of the key */
	bool unspecified =
		strcmp(enum_text(descriptor, descriptor->values[0].value).text, "unspecified") == 0;
	struct error error;

	if (enum_parse(descriptor, unspecified ? 1 : INT32_MIN, key, node->text, ret, &error) == 0)
		return 1;
	yaml_error(reader->problems, node, "%s", error.text);
	return 0;
}

static int parse_bool(
	struct reader *reader, struct yaml_node *node, const char *key, protobuf_c_boolean *ret)
{
	*ret = strcmp(node->text, "true") == 0;
	if (*ret || strcmp(node->text, "false") == 0)
		return 1;
	yaml_error(reader->problems, node, "%s: '%s': must be true or false", key,
		text_quote(node->text).text);
	return 0;
}

static int parse_message(struct reader *reader, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret);

/* One value. @param at  the field in the message */
static int parse_value(struct reader *reader, struct yaml_node *node,
	const ProtobufCFieldDescriptor *field, const struct yaml_rule *rule, void *at)
{
	const char *key = key_of(rule, field);
	uint64_t number = 0;
	int r;

	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return parse_message(reader, node, field->descriptor, at);
	if (node->kind != YAML_SCALAR) {
		yaml_error(reader->problems, node, "%s: must be a single value, not a %s", key,
			node->kind == YAML_LIST ? "list" : "mapping");
		return 0;
	}
	if (node->bad)
		return 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING: return parse_text(reader, node, key, rule, at);
	case PROTOBUF_C_TYPE_BOOL: return parse_bool(reader, node, key, at);
	case PROTOBUF_C_TYPE_ENUM: return parse_enum(reader, node, key, field->descriptor, at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT32:
		r = parse_number(reader, node, key,
			field->type == PROTOBUF_C_TYPE_UINT32 ? UINT32_MAX : INT32_MAX, &number);
		*(uint32_t *)at = (uint32_t)number;
		return r;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		r = parse_number(reader, node, key, INT64_MAX, &number);
		*(uint64_t *)at = number;
		return r;
	default:
		yaml_error(reader->problems, node,
			"%s: a value of this type cannot be written here", key);
		return 0;
	}
}

/* ---- lists and mappings ---- */

static int parse_list(struct reader *reader, struct yaml_node *node,
	const ProtobufCFieldDescriptor *field, const struct yaml_rule *rule, char *message)
{
	size_t *count = (size_t *)(void *)(message + field->quantifier_offset);
	size_t limit = rule->limit ? rule->limit : LIST_LIMIT, size = message_value_bytes(field);
	char *items;

	if (node->kind != YAML_LIST) {
		yaml_error(reader->problems, node,
			"%s: must be a list, whose entries begin with '- '", key_of(rule, field));
		return 0;
	}
	if (node->bad || node->count == 0)
		return 0;
	if (node->count > limit) {
		yaml_error(reader->problems, node, "%s: %zu entries: at most %zu are allowed",
			key_of(rule, field), node->count, limit);
		return 0;
	}
	items = calloc(node->count, size);
	if (!items)
		return -ENOMEM;
	*(void **)(void *)(message + field->offset) = items;
	for (struct yaml_node *entry = node->first; entry; entry = entry->next) {
		void *at = items + *count * size;
		int r = parse_value(reader, entry, field, rule, at);

		/* a message that was allocated is freed with the others */
		*count += r > 0 || (field->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)at);
		if (r < 0)
			return r;
	}
	return 1;
}

static int parse_field(struct reader *reader, struct yaml_node *node,
	const ProtobufCFieldDescriptor *field, const struct yaml_rule *rule, char *message)
{
	uint32_t *chosen = (uint32_t *)(void *)(message + field->quantifier_offset);
	int r;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_list(reader, node, field, rule, message);
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *chosen) {
		yaml_error(reader->problems, node, "%s: not allowed together with a key before it",
			key_of(rule, field));
		return 0;
	}
	r = parse_value(reader, node, field, rule, message + field->offset);
	if (r > 0 && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		*chosen = field->id;
	return r;
}

static void refuse_key(struct reader *reader, struct yaml_node *key,
	const ProtobufCMessageDescriptor *descriptor, const char *section)
{
	char keys[200];

	yaml_name_keys(keys, sizeof(keys), descriptor, section, reader->schema);
	yaml_error(reader->problems, key, "unexpected key '%s': must be one of %s",
		text_quote(key->text).text, keys);
}

/* Check for missing keys; skipped for a mapping cut off by a syntax error. */
static void check_needed(struct reader *reader, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, uint64_t seen)
{
	for (unsigned i = 0; i < descriptor->n_fields && node->whole; i++) {
		const struct yaml_rule *rule =
			rule_of(reader->schema, descriptor, &descriptor->fields[i]);

		if (rule->needed && !(seen >> i & 1)) {
			yaml_error(reader->problems, node, "the key '%s' is missing",
				key_of(rule, &descriptor->fields[i]));
		}
	}
}

/* The keys of a message, or of one section. */
static int parse_keys(struct reader *reader, struct yaml_node *node, ProtobufCMessage *message,
	const char *section)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	uint64_t seen = 0;
	bool seen_section = false;
	char keys[200];

	if (node->kind != YAML_MAPPING) {
		yaml_name_keys(keys, sizeof(keys), descriptor, section, reader->schema);
		yaml_error(reader->problems, node, "must be keys with values, of %s", keys);
		return 0;
	}
	for (struct yaml_node *key = node->first; key && key->next; key = key->next->next) {
		const ProtobufCFieldDescriptor *field =
			find_field(reader->schema, descriptor, section, key->text);
		const char *inner =
			section ? NULL : find_section(reader->schema, descriptor, key->text);
		size_t number = field ? (size_t)(field - descriptor->fields) : 0;
		bool again = field ? seen >> number & 1 : inner && seen_section;
		int r = 0;

		if (key->bad)
			continue;
		if (again)
			yaml_error(reader->problems, key, "the key '%s' is set twice", key->text);
		else if (inner)
			r = parse_keys(reader, key->next, message, inner);
		else if (field)
			r = parse_field(reader, key->next, field,
				rule_of(reader->schema, descriptor, field), (char *)message);
		else
			refuse_key(reader, key, descriptor, section);
		if (r < 0)
			return r;
		seen |= field ? UINT64_C(1) << number : 0;
		seen_section |= inner != NULL;
	}
	if (!section)
		check_needed(reader, node, descriptor, seen);
	return 0;
}

static int parse_message(struct reader *reader, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret)
{
	ProtobufCMessage *message = calloc(1, descriptor->sizeof_message);
	int r;

	if (!message)
		return -ENOMEM;
	descriptor->message_init(message);
	*ret = message;
	node->made = message;
	if (descriptor->n_fields > FIELDS_LIMIT)
		return -ENOMEM;
	r = parse_keys(reader, node, message, NULL);
	return r < 0 ? r : 1;
}

int yaml_to_message(ProtobufCMessage **ret, struct yaml_node *node,
	const ProtobufCMessageDescriptor *descriptor, const struct yaml_schema *schema,
	struct yaml_problems *problems)
{
	struct reader reader = {schema, problems};
	int r;

	*ret = NULL;
	r = parse_message(&reader, node, descriptor, ret);
	if (r < 0 && *ret) {
		protobuf_c_message_free_unpacked(*ret, NULL);
		*ret = NULL;
	}
	return r < 0 ? r : 0;
}
