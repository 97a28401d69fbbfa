/* Limits of uxrec-inputd once it reads: each attempt in a process of its own. */

#include "capture/inputd/sandbox.h"
#include "capture/inputd/seat.h"
#include "tests/harness/helpers.h"
#include "tests/harness/labs/seat.h"
#include "tests/harness/screens/desktop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KILLED (128 + SIGSYS)

/* Result of an attempt in the sandbox: 0 if it worked, errno, or KILLED. */
static int attempt_as(enum sandbox_kind kind, int (*act)(void))
{
	struct error error;
	int status;
	pid_t child = fork();

	check(child >= 0);
	if (child == 0) {
		sandbox_hide_memory();
		if (sandbox_enter(kind, &error) < 0)
			_exit(120);
		errno = 0;
		_exit(act() < 0 ? errno : 0);
	}
	check(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int attempt(int (*act)(void))
{
	return attempt_as(SANDBOX_EVDEV, act);
}

static bool is_built(void)
{
	if (sandbox_is_built())
		return true;
	skip_test("sanitizers need what the sandbox forbids");
	return false;
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

/* ---- files ---- */

static int open_reading(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || read(fd, &byte, 1) < 0 ? -1 : 0;
}

static int read_passwd(void)
{
	return open_reading("/etc/passwd");
}

static int read_own_memory(void)
{
	return open_reading("/proc/self/mem");
}

static int read_sys(void)
{
	return open_reading("/sys/kernel/uevent_seqnum");
}

static int list_input(void)
{
	DIR *folder = opendir("/dev/input");

	return folder && readdir(folder) ? 0 : -1;
}

static int list_home(void)
{
	return opendir("/root") ? 0 : -1;
}

static int write_file(void)
{
	_autofree_ char *path = temporary_path("written");

	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int write_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int remove_file(void)
{
	_autofree_ char *path = temporary_path("kept");

	return unlink(path);
}

static void files_are_out_of_reach(void)
{
	_autofree_ char *kept = temporary_path("kept");

	if (!is_built())
		return;
	if (!has_landlock()) {
		skip_test("a kernel without Landlock");
		return;
	}
	expect(attempt(read_passwd) == EACCES);
	expect(attempt(read_own_memory) == EACCES);
	expect(attempt(list_home) == EACCES);
	expect(attempt(read_sys) == 0 || access("/sys/kernel/uevent_seqnum", R_OK) < 0);
	expect(attempt(list_input) == 0 || access("/dev/input", R_OK) < 0);
	close(open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	expect(attempt_as(SANDBOX_X11, read_passwd) == EPERM);
	expect(attempt_as(SANDBOX_X11, read_sys) == EPERM);
	expect(attempt_as(SANDBOX_X11, remove_file) == EPERM);
}

/* by seccomp alone, on any kernel */
static void nothing_can_be_written(void)
{
	_autofree_ char *kept = temporary_path("kept");

	if (!is_built())
		return;
	close(open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	expect(attempt(write_file) == EPERM);
	expect(attempt(write_null) == EPERM);
	expect(attempt(remove_file) == EPERM);
	expect(access(kept, F_OK) == 0);
}

/* ---- other programs, other machines ---- */

static int make_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int make_inet6(void)
{
	return socket(AF_INET6, SOCK_DGRAM, 0);
}

static int make_raw(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int make_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int make_route(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static int make_uevent(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
}

static int make_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int start_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int fork_off(void)
{
	return fork();
}

static int trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int signal_parent(void)
{
	return kill(getppid(), 0);
}

static void programs_and_networks_are_out_of_reach(void)
{
	if (!is_built())
		return;
	expect(attempt(make_inet) == KILLED);
	expect(attempt(make_inet6) == KILLED);
	expect(attempt(make_raw) == KILLED);
	expect(attempt(make_vsock) == KILLED);
	expect(attempt(make_route) == EPERM);
	expect(attempt(make_uevent) == 0);
	expect(attempt(make_unix) == 0);
	expect(attempt_as(SANDBOX_X11, make_unix) == KILLED);
	expect(attempt(start_program) == KILLED);
	expect(attempt(fork_off) == KILLED);
	expect(attempt(trace) == KILLED);
	expect(attempt(signal_parent) == EPERM);
}

/* ---- its own memory ---- */

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			MAP_FAILED
		? -1
		: 0;
}

static int turn_into_code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? 0 : mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static int show_memory(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static int allow_core(void)
{
	return setrlimit(RLIMIT_CORE, &(struct rlimit){1, 1});
}

static int grab(void)
{
	return ioctl(0, EVIOCGRAB, 1);
}

static int type_into_terminal(void)
{
	return ioctl(0, TIOCSTI, "x");
}

static void memory_stays_hidden_and_is_never_code(void)
{
	if (!is_built())
		return;
	expect(attempt(make_code) == EPERM);
	expect(attempt(turn_into_code) == EPERM);
	expect(attempt(show_memory) == EPERM);
	expect(attempt(allow_core) == EPERM);
	expect(attempt(grab) == EPERM);
	expect(attempt(type_into_terminal) == EPERM);
}

static void memory_is_hidden_from_the_same_user(void)
{
	struct rlimit limit;
	char path[40];
	int ready[2], status;
	pid_t child;

	if (!is_built())
		return;
	check(pipe2(ready, O_CLOEXEC) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		sandbox_hide_memory();
		getrlimit(RLIMIT_CORE, &limit);
		if (limit.rlim_max != 0 || prctl(PR_GET_DUMPABLE) != 0)
			_exit(1);
		check(write(ready[1], "", 1) == 1);
		pause();
	}
	check(read(ready[0], path, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	if (getuid() != 0)
		expect(open(path, O_RDONLY | O_CLOEXEC) < 0);
	kill(child, SIGSEGV);
	check(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && !WCOREDUMP(status));
	close(ready[0]);
	close(ready[1]);
}

/* ---- required calls ---- */

static void *add_one(void *user)
{
	_autofree_ char *memory = malloc(1 << 20);

	memset(memory, 1, 1 << 20);
	*(int *)user += 1;
	return NULL;
}

static int use_threads(void)
{
	pthread_t thread;
	int number = 0;

	errno = pthread_create(&thread, NULL, add_one, &number);
	return errno != 0 || pthread_join(thread, NULL) != 0 || number != 1 ? -1 : 0;
}

/* a pipe reports the sandboxed process's steps; the files are written outside it */
static void seat_is_followed_inside(void)
{
	int pair[2], status;
	struct error error;
	struct seat *seat;
	pid_t child;
	char byte = 0;

	if (!is_built() || !lab_seat_start() || !lab_bus_start())
		return;
	lab_seat_set("c1", 1000, "1000 1001");
	lab_login_start();
	lab_login_lock(true);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		close(pair[0]);
		if (sandbox_enter(SANDBOX_EVDEV, &error) < 0 ||
			seat_create(&seat, 1000, true, &error) < 0)
			_exit(1);
		for (;;) {
			struct pollfd fds[2] = {
				{.fd = seat_fd(seat), .events = POLLIN},
				{.fd = pair[1], .events = POLLIN},
			};

			byte = (char)('0' + seat_dispatch(seat));
			if (send(pair[1], &byte, 1, MSG_NOSIGNAL) != 1 || poll(fds, 2, -1) < 0)
				_exit(2);
			if (fds[1].revents)
				_exit(0);
		}
	}
	close(pair[1]);
	check(recv(pair[0], &byte, 1, 0) == 1);
	expect(byte == '0' + SEAT_LOCKED);
	lab_seat_set("c2", 1001, "1000 1001");
	while (byte != '0' + SEAT_INACTIVE)
		check(recv(pair[0], &byte, 1, 0) == 1);
	lab_login_lock(false);
	lab_seat_set("c1", 1000, "1000 1001");
	while (byte != '0' + SEAT_OURS)
		check(recv(pair[0], &byte, 1, 0) == 1);
	close(pair[0]);
	check(waitpid(child, &status, 0) == child);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	lab_bus_end();
}

static void threads_and_memory_are_there(void)
{
	if (!is_built())
		return;
	expect(attempt(use_threads) == 0);
	expect(attempt_as(SANDBOX_X11, use_threads) == 0);
}

static const struct test tests[] = {
	{"files other than devices and their descriptions are out of reach",
		files_are_out_of_reach},
	{"nothing can be written", nothing_can_be_written},
	{"programs and networks are out of reach", programs_and_networks_are_out_of_reach},
	{"memory stays hidden and is never code", memory_stays_hidden_and_is_never_code},
	{"memory is hidden from the same user, and leaves no core",
		memory_is_hidden_from_the_same_user},
	{"the seat is followed inside", seat_is_followed_inside},
	{"threads and memory are there", threads_and_memory_are_there},
};

int main(void)
{
	return RUN_TESTS("sandbox", tests);
}
