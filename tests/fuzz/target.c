#include "tests/fuzz/target.h"

#include "protocol/os/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *fuzz_file(const char *suffix, const uint8_t *data, size_t size)
{
	static char name[128];
	int fd;

	snprintf(name, sizeof(name), "/dev/shm/uxrec-fuzz-%d%s", (int)getpid(), suffix);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, data, size) < 0)
		abort();
	close(fd);
	return name;
}
