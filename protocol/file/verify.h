#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** What session_verify() found. */
struct verify_result {
	uint64_t messages, chunks, bytes; /* that were read and are sound */
	unsigned problems;
	bool finished;         /* it has its footer */
	char session_uuid[33]; /* "": it has none (format 1) */
};

/**
 * Read every byte of a session file and check it: magic and lengths, the CRC of every chunk, that
 * every message belongs to a declared channel, parses and lies in its chunk's time, that indexes,
 * statistics and CRCs of the file agree with the data, and that video begins with a keyframe.
 *
 * @param fd      readable and seekable; stays the caller's
 * @param report  called for each problem with its offset in the file; may be NULL
 * @return 1 when the file is whole, 0 when it is damaged or cut, or a negative errno: -EBADMSG when
 *         it is no session file at all, or what read(2) gave
 */
int session_verify(int fd, void (*report)(void *user, uint64_t offset, const char *text),
	void *user, struct verify_result *ret, struct error *reterr);
