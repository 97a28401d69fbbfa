/*
 * uxrec-worker MEMORY CPU ROLE LIBRARY: does one request of a page, and ends. Started by uxrec-server; the
 * request is a record on the socket that is its stdin, and so are its answers. Before it reads anything it gives up all
 * rights but to read LIBRARY, and is left with MEMORY bytes of data and CPU seconds.
 */

#include "daemon/worker/handlers.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/io.h"
#include "protocol/reply.h"
#include "protocol/wire.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define SOCKET_FD   0
#define PROGRESS_NS (250 * NS_PER_MS)

struct progress {
	uint64_t request;
	int64_t next_ns;
};

static int answer(struct packet *packet)
{
	int r = packet ? io_write_all(SOCKET_FD, packet->record, packet->size_bytes) : -ENOMEM;

	packet_unref(packet);
	return r;
}

static void report_progress(void *user, size_t done, size_t total)
{
	struct progress *progress = user;
	Uxrec__Progress message = UXREC__PROGRESS__INIT;

	if (clock_now_ns() < progress->next_ns)
		return;
	progress->next_ns = clock_now_ns() + PROGRESS_NS;
	message.done = (uint32_t)done;
	message.total = (uint32_t)total;
	answer(reply_packet(progress->request, &message.base));
}

#define HANDLER(name) [UXREC__CLIENT_MESSAGE__BODY_##name]

/* of the kinds that requests[] has for the worker */
static work_fn *const handlers[] = {
	HANDLER(GET_METRICS) = work_metrics,
	HANDLER(EXPORT_SESSION) = work_export,
};

static struct packet *do_request(
	const char *library, bool moderator, const Uxrec__ClientMessage *asked)
{
	size_t kind = asked->body_case;
	work_fn *handler = kind < ARRAY_SIZE(handlers) ? handlers[kind] : NULL;
	struct progress progress = {asked->request, clock_now_ns() + PROGRESS_NS};
	const struct work_context context = {library, moderator, report_progress, &progress};
	struct error error = {"the request failed"};
	struct packet *packet;
	int r = handler ? handler(&context, asked, &packet, &error)
			: error_set(&error, -ENOSYS, "not work");

	return r < 0 ? reply_failure(asked->request, r, error.text) : packet;
}

/* A machine without memory ends this process before any other; and it ends with the server that started it. */
static void end_first(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "we");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!file)
		return;
	fputs("1000", file);
	fclose(file);
}

int main(int argc, char **argv)
{
	struct jail_reader reader = {.answer_fd = SOCKET_FD};
	ProtobufCMessage *message;
	struct error error;
	int r;

	if (argc != 5) {
		fprintf(stderr, "uxrec-worker is started by uxrec-server\n");
		return 2;
	}
	descriptors_raise();
	end_first();
	reader.memory_bytes = strtoull(argv[1], NULL, 10);
	reader.cpu_s = (unsigned)strtoul(argv[2], NULL, 10);
	reader.folder = argv[4];
	r = jail_enter_reader(&reader, &error);
	if (r < 0) {
		log_error("worker: %s", error.text);
		return 3;
	}
	r = wire_receive(
		SOCKET_FD, &uxrec__client_message__descriptor, WIRE_MESSAGE_LIMIT_BYTES, &message);
	if (r < 0)
		return 3;
	return answer(do_request(reader.folder, strcmp(argv[3], "moderator") == 0,
		       (Uxrec__ClientMessage *)message)) < 0
		? 3
		: 0;
}
