#pragma once

#include <sys/types.h>

/*
 * Limit of file descriptors. The usual soft limit, 1024, is for programs that call select(2); ours do not,
 * and a library with long sessions needs more. The hard limit is the administrator's.
 */

/** Raise the soft limit of this process to its hard limit, but not beyond 65,536. Call at startup. */
void descriptors_raise(void);

/**
 * Restore in a process the soft limit from before descriptors_raise(): foreign programs may use select(2), or
 * iterate over all possible descriptors.
 *
 * @param pid  a child; 0: this process, before it executes or starts another program
 */
void descriptors_restore(pid_t pid);
