#include "capture/a11y/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* The buses themselves reply fast, unless the launcher has to be started. */
#define BUS_NS   (3 * NS_PER_S)
#define RETRY_NS NS_PER_S

/* Larger than any screen. GTK 3 reports INT_MIN for invisible objects. */
#define FAR_PX (1 << 20)

#define ACCESSIBLE "org.a11y.atspi.Accessible"
#define COMPONENT  "org.a11y.atspi.Component"
#define PROPERTIES "org.freedesktop.DBus.Properties"

#define REGISTRY_NAME "org.a11y.atspi.Registry"
#define REGISTRY_PATH "/org/a11y/atspi/registry"

/*
 * The only methods that are ever called on an application's objects. None is of the interfaces
 * Text, EditableText, Value or Table: GTK 4 exposes typed passwords through them.
 */
static const struct {
	const char *interface, *member;
	const char *property; /* of ACCESSIBLE */
} methods[] = {
	[METHOD_CHILDREN] = {ACCESSIBLE, "GetChildren", NULL},
	[METHOD_ROLE] = {ACCESSIBLE, "GetRole", NULL},
	[METHOD_STATE] = {ACCESSIBLE, "GetState", NULL},
	[METHOD_RELATIONS] = {ACCESSIBLE, "GetRelationSet", NULL},
	[METHOD_NAME] = {PROPERTIES, "Get", "Name"},
	[METHOD_PARENT] = {PROPERTIES, "Get", "Parent"},
	[METHOD_AT_POINT] = {COMPONENT, "GetAccessibleAtPoint", NULL},
	[METHOD_EXTENTS] = {COMPONENT, "GetExtents", NULL},
	[METHOD_MATCHES] = {"org.a11y.atspi.Collection", "GetMatches", NULL},
	[METHOD_PROCESS] = {"org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL},
};

static const char *const events[] = {"object:state-changed:focused", "focus:", "window:deactivate"};

const struct a11y_object a11y_desktop = {REGISTRY_NAME, "/org/a11y/atspi/accessible/root"};

struct a11y_bus {
	sd_event *event;
	struct a11y_listener listener;
	bool follow_focus;
	sd_bus *session, *bus;
	bool up, reported_first, enabled_by_us;
	sd_event_source *retry, *connect_timer; /* to reconnect; timeout of a connection attempt */
};

/* ---- calls ---- */

static int append_matches(sd_bus_message *message)
{
	/* states: all of these; attributes, roles, interfaces: any; not inverted */
	int r = sd_bus_message_open_container(message, 'r', "aiia{ss}iaiiasib");

	if (r >= 0)
		r = sd_bus_message_append(message, "aiia{ss}iaiiasib", 2, 1 << A11Y_STATE_FOCUSED,
			0, 1, 0, 1, 0, 1, 0, 1, 0);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	/* in the order of the tree, the first one, through the whole tree */
	return r < 0 ? r : sd_bus_message_append(message, "uib", 1, 1, 1);
}

static int append_arguments(sd_bus_message *message, enum a11y_method method,
	const struct a11y_object *of, va_list args)
{
	int x, y;

	switch (method) {
	case METHOD_NAME:
	case METHOD_PARENT:
		return sd_bus_message_append(message, "ss", ACCESSIBLE, methods[method].property);
	case METHOD_AT_POINT:
		x = va_arg(args, int);
		y = va_arg(args, int);
		return sd_bus_message_append(message, "iiu", x, y, va_arg(args, unsigned));
	case METHOD_EXTENTS: return sd_bus_message_append(message, "u", va_arg(args, unsigned));
	case METHOD_MATCHES: return append_matches(message);
	case METHOD_PROCESS: return sd_bus_message_append(message, "s", of->name);
	default: return 0;
	}
}

int a11y_query(struct a11y_bus *bus, sd_bus_slot **slot, enum a11y_method method,
	const struct a11y_object *of, int64_t timeout_ns, sd_bus_message_handler_t answer,
	void *user, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	bool of_bus = method == METHOD_PROCESS;
	va_list args;
	int r;

	if (!bus->up)
		return -ENOTCONN;
	r = sd_bus_message_new_method_call(bus->bus, &message,
		of_bus ? "org.freedesktop.DBus" : of->name,
		of_bus ? "/org/freedesktop/DBus" : of->path, methods[method].interface,
		methods[method].member);
	if (r < 0)
		return r;
	/* never reactivate an application that has gone */
	sd_bus_message_set_auto_start(message, 0);
	va_start(args, user);
	r = append_arguments(message, method, of, args);
	va_end(args);
	if (r < 0)
		return r;
	r = sd_bus_call_async(bus->bus, slot, message, answer, user,
		timeout_ns == INT64_MAX ? UINT64_MAX : (uint64_t)(timeout_ns / NS_PER_US));
	return r < 0 ? r : 0;
}

static bool object_set(struct a11y_object *ret, const char *name, const char *path)
{
	if (!*name || strlen(name) >= sizeof(ret->name) || strlen(path) >= sizeof(ret->path) ||
		strcmp(path, "/org/a11y/atspi/null") == 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	return true;
}

bool a11y_read_object(sd_bus_message *message, struct a11y_object *ret)
{
	const char *name, *path;

	return sd_bus_message_read(message, "(so)", &name, &path) > 0 &&
		object_set(ret, name, path);
}

bool a11y_read_parent(sd_bus_message *message, struct a11y_object *ret)
{
	return !sd_bus_message_is_method_error(message, NULL) &&
		sd_bus_message_enter_container(message, 'v', "(so)") > 0 &&
		a11y_read_object(message, ret);
}

size_t a11y_read_objects(sd_bus_message *message, struct a11y_object *objects, size_t limit)
{
	const char *name, *path;
	size_t count = 0;

	if (sd_bus_message_enter_container(message, 'a', "(so)") <= 0)
		return 0;
	while (count < limit && sd_bus_message_read(message, "(so)", &name, &path) > 0)
		count += object_set(&objects[count], name, path);
	return count;
}

bool a11y_read_states(sd_bus_message *message, uint64_t *ret)
{
	const uint32_t *words;
	size_t size_bytes;

	if (sd_bus_message_read_array(message, 'u', (const void **)&words, &size_bytes) < 0 ||
		size_bytes < 2 * sizeof(*words))
		return false;
	*ret = words[0] | (uint64_t)words[1] << 32;
	return true;
}

bool a11y_read_rectangle(sd_bus_message *message, struct a11y_rectangle *ret)
{
	struct a11y_rectangle read;

	if (sd_bus_message_is_method_error(message, NULL) ||
		sd_bus_message_read(
			message, "(iiii)", &read.left, &read.top, &read.width, &read.height) <= 0)
		return false;
	if (read.left < -FAR_PX || read.left > FAR_PX || read.top < -FAR_PX || read.top > FAR_PX ||
		read.width < 0 || read.width > FAR_PX || read.height < 0 || read.height > FAR_PX)
		return false;
	*ret = read;
	return true;
}

int a11y_timer(sd_event *event, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user)
{
	uint64_t in_us = (uint64_t)(in_ns / NS_PER_US);
	int r;

	if (!*timer)
		return sd_event_add_time_relative(
			event, timer, CLOCK_MONOTONIC, in_us, 1000, handler, user);
	r = sd_event_source_set_time_relative(*timer, in_us);
	return r < 0 ? r : sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

void a11y_timer_stop(sd_event_source *timer)
{
	if (timer)
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

/* ---- connecting ---- */

static void report_first(struct a11y_bus *bus, int r)
{
	if (!bus->reported_first)
		bus->listener.first(bus->listener.user, r);
	bus->reported_first = true;
}

static int on_retry(sd_event_source *timer, uint64_t at_us, void *user);

static void schedule_retry(struct a11y_bus *bus)
{
	a11y_timer_stop(bus->connect_timer);
	a11y_timer(bus->event, &bus->retry, RETRY_NS, on_retry, bus);
}

/* Not flushed: that would block. */
static void drop(sd_bus **bus)
{
	if (*bus) {
		sd_bus_close(*bus);
		sd_bus_detach_event(*bus);
		*bus = sd_bus_unref(*bus);
	}
}

static void disconnect(struct a11y_bus *bus)
{
	bool was_up = bus->up;

	bus->up = false;
	if (was_up)
		bus->listener.down(bus->listener.user);
	drop(&bus->bus);
	schedule_retry(bus);
}

static int on_disconnected(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;

	(void)message;
	(void)error;
	report_first(bus, -ECONNREFUSED);
	disconnect(bus);
	return 0;
}

static int on_session_disconnected(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;

	(void)message;
	(void)error;
	drop(&bus->session);
	bus->enabled_by_us = false;
	if (!bus->bus)
		report_first(bus, -ECONNREFUSED);
	schedule_retry(bus);
	return 0;
}

static int on_connect_timeout(sd_event_source *timer, uint64_t at_us, void *user)
{
	(void)timer;
	(void)at_us;
	disconnect(user);
	return 0;
}

static int on_focused(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;
	const char *name = sd_bus_message_get_sender(message);
	const char *path = sd_bus_message_get_path(message);
	const char *what;
	int gained = 1;

	(void)error;
	/* "Focus" always means gained; a state change carries the new value */
	if (strcmp(sd_bus_message_get_member(message), "StateChanged") == 0 &&
		sd_bus_message_read(message, "si", &what, &gained) <= 0)
		return 0;
	if (name && path)
		bus->listener.focused(bus->listener.user, name, path, gained != 0);
	return 0;
}

static int on_deactivated(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;
	const char *name = sd_bus_message_get_sender(message);

	(void)error;
	if (name)
		bus->listener.deactivated(bus->listener.user, name);
	return 0;
}

static int ignore(sd_bus_message *message, void *user, sd_bus_error *error)
{
	(void)message;
	(void)user;
	(void)error;
	return 0;
}

static int listen_for_focus(struct a11y_bus *bus)
{
#define EVENT "type='signal',interface='org.a11y.atspi.Event."
	static const struct {
		const char *rule;
		sd_bus_message_handler_t handler;
	} rules[] = {
		{EVENT "Object',member='StateChanged',arg0='focused'", on_focused},
		{EVENT "Focus',member='Focus'", on_focused},
		/* toolkits differ in the case of the member */
		{EVENT "Window',member='Deactivate'", on_deactivated},
		{EVENT "Window',member='deactivate'", on_deactivated},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rules) && r >= 0; i++)
		r = sd_bus_add_match_async(
			bus->bus, NULL, rules[i].rule, rules[i].handler, ignore, bus);
	for (size_t i = 0; i < ARRAY_SIZE(events) && r >= 0; i++)
		r = sd_bus_call_method_async(bus->bus, NULL, REGISTRY_NAME, REGISTRY_PATH,
			"org.a11y.atspi.Registry", "RegisterEvent", ignore, NULL, "sass", events[i],
			0, "");
	return r;
}

static int on_connected(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;

	(void)message;
	(void)error;
	a11y_timer_stop(bus->connect_timer);
	if (bus->follow_focus && listen_for_focus(bus) < 0) {
		disconnect(bus);
		return 0;
	}
	bus->up = true;
	bus->listener.up(bus->listener.user);
	report_first(bus, 0);
	return 0;
}

#define LOCAL                                                                                      \
	"type='signal',sender='org.freedesktop.DBus.Local',path='/org/freedesktop/DBus/Local',"

static int attach(struct a11y_bus *bus, sd_bus *to, sd_bus_message_handler_t disconnected)
{
	int r = sd_bus_add_match_async(to, NULL,
		LOCAL "interface='org.freedesktop.DBus.Local',member='Disconnected'", disconnected,
		ignore, bus);

	return r < 0 ? r : sd_bus_attach_event(to, bus->event, SD_EVENT_PRIORITY_NORMAL);
}

static int connect_to(struct a11y_bus *bus, const char *address)
{
	int r = sd_bus_new(&bus->bus);

	if (r >= 0)
		r = sd_bus_set_address(bus->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus->bus, 1);
	if (r >= 0)
		r = sd_bus_set_connected_signal(bus->bus, 1);
	if (r >= 0)
		r = attach(bus, bus->bus, on_disconnected);
	if (r >= 0)
		r = sd_bus_add_match_async(bus->bus, NULL,
			LOCAL "interface='org.freedesktop.DBus.Local',member='Connected'",
			on_connected, ignore, bus);
	if (r >= 0)
		r = sd_bus_start(bus->bus);
	if (r >= 0)
		r = a11y_timer(bus->event, &bus->connect_timer, BUS_NS, on_connect_timeout, bus);
	if (r < 0) {
		report_first(bus, r);
		disconnect(bus);
	}
	return r;
}

/* ---- the session bus: address of the accessibility bus, and IsEnabled ---- */

static bool has_timed_out(sd_bus_message *message)
{
	return sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY) ||
		sd_bus_message_is_method_error(message, SD_BUS_ERROR_TIMEOUT) ||
		sd_bus_message_is_method_error(message, "org.freedesktop.DBus.Error.TimedOut") ||
		sd_bus_message_is_method_error(message, "System.Error.ETIMEDOUT");
}

static int on_address(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;
	const char *address;

	(void)error;
	if (bus->bus)
		return 0;
	if (sd_bus_message_is_method_error(message, NULL) ||
		sd_bus_message_read(message, "s", &address) <= 0 || !*address) {
		/* after a timeout the bus may still be there: retry until it replies */
		if (!has_timed_out(message))
			report_first(bus, -ENOENT);
		schedule_retry(bus);
		return 0;
	}
	connect_to(bus, address);
	return 0;
}

/* Expects no reply: this may be the last message. */
static int set_enabled(struct a11y_bus *bus, bool enabled)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(
		bus->session, &message, "org.a11y.Bus", "/org/a11y/bus", PROPERTIES, "Set");

	if (r >= 0)
		r = sd_bus_message_append(
			message, "ssv", "org.a11y.Status", "IsEnabled", "b", enabled);
	if (r >= 0)
		r = sd_bus_message_set_expect_reply(message, 0);
	return r < 0 ? r : sd_bus_send(bus->session, message, NULL);
}

static int on_is_enabled(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_bus *bus = user;
	int enabled = 1;

	(void)error;
	if (!sd_bus_message_is_method_error(message, NULL) &&
		sd_bus_message_read(message, "v", "b", &enabled) > 0 && !enabled)
		bus->enabled_by_us = set_enabled(bus, true) >= 0;
	return 0;
}

static int query_address(struct a11y_bus *bus)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(bus->session, &message, "org.a11y.Bus",
		"/org/a11y/bus", "org.a11y.Bus", "GetAddress");

	return r < 0 ? r
		     : sd_bus_call_async(
			       bus->session, NULL, message, on_address, bus, BUS_NS / NS_PER_US);
}

static int open_session(struct a11y_bus *bus)
{
	int r = sd_bus_open_user(&bus->session);

	if (r >= 0)
		r = attach(bus, bus->session, on_session_disconnected);
	if (r >= 0)
		r = sd_bus_call_method_async(bus->session, NULL, "org.a11y.Bus", "/org/a11y/bus",
			PROPERTIES, "Get", on_is_enabled, bus, "ss", "org.a11y.Status",
			"IsEnabled");
	if (r < 0)
		drop(&bus->session);
	return r;
}

/* Connect the missing buses. */
static void connect_buses(struct a11y_bus *bus)
{
	const char *address = getenv("AT_SPI_BUS_ADDRESS");
	int r = 0;

	if (!bus->session)
		r = open_session(bus);
	if (bus->bus)
		return;
	if (address && *address) {
		connect_to(bus, address);
		return;
	}
	if (r >= 0)
		r = query_address(bus);
	if (r < 0) {
		report_first(bus, -ENOENT);
		schedule_retry(bus);
	}
}

static int on_retry(sd_event_source *timer, uint64_t at_us, void *user)
{
	(void)timer;
	(void)at_us;
	connect_buses(user);
	return 0;
}

int a11y_bus_create(struct a11y_bus **ret, sd_event *event, bool follow_focus,
	const struct a11y_listener *listener)
{
	struct a11y_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->event = sd_event_ref(event);
	bus->listener = *listener;
	bus->follow_focus = follow_focus;
	*ret = bus;
	connect_buses(bus);
	return 0;
}

void a11y_bus_destroy(struct a11y_bus *bus)
{
	if (!bus)
		return;
	/* sent at once unless the bus stalls; never waits */
	if (bus->session && bus->enabled_by_us)
		set_enabled(bus, false);
	drop(&bus->bus);
	drop(&bus->session);
	sd_event_source_disable_unref(bus->retry);
	sd_event_source_disable_unref(bus->connect_timer);
	sd_event_unref(bus->event);
	free(bus);
}
