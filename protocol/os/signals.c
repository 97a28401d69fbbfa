#include "protocol/os/signals.h"

#include "protocol/base/cleanup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static const int unused_signals[] = {
	SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT};

static const struct {
	int number;
	const char *name;
} termination_signals[SIGNALS_TERMINATION_COUNT] = {
	{SIGTERM, "SIGTERM"},
	{SIGINT, "SIGINT"},
	{SIGQUIT, "SIGQUIT"},
	{SIGXCPU, "SIGXCPU"},
	{SIGHUP, "SIGHUP"},
};

void signals_ignore_unused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(unused_signals); i++)
		signal(unused_signals[i], SIG_IGN);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		signal(number, SIG_IGN);
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t signals_block_termination(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(termination_signals); i++)
		/* a blocked signal is delivered even if it is ignored */
		if (termination_signals[i].number != SIGHUP || !is_ignored(SIGHUP))
			sigaddset(&set, termination_signals[i].number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return set;
}

void signals_ignore_termination(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(termination_signals); i++)
		signal(termination_signals[i].number, SIG_IGN);
}

const char *signals_name(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(termination_signals); i++)
		if (termination_signals[i].number == number)
			return termination_signals[i].name;
	return "a signal";
}

bool signals_is_termination(int number)
{
	struct rlimit limit;

	return number != SIGXCPU ||
		(getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY);
}

void signals_disable_core_dumps(void)
{
	_autoclose_ int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	/* programs that the kernel pipes dumps to get them regardless of the limit */
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;
}
