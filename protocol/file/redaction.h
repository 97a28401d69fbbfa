#pragma once

#include "protocol/base/error.h"
#include "protocol/file/reader.h"

#include <stdbool.h>
#include <stdint.h>

/** What redaction_verify() found. */
struct redaction_result {
	uint64_t messages;   /* of input, that were checked */
	uint64_t keys;       /* presses, releases and counts that are told of */
	uint64_t covered_ns; /* how long a policy below "full" held, up to the last message */
	unsigned policies, problems;
};

/**
 * Prove that a recording holds no key code where its policy allows none.
 *
 * Spans: from each packet of /input/policy to the next; before the first, the policy that the session
 * was started with. In the spans of a policy below "full" every message of the modality "input" must be
 * of a type that is known to have no room for a code: each field that the file's own schema declares for
 * it is in a list of fields that were looked at, with number and type. Of each message there every field
 * is declared, every enum a listed member, every button 0 or 1, and every time one of the policy's
 * intervals. Types that hold codes may be there as the policy says: shortcuts, and with a modifier.
 *
 * @param report  called for each problem with its session time; may be NULL
 * @return 1 when it is so, 0 when it is not, or a negative errno
 */
int redaction_verify(struct session_reader *reader,
	void (*report)(void *user, int64_t time_ns, const char *text), void *user,
	struct redaction_result *ret, struct error *reterr);
