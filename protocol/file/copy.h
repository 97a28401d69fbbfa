#pragma once

#include "protocol/base/error.h"
#include "protocol/file/copy_identity.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"

/* Making one session file of another: of all its segments and its log, of a part of it. */

struct session_copy_options {
	/* [from, to): session times; INT64_MIN and INT64_MAX: all of it. A part begins with the
	 * newest keyframe at or before `from`, and with what is latched there; pictures that were copied
	 * at or after `to` are not in it, though they begin before, and no event at or after it. */
	int64_t from_ns, to_ns;
	/* Which messages to leave out: 1, 0, or a negative errno that ends it. May be NULL. */
	int (*leave_out)(void *user, const struct reader_message *message);
	/* Called once with the writer, after all messages: to add some, with sequences of `made`. May be NULL. */
	int (*add)(void *user, struct session_writer *writer, struct copy_identity *made);
	/* Called now and then with the time that was reached; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
	const enum compression *compression; /* NULL: the writer's own */
};

struct session_copy_result {
	uint64_t messages, bytes;
};

/**
 * Copy what can be read into a fresh, whole session file. What cannot be read is in
 * session_reader_damages() afterwards.
 *
 * @param path  of the file to make; -EEXIST when it is there; removed on failure
 * @return 0, or a negative errno with the reason
 */
int session_copy(struct session_reader *reader, const char *path,
	const struct session_copy_options *options, struct session_copy_result *ret,
	struct error *reterr);

/** What to take out of a session. */
struct session_erase_options {
	int64_t from_ns, to_ns; /* session times */
	uint32_t modalities;    /* as bits (1 << enum modality), never of the session */
	const char *who, *why;  /* for the gap that stays */
};

/**
 * Take a span out of a session's recording, for good: all segments and logs become one new file
 * without it, with a gap in its place. Batches that reach into the span go whole. So do pictures: one that
 * begins before the span and was copied in it shows what was drawn in it. Those up to the next keyframe go too,
 * because they are made of those that went. What is latched and holds on behind the span (the size of the screen, the
 * policy of the keys; not where the pointer was) is told at its end.
 *
 * @param folder   the session's; its annotations stay as they are
 * The session never gets longer: of a span that reaches over its begin or end, the part in between is meant.
 *
 * @param ret_gap  the span that is gone: at least that part of what was asked for
 * @return 0, -ERANGE when the span has nothing of the session, -EBUSY while it is recorded, or a negative errno with the reason. Then either nothing has
 *         changed, or the span is not read any more and another call ends the work
 */
int session_erase(struct folder *folder, const struct session_erase_options *options,
	int64_t ret_gap[2], struct error *reterr);

/**
 * End the work of an erasing that was interrupted after its new file was complete: remove the old files.
 * session_erase() begins with it.
 *
 * @return 0, also when none was interrupted, or a negative errno with the reason
 */
int session_erase_finish(const struct folder *folder, struct error *reterr);
