#pragma once

#include "protocol/file/reader.h"
#include "protocol/file/writer.h"

/**
 * Identities of messages created or changed by a copy. A packet is permanently identified by
 * session_uuid, channel and sequence. A message whose bytes differ from the recording's gets a
 * sequence that no recorder assigns, from a range that the copy draws at random and declares under
 * a uuid of its own: FORMAT.md, "Identities".
 */
struct copy_identity {
	uint32_t first; /* of the range */
	uint32_t count; /* assigned so far */
};

/** Lowest sequence of a message created by a copy. Recorders stay below. */
#define COPY_SEQUENCES (UINT32_C(1) << 31)

/** Draw a range not declared by any earlier copy in the source. @return 0 or a negative errno */
int copy_identity_init(struct copy_identity *identity, struct session_reader *reader);

/** @return the next sequence */
uint32_t copy_identity_next(struct copy_identity *identity);

/** Assign the next sequence to a whole Message record. */
void copy_identity_stamp(struct copy_identity *identity, unsigned char *record);

/**
 * Declare the range in the copy, if any of it was used.
 *
 * @return as session_writer_put_metadata()
 */
int copy_identity_write(const struct copy_identity *identity, struct session_writer *writer);
