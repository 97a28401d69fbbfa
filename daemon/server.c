#include "daemon/server.h"

#include "daemon/assets.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/queue.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/name.h"
#include "protocol/schema.h"
#include "protocol/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdio.h>

/*
 * Traps of libwebsockets 4.1.6 that shape this file: only lws_cancel_service() may be called from
 * other threads; a write outside of WRITEABLE ends the connection; LWS_CALLBACK_HTTP_CONFIRM_UPGRADE
 * is never handled (CVE-2025-11677); it keeps the largest send buffer of each connection, so long
 * records go in pieces; and a header is written in front of each piece, so that only the first piece
 * of a packet can be sent from the packet itself.
 */
#define PIECE_BYTES (64 * 1024)
_Static_assert(PACKET_HEADROOM_BYTES >= LWS_PRE, "room for the WebSocket header");

#define CLIENTS_LIMIT     256
#define HELLO_TIMEOUT_US  (5 * LWS_USEC_PER_SEC)
#define MESSAGES_A_SECOND 100
/* What may wait for one peer before it is given up; a whole replay burst is far less. */
#define OUTBOX_LIMIT_BYTES (64 * 1024 * 1024)
#define OUTBOX_SHORT_BYTES (512 * 1024)

/* Close codes of our own: RFC 6455 §7.4.2 leaves 4000–4999 to applications. */
#define CLOSE_BAD_TOKEN  4401
#define CLOSE_BAD_RECORD 4400

/* a record for one peer or for many */
struct delivery {
	struct peer *peer; /* NULL: a broadcast */
	char session[21];  /* of a broadcast; "": everybody */
	struct packet *packet;
};

struct outbox {
	struct packet **packets; /* a ring */
	size_t capacity, first, count;
};

struct client {
	struct lws *wsi;
	struct client *next;
	struct peer *peer;  /* NULL before hello */
	struct buf message; /* that is being received */
	struct outbox outbox;
	struct packet *sending;
	bool counted;      /* `sending` is in the peer's queued_bytes */
	size_t sent_bytes; /* of `sending` */
	bool closing;      /* a close frame was asked for: nothing may follow it */
	bool live;
	struct hub_cursor cursor;
	int64_t complete_ns; /* that was told last */
	char session[21];    /* that is open or watched */
	int64_t second_ns;   /* messages are counted from here on */
	unsigned messages;
};

struct http_reply {
	const struct asset *asset;
	size_t sent_bytes;
};

struct server {
	struct server_options options;
	struct assets *assets;
	struct lws_context *context;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	int port;
	struct queue *deliveries;
	_Atomic unsigned peers;
	struct client *clients; /* of the server's thread */
	unsigned client_count;
	unsigned char piece[LWS_PRE + PIECE_BYTES];
	void (*drained)(void *user);
	void *drained_user;
};

static struct server *server_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* ---- what other threads call ---- */

void server_wake(struct server *server)
{
	lws_cancel_service(server->context);
}

static void drop_delivery(void *item)
{
	struct delivery *delivery = item;

	peer_unref(delivery->peer);
	packet_unref(delivery->packet);
	free(delivery);
}

static void deliver(
	struct server *server, struct peer *peer, const char *session, struct packet *packet)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery) {
		packet_unref(packet);
		return;
	}
	delivery->packet = packet;
	if (peer) {
		delivery->peer = peer_ref(peer);
		peer->queued_bytes += packet->size_bytes;
	}
	snprintf(delivery->session, sizeof(delivery->session), "%s", session ? session : "");
	if (queue_push(server->deliveries, delivery, 0, true) < 0)
		drop_delivery(delivery);
	server_wake(server);
}

void server_send(struct server *server, struct peer *peer, struct packet *packet)
{
	if (peer->closed)
		packet_unref(packet);
	else
		deliver(server, peer, NULL, packet);
}

void server_answer(
	struct server *server, struct peer *peer, uint64_t request, Uxrec__ServerMessage *message)
{
	struct packet *packet;

	message->request = request;
	if (packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0)
		server_send(server, peer, packet);
}

void server_fail(
	struct server *server, struct peer *peer, uint64_t request, int r, const char *text)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__Failure failure = UXREC__FAILURE__INIT;

	failure.code = -r;
	failure.text = (char *)text;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_FAILURE;
	message.failure = &failure;
	server_answer(server, peer, request, &message);
}

void server_broadcast(
	struct server *server, const char *session, const Uxrec__ServerMessage *message)
{
	struct packet *packet;

	if (server->peers > 0 &&
		packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0)
		deliver(server, NULL, session, packet);
}

void server_broadcast_packet(struct server *server, struct packet *packet)
{
	if (server->peers > 0)
		deliver(server, NULL, NULL, packet);
	else
		packet_unref(packet);
}

unsigned server_peers(const struct server *server)
{
	return server->peers;
}

void server_on_drained(struct server *server, void (*drained)(void *user), void *user)
{
	server->drained = drained;
	server->drained_user = user;
}

int server_port(const struct server *server)
{
	return server->port;
}

/* ---- outbox ---- */

static int outbox_put(struct outbox *outbox, struct packet *packet)
{
	if (outbox->count == outbox->capacity) {
		size_t capacity = outbox->capacity ? outbox->capacity * 2 : 16;
		struct packet **packets = malloc(capacity * sizeof(struct packet *));

		if (!packets)
			return -ENOMEM;
		for (size_t i = 0; i < outbox->count; i++)
			packets[i] = outbox->packets[(outbox->first + i) % outbox->capacity];
		free(outbox->packets);
		outbox->packets = packets;
		outbox->capacity = capacity;
		outbox->first = 0;
	}
	outbox->packets[(outbox->first + outbox->count++) % outbox->capacity] = packet;
	return 0;
}

static struct packet *outbox_take(struct outbox *outbox)
{
	struct packet *packet;

	if (outbox->count == 0)
		return NULL;
	packet = outbox->packets[outbox->first];
	outbox->first = (outbox->first + 1) % outbox->capacity;
	outbox->count--;
	return packet;
}

static void outbox_finish(struct outbox *outbox)
{
	struct packet *packet;

	while ((packet = outbox_take(outbox)))
		packet_unref(packet);
	free(outbox->packets);
}

/* Queue for a client what counts in its peer's queued_bytes already. */
static void client_put(struct client *client, struct packet *packet)
{
	if (outbox_put(&client->outbox, packet) < 0) {
		client->peer->queued_bytes -= packet->size_bytes;
		packet_unref(packet);
	}
	lws_callback_on_writable(client->wsi);
}

static void client_put_own(struct client *client, struct packet *packet)
{
	client->peer->queued_bytes += packet->size_bytes;
	client_put(client, packet);
}

static void client_put_message(
	struct client *client, uint64_t request, Uxrec__ServerMessage *message)
{
	struct packet *packet;

	message->request = request;
	if (packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0)
		client_put_own(client, packet);
}

static int client_close(struct client *client, int code, const char *why)
{
	lws_close_reason(
		client->wsi, (enum lws_close_status)code, (unsigned char *)why, strlen(why));
	return -1;
}

/* ---- live ---- */

static void put_declarations(struct client *client)
{
	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		_cleanup_(buf_finish) struct buf records = {0};
		struct view rest;
		struct mcap_record record;
		struct packet *packet;

		schema_put_channel(&records, id, channel_kind_get(id));
		rest = (struct view){records.data, records.size_bytes, 0};
		while (!records.failed && mcap_next_record(&rest, &record) > 0)
			if (packet_create_record(&packet, record.opcode, record.content.data,
				    record.content.size_bytes) == 0)
				client_put_own(client, packet);
	}
}

static void put_latched(void *user, struct packet *packet)
{
	client_put_own(user, packet);
}

static void watch_live(struct client *client, struct live *live)
{
	bool ask;

	if (!client->live)
		put_declarations(client);
	else
		live_left(live);
	ask = hub_join(live->hub, &client->cursor,
		client->peer->role == UXREC__ROLE__ROLE_MODERATOR, put_latched, client);
	client->live = true;
	client->complete_ns = 0;
	pthread_mutex_lock(&live->lock);
	snprintf(client->session, sizeof(client->session), "%s", live->session);
	pthread_mutex_unlock(&live->lock);
	live_joined(live, ask);
}

/* ---- receiving ---- */

/* names that mean something are not for everybody */
static const char *peer_name(Uxrec__Role role, const char *name)
{
	if (name_check("name", name, NULL) < 0)
		return "observer";
	if (role != UXREC__ROLE__ROLE_MODERATOR &&
		(strcasecmp(name, "moderator") == 0 || strcasecmp(name, "uxrecd") == 0))
		return "observer";
	return name;
}

static int take_hello(struct server *server, struct client *client, const Uxrec__Hello *hello)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__Welcome welcome = UXREC__WELCOME__INIT;
	Uxrec__Role role = access_role(server->options.access, hello->token);

	if (role == UXREC__ROLE__ROLE_UNSPECIFIED)
		return client_close(
			client, CLOSE_BAD_TOKEN, "the link is not valid: ask for the present one");
	client->peer = peer_create(role, peer_name(role, hello->name));
	if (!client->peer)
		return -1;
	server->peers++;
	welcome.role = role;
	welcome.version = (char *)UXREC_VERSION;
	welcome.recorder = server->options.live != NULL;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_WELCOME;
	message.welcome = &welcome;
	client_put_message(client, 0, &message);
	return 0;
}

static void answer_ping(
	struct server *server, struct client *client, uint64_t request, const Uxrec__Ping *ping)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__Pong pong = UXREC__PONG__INIT;

	pong.client_ms = ping->client_ms;
	pong.session_ns = server->options.live ? live_now_ns(server->options.live) : 0;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_PONG;
	message.pong = &pong;
	client_put_message(client, request, &message);
}

/* @return 0, or -1 to close; takes over the message */
static int take_message(struct server *server, struct client *client, Uxrec__ClientMessage *message)
{
	int r = 0;

	if (!client->peer) {
		r = message->body_case == UXREC__CLIENT_MESSAGE__BODY_HELLO
			? take_hello(server, client, message->hello)
			: client_close(client, CLOSE_BAD_TOKEN, "the first message must be hello");
	} else if (message->body_case == UXREC__CLIENT_MESSAGE__BODY__NOT_SET) {
		r = client_close(client, CLOSE_BAD_RECORD, "a message without content");
	} else if (!access_allows(client->peer->role, message)) {
		server_fail(server, client->peer, message->request, -EACCES,
			"this link does not allow that");
	} else if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_PING) {
		answer_ping(server, client, message->request, message->ping);
	} else if (message->body_case != UXREC__CLIENT_MESSAGE__BODY_HELLO) {
		if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_OPEN_SESSION)
			snprintf(client->session, sizeof(client->session), "%s",
				message->open_session->session);
		if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE &&
			server->options.live)
			watch_live(client, server->options.live);
		server->options.take(server->options.user, client->peer, message);
		return 0;
	}
	uxrec__client_message__free_unpacked(message, NULL);
	return r;
}

static bool too_many_messages(struct client *client)
{
	int64_t now_ns = clock_now_ns();

	if (now_ns - client->second_ns >= NS_PER_S) {
		client->second_ns = now_ns;
		client->messages = 0;
	}
	return ++client->messages > MESSAGES_A_SECOND;
}

static int receive(struct server *server, struct client *client, const void *data, size_t size)
{
	ProtobufCMessage *message;
	int r;

	if (!lws_frame_is_binary(client->wsi))
		return client_close(
			client, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "binary messages only");
	if (lws_is_first_fragment(client->wsi))
		buf_clear(&client->message);
	if (client->message.size_bytes + size > WIRE_MESSAGE_LIMIT_BYTES)
		return client_close(
			client, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "the message is too large");
	buf_put(&client->message, data, size);
	if (buf_error(&client->message) < 0)
		return -1;
	if (!lws_is_final_fragment(client->wsi) || lws_remaining_packet_payload(client->wsi) > 0)
		return 0;
	if (too_many_messages(client))
		return client_close(client, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many messages");
	r = wire_parse((struct view){client->message.data, client->message.size_bytes, 0},
		&uxrec__client_message__descriptor, &message);
	if (r < 0)
		return client_close(client, CLOSE_BAD_RECORD, "a message that is none of ours");
	return take_message(server, client, (Uxrec__ClientMessage *)message);
}

/* ---- sending ---- */

static void sent(struct server *server, struct client *client)
{
	size_t before = client->peer->queued_bytes;

	if (client->counted)
		client->peer->queued_bytes -= client->sending->size_bytes;
	packet_unref(steal_ptr(client->sending));
	if (before > OUTBOX_SHORT_BYTES && client->peer->queued_bytes <= OUTBOX_SHORT_BYTES &&
		server->drained)
		server->drained(server->drained_user);
}

/* Write one piece. @return 0 or -1 */
static int write_piece(struct server *server, struct client *client)
{
	struct packet *packet = client->sending;
	size_t left = packet->size_bytes - client->sent_bytes;
	size_t size = left < PIECE_BYTES ? left : PIECE_BYTES;
	int mode = client->sent_bytes ? LWS_WRITE_CONTINUATION : LWS_WRITE_BINARY;
	unsigned char *data = packet->record;

	if (size < left)
		mode |= LWS_WRITE_NO_FIN;
	if (client->sent_bytes) {
		data = server->piece + LWS_PRE;
		memcpy(data, packet->record + client->sent_bytes, size);
	}
	if (lws_write(client->wsi, data, size, (enum lws_write_protocol)mode) < (int)size)
		return -1;
	client->sent_bytes += size;
	if (client->sent_bytes == packet->size_bytes)
		sent(server, client);
	return 0;
}

static struct packet *complete_packet(int64_t session_ns)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__Complete complete = UXREC__COMPLETE__INIT;
	struct packet *packet = NULL;

	complete.session_ns = session_ns;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_COMPLETE;
	message.complete = &complete;
	packet_create_record_message(&packet, MCAP_PRIVATE, &message.base);
	return packet;
}

static struct packet *next_live(struct server *server, struct client *client)
{
	/* first the time, then the packets: when there are none, everything up to it was sent */
	int64_t complete_ns = hub_complete(server->options.live->hub);
	struct packet *packet = hub_next(server->options.live->hub, &client->cursor);

	if (packet || client->cursor.needs_keyframe || complete_ns <= client->complete_ns)
		return packet;
	client->complete_ns = complete_ns;
	return complete_packet(complete_ns);
}

static int write_some(struct server *server, struct client *client)
{
	if (!client->peer || client->closing)
		return 0;
	while (!lws_send_pipe_choked(client->wsi)) {
		if (!client->sending) {
			client->sending = outbox_take(&client->outbox);
			client->counted = client->sending != NULL;
			if (!client->sending && client->live)
				client->sending = next_live(server, client);
			client->sent_bytes = 0;
		}
		if (!client->sending)
			return 0;
		if (write_piece(server, client) < 0)
			return -1;
	}
	lws_callback_on_writable(client->wsi);
	return 0;
}

/* ---- life of a client ---- */

static int client_opened(struct server *server, struct client *client, struct lws *wsi)
{
	int low_water = 65536, fd = lws_get_socket_fd(wsi);

	*client = (struct client){.wsi = wsi, .next = server->clients};
	server->clients = client;
	server->client_count++;
	if (server->client_count > CLIENTS_LIMIT)
		return client_close(client, 1013, "too many connections");
	/* otherwise the kernel holds megabytes for a stalled one */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water)) < 0)
		log_debug("server: TCP_NOTSENT_LOWAT: %s", strerror(errno));
	lws_set_timer_usecs(wsi, HELLO_TIMEOUT_US);
	return 0;
}

/* the timer is never cancelled: cancelling fires it (libwebsockets 4.1.6) */
static int hello_is_late(struct client *client)
{
	return client->peer ? 0
			    : client_close(client, CLOSE_BAD_TOKEN, "no hello within five seconds");
}

static void client_closed(struct server *server, struct client *client)
{
	struct client **link = &server->clients;

	while (*link && *link != client)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = client->next;
	server->client_count--;
	if (client->live)
		live_left(server->options.live);
	if (client->peer) {
		client->peer->closed = true;
		server->peers--;
		if (server->drained)
			server->drained(server->drained_user); /* a read for it can end */
	}
	peer_unref(client->peer);
	packet_unref(client->sending);
	outbox_finish(&client->outbox);
	buf_finish(&client->message);
}

static void take_delivery(struct server *server, struct delivery *delivery)
{
	for (struct client *client = server->clients; client; client = client->next) {
		if (!client->peer || (delivery->peer && delivery->peer != client->peer))
			continue;
		if (!delivery->peer && *delivery->session &&
			strcmp(delivery->session, client->session) != 0)
			continue;
		if (client->peer->queued_bytes > OUTBOX_LIMIT_BYTES) {
			/* it reads nothing any more; the keep-alive will end it */
			if (delivery->peer)
				client->peer->queued_bytes -= delivery->packet->size_bytes;
		} else if (delivery->peer)
			client_put(client, packet_ref(delivery->packet));
		else
			client_put_own(client, packet_ref(delivery->packet));
	}
}

static void woken(struct server *server)
{
	struct delivery *delivery;

	while ((delivery = queue_pop(server->deliveries, 0))) {
		take_delivery(server, delivery);
		drop_delivery(delivery);
	}
	for (struct client *client = server->clients; client; client = client->next)
		if (client->live)
			lws_callback_on_writable(client->wsi);
}

/* ---- HTTP ---- */

static const char *header(
	struct lws *wsi, enum lws_token_indexes token, char *room, size_t room_bytes)
{
	/* one that is there but does not fit is as bad as a foreign one */
	if (lws_hdr_total_length(wsi, token) == 0)
		return NULL;
	if (lws_hdr_copy(wsi, room, (int)room_bytes, token) < 0)
		return "too long to be ours";
	return room;
}

static bool request_is_ours(struct server *server, struct lws *wsi)
{
	char host_room[256], origin_room[300];
	const char *host = header(wsi, WSI_TOKEN_HOST, host_room, sizeof(host_room));
	const char *origin = header(wsi, WSI_TOKEN_ORIGIN, origin_room, sizeof(origin_room));

	return access_host_is_ours(server->options.access, host) &&
		access_origin_is_ours(server->options.access, origin, host);
}

static int refuse(struct lws *wsi, unsigned code, const char *text)
{
	char body[200];

	snprintf(body, sizeof(body), "<p>%s</p>", text);
	if (lws_return_http_status(wsi, code, body) < 0)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int put_head(struct lws *wsi, const struct asset *asset)
{
	static const struct {
		const char *name, *value;
	} extra[] = {
		{"content-security-policy:",
			"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: "
			"data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
			"frame-ancestors 'none'"},
		{"x-content-type-options:", "nosniff"},
		{"referrer-policy:", "no-referrer"},
		{"cross-origin-opener-policy:", "same-origin"},
		{"cross-origin-resource-policy:", "same-origin"},
		{"cache-control:", "no-cache"},
	};
	unsigned char room[LWS_PRE + 2048], *start = room + LWS_PRE, *at = start;
	unsigned char *end = room + sizeof(room) - 1;

	if (lws_add_http_common_headers(
		    wsi, HTTP_STATUS_OK, asset->type, asset->size_bytes, &at, end))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(extra); i++)
		if (lws_add_http_header_by_name(wsi, (const unsigned char *)extra[i].name,
			    (const unsigned char *)extra[i].value, (int)strlen(extra[i].value), &at,
			    end))
			return -1;
	return lws_finalize_write_http_header(wsi, start, &at, end) ? -1 : 0;
}

static int http_begin(
	struct server *server, struct lws *wsi, struct http_reply *reply, const char *path)
{
	char upgrade[32];
	const char *asked = header(wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof(upgrade));

	if (asked)
		return refuse(wsi, HTTP_STATUS_BAD_REQUEST, "an upgrade that is not offered");
	if (!request_is_ours(server, wsi))
		return refuse(wsi, HTTP_STATUS_FORBIDDEN,
			"This address belongs to a recorder that answers only to its own pages.");
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0)
		return refuse(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "only GET");
	*reply = (struct http_reply){.asset = assets_find(server->assets, path)};
	if (!reply->asset)
		return refuse(wsi, HTTP_STATUS_NOT_FOUND, "there is nothing here");
	if (put_head(wsi, reply->asset) < 0)
		return -1;
	lws_callback_on_writable(wsi);
	return 0;
}

static int http_continue(struct server *server, struct lws *wsi, struct http_reply *reply)
{
	size_t left, size;

	if (!reply->asset)
		return 0;
	left = reply->asset->size_bytes - reply->sent_bytes;
	size = left < PIECE_BYTES ? left : PIECE_BYTES;
	memcpy(server->piece + LWS_PRE, reply->asset->data + reply->sent_bytes, size);
	if (lws_write(wsi, server->piece + LWS_PRE, size,
		    size == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)size)
		return -1;
	reply->sent_bytes += size;
	if (size < left) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	reply->asset = NULL;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- libwebsockets ---- */

static int http_callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	struct server *server = server_of(wsi);

	switch (reason) {
	case LWS_CALLBACK_HTTP: return http_begin(server, wsi, user, in);
	case LWS_CALLBACK_HTTP_WRITEABLE: return http_continue(server, wsi, user);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
	case LWS_CALLBACK_ESTABLISHED: return -1; /* a WebSocket without our subprotocol */
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED: woken(server); return 0;
	default: return lws_callback_http_dummy(wsi, reason, user, in, size);
	}
}

static int socket_callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	struct server *server = server_of(wsi);

	switch (reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		if (request_is_ours(server, wsi))
			return 0;
		log_warning("server: a page from elsewhere tried to connect and was refused");
		lws_return_http_status(wsi, HTTP_STATUS_FORBIDDEN, NULL);
		return -1;
	case LWS_CALLBACK_ESTABLISHED: return client_opened(server, user, wsi);
	case LWS_CALLBACK_RECEIVE: return receive(server, user, in, size);
	case LWS_CALLBACK_SERVER_WRITEABLE: return write_some(server, user);
	case LWS_CALLBACK_TIMER: return hello_is_late(user);
	case LWS_CALLBACK_CLOSED: client_closed(server, user); return 0;
	default: return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "http",
		.callback = http_callback,
		.per_session_data_size = sizeof(struct http_reply)},
	{.name = "uxrec.v1",
		.callback = socket_callback,
		.per_session_data_size = sizeof(struct client),
		.rx_buffer_size = PIECE_BYTES,
		.tx_packet_size = 1024 * 1024},
	{0},
};

static void hear(int level, const char *line)
{
	log_debug("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
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

/* libwebsockets does not say why it cannot bind: find out, and find a free port when asked to */
static int find_port(const char *address, int port, struct error *reterr)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	_autoclose_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(at);
	int on = 1;

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return error_set(reterr, -EINVAL,
			"'%s' is no IPv4 address to listen on; 127.0.0.1 is the usual one",
			text_quote(address).text);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return error_set(reterr, -errno, "cannot listen on %s:%d: %s", address, port,
			errno == EADDRINUSE
				? "another program does already; choose another port with --listen"
				: strerror(errno));
	return ntohs(at.sin_port);
}

static int create_context(struct server *server, struct error *reterr)
{
	static const lws_retry_bo_t keep_alive = {
		.secs_since_valid_ping = 30,
		.secs_since_valid_hangup = 60,
	};
	struct lws_context_creation_info info = {
		.port = server->port,
		.iface = server->options.address,
		.protocols = protocols,
		.options =
			LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND | LWS_SERVER_OPTION_DISABLE_IPV6,
		.user = server,
		.alpn = "http/1.1",
		.server_string = "uxrec",
		.retry_and_idle_policy = &keep_alive,
		.pt_serv_buf_size = PIECE_BYTES,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, hear);
	server->context = lws_create_context(&info);
	if (!server->context)
		return error_set(reterr, -EADDRINUSE, "cannot listen on %s:%d",
			server->options.address, server->port);
	return 0;
}

int server_create(struct server **ret, const struct server_options *options, struct error *reterr)
{
	_destroy_(server) struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return error_set(reterr, -ENOMEM, "no memory");
	server->options = *options;
	r = queue_create(&server->deliveries, SIZE_MAX, false);
	if (r < 0)
		return error_set(reterr, r, "no memory");
	queue_set_drop(server->deliveries, drop_delivery);
	r = assets_create(&server->assets, options->web, reterr);
	if (r < 0)
		return r;
	r = server->port = find_port(options->address, options->port, reterr);
	if (r < 0)
		return r;
	r = create_context(server, reterr);
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
