#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>

/*
 * Inside uxrec-inputd: what this process gives up for good before it reads the first key. Under the
 * sanitizers, which need what is given up, nothing is.
 */

enum sandbox_kind {
	SANDBOX_EVDEV, /* opens devices, and files of udev, logind and the configuration, to read */
	SANDBOX_X11,   /* is connected already: no file, no socket is opened any more */
};

/**
 * No core dump, and no other process of the same user, can take what is in the memory. To be called
 * first in main().
 */
void sandbox_hide_memory(void);

/**
 * Give up all that reading input does not need: new privileges, files by Landlock (where the kernel has
 * it), system calls by seccomp. What a program that was taken over would do (start another, debug one,
 * open a network socket) ends the process; other calls fail with EPERM. Threads may be made afterwards,
 * but none before; it is called once.
 *
 * @return 0, or a negative errno with the reason when system calls could not be given up; then nothing
 *         must be read
 */
int sandbox_enter(enum sandbox_kind kind, struct error *reterr);

/** Whether sandbox_enter() does anything in this build. */
bool sandbox_is_built(void);
