#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Inside the check of the redaction: whether each shortcut of a session had its modifiers. The classes of the same
 * 100 ms give the number of modifier keys down; a shortcut with more modifiers is retained text.
 * After a gap in the input, and after a change of the policy, that number is not known for a while.
 */

struct redaction_span {
	int64_t from_ns, to_ns;
};

/** Zero-initialised. */
struct redaction_shortcuts {
	struct redaction_span *unknown; /* not judged then */
	size_t count, capacity;

	unsigned held, found; /* modifier keys that are down: pressed, or found so */
	int64_t time_ns;      /* of the interval that is summed up */
	unsigned available;   /* of it: down at its begin, or pressed or found in it */
	unsigned needed;      /* the most that a shortcut of it has */
	bool begun;
};

void redaction_shortcuts_finish(struct redaction_shortcuts *shortcuts);

/** First all gaps and policies. @return 0 or -ENOMEM */
int redaction_shortcuts_gap(struct redaction_shortcuts *shortcuts, const Uxrec__Gap *gap);
int redaction_shortcuts_policy(struct redaction_shortcuts *shortcuts, int64_t time_ns);

/**
 * Then classes and shortcuts in the order of their times.
 *
 * @param ret_time_ns  set when the answer is false
 * @return false: an interval before this message has a shortcut without its modifiers
 */
bool redaction_shortcuts_classes(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__KeyClassBatch *batch, int64_t *ret_time_ns);
bool redaction_shortcuts_take(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__ShortcutBatch *batch, int64_t *ret_time_ns);

/** At the end: as above, of the last interval. */
bool redaction_shortcuts_end(struct redaction_shortcuts *shortcuts, int64_t *ret_time_ns);
