/* Clients of the input service: real processes of real users, at a simulated seat. */

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/sandbox.h"
#include "capture/inputd/service.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"
#include "protocol/os/io.h"
#include "protocol/session.pb-c.h"
#include "tests/harness/helpers.h"
#include "tests/harness/inputd_peer.h"
#include "tests/harness/labs/seat.h"
#include "tests/harness/screens/desktop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define USER  1000
#define OTHER 1001

static pid_t running;
static struct sockaddr_un address;
static socklen_t address_size;
static char *conf_path;

/* ---- the service, with a conversation that reports the limits and echoes ---- */

static void say(int fd, uint32_t kind, const char *text)
{
	struct inputd_header header = {.kind = kind};
	struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)text, strlen(text)}};

	sendmsg(fd, &(struct msghdr){.msg_iov = parts, .msg_iovlen = 2}, MSG_NOSIGNAL);
}

static void handle_peer(int fd, struct seat *seat, const struct inputd_conf *conf, void *user)
{
	char text[80];

	snprintf(text, sizeof(text), "keys %s, seat %d", key_policy_name(conf->keys),
		seat_dispatch(seat));
	say(fd, INPUTD_READY, text);
	while (recv(fd, text, sizeof(text), 0) > 0)
		;
	(void)user;
}

static void write_conf(const char *text)
{
	_autoclose_ int fd = open(conf_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

static int end_service(void)
{
	int status = -1;

	if (running > 0) {
		kill(running, SIGKILL); /* also ends a stopped one */
		waitpid(running, &status, 0);
	}
	running = 0;
	return status;
}

/* at an abstract address, which every user can reach */
static int make_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	check(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)) == 0 &&
		listen(fd, 4096) == 0); /* Backlog= of the unit */
	address_size = sizeof(address);
	check(getsockname(fd, (struct sockaddr *)&address, &address_size) == 0);
	return fd;
}

/* @return false if skipped */
static bool start_service(int idle_ms)
{
	struct inputd_service service = {.idle_ms = idle_ms, .handle_peer = handle_peer};
	struct error error;
	int fd;

	end_service();
	lab_bus_end();
	if (!lab_seat_start())
		return false;
	lab_seat_set("c1", USER, "1000 1001");
	if (!conf_path)
		conf_path = temporary_path("inputd.conf");
	unlink(conf_path);
	service.conf_path = conf_path;
	fd = make_listener();
	running = fork();
	check(running >= 0);
	if (running == 0)
		_exit(inputd_service_run(fd, &service, &error) == 0 ? 0 : 1);
	close(fd);
	return true;
}

/* The program itself, in place of the service above. @return false if skipped */
static bool start_program(void)
{
	char path[200], pid[16];
	int fd;

	if (!start_service(10000))
		return false;
	end_service();
	snprintf(path, sizeof(path), "%s/uxrec-inputd", build_folder());
	fd = make_listener();
	running = fork();
	check(running >= 0);
	if (running == 0) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		if (fd == 3)
			fcntl(fd, F_SETFD, 0);
		else
			dup2(fd, 3);
		execl(path, "uxrec-inputd", "--service", NULL);
		_exit(1);
	}
	close(fd);
	return true;
}

/* ---- peers ---- */

static int connect_as(uid_t uid)
{
	return peer_connect(uid, &address, address_size);
}

static bool is_refused(uid_t uid, const char *why)
{
	_autoclose_ int fd = connect_as(uid);

	return peer_hears(fd, INPUTD_FAILED, why) && peer_hears_end(fd);
}

static bool is_served(uid_t uid, const char *limits)
{
	_autoclose_ int fd = connect_as(uid);

	return peer_hears(fd, INPUTD_READY, limits);
}

/* ---- tests ---- */

static void who_has_the_seat_is_served(void)
{
	if (!start_service(10000))
		return;
	/* also right after another client has left */
	for (int i = 0; i < 50; i++)
		expect(is_served(USER, "keys classes, seat 0"));
	end_service();
}

static void everyone_else_is_refused(void)
{
	if (!start_service(10000))
		return;
	expect(is_refused(OTHER, "user 1001 is not the active user at the seat of this machine"));
	expect(is_refused(1002, "user 1002 has no session at the seat of this machine"));
	expect(is_refused(0, "user 0 has no session at the seat of this machine"));
	lab_seat_set("c2", OTHER, "1000 1001");
	expect(is_refused(USER, "user 1000 is not the active user at the seat"));
	expect(is_served(OTHER, "keys"));
	lab_seat_set(NULL, 0, "1000");
	expect(is_refused(USER, "user 1000 is not the active user at the seat"));
	lab_seat_remove();
	expect(is_refused(USER, "systemd-logind is not running"));
	end_service();
}

static void one_is_served_at_a_time(void)
{
	int first;

	if (!start_service(10000))
		return;
	first = connect_as(USER);
	check(peer_hears(first, INPUTD_READY, "keys"));
	for (int i = 0; i < 20; i++)
		expect(is_refused(
			i % 2 ? USER : OTHER, "another recorder (uid 1000) reads the input now"));
	/* the first one is not affected */
	expect(poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 100) == 0);
	close(first);
	expect(is_served(USER, "keys"));
	end_service();
}

/* closing with unread requests would reset the connection, and drop our reply */
static void who_asked_already_still_reads_why_not(void)
{
	int first, fd;

	if (!start_service(10000))
		return;
	first = connect_as(USER);
	check(peer_hears(first, INPUTD_READY, "keys"));
	for (int i = 0; i < 50; i++) {
		struct inputd_request request = {.version = INPUTD_VERSION};

		check(kill(running, SIGSTOP) == 0 && waitpid(running, NULL, WUNTRACED) == running);
		fd = connect_as(OTHER);
		check(send(fd, &request, sizeof(request), MSG_NOSIGNAL) == sizeof(request));
		check(kill(running, SIGCONT) == 0);
		expect(peer_hears(fd, INPUTD_FAILED, "another recorder") && peer_hears_end(fd));
		close(fd);
	}
	close(first);
	end_service();
}

static void limits_are_read_for_each(void)
{
	if (!start_service(10000))
		return;
	write_conf("keys = none\n");
	expect(is_served(USER, "keys none"));
	write_conf("keys = full\n");
	expect(is_served(USER, "keys full"));
	write_conf("# all of it\nkeys = everything\n");
	expect(is_refused(USER, "inputd.conf:2: keys 'everything': must be one of"));
	check(chmod(conf_path, 0666) == 0);
	expect(is_refused(USER, "inputd.conf is writable by users other than root"));
	unlink(conf_path);
	expect(is_served(USER, "keys classes"));
	end_service();
}

static void without_peers_it_ends(void)
{
	int status, fd;

	if (!start_service(2000))
		return;
	fd = connect_as(USER);
	check(peer_hears(fd, INPUTD_READY, "keys"));
	/* not while a client is served */
	sleep_ms(4000);
	expect(waitpid(running, &status, WNOHANG) == 0);
	close(fd);
	check(waitpid(running, &status, 0) == running);
	running = 0;
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void who_sees_no_reply_holds_nobody_up(void)
{
	int fds[8];

	if (!start_service(10000))
		return;
	/* connected, but silent and not reading */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_as(1002);
	expect(is_served(USER, "keys"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	end_service();
}

/* a recorder that reads nothing, because another session is in front, blocks nobody */
static void who_has_lost_the_seat_gives_way(void)
{
	int first, second;

	if (!start_service(10000))
		return;
	first = connect_as(USER);
	check(peer_hears(first, INPUTD_READY, "keys"));
	lab_seat_set("c2", OTHER, "1000 1001");
	expect(is_refused(1002, "another recorder (uid 1000)"));
	expect(is_refused(USER, "another recorder (uid 1000)"));
	/* the first one goes on until a user with the seat connects */
	expect(poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 100) == 0);
	second = connect_as(OTHER);
	expect(peer_hears(second, INPUTD_READY, "keys classes, seat 0"));
	expect(peer_hears(first, INPUTD_FAILED, "another user is active at the seat") &&
		peer_hears_end(first));
	expect(is_refused(USER, "another recorder (uid 1001)"));
	close(first);
	close(second);
	end_service();
}

/* Connect and disconnect as fast as possible, until the pipe is closed. Some connections stay open for a while. */
static void flood(uid_t uid, int until_fd)
{
	int fds[64];

	memset(fds, -1, sizeof(fds));
	if (setgid(uid) < 0 || setuid(uid) < 0)
		_exit(1);
	for (size_t i = 0;; i = (i + 1) % ARRAY_SIZE(fds)) {
		if (i == 0 && poll(&(struct pollfd){.fd = until_fd, .events = POLLIN}, 1, 0) == 1)
			_exit(0);
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&address, address_size);
	}
}

static void a_flood_of_others_keeps_nobody_out(void)
{
	pid_t children[4];
	int stop[2];

	if (!start_service(10000))
		return;
	check(pipe2(stop, O_CLOEXEC) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		check(children[i] >= 0);
		if (children[i] == 0) {
			close(stop[1]);
			flood(1002 + (uid_t)i, stop[0]);
		}
	}
	sleep_ms(300);
	for (int i = 0; i < 4; i++) {
		int fd;

		expect(is_served(USER, "keys classes, seat 0"));
		/* also while a client is served */
		fd = connect_as(USER);
		expect(peer_hears(fd, INPUTD_READY, "keys"));
		sleep_ms(20);
		close(fd);
	}
	expect(waitpid(running, NULL, WNOHANG) == 0);
	close(stop[1]);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		waitpid(children[i], NULL, 0);
	close(stop[0]);
	end_service();
}

/* ---- the program ---- */

static const struct inputd_request good = {
	.version = INPUTD_VERSION, .type = INPUTD_START, .keys = KEY_POLICY_NONE};

/* True if a request is accepted as valid; devices need not be present. */
static bool is_understood(const struct inputd_request *request, size_t size, const char *refusal)
{
	_autoclose_ int fd = connect_as(USER);
	static struct peer_message message;

	check(send(fd, request, size, MSG_NOSIGNAL) == (ssize_t)size);
	do
		check(peer_receive(fd, &message, 10000));
	while (message.header.kind == INPUTD_PACKET);
	return message.header.kind == INPUTD_READY || !strstr((char *)message.data, refusal);
}

static void nonsense_is_refused_and_harms_nobody(void)
{
	static const char nonsense[] = "invalid request";
	struct inputd_request bad[6];
	uint64_t state = 5;

	if (!start_program())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].version++;
	bad[1].type = INPUTD_KEYS;
	bad[2].type = 99;
	bad[3].keys = KEY_POLICY_FULL + 1;
	memset(bad[4].devices, 'x', sizeof(bad[4].devices));
	memset(bad[5].consent, 'x', sizeof(bad[5].consent));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		expect(!is_understood(&bad[i], sizeof(bad[i]), nonsense));
		expect(is_understood(&good, sizeof(good), nonsense));
	}
	expect(!is_understood(&good, sizeof(good) - 1, nonsense));
	expect(!is_understood(&good, 1, nonsense));
	for (int i = 0; i < 200; i++) {
		struct inputd_request random = good;
		unsigned char *bytes = (unsigned char *)&random;

		for (size_t j = 0; j < 24; j++)
			bytes[j] = (unsigned char)next_random(&state);
		expect(!is_understood(&random, sizeof(random), nonsense));
	}
	expect(is_understood(&good, sizeof(good), nonsense));
	expect(waitpid(running, NULL, WNOHANG) == 0);
	end_service();
}

static void who_asks_nothing_is_left(void)
{
	int fd, other;

	if (!start_program())
		return;
	fd = connect_as(USER);
	sleep_ms(200);
	other = connect_as(USER);
	expect(peer_hears(other, INPUTD_FAILED, "another recorder (uid 1000)"));
	expect(peer_hears(fd, INPUTD_FAILED, "sent no request") && peer_hears_end(fd));
	expect(is_understood(&good, sizeof(good), "invalid request"));
	close(fd);
	close(other);
	end_service();
}

static void more_than_the_limits_is_refused(void)
{
	struct inputd_request full = good;

	if (access(INPUTD_CONF_PATH, F_OK) == 0) {
		skip_test("this machine has limits of its own");
		return;
	}
	if (!start_program())
		return;
	full.keys = KEY_POLICY_FULL;
	memset(full.consent, 'a', 32);
	expect(!is_understood(
		&full, sizeof(full), "allows the key policy classes at most, not full"));
	full.keys = KEY_POLICY_CLASSES;
	full.flags = INPUTD_SHORTCUTS;
	expect(!is_understood(&full, sizeof(full), "does not allow recording shortcuts"));
	end_service();
}

/* of a process; 0 if unreadable */
static unsigned resident_kb(pid_t pid)
{
	char path[40], text[4096] = "";
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	check(file != NULL);
	check(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	at = strstr(text, "VmRSS:");
	return at ? (unsigned)strtoul(at + 6, NULL, 10) : 0;
}

static void it_is_small(void)
{
	unsigned kb;

	if (!sandbox_is_built()) {
		skip_test("sanitizers need memory of their own");
		return;
	}
	if (!start_program())
		return;
	expect(is_understood(&good, sizeof(good), "invalid request"));
	kb = resident_kb(running);
	printf("# uxrec-inputd has %u KiB\n", kb);
	expect(kb > 0 && kb <= 8 * 1024);
	end_service();
}

/* ---- X11's input at a seat ---- */

/* Start uxrec-inputd like a user's recorder. @return our end of the socket */
static int start_for_display(const char *display, pid_t *ret_child)
{
	char program[256];
	int pair[2];
	pid_t child;

	snprintf(program, sizeof(program), "%s/uxrec-inputd", build_folder());
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		if (dup2(pair[1], INPUTD_SOCKET_FD) < 0 || setgid(USER) < 0 || setuid(USER) < 0)
			_exit(1);
		execl(program, program, "--source", "x11", "--display", display, NULL);
		_exit(1);
	}
	close(pair[1]);
	*ret_child = child;
	return pair[0];
}

static void press(struct desktop *desktop)
{
	desktop_fake(desktop, XCB_KEY_PRESS, 38, 0, 0);
	desktop_fake(desktop, XCB_KEY_RELEASE, 38, 0, 0);
}

static bool hears_ready(int fd)
{
	struct peer_message message;

	while (peer_receive(fd, &message, 10000))
		if (message.header.kind == INPUTD_READY)
			return true;
	return false;
}

/* @return the number of keys received, up to @p most, to a gap (@p gap), or to a silence */
static size_t hear_keys(int fd, size_t most, bool gap)
{
	struct peer_message message;
	size_t keys = 0;

	while (keys < most && peer_receive(fd, &message, gap || most < SIZE_MAX ? 10000 : 1000)) {
		if (message.header.channel == CHANNEL_KEY_CLASSES) {
			Uxrec__KeyClassBatch *batch = uxrec__key_class_batch__unpack(
				NULL, message.size_bytes, message.data);

			check(batch);
			keys += batch->n_key_class;
			uxrec__key_class_batch__free_unpacked(batch, NULL);
		} else if (message.header.channel == CHANNEL_GAPS) {
			Uxrec__Gap *said =
				uxrec__gap__unpack(NULL, message.size_bytes, message.data);

			check(said);
			expect(gap && said->reason == UXREC__GAP__REASON__REASON_AWAY);
			expect(said->to_ns - said->from_ns > 200 * NS_PER_MS);
			expect(strcmp(said->detail, "the session was locked") == 0);
			uxrec__gap__free_unpacked(said, NULL);
			break;
		}
	}
	return keys;
}

static void x11_is_not_read_at_the_lock_screen(void)
{
	const struct inputd_request start = {
		.version = INPUTD_VERSION, .type = INPUTD_START, .keys = KEY_POLICY_CLASSES};
	struct desktop desktop = {0};
	int silent = 0;
	pid_t child;
	int fd;

	end_service();
	lab_bus_end();
	if (!lab_seat_start() || !lab_bus_start())
		return;
	if (!desktop_start(&desktop, 640, 480))
		return;
	lab_seat_set("c1", USER, "1000 1001");
	lab_login_start();
	fd = start_for_display(desktop.display, &child);
	check(send(fd, &start, sizeof(start), 0) == sizeof(start));
	check(hears_ready(fd));
	press(&desktop);
	expect(hear_keys(fd, 2, false) == 2);
	lab_login_lock(true);
	/* the lock takes effect with a delay; on a busy machine a single key may be late */
	for (int i = 0; i < 20 && silent < 2; i++) {
		press(&desktop);
		silent = hear_keys(fd, SIZE_MAX, false) == 0 ? silent + 1 : 0;
	}
	for (int i = 0; i < 20; i++)
		press(&desktop);
	expect(hear_keys(fd, SIZE_MAX, false) == 0);
	lab_login_lock(false);
	expect(hear_keys(fd, SIZE_MAX, true) == 0);
	press(&desktop);
	expect(hear_keys(fd, 2, false) == 2);
	shutdown(fd, SHUT_WR);
	expect(hear_keys(fd, SIZE_MAX, false) == 0);
	expect(waitpid(child, NULL, 0) == child);
	close(fd);
	lab_bus_end();
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"X11's input is not read at the lock screen", x11_is_not_read_at_the_lock_screen},
	{"a peer with the seat is served", who_has_the_seat_is_served},
	{"everyone else is refused, with the reason", everyone_else_is_refused},
	{"one peer is served at a time", one_is_served_at_a_time},
	{"a peer that asked before reads its refusal", who_asked_already_still_reads_why_not},
	{"the administrator's limits are read for each peer", limits_are_read_for_each},
	{"without peers the service ends", without_peers_it_ends},
	{"a peer that reads no reply blocks nobody", who_sees_no_reply_holds_nobody_up},
	{"nonsense is refused and harms nobody", nonsense_is_refused_and_harms_nobody},
	{"a peer that lost the seat gives way to the one that has it",
		who_has_lost_the_seat_gives_way},
	{"a flood of other users keeps nobody out", a_flood_of_others_keeps_nobody_out},
	{"a silent peer is dropped", who_asks_nothing_is_left},
	{"more than the administrator allows is refused", more_than_the_limits_is_refused},
	{"the service needs 8 MiB at most", it_is_small},
};

int main(void)
{
	int failed = RUN_TESTS("inputd_service", tests);

	end_service();
	free(conf_path);
	return failed;
}
