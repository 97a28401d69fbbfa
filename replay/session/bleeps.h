#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/file/reader.h"
#include "replay/session/session.h"

/**
 * The spans of a session whose sound nobody is to hear: all bleeps that are said at present, whatever
 * their layer, in the order of time and without overlap. Zero-initialised is none.
 */
struct bleeps {
	struct bleep_span {
		int64_t from_ns, to_ns; /* session times */
	} * spans;
	size_t count;
};

/**
 * Collect a session's bleeps as they are now. When what was said cannot be read, everything is
 * bleeped: what is not known to be allowed is not heard.
 *
 * @param ret  set on success; freed with bleeps_finish()
 * @return 0 or -ENOMEM
 */
int bleeps_collect(struct bleeps *ret, const struct session *session);
void bleeps_finish(struct bleeps *bleeps);

/** Whether [from, to) reaches into a bleep; of an empty span, its moment. */
bool bleeps_touch(const struct bleeps *bleeps, int64_t from_ns, int64_t to_ns);

/**
 * Whether a message must not be given to anybody: one of the modality sound that has, however little,
 * of what a bleep covers. What says where sound comes from has none of it.
 */
bool bleeps_silence(const struct bleeps *bleeps, const struct reader_message *message);
