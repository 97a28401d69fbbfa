#include "tests/harness/helpers.h"
#include "tests/harness/inputd_peer.h"

#include "capture/inputd/redactor.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

/* a redactor with both ends of its socket */
struct lab {
	struct input_out out;
	struct redactor redactor;
	int fd;
};

static struct lab *lab_create(enum key_policy keys, bool shortcuts, bool hold)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	int pair[2], room = 4 * 1024 * 1024;

	check(lab && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	lab->out.fd = pair[0];
	lab->fd = pair[1];
	lab->redactor.out = &lab->out;
	redactor_start(&lab->redactor, keys, shortcuts, hold, 0);
	return lab;
}

static void lab_destroy(struct lab *lab)
{
	if (!lab)
		return;
	close(lab->out.fd);
	close(lab->fd);
	free(lab);
}
DEFINE_DESTROY(lab);

/* the next packet, which must be of this channel */
static void take_channel(struct lab *lab, struct peer_message *sent, uint32_t channel)
{
	check(peer_receive(lab->fd, sent, 0));
	expect(sent->header.kind == INPUTD_PACKET && sent->header.channel == channel);
}

static void expect_silence(struct lab *lab)
{
	struct peer_message sent;

	expect(!peer_receive(lab->fd, &sent, 0));
}

static void expect_policy(struct lab *lab, int level, int reason, int64_t at_ms)
{
	Uxrec__KeyPolicy *policy;
	struct peer_message sent;

	take_channel(lab, &sent, CHANNEL_KEY_POLICY);
	expect(sent.header.time_ns == at_ms * NS_PER_MS);
	policy = uxrec__key_policy__unpack(NULL, sent.size_bytes, sent.data);
	check(policy);
	expect((int)policy->level == level && (int)policy->reason == reason);
	uxrec__key_policy__free_unpacked(policy, NULL);
}

#define LEVEL(name)  UXREC__KEY_POLICY__LEVEL__LEVEL_##name
#define REASON(name) UXREC__KEY_POLICY__REASON__REASON_##name

static void key_at(struct lab *lab, int64_t us, uint16_t code, int action)
{
	const struct key_event key = {.time_ns = us * NS_PER_US,
		.device = 2,
		.code = code,
		.key_class = key_class_of_code(code),
		.modifier = modifier_of_code(code),
		.action = (Uxrec__KeyAction)action};

	redactor_key(&lab->redactor, &key);
}

static void type_at(struct lab *lab, int64_t us, uint16_t code)
{
	key_at(lab, us, code, 1);
	key_at(lab, us + 300, code, 0);
}

static void flush_at(struct lab *lab, int64_t ms)
{
	redactor_flush_due(&lab->redactor, ms * NS_PER_MS);
}

/* ---- the policy ---- */

static void none_says_nothing(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_NONE, true, false);

	expect_policy(lab, LEVEL(NONE), REASON(START), 0);
	type_at(lab, 1000, KEY_A);
	redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 2 * NS_PER_MS);
	type_at(lab, 3000, KEY_B);
	expect(redactor_flush_due(&lab->redactor, 4 * NS_PER_MS) == INT64_MAX);
	flush_at(lab, 10000);
	redactor_finish(&lab->redactor, NS_PER_S);
	expect_silence(lab);
}

static void expect_count(struct lab *lab, int64_t at_ms, uint32_t presses)
{
	Uxrec__KeyCount *count;
	struct peer_message sent;

	take_channel(lab, &sent, CHANNEL_KEY_COUNTS);
	expect(sent.header.time_ns == at_ms * NS_PER_MS);
	count = uxrec__key_count__unpack(NULL, sent.size_bytes, sent.data);
	check(count);
	expect(count->presses == presses && count->device == 2);
	uxrec__key_count__free_unpacked(count, NULL);
}

static void counts_count_presses(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_COUNTS, true, false);

	expect_policy(lab, LEVEL(COUNTS), REASON(START), 0);
	key_at(lab, 1000, KEY_LEFTCTRL, 1);
	for (int i = 0; i < 7; i++)
		type_at(lab, 20000 * (i + 1), (uint16_t)(KEY_Q + i));
	key_at(lab, 249000, KEY_X, 1);
	key_at(lab, 249500, KEY_X, 2);
	type_at(lab, 250000, KEY_X);
	flush_at(lab, 250);
	expect_silence(lab);
	flush_at(lab, 256);
	expect_count(lab, 0, 9);
	expect_silence(lab);
	flush_at(lab, 506);
	expect_count(lab, 250, 1);
	expect_silence(lab);
}

static void classes_say_the_interval_and_not_the_time(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, false, false);
	Uxrec__KeyClassBatch *batch;
	struct peer_message sent;

	expect_policy(lab, LEVEL(CLASSES), REASON(START), 0);
	key_at(lab, 10000, KEY_A, 1);
	redactor_button(&lab->redactor, 20 * NS_PER_MS);
	key_at(lab, 30000, KEY_A, 0);
	key_at(lab, 99999, KEY_7, 1);
	key_at(lab, 100000, KEY_7, 0);
	/* read late: the button came first */
	redactor_button(&lab->redactor, 99 * NS_PER_MS);
	expect(redactor_flush_due(&lab->redactor, 100 * NS_PER_MS) > 100 * NS_PER_MS);
	flush_at(lab, 100);
	expect_silence(lab);
	flush_at(lab, 106);
	take_channel(lab, &sent, CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns == 0);
	batch = uxrec__key_class_batch__unpack(NULL, sent.size_bytes, sent.data);
	check(batch && batch->n_key_class == 3 && batch->n_buttons_before == 3);
	for (int i = 0; i < 3; i++)
		expect(batch->dt_us[i] == 0);
	expect(batch->buttons_before[0] == 0 && batch->buttons_before[1] == 1 &&
		batch->buttons_before[2] == 2);
	expect(batch->key_class[2] == UXREC__KEY_CLASS__KEY_CLASS_DIGIT && batch->action[2] == 1);
	uxrec__key_class_batch__free_unpacked(batch, NULL);
	expect_silence(lab);
	flush_at(lab, 300);
	take_channel(lab, &sent, CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns == 100 * NS_PER_MS);
	/* an event read after its interval was sent counts for the next */
	key_at(lab, 150000, KEY_B, 1);
	flush_at(lab, 400);
	take_channel(lab, &sent, CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns == 200 * NS_PER_MS);
	expect_silence(lab);
}

/* All packets sent while a text is typed at given times, with their sending times. */
static size_t say_text(enum key_policy keys, const char *text, unsigned char *ret, size_t room)
{
	static const uint16_t rows[] = {KEY_A, KEY_S, KEY_D, KEY_F, KEY_G, KEY_H, KEY_J, KEY_K,
		KEY_L, KEY_Q, KEY_W, KEY_E, KEY_R, KEY_T, KEY_Y, KEY_U, KEY_I, KEY_O, KEY_P, KEY_Z,
		KEY_X, KEY_C, KEY_V, KEY_B, KEY_N, KEY_M};
	_destroy_(lab) struct lab *lab = lab_create(keys, true, false);
	struct peer_message sent;
	size_t size = 0;
	int64_t ms = 0;

	for (size_t i = 0; text[i]; i++) {
		uint16_t code = text[i] == ' ' ? KEY_SPACE
			: text[i] <= '9'       ? (uint16_t)(KEY_1 + text[i] - '0')
					       : rows[text[i] - 'a'];

		ms = 37 + (int64_t)i * 83 + (int64_t)(i * i % 31);
		key_at(lab, ms * 1000, code, 1);
		key_at(lab, ms * 1000 + 41000, code, 0);
		flush_at(lab, ms);
	}
	redactor_finish(&lab->redactor, (ms + 1000) * NS_PER_MS);
	while (peer_receive(lab->fd, &sent, 0)) {
		check(size + sizeof(sent.header) + sent.size_bytes <= room);
		memcpy(ret + size, &sent.header, sizeof(sent.header));
		memcpy(ret + size + sizeof(sent.header), sent.data, sent.size_bytes);
		size += sizeof(sent.header) + sent.size_bytes;
	}
	return size;
}

static void texts_of_one_pattern_are_one(void)
{
	static unsigned char first[65536], second[65536];
	static const char *const texts[] = {
		"the secret word is 4711 now", "xqz abcdef jump ab 0029 xyz"};

	for (int keys = KEY_POLICY_NONE; keys <= KEY_POLICY_FULL; keys++) {
		size_t a = say_text((enum key_policy)keys, texts[0], first, sizeof(first));
		size_t b = say_text((enum key_policy)keys, texts[1], second, sizeof(second));
		bool same = a == b && memcmp(first, second, a) == 0;

		expect(same == (keys != KEY_POLICY_FULL));
	}
}

static void key_of(struct lab *lab, uint32_t device, int64_t ms, uint16_t code, int action)
{
	const struct key_event key = {.time_ns = ms * NS_PER_MS,
		.device = device,
		.code = code,
		.key_class = key_class_of_code(code),
		.modifier = modifier_of_code(code),
		.action = (Uxrec__KeyAction)action};

	redactor_key(&lab->redactor, &key);
}

/* All unredacted shortcuts: codes plus modifiers << 16, at most @p limit. @return their number */
static size_t take_shortcuts(struct lab *lab, uint32_t *ret, size_t limit)
{
	struct peer_message sent;
	size_t count = 0;

	while (peer_receive(lab->fd, &sent, 0)) {
		Uxrec__ShortcutBatch *batch;

		if (sent.header.channel != CHANNEL_SHORTCUTS)
			continue;
		batch = uxrec__shortcut_batch__unpack(NULL, sent.size_bytes, sent.data);
		check(batch && batch->n_code == batch->n_modifiers);
		expect(sent.header.time_ns % REDACTOR_CLASSES_NS == 0);
		for (size_t i = 0; i < batch->n_code; i++) {
			expect(batch->dt_us[i] == 0);
			check(count < limit);
			ret[count++] = batch->code[i] | batch->modifiers[i] << 16;
		}
		uxrec__shortcut_batch__free_unpacked(batch, NULL);
	}
	return count;
}

#define CTRL  UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_CTRL
#define SHIFT UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_SHIFT
#define ALT   UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_ALT

/* a key event: pressed (1), released (0) or found (3 down, 4 up) */
struct stroke {
	uint16_t code;
	int action;
	uint32_t device; /* 0: 2 */
};

static size_t keep_strokes(
	const struct stroke *strokes, size_t count, bool holds, uint32_t *ret, size_t limit)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, true, false);

	for (size_t i = 0; i < count; i++)
		key_of(lab, strokes[i].device ? strokes[i].device : 2, (int64_t)i + 1,
			strokes[i].code, strokes[i].action);
	redactor_settle(&lab->redactor, holds);
	flush_at(lab, 1000);
	return take_shortcuts(lab, ret, limit);
}

#define DOWN(code)                                                                                 \
	{                                                                                          \
		KEY_##code, 1, 0                                                                   \
	}
#define UP(code)                                                                                   \
	{                                                                                          \
		KEY_##code, 0, 0                                                                   \
	}
#define FOUND(code)                                                                                \
	{                                                                                          \
		KEY_##code, 3, 0                                                                   \
	}
#define GONE(code)                                                                                 \
	{                                                                                          \
		KEY_##code, 4, 0                                                                   \
	}

struct row {
	struct stroke strokes[10];
	uint32_t kept[3]; /* 0-terminated */
};

/* Exactly the shortcuts confirmed by server and kernel are recorded. */
static void expect_kept(const struct row *rows, size_t count)
{
	for (const struct row *row = rows; row < rows + count; row++) {
		size_t strokes = 0, wanted = 0, got;
		uint32_t kept[8] = {0};

		while (strokes < ARRAY_SIZE(row->strokes) && row->strokes[strokes].code)
			strokes++;
		while (wanted < ARRAY_SIZE(row->kept) && row->kept[wanted])
			wanted++;
		got = keep_strokes(row->strokes, strokes, true, kept, 8);
		if (got != wanted || memcmp(kept, row->kept, wanted * sizeof(*kept)) != 0) {
			printf("# row %td\n", row - rows);
			expect(false);
		}
		expect(keep_strokes(row->strokes, strokes, false, kept, 8) == 0);
	}
}

static void shortcuts_are_commands(void)
{
	static const struct row rows[] = {
		{{DOWN(LEFTCTRL), DOWN(S)}, {KEY_S | CTRL << 16}},
		{{DOWN(LEFTSHIFT), DOWN(LEFTCTRL), DOWN(S)}, {KEY_S | (CTRL | SHIFT) << 16}},
		{{DOWN(LEFTALT), DOWN(LEFT)}, {KEY_LEFT | ALT << 16}},
		{{DOWN(LEFTCTRL), DOWN(LEFTALT), DOWN(F2)}, {KEY_F2 | (CTRL | ALT) << 16}},
		{{DOWN(LEFTCTRL), {KEY_S, 1, 3}}, {KEY_S | CTRL << 16}},
		/* a capital letter */
		{{DOWN(LEFTSHIFT), DOWN(Q)}, {0}},
		/* the at sign on a German keyboard; and AltGr as virtual machines send it */
		{{DOWN(RIGHTALT), DOWN(Q)}, {0}},
		{{DOWN(LEFTCTRL), DOWN(RIGHTALT), DOWN(Q)}, {0}},
		{{DOWN(LEFTCTRL), DOWN(LEFTALT), DOWN(Q)}, {0}},
		{{FOUND(RIGHTALT), DOWN(LEFTCTRL), DOWN(Q)}, {0}},
		{{DOWN(RIGHTALT), {KEY_RIGHTALT, 1, 3}, {KEY_RIGHTALT, 0, 3}, DOWN(LEFTCTRL),
			 DOWN(Q)},
			{0}},
		/* counted twice at the start, released once */
		{{FOUND(LEFTCTRL), DOWN(LEFTCTRL), UP(LEFTCTRL), DOWN(S)}, {0}},
		{{DOWN(LEFTCTRL), FOUND(LEFTCTRL), UP(LEFTCTRL), DOWN(S)}, {0}},
		{{FOUND(LEFTCTRL), DOWN(S)}, {0}},
		{{FOUND(LEFTCTRL), UP(LEFTCTRL), DOWN(LEFTCTRL), DOWN(S)}, {KEY_S | CTRL << 16}},
		/* held since before the start: it may be part of any text entry */
		{{FOUND(LEFTSHIFT), DOWN(LEFTCTRL), DOWN(U), DOWN(2), DOWN(0)}, {0}},
		{{FOUND(LEFTSHIFT), DOWN(LEFTCTRL), DOWN(U), UP(LEFTSHIFT), DOWN(2), DOWN(0)}, {0}},
		{{FOUND(LEFTALT), DOWN(LEFTCTRL), DOWN(Q)}, {0}},
		{{FOUND(LEFTSHIFT), UP(LEFTSHIFT), DOWN(LEFTCTRL), DOWN(S)}, {KEY_S | CTRL << 16}},
		/* a lost release shows at the next press */
		{{DOWN(LEFTCTRL), DOWN(S), DOWN(LEFTCTRL)}, {0}},
		{{DOWN(LEFTCTRL), DOWN(LEFTCTRL), DOWN(S)}, {0}},
		/* across an overflow, and with the device removed */
		{{DOWN(LEFTCTRL), GONE(LEFTCTRL), DOWN(S)}, {0}},
		/* on two keyboards: the first release ends it */
		{{DOWN(LEFTCTRL), {KEY_LEFTCTRL, 1, 3}, UP(LEFTCTRL), DOWN(S)}, {0}},
		{{DOWN(LEFTMETA), {KEY_LEFTMETA, 0, 3}, DOWN(S)}, {0}},
	};

	expect_kept(rows, ARRAY_SIZE(rows));
}

#define U_KEPT (KEY_U | (CTRL | SHIFT) << 16)

/* Ctrl+Shift+U and hexadecimal digits, of GTK and IBus; Alt and digits of the keypad, of Windows in a window */
static void digits_of_a_character_are_no_shortcuts(void)
{
	static const struct row rows[] = {
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(U), DOWN(4), DOWN(E), DOWN(F),
			 UP(LEFTCTRL)},
			{U_KEPT}},
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(U), UP(LEFTSHIFT), DOWN(2), DOWN(0)},
			{U_KEPT}},
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(U), UP(LEFTCTRL), DOWN(LEFTCTRL), DOWN(E)},
			{U_KEPT}},
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(U), DOWN(KP4), DOWN(LEFT)},
			{U_KEPT, KEY_LEFT | (CTRL | SHIFT) << 16}},
		/* from another keyboard, read earlier; and with another letter in another layout */
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(F), {KEY_D, 1, 3}, {KEY_4, 1, 3}},
			{KEY_F | (CTRL | SHIFT) << 16}},
		/* a command repeated, and another one after releasing all */
		{{DOWN(LEFTCTRL), DOWN(LEFTSHIFT), DOWN(Z), DOWN(Z), UP(LEFTSHIFT), UP(LEFTCTRL),
			 DOWN(LEFTCTRL), DOWN(S)},
			{KEY_Z | (CTRL | SHIFT) << 16, KEY_Z | (CTRL | SHIFT) << 16,
				KEY_S | CTRL << 16}},
		{{DOWN(LEFTCTRL), DOWN(A), DOWN(C)}, {KEY_A | CTRL << 16, KEY_C | CTRL << 16}},
		{{DOWN(LEFTALT), DOWN(KP0), DOWN(KP1), DOWN(KP6), DOWN(KP9)}, {0}},
		{{DOWN(LEFTALT), DOWN(KPPLUS), DOWN(2), DOWN(A), UP(LEFTALT), DOWN(LEFTALT),
			 DOWN(F)},
			{KEY_F | ALT << 16}},
		{{DOWN(LEFTALT), DOWN(1), DOWN(2)}, {KEY_1 | ALT << 16, KEY_2 | ALT << 16}},
	};

	expect_kept(rows, ARRAY_SIZE(rows));
}

/* devices are read one after another */
static void a_digit_that_is_read_before_its_number_begins_is_no_shortcut(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, true, false);
	uint32_t kept[4];

	key_of(lab, 2, 1, KEY_LEFTCTRL, 1);
	key_of(lab, 2, 2, KEY_LEFTSHIFT, 1);
	key_of(lab, 3, 4, KEY_LEFT, 1);
	key_of(lab, 3, 5, KEY_4, 1);
	key_of(lab, 2, 3, KEY_U, 1);
	redactor_settle(&lab->redactor, true);
	flush_at(lab, 200);
	for (size_t n = take_shortcuts(lab, kept, 4); n > 0; n--)
		expect((kept[n - 1] & 0xffff) != KEY_4);
}

static void shortcuts_that_nobody_confirms_are_none(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, true, false);
	uint32_t kept[4];

	key_of(lab, 2, 1, KEY_LEFTCTRL, 1);
	key_of(lab, 2, 2, KEY_S, 1);
	expect(redactor_is_unsettled(&lab->redactor));
	flush_at(lab, 200);
	expect(take_shortcuts(lab, kept, 4) == 0);
	/* after a doubt Ctrl must be pressed again */
	redactor_invalidate_modifiers(&lab->redactor);
	key_of(lab, 2, 301, KEY_S, 1);
	expect(!redactor_is_unsettled(&lab->redactor));
	for (size_t i = 0; i < REDACTOR_KEYS_LIMIT; i++)
		check(lab->redactor.keys[i].code == 0);
	key_of(lab, 2, 302, KEY_LEFTCTRL, 0);
	key_of(lab, 2, 303, KEY_LEFTCTRL, 1);
	key_of(lab, 2, 304, KEY_S, 1);
	redactor_settle(&lab->redactor, true);
	flush_at(lab, 500);
	expect(take_shortcuts(lab, kept, 4) == 1);
}

/* devices are read one after another: another keyboard's letter may be read before an earlier release */
static void letters_after_a_release_that_is_read_late_are_no_shortcuts(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, true, false);
	uint32_t kept[4];

	key_of(lab, 2, 1, KEY_LEFTCTRL, 1);
	key_of(lab, 3, 2, KEY_S, 1);
	key_of(lab, 3, 5, KEY_E, 1);
	redactor_settle(&lab->redactor, true);
	key_of(lab, 2, 4, KEY_LEFTCTRL, 0);
	flush_at(lab, 200);
	expect(take_shortcuts(lab, kept, 4) == 1 && kept[0] == (KEY_S | CTRL << 16));
}

/* Super+L locks: Super is released while reading is off; Ctrl is pressed while recording is off */
static void modifiers_do_not_outlive_what_is_recorded(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, true, true);
	uint32_t kept[4];

	key_of(lab, 2, 1, KEY_LEFTCTRL, 1);
	redactor_set(&lab->redactor, KEY_POLICY_CLASSES, REASON(NO_PASSWORD), 10 * NS_PER_MS);
	key_of(lab, 2, 11, KEY_S, 1);
	redactor_settle(&lab->redactor, true);
	flush_at(lab, 500);
	expect(take_shortcuts(lab, kept, 4) == 0);
	key_of(lab, 2, 600, KEY_LEFTMETA, 1);
	redactor_release_modifiers(&lab->redactor);
	key_of(lab, 2, 601, KEY_A, 1);
	redactor_settle(&lab->redactor, true);
	flush_at(lab, 1000);
	expect(take_shortcuts(lab, kept, 4) == 0);
}

/* Presses in a packet of keys, under any policy. */
static size_t presses_in(const struct peer_message *sent)
{
	size_t presses = 0;

	if (sent->header.channel == CHANNEL_KEYS) {
		Uxrec__KeyBatch *batch =
			uxrec__key_batch__unpack(NULL, sent->size_bytes, sent->data);

		check(batch);
		for (size_t i = 0; i < batch->n_action; i++)
			presses += batch->action[i] == 1;
		uxrec__key_batch__free_unpacked(batch, NULL);
	} else if (sent->header.channel == CHANNEL_KEY_CLASSES) {
		Uxrec__KeyClassBatch *batch =
			uxrec__key_class_batch__unpack(NULL, sent->size_bytes, sent->data);

		check(batch);
		for (size_t i = 0; i < batch->n_action; i++)
			presses += batch->action[i] == 1;
		uxrec__key_class_batch__free_unpacked(batch, NULL);
	} else if (sent->header.channel == CHANNEL_KEY_COUNTS) {
		Uxrec__KeyCount *count =
			uxrec__key_count__unpack(NULL, sent->size_bytes, sent->data);

		check(count);
		presses = count->presses;
		uxrec__key_count__free_unpacked(count, NULL);
	}
	return presses;
}

static void passwords_are_kept_back(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_FULL, false, true);
	Uxrec__KeyBatch *batch;
	struct peer_message sent;

	/* nothing while the focus is unknown */
	expect_policy(lab, LEVEL(NONE), REASON(UNWATCHED), 0);
	type_at(lab, 1000, KEY_A);
	redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 10 * NS_PER_MS);
	expect_policy(lab, LEVEL(FULL), REASON(NO_PASSWORD), 10);
	type_at(lab, 9000, KEY_B);   /* read late, pressed before */
	type_at(lab, 20000, KEY_C);  /* sent */
	type_at(lab, 150000, KEY_S); /* typed before the report of the focus in a password field */
	redactor_set(&lab->redactor, KEY_POLICY_NONE, REASON(PASSWORD), 200 * NS_PER_MS);
	take_channel(lab, &sent, CHANNEL_KEYS);
	batch = uxrec__key_batch__unpack(NULL, sent.size_bytes, sent.data);
	check(batch && batch->n_code == 2 && batch->code[0] == KEY_C && batch->code[1] == KEY_C);
	uxrec__key_batch__free_unpacked(batch, NULL);
	expect_policy(lab, LEVEL(NONE), REASON(PASSWORD), 100);
	type_at(lab, 210000, KEY_E);
	flush_at(lab, 500);
	expect_silence(lab);
	/* nor left in memory */
	for (size_t i = 0; i < REDACTOR_KEYS_LIMIT; i++)
		check(lab->redactor.keys[i].code == 0);
	redactor_set(&lab->redactor, KEY_POLICY_CLASSES, REASON(UNWATCHED), 600 * NS_PER_MS);
	expect_policy(lab, LEVEL(CLASSES), REASON(UNWATCHED), 600);
	type_at(lab, 590000, KEY_E);
	type_at(lab, 610000, KEY_F);
	for (size_t i = 0; i < REDACTOR_KEYS_LIMIT; i++)
		check(lab->redactor.keys[i].code == 0);
	flush_at(lab, 1700);
	expect_silence(lab);
	flush_at(lab, 1710);
	take_channel(lab, &sent, CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns == 600 * NS_PER_MS); /* within its policy's time */
	/* keys withheld at the end are dropped */
	type_at(lab, 2000000, KEY_G);
	redactor_finish(&lab->redactor, 2050 * NS_PER_MS);
	expect_silence(lab);
}

/* Six letters, 100 ms apart from 1,010 ms on; before them a possible change of focus; then the report at 1,650 ms. */
static void what_was_typed_since_the_focus_may_have_moved_is_kept_back(void)
{
	static const struct {
		enum key_policy allowed;
		int64_t button_ms; /* 0: none pressed */
		int64_t key_ms;
		uint16_t key;
		int64_t policy_ms; /* of the policy for the password */
		size_t presses;    /* in the session */
	} table[] = {
		/* 100 ms before the report */
		{KEY_POLICY_FULL, 0, 0, 0, 1550, 6},
		{KEY_POLICY_FULL, 0, 1105, KEY_J, 1550, 7},
		{KEY_POLICY_CLASSES, 0, 0, 0, 1500, 5},
		{KEY_POLICY_COUNTS, 0, 0, 0, 1500, 5},
		/* a slow application */
		{KEY_POLICY_FULL, 0, 1105, KEY_TAB, 1105, 1},
		{KEY_POLICY_CLASSES, 0, 1105, KEY_TAB, 1100, 1},
		{KEY_POLICY_COUNTS, 0, 1305, KEY_TAB, 1250, 3},
		{KEY_POLICY_FULL, 0, 1205, KEY_ENTER, 1205, 2},
		{KEY_POLICY_FULL, 0, 1205, KEY_ESC, 1205, 2},
		{KEY_POLICY_FULL, 0, 1205, KEY_SPACE, 1205, 2},
		{KEY_POLICY_FULL, 0, 1205, KEY_LEFTALT, 1205, 2},
		{KEY_POLICY_FULL, 1205, 0, 0, 1205, 2},
		{KEY_POLICY_CLASSES, 1205, 0, 0, 1200, 2},
		{KEY_POLICY_FULL, 1305, 1205, KEY_TAB, 1205, 2},
		{KEY_POLICY_FULL, 1205, 1305, KEY_TAB, 1205, 2},
		/* more than a second ago */
		{KEY_POLICY_FULL, 640, 630, KEY_TAB, 1550, 7},
		/* before the present policy */
		{KEY_POLICY_FULL, 0, 660, KEY_TAB, 660, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(lab) struct lab *lab = lab_create(table[i].allowed, false, true);
		int64_t policy_ns = 0;
		struct peer_message sent;
		size_t keys = 0;

		redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 500 * NS_PER_MS);
		if (table[i].button_ms)
			redactor_button(&lab->redactor, table[i].button_ms * NS_PER_MS);
		if (table[i].key_ms)
			type_at(lab, table[i].key_ms * 1000, table[i].key);
		for (int n = 0; n < 6; n++)
			type_at(lab, (1010 + 100 * n) * 1000, (uint16_t)(KEY_A + n));
		flush_at(lab, 1640);
		redactor_set(&lab->redactor, KEY_POLICY_NONE, REASON(PASSWORD), 1650 * NS_PER_MS);
		flush_at(lab, 9000);
		while (peer_receive(lab->fd, &sent, 0)) {
			if (sent.header.channel == CHANNEL_KEY_POLICY)
				policy_ns = sent.header.time_ns;
			else
				keys += presses_in(&sent);
		}
		if (keys != table[i].presses || policy_ns != table[i].policy_ms * NS_PER_MS)
			printf("# row %zu: %zu presses, policy from %" PRId64 " ms\n", i, keys,
				policy_ns / NS_PER_MS);
		expect(keys == table[i].presses && policy_ns == table[i].policy_ms * NS_PER_MS);
		for (size_t n = 0; n < REDACTOR_KEYS_LIMIT; n++)
			check(lab->redactor.keys[n].code == 0);
	}
}

static void policies_are_in_the_order_of_their_times(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_FULL, false, true);

	expect_policy(lab, LEVEL(NONE), REASON(UNWATCHED), 0);
	type_at(lab, 450000, KEY_TAB);
	redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 500 * NS_PER_MS);
	redactor_button(&lab->redactor, 499 * NS_PER_MS);
	redactor_set(&lab->redactor, KEY_POLICY_CLASSES, REASON(UNWATCHED), 600 * NS_PER_MS);
	redactor_set(&lab->redactor, KEY_POLICY_NONE, REASON(PASSWORD), 650 * NS_PER_MS);
	expect_policy(lab, LEVEL(FULL), REASON(NO_PASSWORD), 500);
	expect_policy(lab, LEVEL(CLASSES), REASON(UNWATCHED), 500);
	expect_policy(lab, LEVEL(NONE), REASON(PASSWORD), 600);
	expect_silence(lab);
}

static void a_flood_of_keys_is_counted(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_CLASSES, false, false);
	size_t keys = 0, dropped = 0, gaps = 0;
	struct peer_message sent;

	expect_policy(lab, LEVEL(CLASSES), REASON(START), 0);
	for (int i = 0; i < 80000; i++) {
		key_at(lab, i, KEY_A, i % 2 == 0);
		redactor_flush_due(&lab->redactor, i * NS_PER_US);
	}
	flush_at(lab, 110);
	while (peer_receive(lab->fd, &sent, 0))
		if (sent.header.channel == CHANNEL_GAPS) {
			Uxrec__Gap *gap = uxrec__gap__unpack(NULL, sent.size_bytes, sent.data);

			check(gap && gap->reason == UXREC__GAP__REASON__REASON_OVERLOAD);
			dropped += gap->count;
			gaps++;
			expect(gap->from_ns % REDACTOR_CLASSES_NS == 0 &&
				gap->to_ns % REDACTOR_CLASSES_NS == 0);
			uxrec__gap__free_unpacked(gap, NULL);
		} else {
			Uxrec__KeyClassBatch *batch =
				uxrec__key_class_batch__unpack(NULL, sent.size_bytes, sent.data);

			check(batch);
			keys += batch->n_key_class;
			uxrec__key_class_batch__free_unpacked(batch, NULL);
		}
	expect(keys == REDACTOR_KEYS_LIMIT && keys + dropped == 80000 && gaps == 1);
}

/* timestamp of a gap that begins at a keyboard's newest press */
static void times_of_keys_are_exact_under_full_alone(void)
{
	static const struct {
		enum key_policy policy;
		int64_t said_ms;
	} table[] = {
		{KEY_POLICY_NONE, 750},
		{KEY_POLICY_COUNTS, 750},
		{KEY_POLICY_CLASSES, 900},
		{KEY_POLICY_FULL, 987},
	};
	int64_t key_ns = 987 * NS_PER_MS;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(lab) struct lab *lab = lab_create(table[i].policy, false, false);

		expect(redactor_time_ns(&lab->redactor, key_ns, NS_PER_S) ==
			table[i].said_ms * NS_PER_MS);
	}
}

static void times_of_passwords_are_not_exact_under_full(void)
{
	_destroy_(lab) struct lab *lab = lab_create(KEY_POLICY_FULL, false, true);
	int64_t key_ns = 987 * NS_PER_MS, coarse_ns = 750 * NS_PER_MS;

	redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 500 * NS_PER_MS);
	expect(redactor_time_ns(&lab->redactor, key_ns, 1987 * NS_PER_MS) == key_ns);
	/* the report of a password field may still come */
	expect(redactor_time_ns(&lab->redactor, key_ns, 1986 * NS_PER_MS) == coarse_ns);
	redactor_set(&lab->redactor, KEY_POLICY_NONE, REASON(PASSWORD), NS_PER_S);
	expect(redactor_time_ns(&lab->redactor, key_ns, 2 * NS_PER_S) == coarse_ns);
	/* has come, though it is over */
	redactor_set(&lab->redactor, KEY_POLICY_FULL, REASON(NO_PASSWORD), 2 * NS_PER_S);
	expect(redactor_time_ns(&lab->redactor, key_ns, 3 * NS_PER_S) == coarse_ns);
}

static const struct test tests[] = {
	{"policy none emits nothing, whatever is requested later", none_says_nothing},
	{"counts count presses in each 250 ms", counts_count_presses},
	{"classes give the 100 ms interval and not the time",
		classes_say_the_interval_and_not_the_time},
	{"two texts of one pattern are the same, to the byte", texts_of_one_pattern_are_one},
	{"shortcuts are kept, and no letter that may be text", shortcuts_are_commands},
	{"the digits of a character that is entered by its number are no shortcuts",
		digits_of_a_character_are_no_shortcuts},
	{"a digit that is read before its number begins is no shortcut",
		a_digit_that_is_read_before_its_number_begins_is_no_shortcut},
	{"unconfirmed shortcuts are dropped", shortcuts_that_nobody_confirms_are_none},
	{"letters after a release that is read late are no shortcuts",
		letters_after_a_release_that_is_read_late_are_no_shortcuts},
	{"modifiers do not outlive the recorded span", modifiers_do_not_outlive_what_is_recorded},
	{"keys typed into a password field are withheld", passwords_are_kept_back},
	{"keys typed since a possible change of focus are withheld",
		what_was_typed_since_the_focus_may_have_moved_is_kept_back},
	{"policies are in the order of their times", policies_are_in_the_order_of_their_times},
	{"a flood of keys is counted", a_flood_of_keys_is_counted},
	{"times derived from keys are exact under full alone",
		times_of_keys_are_exact_under_full_alone},
	{"times of possible passwords are not exact under full either",
		times_of_passwords_are_not_exact_under_full},
};

int main(void)
{
	return RUN_TESTS("redactor", tests);
}
