#include "protocol/writer.h"

#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/base/io.h"
#include "protocol/schema.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* The profile's name and version are described in FORMAT.md. */
#define PROFILE "uxrec.v1"
#define LIBRARY "uxrec " UXREC_VERSION

struct index_entry {
	uint64_t log_time;
	uint64_t offset; /* in the chunk's records */
};

/* the messages of one channel in the open chunk */
struct channel_index {
	struct buf entries; /* of struct index_entry */
};

struct open_chunk {
	struct buf records;
	struct channel_index channels[CHANNEL_END];
	uint64_t start_time, end_time;
};

struct session_writer {
	int fd;
	off_t offset;      /* the end of what is whole in the file */
	uint32_t data_crc; /* of the data section up to there */
	bool finished;
	struct open_chunk open[MODALITY_COUNT];
	int64_t group_start_ns, group_end_ns; /* of all open chunks together */
	size_t group_bytes;
	struct buf
		declarations; /* schemas and channels, once for the data and once for the summary */
	struct buf chunk_indexes; /* of the summary */
	uint32_t chunk_count;
	uint16_t schema_count;
	uint64_t start_time, end_time;
	struct session_writer_totals totals;
};

/* Write at the end, or leave the file as it was. */
static int writer_put(struct session_writer *writer, const struct buf *buf)
{
	int r = buf_error(buf);

	if (r == 0)
		r = io_pwrite_all(writer->fd, buf->data, buf->size_bytes, writer->offset);
	if (r < 0) {
		if (ftruncate(writer->fd, writer->offset) < 0)
			return r; /* the reader stops at the torn chunk */
		return r;
	}
	writer->offset += (off_t)buf->size_bytes;
	writer->data_crc = mcap_crc(writer->data_crc, buf->data, buf->size_bytes);
	return 0;
}

static int declare_channels(struct session_writer *writer)
{
	struct buf *out = &writer->declarations;

	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		const struct channel_kind *kind = channel_kind_get(id);
		struct view descriptors = schema_descriptors(kind->schema);

		/* every channel has a message type of its own: the schema has the channel's id */
		assert(descriptors.size_bytes > 0);
		mcap_put_schema(out, id, kind->schema, descriptors.data, descriptors.size_bytes);
		mcap_put_channel(out, id, id, kind->topic, modality_name(kind->modality));
		writer->schema_count++;
	}
	return buf_error(out);
}

int session_writer_create(struct session_writer **ret, int fd)
{
	_destroy_(session_writer) struct session_writer *writer = calloc(1, sizeof(*writer));
	_cleanup_(buf_finish) struct buf head = {0};
	int r;

	if (!writer)
		return -ENOMEM;
	writer->fd = -1;
	writer->start_time = UINT64_MAX;
	r = declare_channels(writer);
	if (r < 0)
		return r;
	buf_put(&head, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&head, PROFILE, LIBRARY);
	buf_put(&head, writer->declarations.data, writer->declarations.size_bytes);
	writer->fd = fd;
	r = writer_put(writer, &head);
	if (r < 0) {
		writer->fd = -1;
		return r;
	}
	writer->totals.bytes = (uint64_t)writer->offset;
	*ret = steal_ptr(writer);
	return 0;
}

static size_t put_message_indexes(
	const struct open_chunk *chunk, struct buf *out, struct buf *offsets, uint64_t chunk_offset)
{
	size_t begin = out->size_bytes;

	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		const struct buf *entries = &chunk->channels[id].entries;
		size_t record;

		if (entries->size_bytes == 0)
			continue;
		buf_put_u16(offsets, id);
		buf_put_u64(offsets, chunk_offset + out->size_bytes);
		record = mcap_begin(out, MCAP_MESSAGE_INDEX);
		buf_put_u16(out, id);
		buf_put_u32(out, (uint32_t)entries->size_bytes);
		for (size_t i = 0; i < entries->size_bytes / sizeof(struct index_entry); i++) {
			const struct index_entry *entry = (const void *)entries->data;

			buf_put_u64(out, entry[i].log_time);
			buf_put_u64(out, entry[i].offset);
		}
		mcap_end(out, record);
	}
	return out->size_bytes - begin;
}

static void put_chunk_index(struct session_writer *writer, const struct open_chunk *chunk,
	size_t chunk_bytes, const struct buf *offsets, size_t index_bytes)
{
	struct buf *out = &writer->chunk_indexes;
	size_t begin = mcap_begin(out, MCAP_CHUNK_INDEX);

	buf_put_u64(out, chunk->start_time);
	buf_put_u64(out, chunk->end_time);
	buf_put_u64(out, (uint64_t)writer->offset);
	buf_put_u64(out, chunk_bytes);
	buf_put_u32(out, (uint32_t)offsets->size_bytes);
	buf_put(out, offsets->data, offsets->size_bytes);
	buf_put_u64(out, index_bytes);
	buf_put_string(out, "");
	buf_put_u64(out, chunk->records.size_bytes);
	buf_put_u64(out, chunk->records.size_bytes);
	mcap_end(out, begin);
}

static void open_chunk_clear(struct open_chunk *chunk)
{
	buf_clear(&chunk->records);
	for (size_t id = 0; id < CHANNEL_END; id++)
		buf_clear(&chunk->channels[id].entries);
}

static int write_chunk(struct session_writer *writer, struct open_chunk *chunk)
{
	_cleanup_(buf_finish) struct buf out = {0}, offsets = {0};
	size_t begin, chunk_bytes, index_bytes, indexes_before = writer->chunk_indexes.size_bytes;
	int r;

	begin = mcap_begin(&out, MCAP_CHUNK);
	buf_put_u64(&out, chunk->start_time);
	buf_put_u64(&out, chunk->end_time);
	buf_put_u64(&out, chunk->records.size_bytes);
	buf_put_u32(&out, mcap_crc(0, chunk->records.data, chunk->records.size_bytes));
	buf_put_string(&out, "");
	buf_put_u64(&out, chunk->records.size_bytes);
	buf_put(&out, chunk->records.data, chunk->records.size_bytes);
	mcap_end(&out, begin);
	chunk_bytes = out.size_bytes;
	index_bytes = put_message_indexes(chunk, &out, &offsets, (uint64_t)writer->offset);
	put_chunk_index(writer, chunk, chunk_bytes, &offsets, index_bytes);
	r = buf_error(&offsets) < 0 ? -ENOMEM : buf_error(&writer->chunk_indexes);
	if (r == 0)
		r = writer_put(writer, &out);
	if (r < 0) {
		writer->chunk_indexes.size_bytes = indexes_before;
		return r;
	}
	writer->chunk_count++;
	writer->totals.bytes = (uint64_t)writer->offset;
	open_chunk_clear(chunk);
	return 0;
}

int session_writer_flush(struct session_writer *writer)
{
	int r = 0;

	/* input and tags before pictures: when the disk fills here, the small and dear are safe */
	static const enum modality order[] = {MODALITY_SESSION, MODALITY_INPUT, MODALITY_SCREEN};

	for (size_t i = 0; i < ARRAY_SIZE(order) && r == 0; i++) {
		struct open_chunk *chunk = &writer->open[order[i]];

		if (chunk->records.size_bytes > 0)
			r = write_chunk(writer, chunk);
	}
	if (r == 0)
		writer->group_bytes = 0;
	return r;
}

static bool group_is_full(const struct session_writer *writer, const struct packet *packet)
{
	int64_t start = writer->group_start_ns, end = writer->group_end_ns;

	if (writer->group_bytes == 0)
		return false;
	if (packet->time_ns < start)
		start = packet->time_ns;
	if (packet->time_ns > end)
		end = packet->time_ns;
	return end - start >= SESSION_CHUNK_SPAN_NS ||
		writer->group_bytes + packet->size_bytes > SESSION_CHUNK_BYTES;
}

static int chunk_add(struct open_chunk *chunk, const struct packet *packet)
{
	uint64_t log_time = (uint64_t)packet->time_ns;
	struct index_entry entry = {log_time, chunk->records.size_bytes};

	if (chunk->records.size_bytes == 0)
		chunk->start_time = chunk->end_time = log_time;
	if (log_time < chunk->start_time)
		chunk->start_time = log_time;
	if (log_time > chunk->end_time)
		chunk->end_time = log_time;
	if (!buf_reserve(&chunk->records, packet->size_bytes))
		return -ENOMEM;
	buf_put(&chunk->channels[packet->channel].entries, &entry, sizeof(entry));
	if (buf_error(&chunk->channels[packet->channel].entries) < 0)
		return -ENOMEM;
	buf_put(&chunk->records, packet->record, packet->size_bytes);
	return 0;
}

int session_writer_append(struct session_writer *writer, const struct packet *packet)
{
	const struct channel_kind *kind = channel_kind_get(packet->channel);
	int r;

	assert(kind && !writer->finished);
	if (group_is_full(writer, packet)) {
		r = session_writer_flush(writer);
		if (r < 0)
			return r;
	}
	r = chunk_add(&writer->open[kind->modality], packet);
	if (r < 0)
		return r;
	if (writer->group_bytes == 0)
		writer->group_start_ns = writer->group_end_ns = packet->time_ns;
	if (packet->time_ns < writer->group_start_ns)
		writer->group_start_ns = packet->time_ns;
	if (packet->time_ns > writer->group_end_ns)
		writer->group_end_ns = packet->time_ns;
	writer->group_bytes += packet->size_bytes;
	if ((uint64_t)packet->time_ns < writer->start_time)
		writer->start_time = (uint64_t)packet->time_ns;
	if ((uint64_t)packet->time_ns > writer->end_time)
		writer->end_time = (uint64_t)packet->time_ns;
	writer->totals.messages[packet->channel]++;
	writer->totals.gaps += packet->channel == CHANNEL_GAPS;
	/* a session that has just begun can be opened: it says at once what it is about */
	return packet->channel == CHANNEL_STUDY ? session_writer_flush(writer) : 0;
}

static void put_statistics(const struct session_writer *writer, struct buf *out)
{
	size_t begin = mcap_begin(out, MCAP_STATISTICS);
	uint64_t messages = 0;
	uint32_t used = 0;

	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		messages += writer->totals.messages[id];
		used += writer->totals.messages[id] > 0;
	}
	buf_put_u64(out, messages);
	buf_put_u16(out, writer->schema_count);
	buf_put_u32(out, CHANNEL_END - 1);
	buf_put_u32(out, 0); /* attachments */
	buf_put_u32(out, 0); /* metadata */
	buf_put_u32(out, writer->chunk_count);
	buf_put_u64(out, messages ? writer->start_time : 0);
	buf_put_u64(out, writer->end_time);
	buf_put_u32(out, used * 10);
	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		if (writer->totals.messages[id] == 0)
			continue;
		buf_put_u16(out, id);
		buf_put_u64(out, writer->totals.messages[id]);
	}
	mcap_end(out, begin);
}

static void put_summary_offset(
	struct buf *out, uint8_t opcode, uint64_t group_start, uint64_t group_length)
{
	size_t begin;

	if (group_length == 0)
		return;
	begin = mcap_begin(out, MCAP_SUMMARY_OFFSET);
	buf_put_u8(out, opcode);
	buf_put_u64(out, group_start);
	buf_put_u64(out, group_length);
	mcap_end(out, begin);
}

/* Schemas and channels take turns in the data section; the summary wants them in groups. */
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

static void put_summary(const struct session_writer *writer, struct buf *out, uint64_t start,
	uint64_t *ret_offset_start)
{
	size_t channels, statistics, chunks, end;

	put_declaration_group(writer, out, MCAP_SCHEMA);
	channels = out->size_bytes;
	put_declaration_group(writer, out, MCAP_CHANNEL);
	statistics = out->size_bytes;
	put_statistics(writer, out);
	chunks = out->size_bytes;
	buf_put(out, writer->chunk_indexes.data, writer->chunk_indexes.size_bytes);
	end = out->size_bytes;
	*ret_offset_start = start + end;
	put_summary_offset(out, MCAP_SCHEMA, start, channels);
	put_summary_offset(out, MCAP_CHANNEL, start + channels, statistics - channels);
	put_summary_offset(out, MCAP_STATISTICS, start + statistics, chunks - statistics);
	put_summary_offset(out, MCAP_CHUNK_INDEX, start + chunks, end - chunks);
}

int session_writer_finish(struct session_writer *writer)
{
	_cleanup_(buf_finish) struct buf data_end = {0}, summary = {0}, footer = {0}, all = {0};
	uint64_t summary_start, offset_start;
	int r;

	r = session_writer_flush(writer);
	if (r < 0)
		return r;
	mcap_put_data_end(&data_end, writer->data_crc);
	summary_start = (uint64_t)writer->offset + data_end.size_bytes;
	put_summary(writer, &summary, summary_start, &offset_start);
	mcap_put_footer(&footer, (struct view){summary.data, summary.size_bytes, 0}, summary_start,
		offset_start);
	if (buf_error(&data_end) < 0 || buf_error(&summary) < 0 || buf_error(&footer) < 0)
		return -ENOMEM;
	buf_put(&all, data_end.data, data_end.size_bytes);
	buf_put(&all, summary.data, summary.size_bytes);
	buf_put(&all, footer.data, footer.size_bytes);
	r = writer_put(writer, &all);
	if (r < 0)
		return r;
	writer->finished = true;
	writer->totals.bytes = (uint64_t)writer->offset;
	return 0;
}

int session_writer_fd(const struct session_writer *writer)
{
	return writer->fd;
}

struct session_writer_totals session_writer_get_totals(const struct session_writer *writer)
{
	return writer->totals;
}

void session_writer_destroy(struct session_writer *writer)
{
	if (!writer)
		return;
	for (size_t m = 0; m < MODALITY_COUNT; m++) {
		buf_finish(&writer->open[m].records);
		for (size_t id = 0; id < CHANNEL_END; id++)
			buf_finish(&writer->open[m].channels[id].entries);
	}
	buf_finish(&writer->declarations);
	buf_finish(&writer->chunk_indexes);
	if (writer->fd >= 0)
		close(writer->fd);
	free(writer);
}
