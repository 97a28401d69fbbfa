#include "capture/inputd/seat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <systemd/sd-login.h>

#define SEAT   "seat0"
#define LOGIND "org.freedesktop.login1"

#define ANSWER_TIMEOUT_US 500000
#define RETRY_US          30000000

/*
 * The holder of the seat is in files that logind replaces and sd-login watches: no query needed. The lock
 * state is available only on the bus. Until the first answer a session counts as locked; if the bus never
 * answers, as not locked.
 */
struct seat {
	uid_t uid;
	sd_event *event; /* NULL: no logind */
	sd_login_monitor *monitor;
	sd_event_source *moved, *retry;
	sd_bus *bus;
	sd_bus_slot *changed, *answered;
	char *session; /* session to which `locked` refers; NULL: none yet */
	bool active, locked;
	bool unknown; /* the first answer is pending */
};

/* ---- lock state, from the bus ---- */

static int query_lock(struct seat *seat);

static int lock_answered(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct seat *seat = user;
	int locked = 0;

	(void)error;
	seat->unknown = false;
	if (sd_bus_message_is_method_error(message, NULL) ||
		sd_bus_message_read(message, "v", "b", &locked) < 0)
		locked = false;
	seat->locked = locked;
	return 0;
}

static int lock_changed(sd_bus_message *message, void *user, sd_bus_error *error)
{
	(void)message;
	(void)error;
	/* the value is not taken from the signal, which may name a property without its value */
	query_lock(user);
	return 0;
}

static int query_lock(struct seat *seat)
{
	_autofree_ char *path = NULL;
	int r = sd_bus_path_encode("/org/freedesktop/login1/session", seat->session, &path);

	seat->answered = sd_bus_slot_unref(seat->answered);
	if (r < 0)
		return r;
	r = sd_bus_call_method_async(seat->bus, &seat->answered, LOGIND, path,
		"org.freedesktop.DBus.Properties", "Get", lock_answered, seat, "ss",
		LOGIND ".Session", "LockedHint");
	return r;
}

static int watch_lock(struct seat *seat)
{
	_autofree_ char *path = NULL;
	int r = sd_bus_path_encode("/org/freedesktop/login1/session", seat->session, &path);

	seat->changed = sd_bus_slot_unref(seat->changed);
	if (r < 0)
		return r;
	/* subscribe first, then query: no change is missed */
	r = sd_bus_match_signal_async(seat->bus, &seat->changed, LOGIND, path,
		"org.freedesktop.DBus.Properties", "PropertiesChanged", lock_changed, NULL, seat);
	seat->unknown = true;
	return r < 0 ? r : query_lock(seat);
}

static int reconnect(sd_event_source *source, uint64_t time_us, void *user);

static void disconnect_bus(struct seat *seat)
{
	seat->answered = sd_bus_slot_unref(seat->answered);
	seat->changed = sd_bus_slot_unref(seat->changed);
	seat->bus = sd_bus_close_unref(seat->bus);
	seat->unknown = false; /* keep the last known state */
	seat->retry = sd_event_source_disable_unref(seat->retry);
	sd_event_add_time_relative(
		seat->event, &seat->retry, CLOCK_MONOTONIC, RETRY_US, 0, reconnect, seat);
}

static void connect_bus(struct seat *seat)
{
	if (sd_bus_open_system(&seat->bus) < 0 ||
		sd_bus_attach_event(seat->bus, seat->event, SD_EVENT_PRIORITY_NORMAL) < 0 ||
		(seat->session && watch_lock(seat) < 0))
		disconnect_bus(seat);
}

static int reconnect(sd_event_source *source, uint64_t time_us, void *user)
{
	(void)source;
	(void)time_us;
	connect_bus(user);
	return 0;
}

/* ---- seat holder, from logind's files ---- */

static void read_seat(struct seat *seat)
{
	_autofree_ char *session = NULL;
	uid_t uid;

	seat->active = sd_seat_get_active(SEAT, &session, &uid) >= 0 && uid == seat->uid && session;
	if (!seat->active || (seat->session && strcmp(seat->session, session) == 0))
		return;
	free(seat->session);
	seat->session = steal_ptr(session);
	seat->locked = false;
	if (seat->bus && watch_lock(seat) < 0)
		disconnect_bus(seat);
}

static int seat_moved(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct seat *seat = user;

	(void)source;
	(void)fd;
	(void)events;
	sd_login_monitor_flush(seat->monitor);
	read_seat(seat);
	return 0;
}

/* ---- common ---- */

static enum seat_state state_of(const struct seat *seat)
{
	if (!seat->event)
		return SEAT_OURS;
	if (!seat->active)
		return SEAT_INACTIVE;
	return seat->locked || seat->unknown ? SEAT_LOCKED : SEAT_OURS;
}

/*
 * Dispatch pending sources and leave the sd_event armed: only then is its descriptor, in another loop's
 * poll(), valid for all of its sources (sd_event_get_fd(3)).
 */
static void arm(struct seat *seat)
{
	while (sd_event_prepare(seat->event) > 0) {
		sd_event_dispatch(seat->event);
		if (seat->bus && sd_bus_is_open(seat->bus) <= 0)
			disconnect_bus(seat);
	}
}

static int watch(struct seat *seat)
{
	int r = sd_event_new(&seat->event);

	if (r >= 0)
		r = sd_login_monitor_new("seat", &seat->monitor);
	if (r >= 0)
		r = sd_event_add_io(seat->event, &seat->moved,
			sd_login_monitor_get_fd(seat->monitor),
			(uint32_t)sd_login_monitor_get_events(seat->monitor), seat_moved, seat);
	return r;
}

/* so that the first reported state is no guess */
static void await_answer(struct seat *seat)
{
	uint64_t now_us, end_us;

	sd_event_now(seat->event, CLOCK_MONOTONIC, &now_us);
	end_us = now_us + ANSWER_TIMEOUT_US;
	while (seat->unknown && now_us < end_us) {
		if (sd_event_run(seat->event, end_us - now_us) < 0)
			break;
		sd_event_now(seat->event, CLOCK_MONOTONIC, &now_us);
	}
}

int seat_holder(uid_t *ret)
{
	int r = sd_seat_get_active(SEAT, NULL, ret);

	return r < 0 ? r : 0;
}

static int check_user(uid_t uid, bool active, struct error *reterr)
{
	uid_t holder;

	if (sd_uid_is_on_seat(uid, false, SEAT) <= 0)
		return error_set(
			reterr, -EACCES, "user %u has no session at the seat of this machine", uid);
	if (active && (seat_holder(&holder) < 0 || holder != uid))
		return error_set(reterr, -EACCES,
			"user %u is not the active user at the seat of this machine", uid);
	return 0;
}

int seat_create(struct seat **ret, uid_t uid, bool required, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = calloc(1, sizeof(*seat));
	int r;

	if (!seat)
		return error_set(reterr, -ENOMEM, "out of memory");
	seat->uid = uid;
	if (sd_get_seats(NULL) <= 0) { /* logind always has "seat0" */
		if (required)
			return error_set(reterr, -ENOSYS,
				"systemd-logind is not running: the active user at the seat is "
				"unknown");
		*ret = steal_ptr(seat);
		return 0;
	}
	/* before anything more expensive than a file: anybody may connect */
	r = check_user(uid, required, reterr);
	if (r < 0)
		return r;
	r = watch(seat); /* first, so that no change is missed */
	if (r < 0)
		return error_set(
			reterr, r, "cannot watch the active user at the seat: %s", strerror(-r));
	read_seat(seat);
	connect_bus(seat);
	await_answer(seat);
	arm(seat);
	*ret = steal_ptr(seat);
	return 0;
}

void seat_destroy(struct seat *seat)
{
	if (!seat)
		return;
	sd_bus_slot_unref(seat->answered);
	sd_bus_slot_unref(seat->changed);
	sd_bus_close_unref(seat->bus);
	sd_event_source_disable_unref(seat->retry);
	sd_event_source_disable_unref(seat->moved);
	sd_login_monitor_unref(seat->monitor);
	sd_event_unref(seat->event);
	free(seat->session);
	free(seat);
}

int seat_fd(const struct seat *seat)
{
	return seat->event ? sd_event_get_fd(seat->event) : -1;
}

enum seat_state seat_dispatch(struct seat *seat)
{
	if (seat->event) {
		if (sd_event_wait(seat->event, 0) > 0)
			sd_event_dispatch(seat->event);
		if (seat->bus && sd_bus_is_open(seat->bus) <= 0)
			disconnect_bus(seat);
		arm(seat);
	}
	return state_of(seat);
}
