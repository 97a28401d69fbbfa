#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * A seat without a machine: the files of logind, in a mount namespace of this process, and a logind on a bus of its own
 * with each session's lock state.
 */

/**
 * Make /run/systemd this process's own, empty. Done once for all tests of a program; children inherit it.
 *
 * @return false if not permitted: the test is skipped
 */
bool lab_seat_start(void);

/**
 * Write the seat's sessions and users.
 *
 * @param session  the active one, of @p uid; NULL: none is active
 * @param uids     all with a session at the seat, as "1000 1001"
 */
void lab_seat_set(const char *session, uid_t uid, const char *uids);

/** Remove the files of logind, as when it does not run. */
void lab_seat_remove(void);

/** Start the bus, and set DBUS_SYSTEM_BUS_ADDRESS. @return false without dbus-daemon: test skipped */
bool lab_bus_start(void);

/** Start the responder for the session "c1", unlocked. */
void lab_login_start(void);

/** Report "c1" as locked or not, by signal and on request. Returns once the bus has it. */
void lab_login_lock(bool locked);

/** End both of them. */
void lab_bus_end(void);
