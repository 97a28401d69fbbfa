#pragma once

#include "daemon/front/front.h"
#include "protocol/base/buf.h"
#include "protocol/base/log.h"
#include "protocol/base/queue.h"
#include "protocol/base/rate.h"
#include "daemon/access/requests.h"
#include "protocol/feed.pb-c.h"

#include <pthread.h>
#include <sys/types.h>

/*
 * Modules of the front, all on its thread unless noted:
 *   front.c     the thread, the listening socket, entry points of other threads
 *   process.c   the process of the server: its start and end; the end of its workers
 *   outgoing.c  records for the server: answers, the state of the session, its packets
 *   incoming.c  records of the server, which are untrusted: connections and their requests
 */

/** An admitted connection. */
struct member {
	struct member *next;
	struct peer *peer;
	bool watches;
	struct rate rates[REQUEST_RATE_END];
};

/** A record, after the ToServer.Next that describes it. */
struct parcel {
	struct packet *head; /* NULL: none */
	struct packet *body;
};

/* Pointer shapes and latched packets of a join. */
#define BURST_LIMIT 160

/* Parcels that are sent by one call. */
#define SENDING_LIMIT 8

struct front {
	struct front_options options;
	char *library, *studies; /* as absolute paths; studies: NULL while there are none */
	struct outlet outlet;
	int listening, port;
	pthread_t thread;
	bool started;
	_Atomic bool stop, check_links;
	int wake_fd;
	struct queue *parcels;  /* struct parcel: messages for peers, in their order */
	_Atomic unsigned peers; /* members */
	_Atomic bool lost;      /* a record could not be kept for the server: it must end */
	char run[33];

	/* the first server: under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ready, failed;

	/* the process */
	bool is_service; /* it is one of the service manager; else a child */
	pid_t child;     /* 0: none */
	pid_t server;    /* known by its first record; 0: not yet */
	int server_fd;   /* handle of it, -1 likewise */
	int fd;          /* its socket; -1: none */
	bool serves;
	uint64_t generation; /* counts the servers */
	unsigned failures;   /* ends before it served, in succession */
	struct rate starts;
	int64_t start_ns;          /* time of the next start */
	int64_t heard_ns, sent_ns; /* of its last record; of the last progress in sending */
	int64_t checked_ns;
	struct log_limit ends;

	/* outgoing */
	struct parcel held; /* chosen, and not among them yet */
	struct parcel sending[SENDING_LIMIT];
	size_t sending_count;
	size_t sent_bytes; /* of their records */
	struct packet *burst[BURST_LIMIT];
	size_t burst_count, burst_next;
	bool joined; /* the server has watchers */
	uint32_t epoch;
	struct hub_cursor cursor;
	unsigned revision; /* of the state sent; valid with has_state */
	bool has_state;
	int64_t watermark_ns;

	/* incoming */
	struct buf received;
	struct member *members;
	struct rate admissions, records;
};

/* ---- process.c ---- */

/** Start the server. */
void process_start(struct front *front);
/** End the server and all its connections, for a reason to log; NULL: the front stops. It is started again later. */
void process_end(struct front *front, const char *why);
/** Note the number of the process, as the kernel gives it. */
void process_know(struct front *front, pid_t server);
/** End a child of the server; another process is left alone. */
void process_end_worker(const struct front *front, pid_t worker);

/* ---- outgoing.c ---- */

int outgoing_create(struct front *front);
/** Send as much as the socket takes. @return true when more is left, or a negative errno */
int outgoing_send(struct front *front);
/** Drop all records to be sent. */
void outgoing_clear(struct front *front);
/** Queue one message for the server; any thread. */
void outgoing_put(struct front *front, const Uxrec__ToServer *message);
/** Begin to send the packets of the running session, from its present state on. */
void outgoing_join(struct front *front, uint32_t epoch);

/* ---- incoming.c ---- */

/** Take the records that have arrived. @return 0, or a negative errno: the server must end, for the reason */
int incoming_receive(struct front *front, struct error *reterr);
/** End all connections. */
void incoming_clear(struct front *front);
/** Close the connections whose links were revoked. */
void incoming_check_links(struct front *front);
