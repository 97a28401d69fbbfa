#pragma once

#include "protocol/base/error.h"
#include "protocol/file/reader.h"

#include <stdbool.h>
#include <stdint.h>

/** Result of redaction_verify(). */
struct redaction_result {
	uint64_t messages;   /* of input, checked */
	uint64_t keys;       /* presses, releases and counts in them */
	uint64_t covered_ns; /* time under a policy below "full", up to the last message */
	unsigned policies, problems;
};

/**
 * Prove that a recording holds no key code where its policy allows none.
 *
 * Spans: from each packet of /input/policy to the next; before the first, the initial policy of the
 * session. In the spans of a policy below "full" every message of the modality "input" must be of a
 * type that is known to have no room for a code: each field declared for it in the file's own
 * schema is in a list of reviewed fields, with number and type. In each such message every field
 * must be declared, every enum a listed member, every button 0 or 1, and every time aligned to the
 * policy's intervals. Types with codes are allowed as far as the policy permits: shortcuts, and
 * only with a modifier.
 *
 * @param report  called for each problem with its session time; may be NULL
 * @return 1 when proven, 0 when not, or a negative errno
 */
int redaction_verify(struct session_reader *reader,
	void (*report)(void *user, int64_t time_ns, const char *text), void *user,
	struct redaction_result *ret, struct error *reterr);
