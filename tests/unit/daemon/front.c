/* The owner's side of uxrec-server: a server that is mad, and the rights of a sound one. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "daemon/front/front.h"
#include "daemon/serve/rights.h"
#include "protocol/base/clock.h"
#include "replay/base/jail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET   "00112233445566778899aabbccddeeff"
#define OBSERVER UXREC__ROLE__ROLE_OBSERVER

struct lab {
	struct access access;
	struct hosts hosts;
	struct live live;
	struct front *front;
	_Atomic unsigned steered, asked; /* messages that were handed on */
};

static void take_message(void *user, struct peer *peer, Uxrec__ClientMessage *message)
{
	struct lab *lab = user;

	(void)peer;
	lab->steered += message->body_case == UXREC__CLIENT_MESSAGE__BODY_STOP;
	lab->asked += message->body_case == UXREC__CLIENT_MESSAGE__BODY_GET_STATUS;
	uxrec__client_message__free_unpacked(message, NULL);
}

/* @return that of front_start() */
static int begin_lab(struct lab *lab, const char *fault, Uxrec__Role role)
{
	static char server[300], folder[300];
	struct front_options options = {.server = server,
		.program = "test",
		.address = "127.0.0.1",
		.web = folder,
		.library = folder,
		.hosts = &lab->hosts,
		.access = &lab->access,
		.live = &lab->live,
		.handle_message = take_message,
		.user = lab};
	char key[KEY_BYTES];
	struct error error;

	*lab = (struct lab){0};
	snprintf(server, sizeof(server), "%s/tests/tools/mad_server", build_folder());
	snprintf(folder, sizeof(folder), "%s/web", build_folder());
	check(access_init(&lab->access, NULL, NULL, SECRET, NULL, NULL) == 0);
	check(live_init(&lab->live) == 0);
	keyring_present(lab->access.keyring, role, key, NULL);
	check(hosts_allow(&lab->hosts, fault) == 0 && hosts_allow(&lab->hosts, key) == 0);
	check(front_create(&lab->front, &options, &error) == 0);
	return front_start(lab->front, &error);
}

static void end_lab(struct lab *lab)
{
	const int64_t begin_ns = clock_now_ns();

	front_destroy(lab->front);
	expect(clock_now_ns() - begin_ns < 20 * NS_PER_S);
	expect(lab->live.watchers == 0);
	live_finish(&lab->live);
	access_finish(&lab->access);
}

static bool until(const _Atomic unsigned *count, unsigned wanted)
{
	for (unsigned i = 0; i < 3000 && *count < wanted; i++)
		usleep(10000);
	return *count >= wanted;
}

/* ---- a mad server ---- */

static void a_server_that_does_not_start_is_an_error_of_the_start(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "ends", OBSERVER) == -ECHILD);
	end_lab(&lab);
}

/* Each one ends, is started again, fails again; meanwhile the owner's own calls return. */
static void a_server_that_is_mad_is_started_again(void)
{
	static const char *const faults[] = {"crashes", "nonsense", "too-long", "half", "floods",
		"admits", "admits-twice", "admits-others", "deaf"};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const struct outlet *outlet;
		Uxrec__Pong pong = UXREC__PONG__INIT;
		struct lab lab;

		printf("# %s\n", faults[i]);
		expect(begin_lab(&lab, faults[i], OBSERVER) == 0);
		outlet = front_outlet(lab.front);
		for (size_t j = 0; j < 100; j++) {
			outlet_broadcast(outlet, &(struct audience){0}, &pong.base);
			front_wake(lab.front);
			usleep(1000);
		}
		expect(lab.steered == 0);
		end_lab(&lab);
	}
}

static void a_server_without_a_secret_gets_nowhere(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "guesses", OBSERVER) == 0);
	usleep(300000);
	expect(front_peers(lab.front) == 0 && lab.steered == 0 && lab.live.watchers == 0);
	end_lab(&lab);
}

static void a_server_can_ask_what_its_connections_may(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "steers", OBSERVER) == 0);
	expect(until(&lab.asked, 1) && lab.steered == 0 && front_peers(lab.front) == 1);
	end_lab(&lab);
	expect(begin_lab(&lab, "steers", UXREC__ROLE__ROLE_MODERATOR) == 0);
	/* the connection that was admitted, and not the other */
	expect(until(&lab.asked, 1) && lab.steered == 1);
	end_lab(&lab);
}

static void a_server_cannot_ask_faster_than_a_page(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "insists", UXREC__ROLE__ROLE_MODERATOR) == 0);
	expect(until(&lab.asked, 1) && lab.steered >= 60 && lab.steered < 150);
	end_lab(&lab);
}

static void a_server_has_no_other_processes_ended(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "kills", OBSERVER) == 0);
	/* it is alive, and so are we */
	expect(until(&lab.asked, 1));
	end_lab(&lab);
}

static void a_revoked_link_ends_its_connection(void)
{
	struct lab lab;

	expect(begin_lab(&lab, "steers", OBSERVER) == 0);
	expect(until(&lab.asked, 1) && front_peers(lab.front) == 1);
	check(keyring_revoke(lab.access.keyring, "observer", NULL) == 1);
	front_check_links(lab.front);
	for (unsigned i = 0; i < 1000 && front_peers(lab.front) > 0; i++)
		usleep(10000);
	expect(front_peers(lab.front) == 0);
	end_lab(&lab);
}

/* ---- the rights of a sound server ---- */

static char shared_file[300], shared_folder[300], owned_file[300];
static int listening;

static bool can_write(void)
{
	return open(owned_file, O_WRONLY) >= 0 || open(owned_file, O_RDONLY | O_TRUNC) >= 0;
}

static bool can_make(void)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/made", shared_folder);
	return open(path, O_WRONLY | O_CREAT, 0600) >= 0 || mkdir(path, 0700) == 0 ||
		symlink("/", path) == 0 || mknod(path, S_IFIFO | 0600, 0) == 0 ||
		link(owned_file, path) == 0 || syscall(SYS_memfd_create, "x", 0) >= 0;
}

static bool can_change(void)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/moved", shared_folder);
	return unlink(owned_file) == 0 || rename(owned_file, path) == 0 ||
		chmod(owned_file, 0) == 0 || truncate(owned_file, 0) == 0 ||
		utimensat(AT_FDCWD, owned_file, NULL, 0) == 0;
}

static bool can_read_elsewhere(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/1/status", O_RDONLY) >= 0 ||
		open("/dev/null", O_RDONLY) >= 0;
}

static bool can_connect(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(1),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
		socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ||
		(connect(listening, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EPERM) ||
		bind(listening, (struct sockaddr *)&at, sizeof(at)) == 0;
}

static bool can_signal(void)
{
	const struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	int process = getppid();

	return kill(process, 0) == 0 || syscall(SYS_tgkill, process, process, 0) == 0 ||
		syscall(SYS_tkill, process, 0) == 0 || pidfd_open(process, 0) >= 0 ||
		sigqueue(process, 0, (union sigval){0}) == 0 ||
		fcntl(listening, F_SETOWN, process) == 0 ||
		fcntl(listening, F_SETOWN_EX, &owner) == 0 ||
		fcntl(listening, F_SETSIG, SIGKILL) == 0 ||
		ioctl(listening, FIOSETOWN, &process) == 0 ||
		ioctl(listening, SIOCSPGRP, &process) == 0;
}

static bool can_hinder(void)
{
	const struct rlimit none = {0};
	struct iovec piece = {shared_file, 1};
	char at[30];

	snprintf(at, sizeof(at), "/proc/%d/mem", getppid());
	return prlimit(getppid(), RLIMIT_CPU, &none, NULL) == 0 ||
		setpriority(PRIO_PROCESS, (id_t)getppid(), 19) == 0 ||
		ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0 ||
		process_vm_writev(getppid(), &piece, 1, &piece, 1, 0) == 1 ||
		open(at, O_RDONLY) >= 0;
}

static bool can_fill_memory(void)
{
	const size_t size = (size_t)2 << 30;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory != MAP_FAILED;
}

static bool cannot_read(void)
{
	return open(shared_file, O_RDONLY) < 0;
}

static const struct {
	const char *name;
	bool (*attempt)(void);
	bool by_landlock;
} attempts[] = {
	{"write to a file", can_write, false},
	{"make a file", can_make, false},
	{"change or remove a file", can_change, false},
	{"read elsewhere", can_read_elsewhere, true},
	{"connect", can_connect, false},
	{"signal the recorder", can_signal, false},
	{"hinder the recorder", can_hinder, false},
	{"fill the memory", can_fill_memory, false},
	{"read its library: not", cannot_read, false},
};

/* In a process of its own. @return bits of the attempts that succeeded */
static int attempt_all(void)
{
	struct error error;
	int done = 0;

	if (rights_drop(&(struct rights){.library = shared_folder, .web = shared_folder}, &error) <
		0)
		return 255;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
		if (attempts[i].attempt())
			done |= 1 << i;
	return done;
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 1;
}

static void a_server_reads_its_folders_and_does_no_more(void)
{
	_autofree_ char *folder = temporary_path("shared");
	int status, fd;
	pid_t child;

	if (!jail_is_built()) {
		printf("# sanitizers need these rights\n");
		return;
	}
	snprintf(shared_folder, sizeof(shared_folder), "%s", folder);
	snprintf(shared_file, sizeof(shared_file), "%s/read", folder);
	snprintf(owned_file, sizeof(owned_file), "%s/owned", folder);
	check(mkdir(folder, 0700) == 0);
	for (size_t i = 0; i < 2; i++) {
		fd = open(i ? owned_file : shared_file, O_WRONLY | O_CREAT, 0600);
		check(fd >= 0 && write(fd, "content", 7) == 7);
		close(fd);
	}
	listening = socket(AF_INET, SOCK_STREAM, 0);
	check(listening >= 0);
	child = fork();
	check(child >= 0);
	if (child == 0)
		_exit(attempt_all());
	check(waitpid(child, &status, 0) == child);
	expect(WIFEXITED(status) && WEXITSTATUS(status) != 255);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		bool done = WEXITSTATUS(status) >> i & 1;

		if (done)
			printf("# it can %s\n", attempts[i].name);
		expect(!done || (attempts[i].by_landlock && !has_landlock()));
	}
	close(listening);
}

static const struct test tests[] = {
	{"a server that does not start is an error of the start",
		a_server_that_does_not_start_is_an_error_of_the_start},
	{"a server that is mad is started again, and delays nothing",
		a_server_that_is_mad_is_started_again},
	{"a server without a secret gets nowhere", a_server_without_a_secret_gets_nowhere},
	{"a server can ask what its connections may, and no more",
		a_server_can_ask_what_its_connections_may},
	{"a server cannot ask faster than a page", a_server_cannot_ask_faster_than_a_page},
	{"a server has no other processes ended than its own",
		a_server_has_no_other_processes_ended},
	{"a revoked link ends its connection", a_revoked_link_ends_its_connection},
	{"a server reads its folders, and does no more",
		a_server_reads_its_folders_and_does_no_more},
};

int main(void)
{
	return RUN_TESTS("front", tests);
}
