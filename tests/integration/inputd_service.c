/* Whom the input service serves: real processes of real users, at a seat that is made up. */

#include "capture/inputd_protocol.h"
#include "capture/inputd_service.h"
#include "protocol/base/io.h"
#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"
#include "tests/harness/lab_seat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define USER  1000
#define OTHER 1001

static pid_t running;
static struct sockaddr_un address;
static socklen_t address_size;
static char *conf_path;

/* ---- the service, with a conversation that says the limits and echoes ---- */

static void say(int fd, uint32_t kind, const char *text)
{
	struct inputd_header header = {.kind = kind};
	struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)text, strlen(text)}};

	sendmsg(fd, &(struct msghdr){.msg_iov = parts, .msg_iovlen = 2}, MSG_NOSIGNAL);
}

static void converse(int fd, struct seat *seat, const struct inputd_conf *conf, void *user)
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
		kill(running, SIGKILL); /* ends one that is stopped, too */
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
		listen(fd, 8) == 0);
	address_size = sizeof(address);
	check(getsockname(fd, (struct sockaddr *)&address, &address_size) == 0);
	return fd;
}

/* @return false: skipped */
static bool start_service(int idle_ms)
{
	struct inputd_service service = {.idle_ms = idle_ms, .converse = converse};
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

/* ---- peers ---- */

/* Connect as a user: who connected is what counts. The descriptor comes back from that process. */
static int connect_as(uid_t uid)
{
	int pair[2], fd = -1;
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	pid_t child;

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (setgid(uid) < 0 || setuid(uid) < 0 ||
			connect(fd, (struct sockaddr *)&address, address_size) < 0)
			_exit(1);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
		_exit(sendmsg(pair[1], &message, 0) == 1 ? 0 : 1);
	}
	close(pair[1]);
	check(recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC) == 1);
	header = CMSG_FIRSTHDR(&message);
	check(header != NULL);
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	close(pair[0]);
	waitpid(child, NULL, 0);
	return fd;
}

/* The next message is of that kind and text. */
static bool hears(int fd, uint32_t kind, const char *text)
{
	struct inputd_header header;
	char said[400];
	struct iovec parts[2] = {{&header, sizeof(header)}, {said, sizeof(said) - 1}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) != 1)
		return false;
	n = recvmsg(fd, &message, 0);
	if (n < (ssize_t)sizeof(header))
		return false;
	said[n - (ssize_t)sizeof(header)] = '\0';
	if (header.kind == kind && strstr(said, text))
		return true;
	printf("# %u: %s\n", header.kind, said);
	return false;
}

static bool hears_end(int fd)
{
	char byte;

	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) == 1 &&
		recv(fd, &byte, 1, 0) == 0;
}

static bool is_refused(uid_t uid, const char *why)
{
	_autoclose_ int fd = connect_as(uid);

	return hears(fd, INPUTD_FAILED, why) && hears_end(fd);
}

static bool is_served(uid_t uid, const char *limits)
{
	_autoclose_ int fd = connect_as(uid);

	return hears(fd, INPUTD_READY, limits);
}

/* ---- tests ---- */

static void who_has_the_seat_is_served(void)
{
	if (!start_service(10000))
		return;
	/* also at once after one who leaves */
	for (int i = 0; i < 50; i++)
		expect(is_served(USER, "keys classes, seat 0"));
	end_service();
}

static void everyone_else_is_refused(void)
{
	if (!start_service(10000))
		return;
	expect(is_refused(OTHER, "user 1001 does not have the seat of this machine now"));
	expect(is_refused(1002, "user 1002 has no session at the seat of this machine"));
	expect(is_refused(0, "user 0 has no session at the seat of this machine"));
	lab_seat_set("c2", OTHER, "1000 1001");
	expect(is_refused(USER, "user 1000 does not have the seat"));
	expect(is_served(OTHER, "keys"));
	lab_seat_set(NULL, 0, "1000");
	expect(is_refused(USER, "user 1000 does not have the seat"));
	lab_seat_remove();
	expect(is_refused(USER, "no systemd-logind here"));
	end_service();
}

static void one_is_served_at_a_time(void)
{
	int first;

	if (!start_service(10000))
		return;
	first = connect_as(USER);
	check(hears(first, INPUTD_READY, "keys"));
	for (int i = 0; i < 20; i++)
		expect(is_refused(
			i % 2 ? USER : OTHER, "another recorder (uid 1000) reads the input now"));
	/* the first has noticed nothing */
	expect(poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 100) == 0);
	close(first);
	expect(is_served(USER, "keys"));
	end_service();
}

/* closing with requests unread would reset the connection, and take our words with it */
static void who_asked_already_still_reads_why_not(void)
{
	int first, fd;

	if (!start_service(10000))
		return;
	first = connect_as(USER);
	check(hears(first, INPUTD_READY, "keys"));
	for (int i = 0; i < 50; i++) {
		struct inputd_request request = {.version = INPUTD_VERSION};

		check(kill(running, SIGSTOP) == 0 && waitpid(running, NULL, WUNTRACED) == running);
		fd = connect_as(OTHER);
		check(send(fd, &request, sizeof(request), MSG_NOSIGNAL) == sizeof(request));
		check(kill(running, SIGCONT) == 0);
		expect(hears(fd, INPUTD_FAILED, "another recorder") && hears_end(fd));
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
	expect(is_refused(USER, "inputd.conf:2: keys are not 'everything'"));
	check(chmod(conf_path, 0666) == 0);
	expect(is_refused(USER, "inputd.conf may be written by others than root"));
	unlink(conf_path);
	expect(is_served(USER, "keys classes"));
	end_service();
}

static void without_peers_it_ends(void)
{
	int status, fd;

	if (!start_service(400))
		return;
	fd = connect_as(USER);
	check(hears(fd, INPUTD_READY, "keys"));
	/* not while one is served */
	sleep_ms(800);
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
	/* connected, and never reads or says anything */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_as(1002);
	expect(is_served(USER, "keys"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	end_service();
}

static const struct test tests[] = {
	{"who has the seat is served", who_has_the_seat_is_served},
	{"everyone else is refused, with the reason", everyone_else_is_refused},
	{"one is served at a time", one_is_served_at_a_time},
	{"who asked already still reads why not", who_asked_already_still_reads_why_not},
	{"the administrator's limits are read for each", limits_are_read_for_each},
	{"without peers it ends", without_peers_it_ends},
	{"who reads no reply holds nobody up", who_sees_no_reply_holds_nobody_up},
};

int main(void)
{
	int failed = RUN_TESTS("inputd_service", tests);

	end_service();
	free(conf_path);
	return failed;
}
