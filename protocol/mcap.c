#include "protocol/mcap.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>

void mcap_store_record_header(unsigned char *at, uint8_t opcode, size_t record_bytes)
{
	at[0] = opcode;
	le_store(at + 1, record_bytes - MCAP_RECORD_HEADER_BYTES, 8);
}

void mcap_store_message_header(unsigned char *at, const struct mcap_message *message)
{
	le_store(at, message->channel_id, 2);
	le_store(at + 2, message->sequence, 4);
	le_store(at + 6, message->log_time, 8);
	le_store(at + 14, message->publish_time, 8);
}

size_t mcap_begin(struct buf *buf, uint8_t opcode)
{
	size_t begin = buf->size_bytes;

	buf_put_u8(buf, opcode);
	buf_put_u64(buf, 0);
	return begin;
}

void mcap_end(struct buf *buf, size_t begin)
{
	if (!buf->failed)
		le_store(buf->data + begin + 1, buf->size_bytes - begin - MCAP_RECORD_HEADER_BYTES,
			8);
}

void mcap_put_header(struct buf *buf, const char *profile, const char *library)
{
	size_t begin = mcap_begin(buf, MCAP_HEADER);

	buf_put_string(buf, profile);
	buf_put_string(buf, library);
	mcap_end(buf, begin);
}

static void put_view(struct buf *buf, struct view view)
{
	buf_put_u32(buf, (uint32_t)view.size_bytes);
	buf_put(buf, view.data, view.size_bytes);
}

void mcap_put_schema(struct buf *buf, const struct mcap_schema *schema)
{
	size_t begin = mcap_begin(buf, MCAP_SCHEMA);

	buf_put_u16(buf, schema->id);
	put_view(buf, schema->name);
	put_view(buf, schema->encoding);
	put_view(buf, schema->data);
	mcap_end(buf, begin);
}

void mcap_put_channel(struct buf *buf, const struct mcap_channel *channel)
{
	size_t begin = mcap_begin(buf, MCAP_CHANNEL);

	buf_put_u16(buf, channel->id);
	buf_put_u16(buf, channel->schema_id);
	put_view(buf, channel->topic);
	put_view(buf, channel->message_encoding);
	put_view(buf, channel->metadata);
	mcap_end(buf, begin);
}

void mcap_put_metadata(struct buf *buf, const struct mcap_metadata *metadata)
{
	size_t begin = mcap_begin(buf, MCAP_METADATA);

	put_view(buf, metadata->name);
	put_view(buf, metadata->pairs);
	mcap_end(buf, begin);
}

void mcap_put_attachment(struct buf *buf, const struct mcap_attachment *attachment)
{
	size_t begin = mcap_begin(buf, MCAP_ATTACHMENT);

	buf_put_u64(buf, attachment->log_time);
	buf_put_u64(buf, attachment->create_time);
	put_view(buf, attachment->name);
	put_view(buf, attachment->media_type);
	buf_put_u64(buf, attachment->data.size_bytes);
	buf_put(buf, attachment->data.data, attachment->data.size_bytes);
	if (!buf->failed)
		buf_put_u32(buf,
			mcap_crc(0, buf->data + begin + MCAP_RECORD_HEADER_BYTES,
				buf->size_bytes - begin - MCAP_RECORD_HEADER_BYTES));
	mcap_end(buf, begin);
}

void mcap_put_data_end(struct buf *buf, uint32_t data_crc)
{
	size_t begin = mcap_begin(buf, MCAP_DATA_END);

	buf_put_u32(buf, data_crc);
	mcap_end(buf, begin);
}

void mcap_put_footer(
	struct buf *buf, struct view summary, uint64_t summary_start, uint64_t summary_offset_start)
{
	size_t begin = mcap_begin(buf, MCAP_FOOTER);
	uint32_t crc = mcap_crc(0, summary.data, summary.size_bytes);

	buf_put_u64(buf, summary_start);
	buf_put_u64(buf, summary_offset_start);
	mcap_end(buf, begin);
	if (buf->failed)
		return;
	le_store(buf->data + begin + 1, MCAP_FOOTER_BYTES, 8);
	crc = mcap_crc(crc, buf->data + begin, buf->size_bytes - begin);
	buf_put_u32(buf, crc);
	buf_put(buf, MCAP_MAGIC, MCAP_MAGIC_BYTES);
}

int mcap_next_record(struct view *view, struct mcap_record *ret)
{
	struct view rest = *view;
	struct mcap_record record;

	if (rest.size_bytes == 0)
		return 0;
	record.opcode = (uint8_t)view_get(&rest, 1);
	record.content = view_read_bytes(&rest, view_get(&rest, 8));
	if (rest.failed)
		return -EBADMSG;
	*view = rest;
	*ret = record;
	return 1;
}

int mcap_parse_message(struct view content, struct mcap_message *ret)
{
	*ret = (struct mcap_message){
		.channel_id = (uint16_t)view_get(&content, 2),
	};
	ret->sequence = (uint32_t)view_get(&content, 4);
	ret->log_time = view_get(&content, 8);
	ret->publish_time = view_get(&content, 8);
	ret->data = content;
	return content.failed ? -EBADMSG : 0;
}

int mcap_parse_schema(struct view content, struct mcap_schema *ret)
{
	ret->id = (uint16_t)view_get(&content, 2);
	ret->name = view_read_string(&content);
	ret->encoding = view_read_string(&content);
	ret->data = view_read_string(&content);
	return content.failed || ret->id == 0 ? -EBADMSG : 0;
}

int mcap_parse_channel(struct view content, struct mcap_channel *ret)
{
	ret->id = (uint16_t)view_get(&content, 2);
	ret->schema_id = (uint16_t)view_get(&content, 2);
	ret->topic = view_read_string(&content);
	ret->message_encoding = view_read_string(&content);
	ret->metadata = view_read_string(&content);
	return content.failed ? -EBADMSG : 0;
}

int mcap_parse_chunk(struct view content, struct mcap_chunk *ret)
{
	ret->start_time = view_get(&content, 8);
	ret->end_time = view_get(&content, 8);
	ret->uncompressed_size = view_get(&content, 8);
	ret->uncompressed_crc = (uint32_t)view_get(&content, 4);
	ret->compression = view_read_string(&content);
	ret->records = view_read_bytes(&content, view_get(&content, 8));
	return content.failed ? -EBADMSG : 0;
}

int mcap_parse_chunk_index(struct view content, struct mcap_chunk_index *ret)
{
	ret->start_time = view_get(&content, 8);
	ret->end_time = view_get(&content, 8);
	ret->chunk_offset = view_get(&content, 8);
	ret->chunk_length = view_get(&content, 8);
	ret->message_index_offsets = view_read_string(&content);
	ret->message_index_length = view_get(&content, 8);
	ret->compression = view_read_string(&content);
	ret->compressed_size = view_get(&content, 8);
	ret->uncompressed_size = view_get(&content, 8);
	return content.failed || ret->message_index_offsets.size_bytes % 10 ? -EBADMSG : 0;
}

int mcap_parse_metadata(struct view content, struct mcap_metadata *ret)
{
	ret->name = view_read_string(&content);
	ret->pairs = view_read_string(&content);
	return content.failed ? -EBADMSG : 0;
}

bool mcap_find_pair(struct view pairs, const char *key, char *ret, size_t size_bytes)
{
	while (pairs.size_bytes > 0 && !pairs.failed) {
		struct view name = view_read_string(&pairs), value = view_read_string(&pairs);

		if (pairs.failed || !mcap_string_is(name, key) || value.size_bytes >= size_bytes)
			continue;
		snprintf(ret, size_bytes, "%.*s", (int)value.size_bytes, (const char *)value.data);
		return true;
	}
	return false;
}

int mcap_parse_attachment(struct view content, struct mcap_attachment *ret)
{
	struct view whole = content;
	uint32_t crc;

	ret->log_time = view_get(&content, 8);
	ret->create_time = view_get(&content, 8);
	ret->name = view_read_string(&content);
	ret->media_type = view_read_string(&content);
	ret->data = view_read_bytes(&content, view_get(&content, 8));
	whole.size_bytes -= content.size_bytes;
	crc = (uint32_t)view_get(&content, 4);
	if (content.failed)
		return -EBADMSG;
	return crc && crc != mcap_crc(0, whole.data, whole.size_bytes) ? -EBADMSG : 0;
}

int mcap_parse_footer(struct view content, struct mcap_footer *ret)
{
	ret->summary_start = view_get(&content, 8);
	ret->summary_offset_start = view_get(&content, 8);
	ret->summary_crc = (uint32_t)view_get(&content, 4);
	return content.failed ? -EBADMSG : 0;
}

int mcap_parse_statistics(struct view content, struct mcap_statistics *ret)
{
	ret->message_count = view_get(&content, 8);
	ret->schema_count = (uint16_t)view_get(&content, 2);
	ret->channel_count = (uint32_t)view_get(&content, 4);
	ret->attachment_count = (uint32_t)view_get(&content, 4);
	ret->metadata_count = (uint32_t)view_get(&content, 4);
	ret->chunk_count = (uint32_t)view_get(&content, 4);
	ret->start_time = view_get(&content, 8);
	ret->end_time = view_get(&content, 8);
	ret->channel_counts = view_read_string(&content);
	return content.failed || ret->channel_counts.size_bytes % 10 ? -EBADMSG : 0;
}

uint32_t mcap_crc(uint32_t crc, const void *data, size_t size_bytes)
{
	return libdeflate_crc32(crc, data, size_bytes);
}

bool mcap_string_is(struct view view, const char *text)
{
	return view.size_bytes == strlen(text) && memcmp(view.data, text, view.size_bytes) == 0;
}
