#pragma once

#include "protocol/mcap.h"

/*
 * Acts in an MCAP file of any layout: messages in chunks of any number, compressed or not, and
 * outside of chunks; schemas and channels declared in chunks or outside. An act is a message of a
 * channel with topic "/acts" and schema uxrec.Act, whatever its number, or of an undeclared channel
 * (with a damaged head the acts are still there). Messages of other channels are skipped.
 *
 * The file is untrusted: no chunk is expanded beyond READER_CHUNK_LIMIT_BYTES, nor all of them
 * together beyond ANNOTATIONS_LIMIT_BYTES.
 */
struct act_reader {
	/* @param message  its data is the packed act; valid during the call. @return 0; other
	 *                 values stop reading */
	int (*on_act)(void *user, uint64_t offset, const struct mcap_message *message);
	/* unreadable record at @p offset */
	void (*on_damage)(void *user, uint64_t offset, const char *text);
	void *user;

	uint64_t expanded_bytes;
	bool has_channel; /* a channel of acts is declared */
	uint16_t channel; /* the first of them */
	/* bits by id */
	unsigned char schemas[8192], act_schemas[8192];
	unsigned char channels[8192], act_channels[8192];
};

/**
 * Read records: all of a file after its magic, or the next ones of a growing file.
 *
 * @param offset    of @p records in the file
 * @param ret_left  set to the number of unread bytes: of an incomplete record, or everything from
 *                  the end of the data section on
 * @return 1 when the data section has ended, 0, or the value of `on_act` that stopped reading
 */
int act_reader_read(
	struct act_reader *reader, struct view records, uint64_t offset, size_t *ret_left);

/** @return a number unused by schemas and channels of the file, or 0 */
uint16_t act_reader_free_id(const struct act_reader *reader);
