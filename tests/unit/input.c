#include "tests/harness/helpers.h"

#include "capture/input_batch.h"
#include "capture/inputd_protocol.h"
#include "capture/policy.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include <sys/socket.h>

static void classes_hide_which_key(void)
{
	/* every letter gives the same answer, to the bit */
	static const uint16_t letters[] = {KEY_Q, KEY_W, KEY_P, KEY_A, KEY_L, KEY_Z, KEY_M};
	struct redacted first = policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_A);

	expect(first.kind == REDACTED_CLASS && first.code == 0);
	expect(first.key_class == UXREC__KEY_CLASS__KEY_CLASS_LETTER);
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		struct redacted other = policy_apply(KEY_POLICY_CLASSES, EV_KEY, letters[i]);

		expect(memcmp(&first, &other, sizeof(first)) == 0);
	}
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_5).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_DIGIT);
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_SPACE).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_SPACE);
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_BACKSPACE).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_EDITING);
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_LEFT).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION);
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_LEFTSHIFT).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_MODIFIER);
	expect(policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_F5).key_class ==
		UXREC__KEY_CLASS__KEY_CLASS_FUNCTION);
}

static void nothing_but_the_allowed_passes(void)
{
	for (int policy = KEY_POLICY_NONE; policy <= KEY_POLICY_CLASSES; policy++)
		for (unsigned type = 0; type <= EV_MAX; type++)
			for (unsigned code = 0; code < 0x300; code++) {
				struct redacted event = policy_apply(
					(enum key_policy)policy, (uint16_t)type, (uint16_t)code);

				check(event.kind != REDACTED_KEY && event.code == 0);
				if (type == EV_MSC || type == EV_LED || type == EV_SW)
					check(event.kind == REDACTED_DROPPED);
				if (type == EV_KEY && code < BTN_MISC)
					check(event.kind ==
						(policy == KEY_POLICY_NONE ? REDACTED_DROPPED
									   : REDACTED_CLASS));
			}
	expect(policy_apply(KEY_POLICY_FULL, EV_KEY, KEY_A).code == KEY_A);
	expect(policy_apply(KEY_POLICY_FULL, EV_MSC, MSC_SCAN).kind == REDACTED_DROPPED);
	expect(policy_apply(KEY_POLICY_NONE, EV_KEY, BTN_LEFT).control ==
		UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	expect(policy_apply(KEY_POLICY_NONE, EV_REL, REL_WHEEL).control ==
		UXREC__CONTROL__CONTROL_WHEEL);
}

static void keysyms_have_classes(void)
{
	static const struct {
		uint32_t keysym;
		int key_class;
	} table[] = {
		{'a', UXREC__KEY_CLASS__KEY_CLASS_LETTER},
		{'Z', UXREC__KEY_CLASS__KEY_CLASS_LETTER},
		{0xe9, UXREC__KEY_CLASS__KEY_CLASS_LETTER},         /* eacute */
		{0x6c1, UXREC__KEY_CLASS__KEY_CLASS_LETTER},        /* Cyrillic_a */
		{0x10004e2d, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION}, /* no Unicode keysym */
		{0x1004e2d, UXREC__KEY_CLASS__KEY_CLASS_LETTER},    /* U+4E2D */
		{'7', UXREC__KEY_CLASS__KEY_CLASS_DIGIT},
		{0xffb7, UXREC__KEY_CLASS__KEY_CLASS_DIGIT}, /* KP_7 */
		{' ', UXREC__KEY_CLASS__KEY_CLASS_SPACE},
		{'.', UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION},
		{0xfe51, UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION}, /* dead_acute */
		{0xff51, UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION},  /* Left */
		{0xff09, UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION},  /* Tab */
		{0xff08, UXREC__KEY_CLASS__KEY_CLASS_EDITING},     /* BackSpace */
		{0xff0d, UXREC__KEY_CLASS__KEY_CLASS_EDITING},     /* Return */
		{0xffe3, UXREC__KEY_CLASS__KEY_CLASS_MODIFIER},    /* Control_L */
		{0xfe03, UXREC__KEY_CLASS__KEY_CLASS_MODIFIER},    /* ISO_Level3_Shift */
		{0xffbe, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION},    /* F1 */
		{0xff1b, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION},    /* Escape */
		{0x1008ff13, UXREC__KEY_CLASS__KEY_CLASS_MEDIA},   /* AudioRaiseVolume */
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect((int)key_class_of_keysym(table[i].keysym) == table[i].key_class);
}

static void policies_have_names(void)
{
	enum key_policy policy;

	expect(key_policy_parse("full", &policy) == 0 && policy == KEY_POLICY_FULL);
	expect(key_policy_parse("none", &policy) == 0 && policy == KEY_POLICY_NONE);
	expect(key_policy_parse("Full", &policy) == -EINVAL);
	expect(key_policy_parse("", &policy) == -EINVAL);
}

struct sent {
	struct inputd_header header;
	unsigned char payload[8192];
	size_t size;
};

static bool take_sent(int fd, struct sent *sent)
{
	struct iovec parts[2] = {
		{&sent->header, sizeof(sent->header)}, {sent->payload, sizeof(sent->payload)}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(sent->header))
		return false;
	sent->size = (size_t)n - sizeof(sent->header);
	return true;
}

static void batches_keep_times_and_frames(void)
{
	struct input_batch batch = {.device = 3};
	struct input_out out = {0};
	struct redacted x = policy_apply(KEY_POLICY_CLASSES, EV_REL, REL_X);
	struct redacted frame = policy_apply(KEY_POLICY_CLASSES, EV_SYN, SYN_REPORT);
	struct redacted key = policy_apply(KEY_POLICY_CLASSES, EV_KEY, KEY_A);
	Uxrec__ControlBatch *controls;
	Uxrec__KeyClassBatch *classes;
	struct sent sent;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	out.fd = pair[0];
	expect(input_batch_deadline_ns(&batch) == INT64_MAX);
	input_batch_add(&batch, &out, 1000 * NS_PER_US, &x, -5);
	input_batch_add(&batch, &out, 1000 * NS_PER_US, &frame, 0);
	input_batch_add(&batch, &out, 1125 * NS_PER_US, &key, 1);
	input_batch_add(&batch, &out, 1125 * NS_PER_US, &frame, 0); /* of keys alone: no mark */
	input_batch_add(&batch, &out, 1250 * NS_PER_US, &x, 7);
	input_batch_add(&batch, &out, 1250 * NS_PER_US, &frame, 0);
	expect(input_batch_deadline_ns(&batch) == 1000 * NS_PER_US + INPUT_FLUSH_NS);
	input_batch_flush(&batch, &out);

	check(take_sent(pair[1], &sent));
	expect(sent.header.kind == INPUTD_PACKET && sent.header.channel == CHANNEL_CONTROLS);
	expect(sent.header.time_ns == 1000 * NS_PER_US);
	controls = uxrec__control_batch__unpack(NULL, sent.size, sent.payload);
	check(controls && controls->n_control == 4 && controls->n_dt_us == 4);
	expect(controls->device == 3);
	expect(controls->control[0] == UXREC__CONTROL__CONTROL_REL_X && controls->value[0] == -5);
	expect(controls->control[1] == UXREC__CONTROL__CONTROL_FRAME);
	expect(controls->dt_us[2] == 250 && controls->value[2] == 7);
	uxrec__control_batch__free_unpacked(controls, NULL);

	check(take_sent(pair[1], &sent));
	expect(sent.header.channel == CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns == 1125 * NS_PER_US);
	classes = uxrec__key_class_batch__unpack(NULL, sent.size, sent.payload);
	check(classes && classes->n_key_class == 1);
	expect(classes->action[0] == UXREC__KEY_ACTION__KEY_ACTION_PRESS);
	uxrec__key_class_batch__free_unpacked(classes, NULL);
	expect(!take_sent(pair[1], &sent));
	close(pair[0]);
	close(pair[1]);
}

static void full_batches_are_sent_at_once(void)
{
	struct input_batch batch = {.device = 1};
	struct input_out out = {0};
	struct redacted x = policy_apply(KEY_POLICY_NONE, EV_REL, REL_X);
	struct sent sent;
	size_t events = 0;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	out.fd = pair[0];
	for (int i = 0; i < 1000; i++)
		input_batch_add(&batch, &out, i * 125 * NS_PER_US, &x, i);
	input_batch_flush(&batch, &out);
	while (take_sent(pair[1], &sent)) {
		Uxrec__ControlBatch *controls =
			uxrec__control_batch__unpack(NULL, sent.size, sent.payload);

		check(controls && controls->n_control <= INPUT_BATCH_EVENTS);
		for (size_t i = 0; i < controls->n_value; i++)
			check(controls->value[i] == (int32_t)events++);
		/* a moving mouse costs at most six bytes an event */
		expect(sent.size <= 6 * controls->n_control);
		uxrec__control_batch__free_unpacked(controls, NULL);
	}
	expect(events == 1000);
	close(pair[1]);
	input_batch_add(&batch, &out, 0, &x, 1);
	input_batch_flush(&batch, &out);
	expect(out.failed == -EPIPE); /* and no signal */
	close(pair[0]);
}

static const struct test tests[] = {
	{"under classes all letters look the same", classes_hide_which_key},
	{"below full only axes, buttons and classes pass", nothing_but_the_allowed_passes},
	{"keysyms have the classes of their meaning", keysyms_have_classes},
	{"policies are known by exact names", policies_have_names},
	{"batches keep device, times and frames", batches_keep_times_and_frames},
	{"full batches are sent at once and stay small", full_batches_are_sent_at_once},
};

int main(void)
{
	return RUN_TESTS("input", tests);
}
