#include "tests/harness/labs/seat.h"

#include "protocol/os/io.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#define SEATS "/run/systemd/seats"

/* ---- files ---- */

bool lab_seat_start(void)
{
	static bool started;

	if (!started) {
		if (unshare(CLONE_NEWNS) < 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
			skip_test("this user may not have mounts of its own");
			return false;
		}
		mkdir("/run/systemd", 0755);
		if (mount("tmpfs", "/run/systemd", "tmpfs", 0, "mode=0755") < 0) {
			skip_test("this user may not mount a tmpfs");
			return false;
		}
		check(mkdir(SEATS, 0755) == 0 && mkdir("/run/systemd/sessions", 0755) == 0 &&
			mkdir("/run/systemd/users", 0755) == 0 &&
			mkdir("/run/systemd/machines", 0755) == 0);
		started = true;
	}
	lab_seat_remove();
	return true;
}

void lab_seat_set(const char *session, uid_t uid, const char *uids)
{
	char text[300], active[80] = "";
	int fd = open(SEATS "/.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (session)
		snprintf(active, sizeof(active), "ACTIVE=%s\nACTIVE_UID=%u\n", session, uid);
	snprintf(text, sizeof(text),
		"# This is private data. Do not parse.\nIS_SEAT0=1\nCAN_GRAPHICAL=1\n%s"
		"SESSIONS=c1 c2\nUIDS=%s\n",
		active, uids);
	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
	close(fd);
	check(rename(SEATS "/.new", SEATS "/seat0") == 0);
}

void lab_seat_remove(void)
{
	unlink(SEATS "/seat0");
}

/* ---- the bus ---- */

static struct child bus;
static char bus_folder[32];
static pid_t login;
static int login_fd = -1;

/* like the system's: for every user */
static void write_bus_config(const char *path, const char *address)
{
	FILE *file = fopen(path, "we");

	check(file != NULL);
	fprintf(file,
		"<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth>"
		"<policy context='default'><allow user='*'/><allow own='*'/>"
		"<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>"
		"</policy></busconfig>",
		address);
	check(fclose(file) == 0);
}

bool lab_bus_start(void)
{
	_autofree_ char *config = temporary_path("system-bus.conf"), *option = NULL;
	char address[96], socket[64];

	if (!has_program("dbus-daemon")) {
		skip_test("no dbus-daemon");
		return false;
	}
	lab_bus_end();
	/* reachable by every user, even without privileges */
	snprintf(bus_folder, sizeof(bus_folder), "/tmp/uxrec-bus-XXXXXX");
	check(mkdtemp(bus_folder) && chmod(bus_folder, 0755) == 0);
	snprintf(socket, sizeof(socket), "%s/socket", bus_folder);
	snprintf(address, sizeof(address), "unix:path=%s", socket);
	write_bus_config(config, address);
	check(asprintf(&option, "--config-file=%s", config) > 0);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	bus = start_child(
		"dbus-daemon", (const char *const[]){"--nofork", "--nopidfile", option, NULL});
	for (int i = 0; i < 500 && access(socket, F_OK) < 0; i++)
		sleep_ms(10);
	sleep_ms(50);
	return true;
}

/* the fake logind: a byte in with the lock state, one back as acknowledgement */
static const sd_bus_vtable session_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("LockedHint", "b", NULL, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

#define SESSION_PATH      "/org/freedesktop/login1/session/c1"
#define SESSION_INTERFACE "org.freedesktop.login1.Session"

static void answer_for_sessions(int fd)
{
	int locked = false;
	sd_bus *connection;

	if (sd_bus_open_system(&connection) < 0 ||
		sd_bus_add_object_vtable(connection, NULL, SESSION_PATH, SESSION_INTERFACE,
			session_vtable, &locked) < 0 ||
		sd_bus_request_name(connection, "org.freedesktop.login1", 0) < 0)
		_exit(1);
	io_write_all(fd, "r", 1);
	for (;;) {
		struct pollfd fds[2] = {
			{.fd = fd, .events = POLLIN}, {.fd = sd_bus_get_fd(connection)}};
		char command;

		while (sd_bus_process(connection, NULL) > 0)
			;
		fds[1].events = (short)sd_bus_get_events(connection);
		poll(fds, 2, -1);
		if (!fds[0].revents)
			continue;
		if (read(fd, &command, 1) != 1)
			_exit(0);
		locked = command == 'l';
		sd_bus_emit_properties_changed(
			connection, SESSION_PATH, SESSION_INTERFACE, "LockedHint", NULL);
		sd_bus_flush(connection);
		io_write_all(fd, &command, 1);
	}
}

static void await_login(void)
{
	char answer;

	check(read(login_fd, &answer, 1) == 1);
}

void lab_login_start(void)
{
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	login = fork();
	check(login >= 0);
	if (login == 0) {
		close(pair[0]);
		answer_for_sessions(pair[1]);
	}
	close(pair[1]);
	login_fd = pair[0];
	await_login();
}

void lab_login_lock(bool locked)
{
	check(io_write_all(login_fd, locked ? "l" : "u", 1) == 0);
	await_login();
}

void lab_bus_end(void)
{
	if (login > 0) {
		close(login_fd);
		waitpid(login, NULL, 0);
		login = 0;
	}
	if (bus.pid > 0)
		end_child(&bus, SIGTERM);
	bus.pid = 0;
	if (*bus_folder) {
		char socket[64];

		snprintf(socket, sizeof(socket), "%s/socket", bus_folder);
		unlink(socket);
		rmdir(bus_folder);
		*bus_folder = '\0';
	}
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1);
}
