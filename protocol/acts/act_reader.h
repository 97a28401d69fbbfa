#pragma once

#include "protocol/mcap.h"

/*
 * The acts in an MCAP file, however it is laid out: messages in chunks of any number of them, compressed or not,
 * and outside of chunks; schemas and channels declared in chunks or outside. An act is a message of a channel
 * whose topic is "/acts" and whose schema is uxrec.Act, whatever its number, or of a channel that is not declared
 * (when the file's head is damaged, the acts are all there). Messages of other channels are passed over.
 *
 * Everything in the file is hostile: no chunk is expanded beyond READER_CHUNK_LIMIT_BYTES, and all of them
 * together not beyond ANNOTATIONS_LIMIT_BYTES.
 */
struct act_reader {
	/* @param message  its data is the packed act; good during the call. @return 0; any other value ends reading */
	int (*take)(void *user, uint64_t offset, const struct mcap_message *message);
	/* of a record at @p offset that cannot be read */
	void (*damage)(void *user, uint64_t offset, const char *text);
	void *user;

	uint64_t expanded_bytes;
	bool has_channel; /* one of acts is declared */
	uint16_t channel; /* the first of them */
	/* bits by id */
	unsigned char schemas[8192], act_schemas[8192];
	unsigned char channels[8192], act_channels[8192];
};

/**
 * Read records: all of a file behind its magic, or the next ones of a file that grows.
 *
 * @param offset    of @p records in the file
 * @param ret_left  set to the bytes that were not read: of a record that is not whole, or everything from the end
 *                  of the data section on
 * @return 1 when the data section has ended, 0, or the value of `take` that ended reading
 */
int act_reader_read(
	struct act_reader *reader, struct view records, uint64_t offset, size_t *ret_left);

/** @return a number that no schema and no channel of the file has, or 0 */
uint16_t act_reader_free_id(const struct act_reader *reader);
