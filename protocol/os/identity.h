#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>

#define IDENTITY_ID_BYTES 33 /* 128 random bits as 32 lower-case hex digits, and a 0 byte */

/**
 * Ids of this machine and user: random, created on first use and kept permanently in the file `identity` of
 * paths_state().
 */
struct identity {
	char station[IDENTITY_ID_BYTES];  /* station_id of sessions recorded here */
	char user[IDENTITY_ID_BYTES];     /* principal of this user's commands */
	char recorder[IDENTITY_ID_BYTES]; /* principal of the recorder's own acts */
	/* never disclosed: principals of clients without an identity are derived from it */
	char secret[IDENTITY_ID_BYTES];
};

/** @return true for 32 lower-case hex digits */
bool identity_id_is_valid(const char *id);

/**
 * Read the ids, or create them. Concurrent callers get the same ids.
 *
 * @param ret  always filled in: on failure with ids valid for this call only
 * @return 0, or a negative errno with the reason: no state folder, no write permission, or a file without
 *         valid ids, which is left unchanged
 */
int identity_load(struct identity *ret, struct error *reterr);
