#include "tests/harness/screens/wayland_pointer.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "tests/harness/helpers.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MANAGER "zwlr_virtual_pointer_manager_v1"

/* object ids; 1 is the display */
enum {
	DISPLAY = 1,
	REGISTRY,
	VIRTUAL_POINTERS,
	POINTER,
};

#define DISPLAY_GET_REGISTRY    1
#define REGISTRY_BIND           0
#define REGISTRY_GLOBAL         0 /* an event */
#define CREATE_POINTER          0
#define POINTER_MOTION_ABSOLUTE 1
#define POINTER_FRAME           4
#define WORDS                   256

static void send_words(
	int fd, uint32_t object, uint32_t opcode, const uint32_t *words, size_t count)
{
	uint32_t message[32] = {object, (uint32_t)(count + 2) * 4 << 16 | opcode};

	check(count + 2 <= ARRAY_SIZE(message));
	for (size_t i = 0; i < count; i++)
		message[2 + i] = words[i];
	check(io_write_all(fd, message, (count + 2) * 4) == 0);
}

/* @return the number of words after the header */
static size_t receive(
	int fd, uint32_t *ret_object, uint32_t *ret_opcode, uint32_t words[static WORDS])
{
	uint32_t head[2];
	size_t size;

	check(recv(fd, head, sizeof(head), MSG_WAITALL) == sizeof(head));
	size = (head[1] >> 16) - sizeof(head);
	check(size <= WORDS * 4 &&
		(size == 0 || recv(fd, words, size, MSG_WAITALL) == (ssize_t)size));
	*ret_object = head[0];
	*ret_opcode = head[1] & 0xffff;
	return size / 4;
}

static uint32_t find_manager(int fd)
{
	for (;;) {
		uint32_t object, opcode, words[WORDS];
		size_t count = receive(fd, &object, &opcode, words);

		/* arguments: id, length of the interface name, the name */
		if (object == REGISTRY && opcode == REGISTRY_GLOBAL && count > 2 &&
			words[1] == sizeof(MANAGER) &&
			memcmp(&words[2], MANAGER, sizeof(MANAGER)) == 0)
			return words[0];
	}
}

int wayland_pointer_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t bind[3 + (sizeof(MANAGER) + 3) / 4 + 1] = {0, sizeof(MANAGER)};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", getenv("XDG_RUNTIME_DIR"),
		getenv("WAYLAND_DISPLAY"));
	check(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	send_words(fd, DISPLAY, DISPLAY_GET_REGISTRY, (const uint32_t[]){REGISTRY}, 1);
	bind[0] = find_manager(fd);
	memcpy(&bind[2], MANAGER, sizeof(MANAGER));
	bind[ARRAY_SIZE(bind) - 2] = 1;
	bind[ARRAY_SIZE(bind) - 1] = VIRTUAL_POINTERS;
	send_words(fd, REGISTRY, REGISTRY_BIND, bind, ARRAY_SIZE(bind));
	send_words(fd, VIRTUAL_POINTERS, CREATE_POINTER, (const uint32_t[]){0, POINTER}, 2);
	return fd;
}

void wayland_pointer_move(int fd, int x, int y, int width, int height)
{
	uint32_t now_ms = (uint32_t)(clock_now_ns() / NS_PER_MS);
	char ignored[1024];

	send_words(fd, POINTER, POINTER_MOTION_ABSOLUTE,
		(const uint32_t[]){
			now_ms, (uint32_t)x, (uint32_t)y, (uint32_t)width, (uint32_t)height},
		5);
	send_words(fd, POINTER, POINTER_FRAME, NULL, 0);
	while (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) > 0)
		;
}
