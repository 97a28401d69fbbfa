#pragma once

#include "protocol/file/reader.h"
#include "protocol/file/writer.h"

/**
 * Identities of the messages that a copy makes or changes. A packet is identified for ever by session_uuid,
 * channel and sequence: a message with other bytes than the recording's gets a sequence that no recorder gives,
 * from a range that the copy has drawn at random and declares under a uuid of its own: FORMAT.md, "Identities".
 */
struct copy_identity {
	uint32_t first; /* of the range */
	uint32_t count; /* that were given */
};

/** The lowest sequence of a message that a copy has made. Recorders stay below. */
#define COPY_SEQUENCES (UINT32_C(1) << 31)

/** Draw a range that no copy before has declared in the source. @return 0 or a negative errno */
int copy_identity_init(struct copy_identity *identity, struct session_reader *reader);

/** @return the next sequence */
uint32_t copy_identity_next(struct copy_identity *identity);

/** Give a whole Message record the next sequence. */
void copy_identity_stamp(struct copy_identity *identity, unsigned char *record);

/** Declare the range in the copy, if any of it was given. @return as session_writer_put_metadata() */
int copy_identity_write(const struct copy_identity *identity, struct session_writer *writer);
