#pragma once

#include "protocol/base/backoff.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/packet.h"
#include "protocol/session.pb-c.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/**
 * Producer of packets: a screen, a pointer, the input devices. Each source runs in its own thread,
 * so that a slow one never delays another, from its creation until source_destroy(). To pause,
 * destroy it; to resume, create a new one.
 */
struct source;

/** Environment of a source; must outlive the source. */
struct source_context {
	struct session_clock *clock;
	struct packet_sink *sink;
	/**
	 * Called at most once, from the source's thread, when the source ends by itself (display
	 * gone, helper dead). The source must still be destroyed, by another thread.
	 */
	void (*failed)(void *user, struct source *source, const char *reason);
	void *user;
	/**
	 * Called from the source's thread when its server is lost and a reconnect is pending, and
	 * with NULL on reconnect or when the source gives up. May be NULL.
	 */
	void (*disconnected)(void *user, struct source *source, const char *reason);
	/** True: a source that is being created stops waiting for the user, and its creation returns
	 *  -ECANCELED. NULL: never. */
	const _Atomic bool *cancelled;
};

/** Implementation; the functions are called through the wrappers below. */
struct source_ops {
	const char *name;
	void (*destroy)(struct source *source);
	int64_t (*watermark)(struct source *source, int64_t now_ns); /* may be NULL */
	void (*request_keyframe)(struct source *source);             /* may be NULL */
};

struct source {
	const struct source_ops *ops;
};

/**
 * Join a source's thread. If the thread has not ended after one second because a call does not
 * return, invoke @p abort_calls, which must make every call that may block the thread fail.
 */
void source_join(pthread_t thread, void (*abort_calls)(void *user), void *user);

/** A recorded loss. Times are CLOCK_MONOTONIC. */
struct source_gap {
	Uxrec__Gap__Reason reason;
	int64_t from_ns, to_ns;
	const char *const *topics;
	size_t topic_count;
	uint64_t count; /* of lost items, 0: unknown */
	const char *detail;
};

/** @return 0 or -ENOMEM */
int source_push_gap(const struct source_context *context, const struct source_gap *gap);

/** Waits before tries to reconnect: a restarted server is found soon, an absent one polled rarely. */
extern const struct backoff source_backoff;

/**
 * Sleep until a time, or until @p stop.
 *
 * @param wake_fd  an eventfd, readable when @p stop is set, emptied here; others may write to it too
 */
void source_sleep(int wake_fd, const _Atomic bool *stop, int64_t until_ns);

/** Parameters for reconnecting a source that has lost its server. */
struct source_outage {
	const char *reason;
	uint16_t channel; /* the one with the gap */
	int wake_fd;      /* as for source_sleep() */
	const _Atomic bool *stop;
	/* Connect. @return 0 or a negative errno, which means retry later */
	int (*reconnect)(struct source *source, struct error *reterr);
};

/**
 * Retry until reconnected, with source_backoff, and push a gap for the absence. Called from the
 * source's own thread.
 *
 * @return false when the source is to stop
 */
bool source_reconnect(struct source *source, const struct source_context *context,
	const struct source_outage *outage);

/** "screen", "pointer", "input" */
const char *source_name(const struct source *source);

/** Stop the source's thread, push pending packets and free the source. NULL is allowed. Not from
 *  the source's own thread. */
void source_destroy(struct source *source);
DEFINE_DESTROY(source);

/**
 * Watermark (CLOCK_MONOTONIC) up to which all of this source's packets have been pushed. Any
 * thread.
 *
 * @param now_ns  the current time, upper bound of the result
 */
int64_t source_watermark(struct source *source, int64_t now_ns);

/** Request a keyframe, also when nothing changes. Any thread. */
void source_request_keyframe(struct source *source);
