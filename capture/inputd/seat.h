#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Inside uxrec-inputd: whether the recorded user has the seat now, from systemd-logind. */

enum seat_state {
	SEAT_OURS,     /* the user's session is the active one of the seat, and not locked */
	SEAT_INACTIVE, /* another session, or a greeter, has the seat */
	SEAT_LOCKED,   /* the user's session is locked */
};

struct seat;

/** Get the user of the active session of "seat0". Any thread. @return 0, or a negative errno when there is none */
int seat_holder(uid_t *ret);

/**
 * Track the holder of the seat "seat0".
 *
 * @param ret       set on success; freed by seat_destroy()
 * @param required  true: the user must have the seat now; false: without logind the seat counts as the user's
 *                  own, and another session may be active
 * @return 0, or -EACCES with the reason when the user has no session at the seat, or (@p required) not the
 *         active one, -ENOSYS without logind
 */
int seat_create(struct seat **ret, uid_t uid, bool required, struct error *reterr);
void seat_destroy(struct seat *seat);
DEFINE_DESTROY(seat);

/** @return a descriptor that is readable when seat_dispatch() has something to do; -1: never */
int seat_fd(const struct seat *seat);

/** Process pending changes; never blocks. @return the current state */
enum seat_state seat_dispatch(struct seat *seat);
