#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/packet.h"

/**
 * Writes one session file: MCAP, chunks of one modality each. No threads; the caller serialises.
 *
 * The same packets in the same order give the same bytes: chunks end by the sizes and the times of
 * the packets and never by a timer. What is on disk is at every moment a valid prefix: header, and
 * whole chunks.
 */
struct session_writer;

/**
 * Begin a session file: header, schemas and channels are written at once.
 *
 * @param ret  set on success; freed by session_writer_destroy()
 * @param fd   empty, writable; becomes the writer's on success, stays the caller's on failure
 * @return 0, -ENOMEM, or what write(2) gave
 */
int session_writer_create(struct session_writer **ret, int fd);

/**
 * Append one packet. It reaches the file when its chunk ends.
 *
 * @return 0, -ENOMEM, or what write(2) gave: then the file ends with the last whole chunk, what was
 *         not written is still held, and session_writer_flush() may be tried again
 */
int session_writer_append(struct session_writer *writer, const struct packet *packet);

/** End the open chunks and write them. @return as session_writer_append() */
int session_writer_flush(struct session_writer *writer);

/**
 * Flush, then write the summary and the footer. Nothing can be appended afterwards. A file whose
 * finish failed still opens, by its chunks.
 */
int session_writer_finish(struct session_writer *writer);

/** The file, for fdatasync(2) by another thread; the writer's own. */
int session_writer_fd(const struct session_writer *writer);

/** How much there is. */
struct session_writer_totals {
	uint64_t bytes; /* in the file, whole chunks */
	uint64_t messages[CHANNEL_END];
	uint64_t gaps;
};

struct session_writer_totals session_writer_get_totals(const struct session_writer *writer);

/** Close the file as it is; NULL is fine. */
void session_writer_destroy(struct session_writer *writer);

DEFINE_DESTROY(session_writer);
