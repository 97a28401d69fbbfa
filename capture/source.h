#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/packet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/**
 * Something that makes packets: a screen, a pointer, the input devices. Each source has a thread of
 * its own, so that a slow one never delays another. It runs from its creation until source_destroy();
 * to pause is to destroy it and to go on is to create it anew.
 */
struct source;

/** What a source is given. All of it must live longer than the source. */
struct source_context {
	struct session_clock *clock;
	struct packet_sink *sink;
	/**
	 * Called at most once, from the source's thread, when it ended by itself: the display is gone,
	 * the helper has died. The source must still be destroyed, by another thread.
	 */
	void (*lost)(void *user, struct source *source, const char *reason);
	void *user;
	/**
	 * Called from the source's thread when what it records is gone and it looks for it again; with
	 * NULL when it is back, or looked for no more. May be NULL.
	 */
	void (*away)(void *user, struct source *source, const char *reason);
};

/** One implementation; the functions are called through the wrappers below. */
struct source_ops {
	const char *name;
	void (*destroy)(struct source *source);
	int64_t (*complete_until)(struct source *source, int64_t now_ns); /* may be NULL */
	void (*request_keyframe)(struct source *source);                  /* may be NULL */
};

struct source {
	const struct source_ops *ops;
};

/**
 * Join a source's thread. When it has not ended after a second, because what it waits for does not
 * answer, @p cut makes it end: it must make every call that the thread may wait in fail.
 */
void source_join(pthread_t thread, void (*cut)(void *user), void *user);

/** What a source that has lost its server needs to have it back. */
struct source_absence {
	const char *reason;
	uint16_t channel; /* on which something is missing */
	int wake_fd;      /* an eventfd, readable when `stop` is set; others may write to it too */
	const _Atomic bool *stop;
	/* Connect. @return 0 or a negative errno; then it is called again, later */
	int (*try_again)(struct source *source, struct error *reterr);
};

/**
 * Try until it is back, after a second first, then less often, and say what is missing by a gap. From the
 * source's own thread.
 *
 * @return false when the source is to stop
 */
bool source_come_back(struct source *source, const struct source_context *context,
	const struct source_absence *absence);

/** "screen", "pointer", "input" */
const char *source_name(const struct source *source);

/** Stop the source's thread, push what it still holds, and free it. NULL is fine. Not from the
 *  source's own thread. */
void source_destroy(struct source *source);
DEFINE_DESTROY(source);

/**
 * Up to which time (CLOCK_MONOTONIC) everything this source saw has been pushed. Any thread.
 *
 * @param now_ns  the present time: the answer is never later
 */
int64_t source_complete_until(struct source *source, int64_t now_ns);

/** Ask for a picture that a decoder can begin with, also when nothing changes. Any thread. */
void source_request_keyframe(struct source *source);
