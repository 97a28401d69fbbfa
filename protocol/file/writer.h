#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/compress.h"
#include "protocol/mcap.h"
#include "protocol/os/folder.h"
#include "protocol/packet.h"

/**
 * Writes one session file: MCAP, chunks of one modality each. No threads; the caller serialises all
 * calls except session_writer_sync().
 *
 * The output is a function of the packets and their order: chunks end by the sizes and the times of
 * the packets, never by a timer. The file is a valid prefix at all times: header, and whole chunks.
 */
struct session_writer;

/** Purpose of a file. */
enum session_writer_kind {
	/* A recording: our channels are declared, and each packet is in a write-ahead log beside
	 * the file when session_writer_append() returns, so that it survives the process. */
	SESSION_WRITER_RECORDING,
	/* The last segment of a recording with all data at hand: no log. */
	SESSION_WRITER_LAST,
	/* Derived from other files: channels declared by the caller, no log. */
	SESSION_WRITER_COPY,
};

/**
 * Begin a session file.
 *
 * @param ret   set on success; freed by session_writer_destroy()
 * @param path  -EEXIST when it exists
 * @return 0, -ENOMEM, or the error of open(2) or write(2); nothing is left then
 */
int session_writer_create(
	struct session_writer **ret, const char *path, enum session_writer_kind kind);

/** Same for a file in an opened folder; keeps a reference to @p folder. */
int session_writer_create_below(struct session_writer **ret, struct folder *folder,
	const char *name, enum session_writer_kind kind);

/**
 * Duplicate the writer's lock (flock(2)) on its file, to keep it after the writer is gone.
 *
 * @return a descriptor, owned by the caller, or a negative errno; closing the last one releases the
 *         lock
 */
int session_writer_keep_lock(const struct session_writer *writer);

/**
 * Set the compression of further chunks, used where it makes them smaller; the default is zstd.
 * Chunks of screen and sound are never compressed.
 */
void session_writer_set_compression(struct session_writer *writer, enum compression compression);

/**
 * Declare a channel. Its messages go into chunks of the modality named in its metadata.
 *
 * @param schema  NULL for none
 * @return 0, -EEXIST when the id is already declared, or as session_writer_append()
 */
int session_writer_declare(struct session_writer *writer, const struct mcap_schema *schema,
	const struct mcap_channel *channel);

/**
 * Append one packet. It reaches the file when its chunk ends; in a recording it is in the log
 * before that.
 *
 * @return 0, -ENOMEM, or the error of write(2): the packet was not taken, the file ends with the
 *         last whole chunk, unwritten data is still held, and the call may be retried
 */
int session_writer_append(struct session_writer *writer, const struct packet *packet);

/**
 * Append one Message record of any declared channel.
 *
 * @param record  the whole record
 * @return as session_writer_append(), or -EINVAL when it is not a message of a declared channel
 */
int session_writer_append_record(struct session_writer *writer, struct view record);

/** Write a Metadata or an Attachment record immediately. @return as session_writer_append() */
int session_writer_put_metadata(
	struct session_writer *writer, const struct mcap_metadata *metadata);
int session_writer_put_attachment(
	struct session_writer *writer, const struct mcap_attachment *attachment);

/** End the open chunks and write them. @return as session_writer_append() */
int session_writer_flush(struct session_writer *writer);

/**
 * Sync to the disk all data appended before this call. From any thread, concurrently with appends.
 *
 * @return 0, or the error of fdatasync(2): data appended since the last successful call may be
 *         lost, and a later success proves nothing; -ENOENT when the file was removed
 */
int session_writer_sync(struct session_writer *writer);

/**
 * Recreate the file if it was removed after session_writer_create().
 *
 * @return 0 or a negative errno
 */
int session_writer_restore(struct session_writer *writer);

/**
 * Flush, then write the summary and the footer. Nothing can be appended afterwards. A file whose
 * end failed still opens, by its chunks and its log.
 */
int session_writer_end(struct session_writer *writer);

/** End the file if that was not done, sync everything to the disk, and remove the log. */
int session_writer_finish(struct session_writer *writer);

/** @return true when the end has been written: nothing can be appended */
bool session_writer_is_finished(const struct session_writer *writer);

/** Totals of a file. */
struct session_writer_totals {
	uint64_t bytes; /* in the file, whole chunks */
	uint64_t messages;
};

struct session_writer_totals session_writer_get_totals(const struct session_writer *writer);

/** Remove the file and its log; frees the writer. */
void session_writer_discard(struct session_writer *writer);

/** Close the file and its log without changing them; NULL is fine. */
void session_writer_destroy(struct session_writer *writer);

DEFINE_DESTROY(session_writer);
