#pragma once

/* Shared by segments.c, the files of a running recording, and segments_end.c, their end. */

#include "daemon/record/backlog.h"
#include "daemon/record/segments.h"
#include "protocol/base/buf.h"
#include "protocol/file/writer.h"
#include "protocol/os/folder.h"

#include <pthread.h>

struct segments {
	struct segments_context context;
	struct folder *folder;
	int64_t sync_every_ns;
	int reserve_fd;
	int lock_fd; /* in trouble: lock of the ended segment: marks us as recording */

	/* of the appending thread */
	unsigned number; /* of the newest segment */
	int disk_error;  /* negative errno, 0: none */
	int64_t retry_ns;
	uint64_t bytes_before; /* in earlier segments */
	struct buf ended;      /* of unsigned: segments ended on a full disk */
	struct backlog unsynced;
	/* span missing from the newest segment, session times: from the first packet it failed to take */
	int64_t missing_from_ns, missing_to_ns;
	struct segments_marker marker; /* of the newest segment; FORMAT.md, "Segments" */
	/* pictures in the segment that are no longer held although not known to be on disk */
	struct {
		uint64_t count, until; /* until: the number after the last of them */
		int64_t from_ns, to_ns;
	} evicted;
	/* packets for which there was neither memory nor disk, not yet reported */
	uint64_t lost_count;
	int64_t lost_from_ns, lost_to_ns;

	pthread_t sync_thread;
	bool sync_started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct session_writer *writer; /* NULL in trouble */
	struct session_writer *syncing, *retired;
	bool dirty, stop;
	uint64_t appended, synced; /* packet numbers */
	int sync_failed;
};

#define SEGMENT_NAME_BYTES 40

/* Format the name of a segment's file. */
void segments_name(char name[SEGMENT_NAME_BYTES], unsigned number);

/* @return true when the disk has this much room, for this user */
bool segments_has_room(const struct segments *segments, uint64_t bytes);

/* Write the first sequences of packets repeated from earlier segments: FORMAT.md, "Segments". */
int segments_put_metadata(
	const struct segments *segments, struct session_writer *writer, unsigned number);

/* Write the ids of the session: FORMAT.md, "Identities". */
int segments_put_identity(const struct segments *segments, struct session_writer *writer);

/* Append all held packets. */
int segments_write_unsynced(const struct segments *segments, struct session_writer *writer);

/* Release packets that are on disk; end the segment when a sync has failed. */
void segments_check_sync(struct segments *segments);

/*
 * Handle a write failure: end the segment, so that it opens, and hold further packets.
 *
 * @param failed  the packet not written, the newest held one; NULL: all held packets may be missing
 */
void segments_handle_error(struct segments *segments, int r, const struct packet *failed);

/* Sync once more and stop the sync thread. */
void segments_stop_syncing(struct segments *segments);

void segments_remove_reserve(struct segments *segments);

/* Remove the logs of segments ended on a full disk, once those are on disk. */
void segments_remove_logs(const struct segments *segments);
