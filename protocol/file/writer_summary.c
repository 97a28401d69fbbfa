#include "protocol/file/writer_internal.h"

#include "protocol/mcap.h"

static void put_statistics(const struct session_writer *writer, struct buf *out)
{
	size_t begin = mcap_begin(out, MCAP_STATISTICS);
	uint32_t used = 0;

	for (size_t c = 0; c < writer->channel_count; c++)
		used += writer->channels[c].messages > 0;
	buf_put_u64(out, writer->messages);
	buf_put_u16(out, writer->schema_count);
	buf_put_u32(out, (uint32_t)writer->channel_count);
	buf_put_u32(out, writer->attachment_count);
	buf_put_u32(out, writer->metadata_count);
	buf_put_u32(out, writer->chunk_count);
	buf_put_u64(out, writer->messages ? writer->start_time : 0);
	buf_put_u64(out, writer->end_time);
	buf_put_u32(out, used * 10);
	for (size_t c = 0; c < writer->channel_count; c++) {
		if (writer->channels[c].messages == 0)
			continue;
		buf_put_u16(out, writer->channels[c].id);
		buf_put_u64(out, writer->channels[c].messages);
	}
	mcap_end(out, begin);
}

/* Schemas and channels alternate in the data section; the summary requires them in groups. */
static void put_declaration_group(
	const struct session_writer *writer, struct buf *out, enum mcap_opcode opcode)
{
	struct view rest = {writer->declarations.data, writer->declarations.size_bytes, 0};
	struct mcap_record record;

	while (mcap_next_record(&rest, &record) > 0)
		if (record.opcode == opcode)
			buf_put(out, record.content.data - MCAP_RECORD_HEADER_BYTES,
				record.content.size_bytes + MCAP_RECORD_HEADER_BYTES);
}

static void put_buf(struct buf *out, const struct buf *from)
{
	buf_put(out, from->data, from->size_bytes);
}

void writer_put_summary(const struct session_writer *writer, struct buf *out, uint64_t start,
	uint64_t *ret_offset_start)
{
	static const enum mcap_opcode groups[] = {MCAP_SCHEMA, MCAP_CHANNEL, MCAP_STATISTICS,
		MCAP_CHUNK_INDEX, MCAP_ATTACHMENT_INDEX, MCAP_METADATA_INDEX};
	size_t begin[ARRAY_SIZE(groups) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		begin[i] = out->size_bytes;
		switch (groups[i]) {
		case MCAP_STATISTICS: put_statistics(writer, out); break;
		case MCAP_CHUNK_INDEX: put_buf(out, &writer->chunk_indexes); break;
		case MCAP_ATTACHMENT_INDEX: put_buf(out, &writer->attachment_indexes); break;
		case MCAP_METADATA_INDEX: put_buf(out, &writer->metadata_indexes); break;
		default: put_declaration_group(writer, out, groups[i]);
		}
	}
	begin[ARRAY_SIZE(groups)] = out->size_bytes;
	*ret_offset_start = start + out->size_bytes;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		size_t record;

		if (begin[i] == begin[i + 1])
			continue;
		record = mcap_begin(out, MCAP_SUMMARY_OFFSET);
		buf_put_u8(out, (uint8_t)groups[i]);
		buf_put_u64(out, start + begin[i]);
		buf_put_u64(out, begin[i + 1] - begin[i]);
		mcap_end(out, record);
	}
}
