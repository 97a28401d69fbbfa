#include "capture/a11y/internal.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <stdio.h>

/* The old state holds for this long after the focus has moved. */
#define ANSWER_NS (ACCESSIBLE_ANSWER_MS * NS_PER_MS)

/* Poll interval of the focused object while nothing moves, and timeout of the reply. */
#define POLL_NS          (500 * NS_PER_MS)
#define REPLY_TIMEOUT_NS (250 * NS_PER_MS)

/* A lost focus is mostly followed at once by the gain of another object; without a focused object
 * search again after SEARCH_NS. */
#define SUCCESSOR_NS (40 * NS_PER_MS)
#define SEARCH_NS    NS_PER_S

/*
 * State machine. In every state an object that gains the focus leads to "asking", and the loss of
 * the bus to "down":
 *
 *   down       the bus comes                → searching
 *   searching  an object has the focus      → asking
 *              nothing has the focus        → nothing: FOCUS_UNKNOWN, or FOCUS_UNSEEN when no
 *                                             window is active; searching again every second
 *   asking     it replies with its role     → resting: FOCUS_PASSWORD or FOCUS_OTHER
 *              it is gone                   → searching
 *              no reply in time             → still asking, but FOCUS_UNKNOWN
 *   resting    half a second                → asking whether it still has the focus, then its role
 *              it loses the focus           → searching, unless another one gains it first
 *
 * Every pending reply has a deadline, counted from when the old state became doubtful.
 */
struct focus {
	sd_event *event;
	struct a11y_bus *bus; /* NULL: down */
	struct a11y_search *search;
	void (*report)(void *user, enum accessible_focus);
	void *user;
	enum accessible_focus reported;
	bool has_reported;
	struct a11y_object object; /* its name is "" when nothing is known to have the focus */
	sd_bus_slot *slot;         /* of the pending call */
	bool has_deadline;         /* the deadline is running */
	sd_event_source *deadline, *next;
};

static int on_role(sd_bus_message *message, void *user, sd_bus_error *error);
static int on_state(sd_bus_message *message, void *user, sd_bus_error *error);

static void report(struct focus *focus, enum accessible_focus now)
{
	if (focus->has_reported && focus->reported == now)
		return;
	focus->reported = now;
	focus->has_reported = true;
	focus->report(focus->user, now);
}

static int on_deadline(sd_event_source *timer, uint64_t at_us, void *user)
{
	(void)timer;
	(void)at_us;
	report(user, FOCUS_UNKNOWN);
	return 0;
}

/* A running deadline is not postponed: a series of moves is resolved in time, or not at all. */
static void start_deadline(struct focus *focus, int64_t for_ns)
{
	if (focus->has_deadline)
		return;
	focus->has_deadline = true;
	if (a11y_timer(focus->event, &focus->deadline, for_ns, on_deadline, focus) < 0)
		report(focus, FOCUS_UNKNOWN);
}

static void set_state(struct focus *focus, enum accessible_focus now)
{
	focus->has_deadline = false;
	a11y_timer_stop(focus->deadline);
	report(focus, now);
}

static void forget(struct focus *focus)
{
	focus->slot = sd_bus_slot_unref(focus->slot);
	a11y_search_stop(focus->search);
	a11y_timer_stop(focus->next);
}

static void restart_search(struct focus *focus)
{
	forget(focus);
	focus->object.name[0] = '\0';
	if (focus->bus)
		a11y_search_begin(focus->search, focus->bus);
}

static int on_search_timer(sd_event_source *timer, uint64_t at_us, void *user)
{
	(void)timer;
	(void)at_us;
	restart_search(user);
	return 0;
}

/* A hanging application replies when it resumes: the call stays pending until then. */
static void query(struct focus *focus, enum a11y_method method, sd_bus_message_handler_t answer)
{
	focus->slot = sd_bus_slot_unref(focus->slot);
	if (a11y_query(focus->bus, &focus->slot, method, &focus->object, INT64_MAX, answer, focus) <
		0)
		a11y_timer(focus->event, &focus->next, SEARCH_NS, on_search_timer, focus);
}

static void on_found(void *user, const struct a11y_object *object, bool seen)
{
	struct focus *focus = user;

	if (object) {
		focus->object = *object;
		start_deadline(focus, REPLY_TIMEOUT_NS);
		query(focus, METHOD_ROLE, on_role);
		return;
	}
	set_state(focus, seen ? FOCUS_UNKNOWN : FOCUS_UNSEEN);
	a11y_timer(focus->event, &focus->next, SEARCH_NS, on_search_timer, focus);
}

static int on_poll(sd_event_source *timer, uint64_t at_us, void *user)
{
	struct focus *focus = user;

	(void)timer;
	(void)at_us;
	start_deadline(focus, REPLY_TIMEOUT_NS);
	query(focus, METHOD_STATE, on_state);
	return 0;
}

/* @return false when the object is gone */
static bool answered(struct focus *focus, sd_bus_message *message)
{
	focus->slot = sd_bus_slot_unref(focus->slot);
	if (!sd_bus_message_is_method_error(message, NULL))
		return true;
	start_deadline(focus, REPLY_TIMEOUT_NS);
	restart_search(focus);
	return false;
}

static int on_role(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct focus *focus = user;
	uint32_t role = 0;

	(void)error;
	if (!answered(focus, message))
		return 0;
	set_state(focus,
		sd_bus_message_read(message, "u", &role) <= 0 ? FOCUS_UNKNOWN
			: role == A11Y_ROLE_PASSWORD_TEXT     ? FOCUS_PASSWORD
							      : FOCUS_OTHER);
	a11y_timer(focus->event, &focus->next, POLL_NS, on_poll, focus);
	return 0;
}

static int on_state(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct focus *focus = user;
	uint64_t states = 0;

	(void)error;
	if (!answered(focus, message))
		return 0;
	if (a11y_read_states(message, &states) && states >> A11Y_STATE_FOCUSED & 1)
		query(focus, METHOD_ROLE, on_role);
	else
		restart_search(focus);
	return 0;
}

void focus_event(struct focus *focus, const char *name, const char *path, bool gained)
{
	bool same = a11y_object_is(&focus->object, name, path);
	bool other_application = strcmp(focus->object.name, name) != 0;

	if (!focus->bus)
		return;
	if (!gained) {
		if (!same)
			return;
		forget(focus);
		focus->object.name[0] = '\0';
		start_deadline(focus, ANSWER_NS);
		a11y_timer(focus->event, &focus->next, SUCCESSOR_NS, on_search_timer, focus);
		return;
	}
	start_deadline(focus, ANSWER_NS);
	if (strlen(name) >= sizeof(focus->object.name) ||
		strlen(path) >= sizeof(focus->object.path)) {
		restart_search(focus);
		return;
	}
	forget(focus);
	snprintf(focus->object.name, sizeof(focus->object.name), "%s", name);
	snprintf(focus->object.path, sizeof(focus->object.path), "%s", path);
	/* a background application may report focus too, wrongly */
	if (other_application)
		query(focus, METHOD_STATE, on_state);
	else
		query(focus, METHOD_ROLE, on_role);
}

void focus_deactivated(struct focus *focus, const char *name)
{
	if (strcmp(focus->object.name, name) == 0)
		focus_hurry(focus);
}

void focus_hurry(struct focus *focus)
{
	if (!focus->bus || !*focus->object.name || focus->slot)
		return;
	a11y_timer_stop(focus->next);
	on_poll(NULL, 0, focus);
}

void focus_up(struct focus *focus, struct a11y_bus *bus)
{
	focus->bus = bus;
	start_deadline(focus, REPLY_TIMEOUT_NS);
	restart_search(focus);
}

void focus_down(struct focus *focus)
{
	forget(focus);
	focus->bus = NULL;
	focus->object.name[0] = '\0';
	set_state(focus, FOCUS_UNKNOWN);
}

int focus_create(struct focus **ret, sd_event *event,
	void (*on_report)(void *user, enum accessible_focus), void *user)
{
	_destroy_(focus) struct focus *focus = calloc(1, sizeof(*focus));
	int r;

	if (!focus)
		return -ENOMEM;
	focus->event = sd_event_ref(event);
	focus->report = on_report;
	focus->user = user;
	r = a11y_search_create(&focus->search, on_found, focus);
	if (r < 0)
		return r;
	/* covers a bus that never comes up */
	start_deadline(focus, REPLY_TIMEOUT_NS);
	*ret = steal_ptr(focus);
	return 0;
}

void focus_destroy(struct focus *focus)
{
	if (!focus)
		return;
	sd_bus_slot_unref(focus->slot);
	a11y_search_destroy(focus->search);
	sd_event_source_disable_unref(focus->deadline);
	sd_event_source_disable_unref(focus->next);
	sd_event_unref(focus->event);
	free(focus);
}
