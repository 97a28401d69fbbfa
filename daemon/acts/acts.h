#pragma once

#include "daemon/net/server.h"
#include "daemon/record/live.h"

/**
 * Stores the acts of peers, in its own threads: one for the running session, whose log is the station's and
 * stays open, one for all other sessions. Neither reading session files nor opening another session delays an
 * act of the running one.
 */
struct acts;

/**
 * @param ret     set on success; free with acts_destroy()
 * @param folder  of the sessions; must outlive the acts
 * @param live    NULL: this program is not recording
 */
int acts_create(struct acts **ret, const char *folder, struct live *live, struct error *reterr);

/** Set the server for answers. Call before any act. */
void acts_set_server(struct acts *acts, struct server *server);

/** Store the act of a PutAct asynchronously, and answer; takes over the message. Any thread; never blocks. */
void acts_handle(struct acts *acts, struct peer *peer, Uxrec__ClientMessage *message);

/** Broadcast a stored act to all peers that have its session open or watch it. Any thread. */
void acts_announce(struct server *server, const char *session, const Uxrec__Act *act);

/** Drop pending acts. @return like worker_stop() */
int acts_stop(struct acts *acts, int64_t deadline_ns);
void acts_destroy(struct acts *acts);
DEFINE_DESTROY(acts);
