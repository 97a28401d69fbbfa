#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/compress.h"
#include "protocol/mcap.h"
#include "protocol/os/folder.h"
#include "protocol/packet.h"

/**
 * Writes one session file: MCAP, chunks of one modality each. No threads; the caller serialises,
 * session_writer_sync() apart.
 *
 * The same packets in the same order give the same bytes: chunks end by the sizes and the times of
 * the packets and never by a timer. What is in the file is at every moment a valid prefix: header,
 * and whole chunks.
 */
struct session_writer;

/** What a file is for. */
enum session_writer_kind {
	/* A recording: our channels are declared, and each packet is in a write-ahead log beside
	 * the file when session_writer_append() returns, so that it outlives the process. */
	SESSION_WRITER_RECORDING,
	/* The last segment of a recording, all of which is at hand: no log. */
	SESSION_WRITER_LAST,
	/* Made of other files: channels as they are declared, no log. */
	SESSION_WRITER_COPY,
};

/**
 * Begin a session file.
 *
 * @param ret   set on success; freed by session_writer_destroy()
 * @param path  -EEXIST when it is there
 * @return 0, -ENOMEM, or what open(2) or write(2) gave: then nothing is left
 */
int session_writer_create(
	struct session_writer **ret, const char *path, enum session_writer_kind kind);

/** The same for a file in an opened folder, of which it keeps a reference. */
int session_writer_create_below(struct session_writer **ret, struct folder *folder,
	const char *name, enum session_writer_kind kind);

/**
 * The lock (flock(2)) that the writer has on its file, to be kept when the writer goes.
 *
 * @return a descriptor, the caller's, or a negative errno; closing the last one gives the lock back
 */
int session_writer_keep_lock(const struct session_writer *writer);

/**
 * How chunks are compressed from here on where that makes them smaller: zstd when this is never called.
 * Those of screen and sound never are.
 */
void session_writer_set_compression(struct session_writer *writer, enum compression compression);

/**
 * Declare a channel. It goes into chunks of the modality that its metadata names.
 *
 * @param schema  NULL when the channel has none
 * @return 0, -EEXIST when the id has been declared, or as session_writer_append()
 */
int session_writer_declare(struct session_writer *writer, const struct mcap_schema *schema,
	const struct mcap_channel *channel);

/**
 * Append one packet. It reaches the file when its chunk ends; of a recording it is in the log
 * before that.
 *
 * @return 0, -ENOMEM, or what write(2) gave: then the packet was not taken, the file ends with the
 *         last whole chunk, what was not written is still held, and it may be tried again
 */
int session_writer_append(struct session_writer *writer, const struct packet *packet);

/**
 * Append one Message record of any declared channel.
 *
 * @param record  the whole record
 * @return as session_writer_append(), or -EINVAL when it is no message of a declared channel
 */
int session_writer_append_record(struct session_writer *writer, struct view record);

/** Write a Metadata or an Attachment record at once. @return as session_writer_append() */
int session_writer_put_metadata(
	struct session_writer *writer, const struct mcap_metadata *metadata);
int session_writer_put_attachment(
	struct session_writer *writer, const struct mcap_attachment *attachment);

/** End the open chunks and write them. @return as session_writer_append() */
int session_writer_flush(struct session_writer *writer);

/**
 * Bring to the disk what was appended before this call. From any thread, while others append.
 *
 * @return 0, or what fdatasync(2) gave: what was appended since the last good call may be lost then,
 *         and nothing may be concluded from trying again; -ENOENT when the file was removed
 */
int session_writer_sync(struct session_writer *writer);

/** Make the file again, when it was removed after session_writer_create(). @return 0 or a negative errno */
int session_writer_put_back(struct session_writer *writer);

/**
 * Flush, then write the summary and the footer. Nothing can be appended afterwards. A file whose end
 * failed still opens, by its chunks and its log.
 */
int session_writer_end(struct session_writer *writer);

/**
 * End it if that was not done, bring all to the disk, and remove the log.
 */
int session_writer_finish(struct session_writer *writer);

/** @return true when the end has been written: nothing can be appended */
bool session_writer_is_finished(const struct session_writer *writer);

/** How much there is. */
struct session_writer_totals {
	uint64_t bytes; /* in the file, whole chunks */
	uint64_t messages;
};

struct session_writer_totals session_writer_get_totals(const struct session_writer *writer);

/** Remove the file and its log; frees the writer. */
void session_writer_discard(struct session_writer *writer);

/** Close the file and its log as they are; NULL is fine. */
void session_writer_destroy(struct session_writer *writer);

DEFINE_DESTROY(session_writer);
