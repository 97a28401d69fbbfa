/* Gaps for display: texts by parts of the recording, and the time lost by parts. */

#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/gap.h"

#include <stdio.h>
#include <string.h>

#define REASON(name) UXREC__GAP__REASON__REASON_##name

static Uxrec__Gap make_gap(
	Uxrec__Gap__Reason reason, int64_t from_ns, int64_t to_ns, char **topics, size_t count)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = reason;
	gap.from_ns = from_ns;
	gap.to_ns = to_ns;
	gap.topics = topics;
	gap.n_topics = count;
	return gap;
}

static void a_text_has_parts_length_and_cause(void)
{
	static const struct {
		Uxrec__Gap__Reason reason;
		int64_t length_ns; /* -1: open */
		const char *topics[4], *text;
	} rows[] = {
		{REASON(DEVICE_OVERFLOW), 2 * NS_PER_MS, {"/sound"},
			"sound lost for 2 ms: the device's queue overflowed"},
		{REASON(DEVICE_OVERFLOW), 0, {"/input/controls"},
			"input lost: the device's queue overflowed"},
		{REASON(DEVICE_OVERFLOW), 40 * NS_PER_MS,
			{"/input/controls", "/input/keys", "/input/keys/full"},
			"input lost for 40 ms: the device's queue overflowed"},
		{REASON(SOURCE_LOST), 1200 * NS_PER_MS, {"/input/keys", "/input/keys/counts"},
			"keys lost for 1.2 s: the source was lost"},
		{REASON(SOURCE_LOST), 999500 * NS_PER_US, {"/input/clicked"},
			"names of clicked objects lost for 1.0 s: the source was lost"},
		{REASON(STALL), 187 * NS_PER_S, {"/screen", "/pointer", "/input/clicked"},
			"screen, pointer, names of clicked objects lost for 3:07 min: the recorder stood "
			"still"},
		{REASON(DISK), -1, {NULL},
			"everything lost to the end: the disk failed or was full"},
		{REASON(OVERLOAD), 3723 * NS_PER_S, {"/sound/monitor/levels"},
			"the machine's sound lost for 1:02:03 h: the machine could not keep up"},
		{REASON(OVERLOAD), 1000, {"/screenshots"},
			"other data lost for less than 1 ms: the machine could not keep up"},
		{REASON(PAUSE), 64 * NS_PER_S, {NULL}, "paused for 1:04 min"},
		{REASON(CONSENT), -1, {"/sound", "/sound/levels"},
			"sound: not covered by the consent to the end"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t count = 0;
		Uxrec__Gap gap;

		while (count < 4 && rows[i].topics[count])
			count++;
		gap = make_gap(rows[i].reason, 1000,
			rows[i].length_ns < 0 ? 0 : 1000 + rows[i].length_ns,
			(char **)rows[i].topics, count);
		if (strcmp(gap_describe(&gap).text, rows[i].text) != 0)
			printf("# %s\n", gap_describe(&gap).text);
		expect(strcmp(gap_describe(&gap).text, rows[i].text) == 0);
	}
}

static void lost_time_is_that_of_the_union(void)
{
	char *sound[] = {(char *)"/sound"}, *screen[] = {(char *)"/screen", (char *)"/pointer"};
	struct losses losses = {0};
	struct loss sums[GAP_PART_END];
	Uxrec__Gap gap;

	/* 231 holes of 2 ms, latest first, each twice */
	for (int i = 461; i >= 0; i--) {
		int64_t at_ns = (i / 2 + 1) * NS_PER_S;

		gap = make_gap(REASON(DEVICE_OVERFLOW), at_ns, at_ns + 2 * NS_PER_MS, sound, 1);
		expect(losses_add(&losses, &gap) == 0);
	}
	gap = make_gap(REASON(PAUSE), NS_PER_S, 100 * NS_PER_S, NULL, 0);
	expect(losses_add(&losses, &gap) == 0);
	gap = make_gap(REASON(SOURCE_LOST), 290 * NS_PER_S, 0, screen, 2);
	expect(losses_add(&losses, &gap) == 0);
	losses_sum(&losses, 300 * NS_PER_S, sums);
	expect(sums[GAP_PART_SOUND].lost_ns == 462 * NS_PER_MS);
	expect(sums[GAP_PART_SOUND].count == 462);
	expect(sums[GAP_PART_SCREEN].lost_ns == 10 * NS_PER_S && sums[GAP_PART_ALL].count == 0);
	expect(strcmp(losses_describe(sums).text,
		       "screen 10.0 s, pointer 10.0 s, sound 462 ms in 462 holes") == 0);
	losses_finish(&losses);
}

static void far_times_and_many_gaps_are_bounded(void)
{
	struct losses losses = {0};
	struct loss sums[GAP_PART_END];
	char *sound[] = {(char *)"/sound"};

	for (int64_t i = 0; i < 200000; i++) {
		Uxrec__Gap gap = make_gap(REASON(DEVICE_OVERFLOW), i * 10, i * 10 + 1, sound, 1);

		expect(losses_add(&losses, &gap) == 0);
	}
	expect(losses.capacity <= 65536);
	losses_sum(&losses, INT64_MAX, sums);
	expect(sums[GAP_PART_SOUND].lost_ns > 0 && sums[GAP_PART_SOUND].lost_ns <= 200000);
	losses_finish(&losses);
	for (int i = 0; i < 3; i++) {
		static const int64_t times[][2] = {
			{INT64_MIN, INT64_MAX}, {INT64_MAX, INT64_MIN}, {INT64_MAX, 0}};
		Uxrec__Gap gap = make_gap(REASON(DISK), times[i][0], times[i][1], NULL, 0);

		expect(losses_add(&losses, &gap) == 0);
		expect(*gap_describe(&gap).text);
	}
	losses_sum(&losses, NS_PER_S, sums);
	expect(sums[GAP_PART_ALL].lost_ns >= 0);
	losses_finish(&losses);
}

static const struct test tests[] = {
	{"the text of a gap has its parts, its length and its cause",
		a_text_has_parts_length_and_cause},
	{"lost time is the union of gaps, by parts, without pauses",
		lost_time_is_that_of_the_union},
	{"far times and many gaps are bounded", far_times_and_many_gaps_are_bounded},
};

int main(void)
{
	return RUN_TESTS("gaps", tests);
}
