#include "protocol/acts/act_fields.h"

#include "protocol/acts/act.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/limits.h"
#include "protocol/message_patch.h"
#include "protocol/name.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_LIMIT_BYTES 8192
/* a sentence: of a problem, a clip */
#define TITLE_LIMIT_BYTES 500
/* an act is limited to 64 KiB in all */
#define FORM_LIMIT_BYTES (60 * 1024)
/* Tasks of a session, tags of a problem, items of a questionnaire: all lists are made by hand. */
#define LIST_LIMIT 1000
/* Tag.lag_us: a press and its picture are in one session. */
#define LAG_LIMIT_US (INT64_C(24) * 3600 * 1000000)

enum text_kind {
	TEXT_LABEL, /* NAME_LIMIT_BYTES; fields not listed below */
	TEXT_TITLE,
	TEXT_NOTE,
	TEXT_FORM,
	TEXT_NAME,
	TEXT_IDENTIFIER,
	TEXT_ID,
	TEXT_LAYER,
	TEXT_MODALITY,
	TEXT_USE,
};

/* An empty text is unset, except in a list; required texts are checked by the body's own check. */
static const struct {
	const ProtobufCMessageDescriptor *message; /* NULL: any */
	const char *field;
	enum text_kind kind;
} texts[] = {
	{&uxrec__consent__descriptor, "text", TEXT_FORM},
	{NULL, "attempt", TEXT_ID},
	{NULL, "coder", TEXT_ID},
	{NULL, "decided_by", TEXT_ID},
	{NULL, "from_tags", TEXT_ID},
	{NULL, "layer_principal", TEXT_ID},
	{NULL, "participant_id", TEXT_ID},
	{NULL, "participant_ids", TEXT_ID},
	{NULL, "problem", TEXT_ID},
	{NULL, "station_id", TEXT_ID},
	{NULL, "study_id", TEXT_ID},
	{NULL, "tag", TEXT_ID},
	{NULL, "tags", TEXT_ID},
	{NULL, "actual_tasks", TEXT_IDENTIFIER},
	{NULL, "code", TEXT_IDENTIFIER},
	{NULL, "item", TEXT_IDENTIFIER},
	{NULL, "opportunity", TEXT_IDENTIFIER},
	{NULL, "planned_tasks", TEXT_IDENTIFIER},
	{NULL, "questionnaire", TEXT_IDENTIFIER},
	{NULL, "task", TEXT_IDENTIFIER},
	{NULL, "participant", TEXT_NAME},
	{NULL, "participants", TEXT_NAME},
	{NULL, "title", TEXT_TITLE},
	{NULL, "description", TEXT_NOTE},
	{NULL, "excluded_reason", TEXT_NOTE},
	{NULL, "note", TEXT_NOTE},
	{NULL, "reason", TEXT_NOTE},
	{NULL, "recommendation", TEXT_NOTE},
	{NULL, "signed_by", TEXT_NOTE},
	{NULL, "text", TEXT_NOTE},
	{NULL, "value", TEXT_NOTE},
	{NULL, "layer", TEXT_LAYER},
	{NULL, "modalities", TEXT_MODALITY},
	{NULL, "scope", TEXT_MODALITY},
	{NULL, "uses", TEXT_USE},
};

static const char *const modalities[] = {"screen", "input", "sound", "camera", NULL};
static const char *const uses[] = {"analysis", "observers", "clips", "publication", NULL};

static enum text_kind kind_of(
	const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if ((!texts[i].message || texts[i].message == message) &&
			strcmp(texts[i].field, field->name) == 0)
			return texts[i].kind;
	return TEXT_LABEL;
}

/* ---- single values ---- */

struct place {
	struct act_checking *checking;
	const char *body;
	const ProtobufCFieldDescriptor *field;
	struct error *reterr;
};

#define REFUSE(place, format, ...)                                                                 \
	error_set((place)->reterr, -EINVAL, "%s.%s: " format, (place)->body, (place)->field->name, \
		__VA_ARGS__)

static int check_length(const struct place *place, const char *text, size_t limit_bytes)
{
	return strlen(text) <= limit_bytes
		? 0
		: REFUSE(place, "the text is longer than %zu bytes", limit_bytes);
}

/* adds the field's name to the error of a check */
static int check_by(const struct place *place, const char *text,
	int (*by)(const char *what, const char *text, struct error *reterr))
{
	struct error reason;

	return by(place->field->name, text, &reason) < 0
		? error_set(place->reterr, -EINVAL, "%s.%s", place->body, reason.text)
		: 0;
}

static int check_word(const struct place *place, const char *word, const char *const *words)
{
	for (const char *const *known = words; *known; known++)
		if (strcmp(word, *known) == 0)
			return 0;
	if (check_by(place, word, identifier_check) < 0)
		return -EINVAL;
	if (place->checking->reading) {
		place->checking->later = true;
		return 0;
	}
	return REFUSE(place, "there is no '%s'", text_quote(word).text);
}

static int check_text(const struct place *place, enum text_kind kind, const char *text)
{
	struct error reason;

	if (!*text && place->field->label != PROTOBUF_C_LABEL_REPEATED)
		return 0;
	switch (kind) {
	case TEXT_LABEL: return check_length(place, text, NAME_LIMIT_BYTES);
	case TEXT_TITLE: return check_length(place, text, TITLE_LIMIT_BYTES);
	case TEXT_NOTE: return check_length(place, text, NOTE_LIMIT_BYTES);
	case TEXT_FORM: return check_length(place, text, FORM_LIMIT_BYTES);
	case TEXT_NAME: return check_by(place, text, name_check);
	case TEXT_IDENTIFIER: return check_by(place, text, identifier_check);
	case TEXT_ID:
		return act_id_is_valid(text) ? 0
					     : REFUSE(place, "'%s' is not an id of 32 hex digits",
						       text_quote(text).text);
	case TEXT_LAYER:
		return act_check_layer(place->checking, text, &reason) < 0
			? REFUSE(place, "%s", reason.text)
			: 0;
	case TEXT_MODALITY: return check_word(place, text, modalities);
	case TEXT_USE: return check_word(place, text, uses);
	}
	return 0;
}

/* Enums whose member 0 has a meaning and cannot replace an unknown member. */
static bool zero_is_stated(const ProtobufCEnumDescriptor *descriptor)
{
	return descriptor == &uxrec__tag__source__descriptor ||
		descriptor == &uxrec__session_info__think_aloud__descriptor;
}

static int check_enum(const struct place *place, int *value)
{
	const ProtobufCEnumDescriptor *descriptor = place->field->descriptor;

	if (protobuf_c_enum_descriptor_get_value(descriptor, *value))
		return 0;
	if (!place->checking->reading)
		return REFUSE(place, "there is no %s %d", descriptor->short_name, *value);
	place->checking->later = true;
	if (zero_is_stated(descriptor))
		place->checking->opaque = true;
	*value = 0;
	return 0;
}

static int check_int64(const struct place *place, int64_t value)
{
	size_t length = strlen(place->field->name);

	if (strcmp(place->field->name, "lag_us") == 0)
		return value >= -LAG_LIMIT_US && value <= LAG_LIMIT_US
			? 0
			: REFUSE(place, "%lld us is more than a day", (long long)value);
	if (length > 3 && strcmp(place->field->name + length - 3, "_ns") == 0 &&
		(value < 0 || value >= READER_TIME_LIMIT_NS))
		return REFUSE(place, "%lld is not a time of any session", (long long)value);
	return 0;
}

static int check_value(
	const struct place *place, const ProtobufCMessageDescriptor *message, void *at)
{
	switch (place->field->type) {
	case PROTOBUF_C_TYPE_ENUM: return check_enum(place, at);
	case PROTOBUF_C_TYPE_INT64: return check_int64(place, *(const int64_t *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return isfinite(*(const double *)at) ? 0
						     : REFUSE(place, "%s", "it is not a number");
	case PROTOBUF_C_TYPE_STRING:
		return check_text(place, kind_of(message, place->field), *(char *const *)at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return act_check_fields(place->checking, *(ProtobufCMessage *const *)at,
			place->field->name, place->reterr);
	default: return 0;
	}
}

/* ---- all fields ---- */

static bool is_set(const ProtobufCFieldDescriptor *field, const char *message)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(const void *)(message + field->quantifier_offset) ==
			field->id;
	return field->type != PROTOBUF_C_TYPE_MESSAGE ||
		*(void *const *)(const void *)(message + field->offset) != NULL;
}

static int check_field(
	const struct place *place, const ProtobufCMessageDescriptor *descriptor, char *message)
{
	const ProtobufCFieldDescriptor *field = place->field;
	size_t count;
	char *items;
	int r = 0;

	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return is_set(field, message)
			? check_value(place, descriptor, message + field->offset)
			: 0;
	count = *(const size_t *)(const void *)(message + field->quantifier_offset);
	items = *(char *const *)(const void *)(message + field->offset);
	if (count > LIST_LIMIT)
		return REFUSE(place, "%zu are more than %d", count, LIST_LIMIT);
	for (size_t i = 0; i < count && r == 0; i++)
		r = check_value(place, descriptor, items + i * message_value_bytes(field));
	return r;
}

int act_check_fields(struct act_checking *checking, ProtobufCMessage *message, const char *body,
	struct error *reterr)
{
	const Uxrec__Act *only = checking->only;
	int r = 0;

	if (message->n_unknown_fields > 0 && !checking->reading)
		return error_set(reterr, -EINVAL,
			"%s has a field of the number %u, which this version does not know", body,
			message->unknown_fields[0].tag);
	if (message->n_unknown_fields > 0) {
		checking->later = true;
		act_trim_unknown(message);
	}
	checking->only = NULL; /* names are those of the outermost message */
	for (unsigned i = 0; i < message->descriptor->n_fields && r == 0; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const struct place place = {checking, body, field, reterr};

		if (!only || act_sets(only, field->name))
			r = check_field(&place, message->descriptor, (char *)message);
	}
	checking->only = only;
	return r;
}

int act_check_layer(struct act_checking *checking, const char *layer, struct error *reterr)
{
	size_t kind = strspn(layer, "abcdefghijklmnopqrstuvwxyz0123456789-_");

	if (strcmp(layer, "live") == 0 || strcmp(layer, "consensus") == 0)
		return 0;
	if (strncmp(layer, "coder:", 6) == 0)
		return name_check("layer", layer + 6, reterr);
	if (checking->reading && islower((unsigned char)*layer) && strcmp(layer, "coder") != 0 &&
		(layer[kind] == '\0' || layer[kind] == ':') && strlen(layer) <= NOTE_LIMIT_BYTES) {
		checking->later = checking->opaque = true;
		return 0;
	}
	return error_set(reterr, -EINVAL,
		"layer '%s': it must be 'live', 'consensus' or 'coder:NAME'",
		text_quote(layer).text);
}

void act_trim_unknown(ProtobufCMessage *message)
{
	for (unsigned i = 1; i < message->n_unknown_fields; i++)
		free(message->unknown_fields[i].data);
	if (message->n_unknown_fields > 1)
		message->n_unknown_fields = 1;
}
