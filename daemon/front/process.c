#include "daemon/front/internal.h"

#include "protocol/base/clock.h"
#include "protocol/constants.h"
#include "protocol/mcap.h"
#include "protocol/os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A server that has served is started again at once, unless somebody ends it again and again: a start takes 30 ms of
 * processor time. One that never serves is started later each time.
 */
#define FIRST_DELAY_NS (25 * NS_PER_MS)
#define OFTEN_DELAY_NS (NS_PER_S / 2)
#define DELAY_LIMIT_NS (2 * NS_PER_S)
static const struct rate_limit starts_limit = {1, 10};

extern char **environ;

static int spawn(struct front *front, int child_fd)
{
	char *arguments[] = {(char *)front->options.server, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int r;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, child_fd, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	/* signals of the terminal are for its owner; its workers end with its group */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(
		&front->child, front->options.server, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static struct packet *setup_packet(const struct front *front)
{
	const struct front_options *options = &front->options;
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Setup setup = UXREC__TO_SERVER__SETUP__INIT;
	char *hosts[HOSTS_LIMIT];
	struct packet *packet = NULL;

	setup.wire = WIRE_VERSION;
	setup.program = (char *)options->program;
	setup.run = (char *)front->run;
	setup.library = front->library;
	setup.studies = (char *)(front->studies ? front->studies
			: options->studies      ? options->studies
						: "");
	setup.examples = (char *)(options->examples ? options->examples : "");
	setup.web = (char *)options->web;
	setup.worker = (char *)(options->worker ? options->worker : "");
	for (unsigned i = 0; i < options->hosts->count; i++)
		hosts[i] = (char *)options->hosts->names[i];
	setup.hosts = hosts;
	setup.n_hosts = options->hosts->count;
	setup.recorder = options->live != NULL;
	setup.connections = front->generation << 32;
	message.body_case = UXREC__TO_SERVER__BODY_SETUP;
	message.setup = &setup;
	return packet_create_record_message(&packet, MCAP_PRIVATE, &message.base) == 0 ? packet
										       : NULL;
}

/* The first record, with the listening socket. The buffer of a new socket has room for it. */
static int send_setup(struct front *front)
{
	_packet_unref_ struct packet *packet = setup_packet(front);
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec piece;
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t n;

	if (!packet)
		return -ENOMEM;
	piece = (struct iovec){packet->record, packet->size_bytes};
	control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(&control.header), &front->listening, sizeof(int));
	n = sendmsg(front->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == packet->size_bytes ? 0 : -EMSGSIZE;
}

static int begin_child(struct front *front)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	front->fd = pair[0];
	r = spawn(front, pair[1]);
	close(pair[1]);
	return r;
}

/* Whoever listens there is to be this user, as is the user's service manager. */
static int begin_service(struct front *front)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (strlen(front->options.service) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, front->options.service);
	front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (front->fd < 0 || connect(front->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		getsockopt(front->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	return peer.uid == geteuid() ? 0 : -EPERM;
}

static int begin(struct front *front)
{
	int r = front->is_service ? begin_service(front) : begin_child(front);
	int on = 1;

	/* for the number of its process */
	if (r == 0 && setsockopt(front->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		r = -errno;
	return r < 0 ? r : send_setup(front);
}

void process_know(struct front *front, pid_t server)
{
	front->server = server;
	front->server_fd = pidfd_open(server, 0);
}

static void set_next_start(struct front *front)
{
	int64_t now_ns = clock_now_ns(), delay_ns = FIRST_DELAY_NS;

	front->failures = front->serves ? 0 : front->failures + 1;
	for (unsigned i = 0; i < front->failures && delay_ns < DELAY_LIMIT_NS; i++)
		delay_ns *= 2;
	if (!rate_take(&front->starts, &starts_limit, 1, now_ns) && delay_ns < OFTEN_DELAY_NS)
		delay_ns = OFTEN_DELAY_NS;
	front->start_ns = now_ns + (delay_ns < DELAY_LIMIT_NS ? delay_ns : DELAY_LIMIT_NS);
}

void process_start(struct front *front)
{
	int64_t now_ns = clock_now_ns();
	char why[120];
	int r;

	front->heard_ns = front->sent_ns = front->checked_ns = now_ns;
	front->serves = false;
	front->lost = false;
	front->generation++;
	r = begin(front);
	if (r == 0)
		return;
	snprintf(why, sizeof(why), "it cannot be started: %s", strerror(-r));
	process_end(front, why);
}

static void report(struct front *front, const char *why, int status)
{
	char how[80] = "";

	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		snprintf(how, sizeof(how), " (signal %d)", WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		snprintf(how, sizeof(how), " (status %d)", WEXITSTATUS(status));
	log_limited(&front->ends, LOG_LEVEL_WARNING,
		"the server of the pages: %s%s; it is started again, and pages come back by "
		"themselves",
		why, how);
}

/* @return its status, 0 for that of a service */
static int end(struct front *front, bool at_once)
{
	int status = 0;

	if (front->fd >= 0)
		close(front->fd);
	front->fd = -1;
	if (front->child > 0) {
		status = child_end(front->child, at_once ? 0 : NS_PER_S);
		/* its workers, which are in its group */
		kill(-front->child, SIGKILL);
	} else if (front->server_fd >= 0 && at_once) {
		/* one that is stopped does not see that its socket is closed */
		pidfd_send_signal(front->server_fd, SIGKILL, NULL, 0);
	}
	if (front->server_fd >= 0)
		close(front->server_fd);
	front->server_fd = -1;
	front->child = front->server = 0;
	return status;
}

void process_end(struct front *front, const char *why)
{
	int status = end(front, why != NULL);

	incoming_clear(front);
	outgoing_clear(front);
	if (!why)
		return;
	set_next_start(front);
	if (front->is_service && !front->serves) {
		log_warning(
			"the service at %s does not serve the pages (%s): a child process "
			"does",
			front->options.service, why);
		front->is_service = false;
		front->start_ns = clock_now_ns();
		return;
	}
	pthread_mutex_lock(&front->lock);
	front->failed = !front->ready;
	pthread_cond_broadcast(&front->changed);
	pthread_mutex_unlock(&front->lock);
	if (!front->failed)
		report(front, why, status);
}

void process_end_worker(const struct front *front, pid_t worker)
{
	/* first the handle: if the number is another process's by now, the handle is of the one that has ended */
	_autoclose_ int fd = worker > 0 ? pidfd_open(worker, 0) : -1;

	if (fd >= 0 && front->server > 0 && child_parent(worker) == front->server)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
}
