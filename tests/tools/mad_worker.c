/*
 * Stands in for uxrec-worker, with its arguments. Its fault is the last part of LIBRARY's path, or, for "library", the
 * study of the request. Attempts at rights and memory come after it has given them up as uxrec-worker does.
 */

#include "protocol/base/clock.h"
#include "protocol/base/error.h"
#include "protocol/reply.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(uint64_t request, const ProtobufCMessage *body)
{
	struct packet *packet = reply_packet(request, body);

	if (packet && write(0, packet->record, packet->size_bytes) < 0)
		_exit(9);
	packet_unref(packet);
}

static void say_metrics(uint64_t request)
{
	Uxrec__Metrics metrics = UXREC__METRICS__INIT;

	say(request, &metrics.base);
}

/* Answers with the names of the attempts that succeeded. */
static void try_all(uint64_t request, const char *library)
{
	Uxrec__Metrics metrics = UXREC__METRICS__INIT;
	char path[4096], done[200] = "";

	snprintf(path, sizeof(path), "%s/written", library);
	if (open(path, O_WRONLY | O_CREAT, 0600) >= 0)
		strcat(done, " wrote");
	if (open("/tmp/uxrec-mad-worker", O_RDWR | O_CREAT, 0600) >= 0)
		strcat(done, " wrote-elsewhere");
	if (open("/etc/passwd", O_RDONLY) >= 0)
		strcat(done, " read-elsewhere");
	if (open(library, O_RDONLY | O_DIRECTORY) < 0)
		strcat(done, " cannot-read");
	if (mkdir(path, 0700) == 0)
		strcat(done, " made");
	if (unlink(path) == 0)
		strcat(done, " removed");
	if (kill(getppid(), 0) == 0)
		strcat(done, " signalled");
	metrics.study = done;
	say(request, &metrics.base);
}

static void eat_memory(void)
{
	for (;;) {
		char *block = malloc(1 << 20);

		if (!block)
			_exit(7);
		memset(block, 1, 1 << 20);
	}
}

int main(int argc, char **argv)
{
	const char *fault = argc == 5 && strrchr(argv[4], '/') ? strrchr(argv[4], '/') + 1 : "";
	struct jail_reader reader = {.answer_fd = 0};
	struct error error;
	ProtobufCMessage *message;
	uint64_t request;

	if (strcmp(fault, "exits") == 0)
		return 5;
	if (strcmp(fault, "deaf") == 0)
		pause();
	reader.folder = argv[4];
	reader.memory_bytes = strtoull(argv[1], NULL, 10);
	reader.cpu_s = (unsigned)atoi(argv[2]);
	if (jail_enter_reader(&reader, &error) < 0 ||
		wire_receive(0, &uxrec__client_message__descriptor, 1 << 20, &message) < 0)
		return 8;
	request = ((Uxrec__ClientMessage *)message)->request;
	if (*((Uxrec__ClientMessage *)message)->get_metrics->study && strcmp(fault, "library") == 0)
		fault = ((Uxrec__ClientMessage *)message)->get_metrics->study;
	if (strcmp(fault, "tries") == 0) {
		try_all(request, argv[4]);
	} else if (strcmp(fault, "connects") == 0) {
		if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
			say_metrics(request);
	} else if (strcmp(fault, "starts") == 0) {
		if (execl("/bin/true", "true", NULL) < 0)
			say_metrics(request);
	} else if (strcmp(fault, "memory") == 0) {
		eat_memory();
	} else if (strcmp(fault, "spins") == 0) {
		for (volatile unsigned i = 0;; i++)
			;
	} else if (strcmp(fault, "sleeps") == 0) {
		for (;;)
			nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	} else if (strcmp(fault, "crashes") == 0) {
		abort();
	} else if (strcmp(fault, "nonsense") == 0) {
		if (write(0, "this is no record of anything at all", 36) < 0)
			return 9;
	} else if (strcmp(fault, "other-request") == 0) {
		say_metrics(request + 1);
	} else if (strcmp(fault, "other-answer") == 0) {
		Uxrec__Welcome welcome = UXREC__WELCOME__INIT;

		say(request, &welcome.base);
	} else if (strcmp(fault, "too-much") == 0) {
		static const char head[] = {(char)0x80, 0, 0, 0, 0, 1, 0, 0, 0};

		if (write(0, head, sizeof(head)) < 0)
			return 9;
		sleep(60);
	} else if (strcmp(fault, "chatters") == 0) {
		Uxrec__Progress progress = UXREC__PROGRESS__INIT;

		for (int i = 0; i < 20000; i++)
			say(request, &progress.base);
		say_metrics(request);
	} else if (strcmp(fault, "half") == 0) {
		static const char head[] = {(char)0x80, 100, 0, 0, 0, 0, 0, 0, 0, 8, 1};

		if (write(0, head, sizeof(head)) < 0)
			return 9;
	} else {
		Uxrec__Progress progress = UXREC__PROGRESS__INIT;

		progress.done = 1;
		progress.total = 2;
		say(request, &progress.base);
		say_metrics(request);
	}
	return 0;
}
