#pragma once

#include "protocol/base/error.h"
#include "protocol/file/copy_identity.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"

/* Deriving a session file from another: from all its segments and its log, or from a part of it. */

struct session_copy_options {
	/* [from, to): session times; INT64_MIN and INT64_MAX: all of it. A part begins with the
	 * newest keyframe at or before `from`, and with the latched messages at that time; it
	 * excludes pictures copied at or after `to`, even if they begin before, and events at or
	 * after `to`. */
	int64_t from_ns, to_ns;
	/* Filter of messages to leave out: 1, 0, or a negative errno that ends the copy. May be
	 * NULL. */
	int (*leave_out)(void *user, const struct reader_message *message);
	/* Called once with the writer, after all messages, to add some, with sequences of
	 * `made`. May be NULL. */
	int (*add)(void *user, struct session_writer *writer, struct copy_identity *made);
	/* Called periodically with the current time; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
	const enum compression *compression; /* NULL: the writer's default */
};

struct session_copy_result {
	uint64_t messages, bytes;
};

/**
 * Copy all readable data into a new, whole session file. Unreadable data is listed in
 * session_reader_damages() afterwards.
 *
 * @param path  of the new file; -EEXIST when it exists; removed on failure
 * @return 0, or a negative errno with the reason
 */
int session_copy(struct session_reader *reader, const char *path,
	const struct session_copy_options *options, struct session_copy_result *ret,
	struct error *reterr);

/** Span and modalities to erase from a session. */
struct session_erase_options {
	int64_t from_ns, to_ns; /* session times */
	uint32_t modalities;    /* as bits (1 << enum modality), never MODALITY_SESSION */
	const char *who, *why;  /* for the gap that remains */
};

/**
 * Erase a span of a session's recording permanently: all segments and logs are replaced by one new
 * file without it, with a gap in its place. Batches that reach into the span are dropped whole. So
 * are pictures: one that begins before the span and was copied in it shows drawing from the span.
 * The following ones up to the next keyframe depend on them and are dropped too. Latched state that
 * holds after the span (screen size, key policy; not the pointer's position) is repeated at its
 * end.
 *
 * The session never gets longer: a span beyond its start or end is clamped.
 *
 * @param folder   the session's; its annotations are unchanged
 * @param ret_gap  the erased span: at least the clamped request
 * @return 0, -ERANGE when the span is outside the session, -EBUSY while it is being recorded, or a
 *         negative errno with the reason. Then either nothing has changed, or the span is no longer
 *         read and another call completes the work
 */
int session_erase(struct folder *folder, const struct session_erase_options *options,
	int64_t ret_gap[2], struct error *reterr);

/**
 * Complete an erasure that was interrupted after its new file was complete: remove the old files.
 * session_erase() begins with it.
 *
 * @return 0, also when there was none, or a negative errno with the reason
 */
int session_erase_finish(const struct folder *folder, struct error *reterr);
