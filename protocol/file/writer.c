#include "protocol/file/writer_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/compress.h"
#include "protocol/file/wal.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "protocol/schema.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* The profile's name and version are described in FORMAT.md. */
#define PROFILE "uxrec.v2"
#define LIBRARY "uxrec " UXREC_VERSION

/* Write at the end; on failure leave the file as it was. */
static int writer_put(struct session_writer *writer, struct iovec *parts, int count)
{
	struct iovec copy[4];
	off_t offset = writer->offset;
	int r;

	assert((size_t)count <= ARRAY_SIZE(copy));
	memcpy(copy, parts, (size_t)count * sizeof(*parts));
	r = io_pwritev_all(writer->fd, copy, count, offset);
	if (r < 0) {
		if (ftruncate(writer->fd, writer->offset) < 0)
			return r; /* the reader stops at the torn chunk */
		return r;
	}
	for (int i = 0; i < count; i++) {
		offset += (off_t)parts[i].iov_len;
		writer->data_crc = mcap_crc(writer->data_crc, parts[i].iov_base, parts[i].iov_len);
	}
	writer->offset = offset;
	writer->written_end = (uint64_t)offset;
	return 0;
}

int writer_put_buf(struct session_writer *writer, const struct buf *buf)
{
	struct iovec part = {buf->data, buf->size_bytes};
	int r = buf_error(buf);

	return r < 0 ? r : writer_put(writer, &part, 1);
}

/* ---- channels ---- */

static struct writer_channel *find_channel(const struct session_writer *writer, uint16_t id)
{
	size_t at = bisect(writer->channel_count, i, writer->channels[i].id < id);

	if (at == writer->channel_count || writer->channels[at].id != id)
		return NULL;
	return &writer->channels[at];
}

static int add_channel(struct session_writer *writer, uint16_t id, enum modality modality)
{
	struct writer_channel *channels;
	size_t at = writer->channel_count;

	if (!array_grow(writer->channels, writer->channel_count))
		return -ENOMEM;
	channels = writer->channels;
	while (at > 0 && channels[at - 1].id > id)
		at--;
	memmove(channels + at + 1, channels + at, (writer->channel_count - at) * sizeof(*channels));
	channels[at] = (struct writer_channel){.id = id, .modality = modality};
	writer->channel_count++;
	return 0;
}

static bool schema_is_declared(const struct session_writer *writer, uint16_t id)
{
	for (size_t i = 0; i < writer->schema_count; i++)
		if (writer->schemas[i] == id)
			return true;
	return false;
}

static int add_schema(struct session_writer *writer, uint16_t id)
{
	if (!array_grow(writer->schemas, writer->schema_count))
		return -ENOMEM;
	writer->schemas[writer->schema_count++] = id;
	return 0;
}

void session_writer_set_compression(struct session_writer *writer, enum compression compression)
{
	writer->compression = compression;
}

int session_writer_declare(struct session_writer *writer, const struct mcap_schema *schema,
	const struct mcap_channel *channel)
{
	_cleanup_(buf_finish) struct buf out = {0};
	bool new_schema = schema && !schema_is_declared(writer, schema->id);
	int r;

	if (find_channel(writer, channel->id))
		return -EEXIST;
	if (new_schema)
		mcap_put_schema(&out, schema);
	mcap_put_channel(&out, channel);
	if (!buf_reserve(&writer->declarations, out.size_bytes)) {
		buf_cut(&writer->declarations, writer->declarations.size_bytes);
		return -ENOMEM;
	}
	r = writer_put_buf(writer, &out);
	if (r == 0 && new_schema)
		r = add_schema(writer, schema->id);
	if (r == 0)
		r = add_channel(writer, channel->id, modality_of_metadata(channel->metadata));
	if (r == 0)
		buf_put(&writer->declarations, out.data, out.size_bytes);
	return r;
}

static int declare_own_channels(struct session_writer *writer)
{
	int r = 0;

	for (uint16_t id = 1; id < CHANNEL_END && r == 0; id++) {
		schema_put_channel(&writer->declarations, id, channel_kind_get(id));
		r = add_schema(writer, id);
		if (r == 0)
			r = add_channel(writer, id, channel_kind_get(id)->modality);
	}
	return r < 0 ? r : buf_error(&writer->declarations);
}

/* ---- lifecycle ---- */

static int write_head(struct session_writer *writer, enum session_writer_kind kind)
{
	_cleanup_(buf_finish) struct buf head = {0};
	int r = kind == SESSION_WRITER_COPY ? 0 : declare_own_channels(writer);

	buf_put(&head, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&head, PROFILE, LIBRARY);
	buf_put(&head, writer->declarations.data, writer->declarations.size_bytes);
	if (r == 0)
		r = writer_put_buf(writer, &head);
	if (r == 0 && kind == SESSION_WRITER_RECORDING)
		r = wal_create(&writer->wal, writer->folder, writer->name);
	if (r == 0)
		r = session_writer_sync(writer);
	/* the directory entries too */
	return r < 0 ? r : folder_sync(writer->folder);
}

int session_writer_create_below(struct session_writer **ret, struct folder *folder,
	const char *name, enum session_writer_kind kind)
{
	_destroy_(session_writer) struct session_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer)
		return -ENOMEM;
	writer->fd = -1;
	writer->start_time = UINT64_MAX;
	writer->compression = COMPRESSION_ZSTD;
	writer->folder = folder_ref(folder);
	writer->name = strdup(name);
	if (!writer->name)
		return -ENOMEM;
	r = folder_create(folder, name, NULL);
	if (r < 0)
		return r;
	writer->fd = r;
	/* The lock marks the file as being written, for rewriters and session lists; these probe
	 * with a brief shared lock. Not every mount supports locks, and recording takes
	 * precedence. */
	(void)io_lock(writer->fd, LOCK_EX);
	r = write_head(writer, kind);
	if (r < 0) {
		if (writer->wal)
			wal_remove(writer->wal);
		folder_remove(folder, name);
		return r;
	}
	*ret = steal_ptr(writer);
	return 0;
}

int session_writer_create(
	struct session_writer **ret, const char *path, enum session_writer_kind kind)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, NULL);

	return r < 0 ? r : session_writer_create_below(ret, folder, name, kind);
}

int session_writer_keep_lock(const struct session_writer *writer)
{
	int fd = fcntl(writer->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* ---- chunks ---- */

static size_t put_message_indexes(const struct session_writer *writer, enum modality modality,
	struct buf *out, struct buf *offsets, uint64_t chunk_end)
{
	for (size_t c = 0; c < writer->channel_count; c++) {
		const struct writer_channel *channel = &writer->channels[c];
		const struct index_entry *entry = (const void *)channel->entries.data;
		size_t count = channel->entries.size_bytes / sizeof(*entry), record;

		if (channel->modality != modality || count == 0)
			continue;
		buf_put_u16(offsets, channel->id);
		buf_put_u64(offsets, chunk_end + out->size_bytes);
		record = mcap_begin(out, MCAP_MESSAGE_INDEX);
		buf_put_u16(out, channel->id);
		buf_put_u32(out, (uint32_t)(count * 16));
		for (size_t i = 0; i < count; i++) {
			buf_put_u64(out, entry[i].log_time);
			buf_put_u64(out, entry[i].offset);
		}
		mcap_end(out, record);
	}
	return out->size_bytes;
}

/* a chunk ready to be written */
struct encoded_chunk {
	struct buf head, packed, indexes, offsets;
	struct view records; /* as stored: in `packed`, or those of the open chunk */
	enum compression compression;
	uint64_t chunk_bytes;
};

static void encoded_chunk_finish(struct encoded_chunk *encoded)
{
	buf_finish(&encoded->head);
	buf_finish(&encoded->packed);
	buf_finish(&encoded->indexes);
	buf_finish(&encoded->offsets);
}

/* Encoded pictures and sound do not compress; everything else shrinks by three to ten times. */
static int compress_chunk(
	struct encoded_chunk *encoded, const struct session_writer *writer, enum modality modality)
{
	const struct open_chunk *chunk = &writer->open[modality];
	int r;

	encoded->records = (struct view){chunk->records.data, chunk->records.size_bytes, 0};
	if (modality == MODALITY_SCREEN || modality == MODALITY_SOUND ||
		writer->compression == COMPRESSION_NONE)
		return 0;
	r = compress_append(writer->compression, encoded->records, &encoded->packed);
	if (r == 0 && encoded->packed.size_bytes < encoded->records.size_bytes) {
		encoded->compression = writer->compression;
		encoded->records =
			(struct view){encoded->packed.data, encoded->packed.size_bytes, 0};
	}
	return r;
}

static int encode_chunk(
	struct encoded_chunk *encoded, const struct session_writer *writer, enum modality modality)
{
	const struct open_chunk *chunk = &writer->open[modality];
	unsigned char *length;
	int r = compress_chunk(encoded, writer, modality);

	if (r < 0)
		return r;
	mcap_begin(&encoded->head, MCAP_CHUNK);
	buf_put_u64(&encoded->head, chunk->start_time);
	buf_put_u64(&encoded->head, chunk->end_time);
	buf_put_u64(&encoded->head, chunk->records.size_bytes);
	buf_put_u32(&encoded->head, mcap_crc(0, chunk->records.data, chunk->records.size_bytes));
	buf_put_string(&encoded->head, compression_name(encoded->compression));
	buf_put_u64(&encoded->head, encoded->records.size_bytes);
	encoded->chunk_bytes = encoded->head.size_bytes + encoded->records.size_bytes;
	put_message_indexes(writer, modality, &encoded->indexes, &encoded->offsets,
		(uint64_t)writer->offset + encoded->chunk_bytes);
	if (buf_error(&encoded->head) < 0 || buf_error(&encoded->indexes) < 0 ||
		buf_error(&encoded->offsets) < 0)
		return -ENOMEM;
	length = encoded->head.data + 1;
	le_store(length, encoded->chunk_bytes - MCAP_RECORD_HEADER_BYTES, 8);
	return 0;
}

static void put_chunk_index(struct buf *out, const struct open_chunk *chunk,
	const struct encoded_chunk *encoded, off_t offset)
{
	size_t begin = mcap_begin(out, MCAP_CHUNK_INDEX);

	buf_put_u64(out, chunk->start_time);
	buf_put_u64(out, chunk->end_time);
	buf_put_u64(out, (uint64_t)offset);
	buf_put_u64(out, encoded->chunk_bytes);
	buf_put_u32(out, (uint32_t)encoded->offsets.size_bytes);
	buf_put(out, encoded->offsets.data, encoded->offsets.size_bytes);
	buf_put_u64(out, encoded->indexes.size_bytes);
	buf_put_string(out, compression_name(encoded->compression));
	buf_put_u64(out, encoded->records.size_bytes);
	buf_put_u64(out, chunk->records.size_bytes);
	mcap_end(out, begin);
}

static void open_chunk_clear(struct session_writer *writer, enum modality modality)
{
	buf_clear(&writer->open[modality].records);
	for (size_t c = 0; c < writer->channel_count; c++)
		if (writer->channels[c].modality == modality)
			buf_clear(&writer->channels[c].entries);
}

static int write_chunk(struct session_writer *writer, enum modality modality)
{
	_cleanup_(encoded_chunk_finish) struct encoded_chunk encoded = {0};
	size_t indexes_before = writer->chunk_indexes.size_bytes;
	int r = encode_chunk(&encoded, writer, modality);

	if (r < 0)
		return r;
	put_chunk_index(&writer->chunk_indexes, &writer->open[modality], &encoded, writer->offset);
	r = buf_error(&writer->chunk_indexes);
	if (r == 0) {
		struct iovec parts[] = {
			{encoded.head.data, encoded.head.size_bytes},
			{(void *)encoded.records.data, encoded.records.size_bytes},
			{encoded.indexes.data, encoded.indexes.size_bytes},
		};

		r = writer_put(writer, parts, ARRAY_SIZE(parts));
	}
	if (r < 0) {
		buf_cut(&writer->chunk_indexes, indexes_before);
		return r;
	}
	writer->chunk_count++;
	open_chunk_clear(writer, modality);
	return 0;
}

int session_writer_flush(struct session_writer *writer)
{
	/* input and tags before pictures: on a full disk the small and valuable data is safe */
	static const enum modality order[] = {
		MODALITY_SESSION, MODALITY_INPUT, MODALITY_SOUND, MODALITY_SCREEN};
	int r = 0;

	if (writer->group_bytes == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(order) && r == 0; i++)
		if (writer->open[order[i]].records.size_bytes > 0)
			r = write_chunk(writer, order[i]);
	if (r < 0)
		return r;
	writer->group_bytes = 0;
	if (writer->wal)
		wal_rotate(writer->wal, (uint64_t)writer->offset, writer->synced_end);
	return 0;
}

static bool group_is_full(const struct session_writer *writer, int64_t time_ns, size_t size_bytes)
{
	int64_t start = writer->group_start_ns, end = writer->group_end_ns;

	if (writer->group_bytes == 0)
		return false;
	if (time_ns < start)
		start = time_ns;
	if (time_ns > end)
		end = time_ns;
	return end - start >= SESSION_CHUNK_SPAN_NS ||
		writer->group_bytes + size_bytes > SESSION_CHUNK_BYTES;
}

/* Reserve all memory first, so that nothing can fail once the record is in the log. */
static int reserve_room(struct open_chunk *chunk, struct writer_channel *channel, size_t size_bytes)
{
	bool good = buf_reserve(&chunk->records, size_bytes) &&
		buf_reserve(&channel->entries, sizeof(struct index_entry));

	if (good)
		return 0;
	buf_cut(&chunk->records, chunk->records.size_bytes);
	buf_cut(&channel->entries, channel->entries.size_bytes);
	return -ENOMEM;
}

static void group_add(struct session_writer *writer, struct writer_channel *channel,
	int64_t time_ns, struct view record)
{
	struct open_chunk *chunk = &writer->open[channel->modality];
	uint64_t log_time = (uint64_t)time_ns;
	struct index_entry entry = {log_time, chunk->records.size_bytes};

	if (chunk->records.size_bytes == 0)
		chunk->start_time = chunk->end_time = log_time;
	if (log_time < chunk->start_time)
		chunk->start_time = log_time;
	if (log_time > chunk->end_time)
		chunk->end_time = log_time;
	buf_put(&channel->entries, &entry, sizeof(entry));
	buf_put(&chunk->records, record.data, record.size_bytes);
	if (writer->group_bytes == 0)
		writer->group_start_ns = writer->group_end_ns = time_ns;
	if (time_ns < writer->group_start_ns)
		writer->group_start_ns = time_ns;
	if (time_ns > writer->group_end_ns)
		writer->group_end_ns = time_ns;
	writer->group_bytes += record.size_bytes;
	if (log_time < writer->start_time)
		writer->start_time = log_time;
	if (log_time > writer->end_time)
		writer->end_time = log_time;
	channel->messages++;
	writer->messages++;
}

static int append(struct session_writer *writer, struct writer_channel *channel, int64_t time_ns,
	struct view record)
{
	int r = 0;

	assert(!writer->finished);
	if (group_is_full(writer, time_ns, record.size_bytes))
		r = session_writer_flush(writer);
	if (r == 0)
		r = reserve_room(&writer->open[channel->modality], channel, record.size_bytes);
	if (r < 0)
		return r;
	if (writer->group_bytes == 0)
		writer->group_offset = (uint64_t)writer->offset;
	if (writer->wal)
		r = wal_append(writer->wal, writer->group_offset, record.data, record.size_bytes);
	if (r < 0)
		return r;
	group_add(writer, channel, time_ns, record);
	return 0;
}

int session_writer_append(struct session_writer *writer, const struct packet *packet)
{
	struct writer_channel *channel = find_channel(writer, packet->channel);

	assert(channel);
	return append(writer, channel, packet->time_ns,
		(struct view){packet->record, packet->size_bytes, 0});
}

int session_writer_append_record(struct session_writer *writer, struct view record)
{
	struct view rest = record;
	struct mcap_record parsed;
	struct mcap_message message;
	struct writer_channel *channel;

	if (mcap_next_record(&rest, &parsed) <= 0 || rest.size_bytes > 0 ||
		parsed.opcode != MCAP_MESSAGE || mcap_parse_message(parsed.content, &message) < 0 ||
		message.log_time > READER_TIME_LIMIT_NS)
		return -EINVAL;
	channel = find_channel(writer, message.channel_id);
	return channel ? append(writer, channel, (int64_t)message.log_time, record) : -EINVAL;
}

/* ---- finishing ---- */

static int write_end(struct session_writer *writer)
{
	_cleanup_(buf_finish) struct buf data_end = {0}, summary = {0}, footer = {0};
	uint64_t summary_start, offset_start;

	mcap_put_data_end(&data_end, writer->data_crc);
	summary_start = (uint64_t)writer->offset + data_end.size_bytes;
	writer_put_summary(writer, &summary, summary_start, &offset_start);
	mcap_put_footer(&footer, (struct view){summary.data, summary.size_bytes, 0}, summary_start,
		offset_start);
	if (buf_error(&data_end) < 0 || buf_error(&summary) < 0 || buf_error(&footer) < 0)
		return -ENOMEM;
	return writer_put(writer,
		(struct iovec[]){{data_end.data, data_end.size_bytes},
			{summary.data, summary.size_bytes}, {footer.data, footer.size_bytes}},
		3);
}

int session_writer_end(struct session_writer *writer)
{
	int r = writer->finished ? 0 : session_writer_flush(writer);

	if (r == 0 && !writer->finished)
		r = write_end(writer);
	writer->finished |= r == 0;
	return r;
}

int session_writer_finish(struct session_writer *writer)
{
	int r = session_writer_end(writer);

	/* the log goes once its data is on the disk */
	if (r == 0)
		r = session_writer_sync(writer);
	if (r == 0 && writer->wal)
		wal_remove(writer->wal);
	return r;
}

void session_writer_discard(struct session_writer *writer)
{
	if (!writer)
		return;
	if (writer->wal)
		wal_remove(writer->wal);
	folder_remove(writer->folder, writer->name);
	session_writer_destroy(writer);
}

int session_writer_sync(struct session_writer *writer)
{
	uint64_t end = writer->written_end;
	int r = fdatasync(writer->fd) < 0 ? -errno : 0;

	if (r == 0 && writer->wal)
		r = wal_sync(writer->wal);
	if (r == 0 && io_is_removed(writer->fd))
		r = -ENOENT;
	if (r == 0)
		writer->synced_end = end;
	return r;
}

int session_writer_restore(struct session_writer *writer)
{
	_autoclose_ int fd = -1;

	if (!io_is_removed(writer->fd))
		return 0;
	fd = folder_restore(writer->folder, writer->name, writer->fd);
	return fd < 0 ? fd : 0;
}

bool session_writer_is_finished(const struct session_writer *writer)
{
	return writer->finished;
}

struct session_writer_totals session_writer_get_totals(const struct session_writer *writer)
{
	return (struct session_writer_totals){(uint64_t)writer->offset, writer->messages};
}

void session_writer_destroy(struct session_writer *writer)
{
	if (!writer)
		return;
	for (size_t m = 0; m < MODALITY_COUNT; m++)
		buf_finish(&writer->open[m].records);
	for (size_t c = 0; c < writer->channel_count; c++)
		buf_finish(&writer->channels[c].entries);
	buf_finish(&writer->declarations);
	buf_finish(&writer->chunk_indexes);
	buf_finish(&writer->attachment_indexes);
	buf_finish(&writer->metadata_indexes);
	wal_destroy(writer->wal);
	if (writer->fd >= 0)
		close(writer->fd);
	free(writer->channels);
	free(writer->schemas);
	folder_unref(writer->folder);
	free(writer->name);
	free(writer);
}
