#pragma once

#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "daemon/acts/acts.h"
#include "daemon/record/live.h"
#include "daemon/record/recorder.h"
#include "protocol/os/identity.h"
#include "protocol/wire.pb-c.h"
#include "replay/study/studies.h"

/**
 * Session lifecycle: consent, start, pause, resume, tasks, stop. One session at a time. All functions run on
 * the main thread.
 */
struct station;

struct station_options {
	const char *library; /* folder of the sessions */
	const char *display; /* NULL: from the environment */
	const char *output;  /* output to record; NULL: the grabber's choice */
	const char *screen;  /* "x11", "wlr", "portal", "test", "none" */
	const char *devices; /* input device filter, see capture/input/filter.h; "": all of seat0 */
	const char *input;   /* "auto", "evdev", "x11", "none" */
	struct audio_config sound; /* name "none": no sound */
	bool monitor;              /* record the machine's playback too */
	const char *helper;        /* path of uxrec-inputd */
	int max_fps;
	const char *encoder; /* see encoder_create() */
	enum chroma chroma;
	const char *priority;            /* of screen capture: "usual", "low", "idle" */
	int64_t sync_every_ns;           /* see recorder.h */
	const struct identity *identity; /* ids of the station, the recorder and this user */
	const char *page_marker; /* in the titles of the moderator's pages, see wire.proto */
	struct live *live;
	struct studies studies;
	struct acts *acts;
	/**
	 * The session cannot continue because of an error in another thread, or its end is complete now that
	 * the disk has room: the main thread must call station_stop_session() with both arguments. Any thread.
	 */
	void (*must_stop)(void *user, unsigned session, const char *reason);
	/** Request station_tick(), soon. Any thread. */
	void (*wake)(void *user);
	/** @return the number of connected observers */
	unsigned (*observers)(void *user);
	void *user;
};

/** @return 0 (free with station_destroy()) or -ENOMEM; options are copied, their strings are not */
int station_create(struct station **ret, const struct station_options *options);

/** Stop a running session like station_stop_now(), which must not have failed with -EBUSY, and free everything. */
void station_destroy(struct station *station);
DEFINE_DESTROY(station);

/** A request to the station, valid until it is answered. */
struct station_request {
	const Uxrec__ClientMessage *message;
	const struct principal *principal; /* of the requester: signs the resulting acts */
	/**
	 * Called exactly once, on the main thread.
	 *
	 * @param answer   a record, owned by the callee; NULL when out of memory
	 * @param changed  true when the state has changed
	 */
	void (*answered)(struct station_request *request, struct packet *answer, bool changed);

	/* of the station */
	struct station_request *next;
	bool cancels_start; /* a stop while a session starts */
};

/**
 * Execute a request. It is answered before this returns, or later, when it takes long or must wait for one that
 * does: start, pause, resume, stop and the doctor. A stop cancels a start.
 */
void station_handle(struct station *station, struct station_request *request);

/**
 * End the session, if there is one, for this reason, before the program exits: waits at most ten seconds for room, then
 * a gap marks the missing data. Pending requests are refused.
 *
 * @return 0; the error of writing the session's end, which has ended nevertheless; or -EBUSY: a source that is being
 *         created or destroyed does not answer, and the station cannot be freed. The session is unfinished, as after a
 *         kill.
 */
int station_stop_now(struct station *station, const char *reason);

/**
 * Resume the newest session when its recorder was killed less than a minute ago, in the same boot: with its
 * consent, clock and state, in a new segment, and with a gap for the time between.
 *
 * @return 1 when resumed, 0 when there is none, or a negative errno with the reason
 */
int station_recover(struct station *station, struct error *reterr);

/** Monitor the running session, and continue pending requests; call every few seconds, and at each wake(). */
void station_tick(struct station *station);

/** End the session of a must_stop() call, unless another one is running. */
void station_stop_session(struct station *station, unsigned number, const char *reason);

/** The present state as a record. NULL when out of memory. */
struct packet *station_status(struct station *station, uint64_t request);

/** @return true while a session starts, is recorded, is paused, or waits for room to end */
bool station_is_busy(const struct station *station);

/** @return false when the recorder's thread has been stuck for too long */
bool station_is_alive(struct station *station);

/** Summary of the last session. */
struct station_summary {
	char session[21];
	char reason[176];
	char participant[NAME_LIMIT_BYTES + 1];
	int64_t duration_ns;
	int64_t end_ns;   /* by the session's clock */
	int64_t ended_ns; /* CLOCK_MONOTONIC */
	struct recorder_totals totals;
	struct loss lost[GAP_PART_END];
};

/** @return NULL when none has ended since the program started */
const struct station_summary *station_last(const struct station *station);
