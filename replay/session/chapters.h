#pragma once

#include "replay/session/session.h"

/** The attempts of a session as chapters of a film, sorted by time. Zero-initialised is none. */
struct chapters {
	struct chapter {
		int64_t from_ns, to_ns;        /* session times; to > from */
		char *title;                   /* title of the task, UTF-8 without controls */
		const Uxrec__Attempt *attempt; /* valid until the annotations change */
	} * list;
	size_t count;
};

/**
 * Collect the attempts, at the times corrected by a reviewer.
 *
 * @param ret  set on success; freed with chapters_finish()
 * @return 0 or -ENOMEM
 */
int chapters_collect(struct chapters *ret, const struct session *session);
void chapters_finish(struct chapters *chapters);

/**
 * For formats whose chapters have only a start: remove overlaps. Of nested tasks the one that began last has the time,
 * and the outer one continues after it; gaps become chapters without a task.
 *
 * @param from_ns, to_ns  span to cover completely, if it has any chapter
 * @return 0 (freed by chapters_finish()) or -ENOMEM
 */
int chapters_flatten(
	struct chapters *ret, const struct chapters *chapters, int64_t from_ns, int64_t to_ns);
