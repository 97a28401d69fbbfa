#include "tests/harness/sway.h"

#include "protocol/base/io.h"
#include "tests/harness/helpers.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* sway-ipc(7): a magic, the length of what follows, its type */
#define MAGIC       "i3-ipc"
#define MAGIC_BYTES 6

struct head {
	char magic[MAGIC_BYTES];
	uint32_t length, type;
} __attribute__((packed));

int sway_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	check(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

void sway_do(int fd, const char *command)
{
	struct head head = {.length = (uint32_t)strlen(command)};
	char answer[1024];

	memcpy(head.magic, MAGIC, MAGIC_BYTES);
	check(io_write_all(fd, &head, sizeof(head)) == 0 &&
		io_write_all(fd, command, head.length) == 0);
	check(recv(fd, &head, sizeof(head), MSG_WAITALL) == sizeof(head));
	check(head.length < sizeof(answer) &&
		recv(fd, answer, head.length, MSG_WAITALL) == (ssize_t)head.length);
}
