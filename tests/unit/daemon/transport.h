#pragma once

/*
 * Connections without sockets, for tests of the server's rules: a transport that keeps the bytes sent, and
 * takes as many as the test allows; a clock that stands until the test moves it. For one program, linked with
 * --wrap=clock_gettime; the server's loop (server.c) is not in it.
 */

#include "tests/harness/helpers.h"

#include "daemon/net/server_internal.h"
#include "protocol/mcap.h"

#include <stdio.h>

/* ---- the clock ---- */

static int64_t present_ns = 1000 * NS_PER_S;
static _Thread_local bool has_still_clock; /* other threads have the real one */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!has_still_clock || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret);
	*ret = (struct timespec){present_ns / NS_PER_S, present_ns % NS_PER_S};
	return 0;
}

static inline void pass(double seconds)
{
	present_ns += (int64_t)(seconds * 1e9);
}

/* ---- the transport ---- */

struct lws {
	size_t room_bytes; /* that the peer takes before it is busy */
	bool wants_write, paused, half_closed, killed, has_unread;
	struct buf sent;
	size_t read_bytes; /* of `sent`, by the test */
};

void transport_want_write(struct client *client)
{
	client->wsi->wants_write = true;
}

bool transport_can_write(struct client *client)
{
	return client->wsi->room_bytes > 0;
}

int transport_write(struct client *client, const void *data, size_t size)
{
	struct lws *wsi = client->wsi;

	buf_put(&wsi->sent, data, size);
	wsi->room_bytes -= size < wsi->room_bytes ? size : wsi->room_bytes;
	return buf_error(&wsi->sent);
}

void transport_pause(struct client *client, bool pause)
{
	client->paused = client->wsi->paused = pause;
}

void transport_half_close(struct client *client)
{
	client->wsi->half_closed = true;
}

void transport_kill(struct client *client)
{
	client->wsi->killed = true;
}

bool transport_has_unread(struct client *client)
{
	return client->wsi->has_unread;
}

void transport_accept_key(const char *key, char accept[ACCEPT_KEY_BYTES])
{
	snprintf(accept, ACCEPT_KEY_BYTES, "accepted %.20s", key);
}

/* ---- deliveries, which server.c takes from other threads ---- */

static inline void deliver(struct server *server, struct peer *peer, const char *session,
	Uxrec__Role role, struct packet *packet, unsigned kind)
{
	struct delivery delivery = {.connection = peer ? peer->number : 0,
		.peer = peer,
		.roles = role ? 1u << role : 0,
		.kind = kind,
		.packet = packet};

	snprintf(delivery.session, sizeof(delivery.session), "%s", session);
	server->queued_bytes += packet_cost(packet);
	if (peer)
		peer->queued_bytes += packet_cost(packet);
	peer_deliver(server, &delivery);
	packet_unref(packet);
}

static inline void send_to_peer(void *user, struct peer *peer, struct packet *packet, unsigned kind)
{
	deliver(user, peer, "", UXREC__ROLE__ROLE_UNSPECIFIED, packet, kind);
}

/* ---- connections ---- */

/** A connection as accepted: it waits for a request. */
static inline struct client *accept_client(struct server *server)
{
	struct client *client = calloc(1, sizeof(*client)), **link = &server->clients;

	check(client != NULL);
	client->wsi = calloc(1, sizeof(*client->wsi));
	check(client->wsi != NULL);
	client->wsi->room_bytes = SIZE_MAX;
	client->number = ++server->connections;
	client->since_ns = client->received_ns = client->moved_ns = present_ns;
	places_before_accept(server);
	while (*link)
		link = &(*link)->next;
	*link = client;
	server->counts[CLIENT_REQUEST]++;
	return client;
}

/** The connection is gone. */
static inline void remove_client(struct server *server, struct client *client)
{
	struct client **link = &server->clients;

	while (*link != client)
		link = &(*link)->next;
	client_set_state(server, client, CLIENT_DEAD);
	server->counts[CLIENT_DEAD]--;
	*link = client->next;
	peer_unref(client->peer);
	packet_unref(client->sending);
	outbox_finish(&client->outbox);
	buf_finish(&client->message);
	buf_finish(&client->input);
	buf_finish(&client->wsi->sent);
	free(client->wsi);
	free(client);
}

/** Let the connection send until it wants nothing more or its peer is busy. @return 0, or -1 to close */
static inline int flush(struct server *server, struct client *client)
{
	int r = 0;

	while (r == 0 && client->wsi->wants_write && client->wsi->room_bytes > 0 &&
		client->state != CLIENT_DEAD) {
		client->wsi->wants_write = false;
		r = client->state == CLIENT_REPLY ? http_send(server, client)
						  : peer_send(server, client);
	}
	return r;
}

/** Bytes of the peer arrive. @return 0, or -1 to close */
static inline int receive(
	struct server *server, struct client *client, const void *data, size_t size)
{
	client->received_ns = present_ns;
	if (client->state == CLIENT_SILENT || client->state == CLIENT_PEER)
		return frames_receive(server, client, data, size);
	if (client->state == CLIENT_ENDING)
		return 0;
	buf_put(&client->input, data, size);
	return http_receive(server, client);
}
