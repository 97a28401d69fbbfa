#pragma once

#include "daemon/record/feed.h"
#include "daemon/record/segments.h"
#include "protocol/base/error.h"
#include "protocol/file/writer.h"
#include "protocol/gap.h"
#include "protocol/session.pb-c.h"

/**
 * Collects the packets of one session from all its sources: first to the file, then to the feed. One
 * thread appends, another syncs, so that a slow disk never blocks a source.
 */
struct recorder;

/** Dependencies of a recorder; all must outlive it. */
struct recorder_context {
	struct session_clock *clock;
	const struct feed *feed;
	/** CLOCK_MONOTONIC time up to which the sources have pushed everything. */
	int64_t (*watermark)(void *user, int64_t now_ns);
	/** Pictures were dropped: the next one must be a keyframe. */
	void (*request_keyframe)(void *user);
	/**
	 * The disk is in trouble, or (NULL) has recovered; recording continues. Called on the recorder's
	 * thread.
	 */
	void (*disk_error)(void *user, const char *text);
	/**
	 * The files are complete after recorder_end(). Called on the recorder's thread; must not block. May be
	 * NULL.
	 */
	void (*ended)(void *user);
	const char *session_uuid, *station_id; /* in every file; NULL or "": in none */
	struct segments_marker marker;         /* of a killed recorder */
	int64_t sync_every_ns; /* maximum loss in a power cut; 0: none, every packet is synced */
	void *user;
};

/**
 * Start recording into a folder, or continue in one.
 *
 * @param ret     set on success; free with recorder_destroy() after recorder_finish()
 * @param folder  the session's; must exist
 * @param before  number of existing segments, of a killed recorder; usually 0
 * @return 0, or a negative errno with the reason
 */
int recorder_create(struct recorder **ret, const char *folder, unsigned before,
	const struct recorder_context *context, struct error *reterr);

/** Sink for the sources. */
struct packet_sink *recorder_sink(struct recorder *recorder);

/** Push a message of the session itself (event, gap, act, study). @return 0 or -ENOMEM */
int recorder_push(struct recorder *recorder, uint16_t channel, int64_t time_ns,
	const ProtobufCMessage *message);

/** Packets waiting in memory because the disk is full, or dropped for that reason; packets 0: none. */
struct recorder_backlog {
	uint64_t packets, bytes;
	int64_t from_ns, to_ns; /* session times */
};

/** Get the pending backlog. Any thread. */
struct recorder_backlog recorder_get_backlog(struct recorder *recorder);

/** Write the queue, end the file, sync it. No source may push any more. Does not block. */
void recorder_end(struct recorder *recorder);

/**
 * Wait for the end of the files: without a limit for a slow disk, but at most @p room_ns for room on a full
 * one.
 *
 * @return true when recorder_finish() can be called without blocking
 */
bool recorder_wait(struct recorder *recorder, int64_t room_ns);

/** Stop waiting for room: drop packets that do not fit. Call after recorder_end(). */
void recorder_give_up(struct recorder *recorder);

/**
 * End the recording if that was not done, drop packets without room, and wait.
 *
 * @param ret_lost  may be NULL: the dropped packets
 * @return 0, or the negative errno for which the file could not be ended; it opens all the same
 */
int recorder_finish(struct recorder *recorder, struct recorder_backlog *ret_lost);

void recorder_destroy(struct recorder *recorder);
DEFINE_DESTROY(recorder);

/** Publish the watermark now, for a new watcher. Any thread. */
void recorder_wake(struct recorder *recorder);

/** Totals recorded so far. Any thread. */
struct recorder_totals {
	uint64_t bytes, pictures, events, gaps;
};

struct recorder_totals recorder_get_totals(struct recorder *recorder);

/** Sum the time lost so far. Any thread. @param now_ns  session time @param ret  GAP_PART_END items */
void recorder_sum_losses(struct recorder *recorder, int64_t now_ns, struct loss *ret);

/** Time of the last iteration of the recorder's thread (CLOCK_MONOTONIC); at least every 5 s. */
int64_t recorder_alive_ns(struct recorder *recorder);
