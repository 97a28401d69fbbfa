#pragma once

#include "protocol/base/error.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

/* Requests that uxrec-worker does. Nothing here opens a file for writing. */

struct work_context {
	const char *library;
	bool moderator; /* who asks may learn paths of this machine */
	/** Part of the work is done; in any unit. */
	void (*progress)(void *user, size_t done, size_t total);
	void *user;
};

/**
 * @param ret  set on success: the record of the answer
 * @return 0, or a negative errno with the reason, for the page
 */
typedef int work_fn(const struct work_context *context, const Uxrec__ClientMessage *asked,
	struct packet **ret, struct error *reterr);

work_fn work_metrics, work_export;
