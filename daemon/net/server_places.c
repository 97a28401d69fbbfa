#include "daemon/net/server_internal.h"

#include "protocol/base/clock.h"

/*
 * Quotas of connections. Connections without a key share a few places, and the oldest is evicted first; each
 * key has its own places, messages and bytes, so that one key never takes those of another; the backlog of all
 * peers has one bound.
 */
#define HEAD_NS   (5 * NS_PER_S) /* for a request, from the connection or the last answer */
#define HELLO_NS  (5 * NS_PER_S)
#define ASKED_NS  (20 * NS_PER_S)
#define ENDING_NS (2 * NS_PER_S)
#define STALL_NS  (30 * NS_PER_S) /* pending output without progress */
#define PING_NS   (30 * NS_PER_S)
#define GONE_NS   (60 * NS_PER_S)

/* Backlog limits: of all peers, and of one peer besides a single large answer. */
#define SUM_LIMIT_BYTES  (64 * 1024 * 1024)
#define PEER_LIMIT_BYTES (32 * 1024 * 1024)

/* Shares of PLACES_LIMIT; the remainder is for closing connections. */
#define PLACES_HTTP   96
#define PLACES_SILENT 64
static const unsigned key_places[] = {
	[UXREC__ROLE__ROLE_OBSERVER] = 192,
	[UXREC__ROLE__ROLE_REVIEWER] = 64,
	[UXREC__ROLE__ROLE_MODERATOR] = 32,
};
/*
 * Places, burst and rate are chosen together: pages ping every two seconds, so that a live observer is never
 * the longest silent one among those joining meanwhile.
 */
static const struct rate_limit key_joins = {32, 64};
static const struct rate_limit connection_frames = {100, 200};
static const struct rate_limit connection_bytes = {1024 * 1024, 2 * 1024 * 1024};
static const struct rate_limit key_frames = {500, 1500};
static const struct rate_limit key_bytes = {4 * 1024 * 1024, 8 * 1024 * 1024};

/* scaled down where the program has few descriptors */
static unsigned places(const struct server *server, unsigned of_limit)
{
	return of_limit * server->descriptors / PLACES_LIMIT + 1;
}

/* True in states in which the owner has the connection. */
static bool is_known(enum client_state state)
{
	return state == CLIENT_ASKED || state == CLIENT_QUEUED || state == CLIENT_PEER;
}

void client_set_state(struct server *server, struct client *client, enum client_state state)
{
	if (client->state == CLIENT_PEER && state != CLIENT_PEER)
		peer_leave(server, client);
	if (is_known(client->state) && !is_known(state))
		server->options.left(server->options.user, client->number);
	server->counts[client->state]--;
	server->counts[state]++;
	client->state = state;
	client->since_ns = clock_now_ns();
}

static void kill_client(struct server *server, struct client *client)
{
	client_set_state(server, client, CLIENT_DEAD);
	transport_kill(client);
}

/* the list is in order of connection, the search by the start of the state */
static struct client *oldest(struct server *server, enum client_state state, bool even_unread)
{
	struct client *found = NULL;

	for (struct client *client = server->clients; client; client = client->next)
		if (client->state == state && (!found || client->since_ns < found->since_ns) &&
			(even_unread || !transport_has_unread(client)))
			found = client;
	return found;
}

static void evict(struct server *server, struct client *client)
{
	if (!client)
		return;
	log_limited(&server->evictions, LOG_LEVEL_WARNING,
		"server: too many connections without a key: the oldest is closed");
	kill_client(server, client);
}

void places_before_accept(struct server *server)
{
	struct client *client;

	if (server->counts[CLIENT_REQUEST] + server->counts[CLIENT_REPLY] +
			server->counts[CLIENT_ENDING] <
		places(server, PLACES_HTTP))
		return;
	client = oldest(server, CLIENT_ENDING, true);
	/* a connection with unread input may be about to be answered */
	if (!client)
		client = oldest(server, CLIENT_REQUEST, false);
	if (!client)
		client = oldest(server, CLIENT_REQUEST, true);
	evict(server, client ? client : oldest(server, CLIENT_REPLY, true));
}

void places_before_websocket(struct server *server)
{
	struct client *client;

	if (server->counts[CLIENT_SILENT] + server->counts[CLIENT_ASKED] +
			server->counts[CLIENT_QUEUED] <
		places(server, PLACES_SILENT))
		return;
	client = oldest(server, CLIENT_SILENT, true);
	if (!client)
		client = oldest(server, CLIENT_ASKED, true);
	evict(server, client ? client : oldest(server, CLIENT_QUEUED, true));
}

bool places_before_peer(struct server *server, Uxrec__Role role)
{
	struct key_use *key = &server->keys[role];
	struct client *found = NULL;

	if (!rate_take(&key->joins, &key_joins, 1, clock_now_ns()))
		return false;
	if (key->connections < places(server, key_places[role]))
		return true;
	for (struct client *client = server->clients; client; client = client->next)
		if (client->state == CLIENT_PEER && client->principal.role == role &&
			(!found || client->received_ns < found->received_ns))
			found = client;
	if (found)
		frames_close(server, found, WEBSOCKET_TRY_LATER,
			"too many connections with this link: the one that was idle longest is "
			"closed");
	return true;
}

static void count_for_heaviest(struct client *client, int64_t now_ns)
{
	if (now_ns - client->second_ns >= NS_PER_S) {
		client->second_ns = now_ns;
		client->used_in_second = 0;
	}
}

static struct client *heaviest(struct server *server, Uxrec__Role role)
{
	struct client *found = NULL;

	for (struct client *client = server->clients; client; client = client->next)
		if (client->state == CLIENT_PEER && client->principal.role == role &&
			(!found || client->used_in_second > found->used_in_second))
			found = client;
	return found;
}

/* @return false when the connection itself must end */
static bool charge_key(struct server *server, struct client *client, struct rate *rate,
	const struct rate_limit *limit, double cost)
{
	int64_t now_ns = clock_now_ns();
	struct client *other;

	count_for_heaviest(client, now_ns);
	client->used_in_second += cost / limit->burst;
	if (rate_take(rate, limit, cost, now_ns))
		return true;
	other = heaviest(server, client->principal.role);
	log_limited(&server->floods, LOG_LEVEL_WARNING,
		"server: one link's connections send too much: the one that sends most is closed");
	if (!other || other == client)
		return false;
	/* refund its use, or each of the others would follow */
	rate->used -= other->used_in_second * limit->burst;
	frames_close(server, other, WEBSOCKET_POLICY, "too many messages");
	return true;
}

static bool charge_connection(
	struct server *server, struct rate *own, const struct rate_limit *limit, size_t cost)
{
	if (rate_take(own, limit, (double)cost, clock_now_ns()))
		return true;
	log_limited(&server->floods, LOG_LEVEL_WARNING,
		"server: a connection that sent too much is closed");
	return false;
}

bool places_count_frame(struct server *server, struct client *client)
{
	return charge_connection(server, &client->frames, &connection_frames, 1) &&
		(client->state != CLIENT_PEER ||
			charge_key(server, client, &server->keys[client->principal.role].frames,
				&key_frames, 1));
}

bool places_count_bytes(struct server *server, struct client *client, size_t bytes)
{
	rate_drain(&client->bytes, &connection_bytes, clock_now_ns());
	client->bytes.used += (double)bytes;
	return client->state != CLIENT_PEER ||
		charge_key(server, client, &server->keys[client->principal.role].bytes, &key_bytes,
			(double)bytes);
}

bool places_count_request(struct client *client, enum request_rate rate)
{
	const struct rate_limit *limit = request_rate_limit(rate);

	return !limit || rate_take(&client->requests[rate], limit, 1, clock_now_ns());
}

bool places_must_wait(struct client *client)
{
	rate_drain(&client->bytes, &connection_bytes, clock_now_ns());
	return client->bytes.used > connection_bytes.burst;
}

/* ---- memory ---- */

static size_t buffered_bytes(const struct client *client)
{
	return client->peer->queued_bytes + client->message.capacity_bytes;
}

static struct client *largest(struct server *server, bool moderators)
{
	struct client *found = NULL;

	for (struct client *client = server->clients; client; client = client->next)
		if (client->state == CLIENT_PEER &&
			(moderators || client->principal.role != UXREC__ROLE__ROLE_MODERATOR) &&
			(!found || buffered_bytes(client) > buffered_bytes(found)))
			found = client;
	return found;
}

static void end_slow(struct server *server, struct client *client)
{
	log_limited(&server->slow, LOG_LEVEL_WARNING,
		"server: a connection that does not read is closed: %zu kB were queued for it",
		buffered_bytes(client) / 1000);
	kill_client(server, client);
}

void places_bound_memory(struct server *server)
{
	size_t received = 0;

	for (struct client *client = server->clients; client; client = client->next) {
		if (client->state != CLIENT_PEER)
			continue;
		if (client->peer->overflowed ||
			(client->outbox.ring.count > 1 &&
				buffered_bytes(client) > PEER_LIMIT_BYTES))
			end_slow(server, client);
		else
			received += client->message.capacity_bytes;
	}
	while (server->queued_bytes + received > SUM_LIMIT_BYTES) {
		/* moderators last, unless they alone exceed it */
		struct client *client = largest(server, false);
		size_t bytes;

		if (!client || buffered_bytes(client) < SUM_LIMIT_BYTES / 64)
			client = largest(server, true);
		if (!client)
			return;
		bytes = client->message.capacity_bytes;
		received -= bytes < received ? bytes : received;
		end_slow(server, client);
	}
}

/* ---- deadlines ---- */

static void keep_alive(struct server *server, struct client *client, int64_t now_ns)
{
	if (client->sending || client->outbox.ring.count) {
		if (now_ns - client->moved_ns > STALL_NS)
			end_slow(server, client);
		return;
	}
	if (now_ns - client->received_ns > GONE_NS) {
		kill_client(server, client);
	} else if (now_ns - client->received_ns > PING_NS && now_ns - client->pinged_ns > PING_NS) {
		client->pinged_ns = now_ns;
		frames_put_control(client, WEBSOCKET_PING, NULL, 0);
	}
}

static void check_deadline(struct server *server, struct client *client, int64_t now_ns)
{
	int64_t age_ns = now_ns - client->since_ns;

	switch (client->state) {
	case CLIENT_REQUEST:
		if (age_ns > HEAD_NS)
			kill_client(server, client);
		break;
	case CLIENT_REPLY:
		transport_want_write(client); /* may have waited its turn */
		if (now_ns - client->moved_ns > STALL_NS)
			kill_client(server, client);
		break;
	case CLIENT_SILENT:
		if (age_ns > HELLO_NS)
			frames_close(
				server, client, CLOSE_BAD_TOKEN, "no hello within five seconds");
		break;
	case CLIENT_ASKED:
		if (age_ns > ASKED_NS)
			frames_close(server, client, WEBSOCKET_TRY_LATER,
				"the recorder does not answer: try again");
		break;
	case CLIENT_QUEUED:
		if (peer_admit(server, client) < 0)
			kill_client(server, client);
		break;
	case CLIENT_PEER:
		if (client->throttled && frames_resume(server, client) < 0)
			kill_client(server, client);
		else
			keep_alive(server, client, now_ns);
		break;
	case CLIENT_ENDING:
		if (age_ns > ENDING_NS)
			kill_client(server, client);
		break;
	default: break;
	}
}

bool places_tick(struct server *server, int64_t now_ns)
{
	for (struct client *client = server->clients; client; client = client->next)
		check_deadline(server, client, now_ns);
	places_bound_memory(server);
	log_limited_flush(&server->refusals, LOG_LEVEL_WARNING, "server: refused requests");
	log_limited_flush(
		&server->evictions, LOG_LEVEL_WARNING, "server: closed connections without a key");
	log_limited_flush(
		&server->slow, LOG_LEVEL_WARNING, "server: closed connections that do not read");
	log_limited_flush(&server->floods, LOG_LEVEL_WARNING,
		"server: closed connections that sent too much");
	/* unreported counts reach the log even after all have left */
	return server->clients || server->refusals.suppressed || server->evictions.suppressed ||
		server->slow.suppressed || server->floods.suppressed;
}
