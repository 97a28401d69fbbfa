#include "protocol/reader_internal.h"

#include "protocol/base/io.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

void reader_damage(struct session_reader *reader, uint64_t offset, const char *text)
{
	struct reader_damage *damages;

	if (reader->damage_count >= READER_DAMAGES_LIMIT)
		return;
	for (size_t i = 0; i < reader->damage_count; i++)
		if (reader->damages[i].offset == offset)
			return; /* read twice, said once */
	damages = realloc(reader->damages, (reader->damage_count + 1) * sizeof(*damages));
	if (!damages)
		return;
	reader->damages = damages;
	damages[reader->damage_count].offset = offset;
	snprintf(damages[reader->damage_count].text, sizeof(damages->text), "%s", text);
	reader->damage_count++;
}

size_t session_reader_damages(const struct session_reader *reader, const struct reader_damage **ret)
{
	if (ret)
		*ret = reader->damages;
	return reader->damage_count;
}

static char *copy_text(struct view view)
{
	if (view.size_bytes > READER_TEXT_LIMIT_BYTES)
		view.size_bytes = READER_TEXT_LIMIT_BYTES;
	return view.size_bytes ? strndup((const char *)view.data, view.size_bytes) : strdup("");
}

static const struct reader_schema *schema_by_id(const struct session_reader *reader, uint16_t id)
{
	for (size_t i = 0; i < reader->schema_count; i++)
		if (reader->schemas[i].id == id)
			return &reader->schemas[i];
	return NULL;
}

static int declare_schema(struct session_reader *reader, struct view content, uint64_t offset)
{
	struct mcap_schema parsed;
	struct reader_schema *schemas, *schema;

	if (mcap_parse_schema(content, &parsed) < 0 ||
		parsed.data.size_bytes > READER_SCHEMA_LIMIT_BYTES) {
		reader_damage(reader, offset, "a schema record that cannot be read");
		return 0;
	}
	if (schema_by_id(reader, parsed.id) || reader->schema_count >= READER_CHANNELS_LIMIT)
		return 0; /* repeated, as the summary does */
	schemas = realloc(reader->schemas, (reader->schema_count + 1) * sizeof(*schemas));
	if (!schemas)
		return -ENOMEM;
	reader->schemas = schemas;
	schema = &schemas[reader->schema_count];
	*schema = (struct reader_schema){
		.id = parsed.id,
		.name = copy_text(parsed.name),
		.encoding = copy_text(parsed.encoding),
		.data = malloc(parsed.data.size_bytes + 1),
		.size_bytes = parsed.data.size_bytes,
	};
	reader->schema_count++;
	if (!schema->name || !schema->encoding || !schema->data)
		return -ENOMEM;
	if (parsed.data.size_bytes)
		memcpy(schema->data, parsed.data.data, parsed.data.size_bytes);
	return 0;
}

static uint16_t known_channel(const char *topic, const char *schema)
{
	uint16_t id = channel_find(topic);

	return id && strcmp(channel_kind_get(id)->schema, schema) == 0 ? id : 0;
}

static int declare_channel(struct session_reader *reader, struct view content, uint64_t offset)
{
	struct mcap_channel parsed;
	struct reader_channel **channels, *channel;
	const struct reader_schema *schema;
	size_t at = reader->channel_count;

	if (mcap_parse_channel(content, &parsed) < 0) {
		reader_damage(reader, offset, "a channel record that cannot be read");
		return 0;
	}
	if (reader_channel_by_id(reader, parsed.id) ||
		reader->channel_count >= READER_CHANNELS_LIMIT)
		return 0;
	schema = schema_by_id(reader, parsed.schema_id);
	if (!schema && parsed.schema_id != 0) {
		reader_damage(reader, offset, "a channel whose schema is not declared");
		return 0;
	}
	channels = realloc(reader->channels, (reader->channel_count + 1) * sizeof(*channels));
	if (!channels)
		return -ENOMEM;
	reader->channels = channels;
	channel = malloc(sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	while (at > 0 && channels[at - 1]->id > parsed.id)
		at--;
	memmove(channels + at + 1, channels + at, (reader->channel_count - at) * sizeof(*channels));
	channels[at] = channel;
	*channel = (struct reader_channel){
		.id = parsed.id,
		.topic = copy_text(parsed.topic),
		.message_encoding = copy_text(parsed.message_encoding),
		.schema = schema ? schema->name : "",
		.schema_encoding = schema ? schema->encoding : "",
		.schema_data = {schema ? schema->data : NULL, schema ? schema->size_bytes : 0, 0},
	};
	reader->channel_count++;
	if (!channel->topic || !channel->message_encoding)
		return -ENOMEM;
	channel->known = known_channel(channel->topic, channel->schema);
	return 0;
}

int reader_declare(
	struct session_reader *reader, uint8_t opcode, struct view content, uint64_t offset)
{
	if (opcode == MCAP_SCHEMA)
		return declare_schema(reader, content, offset);
	if (opcode == MCAP_CHANNEL)
		return declare_channel(reader, content, offset);
	return 0;
}

const struct reader_channel *reader_channel_by_id(const struct session_reader *reader, uint16_t id)
{
	size_t low = 0, high = reader->channel_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (reader->channels[middle]->id == id)
			return reader->channels[middle];
		if (reader->channels[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct chunk_entry *add_chunk(struct session_reader *reader)
{
	if (reader->chunk_count == reader->chunk_capacity) {
		size_t capacity = reader->chunk_capacity ? reader->chunk_capacity * 2 : 256;
		struct chunk_entry *chunks =
			realloc(reader->chunks, capacity * sizeof(*reader->chunks));

		if (!chunks)
			return NULL;
		reader->chunks = chunks;
		reader->chunk_capacity = capacity;
	}
	reader->chunks[reader->chunk_count] = (struct chunk_entry){
		.first_channel = reader->chunk_channels.size_bytes / sizeof(uint16_t),
	};
	return &reader->chunks[reader->chunk_count++];
}

static int add_chunk_channel(
	struct session_reader *reader, struct chunk_entry *chunk, uint16_t channel_id)
{
	buf_put(&reader->chunk_channels, &channel_id, sizeof(channel_id));
	chunk->channel_count++;
	chunk->indexed = true;
	return buf_error(&reader->chunk_channels);
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

static int take_chunk_index(struct session_reader *reader, struct view content, uint64_t offset)
{
	struct mcap_chunk_index index;
	struct chunk_entry *chunk;
	int r = 0;

	if (mcap_parse_chunk_index(content, &index) < 0)
		return -EBADMSG;
	if (index.chunk_offset > reader->size_bytes ||
		index.chunk_length > reader->size_bytes - index.chunk_offset) {
		reader_damage(reader, offset, "a chunk index that points outside the file");
		return 0;
	}
	if (index.start_time > index.end_time || index.end_time > READER_TIME_LIMIT_NS) {
		reader_damage(reader, offset, "a chunk index with impossible times");
		return 0;
	}
	chunk = add_chunk(reader);
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

static int read_summary_records(struct session_reader *reader, struct view rest, uint64_t start)
{
	const unsigned char *begin = rest.data;
	struct mcap_record record;
	struct mcap_statistics statistics = {0};
	int r;

	while ((r = mcap_next_record(&rest, &record)) > 0) {
		uint64_t offset = start + (uint64_t)(record.content.data - begin);

		if (record.opcode == MCAP_CHUNK_INDEX)
			r = take_chunk_index(reader, record.content, offset);
		else if (record.opcode == MCAP_STATISTICS)
			r = mcap_parse_statistics(record.content, &statistics);
		else
			r = reader_declare(reader, record.opcode, record.content, offset);
		if (r < 0)
			return r;
	}
	/* a file may have a summary without chunk indexes: then the chunks must be searched */
	return r < 0 || statistics.chunk_count > reader->chunk_count ? -EBADMSG : 0;
}

static int offset_compare(const void *a, const void *b)
{
	const struct chunk_entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Honest chunks lie one behind the other; a file that names one twice would be read twice. */
static bool chunks_overlap(struct session_reader *reader)
{
	if (reader->chunk_count > 1)
		qsort(reader->chunks, reader->chunk_count, sizeof(*reader->chunks), offset_compare);
	for (size_t i = 1; i < reader->chunk_count; i++)
		if (reader->chunks[i].offset <
			reader->chunks[i - 1].offset + reader->chunks[i - 1].length)
			return true;
	return false;
}

static void forget_chunks(struct session_reader *reader)
{
	reader->chunk_count = 0;
	buf_clear(&reader->chunk_channels);
}

/* @return 1 when the file has a sound index, 0 when it must be scanned */
static int read_by_index(struct session_reader *reader)
{
	unsigned char tail[MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES + MCAP_MAGIC_BYTES];
	uint64_t footer_at = reader->size_bytes - sizeof(tail), summary_bytes;
	_autofree_ unsigned char *summary = NULL;
	struct mcap_footer footer;
	uint32_t crc;
	ssize_t n;

	if (reader->size_bytes < MCAP_MAGIC_BYTES + sizeof(tail))
		return 0;
	n = io_pread_full(reader->fd, tail, sizeof(tail), (off_t)footer_at);
	if (n < 0)
		return (int)n;
	if ((size_t)n != sizeof(tail) || tail[0] != MCAP_FOOTER ||
		le_load(tail + 1, 8) != MCAP_FOOTER_BYTES ||
		memcmp(tail + sizeof(tail) - MCAP_MAGIC_BYTES, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
		return 0;
	mcap_parse_footer(
		(struct view){tail + MCAP_RECORD_HEADER_BYTES, MCAP_FOOTER_BYTES, 0}, &footer);
	if (footer.summary_start == 0)
		return 0;
	if (footer.summary_start > footer_at ||
		footer_at - footer.summary_start > READER_SUMMARY_LIMIT_BYTES) {
		reader_damage(reader, footer_at, "a footer that points outside the file");
		return 0;
	}
	summary_bytes = footer_at - footer.summary_start;
	summary = malloc(summary_bytes + 1);
	if (!summary)
		return -ENOMEM;
	n = io_pread_full(reader->fd, summary, summary_bytes, (off_t)footer.summary_start);
	if (n < 0)
		return (int)n;
	crc = mcap_crc(mcap_crc(0, summary, summary_bytes), tail,
		MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES - 4);
	if ((uint64_t)n != summary_bytes || (footer.summary_crc && footer.summary_crc != crc)) {
		reader_damage(reader, footer.summary_start, "the summary's CRC is wrong");
		return 0;
	}
	if (read_summary_records(
		    reader, (struct view){summary, summary_bytes, 0}, footer.summary_start) < 0) {
		forget_chunks(reader);
		return 0;
	}
	if (chunks_overlap(reader)) {
		reader_damage(reader, footer.summary_start, "chunk indexes that overlap");
		forget_chunks(reader);
		return 0;
	}
	reader->complete = true;
	reader->whole_bytes = reader->size_bytes;
	return 1;
}

/* ---- by the chunks ---- */

/* Read a record's content into fresh memory when it is honest about its length. */
static int read_content(struct session_reader *reader, uint64_t offset, uint64_t size_bytes,
	uint64_t limit, unsigned char **ret)
{
	_autofree_ unsigned char *data = NULL;
	ssize_t n;

	if (size_bytes > limit)
		return -EBADMSG;
	data = malloc(size_bytes + 1);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(reader->fd, data, size_bytes, (off_t)offset);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != size_bytes)
		return -EBADMSG;
	*ret = steal_ptr(data);
	return 0;
}

/* declarations may also stand inside of chunks; ours never do, but others' files */
static int declare_from_chunk(struct session_reader *reader, struct chunk_entry *chunk)
{
	_autofree_ unsigned char *data = NULL;
	struct mcap_chunk parsed;
	struct mcap_record record;
	int r;

	r = read_content(reader, chunk->offset + MCAP_RECORD_HEADER_BYTES,
		chunk->length - MCAP_RECORD_HEADER_BYTES, READER_CHUNK_LIMIT_BYTES, &data);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (mcap_parse_chunk((struct view){data, chunk->length - MCAP_RECORD_HEADER_BYTES, 0},
		    &parsed) < 0 ||
		parsed.compression.size_bytes > 0)
		return 0;
	while (mcap_next_record(&parsed.records, &record) > 0) {
		r = reader_declare(reader, record.opcode, record.content, chunk->offset);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_chunk(struct session_reader *reader, uint64_t offset, uint64_t length)
{
	unsigned char head[16];
	struct chunk_entry *chunk;
	ssize_t n = io_pread_full(
		reader->fd, head, sizeof(head), (off_t)(offset + MCAP_RECORD_HEADER_BYTES));

	if (n < 0)
		return (int)n;
	if (length < MCAP_RECORD_HEADER_BYTES + MCAP_CHUNK_HEADER_BYTES || n != sizeof(head)) {
		reader_damage(reader, offset, "a chunk that is too short to be one");
		return 0;
	}
	if (le_load(head, 8) > le_load(head + 8, 8) ||
		le_load(head + 8, 8) > READER_TIME_LIMIT_NS) {
		reader_damage(reader, offset, "a chunk with impossible times");
		return 0;
	}
	chunk = add_chunk(reader);
	if (!chunk)
		return -ENOMEM;
	chunk->start_ns = (int64_t)le_load(head, 8);
	chunk->end_ns = (int64_t)le_load(head + 8, 8);
	chunk->offset = offset;
	chunk->length = length;
	reader->chunk_is_last = true;
	return reader->channel_count == 0 ? declare_from_chunk(reader, chunk) : 0;
}

static int take_message_index(struct session_reader *reader, uint64_t offset)
{
	unsigned char id[2];
	ssize_t n = io_pread_full(
		reader->fd, id, sizeof(id), (off_t)(offset + MCAP_RECORD_HEADER_BYTES));

	if (n < 0)
		return (int)n;
	if (n != sizeof(id) || reader->chunk_count == 0 || !reader->chunk_is_last)
		return 0;
	return add_chunk_channel(
		reader, &reader->chunks[reader->chunk_count - 1], (uint16_t)le_load(id, 2));
}

static int scan_record(
	struct session_reader *reader, uint8_t opcode, uint64_t offset, uint64_t content_bytes)
{
	_autofree_ unsigned char *content = NULL;
	int r;

	switch (opcode) {
	case MCAP_CHUNK:
		reader->chunk_is_last = false; /* until it is taken */
		return take_chunk(reader, offset, MCAP_RECORD_HEADER_BYTES + content_bytes);
	case MCAP_MESSAGE_INDEX: return take_message_index(reader, offset);
	case MCAP_MESSAGE:
		reader_damage(reader, offset, "messages outside of chunks are not read");
		return 0;
	case MCAP_SCHEMA:
	case MCAP_CHANNEL:
		r = read_content(reader, offset + MCAP_RECORD_HEADER_BYTES, content_bytes,
			READER_SCHEMA_LIMIT_BYTES + READER_TEXT_LIMIT_BYTES, &content);
		if (r == -EBADMSG) {
			reader_damage(reader, offset, "a declaration that is too large");
			return 0;
		}
		return r < 0 ? r
			     : reader_declare(reader, opcode,
				       (struct view){content, content_bytes, 0}, offset);
	default: return 0;
	}
}

/* The last chunk may lack some of its message indexes: then nothing is known about it. */
static void distrust_last_chunk(struct session_reader *reader)
{
	if (reader->chunk_count > 0)
		reader->chunks[reader->chunk_count - 1].indexed = false;
}

static int scan_chunks(struct session_reader *reader)
{
	uint64_t offset = MCAP_MAGIC_BYTES;

	while (offset + MCAP_RECORD_HEADER_BYTES <= reader->size_bytes) {
		unsigned char head[MCAP_RECORD_HEADER_BYTES];
		uint64_t length;
		ssize_t n = io_pread_full(reader->fd, head, sizeof(head), (off_t)offset);
		int r;

		if (n < 0)
			return (int)n;
		if (n != sizeof(head))
			break;
		length = le_load(head + 1, 8);
		if (length > reader->size_bytes - offset - MCAP_RECORD_HEADER_BYTES)
			break;
		if (head[0] == 0) {
			reader_damage(reader, offset, "a record with the invalid opcode 0");
			break;
		}
		r = scan_record(reader, head[0], offset, length);
		if (r < 0)
			return r;
		offset += MCAP_RECORD_HEADER_BYTES + length;
		reader->whole_bytes = offset;
		if (head[0] == MCAP_FOOTER)
			return 0;
	}
	distrust_last_chunk(reader);
	return 0;
}

/* ---- opening ---- */

static int chunk_compare(const void *a, const void *b)
{
	const struct chunk_entry *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int sort_chunks(struct session_reader *reader)
{
	int64_t latest_ns = INT64_MIN;

	if (reader->chunk_count == 0)
		return 0;
	qsort(reader->chunks, reader->chunk_count, sizeof(*reader->chunks), chunk_compare);
	reader->latest_end_ns = malloc(reader->chunk_count * sizeof(*reader->latest_end_ns));
	if (!reader->latest_end_ns)
		return -ENOMEM;
	for (size_t i = 0; i < reader->chunk_count; i++) {
		if (reader->chunks[i].end_ns > latest_ns)
			latest_ns = reader->chunks[i].end_ns;
		reader->latest_end_ns[i] = latest_ns;
	}
	return 0;
}

static int check_magic(struct session_reader *reader, struct error *reterr)
{
	unsigned char magic[MCAP_MAGIC_BYTES];
	ssize_t n = io_pread_full(reader->fd, magic, sizeof(magic), 0);

	if (n < 0)
		return error_set(reterr, (int)n, "cannot read: %s", strerror((int)-n));
	if ((size_t)n < sizeof(magic))
		return error_set(reterr, -EBADMSG,
			"not a session file: it has only %zd bytes, fewer than its first mark", n);
	if (memcmp(magic, MCAP_MAGIC, 5) == 0 && magic[5] != '0' &&
		memcmp(magic + 6, "\r\n", 2) == 0)
		return error_set(reterr, -EPROTO,
			"an MCAP file of version '%c'; this program reads version 0", magic[5]);
	if (memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		return error_set(reterr, -EBADMSG, "not a session file: it does not begin as MCAP");
	return 0;
}

int session_reader_create(struct session_reader **ret, int fd, struct error *reterr)
{
	_destroy_(session_reader) struct session_reader *reader = calloc(1, sizeof(*reader));
	struct stat status;
	int r;

	if (!reader)
		return error_set(reterr, -ENOMEM, "no memory");
	reader->fd = -1;
	reader->cached.chunk = SIZE_MAX;
	if (fstat(fd, &status) < 0)
		return error_set(reterr, -errno, "cannot read: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(reterr, -EBADMSG, "not a session file: not a regular file");
	reader->size_bytes = (uint64_t)status.st_size;
	reader->fd = fd;
	r = check_magic(reader, reterr);
	if (r == 0) {
		reader->whole_bytes = MCAP_MAGIC_BYTES;
		r = read_by_index(reader);
		if (r == 0)
			r = scan_chunks(reader);
		if (r >= 0)
			r = sort_chunks(reader);
		if (r < 0)
			error_set(reterr, r, "cannot read: %s", strerror(-r));
	}
	if (r < 0) {
		reader->fd = -1;
		return r;
	}
	*ret = steal_ptr(reader);
	return 0;
}

int session_reader_open(struct session_reader **ret, const char *path, struct error *reterr)
{
	_autoclose_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct error error = {0};
	int r;

	if (fd < 0)
		return error_set(reterr, -errno, "%s: %s", path, strerror(errno));
	r = session_reader_create(ret, fd, &error);
	if (r < 0)
		return error_set(reterr, r, "%s: %s", path, error.text);
	fd = -1;
	return 0;
}

void session_reader_destroy(struct session_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->channel_count; i++) {
		free((char *)reader->channels[i]->topic);
		free((char *)reader->channels[i]->message_encoding);
		free(reader->channels[i]);
	}
	for (size_t i = 0; i < reader->schema_count; i++) {
		free(reader->schemas[i].name);
		free(reader->schemas[i].encoding);
		free(reader->schemas[i].data);
	}
	free(reader->channels);
	free(reader->schemas);
	free(reader->chunks);
	free(reader->latest_end_ns);
	buf_finish(&reader->chunk_channels);
	free(reader->damages);
	loaded_chunk_finish(&reader->cached);
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader);
}

bool session_reader_is_complete(const struct session_reader *reader)
{
	return reader->complete;
}

bool session_reader_span(
	const struct session_reader *reader, int64_t *ret_first_ns, int64_t *ret_last_ns)
{
	if (reader->chunk_count == 0)
		return false;
	*ret_first_ns = reader->chunks[0].start_ns;
	*ret_last_ns = reader->latest_end_ns[reader->chunk_count - 1];
	return true;
}

uint64_t session_reader_size(const struct session_reader *reader)
{
	return reader->size_bytes;
}

uint64_t session_reader_whole_bytes(const struct session_reader *reader)
{
	return reader->whole_bytes;
}

const struct reader_channel *session_reader_channel(const struct session_reader *reader, size_t i)
{
	return i < reader->channel_count ? reader->channels[i] : NULL;
}

const struct reader_channel *session_reader_find(
	const struct session_reader *reader, uint16_t known)
{
	for (size_t i = 0; i < reader->channel_count; i++)
		if (reader->channels[i]->known == known)
			return reader->channels[i];
	return NULL;
}
