#pragma once

#include <signal.h>
#include <stdbool.h>

/*
 * Signal dispositions of programs that must shut down in order. Every signal that terminates a process by
 * default is either a termination request, or ignored, or a fault of the program itself (SIGSEGV, SIGABRT …),
 * which keeps its default.
 */

/* number of signals that request termination */
#define SIGNALS_TERMINATION_COUNT 5

/**
 * Ignore signals that must not terminate a process: SIGPIPE and SIGXFSZ, where write(2) fails with EPIPE and
 * EFBIG instead, and signals without a legitimate use (SIGUSR1, SIGALRM, SIGIO, the real-time signals …).
 * Children inherit it.
 */
void signals_ignore_unused(void);

/**
 * Block the signals that request termination, in this thread and those created by it from now on: SIGTERM,
 * SIGINT, SIGQUIT, SIGXCPU, and SIGHUP unless it was ignored at startup, as by nohup(1).
 *
 * @return the set, for signalfd(2) or sigwait(3)
 */
sigset_t signals_block_termination(void);

/**
 * Ignore the signals that request termination: for a helper that ends with its socket, so that its parent
 * program, which gets them too, shuts down in order.
 */
void signals_ignore_termination(void);

/** @return "SIGTERM", …, for the reason of an end; "a signal" for any other number */
const char *signals_name(int number);

/**
 * @return true when a signal of signals_block_termination() is to terminate the program. The kernel also sends
 *         SIGXCPU for a real-time thread that ran for too long without blocking (RLIMIT_RTTIME); only under
 *         RLIMIT_CPU does it precede a kill.
 */
bool signals_is_termination(int number);

/**
 * Keep this process out of core dumps: no file is written, and programs that the kernel pipes dumps to get no
 * private memory.
 */
void signals_disable_core_dumps(void);
