#pragma once

#include "daemon/net/server.h"
#include "daemon/record/live.h"

/**
 * Stores the acts of peers, in threads of its own: one for the running session, whose log is the
 * station's and stays open, one for all other sessions. No reading of session files and no opening of
 * another session delays an act about the running one.
 */
struct acts;

/**
 * @param ret     set on success; freed by acts_destroy()
 * @param folder  of the sessions; stays
 * @param live    NULL: nothing is being recorded by this program
 */
int acts_create(struct acts **ret, const char *folder, struct live *live, struct error *reterr);

/** Where answers go. Before anything is taken. */
void acts_set_server(struct acts *acts, struct server *server);

/** Store the act of a PutAct, later, and answer; takes over the message. Any thread; never blocks. */
void acts_take(struct acts *acts, struct peer *peer, Uxrec__ClientMessage *message);

/** Broadcast a stored act to all peers that have its session open or watch it. Any thread. */
void acts_announce(struct server *server, const char *session, const Uxrec__Act *act);

/** Drop what waits. @return as worker_stop() */
int acts_stop(struct acts *acts, int64_t deadline_ns);
void acts_destroy(struct acts *acts);
DEFINE_DESTROY(acts);
