#include "protocol/file/redaction.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/file/redaction_shortcuts.h"
#include "protocol/input.pb-c.h"
#include "protocol/schema.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* google.protobuf.FieldDescriptorProto.Type */
enum {
	TYPE_BOOL = 8,
	TYPE_STRING = 9,
	TYPE_MESSAGE = 11,
	TYPE_UINT32 = 13,
	TYPE_ENUM = 14,
	TYPE_SINT32 = 17
};

/*
 * Fields allowed in input messages where codes are not, each reviewed: none holds typed content.
 * Device numbers, times, axes, members of enums without keys.
 */
static const struct {
	const char *message, *field;
	uint64_t number, type;
	const char *type_name; /* of enums and messages */
} safe_fields[] = {
	{"uxrec.InputDevice", "device", 1, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "source", 2, TYPE_ENUM, ".uxrec.InputSource"},
	{"uxrec.InputDevice", "name", 3, TYPE_STRING, ""},
	{"uxrec.InputDevice", "bus", 4, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "vendor", 5, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "product", 6, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "version", 7, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "keyboard", 8, TYPE_BOOL, ""},
	{"uxrec.InputDevice", "pointer", 9, TYPE_BOOL, ""},
	{"uxrec.InputDevice", "touch", 10, TYPE_BOOL, ""},
	{"uxrec.InputDevice", "virtual", 11, TYPE_BOOL, ""},
	{"uxrec.InputDevice", "removed", 12, TYPE_BOOL, ""},
	{"uxrec.InputDevice", "time_resolution_us", 13, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "axes", 14, TYPE_MESSAGE, ".uxrec.InputDevice.Axis"},
	{"uxrec.InputDevice", "kinds", 15, TYPE_ENUM, ".uxrec.InputDevice.Kind"},
	{"uxrec.InputDevice", "seat", 16, TYPE_STRING, ""},
	{"uxrec.InputDevice", "properties", 17, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "controls", 18, TYPE_ENUM, ".uxrec.Control"},
	{"uxrec.InputDevice", "key_count", 19, TYPE_UINT32, ""},
	{"uxrec.InputDevice", "slots", 20, TYPE_UINT32, ""},
	{"uxrec.InputDevice.Axis", "control", 1, TYPE_ENUM, ".uxrec.Control"},
	{"uxrec.InputDevice.Axis", "minimum", 2, TYPE_SINT32, ""},
	{"uxrec.InputDevice.Axis", "maximum", 3, TYPE_SINT32, ""},
	{"uxrec.InputDevice.Axis", "resolution", 4, TYPE_SINT32, ""},
	{"uxrec.InputDevice.Axis", "fuzz", 5, TYPE_SINT32, ""},
	{"uxrec.InputDevice.Axis", "flat", 6, TYPE_SINT32, ""},
	{"uxrec.InputDevice.Axis", "unit", 7, TYPE_ENUM, ".uxrec.InputDevice.Unit"},
	{"uxrec.ControlBatch", "device", 1, TYPE_UINT32, ""},
	{"uxrec.ControlBatch", "dt_us", 2, TYPE_UINT32, ""},
	{"uxrec.ControlBatch", "control", 3, TYPE_ENUM, ".uxrec.Control"},
	{"uxrec.ControlBatch", "value", 4, TYPE_SINT32, ""},
	{"uxrec.ControlBatch", "buttons_before", 5, TYPE_UINT32, ""},
	{"uxrec.KeyClassBatch", "device", 1, TYPE_UINT32, ""},
	{"uxrec.KeyClassBatch", "dt_us", 2, TYPE_UINT32, ""},
	{"uxrec.KeyClassBatch", "key_class", 3, TYPE_ENUM, ".uxrec.KeyClass"},
	{"uxrec.KeyClassBatch", "action", 4, TYPE_ENUM, ".uxrec.KeyAction"},
	{"uxrec.KeyClassBatch", "buttons_before", 5, TYPE_UINT32, ""},
	{"uxrec.KeyCount", "device", 1, TYPE_UINT32, ""},
	{"uxrec.KeyCount", "presses", 2, TYPE_UINT32, ""},
	{"uxrec.KeyPolicy", "level", 1, TYPE_ENUM, ".uxrec.KeyPolicy.Level"},
	{"uxrec.KeyPolicy", "reason", 2, TYPE_ENUM, ".uxrec.KeyPolicy.Reason"},
	{"uxrec.KeyPolicy", "shortcuts", 3, TYPE_BOOL, ""},
	{"uxrec.KeyPolicy", "passwords_watched", 4, TYPE_BOOL, ""},
	/* self-description of applications and layouts, independent of typing */
	{"uxrec.ClickedObject", "x_px", 1, TYPE_SINT32, ""},
	{"uxrec.ClickedObject", "y_px", 2, TYPE_SINT32, ""},
	{"uxrec.ClickedObject", "role", 3, TYPE_STRING, ""},
	{"uxrec.ClickedObject", "name", 4, TYPE_STRING, ""},
	{"uxrec.ClickedObject", "application", 5, TYPE_STRING, ""},
	{"uxrec.ClickedObject", "left_px", 6, TYPE_SINT32, ""},
	{"uxrec.ClickedObject", "top_px", 7, TYPE_SINT32, ""},
	{"uxrec.ClickedObject", "width_px", 8, TYPE_UINT32, ""},
	{"uxrec.ClickedObject", "height_px", 9, TYPE_UINT32, ""},
	{"uxrec.KeyboardLayout", "rules", 1, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "model", 2, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "layout", 3, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "variant", 4, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "options", 5, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "origin", 6, TYPE_STRING, ""},
	{"uxrec.KeyboardLayout", "group", 8, TYPE_UINT32, ""},
	{"uxrec.KeyboardLayout", "labels", 7, TYPE_MESSAGE, ".uxrec.KeyboardLayout.Label"},
	/* for all keys of the layout or for none: check_layout() */
	{"uxrec.KeyboardLayout.Label", "code", 1, TYPE_UINT32, ""},
	{"uxrec.KeyboardLayout.Label", "text", 2, TYPE_STRING, ""},
};

#define LEVEL(name) UXREC__KEY_POLICY__LEVEL__LEVEL_##name

struct policy {
	int64_t from_ns;
	Uxrec__KeyPolicy__Level level;
	bool shortcuts, passwords_watched;
};

struct redaction {
	void (*report)(void *user, int64_t time_ns, const char *text);
	void *user;
	struct redaction_result result;
	struct policy *policies;
	size_t count;
	int64_t utc_offset_ns, last_ns;
	bool offset_known;
	struct {
		const struct reader_channel *channel;
		bool safe;
	} judged[64]; /* channels with a walked schema */
	size_t judged_count;
	struct redaction_shortcuts shortcuts;
	/* during a schema walk */
	struct view descriptors;
	char walked[80];
	int depth;
	bool unsafe;
	char unsafe_field[64];
};

static void __attribute__((format(printf, 3, 4)))
problem(struct redaction *redaction, int64_t time_ns, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	redaction->result.problems++;
	if (redaction->report)
		redaction->report(redaction->user, time_ns, text);
}

/* ---- effective policy ---- */

static int add_policy(struct redaction *redaction, const struct policy *policy)
{
	size_t at;

	if (!array_grow(redaction->policies, redaction->count))
		return -ENOMEM;
	/* one decided later may apply from an earlier time */
	for (at = redaction->count++;
		at > 0 && redaction->policies[at - 1].from_ns > policy->from_ns; at--)
		redaction->policies[at] = redaction->policies[at - 1];
	redaction->policies[at] = *policy;
	return 0;
}

static Uxrec__KeyPolicy__Level level_named(const char *name)
{
	if (strcmp(name, "full") == 0)
		return LEVEL(FULL);
	if (strcmp(name, "classes") == 0)
		return LEVEL(CLASSES);
	return strcmp(name, "counts") == 0 ? LEVEL(COUNTS) : LEVEL(NONE);
}

static int handle_event(
	struct redaction *redaction, int64_t time_ns, const Uxrec__SessionEvent *event)
{
	if (event->kind != UXREC__SESSION_EVENT__KIND__KIND_STARTED || !*event->keys)
		return 0;
	return add_policy(
		redaction, &(struct policy){.from_ns = time_ns, .level = level_named(event->keys)});
}

static int handle_policy(
	struct redaction *redaction, int64_t time_ns, const Uxrec__KeyPolicy *policy)
{
	int r = redaction_shortcuts_policy(&redaction->shortcuts, time_ns);

	redaction->result.policies++;
	if (r < 0)
		return r;
	return add_policy(redaction,
		&(struct policy){
			time_ns, policy->level, policy->shortcuts, policy->passwords_watched});
}

static void handle_clock(struct redaction *redaction, const Uxrec__ClockSample *sample)
{
	redaction->utc_offset_ns = sample->utc_offset_ns;
	redaction->offset_known = true;
}

static int handle_state_message(struct redaction *redaction, const struct reader_message *message)
{
	const ProtobufCMessageDescriptor *descriptor = schema_message(message->channel->schema);
	ProtobufCMessage *unpacked = protobuf_c_message_unpack(
		descriptor, NULL, message->data.size_bytes, message->data.data);
	int r = 0;

	if (!unpacked)
		return 0; /* reported when the messages are checked */
	if (message->channel->known == CHANNEL_EVENTS)
		r = handle_event(redaction, message->time_ns, (const void *)unpacked);
	else if (message->channel->known == CHANNEL_KEY_POLICY)
		r = handle_policy(redaction, message->time_ns, (const void *)unpacked);
	else if (message->channel->known == CHANNEL_GAPS)
		r = redaction_shortcuts_gap(&redaction->shortcuts, (const void *)unpacked);
	else
		handle_clock(redaction, (const void *)unpacked);
	protobuf_c_message_free_unpacked(unpacked, NULL);
	return r;
}

static struct policy policy_at(const struct redaction *redaction, int64_t time_ns)
{
	size_t begun = bisect(redaction->count, i, redaction->policies[i].from_ns <= time_ns);

	/* before the first policy nothing is allowed */
	return begun > 0 ? redaction->policies[begun - 1] : (struct policy){.level = LEVEL(NONE)};
}

/* ---- capacity of a schema ---- */

static bool is(struct view text, const char *other)
{
	return text.size_bytes == strlen(other) &&
		(text.size_bytes == 0 || memcmp(text.data, other, text.size_bytes) == 0);
}

static void walk(struct redaction *redaction, const char *message);

static void judge_field(void *user, const struct schema_field *field)
{
	struct redaction *redaction = user;

	for (size_t i = 0; i < ARRAY_SIZE(safe_fields); i++)
		if (strcmp(safe_fields[i].message, redaction->walked) == 0 &&
			is(field->name, safe_fields[i].field) &&
			field->number == safe_fields[i].number &&
			field->type == safe_fields[i].type &&
			is(field->type_name, safe_fields[i].type_name)) {
			if (field->type == TYPE_MESSAGE)
				walk(redaction, safe_fields[i].type_name + 1);
			return;
		}
	redaction->unsafe = true;
	snprintf(redaction->unsafe_field, sizeof(redaction->unsafe_field), "%.*s",
		(int)(field->name.size_bytes > 60 ? 60 : field->name.size_bytes),
		(const char *)field->name.data);
}

/* Judge all fields of a message type, and of its nested types. */
static void walk(struct redaction *redaction, const char *message)
{
	const struct view name = {(const unsigned char *)message, strlen(message), 0};
	char before[sizeof(redaction->walked)];

	memcpy(before, redaction->walked, sizeof(before));
	snprintf(redaction->walked, sizeof(redaction->walked), "%s", message);
	if (redaction->depth++ > 2 ||
		schema_walk(redaction->descriptors, name, judge_field, redaction) < 0)
		redaction->unsafe = true;
	redaction->depth--;
	memcpy(redaction->walked, before, sizeof(before));
}

/* @return true when messages of the channel have no room for a code, by the file's own schema */
static bool channel_is_safe(struct redaction *redaction, const struct reader_message *message)
{
	const struct reader_channel *channel = message->channel;
	size_t i = 0;

	while (i < redaction->judged_count && redaction->judged[i].channel != channel)
		i++;
	if (i < redaction->judged_count)
		return redaction->judged[i].safe;
	redaction->descriptors = channel->schema_data;
	redaction->unsafe = false;
	snprintf(redaction->unsafe_field, sizeof(redaction->unsafe_field), "%s", "what it holds");
	walk(redaction, channel->schema);
	if (redaction->unsafe)
		problem(redaction, message->time_ns,
			"%s (%s) can hold a key code: %s is not one of the safe fields",
			channel->topic, channel->schema, redaction->unsafe_field);
	if (redaction->judged_count < ARRAY_SIZE(redaction->judged)) {
		redaction->judged[redaction->judged_count].channel = channel;
		redaction->judged[redaction->judged_count++].safe = !redaction->unsafe;
	}
	return !redaction->unsafe;
}

/* ---- content of a message ---- */

static bool is_member(const ProtobufCEnumDescriptor *descriptor, int value)
{
	return protobuf_c_enum_descriptor_get_value(descriptor, value) != NULL;
}

/* Key times are aligned to intervals, or to the start of the policy's span. */
static void check_time(struct redaction *redaction, const struct reader_message *message,
	const struct policy *policy, int64_t interval_ns)
{
	int64_t monotonic_ns = message->time_ns - redaction->utc_offset_ns;

	if (redaction->result.policies > 0 && redaction->offset_known &&
		monotonic_ns % interval_ns != 0 && message->time_ns != policy->from_ns)
		problem(redaction, message->time_ns,
			"%s: the time is more exact than the policy allows",
			message->channel->topic);
}

static void report_shortcut(struct redaction *redaction, bool holds, int64_t time_ns)
{
	if (!holds)
		problem(redaction, time_ns,
			"a shortcut whose modifiers were not down: its code is of text");
}

static void check_classes(struct redaction *redaction, const struct reader_message *message,
	const Uxrec__KeyClassBatch *batch, const struct policy *policy)
{
	int64_t time_ns = 0;
	bool holds = redaction_shortcuts_classes(
		&redaction->shortcuts, message->time_ns, batch, &time_ns);

	report_shortcut(redaction, holds, time_ns);
	redaction->result.keys += batch->n_key_class;
	if (policy->level < LEVEL(CLASSES))
		problem(redaction, message->time_ns, "classes of keys where the policy allows %s",
			policy->level == LEVEL(COUNTS) ? "counts" : "nothing");
	for (size_t i = 0; i < batch->n_key_class; i++)
		if (!is_member(&uxrec__key_class__descriptor, (int)batch->key_class[i]))
			problem(redaction, message->time_ns, "a class of keys that does not exist");
	for (size_t i = 0; i < batch->n_action; i++)
		if (!is_member(&uxrec__key_action__descriptor, (int)batch->action[i]))
			problem(redaction, message->time_ns, "an action that does not exist");
	for (size_t i = 0; i < batch->n_dt_us && redaction->result.policies > 0; i++)
		if (batch->dt_us[i] != 0)
			problem(redaction, message->time_ns,
				"the times of keys are more exact than the policy allows");
	check_time(redaction, message, policy, 100 * NS_PER_MS);
}

static void check_count(struct redaction *redaction, const struct reader_message *message,
	const Uxrec__KeyCount *count, const struct policy *policy)
{
	redaction->result.keys += count->presses;
	if (policy->level < LEVEL(COUNTS))
		problem(redaction, message->time_ns,
			"counts of keys where the policy allows nothing");
	check_time(redaction, message, policy, 250 * NS_PER_MS);
}

static bool is_switched(int control)
{
	return (control >= UXREC__CONTROL__CONTROL_BUTTON_LEFT &&
		control < UXREC__CONTROL__CONTROL_FOUND);
}

static void check_controls(struct redaction *redaction, const struct reader_message *message,
	const Uxrec__ControlBatch *batch)
{
	for (size_t i = 0; i < batch->n_control; i++) {
		int control = (int)batch->control[i];
		int32_t value = i < batch->n_value ? batch->value[i] : 0;

		if (!is_member(&uxrec__control__descriptor, control))
			problem(redaction, message->time_ns, "a control that does not exist");
		else if (is_switched(control) && value != 0 && value != 1)
			problem(redaction, message->time_ns,
				"a button that is neither up nor down");
	}
}

static void check_shortcuts(struct redaction *redaction, const struct reader_message *message,
	const Uxrec__ShortcutBatch *batch, const struct policy *policy)
{
	unsigned command = UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_CTRL |
		UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_ALT |
		UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_SUPER;
	int64_t time_ns = 0;
	bool holds;

	holds = redaction_shortcuts_batch(&redaction->shortcuts, message->time_ns, batch, &time_ns);
	report_shortcut(redaction, holds, time_ns);
	redaction->result.keys += batch->n_code;
	if (policy->level != LEVEL(CLASSES) || !policy->shortcuts)
		problem(redaction, message->time_ns, "shortcuts where the policy allows none");
	if (batch->n_modifiers != batch->n_code)
		problem(redaction, message->time_ns, "shortcuts without their modifiers");
	for (size_t i = 0; i < batch->n_modifiers; i++)
		if (!(batch->modifiers[i] & command))
			problem(redaction, message->time_ns, "a shortcut that is a plain key");
	check_time(redaction, message, policy, 100 * NS_PER_MS);
}

static void check_layout(struct redaction *redaction, const struct reader_message *message,
	const Uxrec__KeyboardLayout *layout)
{
	bool codes_allowed = false;

	for (size_t i = 0; i < redaction->count; i++)
		codes_allowed |= redaction->policies[i].level == LEVEL(FULL) ||
			redaction->policies[i].shortcuts;
	if (layout->n_labels > 0 && !codes_allowed)
		problem(redaction, message->time_ns,
			"labels of keys, but no policy of this session allows key codes");
}

static void check_unpacked(struct redaction *redaction, const struct reader_message *message,
	const ProtobufCMessage *unpacked, const struct policy *policy)
{
	const void *content = unpacked;

	if (unpacked->n_unknown_fields > 0)
		problem(redaction, message->time_ns, "%s: a field that the schema does not declare",
			message->channel->topic);
	switch (message->channel->known) {
	case CHANNEL_CONTROLS: check_controls(redaction, message, content); break;
	case CHANNEL_KEY_CLASSES: check_classes(redaction, message, content, policy); break;
	case CHANNEL_KEY_COUNTS: check_count(redaction, message, content, policy); break;
	case CHANNEL_SHORTCUTS: check_shortcuts(redaction, message, content, policy); break;
	case CHANNEL_KEYBOARD_LAYOUT: check_layout(redaction, message, content); break;
	default: break;
	}
}

/* Pictures, sound and acts are exempt; everything that could be input is checked. */
static bool may_be_input(const struct reader_channel *channel)
{
	const struct channel_kind *kind = channel_kind_get(channel->known);

	return !kind || kind->modality == MODALITY_INPUT;
}

static void check_message(struct redaction *redaction, const struct reader_message *message)
{
	const struct reader_channel *channel = message->channel;
	struct policy policy = policy_at(redaction, message->time_ns);
	const ProtobufCMessageDescriptor *descriptor = schema_message(channel->schema);
	ProtobufCMessage *unpacked;

	redaction->last_ns = message->time_ns;
	if (!may_be_input(channel))
		return;
	redaction->result.messages++;
	if (policy.level == LEVEL(FULL))
		return;
	if (channel->known == CHANNEL_KEYS) {
		problem(redaction, message->time_ns, "key codes where the policy allows none");
		return;
	}
	/* codes, each with a modifier: checked below */
	if (channel->known != CHANNEL_SHORTCUTS && !channel_is_safe(redaction, message))
		return;
	unpacked = descriptor ? protobuf_c_message_unpack(descriptor, NULL,
					message->data.size_bytes, message->data.data)
			      : NULL;
	if (!unpacked) {
		problem(redaction, message->time_ns, "%s: a message that is not of type %s",
			channel->topic, channel->schema);
		return;
	}
	check_unpacked(redaction, message, unpacked, &policy);
	protobuf_c_message_free_unpacked(unpacked, NULL);
}

/* ---- whole recording ---- */

static int each(struct redaction *redaction, struct session_reader *reader, uint64_t known,
	int (*callback)(struct redaction *redaction, const struct reader_message *message))
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, known);

	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0)
		r = callback(redaction, &message);
	return r;
}

static int handle_message(struct redaction *redaction, const struct reader_message *message)
{
	check_message(redaction, message);
	return 0;
}

static uint64_t covered_ns(const struct redaction *redaction)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < redaction->count; i++) {
		int64_t to_ns = i + 1 < redaction->count ? redaction->policies[i + 1].from_ns
							 : redaction->last_ns;

		if (redaction->policies[i].level != LEVEL(FULL) &&
			to_ns > redaction->policies[i].from_ns)
			covered += (uint64_t)(to_ns - redaction->policies[i].from_ns);
	}
	return covered;
}

int redaction_verify(struct session_reader *reader,
	void (*report)(void *user, int64_t time_ns, const char *text), void *user,
	struct redaction_result *ret, struct error *reterr)
{
	struct redaction redaction = {.report = report, .user = user};
	const struct reader_damage *damages;
	int64_t time_ns = 0;
	bool holds;
	int r = each(&redaction, reader,
		UINT64_C(1) << CHANNEL_EVENTS | UINT64_C(1) << CHANNEL_KEY_POLICY |
			UINT64_C(1) << CHANNEL_CLOCK | UINT64_C(1) << CHANNEL_GAPS,
		handle_state_message);

	if (r >= 0)
		r = each(&redaction, reader, 0, handle_message);
	holds = redaction_shortcuts_end(&redaction.shortcuts, &time_ns);
	report_shortcut(&redaction, holds, time_ns);
	/* unreadable data cannot be verified */
	for (size_t i = 0; i < session_reader_damages(reader, &damages); i++)
		problem(&redaction, 0, "not checked: %s", damages[i].text);
	redaction.result.covered_ns = covered_ns(&redaction);
	free(redaction.policies);
	redaction_shortcuts_finish(&redaction.shortcuts);
	*ret = redaction.result;
	if (r < 0)
		return error_set(reterr, r, "cannot be read: %s", strerror(-r));
	return ret->problems == 0;
}
