#include "protocol/os/child.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void send_kill(void *user, pid_t child)
{
	(void)user;
	kill(child, SIGKILL);
}

int child_end(pid_t child, int64_t grace_ns)
{
	return child_end_by(child, grace_ns, NULL, NULL);
}

int child_end_by(pid_t child, int64_t grace_ns, void (*end)(void *user, pid_t child), void *user)
{
	const int64_t until_ns = clock_now_ns() + grace_ns;
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (clock_now_ns() >= until_ns) {
			(end ? end : send_kill)(user, child);
			while (waitpid(child, &status, 0) < 0 && errno == EINTR)
				continue;
			break;
		}
		clock_nanosleep(
			CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
	}
	return status;
}

pid_t child_parent(pid_t process)
{
	char path[40], line[200];
	long parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", process);
	file = fopen(path, "re");
	while (file && !parent && fgets(line, sizeof(line), file))
		if (strncmp(line, "PPid:", 5) == 0)
			parent = strtol(line + 5, NULL, 10);
	if (file)
		fclose(file);
	return (pid_t)parent;
}
