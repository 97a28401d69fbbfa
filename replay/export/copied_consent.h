#pragma once

#include "protocol/file/copy_identity.h"
#include "protocol/file/writer.h"
#include "replay/session/session.h"

/**
 * The additions of a recording's copy to the copied messages: the acts of its consent as it is now, on the
 * channel /acts, so that the copy is gated wherever it goes; and a gap for each span that was kept back.
 */
struct copied_consent {
	const struct session *session;
	int64_t from_ns, to_ns; /* of the copy, as in struct session_copy_options */
};

/** For session_copy_options.add. @param user  a struct copied_consent */
int copied_consent_add(void *user, struct session_writer *writer, struct copy_identity *made);
