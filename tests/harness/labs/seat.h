#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * A seat without a machine: the files of logind, in a mount namespace of this process, and a
 * logind on a bus of its own that knows of each session whether it is locked.
 */

/**
 * Make /run/systemd this process's own, empty. Done once for all tests of a program; children have it
 * too.
 *
 * @return false: that is not permitted, and the test counts as skipped
 */
bool lab_seat_start(void);

/**
 * Write who is there.
 *
 * @param session  the active one, of @p uid; NULL: none is active
 * @param uids     all that have a session at the seat, as "1000 1001"
 */
void lab_seat_set(const char *session, uid_t uid, const char *uids);

/** Remove what logind writes: it does not run. */
void lab_seat_remove(void);

/** Start the bus, and set DBUS_SYSTEM_BUS_ADDRESS. @return false: no dbus-daemon; test skipped */
bool lab_bus_start(void);

/** Start what answers for the session "c1"; it is not locked. */
void lab_login_start(void);

/** Say, by signal and on request, whether "c1" is locked. Returns when the bus has it. */
void lab_login_lock(bool locked);

/** End both of them. */
void lab_bus_end(void);
