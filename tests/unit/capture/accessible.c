/*
 * Focus and clicked objects of applications that reply late, wrongly or never. The linker puts a bus of this test in
 * the place of a11y_query(), on which an application of a few objects replies; its time is the test's.
 */

#include "tests/harness/helpers.h"

#include "capture/a11y/internal.h"
#include "protocol/base/clock.h"
#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#define APPLICATION ":1.7"
#define PROCESS     42
#define BIT(number) (UINT64_C(1) << (number))
#define SHOWN       (BIT(A11Y_STATE_VISIBLE) | BIT(A11Y_STATE_SHOWING))
#define FOCUSED     (SHOWN | BIT(A11Y_STATE_FOCUSED))
#define ACTIVE      (SHOWN | BIT(A11Y_STATE_ACTIVE))

/* numbers of the AT-SPI standard (atspi-constants.h) */
enum { FRAME = 23, LABEL = 29, PANEL = 39, BUTTON = 43, TEXT = 61, PASSWORD = 40, ENTRY = 79 };

int __wrap_a11y_query(struct a11y_bus *to, sd_bus_slot **slot, enum a11y_method method,
	const struct a11y_object *of, int64_t timeout_ns, sd_bus_message_handler_t answer,
	void *user, ...);
int __real_a11y_timer(sd_event *event, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user);
int __wrap_a11y_timer(sd_event *event, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user);

/* ---- time ---- */

static int64_t now_ns;
static sd_event *event;
static struct timer {
	sd_event_source *source;
	int64_t due_ns;
	sd_event_time_handler_t handler;
	void *user;
} timers[200];
static size_t timer_count;

int __wrap_a11y_timer(sd_event *of, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user)
{
	size_t i = 0;
	int r = __real_a11y_timer(of, timer, in_ns, handler, user);

	while (i < timer_count && timers[i].source != *timer)
		i++;
	check(r >= 0 && i < ARRAY_SIZE(timers));
	if (i == timer_count)
		timers[timer_count++].source = sd_event_source_ref(*timer);
	timers[i].due_ns = now_ns + in_ns;
	timers[i].handler = handler;
	timers[i].user = user;
	return r;
}

static bool is_due(const struct timer *timer)
{
	return sd_event_source_get_enabled(timer->source, NULL) > 0 && timer->due_ns <= now_ns;
}

/* ---- the application ---- */

static struct thing {
	const char *path, *parent;
	uint32_t role;
	uint64_t states;
	struct a11y_rectangle place;
	const char *name, *label; /* path of its label */
	bool hangs, gone;
} things[40];
static size_t thing_count;
static bool hangs, has_no_collection; /* the whole application */

static struct thing *add(const char *path, const char *parent, uint32_t role, uint64_t states)
{
	struct thing *thing = &things[thing_count++];

	check(thing_count <= ARRAY_SIZE(things));
	*thing = (struct thing){.path = path, .parent = parent, .role = role, .states = states};
	return thing;
}

static struct thing *find(const char *path)
{
	for (size_t i = 0; i < thing_count; i++)
		if (!things[i].gone && strcmp(things[i].path, path) == 0)
			return &things[i];
	return NULL;
}

/* ---- the bus: calls wait until the test has them answered ---- */

static struct call {
	bool pending;
	enum a11y_method method;
	struct a11y_object of;
	sd_bus_message_handler_t answer;
	void *user;
	int x, y;
	int64_t until_ns;
} calls[4096];
static size_t call_count;
static unsigned made[METHOD_PROCESS + 1]; /* calls by method */
static sd_bus *bus;

static void call_dropped(void *user)
{
	((struct call *)user)->pending = false;
}

static int ignore(sd_bus_message *message, void *user, sd_bus_error *error)
{
	(void)message;
	(void)user;
	(void)error;
	return 0;
}

int __wrap_a11y_query(struct a11y_bus *to, sd_bus_slot **slot, enum a11y_method method,
	const struct a11y_object *of, int64_t timeout_ns, sd_bus_message_handler_t answer,
	void *user, ...)
{
	struct call *call = &calls[call_count++];
	va_list args;

	(void)to;
	check(call_count <= ARRAY_SIZE(calls));
	*call = (struct call){true, method, *of, answer, user, 0, 0, INT64_MAX};
	if (timeout_ns != INT64_MAX)
		call->until_ns = now_ns + timeout_ns;
	va_start(args, user);
	if (method == METHOD_AT_POINT) {
		call->x = va_arg(args, int);
		call->y = va_arg(args, int);
	}
	va_end(args);
	made[method]++;
	check(sd_bus_add_filter(bus, slot, ignore, call) >= 0);
	check(sd_bus_slot_set_destroy_callback(*slot, call_dropped) >= 0);
	return 0;
}

static sd_bus_message *new_call(void)
{
	static uint64_t cookie;
	sd_bus_message *message;

	check(sd_bus_message_new_method_call(bus, &message, APPLICATION, "/a", "a.b", "C") >= 0);
	check(sd_bus_message_seal(message, ++cookie, 0) >= 0);
	return message;
}

/* Give a reply to the caller. */
static void give(struct call *call, sd_bus_message *reply)
{
	check(sd_bus_message_seal(reply, 1, 0) >= 0 && sd_bus_message_rewind(reply, true) >= 0);
	call->pending = false;
	call->answer(reply, call->user, NULL);
	sd_bus_message_unref(reply);
}

static sd_bus_message *new_reply(void)
{
	sd_bus_message *asked = new_call(), *reply;

	check(sd_bus_message_new_method_return(asked, &reply) >= 0);
	sd_bus_message_unref(asked);
	return reply;
}

static void give_error(struct call *call, const char *name)
{
	sd_bus_message *asked = new_call(), *reply;

	check(sd_bus_message_new_method_errorf(asked, &reply, name, "no") >= 0);
	sd_bus_message_unref(asked);
	give(call, reply);
}

static void append_object(sd_bus_message *reply, const char *name, const char *path)
{
	check(sd_bus_message_append(reply, "(so)", name, path) >= 0);
}

static void append_children(sd_bus_message *reply, const struct call *call)
{
	check(sd_bus_message_open_container(reply, 'a', "(so)") >= 0);
	if (a11y_object_is(&call->of, a11y_desktop.name, a11y_desktop.path))
		append_object(reply, APPLICATION, "/root");
	for (size_t i = 0; i < thing_count; i++)
		if (!things[i].gone && strcmp(things[i].parent, call->of.path) == 0)
			append_object(reply, APPLICATION, things[i].path);
	check(sd_bus_message_close_container(reply) >= 0);
}

static void append_focused(sd_bus_message *reply)
{
	check(sd_bus_message_open_container(reply, 'a', "(so)") >= 0);
	for (size_t i = 0; i < thing_count; i++)
		if (!things[i].gone && things[i].states & BIT(A11Y_STATE_FOCUSED))
			append_object(reply, APPLICATION, things[i].path);
	check(sd_bus_message_close_container(reply) >= 0);
}

static void append_at_point(sd_bus_message *reply, const struct call *call)
{
	const char *path = "/org/a11y/atspi/null";

	for (size_t i = 0; i < thing_count; i++)
		if (strcmp(things[i].parent, call->of.path) == 0 &&
			a11y_contains(&things[i].place, call->x, call->y))
			path = things[i].path;
	append_object(reply, APPLICATION, path);
}

static void append_relations(sd_bus_message *reply, const struct thing *thing)
{
	check(sd_bus_message_open_container(reply, 'a', "(ua(so))") >= 0);
	if (thing->label)
		check(sd_bus_message_append(reply, "(ua(so))", A11Y_RELATION_LABELLED_BY, 1,
			      APPLICATION, thing->label) >= 0);
	check(sd_bus_message_close_container(reply) >= 0);
}

static void append_answer(sd_bus_message *reply, const struct call *call, const struct thing *thing)
{
	const struct a11y_rectangle *place = &thing->place;
	int r = 0;

	switch (call->method) {
	case METHOD_ROLE: r = sd_bus_message_append(reply, "u", thing->role); break;
	case METHOD_STATE:
		r = sd_bus_message_append(
			reply, "au", 2, (uint32_t)thing->states, (uint32_t)(thing->states >> 32));
		break;
	case METHOD_RELATIONS: append_relations(reply, thing); break;
	case METHOD_NAME:
		r = sd_bus_message_append(reply, "v", "s", thing->name ? thing->name : "");
		break;
	case METHOD_PARENT:
		r = sd_bus_message_append(reply, "v", "(so)", APPLICATION,
			*thing->parent ? thing->parent : "/org/a11y/atspi/null");
		break;
	case METHOD_EXTENTS:
		r = sd_bus_message_append(
			reply, "(iiii)", place->left, place->top, place->width, place->height);
		break;
	case METHOD_AT_POINT: append_at_point(reply, call); break;
	case METHOD_MATCHES: append_focused(reply); break;
	default: append_children(reply, call); break;
	}
	check(r >= 0);
}

static void answer(struct call *call)
{
	static const struct thing nothing;
	const struct thing *thing = find(call->of.path);
	bool of_bus = call->method == METHOD_PROCESS ||
		a11y_object_is(&call->of, a11y_desktop.name, a11y_desktop.path);
	sd_bus_message *reply;

	if (!thing && !of_bus) {
		give_error(call, SD_BUS_ERROR_UNKNOWN_OBJECT);
		return;
	}
	if (call->method == METHOD_MATCHES && has_no_collection) {
		give_error(call, SD_BUS_ERROR_UNKNOWN_METHOD);
		return;
	}
	reply = new_reply();
	if (call->method == METHOD_PROCESS)
		check(sd_bus_message_append(reply, "u", PROCESS) >= 0);
	else
		append_answer(reply, call, thing ? thing : &nothing);
	give(call, reply);
}

static bool is_held(const struct call *call)
{
	const struct thing *thing = find(call->of.path);

	return call->method != METHOD_PROCESS && thing && (hangs || thing->hangs);
}

/* Answer all calls of objects that do not hang, and those that follow from the answers. */
static void run(void)
{
	for (size_t i = 0; i < call_count; i++)
		if (calls[i].pending && !is_held(&calls[i])) {
			answer(&calls[i]);
			i = (size_t)-1;
		}
}

static void expire(void)
{
	for (size_t i = 0; i < call_count; i++)
		if (calls[i].pending && calls[i].until_ns <= now_ns)
			give_error(&calls[i], SD_BUS_ERROR_NO_REPLY);
}

static void pass_ms(int ms)
{
	for (int i = 0; i < ms; i += 10) {
		now_ns += 10 * NS_PER_MS;
		expire();
		run();
		for (size_t k = 0; k < timer_count; k++)
			if (is_due(&timers[k])) {
				sd_event_source_set_enabled(timers[k].source, SD_EVENT_OFF);
				timers[k].handler(timers[k].source, 0, timers[k].user);
				run();
			}
	}
}

/* the only call that waits; ends the test when there is none, or more */
static struct call *pending_call(void)
{
	struct call *found = NULL;

	for (size_t i = 0; i < call_count; i++)
		if (calls[i].pending) {
			check(!found);
			found = &calls[i];
		}
	check(found != NULL);
	return found;
}

static void begin_bus(void)
{
	int pair[2];

	now_ns = 1000 * NS_PER_S;
	thing_count = call_count = timer_count = 0;
	hangs = has_no_collection = false;
	memset(made, 0, sizeof(made));
	check(sd_event_new(&event) >= 0);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
	check(sd_bus_start(bus) >= 0);
	close(pair[1]);
	/* a window with an entry, which has the focus, a password field and a button with a label */
	add("/root", "", 75, SHOWN)->name = "Shop";
	add("/win", "/root", FRAME, ACTIVE)->place = (struct a11y_rectangle){100, 100, 400, 300};
	add("/entry", "/win", ENTRY, FOCUSED)->place = (struct a11y_rectangle){110, 110, 200, 30};
	add("/password", "/win", PASSWORD, SHOWN)->place =
		(struct a11y_rectangle){110, 150, 200, 30};
	add("/button", "/win", BUTTON, SHOWN)->place = (struct a11y_rectangle){110, 190, 80, 30};
	add("/label", "/button", LABEL, SHOWN)->place = (struct a11y_rectangle){120, 195, 60, 20};
	find("/entry")->name = "Your name";
	find("/password")->name = "secret";
	find("/password")->label = "/label";
	find("/button")->name = "Save";
	find("/label")->name = "Label of it";
}

static void end_bus(void)
{
	for (size_t i = 0; i < timer_count; i++)
		sd_event_source_unref(timers[i].source);
	bus = sd_bus_close_unref(bus);
	event = sd_event_unref(event);
}

/* ---- focus ---- */

static struct focus *focus;
static enum accessible_focus reported;
static unsigned reports;

static void on_report(void *user, enum accessible_focus now)
{
	(void)user;
	reported = now;
	reports++;
}

static struct a11y_bus *some_bus(void)
{
	return (struct a11y_bus *)(void *)&calls; /* only passed on */
}

static void begin_focus(void)
{
	begin_bus();
	reports = 0;
	check(focus_create(&focus, event, on_report, NULL) == 0);
}

/* The entry has the focus, and that is known. */
static void begin_focused(void)
{
	begin_focus();
	focus_up(focus, some_bus());
	run();
	check(reports == 1 && reported == FOCUS_OTHER);
}

static void end_focus(void)
{
	focus_destroy(focus);
	end_bus();
}

static void move_focus(const char *from, const char *to)
{
	find(from)->states &= ~BIT(A11Y_STATE_FOCUSED);
	focus_event(focus, APPLICATION, from, false);
	find(to)->states |= BIT(A11Y_STATE_FOCUSED);
	focus_event(focus, APPLICATION, to, true);
}

static void the_focus_at_the_start_is_searched(void)
{
	begin_focus();
	find("/entry")->states = SHOWN;
	find("/password")->states = FOCUSED;
	focus_up(focus, some_bus());
	expect(reports == 0);
	run();
	expect(reports == 1 && reported == FOCUS_PASSWORD);
	end_focus();
}

static void without_an_active_window_keys_go_to_something_unseen(void)
{
	begin_focus();
	find("/win")->states = SHOWN;
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_UNSEEN);
	/* it is searched again every second */
	find("/win")->states = ACTIVE;
	pass_ms(900);
	expect(reported == FOCUS_UNSEEN);
	pass_ms(200);
	expect(reported == FOCUS_OTHER && reports == 2);
	end_focus();
}

static void an_active_window_without_a_focused_object_is_unknown(void)
{
	begin_focus();
	find("/entry")->states = SHOWN;
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_UNKNOWN && reports == 1);
	end_focus();
}

static void an_application_that_hangs_during_the_search_is_unknown(void)
{
	begin_focus();
	hangs = true;
	focus_up(focus, some_bus());
	run();
	expect(reports == 0);
	pass_ms(300);
	expect(reported == FOCUS_UNKNOWN);
	hangs = false;
	pass_ms(1200);
	expect(reported == FOCUS_OTHER);
	end_focus();
}

static void a_toolkit_without_collections_is_searched_object_by_object(void)
{
	begin_focus();
	has_no_collection = true;
	add("/panel", "/win", PANEL, SHOWN);
	add("/inner", "/panel", PASSWORD, FOCUSED);
	find("/entry")->states = SHOWN;
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_PASSWORD);
	end_focus();
}

static void what_is_not_visible_is_not_searched(void)
{
	begin_focus();
	has_no_collection = true;
	find("/entry")->states = SHOWN;
	add("/hidden", "/win", PANEL, 0);
	add("/inner", "/hidden", PASSWORD, FOCUSED);
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_UNKNOWN);
	end_focus();
}

static void a_loop_in_the_tree_ends_the_search(void)
{
	begin_focus();
	has_no_collection = true;
	find("/entry")->states = SHOWN;
	add("/loop", "/win", PANEL, SHOWN);
	add("/loop", "/loop", PANEL, SHOWN);
	add("/win", "/loop", PANEL, SHOWN);
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_UNKNOWN && call_count < 2000);
	end_focus();
}

static void a_move_of_the_focus_is_reported_once_its_role_is_known(void)
{
	begin_focused();
	move_focus("/entry", "/password");
	expect(reported == FOCUS_OTHER);
	run();
	expect(reported == FOCUS_PASSWORD && reports == 2);
	move_focus("/password", "/button");
	run();
	expect(reported == FOCUS_OTHER && reports == 3);
	/* the same kind again is no change */
	move_focus("/button", "/entry");
	run();
	expect(reports == 3);
	end_focus();
}

static void a_role_that_comes_late_is_unknown_until_then(void)
{
	begin_focused();
	find("/password")->hangs = true;
	move_focus("/entry", "/password");
	pass_ms(ACCESSIBLE_ANSWER_MS - 10);
	expect(reported == FOCUS_OTHER);
	pass_ms(20);
	expect(reported == FOCUS_UNKNOWN);
	pass_ms(5000);
	expect(reports == 2);
	find("/password")->hangs = false;
	run();
	expect(reported == FOCUS_PASSWORD && reports == 3);
	end_focus();
}

static void moves_do_not_postpone_the_deadline(void)
{
	begin_focused();
	find("/password")->hangs = find("/button")->hangs = true;
	for (int i = 0; i < 5; i++) {
		focus_event(focus, APPLICATION, i % 2 ? "/button" : "/password", true);
		pass_ms(20);
	}
	expect(reported == FOCUS_UNKNOWN);
	end_focus();
}

static void a_lost_focus_without_a_successor_is_searched(void)
{
	begin_focused();
	find("/entry")->states = SHOWN;
	focus_event(focus, APPLICATION, "/entry", false);
	find("/password")->states = FOCUSED; /* its event does not come */
	expect(reported == FOCUS_OTHER);
	pass_ms(60);
	expect(reported == FOCUS_PASSWORD && reports == 2);
	end_focus();
}

static void a_loss_of_another_object_changes_nothing(void)
{
	unsigned before;

	begin_focused();
	before = (unsigned)call_count;
	focus_event(focus, APPLICATION, "/button", false);
	focus_event(focus, ":1.8", "/entry", false);
	expect(call_count == before);
	end_focus();
}

static void a_background_application_must_prove_its_focus(void)
{
	begin_focused();
	add("/other", "/elsewhere", PASSWORD, SHOWN);
	focus_event(focus, ":1.8", "/other", true);
	expect(pending_call()->method == METHOD_STATE);
	run();
	expect(reported == FOCUS_OTHER && reports == 1);
	find("/other")->states = FOCUSED;
	find("/entry")->states = SHOWN;
	focus_event(focus, ":1.8", "/other", true);
	run();
	expect(reported == FOCUS_PASSWORD);
	end_focus();
}

static void an_application_that_hangs_later_is_noticed_and_so_is_its_return(void)
{
	begin_focused();
	pass_ms(2000);
	expect(reports == 1);
	hangs = true;
	pass_ms(ACCESSIBLE_HANG_MS + 20);
	expect(reported == FOCUS_UNKNOWN);
	pass_ms(60 * 1000);
	expect(reports == 2 && pending_call()->method == METHOD_STATE);
	hangs = false;
	run();
	expect(reported == FOCUS_OTHER && reports == 3);
	end_focus();
}

static void a_defunct_object_is_replaced_by_the_focused_one(void)
{
	begin_focused();
	find("/entry")->gone = true;
	find("/password")->states = FOCUSED;
	pass_ms(510);
	expect(reported == FOCUS_PASSWORD && reports == 2);
	end_focus();
}

static void replies_of_a_wrong_type_are_unknown(void)
{
	struct call *call;
	sd_bus_message *reply;

	begin_focused();
	hangs = true;
	focus_event(focus, APPLICATION, "/password", true);
	call = pending_call();
	expect(call->method == METHOD_ROLE);
	reply = new_reply();
	check(sd_bus_message_append(reply, "s", "password") >= 0);
	give(call, reply);
	expect(reported == FOCUS_UNKNOWN);
	/* states of one word instead of two: the object has none */
	pass_ms(510);
	call = pending_call();
	expect(call->method == METHOD_STATE);
	reply = new_reply();
	check(sd_bus_message_append(reply, "au", 1, UINT32_MAX) >= 0);
	give(call, reply);
	hangs = false;
	run();
	expect(reported == FOCUS_OTHER);
	end_focus();
}

static void names_that_are_too_long_are_searched_instead(void)
{
	char path[400] = "/", name[100] = ":1.";

	begin_focused();
	memset(path + 1, 'a', sizeof(path) - 2);
	memset(name + 3, '1', sizeof(name) - 4);
	focus_event(focus, APPLICATION, path, true);
	run();
	expect(reported == FOCUS_OTHER);
	focus_event(focus, name, "/entry", true);
	run();
	expect(reported == FOCUS_OTHER && reports == 1);
	end_focus();
}

static void without_the_bus_the_focus_is_unknown_until_it_is_back(void)
{
	unsigned before;

	begin_focused();
	focus_down(focus);
	expect(reported == FOCUS_UNKNOWN && reports == 2);
	before = (unsigned)call_count;
	focus_event(focus, APPLICATION, "/password", true);
	focus_hurry(focus);
	pass_ms(3000);
	expect(call_count == before && reports == 2);
	focus_up(focus, some_bus());
	run();
	expect(reported == FOCUS_OTHER && reports == 3);
	end_focus();
}

static void a_bus_that_never_comes_is_unknown(void)
{
	begin_focus();
	expect(reports == 0);
	pass_ms(300);
	expect(reported == FOCUS_UNKNOWN && reports == 1);
	end_focus();
}

static void a_click_has_the_focused_object_checked_at_once(void)
{
	begin_focused();
	find("/entry")->states = SHOWN;
	find("/password")->states = FOCUSED; /* without events */
	focus_hurry(focus);
	run();
	expect(reported == FOCUS_PASSWORD);
	end_focus();
}

/* ---- clicked objects ---- */

static struct clicks *clicks;
static struct session_clock session_clock;
static Uxrec__ClickedObject *clicked[64];
static size_t clicked_count;
static Uxrec__Gap *gaps[8];
static size_t gap_count;

static void take_packet(struct packet_sink *sink, struct packet *packet)
{
	(void)sink;
	if (packet->channel == CHANNEL_CLICKED && clicked_count < ARRAY_SIZE(clicked))
		clicked[clicked_count++] = uxrec__clicked_object__unpack(
			NULL, packet_data_size(packet), packet_data(packet));
	if (packet->channel == CHANNEL_GAPS && gap_count < ARRAY_SIZE(gaps))
		gaps[gap_count++] =
			uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));
	packet_unref(packet);
}

static void begin_clicks(enum name_policy names)
{
	static struct packet_sink sink = {take_packet};
	static struct source_context context = {.clock = &session_clock, .sink = &sink};

	begin_bus();
	clicked_count = gap_count = 0;
	check(clicks_create(&clicks, event, &context, names) == 0);
	clicks_set_bus(clicks, some_bus());
}

static void end_clicks(void)
{
	clicks_destroy(clicks);
	for (size_t i = 0; i < clicked_count; i++)
		uxrec__clicked_object__free_unpacked(clicked[i], NULL);
	for (size_t i = 0; i < gap_count; i++)
		uxrec__gap__free_unpacked(gaps[i], NULL);
	end_bus();
}

static void click_at(int x, int y)
{
	const struct a11y_click click = {.time_ns = now_ns,
		.x = x,
		.y = y,
		.left = 100,
		.top = 100,
		.width = 400,
		.height = 300,
		.process = PROCESS};

	clicks_describe(clicks, &click);
}

/* @return true when the newest of @p count objects has this role and name */
static bool last_is(size_t count, const char *role, const char *name)
{
	const Uxrec__ClickedObject *last;

	if (clicked_count != count)
		return false;
	last = clicked[count - 1];
	return last && strcmp(last->role, role) == 0 && strcmp(last->name, name) == 0;
}

static void a_click_on_a_label_is_one_on_its_button(void)
{
	begin_clicks(NAMES_FULL);
	click_at(130, 200);
	run();
	check(last_is(1, "push button", "Save"));
	expect(strcmp(clicked[0]->application, "Shop") == 0);
	expect(clicked[0]->x_px == 130 && clicked[0]->y_px == 200);
	expect(clicked[0]->left_px == 110 && clicked[0]->width_px == 80);
	end_clicks();
}

static void a_field_is_named_by_its_label_and_never_by_its_content(void)
{
	begin_clicks(NAMES_FULL);
	click_at(120, 120);
	run();
	expect(last_is(1, "entry", "Your name"));
	click_at(120, 160);
	run();
	expect(last_is(2, "password text", "Label of it"));
	/* without a label it has no name */
	find("/password")->label = NULL;
	click_at(120, 160);
	run();
	expect(last_is(3, "password text", ""));
	/* a text of several lines may be named by its content */
	find("/entry")->role = TEXT;
	click_at(120, 120);
	run();
	expect(last_is(4, "text", ""));
	end_clicks();
}

static void under_roles_no_name_is_ever_requested(void)
{
	begin_clicks(NAMES_ROLES);
	click_at(130, 200);
	run();
	expect(last_is(1, "push button", "") && !*clicked[0]->application);
	expect(made[METHOD_NAME] == 0 && made[METHOD_RELATIONS] == 0);
	end_clicks();
}

static void a_click_on_another_process_is_no_object_and_no_gap(void)
{
	struct a11y_click click = {.process = PROCESS + 1, .width = 400, .height = 300};

	begin_clicks(NAMES_FULL);
	clicks_describe(clicks, &click);
	run();
	expect(clicked_count == 0);
	clicks_destroy(clicks);
	clicks = NULL;
	expect(gap_count == 0);
	end_clicks();
}

static void clicks_on_an_application_that_hangs_are_one_gap(void)
{
	begin_clicks(NAMES_FULL);
	hangs = true;
	for (int i = 0; i < 3; i++) {
		click_at(130, 200);
		pass_ms(100);
	}
	pass_ms(600);
	expect(clicked_count == 0 && gap_count == 0);
	hangs = false;
	click_at(130, 200);
	run();
	expect(last_is(1, "push button", "Save"));
	check(gap_count == 1);
	expect(gaps[0]->count == 3 && gaps[0]->n_topics == 1);
	expect(gaps[0]->to_ns - gaps[0]->from_ns == 200 * NS_PER_MS);
	end_clicks();
}

static void what_is_known_after_half_a_second_is_kept(void)
{
	begin_clicks(NAMES_FULL);
	click_at(120, 120);
	for (size_t i = 0; i < call_count && !made[METHOD_RELATIONS] && !made[METHOD_NAME]; i++)
		if (calls[i].pending)
			answer(&calls[i]), i = (size_t)-1;
	hangs = true;
	pass_ms(600);
	expect(last_is(1, "entry", "") && gap_count == 0);
	expect(clicked[0]->width_px == 200);
	end_clicks();
}

static void more_clicks_than_can_be_described_at_once_are_counted(void)
{
	begin_clicks(NAMES_ROLES);
	hangs = true;
	for (int i = 0; i < 20; i++)
		click_at(130, 200);
	hangs = false;
	run();
	expect(clicked_count == 16);
	clicks_destroy(clicks);
	clicks = NULL;
	check(gap_count == 1);
	expect(gaps[0]->count == 4);
	end_clicks();
}

static void without_the_bus_clicks_are_a_gap(void)
{
	begin_clicks(NAMES_FULL);
	hangs = true;
	click_at(130, 200);
	clicks_set_bus(clicks, NULL);
	click_at(130, 200);
	hangs = false;
	clicks_set_bus(clicks, some_bus());
	click_at(130, 200);
	run();
	expect(last_is(1, "push button", "Save"));
	check(gap_count == 1);
	expect(gaps[0]->count == 2);
	end_clicks();
}

static void loops_of_objects_end(void)
{
	begin_clicks(NAMES_ROLES);
	/* every panel has the point, is in the other one, and is a part of it */
	add("/a", "/win", PANEL, SHOWN)->place = (struct a11y_rectangle){300, 300, 50, 50};
	add("/b", "/a", PANEL, SHOWN)->place = (struct a11y_rectangle){300, 300, 50, 50};
	add("/a", "/b", PANEL, SHOWN)->place = (struct a11y_rectangle){300, 300, 50, 50};
	find("/a")->parent = "/b";
	add("/a", "/win", PANEL, SHOWN)->place = (struct a11y_rectangle){300, 300, 50, 50};
	click_at(310, 310);
	run();
	expect(last_is(1, "panel", "") && call_count < 200);
	end_clicks();
}

static void extents_that_no_screen_has_are_left_out(void)
{
	begin_clicks(NAMES_ROLES);
	click_at(120, 120);
	for (size_t i = 0; i < call_count && !made[METHOD_ROLE]; i++)
		if (calls[i].pending)
			answer(&calls[i]), i = (size_t)-1;
	find("/entry")->place = (struct a11y_rectangle){INT32_MIN, INT32_MIN, 1, 1};
	run();
	expect(last_is(1, "entry", "") && clicked[0]->width_px == 0 && clicked[0]->left_px == 0);
	end_clicks();
}

static void an_object_that_is_gone_before_its_role_is_known_is_none(void)
{
	begin_clicks(NAMES_FULL);
	click_at(120, 120);
	for (size_t i = 0; i < call_count && !made[METHOD_ROLE]; i++)
		if (calls[i].pending)
			answer(&calls[i]), i = (size_t)-1;
	find("/entry")->gone = true;
	run();
	expect(clicked_count == 0);
	end_clicks();
}

/* ---- names ---- */

static void names_are_one_line_of_at_most_120_characters(void)
{
	static const struct {
		const char *name, *kept;
	} names[] = {
		{"Save", "Save"},
		{"  Save \n\t as\x7f ", "Save as"},
		{"\x01\x02", ""},
		{"GtkPasswordEntry", ""},
		{"Gtk manual", "Gtk manual"},
		{"Unnamed", ""},
		{"Gr\xc3\xb6\xc3\x9f"
		 "e",
			"Gr\xc3\xb6\xc3\x9f"
			"e"},
	};
	char long_name[4 * 200 + 1] = "", kept[A11Y_NAME_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		a11y_name_copy(kept, names[i].name);
		expect(strcmp(kept, names[i].kept) == 0);
	}
	for (size_t i = 0; i < 200; i++)
		strcat(long_name, "\xf0\x9f\x98\x80");
	a11y_name_copy(kept, long_name);
	expect(strlen(kept) == 4 * (size_t)120);
	/* no characters at all: cut, without a write behind the end */
	memset(long_name, 0x80, sizeof(long_name) - 1);
	a11y_name_copy(kept, long_name);
	expect(strlen(kept) < A11Y_NAME_BYTES);
}

static void roles_and_policies_have_names(void)
{
	enum name_policy policy;

	expect(strcmp(a11y_role_name(BUTTON), "push button") == 0);
	expect(strcmp(a11y_role_name(0), "unknown") == 0);
	expect(strcmp(a11y_role_name(UINT32_MAX), "unknown") == 0);
	for (int i = NAMES_NONE; i <= NAMES_FULL; i++)
		expect(name_policy_parse(name_policy_name((enum name_policy)i), &policy) == 0 &&
			(int)policy == i);
	expect(name_policy_parse("", &policy) < 0 && name_policy_parse("Full", &policy) < 0);
}

static const struct test tests[] = {
	{"the focused object at the start is searched", the_focus_at_the_start_is_searched},
	{"without an active window the focus is unseen, until one is active",
		without_an_active_window_keys_go_to_something_unseen},
	{"an active window without a focused object is unknown",
		an_active_window_without_a_focused_object_is_unknown},
	{"an application that hangs during the search is unknown until it replies",
		an_application_that_hangs_during_the_search_is_unknown},
	{"a toolkit without collections is searched object by object",
		a_toolkit_without_collections_is_searched_object_by_object},
	{"invisible objects are not searched", what_is_not_visible_is_not_searched},
	{"a loop in the tree ends the search", a_loop_in_the_tree_ends_the_search},
	{"a move of the focus is reported once its role is known, and only as a change",
		a_move_of_the_focus_is_reported_once_its_role_is_known},
	{"a late role is unknown from the deadline until it comes",
		a_role_that_comes_late_is_unknown_until_then},
	{"further moves do not postpone the deadline", moves_do_not_postpone_the_deadline},
	{"a lost focus without a successor is searched",
		a_lost_focus_without_a_successor_is_searched},
	{"a loss of another object's focus has no effect",
		a_loss_of_another_object_changes_nothing},
	{"the focus of another application counts once its state confirms it",
		a_background_application_must_prove_its_focus},
	{"an application that hangs later is unknown in 750 ms, and known when it replies",
		an_application_that_hangs_later_is_noticed_and_so_is_its_return},
	{"a defunct object is replaced by the focused one",
		a_defunct_object_is_replaced_by_the_focused_one},
	{"replies of a wrong type are unknown", replies_of_a_wrong_type_are_unknown},
	{"an object with too long a name or path is searched instead",
		names_that_are_too_long_are_searched_instead},
	{"without the bus the focus is unknown until it is back",
		without_the_bus_the_focus_is_unknown_until_it_is_back},
	{"a bus that never comes is unknown", a_bus_that_never_comes_is_unknown},
	{"a click has the focused object checked at once",
		a_click_has_the_focused_object_checked_at_once},
	{"a click on a button's label is one on the button",
		a_click_on_a_label_is_one_on_its_button},
	{"a field is named by its label and never by its content",
		a_field_is_named_by_its_label_and_never_by_its_content},
	{"under roles no name is ever requested", under_roles_no_name_is_ever_requested},
	{"a click on a process that is not on the bus is no object and no gap",
		a_click_on_another_process_is_no_object_and_no_gap},
	{"clicks on an application that hangs are one gap",
		clicks_on_an_application_that_hangs_are_one_gap},
	{"properties known after half a second are kept",
		what_is_known_after_half_a_second_is_kept},
	{"of simultaneous clicks sixteen are described and the others counted",
		more_clicks_than_can_be_described_at_once_are_counted},
	{"without the bus clicks are a gap", without_the_bus_clicks_are_a_gap},
	{"a loop of objects ends a description", loops_of_objects_end},
	{"extents beyond any screen are left out", extents_that_no_screen_has_are_left_out},
	{"an object that is gone before its role is known is not recorded",
		an_object_that_is_gone_before_its_role_is_known_is_none},
	{"a name is one line of at most 120 characters",
		names_are_one_line_of_at_most_120_characters},
	{"roles and policies have names, unknown roles too", roles_and_policies_have_names},
};

int main(void)
{
	return RUN_TESTS("accessible", tests);
}
