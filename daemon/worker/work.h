#pragma once

#include "protocol/base/error.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

#include <sys/types.h>

/**
 * Long or fragile work for a page, in a process of its own: uxrec-worker, which can read one folder and write nothing.
 * Whatever it does with its memory, its time or its answer is an error of the request, and of nothing else.
 */
struct work {
	const char *program; /* path of uxrec-worker */
	const char *library; /* the folder that it reads */
	bool moderator;      /* who asks may learn paths of this machine */
	uint64_t memory_bytes;
	unsigned cpu_s, wall_s;
	size_t answer_bytes; /* limit of an answer */
	/* ends the process, for a caller that may send no signals; NULL: this one may. Any thread */
	void (*end)(void *user, pid_t worker);
	void *user;
};

/** How the caller goes on meanwhile; called on its thread, a few times a second. */
struct work_watch {
	/** @return true: end the work */
	bool (*is_cancelled)(void *user);
	/** A record with a Progress, owned by the callee. */
	void (*progress)(void *user, struct packet *record);
	void *user;
};

/**
 * Have a request done, and wait for the end.
 *
 * @param ret  set on success: the record of the answer
 * @return 0; -ECANCELED; -ETIME beyond the limit of time; -EBADMSG when the process crashed, was ended by one of its
 *         limits, or answers another request; or another negative errno; with the reason
 */
int work_run(const struct work *work, const Uxrec__ClientMessage *request,
	const struct work_watch *watch, struct packet **ret, struct error *reterr);
