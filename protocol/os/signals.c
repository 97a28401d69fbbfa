#include "protocol/os/signals.h"

#include "protocol/base/cleanup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static const int strays[] = {
	SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT};

static const struct {
	int number;
	const char *name;
} endings[SIGNALS_ENDINGS] = {
	{SIGTERM, "SIGTERM"},
	{SIGINT, "SIGINT"},
	{SIGQUIT, "SIGQUIT"},
	{SIGXCPU, "SIGXCPU"},
	{SIGHUP, "SIGHUP"},
};

void signals_ignore_strays(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(strays); i++)
		signal(strays[i], SIG_IGN);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		signal(number, SIG_IGN);
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t signals_block_endings(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		/* a blocked signal is delivered even if it is ignored */
		if (endings[i].number != SIGHUP || !is_ignored(SIGHUP))
			sigaddset(&set, endings[i].number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return set;
}

void signals_ignore_endings(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		signal(endings[i].number, SIG_IGN);
}

const char *signals_name(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (endings[i].number == number)
			return endings[i].name;
	return "a signal";
}

bool signals_is_ending(int number)
{
	struct rlimit limit;

	return number != SIGXCPU ||
		(getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY);
}

void signals_forbid_dumps(void)
{
	_autoclose_ int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	/* programs that the kernel pipes dumps to get them regardless of the limit */
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;
}
