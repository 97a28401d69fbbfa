#pragma once

#include "protocol/packet.h"

#include <stdbool.h>

/**
 * The way of packets out of the recorder, to those who watch. A packet takes it once it is written, in the order of
 * the file. The recorder calls these functions on its thread; they must not block, and cannot fail: whatever becomes of
 * a feed, the recording goes on.
 */
struct feed {
	/** Takes its own reference. */
	void (*publish)(void *user, struct packet *packet);
	/** Everything up to this session time has been published. */
	void (*complete)(void *user, int64_t session_ns);
	/** After packets were published, or a time is complete. */
	void (*flush)(void *user);
	/** @return true when there are watchers: times are then complete four times a second */
	bool (*is_watched)(void *user);
	void *user;
};
