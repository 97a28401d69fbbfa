/* A disk slower than the recording: written packets stay, all packets but pictures are written, and dropped pictures
 * are counted. The linker puts the __wrap_ functions between our code and libc. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "daemon/record/live.h"
#include "daemon/record/recorder.h"
#include "protocol/base/clock.h"
#include "protocol/file/reader.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

enum { PICTURE_BYTES = 512 * 1024, GROUP = 20, WHILE_SLOW = 205, AFTERWARDS = 2 * GROUP };

static _Atomic int write_ms;
static _Atomic unsigned keyframes_wished;

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	if (write_ms > 0)
		sleep_ms(write_ms);
	return __real_pwritev(fd, parts, count, offset);
}

static void wish_keyframe(void *user)
{
	(void)user;
	keyframes_wished++;
}

static int64_t all_is_complete(void *user, int64_t now_ns)
{
	(void)user;
	return now_ns;
}

static void on_disk_error(void *user, const char *text)
{
	(void)user;
	printf("# %s\n", text ? text : "good again");
}

/* A numbered picture, and an input event. */
static void push_both(struct recorder *recorder, struct session_clock *clock, uint32_t number)
{
	static unsigned char data[PICTURE_BYTES];
	struct packet_sink *sink = recorder_sink(recorder);
	struct packet_info info = {.time_ns = clock_now_ns()};
	struct packet *packet;

	memcpy(data, &number, sizeof(number));
	info.channel = CHANNEL_SCREEN;
	info.flags = number % GROUP == 0 ? PACKET_KEYFRAME : 0;
	check(packet_create_data(&packet, clock, &info, data, sizeof(data)) == 0);
	sink->push(sink, packet);
	info.channel = CHANNEL_POINTER;
	info.flags = 0;
	check(packet_create_data(&packet, clock, &info, data, sizeof(number)) == 0);
	sink->push(sink, packet);
}

static void record(const char *folder, struct session_clock *clock)
{
	_cleanup_(live_finish) struct live live = {0};
	_destroy_(recorder) struct recorder *recorder = NULL;
	struct recorder_context context = {.clock = clock,
		.watermark = all_is_complete,
		.request_keyframe = wish_keyframe,
		.disk_error = on_disk_error,
		.sync_every_ns = NS_PER_S};
	int64_t begun_ns = clock_now_ns();
	uint32_t number = 0;

	check(live_init(&live) == 0);
	context.feed = &live.feed;
	check(recorder_create(&recorder, folder, 0, &context, NULL) == 0);
	write_ms = 50;
	for (; number < WHILE_SLOW; number++)
		push_both(recorder, clock, number);
	/* sources do not wait for the disk: writing all would take more than ten seconds */
	expect(clock_now_ns() - begun_ns < 4 * NS_PER_S);
	write_ms = 0;
	for (int i = 0; i < 500 && recorder_get_totals(recorder).pictures < 100; i++)
		sleep_ms(20);
	expect(recorder_get_totals(recorder).pictures >= 100);
	for (; number < WHILE_SLOW + AFTERWARDS; number++) {
		push_both(recorder, clock, number);
		sleep_ms(5);
	}
	check(recorder_finish(recorder, NULL) == 0);
}

struct found {
	uint64_t pictures, dropped, gaps, without_keyframe, others;
	uint32_t next;
};

static void take(struct found *found, const struct reader_message *message)
{
	if (message->channel->known == CHANNEL_POINTER)
		found->others++;
	if (message->channel->known == CHANNEL_GAPS) {
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, message->data.size_bytes, message->data.data);

		check(gap != NULL);
		expect(gap->reason == UXREC__GAP__REASON__REASON_OVERLOAD);
		expect(gap->n_topics == 1 && strcmp(gap->topics[0], "/screen") == 0);
		expect(strstr(gap->detail, "slower") && gap->to_ns > gap->from_ns);
		found->gaps++;
		found->dropped += gap->count;
		uxrec__gap__free_unpacked(gap, NULL);
	}
	if (message->channel->known == CHANNEL_SCREEN) {
		uint32_t number;

		memcpy(&number, message->data.data, sizeof(number));
		/* after a loss only a keyframe can be decoded */
		found->without_keyframe += number != found->next && number % GROUP != 0;
		found->next = number + 1;
		found->pictures++;
	}
}

static void pictures_are_dropped_and_counted(void)
{
	_autofree_ char *path = temporary_path("recording-0001.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct session_clock clock = {0};
	struct reader_message message;
	struct found found = {0};

	record(temporary_folder(), &clock);
	check(session_reader_open(&reader, path, NULL) == 0);
	expect(session_reader_is_complete(reader) && session_reader_damages(reader, NULL) == 0);
	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		take(&found, &message);
	printf("# of %d pictures %llu are there; %llu gaps say that %llu are not; %u times a keyframe was asked "
	       "for\n",
		WHILE_SLOW + AFTERWARDS, (unsigned long long)found.pictures,
		(unsigned long long)found.gaps, (unsigned long long)found.dropped,
		keyframes_wished);
	expect(found.gaps > 0 && found.dropped > 0 && found.pictures > 100);
	expect(found.pictures + found.dropped == WHILE_SLOW + AFTERWARDS);
	expect(found.without_keyframe == 0 && found.next == WHILE_SLOW + AFTERWARDS);
	expect(found.others == WHILE_SLOW + AFTERWARDS);
	expect(keyframes_wished > 0);
}

static const struct test tests[] = {
	{"pictures faster than the disk are dropped and counted", pictures_are_dropped_and_counted},
};

int main(void)
{
	return RUN_TESTS("slow_disk", tests);
}
