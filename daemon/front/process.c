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
#include <sys/wait.h>
#include <unistd.h>

/* A server that ends this soon after its start is started later each time. */
#define SHORT_LIFE_NS  (2 * NS_PER_S)
#define FIRST_DELAY_NS (25 * NS_PER_MS)
#define DELAY_LIMIT_NS (2 * NS_PER_S)

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
		&front->pid, front->options.server, &actions, &attributes, arguments, environ);
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
	setup.library = (char *)options->library;
	setup.studies = (char *)(options->studies ? options->studies : "");
	setup.examples = (char *)(options->examples ? options->examples : "");
	setup.web = (char *)options->web;
	setup.worker = (char *)(options->worker ? options->worker : "");
	for (unsigned i = 0; i < options->hosts->count; i++)
		hosts[i] = (char *)options->hosts->names[i];
	setup.hosts = hosts;
	setup.n_hosts = options->hosts->count;
	setup.recorder = options->live != NULL;
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

static int begin(struct front *front)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	front->fd = pair[0];
	r = spawn(front, pair[1]);
	close(pair[1]);
	return r < 0 ? r : send_setup(front);
}

static void set_next_start(struct front *front)
{
	int64_t now_ns = clock_now_ns();
	int64_t delay_ns = FIRST_DELAY_NS;

	front->failures = now_ns - front->started_ns < SHORT_LIFE_NS ? front->failures + 1 : 0;
	for (unsigned i = 0; i < front->failures && delay_ns < DELAY_LIMIT_NS; i++)
		delay_ns *= 2;
	front->start_ns = now_ns + (delay_ns < DELAY_LIMIT_NS ? delay_ns : DELAY_LIMIT_NS);
}

void process_start(struct front *front)
{
	int64_t now_ns = clock_now_ns();
	char why[120];
	int r;

	front->started_ns = front->heard_ns = front->sent_ns = front->checked_ns = now_ns;
	front->serves = false;
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

void process_end(struct front *front, const char *why)
{
	int status = 0;

	if (front->fd >= 0)
		close(front->fd);
	front->fd = -1;
	if (front->pid > 0) {
		status = child_end(front->pid, why ? 0 : NS_PER_S);
		/* its workers, which are in its group */
		kill(-front->pid, SIGKILL);
	}
	front->pid = 0;
	incoming_clear(front);
	outgoing_clear(front);
	if (!why)
		return;
	set_next_start(front);
	pthread_mutex_lock(&front->lock);
	front->failed = !front->ready;
	pthread_cond_broadcast(&front->changed);
	pthread_mutex_unlock(&front->lock);
	if (!front->failed)
		report(front, why, status);
}

/* @return the parent of a process, 0 when there is none */
static pid_t parent_of(pid_t process)
{
	char path[40], line[200];
	long parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", process);
	file = fopen(path, "re");
	while (file && !parent && fgets(line, sizeof(line), file))
		if (strncmp(line, "PPid:", 5) == 0)
			parent = strtol(line + 5, NULL, 10);
	if (file)
		fclose(file);
	return (pid_t)parent;
}

void process_end_worker(const struct front *front, pid_t worker)
{
	/* first the handle: if the number is another process's by now, the handle is of the one that has ended */
	_autoclose_ int fd = worker > 0 ? pidfd_open(worker, 0) : -1;

	if (fd >= 0 && parent_of(worker) == front->pid)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
}
