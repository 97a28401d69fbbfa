#pragma once

/* What segments.c, the files of a running recording, and segments_end.c, its end, share. */

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
	int lock_fd; /* in trouble: the lock of the segment that was ended, which shows that we record */

	/* of the thread that appends */
	unsigned number; /* of the newest segment */
	int trouble;     /* negative errno, 0: none */
	int64_t try_again_ns;
	uint64_t bytes_before; /* in the segments before this one */
	struct buf ended;      /* of unsigned: segments that were ended on a full disk */
	struct backlog held;
	/* what the newest segment lacks, session times: from the first packet that it did not take */
	int64_t missing_from_ns, missing_to_ns;
	struct segments_marker marker; /* of the newest segment; FORMAT.md, "Segments" */
	/* pictures that are in the segment, and are held no longer although they are not known to be on the disk */
	struct {
		uint64_t count, until; /* until: the number behind the last of them */
		int64_t from_ns, to_ns;
	} unheld;
	/* packets there was neither memory nor disk for, and that are not told yet */
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
	uint64_t appended, synced; /* numbers of packets */
	int sync_failed;
};

#define SEGMENT_NAME_BYTES 40

/* The name of a segment's file. */
void segments_name(char name[SEGMENT_NAME_BYTES], unsigned number);

/* @return whether the disk has so much room, for this user */
bool segments_has_room(const struct segments *segments, uint64_t bytes);

/* Write which packets of the segments before are in this one: FORMAT.md, "Segments". */
int segments_put_metadata(
	const struct segments *segments, struct session_writer *writer, unsigned number);

/* Write the ids of the session: FORMAT.md, "Identities". */
int segments_put_identity(const struct segments *segments, struct session_writer *writer);

/* Append all that is held. */
int segments_write_held(const struct segments *segments, struct session_writer *writer);

/* Release what is on the disk; a sync that has failed ends the segment. */
void segments_check_sync(struct segments *segments);

/*
 * The segment cannot be written any more: end it, so that it opens, and hold what comes.
 *
 * @param failed  the packet that it did not take, the newest that is held; NULL: all that is held may be missing
 */
void segments_break_off(struct segments *segments, int r, const struct packet *failed);

/* Sync for the last time, and end the thread that does. */
void segments_stop_syncing(struct segments *segments);

void segments_remove_reserve(struct segments *segments);

/* The logs of segments that were ended on a full disk go when the disk has these. */
void segments_remove_logs(const struct segments *segments);
