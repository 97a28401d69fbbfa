#pragma once

#include "daemon/record/hub.h"
#include "daemon/record/segments.h"
#include "protocol/base/error.h"
#include "protocol/file/writer.h"
#include "protocol/gap.h"
#include "protocol/session.pb-c.h"

/**
 * Takes the packets of one session from all its sources: to the file first, then to the observers.
 * One thread appends, another syncs, so that a slow disk never makes a source wait.
 */
struct recorder;

/** What a recorder needs; all of it must live longer. */
struct recorder_context {
	struct session_clock *clock;
	struct hub *hub;
	/** After packets were published or the complete time moved. Any thread; must not block. */
	void (*published)(void *user);
	/** Up to which CLOCK_MONOTONIC time the sources have pushed everything. */
	int64_t (*complete_until)(void *user, int64_t now_ns);
	/** @return true when somebody watches: then the complete time is told four times a second */
	bool (*is_watched)(void *user);
	/** Pictures were dropped: the next one must be a keyframe. */
	void (*request_keyframe)(void *user);
	/** The disk is in trouble, or (NULL) not any more; the recording goes on. From the recorder's
	 *  thread. */
	void (*trouble)(void *user, const char *text);
	/** After recorder_end(): the files are ended. From the recorder's thread; must not block. May be NULL. */
	void (*ended)(void *user);
	const char *session_uuid, *station_id; /* in every file; NULL or "": in none */
	struct segments_marker marker;         /* of a recorder that was killed */
	int64_t sync_every_ns; /* what a power cut may cost; 0: nothing, every packet is synced */
	void *user;
};

/**
 * Begin to record into a folder, or go on in one.
 *
 * @param ret     set on success; freed by recorder_destroy() after recorder_finish()
 * @param folder  the session's, exists
 * @param before  how many segments are in it, of a recorder that was killed; usually 0
 * @return 0, or a negative errno with the reason
 */
int recorder_create(struct recorder **ret, const char *folder, unsigned before,
	const struct recorder_context *context, struct error *reterr);

/** Where the sources push. */
struct packet_sink *recorder_sink(struct recorder *recorder);

/** Push a message of the session itself (event, gap, act, study). @return 0 or -ENOMEM */
int recorder_push(struct recorder *recorder, uint16_t channel, int64_t time_ns,
	const ProtobufCMessage *message);

/** What waits in memory because the disk is full, or was given up because it was; packets 0: nothing. */
struct recorder_backlog {
	uint64_t packets, bytes;
	int64_t from_ns, to_ns; /* session times */
};

/** What waits. Any thread. */
struct recorder_backlog recorder_get_backlog(struct recorder *recorder);

/** Write what is queued, end the file, sync it. No source may push any more. Does not wait. */
void recorder_end(struct recorder *recorder);

/**
 * Wait until the files are ended; also for a slow disk, but for room on a full one only so long.
 *
 * @return true when recorder_finish() can be called and does not wait
 */
bool recorder_wait(struct recorder *recorder, int64_t room_ns);

/** Do not wait for room any more: give up what does not fit. After recorder_end(). */
void recorder_give_up(struct recorder *recorder);

/**
 * End the recording if that was not done, give up what there is no room for, and wait.
 *
 * @param ret_lost  may be NULL: what was given up
 * @return 0, or the negative errno for which the file could not be ended; it opens all the same
 */
int recorder_finish(struct recorder *recorder, struct recorder_backlog *ret_lost);

void recorder_destroy(struct recorder *recorder);
DEFINE_DESTROY(recorder);

/** Somebody has begun to watch: tell the complete time now. Any thread. */
void recorder_wake(struct recorder *recorder);

/** How much has been recorded. Any thread. */
struct recorder_totals {
	uint64_t bytes, pictures, events, gaps;
};

struct recorder_totals recorder_get_totals(struct recorder *recorder);

/** The time lost so far. Any thread. @param now_ns  session time @param ret  GAP_PART_END items */
void recorder_sum_losses(struct recorder *recorder, int64_t now_ns, struct loss *ret);

/** When the recorder's thread last went round (CLOCK_MONOTONIC); it does at least every 5 s. */
int64_t recorder_alive_ns(struct recorder *recorder);
