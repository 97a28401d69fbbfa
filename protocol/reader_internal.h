#pragma once

/* What the two halves of the reader share: reader.c finds chunks, reader_cursor.c reads them. */

#include "protocol/reader.h"

struct chunk_entry {
	int64_t start_ns, end_ns;
	uint64_t offset, length; /* of the whole record */
	/* channel ids (of the file) with messages in it: a slice of reader->chunk_channels; when
	 * `indexed` is false nothing is known and all may be in it */
	size_t first_channel, channel_count;
	bool indexed;
};

/* where a message lies in a loaded chunk */
struct loaded_message {
	int64_t time_ns;
	size_t offset, size_bytes;
	uint16_t channel_id;
};

/* one chunk in memory, messages sorted by time */
struct loaded_chunk {
	size_t chunk; /* number of the chunk, SIZE_MAX: empty */
	unsigned char *data;
	struct loaded_message *messages;
	size_t count, next;
};

struct session_reader {
	int fd;
	uint64_t size_bytes, whole_bytes;
	bool complete;
	struct reader_channel **channels; /* sorted by id; each stays where it is */
	size_t channel_count;
	struct reader_schema {
		uint16_t id;
		char *name, *encoding;
		unsigned char *data;
		size_t size_bytes;
	} * schemas;
	size_t schema_count;
	struct chunk_entry *chunks; /* sorted by start_ns */
	int64_t *latest_end_ns;     /* of chunks 0…i: how far to look back */
	size_t chunk_count, chunk_capacity;
	bool chunk_is_last; /* scanning: the chunk taken last is the one before this record */
	struct buf chunk_channels; /* of uint16_t */
	struct reader_damage *damages;
	size_t damage_count;
	struct loaded_chunk cached; /* for session_reader_latest() */
};

/** Note a damage; those over the limit are counted in the last. */
void reader_damage(struct session_reader *reader, uint64_t offset, const char *text);

/** Take a Schema or Channel record; others are ignored. @return 0 or -ENOMEM */
int reader_declare(
	struct session_reader *reader, uint8_t opcode, struct view content, uint64_t offset);

const struct reader_channel *reader_channel_by_id(const struct session_reader *reader, uint16_t id);

/** Does the chunk hold messages of the channel, as far as is known? */
bool reader_chunk_has(
	const struct session_reader *reader, const struct chunk_entry *chunk, uint16_t channel_id);

/**
 * Read a chunk, check it, and sort its messages.
 *
 * @return 0, -EBADMSG when the chunk is damaged (noted; it then counts as empty), or what read(2)
 *         gave
 */
int loaded_chunk_read(struct loaded_chunk *loaded, struct session_reader *reader, size_t chunk);
void loaded_chunk_finish(struct loaded_chunk *loaded);

/** Fill in a message of a loaded chunk. */
void loaded_chunk_get(const struct loaded_chunk *loaded, const struct session_reader *reader,
	size_t i, struct reader_message *ret);
