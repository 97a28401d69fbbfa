#include "protocol/file/reader_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/channel.h"
#include "protocol/compress.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"

#include <errno.h>

void loaded_chunk_finish(struct loaded_chunk *loaded)
{
	buf_finish(&loaded->raw);
	buf_finish(&loaded->expanded);
	free(loaded->messages);
	*loaded = (struct loaded_chunk){.chunk = SIZE_MAX};
}

void loaded_chunk_clear(struct loaded_chunk *loaded)
{
	buf_clear(&loaded->raw);
	buf_clear(&loaded->expanded);
	loaded->records = (struct view){0};
	loaded->count = loaded->next = 0;
	loaded->chunk = SIZE_MAX;
}

static int message_compare(const void *a, const void *b)
{
	const struct loaded_message *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool is_superseded(const struct session_reader *reader, const struct reader_file *file,
	const struct mcap_message *message)
{
	const struct reader_channel *channel;

	if (reader->file_count < 2)
		return false;
	channel = reader_channel_by_id(reader, message->channel_id);
	return channel && channel->known &&
		message->sequence >= file->superseded_from[channel->known];
}

static int add_message(struct loaded_chunk *loaded, size_t offset, const struct mcap_record *record,
	const struct mcap_message *message)
{
	if (loaded->count == loaded->capacity) {
		size_t capacity = loaded->capacity ? loaded->capacity * 2 : 64;
		struct loaded_message *messages =
			realloc(loaded->messages, capacity * sizeof(*messages));

		if (!messages)
			return -ENOMEM;
		loaded->messages = messages;
		loaded->capacity = capacity;
	}
	loaded->messages[loaded->count++] = (struct loaded_message){
		.time_ns = (int64_t)message->log_time,
		.offset = offset,
		.size_bytes = MCAP_RECORD_HEADER_BYTES + record->content.size_bytes,
		.channel_id = message->channel_id,
		.sequence = message->sequence,
	};
	return 0;
}

static int index_messages(
	struct loaded_chunk *loaded, struct session_reader *reader, const struct chunk_entry *entry)
{
	const struct reader_file *file = &reader->files[entry->file];
	struct view records = loaded->records;
	struct mcap_record record;
	struct mcap_message message;
	int r;

	while ((r = mcap_next_record(&records, &record)) > 0) {
		size_t offset = (size_t)(record.content.data - loaded->records.data) -
			MCAP_RECORD_HEADER_BYTES;

		r = 0;
		if (record.opcode != MCAP_MESSAGE)
			r = reader_declare(
				reader, entry->file, record.opcode, record.content, entry->offset);
		else if (mcap_parse_message(record.content, &message) < 0 ||
			message.log_time > READER_TIME_LIMIT_NS)
			r = -EBADMSG;
		else if (!reader_channel_by_id(reader, message.channel_id))
			reader_damage(reader, entry->file, entry->offset,
				"a message of a channel that is not declared");
		else if (!is_superseded(reader, file, &message) &&
			(entry->source != CHUNK_WAL ||
				reader_group_wants(&file->groups[entry->offset], message.channel_id,
					message.sequence)))
			r = add_message(loaded, offset, &record, &message);
		if (r < 0)
			return r;
	}
	if (r == 0 && loaded->count > 1)
		qsort(loaded->messages, loaded->count, sizeof(*loaded->messages), message_compare);
	return r;
}

/* ---- sources of records ---- */

/* @return 0, -EBADMSG when the file is too short, or a negative errno */
static int read_bytes(struct loaded_chunk *loaded, const struct reader_file *file,
	const struct chunk_entry *entry)
{
	unsigned char *at = buf_reserve(&loaded->raw, entry->length);
	ssize_t n;

	if (!at)
		return -ENOMEM;
	n = io_pread_full(file->fd, at, entry->length, (off_t)entry->offset);
	if (n < 0)
		return (int)n;
	return (uint64_t)n == entry->length ? 0 : -EBADMSG;
}

static int expand_chunk(
	struct loaded_chunk *loaded, const struct mcap_chunk *chunk, const char **ret_reason)
{
	int compression = compression_find(chunk->compression), r;
	unsigned char *expanded;

	*ret_reason = "a chunk with a compression that this program does not read";
	if (compression < 0)
		return -EBADMSG;
	*ret_reason = "a chunk that does not have the size it declares";
	if (compression == COMPRESSION_NONE) {
		loaded->records = chunk->records;
		return chunk->uncompressed_size == chunk->records.size_bytes ? 0 : -EBADMSG;
	}
	/* bomb protection: the declared size is bounded, and longer output is refused */
	if (chunk->uncompressed_size > READER_CHUNK_LIMIT_BYTES)
		return -EBADMSG;
	expanded = buf_reserve(&loaded->expanded, chunk->uncompressed_size + 1);
	if (!expanded)
		return -ENOMEM;
	r = compress_expand(
		(enum compression)compression, chunk->records, expanded, chunk->uncompressed_size);
	loaded->records = (struct view){expanded, chunk->uncompressed_size, 0};
	return r;
}

static int read_record(struct loaded_chunk *loaded, const struct reader_file *file,
	const struct chunk_entry *entry, const char **ret_reason)
{
	uint64_t content_bytes = entry->length - MCAP_RECORD_HEADER_BYTES;
	struct mcap_chunk chunk;
	uint32_t crc;
	int r;

	*ret_reason = "no chunk at the offset in the index";
	r = read_bytes(loaded, file, entry);
	if (r < 0)
		return r;
	if (loaded->raw.data[0] != MCAP_CHUNK || le_load(loaded->raw.data + 1, 8) != content_bytes)
		return -EBADMSG;
	*ret_reason = "a chunk that is too short for what it declares";
	if (mcap_parse_chunk(
		    (struct view){loaded->raw.data + MCAP_RECORD_HEADER_BYTES, content_bytes, 0},
		    &chunk) < 0)
		return -EBADMSG;
	crc = chunk.uncompressed_crc;
	r = expand_chunk(loaded, &chunk, ret_reason);
	if (r < 0)
		return r;
	*ret_reason = "a chunk whose CRC is wrong";
	return crc && crc != mcap_crc(0, loaded->records.data, loaded->records.size_bytes)
		? -EBADMSG
		: 0;
}

/* @return 0, or -EBADMSG with the defect in @p ret_reason */
static int read_records(struct loaded_chunk *loaded, const struct session_reader *reader,
	const struct chunk_entry *entry, const char **ret_reason)
{
	const struct reader_file *file = &reader->files[entry->file];
	const struct wal_group *group;
	int r;

	*ret_reason = "a chunk that exceeds the size limit";
	if (entry->length > READER_CHUNK_LIMIT_BYTES)
		return -EBADMSG;
	switch (entry->source) {
	case CHUNK_WAL:
		*ret_reason = "a part of the write-ahead log that no longer exists";
		group = &file->groups[entry->offset];
		r = wal_read(group, file->wal_fds[group->file], &loaded->raw);
		if (r == 0)
			loaded->records =
				(struct view){loaded->raw.data, loaded->raw.size_bytes, 0};
		return r;
	case CHUNK_RUN:
		*ret_reason = "messages that no longer exist";
		r = read_bytes(loaded, file, entry);
		loaded->records = (struct view){loaded->raw.data, entry->length, 0};
		return r;
	default: return read_record(loaded, file, entry, ret_reason);
	}
}

int loaded_chunk_read(struct loaded_chunk *loaded, struct session_reader *reader, size_t chunk)
{
	/* declarations in the chunk may reallocate the list: keep a copy, not a pointer */
	const struct chunk_entry entry = reader->chunks[chunk];
	const char *reason;
	int r;

	loaded_chunk_clear(loaded);
	r = read_records(loaded, reader, &entry, &reason);
	if (r == 0) {
		reason = "a record in a chunk that cannot be parsed";
		r = index_messages(loaded, reader, &entry);
	}
	if (r < 0)
		loaded_chunk_clear(loaded);
	r = reader_handle_failure(reader, entry.file, entry.offset, r, reason);
	loaded->chunk = r == 0 ? chunk : SIZE_MAX;
	return r;
}

int reader_declare_from_chunk(struct session_reader *reader, const struct chunk_entry *entry)
{
	struct loaded_chunk loaded = {.chunk = SIZE_MAX};
	const struct chunk_entry copy = *entry;
	struct mcap_record record;
	const char *reason;
	int r = read_records(&loaded, reader, &copy, &reason);

	while (r == 0 && mcap_next_record(&loaded.records, &record) > 0)
		r = reader_declare(reader, copy.file, record.opcode, record.content, copy.offset);
	loaded_chunk_finish(&loaded);
	return r == -EBADMSG || r == -EIO ? 0 : r; /* reported when the chunk is read */
}

void loaded_chunk_get(const struct loaded_chunk *loaded, const struct session_reader *reader,
	size_t i, struct reader_message *ret)
{
	const struct loaded_message *entry = &loaded->messages[i];
	struct view record = {loaded->records.data + entry->offset, entry->size_bytes, 0};
	struct mcap_message message;

	mcap_parse_message((struct view){record.data + MCAP_RECORD_HEADER_BYTES,
				   record.size_bytes - MCAP_RECORD_HEADER_BYTES, 0},
		&message);
	*ret = (struct reader_message){
		.channel = reader_channel_by_id(reader, entry->channel_id),
		.sequence = message.sequence,
		.time_ns = entry->time_ns,
		.publish_ns = (int64_t)message.publish_time,
		.data = message.data,
		.record = record,
	};
}

/* ---- the newest message at or before a time ---- */

/* number of the first chunk that starts after @p at_ns */
static size_t first_chunk_after(const struct session_reader *reader, int64_t at_ns)
{
	return bisect(reader->chunk_count, i, reader->chunks[i].start_ns <= at_ns);
}

static bool latest_in_chunk(
	const struct loaded_chunk *loaded, uint16_t channel_id, int64_t at_ns, size_t *ret)
{
	for (size_t i = loaded->count; i > 0; i--) {
		const struct loaded_message *message = &loaded->messages[i - 1];

		if (message->channel_id == channel_id && message->time_ns <= at_ns) {
			*ret = i - 1;
			return true;
		}
	}
	return false;
}

static int find_latest(struct session_reader *reader, const struct reader_channel *channel,
	int64_t at_ns, struct reader_message *ret)
{
	int64_t best_ns = INT64_MIN;
	size_t best_chunk = SIZE_MAX, best_message = 0;

	for (size_t i = first_chunk_after(reader, at_ns); i > 0; i--) {
		const struct chunk_entry *chunk = &reader->chunks[i - 1];
		size_t found;

		if (best_chunk != SIZE_MAX && reader->latest_end_ns[i - 1] <= best_ns)
			break; /* no earlier entry can be newer */
		if (chunk->end_ns <= best_ns || !reader_chunk_has(reader, chunk, channel->id))
			continue;
		if (reader->cached.chunk != i - 1) {
			int r = loaded_chunk_read(&reader->cached, reader, i - 1);

			if (r < 0)
				return r;
		}
		if (latest_in_chunk(&reader->cached, channel->id, at_ns, &found) &&
			reader->cached.messages[found].time_ns > best_ns) {
			best_ns = reader->cached.messages[found].time_ns;
			best_chunk = i - 1;
			best_message = found;
		}
	}
	if (best_chunk == SIZE_MAX)
		return 0;
	if (reader->cached.chunk != best_chunk) {
		int r = loaded_chunk_read(&reader->cached, reader, best_chunk);

		if (r < 0)
			return r;
		if (best_message >= reader->cached.count)
			return -EBADMSG; /* was readable a moment ago */
	}
	loaded_chunk_get(&reader->cached, reader, best_message, ret);
	return 1;
}

void session_reader_set_gate(struct session_reader *reader, const struct reader_gate *gate)
{
	reader->gate = gate ? *gate : (struct reader_gate){0};
}

int session_reader_each_withheld(struct session_reader *reader,
	int (*callback)(void *callback_data, const Uxrec__Gap *gap), void *callback_data)
{
	const struct reader_gate gate = reader->gate;
	int64_t first_ns, last_ns;

	if (!gate.each_gap || !session_reader_span(reader, &first_ns, &last_ns))
		return 0;
	return gate.each_gap(gate.user, first_ns, last_ns + 1, callback, callback_data);
}

int session_reader_latest(struct session_reader *reader, const struct reader_channel *channel,
	int64_t at_ns, struct reader_message *ret)
{
	const struct reader_gate *gate = &reader->gate;
	struct reader_message message;
	int r;

	while (gate->passes) {
		at_ns = gate->before(gate->user, channel, at_ns);
		if (at_ns == INT64_MIN)
			return 0;
		r = find_latest(reader, channel, at_ns, &message);
		if (r <= 0)
			return r;
		if (gate->passes(gate->user, &message)) {
			*ret = message;
			return 1;
		}
		at_ns = message.time_ns - 1;
	}
	return find_latest(reader, channel, at_ns, ret);
}

static int64_t copied_ns(const struct reader_message *picture)
{
	return picture->publish_ns > picture->time_ns ? picture->publish_ns : picture->time_ns;
}

int session_reader_shown_until(
	struct session_reader *reader, const struct reader_message *message, int64_t *ret_ns)
{
	const struct reader_channel *pictures = session_reader_find(reader, CHANNEL_SCREEN);
	struct reader_message picture;
	int r;

	*ret_ns =
		channel_is_picture(message->channel->known) ? copied_ns(message) : message->time_ns;
	if (message->channel->known != CHANNEL_SCREEN_KEYFRAMES || !pictures)
		return 0;
	/* use the picture's own time, whether or not a gate lets it pass */
	r = find_latest(reader, pictures, message->time_ns, &picture);
	/* the picture may be lost */
	if (r > 0 && picture.time_ns == message->time_ns)
		*ret_ns = copied_ns(&picture);
	return r < 0 ? r : 0;
}

/* ---- merged span ---- */

struct session_cursor {
	struct session_reader *reader;
	int64_t from_ns, to_ns;
	uint64_t known;
	size_t next_chunk;
	struct loaded_chunk *active; /* chunks that overlap the current time */
	size_t active_count;
};

int session_cursor_create(struct session_cursor **ret, struct session_reader *reader,
	int64_t from_ns, int64_t to_ns, uint64_t known)
{
	struct session_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return -ENOMEM;
	cursor->reader = reader;
	cursor->from_ns = from_ns;
	cursor->to_ns = to_ns;
	cursor->known = known;
	*ret = cursor;
	return 0;
}

void session_cursor_destroy(struct session_cursor *cursor)
{
	if (!cursor)
		return;
	for (size_t i = 0; i < cursor->active_count; i++)
		loaded_chunk_finish(&cursor->active[i]);
	free(cursor->active);
	free(cursor);
}

static bool wants_channel(const struct session_cursor *cursor, uint16_t channel_id)
{
	const struct reader_channel *channel;

	if (cursor->known == 0)
		return true;
	channel = reader_channel_by_id(cursor->reader, channel_id);
	return channel && (cursor->known >> channel->known & 1) && channel->known;
}

static bool wants_chunk(const struct session_cursor *cursor, const struct chunk_entry *chunk)
{
	const struct session_reader *reader = cursor->reader;

	if (chunk->end_ns < cursor->from_ns)
		return false;
	if (cursor->known == 0 || !chunk->indexed)
		return true;
	for (size_t i = 0; i < reader->channel_count; i++)
		if (wants_channel(cursor, reader->channels[i]->id) &&
			reader_chunk_has(reader, chunk, reader->channels[i]->id))
			return true;
	return false;
}

/* skip unwanted messages; @return false when nothing is left */
static bool settle(const struct session_cursor *cursor, struct loaded_chunk *loaded)
{
	for (; loaded->next < loaded->count; loaded->next++) {
		const struct loaded_message *message = &loaded->messages[loaded->next];

		if (message->time_ns >= cursor->to_ns)
			break;
		if (message->time_ns >= cursor->from_ns &&
			wants_channel(cursor, message->channel_id) &&
			reader_channel_by_id(cursor->reader, message->channel_id))
			return true;
	}
	return false;
}

static int activate(struct session_cursor *cursor, size_t chunk)
{
	struct loaded_chunk *loaded;
	int r;

	if (!array_grow(cursor->active, cursor->active_count))
		return -ENOMEM;
	loaded = &cursor->active[cursor->active_count];
	*loaded = (struct loaded_chunk){.chunk = SIZE_MAX};
	r = loaded_chunk_read(loaded, cursor->reader, chunk);
	if (r < 0) {
		loaded_chunk_finish(loaded);
		return r;
	}
	if (settle(cursor, loaded))
		cursor->active_count++;
	else
		loaded_chunk_finish(loaded);
	return 0;
}

static struct loaded_chunk *earliest(struct session_cursor *cursor)
{
	struct loaded_chunk *best = NULL;

	for (size_t i = 0; i < cursor->active_count; i++) {
		struct loaded_chunk *loaded = &cursor->active[i];
		int64_t time_ns = loaded->messages[loaded->next].time_ns;

		if (!best || time_ns < best->messages[best->next].time_ns ||
			(time_ns == best->messages[best->next].time_ns &&
				loaded->chunk < best->chunk))
			best = loaded;
	}
	return best;
}

static int next_message(struct session_cursor *cursor, struct reader_message *ret)
{
	struct session_reader *reader = cursor->reader;
	struct loaded_chunk *best;

	/* step past the message of the previous call, whose views had to stay valid */
	for (size_t i = 0; i < cursor->active_count;) {
		struct loaded_chunk *loaded = &cursor->active[i];

		if (settle(cursor, loaded)) {
			i++;
			continue;
		}
		loaded_chunk_finish(loaded);
		*loaded = cursor->active[--cursor->active_count];
	}
	for (;;) {
		const struct chunk_entry *chunk;

		best = earliest(cursor);
		if (cursor->next_chunk >= reader->chunk_count)
			break;
		chunk = &reader->chunks[cursor->next_chunk];
		if (chunk->start_ns >= cursor->to_ns ||
			(best && chunk->start_ns > best->messages[best->next].time_ns))
			break;
		if (wants_chunk(cursor, chunk)) {
			int r = activate(cursor, cursor->next_chunk);

			if (r < 0)
				return r;
		}
		cursor->next_chunk++;
	}
	if (!best)
		return 0;
	loaded_chunk_get(best, reader, best->next, ret);
	best->next++;
	return 1;
}

int session_cursor_next(struct session_cursor *cursor, struct reader_message *ret)
{
	const struct reader_gate *gate = &cursor->reader->gate;
	struct reader_message message;
	int r;

	while ((r = next_message(cursor, &message)) > 0)
		if (!gate->passes || gate->passes(gate->user, &message)) {
			*ret = message;
			break;
		}
	return r;
}
