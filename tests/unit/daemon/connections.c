/* Rules of the server's connections: places, hello, messages of each role, queues, the live stream. */

#include "tests/unit/daemon/transport.h"

#include "daemon/access/access.h"
#include "protocol/constants.h"
#include "protocol/base/clock.h"
#include "protocol/limits.h"

#include <errno.h>

#define SECRET    "00112233445566778899aabbccddeeff"
#define IDENTITY  "0123456789abcdef0123456789abcdef"
#define OBSERVER  UXREC__ROLE__ROLE_OBSERVER
#define REVIEWER  UXREC__ROLE__ROLE_REVIEWER
#define MODERATOR UXREC__ROLE__ROLE_MODERATOR

/* A server with a sixteenth of the descriptors: 4 places without a key, 3 silent WebSockets, 7 observers. */
static struct server server;
static struct access access_of_test;
static struct stream stream;
static unsigned handed_on; /* messages to other threads; the newest one's kind */
static Uxrec__ClientMessage__BodyCase handed_kind;
static unsigned drained, departed, watches;

static void take_message(void *user, struct peer *peer, Uxrec__ClientMessage *message)
{
	(void)user;
	(void)peer;
	handed_on++;
	handed_kind = message->body_case;
	uxrec__client_message__free_unpacked(message, NULL);
}

static void count_drained(void *user)
{
	(void)user;
	drained++;
}

/* ---- the owner: it decides at once ---- */

static struct client *find_client(uint64_t connection)
{
	struct client *client = server.clients;

	while (client && client->number != connection)
		client = client->next;
	return client;
}

static bool owner_answers;

static void admit(void *user, uint64_t connection, const Uxrec__Hello *hello)
{
	struct admission admission;

	(void)user;
	access_admit(&access_of_test, hello, &admission);
	if (admission.principal.role == MODERATOR)
		snprintf(admission.page_marker, sizeof(admission.page_marker), "marker");
	if (owner_answers)
		peer_decide(&server, find_client(connection), &admission);
}

static void note_departure(void *user, uint64_t connection)
{
	(void)user;
	expect(find_client(connection) != NULL);
	departed++;
}

static void note_watch(void *user, uint64_t connection, uint32_t epoch, bool needs_keyframe)
{
	(void)user;
	(void)needs_keyframe;
	expect(find_client(connection) != NULL && epoch == stream.epoch);
	watches++;
}

static void begin_server(void)
{
	static struct hosts hosts;

	check(access_init(&access_of_test, NULL, NULL, SECRET, NULL, NULL) == 0);
	check(stream_init(&stream) == 0);
	server = (struct server){.descriptors = 16, .drained = count_drained};
	server.outlet = (struct outlet){.send = send_to_peer, .user = &server};
	server.options = (struct server_options){.hosts = &hosts,
		.program = "uxrecd",
		.run = SECRET,
		.stream = &stream,
		.admit = admit,
		.left = note_departure,
		.watch = note_watch,
		.handle_message = take_message};
	handed_on = drained = departed = watches = 0;
	owner_answers = true;
}

static void end_server(void)
{
	while (server.clients)
		remove_client(&server, server.clients);
	expect(server.queued_bytes == 0);
	for (size_t i = 0; i < CLIENT_STATE_END; i++)
		expect(server.counts[i] == 0);
	stream_finish(&stream);
	access_finish(&access_of_test);
}

/* ---- frames of a peer ---- */

static int send_frame(struct client *client, unsigned first, const void *payload, size_t size)
{
	_cleanup_(buf_finish) struct buf frame = {0};
	unsigned char room[16];
	unsigned char *begin = websocket_put_header(room + 16, WEBSOCKET_BINARY, size);
	size_t header = (size_t)(room + 16 - begin), at;

	begin[0] = (unsigned char)first;
	begin[1] |= 0x80;
	buf_put(&frame, begin, header);
	buf_put(&frame, "mask", 4);
	at = frame.size_bytes;
	buf_put(&frame, payload, size);
	check(buf_error(&frame) == 0);
	websocket_unmask(frame.data + at, size, (const unsigned char *)"mask", 0);
	return receive(&server, client, frame.data, frame.size_bytes);
}

#define FINAL(opcode) (0x80u | WEBSOCKET_##opcode)

static int send_message(struct client *client, Uxrec__ClientMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;

	check(packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0);
	return send_frame(client, FINAL(BINARY), packet->record, packet->size_bytes);
}

static void send_hello(
	struct client *client, const char *token, const char *name, const char *identity)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Hello hello = UXREC__HELLO__INIT;

	hello.token = (char *)token;
	hello.name = (char *)name;
	hello.identity = (char *)identity;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	expect(send_message(client, &message) == 0);
}

/* A message whose body has default values. The caller frees the body. */
static Uxrec__ClientMessage empty_message(unsigned body)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(message.base.descriptor, body);
	const ProtobufCMessageDescriptor *kind;
	ProtobufCMessage *made;

	check(field && field->type == PROTOBUF_C_TYPE_MESSAGE);
	kind = field->descriptor;
	made = calloc(1, kind->sizeof_message);
	check(made != NULL);
	protobuf_c_message_init(kind, made);
	message.request = 77;
	message.body_case = body;
	message.hello = (Uxrec__Hello *)made;
	return message;
}

static int send_empty(struct client *client, unsigned body)
{
	Uxrec__ClientMessage message = empty_message(body);
	int r = send_message(client, &message);

	free(message.hello);
	return r;
}

/* ---- messages to a peer ---- */

struct received {
	enum websocket_opcode opcode;
	struct view payload;
};

/* @return false when no whole frame is left */
static bool next_frame(struct client *client, struct received *ret)
{
	struct lws *wsi = client->wsi;
	const unsigned char *at = wsi->sent.data + wsi->read_bytes;
	size_t left = wsi->sent.size_bytes - wsi->read_bytes, header = 2, size;

	flush(&server, client);
	at = wsi->sent.data + wsi->read_bytes;
	left = wsi->sent.size_bytes - wsi->read_bytes;
	if (left < 2)
		return false;
	size = at[1];
	if (at[1] == 126)
		size = (size_t)at[2] << 8 | at[3], header = 4;
	if (at[1] == 127)
		size = be64toh(le_load(at + 2, 8)), header = 10;
	if (left < header + size)
		return false;
	*ret = (struct received){(enum websocket_opcode)(at[0] & 0x0f), {at + header, size, 0}};
	wsi->read_bytes += header + size;
	return true;
}

/* @return the next message, freed by the caller; NULL without one, or when it is none of wire.proto */
static Uxrec__ServerMessage *next_message(struct client *client)
{
	struct received frame;

	if (!next_frame(client, &frame) || frame.opcode != WEBSOCKET_BINARY ||
		*frame.payload.data != MCAP_PRIVATE)
		return NULL;
	return uxrec__server_message__unpack(NULL,
		frame.payload.size_bytes - MCAP_RECORD_HEADER_BYTES,
		frame.payload.data + MCAP_RECORD_HEADER_BYTES);
}

static void message_free(Uxrec__ServerMessage **message)
{
	uxrec__server_message__free_unpacked(*message, NULL);
}
#define _message_free_ _cleanup_(message_free)

/* @return the code of the next failure, 0 when the next message is another one */
static int next_failure(struct client *client, uint64_t request)
{
	_message_free_ Uxrec__ServerMessage *message = next_message(client);

	return message && message->request == request &&
			message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE
		? message->failure->code
		: 0;
}

/* @return the status of the close frame that ends the connection, 0 while it is open */
static unsigned closed_with(struct client *client)
{
	struct received frame;

	while (next_frame(client, &frame))
		if (frame.opcode == WEBSOCKET_CLOSE && frame.payload.size_bytes >= 2)
			return client->state == CLIENT_ENDING
				? (unsigned)(frame.payload.data[0] << 8 | frame.payload.data[1])
				: 1;
	return 0;
}

/* ---- connections ---- */

static struct client *open_websocket(void)
{
	static const char request[] =
		"GET /live HTTP/1.1\r\nHost: localhost:7310\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: uxrec.v1\r\n\r\n";
	struct client *client = accept_client(&server);

	check(receive(&server, client, request, strlen(request)) == 0);
	check(flush(&server, client) == 0);
	check(client->state == CLIENT_SILENT);
	check(strncmp((char *)client->wsi->sent.data, "HTTP/1.1 101 ", 13) == 0);
	buf_clear(&client->wsi->sent);
	return client;
}

static void present_key(Uxrec__Role role, char key[KEY_BYTES])
{
	keyring_present(access_of_test.keyring, role, key, NULL);
}

static struct client *open_peer_as(Uxrec__Role role, const char *name, const char *identity)
{
	struct client *client = open_websocket();
	char key[KEY_BYTES];

	present_key(role, key);
	send_hello(client, key, name, identity);
	return client;
}

/* Admitted, its welcome read. */
static struct client *open_peer(Uxrec__Role role)
{
	struct client *client = open_peer_as(role, "Ana", "");
	_message_free_ Uxrec__ServerMessage *message = next_message(client);

	check(client->state == CLIENT_PEER && message);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_WELCOME);
	return client;
}

/* ---- places ---- */

static void without_room_the_connection_that_closes_goes_first(void)
{
	struct client *clients[4], *another;

	begin_server();
	for (size_t i = 0; i < 4; i++) {
		clients[i] = accept_client(&server);
		pass(0.1);
	}
	/* the oldest has sent something that is not read yet */
	clients[0]->wsi->has_unread = true;
	client_set_state(&server, clients[3], CLIENT_ENDING);
	another = accept_client(&server);
	expect(clients[3]->wsi->killed);
	for (size_t i = 0; i < 3; i++)
		expect(!clients[i]->wsi->killed);
	accept_client(&server);
	expect(clients[1]->wsi->killed && !clients[0]->wsi->killed && !another->wsi->killed);
	end_server();
}

static void a_connection_with_input_is_closed_when_all_have_some(void)
{
	struct client *clients[4];

	begin_server();
	for (size_t i = 0; i < 4; i++) {
		clients[i] = accept_client(&server);
		clients[i]->wsi->has_unread = true;
		pass(0.1);
	}
	accept_client(&server);
	expect(clients[0]->wsi->killed && !clients[1]->wsi->killed);
	end_server();
}

static void the_oldest_websocket_without_a_hello_is_closed(void)
{
	struct client *silent[3], *observer;

	begin_server();
	observer = open_peer(OBSERVER);
	for (size_t i = 0; i < 3; i++) {
		silent[i] = open_websocket();
		pass(0.1);
	}
	open_websocket();
	expect(silent[0]->wsi->killed && !silent[1]->wsi->killed && !observer->wsi->killed);
	end_server();
}

static void a_link_beyond_its_places_loses_the_one_that_was_silent_longest(void)
{
	struct client *observers[7], *reviewer, *another;

	begin_server();
	reviewer = open_peer(REVIEWER);
	for (size_t i = 0; i < 7; i++) {
		observers[i] = open_peer(OBSERVER);
		pass(0.1);
	}
	expect(send_empty(observers[0], UXREC__CLIENT_MESSAGE__BODY_PING) == 0);
	another = open_peer(OBSERVER);
	expect(closed_with(observers[1]) == WEBSOCKET_TRY_LATER);
	expect(observers[0]->state == CLIENT_PEER && another->state == CLIENT_PEER);
	expect(reviewer->state == CLIENT_PEER);
	expect(server.keys[OBSERVER].connections == 7 && server.keys[REVIEWER].connections == 1);
	end_server();
}

static void joins_beyond_a_links_rate_wait_their_turn(void)
{
	struct client *client = NULL, *reviewer;
	unsigned joined = 0;

	begin_server();
	for (; joined < 200; joined++) {
		client = open_peer_as(OBSERVER, "Ana", "");
		if (client->state == CLIENT_QUEUED)
			break;
		remove_client(&server, client);
	}
	check(joined >= 10 && joined < 200);
	expect(client->paused && !client->peer);
	/* input that arrived with the hello is kept */
	reviewer = open_peer(REVIEWER);
	expect(reviewer->state == CLIENT_PEER);
	places_tick(&server, present_ns);
	expect(client->state == CLIENT_QUEUED);
	pass(1);
	places_tick(&server, present_ns);
	expect(client->state == CLIENT_PEER && !client->paused);
	end_server();
}

static void input_behind_a_hello_waits_with_it(void)
{
	struct rate *joins = &server.keys[OBSERVER].joins;
	struct client *client;

	begin_server();
	*joins = (struct rate){.used = 64, .time_ns = present_ns};
	client = open_peer_as(OBSERVER, "Ana", "");
	check(client->state == CLIENT_QUEUED);
	expect(receive(&server, client, "", 0) == 0);
	/* masked, empty and of a kind that ends the connection when it is read */
	buf_put(&client->input, "\x81\x80mask", 6);
	pass(5);
	places_tick(&server, present_ns);
	expect(closed_with(client) == WEBSOCKET_UNACCEPTABLE);
	end_server();
}

/* ---- rates ---- */

static unsigned send_pongs(struct client *client, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		send_frame(client, FINAL(PONG), "", 0);
		if (client->state != CLIENT_PEER)
			return i;
	}
	return count;
}

static void every_frame_counts_against_its_connection(void)
{
	struct client *flood, *other;
	unsigned sent;

	begin_server();
	flood = open_peer(OBSERVER);
	other = open_peer(OBSERVER);
	sent = send_pongs(flood, 1000);
	expect(sent >= 100 && sent <= 250);
	expect(closed_with(flood) == WEBSOCKET_POLICY);
	expect(other->state == CLIENT_PEER);
	/* slowly the same number is fine */
	for (unsigned i = 0; i < 20; i++, pass(0.5))
		expect(send_pongs(other, 50) == 50);
	end_server();
}

static void of_a_link_that_floods_the_heaviest_connection_is_closed(void)
{
	struct client *heavy, *light[6], *moderator;
	unsigned sent = 0;

	begin_server();
	/* the rate of one link is above that of one connection: more of its time counts here */
	server.keys[OBSERVER].frames = (struct rate){.used = 850, .time_ns = present_ns};
	moderator = open_peer(MODERATOR);
	heavy = open_peer(OBSERVER);
	for (size_t i = 0; i < 6; i++)
		light[i] = open_peer(OBSERVER);
	sent += send_pongs(heavy, 150);
	for (size_t i = 0; i < 6; i++)
		sent += send_pongs(light[i], 100);
	expect(sent == 150 + 6 * 100);
	expect(closed_with(heavy) == WEBSOCKET_POLICY);
	for (size_t i = 0; i < 6; i++)
		expect(light[i]->state == CLIENT_PEER);
	expect(moderator->state == CLIENT_PEER);
	end_server();
}

static char *text_of(size_t size)
{
	char *text = malloc(size + 1);

	check(text != NULL);
	memset(text, 'a', size);
	text[size] = '\0';
	return text;
}

/* A transcript of a quarter of a megabyte. */
static void send_large(struct client *client, const char *text)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__PutTranscript put = UXREC__PUT_TRANSCRIPT__INIT;

	put.vtt = (char *)text;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_PUT_TRANSCRIPT;
	message.put_transcript = &put;
	expect(send_message(client, &message) == 0);
}

static void bytes_beyond_the_rate_are_read_later(void)
{
	_autofree_ char *text = text_of(250 * 1000);
	struct client *reviewer;

	begin_server();
	reviewer = open_peer(REVIEWER);
	for (unsigned i = 0; i < 12; i++)
		send_large(reviewer, text);
	expect(reviewer->state == CLIENT_PEER && reviewer->throttled && reviewer->paused);
	expect(handed_on >= 8 && handed_on < 12);
	for (unsigned i = 0; i < 10; i++) {
		pass(1);
		reviewer->received_ns = present_ns;
		places_tick(&server, present_ns);
	}
	expect(handed_on == 12 && !reviewer->paused);
	end_server();
}

/* ---- memory ---- */

static struct packet *packet_of(size_t size)
{
	struct packet *packet;
	_autofree_ char *bytes = text_of(size);

	check(packet_create_record(&packet, MCAP_MESSAGE, bytes, size) == 0);
	return packet;
}

static void send_bytes(struct client *client, size_t size)
{
	deliver(&server, client->peer, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(size), 0);
}

static const size_t mb = 1024 * 1024;

static void a_peer_may_wait_for_one_large_answer_and_not_for_two(void)
{
	struct client *one, *two;

	begin_server();
	one = open_peer(REVIEWER);
	two = open_peer(REVIEWER);
	one->wsi->room_bytes = two->wsi->room_bytes = 0;
	send_bytes(one, 40 * mb);
	places_bound_memory(&server);
	expect(one->state == CLIENT_PEER);
	send_bytes(one, 1);
	send_bytes(two, 1 * mb);
	send_bytes(two, 1 * mb);
	places_bound_memory(&server);
	expect(one->wsi->killed && two->state == CLIENT_PEER);
	end_server();
}

static void over_the_bound_of_all_the_largest_backlog_ends_first(void)
{
	struct client *large, *small, *moderator;

	begin_server();
	moderator = open_peer(MODERATOR);
	large = open_peer(REVIEWER);
	small = open_peer(OBSERVER);
	moderator->wsi->room_bytes = large->wsi->room_bytes = small->wsi->room_bytes = 0;
	send_bytes(moderator, 31 * mb);
	send_bytes(large, 20 * mb);
	send_bytes(small, 12 * mb);
	places_bound_memory(&server);
	expect(!large->wsi->killed);
	send_bytes(small, 3 * mb);
	places_bound_memory(&server);
	expect(large->wsi->killed && !small->wsi->killed && !moderator->wsi->killed);
	end_server();
}

static void a_moderator_that_alone_exceeds_the_bound_is_closed(void)
{
	struct client *moderator, *observer;

	begin_server();
	moderator = open_peer(MODERATOR);
	observer = open_peer(OBSERVER);
	moderator->wsi->room_bytes = observer->wsi->room_bytes = 0;
	send_bytes(moderator, 65 * mb);
	send_bytes(observer, 1000);
	places_bound_memory(&server);
	expect(moderator->wsi->killed && !observer->wsi->killed);
	end_server();
}

static void a_peer_whose_backlog_overflowed_elsewhere_is_closed(void)
{
	struct client *observer;

	begin_server();
	observer = open_peer(OBSERVER);
	observer->peer->overflowed = true;
	places_bound_memory(&server);
	expect(observer->wsi->killed && observer->peer->closed);
	end_server();
}

/* ---- deadlines ---- */

static void tick_after(double seconds)
{
	pass(seconds);
	places_tick(&server, present_ns);
}

static void a_request_and_a_hello_have_five_seconds(void)
{
	struct client *request, *silent;

	begin_server();
	request = accept_client(&server);
	silent = open_websocket();
	tick_after(4.9);
	expect(!request->wsi->killed && silent->state == CLIENT_SILENT);
	tick_after(0.2);
	expect(request->wsi->killed);
	expect(closed_with(silent) == CLOSE_BAD_TOKEN);
	/* then two more for the close of the client */
	tick_after(1.9);
	expect(!silent->wsi->killed);
	tick_after(0.2);
	expect(silent->wsi->killed);
	end_server();
}

static void a_silent_peer_is_pinged_and_closed_after_a_minute(void)
{
	struct client *observer;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	tick_after(29);
	expect(!next_frame(observer, &frame));
	tick_after(2);
	expect(next_frame(observer, &frame) && frame.opcode == WEBSOCKET_PING);
	tick_after(1);
	expect(!next_frame(observer, &frame));
	send_frame(observer, FINAL(PONG), "", 0);
	tick_after(59);
	expect(!observer->wsi->killed);
	tick_after(2);
	expect(observer->wsi->killed);
	end_server();
}

static void a_peer_that_does_not_read_for_half_a_minute_is_closed(void)
{
	struct client *slow, *stalled;

	begin_server();
	slow = open_peer(OBSERVER);
	stalled = open_peer(OBSERVER);
	slow->wsi->room_bytes = stalled->wsi->room_bytes = 0;
	send_bytes(slow, 1 * mb);
	send_bytes(stalled, 1 * mb);
	tick_after(20);
	slow->wsi->room_bytes = 1; /* one piece */
	expect(flush(&server, slow) == 0);
	tick_after(11);
	expect(stalled->wsi->killed && !slow->wsi->killed);
	tick_after(20);
	expect(slow->wsi->killed);
	end_server();
}

static void a_link_revoked_closes_its_connections_also_those_that_wait(void)
{
	static const struct admission revoked = {
		.close_code = CLOSE_REVOKED, .reason = REVOKED_REASON};
	struct client *observer, *queued, *moderator;

	begin_server();
	observer = open_peer(OBSERVER);
	moderator = open_peer(MODERATOR);
	server.keys[OBSERVER].joins = (struct rate){.used = 64, .time_ns = present_ns};
	queued = open_peer_as(OBSERVER, "Bob", "");
	check(queued->state == CLIENT_QUEUED);
	peer_decide(&server, observer, &revoked);
	peer_decide(&server, queued, &revoked);
	expect(closed_with(observer) == CLOSE_REVOKED && closed_with(queued) == CLOSE_REVOKED);
	expect(moderator->state == CLIENT_PEER);
	end_server();
}

/* ---- hello ---- */

static void before_a_hello_every_other_message_is_refused(void)
{
	const ProtobufCMessageDescriptor *kind = &uxrec__client_message__descriptor;

	begin_server();
	for (unsigned i = 0; i < kind->n_fields; i++) {
		unsigned body = kind->fields[i].id;
		struct client *client;

		if (kind->fields[i].type != PROTOBUF_C_TYPE_MESSAGE ||
			body == UXREC__CLIENT_MESSAGE__BODY_HELLO)
			continue;
		client = open_websocket();
		expect(send_empty(client, body) == 0);
		expect(closed_with(client) == CLOSE_BAD_TOKEN);
		remove_client(&server, client);
	}
	expect(handed_on == 0 && drained == 0);
	end_server();
}

static unsigned hello_with(const char *token, const char *identity)
{
	struct client *client = open_websocket();
	unsigned status;

	send_hello(client, token, "Ana", identity);
	status = client->state == CLIENT_PEER ? 0 : closed_with(client);
	remove_client(&server, client);
	return status;
}

static void a_hello_needs_a_valid_key_and_identity(void)
{
	char key[KEY_BYTES];

	begin_server();
	present_key(OBSERVER, key);
	expect(hello_with(key, "") == 0 && hello_with(key, IDENTITY) == 0);
	expect(hello_with("", "") == CLOSE_BAD_TOKEN);
	expect(hello_with("x", "") == CLOSE_BAD_TOKEN);
	expect(hello_with(IDENTITY, "") == CLOSE_BAD_TOKEN);
	expect(hello_with(key, "0123") == CLOSE_BAD_RECORD);
	expect(hello_with(key, "0123456789ABCDEF0123456789ABCDEF") == CLOSE_BAD_RECORD);
	keyring_revoke(access_of_test.keyring, "observer", NULL);
	expect(hello_with(key, "") == CLOSE_REVOKED);
	end_server();
}

static void a_welcome_has_the_key_only_for_a_ticket_which_is_used_up(void)
{
	_message_free_ Uxrec__ServerMessage *by_key = NULL, *by_ticket = NULL;
	char ticket[TICKET_BYTES], key[KEY_BYTES];
	struct client *client;

	begin_server();
	present_key(MODERATOR, key);
	by_key = next_message(open_peer_as(MODERATOR, "Ana", ""));
	check(by_key && by_key->body_case == UXREC__SERVER_MESSAGE__BODY_WELCOME);
	expect(!*by_key->welcome->key && by_key->welcome->role == MODERATOR);
	expect(strcmp(by_key->welcome->page_marker, "marker") == 0 && !by_key->welcome->recorder);
	check(tickets_make(&access_of_test.tickets, MODERATOR, ticket) == 0);
	client = open_websocket();
	send_hello(client, ticket, "Ana", "");
	by_ticket = next_message(client);
	check(by_ticket && by_ticket->body_case == UXREC__SERVER_MESSAGE__BODY_WELCOME);
	expect(strcmp(by_ticket->welcome->key, key) == 0);
	expect(hello_with(ticket, "") == CLOSE_BAD_TOKEN);
	end_server();
}

static void observers_are_not_told_the_marker_of_the_moderators_pages(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;

	begin_server();
	message = next_message(open_peer_as(OBSERVER, "Ana", ""));
	check(message && message->body_case == UXREC__SERVER_MESSAGE__BODY_WELCOME);
	expect(!*message->welcome->page_marker && message->welcome->role == OBSERVER);
	end_server();
}

static void principal_of(Uxrec__Role role, const char *name, const char *identity, char ret[33])
{
	struct client *client = open_peer_as(role, name, identity);

	check(client->state == CLIENT_PEER);
	memcpy(ret, client->peer->principal.id, 33);
	expect(client->peer->principal.identified == (*identity != '\0'));
	remove_client(&server, client);
}

static void an_identity_is_one_principal_whatever_its_name_and_link(void)
{
	char first[33], second[33], other[33], derived[33];

	begin_server();
	principal_of(OBSERVER, "Ana", IDENTITY, first);
	principal_of(MODERATOR, "Bob", IDENTITY, second);
	expect(strcmp(first, second) == 0 && strlen(first) == 32);
	principal_of(OBSERVER, "Ana", SECRET, other);
	expect(strcmp(first, other) != 0);
	/* without one it is of the name and the link */
	principal_of(OBSERVER, "Ana", "", derived);
	principal_of(OBSERVER, "Ana", "", second);
	expect(strcmp(derived, second) == 0 && strcmp(derived, first) != 0);
	principal_of(OBSERVER, "Bob", "", second);
	principal_of(REVIEWER, "Ana", "", other);
	expect(strcmp(derived, second) != 0 && strcmp(derived, other) != 0);
	snprintf(access_of_test.user, sizeof(access_of_test.user), SECRET);
	principal_of(REVIEWER, "Ana", IDENTITY, first);
	expect(strcmp(first, SECRET) == 0);
	end_server();
}

static void names_of_roles_are_the_moderators_alone(void)
{
	static const struct {
		Uxrec__Role role;
		const char *name, *taken;
	} hellos[] = {
		{OBSERVER, "Ana", "Ana"},
		{OBSERVER, " Ana  Maria ", "Ana Maria"},
		{OBSERVER, "", "observer"},
		{OBSERVER, "Moderator", "observer"},
		{REVIEWER, "UXRECD", "observer"},
		{OBSERVER, " moderator ", "observer"},
		{MODERATOR, "moderator", "moderator"},
	};

	begin_server();
	for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
		struct client *client = open_peer_as(hellos[i].role, hellos[i].name, "");

		check(client->peer != NULL);
		expect(strcmp(client->peer->principal.name, hellos[i].taken) == 0);
		remove_client(&server, client);
	}
	end_server();
}

static void a_second_hello_changes_nothing(void)
{
	struct client *observer;
	struct received frame;
	char key[KEY_BYTES];

	begin_server();
	observer = open_peer(OBSERVER);
	present_key(MODERATOR, key);
	send_hello(observer, key, "Bob", "");
	expect(observer->state == CLIENT_PEER && observer->peer->principal.role == OBSERVER);
	expect(!next_frame(observer, &frame) && handed_on == 0);
	end_server();
}

/* ---- messages ---- */

static bool is_answered_by_the_server(unsigned body)
{
	return request_kind((Uxrec__ClientMessage__BodyCase)body)->owner == REQUEST_OF_CONNECTION;
}

static void expect_right_of(Uxrec__Role role, unsigned body)
{
	Uxrec__ClientMessage message = empty_message(body);
	bool allowed = request_allows(request_kind(message.body_case), role);
	struct client *client = open_peer(role);

	handed_on = 0;
	expect(send_message(client, &message) == 0);
	expect(client->state == CLIENT_PEER);
	if (!allowed)
		expect(next_failure(client, 77) == EACCES && handed_on == 0);
	else if (!is_answered_by_the_server(body))
		expect(handed_on == 1 && (unsigned)handed_kind == body);
	else
		expect(handed_on == 0);
	free(message.hello);
	remove_client(&server, client);
}

static void a_message_that_a_role_may_not_send_is_answered_and_not_handed_on(void)
{
	const ProtobufCMessageDescriptor *kind = &uxrec__client_message__descriptor;

	begin_server();
	for (Uxrec__Role role = OBSERVER; role <= MODERATOR; role++)
		for (unsigned i = 0; i < kind->n_fields; i++, pass(0.1))
			if (kind->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
				expect_right_of(role, kind->fields[i].id);
	end_server();
}

static unsigned status_after(const void *payload, size_t size)
{
	struct client *client = open_peer(OBSERVER);
	unsigned status;

	expect(send_frame(client, FINAL(BINARY), payload, size) == 0);
	status = closed_with(client);
	remove_client(&server, client);
	return status;
}

static void garbage_ends_a_connection_with_4400(void)
{
	static const unsigned char empty[] = {0x80, 0, 0, 0, 0, 0, 0, 0, 0};
	static const unsigned char other[] = {0x05, 0, 0, 0, 0, 0, 0, 0, 0};
	static const unsigned char longer[] = {0x80, 9, 0, 0, 0, 0, 0, 0, 0, 1};

	begin_server();
	expect(status_after("", 0) == CLOSE_BAD_RECORD);
	expect(status_after("hello", 5) == CLOSE_BAD_RECORD);
	expect(status_after(empty, sizeof(empty)) == CLOSE_BAD_RECORD); /* no body */
	expect(status_after(other, sizeof(other)) == CLOSE_BAD_RECORD);
	expect(status_after(longer, sizeof(longer)) == CLOSE_BAD_RECORD);
	expect(handed_on == 0);
	end_server();
}

static void a_request_of_tomorrow_is_answered_and_the_connection_stays(void)
{
	/* request 5, and a body of a number that no request has; request 6 without one */
	static const unsigned char later[] = {
		0x80, 7, 0, 0, 0, 0, 0, 0, 0, 0x08, 5, 0xc2, 0x3e, 2, 0x08, 1};
	static const unsigned char empty[] = {0x80, 2, 0, 0, 0, 0, 0, 0, 0, 0x08, 6};
	struct client *reviewer;

	begin_server();
	reviewer = open_peer(REVIEWER);
	expect(send_frame(reviewer, FINAL(BINARY), later, sizeof(later)) == 0);
	expect(next_failure(reviewer, 5) == ENOSYS);
	expect(send_frame(reviewer, FINAL(BINARY), empty, sizeof(empty)) == 0);
	expect(next_failure(reviewer, 6) == ENOSYS);
	expect(reviewer->state == CLIENT_PEER && handed_on == 0);
	end_server();
}

static bool has_ability(const Uxrec__Welcome *welcome, const char *name)
{
	size_t i = 0;

	while (i < welcome->n_abilities && strcmp(welcome->abilities[i], name) != 0)
		i++;
	return i < welcome->n_abilities;
}

/* No session can be recorded here. */
static void a_welcome_lists_what_the_role_may_ask_of_this_program(void)
{
	_message_free_ Uxrec__ServerMessage *reviewer = NULL, *observer = NULL;

	begin_server();
	reviewer = next_message(open_peer_as(REVIEWER, "Ana", ""));
	observer = next_message(open_peer_as(OBSERVER, "Bob", ""));
	check(reviewer && observer);
	expect(reviewer->welcome->wire == WIRE_VERSION);
	expect(has_ability(reviewer->welcome, "get_metrics"));
	expect(has_ability(reviewer->welcome, "put_act"));
	expect(!has_ability(reviewer->welcome, "get_status"));
	expect(!has_ability(reviewer->welcome, "request"));
	expect(!has_ability(observer->welcome, "get_metrics"));
	expect(has_ability(observer->welcome, "put_act"));
	end_server();
}

static void a_text_that_is_not_utf_8_is_refused_and_the_connection_stays(void)
{
	/* request 5, open_session{session: "\xff"} */
	static const unsigned char record[] = {
		0x80, 7, 0, 0, 0, 0, 0, 0, 0, 0x08, 5, 0x3a, 3, 0x0a, 1, 0xff};
	struct client *reviewer;

	begin_server();
	reviewer = open_peer(REVIEWER);
	expect(send_frame(reviewer, FINAL(BINARY), record, sizeof(record)) == 0);
	expect(next_failure(reviewer, 5) == EILSEQ);
	expect(reviewer->state == CLIENT_PEER && handed_on == 0);
	end_server();
}

static void a_hello_is_short_and_a_message_at_most_256_kib(void)
{
	_autofree_ char *text = text_of(WIRE_MESSAGE_LIMIT_BYTES);
	struct client *silent, *peer;

	begin_server();
	silent = open_websocket();
	/* refused by its head, before any of it is kept */
	expect(receive(&server, silent, "\x82\xfe\x10\x00mask", 8) == 0);
	expect(closed_with(silent) == WEBSOCKET_TOO_LARGE && silent->message.capacity_bytes == 0);
	peer = open_peer(REVIEWER);
	send_large(peer, text + 100);
	expect(handed_on == 1 && peer->state == CLIENT_PEER);
	send_large(peer, text);
	expect(closed_with(peer) == WEBSOCKET_TOO_LARGE && handed_on == 1);
	end_server();
}

static void fragments_are_one_message_and_control_frames_may_come_between(void)
{
	_packet_unref_ struct packet *packet = NULL;
	Uxrec__ClientMessage message = empty_message(UXREC__CLIENT_MESSAGE__BODY_GET_STATUS);
	struct received frame;
	struct client *client;

	begin_server();
	client = open_peer(OBSERVER);
	check(packet_create_record_message(&packet, MCAP_PRIVATE, &message.base) == 0);
	free(message.hello);
	expect(send_frame(client, WEBSOCKET_BINARY, packet->record, 3) == 0);
	expect(send_frame(client, FINAL(PING), "hi", 2) == 0);
	expect(send_frame(client, WEBSOCKET_CONTINUATION, "", 0) == 0);
	expect(handed_on == 0);
	expect(send_frame(client, FINAL(CONTINUATION), packet->record + 3,
		       packet->size_bytes - 3) == 0);
	expect(handed_on == 1 && handed_kind == UXREC__CLIENT_MESSAGE__BODY_GET_STATUS);
	check(next_frame(client, &frame));
	expect(frame.opcode == WEBSOCKET_PONG && frame.payload.size_bytes == 2 &&
		memcmp(frame.payload.data, "hi", 2) == 0);
	end_server();
}

static unsigned status_of_frames(const char *frames, size_t size)
{
	struct client *client = open_peer(OBSERVER);
	unsigned status;

	/* however they are cut */
	for (size_t i = 0; i < size; i++)
		expect(receive(&server, client, frames + i, 1) == 0);
	status = closed_with(client);
	remove_client(&server, client);
	return status;
}
#define status_of(frames) status_of_frames(frames, sizeof(frames) - 1)

static void frames_out_of_order_end_the_connection(void)
{
	begin_server();
	expect(status_of("\x80\x80mask") == WEBSOCKET_PROTOCOL_ERROR);
	expect(status_of("\x02\x80mask\x02\x80mask") == WEBSOCKET_PROTOCOL_ERROR);
	expect(status_of("\x82\x00") == WEBSOCKET_PROTOCOL_ERROR);
	expect(status_of("\x81\x80mask") == WEBSOCKET_UNACCEPTABLE);
	expect(status_of("\x88\x80mask") == WEBSOCKET_NORMAL);
	expect(status_of("\x8a\x80mask") == 0);
	end_server();
}

/* ---- answers ---- */

static void send_ping(struct client *client, double client_ms)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Ping ping = UXREC__PING__INIT;

	ping.client_ms = client_ms;
	message.request = (uint64_t)client_ms;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_PING;
	message.ping = &ping;
	expect(send_message(client, &message) == 0);
}

static void of_pongs_that_wait_only_the_newest_is_sent(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	struct client *observer;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	observer->wsi->room_bytes = 0;
	for (unsigned i = 1; i <= 50; i++)
		send_ping(observer, i);
	expect(observer->outbox.ring.count == 1);
	observer->wsi->room_bytes = SIZE_MAX;
	message = next_message(observer);
	check(message && message->body_case == UXREC__SERVER_MESSAGE__BODY_PONG);
	expect(message->request == 50 && message->pong->client_ms == 50);
	expect(!next_frame(observer, &frame));
	end_server();
}

static void replaced_answers_no_longer_count_as_backlog(void)
{
	struct client *observer;

	begin_server();
	observer = open_peer(OBSERVER);
	observer->wsi->room_bytes = 0;
	for (unsigned i = 1; i <= 50; i++)
		send_ping(observer, i);
	observer->wsi->room_bytes = SIZE_MAX;
	expect(flush(&server, observer) == 0);
	expect(observer->peer->queued_bytes == 0 && server.queued_bytes == 0);
	end_server();
}

static void a_message_reaches_its_peer_role_or_session_only(void)
{
	struct client *observer, *reviewer, *moderator;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	reviewer = open_peer(REVIEWER);
	moderator = open_peer(MODERATOR);
	snprintf(reviewer->session, sizeof(reviewer->session), "20261120-101500-abcd");
	deliver(&server, observer->peer, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(1), 0);
	expect(next_frame(observer, &frame) && !next_frame(reviewer, &frame) &&
		!next_frame(moderator, &frame));
	deliver(&server, NULL, "", MODERATOR, packet_of(1), 0);
	expect(!next_frame(observer, &frame) && !next_frame(reviewer, &frame) &&
		next_frame(moderator, &frame));
	deliver(&server, NULL, "20261120-101500-abcd", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(1),
		0);
	expect(!next_frame(observer, &frame) && next_frame(reviewer, &frame) &&
		!next_frame(moderator, &frame));
	deliver(&server, NULL, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(1), 0);
	expect(next_frame(observer, &frame) && next_frame(reviewer, &frame) &&
		next_frame(moderator, &frame));
	end_server();
}

static void a_status_that_waits_is_replaced_and_other_messages_are_not(void)
{
	struct client *observer;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	observer->wsi->room_bytes = 0;
	for (size_t i = 1; i <= 10; i++) {
		deliver(&server, NULL, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(i),
			OUTLET_KIND_STATUS);
		deliver(&server, NULL, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet_of(100 + i), 0);
	}
	observer->wsi->room_bytes = SIZE_MAX;
	for (size_t i = 1; i <= 9; i++)
		expect(next_frame(observer, &frame) && frame.payload.size_bytes == 9 + 100 + i);
	expect(next_frame(observer, &frame) && frame.payload.size_bytes == 9 + 10);
	expect(next_frame(observer, &frame) && frame.payload.size_bytes == 9 + 110);
	expect(!next_frame(observer, &frame));
	end_server();
}

static void a_frame_that_has_begun_ends_before_the_close_and_others_are_dropped(void)
{
	struct client *observer;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	observer->wsi->room_bytes = 1; /* one piece of it */
	send_bytes(observer, 1 * mb);
	send_bytes(observer, 1 * mb);
	expect(flush(&server, observer) == 0);
	frames_close(&server, observer, WEBSOCKET_POLICY, "why");
	expect(observer->peer->closed && server.queued_bytes == 0);
	observer->wsi->room_bytes = SIZE_MAX;
	expect(next_frame(observer, &frame) && frame.payload.size_bytes == 9 + 1 * mb);
	check(next_frame(observer, &frame) && frame.opcode == WEBSOCKET_CLOSE);
	expect(frame.payload.size_bytes == 5 && memcmp(frame.payload.data + 2, "why", 3) == 0);
	expect(!next_frame(observer, &frame));
	end_server();
}

static void a_drained_backlog_is_reported_and_so_is_the_end_of_its_peer(void)
{
	struct client *reviewer;

	begin_server();
	reviewer = open_peer(REVIEWER);
	reviewer->wsi->room_bytes = 0;
	send_bytes(reviewer, 2 * mb);
	expect(drained == 0);
	reviewer->wsi->room_bytes = SIZE_MAX;
	expect(flush(&server, reviewer) == 0 && drained == 1);
	reviewer->wsi->room_bytes = 0;
	send_bytes(reviewer, 2 * mb);
	remove_client(&server, reviewer);
	expect(drained == 2);
	end_server();
}

/* ---- connected people ---- */

static void the_list_of_people_goes_to_moderators_at_changes_and_every_two_seconds(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	struct client *observer, *moderator;
	struct received frame;

	begin_server();
	observer = open_peer(OBSERVER);
	pass(3);
	moderator = open_peer(MODERATOR);
	people_tick(&server, present_ns);
	expect(!next_frame(observer, &frame));
	message = next_message(moderator);
	check(message && message->body_case == UXREC__SERVER_MESSAGE__BODY_PEOPLE);
	check(message->people->n_people == 2);
	expect(message->people->people[0]->role == OBSERVER &&
		message->people->people[0]->since_s == 3);
	expect(message->people->people[1]->role == MODERATOR && message->people->more == 0);
	pass(1);
	people_tick(&server, present_ns);
	expect(!next_frame(moderator, &frame));
	pass(1.1);
	people_tick(&server, present_ns);
	expect(next_frame(moderator, &frame));
	remove_client(&server, observer);
	people_tick(&server, present_ns);
	expect(next_frame(moderator, &frame));
	end_server();
}

static void beyond_a_hundred_people_are_a_number(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	struct client *moderator;

	begin_server();
	server.descriptors = PLACES_LIMIT;
	for (unsigned i = 0; i < 104; i++, pass(0.1))
		open_peer(OBSERVER);
	moderator = open_peer(MODERATOR);
	people_tick(&server, present_ns);
	message = next_message(moderator);
	check(message && message->body_case == UXREC__SERVER_MESSAGE__BODY_PEOPLE);
	expect(message->people->n_people == 100 && message->people->more == 5);
	end_server();
}

/* ---- the live stream ---- */

static struct session_clock session_clock;

static void publish(uint16_t channel, int64_t time_ns, bool keyframe)
{
	struct packet *packet;

	check(packet_create_data(&packet, &session_clock,
		      &(struct packet_info){channel, keyframe ? PACKET_KEYFRAME : 0, time_ns, 0},
		      "data", 4) == 0);
	stream_publish(&stream, packet);
	packet_unref(packet);
}

/* @return the number of records of a kind until the connection has nothing more */
static unsigned count_records(struct client *client, unsigned char opcode)
{
	struct received frame;
	unsigned count = 0;

	while (next_frame(client, &frame))
		count += frame.opcode == WEBSOCKET_BINARY && *frame.payload.data == opcode;
	return count;
}

static void an_observer_gets_the_channels_once_and_each_picture_once(void)
{
	struct client *observer, *first;

	begin_server();
	server.options.recorder = true;
	first = open_peer(OBSERVER);
	observer = open_peer(OBSERVER);
	publish(CHANNEL_SCREEN, 1, true); /* for nobody */
	expect(send_empty(first, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE) == 0);
	stream_begin(&stream, 1);
	publish(CHANNEL_SCREEN_INFO, 1, false);
	publish(CHANNEL_SCREEN, 2, true);
	expect(!observer->live && stream.watchers == 1 && watches == 1);
	expect(send_empty(observer, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE) == 0);
	expect(observer->live && stream.watchers == 2 && handed_on == 2 && watches == 2);
	expect(count_records(observer, MCAP_CHANNEL) > 10);
	publish(CHANNEL_SCREEN, 3, false);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_MESSAGE) == 1);
	/* watching again: no channels, the latched message, the burst */
	expect(send_empty(observer, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE) == 0);
	expect(stream.watchers == 2 && stream.epoch == 1);
	expect(count_records(observer, MCAP_MESSAGE) == 3);
	remove_client(&server, observer);
	remove_client(&server, first);
	expect(stream.watchers == 0 && departed == 2);
	end_server();
}

static void packets_for_earlier_watchers_reach_no_later_one(void)
{
	struct client *observer;

	begin_server();
	server.options.recorder = true;
	observer = open_peer(OBSERVER);
	send_empty(observer, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE);
	stream_begin(&stream, 1);
	publish(CHANNEL_SCREEN, 2, true);
	remove_client(&server, observer);
	observer = open_peer(OBSERVER);
	send_empty(observer, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE);
	expect(stream.epoch == 2);
	/* on their way when the watcher left */
	publish(CHANNEL_SCREEN, 3, true);
	stream_begin(&stream, 1);
	publish(CHANNEL_SCREEN, 3, true);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_MESSAGE) == 0);
	stream_begin(&stream, 2);
	publish(CHANNEL_SCREEN, 2, true);
	publish(CHANNEL_SCREEN, 3, false);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_MESSAGE) == 2);
	end_server();
}

static void without_packets_left_the_watermark_is_sent_once(void)
{
	struct client *observer;

	begin_server();
	server.options.recorder = true;
	observer = open_peer(OBSERVER);
	expect(send_empty(observer, UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE) == 0);
	stream_begin(&stream, 1);
	publish(CHANNEL_SCREEN, 2, true);
	stream_complete(&stream, 5);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_PRIVATE) == 1);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_PRIVATE) == 0);
	stream_complete(&stream, 6);
	transport_want_write(observer);
	expect(count_records(observer, MCAP_PRIVATE) == 1);
	remove_client(&server, observer);
	end_server();
}

static void a_connection_waits_for_its_owner_and_not_for_ever(void)
{
	struct client *client = NULL;
	char key[KEY_BYTES];

	begin_server();
	owner_answers = false;
	client = open_websocket();
	present_key(OBSERVER, key);
	send_hello(client, key, "Ana", "");
	expect(client->state == CLIENT_ASKED && client->wsi->paused);
	/* what it sends meanwhile waits */
	expect(send_empty(client, UXREC__CLIENT_MESSAGE__BODY_GET_STATUS) == 0 && handed_on == 0);
	pass(5);
	places_tick(&server, present_ns);
	expect(client->state == CLIENT_ASKED);
	pass(16);
	places_tick(&server, present_ns);
	expect(closed_with(client) == WEBSOCKET_TRY_LATER && departed == 1);
	end_server();
}

static const struct test tests[] = {
	{"without a free place a connection that closes is ended, then the oldest without input",
		without_room_the_connection_that_closes_goes_first},
	{"a connection with unread input is ended when all have some",
		a_connection_with_input_is_closed_when_all_have_some},
	{"the oldest WebSocket without a hello is ended, and no peer",
		the_oldest_websocket_without_a_hello_is_closed},
	{"a link beyond its places loses its longest silent connection, and no other link does",
		a_link_beyond_its_places_loses_the_one_that_was_silent_longest},
	{"connections beyond a link's rate of joins wait, and those of others do not",
		joins_beyond_a_links_rate_wait_their_turn},
	{"input behind a waiting hello is kept until its turn", input_behind_a_hello_waits_with_it},
	{"every frame counts: a flood ends with 1008, the same number slowly does not",
		every_frame_counts_against_its_connection},
	{"of a link that sends too much the heaviest connection is closed, and only that one",
		of_a_link_that_floods_the_heaviest_connection_is_closed},
	{"bytes beyond a connection's rate are read later, and none is lost",
		bytes_beyond_the_rate_are_read_later},
	{"a peer may wait for one large answer, and not for more",
		a_peer_may_wait_for_one_large_answer_and_not_for_two},
	{"over the bound of all peers the largest backlog is ended, moderators last",
		over_the_bound_of_all_the_largest_backlog_ends_first},
	{"a moderator whose backlog alone exceeds the bound is closed",
		a_moderator_that_alone_exceeds_the_bound_is_closed},
	{"a peer whose backlog overflowed before delivery is closed",
		a_peer_whose_backlog_overflowed_elsewhere_is_closed},
	{"a request and a hello have five seconds, a close has two",
		a_request_and_a_hello_have_five_seconds},
	{"a silent peer is pinged after 30 seconds and closed after 60",
		a_silent_peer_is_pinged_and_closed_after_a_minute},
	{"a peer whose backlog makes no progress for 30 seconds is closed",
		a_peer_that_does_not_read_for_half_a_minute_is_closed},
	{"a revoked link closes its connections with 4410, also waiting ones",
		a_link_revoked_closes_its_connections_also_those_that_wait},
	{"before a hello every other message is refused with 4401",
		before_a_hello_every_other_message_is_refused},
	{"a hello needs a valid key, and an identity of 32 hex digits or none",
		a_hello_needs_a_valid_key_and_identity},
	{"a welcome has the link's key only for a ticket, which is valid once",
		a_welcome_has_the_key_only_for_a_ticket_which_is_used_up},
	{"the marker of the moderator's pages is for moderators alone",
		observers_are_not_told_the_marker_of_the_moderators_pages},
	{"an identity is one principal, whatever its name and link",
		an_identity_is_one_principal_whatever_its_name_and_link},
	{"names of roles are reserved for moderators", names_of_roles_are_the_moderators_alone},
	{"a second hello has no effect", a_second_hello_changes_nothing},
	{"a message beyond a role's rights is answered with 13 and not handed on",
		a_message_that_a_role_may_not_send_is_answered_and_not_handed_on},
	{"garbage ends a connection with 4400", garbage_ends_a_connection_with_4400},
	{"a request of tomorrow is answered, and the connection stays",
		a_request_of_tomorrow_is_answered_and_the_connection_stays},
	{"a welcome lists what the role may ask of this program",
		a_welcome_lists_what_the_role_may_ask_of_this_program},
	{"a text that is not UTF-8 is refused, and the connection stays",
		a_text_that_is_not_utf_8_is_refused_and_the_connection_stays},
	{"a hello is at most 1 KiB and a message 256 KiB, by the head of its frame",
		a_hello_is_short_and_a_message_at_most_256_kib},
	{"fragments are one message, and control frames may come between",
		fragments_are_one_message_and_control_frames_may_come_between},
	{"frames out of order end the connection, however they are cut",
		frames_out_of_order_end_the_connection},
	{"of pongs that wait only the newest is sent", of_pongs_that_wait_only_the_newest_is_sent},
	{"replaced answers no longer count as backlog",
		replaced_answers_no_longer_count_as_backlog},
	{"a message reaches its peer, role or session only",
		a_message_reaches_its_peer_role_or_session_only},
	{"a newer status replaces one that waits, and no other message",
		a_status_that_waits_is_replaced_and_other_messages_are_not},
	{"a frame in transit ends before the close, others are dropped",
		a_frame_that_has_begun_ends_before_the_close_and_others_are_dropped},
	{"a drained backlog is reported, and so is the end of its peer",
		a_drained_backlog_is_reported_and_so_is_the_end_of_its_peer},
	{"the list of people goes to moderators, at changes and every two seconds",
		the_list_of_people_goes_to_moderators_at_changes_and_every_two_seconds},
	{"people beyond a hundred are a number", beyond_a_hundred_people_are_a_number},
	{"an observer gets the channels once and each picture once",
		an_observer_gets_the_channels_once_and_each_picture_once},
	{"packets on their way to earlier watchers reach no later one",
		packets_for_earlier_watchers_reach_no_later_one},
	{"a connection waits for its owner's decision, and not for ever",
		a_connection_waits_for_its_owner_and_not_for_ever},
	{"the watermark is sent when no packet is left, and once",
		without_packets_left_the_watermark_is_sent_once},
};

int main(void)
{
	has_still_clock = true;
	return RUN_TESTS("connections", tests);
}
