/* Metadata and attachments: records between the chunks, each with an index in the summary. */

#include "protocol/file/writer_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/mcap.h"

#include <errno.h>

/* a record between chunks, and its index record: offset, length, and the rest in `tail` */
struct aux_record {
	struct buf record, tail;
	struct buf *indexes;
	uint32_t *count;
	uint8_t opcode; /* of the index */
};

static void aux_record_finish(struct aux_record *aux_record)
{
	buf_finish(&aux_record->record);
	buf_finish(&aux_record->tail);
}

static int put_aux_record(struct session_writer *writer, const struct aux_record *aux_record)
{
	struct buf *indexes = aux_record->indexes;
	size_t before = indexes->size_bytes, begin;
	int r = session_writer_flush(writer);

	if (r < 0)
		return r;
	begin = mcap_begin(indexes, aux_record->opcode);
	buf_put_u64(indexes, (uint64_t)writer->offset);
	buf_put_u64(indexes, aux_record->record.size_bytes);
	buf_put(indexes, aux_record->tail.data, aux_record->tail.size_bytes);
	mcap_end(indexes, begin);
	r = buf_error(indexes) < 0 || buf_error(&aux_record->tail) < 0
		? -ENOMEM
		: writer_put_buf(writer, &aux_record->record);
	if (r < 0)
		buf_cut(indexes, before);
	else
		++*aux_record->count;
	return r;
}

static void put_string(struct buf *out, struct view text)
{
	buf_put_u32(out, (uint32_t)text.size_bytes);
	buf_put(out, text.data, text.size_bytes);
}

int session_writer_put_metadata(struct session_writer *writer, const struct mcap_metadata *metadata)
{
	_cleanup_(aux_record_finish) struct aux_record aux_record = {
		.indexes = &writer->metadata_indexes,
		.count = &writer->metadata_count,
		.opcode = MCAP_METADATA_INDEX};

	mcap_put_metadata(&aux_record.record, metadata);
	put_string(&aux_record.tail, metadata->name);
	return put_aux_record(writer, &aux_record);
}

int session_writer_put_attachment(
	struct session_writer *writer, const struct mcap_attachment *attachment)
{
	_cleanup_(aux_record_finish) struct aux_record aux_record = {
		.indexes = &writer->attachment_indexes,
		.count = &writer->attachment_count,
		.opcode = MCAP_ATTACHMENT_INDEX};

	mcap_put_attachment(&aux_record.record, attachment);
	buf_put_u64(&aux_record.tail, attachment->log_time);
	buf_put_u64(&aux_record.tail, attachment->create_time);
	buf_put_u64(&aux_record.tail, attachment->data.size_bytes);
	put_string(&aux_record.tail, attachment->name);
	put_string(&aux_record.tail, attachment->media_type);
	return put_aux_record(writer, &aux_record);
}
