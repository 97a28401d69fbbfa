#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>

/*
 * Inside uxrec-inputd: privileges that the process drops for good before it reads the first key. Disabled
 * under the sanitizers, which need them.
 */

enum sandbox_kind {
	SANDBOX_EVDEV, /* opens devices, and files of udev, logind and inputd.conf, to read */
	SANDBOX_X11,   /* already connected: opens no file and no socket any more */
};

/**
 * Protect the memory from core dumps and from other processes of the same user. Call first in main().
 */
void sandbox_hide_memory(void);

/**
 * Drop everything not needed for reading input: new privileges, files by Landlock (if the kernel has it),
 * system calls by seccomp. Calls of a compromised program (exec, ptrace, a network socket) kill the process;
 * other calls fail with EPERM. Create threads only after this call; call it once.
 *
 * @return 0, or a negative errno with the reason when the system calls could not be restricted; then nothing
 *         must be read
 */
int sandbox_enter(enum sandbox_kind kind, struct error *reterr);

/** @return true when sandbox_enter() is effective in this build */
bool sandbox_is_built(void);
