#include "protocol/acts/act_reader.h"

#include "protocol/base/cleanup.h"
#include "protocol/channel.h"
#include "protocol/compress.h"
#include "protocol/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DATA_END_BYTES 4

static bool has_bit(const unsigned char *bits, uint16_t id)
{
	return bits[id >> 3] >> (id & 7) & 1;
}

static void set_bit(unsigned char *bits, uint16_t id)
{
	bits[id >> 3] |= (unsigned char)(1u << (id & 7));
}

/* The first declaration of an id counts. */
static void parse_schema(struct act_reader *reader, uint64_t offset, struct view content)
{
	struct mcap_schema schema;

	if (mcap_parse_schema(content, &schema) < 0) {
		reader->on_damage(reader->user, offset, "a schema that cannot be parsed");
		return;
	}
	if (!has_bit(reader->schemas, schema.id) &&
		mcap_string_is(schema.name, channel_kind_get(CHANNEL_ACTS)->schema))
		set_bit(reader->act_schemas, schema.id);
	set_bit(reader->schemas, schema.id);
}

static void parse_channel(struct act_reader *reader, uint64_t offset, struct view content)
{
	struct mcap_channel channel;

	if (mcap_parse_channel(content, &channel) < 0) {
		reader->on_damage(reader->user, offset, "a channel that cannot be parsed");
		return;
	}
	if (!has_bit(reader->channels, channel.id) &&
		has_bit(reader->act_schemas, channel.schema_id) &&
		mcap_string_is(channel.topic, channel_kind_get(CHANNEL_ACTS)->topic)) {
		set_bit(reader->act_channels, channel.id);
		if (!reader->has_channel)
			reader->channel = channel.id;
		reader->has_channel = true;
	}
	set_bit(reader->channels, channel.id);
}

static int parse_message(struct act_reader *reader, uint64_t offset, struct view content)
{
	struct mcap_message message;

	if (mcap_parse_message(content, &message) < 0) {
		reader->on_damage(reader->user, offset, "a message that is too short");
		return 0;
	}
	if (has_bit(reader->channels, message.channel_id) &&
		!has_bit(reader->act_channels, message.channel_id))
		return 0;
	if (message.data.size_bytes > ACT_LIMIT_BYTES) {
		reader->on_damage(reader->user, offset, "an act that is larger than 64 KiB");
		return 0;
	}
	return reader->on_act(reader->user, offset, &message);
}

/*
 * Expand a chunk's records.
 *
 * @param ret_data  set when they were compressed; freed by the caller
 * @return the reason for a failure, or NULL
 */
static const char *expand(
	struct act_reader *reader, struct mcap_chunk *chunk, unsigned char **ret_data, int *ret_r)
{
	int compression = compression_find(chunk->compression);

	*ret_r = 0;
	if (compression < 0)
		return "a chunk whose compression this program does not read";
	if (compression == COMPRESSION_NONE)
		return chunk->uncompressed_size == chunk->records.size_bytes
			? NULL
			: "a chunk that does not have the size it declares";
	if (chunk->uncompressed_size > READER_CHUNK_LIMIT_BYTES)
		return "a chunk that is larger than 64 MiB";
	if (chunk->uncompressed_size > ANNOTATIONS_LIMIT_BYTES - reader->expanded_bytes)
		return "a chunk of a file whose chunks are together larger than 256 MiB";
	reader->expanded_bytes += chunk->uncompressed_size;
	*ret_data = malloc(chunk->uncompressed_size + 1);
	if (!*ret_data)
		*ret_r = -ENOMEM;
	else
		*ret_r = compress_expand((enum compression)compression, chunk->records, *ret_data,
			chunk->uncompressed_size);
	if (*ret_r < 0)
		return "a chunk that cannot be expanded";
	chunk->records = (struct view){*ret_data, chunk->uncompressed_size, 0};
	return NULL;
}

static int parse_record(
	struct act_reader *reader, uint64_t offset, const struct mcap_record *record)
{
	switch (record->opcode) {
	case MCAP_SCHEMA: parse_schema(reader, offset, record->content); return 0;
	case MCAP_CHANNEL: parse_channel(reader, offset, record->content); return 0;
	case MCAP_MESSAGE: return parse_message(reader, offset, record->content);
	default: return 0;
	}
}

static int parse_chunk(struct act_reader *reader, uint64_t offset, struct view content)
{
	_autofree_ unsigned char *expanded = NULL;
	struct mcap_chunk chunk;
	struct mcap_record record;
	const char *reason = NULL;
	int r = 0;

	if (mcap_parse_chunk(content, &chunk) < 0)
		reason = "a chunk that is too short for what it declares";
	else
		reason = expand(reader, &chunk, &expanded, &r);
	if (r == -ENOMEM)
		return r;
	if (!reason && chunk.uncompressed_crc &&
		chunk.uncompressed_crc != mcap_crc(0, chunk.records.data, chunk.records.size_bytes))
		reason = "a chunk whose CRC is wrong";
	if (reason) {
		reader->on_damage(reader->user, offset, reason);
		return 0;
	}
	while ((r = mcap_next_record(&chunk.records, &record)) > 0) {
		r = parse_record(reader, offset, &record);
		if (r < 0)
			return r;
	}
	if (r < 0)
		reader->on_damage(
			reader->user, offset, "a record in a chunk that is longer than the chunk");
	return 0;
}

int act_reader_read(
	struct act_reader *reader, struct view records, uint64_t offset, size_t *ret_left)
{
	size_t size_bytes = records.size_bytes;
	struct mcap_record record;
	int r = 0;

	while (r == 0) {
		uint64_t at = offset + size_bytes - records.size_bytes;

		*ret_left = records.size_bytes;
		/* a power cut may leave zeros in place of a record */
		if (mcap_next_record(&records, &record) <= 0 || record.opcode == 0)
			break;
		if (record.opcode == MCAP_FOOTER ||
			(record.opcode == MCAP_DATA_END &&
				record.content.size_bytes >= DATA_END_BYTES))
			return 1;
		r = record.opcode == MCAP_CHUNK ? parse_chunk(reader, at, record.content)
						: parse_record(reader, at, &record);
	}
	return r;
}

uint16_t act_reader_free_id(const struct act_reader *reader)
{
	for (unsigned id = 1; id <= UINT16_MAX; id++)
		if (!has_bit(reader->schemas, (uint16_t)id) &&
			!has_bit(reader->channels, (uint16_t)id))
			return (uint16_t)id;
	return 0;
}
