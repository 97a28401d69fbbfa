#pragma once

#include "daemon/station/station.h"

#include "capture/a11y/accessible.h"
#include "capture/input/policy.h"
#include "capture/screen/grabber.h"
#include "capture/screen/hide.h"
#include "capture/source.h"
#include "daemon/record/session_log.h"
#include "replay/session/spans.h"

/* Shared by the files of the station: station.c lifecycle and acts, background.c operations that take long,
 * tasks.c tasks, interruptions and phases, start.c start of a session, end.c its end, recover.c recovery
 * after a kill, accessible.c focus and clicks from applications, hide.c hidden areas, status.c status,
 * sources.c sources. */

#define ERROR_TEXT_BYTES 96
#define SESSION_ID_BYTES 21

/*
 * State machine:
 *
 *   idle       start   → starting    the sources are created, in the background; the files are open
 *   starting   created → recording   a failure, or a stop, removes the files → idle
 *   recording  pause   → paused      the sources are destroyed: nothing can be captured
 *   paused     resume  → recording   once the sources are recreated, in the background; a gap covers the pause
 *   recording, paused  stop, a lost source, the end of the program → ending, once the sources are destroyed
 *   ending     the files are complete → idle; the disk has no room for the backlog → waiting
 *   waiting    room, or a discarded backlog → idle
 *
 * A lost display or microphone changes no state: its source searches for it, and a gap covers the missing time.
 * A disk in trouble changes no state: recording continues in memory and in a new segment.
 */
enum state {
	STATE_IDLE,
	STATE_STARTING,
	STATE_RECORDING,
	STATE_PAUSED,
	STATE_ENDING,
	STATE_WAITING,
};

/* The running session, from its start to the end of its files. All zero: none. */
struct recording {
	char session[SESSION_ID_BYTES];
	char uuid[33];           /* of the session; "": started by a recorder without these */
	char participant_id[33]; /* "": the study's log was not writable */
	char *folder;
	struct session_clock clock;
	struct recorder *recorder;
	struct session_log *log;
	Uxrec__Study *study;
	char *participant;
	char consent_id[33];
	uint32_t agreed; /* modalities that may be recorded: bits (1 << enum modality) */
	enum key_policy keys;
	char output[OUTPUT_NAME_BYTES]; /* recorded since the start; "": it has no name */
	/* under sources_lock, as recorder and sources call them */
	struct source *screen, *pointer, *input, *accessible, *sound, *monitor, *stall;
	/* shared with the accessible source's thread, under sources_lock */
	enum accessible_focus focus, focus_reported;
	bool focus_known;       /* reported at least once */
	struct hide_rules hide; /* of the study, which owns the strings */
	char own_title[40];     /* pattern of the moderator's pages */
	_Atomic int own_pages;  /* enum hide_own; shared with the screen's thread */
	bool observers_muted;
	int64_t withdrawn_ns
		[MODALITY_COUNT]; /* end of its capture by withdrawal, session time; 0: none */
	int64_t started_ns, paused_ns;
	int64_t resumed_ns;   /* of the resume whose sources are being created */
	int64_t restarted_ns; /* begin of a restart of the capture, session time; 0: none */
	int64_t killed_from_ns, killed_to_ns; /* session times: see Status; 0: none */
	char attempt_id[33], task[65];
	Uxrec__Attempt
		attempt; /* while attempt_id is not empty; its strings are task and participant */
	char interruption_id[33]; /* for the status being made */
	struct time_span *pauses; /* ended pauses, session times */
	size_t pause_count;
	bool discarded; /* the moderator dropped the backlog that had no room on disk */
	char end_reason[176];
	struct recorder_backlog lost; /* at the end, for want of room */
	/* disk trouble, under sources_lock: the present one, "" when none; and the newest unreported one, which
	 * may have ended before its report */
	char disk_error[ERROR_TEXT_BYTES], new_disk_error[ERROR_TEXT_BYTES];
	bool disk_error_reported;
	/* number of sources searching for a lost display or device, and the latest reason; under sources_lock */
	unsigned disconnected_count;
	char disconnected[ERROR_TEXT_BYTES];
};

/* Runs on the background thread. @return 0, or a negative errno with the reason */
typedef int station_run_fn(struct station *station, struct error *reterr);
/* Continues on the main thread, with the result of the run. @return the result to answer */
typedef int station_finish_fn(struct station *station, int r, struct error *error);

/*
 * The one operation that takes long: creating the sources, which may wait for the desktop's dialog, destroying them,
 * completing the files, or the doctor. It has a thread of its own. Meanwhile the main thread answers questions; all
 * other requests wait for its end, in their order, and a stop cancels it. All fields belong to the main thread but for
 * run()'s results.
 */
struct background {
	pthread_t thread;
	station_run_fn *run; /* NULL: no operation */
	station_finish_fn *finish;
	struct station_request *request; /* answered at the end; NULL: none */
	struct packet *answer;           /* set by finish(); NULL: its result is the answer */
	struct station_request *waiting; /* oldest first */
	bool stops;                      /* the session, at the end of the operation */
	char stop_reason[176];           /* "": the files are complete */
	_Atomic bool is_starting;        /* sources are being created */
	_Atomic bool cancelled;          /* read by the sources that are being created */

	/* set by run(), valid once done */
	_Atomic bool done;
	int r;
	struct error error;
	Uxrec__DoctorReport *report;
};

struct station {
	struct station_options options;
	struct principal self; /* of the recorder's own acts */
	enum state state;
	struct station_request *request; /* being executed; NULL: none */
	bool exits;              /* the program: nothing is run in the background any more */
	_Atomic unsigned number; /* of the session: stop requests for an earlier one are ignored */
	pthread_mutex_t sources_lock; /* of the marked fields of `recording` */
	struct recording recording;
	struct background background;
	struct station_summary last;
};

/* "4:12 min (3.1 MB)" */
struct backlog_text {
	char text[48];
};

struct backlog_text station_backlog_text(const struct recorder_backlog *backlog);

/*
 * Run an operation in the background; none may be running. The request being executed, if any, is answered at its
 * end.
 *
 * @return 0, or a negative errno with the reason; then finish() is not called
 */
int station_run(struct station *station, station_run_fn *run, station_finish_fn *finish,
	struct error *reterr);
/* Like station_run(), for what must not fail: in place when the program exits, or when no thread can be had. @return 0,
 * or of finish() in place */
int station_run_surely(struct station *station, station_run_fn *run, station_finish_fn *finish,
	struct error *reterr);
/* True when an operation failed with @p r since it was cancelled, and not as the user dismissed the dialog. */
bool station_was_cancelled(const struct station *station, int r);
/* True for requests that neither change the session nor take long: they wait for no operation. */
bool station_is_question(const Uxrec__ClientMessage *message);
/* Keep a request until the operation has ended. @return false: execute it now */
bool station_must_wait(struct station *station, struct station_request *request);
/* Continue after an operation that has ended, if one has, and execute the waiting requests. */
void station_poll(struct station *station);
/* Cancel the operation, and stop the session at its end, should it have one. */
void station_stop_afterwards(struct station *station, const char *reason);
/* Refuse the waiting requests. */
void station_refuse_waiting(struct station *station);
/* Cancel the operation, and wait for its end; for completed files without a deadline. @return 0, or -EBUSY at the
 * deadline: its thread still runs */
int station_end_background(struct station *station, int64_t deadline_ns);

/*
 * End the session, if there is one, for this reason: its capture and its files, in the background. No operation may be
 * running.
 *
 * @return 0, when the end has begun or is complete; -EINPROGRESS with the reason: the disk has no room for the backlog
 *         in memory, which is written as soon as there is; or the error of writing the session's end, with the reason:
 *         the session has ended nevertheless
 */
int station_stop(struct station *station, const char *reason, struct error *reterr);
/* Complete the files: see station_run(). @return 0, -EINPROGRESS: no room, or the error of writing them */
int station_write_files(struct station *station, struct error *reterr);
void station_push_pause_gap(struct station *station, int64_t to_ns);

/* Requests of the running session: see requests[] and station.c. Each returns 0, or a negative errno with the reason. */
int station_start_task(
	struct station *station, const struct station_request *request, struct error *reterr);
/* Start the attempt now; the time since the task's start was reading. */
int station_task_ready(
	struct station *station, const struct station_request *request, struct error *reterr);
int station_end_task(
	struct station *station, const struct station_request *request, struct error *reterr);
int station_begin_interruption(
	struct station *station, const struct station_request *request, struct error *reterr);
int station_end_interruption(
	struct station *station, const struct station_request *request, struct error *reterr);
int station_begin_phase(
	struct station *station, const struct station_request *request, struct error *reterr);
int station_tag_now(
	struct station *station, const struct station_request *request, struct error *reterr);
/* Returns like station_stop(), or -EBUSY while a task without an outcome is running. */
int station_stop_asked(
	struct station *station, const struct station_request *request, struct error *reterr);

/* Like station_end_task(), before a stop, whose message has the outcome of a running task. */
int station_end_task_for_stop(struct station *station, const Uxrec__Stop *stop,
	const struct principal *principal, struct error *reterr);
int station_end_attempt(struct station *station, Uxrec__Attempt__Outcome outcome,
	Uxrec__Attempt__Failure failure, const struct principal *principal, struct error *reterr);
/* End any running attempt, interruption and phase with the session; the outcome of an attempt stays unspecified. */
int station_end_course(
	struct station *station, const struct principal *principal, struct error *reterr);

/* Add an ended pause, for the time on task. @return 0 or -ENOMEM */
int station_add_pause(struct station *station, int64_t from_ns, int64_t to_ns);
/* Fill attempt, interruption and phase of a status whose now_ns is set. The strings are the station's. */
void station_fill_course(struct station *station, Uxrec__Status *status);

/* @return true when the participant has consented to it */
bool station_may_record(const struct station *station, enum modality modality);

/* List the names of recorded modalities. @return their number */
size_t station_name_modalities(const struct station *station, char *names[MODALITY_COUNT]);

/*
 * End the capture of modalities that consent no longer covers, or the session when none is left; called from
 * station_tick().
 */
void station_enforce_consent(struct station *station);
/* Push the gap of a restart of the capture, up to now; none when none is running. */
void station_push_restart_gap(struct station *station);
/* Push gaps up to the end for modalities whose capture ended before it. */
void station_push_withdrawn_gaps(struct station *station);

/* Get the present disk trouble, "" when none. */
void station_get_disk_error(struct station *station, char text[ERROR_TEXT_BYTES]);

/* Get the present lost display or device, "" when none. */
void station_get_disconnected(struct station *station, char text[ERROR_TEXT_BYTES]);

/* Start the sources covered by consent; on failure none is running. In the background: see station_run(). */
int station_start_sources(struct station *station, struct error *reterr);
/* Stop all capture, likewise. @return 0 */
int station_stop_sources(struct station *station, struct error *reterr);
void station_request_keyframe(void *user);

/* Start the source of focus and clicked objects; without a bus it logs a warning, and recording continues. Call
 * before creating the input source, whose options include whether passwords are watched. */
void station_start_accessible(struct station *station, const struct source_context *context);
/* Set the input source, which gets the focus, or NULL. */
void station_set_input(struct station *station, struct source *input);
/* True when no key is recorded because the accessibility bus has not answered since the start. */
bool station_keys_wait(const struct station *station);
/* Callback of the pointer source. */
void station_clicked(void *user, int64_t time_ns, int x_px, int y_px);

/* Set the hidden areas of the study. Call before the sources are started. */
void station_choose_hidden(struct station *station);
/* True when hiding parts of the screen requires the focus. */
bool station_hides_passwords(const struct station *station);
/* @return 0, or -EOPNOTSUPP with the reason: hiding is impossible. Call after station_start_accessible(). */
int station_check_hidden(const struct station *station, struct error *reterr);
/* Apply a change of the focus or a new screen source; under sources_lock. */
void station_hide_focused(struct station *station);

/* True when this point of the screen is hidden; objects clicked there are not named. Any thread. */
bool station_hides_click(struct station *station, int x_px, int y_px);

/* Present time of the session's clock. */
int64_t station_now_ns(const struct station *station);

void station_push_event(
	struct station *station, Uxrec__SessionEvent__Kind kind, const char *reason);

/* Add an act to the running session. */
int station_add_act(struct station *station, const struct principal *principal, Uxrec__Act *act,
	struct error *reterr);
/* Initialise an act added live. @param id  is not copied */
void station_act_init(Uxrec__Act *act, char *id);

/* Go from idle to starting; a failure leaves no files behind. */
int station_start(
	struct station *station, const struct station_request *request, struct error *reterr);

/* @param before  number of existing segments */
int station_open_recorder(struct station *station, unsigned before, struct segments_marker marker,
	struct error *reterr);
/* Call with folder and study set. */
int station_open_log(struct station *station, struct error *reterr);

/* Free the session's data and go to idle. */
void station_forget_session(struct station *station);

/* Answers as records; NULL when out of memory. */
struct packet *station_status_packet(struct station *station, uint64_t request, bool whole);
/* Run the doctor in the background. */
int station_start_doctor(
	struct station *station, const struct station_request *request, struct error *reterr);
