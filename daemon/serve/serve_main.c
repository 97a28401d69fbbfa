/*
 * uxrec-server: serves the pages, the stream of the running session, and the sessions of a library. Started by uxrecd
 * and uxrec-play, who own the sessions; its stdin is a socket to them, its feed. It is the only
 * program that browsers reach, and is not trusted: see daemon/access/access.h and rights.h.
 */

#include "daemon/library/library.h"
#include "daemon/net/server.h"
#include "daemon/serve/owner.h"
#include "daemon/serve/rights.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/constants.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/signals.h"
#include "daemon/access/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct serving {
	struct owner *owner;
	struct stream stream;
	struct hosts hosts;
	struct library *library;
	struct server *server;
};

/* ---- to the owner: the server's thread ---- */

static void admit(void *user, uint64_t connection, const Uxrec__Hello *hello)
{
	struct serving *serving = user;
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__Admit asked = UXREC__FROM_SERVER__ADMIT__INIT;

	asked.connection = connection;
	asked.hello = (Uxrec__Hello *)hello;
	message.body_case = UXREC__FROM_SERVER__BODY_ADMIT;
	message.admit = &asked;
	owner_send(serving->owner, &message);
}

static void left(void *user, uint64_t connection)
{
	struct serving *serving = user;
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__Left body = UXREC__FROM_SERVER__LEFT__INIT;

	body.connection = connection;
	message.body_case = UXREC__FROM_SERVER__BODY_LEFT;
	message.left = &body;
	owner_send(serving->owner, &message);
}

static void watch(void *user, uint64_t connection, uint32_t epoch, bool needs_keyframe)
{
	struct serving *serving = user;
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__Watch body = UXREC__FROM_SERVER__WATCH__INIT;

	body.connection = connection;
	body.epoch = epoch;
	body.keyframe = needs_keyframe;
	message.body_case = UXREC__FROM_SERVER__BODY_WATCH;
	message.watch = &body;
	owner_send(serving->owner, &message);
}

static void pass_on(struct serving *serving, const struct peer *peer, Uxrec__ClientMessage *message)
{
	Uxrec__FromServer record = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__Request request = UXREC__FROM_SERVER__REQUEST__INIT;

	request.connection = peer->number;
	request.message = message;
	record.body_case = UXREC__FROM_SERVER__BODY_REQUEST;
	record.request = &request;
	owner_send(serving->owner, &record);
}

static void handle_message(void *user, struct peer *peer, Uxrec__ClientMessage *message)
{
	struct serving *serving = user;

	if (!request_is_passed_on(request_kind(message->body_case)->owner)) {
		library_handle(serving->library, peer, message);
		return;
	}
	pass_on(serving, peer, message);
	uxrec__client_message__free_unpacked(message, NULL);
}

static void send_alive(void *user)
{
	struct serving *serving = user;
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__Alive alive = UXREC__FROM_SERVER__ALIVE__INIT;

	message.body_case = UXREC__FROM_SERVER__BODY_ALIVE;
	message.alive = &alive;
	owner_send(serving->owner, &message);
}

/* It may send no signals. */
static void end_worker(void *user, pid_t worker)
{
	struct serving *serving = user;
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;
	Uxrec__FromServer__EndWorker body = UXREC__FROM_SERVER__END_WORKER__INIT;

	body.pid = (uint32_t)worker;
	message.body_case = UXREC__FROM_SERVER__BODY_END_WORKER;
	message.end_worker = &body;
	owner_send(serving->owner, &message);
}

static void drained(void *user)
{
	library_wake(((struct serving *)user)->library);
}

/* ---- from the owner: the main thread ---- */

static void take_packet(void *user, struct packet *packet)
{
	struct serving *serving = user;

	stream_publish(&serving->stream, packet);
	packet_unref(packet);
}

static void flush(void *user)
{
	struct serving *serving = user;

	server_wake(serving->server);
}

static void deliver(void *user, const Uxrec__ToServer__Next *next, struct packet *packet)
{
	struct serving *serving = user;
	const struct outlet *outlet = server_outlet(serving->server);
	const struct audience audience = {*next->session ? next->session : NULL, next->roles};

	if (next->broadcast)
		outlet->broadcast(outlet->user, &audience, packet, next->kind);
	else
		server_send_to(serving->server, next->connection, packet, next->kind);
}

static void take_admission(struct serving *serving, const Uxrec__ToServer__Admission *answer)
{
	struct admission admission = {.close_code = answer->close_code};
	struct principal *principal = &admission.principal;

	principal->role = answer->role;
	snprintf(principal->name, sizeof(principal->name), "%s", answer->name);
	snprintf(principal->id, sizeof(principal->id), "%s", answer->principal);
	snprintf(admission.reason, sizeof(admission.reason), "%s", answer->reason);
	snprintf(admission.key, sizeof(admission.key), "%s", answer->key);
	snprintf(admission.page_marker, sizeof(admission.page_marker), "%s", answer->page_marker);
	server_admit(serving->server, answer->connection, &admission);
}

static void take_message(void *user, const Uxrec__ToServer *message)
{
	struct serving *serving = user;

	switch (message->body_case) {
	case UXREC__TO_SERVER__BODY_STATE:
		if (stream_set_state(&serving->stream, message->state) < 0)
			log_error("server: out of memory: observers get no sound");
		break;
	case UXREC__TO_SERVER__BODY_BEGIN:
		stream_begin(&serving->stream, message->begin->epoch);
		break;
	case UXREC__TO_SERVER__BODY_COMPLETE:
		stream_complete(&serving->stream, message->complete->session_ns);
		break;
	case UXREC__TO_SERVER__BODY_ADMISSION: take_admission(serving, message->admission); break;
	case UXREC__TO_SERVER__BODY_FORGET:
		library_forget(serving->library, message->forget->session);
		break;
	case UXREC__TO_SERVER__BODY_CHECK: server_check(serving->server); break;
	default: break;
	}
}

/* ---- the process ---- */

/* It ends with its owner, and before the owner when memory is short. */
static void depend_on_owner(pid_t owner)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "we");

	if (file) {
		fputs("500", file);
		fclose(file);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != owner)
		_exit(0);
}

static const char *folder_or_null(const char *path)
{
	return *path ? path : NULL;
}

static int start(struct serving *serving, const Uxrec__ToServer__Setup *setup, int listening,
	struct error *reterr)
{
	const struct studies studies = {
		folder_or_null(setup->studies), folder_or_null(setup->examples)};
	const struct server_options options = {
		.listening = listening,
		.web = setup->web,
		.program = setup->program,
		.run = setup->run,
		.hosts = &serving->hosts,
		.stream = &serving->stream,
		.recorder = setup->recorder,
		.connections = setup->connections,
		.admit = admit,
		.left = left,
		.watch = watch,
		.handle_message = handle_message,
		.alive = send_alive,
		.user = serving,
	};
	int r;

	for (size_t i = 0; i < setup->n_hosts; i++)
		hosts_allow(&serving->hosts, setup->hosts[i]);
	if (stream_init(&serving->stream) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = rights_drop(&(struct rights){.library = setup->library,
				.studies = studies.folder,
				.examples = studies.examples,
				.web = setup->web,
				.worker = folder_or_null(setup->worker)},
		reterr);
	if (r == 0)
		r = library_create(
			&serving->library, setup->library, &studies, &serving->stream, reterr);
	if (r < 0)
		return r;
	library_set_worker(serving->library, folder_or_null(setup->worker), end_worker, serving);
	r = server_create(&serving->server, &options, reterr);
	if (r < 0)
		return r;
	server_on_drained(serving->server, drained, serving);
	library_set_outlet(serving->library, server_outlet(serving->server));
	return 0;
}

int main(int argc, char **argv)
{
	struct serving serving = {0};
	struct owner_handlers handlers = {take_packet, deliver, take_message, flush, &serving};
	struct error error = {"no reason given"};
	pid_t owner = getppid();
	Uxrec__ToServer *setup;
	int listening = -1, r;

	(void)argv;
	if (argc != 1 || isatty(STDIN_FILENO)) {
		fprintf(stderr, "uxrec-server is started by uxrecd and uxrec-play\n");
		return 2;
	}
	umask(077);
	signals_disable_core_dumps();
	descriptors_raise();
	signals_ignore_unused();
	/* its owner decides when it ends */
	signals_block_termination();
	depend_on_owner(owner);
	r = owner_create(&serving.owner, STDIN_FILENO, &setup, &listening, &error);
	if (r == 0 && setup->setup->wire != WIRE_VERSION)
		r = error_set(&error, -EPROTO, "uxrec-server is of another version than %s",
			setup->setup->program);
	if (r == 0)
		r = start(&serving, setup->setup, listening, &error);
	if (r == 0) {
		server_check(serving.server);
		r = owner_run(serving.owner, &handlers, &error);
	}
	if (r < 0)
		log_error("server: %s", error.text);
	/* its workers end; nothing is freed, as threads use it */
	library_stop(serving.library, clock_now_ns() + NS_PER_S / 2);
	_exit(r < 0 ? 3 : 0);
}
