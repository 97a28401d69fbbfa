#include "tests/harness/helpers.h"
#include "tests/harness/inputd_peer.h"

#include "capture/input/filter.h"
#include "capture/inputd/batch.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <string.h>

#define CONTROL(name) UXREC__CONTROL__CONTROL_##name

static void batches_keep_times_and_frames(void)
{
	struct input_batch batch = {.device = 3};
	struct input_out out = {0};
	Uxrec__ControlBatch *controls;
	struct peer_message sent;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	out.fd = pair[0];
	expect(input_batch_flush_due(&batch, &out, INT64_MAX) == INT64_MAX);
	input_batch_add(&batch, &out, 1000 * NS_PER_US, CONTROL(REL_X), -5);
	input_batch_add(&batch, &out, 1000 * NS_PER_US, CONTROL(FRAME), 0);
	input_batch_add(&batch, &out, 1125 * NS_PER_US, CONTROL(FRAME), 0); /* keys only: no mark */
	input_batch_add(&batch, &out, 1250 * NS_PER_US, CONTROL(REL_X), 7);
	input_batch_add(&batch, &out, 1250 * NS_PER_US, CONTROL(FRAME), 0);
	expect(input_batch_flush_due(&batch, &out, 2000 * NS_PER_US) ==
		1000 * NS_PER_US + INPUT_FLUSH_MOTION_NS);
	batch.has_button = true;
	expect(input_batch_flush_due(&batch, &out, 2000 * NS_PER_US) ==
		1000 * NS_PER_US + INPUT_FLUSH_NS);
	input_batch_flush(&batch, &out);

	check(peer_receive(pair[1], &sent, 0));
	expect(sent.header.kind == INPUTD_PACKET && sent.header.channel == CHANNEL_CONTROLS);
	expect(sent.header.time_ns == 1000 * NS_PER_US);
	controls = uxrec__control_batch__unpack(NULL, sent.size_bytes, sent.data);
	check(controls && controls->n_control == 4 && controls->n_dt_us == 4);
	expect(controls->device == 3);
	expect(controls->control[0] == CONTROL(REL_X) && controls->value[0] == -5);
	expect(controls->control[1] == CONTROL(FRAME));
	expect(controls->dt_us[2] == 250 && controls->value[2] == 7);
	uxrec__control_batch__free_unpacked(controls, NULL);
	expect(!peer_receive(pair[1], &sent, 0));
	close(pair[0]);
	close(pair[1]);
}

static void full_batches_end_with_a_report(void)
{
	struct input_batch batch = {.device = 1};
	struct input_out out = {0};
	struct peer_message sent;
	size_t events = 0, bytes = 0;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	out.fd = pair[0];
	for (int i = 0; i < 1000; i++) {
		input_batch_add(&batch, &out, i * 125 * NS_PER_US, CONTROL(REL_X), i % 30 - 15);
		input_batch_add(&batch, &out, i * 125 * NS_PER_US, CONTROL(REL_Y), i % 7);
		input_batch_add(&batch, &out, i * 125 * NS_PER_US, CONTROL(FRAME), 0);
	}
	input_batch_flush(&batch, &out);
	while (peer_receive(pair[1], &sent, 0)) {
		Uxrec__ControlBatch *controls =
			uxrec__control_batch__unpack(NULL, sent.size_bytes, sent.data);

		check(controls && controls->n_control <= INPUT_BATCH_EVENTS + 2);
		expect(controls->control[controls->n_control - 1] == CONTROL(FRAME));
		events += controls->n_value;
		bytes += sent.size_bytes;
		uxrec__control_batch__free_unpacked(controls, NULL);
	}
	expect(events == 3000);
	expect(bytes <= 4 * events);
	close(pair[1]);
	input_batch_add(&batch, &out, 0, CONTROL(REL_X), 1);
	input_batch_flush(&batch, &out);
	expect(out.failed == -EPIPE); /* and no signal */
	close(pair[0]);
}

/* A peer that does not read: devices do not wait, losses are counted, and reported as soon as possible. */
static void a_peer_that_does_not_read_is_not_waited_for(void)
{
	struct input_batch batch = {.device = 1};
	struct input_out out = {0};
	uint64_t taken = 0, lost = 0, sent_packets = 2000;
	int64_t before_ns = clock_now_ns();
	struct peer_message sent;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	out.fd = pair[0];
	for (uint64_t i = 0; i < sent_packets; i++) {
		input_batch_add(&batch, &out, 0, CONTROL(REL_X), 1);
		input_batch_flush(&batch, &out);
	}
	expect(clock_now_ns() - before_ns < 2 * NS_PER_S && !out.failed && out.dropped > 0);
	for (int round = 0; round < 2; round++) {
		while (peer_receive(pair[1], &sent, 0)) {
			taken += sent.header.channel == CHANNEL_CONTROLS;
			if (sent.header.channel == CHANNEL_GAPS) {
				Uxrec__Gap *gap =
					uxrec__gap__unpack(NULL, sent.size_bytes, sent.data);

				check(gap && gap->to_ns >= gap->from_ns && gap->from_ns > 0);
				lost += gap->count;
				uxrec__gap__free_unpacked(gap, NULL);
			}
		}
		if (round == 0) {
			input_batch_add(&batch, &out, 0, CONTROL(REL_X), 1);
			input_batch_flush(&batch, &out);
		}
	}
	expect(taken + lost == sent_packets + 1 && lost > 0);
	close(pair[0]);
	close(pair[1]);
}

static void filters_choose_devices(void)
{
	static const struct {
		const char *filter;
		bool keyboard, mouse, other_seat;
	} table[] = {
		{"", true, true, false},
		{"keyboard", true, false, false},
		{"-keyboard", false, true, false},
		{"mouse,keyboard", true, true, false},
		{"-name:Acme", true, false, false},
		{"name:Acme", false, true, false},
		{"seat:seat1", false, false, true},
		{"keyboard,-name:Board", false, false, false},
	};
	static const char *const wrong[] = {"keyboards", "name:", "-seat:seat0", "seat:", "*", "-"};
	Uxrec__InputDevice__Kind kinds[] = {
		UXREC__INPUT_DEVICE__KIND__KIND_KEYBOARD, UXREC__INPUT_DEVICE__KIND__KIND_MOUSE};
	Uxrec__InputDevice keyboard = UXREC__INPUT_DEVICE__INIT, mouse = keyboard, other;
	struct input_filter filter;
	struct error error;

	keyboard.name = (char *)"Key Board";
	keyboard.seat = mouse.seat = (char *)"seat0";
	mouse.name = (char *)"Acme Mouse";
	keyboard.kinds = &kinds[0];
	mouse.kinds = &kinds[1];
	keyboard.n_kinds = mouse.n_kinds = 1;
	other = keyboard;
	other.seat = (char *)"seat1";
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		check(input_filter_parse(&filter, table[i].filter, &error) == 0);
		expect(input_filter_matches(&filter, &keyboard) == table[i].keyboard);
		expect(input_filter_matches(&filter, &mouse) == table[i].mouse);
		expect(input_filter_matches(&filter, &other) == table[i].other_seat);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		expect(input_filter_parse(&filter, wrong[i], &error) == -EINVAL &&
			strstr(error.text, "devices:"));
}

static const struct test tests[] = {
	{"batches keep device, times and frames", batches_keep_times_and_frames},
	{"full batches end with a report and stay small", full_batches_end_with_a_report},
	{"a peer that does not read is not waited for",
		a_peer_that_does_not_read_is_not_waited_for},
	{"filters choose devices", filters_choose_devices},
};

int main(void)
{
	return RUN_TESTS("input", tests);
}
