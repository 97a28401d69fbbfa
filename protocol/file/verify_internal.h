#pragma once

/* Shared by verify.c, which reads the records and checks the data section, and verify_summary.c,
 * which compares the summary section with it. */

#include "protocol/base/buf.h"
#include "protocol/file/verify.h"
#include "protocol/mcap.h"

#include <protobuf-c/protobuf-c.h>

/* a declared channel */
struct channel_state {
	bool declared;
	uint16_t known;
	const ProtobufCMessageDescriptor *message;
	uint64_t messages;
	bool keyframe_seen;
	int64_t keyframe_ns;
};

/* expected content of the summary for a chunk */
struct chunk_state {
	uint64_t offset, length, start_time, end_time, index_length;
	size_t first_index, index_count; /* its message indexes, in verify->indexes */
	bool summarised;
};

/* a MessageIndex record */
struct index_state {
	uint64_t offset;
	uint16_t channel_id;
};

/* a Metadata or Attachment record */
struct aux_record_state {
	uint64_t offset, length;
	uint8_t opcode;
	bool summarised;
};

struct verify {
	int fd;
	uint64_t offset;                                               /* of the current record */
	void (*report)(void *user, uint64_t offset, const char *text); /* may be NULL */
	void *user;
	struct verify_result result;
	struct channel_state *channels; /* by id, 65536 of them */
	char **schemas;                 /* names by id, 65536 of them */
	struct chunk_state *chunks;
	size_t chunk_count;
	struct buf indexes;     /* of struct index_state */
	struct buf aux_records; /* of struct aux_record_state */
	uint64_t start_time, end_time;
	uint32_t schema_count, channel_count;
	struct group {
		uint64_t begin, end;
	} groups[MCAP_FOOTER + 16]; /* of the summary, by opcode */
	unsigned char *chunk_data;  /* the last chunk, for its message indexes */
	struct buf expanded;        /* its records, when it is compressed */
	struct view chunk_records;
	size_t chunk_indexed;   /* its messages named by an index */
	size_t chunk_messages;  /* messages in it */
	uint32_t data_crc;      /* of the bytes before DataEnd */
	uint64_t summary_start; /* offset after DataEnd, 0 before it */
	bool continues;         /* a later segment: its video continues */
};

/** Count a problem at an offset in the file, and report it; a text is cut after 199 bytes. */
void verify_problem(struct verify *verify, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Check DataEnd, Footer, or a record that only the summary section has, against the data section.
 * Called for every record of the file in order: of each it notes the place in the summary.
 *
 * @param record  at verify->offset; a record of the data section was checked before
 * @return 0, also with problems, or a negative errno: -ENOMEM, or an error of read(2)
 */
int verify_check_summary(struct verify *verify, const struct mcap_record *record);
