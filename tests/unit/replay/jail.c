/* Limits of a compromised decoder: each attempt in a jail of its own. */

#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct question {
	int attempt;
};

struct reply {
	int error; /* errno of the attempt, 0: it worked */
};

struct prisoner {
	uint8_t *shared;
	int file_fd; /* open for writing in advance */
	char *path;
};

enum attempt {
	NOTHING,
	WRITE_SHARED,
	CRASH,
	ABORT,
	LOOP,
	SLEEP,
	ALLOCATE,
	OPEN_FILE,
	MAKE_FILE,
	READ_MEMORY,
	WRITE_FILE,
	MAKE_SOCKET,
	RUN_PROGRAM,
	FORK,
	MAKE_CODE,
	SIGNAL_PARENT,
	LEAVE,
};

static int worked(long result)
{
	return result < 0 ? errno : 0;
}

/* @return errno of an attempt, 0 if it worked */
static int try(const struct prisoner *prisoner, enum attempt attempt)
{
	switch (attempt) {
	case WRITE_SHARED: memset(prisoner->shared, 7, 4096); return 0;
	case CRASH: raise(SIGSEGV); return 0;
	case ABORT: abort();
	case LOOP:
		for (volatile unsigned i = 0;; i++)
			continue;
	case SLEEP:
		for (;;)
			nanosleep(&(struct timespec){100, 0}, NULL);
	case ALLOCATE:
		for (;;) {
			char *more = malloc(16 << 20);

			if (!more)
				return ENOMEM;
			memset(more, 1, 16 << 20);
		}
	case OPEN_FILE: return worked(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
	case MAKE_FILE: return worked(open(prisoner->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	case READ_MEMORY: return worked(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
	case WRITE_FILE: return worked(write(prisoner->file_fd, "x", 1));
	case MAKE_SOCKET: return worked(socket(AF_UNIX, SOCK_STREAM, 0));
	case RUN_PROGRAM: return worked(execl("/bin/true", "true", NULL));
	case FORK: return worked(syscall(SYS_fork));
	case MAKE_CODE:
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
			? errno
			: 0;
	case SIGNAL_PARENT: return worked(kill(getppid(), SIGTERM));
	case LEAVE: _exit(0);
	default: return 0;
	}
}

static void serve(void *user, const void *request, void *answer)
{
	const struct question *question = request;

	((struct reply *)answer)->error = try(user, (enum attempt)question->attempt);
}

/* @return the attempt's result, or the negative errno of the jail with its reason */
static int attempt(struct prisoner *prisoner, enum attempt attempt, struct error *error)
{
	const struct jail_options options = {.name = "the fake decoder",
		.serve = serve,
		.user = prisoner,
		.request_bytes = sizeof(struct question),
		.answer_bytes = sizeof(struct reply),
		.memory_bytes = 200 << 20,
		/* attempts that do not test a limit must not reach it on a busy machine */
		.cpu_s = attempt == LOOP ? 1 : 60,
		.wall_s = attempt == SLEEP ? 4 : 300};
	_destroy_(jail) struct jail *jail = NULL;
	struct question question = {NOTHING};
	struct reply reply = {-1};
	int r;

	check(jail_create(&jail, &options, error) == 0);
	expect(jail_call(jail, &question, &reply, error) == 0 && reply.error == 0);
	question.attempt = (int)attempt;
	r = jail_call(jail, &question, &reply, error);
	if (r < 0) {
		struct error again = {""};

		/* it stays over, and fails fast */
		expect(jail_call(jail, &question, &reply, &again) < 0);
		expect(strcmp(again.text, error->text) == 0);
	}
	return r < 0 ? r : reply.error;
}

static void expect_over(enum attempt what, int wanted, const char *text)
{
	struct prisoner prisoner = {.file_fd = -1};
	struct error error = {""};
	int r = attempt(&prisoner, what, &error);

	if (r != wanted || !strstr(error.text, text))
		printf("# attempt %d gave %d: %s\n", what, r, error.text);
	expect(r == wanted && strstr(error.text, text));
}

static void an_end_is_an_error(void)
{
	/* sanitizers install their own handler */
	expect_over(CRASH, -EBADMSG,
		jail_is_built() ? "the fake decoder crashed (signal 11)" : "the fake decoder ");
	expect_over(ABORT, -EBADMSG,
		jail_is_built() ? "the fake decoder crashed (signal 6)" : "the fake decoder ");
	expect_over(LEAVE, -EBADMSG, "the fake decoder ended (status 0)");
}

static void who_takes_too_long_is_ended(void)
{
	int64_t begun_ns = clock_now_ns();

	expect_over(LOOP, -ETIMEDOUT, "the fake decoder took more than ");
	expect_over(SLEEP, -ETIMEDOUT, "the fake decoder took more than 4 s");
	expect(clock_now_ns() - begun_ns < 60 * NS_PER_S);
}

static void memory_has_an_end(void)
{
	struct prisoner prisoner = {.file_fd = -1};
	struct error error;

	if (!jail_is_built()) {
		skip_test("sanitizers need what the jail forbids");
		return;
	}
	expect(attempt(&prisoner, ALLOCATE, &error) == ENOMEM);
}

static void nothing_outside_is_touched(void)
{
	static const enum attempt refused[] = {
		OPEN_FILE, MAKE_FILE, READ_MEMORY, WRITE_FILE, MAKE_CODE, SIGNAL_PARENT};
	static const enum attempt deadly[] = {MAKE_SOCKET, RUN_PROGRAM, FORK};
	_autofree_ char *path = temporary_path("open"), *other = temporary_path("other");
	_autoclose_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct prisoner prisoner = {.file_fd = fd, .path = other};
	struct error error;

	if (!jail_is_built()) {
		skip_test("sanitizers need what the jail forbids");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		int r = attempt(&prisoner, refused[i], &error);

		if (r != EPERM)
			printf("# attempt %d gave %d\n", refused[i], r);
		expect(r == EPERM);
	}
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		expect(attempt(&prisoner, deadly[i], &error) == -EBADMSG);
		expect(strstr(error.text, "it made a forbidden system call") != NULL);
	}
	expect(lseek(fd, 0, SEEK_END) == 0 && access(other, F_OK) < 0);
}

static void pictures_come_through_shared_memory(void)
{
	struct prisoner prisoner = {.shared = jail_map(4096), .file_fd = -1};
	struct error error;

	check(prisoner.shared != NULL);
	expect(prisoner.shared[0] == 0);
	expect(attempt(&prisoner, WRITE_SHARED, &error) == 0);
	expect(prisoner.shared[0] == 7 && prisoner.shared[4095] == 7);
	jail_unmap(prisoner.shared, 4096);
}

static const struct test tests[] = {
	{"a crash in the jail is an error for its caller", an_end_is_an_error},
	{"a jail that computes or sleeps too long is ended", who_takes_too_long_is_ended},
	{"memory is limited", memory_has_an_end},
	{"no file, socket, program, code or signal leaves the jail", nothing_outside_is_touched},
	{"pictures come through shared memory", pictures_come_through_shared_memory},
};

int main(void)
{
	return RUN_TESTS("jail", tests);
}
