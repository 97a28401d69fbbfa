#include "daemon/serve/rights.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/os/landlock.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* As much as a worker may have: WORK_MEMORY_BYTES of library.c. The backlog of all peers, the streamed packets and the
 * open sessions are a fraction of it. */
#define MEMORY_BYTES (UINT64_C(1) << 30)

/* ---- files ---- */

static void restrict_files(const struct rights *rights)
{
	const struct landlock_folder folders[] = {
		{rights->library, LANDLOCK_READS},
		{rights->studies, LANDLOCK_READS},
		{rights->examples, LANDLOCK_READS},
		{rights->web, LANDLOCK_READS},
		{rights->worker, LANDLOCK_EXECUTES},
		{"/usr", LANDLOCK_EXECUTES},
		{"/lib", LANDLOCK_EXECUTES},
		{"/lib64", LANDLOCK_EXECUTES},
		{"/etc/ld.so.cache", LANDLOCK_READS},
		{"/dev/urandom", LANDLOCK_READS},
	};

	if (!landlock_enter(folders, ARRAY_SIZE(folders)))
		log_debug("server: this kernel has no Landlock");
}

/* ---- system calls ---- */

/*
 * Of the server, of the start of a worker, and of the worker until it drops more. All others fail with EPERM: those that
 * change files, open sockets or connect them, and those that signal, trace or limit other processes of this user, among
 * them the recorder.
 */
static const int allowed[] = {
	/* memory, time, threads */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(membarrier),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(umask),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* files, to read */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(flock),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	/* connections that it is given */
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	/* the worker, and the rights that it drops */
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(vfork),
	SCMP_SYS(execve),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	SCMP_SYS(prctl),
	SCMP_SYS(seccomp),
	SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self),
};

/* Others of fcntl(2) and ioctl(2) have the kernel send signals to a process of choice. */
static const int allowed_fcntl[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK};
static const unsigned long allowed_ioctl[] = {FIONREAD, FIONBIO, TCGETS};

static int allow(scmp_filter_ctx filter, int call, const struct scmp_arg_cmp *only)
{
	int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, only ? 1 : 0, only);

	/* -EDOM: this architecture lacks it */
	return r == -EDOM ? 0 : r;
}

static int allow_equal(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
	return allow(filter, call, &(struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0});
}

static int allow_masked(
	scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask, uint64_t value)
{
	return allow(
		filter, call, &(struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value});
}

/* Memory is never both written and executed at once. */
static int allow_memory(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	static const uint64_t protections[] = {0, PROT_WRITE, PROT_EXEC};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (size_t j = 0; j < ARRAY_SIZE(protections) && r == 0; j++)
			r = allow_masked(
				filter, calls[i], 2, PROT_WRITE | PROT_EXEC, protections[j]);
	return r;
}

static int allow_some(scmp_filter_ctx filter)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
	int r = allow_memory(filter);

	for (size_t i = 0; i < ARRAY_SIZE(allowed_fcntl) && r == 0; i++)
		r = allow_equal(filter, SCMP_SYS(fcntl), 1, (uint64_t)allowed_fcntl[i]);
	for (size_t i = 0; i < ARRAY_SIZE(allowed_ioctl) && r == 0; i++)
		r = allow_equal(filter, SCMP_SYS(ioctl), 1, allowed_ioctl[i]);
	if (r == 0)
		r = allow_masked(filter, SCMP_SYS(openat), 2, writing, 0);
	if (r == 0)
		r = allow_masked(filter, SCMP_SYS(open), 1, writing, 0);
	if (r == 0)
		r = allow_equal(filter, SCMP_SYS(socketpair), 0, AF_UNIX);
	/* of itself */
	if (r == 0)
		r = allow_equal(filter, SCMP_SYS(prlimit64), 0, 0);
	if (r == 0)
		r = allow_equal(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
	return r;
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = allow(filter, allowed[i], NULL);
	if (r == 0)
		r = allow_some(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int restrict_memory(void)
{
	const struct rlimit limit = {MEMORY_BYTES, MEMORY_BYTES};

	return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}

int rights_drop(const struct rights *rights, struct error *reterr)
{
	int r;

	if (!jail_is_built())
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(
			reterr, -errno, "its rights cannot be dropped: %s", strerror(errno));
	restrict_files(rights);
	r = restrict_memory();
	if (r == 0)
		r = restrict_calls();
	return r < 0 ? error_set(reterr, r, "its rights cannot be dropped: %s", strerror(-r)) : 0;
}
