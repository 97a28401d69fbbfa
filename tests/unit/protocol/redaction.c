#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/file/redaction.h"
#include "protocol/file/writer.h"
#include "protocol/input.pb-c.h"
#include "protocol/schema.h"
#include "protocol/session.pb-c.h"

#include <string.h>

#define AT(ms)      ((int64_t)(ms)*NS_PER_MS)
#define LEVEL(name) UXREC__KEY_POLICY__LEVEL__LEVEL_##name

/* a recording in the making; session times are CLOCK_MONOTONIC */
struct making {
	char *path;
	struct session_writer *writer;
	struct session_clock clock;
};

static void push(
	struct making *making, uint16_t channel, int64_t ms, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, AT(ms), message);
}

static void push_policy(
	struct making *making, int64_t ms, Uxrec__KeyPolicy__Level level, bool shortcuts)
{
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;

	policy.level = level;
	policy.shortcuts = shortcuts;
	push(making, CHANNEL_KEY_POLICY, ms, &policy.base);
}

static void begin(struct making *making, Uxrec__KeyPolicy__Level level, bool shortcuts)
{
	Uxrec__ClockSample sample = UXREC__CLOCK_SAMPLE__INIT;
	Uxrec__InputDevice device = UXREC__INPUT_DEVICE__INIT;

	*making = (struct making){.path = temporary_path("redaction.mcap")};
	unlink(making->path);
	check(session_writer_create(&making->writer, making->path, SESSION_WRITER_RECORDING) == 0);
	push(making, CHANNEL_CLOCK, 1000, &sample.base);
	push(making, CHANNEL_INPUT_DEVICES, 1000, &device.base);
	push_policy(making, 1005, level, shortcuts);
}

static void push_classes(struct making *making, int64_t ms, int key_class, uint32_t dt_us)
{
	Uxrec__KeyClassBatch batch = UXREC__KEY_CLASS_BATCH__INIT;
	Uxrec__KeyClass column = (Uxrec__KeyClass)key_class;
	Uxrec__KeyAction action = UXREC__KEY_ACTION__KEY_ACTION_PRESS;
	uint32_t buttons = 0;

	batch.n_dt_us = batch.n_key_class = batch.n_action = batch.n_buttons_before = 1;
	batch.dt_us = &dt_us;
	batch.key_class = &column;
	batch.action = &action;
	batch.buttons_before = &buttons;
	push(making, CHANNEL_KEY_CLASSES, ms, &batch.base);
}

static void push_key(struct making *making, int64_t ms)
{
	Uxrec__KeyBatch batch = UXREC__KEY_BATCH__INIT;
	uint32_t code = 30, dt_us = 0;

	batch.n_code = batch.n_dt_us = 1;
	batch.code = &code;
	batch.dt_us = &dt_us;
	push(making, CHANNEL_KEYS, ms, &batch.base);
}

static void push_shortcut(struct making *making, int64_t ms, uint32_t modifiers)
{
	Uxrec__ShortcutBatch batch = UXREC__SHORTCUT_BATCH__INIT;
	uint32_t code = 31, dt_us = 0;

	batch.n_code = batch.n_dt_us = batch.n_modifiers = 1;
	batch.code = &code;
	batch.dt_us = &dt_us;
	batch.modifiers = &modifiers;
	push(making, CHANNEL_SHORTCUTS, ms, &batch.base);
}

static void push_count(struct making *making, int64_t ms)
{
	Uxrec__KeyCount count = UXREC__KEY_COUNT__INIT;

	count.presses = 7;
	push(making, CHANNEL_KEY_COUNTS, ms, &count.base);
}

static void push_control(struct making *making, int64_t ms, int control, int32_t value)
{
	Uxrec__ControlBatch batch = UXREC__CONTROL_BATCH__INIT;
	Uxrec__Control column = (Uxrec__Control)control;
	uint32_t dt_us = 0;

	batch.n_control = batch.n_value = batch.n_dt_us = 1;
	batch.control = &column;
	batch.value = &value;
	batch.dt_us = &dt_us;
	push(making, CHANNEL_CONTROLS, ms, &batch.base);
}

struct said {
	unsigned count;
	int64_t time_ns;
	char text[200];
};

static void hear(void *user, int64_t time_ns, const char *text)
{
	struct said *said = user;

	said->count++;
	said->time_ns = time_ns;
	snprintf(said->text, sizeof(said->text), "%s", text);
}

/* End the recording and check it. @return the number of problems; the last one in @p ret */
static unsigned judge(struct making *making, struct said *ret)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct redaction_result result;
	struct error error = {""};
	int r;

	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(making->writer);
	check(session_reader_open(&reader, making->path, &error) == 0);
	*ret = (struct said){0};
	r = redaction_verify(reader, hear, ret, &result, &error);
	check(r >= 0 && result.problems == ret->count && (r == 1) == (ret->count == 0));
	free(making->path);
	return ret->count;
}

static void what_is_allowed_is_found_good(void)
{
	struct making making;
	struct said said;

	begin(&making, LEVEL(CLASSES), true);
	push_classes(&making, 1005, UXREC__KEY_CLASS__KEY_CLASS_LETTER, 0);
	push_classes(&making, 1100, UXREC__KEY_CLASS__KEY_CLASS_LETTER, 0);
	push_shortcut(&making, 1100, UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_CTRL);
	push_control(&making, 1234, UXREC__CONTROL__CONTROL_REL_X, -5);
	push_control(&making, 1234, UXREC__CONTROL__CONTROL_BUTTON_LEFT, 1);
	push_policy(&making, 1500, LEVEL(COUNTS), false);
	push_count(&making, 1750);
	push_policy(&making, 2000, LEVEL(FULL), false);
	push_key(&making, 2001);
	push_policy(&making, 3000, LEVEL(NONE), false);
	push_control(&making, 3001, UXREC__CONTROL__CONTROL_WHEEL, 1);
	/* written later, valid from an earlier time on */
	push_policy(&making, 2900, LEVEL(NONE), false);
	expect(judge(&making, &said) == 0);
	if (said.count)
		printf("# %s\n", said.text);
}

static void what_is_not_allowed_is_found(void)
{
	enum {
		KEY,
		CLASS,
		CLASS_TIME,
		CLASS_DT,
		NO_CLASS,
		COUNT,
		COUNT_TIME,
		SHORTCUT,
		PLAIN,
		CONTROL,
		BUTTON
	};
	static const struct {
		Uxrec__KeyPolicy__Level level;
		bool shortcuts;
		int what;
		const char *says;
	} table[] = {
		{LEVEL(CLASSES), true, KEY, "key codes"},
		{LEVEL(COUNTS), false, KEY, "key codes"},
		{LEVEL(NONE), false, KEY, "key codes"},
		{LEVEL(COUNTS), false, CLASS, "allows counts"},
		{LEVEL(NONE), false, CLASS, "allows nothing"},
		{LEVEL(CLASSES), false, CLASS_TIME, "more exact"},
		{LEVEL(CLASSES), false, CLASS_DT, "more exact"},
		{LEVEL(CLASSES), false, NO_CLASS, "does not exist"},
		{LEVEL(NONE), false, COUNT, "allows nothing"},
		{LEVEL(COUNTS), false, COUNT_TIME, "more exact"},
		{LEVEL(CLASSES), false, SHORTCUT, "allows none"},
		{LEVEL(NONE), true, SHORTCUT, "allows none"},
		{LEVEL(CLASSES), true, PLAIN, "a plain key"},
		{LEVEL(CLASSES), false, CONTROL, "does not exist"},
		{LEVEL(NONE), false, BUTTON, "neither up nor down"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct making making;
		struct said said;

		begin(&making, table[i].level, table[i].shortcuts);
		switch (table[i].what) {
		case KEY: push_key(&making, 2000); break;
		case CLASS: push_classes(&making, 2000, 1, 0); break;
		case CLASS_TIME: push_classes(&making, 2001, 1, 0); break;
		case CLASS_DT: push_classes(&making, 2000, 1, 1); break;
		case NO_CLASS: push_classes(&making, 2000, 30, 0); break;
		case COUNT: push_count(&making, 2000); break;
		case COUNT_TIME: push_count(&making, 2100); break;
		case SHORTCUT: push_shortcut(&making, 2000, 2); break;
		case PLAIN: push_shortcut(&making, 2000, 1); break;
		case CONTROL: push_control(&making, 2000, 126, 0); break;
		default: push_control(&making, 2000, 64, 30); break;
		}
		expect(judge(&making, &said) == 1);
		expect(strstr(said.text, table[i].says) != NULL);
		if (!strstr(said.text, table[i].says))
			printf("# %zu: '%s'\n", i, said.text);
		expect(said.time_ns >= AT(2000));
	}
}

/* A file that declares a field for codes in a message without one: confusable byte strings. */
static void push_actions(struct making *making, int64_t ms, const int *actions)
{
	Uxrec__KeyClassBatch batch = UXREC__KEY_CLASS_BATCH__INIT;
	Uxrec__KeyClass classes[8];
	Uxrec__KeyAction column[8];
	uint32_t zeros[8] = {0};
	size_t count = 0;

	for (; actions[count] >= 0; count++) {
		classes[count] = UXREC__KEY_CLASS__KEY_CLASS_MODIFIER;
		column[count] = (Uxrec__KeyAction)actions[count];
	}
	batch.n_dt_us = batch.n_key_class = batch.n_action = batch.n_buttons_before = count;
	batch.dt_us = batch.buttons_before = zeros;
	batch.key_class = classes;
	batch.action = column;
	push(making, CHANNEL_KEY_CLASSES, ms, &batch.base);
}

/* actions of modifiers: pressed 1, released 0, found down 3; then a shortcut with Ctrl, or with Ctrl and Shift */
static void shortcuts_need_modifiers_that_are_down(void)
{
	static const struct {
		int before[5], in_the_interval[4];
		uint32_t modifiers;
		bool gap, good;
	} table[] = {
		{{1, -1}, {-1}, 2, false, true},
		{{-1}, {1, -1}, 2, false, true},
		{{-1}, {1, 0, -1}, 2, false, true},
		{{1, -1}, {1, -1}, 3, false, true},
		{{3, -1}, {-1}, 2, false, true},
		{{-1}, {-1}, 2, false, false},
		{{1, 0, -1}, {-1}, 2, false, false},
		{{1, -1}, {-1}, 3, false, false},
		/* one Ctrl, counted twice at the begin */
		{{1, 3, 0, -1}, {-1}, 2, false, false},
		/* its press may be missing */
		{{-1}, {-1}, 2, true, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct making making;
		struct said said;

		begin(&making, LEVEL(CLASSES), true);
		push_actions(&making, 4000, table[i].before);
		if (table[i].gap) {
			Uxrec__Gap gap = UXREC__GAP__INIT;
			char *topics[] = {(char *)"/input"};

			gap.reason = UXREC__GAP__REASON__REASON_OVERLOAD;
			gap.from_ns = gap.to_ns = AT(5000);
			gap.topics = topics;
			gap.n_topics = 1;
			push(&making, CHANNEL_GAPS, 5000, &gap.base);
		}
		push_actions(&making, 6000, table[i].in_the_interval);
		push_shortcut(&making, 6000, table[i].modifiers);
		expect(judge(&making, &said) == (table[i].good ? 0 : 1));
		if (!table[i].good)
			expect(strstr(said.text, "whose modifiers were not down") != NULL &&
				said.time_ns == AT(6000));
	}
}

static void forged_schemas_are_found(void)
{
	static const char *const names[][2] = {
		{"buttons_before", "which_key_code"},
		{"key_class", "key_codes"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct channel_kind *kind = channel_kind_get(CHANNEL_KEY_CLASSES);
		struct view schema = schema_descriptors(kind->schema);
		_autofree_ unsigned char *forged = malloc(schema.size_bytes);
		struct making making = {.path = temporary_path("redaction.mcap")};
		struct said said;

		check(forged);
		memcpy(forged, schema.data, schema.size_bytes);
		for (unsigned char *at = forged;
			(at = memmem(at, schema.size_bytes - (size_t)(at - forged), names[i][0],
				 strlen(names[i][0])));)
			memcpy(at, names[i][1], strlen(names[i][1]));
		unlink(making.path);
		check(session_writer_create(&making.writer, making.path, SESSION_WRITER_COPY) == 0);
		check(session_writer_declare(making.writer,
			      &(struct mcap_schema){CHANNEL_KEY_CLASSES, mcap_text(kind->schema),
				      mcap_text("protobuf"), {forged, schema.size_bytes, 0}},
			      &(struct mcap_channel){CHANNEL_KEY_CLASSES, CHANNEL_KEY_CLASSES,
				      mcap_text(kind->topic), mcap_text("protobuf"), {0}}) == 0);
		push_classes(&making, 1000, 1, 0);
		expect(judge(&making, &said) == 1);
		expect(strstr(said.text, "can hold a key code") != NULL);
		expect(strstr(said.text, names[i][1]) != NULL);
	}
}

static void undeclared_fields_are_found(void)
{
	/* device 1, and field 9 with a code in it */
	static const unsigned char data[] = {0x08, 0x01, 0x48, 0x1e};
	_packet_unref_ struct packet *packet = NULL;
	struct making making;
	struct said said;

	begin(&making, LEVEL(COUNTS), false);
	check(packet_create_data(&packet, &making.clock,
		      &(struct packet_info){CHANNEL_KEY_COUNTS, 0, AT(1250), 0}, data,
		      sizeof(data)) == 0);
	check(session_writer_append(making.writer, packet) == 0);
	expect(judge(&making, &said) == 1);
	expect(strstr(said.text, "does not declare") != NULL);
}

static const struct test tests[] = {
	{"events permitted by the policy pass", what_is_allowed_is_found_good},
	{"forbidden events are found, with their place", what_is_not_allowed_is_found},
	{"a shortcut whose modifiers were not down is found",
		shortcuts_need_modifiers_that_are_down},
	{"a schema with room for a code is found", forged_schemas_are_found},
	{"a field that the schema does not declare is found", undeclared_fields_are_found},
};

int main(void)
{
	return RUN_TESTS("redaction", tests);
}
