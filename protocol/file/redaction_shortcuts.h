#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Part of the redaction check: verifies that each shortcut of a session had its modifiers. The key
 * classes of the same 100 ms give the number of modifier keys down; a shortcut with more modifiers
 * is retained text. After a gap in the input, and after a change of the policy, that number is
 * unknown for a while.
 */

struct redaction_span {
	int64_t from_ns, to_ns;
};

/** Zero-initialised is empty. */
struct redaction_shortcuts {
	struct redaction_span *unknown; /* not judged there */
	size_t count;

	unsigned held, found; /* modifier keys down: pressed, or found down */
	int64_t time_ns;      /* of the current interval */
	unsigned available;   /* in it: down at its start, or pressed or found in it */
	unsigned needed;      /* the most modifiers of a shortcut in it */
	bool begun;
};

void redaction_shortcuts_finish(struct redaction_shortcuts *shortcuts);

/** Add all gaps and policies first. @return 0 or -ENOMEM */
int redaction_shortcuts_gap(struct redaction_shortcuts *shortcuts, const Uxrec__Gap *gap);
int redaction_shortcuts_policy(struct redaction_shortcuts *shortcuts, int64_t time_ns);

/**
 * Then add classes and shortcuts in time order.
 *
 * @param ret_time_ns  set when the result is false
 * @return false when an interval before this message has a shortcut without its modifiers
 */
bool redaction_shortcuts_classes(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__KeyClassBatch *batch, int64_t *ret_time_ns);
bool redaction_shortcuts_batch(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__ShortcutBatch *batch, int64_t *ret_time_ns);

/** Finish: as above, for the last interval. */
bool redaction_shortcuts_end(struct redaction_shortcuts *shortcuts, int64_t *ret_time_ns);
