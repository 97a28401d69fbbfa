#pragma once

#include "protocol/file/copy_identity.h"
#include "protocol/file/writer.h"
#include "replay/session/session.h"

/**
 * Additions to the copied messages of a recording: the acts of its current consent, on the channel /acts, so that
 * every copy stays gated; and a gap for each withheld span.
 */
struct copied_consent {
	const struct session *session;
	int64_t from_ns, to_ns; /* range of the copy, as in struct session_copy_options */
};

/** For session_copy_options.add. @param user  a struct copied_consent */
int copied_consent_add(void *user, struct session_writer *writer, struct copy_identity *made);
