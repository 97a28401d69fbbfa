#pragma once

#include "daemon/record/hub.h"
#include "daemon/record/session_log.h"
#include "protocol/base/clock.h"
#include "protocol/file/consent.h"
#include "protocol/acts.pb-c.h"
#include "protocol/study.pb-c.h"

#include <pthread.h>

/** How long after a session's end those who watched it can add notes. */
#define LIVE_NOTES_MINUTES 5
#define LIVE_NOTES_NS      (LIVE_NOTES_MINUTES * 60 * NS_PER_S)
/* More observers of one session than these are not remembered: the first ones are forgotten. */
#define LIVE_WATCHERS 256
/* Sessions that can end within LIVE_NOTES_NS and are remembered, the running one among them. */
#define LIVE_AUDIENCES 4

/** Who has watched a session. */
struct live_audience {
	char session[21]; /* "": none; a session that nobody watches has no audience */
	int64_t ended_ns; /* CLOCK_MONOTONIC; 0 while it runs */
	char principals[LIVE_WATCHERS][33];
	size_t count; /* of joins by different principals */
};

/**
 * What other threads may know of and do to the session that is being recorded now. The station (main
 * thread) opens and closes it; server and library look. Any thread.
 */
struct live {
	pthread_mutex_t lock;
	struct hub *hub;
	_Atomic unsigned watchers; /* observers that joined */
	/* before any session: the main thread must call station_tick() soon; any thread */
	void (*attend)(void *user);
	void *attend_user;

	/* under lock; empty without a session */
	char session[21];
	struct session_clock *clock;
	int64_t begin_ns;  /* of the session, by its clock */
	int64_t paused_ns; /* of the pause that lasts, by the session's clock; 0: none */
	struct recorder *recorder;
	struct session_log *log;
	/* while observers were muted, in session times; the last to INT64_MAX while they are */
	struct consent_span *muted;
	size_t muted_count;
	uint32_t recordable; /* modalities that consent covers now, as bits (1 << enum modality) */
	/* the station's: ask the screen source for a keyframe */
	void (*request_keyframe)(void *user);
	void *user;
	struct live_audience
		audiences[LIVE_AUDIENCES]; /* newest session first; stay when it ends */
};

int live_init(struct live *live);
void live_finish(struct live *live);

/** A session has begun, at @p begin_ns by its clock. Everything given must stay until live_close(). */
void live_open(struct live *live, const char *session, struct session_clock *clock,
	int64_t begin_ns, struct recorder *recorder, struct session_log *log,
	void (*request_keyframe)(void *user), void *user);

/** The session ends; on return nobody uses what live_open() was given. */
void live_close(struct live *live);

/** @return true when @p session is the one that is being recorded */
bool live_is(struct live *live, const char *session);

/** @return a reference to the session's log when @p session is the one that is being recorded, or NULL */
struct session_log *live_log(struct live *live, const char *session);

/** The session's clock now, 0 without a session. */
int64_t live_now_ns(struct live *live);

/** The session's begin and its clock now; both 0 without a session. */
void live_span(struct live *live, int64_t *ret_begin_ns, int64_t *ret_now_ns);

/** A pause has begun at @p at_ns by the session's clock; 0: it has ended. */
void live_set_paused(struct live *live, int64_t at_ns);

/** @return the begin of the pause that lasts, by the session's clock; 0: none */
int64_t live_paused_ns(struct live *live);

/** A principal watches the running session, if there is one. */
void live_add_watcher(struct live *live, const char *principal);

/** @return true when a principal watched a session that has ended less than LIVE_NOTES_NS ago */
bool live_takes_notes(struct live *live, const char *session, const char *principal);

/**
 * Keep the sound of the running session from all but moderators, or no longer: from the stream and from
 * reads of its file.
 *
 * @param at_ns  session time from which it holds
 * @return 0 or -ENOMEM; then it is kept from the begin
 */
int live_set_muted(struct live *live, bool muted, int64_t at_ns);

/**
 * The spans of a session in which sound is kept from all but moderators: none when it is not being recorded.
 *
 * @param ret  set to memory of the caller's, freed by it
 * @return 0 or -ENOMEM
 */
int live_copy_muted(
	struct live *live, const char *session, struct consent_span **ret, size_t *ret_count);

/**
 * Take in the consent of a session, when it is the running one, as its log has it now: modalities that it does not
 * cover leave no more from here on, neither to observers (for the use observers) nor to anybody (for none). With the
 * log's lock.
 */
void live_take_consent(struct live *live, const char *session, const struct annotations *log);

/** The modalities of the running session that consent covers for any use, as bits (1 << enum modality). */
uint32_t live_recordable(struct live *live);

/** Record an act beside the annotation log, when its session is being recorded. */
void live_push_act(struct live *live, const char *session, const Uxrec__Act *act);

/** An observer has joined; @p needs_keyframe: it cannot begin with what the ring has. */
void live_joined(struct live *live, bool needs_keyframe);
void live_left(struct live *live);
