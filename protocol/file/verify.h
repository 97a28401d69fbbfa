#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** Result of session_verify(). */
struct verify_result {
	uint64_t messages, chunks, bytes; /* read and valid */
	unsigned problems;
	bool finished;         /* has its footer */
	char session_uuid[33]; /* "": none (format 1) */
};

/**
 * Read every byte of a session file and check it: magic and lengths; the CRC of every chunk; that
 * every message belongs to a declared channel, parses and lies in the time range of its chunk; that
 * indexes, statistics and CRCs of the file agree with the data; and that video begins with a
 * keyframe.
 *
 * @param fd      readable and seekable; owned by the caller
 * @param report  called for each problem with its offset in the file; may be NULL
 * @return 1 when the file is whole, 0 when it is damaged or truncated, or a negative errno:
 *         -EBADMSG when it is not a session file, or an error of read(2)
 */
int session_verify(int fd, void (*report)(void *user, uint64_t offset, const char *text),
	void *user, struct verify_result *ret, struct error *reterr);
