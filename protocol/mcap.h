#pragma once

/*
 * Records of MCAP version 0 (https://mcap.dev/spec): serialisation and parsing, no files. All
 * integers are little-endian; times are nanoseconds.
 */

#include "protocol/base/buf.h"
#include "protocol/base/error.h"

#include <stdbool.h>

#define MCAP_MAGIC                "\x89MCAP0\r\n"
#define MCAP_MAGIC_BYTES          8
#define MCAP_RECORD_HEADER_BYTES  9  /* opcode, uint64 length of the content */
#define MCAP_MESSAGE_HEADER_BYTES 22 /* of a Message's content, before its data */
#define MCAP_FOOTER_BYTES         20 /* of a Footer's content */
#define MCAP_CHUNK_HEADER_BYTES   40 /* of a Chunk's content when its compression is "" */

/* Specification, "Records" */
enum mcap_opcode {
	MCAP_HEADER = 0x01,
	MCAP_FOOTER = 0x02,
	MCAP_SCHEMA = 0x03,
	MCAP_CHANNEL = 0x04,
	MCAP_MESSAGE = 0x05,
	MCAP_CHUNK = 0x06,
	MCAP_MESSAGE_INDEX = 0x07,
	MCAP_CHUNK_INDEX = 0x08,
	MCAP_ATTACHMENT = 0x09,
	MCAP_ATTACHMENT_INDEX = 0x0a,
	MCAP_STATISTICS = 0x0b,
	MCAP_METADATA = 0x0c,
	MCAP_METADATA_INDEX = 0x0d,
	MCAP_SUMMARY_OFFSET = 0x0e,
	MCAP_DATA_END = 0x0f,
	MCAP_PRIVATE = 0x80, /* "Opcodes 0x80-0xFF are reserved for application extensions" */
};

struct mcap_record {
	uint8_t opcode;
	struct view content;
};

struct mcap_message {
	uint16_t channel_id;
	uint32_t sequence;
	uint64_t log_time;
	uint64_t publish_time;
	struct view data;
};

struct mcap_schema {
	uint16_t id;
	struct view name, encoding, data;
};

struct mcap_channel {
	uint16_t id, schema_id;
	struct view topic, message_encoding;
	struct view metadata; /* pairs of strings */
};

struct mcap_metadata {
	struct view name;
	struct view pairs; /* of strings */
};

struct mcap_attachment {
	uint64_t log_time, create_time;
	struct view name, media_type, data;
};

struct mcap_chunk {
	uint64_t start_time, end_time; /* of its messages */
	uint64_t uncompressed_size;
	uint32_t uncompressed_crc; /* 0: unset */
	struct view compression;
	struct view records;
};

struct mcap_chunk_index {
	uint64_t start_time, end_time;
	uint64_t chunk_offset, chunk_length; /* of the whole Chunk record in the file */
	struct view message_index_offsets;   /* pairs of uint16 channel id, uint64 file offset */
	uint64_t message_index_length;
	struct view compression;
	uint64_t compressed_size, uncompressed_size;
};

struct mcap_footer {
	uint64_t summary_start, summary_offset_start;
	uint32_t summary_crc;
};

struct mcap_statistics {
	uint64_t message_count;
	uint16_t schema_count;
	uint32_t channel_count, attachment_count, metadata_count, chunk_count;
	uint64_t start_time, end_time;
	struct view channel_counts; /* pairs of uint16 channel id, uint64 count */
};

/** Write opcode and content length into MCAP_RECORD_HEADER_BYTES bytes. */
void mcap_store_record_header(unsigned char *at, uint8_t opcode, size_t record_bytes);

/** Write a Message's content, without its data, into MCAP_MESSAGE_HEADER_BYTES bytes. */
void mcap_store_message_header(unsigned char *at, const struct mcap_message *message);

/*
 * Append whole records. mcap_begin() returns the argument for mcap_end(), which fills in the length
 * of the content appended in between.
 */
size_t mcap_begin(struct buf *buf, uint8_t opcode);
void mcap_end(struct buf *buf, size_t begin);
void mcap_put_header(struct buf *buf, const char *profile, const char *library);
void mcap_put_schema(struct buf *buf, const struct mcap_schema *schema);
void mcap_put_channel(struct buf *buf, const struct mcap_channel *channel);
void mcap_put_metadata(struct buf *buf, const struct mcap_metadata *metadata);
void mcap_put_attachment(struct buf *buf, const struct mcap_attachment *attachment);
void mcap_put_data_end(struct buf *buf, uint32_t data_crc);
/**
 * Append the Footer and the closing magic; the CRC covers `summary` and the start of the footer.
 */
void mcap_put_footer(struct buf *buf, struct view summary, uint64_t summary_start,
	uint64_t summary_offset_start);

/**
 * Take the next record from the front of @p view.
 *
 * @return 1, 0 at the end, or -EBADMSG when the record exceeds the view (`view` is unchanged then)
 */
int mcap_next_record(struct view *view, struct mcap_record *ret);

/*
 * Parse the content of a record. Bytes after the known fields are ignored, as the specification
 * requires. @return 0, or -EBADMSG when the content is too short.
 */
int mcap_parse_message(struct view content, struct mcap_message *ret);
int mcap_parse_schema(struct view content, struct mcap_schema *ret);
int mcap_parse_channel(struct view content, struct mcap_channel *ret);
int mcap_parse_chunk(struct view content, struct mcap_chunk *ret);
int mcap_parse_chunk_index(struct view content, struct mcap_chunk_index *ret);
int mcap_parse_metadata(struct view content, struct mcap_metadata *ret);

/**
 * Find a key in pairs of strings.
 *
 * @param ret  set to the first value that fits
 * @return true when found
 */
bool mcap_find_pair(struct view pairs, const char *key, char *ret, size_t size_bytes);

int mcap_parse_attachment(struct view content, struct mcap_attachment *ret); /* checks its CRC */
int mcap_parse_footer(struct view content, struct mcap_footer *ret);
int mcap_parse_statistics(struct view content, struct mcap_statistics *ret);

/** The CRC-32 of the specification (as in gzip), continued from @p crc (0 to begin). */
uint32_t mcap_crc(uint32_t crc, const void *data, size_t size_bytes);

/** A view of a string without its terminating 0. */
static inline struct view mcap_text(const char *text)
{
	return (struct view){(const unsigned char *)text, strlen(text), 0};
}

/** @return true when the view equals @p text */
bool mcap_string_is(struct view view, const char *text);
