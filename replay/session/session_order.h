#pragma once

#include "replay/session/session.h"

/**
 * Sessions in the order of their begin, the newest first, found while they are read in the order of their
 * ids: an id has the local time of the place where it was made, so that its order is that of the begins only
 * up to some hours. Zero-initialised is empty. Memory: 40 bytes for each session that waits, which are those
 * of two days, and those of the same begin.
 *
 * Folders that were given the id of another time are in their place among those that wait with them.
 */
struct session_order {
	struct session_place *places; /* oldest first */
	size_t count, capacity;
};

struct session_place {
	int64_t begin_ns;
	char id[21];
	void *item; /* the caller's */
};

/**
 * Add the session that follows in session_ids.
 *
 * @param begin_ns  UTC; 0 when it is not known: then by its id
 * @return 0 or -ENOMEM
 */
int session_order_add(struct session_order *order, const char *id, int64_t begin_ns, void *item);

/**
 * Take out the newest session, if none that is still to be added can be newer.
 *
 * @param next  the id that is added next; NULL: all were added
 */
bool session_order_take(struct session_order *order, const char *next, struct session_place *ret);

void session_order_finish(struct session_order *order);

/** Find the session that began last. @return false when there is none, or no memory */
bool session_ids_newest(const struct session_ids *ids, const char *library, char ret[21]);
