#include "tests/harness/helpers.h"
#include "tests/harness/inputd_peer.h"

#include "capture/inputd/evdev_internal.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <libevdev/libevdev.h>
#include <string.h>

#define CONTROL(name) UXREC__CONTROL__CONTROL_##name

/* a device without a kernel, and its reader */
struct found_lab {
	struct recorder_link link;
	struct evdev_device device;
	int fd;
};

static const struct {
	unsigned type, code;
	int maximum; /* EV_ABS */
} abilities[] = {
	{EV_KEY, KEY_A, 0},
	{EV_KEY, KEY_LEFTCTRL, 0},
	{EV_KEY, BTN_LEFT, 0},
	{EV_KEY, BTN_RIGHT, 0},
	{EV_KEY, BTN_TOUCH, 0},
	{EV_SW, SW_LID, 0},
	{EV_ABS, ABS_X, 100},
	{EV_ABS, ABS_MT_SLOT, 3},
	{EV_ABS, ABS_MT_TRACKING_ID, 100},
	{EV_ABS, ABS_MT_POSITION_X, 100},
};

static struct found_lab *found_lab_create(enum key_policy keys)
{
	struct found_lab *lab = calloc(1, sizeof(*lab));
	int pair[2];

	check(lab && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	lab->link.out.fd = pair[0];
	lab->fd = pair[1];
	lab->link.redactor.out = &lab->link.out;
	redactor_start(&lab->link.redactor, keys, true, false, 0);
	lab->device.batch.device = 5;
	lab->device.evdev = libevdev_new();
	for (size_t i = 0; i < ARRAY_SIZE(abilities); i++) {
		const struct input_absinfo axis = {.maximum = abilities[i].maximum};

		check(libevdev_enable_event_code(lab->device.evdev, abilities[i].type,
			      abilities[i].code, abilities[i].type == EV_ABS ? &axis : NULL) == 0);
	}
	return lab;
}

static void found_lab_destroy(struct found_lab *lab)
{
	if (!lab)
		return;
	libevdev_free(lab->device.evdev);
	close(lab->link.out.fd);
	close(lab->fd);
	free(lab);
}
DEFINE_DESTROY(found_lab);

static void put(struct found_lab *lab, unsigned type, unsigned code, int value)
{
	check(libevdev_set_event_value(lab->device.evdev, type, code, value) == 0);
}

/* Expect the next report to have these pairs of control and value. */
static void expect_report(struct found_lab *lab, const int32_t (*pairs)[2], size_t count)
{
	Uxrec__ControlBatch *controls;
	struct peer_message sent;

	input_batch_flush(&lab->device.batch, &lab->link.out);
	do
		check(peer_receive(lab->fd, &sent, 0));
	while (sent.header.channel != CHANNEL_CONTROLS);
	controls = uxrec__control_batch__unpack(NULL, sent.size_bytes, sent.data);
	check(controls && controls->device == 5 && controls->n_control == count);
	expect(controls->buttons_before == 0);
	for (size_t i = 0; i < count; i++)
		expect((int32_t)controls->control[i] == pairs[i][0] &&
			controls->value[i] == pairs[i][1]);
	uxrec__control_batch__free_unpacked(controls, NULL);
}

/* Receive the next keys of classes. @return the number with that action */
static size_t count_found(struct found_lab *lab, int action)
{
	Uxrec__KeyClassBatch *batch;
	struct peer_message sent;
	size_t count = 0;

	redactor_finish(&lab->link.redactor, 10 * NS_PER_S);
	do
		if (!peer_receive(lab->fd, &sent, 0))
			return 0;
	while (sent.header.channel != CHANNEL_KEY_CLASSES);
	expect(sent.header.time_ns % REDACTOR_CLASSES_NS == 0);
	batch = uxrec__key_class_batch__unpack(NULL, sent.size_bytes, sent.data);
	check(batch);
	for (size_t i = 0; i < batch->n_action; i++)
		count += (int)batch->action[i] == action;
	expect(count == batch->n_action);
	uxrec__key_class_batch__free_unpacked(batch, NULL);
	return count;
}

static void what_is_down_is_found_at_start_and_stop(void)
{
	static const int32_t start[][2] = {
		{CONTROL(FOUND), UXREC__FOUND__FOUND_AT_START},
		{CONTROL(BUTTON_RIGHT), 1},
		{CONTROL(SWITCH_LID), 1},
		{CONTROL(ABS_X), 33},
		{CONTROL(FRAME), 0},
	};
	static const int32_t stop[][2] = {
		{CONTROL(FOUND), UXREC__FOUND__FOUND_AT_STOP},
		{CONTROL(BUTTON_RIGHT), 1},
		{CONTROL(SWITCH_LID), 1},
		{CONTROL(FRAME), 0},
	};
	_destroy_(found_lab) struct found_lab *lab = found_lab_create(KEY_POLICY_CLASSES);

	evdev_report_at_start(&lab->device, &lab->link, NS_PER_S);
	expect(lab->device.batch.count == 0 && !lab->device.batch.frame_open);
	put(lab, EV_KEY, BTN_RIGHT, 1);
	put(lab, EV_SW, SW_LID, 1);
	put(lab, EV_ABS, ABS_X, 33);
	put(lab, EV_KEY, KEY_A, 1);
	evdev_report_at_start(&lab->device, &lab->link, NS_PER_S + 37 * NS_PER_MS);
	expect_report(lab, start, ARRAY_SIZE(start));
	expect(count_found(lab, UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN) == 1);
	evdev_report_at_stop(&lab->device, &lab->link, 2 * NS_PER_S);
	expect_report(lab, stop, ARRAY_SIZE(stop));
	expect(count_found(lab, UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN) == 1);
}

static void nothing_of_a_device_that_goes_stays_down(void)
{
	static const int32_t gone[][2] = {
		{CONTROL(FOUND), UXREC__FOUND__FOUND_AT_REMOVAL},
		{CONTROL(BUTTON_LEFT), 0},
		{CONTROL(TOUCH), 0},
		{CONTROL(MT_SLOT), 2},
		{CONTROL(MT_TRACKING_ID), -1},
		{CONTROL(FRAME), 0},
	};
	_destroy_(found_lab) struct found_lab *lab = found_lab_create(KEY_POLICY_CLASSES);

	put(lab, EV_KEY, BTN_LEFT, 1);
	put(lab, EV_KEY, BTN_TOUCH, 1);
	put(lab, EV_SW, SW_LID, 1); /* no reason to open a device */
	put(lab, EV_ABS, ABS_MT_SLOT, 2);
	put(lab, EV_ABS, ABS_MT_TRACKING_ID, 7);
	put(lab, EV_KEY, KEY_A, 1);
	put(lab, EV_KEY, KEY_LEFTCTRL, 1);
	evdev_report_at_removal(&lab->device, &lab->link, NS_PER_S + 37 * NS_PER_MS);
	expect_report(lab, gone, ARRAY_SIZE(gone));
	expect(count_found(lab, UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP) == 2);
}

static void keys_of_a_device_that_goes_are_as_the_policy_says(void)
{
	static const enum key_policy policies[] = {KEY_POLICY_NONE, KEY_POLICY_COUNTS};

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		_destroy_(found_lab) struct found_lab *lab = found_lab_create(policies[i]);
		struct peer_message sent;

		put(lab, EV_KEY, KEY_A, 1);
		evdev_report_at_removal(&lab->device, &lab->link, NS_PER_S);
		redactor_finish(&lab->link.redactor, 2 * NS_PER_S);
		expect(lab->device.batch.count == 0);
		expect(peer_receive(lab->fd, &sent, 0) &&
			sent.header.channel == CHANNEL_KEY_POLICY);
		expect(!peer_receive(lab->fd, &sent, 0));
	}
}

/* ---- overflows ---- */

static Uxrec__Gap *take_gap(struct found_lab *lab)
{
	Uxrec__Gap *gap;
	struct peer_message sent;

	do
		check(peer_receive(lab->fd, &sent, 0));
	while (sent.header.channel != CHANNEL_GAPS);
	gap = uxrec__gap__unpack(NULL, sent.size_bytes, sent.data);
	check(gap && gap->reason == UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW);
	expect(sent.header.time_ns == gap->from_ns);
	return gap;
}

static void overflows_of_a_second_are_one_gap(void)
{
	_destroy_(found_lab) struct found_lab *lab = found_lab_create(KEY_POLICY_FULL);
	int64_t now_ns = 0, due_ns;
	size_t gaps = 0;
	Uxrec__Gap *gap;
	struct peer_message sent;

	check(peer_receive(lab->fd, &sent, 0)); /* the policy */
	expect(evdev_overflow_flush_due(&lab->device, &lab->link, 0) == INT64_MAX);
	/* five seconds of overflows */
	for (int i = 0; i < 1000; i++) {
		now_ns += 5 * NS_PER_MS;
		evdev_overflow_note(&lab->device, &lab->link, now_ns - NS_PER_MS, now_ns);
		due_ns = evdev_overflow_flush_due(&lab->device, &lab->link, now_ns);
		check(due_ns == INT64_MAX || due_ns <= now_ns + EVDEV_OVERFLOW_NS);
	}
	while (peer_receive(lab->fd, &sent, 0))
		gaps += sent.header.channel == CHANNEL_GAPS;
	expect(gaps >= 4 && gaps <= 5);
	evdev_overflow_flush(&lab->device, &lab->link, now_ns);
	/* two, and one long after */
	evdev_overflow_note(&lab->device, &lab->link, 10 * NS_PER_S, 11 * NS_PER_S);
	evdev_overflow_note(
		&lab->device, &lab->link, 11 * NS_PER_S, 11 * NS_PER_S + 900 * NS_PER_MS);
	expect(evdev_overflow_flush_due(&lab->device, &lab->link, 12 * NS_PER_S - 1) ==
		12 * NS_PER_S);
	evdev_overflow_flush_due(&lab->device, &lab->link, 12 * NS_PER_S);
	evdev_overflow_note(&lab->device, &lab->link, 20 * NS_PER_S, 21 * NS_PER_S);
	evdev_overflow_flush(&lab->device, &lab->link, 21 * NS_PER_S);
	evdev_overflow_flush(&lab->device, &lab->link, 22 * NS_PER_S);
	uxrec__gap__free_unpacked(take_gap(lab), NULL); /* the rest of the five seconds */
	gap = take_gap(lab);
	expect(gap->from_ns == 10 * NS_PER_S && gap->to_ns == 11 * NS_PER_S + 900 * NS_PER_MS);
	expect(gap->count == 0); /* the kernel does not report the number of lost events */
	expect(strstr(gap->detail, "device 5:") && strstr(gap->detail, "overflowed 2 times;"));
	uxrec__gap__free_unpacked(gap, NULL);
	gap = take_gap(lab);
	expect(gap->from_ns == 20 * NS_PER_S && gap->to_ns == 21 * NS_PER_S);
	expect(strstr(gap->detail, "overflowed;") && strstr(gap->detail, "keys pressed"));
	uxrec__gap__free_unpacked(gap, NULL);
	expect(!peer_receive(lab->fd, &sent, 0));
}

static void overflows_tell_no_times_of_keys(void)
{
	static const struct {
		enum key_policy policy;
		bool has_keys;
		int64_t from_ms;
		size_t topics;
	} table[] = {
		{KEY_POLICY_NONE, true, 500, 1},
		{KEY_POLICY_COUNTS, true, 500, 4},
		{KEY_POLICY_CLASSES, true, 700, 4},
		{KEY_POLICY_FULL, true, 737, 4},
		{KEY_POLICY_CLASSES, false, 737, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(found_lab) struct found_lab *lab = found_lab_create(table[i].policy);
		Uxrec__Gap *gap;

		lab->device.has_keys = table[i].has_keys;
		evdev_overflow_note(&lab->device, &lab->link, 737 * NS_PER_MS, 790 * NS_PER_MS);
		evdev_overflow_flush(&lab->device, &lab->link, NS_PER_S);
		gap = take_gap(lab);
		expect(gap->from_ns == table[i].from_ms * NS_PER_MS &&
			gap->to_ns == 790 * NS_PER_MS);
		expect(gap->n_topics == table[i].topics);
		uxrec__gap__free_unpacked(gap, NULL);
	}
}

static const struct test tests[] = {
	{"the state of a device is found at the start and at the stop",
		what_is_down_is_found_at_start_and_stop},
	{"nothing stays down when its device is removed", nothing_of_a_device_that_goes_stays_down},
	{"keys held at a removal are recorded within the policy",
		keys_of_a_device_that_goes_are_as_the_policy_says},
	{"overflows of one second are one gap", overflows_of_a_second_are_one_gap},
	{"overflows reveal no key times beyond the policy", overflows_tell_no_times_of_keys},
};

int main(void)
{
	return RUN_TESTS("evdev_found", tests);
}
