#pragma once

#include "protocol/packet.h"

/**
 * Stream of the running session for observers: a ring buffer of its newest packets, shared by all of them. Each
 * observer has a cursor. The recorder publishes, the server reads. Any thread.
 */
struct hub;

/** Read position of an observer. Zero-initialised: not joined. */
struct hub_cursor {
	uint64_t next;       /* number of the next packet */
	uint64_t burst_end;  /* before it only pictures: they build up the present screen */
	bool needs_keyframe; /* pictures are skipped until the next keyframe */
	uint64_t generation; /* of the session joined */
	uint16_t shape;      /* after a skip: next pointer shape to resend */
	uint16_t latched;    /* after a skip: next channel whose latched packet is resent */
	uint64_t skipped;    /* packets skipped because this observer was too slow */
	bool receives_muted; /* moderator: gets sound withheld from observers */
	bool withheld;       /* observers do not get the packet returned last */
};

/** @return 0 (free with hub_destroy()) or -ENOMEM */
int hub_create(struct hub **ret);
void hub_destroy(struct hub *hub);
DEFINE_DESTROY(hub);

/** Drop everything: a session starts or has ended. */
void hub_reset(struct hub *hub);

/** Set whether a keyframe can be requested for a joining observer: false while the screen is not captured. */
void hub_set_keyframes(struct hub *hub, bool available);

/**
 * Withhold sound published from now on from all but moderators; or stop doing so, except for sound older than
 * @p at_ns (session time).
 */
void hub_set_muted(struct hub *hub, bool muted, int64_t at_ns);

/**
 * Withhold modalities (bits, 1 << enum modality), including packets already published. Video resumes with a
 * keyframe.
 *
 * @param observers  modalities withheld from observers, @p all: from everybody
 */
void hub_set_withheld(struct hub *hub, uint32_t observers, uint32_t all);

/** Get the values of hub_set_withheld() and hub_set_keyframes(). */
void hub_get_withheld(struct hub *hub, uint32_t *ret_observers, uint32_t *ret_all);
bool hub_has_keyframes(struct hub *hub);

/** @return false after a hub_reset() since the cursor joined: it gets nothing more, and must join again */
bool hub_is_joined(struct hub *hub, const struct hub_cursor *cursor);

/** Publish a packet to all observers, or with PACKET_MUTED to moderators alone; takes its own reference. */
void hub_publish(struct hub *hub, struct packet *packet);

/** Advance the watermark: everything up to this session time has been published. */
void hub_set_watermark(struct hub *hub, int64_t session_ns);
int64_t hub_watermark(struct hub *hub);

/**
 * Join the session at its present end.
 *
 * @param receives_muted  include sound withheld from observers
 * @param receive  is given the pointer shapes that may be referenced, then the latched packets, in order of
 *                 channels; takes over the reference
 * @return true when the recorder should make a keyframe for this observer: none in the ring is near enough (30
 *         pictures, 1 MB) and none was requested in the last ten seconds
 */
bool hub_join(struct hub *hub, struct hub_cursor *cursor, bool receives_muted,
	void (*receive)(void *user, struct packet *packet), void *user);

/**
 * Get the next packet for an observer. One that has fallen behind skips to the newest keyframe and gets the
 * latched packets again, which may have changed in the skipped span.
 *
 * @return a reference for the caller, or NULL when up to date
 */
struct packet *hub_next(struct hub *hub, struct hub_cursor *cursor);
