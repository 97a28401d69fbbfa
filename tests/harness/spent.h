#pragma once

#include <stdint.h>
#include <sys/types.h>

/**
 * CPU time of a process and all its descendants, in ns: live processes to the nanosecond, exited children with the
 * resolution of /proc/PID/stat. 0 without such a process.
 */
int64_t cpu_spent_ns(pid_t pid);
