#pragma once

#include "replay/session/session.h"

/**
 * Sorts sessions by start, the newest first, while they are read in the order of their ids: an id has the local time
 * of its place of creation, so its order matches that of the starts only within some hours. Zero-initialised is empty.
 * Memory: 40 bytes per pending session; pending are those of two days, and those of the same start.
 *
 * Folders renamed to the id of another time are sorted among those pending with them.
 */
struct session_order {
	struct session_place *places; /* oldest first */
	size_t count;
};

struct session_place {
	int64_t begin_ns;
	char id[21];
	void *item; /* the caller's */
};

/**
 * Add the next session of session_ids.
 *
 * @param begin_ns  UTC; 0 when unknown: derived from the id
 * @return 0 or -ENOMEM
 */
int session_order_add(struct session_order *order, const char *id, int64_t begin_ns, void *item);

/**
 * Take out the newest session, unless one still to be added can be newer.
 *
 * @param next  the next id to add; NULL: none
 */
bool session_order_pop(struct session_order *order, const char *next, struct session_place *ret);

void session_order_finish(struct session_order *order);

/** Find the session that started last. @return false when there is none, or without memory */
bool session_ids_newest(const struct session_ids *ids, const char *library, char ret[21]);
