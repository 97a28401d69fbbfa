#pragma once

/* What the parts of the reader share: reader.c opens segments and knows what they declare,
 * reader_chunks.c finds their chunks, reader_cursor.c reads them. */

#include "protocol/channel.h"
#include "protocol/file/reader.h"
#include "protocol/file/wal.h"
#include "protocol/limits.h"
#include "protocol/os/folder.h"

/* where messages come from */
enum chunk_source {
	CHUNK_RECORD, /* a Chunk record */
	CHUNK_RUN,    /* records outside of chunks, one behind the other */
	CHUNK_WAL,    /* a group of the write-ahead log */
};

struct chunk_entry {
	int64_t start_ns, end_ns;
	uint64_t offset, length; /* of the whole record, or of the run; of a group its number */
	uint16_t file;           /* number of the segment */
	uint8_t source;          /* enum chunk_source */
	/* channel ids (of the file) with messages in it: a slice of reader->chunk_channels; when
	 * `indexed` is false nothing is known and all may be in it */
	bool indexed;
	uint32_t first_channel, channel_count;
};

/* one segment */
struct reader_file {
	struct folder *folder;
	char *name;
	int fd;
	uint64_t size_bytes;
	uint64_t whole_bytes; /* scanned up to here; the end of the last whole record */
	bool complete;
	bool ours; /* by its profile */
	int wal_fds[2];
	struct wal_group *groups;
	size_t group_count;
	/* messages from this sequence number on are in a later segment; by enum channel_id */
	uint32_t superseded_from[CHANNEL_END];
};

struct reader_extra {
	uint64_t offset, length; /* of the whole record */
	uint16_t file;
	uint8_t opcode;
};

/* where a message lies in a loaded chunk */
struct loaded_message {
	int64_t time_ns;
	size_t offset, size_bytes;
	uint16_t channel_id;
	uint32_t sequence;
};

/* one chunk in memory, messages sorted by time */
struct loaded_chunk {
	size_t chunk;             /* number of the chunk, SIZE_MAX: empty */
	struct buf raw, expanded; /* kept from one chunk to the next */
	struct view records;      /* in one of the two */
	struct loaded_message *messages;
	size_t count, next, capacity;
};

struct session_reader {
	struct reader_file *files;
	unsigned file_count;
	struct reader_channel **channels; /* sorted by id; each stays where it is */
	size_t channel_count;
	struct reader_schema {
		uint16_t id;
		char *name, *encoding;
		unsigned char *data;
		size_t size_bytes;
	} * *schemas; /* each stays where it is */
	size_t schema_count;
	struct chunk_entry *chunks; /* sorted by start_ns */
	int64_t *latest_end_ns;     /* of chunks 0…i: how far to look back */
	size_t chunk_count, chunk_capacity;
	bool chunk_is_last; /* scanning: the chunk taken last is the one before this record */
	struct buf chunk_channels; /* of uint16_t */
	struct reader_extra *extras;
	size_t extra_count;
	struct reader_damage damages[READER_DAMAGES_LIMIT]; /* telling them needs no memory */
	size_t damage_count;
	bool disk_failed;
	char uuid[33];              /* of the session, "": not known */
	struct loaded_chunk cached; /* for session_reader_latest() */
	struct reader_gate gate;    /* without functions: everything passes */
};

/** Note a damage; what is over the limit is not told. */
void reader_damage(struct session_reader *reader, unsigned file, uint64_t offset, const char *text);

/**
 * What could not be read costs itself and not the rest: note it.
 *
 * @param r     what reading gave: -EBADMSG, or -EIO of the disk
 * @param text  what is wrong, with -EBADMSG
 * @return 0 when it was noted, else @p r
 */
int reader_take_damage(
	struct session_reader *reader, unsigned file, uint64_t offset, int r, const char *text);

/** An error of folder.h without the folder's path, which no damage has room for. */
const char *reader_base_of(const struct error *error, const struct folder *folder);

/** Take a Schema or Channel record; others are ignored. @return 0 or -ENOMEM */
int reader_declare(struct session_reader *reader, unsigned file, uint8_t opcode,
	struct view content, uint64_t offset);

/**
 * Find a segment's chunks, metadata and attachments: by its index, or by its records and its log.
 *
 * @return 0 or a negative errno; damage is noted and is none
 */
int reader_find_chunks(struct session_reader *reader, unsigned number);

/** The same of what came since, for a segment without an index. Its log must be closed. */
int reader_find_more_chunks(struct session_reader *reader, unsigned number);

/** Bring the chunks of all segments into the order of their times. @return 0 or -ENOMEM */
int reader_sort_chunks(struct session_reader *reader);

/** Forget what was found last: all but the first @p chunks and @p extras. */
void reader_forget_from(struct session_reader *reader, size_t chunks, size_t extras);

/** Take the declarations in a chunk. @return 0, also when it cannot be read, or a negative errno */
int reader_declare_from_chunk(struct session_reader *reader, const struct chunk_entry *entry);

/** What tells a message from all others of its session. */
static inline uint64_t reader_message_key(uint16_t channel_id, uint32_t sequence)
{
	return (uint64_t)channel_id << 32 | sequence;
}

/** Is this message of a group read from the log, because the file does not have it? */
bool reader_group_wants(const struct wal_group *group, uint16_t channel_id, uint32_t sequence);

const struct reader_channel *reader_channel_by_id(const struct session_reader *reader, uint16_t id);

/** Does the chunk hold messages of the channel, as far as is known? */
bool reader_chunk_has(
	const struct session_reader *reader, const struct chunk_entry *chunk, uint16_t channel_id);

/**
 * Read a chunk, check it, and sort its messages.
 *
 * @return 0, also when the chunk is damaged or the disk does not give it back (noted; it then counts
 *         as empty), or a negative errno
 */
int loaded_chunk_read(struct loaded_chunk *loaded, struct session_reader *reader, size_t chunk);
void loaded_chunk_finish(struct loaded_chunk *loaded);

/** Forget the chunk and keep the memory for the next one. */
void loaded_chunk_clear(struct loaded_chunk *loaded);

/** Fill in a message of a loaded chunk. */
void loaded_chunk_get(const struct loaded_chunk *loaded, const struct session_reader *reader,
	size_t i, struct reader_message *ret);
