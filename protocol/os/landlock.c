#include "protocol/os/landlock.h"

#include "protocol/base/cleanup.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights by Landlock ABI version; Debian 12's headers know only the first two. */
#define FS_RIGHTS_1  ((UINT64_C(1) << 13) - 1)
#define FS_REFER     (UINT64_C(1) << 13)
#define FS_TRUNCATE  (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_TCP      UINT64_C(3)
#define SCOPE_ALL    UINT64_C(3) /* abstract sockets and signals to processes outside */
#define READING      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

struct ruleset {
	uint64_t files, net, scoped;
};

/* Fill in the rights known to an ABI version. @return the size of the structure for that version: unknown
 * fields must be left out */
static size_t describe_ruleset(struct ruleset *rules, long version)
{
	*rules = (struct ruleset){.files = FS_RIGHTS_1};
	if (version >= 2)
		rules->files |= FS_REFER;
	if (version >= 3)
		rules->files |= FS_TRUNCATE;
	if (version >= 4)
		rules->net = NET_TCP;
	if (version >= 5)
		rules->files |= FS_IOCTL_DEV;
	if (version >= 6)
		rules->scoped = SCOPE_ALL;
	return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static void allow_below(int rules_fd, const char *path, uint64_t rights)
{
	_autoclose_ int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
	struct stat status;

	/* a list of folders is no right to a file */
	if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
		rule.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
	if (fd >= 0)
		syscall(SYS_landlock_add_rule, rules_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

bool landlock_enter(const struct landlock_folder *folders, size_t count)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	_autoclose_ int rules_fd = -1;
	struct ruleset rules;
	size_t size;

	if (version < 1)
		return false;
	size = describe_ruleset(&rules, version);
	rules_fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (rules_fd < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		allow_below(rules_fd, folders[i].path,
			READING |
				(folders[i].right == LANDLOCK_READS_DEVICES
						? rules.files & FS_IOCTL_DEV
						: 0) |
				(folders[i].right == LANDLOCK_EXECUTES ? LANDLOCK_ACCESS_FS_EXECUTE
								       : 0));
	return syscall(SYS_landlock_restrict_self, rules_fd, 0) == 0;
}
