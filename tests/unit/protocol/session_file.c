#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "protocol/compress.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/file/reader.h"
#include "protocol/schema.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/file/verify.h"
#include "protocol/file/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define BEGIN_NS (1000 * NS_PER_S)

static void append_message(struct session_writer *writer, struct session_clock *clock,
	uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;

	check(packet_create(
		      &packet, clock, &(struct packet_info){channel, 0, time_ns, 0}, message) == 0);
	check(session_writer_append(writer, packet) == 0);
}

static void append_clock(
	struct session_writer *writer, struct session_clock *clock, int64_t time_ns)
{
	Uxrec__ClockSample sample = UXREC__CLOCK_SAMPLE__INIT;

	sample.monotonic_ns = time_ns;
	append_message(writer, clock, CHANNEL_CLOCK, time_ns, &sample.base);
}

static void append_pointer(
	struct session_writer *writer, struct session_clock *clock, int64_t time_ns, int32_t x)
{
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	uint32_t dt_us = 0;

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = 1;
	batch.dt_us = &dt_us;
	batch.x_px = &x;
	batch.y_px = &x;
	append_message(writer, clock, CHANNEL_POINTER, time_ns, &batch.base);
}

static void append_picture(struct session_writer *writer, struct session_clock *clock,
	int64_t time_ns, bool keyframe, size_t size_bytes)
{
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;
	Uxrec__Keyframe mark = UXREC__KEYFRAME__INIT;
	_autofree_ uint8_t *data = calloc(1, size_bytes);

	if (keyframe)
		append_message(writer, clock, CHANNEL_SCREEN_KEYFRAMES, time_ns, &mark.base);
	video.data.data = data;
	video.data.len = size_bytes;
	append_message(writer, clock, CHANNEL_SCREEN, time_ns, &video.base);
}

/* ten seconds: a picture every 100 ms, every twentieth a keyframe; the pointer every 50 ms; clocks */
static void write_session(const char *path, bool finish)
{
	struct session_clock clock = {0};
	_destroy_(session_writer) struct session_writer *writer = NULL;

	unlink(path);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	for (int i = 0; i < 200; i++) {
		int64_t time_ns = BEGIN_NS + i * 50 * NS_PER_MS;

		append_pointer(writer, &clock, time_ns, i);
		if (i % 2 == 0)
			append_picture(writer, &clock, time_ns + NS_PER_MS, i % 40 == 0, 500);
		if (i % 100 == 0)
			append_clock(writer, &clock, time_ns);
	}
	if (finish)
		check(session_writer_finish(writer) == 0);
	else
		check(session_writer_flush(writer) == 0);
}

static struct session_reader *open_session(const char *path)
{
	struct session_reader *reader = NULL;
	struct error error = {""};
	int r = session_reader_open(&reader, path, &error);

	if (r < 0)
		fprintf(stderr, "# %s\n", error.text);
	check(r == 0);
	return reader;
}

static size_t count_messages(struct session_reader *reader, int64_t from_ns, int64_t to_ns,
	uint64_t known, bool *ret_in_order)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int64_t before_ns = INT64_MIN;
	size_t count = 0;
	int r;

	*ret_in_order = true;
	check(session_cursor_create(&cursor, reader, from_ns, to_ns, known) == 0);
	while ((r = session_cursor_next(cursor, &message)) > 0) {
		*ret_in_order = *ret_in_order && message.time_ns >= before_ns &&
			message.time_ns >= from_ns && message.time_ns < to_ns;
		before_ns = message.time_ns;
		count++;
	}
	check(r == 0);
	return count;
}

static int verify_path(const char *path, struct verify_result *ret)
{
	_autoclose_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0);
	return session_verify(fd, NULL, NULL, ret, NULL);
}

static void round_trip(void)
{
	_autofree_ char *path = temporary_path("whole.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct verify_result verified;
	int64_t first_ns, last_ns;
	bool in_order;

	write_session(path, true);
	reader = open_session(path);
	expect(session_reader_is_complete(reader));
	expect(session_reader_damages(reader, NULL) == 0);
	/* 200 positions, 100 pictures, 5 keyframe marks, 2 clocks */
	expect(count_messages(reader, INT64_MIN, INT64_MAX, 0, &in_order) == 307);
	expect(in_order);
	check(session_reader_span(reader, &first_ns, &last_ns));
	expect(first_ns == BEGIN_NS);
	expect(last_ns == BEGIN_NS + 199 * 50 * NS_PER_MS);
	expect(verify_path(path, &verified) == 1);
	expect(verified.messages == 307 && verified.finished && verified.problems == 0);
}

static void unfinished_opens(void)
{
	_autofree_ char *path = temporary_path("unfinished.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct verify_result verified;
	bool in_order;

	write_session(path, false);
	reader = open_session(path);
	expect(!session_reader_is_complete(reader));
	expect(count_messages(reader, INT64_MIN, INT64_MAX, 0, &in_order) == 307);
	expect(in_order);
	expect(verify_path(path, &verified) == 0);
	expect(!verified.finished && verified.messages == 307);
}

static void same_packets_same_bytes(void)
{
	_autofree_ char *one = temporary_path("one.mcap"), *two = temporary_path("two.mcap");
	_autofree_ char *a = NULL, *b = NULL;
	ssize_t size;

	write_session(one, true);
	write_session(two, true);
	size = io_read_file(one, SIZE_MAX / 2, &a);
	check(size > 0 && io_read_file(two, SIZE_MAX / 2, &b) == size);
	expect(memcmp(a, b, (size_t)size) == 0);
}

static void spans_and_channels(void)
{
	_autofree_ char *path = temporary_path("spans.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	bool in_order;

	write_session(path, true);
	reader = open_session(path);
	/* [2 s, 3 s): 20 positions and 10 pictures, one of them a keyframe with its mark */
	expect(count_messages(reader, BEGIN_NS + 2 * NS_PER_S, BEGIN_NS + 3 * NS_PER_S, 0,
		       &in_order) == 31);
	expect(in_order);
	expect(count_messages(reader, BEGIN_NS, BEGIN_NS + NS_PER_S, UINT64_C(1) << CHANNEL_POINTER,
		       &in_order) == 20);
	expect(count_messages(reader, BEGIN_NS + 100 * NS_PER_S, INT64_MAX, 0, &in_order) == 0);
}

static void latest_is_the_newest_before(void)
{
	_autofree_ char *path = temporary_path("latest.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	const struct reader_channel *keyframes, *pointer;
	struct reader_message message;
	uint64_t random = 42;

	write_session(path, true);
	reader = open_session(path);
	keyframes = session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	pointer = session_reader_find(reader, CHANNEL_POINTER);
	check(keyframes && pointer);
	expect(session_reader_latest(reader, keyframes, BEGIN_NS, &message) == 0);
	for (int i = 0; i < 1000; i++) {
		int64_t at_ns = BEGIN_NS + (int64_t)(next_random(&random) % (10 * NS_PER_S));
		int64_t key = (at_ns - BEGIN_NS - NS_PER_MS) / (2 * NS_PER_S);

		check(session_reader_latest(reader, pointer, at_ns, &message) == 1);
		check(message.time_ns ==
			BEGIN_NS + (at_ns - BEGIN_NS) / (50 * NS_PER_MS) * 50 * NS_PER_MS);
		if (at_ns < BEGIN_NS + NS_PER_MS)
			continue;
		check(session_reader_latest(reader, keyframes, at_ns, &message) == 1);
		check(message.time_ns == BEGIN_NS + NS_PER_MS + key * 2 * NS_PER_S);
	}
}

static void write_bytes(const char *path, const void *data, size_t size)
{
	_autoclose_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && io_write_all(fd, data, size) == 0);
}

/* a file that opens must read to its end without a fault, and give only messages that were written */
static size_t read_whatever(const char *path)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	if (session_reader_open(&reader, path, NULL) < 0)
		return 0;
	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		count++;
	return count;
}

static void cut_anywhere(void)
{
	_autofree_ char *path = temporary_path("cut.mcap"), *data = NULL;
	ssize_t size;
	size_t before = 0;

	write_session(path, true);
	size = io_read_file(path, SIZE_MAX / 2, &data);
	check(size > 0);
	/* every offset of the first and the last 2 kB, and each 97th between */
	for (ssize_t cut = 0; cut < size; cut += cut < 2000 || cut > size - 2000 ? 1 : 97) {
		size_t count;
		struct verify_result verified;

		write_bytes(path, data, (size_t)cut);
		count = read_whatever(path);
		check(count >= before || cut > size - 40);
		before = count;
		check(cut < 8 || verify_path(path, &verified) == 0);
	}
}

static void one_bad_byte_costs_one_chunk(void)
{
	_autofree_ char *path = temporary_path("bad.mcap"), *data = NULL;
	uint64_t random = 7;
	ssize_t size;

	write_session(path, true);
	size = io_read_file(path, SIZE_MAX / 2, &data);
	check(size > 0);
	for (int i = 0; i < 2000; i++) {
		size_t at = next_random(&random) % (uint64_t)size;
		unsigned char flip = (unsigned char)(1 + next_random(&random) % 255);
		struct verify_result verified;
		size_t count;

		data[at] = (char)(data[at] ^ flip);
		write_bytes(path, data, (size_t)size);
		count = read_whatever(path);
		/* the largest chunk has 20 positions or 10 pictures; damage in the declarations or the magic may lose
		 * more, but never adds a message */
		check(count <= 307);
		check(verify_path(path, &verified) <= 0);
		data[at] = (char)(data[at] ^ flip);
	}
}

static void damage_is_told_with_its_offset(void)
{
	_autofree_ char *path = temporary_path("damage.mcap"), *data = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	const struct reader_damage *damages;
	bool in_order;
	ssize_t size;
	size_t at;

	write_session(path, true);
	size = io_read_file(path, SIZE_MAX / 2, &data);
	/* the middle lies in a chunk of pictures or positions */
	at = (size_t)size / 3;
	data[at] = (char)~data[at];
	write_bytes(path, data, (size_t)size);
	reader = open_session(path);
	expect(count_messages(reader, INT64_MIN, INT64_MAX, 0, &in_order) < 307);
	expect(in_order);
	check(session_reader_damages(reader, &damages) == 1);
	expect(damages[0].offset < at && at - damages[0].offset < 20000);
}

static void put_u64(unsigned char *at, uint64_t value)
{
	le_store(at, value, 8);
}

static void lies_are_not_believed(void)
{
	_autofree_ char *path = temporary_path("lies.mcap"), *data = NULL;
	static const uint64_t lies[] = {
		UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 40, 1 << 30, 0};
	ssize_t size;

	write_session(path, true);
	size = io_read_file(path, SIZE_MAX / 2, &data);
	check(size > 0);
	/* set each record's length to a wrong value in turn */
	for (size_t at = MCAP_MAGIC_BYTES; at + 9 < (size_t)size;) {
		uint64_t length = le_load((unsigned char *)data + at + 1, 8);

		for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
			put_u64((unsigned char *)data + at + 1, lies[i]);
			write_bytes(path, data, (size_t)size);
			check(read_whatever(path) <= 307);
		}
		put_u64((unsigned char *)data + at + 1, length);
		at += 9 + length;
	}
}

static void not_a_session(void)
{
	_autofree_ char *path = temporary_path("text.mcap");
	struct session_reader *reader = NULL;
	struct error error = {""};

	write_bytes(path, "hello", 5);
	expect(session_reader_open(&reader, path, &error) == -EBADMSG);
	expect(strstr(error.text, "not a session file") && strstr(error.text, path));
	write_bytes(path, "\x89MCAP1\r\n and more", 17);
	expect(session_reader_open(&reader, path, &error) == -EPROTO);
	expect(strstr(error.text, "version"));
	expect(session_reader_open(&reader, "/nowhere/at/all", &error) == -ENOENT);
	expect(session_reader_open(&reader, "/", &error) < 0);
}

/* ---- forged files ---- */

static void put_schema(struct buf *file, uint16_t id, const char *text)
{
	mcap_put_schema(file,
		&(struct mcap_schema){id, mcap_text("uxrec.ClockSample"), mcap_text("protobuf"),
			mcap_text(text)});
}

/* our profile, and channel 1 with clock samples */
static void put_begin(struct buf *file)
{
	buf_put(file, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(file, "uxrec.v1", "test");
	schema_put_channel(file, 1, channel_kind_get(CHANNEL_CLOCK));
}

static void put_message(struct buf *out, uint16_t channel, uint32_t sequence, uint64_t time)
{
	size_t begin = mcap_begin(out, MCAP_MESSAGE);

	buf_put_u16(out, channel);
	buf_put_u32(out, sequence);
	buf_put_u64(out, time);
	buf_put_u64(out, time);
	mcap_end(out, begin);
}

struct lie {
	uint64_t start, end, uncompressed_size;
	const char *compression;
};

static void put_chunk(struct buf *file, const struct buf *records, struct lie lie)
{
	size_t begin = mcap_begin(file, MCAP_CHUNK);

	buf_put_u64(file, lie.start);
	buf_put_u64(file, lie.end);
	buf_put_u64(file, lie.uncompressed_size ? lie.uncompressed_size : records->size_bytes);
	buf_put_u32(file, 0);
	buf_put_string(file, lie.compression ? lie.compression : "");
	buf_put_u64(file, records->size_bytes);
	buf_put(file, records->data, records->size_bytes);
	mcap_end(file, begin);
}

/* a chunk with one sound message */
static void put_good_chunk(struct buf *file, uint32_t sequence)
{
	_cleanup_(buf_finish) struct buf records = {0};
	uint64_t time = BEGIN_NS + sequence;

	put_message(&records, 1, sequence, time);
	put_chunk(file, &records, (struct lie){time, time, 0, NULL});
}

static void put_end(struct buf *file, const struct buf *summary, uint64_t summary_start)
{
	mcap_put_data_end(file, 0);
	buf_put(file, summary->data, summary->size_bytes);
	mcap_put_footer(
		file, (struct view){summary->data, summary->size_bytes, 0}, summary_start, 0);
}

static void claims_two_to_the_63(struct buf *file)
{
	put_good_chunk(file, 0);
	buf_put_u8(file, MCAP_CHUNK);
	buf_put_u64(file, UINT64_C(1) << 63);
	put_good_chunk(file, 1);
}

static void bomb(struct buf *file)
{
	_cleanup_(buf_finish) struct buf zeros = {0}, packed = {0};
	size_t size = 32 * 1024 * 1024;

	check(buf_reserve(&zeros, size) != NULL);
	memset(zeros.data, 0, size);
	zeros.size_bytes = size;
	check(compress_append(COMPRESSION_ZSTD, (struct view){zeros.data, zeros.size_bytes, 0},
		      &packed) == 0);
	put_good_chunk(file, 0);
	/* declared sizes: too small, and larger than anything */
	put_chunk(file, &packed, (struct lie){BEGIN_NS, BEGIN_NS, 1000, "zstd"});
	put_chunk(file, &packed, (struct lie){BEGIN_NS, BEGIN_NS, UINT64_C(1) << 62, "zstd"});
	put_good_chunk(file, 1);
}

static void undeclared_channel(struct buf *file)
{
	_cleanup_(buf_finish) struct buf records = {0};

	put_message(&records, 1, 0, BEGIN_NS);
	put_message(&records, 77, 0, BEGIN_NS);
	put_message(&records, 1, 1, BEGIN_NS);
	put_chunk(file, &records, (struct lie){BEGIN_NS, BEGIN_NS, 0, NULL});
}

static void times_go_backwards(struct buf *file)
{
	_cleanup_(buf_finish) struct buf records = {0};

	put_message(&records, 1, 0, BEGIN_NS + 9);
	put_message(&records, 1, 1, BEGIN_NS + 3);
	put_good_chunk(file, 2);
	put_chunk(file, &records, (struct lie){BEGIN_NS + 9, BEGIN_NS + 3, 0, NULL});
	put_good_chunk(file, 3);
}

static void schema_does_not_parse(struct buf *file)
{
	put_schema(file, 2, "\xff\xff\xff");
	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
}

static void schema_of_something_else(struct buf *file)
{
	put_schema(file, 2, "");
	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
}

static void schema_record_is_torn(struct buf *file)
{
	size_t begin = mcap_begin(file, MCAP_SCHEMA);

	buf_put_u16(file, 9);
	buf_put_u32(file, UINT32_MAX);
	mcap_end(file, begin);
	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
}

static void key_twice(struct buf *file)
{
	_cleanup_(buf_finish) struct buf pairs = {0};

	for (int i = 0; i < 2; i++) {
		buf_put_string(&pairs, "key");
		buf_put_string(&pairs, i ? "one" : "other");
	}
	mcap_put_metadata(
		file, &(struct mcap_metadata){mcap_text("m"), {pairs.data, pairs.size_bytes, 0}});
	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
}

static void chunk_over_the_limit(struct buf *file)
{
	_cleanup_(buf_finish) struct buf records = {0};

	check(buf_reserve(&records, READER_CHUNK_LIMIT_BYTES + 1) != NULL);
	memset(records.data, 0x80, READER_CHUNK_LIMIT_BYTES + 1);
	records.size_bytes = READER_CHUNK_LIMIT_BYTES + 1;
	put_good_chunk(file, 0);
	put_chunk(file, &records, (struct lie){BEGIN_NS, BEGIN_NS, 0, NULL});
	put_good_chunk(file, 1);
}

static void overlapping_chunks(struct buf *file)
{
	_cleanup_(buf_finish) struct buf summary = {0};
	uint64_t offset = file->size_bytes, length;

	put_good_chunk(file, 0);
	length = file->size_bytes - offset;
	put_good_chunk(file, 1);
	/* the first one twice */
	for (int i = 0; i < 2; i++) {
		size_t begin = mcap_begin(&summary, MCAP_CHUNK_INDEX);

		buf_put_u64(&summary, BEGIN_NS);
		buf_put_u64(&summary, BEGIN_NS);
		buf_put_u64(&summary, offset);
		buf_put_u64(&summary, length);
		buf_put_u32(&summary, 0);
		buf_put_u64(&summary, 0);
		buf_put_string(&summary, "");
		buf_put_u64(&summary, 0);
		buf_put_u64(&summary, 0);
		mcap_end(&summary, begin);
	}
	{
		size_t begin = mcap_begin(&summary, MCAP_STATISTICS);

		buf_put_u64(&summary, 2);
		buf_put_u16(&summary, 1);
		buf_put_u32(&summary, 1);
		buf_put_u32(&summary, 0);
		buf_put_u32(&summary, 0);
		buf_put_u32(&summary, 2);
		buf_put_u64(&summary, BEGIN_NS);
		buf_put_u64(&summary, BEGIN_NS + 1);
		buf_put_u32(&summary, 0);
		mcap_end(&summary, begin);
	}
	put_end(file, &summary, file->size_bytes + MCAP_RECORD_HEADER_BYTES + 4);
}

static void footer_points_outside(struct buf *file)
{
	_cleanup_(buf_finish) struct buf summary = {0};

	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
	put_end(file, &summary, UINT64_C(1) << 60);
}

static void footer_points_into_the_data(struct buf *file)
{
	_cleanup_(buf_finish) struct buf summary = {0};

	put_good_chunk(file, 0);
	put_good_chunk(file, 1);
	put_end(file, &summary, 100);
}

static bool is_told(const struct session_reader *reader, const char *text)
{
	const struct reader_damage *damages;
	size_t count = session_reader_damages(reader, &damages);

	for (size_t i = 0; i < count; i++)
		if (strstr(damages[i].text, text) && damages[i].offset > 0)
			return true;
	return false;
}

struct told {
	const char *text;
	bool found;
};

static void look_for(void *user, uint64_t offset, const char *text)
{
	struct told *told = user;

	told->found |= offset > 0 && strstr(text, told->text) != NULL;
}

/* Each forgery costs only itself, is reported by the reader or by verify with its offset, and the rest is read. */
static void every_lie_is_told(void)
{
	static const struct {
		void (*make)(struct buf *file);
		size_t messages;
		const char *damage;  /* of the reader; NULL: not required */
		const char *problem; /* of verify */
	} lies[] = {
		{claims_two_to_the_63, 1, "larger than the file", "torn record"},
		{bomb, 2, "does not have the size it declares", "cannot be expanded"},
		{undeclared_channel, 2, "not declared", "which is not declared"},
		{times_go_backwards, 2, "impossible times", "outside its chunk's time"},
		{schema_does_not_parse, 2, NULL, "does not parse"},
		{schema_of_something_else, 2, NULL, "does not declare the message"},
		{schema_record_is_torn, 2, "schema record that cannot be read", "cannot be parsed"},
		{key_twice, 2, NULL, "a key twice"},
		{chunk_over_the_limit, 2, "exceeds the size limit", "exceeds the size limit"},
		{overlapping_chunks, 2, "overlap", "does not agree"},
		{footer_points_outside, 2, "footer that points outside", "does not point"},
		{footer_points_into_the_data, 2, NULL, "does not point"},
	};
	_autofree_ char *path = temporary_path("lie.mcap");

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		_destroy_(session_reader) struct session_reader *reader = NULL;
		_cleanup_(buf_finish) struct buf file = {0};
		struct told told = {lies[i].problem, false};
		struct verify_result result;
		bool in_order;
		size_t count;
		int fd;

		put_begin(&file);
		lies[i].make(&file);
		check(buf_error(&file) == 0);
		write_bytes(path, file.data, file.size_bytes);
		reader = open_session(path);
		count = count_messages(reader, INT64_MIN, INT64_MAX, 0, &in_order);
		if (count != lies[i].messages || !in_order ||
			(lies[i].damage && !is_told(reader, lies[i].damage)))
			fprintf(stderr, "# lie %zu: %zu messages\n", i, count);
		expect(count == lies[i].messages && in_order);
		expect(!lies[i].damage || is_told(reader, lies[i].damage));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		check(fd >= 0);
		expect(session_verify(fd, look_for, &told, &result, NULL) == 0);
		close(fd);
		if (!told.found)
			fprintf(stderr, "# lie %zu: verify does not tell\n", i);
		expect(told.found);
	}
}

static void chunks_end_by_time_and_size(void)
{
	_autofree_ char *path = temporary_path("chunks.mcap");
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_clock clock = {0};
	uint64_t head;

	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	head = session_writer_get_totals(writer).bytes;
	append_clock(writer, &clock, BEGIN_NS);
	append_clock(writer, &clock, BEGIN_NS + NS_PER_S - 1);
	expect(session_writer_get_totals(writer).bytes == head);
	append_clock(writer, &clock, BEGIN_NS + NS_PER_S);
	expect(session_writer_get_totals(writer).bytes > head);
	head = session_writer_get_totals(writer).bytes;
	append_picture(writer, &clock, BEGIN_NS + NS_PER_S, true, SESSION_CHUNK_BYTES);
	append_picture(writer, &clock, BEGIN_NS + NS_PER_S + 1, false, 10);
	expect(session_writer_get_totals(writer).bytes > head + SESSION_CHUNK_BYTES);
}

static void full_disk_leaves_whole_chunks(void)
{
	_autofree_ char *path = temporary_path("full.mcap");
	_destroy_(session_writer) struct session_writer *writer = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct session_clock clock = {0};
	struct rlimit limit, small;
	int r = 0;
	bool in_order;

	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	/* a file size limit fails like a full disk, in the middle of a write */
	check(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	small = limit;
	small.rlim_cur = 300000;
	signal(SIGXFSZ, SIG_IGN);
	check(setrlimit(RLIMIT_FSIZE, &small) == 0);
	for (int i = 0; i < 100 && r == 0; i++) {
		_packet_unref_ struct packet *packet =
			make_packet(&clock, CHANNEL_SCREEN, BEGIN_NS + i * NS_PER_S, 20000);

		r = session_writer_append(writer, packet);
	}
	expect(r == -EFBIG);
	reader = open_session(path);
	expect(session_reader_whole_bytes(reader) == session_reader_size(reader));
	expect(count_messages(reader, INT64_MIN, INT64_MAX, 0, &in_order) > 5);
	/* with room again it goes on and ends well */
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	expect(session_writer_finish(writer) == 0);
	session_reader_destroy(steal_ptr(reader));
	reader = open_session(path);
	expect(session_reader_is_complete(reader));
	expect(session_reader_damages(reader, NULL) == 0);
}

static const struct test tests[] = {
	{"written packets are read back, in order", round_trip},
	{"a file without its end opens by its chunks", unfinished_opens},
	{"the same packets give the same bytes", same_packets_same_bytes},
	{"spans and channels are cut out exactly", spans_and_channels},
	{"the newest message before a time is found", latest_is_the_newest_before},
	{"a file truncated at any offset gives the packets before it", cut_anywhere},
	{"a corrupt byte never adds a message and is always found", one_bad_byte_costs_one_chunk},
	{"damage is reported with its offset and reading goes on", damage_is_told_with_its_offset},
	{"declared lengths are not trusted", lies_are_not_believed},
	{"files that are no session are refused with a message", not_a_session},
	{"every inconsistent record is reported with its offset, and loses only itself",
		every_lie_is_told},
	{"chunks end by the times and sizes of their packets", chunks_end_by_time_and_size},
	{"a full disk leaves whole chunks, and room again ends the file",
		full_disk_leaves_whole_chunks},
};

int main(void)
{
	return RUN_TESTS("session file", tests);
}
