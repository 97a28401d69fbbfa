#pragma once

#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "daemon/library/library.h"
#include "daemon/record/live.h"
#include "daemon/record/recorder.h"
#include "protocol/os/identity.h"
#include "protocol/wire.pb-c.h"

/**
 * The life of a session: consent, start, pause, resume, tasks, stop. One session at a time. All
 * functions belong to the main thread.
 */
struct station;

struct station_options {
	const char *library; /* folder of the sessions */
	const char *display; /* NULL: the environment's */
	const char *output;  /* the one that is recorded; NULL: the grabber's choice */
	const char *screen;  /* "x11", "wlr", "portal", "test", "none" */
	const char *devices; /* which input devices, see capture/input/filter.h; "": all of seat0 */
	const char *input;   /* "auto", "evdev", "x11", "none" */
	struct ear_wish sound; /* a name of "none": no sound */
	bool monitor;          /* what the machine plays is recorded too */
	const char *helper;    /* path of uxrec-inputd */
	int max_fps;
	const char *encoder; /* see encoder_create() */
	enum chroma chroma;
	const char *priority;            /* of the screen: "usual", "low", "idle" */
	int64_t sync_every_ns;           /* see recorder.h */
	const struct identity *identity; /* of the station, the recorder and this user */
	const char *page_marker; /* in the titles of the moderator's pages, see wire.proto */
	struct live *live;
	struct library *studies; /* finds studies by name and is told of acts */
	/** Something in another thread made the session impossible to go on with, or it has ended now that the
	 *  disk had room; the main thread must call station_stop_session() with both. Any thread. */
	void (*must_stop)(void *user, unsigned session, const char *reason);
	/** There is something new for observers. Any thread. */
	void (*published)(void *user);
	/** How many observers are connected. */
	unsigned (*observers)(void *user);
	void *user;
};

/** @return 0 (freed by station_destroy()) or -ENOMEM; options are copied, their texts are not */
int station_create(struct station **ret, const struct station_options *options);

/** Stop a running session as station_stop_now() does, and free all. */
void station_destroy(struct station *station);
DEFINE_DESTROY(station);

/**
 * Do what a message asks.
 *
 * @param author       name of who asks, and
 * @param principal    theirs, for the acts that come of it
 * @param ret_changed  set to true when the state is another one now
 * @return the answer as a record, to be sent to whoever asked; NULL without memory
 */
struct packet *station_answer(struct station *station, const Uxrec__ClientMessage *message,
	const char *author, const char *principal, bool *ret_changed);

/**
 * End the session, if there is one, for this reason. Nothing is captured any more when it returns.
 *
 * @return 0; -EINPROGRESS with the reason: the disk has no room for what is in memory, which is written as soon as there is
 *         some; or what writing its end gave, with the reason: the session has ended then too
 */
int station_stop(struct station *station, const char *reason, struct error *reterr);

/** The same before the program ends: room is waited for only for ten seconds, then a gap has what is missing. */
int station_stop_now(struct station *station, const char *reason);

/**
 * Go on with the newest session when its recorder was killed less than a minute ago, in the same boot:
 * with its consent, its clock and its state, in a new segment, with a gap for the time between.
 *
 * @return 1 when it goes on, 0 when there is none, or a negative errno with the reason
 */
int station_go_on(struct station *station, struct error *reterr);

/** Look after the running session; every few seconds. */
void station_tick(struct station *station);

/** End the session that must_stop() was called for; another one goes on. */
void station_stop_session(struct station *station, unsigned number, const char *reason);

/** The present state as a record. NULL without memory. */
struct packet *station_status(struct station *station, uint64_t request);

/**
 * The answer to a request that has no other.
 *
 * @param r        0, or a negative errno: then @p error has the reason
 * @param session  that it concerned, or ""
 * @return a record, or NULL without memory
 */
struct packet *station_result_packet(
	uint64_t request, int r, const char *session, const struct error *error);

/** @return true while a session is recorded or paused, or waits for room to end */
bool station_is_busy(const struct station *station);

/** @return false when the recorder's thread has been stuck for too long */
bool station_is_alive(struct station *station);

/** The session that ended last. */
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

/** @return NULL when none has ended since the program began */
const struct station_summary *station_last(const struct station *station);
