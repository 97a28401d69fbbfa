#pragma once

#include "daemon/record/feed.h"
#include "daemon/record/session_log.h"
#include "daemon/stream/hub.h"
#include "protocol/base/clock.h"
#include "protocol/file/consent.h"
#include "protocol/acts.pb-c.h"
#include "protocol/feed.pb-c.h"
#include "protocol/study.pb-c.h"

#include <pthread.h>

/** Time after a session's end in which its watchers can add notes. */
#define LIVE_NOTES_MINUTES 5
#define LIVE_NOTES_NS      (LIVE_NOTES_MINUTES * 60 * NS_PER_S)
/* Observers remembered per session; beyond these the earliest are forgotten. */
#define LIVE_WATCHERS 256
/* Sessions remembered, including the running one: those that can end within LIVE_NOTES_NS. */
#define LIVE_AUDIENCES 4

/** The watchers of a session. */
struct live_audience {
	char session[21]; /* "": none; a session without watchers has no audience */
	int64_t ended_ns; /* CLOCK_MONOTONIC; 0 while running */
	char principals[LIVE_WATCHERS][33];
	size_t count; /* joins by distinct principals */
};

/**
 * Shared state of the session being recorded, for other threads. The station (main thread) opens and closes it;
 * server and library use it. Any thread.
 */
struct live {
	pthread_mutex_t lock;
	struct hub *hub;
	struct feed feed;          /* of the recorder, into the hub */
	_Atomic unsigned watchers; /* of the running session */
	_Atomic unsigned revision; /* counts changes of the description by live_describe() */
	/* set before any session: requests station_tick() on the main thread, soon; any thread */
	void (*request_tick)(void *user);
	/* set likewise: packets for watchers, or another revision; any thread */
	void (*published)(void *user);
	void *owner;

	/* under lock; empty without a session */
	char session[21];
	struct session_clock *clock;
	int64_t begin_ns;  /* start of the session, by its clock */
	int64_t paused_ns; /* start of the present pause, by the session's clock; 0: none */
	struct recorder *recorder;
	struct session_log *log;
	/* spans in which observers are muted, in session times; a present one ends at INT64_MAX */
	struct consent_span *muted;
	size_t muted_count;
	uint32_t recordable; /* modalities covered by consent now, as bits (1 << enum modality) */
	/* set by the station: requests a keyframe from the screen source */
	void (*request_keyframe)(void *user);
	void *user;
	struct live_audience
		audiences[LIVE_AUDIENCES]; /* newest session first; kept after its end */
};

int live_init(struct live *live);
void live_finish(struct live *live);

/** Open a session that started at @p begin_ns by its clock. All arguments must stay valid until live_close(). */
void live_open(struct live *live, const char *session, struct session_clock *clock,
	int64_t begin_ns, struct recorder *recorder, struct session_log *log,
	void (*request_keyframe)(void *user), void *user);

/** Close the session; on return nobody uses the arguments of live_open(). */
void live_close(struct live *live);

/** Drop the packets of a session that starts or has ended. */
void live_reset(struct live *live);

/** Set whether a keyframe can be requested for a joining observer: false while the screen is not captured. */
void live_set_keyframes(struct live *live, bool available);

/** @return true when @p session is being recorded */
bool live_is(struct live *live, const char *session);

/** @return a reference to the session's log when @p session is being recorded, or NULL */
struct session_log *live_log(struct live *live, const char *session);

/** Present time of the session's clock, 0 without a session. */
int64_t live_now_ns(struct live *live);

/** Start of the session and present time, by its clock; both 0 without a session. */
void live_span(struct live *live, int64_t *ret_begin_ns, int64_t *ret_now_ns);

/** Set the start of a pause, by the session's clock; 0: ended. */
void live_set_paused(struct live *live, int64_t at_ns);

/** @return start of the present pause, by the session's clock; 0: none */
int64_t live_paused_ns(struct live *live);

/** @return true when a principal watched a session that ended less than LIVE_NOTES_NS ago */
bool live_accepts_notes(struct live *live, const char *session, const char *principal);

/**
 * Withhold the sound of the running session from all but moderators, or stop doing so: in the stream and in
 * reads of its file.
 *
 * @param at_ns  session time from which it applies
 * @return 0 or -ENOMEM; then sound is withheld from the start
 */
int live_set_muted(struct live *live, bool muted, int64_t at_ns);

/**
 * Apply the consent of a session from its log, when it is the running session: from now on modalities not
 * covered are withheld, from observers without the use observers, and from everybody without any use. Call with
 * the log's lock held.
 */
void live_apply_consent(struct live *live, const char *session, const struct annotations *log);

/** Modalities of the running session that consent covers for any use, as bits (1 << enum modality). */
uint32_t live_recordable(struct live *live);

/** Record an act besides the annotation log, when its session is being recorded. */
void live_push_act(struct live *live, const char *session, const Uxrec__Act *act);

/** Count a watcher, and remember its principal for the running session, if there is one. */
void live_watch(struct live *live, const char *principal);
void live_leave(struct live *live);

/** Request a keyframe for a watcher. */
void live_request_keyframe(struct live *live);

/**
 * Describe the running session for those who stream it and read its files.
 *
 * @param ret  set on success, to a message with a state; free with …free_unpacked()
 * @return 0 or -ENOMEM
 */
int live_describe(struct live *live, Uxrec__ToServer **ret);
