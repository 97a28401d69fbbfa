#pragma once

#include "replay/session/session.h"

/** The tasks of a session as parts of a film, in the order of time. Zero-initialised is none. */
struct chapters {
	struct chapter {
		int64_t from_ns, to_ns;        /* session times; to > from */
		char *title;                   /* of the task, UTF-8 without controls */
		const Uxrec__Attempt *attempt; /* valid until the annotations change */
	} * list;
	size_t count, capacity;
};

/**
 * Collect the attempts at tasks, at the times that a reviewer has corrected.
 *
 * @param ret  set on success; freed with chapters_finish()
 * @return 0 or -ENOMEM
 */
int chapters_collect(struct chapters *ret, const struct session *session);
void chapters_finish(struct chapters *chapters);

/**
 * For formats whose chapters only have a begin: no chapter overlaps another. Of tasks that lie in one another the
 * one that began last has the time, and the outer one goes on behind it; where there is none a chapter without a
 * task ends those before it.
 *
 * @param from_ns, to_ns  what is covered, whole, if there is any chapter in it
 * @return 0 (freed by chapters_finish()) or -ENOMEM
 */
int chapters_flatten(
	struct chapters *ret, const struct chapters *chapters, int64_t from_ns, int64_t to_ns);
