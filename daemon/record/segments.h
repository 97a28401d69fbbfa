#pragma once

#include "protocol/base/error.h"
#include "protocol/os/folder.h"
#include "protocol/packet.h"

/**
 * The files of a running recording. When one cannot be written or synced any more, it is ended, what
 * was not yet safe is held, and the recording goes on in a new segment as soon as there is room
 * again. One thread appends; another, its own, syncs, so that a slow disk makes nobody wait.
 */
struct segments;

/** The gap that is open to the end of the session, with which a segment ends when its disk was full. */
struct segments_marker {
	bool is_there;
	uint32_t sequence;
};

struct segments_context {
	/** The disk is in trouble, or (NULL) not any more. From the thread that appends. */
	void (*trouble)(void *user, const char *text);
	/**
	 * Packets were given up (session times): pictures because too much is held, with @p topic
	 * "/screen"; any because there was no memory to hold them, with NULL. From the same.
	 */
	void (*dropped)(
		void *user, const char *topic, int64_t from_ns, int64_t to_ns, uint64_t count);
	/**
	 * Make the gap of what is missing from a session time to the end of the session. From the same.
	 *
	 * @param topic  NULL: everything; "/screen"; "/sound": the screen and all sound
	 * @return a packet of CHANNEL_GAPS, the caller's; NULL without memory
	 */
	struct packet *(*missing)(void *user, int64_t from_ns, const char *topic, uint64_t count);
	const char *session_uuid, *station_id; /* in every segment; NULL or "": in none */
	/* of the last segment of a recorder that was killed: the first one here replaces it */
	struct segments_marker marker;
	void *user;
};

/**
 * Begin a segment.
 *
 * @param folder         the session's, exists, and is no symbolic link
 * @param before         how many segments there are: those of a recorder that was killed
 * @param sync_every_ns  how much a power cut may cost; 0: every packet is on the disk before
 *                       segments_append() returns
 * @return 0 (freed by segments_destroy()), or a negative errno with the reason
 */
int segments_create(struct segments **ret, const char *folder, unsigned before,
	int64_t sync_every_ns, const struct segments_context *context, struct error *reterr);

/** @return true when the recorder that recorded into a folder has not ended: it was killed, or records */
bool segments_are_left(const struct folder *folder);

/** Append a packet, now or when the disk is there again. Takes a reference of its own. */
void segments_append(struct segments *segments, struct packet *packet);

/** Look whether the disk is there again, and whether syncing has failed; call it now and then. */
void segments_check(struct segments *segments);

/** Bytes in all segments. */
uint64_t segments_bytes(const struct segments *segments);

/** What is held in memory because the disk is in trouble; all 0 when it is not. */
struct segments_backlog {
	size_t packets;
	uint64_t bytes;
	int64_t from_ns, to_ns; /* session times of what no segment has */
};

struct segments_backlog segments_backlog(const struct segments *segments);

/**
 * End the recording: write what is held, the end, sync. Nothing can be appended any more.
 *
 * @return 0, or -EAGAIN: there is no room for what is held; nothing is lost, call it again later
 */
int segments_finish(struct segments *segments);

/**
 * The same, and do not wait for room: pictures and sound are given up first, then everything that is held. A gap that is
 * open to the end has what is missing, in the last segment that could be written.
 *
 * @param ret_lost  what was given up; packets 0: nothing
 * @return 0, or the negative errno that the disk is in trouble for; what was written opens
 */
int segments_give_up(struct segments *segments, struct segments_backlog *ret_lost);

void segments_destroy(struct segments *segments);
DEFINE_DESTROY(segments);
