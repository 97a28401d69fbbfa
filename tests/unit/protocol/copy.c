/* Messages removed with an erased span, and at the end of a part. */

#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/file/copy.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(ms) ((int64_t)(ms)*NS_PER_MS)

/* a message of the screen, in ms: its begin, and the time of the copy */
struct shown {
	uint16_t channel;
	int begin, copied;
};

enum { MARK = CHANNEL_SCREEN_KEYFRAMES, VIDEO = CHANNEL_SCREEN, PATCH = CHANNEL_SCREEN_PATCHES };

/* @return the session's folder */
static char *make_session(const char *name, const struct shown *shown, size_t count)
{
	char *folder = temporary_path(name), path[400];
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_clock clock = {0};

	check(mkdir(folder, 0700) == 0);
	snprintf(path, sizeof(path), "%s/" SESSION_SEGMENT_NAME, folder, 1);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	for (size_t i = 0; i < count; i++) {
		/* no known field: a copy must not depend on any */
		const Uxrec__Keyframe nothing = UXREC__KEYFRAME__INIT;
		_packet_unref_ struct packet *packet = NULL;
		const struct packet_info info = {
			shown[i].channel, 0, AT(shown[i].begin), AT(shown[i].copied)};

		check(packet_create(&packet, &clock, &info, &nothing.base) == 0);
		check(session_writer_append(writer, packet) == 0);
	}
	check(session_writer_finish(writer) == 0);
	return folder;
}

/* the expected ones as text: "1011" */
static void expect_there(
	struct session_reader *reader, const struct shown *shown, size_t count, const char *wanted)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	char there[40] = "";

	memset(there, '0', count);
	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		for (size_t i = 0; i < count; i++)
			if (message.channel->known == shown[i].channel &&
				message.time_ns == AT(shown[i].begin))
				there[i] = '1';
	if (strcmp(there, wanted) != 0)
		fprintf(stderr, "# there: %s, wanted: %s\n", there, wanted);
	expect(strcmp(there, wanted) == 0);
}

/* one second */
static const struct session_erase_options span = {
	AT(676000), AT(677000), 1 << MODALITY_SCREEN, "Ana", "asked"};

static void expect_after_erasing(const char *name, const struct shown *shown, size_t count,
	const char *wanted, int64_t gap_from_ns, int64_t gap_to_ns)
{
	_autofree_ char *folder = make_session(name, shown, count);
	_folder_unref_ struct folder *below = open_folder(folder);
	_destroy_(session_reader) struct session_reader *reader = NULL;
	int64_t gap[2];

	check(session_erase(below, &span, gap, NULL) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	expect_there(reader, shown, count, wanted);
	expect(gap[0] == gap_from_ns && gap[1] == gap_to_ns);
}

/* A gap that replaces nothing would make the session longer. */
static void a_span_outside_is_refused(void)
{
	static const struct shown shown[] = {{MARK, 670000, 0}, {VIDEO, 670000, 670020}};
	_autofree_ char *folder = make_session("outside", shown, ARRAY_SIZE(shown));
	_folder_unref_ struct folder *below = open_folder(folder);
	const int64_t bad[][2] = {{AT(676000), AT(677000)}, {AT(1000), AT(670000)},
		{AT(670000), AT(670000)}, {AT(670001), AT(669999)}, {INT64_MAX - 1, INT64_MAX},
		{INT64_MIN, INT64_MIN + 1}};
	struct session_erase_options erase = span;
	int64_t gap[2], begin_ns, end_ns;

	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		_destroy_(session_reader) struct session_reader *reader = NULL;
		bool over = i == ARRAY_SIZE(bad);
		struct error error;

		erase.from_ns = over ? INT64_MIN : bad[i][0];
		erase.to_ns = over ? INT64_MAX : bad[i][1];
		expect(session_erase(below, &erase, gap, &error) == (over ? 0 : -ERANGE));
		check(session_reader_open_folder(&reader, folder, NULL) == 0);
		check(session_reader_span(reader, &begin_ns, &end_ns));
		expect(begin_ns >= AT(670000) && end_ns <= AT(670000));
	}
	expect(gap[0] == AT(670000) && gap[1] == AT(670000) + 1);
}

/* At a low rate a picture with a begin before the span shows content drawn in it. */
static void a_late_picture_goes_with_the_span(void)
{
	static const struct shown shown[] = {
		{MARK, 670000, 0},
		{VIDEO, 670000, 670020},
		{PATCH, 674000, 674300},
		{VIDEO, 675500, 675999},
		{PATCH, 675855, 676216}, /* lies in it */
		{VIDEO, 676300, 676500},
		{PATCH, 677100, 677200}, /* lies over an erased picture */
		{VIDEO, 677300, 677400},
		{MARK, 678000, 0},
		{VIDEO, 678000, 678040},
		{PATCH, 678500, 678510},
	};

	expect_after_erasing(
		"patch", shown, ARRAY_SIZE(shown), "11110000111", AT(675855), AT(677300) + 1);
}

/* Without its picture a keyframe mark is no entry point: it goes too. */
static void a_late_keyframe_takes_its_mark_along(void)
{
	static const struct shown shown[] = {
		{MARK, 670000, 0},
		{VIDEO, 670000, 670020},
		{MARK, 675000, 0},
		{VIDEO, 675000, 675900},
		{PATCH, 675990, 676010}, /* a cleared area needs its picture */
		{MARK, 675990, 0},
		{VIDEO, 675990, 676010},
		{PATCH, 677500, 677510},
		{MARK, 679000, 0},
		{VIDEO, 679000, 679300},
	};

	expect_after_erasing(
		"mark", shown, ARRAY_SIZE(shown), "1111000011", AT(675990), AT(677500) + 1);
}

static void what_was_copied_before_stays(void)
{
	static const struct shown shown[] = {
		{MARK, 675000, 0},
		{VIDEO, 675000, 675100},
		{PATCH, 675200, 0}, /* copy time unknown: equals its begin */
		{VIDEO, 675998, 675999},
		{MARK, 677000, 0},
		{VIDEO, 677000, 677001},
		{PATCH, 677001, 0},
	};

	expect_after_erasing("before", shown, ARRAY_SIZE(shown), "1111111", AT(676000), AT(677000));
}

/* @return the timestamp of the last state message after erasing, 0: none. @param ret_sequence  its sequence number in
 * its channel */
static int64_t told_after_erasing(
	const char *name, const struct shown *shown, size_t count, uint32_t *ret_sequence)
{
	_autofree_ char *folder = make_session(name, shown, count);
	_folder_unref_ struct folder *below = open_folder(folder);
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct reader_message message = {0};
	int64_t gap[2];

	check(session_erase(below, &span, gap, NULL) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	session_reader_latest(
		reader, session_reader_find(reader, shown[0].channel), INT64_MAX, &message);
	*ret_sequence = message.sequence;
	return message.time_ns;
}

/* The last state in the span is restated behind it. */
static void what_holds_on_is_told(void)
{
	static const struct shown changes[] = {{CHANNEL_SCREEN_INFO, 670000, 0},
		{CHANNEL_SCREEN_INFO, 676200, 0}, {CHANNEL_SCREEN_INFO, 676500, 0},
		{MARK, 677500, 0}, {VIDEO, 677500, 677510}};
	static const struct shown at_its_end[] = {{CHANNEL_SCREEN_INFO, 676200, 0},
		{CHANNEL_SCREEN_INFO, 677000, 0}, {VIDEO, 677500, 677510}};
	static const struct shown at_the_end[] = {
		{CHANNEL_SCREEN_INFO, 670000, 0}, {CHANNEL_SCREEN_INFO, 676500, 0}};
	static const struct shown places[] = {
		{CHANNEL_POINTER, 670000, 0}, {CHANNEL_POINTER, 676500, 0}, {VIDEO, 677500, 0}};
	uint32_t which;

	expect(told_after_erasing("change", changes, ARRAY_SIZE(changes), &which) == AT(677000) &&
		which >= COPY_SEQUENCES);
	expect(told_after_erasing("edge", at_its_end, ARRAY_SIZE(at_its_end), &which) ==
			AT(677000) &&
		which == 1);
	/* no message follows */
	expect(told_after_erasing("end", at_the_end, ARRAY_SIZE(at_the_end), &which) == AT(670000));
	expect(told_after_erasing("place", places, ARRAY_SIZE(places), &which) == AT(670000));
}

/* A part ends with content drawn before its end. */
static void a_part_has_nothing_of_later(void)
{
	static const struct shown shown[] = {
		{MARK, 670000, 0},
		{VIDEO, 670000, 670020},
		{PATCH, 674000, 675999},
		{PATCH, 675800, 676000},
		{MARK, 675850, 0},
		{VIDEO, 675850, 676216},
		{MARK, 677000, 0},
		{VIDEO, 677000, 677001},
	};
	const struct session_copy_options options = {.from_ns = INT64_MIN, .to_ns = AT(676000)};
	_autofree_ char *folder = make_session("part", shown, ARRAY_SIZE(shown)),
			*out = temporary_path("part.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL, *part = NULL;
	struct session_copy_result result;

	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check(session_copy(reader, out, &options, &result, NULL) == 0);
	check(session_reader_open(&part, out, NULL) == 0);
	expect_there(part, shown, ARRAY_SIZE(shown), "11100000");
	expect(result.messages == 3);
}

/* @return the rest of a batch of five positions from 675.9 s on, 30 ms apart, in a part that ends at @p to_ms; NULL:
 * none */
static Uxrec__PointerBatch *cut_pointer(int to_ms, bool torn)
{
	uint32_t dt_us[] = {0, 30000, 30000, 30000, 30000};
	int32_t x_px[] = {1, 2, 3, 4, 5}, y_px[] = {6, 7, 8, 9, 10};
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	const struct session_copy_options options = {.from_ns = INT64_MIN, .to_ns = AT(to_ms)};
	_autofree_ char *path = temporary_path("batch.mcap"), *out = temporary_path("cut.mcap");
	_destroy_(session_writer) struct session_writer *writer = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL, *part = NULL;
	_packet_unref_ struct packet *packet = NULL;
	struct session_copy_result result;
	struct session_clock clock = {0};
	struct reader_message message;
	Uxrec__PointerBatch *left;

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = ARRAY_SIZE(dt_us);
	batch.dt_us = dt_us;
	batch.x_px = x_px;
	batch.y_px = y_px;
	unlink(path);
	unlink(out);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	check(packet_create(&packet, &clock,
		      &(struct packet_info){CHANNEL_POINTER, 0, AT(675900), 0}, &batch.base) == 0);
	if (torn)
		packet->record[packet->size_bytes - 1] = 0x80; /* an unterminated varint */
	check(session_writer_append(writer, packet) == 0);
	check(session_writer_finish(writer) == 0);
	check(session_reader_open(&reader, path, NULL) == 0);
	check(session_copy(reader, out, &options, &result, NULL) == 0);
	check(session_reader_open(&part, out, NULL) == 0);
	if (session_reader_latest(
		    part, session_reader_find(part, CHANNEL_POINTER), INT64_MAX, &message) <= 0)
		return NULL;
	expect(message.time_ns == AT(675900));
	left = uxrec__pointer_batch__unpack(NULL, message.data.size_bytes, message.data.data);
	expect(left &&
		(left->n_dt_us == ARRAY_SIZE(dt_us) ? message.sequence == 0
						    : message.sequence >= COPY_SEQUENCES));
	return left;
}

static void a_part_has_no_event_of_later(void)
{
	Uxrec__PointerBatch *left = cut_pointer(675990, false);

	/* the fourth is exactly at the end */
	expect(left && left->n_dt_us == 3 && left->n_x_px == 3 && left->n_y_px == 3);
	expect(left->x_px[2] == 3 && left->y_px[2] == 8 && left->dt_us[2] == 30000);
	uxrec__pointer_batch__free_unpacked(left, NULL);
	left = cut_pointer(676021, false);
	expect(left && left->n_dt_us == 5 && left->x_px[4] == 5);
	uxrec__pointer_batch__free_unpacked(left, NULL);
	/* a torn batch has no known times: dropped */
	expect(cut_pointer(675990, true) == NULL);
}

static const struct test tests[] = {
	{"a span outside of the session is not erased, and no session gets longer",
		a_span_outside_is_refused},
	{"a picture copied in an erased span is erased, wherever it begins",
		a_late_picture_goes_with_the_span},
	{"the mark of a keyframe is erased with its picture", a_late_keyframe_takes_its_mark_along},
	{"pictures copied before an erased span stay", what_was_copied_before_stays},
	{"values that outlast an erased span are repeated at its end", what_holds_on_is_told},
	{"a part has no picture that was copied after its end", a_part_has_nothing_of_later},
	{"a part has no event of a batch that is at its end or later",
		a_part_has_no_event_of_later},
};

int main(void)
{
	return RUN_TESTS("copy", tests);
}
