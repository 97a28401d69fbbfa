#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/study.pb-c.h"

/**
 * The annotation log of one session, opened once, with the study that its acts are checked against.
 * Reference-counted, shared by the threads that append and read.
 *
 * The lock is first come, first served: a thread that appends continuously delays the others by one act. It is
 * held while an act is written and announced, so that acts are announced in the log's order; only the locks of
 * live.h and of queues are taken under it.
 */
struct session_log;

/**
 * @param ret     set on success: one reference
 * @param log     taken over
 * @param study   taken over
 * @return 0 or -ENOMEM; then both are freed
 */
int session_log_create(struct session_log **ret, struct annotations *log, Uxrec__Study *study);

struct session_log *session_log_ref(struct session_log *log);
/** Drop one reference; NULL is allowed. */
void session_log_unref(struct session_log *log);

/** Wait for the lock. @return the log, valid until session_log_unlock() */
struct annotations *session_log_lock(struct session_log *log);
void session_log_unlock(struct session_log *log);

/** The study; constant, no lock needed. */
const Uxrec__Study *session_log_study(const struct session_log *log);

static inline void session_log_unref_pointer(struct session_log **log)
{
	session_log_unref(*log);
}

#define _session_log_unref_ _cleanup_(session_log_unref_pointer)
