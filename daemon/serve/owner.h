#pragma once

#include "daemon/access/access.h"
#include "daemon/access/hosts.h"
#include "protocol/base/error.h"
#include "protocol/packet.h"
#include "protocol/feed.pb-c.h"

/**
 * The connection of uxrec-server to the owner of the sessions: see protocol/feed.proto. Without it there is nothing to
 * serve: when it is lost, the process ends.
 */
struct owner;

/** Callbacks on the thread of owner_run(). */
struct owner_handlers {
	/* takes over the packet */
	void (*packet)(void *user, struct packet *packet);
	/* likewise; for the peers of @p next */
	void (*deliver)(void *user, const Uxrec__ToServer__Next *next, struct packet *packet);
	/* all other messages but setup and next */
	void (*message)(void *user, const Uxrec__ToServer *message);
	/* after those that have arrived */
	void (*flush)(void *user);
	void *user;
};

/**
 * Wait for the first record.
 *
 * @param fd             stream socket, taken over
 * @param ret_setup      set; free with uxrec__to_server__free_unpacked()
 * @param ret_listening  set to the listening socket
 * @return 0 (free with owner_destroy()), or a negative errno with the reason
 */
int owner_create(struct owner **ret, int fd, Uxrec__ToServer **ret_setup, int *ret_listening,
	struct error *reterr);
void owner_destroy(struct owner *owner);
DEFINE_DESTROY(owner);

/** Send a message. Any thread. Blocks while the owner does not read, and ends the process when it never does. */
void owner_send(struct owner *owner, const Uxrec__FromServer *message);

/** Receive until the owner ends. @return 0, or a negative errno with the reason */
int owner_run(struct owner *owner, const struct owner_handlers *handlers, struct error *reterr);
