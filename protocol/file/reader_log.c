#include "protocol/file/reader_internal.h"

#include "protocol/limits.h"
#include "protocol/mcap.h"

#include <errno.h>
#include <string.h>

/* The part of a segment that only its write-ahead log has. */

static int key_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void forget_chunk(struct session_reader *reader, size_t i)
{
	reader->chunk_count--;
	memmove(reader->chunks + i, reader->chunks + i + 1,
		(reader->chunk_count - i) * sizeof(*reader->chunks));
}

/*
 * Keys of all readable messages in the file's chunks from an offset on. An unreadable chunk is
 * forgotten: its messages are in the log, and if it became readable later they would be duplicated.
 */
static int collect_keys(
	struct session_reader *reader, unsigned number, uint64_t from, struct buf *keys)
{
	const struct loaded_chunk *loaded = &reader->cached;
	size_t i = 0;

	while (i < reader->chunk_count) {
		int r;

		if (reader->chunks[i].file != number || reader->chunks[i].offset < from ||
			reader->chunks[i].source != CHUNK_RECORD) {
			i++;
			continue;
		}
		r = loaded_chunk_read(&reader->cached, reader, i);
		if (r < 0)
			return r;
		for (size_t k = 0; k < loaded->count; k++) {
			uint64_t key = reader_message_key(
				loaded->messages[k].channel_id, loaded->messages[k].sequence);

			buf_put(keys, &key, sizeof(key));
		}
		if (loaded->count > 0)
			i++;
		else
			forget_chunk(reader, i);
	}
	loaded_chunk_finish(&reader->cached);
	if (keys->size_bytes)
		qsort(keys->data, keys->size_bytes / sizeof(uint64_t), sizeof(uint64_t),
			key_compare);
	return buf_error(keys);
}

/* Add the messages of a group that the file lacks, to be read from the log. */
static int read_group(
	struct session_reader *reader, unsigned number, size_t index, const struct buf *keys)
{
	struct reader_file *file = &reader->files[number];
	struct wal_group *group = &file->groups[index];
	_cleanup_(buf_finish) struct buf wanted = {0}, records = {0};
	int64_t start_ns = INT64_MAX, end_ns = INT64_MIN;
	struct chunk_entry *chunk;
	struct mcap_record record;
	struct view rest;
	int r = wal_read(group, file->wal_fds[group->file], &records);

	if (r == -EBADMSG)
		return 0; /* recycled by its writer */
	if (r < 0)
		return reader_handle_failure(reader, number, group->group_offset, r, "");
	rest = (struct view){records.data, records.size_bytes, 0};
	while (mcap_next_record(&rest, &record) > 0) {
		struct mcap_message message;
		uint64_t key;

		if (record.opcode != MCAP_MESSAGE ||
			mcap_parse_message(record.content, &message) < 0 ||
			message.log_time > READER_TIME_LIMIT_NS)
			continue;
		key = reader_message_key(message.channel_id, message.sequence);
		if (keys->size_bytes &&
			bsearch(&key, keys->data, keys->size_bytes / sizeof(key), sizeof(key),
				key_compare))
			continue;
		buf_put(&wanted, &key, sizeof(key));
		start_ns =
			(int64_t)message.log_time < start_ns ? (int64_t)message.log_time : start_ns;
		end_ns = (int64_t)message.log_time > end_ns ? (int64_t)message.log_time : end_ns;
	}
	if (buf_error(&wanted) < 0)
		return -ENOMEM;
	if (wanted.size_bytes == 0)
		return 0;
	chunk = reader_add_chunk(reader, number);
	if (!chunk)
		return -ENOMEM;
	chunk->source = CHUNK_WAL;
	chunk->offset = index;
	chunk->start_ns = start_ns;
	chunk->end_ns = end_ns;
	group->wanted_count = wanted.size_bytes / sizeof(uint64_t);
	group->wanted = (uint64_t *)(void *)steal_ptr(wanted.data);
	wanted = (struct buf){0};
	qsort(group->wanted, group->wanted_count, sizeof(uint64_t), key_compare);
	return 0;
}

bool reader_group_wants(const struct wal_group *group, uint16_t channel_id, uint32_t sequence)
{
	uint64_t key = reader_message_key(channel_id, sequence);

	return bsearch(&key, group->wanted, group->wanted_count, sizeof(key), key_compare) != NULL;
}

/* Each message of the log is either in the file already or missing from it; none is returned
 * twice. */
int reader_read_log(struct session_reader *reader, unsigned number)
{
	struct reader_file *file = &reader->files[number];
	_cleanup_(buf_finish) struct buf keys = {0};
	struct error error = {""};
	int r = 0, damage;
	ssize_t count =
		wal_scan(file->folder, file->name, file->wal_fds, &file->groups, &damage, &error);

	if (damage < 0)
		reader_handle_failure(reader, number, file->whole_bytes, damage,
			reader_base_of(&error, file->folder));
	if (count <= 0)
		return (int)count;
	file->group_count = (size_t)count;
	r = collect_keys(reader, number, file->groups[0].group_offset, &keys);
	for (size_t i = 0; i < file->group_count && r == 0; i++)
		r = read_group(reader, number, i, &keys);
	return r;
}
