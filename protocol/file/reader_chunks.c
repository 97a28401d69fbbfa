#include "protocol/file/reader_internal.h"

#include "protocol/base/array.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <unistd.h>

/* piece of a summary: fits the second-level cache together with its results */
#define SUMMARY_PIECE_BYTES ((size_t)64 * 1024)

struct chunk_entry *reader_add_chunk(struct session_reader *reader, unsigned file)
{
	if (reader->chunk_count >= READER_CHUNKS_LIMIT ||
		!array_grow(reader->chunks, reader->chunk_count))
		return NULL;
	reader->chunks[reader->chunk_count] = (struct chunk_entry){
		.file = (uint16_t)file,
		.first_channel = (uint32_t)(reader->chunk_channels.size_bytes / sizeof(uint16_t)),
	};
	return &reader->chunks[reader->chunk_count++];
}

static int add_chunk_channel(
	struct session_reader *reader, struct chunk_entry *chunk, uint16_t channel_id)
{
	const uint16_t *channels = (const void *)reader->chunk_channels.data;

	chunk->indexed = true;
	for (size_t i = 0; i < chunk->channel_count; i++)
		if (channels[chunk->first_channel + i] == channel_id)
			return 0;
	buf_put(&reader->chunk_channels, &channel_id, sizeof(channel_id));
	chunk->channel_count++;
	return buf_error(&reader->chunk_channels);
}

static int add_aux_record(struct session_reader *reader, unsigned file, uint8_t opcode,
	uint64_t offset, uint64_t length)
{
	if (reader->aux_record_count >= READER_AUX_RECORDS_LIMIT)
		return 0;
	if (!array_grow(reader->aux_records, reader->aux_record_count))
		return -ENOMEM;
	reader->aux_records[reader->aux_record_count++] =
		(struct reader_aux_record){offset, length, (uint16_t)file, opcode};
	return 0;
}

bool reader_chunk_has(
	const struct session_reader *reader, const struct chunk_entry *chunk, uint16_t channel_id)
{
	const uint16_t *channels = (const void *)reader->chunk_channels.data;

	if (!chunk->indexed)
		return true;
	for (size_t i = 0; i < chunk->channel_count; i++)
		if (channels[chunk->first_channel + i] == channel_id)
			return true;
	return false;
}

/* ---- by the index ---- */

static bool lies_in_file(const struct reader_file *file, uint64_t offset, uint64_t length)
{
	return offset <= file->size_bytes && length <= file->size_bytes - offset &&
		length >= MCAP_RECORD_HEADER_BYTES;
}

static int parse_chunk_index(
	struct session_reader *reader, unsigned number, struct view content, uint64_t offset)
{
	struct mcap_chunk_index index;
	struct chunk_entry *chunk;
	int r = 0;

	if (mcap_parse_chunk_index(content, &index) < 0)
		return -EBADMSG;
	if (!lies_in_file(&reader->files[number], index.chunk_offset, index.chunk_length)) {
		reader_damage(reader, number, offset, "a chunk index that points outside the file");
		return -EBADMSG;
	}
	if (index.start_time > index.end_time || index.end_time > READER_TIME_LIMIT_NS) {
		reader_damage(reader, number, offset, "a chunk index with impossible times");
		return -EBADMSG;
	}
	chunk = reader_add_chunk(reader, number);
	if (!chunk)
		return -ENOMEM;
	chunk->start_ns = (int64_t)index.start_time;
	chunk->end_ns = (int64_t)index.end_time;
	chunk->offset = index.chunk_offset;
	chunk->length = index.chunk_length;
	while (index.message_index_offsets.size_bytes >= 10 && r == 0) {
		r = add_chunk_channel(
			reader, chunk, (uint16_t)view_get(&index.message_index_offsets, 2));
		view_get(&index.message_index_offsets, 8);
	}
	return r;
}

static int parse_aux_index(
	struct session_reader *reader, unsigned number, uint8_t opcode, struct view content)
{
	uint64_t offset = view_get(&content, 8), length = view_get(&content, 8);

	if (content.failed || !lies_in_file(&reader->files[number], offset, length))
		return 0;
	return add_aux_record(reader, number, opcode, offset, length);
}

/* The summary is read in pieces: page faults for a buffer of its full size cost more than the
 * read. */
struct pieces {
	const struct reader_file *file;
	uint64_t offset, end; /* unread part */
	struct buf bytes;
	struct view rest; /* read but unused part */
};

/* Read on until `rest` holds @p wanted_bytes, or to the end. @return 0 or a negative errno */
static int pieces_read(struct pieces *pieces, size_t wanted_bytes)
{
	size_t kept = pieces->rest.size_bytes;
	size_t size = wanted_bytes > SUMMARY_PIECE_BYTES ? wanted_bytes : SUMMARY_PIECE_BYTES;
	ssize_t n;

	if (size - kept > pieces->end - pieces->offset)
		size = kept + (size_t)(pieces->end - pieces->offset);
	if (kept > 0)
		memmove(pieces->bytes.data, pieces->rest.data, kept);
	pieces->bytes.size_bytes = kept;
	if (!buf_reserve(&pieces->bytes, size - kept))
		return -ENOMEM;
	n = io_pread_full(
		pieces->file->fd, pieces->bytes.data + kept, size - kept, (off_t)pieces->offset);
	if (n < 0)
		return (int)n;
	pieces->offset += (uint64_t)n;
	pieces->bytes.size_bytes = kept + (size_t)n;
	pieces->rest = (struct view){pieces->bytes.data, pieces->bytes.size_bytes, 0};
	return (size_t)n == size - kept ? 0 : -EBADMSG;
}

/* @return 1 with a record, 0 at the end, or a negative errno */
static int pieces_next(struct pieces *pieces, struct mcap_record *ret)
{
	int r;

	while ((r = mcap_next_record(&pieces->rest, ret)) <= 0 && pieces->offset < pieces->end) {
		uint64_t wanted = MCAP_RECORD_HEADER_BYTES;

		if (pieces->rest.size_bytes >= MCAP_RECORD_HEADER_BYTES) {
			uint64_t content = le_load(pieces->rest.data + 1, 8);

			if (content > READER_SCHEMA_LIMIT_BYTES + READER_TEXT_LIMIT_BYTES)
				return -EBADMSG;
			wanted += content;
		}
		r = pieces_read(pieces, (size_t)wanted);
		if (r < 0)
			return r;
	}
	return r;
}

/* @return 0, -EBADMSG when the CRC is wrong, or another negative errno */
static int check_summary_crc(struct pieces *pieces, const unsigned char *footer, uint32_t expected)
{
	uint32_t crc = 0;

	while (pieces->offset < pieces->end) {
		int r = pieces_read(pieces, SUMMARY_PIECE_BYTES);

		if (r < 0)
			return r;
		crc = mcap_crc(crc, pieces->rest.data, pieces->rest.size_bytes);
		pieces->rest.size_bytes = 0;
	}
	crc = mcap_crc(crc, footer, MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES - 4);
	return expected && crc != expected ? -EBADMSG : 0;
}

static int read_summary_records(
	struct session_reader *reader, unsigned number, struct pieces *pieces)
{
	struct mcap_record record;
	struct mcap_statistics statistics = {0};
	size_t chunks_before = reader->chunk_count;
	bool has_statistics = false;
	int r;

	while ((r = pieces_next(pieces, &record)) > 0) {
		uint64_t offset = pieces->offset - pieces->rest.size_bytes -
			record.content.size_bytes - MCAP_RECORD_HEADER_BYTES;

		if (record.opcode == MCAP_CHUNK_INDEX) {
			r = parse_chunk_index(reader, number, record.content, offset);
		} else if (record.opcode == MCAP_ATTACHMENT_INDEX) {
			r = parse_aux_index(reader, number, MCAP_ATTACHMENT, record.content);
		} else if (record.opcode == MCAP_METADATA_INDEX) {
			r = parse_aux_index(reader, number, MCAP_METADATA, record.content);
		} else if (record.opcode == MCAP_STATISTICS) {
			r = mcap_parse_statistics(record.content, &statistics);
			has_statistics = true;
		} else {
			r = reader_declare(reader, number, record.opcode, record.content, offset);
		}
		if (r < 0)
			return r;
	}
	/* a summary may leave out chunks: then the file must be scanned */
	return r < 0 || !has_statistics ||
			statistics.chunk_count != reader->chunk_count - chunks_before
		? -EBADMSG
		: 0;
}

/* Chunks are almost sorted: each moves past a few. */
static void sort_nearly_sorted(
	struct chunk_entry *chunks, size_t count, int (*compare)(const void *a, const void *b))
{
	size_t moves = 0;

	for (size_t i = 1; i < count; i++) {
		struct chunk_entry chunk = chunks[i];
		size_t at = i;

		for (; at > 0 && compare(&chunks[at - 1], &chunk) > 0; at--, moves++)
			chunks[at] = chunks[at - 1];
		chunks[at] = chunk;
		if (moves > 16 * count) {
			qsort(chunks, count, sizeof(*chunks), compare); /* not almost sorted */
			return;
		}
	}
}

static int offset_compare(const void *a, const void *b)
{
	const struct chunk_entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Valid chunks are disjoint; a file that names one twice would be read twice. */
static bool chunks_overlap(struct session_reader *reader, size_t first)
{
	size_t count = reader->chunk_count - first;

	sort_nearly_sorted(reader->chunks + first, count, offset_compare);
	for (size_t i = first + 1; i < reader->chunk_count; i++)
		if (reader->chunks[i].offset <
			reader->chunks[i - 1].offset + reader->chunks[i - 1].length)
			return true;
	return false;
}

/* Only our own files are guaranteed to have all of their messages in chunks. */
static int check_profile(struct reader_file *file)
{
	unsigned char head[MCAP_MAGIC_BYTES + MCAP_RECORD_HEADER_BYTES + 4 + 6];
	ssize_t n = io_pread_full(file->fd, head, sizeof(head), 0);

	file->ours = n == sizeof(head) && head[MCAP_MAGIC_BYTES] == MCAP_HEADER &&
		memcmp(head + sizeof(head) - 6, "uxrec.", 6) == 0;
	return n < 0 ? (int)n : 0;
}

/* @return 1 with a footer that points to a summary, 0 without, or a negative errno */
static int read_footer(struct session_reader *reader, unsigned number, unsigned char *tail,
	struct mcap_footer *ret)
{
	struct reader_file *file = &reader->files[number];
	size_t tail_bytes = MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES + MCAP_MAGIC_BYTES;
	uint64_t footer_at = file->size_bytes - tail_bytes;
	ssize_t n;

	if (file->size_bytes < MCAP_MAGIC_BYTES + tail_bytes)
		return 0;
	n = io_pread_full(file->fd, tail, tail_bytes, (off_t)footer_at);
	if (n < 0)
		return reader_handle_failure(reader, number, footer_at, (int)n, "");
	if ((size_t)n != tail_bytes || tail[0] != MCAP_FOOTER ||
		le_load(tail + 1, 8) != MCAP_FOOTER_BYTES ||
		memcmp(tail + tail_bytes - MCAP_MAGIC_BYTES, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
		return 0;
	mcap_parse_footer(
		(struct view){tail + MCAP_RECORD_HEADER_BYTES, MCAP_FOOTER_BYTES, 0}, ret);
	if (ret->summary_start == 0)
		return 0;
	if (ret->summary_start > footer_at ||
		footer_at - ret->summary_start > READER_SUMMARY_LIMIT_BYTES) {
		reader_damage(reader, number, footer_at, "a footer that points outside the file");
		return 0;
	}
	return 1;
}

void reader_truncate_index(struct session_reader *reader, size_t chunks, size_t aux_records)
{
	reader->chunk_count = chunks;
	reader->aux_record_count = aux_records;
}

/* @return 1 when the file has a valid index, 0 when it must be scanned, or a negative errno */
static int read_by_index(struct session_reader *reader, unsigned number)
{
	struct reader_file *file = &reader->files[number];
	unsigned char tail[MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES + MCAP_MAGIC_BYTES];
	size_t chunks_before = reader->chunk_count, aux_records_before = reader->aux_record_count;
	struct mcap_footer footer;
	struct pieces pieces = {.file = file};
	int r = read_footer(reader, number, tail, &footer);

	if (r <= 0 || !file->ours)
		return r < 0 ? r : 0;
	pieces.offset = footer.summary_start;
	pieces.end = file->size_bytes - sizeof(tail);
	r = check_summary_crc(&pieces, tail, footer.summary_crc);
	pieces.offset = footer.summary_start;
	pieces.rest = (struct view){0};
	if (r < 0)
		reader_handle_failure(
			reader, number, footer.summary_start, r, "the summary's CRC is wrong");
	else
		r = read_summary_records(reader, number, &pieces);
	buf_finish(&pieces.bytes);
	if (r == 0 && chunks_overlap(reader, chunks_before)) {
		reader_damage(reader, number, footer.summary_start, "chunk indexes that overlap");
		r = -EBADMSG;
	}
	if (r < 0) {
		reader_truncate_index(reader, chunks_before, aux_records_before);
		return r == -ENOMEM ? r : 0; /* the records may be readable nevertheless */
	}
	file->complete = true;
	file->whole_bytes = file->size_bytes;
	return 1;
}

/* ---- by the records ---- */

/* Read a record's content into newly allocated memory if its length is within the limit. */
static int read_content(const struct reader_file *file, uint64_t offset, uint64_t size_bytes,
	uint64_t limit, unsigned char **ret)
{
	_autofree_ unsigned char *data = NULL;
	ssize_t n;

	if (size_bytes > limit)
		return -EBADMSG;
	data = malloc(size_bytes + 1);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(file->fd, data, size_bytes, (off_t)offset);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != size_bytes)
		return -EBADMSG;
	*ret = steal_ptr(data);
	return 0;
}

/* A record during a scan: its header, and the first bytes of its content. */
struct scanned {
	uint64_t offset, content_bytes;
	uint8_t opcode;
	unsigned char start[MCAP_MESSAGE_HEADER_BYTES]; /* zero-filled */
};

static int parse_chunk(struct session_reader *reader, unsigned number, const struct scanned *record)
{
	uint64_t start = le_load(record->start, 8), end = le_load(record->start + 8, 8);
	struct chunk_entry *chunk;

	if (record->content_bytes < MCAP_CHUNK_HEADER_BYTES) {
		reader_damage(
			reader, number, record->offset, "a chunk that is too short to be one");
		return 0;
	}
	if (start > end || end > READER_TIME_LIMIT_NS) {
		reader_damage(reader, number, record->offset, "a chunk with impossible times");
		return 0;
	}
	chunk = reader_add_chunk(reader, number);
	if (!chunk)
		return -ENOMEM;
	chunk->start_ns = (int64_t)start;
	chunk->end_ns = (int64_t)end;
	chunk->offset = record->offset;
	chunk->length = MCAP_RECORD_HEADER_BYTES + record->content_bytes;
	reader->chunk_is_last = true;
	/* declarations may also be inside of chunks: never in our files, but in others */
	return reader->channel_count == 0 ? reader_declare_from_chunk(reader, chunk) : 0;
}

static int parse_message_index(struct session_reader *reader, const struct scanned *record)
{
	if (record->content_bytes < 2 || reader->chunk_count == 0 || !reader->chunk_is_last)
		return 0;
	return add_chunk_channel(reader, &reader->chunks[reader->chunk_count - 1],
		(uint16_t)le_load(record->start, 2));
}

/* Messages outside of chunks: adjacent ones, up to about the size of a chunk, form one entry. */
static int parse_message(
	struct session_reader *reader, unsigned number, const struct scanned *record)
{
	uint64_t time = le_load(record->start + 6, 8);
	uint64_t length = MCAP_RECORD_HEADER_BYTES + record->content_bytes;
	struct chunk_entry *run =
		reader->chunk_count > 0 ? &reader->chunks[reader->chunk_count - 1] : NULL;

	/* our files have none; one found is the inside of a torn record */
	if (record->content_bytes < MCAP_MESSAGE_HEADER_BYTES || time > READER_TIME_LIMIT_NS ||
		reader->files[number].ours) {
		reader_damage(reader, number, record->offset, "a message that cannot be read");
		return 0;
	}
	if (!run || run->source != CHUNK_RUN || run->file != number ||
		run->offset + run->length != record->offset ||
		run->length + length > SESSION_CHUNK_BYTES) {
		run = reader_add_chunk(reader, number);
		if (!run)
			return -ENOMEM;
		run->source = CHUNK_RUN;
		run->offset = record->offset;
		run->start_ns = run->end_ns = (int64_t)time;
	}
	run->length += length;
	if ((int64_t)time < run->start_ns)
		run->start_ns = (int64_t)time;
	if ((int64_t)time > run->end_ns)
		run->end_ns = (int64_t)time;
	return add_chunk_channel(reader, run, (uint16_t)le_load(record->start, 2));
}

static int parse_declaration(
	struct session_reader *reader, unsigned number, const struct scanned *record)
{
	_autofree_ unsigned char *content = NULL;
	int r = read_content(&reader->files[number], record->offset + MCAP_RECORD_HEADER_BYTES,
		record->content_bytes, READER_SCHEMA_LIMIT_BYTES + READER_TEXT_LIMIT_BYTES,
		&content);

	if (r < 0)
		return reader_handle_failure(
			reader, number, record->offset, r, "a declaration that is too large");
	return reader_declare(reader, number, record->opcode,
		(struct view){content, record->content_bytes, 0}, record->offset);
}

static int scan_record(struct session_reader *reader, unsigned number, const struct scanned *record)
{
	switch (record->opcode) {
	case MCAP_CHUNK:
		reader->chunk_is_last = false; /* until it is taken */
		return parse_chunk(reader, number, record);
	case MCAP_MESSAGE_INDEX: return parse_message_index(reader, record);
	case MCAP_MESSAGE: return parse_message(reader, number, record);
	case MCAP_SCHEMA:
	case MCAP_CHANNEL: return parse_declaration(reader, number, record);
	case MCAP_METADATA:
	case MCAP_ATTACHMENT:
		return add_aux_record(reader, number, record->opcode, record->offset,
			MCAP_RECORD_HEADER_BYTES + record->content_bytes);
	default: return 0;
	}
}

/* @return 1, 0 without a whole record there, or a negative errno */
static int next_scanned(
	struct session_reader *reader, unsigned number, uint64_t offset, struct scanned *ret)
{
	const struct reader_file *file = &reader->files[number];
	unsigned char bytes[MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES] = {0};
	ssize_t n = io_pread_full(file->fd, bytes, sizeof(bytes), (off_t)offset);

	if (n < 0)
		return reader_handle_failure(reader, number, offset, (int)n, "");
	if (n < MCAP_RECORD_HEADER_BYTES)
		return 0;
	ret->offset = offset;
	ret->opcode = bytes[0];
	ret->content_bytes = le_load(bytes + 1, 8);
	if (ret->content_bytes > file->size_bytes - offset - MCAP_RECORD_HEADER_BYTES) {
		if (ret->content_bytes > READER_CHUNK_LIMIT_BYTES)
			reader_damage(reader, number, offset,
				"a record that claims to be larger than the file");
		return 0; /* torn */
	}
	if (ret->opcode == 0) {
		reader_damage(reader, number, offset, "a record with the invalid opcode 0");
		return 0;
	}
	memcpy(ret->start, bytes + MCAP_RECORD_HEADER_BYTES, sizeof(ret->start));
	return 1;
}

/* The last chunk may lack some of its message indexes: treat its channels as unknown. */
static void distrust_last_chunk(struct session_reader *reader)
{
	if (reader->chunk_count > 0 && reader->chunk_is_last)
		reader->chunks[reader->chunk_count - 1].indexed = false;
}

static bool has_closing_magic(const struct reader_file *file, uint64_t offset)
{
	unsigned char magic[MCAP_MAGIC_BYTES];

	return io_pread_full(file->fd, magic, sizeof(magic), (off_t)offset) == sizeof(magic) &&
		memcmp(magic, MCAP_MAGIC, sizeof(magic)) == 0;
}

/* Read the headers of all records from the end of the last scan on. */
static int scan_records(struct session_reader *reader, unsigned number)
{
	struct reader_file *file = &reader->files[number];
	uint64_t offset = file->whole_bytes;
	struct scanned record;
	int r;

	while ((r = next_scanned(reader, number, offset, &record)) > 0) {
		r = scan_record(reader, number, &record);
		if (r < 0)
			return r;
		offset += MCAP_RECORD_HEADER_BYTES + record.content_bytes;
		file->whole_bytes = offset;
		if (record.opcode == MCAP_FOOTER) {
			file->complete = has_closing_magic(file, offset);
			file->whole_bytes = file->size_bytes;
			return 0;
		}
	}
	distrust_last_chunk(reader);
	return r;
}

/* ---- sorting ---- */

static int chunk_compare(const void *a, const void *b)
{
	const struct chunk_entry *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if ((x->source == CHUNK_WAL) != (y->source == CHUNK_WAL))
		return x->source == CHUNK_WAL ? 1 : -1; /* the log is newer than the file */
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int reader_sort_chunks(struct session_reader *reader)
{
	int64_t latest_ns = INT64_MIN, *latest_end_ns;

	loaded_chunk_finish(&reader->cached);
	if (reader->chunk_count == 0)
		return 0;
	sort_nearly_sorted(reader->chunks, reader->chunk_count, chunk_compare);
	latest_end_ns =
		realloc(reader->latest_end_ns, reader->chunk_count * sizeof(*latest_end_ns));
	if (!latest_end_ns)
		return -ENOMEM;
	reader->latest_end_ns = latest_end_ns;
	for (size_t i = 0; i < reader->chunk_count; i++) {
		if (reader->chunks[i].end_ns > latest_ns)
			latest_ns = reader->chunks[i].end_ns;
		latest_end_ns[i] = latest_ns;
	}
	return 0;
}

int reader_find_chunks(struct session_reader *reader, unsigned number)
{
	int r = check_profile(&reader->files[number]);

	if (r == 0)
		r = read_by_index(reader, number);
	return r == 0 ? reader_find_more_chunks(reader, number) : r < 0 ? r : 0;
}

int reader_find_more_chunks(struct session_reader *reader, unsigned number)
{
	int r = scan_records(reader, number);

	return r == 0 && !reader->files[number].complete ? reader_read_log(reader, number) : r;
}
