#include "capture/wayland/portal.h"

#include "capture/wayland/portal_token.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

/*
 * Every request is a method call that returns a request object; its result is the object's signal
 * Response, which may arrive before the call returns. So the signal is matched first, at the path
 * that the portal is bound to use. (org.freedesktop.portal.Request, "since version 0.9"; older ones
 * are not in use any more.)
 *
 * sd-bus and not libportal, which would pull in GLib and a main loop of its own for four calls.
 */

#define PORTAL     "org.freedesktop.portal.Desktop"
#define PATH       "/org/freedesktop/portal/desktop"
#define SCREENCAST "org.freedesktop.portal.ScreenCast"

/* Includes the bus activation of a portal that is not running yet. */
#define CALL_US (10 * NS_PER_S / NS_PER_US)

/* To find the dialog, read it and decide. */
#define ANSWER_NS (25 * NS_PER_S)

/* Upper bound on the delay of a cancellation. */
#define CANCEL_NS (100 * NS_PER_MS)

#define SOURCE_MONITOR       1u
#define PERSIST_TILL_REVOKED 2u

struct portal {
	sd_bus *bus;
	sd_bus_slot *closed, *owner;
	char *session; /* object path */
	unsigned requests;
	uint32_t version;
	const char *gone;              /* reason that it has ended */
	const _Atomic bool *cancelled; /* of portal_open() */

	/* the pending request */
	bool answered;
	uint32_t code;
	sd_bus_message *results; /* of the response */
};

static int fault(struct error *reterr, const char *what, const char *why)
{
	return error_set(
		reterr, -EPROTO, "invalid answer of the desktop portal to %s: %s", what, why);
}

/* ---- signals from the portal ---- */

static int on_closed(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct portal *portal = user;

	(void)message;
	(void)error;
	portal->gone = "the desktop has ended screen sharing";
	return 0;
}

static int on_owner(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct portal *portal = user;
	const char *name, *before, *after;

	(void)error;
	/* activation for our request is not an exit */
	if (sd_bus_message_read(message, "sss", &name, &before, &after) >= 0 && *before)
		portal->gone = "the desktop portal has exited";
	return 0;
}

static int on_response(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct portal *portal = user;

	(void)error;
	if (portal->answered || sd_bus_message_read(message, "u", &portal->code) < 0)
		return 0;
	portal->answered = true;
	portal->results = sd_bus_message_ref(message);
	return 0;
}

/* Process pending messages. @return 0 or a negative errno: the bus is gone */
static int dispatch(struct portal *portal)
{
	int r;

	do
		r = sd_bus_process(portal->bus, NULL);
	while (r > 0);
	if (r < 0 && !portal->gone)
		portal->gone = "the connection to the session bus was lost";
	return r;
}

const char *portal_check(struct portal *portal)
{
	if (!portal->gone)
		dispatch(portal);
	return portal->gone;
}

int portal_fd(const struct portal *portal)
{
	return sd_bus_get_fd(portal->bus);
}

/* ---- reading responses ---- */

/* Enter the value of a key in the results. @return 1, 0 when missing, or a negative errno */
static int seek_result(struct portal *portal, const char *key, const char *type)
{
	sd_bus_message *m = portal->results;
	int r = sd_bus_message_rewind(m, true);

	if (r >= 0)
		r = sd_bus_message_skip(m, "u");
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name;

		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0 && strcmp(name, key) == 0)
			return sd_bus_message_enter_container(m, 'v', type);
		if (r >= 0)
			r = sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

/* A string of the results, valid as long as these; NULL when missing. */
static const char *text_result(struct portal *portal, const char *key)
{
	const char *text;

	if (seek_result(portal, key, "s") <= 0 ||
		sd_bus_message_read(portal->results, "s", &text) <= 0)
		return NULL;
	return text;
}

static int read_node(struct portal *portal, uint32_t *ret)
{
	sd_bus_message *m = portal->results;

	if (seek_result(portal, "streams", "a(ua{sv})") <= 0 ||
		sd_bus_message_enter_container(m, 'a', "(ua{sv})") <= 0 ||
		sd_bus_message_enter_container(m, 'r', "ua{sv}") <= 0 ||
		sd_bus_message_read(m, "u", ret) <= 0)
		return -EPROTO;
	return 0;
}

/* ---- requests ---- */

static int refused(struct error *reterr, const char *method, const sd_bus_error *error, int r)
{
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_PROPERTY) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_INVALID_ARGS))
		return error_set(reterr, -EOPNOTSUPP,
			"no desktop portal can share this screen: install xdg-desktop-portal and "
			"its backend for this desktop (xdg-desktop-portal-gnome, -kde, -wlr), and "
			"log in again");
	return error_set(reterr, r == -ETIMEDOUT ? -ETIMEDOUT : -EPROTO,
		"the desktop portal does not answer %s: %s", method,
		error->message ? error->message : strerror(-r));
}

static int begin(struct portal *portal, sd_bus_message **ret, const char *method)
{
	return sd_bus_message_new_method_call(portal->bus, ret, PORTAL, PATH, SCREENCAST, method);
}

static bool is_cancelled(const struct portal *portal)
{
	return portal->cancelled && *portal->cancelled;
}

static int wait_for_response(struct portal *portal)
{
	int64_t until_ns = clock_now_ns() + ANSWER_NS;

	for (;;) {
		int64_t left_ns = until_ns - clock_now_ns();
		int r = dispatch(portal);

		if (portal->answered)
			return 0;
		if (r < 0 || portal->gone || is_cancelled(portal))
			return -ECANCELED;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		sd_bus_wait(portal->bus,
			(uint64_t)((left_ns < CANCEL_NS ? left_ns : CANCEL_NS) / NS_PER_US));
	}
}

static int check_response(struct portal *portal, int r, struct error *reterr)
{
	if (r == -ETIMEDOUT)
		return error_set(reterr, r, "the desktop's screen-sharing dialog was not answered");
	if (r < 0 && is_cancelled(portal))
		return error_set(reterr, r, "the start of the capture was cancelled");
	if (r < 0)
		return error_set(reterr, r, "screen sharing failed: %s",
			portal->gone ? portal->gone : strerror(-r));
	if (portal->code == 1)
		return error_set(
			reterr, -EACCES, "screen sharing was denied in the desktop's dialog");
	if (portal->code != 0)
		return error_set(
			reterr, -ECANCELED, "the desktop's screen-sharing dialog was dismissed");
	return 0;
}

static int subscribe_response(
	struct portal *portal, sd_bus_slot **slot, char **ret_path, char *token, size_t room)
{
	const char *unique;
	char sender[64];
	int r = sd_bus_get_unique_name(portal->bus, &unique);

	if (r < 0)
		return r;
	snprintf(sender, sizeof(sender), "%s", unique + 1);
	for (char *c = sender; *c; c++)
		if (*c == '.')
			*c = '_';
	snprintf(token, room, "uxrec%u", ++portal->requests);
	if (asprintf(ret_path, PATH "/request/%s/%s", sender, token) < 0)
		return -ENOMEM;
	return sd_bus_match_signal(portal->bus, slot, PORTAL, *ret_path,
		"org.freedesktop.portal.Request", "Response", on_response, portal);
}

/**
 * Send a request, and wait for the response.
 *
 * @param message  complete but for the end of its last argument, the array of options, which is
 *                 still open
 */
static int send_request(struct portal *portal, sd_bus_message *message, struct error *reterr)
{
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *method = sd_bus_message_get_member(message);
	_autofree_ char *path = NULL;
	char token[32];
	int r;

	portal->results = sd_bus_message_unref(portal->results);
	portal->answered = false;
	r = subscribe_response(portal, &slot, &path, token, sizeof(token));
	if (r >= 0)
		r = sd_bus_message_append(message, "{sv}", "handle_token", "s", token);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_call(portal->bus, message, CALL_US, &error, NULL);
	if (r < 0)
		return refused(reterr, method, &error, r);
	r = wait_for_response(portal);
	if (r == -ETIMEDOUT || is_cancelled(portal)) /* closes the dialog */
		sd_bus_call_method(portal->bus, PORTAL, path, "org.freedesktop.portal.Request",
			"Close", NULL, NULL, "");
	return check_response(portal, r, reterr);
}

/* ---- the four calls ---- */

static int connect_bus(struct portal *portal, struct error *reterr)
{
	int r = sd_bus_open_user(&portal->bus);

	if (r >= 0)
		r = sd_bus_set_method_call_timeout(portal->bus, CALL_US);
	if (r >= 0)
		r = sd_bus_add_match(portal->bus, &portal->owner,
			"type='signal',sender='org.freedesktop.DBus',"
			"path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" PORTAL "'",
			on_owner, portal);
	if (r < 0)
		return error_set(reterr, -ECONNREFUSED,
			"no session bus, which is needed for the desktop portal: %s", strerror(-r));
	return 0;
}

/* An unsigned property of the portal; 0 when missing in an old one. */
static uint32_t property(struct portal *portal, const char *name)
{
	uint32_t value = 0;

	return sd_bus_get_property_trivial(
		       portal->bus, PORTAL, PATH, SCREENCAST, name, NULL, 'u', &value) < 0
		? 0
		: value;
}

static int query_portal(struct portal *portal, enum portal_cursor *ret, struct error *reterr)
{
	static const enum portal_cursor wanted[] = {
		PORTAL_CURSOR_METADATA, PORTAL_CURSOR_HIDDEN, PORTAL_CURSOR_EMBEDDED};
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	uint32_t cursors;
	int r = sd_bus_get_property_trivial(
		portal->bus, PORTAL, PATH, SCREENCAST, "version", &error, 'u', &portal->version);

	if (r < 0)
		return refused(reterr, "a query of its version", &error, r);
	if (!(property(portal, "AvailableSourceTypes") & SOURCE_MONITOR))
		return error_set(reterr, -EOPNOTSUPP,
			"the desktop portal cannot share whole screens, or its backend for this "
			"desktop is not running");
	cursors = property(portal, "AvailableCursorModes");
	*ret = PORTAL_CURSOR_HIDDEN; /* the default before version 2 */
	for (size_t i = ARRAY_SIZE(wanted); i-- > 0;)
		if (cursors & wanted[i])
			*ret = wanted[i];
	return 0;
}

static int create_session(struct portal *portal, struct error *reterr)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	const char *session;
	int r = begin(portal, &message, "CreateSession");

	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(message, "{sv}", "session_handle_token", "s", "uxrec");
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	r = send_request(portal, message, reterr);
	if (r < 0)
		return r;
	session = text_result(portal, "session_handle");
	if (!session || !sd_bus_object_path_is_valid(session))
		return fault(reterr, "CreateSession", "no session");
	portal->session = strdup(session);
	if (!portal->session)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = sd_bus_match_signal(portal->bus, &portal->closed, PORTAL, portal->session,
		"org.freedesktop.portal.Session", "Closed", on_closed, portal);
	return r < 0 ? error_set(reterr, r, "the connection to the session bus was lost") : 0;
}

static int select_sources(
	struct portal *portal, enum portal_cursor cursor, const char *token, struct error *reterr)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = begin(portal, &message, "SelectSources");

	if (r >= 0)
		r = sd_bus_message_append(message, "o", portal->session);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(
			message, "{sv}{sv}", "types", "u", SOURCE_MONITOR, "multiple", "b", 0);
	if (r >= 0 && portal->version >= 2)
		r = sd_bus_message_append(message, "{sv}", "cursor_mode", "u", (unsigned)cursor);
	if (r >= 0 && portal->version >= 4)
		r = sd_bus_message_append(
			message, "{sv}", "persist_mode", "u", PERSIST_TILL_REVOKED);
	if (r >= 0 && portal->version >= 4 && token)
		r = sd_bus_message_append(message, "{sv}", "restore_token", "s", token);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	return send_request(portal, message, reterr);
}

/* The user's choice. The old restore token is spent by a grant, or revoked by a refusal. */
static int start_stream(
	struct portal *portal, struct portal_stream *ret_stream, struct error *reterr)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	const char *token;
	int r = begin(portal, &message, "Start");

	if (r >= 0) /* we have no parent window for the dialog */
		r = sd_bus_message_append(message, "os", portal->session, "");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	r = send_request(portal, message, reterr);
	if (r == -EACCES)
		portal_token_store(NULL);
	if (r < 0)
		return r;
	token = text_result(portal, "restore_token");
	ret_stream->remembered = portal_token_store(token) == 0 && token;
	return read_node(portal, &ret_stream->node) < 0 ? fault(reterr, "Start", "no stream") : 0;
}

static int open_remote(struct portal *portal, int *ret_fd, struct error *reterr)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int fd,
		r = sd_bus_call_method(portal->bus, PORTAL, PATH, SCREENCAST, "OpenPipeWireRemote",
			&error, &reply, "oa{sv}", portal->session, 0);

	if (r < 0)
		return refused(reterr, "OpenPipeWireRemote", &error, r);
	r = sd_bus_message_read(reply, "h", &fd);
	if (r < 0)
		return fault(reterr, "OpenPipeWireRemote", strerror(-r));
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0
		? error_set(reterr, -errno, "cannot duplicate a descriptor: %s", strerror(errno))
		: 0;
}

int portal_open(struct portal **ret, struct portal_stream *ret_stream,
	const _Atomic bool *cancelled, struct error *reterr)
{
	struct portal *portal = calloc(1, sizeof(*portal));
	_autofree_ char *token = portal_token_read();
	struct portal_stream stream = {.fd = -1};
	int r;

	if (!portal)
		return error_set(reterr, -ENOMEM, "out of memory");
	portal->cancelled = cancelled;
	r = connect_bus(portal, reterr);
	if (r == 0)
		r = query_portal(portal, &stream.cursor, reterr);
	if (r == 0)
		r = create_session(portal, reterr);
	if (r == 0)
		r = select_sources(portal, stream.cursor, token, reterr);
	if (r == 0)
		r = start_stream(portal, &stream, reterr);
	if (r == 0)
		r = open_remote(portal, &stream.fd, reterr);
	if (r < 0) {
		portal_destroy(portal);
		return r;
	}
	portal->cancelled = NULL;
	*ret_stream = stream;
	*ret = portal;
	return 0;
}

void portal_destroy(struct portal *portal)
{
	if (!portal)
		return;
	if (portal->session && !portal->gone)
		sd_bus_call_method(portal->bus, PORTAL, portal->session,
			"org.freedesktop.portal.Session", "Close", NULL, NULL, "");
	sd_bus_message_unref(portal->results);
	sd_bus_slot_unref(portal->closed);
	sd_bus_slot_unref(portal->owner);
	sd_bus_flush_close_unref(portal->bus);
	free(portal->session);
	free(portal);
}
