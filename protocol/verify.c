#include "protocol/verify.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/io.h"
#include "protocol/channel.h"
#include "protocol/compress.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

struct channel_state {
	bool declared, summarised;
	uint16_t known;
	const ProtobufCMessageDescriptor *message;
	uint64_t messages;
	bool keyframe_seen;
	int64_t keyframe_ns;
};

/* what the summary must say about a chunk */
struct chunk_state {
	uint64_t offset, length, start_time, end_time, index_length;
	bool summarised;
};

struct verify {
	int fd;
	uint64_t offset; /* of the record that is being looked at */
	void (*report)(void *user, uint64_t offset, const char *text);
	void *user;
	struct verify_result result;
	struct channel_state *channels; /* by id, 65536 of them */
	char **schemas;                 /* names by id, 65536 of them */
	struct chunk_state *chunks;
	size_t chunk_count, chunk_capacity;
	unsigned char *chunk_data; /* the last chunk, for its message indexes */
	struct buf expanded;       /* its records, when it is compressed */
	struct view chunk_records;
	size_t chunk_indexed;  /* messages of it that an index has named */
	size_t chunk_messages; /* messages in it */
	uint32_t data_crc;
	uint64_t summary_start; /* offset behind DataEnd, 0 before it */
	bool statistics_seen;
	bool continues; /* a segment that is not the first: its video goes on */
};

static void __attribute__((format(printf, 3, 4)))
problem(struct verify *verify, uint64_t offset, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->result.problems++;
	if (verify->report)
		verify->report(verify->user, offset, text);
}

static void check_schema(struct verify *verify, struct view content)
{
	struct mcap_schema schema;

	if (mcap_parse_schema(content, &schema) < 0) {
		problem(verify, verify->offset, "a schema record that cannot be parsed");
		return;
	}
	if (!verify->schemas[schema.id])
		verify->schemas[schema.id] =
			strndup((const char *)schema.name.data, schema.name.size_bytes);
}

static void check_channel(struct verify *verify, struct view content)
{
	_autofree_ char *topic = NULL;
	struct mcap_channel parsed;
	struct channel_state *state;
	const char *schema;

	if (mcap_parse_channel(content, &parsed) < 0) {
		problem(verify, verify->offset, "a channel record that cannot be parsed");
		return;
	}
	state = &verify->channels[parsed.id];
	schema = verify->schemas[parsed.schema_id];
	if (parsed.schema_id && !schema)
		problem(verify, verify->offset, "channel %u uses schema %u, which is not declared",
			parsed.id, parsed.schema_id);
	if (state->declared)
		return;
	state->declared = true;
	topic = strndup((const char *)parsed.topic.data, parsed.topic.size_bytes);
	if (schema && topic && mcap_string_is(parsed.message_encoding, "protobuf")) {
		uint16_t known = channel_find(topic);

		state->message = schema_message(schema);
		if (known && strcmp(channel_kind_get(known)->schema, schema) == 0)
			state->known = known;
	}
}

static void check_keyframe(
	struct verify *verify, struct channel_state *state, const struct mcap_message *message)
{
	struct channel_state *video = NULL;

	if (state->known == CHANNEL_SCREEN_KEYFRAMES) {
		for (unsigned id = 0; id < 65536 && !video; id++)
			if (verify->channels[id].known == CHANNEL_SCREEN)
				video = &verify->channels[id];
		if (video && !video->keyframe_seen && video->messages == 0) {
			video->keyframe_seen = true;
			video->keyframe_ns = (int64_t)message->log_time;
		}
	} else if (state->known == CHANNEL_SCREEN && state->messages == 1 && !verify->continues &&
		(!state->keyframe_seen || state->keyframe_ns != (int64_t)message->log_time)) {
		problem(verify, verify->offset, "the video does not begin with a keyframe");
	}
}

static void check_message(
	struct verify *verify, const struct mcap_chunk *chunk, struct view content)
{
	struct mcap_message message;
	struct channel_state *state;

	if (mcap_parse_message(content, &message) < 0) {
		problem(verify, verify->offset, "a message that is too short");
		return;
	}
	state = &verify->channels[message.channel_id];
	if (!state->declared) {
		problem(verify, verify->offset, "a message of channel %u, which is not declared",
			message.channel_id);
		return;
	}
	if (message.log_time > READER_TIME_LIMIT_NS)
		problem(verify, verify->offset, "a message of channel %u with an impossible time",
			message.channel_id);
	if (message.log_time < chunk->start_time || message.log_time > chunk->end_time)
		problem(verify, verify->offset,
			"a message of channel %u lies outside its chunk's time",
			message.channel_id);
	if (state->message) {
		ProtobufCMessage *unpacked = protobuf_c_message_unpack(
			state->message, NULL, message.data.size_bytes, message.data.data);

		if (unpacked)
			protobuf_c_message_free_unpacked(unpacked, NULL);
		else
			problem(verify, verify->offset, "a message of channel %u is no %s",
				message.channel_id, state->message->name);
	}
	state->messages++;
	verify->result.messages++;
	verify->chunk_messages++;
	check_keyframe(verify, state, &message);
}

/* the message indexes behind a chunk must name each of its messages once */
static void check_chunk_was_indexed(struct verify *verify)
{
	if (verify->chunk_indexed > 0 && verify->chunk_indexed != verify->chunk_messages)
		problem(verify, verify->chunks[verify->chunk_count - 1].offset,
			"the message indexes name %zu of the chunk's %zu messages",
			verify->chunk_indexed, verify->chunk_messages);
	verify->chunk_indexed = verify->chunk_messages = 0;
}

static int add_chunk(struct verify *verify, const struct mcap_chunk *chunk, size_t length)
{
	if (verify->chunk_count == verify->chunk_capacity) {
		size_t capacity = verify->chunk_capacity ? verify->chunk_capacity * 2 : 256;
		struct chunk_state *chunks =
			realloc(verify->chunks, capacity * sizeof(*verify->chunks));

		if (!chunks)
			return -ENOMEM;
		verify->chunks = chunks;
		verify->chunk_capacity = capacity;
	}
	verify->chunks[verify->chunk_count++] = (struct chunk_state){
		.offset = verify->offset,
		.length = length,
		.start_time = chunk->start_time,
		.end_time = chunk->end_time,
	};
	return 0;
}

/* @return 0 with the chunk's records as they were, 1 when that is a problem, or -ENOMEM */
static int expand(struct verify *verify, struct mcap_chunk *chunk)
{
	int compression = compression_find(chunk->compression), r;
	unsigned char *at;

	if (compression < 0) {
		problem(verify, verify->offset,
			"a chunk with a compression that this program does not read");
		return 1;
	}
	if (chunk->uncompressed_size > READER_CHUNK_LIMIT_BYTES ||
		(compression == COMPRESSION_NONE &&
			chunk->uncompressed_size != chunk->records.size_bytes)) {
		problem(verify, verify->offset, "a chunk that does not have the size it declares");
		return 1;
	}
	if (compression == COMPRESSION_NONE)
		return 0;
	buf_clear(&verify->expanded);
	at = buf_reserve(&verify->expanded, chunk->uncompressed_size + 1);
	if (!at)
		return -ENOMEM;
	r = compress_expand(
		(enum compression)compression, chunk->records, at, chunk->uncompressed_size);
	if (r < 0) {
		problem(verify, verify->offset, "a chunk that cannot be expanded");
		return 1;
	}
	chunk->records = (struct view){at, chunk->uncompressed_size, 0};
	return 0;
}

static int check_chunk(struct verify *verify, struct view content)
{
	struct mcap_chunk chunk;
	struct mcap_record record;
	struct view rest;
	int r;

	check_chunk_was_indexed(verify);
	verify->chunk_records = (struct view){0};
	if (mcap_parse_chunk(content, &chunk) < 0) {
		problem(verify, verify->offset, "a chunk that is too short for what it declares");
		return 0;
	}
	r = add_chunk(verify, &chunk, MCAP_RECORD_HEADER_BYTES + content.size_bytes);
	if (r < 0)
		return r;
	r = expand(verify, &chunk);
	if (r != 0)
		return r < 0 ? r : 0;
	if (chunk.uncompressed_crc &&
		chunk.uncompressed_crc !=
			mcap_crc(0, chunk.records.data, chunk.records.size_bytes)) {
		problem(verify, verify->offset, "the chunk's CRC is wrong");
		return 0;
	}
	rest = chunk.records;
	while ((r = mcap_next_record(&rest, &record)) > 0) {
		if (record.opcode == MCAP_SCHEMA)
			check_schema(verify, record.content);
		else if (record.opcode == MCAP_CHANNEL)
			check_channel(verify, record.content);
		else if (record.opcode == MCAP_MESSAGE)
			check_message(verify, &chunk, record.content);
	}
	if (r < 0)
		problem(verify, verify->offset, "a record in the chunk is longer than the chunk");
	verify->result.chunks++;
	verify->chunk_records = chunk.records;
	return 0;
}

static void check_message_index(struct verify *verify, struct view content)
{
	uint16_t channel_id = (uint16_t)view_get(&content, 2);
	struct view entries = view_take_string(&content);

	if (content.failed || entries.size_bytes % 16) {
		problem(verify, verify->offset, "a message index that cannot be parsed");
		return;
	}
	if (verify->chunk_count > 0)
		verify->chunks[verify->chunk_count - 1].index_length +=
			MCAP_RECORD_HEADER_BYTES + 6 + entries.size_bytes;
	while (entries.size_bytes > 0 && verify->chunk_records.data) {
		uint64_t time = view_get(&entries, 8), offset = view_get(&entries, 8);
		struct view rest = verify->chunk_records;
		struct mcap_record record;
		struct mcap_message message;

		view_take(&rest, offset);
		if (rest.failed || mcap_next_record(&rest, &record) <= 0 ||
			record.opcode != MCAP_MESSAGE ||
			mcap_parse_message(record.content, &message) < 0 ||
			message.channel_id != channel_id || message.log_time != time) {
			problem(verify, verify->offset,
				"a message index that does not agree with its chunk");
			return;
		}
		verify->chunk_indexed++;
	}
}

static void check_chunk_index(struct verify *verify, struct view content)
{
	struct mcap_chunk_index index;

	if (mcap_parse_chunk_index(content, &index) < 0) {
		problem(verify, verify->offset, "a chunk index that cannot be parsed");
		return;
	}
	for (size_t i = 0; i < verify->chunk_count; i++) {
		struct chunk_state *chunk = &verify->chunks[i];

		if (chunk->offset != index.chunk_offset)
			continue;
		if (chunk->summarised || chunk->length != index.chunk_length ||
			chunk->start_time != index.start_time ||
			chunk->end_time != index.end_time ||
			chunk->index_length != index.message_index_length)
			break;
		chunk->summarised = true;
		return;
	}
	problem(verify, verify->offset, "a chunk index that does not agree with the data");
}

static void check_statistics(struct verify *verify, struct view content)
{
	struct mcap_statistics statistics;
	bool agree;

	verify->statistics_seen = true;
	if (mcap_parse_statistics(content, &statistics) < 0) {
		problem(verify, verify->offset, "statistics that cannot be parsed");
		return;
	}
	agree = statistics.message_count == verify->result.messages &&
		statistics.chunk_count == verify->chunk_count;
	while (statistics.channel_counts.size_bytes > 0) {
		uint16_t id = (uint16_t)view_get(&statistics.channel_counts, 2);

		agree = view_get(&statistics.channel_counts, 8) == verify->channels[id].messages &&
			agree;
	}
	if (!agree)
		problem(verify, verify->offset, "the statistics do not agree with the data");
}

static int check_footer(struct verify *verify, struct view content)
{
	_autofree_ unsigned char *summary = NULL;
	struct mcap_footer footer;
	uint64_t size;
	uint32_t crc;
	ssize_t n;

	verify->result.finished = true;
	if (mcap_parse_footer(content, &footer) < 0) {
		problem(verify, verify->offset, "a footer that is too short");
		return 0;
	}
	if (footer.summary_start == 0)
		return 0;
	size = verify->offset - footer.summary_start;
	if (footer.summary_start != verify->summary_start || size > READER_SUMMARY_LIMIT_BYTES) {
		problem(verify, verify->offset, "the footer does not point to the summary");
		return 0;
	}
	size += MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES - 4;
	summary = malloc(size);
	if (!summary)
		return -ENOMEM;
	n = io_pread_full(verify->fd, summary, size, (off_t)footer.summary_start);
	if (n < 0)
		return (int)n;
	crc = mcap_crc(0, summary, (size_t)n);
	if (footer.summary_crc && footer.summary_crc != crc)
		problem(verify, verify->offset, "the summary's CRC is wrong");
	for (size_t i = 0; i < verify->chunk_count; i++)
		if (!verify->chunks[i].summarised) {
			problem(verify, verify->chunks[i].offset,
				"a chunk that the summary does not name");
			break;
		}
	return 0;
}

static void check_data_end(struct verify *verify, struct view content)
{
	uint32_t crc = (uint32_t)view_get(&content, 4);

	check_chunk_was_indexed(verify);
	if (content.failed || (crc && crc != verify->data_crc))
		problem(verify, verify->offset, "the CRC of all data is wrong");
	verify->summary_start = verify->offset + MCAP_RECORD_HEADER_BYTES + 4;
}

static void check_metadata(struct verify *verify, struct view content)
{
	struct mcap_metadata metadata;

	if (mcap_parse_metadata(content, &metadata) < 0)
		problem(verify, verify->offset, "metadata that cannot be parsed");
	else
		verify->continues |= mcap_string_is(metadata.name, SESSION_SEGMENT_METADATA);
}

static int check_record(struct verify *verify, const struct mcap_record *record)
{
	switch (record->opcode) {
	case MCAP_SCHEMA: check_schema(verify, record->content); return 0;
	case MCAP_CHANNEL: check_channel(verify, record->content); return 0;
	case MCAP_CHUNK: return check_chunk(verify, record->content);
	case MCAP_MESSAGE_INDEX: check_message_index(verify, record->content); return 0;
	case MCAP_METADATA: check_metadata(verify, record->content); return 0;
	case MCAP_CHUNK_INDEX: check_chunk_index(verify, record->content); return 0;
	case MCAP_STATISTICS: check_statistics(verify, record->content); return 0;
	case MCAP_DATA_END: check_data_end(verify, record->content); return 0;
	case MCAP_FOOTER: return check_footer(verify, record->content);
	case 0: problem(verify, verify->offset, "a record with the invalid opcode 0"); return 0;
	default: return 0;
	}
}

/* @return 1 to go on, 0 at the end of what can be read, or a negative errno */
static int next_record(struct verify *verify, uint64_t size_bytes)
{
	_autofree_ unsigned char *data = NULL;
	unsigned char head[MCAP_RECORD_HEADER_BYTES];
	struct mcap_record record;
	uint64_t length;
	ssize_t n = io_pread_full(verify->fd, head, sizeof(head), (off_t)verify->offset);
	int r;

	if (n < 0)
		return (int)n;
	length = le_load(head + 1, 8);
	if ((size_t)n < sizeof(head) || length > size_bytes - verify->offset - sizeof(head)) {
		problem(verify, verify->offset, "the file is cut: %llu bytes of a torn record",
			(unsigned long long)(size_bytes - verify->offset));
		return 0;
	}
	if (length > READER_CHUNK_LIMIT_BYTES) {
		problem(verify, verify->offset, "a record that is larger than any honest one");
		return 0;
	}
	data = malloc(sizeof(head) + length);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(verify->fd, data, sizeof(head) + length, (off_t)verify->offset);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n < sizeof(head) + length)
		return -EIO; /* it became shorter while it was read */
	record.opcode = head[0];
	record.content = (struct view){data + sizeof(head), length, 0};
	r = check_record(verify, &record);
	if (r < 0)
		return r;
	if (verify->summary_start == 0)
		verify->data_crc = mcap_crc(verify->data_crc, data, sizeof(head) + length);
	if (record.opcode == MCAP_CHUNK) {
		free(verify->chunk_data); /* its message indexes come next and need it */
		verify->chunk_data = steal_ptr(data);
	}
	verify->offset += sizeof(head) + length;
	return record.opcode != MCAP_FOOTER;
}

static int verify_file(struct verify *verify, uint64_t size_bytes, struct error *reterr)
{
	unsigned char magic[MCAP_MAGIC_BYTES];
	ssize_t n = io_pread_full(verify->fd, magic, sizeof(magic), 0);
	int r = 1;

	if (n < 0)
		return error_set(reterr, (int)n, "cannot read: %s", strerror((int)-n));
	if (n != sizeof(magic) || memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		return error_set(reterr, -EBADMSG,
			"not a session file: it does not begin as MCAP version 0");
	verify->data_crc = mcap_crc(0, magic, sizeof(magic));
	verify->offset = MCAP_MAGIC_BYTES;
	while (r > 0 && verify->offset < size_bytes)
		r = next_record(verify, size_bytes);
	if (r < 0)
		return error_set(reterr, r, "cannot read at offset %llu: %s",
			(unsigned long long)verify->offset, strerror(-r));
	verify->result.bytes = verify->offset;
	if (!verify->result.finished) {
		if (verify->offset == size_bytes)
			problem(verify, verify->offset,
				"the file was not ended: summary and footer are missing");
		return 0;
	}
	n = io_pread_full(verify->fd, magic, sizeof(magic), (off_t)verify->offset);
	if (n != sizeof(magic) || memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		problem(verify, verify->offset, "the closing mark is missing");
	else if (verify->offset + sizeof(magic) != size_bytes)
		problem(verify, verify->offset, "there are bytes behind the end");
	else
		verify->result.bytes = size_bytes;
	return 0;
}

int session_verify(int fd, void (*report)(void *user, uint64_t offset, const char *text),
	void *user, struct verify_result *ret, struct error *reterr)
{
	struct verify verify = {.fd = fd, .report = report, .user = user};
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return error_set(reterr, -errno, "cannot read: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(reterr, -EBADMSG, "not a session file: not a regular file");
	verify.channels = calloc(65536, sizeof(*verify.channels));
	verify.schemas = calloc(65536, sizeof(*verify.schemas));
	if (verify.channels && verify.schemas)
		r = verify_file(&verify, (uint64_t)status.st_size, reterr);
	else
		r = error_set(reterr, -ENOMEM, "no memory");
	for (size_t i = 0; verify.schemas && i < 65536; i++)
		free(verify.schemas[i]);
	free(verify.schemas);
	free(verify.channels);
	free(verify.chunks);
	free(verify.chunk_data);
	buf_finish(&verify.expanded);
	*ret = verify.result;
	return r < 0 ? r : verify.result.problems == 0;
}
