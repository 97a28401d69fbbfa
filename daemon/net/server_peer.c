#include "daemon/net/server_internal.h"

#include "protocol/base/clock.h"
#include "protocol/constants.h"
#include "protocol/mcap.h"
#include "protocol/name.h"
#include "protocol/reply.h"
#include "protocol/schema.h"
#include "protocol/wire.h"

#include <errno.h>
#include <stdio.h>

#define PIECE_BYTES (64 * 1024)
/* A peer's read resumes once its backlog is at most this. */
#define OUTBOX_SHORT_BYTES (512 * 1024)
_Static_assert(PACKET_HEADROOM_BYTES >= WEBSOCKET_OWN_HEADER_BYTES, "room for the frame's header");

/* ---- accounting of the backlog ---- */

static void charge(struct server *server, struct peer *peer, size_t cost)
{
	peer->queued_bytes += cost;
	server->queued_bytes += cost;
}

static void discharge(struct server *server, struct peer *peer, size_t cost)
{
	size_t before = peer->queued_bytes;

	peer->queued_bytes -= cost;
	server->queued_bytes -= cost;
	if (before > OUTBOX_SHORT_BYTES && peer->queued_bytes <= OUTBOX_SHORT_BYTES &&
		server->drained)
		server->drained(server->drained_user);
}

/* Queue a packet whose bytes are already charged. */
static void put_charged(
	struct server *server, struct client *client, struct packet *packet, unsigned kind)
{
	if (client->outbox.ring.count == 0 && !client->sending)
		client->moved_ns = clock_now_ns();
	if (outbox_put(&client->outbox, packet, kind) < 0) {
		discharge(server, client->peer, packet_cost(packet));
		packet_unref(packet);
	}
	transport_want_write(client);
}

static void drop_kind(struct server *server, struct client *client, unsigned kind)
{
	discharge(server, client->peer, outbox_drop(&client->outbox, kind));
}

static void put(struct server *server, struct client *client, struct packet *packet, unsigned kind)
{
	charge(server, client->peer, packet_cost(packet));
	put_charged(server, client, packet, kind);
}

static void put_message(struct server *server, struct client *client, uint64_t request,
	const ProtobufCMessage *body, unsigned kind)
{
	struct packet *packet = reply_packet(request, body);

	if (!packet)
		return;
	if (kind)
		drop_kind(server, client, kind);
	put(server, client, packet, kind);
}

void peer_put(
	struct server *server, struct client *client, const ProtobufCMessage *body, unsigned kind)
{
	put_message(server, client, 0, body, kind);
}

/* ---- the live stream ---- */

static void put_declarations(struct server *server, struct client *client)
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
				put(server, client, packet, 0);
	}
}

struct burst {
	struct server *server;
	struct client *client;
};

static void put_latched(void *user, struct packet *packet)
{
	struct burst *burst = user;

	put(burst->server, burst->client, packet, KIND_WATCH_BURST);
}

static void watch_live(struct server *server, struct client *client)
{
	const struct server_options *options = &server->options;
	struct burst burst = {server, client};
	uint32_t epoch;
	bool ask;

	if (!client->live)
		put_declarations(server, client);
	drop_kind(server, client, KIND_WATCH_BURST);
	ask = stream_join(options->stream, &client->cursor,
		client->principal.role == UXREC__ROLE__ROLE_MODERATOR, &epoch, client->session,
		put_latched, &burst);
	if (client->live)
		stream_leave(options->stream);
	client->live = true;
	client->watermark_ns = 0;
	options->watch(options->user, client->number, epoch, ask);
}

/* ---- receiving ---- */

#define REQUESTS_LIMIT 64

/* @return the number of the names of requests that a client may send, and this program serves */
static size_t list_abilities(
	const struct server *server, const struct client *client, char *names[REQUESTS_LIMIT])
{
	const ProtobufCMessageDescriptor *message = &uxrec__client_message__descriptor;
	size_t count = 0;

	for (unsigned i = 0; i < message->n_fields && count < REQUESTS_LIMIT; i++) {
		const struct request_kind *kind =
			request_kind((Uxrec__ClientMessage__BodyCase)message->fields[i].id);

		if (request_allows(kind, client->principal.role) &&
			(server->options.recorder || kind->owner != REQUEST_OF_RECORDER))
			names[count++] = (char *)message->fields[i].name;
	}
	return count;
}

static void put_welcome(struct server *server, struct client *client)
{
	Uxrec__Welcome welcome = UXREC__WELCOME__INIT;
	char *abilities[REQUESTS_LIMIT];

	welcome.role = client->principal.role;
	welcome.principal = client->principal.id;
	welcome.version = (char *)UXREC_VERSION;
	welcome.program = (char *)server->options.program;
	welcome.wire = WIRE_VERSION;
	welcome.abilities = abilities;
	welcome.n_abilities = list_abilities(server, client, abilities);
	welcome.recorder = server->options.recorder;
	welcome.run = (char *)server->options.run;
	welcome.key = client->key;
	welcome.page_marker = client->page_marker;
	put_message(server, client, 0, &welcome.base, 0);
	explicit_bzero(client->key, sizeof(client->key));
}

int peer_admit(struct server *server, struct client *client)
{
	if (!places_before_peer(server, client->principal.role)) {
		if (client->state != CLIENT_QUEUED)
			client_set_state(server, client, CLIENT_QUEUED);
		transport_pause(client, true);
		return 0;
	}
	client->peer = peer_create(client->number, &client->principal);
	if (!client->peer)
		return -1;
	server->keys[client->principal.role].connections++;
	client->received_ns = client->admitted_ns = clock_now_ns();
	client_set_state(server, client, CLIENT_PEER);
	people_changed(server);
	put_welcome(server, client);
	return frames_resume(server, client);
}

int peer_decide(struct server *server, struct client *client, const struct admission *admission)
{
	/* a decision may come late: the connection is ending, or has been admitted and is closed now */
	if (client->state != CLIENT_ASKED && client->state != CLIENT_QUEUED &&
		client->state != CLIENT_PEER)
		return 0;
	if (admission->close_code)
		return frames_close(server, client, admission->close_code, admission->reason);
	if (client->state != CLIENT_ASKED)
		return 0;
	client->principal = admission->principal;
	memcpy(client->key, admission->key, sizeof(client->key));
	memcpy(client->page_marker, admission->page_marker, sizeof(client->page_marker));
	return peer_admit(server, client);
}

static int handle_hello(struct server *server, struct client *client, const Uxrec__Hello *hello)
{
	client_set_state(server, client, CLIENT_ASKED);
	transport_pause(client, true);
	server->options.admit(server->options.user, client->number, hello);
	return 0;
}

static void answer_ping(
	struct server *server, struct client *client, uint64_t request, const Uxrec__Ping *ping)
{
	Uxrec__Pong pong = UXREC__PONG__INIT;

	client->behind_ms = ping->behind_ms;
	client->hidden = ping->hidden;
	client->hears = ping->hears;
	pong.client_ms = ping->client_ms;
	pong.session_ns = stream_now_ns(server->options.stream);
	put_message(server, client, request, &pong.base, UXREC__SERVER_MESSAGE__BODY_PONG);
}

/* @return 0, or -ENOSYS, -EACCES, -EBUSY or -EINVAL with the reason */
static int check_request(struct client *client, Uxrec__ClientMessage *message, struct error *reterr)
{
	const struct request_kind *kind = request_kind(message->body_case);

	if (message->body_case == UXREC__CLIENT_MESSAGE__BODY__NOT_SET)
		return error_set(reterr, -ENOSYS,
			"this program does not know such a request, as it is of another version: "
			"reload the page");
	if (!request_allows(kind, client->principal.role))
		return error_set(reterr, -EACCES, "this link does not allow that");
	/* of those that are passed on, the owner decides */
	if (!request_is_passed_on(kind->owner) && !places_count_request(client, kind->rate))
		return error_set(reterr, -EBUSY,
			"too many requests of this kind in a short time: try again in a moment");
	return names_normalise(&message->base, reterr);
}

/* Answers a request of the connection alone. */
static void answer_request(
	struct server *server, struct client *client, const Uxrec__ClientMessage *message)
{
	switch (message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_PING:
		answer_ping(server, client, message->request, message->ping);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_CANCEL:
		peer_cancel(client->peer, message->cancel->which);
		break;
	default: break; /* a second hello */
	}
}

/* Takes over the message. */
static void hand_on(struct server *server, struct client *client, Uxrec__ClientMessage *message)
{
	if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_OPEN_SESSION)
		snprintf(client->session, sizeof(client->session), "%s",
			message->open_session->session);
	if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE &&
		server->options.recorder)
		watch_live(server, client);
	server->options.handle_message(server->options.user, client->peer, message);
}

/* @return 0, or -1 to close */
static int handle_first(struct server *server, struct client *client, Uxrec__ClientMessage *message)
{
	/* a bad name is replaced, like a missing one */
	names_normalise(&message->base, NULL);
	return message->body_case == UXREC__CLIENT_MESSAGE__BODY_HELLO
		? handle_hello(server, client, message->hello)
		: frames_close(server, client, CLOSE_BAD_TOKEN, "the first message must be hello");
}

/* Takes over the message. @return 0, or -1 to close */
static int handle_message(
	struct server *server, struct client *client, Uxrec__ClientMessage *message)
{
	struct error error;
	int r = 0, refused;

	if (!client->peer) {
		r = handle_first(server, client, message);
	} else if (client->message.size_bytes == MCAP_RECORD_HEADER_BYTES) {
		r = frames_close(server, client, CLOSE_BAD_RECORD, "a message without content");
	} else if ((refused = check_request(client, message, &error)) < 0) {
		outlet_fail(&server->outlet, client->peer, message->request, refused, error.text);
	} else if (request_kind(message->body_case)->owner == REQUEST_OF_CONNECTION) {
		answer_request(server, client, message);
	} else {
		hand_on(server, client, message);
		return 0;
	}
	uxrec__client_message__free_unpacked(message, NULL);
	return r;
}

int peer_process(struct server *server, struct client *client)
{
	const struct view record = {client->message.data, client->message.size_bytes, 0};
	ProtobufCMessage *message;
	struct error error;
	int r = wire_parse(record, &uxrec__client_message__descriptor, &message, &error);

	if (r == -EILSEQ && client->state == CLIENT_PEER) {
		outlet_fail(&server->outlet, client->peer, wire_request(record), r, error.text);
		return 0;
	}
	if (r < 0)
		return frames_close(server, client, CLOSE_BAD_RECORD, "an unknown message");
	return handle_message(server, client, (Uxrec__ClientMessage *)message);
}

/* ---- sending ---- */

static void sent(struct server *server, struct client *client)
{
	if (client->counted && client->state == CLIENT_PEER)
		discharge(server, client->peer, packet_cost(client->sending));
	packet_unref(steal_ptr(client->sending));
}

/*
 * A packet is one frame. Its header is written in front of the packet itself, where it is the same for all
 * receivers, so that a packet is never copied, however many peers get it.
 */
static int send_piece(struct server *server, struct client *client)
{
	struct packet *packet = client->sending;
	unsigned char *begin =
		websocket_put_header(packet->record, WEBSOCKET_BINARY, packet->size_bytes);
	size_t whole = (size_t)(packet->record - begin) + packet->size_bytes;
	size_t left = whole - client->sent_bytes;
	size_t size = left < PIECE_BYTES ? left : PIECE_BYTES;

	if (transport_write(client, begin + client->sent_bytes, size) < 0)
		return -1;
	client->moved_ns = clock_now_ns();
	client->sent_bytes += size;
	if (client->sent_bytes == whole)
		sent(server, client);
	return 0;
}

static struct packet *complete_packet(int64_t session_ns)
{
	Uxrec__Complete complete = UXREC__COMPLETE__INIT;

	complete.session_ns = session_ns;
	return reply_packet(0, &complete.base);
}

static struct packet *next_live(struct server *server, struct client *client)
{
	/* watermark first, then packets: without one, everything up to it was sent */
	int64_t watermark_ns = hub_watermark(server->options.stream->hub);
	struct packet *packet = hub_next(server->options.stream->hub, &client->cursor);

	if (packet || client->cursor.needs_keyframe || watermark_ns <= client->watermark_ns)
		return packet;
	client->watermark_ns = watermark_ns;
	return complete_packet(watermark_ns);
}

static int send_control(struct client *client)
{
	size_t size = client->control_out_bytes;

	client->control_out_bytes = 0;
	return transport_write(client, client->control_out, size);
}

static bool pop_next(struct server *server, struct client *client)
{
	client->sent_bytes = 0;
	client->sending = outbox_pop(&client->outbox);
	client->counted = client->sending != NULL;
	if (!client->sending && client->live)
		client->sending = next_live(server, client);
	return client->sending != NULL;
}

int peer_send(struct server *server, struct client *client)
{
	while (transport_can_write(client)) {
		int r = 0;

		if (client->sending)
			r = send_piece(server, client);
		else if (client->control_out_bytes)
			r = send_control(client);
		else if (client->state != CLIENT_PEER || !pop_next(server, client))
			return 0;
		if (r < 0)
			return -1;
	}
	transport_want_write(client);
	return 0;
}

/* ---- leaving ---- */

void peer_leave(struct server *server, struct client *client)
{
	size_t cost = client->sending && client->counted ? packet_cost(client->sending) : 0;
	struct packet *packet;

	while ((packet = outbox_pop(&client->outbox))) {
		cost += packet_cost(packet);
		packet_unref(packet);
	}
	outbox_finish(&client->outbox);
	/* drop a packet that has not been started */
	if (client->sending && client->sent_bytes == 0)
		packet_unref(steal_ptr(client->sending));
	client->peer->closed = true;
	people_changed(server);
	server->keys[client->principal.role].connections--;
	if (client->live)
		stream_leave(server->options.stream);
	client->live = false;
	client->peer->queued_bytes -= cost;
	server->queued_bytes -= cost;
	if (server->drained)
		server->drained(server->drained_user); /* lets a read for it end */
}

/* ---- deliveries of other threads ---- */

static bool concerns(const struct client *client, const struct delivery *delivery)
{
	if (client->state != CLIENT_PEER)
		return false;
	if (delivery->connection)
		return client->number == delivery->connection;
	return (!delivery->roles || delivery->roles >> client->principal.role & 1) &&
		(!*delivery->session || strcmp(delivery->session, client->session) == 0);
}

void peer_deliver(struct server *server, const struct delivery *delivery)
{
	size_t cost = packet_cost(delivery->packet);

	server->queued_bytes -= cost;
	if (delivery->peer)
		delivery->peer->queued_bytes -= cost;
	for (struct client *client = server->clients; client; client = client->next) {
		if (!concerns(client, delivery))
			continue;
		if (delivery->kind)
			drop_kind(server, client, delivery->kind);
		put(server, client, packet_ref(delivery->packet), delivery->kind);
	}
}
