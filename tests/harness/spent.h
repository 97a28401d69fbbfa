#pragma once

#include <stdint.h>
#include <sys/types.h>

/**
 * CPU time that a process and all that it has started have taken, in ns: the living to the nanosecond,
 * children that have ended as /proc/PID/stat has them. 0 when there is no such process.
 */
int64_t cpu_spent_ns(pid_t pid);
