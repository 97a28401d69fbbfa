#pragma once

#include "protocol/base/error.h"
#include "protocol/os/folder.h"
#include "protocol/packet.h"

/**
 * The files of a running recording. When one can no longer be written or synced, it is ended, unsynced packets
 * are held, and recording continues in a new segment as soon as there is room again. One thread appends; an
 * internal one syncs, so that a slow disk blocks nobody.
 */
struct segments;

/** Open-ended gap at the end of a segment whose disk was full. */
struct segments_marker {
	bool is_there;
	uint32_t sequence;
};

struct segments_context {
	/** The disk is in trouble, or (NULL) has recovered. Called on the appending thread. */
	void (*disk_error)(void *user, const char *text);
	/**
	 * Packets were dropped (session times): pictures because too much is held, with @p topic "/screen"; any
	 * packets because there was no memory to hold them, with NULL. Same thread.
	 */
	void (*dropped)(
		void *user, const char *topic, int64_t from_ns, int64_t to_ns, uint64_t count);
	/**
	 * Create the gap for data missing from a session time to the end of the session. Same thread.
	 *
	 * @param topic  NULL: everything; "/screen"; "/sound": the screen and all sound
	 * @return a packet of CHANNEL_GAPS, owned by the caller; NULL when out of memory
	 */
	struct packet *(*missing)(void *user, int64_t from_ns, const char *topic, uint64_t count);
	const char *session_uuid, *station_id; /* in every segment; NULL or "": in none */
	/* of the last segment of a killed recorder: the first segment here replaces it */
	struct segments_marker marker;
	void *user;
};

/**
 * Start a segment.
 *
 * @param folder         the session's; must exist and not be a symbolic link
 * @param before         number of existing segments, of a killed recorder
 * @param sync_every_ns  maximum loss in a power cut; 0: every packet is on disk before segments_append()
 *                       returns
 * @return 0 (free with segments_destroy()), or a negative errno with the reason
 */
int segments_create(struct segments **ret, const char *folder, unsigned before,
	int64_t sync_every_ns, const struct segments_context *context, struct error *reterr);

/** @return true when the recorder of a folder has not ended: killed, or still recording */
bool segments_are_unfinished(const struct folder *folder);

/** Append a packet, now or when the disk has recovered. Takes its own reference. */
void segments_append(struct segments *segments, struct packet *packet);

/** Check for recovery of the disk and for failed syncs; call it periodically. */
void segments_check(struct segments *segments);

/** Total bytes of all segments. */
uint64_t segments_bytes(const struct segments *segments);

/** Packets held in memory while the disk is in trouble; all 0 otherwise. */
struct segments_backlog {
	size_t packets;
	uint64_t bytes;
	int64_t from_ns, to_ns; /* session times of data in no segment */
};

struct segments_backlog segments_backlog(const struct segments *segments);

/**
 * End the recording: write the held packets and the end, sync. No more packets can be appended.
 *
 * @return 0, or -EAGAIN when there is no room for the held packets; nothing is lost, call it again later
 */
int segments_finish(struct segments *segments);

/**
 * Like segments_finish(), without waiting for room: pictures and sound are dropped first, then all held
 * packets. An open-ended gap in the last writable segment marks the missing data.
 *
 * @param ret_lost  the dropped packets; packets 0: none
 * @return 0, or the negative errno of the disk's trouble; the written files open
 */
int segments_give_up(struct segments *segments, struct segments_backlog *ret_lost);

void segments_destroy(struct segments *segments);
DEFINE_DESTROY(segments);
