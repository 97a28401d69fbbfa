#pragma once

#include "daemon/access/requests.h"
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
 * Modules of the server, all on its thread:
 *   server.c         the thread, libwebsockets' loop, entry points of other threads
 *   server_places.c  connection limits, eviction, deadlines, total memory
 *   server_http.c    requests and their answers
 *   server_frames.c  incoming WebSocket frames
 *   server_peer.c    hello, messages, the live stream, sending
 *   server_people.c  list of connected peers, for moderators
 *
 * State machine of a connection:
 *   REQUEST  complete request     → REPLY or SILENT     refusal      → ENDING
 *   REPLY    answer sent          → REQUEST             last answer  → ENDING
 *   SILENT   hello                → ASKED
 *   ASKED    admitted             → QUEUED or PEER      refused      → ENDING
 *   QUEUED   key's turn           → PEER
 *   any      protocol error       → ENDING
 *   ENDING   last bytes sent and closed by the client → gone
 *   any      deadline, no place, no memory → DEAD → gone in the next round
 */
enum client_state {
	CLIENT_REQUEST, /* receiving the head of a request */
	CLIENT_REPLY,   /* sending an answer over HTTP */
	CLIENT_SILENT,  /* a WebSocket before its hello */
	CLIENT_ASKED,   /* its admission was asked for */
	CLIENT_QUEUED,  /* admission deferred: too many simultaneous connections with its key */
	CLIENT_PEER,
	CLIENT_ENDING, /* sending its last bytes; input is discarded */
	CLIENT_DEAD,
	CLIENT_STATE_END,
};

/* Packets of these kinds replace older unsent ones: see daemon/peers/outlet.h. */
#define KIND_WATCH_BURST 1001u
#define KIND_PEOPLE      1002u

/* Maximum number of connections, in all states; with the program's other descriptors far below the guaranteed
 * minimum of 1024. */
#define PLACES_LIMIT 512

struct lws;

struct client {
	struct lws *wsi;
	uint64_t number;     /* unique in this process */
	struct client *next; /* list in order of age, oldest first */
	enum client_state state;
	int64_t since_ns;    /* start of the state; REQUEST: of the connection or the last answer */
	int64_t received_ns; /* time of the last input */
	int64_t moved_ns;    /* time of the last progress in sending, or of an empty queue */
	bool paused;         /* reading is paused */

	/* HTTP */
	struct buf input; /* unprocessed bytes; of WebSockets too */
	size_t seen;      /* bytes of it already searched for the head's end */
	char answer[HTTP_ANSWER_BYTES];
	size_t answer_bytes, answer_sent;
	bool admitted; /* admitted by the rate limit of answers */
	const struct asset *asset;
	size_t asset_sent;
	bool last_reply;
	bool websocket; /* the answer upgrades to a WebSocket */
	bool half_closed;
	size_t discarded_bytes; /* bytes discarded while ending */

	/* incoming frames */
	unsigned char header[WEBSOCKET_HEADER_BYTES];
	size_t header_bytes;
	bool in_payload;
	struct websocket_frame frame;
	uint64_t payload_bytes; /* of the frame, so far */
	unsigned char control[WEBSOCKET_CONTROL_BYTES];
	bool in_message;
	struct buf message;
	struct rate frames, bytes;
	struct rate requests[REQUEST_RATE_END];
	bool throttled; /* sends faster than its input is read */

	/* outgoing */
	unsigned char control_out[2 + WEBSOCKET_CONTROL_BYTES];
	size_t control_out_bytes; /* 0: none pending */
	struct outbox outbox;
	struct packet *sending;
	bool counted;          /* `sending` counts in the peer's queued_bytes */
	size_t sent_bytes;     /* of `sending` including its header */
	double used_in_second; /* share of its key's limits; the heaviest user is evicted first */
	int64_t second_ns;

	struct peer *peer; /* NULL until admitted */
	bool live;
	struct hub_cursor cursor;
	int64_t watermark_ns; /* last reported watermark */
	char session[21];     /* session open or watched */
	int64_t pinged_ns;
	struct principal principal; /* QUEUED, PEER: as admitted, like the fields below */
	char key[KEY_BYTES];        /* for the welcome, then wiped */
	char page_marker[24];
	int64_t admitted_ns;
	uint32_t behind_ms; /* from its last ping, like the fields below */
	bool hidden, hears;
};

/* combined use of all connections with one key */
struct key_use {
	unsigned connections;
	struct rate joins, frames, bytes;
};

/* packet for one peer or an audience, or a decision about one connection */
struct delivery {
	uint64_t connection; /* 0: a broadcast */
	struct peer *peer;   /* whose backlog it counts in; NULL: none */
	char session[21];    /* audience of a broadcast, as in daemon/peers/outlet.h; "": all */
	unsigned roles;
	unsigned kind;
	struct packet *packet;       /* NULL: a decision */
	struct admission *admission; /* of a decision */
};

struct server {
	struct server_options options;
	struct assets *assets;
	struct lws_context *context;
	struct lws *listening;
	pthread_t thread;
	bool started;
	_Atomic bool stop, checked;
	struct queue *deliveries;
	_Atomic size_t queued_bytes; /* of all peers */
	struct client *clients;
	unsigned counts[CLIENT_STATE_END];
	unsigned descriptors; /* for connections: PLACES_LIMIT, or less where there are few */
	struct key_use keys[UXREC__ROLE__ROLE_MODERATOR + 1];
	struct rate accepts, answers;
	bool ticking, accept_paused;
	int64_t people_ns;    /* when moderators last got the list of people; 0: changed */
	uint64_t connections; /* number of the newest */
	struct outlet outlet;
	struct log_limit refusals, evictions, slow, floods;
	void (*drained)(void *user);
	void *drained_user;
};

/* ---- server.c: libwebsockets ---- */

/** Request a callback when the socket is writable. */
void transport_want_write(struct client *client);
bool transport_can_write(struct client *client);
/** @return 0, or -1 when the connection is lost */
int transport_write(struct client *client, const void *data, size_t size);
void transport_pause(struct client *client, bool pause);
/** Shut down the sending side. */
void transport_half_close(struct client *client);
/** Close in the next round: for connections other than the one in its callback. */
void transport_kill(struct client *client);
/** @return true when the socket has unread input */
bool transport_has_unread(struct client *client);
/** Sec-WebSocket-Accept for a key: RFC 6455, section 4.2.2. */
#define ACCEPT_KEY_BYTES 32
void transport_accept_key(const char *key, char accept[ACCEPT_KEY_BYTES]);

/* ---- server_places.c ---- */

void client_set_state(struct server *server, struct client *client, enum client_state state);
/** Make room for one more connection. */
void places_before_accept(struct server *server);
void places_before_websocket(struct server *server);
/** Make room for one more connection with this key. @return false: it must wait its turn */
bool places_before_peer(struct server *server, Uxrec__Role role);
/** Count a frame, or payload bytes. @return false: over the rate limit, the connection must end */
bool places_count_frame(struct server *server, struct client *client);
bool places_count_bytes(struct server *server, struct client *client, size_t bytes);
/** Count a request. @return false: over the limit of its rate, it must be refused */
bool places_count_request(struct client *client, enum request_rate rate);
/** @return true when the connection is over its byte rate and must be read later */
bool places_must_wait(struct client *client);
/** Close connections until the total backlog of all peers is within its bound. */
void places_bound_memory(struct server *server);
/** Check deadlines. @return true while it must be called again */
bool places_tick(struct server *server, int64_t now_ns);

/* ---- server_http.c ---- */

/** Process the requests in client->input. @return 0, or -1 to close */
int http_receive(struct server *server, struct client *client);
/** Send as much of an answer as possible. @return 0, or -1 to close */
int http_send(struct server *server, struct client *client);

/* ---- server_frames.c ---- */

/** Process bytes of a WebSocket; deferred bytes stay in client->input. @return 0, or -1 to close */
int frames_receive(
	struct server *server, struct client *client, const unsigned char *data, size_t size);
/** Resume reading from a throttled connection, if allowed. @return 0, or -1 to close */
int frames_resume(struct server *server, struct client *client);
/** Set the next control frame to send; replaces a pending one. */
void frames_put_control(
	struct client *client, enum websocket_opcode opcode, const void *payload, size_t size);
/** Close a WebSocket: its further input is ignored. @return 0 */
int frames_close(struct server *server, struct client *client, unsigned status, const char *why);

/* ---- server_people.c ---- */

/** Send the list of connected peers to moderators, when due. */
void people_tick(struct server *server, int64_t now_ns);
/** Mark the list of connected peers as changed. */
static inline void people_changed(struct server *server)
{
	server->people_ns = 0;
}

/* ---- server_peer.c ---- */

/** Process a complete message of a client. @return 0, or -1 to close */
int peer_process(struct server *server, struct client *client);
/** Take the answer about a connection. @return 0, or -1 to close */
int peer_decide(struct server *server, struct client *client, const struct admission *admission);
/** Retry an admission whose turn may have come. @return 0, or -1 to close */
int peer_admit(struct server *server, struct client *client);
int peer_send(struct server *server, struct client *client);
/** Clean up after a connection that is gone or about to go. */
void peer_leave(struct server *server, struct client *client);
/** Give a packet to the peers of a delivery. */
void peer_deliver(struct server *server, const struct delivery *delivery);
/** Send an unsolicited message; @p kind as in struct outlet. */
void peer_put(
	struct server *server, struct client *client, const ProtobufCMessage *body, unsigned kind);
