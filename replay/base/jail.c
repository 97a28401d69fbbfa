#include "replay/base/jail.h"

#include "protocol/base/clock.h"
#include "protocol/os/child.h"
#include "protocol/os/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL 0
#endif
#endif
#ifndef JAIL
#define JAIL 1
#endif

struct jail {
	struct jail_options options;
	pid_t child;
	int fd; /* -1: ended */
	struct error why;
};

bool jail_is_built(void)
{
	return JAIL;
}

void *jail_map(size_t size_bytes)
{
	void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void jail_unmap(void *memory, size_t size_bytes)
{
	if (memory)
		munmap(memory, size_bytes);
}

/* ---- child process ---- */

/* Memory, time, file descriptors already open, exit. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(close),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sysinfo),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Kill the process: no decoder calls these by mistake. Other calls fail with EPERM. */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(bpf),
	SCMP_SYS(userfaultfd),
};

/* of readers of files: see jail_enter_reader() */
static const int of_files[] = {
	SCMP_SYS(readv),
	SCMP_SYS(preadv),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(dup),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(recvfrom),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgid),
	SCMP_SYS(uname),
};

static int add_file_rules(scmp_filter_ctx filter)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
	const struct scmp_arg_cmp no_path_write = {1, SCMP_CMP_MASKED_EQ, writing, 0};
	const struct scmp_arg_cmp no_write = {2, SCMP_CMP_MASKED_EQ, writing, 0};
	const struct scmp_arg_cmp err = {0, SCMP_CMP_EQ, STDERR_FILENO, 0};
	const struct scmp_arg_cmp of_self = {0, SCMP_CMP_EQ, 0, 0};
	const struct scmp_arg_cmp no_new_limit = {2, SCMP_CMP_EQ, 0, 0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(of_files) && (r == 0 || r == -EDOM); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, of_files[i], 0);
	r = r == -EDOM ? 0 : r;
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, no_write);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, no_path_write);
	r = r == -EDOM ? 0 : r;
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, err);
	if (r == 0)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, of_self, no_new_limit);
	return r;
}

static int add_rules(scmp_filter_ctx filter, int fd)
{
	const struct scmp_arg_cmp own = {0, SCMP_CMP_EQ, (scmp_datum_t)fd, 0};
	const struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
	const struct scmp_arg_cmp no_code = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
	const struct scmp_arg_cmp no_file = {3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS};
	int r = 0;

	/* Calls missing on this architecture (-EDOM) need no rule. */
	for (size_t i = 0; i < ARRAY_SIZE(allowed) && (r == 0 || r == -EDOM); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && (r == 0 || r == -EDOM); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	r = r == -EDOM ? 0 : r;
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, own);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, self);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, no_code, no_file);
	return r;
}

static int restrict_syscalls(int fd, bool reads_files)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	r = add_rules(filter, fd);
	if (r == 0 && reads_files)
		r = add_file_rules(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* @return the writable memory of this process in bytes, as counted by RLIMIT_DATA */
static uint64_t memory_now(void)
{
	unsigned long long pages[6] = {0};
	FILE *file = fopen("/proc/self/statm", "re");
	int found = 0;

	if (file) {
		found = fscanf(file, "%llu %llu %llu %llu %llu %llu", &pages[0], &pages[1],
			&pages[2], &pages[3], &pages[4], &pages[5]);
		fclose(file);
	}
	return found == 6 ? pages[5] * (uint64_t)sysconf(_SC_PAGESIZE) : UINT64_C(1) << 30;
}

static void limit(int what, uint64_t value)
{
	setrlimit(what, &(struct rlimit){value, value});
}

static int drop_privileges(const struct jail *jail, int fd)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	/* The parent handles signals and ends this process. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	limit(RLIMIT_CORE, 0);
	if (!JAIL)
		return 0;
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_DATA, memory_now() + jail->options.memory_bytes);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return restrict_syscalls(fd, false);
}

int jail_enter_reader(const struct jail_reader *reader, struct error *reterr)
{
	const struct landlock_folder readable = {reader->folder, LANDLOCK_READS};
	int r = 0;

	prctl(PR_SET_DUMPABLE, 0);
	limit(RLIMIT_CORE, 0);
	/* SIGXCPU, and SIGKILL for one that ignores it */
	setrlimit(RLIMIT_CPU, &(struct rlimit){reader->cpu_s, reader->cpu_s + 1});
	if (!JAIL)
		return 0;
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_DATA, memory_now() + reader->memory_bytes);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		landlock_enter(&readable,
			1); /* without Landlock it can read more, and still write nothing */
	if (r == 0)
		r = restrict_syscalls(reader->answer_fd, true);
	return r < 0 ? error_set(reterr, r, "the process cannot be sandboxed: %s", strerror(-r))
		     : 0;
}

static _Noreturn void run_child(const struct jail *jail, int fd)
{
	const struct jail_options *options = &jail->options;
	/* The caller learns that the rights are dropped before it sends the first request. */
	int32_t ready = drop_privileges(jail, fd);
	_Alignas(16) char request[JAIL_MESSAGE_BYTES], answer[JAIL_MESSAGE_BYTES];

	if (write(fd, &ready, sizeof(ready)) != sizeof(ready) || ready != 0)
		_exit(1);
	while (read(fd, request, sizeof(request)) == (ssize_t)options->request_bytes) {
		memset(answer, 0, sizeof(answer));
		options->serve(options->user, request, answer);
		if (write(fd, answer, options->answer_bytes) != (ssize_t)options->answer_bytes)
			break;
	}
	_exit(0);
}

/* ---- requests ---- */

static double cpu_s_of(pid_t child)
{
	clockid_t clock;
	struct timespec spent;

	if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &spent) < 0)
		return 0;
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

/* @param grace_ns  as of child_end() @return likewise */
static int end_child(struct jail *jail, int64_t grace_ns)
{
	int status = 0;

	if (jail->fd >= 0)
		close(jail->fd);
	jail->fd = -1;
	if (jail->child > 0)
		status = child_end(jail->child, grace_ns);
	jail->child = -1;
	return status;
}

/* A child that has closed its socket but lives on is killed; its status is that signal. @return -EBADMSG */
static int report_exit(struct jail *jail)
{
	const char *name = jail->options.name;
	int status = end_child(jail, NS_PER_S);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return error_set(&jail->why, -EBADMSG,
			"%s was killed: it made a forbidden system call", name);
	if (WIFSIGNALED(status))
		return error_set(
			&jail->why, -EBADMSG, "%s crashed (signal %d)", name, WTERMSIG(status));
	return error_set(&jail->why, -EBADMSG, "%s ended (status %d)", name, WEXITSTATUS(status));
}

static int report_timeout(struct jail *jail, unsigned seconds)
{
	end_child(jail, 0);
	return error_set(&jail->why, -ETIMEDOUT, "%s took more than %u s for one request",
		jail->options.name, seconds);
}

/* @return 0 when the answer is readable, or a negative errno */
static int wait_for_answer(struct jail *jail)
{
	const struct jail_options *options = &jail->options;
	int64_t begun_ns = clock_now_ns();
	double cpu_s = -1;

	for (;;) {
		struct pollfd answer = {jail->fd, POLLIN, 0};
		int r = poll(&answer, 1, 200);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (cpu_s < 0)
			cpu_s = cpu_s_of(jail->child);
		if (cpu_s_of(jail->child) - cpu_s > options->cpu_s)
			return report_timeout(jail, options->cpu_s);
		if (clock_now_ns() - begun_ns > options->wall_s * NS_PER_S)
			return report_timeout(jail, options->wall_s);
	}
}

int jail_call(struct jail *jail, const void *request, void *answer, struct error *reterr)
{
	char got[JAIL_MESSAGE_BYTES];
	ssize_t size = 0;
	int r = 0;

	if (jail->fd >= 0) {
		if (send(jail->fd, request, jail->options.request_bytes, MSG_NOSIGNAL) < 0)
			r = report_exit(jail);
		if (r == 0)
			r = wait_for_answer(jail);
		if (r == 0)
			size = recv(jail->fd, got, sizeof(got), MSG_DONTWAIT);
		if (r == 0 && size <= 0)
			r = report_exit(jail);
		if (r == 0 && size == (ssize_t)jail->options.answer_bytes) {
			memcpy(answer, got, (size_t)size);
			return 0;
		}
	}
	if (jail->fd >= 0) {
		end_child(jail, 0);
		error_set(&jail->why, -EBADMSG, "%s sent an invalid answer", jail->options.name);
	}
	return error_set(reterr, r < 0 ? r : -EBADMSG, "%s", jail->why.text);
}

/* ---- create and destroy ---- */

static int begin(struct jail *jail, struct error *reterr)
{
	int pair[2];
	int32_t ready = -EBADMSG;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(reterr, -errno, "%s: %s", jail->options.name, strerror(errno));
	fflush(NULL); /* the child must not flush buffered output again */
	jail->child = fork();
	if (jail->child == 0) {
		close(pair[0]);
		run_child(jail, pair[1]);
	}
	close(pair[1]);
	jail->fd = pair[0];
	if (jail->child < 0)
		return error_set(reterr, -errno, "%s: %s", jail->options.name, strerror(errno));
	if (recv(jail->fd, &ready, sizeof(ready), 0) == sizeof(ready) && ready == 0)
		return 0;
	end_child(jail, 0);
	return error_set(
		reterr, ready, "%s cannot be sandboxed: %s", jail->options.name, strerror(-ready));
}

int jail_create(struct jail **ret, const struct jail_options *options, struct error *reterr)
{
	_destroy_(jail) struct jail *jail = calloc(1, sizeof(*jail));
	int r;

	if (!jail)
		return error_set(reterr, -ENOMEM, "out of memory");
	jail->options = *options;
	jail->fd = -1;
	r = begin(jail, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(jail);
	return 0;
}

void jail_destroy(struct jail *jail)
{
	if (!jail)
		return;
	end_child(jail, 0);
	free(jail);
}
