/* State of the seat: by logind's files, and by its signals on the bus. */

#include "capture/inputd/seat.h"
#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"
#include "tests/harness/labs/seat.h"
#include "tests/harness/screens/desktop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define OURS   1000
#define OTHERS 1001
#define BOTH   "1000 1001"

/* Wait like a reader: by poll() alone. */
static bool becomes(struct seat *seat, enum seat_state wanted)
{
	int64_t end_ns = clock_now_ns() + 10 * NS_PER_S;

	while (clock_now_ns() < end_ns) {
		struct pollfd readable = {.fd = seat_fd(seat), .events = POLLIN};

		if (poll(&readable, 1, 10000) == 1 && seat_dispatch(seat) == wanted)
			return true;
	}
	return false;
}

static bool start(void)
{
	lab_bus_end();
	if (!lab_seat_start())
		return false;
	lab_seat_set("c1", OURS, BOTH);
	return true;
}

static void seat_is_followed_to_another_and_back(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start())
		return;
	check(seat_create(&seat, OURS, true, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_OURS);
	expect(seat_fd(seat) >= 0);
	lab_seat_set("c2", OTHERS, BOTH);
	expect(becomes(seat, SEAT_INACTIVE));
	lab_seat_set("c1", OURS, BOTH);
	expect(becomes(seat, SEAT_OURS));
	/* a console without a login */
	lab_seat_set(NULL, 0, BOTH);
	expect(becomes(seat, SEAT_INACTIVE));
	/* another session of the same user */
	lab_seat_set("c3", OURS, BOTH);
	expect(becomes(seat, SEAT_OURS));
	/* logind has exited */
	lab_seat_remove();
	expect(becomes(seat, SEAT_INACTIVE));
}

static void nothing_wakes_while_nothing_changes(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start() || !lab_bus_start())
		return;
	lab_login_start();
	check(seat_create(&seat, OURS, true, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_OURS);
	expect(poll(&(struct pollfd){.fd = seat_fd(seat), .events = POLLIN}, 1, 1500) == 0);
	lab_bus_end();
}

static void who_is_not_at_the_seat_is_refused(void)
{
	struct seat *seat;
	struct error error = {""};

	if (!start())
		return;
	expect(seat_create(&seat, 1002, true, &error) == -EACCES);
	expect(strcmp(error.text, "user 1002 has no session at the seat of this machine") == 0);
	expect(seat_create(&seat, 0, true, &error) == -EACCES);
	expect(seat_create(&seat, 1002, false, &error) == -EACCES);
	/* 100 is a prefix of both */
	expect(seat_create(&seat, 100, true, &error) == -EACCES);
}

static void who_is_at_the_seat_but_not_in_front_is_inactive(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start())
		return;
	/* the input service admits only the active user */
	expect(seat_create(&seat, OTHERS, true, &error) == -EACCES);
	expect(strstr(error.text, "is not the active user at the seat") != NULL);
	check(seat_create(&seat, OTHERS, false, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_INACTIVE);
	lab_seat_set("c2", OTHERS, BOTH);
	expect(becomes(seat, SEAT_OURS));
}

static void without_logind_only_who_requires_it_is_refused(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error = {""};

	if (!start())
		return;
	lab_seat_remove();
	expect(seat_create(&seat, OURS, true, &error) == -ENOSYS);
	expect(strstr(error.text, "systemd-logind") != NULL);
	check(seat_create(&seat, OURS, false, &error) == 0);
	expect(seat_fd(seat) == -1 && seat_dispatch(seat) == SEAT_OURS);
}

static void lock_is_followed(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start() || !lab_bus_start())
		return;
	lab_login_start();
	check(seat_create(&seat, OURS, true, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_OURS);
	lab_login_lock(true);
	expect(becomes(seat, SEAT_LOCKED));
	/* meanwhile another user */
	lab_seat_set("c2", OTHERS, BOTH);
	expect(becomes(seat, SEAT_INACTIVE));
	lab_seat_set("c1", OURS, BOTH);
	expect(becomes(seat, SEAT_LOCKED));
	lab_login_lock(false);
	expect(becomes(seat, SEAT_OURS));
	/* unlocked while another user has the seat */
	lab_login_lock(true);
	expect(becomes(seat, SEAT_LOCKED));
	lab_seat_set("c2", OTHERS, BOTH);
	expect(becomes(seat, SEAT_INACTIVE));
	lab_login_lock(false);
	lab_seat_set("c1", OURS, BOTH);
	expect(becomes(seat, SEAT_OURS));
	lab_bus_end();
}

static void session_that_is_locked_from_the_first_is_known_so(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start() || !lab_bus_start())
		return;
	lab_login_start();
	lab_login_lock(true);
	check(seat_create(&seat, OURS, true, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_LOCKED);
	/* without the bus the last known state stays */
	lab_bus_end();
	expect(becomes(seat, SEAT_LOCKED));
}

static void nobody_on_the_bus_is_no_lock(void)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;

	if (!start() || !lab_bus_start())
		return;
	check(seat_create(&seat, OURS, true, &error) == 0);
	expect(seat_dispatch(seat) == SEAT_OURS);
	lab_bus_end();
}

static const struct test tests[] = {
	{"the seat is followed to another session and back", seat_is_followed_to_another_and_back},
	{"nothing wakes the reader while nothing changes", nothing_wakes_while_nothing_changes},
	{"a user without a session at the seat is refused", who_is_not_at_the_seat_is_refused},
	{"a user in the background of the seat is inactive",
		who_is_at_the_seat_but_not_in_front_is_inactive},
	{"without logind a seat is refused only where it is required",
		without_logind_only_who_requires_it_is_refused},
	{"the lock is followed, also while another has the seat", lock_is_followed},
	{"a session that is locked from the first is known so",
		session_that_is_locked_from_the_first_is_known_so},
	{"where nothing answers for the lock there is none", nobody_on_the_bus_is_no_lock},
};

int main(void)
{
	return RUN_TESTS("seat", tests);
}
