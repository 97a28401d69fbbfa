#include "daemon/net/server_internal.h"

#include "protocol/base/clock.h"

#include <stdio.h>

#define PIECE_BYTES (64 * 1024)

/* Requests of one connection: a page takes four; a proxy may carry those of several browsers. */
static const struct rate_limit requests_limit = {5, 100};
/*
 * Bytes of answers to connections without a key; a small answer counts as ANSWER_COST. Answers wait their turn.
 * The requests of all places and the connections accepted per second cost less than this: otherwise answers
 * would wait until their connections are the oldest and are evicted.
 */
static const struct rate_limit answers_limit = {64 * 1024 * 1024, 16 * 1024 * 1024};
#define ANSWER_COST (8 * 1024)

static void begin_answer(struct server *server, struct client *client, bool last)
{
	client->answer_sent = client->asset_sent = 0;
	client->admitted = false;
	client->last_reply = last;
	client->moved_ns = clock_now_ns();
	client_set_state(server, client, CLIENT_REPLY);
	transport_pause(client, !last);
	transport_want_write(client);
}

static int refuse(struct server *server, struct client *client, enum http_refusal refusal)
{
	log_limited(&server->refusals,
		refusal == HTTP_FOREIGN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "server: %s",
		refusal == HTTP_FOREIGN ? "a connection from a page of another origin was refused"
					: "a request was refused");
	client->asset = NULL;
	client->answer_bytes = http_put_refusal(client->answer, refusal);
	begin_answer(server, client, true);
	buf_finish(&client->input);
	return 0;
}

static void begin_websocket(
	struct server *server, struct client *client, const struct http_request *request)
{
	char accept[ACCEPT_KEY_BYTES];

	transport_accept_key(request->key, accept);
	client->asset = NULL;
	client->websocket = true;
	client->answer_bytes = (size_t)snprintf(client->answer, sizeof(client->answer),
		"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
		"sec-websocket-accept: %s\r\nsec-websocket-protocol: uxrec.v1\r\n\r\n",
		accept);
	begin_answer(server, client, false);
}

static int answer(struct server *server, struct client *client, const struct http_request *request)
{
	const struct hosts *hosts = server->options.hosts;
	const char *host = request->has_host ? request->host : NULL;
	const char *origin = request->has_origin ? request->origin : NULL;

	if (!rate_take(&client->frames, &requests_limit, 1, clock_now_ns()))
		return refuse(server, client, HTTP_TOO_MANY);
	if (!hosts_include(hosts, host) || !hosts_are_origin(hosts, origin, host))
		return refuse(server, client, HTTP_FOREIGN);
	if (request->websocket) {
		begin_websocket(server, client, request);
		return 0;
	}
	if (request->upgrade)
		return refuse(server, client, HTTP_NO_UPGRADE);
	if (!request->get)
		return refuse(server, client, HTTP_NO_METHOD);
	client->asset = assets_find(server->assets, request->path);
	if (!client->asset)
		return refuse(server, client, HTTP_NOT_FOUND);
	client->answer_bytes = http_put_answer(
		client->answer, client->asset->type, client->asset->size_bytes, request->close);
	begin_answer(server, client, request->close);
	return 0;
}

int http_receive(struct server *server, struct client *client)
{
	struct buf *input = &client->input;
	struct http_request request;
	size_t head;

	if (client->state != CLIENT_REQUEST || input->size_bytes == 0)
		return 0;
	/* any other first byte is TLS or garbage: its end would never come */
	if (*input->data < 'A' || *input->data > 'Z')
		return refuse(server, client, HTTP_MALFORMED);
	head = http_head_size((const char *)input->data, input->size_bytes, client->seen);
	client->seen = input->size_bytes;
	if ((head ? head : input->size_bytes) > HTTP_HEAD_LIMIT_BYTES)
		return refuse(server, client, HTTP_TOO_LARGE);
	if (!head)
		return 0;
	if (http_parse(&request, (const char *)input->data, head) < 0)
		return refuse(server, client, HTTP_MALFORMED);
	input->size_bytes -= head;
	memmove(input->data, input->data + head, input->size_bytes);
	client->seen = 0;
	if (request.close)
		buf_finish(input);
	return answer(server, client, &request);
}

static int finished(struct server *server, struct client *client)
{
	if (client->last_reply) {
		client_set_state(server, client, CLIENT_ENDING);
		transport_want_write(client);
		return 0;
	}
	transport_pause(client, false);
	if (client->websocket) {
		struct buf early = client->input;
		int r;

		client->input = (struct buf){0};
		client->frames = (struct rate){0};
		places_before_websocket(server);
		client_set_state(server, client, CLIENT_SILENT);
		r = frames_receive(server, client, early.data, early.size_bytes);
		buf_finish(&early);
		return r;
	}
	client_set_state(server, client, CLIENT_REQUEST);
	return http_receive(server, client);
}

/* one piece per round, for fairness */
static int send_asset(struct server *server, struct client *client)
{
	size_t left = client->asset->size_bytes - client->asset_sent;
	size_t size = left < PIECE_BYTES ? left : PIECE_BYTES;

	if (!rate_take(&server->answers, &answers_limit, (double)size, clock_now_ns()))
		return 0;
	if (transport_write(client, client->asset->data + client->asset_sent, size) < 0)
		return -1;
	client->moved_ns = clock_now_ns();
	client->asset_sent += size;
	transport_want_write(client);
	return 0;
}

int http_send(struct server *server, struct client *client)
{
	if (client->state != CLIENT_REPLY || !transport_can_write(client))
		return 0;
	if (!client->admitted) {
		if (!rate_take(&server->answers, &answers_limit, ANSWER_COST, clock_now_ns()))
			return 0;
		client->admitted = true;
	}
	if (client->answer_sent < client->answer_bytes) {
		client->answer_sent = client->answer_bytes;
		if (transport_write(client, client->answer, client->answer_bytes) < 0)
			return -1;
		client->moved_ns = clock_now_ns();
		transport_want_write(client);
		return 0;
	}
	if (client->asset && client->asset_sent < client->asset->size_bytes)
		return send_asset(server, client);
	return finished(server, client);
}
