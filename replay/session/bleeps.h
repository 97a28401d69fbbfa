#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/file/reader.h"
#include "replay/session/session.h"

/**
 * The muted spans of a session: all current bleeps of any layer, sorted by time and without overlap. Zero-initialised
 * is none.
 */
struct bleeps {
	struct bleep_span {
		int64_t from_ns, to_ns; /* session times */
	} * spans;
	size_t count;
};

/**
 * Collect the current bleeps of a session. When the annotations cannot be read, everything is bleeped: sound is muted
 * unless known to be allowed.
 *
 * @param ret  set on success; freed with bleeps_finish()
 * @return 0 or -ENOMEM
 */
int bleeps_collect(struct bleeps *ret, const struct session *session);
void bleeps_finish(struct bleeps *bleeps);

/** True when [from, to) overlaps a bleep; an empty span counts as its moment. */
bool bleeps_touch(const struct bleeps *bleeps, int64_t from_ns, int64_t to_ns);

/**
 * True for a message that must not be handed out: one of the sound modality that overlaps a bleep at all. Messages
 * that describe a source of sound contain none.
 */
bool bleeps_silence(const struct bleeps *bleeps, const struct reader_message *message);
