#include "tests/harness/spent.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES 4096

struct process {
	pid_t pid, parent;
	int64_t ended_ns; /* CPU time of its exited children */
};

static bool look_at(struct process *process, const char *name)
{
	long long user, system;
	char path[64], text[1024], *end;
	_autoclose_ int fd = -1;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (size < 0)
		return false;
	text[size] = '\0';
	end = strrchr(text, ')');
	if (!end ||
		sscanf(end, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lld %lld",
			&process->parent, &user, &system) != 3)
		return false;
	process->pid = atoi(name);
	process->ended_ns = (user + system) * NS_PER_S / sysconf(_SC_CLK_TCK);
	return true;
}

static int64_t own_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 ? clock_read_ns(clock) : 0;
}

static int64_t sum(const struct process *processes, size_t count, pid_t pid)
{
	int64_t all_ns = 0;

	for (size_t i = 0; i < count; i++)
		if (processes[i].pid == pid)
			all_ns += own_ns(pid) + processes[i].ended_ns;
		else if (processes[i].parent == pid)
			all_ns += sum(processes, count, processes[i].pid);
	return all_ns;
}

int64_t cpu_spent_ns(pid_t pid)
{
	static struct process processes[PROCESSES];
	struct dirent *entry;
	size_t count = 0;
	DIR *folder = opendir("/proc");

	if (!folder)
		return 0;
	while (count < PROCESSES && (entry = readdir(folder)))
		if (atoi(entry->d_name) > 0 && look_at(&processes[count], entry->d_name))
			count++;
	closedir(folder);
	return sum(processes, count, pid);
}
