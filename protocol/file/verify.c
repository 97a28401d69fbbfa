#include "protocol/file/verify_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/channel.h"
#include "protocol/compress.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/message_text.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"
#include "protocol/pointer_shape.h"
#include "protocol/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

void verify_problem(struct verify *verify, uint64_t offset, const char *format, ...)
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
		verify_problem(verify, verify->offset, "a schema record that cannot be parsed");
		return;
	}
	if (verify->schemas[schema.id])
		return;
	verify->schemas[schema.id] =
		strndup((const char *)schema.name.data, schema.name.size_bytes);
	verify->schema_count++;
	if (!mcap_string_is(schema.encoding, "protobuf"))
		return;
	switch (schema_check(schema.data, schema.name)) {
	case 0: break;
	case -ENOENT:
		verify_problem(verify, verify->offset,
			"schema %u does not declare the message it names", schema.id);
		break;
	default: verify_problem(verify, verify->offset, "schema %u does not parse", schema.id);
	}
}

static int key_compare(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	size_t size = x->size_bytes < y->size_bytes ? x->size_bytes : y->size_bytes;
	int order = size ? memcmp(x->data, y->data, size) : 0;

	return order                             ? order
		: x->size_bytes == y->size_bytes ? 0
		: x->size_bytes < y->size_bytes  ? -1
						 : 1;
}

/* a map of strings: complete pairs, unique keys */
static void check_map(struct verify *verify, struct view pairs)
{
	_cleanup_(buf_finish) struct buf keys = {0};
	const struct view *key;
	size_t count;

	while (pairs.size_bytes > 0 && !pairs.failed) {
		struct view one = view_read_string(&pairs);

		view_read_string(&pairs);
		buf_put(&keys, &one, sizeof(one));
	}
	count = keys.size_bytes / sizeof(*key);
	if (count > 1)
		qsort(keys.data, count, sizeof(*key), key_compare);
	key = (const void *)keys.data;
	if (pairs.failed)
		verify_problem(verify, verify->offset, "a map that cannot be parsed");
	for (size_t i = 1; i < count; i++)
		if (key_compare(&key[i - 1], &key[i]) == 0) {
			verify_problem(verify, verify->offset, "a map that has a key twice");
			return;
		}
}

static void check_channel(struct verify *verify, struct view content)
{
	_autofree_ char *topic = NULL;
	struct mcap_channel parsed;
	struct channel_state *state;
	const char *schema;

	if (mcap_parse_channel(content, &parsed) < 0) {
		verify_problem(verify, verify->offset, "a channel record that cannot be parsed");
		return;
	}
	state = &verify->channels[parsed.id];
	schema = verify->schemas[parsed.schema_id];
	if (parsed.schema_id && !schema)
		verify_problem(verify, verify->offset,
			"channel %u uses schema %u, which is not declared", parsed.id,
			parsed.schema_id);
	if (state->declared)
		return;
	state->declared = true;
	verify->channel_count++;
	check_map(verify, parsed.metadata);
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
		verify_problem(verify, verify->offset, "the video does not begin with a keyframe");
	}
}

/* Takes ownership of the message. */
static void check_texts(struct verify *verify, uint16_t channel_id, ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = message_find_bad_text(message);

	if (field)
		verify_problem(verify, verify->offset,
			"a message of channel %u, %s, has a %s that is not UTF-8", channel_id,
			message->descriptor->name, field->name);
	protobuf_c_message_free_unpacked(message, NULL);
}

/* @param chunk  NULL for a message outside of chunks */
static void check_message(
	struct verify *verify, const struct mcap_chunk *chunk, struct view content)
{
	struct mcap_message message;
	struct channel_state *state;

	if (mcap_parse_message(content, &message) < 0) {
		verify_problem(verify, verify->offset, "a message that is too short");
		return;
	}
	state = &verify->channels[message.channel_id];
	if (!state->declared) {
		verify_problem(verify, verify->offset,
			"a message of channel %u, which is not declared", message.channel_id);
		return;
	}
	if (message.log_time > READER_TIME_LIMIT_NS)
		verify_problem(verify, verify->offset,
			"a message of channel %u with an impossible time", message.channel_id);
	if (chunk && (message.log_time < chunk->start_time || message.log_time > chunk->end_time))
		verify_problem(verify, verify->offset,
			"a message of channel %u lies outside its chunk's time",
			message.channel_id);
	if (state->message) {
		ProtobufCMessage *unpacked = protobuf_c_message_unpack(
			state->message, NULL, message.data.size_bytes, message.data.data);

		if (unpacked && state->known == CHANNEL_POINTER_SHAPE &&
			pointer_shape_inflate((Uxrec__PointerShape *)unpacked) == -EBADMSG)
			verify_problem(verify, verify->offset,
				"a message of channel %u has pixels of another size",
				message.channel_id);
		if (unpacked)
			check_texts(verify, message.channel_id, unpacked);
		else
			verify_problem(verify, verify->offset,
				"a message of channel %u is not of type %s", message.channel_id,
				state->message->name);
	}
	state->messages++;
	if (verify->result.messages == 0 || message.log_time < verify->start_time)
		verify->start_time = message.log_time;
	if (message.log_time > verify->end_time)
		verify->end_time = message.log_time;
	verify->result.messages++;
	verify->chunk_messages += chunk != NULL;
	check_keyframe(verify, state, &message);
}

/* the message indexes after a chunk must name each of its messages once */
static void check_chunk_was_indexed(struct verify *verify)
{
	if (verify->chunk_indexed > 0 && verify->chunk_indexed != verify->chunk_messages)
		verify_problem(verify, verify->chunks[verify->chunk_count - 1].offset,
			"the message indexes name %zu of the chunk's %zu messages",
			verify->chunk_indexed, verify->chunk_messages);
	verify->chunk_indexed = verify->chunk_messages = 0;
}

static int add_chunk(struct verify *verify, const struct mcap_chunk *chunk, size_t length)
{
	if (!array_grow(verify->chunks, verify->chunk_count))
		return -ENOMEM;
	verify->chunks[verify->chunk_count++] = (struct chunk_state){
		.offset = verify->offset,
		.length = length,
		.start_time = chunk->start_time,
		.end_time = chunk->end_time,
		.first_index = verify->indexes.size_bytes / sizeof(struct index_state),
	};
	return 0;
}

/* @return 0 with the chunk's uncompressed records, 1 on a problem, or -ENOMEM */
static int expand(struct verify *verify, struct mcap_chunk *chunk)
{
	int compression = compression_find(chunk->compression), r;
	unsigned char *at;

	if (compression < 0) {
		verify_problem(verify, verify->offset,
			"a chunk with a compression that this program does not read");
		return 1;
	}
	if (chunk->uncompressed_size > READER_CHUNK_LIMIT_BYTES ||
		(compression == COMPRESSION_NONE &&
			chunk->uncompressed_size != chunk->records.size_bytes)) {
		verify_problem(
			verify, verify->offset, "a chunk that does not have the size it declares");
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
		verify_problem(verify, verify->offset, "a chunk that cannot be expanded");
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
		verify_problem(
			verify, verify->offset, "a chunk that is too short for what it declares");
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
		verify_problem(verify, verify->offset, "the chunk's CRC is wrong");
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
		verify_problem(
			verify, verify->offset, "a record in the chunk is longer than the chunk");
	verify->result.chunks++;
	verify->chunk_records = chunk.records;
	return 0;
}

static void check_message_index(struct verify *verify, struct view content)
{
	uint16_t channel_id = (uint16_t)view_get(&content, 2);
	struct view entries = view_read_string(&content);

	if (content.failed || entries.size_bytes % 16) {
		verify_problem(verify, verify->offset, "a message index that cannot be parsed");
		return;
	}
	if (verify->chunk_count > 0) {
		struct chunk_state *chunk = &verify->chunks[verify->chunk_count - 1];
		const struct index_state index = {verify->offset, channel_id};

		chunk->index_length += MCAP_RECORD_HEADER_BYTES + 6 + entries.size_bytes;
		buf_put(&verify->indexes, &index, sizeof(index));
		chunk->index_count += !verify->indexes.failed;
	}
	while (entries.size_bytes > 0 && verify->chunk_records.data) {
		uint64_t time = view_get(&entries, 8), offset = view_get(&entries, 8);
		struct view rest = verify->chunk_records;
		struct mcap_record record;
		struct mcap_message message;

		view_read_bytes(&rest, offset);
		if (rest.failed || mcap_next_record(&rest, &record) <= 0 ||
			record.opcode != MCAP_MESSAGE ||
			mcap_parse_message(record.content, &message) < 0 ||
			message.channel_id != channel_id || message.log_time != time) {
			verify_problem(verify, verify->offset,
				"a message index that does not agree with its chunk");
			return;
		}
		verify->chunk_indexed++;
	}
}

static void note_aux_record(struct verify *verify, const struct mcap_record *record)
{
	const struct aux_record_state aux_record = {verify->offset,
		MCAP_RECORD_HEADER_BYTES + record->content.size_bytes, record->opcode, false};

	buf_put(&verify->aux_records, &aux_record, sizeof(aux_record));
}

static void check_attachment(struct verify *verify, const struct mcap_record *record)
{
	struct mcap_attachment attachment;

	note_aux_record(verify, record);
	if (mcap_parse_attachment(record->content, &attachment) < 0)
		verify_problem(verify, verify->offset,
			"an attachment that cannot be parsed, or whose CRC is wrong");
}

static void check_identity(struct verify *verify, struct view pairs)
{
	char *uuid = verify->result.session_uuid, found[33];

	if (!mcap_find_pair(pairs, "session_uuid", found, sizeof(found)) ||
		!identity_id_is_valid(found))
		verify_problem(verify, verify->offset, "a session_uuid that is not 32 hex digits");
	else if (*uuid && strcmp(uuid, found) != 0)
		verify_problem(verify, verify->offset, "a second session_uuid");
	else
		memcpy(uuid, found, sizeof(found));
}

static void check_metadata(struct verify *verify, const struct mcap_record *record)
{
	struct mcap_metadata metadata;

	note_aux_record(verify, record);
	if (mcap_parse_metadata(record->content, &metadata) < 0) {
		verify_problem(verify, verify->offset, "metadata that cannot be parsed");
		return;
	}
	verify->continues |= mcap_string_is(metadata.name, SESSION_SEGMENT_METADATA);
	if (mcap_string_is(metadata.name, SESSION_IDENTITY_METADATA))
		check_identity(verify, metadata.pairs);
	check_map(verify, metadata.pairs);
}

static int check_record(struct verify *verify, const struct mcap_record *record)
{
	int r = 0;

	switch (record->opcode) {
	case MCAP_SCHEMA: check_schema(verify, record->content); break;
	case MCAP_CHANNEL: check_channel(verify, record->content); break;
	case MCAP_CHUNK: r = check_chunk(verify, record->content); break;
	case MCAP_MESSAGE_INDEX: check_message_index(verify, record->content); break;
	case MCAP_MESSAGE: check_message(verify, NULL, record->content); break;
	case MCAP_METADATA: check_metadata(verify, record); break;
	case MCAP_ATTACHMENT: check_attachment(verify, record); break;
	case MCAP_DATA_END: check_chunk_was_indexed(verify); break;
	case 0: verify_problem(verify, verify->offset, "a record with the invalid opcode 0"); break;
	default: break;
	}
	return r < 0 ? r : verify_check_summary(verify, record);
}

/* @return 1 to go on, 0 at the end of readable data, or a negative errno */
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
		verify_problem(verify, verify->offset,
			"the file is truncated: %llu bytes of a torn record",
			(unsigned long long)(size_bytes - verify->offset));
		return 0;
	}
	if (length > READER_CHUNK_LIMIT_BYTES) {
		verify_problem(verify, verify->offset, "a record that exceeds the size limit");
		return 0;
	}
	data = malloc(sizeof(head) + length);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(verify->fd, data, sizeof(head) + length, (off_t)verify->offset);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n < sizeof(head) + length)
		return -EIO; /* truncated while being read */
	record.opcode = head[0];
	record.content = (struct view){data + sizeof(head), length, 0};
	r = check_record(verify, &record);
	if (r < 0)
		return r;
	if (verify->summary_start == 0)
		verify->data_crc = mcap_crc(verify->data_crc, data, sizeof(head) + length);
	if (record.opcode == MCAP_CHUNK) {
		free(verify->chunk_data); /* the message indexes that follow need the new one */
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
	if (buf_error(&verify->indexes) < 0 || buf_error(&verify->aux_records) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	verify->result.bytes = verify->offset;
	if (!verify->result.finished) {
		if (verify->offset == size_bytes)
			verify_problem(verify, verify->offset,
				"the file was not ended: summary and footer are missing");
		return 0;
	}
	n = io_pread_full(verify->fd, magic, sizeof(magic), (off_t)verify->offset);
	if (n != sizeof(magic) || memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		verify_problem(verify, verify->offset, "the closing mark is missing");
	else if (verify->offset + sizeof(magic) != size_bytes)
		verify_problem(verify, verify->offset, "there are bytes after the end");
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
		r = error_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; verify.schemas && i < 65536; i++)
		free(verify.schemas[i]);
	free(verify.schemas);
	free(verify.channels);
	free(verify.chunks);
	free(verify.chunk_data);
	buf_finish(&verify.expanded);
	buf_finish(&verify.indexes);
	buf_finish(&verify.aux_records);
	*ret = verify.result;
	return r < 0 ? r : verify.result.problems == 0;
}
