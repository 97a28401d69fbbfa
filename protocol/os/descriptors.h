#pragma once

#include <sys/types.h>

/*
 * How many descriptors a process may have. The usual soft limit, 1024, is for programs that call select(2);
 * ours do not, and a library with long sessions needs more. The hard limit is the administrator's.
 */

/** Raise the soft limit of this process to its hard limit, but not beyond 65,536. Call it at the start. */
void descriptors_raise(void);

/**
 * Give a process the soft limit that this one had before descriptors_raise(): programs of others may use
 * select(2), or go through all descriptors that they could have.
 *
 * @param pid  a child; 0: this process, before it becomes or starts another program
 */
void descriptors_restore(pid_t pid);
