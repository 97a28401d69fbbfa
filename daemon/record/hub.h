#pragma once

#include "protocol/packet.h"

/**
 * What observers see of the running session: a ring of its newest packets, shared by all of them.
 * Each observer has a cursor. The recorder publishes; the server reads. Any thread.
 */
struct hub;

/** Where an observer is. Zero-initialised has joined nothing. */
struct hub_cursor {
	uint64_t next;       /* number of the packet that comes next */
	uint64_t burst_end;  /* before it only pictures: how the screen came to be as it is */
	bool needs_keyframe; /* pictures are passed over until one that a decoder can begin with */
	uint64_t generation; /* of the session that was joined */
	uint16_t shape;      /* after a skip: the next of the pointer's shapes that is sent again */
	uint16_t latched;    /* after a skip: the next channel whose latched packet is sent again */
	uint64_t skipped;    /* packets that this observer never got because it was too slow */
	bool hears_muted;    /* the moderator hears what observers do not */
};

/** @return 0 (freed by hub_destroy()) or -ENOMEM */
int hub_create(struct hub **ret);
void hub_destroy(struct hub *hub);
DEFINE_DESTROY(hub);

/** Forget everything: a session begins or has ended. */
void hub_reset(struct hub *hub);

/** Whether a keyframe can be had when an observer joins; not while the screen is not captured. */
void hub_set_keyframes(struct hub *hub, bool available);

/**
 * Keep sound that is published from now on from all but moderators; or no longer, but for sound that is older than
 * @p at_ns (session time).
 */
void hub_set_muted(struct hub *hub, bool muted, int64_t at_ns);

/**
 * Keep modalities back (bits, 1 << enum modality): also of packets published before. Pictures that are given out
 * again begin with a keyframe.
 *
 * @param observers  modalities that observers do not get, @p all: that nobody gets
 */
void hub_set_withheld(struct hub *hub, uint32_t observers, uint32_t all);

/** Give a packet to all observers; takes a reference of its own. */
void hub_publish(struct hub *hub, struct packet *packet);

/** Everything up to this session time has been published. */
void hub_set_complete(struct hub *hub, int64_t session_ns);
int64_t hub_complete(struct hub *hub);

/**
 * Join the session at its present end.
 *
 * @param hears_muted  also sound that is kept from observers
 * @param take  given the shapes of the pointer that may be referred to, then what is latched, in the order of channels; takes
 *              over the reference
 * @return true when the recorder should make a keyframe for this observer: none in the ring is near
 *         enough (30 pictures, 1 MB) and none was asked for in the last ten seconds
 */
bool hub_join(struct hub *hub, struct hub_cursor *cursor, bool hears_muted,
	void (*take)(void *user, struct packet *packet), void *user);

/**
 * The next packet for an observer. One that has fallen behind goes on at the newest keyframe, and is
 * given what is latched again: it may have changed in what was skipped.
 *
 * @return a reference for the caller, or NULL: it has everything
 */
struct packet *hub_next(struct hub *hub, struct hub_cursor *cursor);
