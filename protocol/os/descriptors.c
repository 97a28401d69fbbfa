#include "protocol/os/descriptors.h"

#include <stddef.h>
#include <sys/resource.h>

/* a session of 1000 segments takes 3000; limits the size of tables indexed by descriptor */
#define DESCRIPTORS_LIMIT 65536

/* limits before raising; set once, at startup */
static struct rlimit original;

void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (original.rlim_max == 0)
		original = limit;
	if (limit.rlim_cur >= DESCRIPTORS_LIMIT)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_LIMIT ? limit.rlim_max : DESCRIPTORS_LIMIT;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void descriptors_restore(pid_t pid)
{
	struct rlimit limit;

	if (original.rlim_max == 0 || prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return;
	if (limit.rlim_cur <= original.rlim_cur)
		return;
	limit.rlim_cur = original.rlim_cur;
	prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}
