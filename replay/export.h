#pragma once

#include "protocol/base/error.h"
#include "protocol/reader.h"
#include "replay/bleeps.h"

/* Sound and picture of a session as files that any player shows. */

enum export_format {
	EXPORT_MKV,  /* picture and sound as they were coded, at their times to the millisecond */
	EXPORT_OPUS, /* sound as it was coded, silence where there is none */
	EXPORT_WAV,  /* sound, 16 bits, every sample within a millisecond of its time */
};

/** @return the format of that name ("mkv", "opus", "wav"), or -1 */
int export_find(const char *name);

struct export_options {
	enum export_format format;
	/* session times; INT64_MIN and INT64_MAX: all. The export's time 0 is `from`, or the session's
	 * begin; with pictures the keyframe before `from`. */
	int64_t from_ns, to_ns;
	/* Spans that have a tone instead of the sound; never NULL. */
	const struct bleeps *bleeps;
	/* Of the two sounds the one that the machine played; of EXPORT_MKV both are in the file. */
	bool monitor;
	/* Called now and then with the time that was reached; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
};

/**
 * Write a part of a session. Gaps stay as long as they were.
 *
 * @param path  of the file to make; -EEXIST when it is there; removed on failure
 * @return 0, -ENODATA when the session has nothing of the kind, or a negative errno with the reason
 */
int session_export(struct session_reader *reader, const char *path,
	const struct export_options *options, struct error *reterr);
