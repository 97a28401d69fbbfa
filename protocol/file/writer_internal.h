#pragma once

#include "protocol/base/buf.h"
#include "protocol/file/writer.h"

#include <stdatomic.h>

/* Shared by writer.c, writer_aux.c, which writes metadata and attachments, and writer_summary.c,
 * which writes the groups after the data. */

struct index_entry {
	uint64_t log_time;
	uint64_t offset; /* in the chunk's records */
};

struct writer_channel {
	uint16_t id;
	enum modality modality;
	uint64_t messages;
	struct buf entries; /* of struct index_entry: its messages in the open chunk */
};

struct open_chunk {
	struct buf records;
	uint64_t start_time, end_time;
};

struct session_writer {
	int fd;
	enum compression compression;
	struct folder *folder;
	char *name;
	struct wal *wal;                          /* of a recording */
	off_t offset;                             /* end of the valid part of the file */
	_Atomic uint64_t written_end, synced_end; /* for session_writer_sync() */
	uint32_t data_crc;                        /* of the data section up to there */
	bool finished;
	struct writer_channel *channels; /* sorted by id */
	size_t channel_count;
	struct open_chunk open[MODALITY_COUNT];
	int64_t group_start_ns, group_end_ns; /* of all open chunks together */
	uint64_t group_offset;                /* their future offset */
	size_t group_bytes;
	struct buf
		declarations; /* schemas and channels, once for the data and once for the summary */
	uint16_t *schemas;    /* declared ids */
	struct buf chunk_indexes, attachment_indexes, metadata_indexes; /* of the summary */
	uint32_t chunk_count, attachment_count, metadata_count;
	uint16_t schema_count;
	uint64_t messages;
	uint64_t start_time, end_time;
};

/**
 * Write whole records at the end of the file, after the open chunks: session_writer_flush() first.
 *
 * @return 0, or -ENOMEM when @p buf has failed, or an error of write(2), with the file as it was
 */
int writer_put_buf(struct session_writer *writer, const struct buf *buf);

/**
 * Append the summary and its offsets.
 *
 * @param start             its offset in the file
 * @param ret_offset_start  offset of its offset section
 */
void writer_put_summary(const struct session_writer *writer, struct buf *out, uint64_t start,
	uint64_t *ret_offset_start);
