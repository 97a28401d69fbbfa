/* The recorder with a disk that blocks on request. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "daemon/record/live.h"
#include "daemon/record/recorder.h"
#include "daemon/record/segments.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MB (1024 * 1024)

/* ---- packets taken by the disk, replaces daemon/record/segments.c ---- */

struct segments {
	struct packet *taken[400];
	_Atomic size_t count;
};

static _Atomic bool stands_still;
static struct segments disk;

int segments_create(struct segments **ret, const char *folder, unsigned before,
	int64_t sync_every_ns, const struct segments_context *context, struct error *reterr)
{
	(void)folder;
	(void)before;
	(void)sync_every_ns;
	(void)context;
	(void)reterr;
	*ret = &disk;
	return 0;
}

void segments_append(struct segments *segments, struct packet *packet)
{
	while (stands_still)
		sleep_ms(1);
	if (segments->count == ARRAY_SIZE(segments->taken))
		return;
	/* counted last: another thread watches */
	segments->taken[segments->count] = packet_ref(packet);
	segments->count++;
}

void segments_check(struct segments *segments)
{
	(void)segments;
}

uint64_t segments_bytes(const struct segments *segments)
{
	(void)segments;
	return 0;
}

struct segments_backlog segments_backlog(const struct segments *segments)
{
	(void)segments;
	return (struct segments_backlog){0};
}

int segments_give_up(struct segments *segments, struct segments_backlog *ret_lost)
{
	(void)ret_lost;
	return segments_finish(segments);
}

int segments_finish(struct segments *segments)
{
	(void)segments;
	return 0;
}

void segments_destroy(struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++)
		packet_unref(segments->taken[i]);
	segments->count = 0;
}

static size_t count_taken(uint16_t channel)
{
	size_t count = 0;

	for (size_t i = 0; i < disk.count; i++)
		count += disk.taken[i]->channel == channel;
	return count;
}

/* ---- a recorder and its input ---- */

struct lab {
	struct session_clock clock;
	struct live live;
	struct recorder *recorder;
	int64_t next_ns; /* of the next packet */
	size_t pictures;
	_Atomic int asked; /* keyframe requests */
};

static int64_t watermark(void *user, int64_t now_ns)
{
	(void)user;
	return now_ns;
}

static void request_keyframe(void *user)
{
	((struct lab *)user)->asked++;
}

static void disk_error(void *user, const char *text)
{
	(void)user;
	(void)text;
}

static void begin(struct lab *lab)
{
	struct recorder_context context = {
		.clock = &lab->clock,
		.watermark = watermark,
		.request_keyframe = request_keyframe,
		.disk_error = disk_error,
		.user = lab,
	};

	/* pushed packets lie in the past */
	*lab = (struct lab){.next_ns = clock_now_ns() - NS_PER_S};
	session_clock_init(&lab->clock);
	check(live_init(&lab->live) == 0);
	context.feed = &lab->live.feed;
	check(recorder_create(&lab->recorder, temporary_folder(), 0, &context, NULL) == 0);
}

static int64_t push(struct lab *lab, uint16_t channel, uint16_t flags, size_t size)
{
	static unsigned char zeros[MB];
	int64_t time_ns = lab->next_ns;
	struct packet *packet;

	check(packet_create_data(&packet, &lab->clock,
		      &(struct packet_info){channel, flags, time_ns, 0}, zeros, size) == 0);
	recorder_sink(lab->recorder)->push(recorder_sink(lab->recorder), packet);
	lab->next_ns += NS_PER_MS;
	lab->pictures += channel_is_picture(channel);
	return session_clock_at(&lab->clock, time_ns);
}

/* @return its session time */
static int64_t push_keyframe(struct lab *lab)
{
	push(lab, CHANNEL_SCREEN_KEYFRAMES, 0, 4);
	lab->next_ns -= NS_PER_MS; /* both have the same time */
	return push(lab, CHANNEL_SCREEN, PACKET_KEYFRAME, MB);
}

static void wait_for(uint16_t channel, size_t count)
{
	for (int i = 0; i < 30000 && count_taken(channel) < count; i++)
		sleep_ms(1);
	check(count_taken(channel) == count);
}

static void finish(struct lab *lab)
{
	check(recorder_finish(lab->recorder, NULL) == 0);
}

static void end(struct lab *lab)
{
	recorder_destroy(lab->recorder);
	live_finish(&lab->live);
}

/* a changing screen, with a keyframe now and then, and typing: more than the backlog holds */
static void work(struct lab *lab, int pictures)
{
	for (int i = 0; i < pictures; i++) {
		if (i % 20 == 15)
			push_keyframe(lab);
		else
			push(lab, i % 3 ? CHANNEL_SCREEN_PATCHES : CHANNEL_SCREEN, 0, MB);
		push(lab, CHANNEL_CONTROLS, 0, 10);
	}
}

/* ---- taken packets ---- */

static Uxrec__Gap *only_gap(void)
{
	Uxrec__Gap *gap = NULL;

	check(count_taken(CHANNEL_GAPS) == 1);
	for (size_t i = 0; i < disk.count; i++)
		if (disk.taken[i]->channel == CHANNEL_GAPS)
			gap = uxrec__gap__unpack(
				NULL, packet_data_size(disk.taken[i]), packet_data(disk.taken[i]));
	check(gap != NULL);
	return gap;
}

/* The gap covers all missing packets: none was taken within it, and a keyframe follows. */
static void expect_dropped(const struct lab *lab, int64_t resumed_ns)
{
	size_t taken = count_taken(CHANNEL_SCREEN) + count_taken(CHANNEL_SCREEN_PATCHES);
	bool before = false, behind = false;
	Uxrec__Gap *gap = only_gap();

	expect(gap->reason == UXREC__GAP__REASON__REASON_OVERLOAD);
	expect(gap->n_topics == 1 && strcmp(gap->topics[0], "/screen") == 0);
	expect(gap->count > 30 && gap->count == lab->pictures - taken);
	expect(resumed_ns == 0 || gap->to_ns == resumed_ns);
	for (size_t i = 0; i < disk.count; i++) {
		const struct packet *packet = disk.taken[i];

		if (!channel_is_picture(packet->channel))
			continue;
		/* all packets pushed before it */
		before |= packet->time_ns == gap->from_ns - NS_PER_MS ||
			packet->time_ns == gap->from_ns - 2 * NS_PER_MS;
		expect(packet->time_ns < gap->from_ns || packet->time_ns >= gap->to_ns);
		if (packet->time_ns >= gap->to_ns && !behind)
			expect(packet->flags & PACKET_KEYFRAME);
		behind |= packet->time_ns >= gap->to_ns;
	}
	expect(before && behind == (resumed_ns != 0));
	uxrec__gap__free_unpacked(gap, NULL);
}

/* A mark without its keyframe is no entry point. */
static void expect_marks_with_their_keyframes(void)
{
	const struct packet *mark = NULL;

	for (size_t i = 0; i < disk.count; i++) {
		const struct packet *packet = disk.taken[i];

		if (channel_is_picture(packet->channel)) {
			expect(!(packet->flags & PACKET_KEYFRAME) == !mark);
			expect(!mark || mark->time_ns == packet->time_ns);
			mark = NULL;
		} else if (packet->channel == CHANNEL_SCREEN_KEYFRAMES) {
			expect(!mark);
			mark = packet;
		}
	}
	expect(!mark);
}

static void pictures_go_and_a_keyframe_follows(void)
{
	struct lab lab;
	int64_t resumed_ns;

	begin(&lab);
	push_keyframe(&lab);
	push(&lab, CHANNEL_SCREEN, 0, MB);
	wait_for(CHANNEL_SCREEN, 2);
	stands_still = true;
	work(&lab, 120);
	/* no request without room for a keyframe */
	expect(lab.asked == 0);
	stands_still = false;
	wait_for(CHANNEL_CONTROLS, 120);
	expect(count_taken(CHANNEL_GAPS) == 0);
	/* room again: a keyframe is requested, even of a static screen */
	for (int i = 0; i < 10000 && lab.asked == 0; i++)
		sleep_ms(1);
	expect(lab.asked > 0);
	/* packets that depend on dropped ones are dropped too */
	push(&lab, CHANNEL_SCREEN, 0, MB);
	resumed_ns = push_keyframe(&lab);
	push(&lab, CHANNEL_SCREEN_PATCHES, 0, 1000);
	push(&lab, CHANNEL_SCREEN, 0, MB);
	finish(&lab);
	expect_dropped(&lab, resumed_ns);
	expect_marks_with_their_keyframes();
	expect(recorder_get_totals(lab.recorder).gaps == 1);
	end(&lab);
}

static void what_is_missing_at_the_end_is_told(void)
{
	struct lab lab;

	begin(&lab);
	push_keyframe(&lab);
	stands_still = true;
	work(&lab, 100);
	stands_still = false;
	finish(&lab);
	expect_dropped(&lab, 0);
	expect_marks_with_their_keyframes();
	expect(count_taken(CHANNEL_CONTROLS) == 100);
	end(&lab);
}

static const struct test tests[] = {
	{"a slow disk drops pictures, a gap counts them, and a keyframe follows",
		pictures_go_and_a_keyframe_follows},
	{"data missing at the end is reported", what_is_missing_at_the_end_is_told},
};

int main(void)
{
	return RUN_TESTS("recorder", tests);
}
