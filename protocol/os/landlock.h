#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Right of a process below a folder, or to one file. */
enum landlock_right {
	LANDLOCK_READS,         /* files and lists of folders */
	LANDLOCK_READS_DEVICES, /* and ioctl(2) of devices */
	LANDLOCK_EXECUTES,      /* and programs, with their libraries */
};

struct landlock_folder {
	const char *path; /* a missing one, or NULL, is neither allowed nor needed */
	enum landlock_right right;
};

/**
 * Deny this process and its children all other files, connections by TCP, and signals and abstract sockets of processes
 * outside, as far as the kernel knows them: landlock(7). Needs PR_SET_NO_NEW_PRIVS. For good.
 *
 * @return false on a kernel without Landlock: nothing is denied
 */
bool landlock_enter(const struct landlock_folder *folders, size_t count);
