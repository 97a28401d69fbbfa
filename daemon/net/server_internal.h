#pragma once

#include "daemon/net/assets.h"
#include "daemon/net/http.h"
#include "daemon/net/outbox.h"
#include "daemon/net/server.h"
#include "daemon/net/websocket.h"
#include "protocol/base/buf.h"
#include "protocol/base/log.h"
#include "protocol/base/queue.h"
#include "protocol/base/rate.h"

/*
 * The parts of the server, all on its thread:
 *   server.c         the thread, libwebsockets' loop, what other threads call
 *   server_places.c  how many may connect, who goes first, deadlines, the sum of memory
 *   server_http.c    requests and their answers
 *   server_frames.c  WebSocket frames that come in
 *   server_peer.c    hello, messages, the live stream, what goes out
 *   server_people.c  who is connected, for moderators
 *
 * State machine of a connection:
 *   REQUEST  a whole request      → REPLY or SILENT     a refusal → ENDING
 *   REPLY    the answer is sent   → REQUEST             its last  → ENDING
 *   SILENT   a hello with a key   → QUEUED or PEER
 *   QUEUED   its key's turn comes → PEER
 *   any      a fault              → ENDING
 *   ENDING   the last bytes were sent and the client has closed → gone
 *   any      deadline, no place, no memory → DEAD → gone in the next round
 */
enum client_state {
	CLIENT_REQUEST, /* the head of a request is being received */
	CLIENT_REPLY,   /* an answer over HTTP is being sent */
	CLIENT_SILENT,  /* a WebSocket that has sent no hello */
	CLIENT_QUEUED,  /* its hello waits: its key has had too many connections at once */
	CLIENT_PEER,
	CLIENT_ENDING, /* its last bytes are sent; whatever it sends is thrown away */
	CLIENT_DEAD,
	CLIENT_STATE_END,
};

/* Close codes of our own: RFC 6455, section 7.4.2, leaves 4000 to 4999 to applications. */
#define CLOSE_BAD_TOKEN  4401
#define CLOSE_BAD_RECORD 4400
#define CLOSE_REVOKED    4410

/* Packets of these kinds replace older ones that are not sent: see server_send_newest(). */
#define KIND_STATUS_BROADCAST 1000u
#define KIND_WATCH_BURST      1001u
#define KIND_PEOPLE           1002u

/* Connections at most, of all states; with what else a program opens far below the 1024 descriptors that
 * it has at least. */
#define PLACES_LIMIT 512

struct lws;

struct client {
	struct lws *wsi;
	struct client *next; /* the list goes from the oldest to the newest */
	enum client_state state;
	int64_t since_ns; /* when the state began; of REQUEST: when the connection or the last answer did */
	int64_t received_ns; /* when something came last */
	int64_t moved_ns;    /* when something could be sent last, or there was nothing to send */
	bool paused;         /* nothing is read from it */

	/* HTTP */
	struct buf input; /* what is not dealt with yet; of WebSockets too */
	size_t seen;      /* of it, in search of the head's end */
	char answer[HTTP_ANSWER_BYTES];
	size_t answer_bytes, answer_sent;
	bool admitted; /* the answer's place in the sum of answers a second was given */
	const struct asset *asset;
	size_t asset_sent;
	bool last_reply;
	bool websocket; /* the answer makes it one */
	bool half_closed;
	size_t thrown_away; /* bytes, while it ends */

	/* frames that come in */
	unsigned char header[WEBSOCKET_HEADER_BYTES];
	size_t header_bytes;
	bool in_payload;
	struct websocket_frame frame;
	uint64_t payload_bytes; /* of the frame, so far */
	unsigned char control[WEBSOCKET_CONTROL_BYTES];
	bool in_message;
	struct buf message;
	struct rate frames, bytes;
	bool throttled; /* it sends faster than is read */

	/* what goes out */
	unsigned char control_out[2 + WEBSOCKET_CONTROL_BYTES];
	size_t control_out_bytes; /* 0: none waits */
	struct outbox outbox;
	struct packet *sending;
	bool counted;          /* `sending` is in the peer's queued_bytes */
	size_t sent_bytes;     /* of `sending` with its header */
	double used_in_second; /* of its key's limits, as a part of one: who uses most ends first */
	int64_t second_ns;

	struct peer *peer; /* NULL before it was admitted */
	bool live;
	struct hub_cursor cursor;
	int64_t complete_ns; /* that was reported last */
	char session[21];    /* that is open or watched */
	int64_t pinged_ns;
	bool by_ticket;   /* its hello had a ticket: the welcome has the key */
	Uxrec__Role role; /* QUEUED: of its hello, as are the fields below */
	char name[NAME_LIMIT_BYTES + 1];
	char principal[33];
	bool identified;
	char link[LINK_ID_BYTES]; /* whose key it has */
	int64_t admitted_ns;
	uint32_t behind_ms; /* of its last ping, as are the fields below */
	bool hidden, hears;
};

/* what all connections with one key have used together */
struct key_use {
	unsigned connections;
	struct rate joins, frames, bytes;
};

struct server {
	struct server_options options;
	struct assets *assets;
	struct lws_context *context;
	struct lws *listening;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	int port;
	struct queue *deliveries;
	_Atomic unsigned peers;
	_Atomic size_t queued_bytes; /* of all peers */
	struct client *clients;
	unsigned counts[CLIENT_STATE_END];
	unsigned
		descriptors; /* that connections may take: PLACES_LIMIT, or less where there are few */
	struct key_use keys[UXREC__ROLE__ROLE_MODERATOR + 1];
	struct rate accepts, answers;
	bool ticking, accept_paused;
	_Atomic bool links_revoked; /* some, since they were looked at last */
	int64_t people_ns; /* when moderators got the list of people last; 0: it has changed */
	char run[33];
	struct log_limit refusals, evictions, slow, floods;
	void (*drained)(void *user);
	void *drained_user;
};

/* ---- server.c: what is libwebsockets' ---- */

/** Be called back when the client can take bytes. */
void transport_want_write(struct client *client);
bool transport_can_write(struct client *client);
/** @return 0, or -1: the connection is lost */
int transport_write(struct client *client, const void *data, size_t size);
void transport_pause(struct client *client, bool pause);
/** No more will be sent. */
void transport_half_close(struct client *client);
/** Close in the next round: for connections that are not the one that is dealt with. */
void transport_kill(struct client *client);
/** @return true when bytes wait in the socket that were not read */
bool transport_has_unread(struct client *client);
/** Sec-WebSocket-Accept of a key: RFC 6455, section 4.2.2. */
#define ACCEPT_KEY_BYTES 32
void transport_accept_key(const char *key, char accept[ACCEPT_KEY_BYTES]);
/** The first 128 bits of a text's SHA-1, as hex digits. */
void transport_digest(const char *text, char digits[33]);

/* ---- server_places.c ---- */

void client_set_state(struct server *server, struct client *client, enum client_state state);
/** Make a place for one more connection. */
void places_before_accept(struct server *server);
void places_before_websocket(struct server *server);
/** Make a place for one more with this key. @return false: it must wait for its turn */
bool places_before_peer(struct server *server, Uxrec__Role role);
/** Count a frame, or bytes of a payload. @return false: the connection sends too much, and must end */
bool places_count_frame(struct server *server, struct client *client);
bool places_count_bytes(struct server *server, struct client *client, size_t bytes);
/** @return true when the connection has sent so many bytes that they are read later */
bool places_must_wait(struct client *client);
/** End connections until what waits for all peers is in bounds. */
void places_bound_memory(struct server *server);
/** Deadlines. @return true while it must be called again */
bool places_tick(struct server *server, int64_t now_ns);

/* ---- server_http.c ---- */

/** Deal with the requests in client->input. @return 0, or -1 to close */
int http_receive(struct server *server, struct client *client);
/** Send what can be sent of an answer. @return 0, or -1 to close */
int http_send(struct server *server, struct client *client);

/* ---- server_frames.c ---- */

/** Deal with bytes of a WebSocket; keeps what must wait in client->input. @return 0, or -1 to close */
int frames_receive(
	struct server *server, struct client *client, const unsigned char *data, size_t size);
/** Read on from a connection that is throttled, if it may. @return 0, or -1 to close */
int frames_go_on(struct server *server, struct client *client);
/** Let a control frame go out next; replaces one of before. */
void frames_put_control(
	struct client *client, enum websocket_opcode opcode, const void *payload, size_t size);
/** Close a WebSocket: nothing that it sends is looked at any more. @return 0 */
int frames_close(struct server *server, struct client *client, unsigned status, const char *why);

/* ---- server_people.c ---- */

/** Send the list of who is connected to moderators, when it is due. */
void people_tick(struct server *server, int64_t now_ns);
/** Somebody has come or gone. */
static inline void people_changed(struct server *server)
{
	server->people_ns = 0;
}

/* ---- server_peer.c ---- */

/** Take over a whole message of a client. @return 0, or -1 to close */
int peer_receive(struct server *server, struct client *client);
/** Close the connections whose link was revoked. */
void peers_check_links(struct server *server);
/** Go on with a hello whose turn may have come. */
int peer_admit(struct server *server, struct client *client);
int peer_send(struct server *server, struct client *client);
/** A connection is gone, or as good as gone. */
void peer_leave(struct server *server, struct client *client);
void peer_deliver(struct server *server, struct peer *peer, const char *session, Uxrec__Role role,
	struct packet *packet, unsigned kind);
/** Send a message that answers nothing; @p kind as in server_send_newest(). */
void peer_put(
	struct server *server, struct client *client, Uxrec__ServerMessage *message, unsigned kind);
/** Bytes that a packet takes of the sum. */
static inline size_t packet_cost(const struct packet *packet)
{
	return packet->size_bytes + sizeof(*packet) + PACKET_HEADROOM_BYTES;
}
