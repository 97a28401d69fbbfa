#pragma once

/* Shared by the parts of the reader: reader.c opens segments and keeps their declarations,
 * reader_chunks.c finds their chunks, reader_cursor.c reads them. */

#include "protocol/channel.h"
#include "protocol/file/reader.h"
#include "protocol/file/wal.h"
#include "protocol/limits.h"
#include "protocol/os/folder.h"

/* source of messages */
enum chunk_source {
	CHUNK_RECORD, /* a Chunk record */
	CHUNK_RUN,    /* consecutive records outside of chunks */
	CHUNK_WAL,    /* a group of the write-ahead log */
};

struct chunk_entry {
	int64_t start_ns, end_ns;
	uint64_t offset, length; /* of the whole record or the run; for a group its number */
	uint16_t file;           /* number of the segment */
	uint8_t source;          /* enum chunk_source */
	/* channel ids (of the file) with messages in it: a slice of reader->chunk_channels; when
	 * `indexed` is false they are unknown and any may be in it */
	bool indexed;
	uint32_t first_channel, channel_count;
};

/* one segment */
struct reader_file {
	struct folder *folder;
	char *name;
	int fd;
	uint64_t size_bytes;
	uint64_t whole_bytes; /* end of the last whole record; scanned up to here */
	bool complete;
	bool ours; /* by its profile */
	int wal_fds[2];
	struct wal_group *groups;
	size_t group_count;
	/* messages from this sequence number on are in a later segment; by enum channel_id */
	uint32_t superseded_from[CHANNEL_END];
};

struct reader_aux_record {
	uint64_t offset, length; /* of the whole record */
	uint16_t file;
	uint8_t opcode;
};

/* position of a message in a loaded chunk */
struct loaded_message {
	int64_t time_ns;
	size_t offset, size_bytes;
	uint16_t channel_id;
	uint32_t sequence;
};

/* one chunk in memory, messages sorted by time */
struct loaded_chunk {
	size_t chunk;             /* number of the chunk, SIZE_MAX: empty */
	struct buf raw, expanded; /* reused from one chunk to the next */
	struct view records;      /* in `raw` or `expanded` */
	struct loaded_message *messages;
	size_t count, next, capacity; /* the memory is kept for the next chunk */
};

struct session_reader {
	struct reader_file *files;
	unsigned file_count;
	struct reader_channel **channels; /* sorted by id; addresses are stable */
	size_t channel_count;
	struct reader_schema {
		uint16_t id;
		char *name, *encoding;
		unsigned char *data;
		size_t size_bytes;
	} * *schemas; /* addresses are stable */
	size_t schema_count;
	struct chunk_entry *chunks; /* sorted by start_ns */
	int64_t *latest_end_ns;     /* of chunks 0…i: bound for looking back */
	size_t chunk_count;
	bool chunk_is_last;        /* scanning: the last chunk in the list precedes this record */
	struct buf chunk_channels; /* of uint16_t */
	struct reader_aux_record *aux_records;
	size_t aux_record_count;
	struct reader_damage damages[READER_DAMAGES_LIMIT]; /* fixed: listing must not allocate */
	size_t damage_count;
	bool disk_failed;
	char uuid[33];              /* of the session, "": unknown */
	struct loaded_chunk cached; /* for session_reader_latest() */
	struct reader_gate gate;    /* no functions: everything passes */
};

/** Note a damage; dropped when over the limit. */
void reader_damage(struct session_reader *reader, unsigned file, uint64_t offset, const char *text);

/**
 * Note a read failure as a damage, which costs only the unreadable part.
 *
 * @param r     the result of reading: -EBADMSG, or -EIO for the disk
 * @param text  the damage, with -EBADMSG
 * @return 0 when it was noted, else @p r
 */
int reader_handle_failure(
	struct session_reader *reader, unsigned file, uint64_t offset, int r, const char *text);

/** An error of folder.h without the folder's path, which does not fit into a damage. */
const char *reader_base_of(const struct error *error, const struct folder *folder);

/** Take a Schema or Channel record; others are ignored. @return 0 or -ENOMEM */
int reader_declare(struct session_reader *reader, unsigned file, uint8_t opcode,
	struct view content, uint64_t offset);

/**
 * Find a segment's chunks, metadata and attachments: by its index, or by its records and its log.
 *
 * @return 0 or a negative errno; damage is noted and not returned
 */
int reader_find_chunks(struct session_reader *reader, unsigned number);

/** Same for data added since, for a segment without an index. Its log must be closed. */
int reader_find_more_chunks(struct session_reader *reader, unsigned number);

/** Append an empty entry. @return the entry, valid until the next call, or NULL at the limit or without memory */
struct chunk_entry *reader_add_chunk(struct session_reader *reader, unsigned file);

/**
 * Add the groups of a segment's write-ahead log, without the messages that the file has.
 *
 * @return 0 or a negative errno; damage is noted and not returned
 */
int reader_read_log(struct session_reader *reader, unsigned number);

/** Sort the chunks of all segments by time. @return 0 or -ENOMEM */
int reader_sort_chunks(struct session_reader *reader);

/** Forget the latest entries: all but the first @p chunks and @p aux_records. */
void reader_truncate_index(struct session_reader *reader, size_t chunks, size_t aux_records);

/** Take the declarations in a chunk. @return 0, also when it is unreadable, or a negative errno */
int reader_declare_from_chunk(struct session_reader *reader, const struct chunk_entry *entry);

/** Unique key of a message in its session. */
static inline uint64_t reader_message_key(uint16_t channel_id, uint32_t sequence)
{
	return (uint64_t)channel_id << 32 | sequence;
}

/** @return true when this message of a group is read from the log, because the file lacks it */
bool reader_group_wants(const struct wal_group *group, uint16_t channel_id, uint32_t sequence);

const struct reader_channel *reader_channel_by_id(const struct session_reader *reader, uint16_t id);

/** @return true when the chunk has, or may have, messages of the channel */
bool reader_chunk_has(
	const struct session_reader *reader, const struct chunk_entry *chunk, uint16_t channel_id);

/**
 * Read a chunk, check it, and sort its messages.
 *
 * @return 0, also when the chunk is damaged or the disk fails to read it (noted; it then counts as
 *         empty), or a negative errno
 */
int loaded_chunk_read(struct loaded_chunk *loaded, struct session_reader *reader, size_t chunk);
void loaded_chunk_finish(struct loaded_chunk *loaded);

/** Forget the chunk and keep the memory for the next one. */
void loaded_chunk_clear(struct loaded_chunk *loaded);

/** Fill in a message of a loaded chunk. */
void loaded_chunk_get(const struct loaded_chunk *loaded, const struct session_reader *reader,
	size_t i, struct reader_message *ret);
