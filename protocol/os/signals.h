#pragma once

#include <signal.h>
#include <stdbool.h>

/*
 * The dispositions of signals in programs that must end in order. Every signal that ends a process by default is either
 * one that asks for the end, one that is ignored, or a fault of the program itself (SIGSEGV, SIGABRT …), which stays as it is.
 */

/* how many signals may ask for the end */
#define SIGNALS_ENDINGS 5

/**
 * Ignore what must not end a process: SIGPIPE and SIGXFSZ, whose write(2) fails with EPIPE and EFBIG instead, and the
 * signals that nobody has a reason to send (SIGUSR1, SIGALRM, SIGIO, the real-time signals …). Children inherit it.
 */
void signals_ignore_strays(void);

/**
 * Block the signals that ask for the end, in this thread and those that it creates from now on: SIGTERM, SIGINT, SIGQUIT,
 * SIGXCPU, and SIGHUP unless it was ignored when the program was started, as nohup(1) does.
 *
 * @return these, for signalfd(2) or sigwait(3)
 */
sigset_t signals_block_endings(void);

/**
 * Ignore the signals that ask for the end: of a helper that ends with its socket, so that its program, which gets them too,
 * ends in order.
 */
void signals_ignore_endings(void);

/** @return "SIGTERM", …, for the reason of an end; "a signal" of any other number */
const char *signals_name(int number);

/**
 * @return whether a signal of signals_block_endings() is to end the program. The kernel sends SIGXCPU also for a real-time
 *         thread that ran for too long without waiting (RLIMIT_RTTIME): only at RLIMIT_CPU the process is about to be killed.
 */
bool signals_is_ending(int number);

/**
 * Leave nothing of this process to core dumps: no file is written, and programs that are given dumps by the kernel get no
 * private memory.
 */
void signals_forbid_dumps(void);
