#include "capture/inputd/sandbox.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/landlock.h"
#include "protocol/os/signals.h"

#include <fcntl.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX 0
#endif
#endif
#ifndef SANDBOX
#define SANDBOX 1
#endif

bool sandbox_is_built(void)
{
	return SANDBOX;
}

#if !SANDBOX

void sandbox_hide_memory(void)
{
}

int sandbox_enter(enum sandbox_kind kind, struct error *reterr)
{
	(void)kind;
	(void)reterr;
	return 0;
}

#else

#include <errno.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

void sandbox_hide_memory(void)
{
	signals_disable_core_dumps(); /* first: files of a non-dumpable process belong to root */
	prctl(PR_SET_DUMPABLE, 0);
}

/* ---- files: Landlock; without it seccomp still prevents all writes ---- */

static void restrict_files(enum sandbox_kind kind)
{
	static const struct landlock_folder readable[] = {
		{"/dev/input", LANDLOCK_READS_DEVICES},
		{"/run/udev", LANDLOCK_READS},
		{"/run/systemd", LANDLOCK_READS},
		{"/sys", LANDLOCK_READS},
		{"/etc/uxrec", LANDLOCK_READS},
		{"/usr/share", LANDLOCK_READS},
	};

	landlock_enter(readable, kind == SANDBOX_EVDEV ? ARRAY_SIZE(readable) : 0);
}

/* ---- system calls: seccomp ---- */

/* for every kind: open descriptors, memory, time, threads, exit */
static const int always[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
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
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(membarrier),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getrandom),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* for SANDBOX_EVDEV in addition: device discovery, and events of udev and logind */
static const int of_files[] = {
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
	SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(connect),
};

/* never called by this program: kill the process */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(personality),
	SCMP_SYS(listen),
};

static struct scmp_arg_cmp equal(unsigned argument, uint64_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

static struct scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int r = 0;

	/* -EDOM: a call that this architecture lacks needs no rule */
	for (size_t i = 0; i < count && (r == 0 || r == -EDOM); i++)
		r = seccomp_rule_add(filter, action, calls[i], 0);
	return r == -EDOM ? 0 : r;
}

static int allow_threads(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, masked(0, CLONE_THREAD, CLONE_THREAD));

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
			masked(0, CLONE_THREAD, 0));
	/* its flags are in memory, invisible to filters; glibc falls back to clone() */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, equal(0, PR_SET_NAME));
	return r;
}

/* no executable memory */
static int allow_memory(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, masked(2, PROT_EXEC, 0));

	return r < 0 ? r
		     : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			       masked(2, PROT_EXEC, 0));
}

/* limits may be read; signals only to this process, for abort() */
static int allow_self(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, equal(0, 0), equal(2, 0));

	return r < 0 ? r
		     : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			       equal(0, (uint64_t)getpid()));
}

/* read the state of devices, set clock and mask; no grab, no output */
static int allow_devices(scmp_filter_ctx filter)
{
	static const uint64_t requests[] = {EVIOCSCLOCKID, EVIOCSMASK, FIONREAD};
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		masked(1, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 0, 0), _IOC(_IOC_READ, 'E', 0, 0)));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(requests); i++)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, equal(1, requests[i]));
	return r;
}

static int allow_opening(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
		masked(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
}

/* AF_UNIX for D-Bus and its peers, AF_NETLINK for udev's messages; any other family kills the process */
static int allow_sockets(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, equal(0, AF_UNIX));

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			equal(0, AF_NETLINK), equal(2, NETLINK_KOBJECT_UEVENT));
	for (int family = 0; r == 0 && family < AF_NETLINK; family++)
		if (family != AF_UNIX)
			r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
				equal(0, family));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
			(struct scmp_arg_cmp){0, SCMP_CMP_GT, AF_NETLINK, 0});
	return r;
}

static int add_rules(scmp_filter_ctx filter, enum sandbox_kind kind)
{
	int r = add_all(filter, SCMP_ACT_ALLOW, always, ARRAY_SIZE(always));

	if (r == 0)
		r = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));
	if (r == 0)
		r = allow_threads(filter);
	if (r == 0)
		r = allow_memory(filter);
	if (r == 0)
		r = allow_self(filter);
	if (kind == SANDBOX_X11)
		return r < 0 ? r
			     : seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 0);
	if (r == 0)
		r = add_all(filter, SCMP_ACT_ALLOW, of_files, ARRAY_SIZE(of_files));
	if (r == 0)
		r = allow_devices(filter);
	if (r == 0)
		r = allow_opening(filter);
	return r < 0 ? r : allow_sockets(filter);
}

static int restrict_syscalls(enum sandbox_kind kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	r = add_rules(filter, kind);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int sandbox_enter(enum sandbox_kind kind, struct error *reterr)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(reterr, -errno, "cannot set up the sandbox: %s", strerror(errno));
	restrict_files(kind);
	r = restrict_syscalls(kind);
	return r < 0 ? error_set(reterr, r, "cannot set up the sandbox: %s", strerror(-r)) : 0;
}

#endif
