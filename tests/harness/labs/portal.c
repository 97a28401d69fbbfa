#include "tests/harness/labs/portal.h"

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define PATH "/org/freedesktop/portal/desktop"

/* ---- reading requests ---- */

struct asked {
	char token[64]; /* of the request */
	char session_token[64], restore_token[64];
	uint32_t types, cursor_mode, persist_mode;
};

static int read_option(sd_bus_message *m, const char *key, struct asked *ret)
{
	const struct {
		const char *key;
		char *text;
		uint32_t *number;
	} known[] = {
		{"handle_token", ret->token, NULL},
		{"session_handle_token", ret->session_token, NULL},
		{"restore_token", ret->restore_token, NULL},
		{"types", NULL, &ret->types},
		{"cursor_mode", NULL, &ret->cursor_mode},
		{"persist_mode", NULL, &ret->persist_mode},
	};
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(key, known[i].key) != 0)
			continue;
		if (known[i].number)
			return sd_bus_message_read(m, "v", "u", known[i].number);
		if (sd_bus_message_read(m, "v", "s", &text) < 0)
			return -1;
		snprintf(known[i].text, 64, "%s", text);
		return 0;
	}
	return sd_bus_message_skip(m, "v");
}

static void read_options(sd_bus_message *m, struct asked *ret)
{
	const char *key;

	*ret = (struct asked){0};
	sd_bus_message_enter_container(m, 'a', "{sv}");
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		if (sd_bus_message_read(m, "s", &key) < 0 || read_option(m, key, ret) < 0)
			return;
		sd_bus_message_exit_container(m);
	}
}

/* ---- answering ---- */

static void object_path(
	sd_bus_message *m, const char *kind, const char *token, char *ret, size_t room)
{
	char sender[64];

	snprintf(sender, sizeof(sender), "%s", sd_bus_message_get_sender(m) + 1);
	for (char *c = sender; *c; c++)
		*c = *c == '.' ? '_' : *c;
	snprintf(ret, room, PATH "/%s/%s/%s", kind, sender, token);
}

/* Send the response; it may arrive before the call returns or after. */
static int respond(struct portal_lab *lab, sd_bus_message *call, const struct asked *asked,
	uint32_t code, int (*append)(struct portal_lab *lab, sd_bus_message *m))
{
	sd_bus_message *m = NULL;
	char request[192];

	object_path(call, "request", asked->token, request, sizeof(request));
	sd_bus_reply_method_return(call, "o", request);
	sd_bus_message_new_signal(
		lab->bus, &m, request, "org.freedesktop.portal.Request", "Response");
	sd_bus_message_append(m, "u", code);
	sd_bus_message_open_container(m, 'a', "{sv}");
	if (append && code == 0)
		append(lab, m);
	sd_bus_message_close_container(m);
	sd_bus_send(lab->bus, m, NULL);
	sd_bus_message_unref(m);
	return 1;
}

static int append_session(struct portal_lab *lab, sd_bus_message *m)
{
	return sd_bus_message_append(m, "{sv}", "session_handle", "s", lab->session);
}

static int append_streams(struct portal_lab *lab, sd_bus_message *m)
{
	if (lab->answer == PORTAL_YES_AND_REMEMBER) {
		snprintf(lab->given, sizeof(lab->given), "token-%u", ++lab->tokens);
		sd_bus_message_append(m, "{sv}", "restore_token", "s", lab->given);
	}
	if (lab->no_streams)
		return 0;
	return sd_bus_message_append(m, "{sv}", "streams", "a(ua{sv})", 1, lab->node, 2,
		"source_type", "u", 1, "size", "(ii)", 640, 360);
}

static int on_create_session(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct portal_lab *lab = user;
	struct asked asked;

	(void)error;
	read_options(m, &asked);
	object_path(m, "session", asked.session_token, lab->session, sizeof(lab->session));
	lab->closed = false;
	return respond(lab, m, &asked, 0, append_session);
}

static int on_select_sources(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct portal_lab *lab = user;
	const char *session;
	struct asked asked;

	(void)error;
	sd_bus_message_read(m, "o", &session);
	read_options(m, &asked);
	snprintf(lab->token, sizeof(lab->token), "%s", asked.restore_token);
	lab->types = asked.types;
	lab->cursor_mode = asked.cursor_mode;
	lab->persist_mode = asked.persist_mode;
	return respond(lab, m, &asked, 0, NULL);
}

static int on_start(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct portal_lab *lab = user;
	const char *session, *window;
	struct asked asked;

	(void)error;
	sd_bus_message_read(m, "os", &session, &window);
	read_options(m, &asked);
	if (!*lab->token || strcmp(lab->token, lab->given) != 0)
		lab->dialogs++;
	*lab->given = '\0';
	if (lab->answer == PORTAL_QUIET) {
		char request[192];

		object_path(m, "request", asked.token, request, sizeof(request));
		return sd_bus_reply_method_return(m, "o", request);
	}
	return respond(lab, m, &asked,
		lab->answer == PORTAL_NO            ? 1
			: lab->answer == PORTAL_END ? 2
						    : 0,
		append_streams);
}

static int connect_pipewire(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/pipewire-0",
		getenv("PIPEWIRE_RUNTIME_DIR"));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		printf("# no PipeWire for the portal\n");
	return fd;
}

static int on_open_remote(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct portal_lab *lab = user;
	int fd, r;

	if (lab->no_remote)
		return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, "there is none");
	fd = connect_pipewire();
	r = sd_bus_reply_method_return(m, "h", fd);
	close(fd);
	return r;
}

static int on_close(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct portal_lab *lab = user;

	(void)error;
	if (strcmp(sd_bus_message_get_path(m), lab->session) == 0)
		lab->closed = true;
	return sd_bus_reply_method_return(m, "");
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *name,
	sd_bus_message *reply, void *user, sd_bus_error *error)
{
	const struct portal_lab *lab = user;
	uint32_t value = 1;

	(void)bus;
	(void)path;
	(void)interface;
	(void)error;
	if (strcmp(name, "version") == 0)
		value = lab->version ? lab->version : 4;
	if (strcmp(name, "AvailableCursorModes") == 0)
		value = lab->cursor_modes ? lab->cursor_modes : 7;
	return sd_bus_message_append(reply, "u", value);
}

static const sd_bus_vtable screencast[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("CreateSession", "a{sv}", "o", on_create_session, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD(
		"SelectSources", "oa{sv}", "o", on_select_sources, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Start", "osa{sv}", "o", on_start, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD(
		"OpenPipeWireRemote", "oa{sv}", "h", on_open_remote, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("version", "u", get_version, 0, 0),
	SD_BUS_PROPERTY("AvailableSourceTypes", "u", get_version, 0, 0),
	SD_BUS_PROPERTY("AvailableCursorModes", "u", get_version, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable closable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Close", "", "", on_close, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int always(sd_bus *bus, const char *path, const char *interface, void *user, void **ret,
	sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)error;
	*ret = user;
	return 1;
}

static void *portal_thread(void *user)
{
	struct portal_lab *lab = user;

	while (!lab->stop) {
		while (sd_bus_process(lab->bus, NULL) > 0)
			;
		if (lab->must_close)
			sd_bus_emit_signal(lab->bus, lab->session, "org.freedesktop.portal.Session",
				"Closed", "a{sv}", 0);
		lab->must_close = false;
		sd_bus_wait(lab->bus, 10000);
	}
	return NULL;
}

void portal_lab_start(struct portal_lab *lab)
{
	lab->stop = false;
	for (int tries = 0; tries < 500 && sd_bus_open_user(&lab->bus) < 0; tries++)
		sleep_ms(10);
	check(lab->bus != NULL);
	check(sd_bus_add_object_vtable(lab->bus, NULL, PATH, "org.freedesktop.portal.ScreenCast",
		      screencast, lab) >= 0);
	check(sd_bus_add_fallback_vtable(lab->bus, NULL, PATH "/session",
		      "org.freedesktop.portal.Session", closable, always, lab) >= 0);
	check(sd_bus_add_fallback_vtable(lab->bus, NULL, PATH "/request",
		      "org.freedesktop.portal.Request", closable, always, lab) >= 0);
	check(sd_bus_request_name(lab->bus, "org.freedesktop.portal.Desktop", 0) >= 0);
	check(pthread_create(&lab->thread, NULL, portal_thread, lab) == 0);
}

void portal_lab_end(struct portal_lab *lab)
{
	if (!lab->bus)
		return;
	lab->stop = true;
	pthread_join(lab->thread, NULL);
	sd_bus_flush_close_unref(lab->bus);
	lab->bus = NULL;
}

void portal_lab_close_session(struct portal_lab *lab)
{
	lab->must_close = true;
}
