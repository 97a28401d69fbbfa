#pragma once

#include "daemon/station/station.h"

#include "capture/a11y/accessible.h"
#include "capture/input/policy.h"
#include "capture/screen/grabber.h"
#include "capture/screen/hide.h"
#include "capture/source.h"
#include "daemon/record/session_log.h"
#include "replay/session/spans.h"

/* Shared by the files of the station: station.c its life and its acts, station_tasks.c the course of a session
 * (tasks, interruptions, phases), station_start.c how a session begins,
 * station_end.c how it ends, station_go_on.c recovery after a kill, station_accessible.c focus and clicks
 * from applications, station_hide.c hidden areas, station_status.c the status, station_sources.c the sources. */

#define TROUBLE_BYTES 96

/*
 * State machine:
 *
 *   idle       start   → recording
 *   recording  pause   → paused      the sources are destroyed: nothing can be captured
 *   paused     resume  → recording   the sources are made anew; a gap says what is missing
 *   recording, paused  stop, a lost source, the end of the program → ending
 *   ending     the files are ended → idle; at once, unless the disk has no room for what is in memory
 *
 * A display or a microphone that is gone changes no state: its source looks for it, and a gap says what is missing.
 * A disk in trouble changes no state: the recording goes on in memory and in a new segment.
 */
enum state {
	STATE_IDLE,
	STATE_RECORDING,
	STATE_PAUSED,
	STATE_ENDING,
};

struct station {
	struct station_options options;
	enum state state;
	const char *asking;      /* principal of whom a request is from; NULL: nobody asks */
	_Atomic unsigned number; /* of the session: what was meant for another does not stop it */

	/* of the running session */
	char session[21];
	char uuid[33];           /* of the session; "": it began with a recorder that made none */
	char participant_id[33]; /* "": the study's log could not be written */
	char *folder;
	struct session_clock clock;
	struct recorder *recorder;
	struct session_log *log;
	Uxrec__Study *study;
	char *participant;
	char consent_id[33];
	uint32_t agreed; /* what may be recorded: bits (1 << enum modality) */
	enum key_policy keys;
	pthread_mutex_t sources_lock;   /* the recorder asks the screen source */
	char output[OUTPUT_NAME_BYTES]; /* what is recorded since it began; "": it has no name */
	struct source *screen, *pointer, *input, *accessible, *sound, *monitor, *stall;
	/* of the accessible source's thread too, under sources_lock */
	enum accessible_focus focus, focus_told;
	bool focus_known;       /* it has said something */
	struct hide_rules hide; /* of the study, whose texts it has */
	char own_title[40];     /* pattern of the moderator's pages */
	_Atomic int own_pages;  /* enum hide_own; of the screen's thread too */
	bool observers_muted;
	int64_t withdrawn_ns
		[MODALITY_COUNT]; /* when its capture ended, by session time; 0: it did not */
	int64_t started_ns, paused_ns;
	int64_t killed_from_ns, killed_to_ns; /* session times: see Status; 0: none */
	char attempt_id[33], task[65];
	Uxrec__Attempt
		attempt; /* while attempt_id is not empty; its texts are task and participant */
	char interruption_id[33]; /* of the status that is being made */
	struct time_span *pauses; /* that have ended, session times */
	size_t pause_count;
	bool stopping;  /* the sources are being stopped */
	bool discarded; /* the moderator gave up the backlog for which the disk had no room */
	char end_reason[128];
	/* of the disk, under sources_lock: the present one, "" when there is none; and the newest that
	 * is not told yet, which may be over before it is */
	char trouble[TROUBLE_BYTES], new_trouble[TROUBLE_BYTES];
	bool trouble_told;
	/* how many sources look for what they record, and why the last began to; under sources_lock */
	unsigned away_count;
	char away[TROUBLE_BYTES];

	struct station_summary last;
};

/* "4:12 min (3.1 MB)" */
struct backlog_text {
	char text[48];
};

struct backlog_text station_backlog_text(const struct recorder_backlog *backlog);

/* Stop, as the moderator asks. Returns as station_stop(), or -EBUSY while a task is running whose outcome is missing. */
int station_stop_asked(
	struct station *station, const Uxrec__Stop *stop, const char *author, struct error *reterr);

void station_push_pause_gap(struct station *station, int64_t to_ns);

/* The course of a running session; each returns 0, or a negative errno with the reason. */
int station_start_task(struct station *station, const Uxrec__TaskStart *start, const char *author,
	struct error *reterr);
/* The attempt begins now; the time since the task's start was reading. */
int station_task_ready(struct station *station, const char *author, struct error *reterr);
int station_end_task(struct station *station, const Uxrec__TaskEnd *end, const char *author,
	struct error *reterr);
/* The same before a stop, whose message has the outcome of a running task. */
int station_end_task_for_stop(
	struct station *station, const Uxrec__Stop *stop, const char *author, struct error *reterr);
int station_end_attempt(struct station *station, Uxrec__Attempt__Outcome outcome,
	Uxrec__Attempt__Failure failure, const char *author, struct error *reterr);
int station_begin_interruption(struct station *station, const Uxrec__InterruptionBegin *wanted,
	const char *author, struct error *reterr);
int station_end_interruption(struct station *station, const char *author, struct error *reterr);
int station_begin_phase(
	struct station *station, Uxrec__Phase__Kind kind, const char *author, struct error *reterr);
/* End whatever is running, with the session; the outcome of an attempt stays unspecified. */
int station_end_course(struct station *station, const char *author, struct error *reterr);
int station_tag_now(struct station *station, const Uxrec__TagNow *wanted, const char *author,
	struct error *reterr);

/* A pause that has ended, for the time on task. @return 0 or -ENOMEM */
int station_add_pause(struct station *station, int64_t from_ns, int64_t to_ns);
/* Attempt, interruption and phase into a status with its now_ns. Its texts are the station's. */
void station_fill_course(struct station *station, Uxrec__Status *status);

/* @return true when the participant has agreed to it */
bool station_may_record(const struct station *station, enum modality modality);

/* The names of what is recorded. @return how many */
size_t station_name_modalities(const struct station *station, char *names[MODALITY_COUNT]);

/*
 * End the capture of modalities that consent no longer covers, or the session when none is left; called from
 * station_tick().
 */
void station_keep_to_consent(struct station *station);
/* Gaps up to the end for modalities whose capture ended before it. */
void station_push_withdrawn_gaps(struct station *station);

/* What is wrong with the disk now, "" when nothing is. */
void station_get_trouble(struct station *station, char text[TROUBLE_BYTES]);

/* What is not recorded now because it is gone, "" when nothing is. */
void station_get_away(struct station *station, char text[TROUBLE_BYTES]);

/* Open what the consent covers; on failure nothing is open. */
int station_start_sources(struct station *station, struct error *reterr);
/* Nothing can be captured any more. */
void station_stop_sources(struct station *station);
void station_request_keyframe(void *user);

/* What has the focus and what is clicked; without a bus there is a warning, and the recording goes on. Before
 * the input source, which has to know whether passwords are watched. */
void station_start_accessible(struct station *station, const struct source_context *context);
/* Take the input source in, or NULL: it is told what has the focus. */
void station_set_input(struct station *station, struct source *input);
/* Whether no key is recorded because the accessibility bus has not answered since the begin. */
bool station_keys_wait(const struct station *station);
/* For the pointer's source. */
void station_clicked(void *user, int64_t time_ns, int x_px, int y_px);

/* What the study hides, before the sources are started. */
void station_choose_hidden(struct station *station);
/* Whether what has the focus must be known, for the screen. */
bool station_hides_passwords(const struct station *station);
/* @return 0, or -EOPNOTSUPP with the reason: it cannot be hidden. After station_start_accessible(). */
int station_check_hidden(const struct station *station, struct error *reterr);
/* What has the focus is another thing, or the screen's source is new; under sources_lock. */
void station_hide_focused(struct station *station);

/* Whether what is there on the screen is hidden: then it is not named either. Any thread. */
bool station_hides_click(struct station *station, int x_px, int y_px);

/* The session's clock now. */
int64_t station_now_ns(const struct station *station);

void station_push_event(
	struct station *station, Uxrec__SessionEvent__Kind kind, const char *reason);

/* Say something about the session: to the log, to the recording, and to everybody who looks. */
int station_say(struct station *station, Uxrec__Act *act, struct error *reterr);
/* An act that is added live. @param id  is not copied */
void station_act_init(Uxrec__Act *act, char *id, const char *author);

/* Idle to recording; on failure nothing is left behind. */
int station_start(struct station *station, const Uxrec__Start *start, const char *author,
	struct error *reterr);

/* @param before  how many segments there are already */
int station_open_recorder(struct station *station, unsigned before, struct segments_marker marker,
	struct error *reterr);
/* With folder and study. */
int station_open_log(struct station *station, struct error *reterr);

/* Free what belongs to a session; idle again. */
void station_forget_session(struct station *station);

/* Records for whoever asked; NULL without memory. */
struct packet *station_status_packet(struct station *station, uint64_t request, bool whole);
struct packet *station_doctor_packet(struct station *station, uint64_t request);
