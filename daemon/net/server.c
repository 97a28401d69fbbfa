#include "daemon/net/server_internal.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/*
 * libwebsockets does the polling, reading and writing of sockets. No byte from outside reaches its parsers of
 * HTTP, HTTP/2 and WebSockets: connections are adopted in its raw role, and server_http.c and server_frames.c
 * parse their input. Pitfalls of its version 4.1.6: only lws_cancel_service() may be called from other threads;
 * a connection is closed by -1 from its own callback, another one only by an expired timeout; while it buffers
 * a partial write it spins on input from the client, so reading must be off then.
 */
#define READ_BYTES (64 * 1024)

/* Rate of accept(); further connections wait in the kernel. */
static const struct rate_limit accepts_limit = {800, 256};
#define ACCEPTS_A_TURN 64

/* Limit of the total backlog of all peers until the server's thread bounds it. */
#define DELIVERIES_LIMIT_BYTES (128 * 1024 * 1024)

#define TICK_US               (100 * LWS_US_PER_MS)
#define DISCARDED_LIMIT_BYTES (256 * 1024)

/* the server, and its libwebsockets objects besides the context */
struct loop {
	struct server server; /* first */
	lws_sorted_usec_list_t timer;
};

static struct server *server_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* ---- entry points of other threads ---- */

void server_wake(struct server *server)
{
	lws_cancel_service(server->context);
}

void server_check(struct server *server)
{
	server->checked = true;
	server_wake(server);
}

static void drop_delivery(void *item)
{
	struct delivery *delivery = item;

	peer_unref(delivery->peer);
	packet_unref(delivery->packet);
	free(delivery->admission);
	free(delivery);
}

/* Takes over the delivery with its contents; NULL is allowed. */
static void deliver(struct server *server, struct delivery *delivery)
{
	size_t cost = delivery && delivery->packet ? packet_cost(delivery->packet) : 0;

	if (!delivery)
		return;
	server->queued_bytes += cost;
	if (delivery->peer)
		delivery->peer->queued_bytes += cost;
	if (queue_push(server->deliveries, delivery, 0, true) < 0) {
		server->queued_bytes -= cost;
		if (delivery->peer)
			delivery->peer->queued_bytes -= cost;
		drop_delivery(delivery);
	}
	server_wake(server);
}

/* Takes over the packet. @return NULL without memory */
static struct delivery *delivery_create(struct packet *packet, unsigned kind)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery) {
		packet_unref(packet);
		return NULL;
	}
	delivery->packet = packet;
	delivery->kind = kind;
	return delivery;
}

static void send_to_peer(void *user, struct peer *peer, struct packet *packet, unsigned kind)
{
	struct server *server = user;
	struct delivery *delivery;

	if (!peer->closed && server->queued_bytes > DELIVERIES_LIMIT_BYTES) {
		peer->overflowed = true;
		server_wake(server);
	}
	if (peer->closed || peer->overflowed) {
		packet_unref(packet);
		return;
	}
	delivery = delivery_create(packet, kind);
	if (delivery) {
		delivery->connection = peer->number;
		delivery->peer = peer_ref(peer);
	}
	deliver(server, delivery);
}

static void broadcast(
	void *user, const struct audience *audience, struct packet *packet, unsigned kind)
{
	struct server *server = user;
	struct delivery *delivery = delivery_create(packet, kind);

	if (delivery) {
		snprintf(delivery->session, sizeof(delivery->session), "%s",
			audience->session ? audience->session : "");
		delivery->roles = audience->roles;
	}
	deliver(server, delivery);
}

const struct outlet *server_outlet(struct server *server)
{
	return &server->outlet;
}

void server_send_to(
	struct server *server, uint64_t connection, struct packet *packet, unsigned kind)
{
	struct delivery *delivery = delivery_create(packet, kind);

	if (delivery)
		delivery->connection = connection;
	deliver(server, delivery);
}

void server_admit(struct server *server, uint64_t connection, const struct admission *admission)
{
	struct delivery *delivery = delivery_create(NULL, 0);

	if (!delivery)
		return;
	delivery->connection = connection;
	delivery->admission = malloc(sizeof(*admission));
	if (delivery->admission)
		*delivery->admission = *admission;
	deliver(server, delivery);
}

void server_on_drained(struct server *server, void (*drained)(void *user), void *user)
{
	server->drained = drained;
	server->drained_user = user;
}

/* ---- transport ---- */

void transport_want_write(struct client *client)
{
	lws_callback_on_writable(client->wsi);
}

bool transport_can_write(struct client *client)
{
	return !lws_send_pipe_choked(client->wsi);
}

int transport_write(struct client *client, const void *data, size_t size)
{
	if (lws_write(client->wsi, (unsigned char *)data, size, LWS_WRITE_RAW) < (int)size)
		return -1;
	if (lws_partial_buffered(client->wsi)) {
		lws_rx_flow_control(client->wsi, 0);
		transport_want_write(client);
	}
	return 0;
}

void transport_pause(struct client *client, bool pause)
{
	client->paused = pause;
	lws_rx_flow_control(client->wsi, !pause && !lws_partial_buffered(client->wsi));
}

void transport_half_close(struct client *client)
{
	if (!client->half_closed)
		shutdown(lws_get_socket_fd(client->wsi), SHUT_WR);
	client->half_closed = true;
}

void transport_kill(struct client *client)
{
	lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

bool transport_has_unread(struct client *client)
{
	int bytes = 0;

	return ioctl(lws_get_socket_fd(client->wsi), FIONREAD, &bytes) == 0 && bytes > 0;
}

void transport_accept_key(const char *key, char accept[ACCEPT_KEY_BYTES])
{
	char text[61];
	unsigned char digest[20];

	snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	lws_SHA1((unsigned char *)text, strlen(text), digest);
	/* without spare room it writes no terminating 0 byte */
	if (lws_b64_encode_string((char *)digest, sizeof(digest), accept, ACCEPT_KEY_BYTES) < 0)
		accept[0] = '\0';
}

/* ---- connections ---- */

static void tick(lws_sorted_usec_list_t *timer);

static void start_ticking(struct server *server)
{
	if (!server->ticking)
		lws_sul_schedule(
			server->context, 0, &((struct loop *)server)->timer, tick, TICK_US);
	server->ticking = true;
}

static void client_opened(struct server *server, struct client *client, struct lws *wsi)
{
	struct client **link = &server->clients;
	int low_water = 65536, on = 1, fd = lws_get_socket_fd(wsi);
	int64_t now_ns = clock_now_ns();

	*client = (struct client){.wsi = wsi,
		.number = ++server->connections,
		.since_ns = now_ns,
		.received_ns = now_ns,
		.moved_ns = now_ns};
	while (*link)
		link = &(*link)->next;
	*link = client;
	server->counts[CLIENT_REQUEST]++;
	/* otherwise the kernel buffers megabytes for a stalled one */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		log_debug("server: cannot set socket options: %s", strerror(errno));
	start_ticking(server);
}

static void client_closed(struct server *server, struct client *client)
{
	struct client **link = &server->clients;

	while (*link && *link != client)
		link = &(*link)->next;
	if (!*link)
		return;
	client_set_state(server, client, CLIENT_DEAD);
	server->counts[CLIENT_DEAD]--;
	*link = client->next;
	peer_unref(client->peer);
	packet_unref(client->sending);
	outbox_finish(&client->outbox);
	buf_finish(&client->message);
	buf_finish(&client->input);
}

static int received(struct server *server, struct client *client, unsigned char *data, size_t size)
{
	client->received_ns = clock_now_ns();
	switch (client->state) {
	case CLIENT_REPLY:
	case CLIENT_ENDING:
		if (client->state == CLIENT_REPLY && !client->last_reply)
			break;
		/* after a refusal or a close, discard: closing now would destroy the answer */
		client->discarded_bytes += size;
		if (client->discarded_bytes > DISCARDED_LIMIT_BYTES)
			transport_pause(client, true);
		return 0;
	case CLIENT_REQUEST:
		buf_put(&client->input, data, size);
		return buf_error(&client->input) < 0 ? -1 : http_receive(server, client);
	case CLIENT_SILENT:
	case CLIENT_PEER: return frames_receive(server, client, data, size);
	case CLIENT_ASKED:
	case CLIENT_QUEUED: break;
	default: return -1;
	}
	/* its turn has not come: at most the input read before pausing */
	buf_put(&client->input, data, size);
	return buf_error(&client->input);
}

static int writable(struct server *server, struct client *client)
{
	int r;

	if (!lws_partial_buffered(client->wsi))
		lws_rx_flow_control(client->wsi, !client->paused);
	if (client->state == CLIENT_REPLY)
		return http_send(server, client);
	r = peer_send(server, client);
	if (r == 0 && client->state == CLIENT_ENDING && !client->sending &&
		!client->control_out_bytes && !lws_partial_buffered(client->wsi))
		transport_half_close(client);
	return r;
}

static void decide(struct server *server, uint64_t connection, const struct admission *admission)
{
	struct client *client = server->clients;

	while (client && client->number != connection)
		client = client->next;
	if (client && peer_decide(server, client, admission) < 0)
		transport_kill(client);
}

static void woken(struct server *server)
{
	struct delivery *delivery;

	if (server->checked) {
		server->checked = false;
		server->options.alive(server->options.user);
	}
	while ((delivery = queue_pop(server->deliveries, 0))) {
		if (delivery->packet)
			peer_deliver(server, delivery);
		else if (delivery->admission)
			decide(server, delivery->connection, delivery->admission);
		drop_delivery(delivery);
	}
	places_bound_memory(server);
	for (struct client *client = server->clients; client; client = client->next)
		if (client->live)
			transport_want_write(client);
}

/* ---- accepting ---- */

static void set_accepting(struct server *server, bool listen)
{
	server->accept_paused = !listen;
	lws_rx_flow_control(server->listening, listen);
	if (!listen)
		start_ticking(server);
}

static void accept_one(struct server *server, int fd)
{
	const lws_sock_file_fd_type descriptor = {.sockfd = fd};

	places_before_accept(server);
	/* closes the descriptor on failure */
	if (!lws_adopt_descriptor_vhost(lws_get_vhost(server->listening), LWS_ADOPT_SOCKET,
		    descriptor, "uxrec.v1", NULL))
		log_debug("server: out of memory for a connection");
}

/* Accept at most a few per round, so that established connections get their turn. */
static void accept_some(struct server *server)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd;

		if (!rate_take(&server->accepts, &accepts_limit, 1, clock_now_ns())) {
			set_accepting(server, false);
			return;
		}
		fd = accept4(lws_get_socket_fd(server->listening), NULL, NULL,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			accept_one(server, fd);
			continue;
		}
		/* out of descriptors the socket stays readable: retry later */
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			set_accepting(server, false);
		return;
	}
}

/* ---- libwebsockets ---- */

static void tick(lws_sorted_usec_list_t *timer)
{
	struct server *server = &lws_container_of(timer, struct loop, timer)->server;

	server->ticking = false;
	if (server->accept_paused)
		set_accepting(server, true);
	people_tick(server, clock_now_ns());
	if (places_tick(server, clock_now_ns()))
		start_ticking(server);
}

static int listening_callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	(void)user;
	(void)in;
	(void)size;
	if (reason == LWS_CALLBACK_RAW_RX_FILE)
		accept_some(server_of(wsi));
	else if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED)
		woken(server_of(wsi));
	return 0;
}

static int client_callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	struct client *client = user;

	switch (reason) {
	case LWS_CALLBACK_RAW_ADOPT: client_opened(server_of(wsi), client, wsi); return 0;
	case LWS_CALLBACK_RAW_RX: return received(server_of(wsi), client, in, size);
	case LWS_CALLBACK_RAW_WRITEABLE:
		return client->state == CLIENT_DEAD ? -1 : writable(server_of(wsi), client);
	case LWS_CALLBACK_RAW_CLOSE: client_closed(server_of(wsi), client); return 0;
	default: return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "listening", .callback = listening_callback},
	{.name = "uxrec.v1",
		.callback = client_callback,
		.per_session_data_size = sizeof(struct client),
		.rx_buffer_size = READ_BYTES,
		.tx_packet_size = 1024 * 1024},
	{0},
};

static void log_lws(int level, const char *line)
{
	static struct log_limit limit;

	log_limited(&limit, LOG_LEVEL_DEBUG, "libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
	(void)level;
}

static void *server_thread(void *user)
{
	struct server *server = user;

	pthread_setname_np(pthread_self(), "uxrec-server");
	while (!server->stop && lws_service(server->context, 0) >= 0)
		;
	return NULL;
}

/* @return 0 or -errno; libwebsockets owns the socket in any case */
static int create_context(struct server *server, int fd, struct error *reterr)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_DISABLE_IPV6,
		.user = server,
		.alpn = "http/1.1",
		.pt_serv_buf_size = READ_BYTES,
		.fd_limit_per_thread = PLACES_LIMIT + ACCEPTS_A_TURN + 16,
	};
	const lws_sock_file_fd_type descriptor = {.filefd = fd};

	lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
	server->context = lws_create_context(&info);
	if (!server->context) {
		close(fd);
		return error_set(reterr, -ENOMEM, "out of memory");
	}
	server->listening =
		lws_adopt_descriptor_vhost(lws_get_vhost_by_name(server->context, "default"),
			LWS_ADOPT_RAW_FILE_DESC, descriptor, "listening", NULL);
	return server->listening ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}

/* where descriptors are few, half of them are for other uses */
static unsigned count_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 > PLACES_LIMIT)
		return PLACES_LIMIT;
	return (unsigned)limit.rlim_cur / 2;
}

int server_create(struct server **ret, const struct server_options *options, struct error *reterr)
{
	_destroy_(server) struct server *server = calloc(1, sizeof(struct loop));
	_autoclose_ int fd = options->listening;
	int r;

	if (!server)
		return error_set(reterr, -ENOMEM, "out of memory");
	server->options = *options;
	server->connections = options->connections;
	r = queue_create(&server->deliveries, SIZE_MAX, false);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	queue_set_drop(server->deliveries, drop_delivery);
	r = assets_create(&server->assets, options->web, reterr);
	if (r < 0)
		return r;
	server->descriptors = count_descriptors();
	server->outlet = (struct outlet){send_to_peer, broadcast, server};
	r = create_context(server, steal_fd(&fd), reterr);
	if (r < 0)
		return r;
	r = pthread_create(&server->thread, NULL, server_thread, server);
	if (r != 0)
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	server->started = true;
	*ret = steal_ptr(server);
	return 0;
}

void server_stop(struct server *server)
{
	if (!server || !server->started)
		return;
	server->stop = true;
	lws_cancel_service(server->context);
	pthread_join(server->thread, NULL);
	server->started = false;
	server->drained = NULL;
}

void server_destroy(struct server *server)
{
	if (!server)
		return;
	server_stop(server);
	if (server->context)
		lws_context_destroy(server->context);
	queue_destroy(server->deliveries);
	assets_destroy(server->assets);
	free(server);
}
