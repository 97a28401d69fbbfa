#include "daemon/station/control.h"

#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/os/io.h"
#include "protocol/os/local.h"
#include "protocol/reply.h"
#include "protocol/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CONNECTIONS_LIMIT 32

struct connection {
	struct control *control;
	struct connection *next;
	sd_event_source *event;
	int fd;
	struct buf received;
	struct command *command; /* without an answer yet: no other is read; NULL: none */
	bool serving;            /* serve() is running */
	bool failed;             /* the peer is gone or sends nonsense */
};

/* a request to the station; outlives a closed connection */
struct command {
	struct station_request request;
	struct control *control;
	struct connection *connection; /* NULL: closed */
	Uxrec__ClientMessage *message;
};

struct control {
	sd_event *event;
	sd_event_source *listening;
	int fd;
	char *path;
	struct control_options options;
	struct connection *connections;
	unsigned count;
	int spare; /* spare file descriptor, closed to accept a connection when out of others */
};

static void keep_spare(struct control *control)
{
	if (control->spare < 0)
		control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void close_connection(struct connection *connection)
{
	struct connection **link = &connection->control->connections;

	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	connection->control->count--;
	if (connection->command)
		connection->command->connection = NULL;
	sd_event_source_unref(connection->event);
	close(connection->fd);
	buf_finish(&connection->received);
	keep_spare(connection->control);
	free(connection);
}

static struct packet *answer_with_link(struct control *control, const Uxrec__ClientMessage *asked)
{
	Uxrec__PageLink page_link = UXREC__PAGE_LINK__INIT;
	char link[CONTROL_LINK_BYTES];
	struct error error;
	int r = control->options.make_link(
		control->options.user, asked->open_page->page, link, &error);

	if (r < 0)
		return reply_failure(asked->request, r, error.text);
	page_link.link = link;
	return reply_packet(asked->request, &page_link.base);
}

static struct packet *answer_with_links(struct control *control, const Uxrec__ClientMessage *asked)
{
	struct keyring *keyring = control->options.keyring;
	Uxrec__LinkList *list;
	struct packet *packet;
	struct error error;
	int r = 0;

	if (asked->body_case == UXREC__CLIENT_MESSAGE__BODY_REVOKE_LINKS)
		r = keyring_revoke(keyring, asked->revoke_links->which, &error);
	if (r < 0)
		return reply_failure(asked->request, r, error.text);
	if (keyring_list(keyring, &list) < 0)
		return NULL;
	packet = reply_packet(asked->request, &list->base);
	uxrec__link_list__free_unpacked(list, NULL);
	return packet;
}

static void send_answer(struct connection *connection, struct packet *packet)
{
	if (!packet || io_write_all(connection->fd, packet->record, packet->size_bytes) < 0)
		connection->failed = true;
	packet_unref(packet);
}

static void serve(struct connection *connection);

static void command_free(struct command *command)
{
	uxrec__client_message__free_unpacked(command->message, NULL);
	free(command);
}

static void on_answered(struct station_request *request, struct packet *answer, bool changed)
{
	struct command *command = (struct command *)request;
	struct connection *connection = command->connection;
	struct control *control = command->control;

	if (connection) {
		connection->command = NULL;
		send_answer(connection, answer);
	} else {
		packet_unref(answer);
	}
	if (changed)
		control->options.changed(control->options.user, command->message);
	command_free(command);
	if (connection && !connection->serving)
		serve(connection);
}

/* @param message  ownership passes to the callee */
static void handle_request(struct connection *connection, Uxrec__ClientMessage *message)
{
	struct control *control = connection->control;
	struct command *command = calloc(1, sizeof(*command));

	if (!command) {
		uxrec__client_message__free_unpacked(message, NULL);
		connection->failed = true;
		return;
	}
	*command = (struct command){
		.request = {.message = message,
			.principal = control->options.principal,
			.answered = on_answered},
		.control = control,
		.connection = connection,
		.message = message,
	};
	connection->command = command;
	station_handle(control->options.station, &command->request);
}

/* @param message  ownership passes to the callee */
static void handle_message(struct connection *connection, Uxrec__ClientMessage *message)
{
	struct control *control = connection->control;

	switch (message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_OPEN_PAGE:
		send_answer(connection, answer_with_link(control, message));
		break;
	case UXREC__CLIENT_MESSAGE__BODY_LIST_LINKS:
	case UXREC__CLIENT_MESSAGE__BODY_REVOKE_LINKS:
		send_answer(connection, answer_with_links(control, message));
		break;
	default: handle_request(connection, message); return;
	}
	uxrec__client_message__free_unpacked(message, NULL);
}

static void handle_frame(struct connection *connection, struct view frame)
{
	ProtobufCMessage *parsed;
	struct error error;
	int r = wire_parse(frame, &uxrec__client_message__descriptor, &parsed, &error);

	if (r < 0 && r != -EILSEQ) {
		connection->failed = true;
		return;
	}
	if (r == 0) {
		r = names_normalise(parsed, &error);
		if (r < 0)
			protobuf_c_message_free_unpacked(parsed, NULL);
	}
	if (r < 0)
		send_answer(connection, reply_failure(wire_request(frame), r, error.text));
	else
		handle_message(connection, (Uxrec__ClientMessage *)parsed);
}

/* Handle the received frames, until one has to wait for its answer. */
static void serve(struct connection *connection)
{
	struct buf *received = &connection->received;
	int64_t size = 0;

	connection->serving = true;
	while (!connection->failed && !connection->command &&
		(size = wire_frame_size((struct view){received->data, received->size_bytes, 0},
			 WIRE_MESSAGE_LIMIT_BYTES)) > 0) {
		handle_frame(connection, (struct view){received->data, (size_t)size, 0});
		received->size_bytes -= (size_t)size;
		memmove(received->data, received->data + size, received->size_bytes);
	}
	connection->serving = false;
	if (size < 0 || connection->failed)
		close_connection(connection);
	else
		sd_event_source_set_enabled(
			connection->event, connection->command ? SD_EVENT_OFF : SD_EVENT_ON);
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct connection *connection = user;
	unsigned char *at = buf_reserve(&connection->received, 65536);
	ssize_t n = at ? read(fd, at, 65536) : -1;

	(void)source;
	(void)events;
	if (n <= 0) {
		close_connection(connection);
		return 0;
	}
	connection->received.size_bytes += (size_t)n;
	serve(connection);
	return 0;
}

/* Commands take milliseconds: the oldest connection has had its time. */
static void close_oldest(struct control *control)
{
	struct connection *oldest = control->connections;

	while (oldest && oldest->next)
		oldest = oldest->next;
	if (oldest)
		close_connection(oldest);
}

/* Accept a connection; the spare file descriptor guarantees one even when the program is out of descriptors. */
static int accept_connection(struct control *control, int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		if (control->spare >= 0) {
			close(control->spare);
			control->spare = -1;
			fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		} else {
			close_oldest(control);
		}
	}
	return fd;
}

static int on_connection(sd_event_source *source, int listening, uint32_t events, void *user)
{
	struct control *control = user;
	struct timeval patience = {.tv_sec = 1};
	struct connection *connection;
	int fd = accept_connection(control, listening);

	(void)source;
	(void)events;
	if (fd < 0)
		return 0;
	connection = calloc(1, sizeof(*connection));
	if (!connection || local_check_peer(fd, NULL) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		sd_event_add_io(control->event, &connection->event, fd, EPOLLIN, on_message,
			connection) < 0) {
		free(connection);
		close(fd);
		keep_spare(control);
		return 0;
	}
	if (control->count >= CONNECTIONS_LIMIT)
		close_oldest(control);
	connection->control = control;
	connection->fd = fd;
	connection->next = control->connections;
	control->connections = connection;
	control->count++;
	return 0;
}

/* Remove the socket of a killed recorder: connections to it are refused. */
static int remove_stale(const struct sockaddr_un *address, struct error *reterr)
{
	_autoclose_ int fd = -1;
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return error_set(reterr, -EEXIST,
			"control socket %s: the path exists and is not a socket; choose another "
			"with --control",
			address->sun_path);
	if (status.st_uid != geteuid())
		return error_set(reterr, -EPERM,
			"control socket %s: it belongs to user %u; choose another with --control",
			address->sun_path, status.st_uid);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(reterr, -errno, "cannot create a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return error_set(reterr, -EADDRINUSE,
			"another uxrecd already listens on %s: stop it, or choose another socket "
			"with --control",
			address->sun_path);
	if (errno == ECONNREFUSED)
		unlink(address->sun_path);
	return 0;
}

static int listen_on(struct control *control, struct error *reterr)
{
	struct sockaddr_un address;
	struct error why = {""};
	int r = local_address(&address, control->path, &why);

	if (r == 0)
		r = local_make_folder(control->path, &why);
	if (r < 0)
		return error_set(reterr, r, "control socket: %s", why.text);
	r = remove_stale(&address, reterr);
	if (r < 0)
		return r;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0 ||
		bind(control->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(control->fd, 16) < 0)
		return error_set(
			reterr, -errno, "control socket %s: %s", control->path, strerror(errno));
	r = sd_event_add_io(
		control->event, &control->listening, control->fd, EPOLLIN, on_connection, control);
	return r < 0 ? error_set(reterr, r, "control socket: %s", strerror(-r)) : 0;
}

int control_create(struct control **ret, sd_event *event, const struct control_options *options,
	struct error *reterr)
{
	_destroy_(control) struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_set(reterr, -ENOMEM, "out of memory");
	control->fd = control->spare = -1;
	keep_spare(control);
	control->event = event;
	control->options = *options;
	control->path = strdup(options->path);
	r = control->path ? listen_on(control, reterr) : -ENOMEM;
	if (r < 0)
		return r;
	*ret = steal_ptr(control);
	return 0;
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	while (control->connections)
		close_connection(control->connections);
	if (control->spare >= 0)
		close(control->spare);
	sd_event_source_unref(control->listening);
	if (control->fd >= 0)
		close(control->fd);
	if (control->listening)
		unlink(control->path);
	free(control->path);
	free(control);
}
