#pragma once

#include <stdint.h>
#include <sys/types.h>

/**
 * Wait for the end of a child process, and end it by SIGKILL when it takes longer.
 *
 * @param child     of fork(2) or posix_spawn(3), not waited for yet
 * @param grace_ns  time in which it may end by itself; 0: none
 * @return its status, as of waitpid(2)
 */
int child_end(pid_t child, int64_t grace_ns);

/**
 * Likewise, for a process that may send no signals: @p end asks another one to send SIGKILL.
 *
 * @param end  NULL: as child_end()
 */
int child_end_by(pid_t child, int64_t grace_ns, void (*end)(void *user, pid_t child), void *user);

/** @return the parent of any process, 0 when there is none */
pid_t child_parent(pid_t process);
