#pragma once

#include "protocol/base/error.h"
#include "protocol/reader.h"

/* Making one session file of another: of all its segments and its log, of a part of it. */

struct session_copy_options {
	/* [from, to): session times; INT64_MIN and INT64_MAX: all of it. A part begins with the
	 * newest keyframe at or before `from`, and with what is latched there. */
	int64_t from_ns, to_ns;
	/* Called now and then with the time that was reached; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
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
