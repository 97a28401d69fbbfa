#pragma once

#include "daemon/stream/hub.h"
#include "protocol/base/clock.h"
#include "protocol/feed.pb-c.h"
#include "protocol/file/consent.h"

#include <pthread.h>

/**
 * The running session as uxrec-server knows it, from its feed: its packets for watchers, and the limits of its readers.
 * Any thread.
 */
struct stream {
	pthread_mutex_t lock;
	struct hub *hub;

	/* under lock */
	char session[21]; /* "": none */
	int64_t utc_offset_ns;
	/* spans in which observers are muted, in session times */
	struct consent_span *muted;
	size_t muted_count;
	unsigned watchers;
	uint32_t epoch; /* counts the times at which there was a first watcher */
	bool begun;     /* packets of this epoch arrive */
};

int stream_init(struct stream *stream);
void stream_finish(struct stream *stream);

/* ---- from the feed ---- */

/** @return 0 or -ENOMEM; then all sound is withheld from observers */
int stream_set_state(struct stream *stream, const Uxrec__ToServer__State *state);
void stream_begin(struct stream *stream, uint32_t epoch);
/** Takes its own reference; a packet of an earlier epoch is dropped. */
void stream_publish(struct stream *stream, struct packet *packet);

/** Everything up to this session time has been published. */
void stream_complete(struct stream *stream, int64_t session_ns);

/* ---- for the server ---- */

/**
 * Join as a watcher, as with hub_join().
 *
 * @param ret_epoch    of its packets
 * @param ret_session  the session that it watches; "": none
 * @return true when it needs a keyframe
 */
bool stream_join(struct stream *stream, struct hub_cursor *cursor, bool receives_muted,
	uint32_t *ret_epoch, char ret_session[21],
	void (*receive)(void *user, struct packet *packet), void *user);
/** The packets of the session are dropped with its last watcher. */
void stream_leave(struct stream *stream);
/** Present time of the session's clock, 0 without a session. */
int64_t stream_now_ns(struct stream *stream);

/* ---- for the library ---- */

/** @return true when @p session is being recorded */
bool stream_is(struct stream *stream, const char *session);

/**
 * Get the spans of a session whose sound is withheld from all but moderators: none unless it is being recorded.
 *
 * @param ret  set to an array owned by the caller
 * @return 0 or -ENOMEM
 */
int stream_copy_muted(
	struct stream *stream, const char *session, struct consent_span **ret, size_t *ret_count);
