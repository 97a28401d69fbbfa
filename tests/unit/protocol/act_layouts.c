#include "tests/harness/helpers.h"

#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/channel.h"
#include "protocol/compress.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"
#include "protocol/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTS 12

/* ---- acts as bytes ---- */

struct packed {
	unsigned char data[400];
	size_t size_bytes;
};

static void pack_note(struct packed *packed, unsigned number, uint64_t counter)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;
	char id[33], text[32];

	snprintf(id, sizeof(id), "%032x", number);
	snprintf(text, sizeof(text), "note %u", number);
	act.id = act.act_id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.counter = counter;
	act.author = (char *)"Ana";
	act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	note.media_ns = 1000000000;
	note.text = text;
	packed->size_bytes = uxrec__act__pack(&act, packed->data);
}

/* append a bytes field with a number below 2048 */
static void add_field(struct packed *packed, unsigned number, const char *text)
{
	size_t length = strlen(text);
	unsigned char *at = packed->data + packed->size_bytes;

	*at++ = (unsigned char)(((number << 3) & 0x7f) | 2 | 0x80);
	*at++ = (unsigned char)(number >> 4);
	*at++ = (unsigned char)length;
	memcpy(at, text, length);
	packed->size_bytes += 3 + length;
}

/* An act with a body unknown to this version: field 60. */
static void pack_later(struct packed *packed, unsigned number, uint64_t counter)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	char id[33];

	snprintf(id, sizeof(id), "%032x", number);
	act.id = act.act_id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.counter = counter;
	act.author = (char *)"Ana";
	act.layer = (char *)"live";
	packed->size_bytes = uxrec__act__pack(&act, packed->data);
	add_field(packed, 60, "heart rate");
}

/* ---- files ---- */

enum layout {
	ONE_EACH,
	TOGETHER,
	ZSTD,
	LZ4,
	OUTSIDE,
	BROTLI, /* unsupported */
	LAYOUTS,
};

static void put_message(struct buf *buf, uint16_t channel, const void *data, size_t size_bytes)
{
	size_t begin = mcap_begin(buf, MCAP_MESSAGE);
	unsigned char head[MCAP_MESSAGE_HEADER_BYTES];

	mcap_store_message_header(head, &(struct mcap_message){.channel_id = channel});
	buf_put(buf, head, sizeof(head));
	buf_put(buf, data, size_bytes);
	mcap_end(buf, begin);
}

static void put_chunk(struct buf *buf, const char *name, const struct buf *records)
{
	_cleanup_(buf_finish) struct buf compressed = {0};
	int compression = compression_find(mcap_text(name));
	size_t begin = mcap_begin(buf, MCAP_CHUNK);

	compress_append(compression < 0 ? COMPRESSION_NONE : (enum compression)compression,
		(struct view){records->data, records->size_bytes, 0}, &compressed);
	buf_put_u64(buf, 0);
	buf_put_u64(buf, 0);
	buf_put_u64(buf, records->size_bytes);
	buf_put_u32(buf, mcap_crc(0, records->data, records->size_bytes));
	buf_put_string(buf, name);
	buf_put_u64(buf, compressed.size_bytes);
	buf_put(buf, compressed.data, compressed.size_bytes);
	mcap_end(buf, begin);
}

static void put_declarations(struct buf *buf)
{
	const struct mcap_channel clock = {8, 3, mcap_text("/clock"), mcap_text("protobuf"), {0}};

	schema_put_channel(buf, 9, channel_kind_get(CHANNEL_ACTS));
	schema_put_channel(buf, 3, channel_kind_get(CHANNEL_CLOCK));
	mcap_put_channel(buf, &clock);
}

static void put_acts(struct buf *out, enum layout layout, const struct packed *acts, size_t count)
{
	static const char *const names[] = {"", "", "zstd", "lz4", "", "br"};
	_cleanup_(buf_finish) struct buf records = {0};

	put_declarations(layout == OUTSIDE || layout == ONE_EACH ? out : &records);
	for (size_t i = 0; i < count; i++) {
		put_message(&records, 9, acts[i].data, acts[i].size_bytes);
		put_message(&records, 8, "another channel's", 17); /* not an act */
		if (layout == ONE_EACH) {
			put_chunk(out, "", &records);
			buf_clear(&records);
		}
	}
	if (layout == OUTSIDE)
		buf_put(out, records.data, records.size_bytes);
	else if (layout != ONE_EACH)
		put_chunk(out, names[layout], &records);
}

/* A whole file, with its end. @return bytes after the data section */
static size_t write_file(
	const char *path, enum layout layout, const struct packed *acts, size_t count)
{
	_cleanup_(buf_finish) struct buf file = {0}, summary = {0};
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t end;

	buf_put(&file, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&file, "another", "a test");
	put_acts(&file, layout, acts, count);
	end = file.size_bytes;
	mcap_put_data_end(&file, 0);
	put_declarations(&summary);
	buf_put(&file, summary.data, summary.size_bytes);
	mcap_put_footer(&file, (struct view){summary.data, summary.size_bytes, 0},
		file.size_bytes - summary.size_bytes, 0);
	check(buf_error(&file) == 0 && fd >= 0);
	check(io_write_all(fd, file.data, file.size_bytes) == 0);
	return file.size_bytes - end;
}

static void append_note(struct annotations *log, unsigned number)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;
	char id[33];

	snprintf(id, sizeof(id), "%032x", number);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)"Ben";
	act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	note.media_ns = 1000000000;
	check(annotations_append(log, &act, NULL, NULL) == 0);
}

static bool has_bytes(const char *path, const void *bytes, size_t size_bytes)
{
	_autofree_ char *data = NULL;
	ssize_t size = io_read_file(path, 1 << 24, &data);

	return size > 0 && memmem(data, (size_t)size, bytes, size_bytes);
}

static void every_layout_is_read_appended_to_and_merged(void)
{
	for (enum layout layout = 0; layout < BROTLI; layout++) {
		_autofree_ char *path = temporary_path("layout.mcap"), *torn = NULL;
		_autofree_ char *into = temporary_path("into.mcap");
		struct annotations *log = NULL;
		struct annotations_merged merged;
		struct packed acts[ACTS];
		size_t tail_bytes;
		struct stat status;
		uint64_t end;

		for (unsigned i = 0; i < ACTS; i++)
			pack_note(&acts[i], i, i + 1);
		tail_bytes = write_file(path, layout, acts, ACTS);
		check(annotations_open(&log, path, true, NULL) == 0);
		expect(annotations_count(log) == ACTS && annotations_damaged(log) == 0);
		/* another tool's end is set aside whole */
		end = annotations_size_bytes(log);
		append_note(log, 100);
		annotations_destroy(steal_ptr(log));
		check(asprintf(&torn, "%s.torn-%llu", path, (unsigned long long)end) > 0);
		expect(stat(torn, &status) == 0 && (size_t)status.st_size == tail_bytes);
		unlink(torn);
		check(annotations_open(&log, path, true, NULL) == 0);
		expect(annotations_count(log) == ACTS + 1 && annotations_damaged(log) == 0);
		expect(annotations_get(log, ACTS)->counter == ACTS + 1);
		annotations_destroy(steal_ptr(log));
		/* after two merges each is there once, with its original bytes */
		write_file(path, layout, acts, ACTS);
		unlink(into);
		check(annotations_open(&log, into, true, NULL) == 0);
		expect(annotations_merge(log, path, &merged, NULL) == 0);
		expect(merged.fresh == ACTS && merged.damaged == 0 && merged.torn_bytes == 0);
		expect(annotations_merge(log, path, &merged, NULL) == 0 && merged.fresh == 0);
		expect(annotations_count(log) == ACTS);
		annotations_destroy(steal_ptr(log));
		for (size_t i = 0; i < ACTS; i++)
			expect(has_bytes(into, acts[i].data, acts[i].size_bytes));
	}
}

static void what_cannot_be_read_is_told(void)
{
	_autofree_ char *path = temporary_path("unread.mcap"), *data = NULL;
	_autofree_ char *into = temporary_path("unread-into.mcap");
	_destroy_(annotations) struct annotations *log = NULL, *there = NULL;
	struct annotations_merged merged;
	struct error error = {""};
	struct packed acts[ACTS];
	ssize_t size;

	for (unsigned i = 0; i < ACTS; i++)
		pack_note(&acts[i], i, i + 1);
	check(annotations_open(&log, into, true, NULL) == 0);
	write_file(path, BROTLI, acts, ACTS);
	expect(annotations_merge(log, path, &merged, &error) == -EBADMSG);
	expect(strstr(error.text, "compression") != NULL);
	check(annotations_open(&there, path, false, NULL) == 0);
	expect(annotations_count(there) == 0 && annotations_damaged(there) == 1);
	/* one more act, and a truncated file: both are counted */
	write_file(path, ONE_EACH, acts, ACTS);
	size = io_read_file(path, 1 << 20, &data);
	check(size > 0);
	for (off_t cut = size - 1; cut > 0; cut -= 97) {
		check(truncate(path, cut) == 0);
		if (annotations_merge(log, path, &merged, NULL) == 0 && merged.torn_bytes == 0)
			/* at the end of a record, or after the data section */
			expect(annotations_count(log) > 0);
	}
	/* a file without acts merges none */
	write_file(path, OUTSIDE, acts, 0);
	expect(annotations_merge(log, path, &merged, NULL) == 0 && merged.fresh == 0);
	check(truncate(path, MCAP_MAGIC_BYTES) == 0);
	expect(annotations_merge(log, path, &merged, &error) == -EBADMSG);
	expect(strstr(error.text, "no channel /acts") != NULL);
}

/* Chunks with a declared size that is too small or huge, and many of 64 MiB in a few bytes. */
static void bombs_cost_no_memory(void)
{
	_autofree_ char *path = temporary_path("bomb.mcap");
	_autofree_ unsigned char *zeros = calloc(1, READER_CHUNK_LIMIT_BYTES);
	_cleanup_(buf_finish) struct buf file = {0}, bomb = {0};
	_destroy_(annotations) struct annotations *log = NULL;
	const uint64_t declared[] = {1, READER_CHUNK_LIMIT_BYTES, UINT64_MAX, 1ull << 40,
		READER_CHUNK_LIMIT_BYTES, READER_CHUNK_LIMIT_BYTES, READER_CHUNK_LIMIT_BYTES,
		READER_CHUNK_LIMIT_BYTES, READER_CHUNK_LIMIT_BYTES};
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	check(zeros &&
		compress_append(COMPRESSION_ZSTD, (struct view){zeros, READER_CHUNK_LIMIT_BYTES, 0},
			&bomb) == 0);
	buf_put(&file, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&file, "another", "a test");
	for (size_t i = 0; i < ARRAY_SIZE(declared); i++) {
		size_t begin = mcap_begin(&file, MCAP_CHUNK);

		buf_put_u64(&file, 0);
		buf_put_u64(&file, 0);
		buf_put_u64(&file, declared[i]);
		buf_put_u32(&file, 0);
		buf_put_string(&file, "zstd");
		buf_put_u64(&file, bomb.size_bytes);
		buf_put(&file, bomb.data, bomb.size_bytes);
		mcap_end(&file, begin);
	}
	check(io_write_all(fd, file.data, file.size_bytes) == 0);
	check(annotations_open(&log, path, true, NULL) == 0);
	/* other sizes are refused, and all but four of those of 64 MiB */
	expect(annotations_damaged(log) >= 5 && annotations_count(log) == 0);
	append_note(log, 1);
	expect(annotations_count(log) == 1);
}

static void acts_of_a_later_version_are_kept(void)
{
	_autofree_ char *path = temporary_path("later.mcap"), *into = temporary_path("later-into");
	_destroy_(annotations) struct annotations *log = NULL, *there = NULL;
	const struct annotations_problem *problems;
	struct annotations_merged merged;
	struct packed acts[4];

	pack_note(&acts[0], 1, 1);
	pack_later(&acts[1], 2, 7);
	pack_note(&acts[2], 3, 2); /* a field in a known body */
	add_field(&acts[2], 61, "more");
	pack_note(&acts[3], 4, 3); /* invalid: no author */
	memcpy(memmem(acts[3].data, acts[3].size_bytes, "Ana", 3), "/na", 3);
	write_file(path, ZSTD, acts, 4);
	check(annotations_open(&log, into, true, NULL) == 0);
	append_note(log, 100);
	check(annotations_merge(log, path, &merged, NULL) == 0);
	expect(merged.fresh == 4 && merged.later == 2 && merged.invalid == 1);
	expect(merged.damaged == 0 && annotations_count(log) == 3);
	expect(annotations_damaged(log) == 0 && annotations_counts(log)->later == 2);
	expect(annotations_counts(log)->acts == 5 && annotations_counts(log)->invalid == 1);
	expect(annotations_problems(log, &problems) == 1);
	expect(strstr(problems[0].text, "author '/na'") && problems[0].offset > 0);
	for (size_t i = 0; i < 4; i++)
		expect(has_bytes(into, acts[i].data, acts[i].size_bytes));
	/* counters of unknown acts count: the next act is later */
	append_note(log, 101);
	expect(annotations_appended(log)->counter == 8);
	/* and into a third one */
	unlink(path);
	check(annotations_open(&there, path, true, NULL) == 0);
	check(annotations_merge(there, into, &merged, NULL) == 0 && merged.fresh == 6);
	expect(has_bytes(path, acts[1].data, acts[1].size_bytes));
	expect(annotations_merge(there, into, &merged, NULL) == 0 && merged.fresh == 0);
}

static void acts_of_one_id_are_one_act(void)
{
	_autofree_ char *path = temporary_path("same.mcap"), *into = temporary_path("same-into");
	_destroy_(annotations) struct annotations *log = NULL;
	struct annotations_merged merged;
	struct packed acts[3];

	pack_note(&acts[0], 1, 1);
	pack_note(&acts[1], 1, 1);
	pack_note(&acts[2], 1, 1);
	acts[2].data[acts[2].size_bytes - 1] = 'x'; /* the same act with another text */
	write_file(path, TOGETHER, acts, 3);
	check(annotations_open(&log, into, true, NULL) == 0);
	check(annotations_merge(log, path, &merged, NULL) == 0);
	expect(merged.fresh == 1 && merged.differing == 1);
	expect(strcmp(annotations_get(log, 0)->note->text, "note 1") == 0);
	write_file(path, LZ4, acts + 2, 1);
	check(annotations_merge(log, path, &merged, NULL) == 0);
	expect(merged.fresh == 0 && merged.differing == 1);
}

/* Logs of the first format 2, and one with acts of a later version. */
static void logs_of_format_2_open_for_ever(void)
{
	static const struct {
		const char *path;
		size_t things;
		uint64_t acts;
		unsigned later, invalid;
	} files[] = {
		{"tests/data/format-2/whole/annotations.mcap", 5, 6, 0, 0},
		{"tests/data/format-2/killed/annotations.mcap", 4, 4, 0, 0},
		{"tests/data/later/annotations.mcap", 3, 6, 4, 1},
	};
	const Uxrec__Act *act;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_destroy_(annotations) struct annotations *log = NULL;

		check(annotations_open(&log, files[i].path, false, NULL) == 0);
		expect(annotations_count(log) == files[i].things && annotations_damaged(log) == 0);
		expect(annotations_counts(log)->acts == files[i].acts);
		expect(annotations_counts(log)->later == files[i].later);
		expect(annotations_counts(log)->invalid == files[i].invalid);
		if (i < 2) {
			expect(act_id_is_valid(annotations_session(log)));
			expect(act_id_is_valid(annotations_get(log, 0)->act_id));
			expect(act_id_is_valid(annotations_get(log, 0)->principal));
			continue;
		}
		/* an unknown kind leaves the note, an unknown outcome is unset */
		act = annotations_find(log, "00000000000000000000000000000001");
		expect(act && strcmp(act->note->text, "a note of this version") == 0);
		act = annotations_find(log, "00000000000000000000000000000003");
		expect(act &&
			act->attempt->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED);
	}
}

static const struct test tests[] = {
	{"every MCAP layout of a log is read, appended to and merged byte for byte",
		every_layout_is_read_appended_to_and_merged},
	{"unreadable parts of a copy are counted or refused", what_cannot_be_read_is_told},
	{"decompression bombs are refused", bombs_cost_no_memory},
	{"acts of a later version and invalid acts are kept and merged",
		acts_of_a_later_version_are_kept},
	{"acts with one id are one act, and differing ones are counted",
		acts_of_one_id_are_one_act},
	{"logs of format 2 open for ever, also with acts of a later version",
		logs_of_format_2_open_for_ever},
};

int main(void)
{
	return RUN_TESTS("act_layouts", tests);
}
