#include "daemon/worker/work.h"

#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/mcap.h"
#include "protocol/os/child.h"
#include "protocol/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#define ROUND_MS 100

/* Time for a process without a socket to end. */
#define END_NS (5 * NS_PER_S)

/* A worker that reports more often is not passed on. */
#define PROGRESS_NS (100 * NS_PER_MS)

extern char **environ;

struct running {
	const struct work *work;
	uint64_t request;
	unsigned answers[2]; /* bodies of its answer: a failure, or its own */
	pid_t pid;
	int fd;
	struct buf received;
	int64_t progress_ns; /* of the last progress passed on */
	const struct work_watch *watch;
	struct packet **answer; /* set to the record of its answer */
};

/* ---- the process ---- */

static int spawn(struct running *running, int child_fd, struct error *reterr)
{
	const struct work *work = running->work;
	char memory[24], cpu[12];
	char *arguments[] = {(char *)work->program, memory, cpu,
		(char *)(work->moderator ? "moderator" : "other"), (char *)work->library, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int r;

	snprintf(memory, sizeof(memory), "%llu", (unsigned long long)work->memory_bytes);
	snprintf(cpu, sizeof(cpu), "%u", work->cpu_s);
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* stdin is its socket, and all that it writes to beside stderr */
	posix_spawn_file_actions_adddup2(&actions, child_fd, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(&running->pid, work->program, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r ? error_set(reterr, -r, "%s cannot be started: %s", work->program, strerror(r))
		 : 0;
}

static int start(struct running *running, struct error *reterr)
{
	/* for a process that does not read */
	static const struct timeval patience = {.tv_sec = 5};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(reterr, -errno, "cannot create a socket: %s", strerror(errno));
	running->fd = pair[0];
	setsockopt(running->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	r = spawn(running, pair[1], reterr);
	close(pair[1]);
	return r;
}

/* @param grace_ns  as of child_end() @return likewise */
static int end(struct running *running, int64_t grace_ns)
{
	int status = 0;

	if (running->fd >= 0)
		close(running->fd);
	running->fd = -1;
	if (running->pid > 0)
		status = child_end_by(
			running->pid, grace_ns, running->work->end, running->work->user);
	running->pid = 0;
	return status;
}

/* It has closed its socket: the status with which it ends is the reason. */
static int report_end(struct running *running, struct error *reterr)
{
	int status = end(running, END_NS);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return error_set(reterr, -ETIME, "it took more than %u s of processor time",
			running->work->cpu_s);
	if (WIFSIGNALED(status))
		return error_set(reterr, -EBADMSG, "the worker was ended by signal %d: %s",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	return error_set(reterr, -EBADMSG, "the worker ended without an answer (status %d)",
		WEXITSTATUS(status));
}

/* ---- its answers ---- */

/* @return 1 when the record is the answer, 0 for one before it, or a negative errno */
static int take(void *user, struct view frame)
{
	struct running *running = user;
	_packet_unref_ struct packet *packet = NULL;
	struct wire_head head;
	bool is_progress;

	if (wire_peek(frame, &head) < 0 || head.request != running->request)
		return -EBADMSG;
	is_progress = head.body == UXREC__SERVER_MESSAGE__BODY_PROGRESS;
	if (is_progress && clock_now_ns() - running->progress_ns < PROGRESS_NS)
		return 0;
	if (!is_progress && head.body != running->answers[0] && head.body != running->answers[1])
		return -EBADMSG;
	if (packet_create_record(&packet, MCAP_PRIVATE, frame.data + MCAP_RECORD_HEADER_BYTES,
		    frame.size_bytes - MCAP_RECORD_HEADER_BYTES) < 0)
		return -ENOMEM;
	if (!is_progress) {
		*running->answer = steal_ptr(packet);
		return 1;
	}
	running->progress_ns = clock_now_ns();
	running->watch->progress(running->watch->user, steal_ptr(packet));
	return 0;
}

/* @return 1 after bytes, 0 at the end, or a negative errno */
static int receive(struct running *running)
{
	unsigned char *at = buf_reserve(&running->received, 65536);
	ssize_t n = at ? recv(running->fd, at, 65536, MSG_DONTWAIT) : -1;

	if (!at)
		return -ENOMEM;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : 0;
	running->received.size_bytes += (size_t)n;
	return n > 0;
}

static int await_answer(struct running *running, struct error *reterr)
{
	const struct work_watch *watch = running->watch;
	const int64_t until_ns = clock_now_ns() + running->work->wall_s * NS_PER_S;

	for (;;) {
		struct pollfd readable = {running->fd, POLLIN, 0};
		int r = poll(&readable, 1, ROUND_MS);

		if (watch->is_cancelled(watch->user))
			return error_set(reterr, -ECANCELED, "cancelled");
		if (clock_now_ns() > until_ns)
			return error_set(
				reterr, -ETIME, "it took more than %u s", running->work->wall_s);
		if (r <= 0)
			continue;
		r = receive(running);
		if (r < 0)
			return error_set(reterr, r, "out of memory");
		if (r == 0)
			return report_end(running, reterr);
		r = wire_take_frames(
			&running->received, running->work->answer_bytes, take, running);
		if (r < 0)
			return error_set(reterr, r == -EMSGSIZE ? -EBADMSG : r,
				"the worker sent an invalid answer");
		if (r > 0)
			return 0;
	}
}

int work_run(const struct work *work, const Uxrec__ClientMessage *request,
	const struct work_watch *watch, struct packet **ret, struct error *reterr)
{
	struct running running = {.work = work,
		.request = request->request,
		.answers = {UXREC__SERVER_MESSAGE__BODY_FAILURE,
			request->body_case == UXREC__CLIENT_MESSAGE__BODY_GET_METRICS
				? UXREC__SERVER_MESSAGE__BODY_METRICS
				: UXREC__SERVER_MESSAGE__BODY_EXPORTED},
		.fd = -1,
		.watch = watch,
		.answer = ret};
	int r = start(&running, reterr);

	if (r == 0) {
		/* one that has ended already is reported below */
		wire_send(running.fd, &request->base);
		r = await_answer(&running, reterr);
	}
	end(&running, 0);
	buf_finish(&running.received);
	return r;
}
