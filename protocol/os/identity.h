#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>

#define IDENTITY_ID_BYTES 33 /* 128 random bits as 32 lower-case hex digits, and a 0 byte */

/**
 * Ids of this machine and user: made at random at the first use and kept for ever in the file `identity` of
 * paths_state().
 */
struct identity {
	char station[IDENTITY_ID_BYTES];  /* station_id of sessions recorded here */
	char user[IDENTITY_ID_BYTES];     /* principal of this user's commands */
	char recorder[IDENTITY_ID_BYTES]; /* principal of the recorder's own acts */
	/* shown to nobody: principals of clients without an identity are derived from it */
	char secret[IDENTITY_ID_BYTES];
};

/** @return true for 32 lower-case hex digits */
bool identity_id_is_valid(const char *id);

/**
 * Read the ids, or make them. Two programs that do so at once get the same.
 *
 * @param ret  always filled in: on failure with ids of this call alone
 * @return 0, or a negative errno with the reason: no state folder, one that cannot be written, or a file that
 *         has no valid ids, which is left as it is
 */
int identity_load(struct identity *ret, struct error *reterr);
