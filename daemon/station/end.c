/* End of a session, including while the disk has no room for the backlog. */

#include "daemon/station/internal.h"
#include "protocol/acts/act.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Time to wait for room at the end of the program: less than the timeout of service managers. */
#define ROOM_TIMEOUT_NS (10 * NS_PER_S)

/* Time to wait for sources that are being created or destroyed, likewise. */
#define START_TIMEOUT_NS (5 * NS_PER_S)

/* ---- reasons ---- */

static void add_end_reason(struct station *station, const char *reason)
{
	Uxrec__Finding finding = UXREC__FINDING__INIT;
	struct error error;
	char id[33];
	Uxrec__Act act;

	if (act_new_id(id) < 0)
		return;
	station_act_init(&act, id);
	act.body_case = UXREC__ACT__BODY_FINDING;
	act.finding = &finding;
	finding.at_ns = station_now_ns(station);
	finding.text = (char *)reason;
	if (station_add_act(station, &station->self, &act, &error) < 0)
		log_error("session %s: the reason of its end could not be recorded: %s",
			station->recording.session, error.text);
}

struct backlog_text station_backlog_text(const struct recorder_backlog *backlog)
{
	int64_t seconds = (backlog->to_ns - backlog->from_ns + NS_PER_S - 1) / NS_PER_S;
	struct backlog_text text;

	snprintf(text.text, sizeof(text.text), "%lld:%02lld min (%.1f MB)", (long long)seconds / 60,
		(long long)seconds % 60, (double)backlog->bytes / 1e6);
	return text;
}

/* Complete the reason with losses or errors. */
static void complete_reason(struct station *station, int r, const struct recorder_backlog *lost)
{
	char *reason = station->last.reason;
	const char *before = station->recording.end_reason;

	if (lost->packets > 0)
		utf8_format(reason, sizeof(station->last.reason),
			"%.50s; %s of it %s: no space on the disk", before,
			station_backlog_text(lost).text,
			station->recording.discarded ? "were discarded" : "were lost");
	else if (r < 0)
		utf8_format(reason, sizeof(station->last.reason),
			"%.50s; its end could not be written: %.30s", before, strerror(-r));
	else
		utf8_format(reason, sizeof(station->last.reason), "%s", before);
}

/* ---- disk trouble during a session ---- */

/* Take the newest unreported trouble; "" when none. */
static void pop_new_disk_error(struct station *station, char text[ERROR_TEXT_BYTES])
{
	pthread_mutex_lock(&station->sources_lock);
	memcpy(text, station->recording.new_disk_error, ERROR_TEXT_BYTES);
	station->recording.new_disk_error[0] = '\0';
	pthread_mutex_unlock(&station->sources_lock);
}

static void report_disk_error(struct station *station, const char *text)
{
	log_warning("session %s: %s", station->recording.session, text);
	add_end_reason(station, text);
}

static void report_disk_errors(struct station *station)
{
	char disk_error[ERROR_TEXT_BYTES];

	pop_new_disk_error(station, disk_error);
	if (*disk_error) {
		station->recording.disk_error_reported = true;
		report_disk_error(station, disk_error);
	}
	station_get_disk_error(station, disk_error);
	if (station->recording.disk_error_reported && !*disk_error) {
		station->recording.disk_error_reported = false;
		report_disk_error(
			station, "the disk is available again: recording continues in a new file");
	}
}

/* ---- ending: the capture, then the files ---- */

int station_write_files(struct station *station, struct error *reterr)
{
	struct recorder *recorder = station->recording.recorder;

	(void)reterr;
	if (!recorder_wait(recorder, station->exits ? ROOM_TIMEOUT_NS : 0))
		return -EINPROGRESS;
	return recorder_finish(recorder, &station->recording.lost);
}

/* @return the result, with the reason */
static int complete_end(struct station *station, int r, struct error *reterr)
{
	const struct recorder_backlog *lost = &station->recording.lost;

	complete_reason(station, r, lost);
	if (r < 0)
		error_set(reterr, r, "the end of session %s could not be written: %s",
			station->recording.session, strerror(-r));
	if (lost->packets > 0)
		error_set(reterr, r < 0 ? r : -ENOSPC,
			"session %s has ended, and %s of it were lost: there was no space on the "
			"disk",
			station->recording.session, station_backlog_text(lost).text);
	/* the file has released its reserve: there is room for this even on a full disk */
	station->last.totals = recorder_get_totals(station->recording.recorder);
	recorder_sum_losses(station->recording.recorder,
		session_clock_at(&station->recording.clock, station->recording.started_ns) +
			station->last.duration_ns,
		station->last.lost);
	recorder_destroy(steal_ptr(station->recording.recorder));
	add_end_reason(station, station->last.reason);
	snprintf(station->last.session, sizeof(station->last.session), "%s",
		station->recording.session);
	log_info("session %s: ended: %s", station->recording.session, station->last.reason);
	if (station->recording.discarded)
		r = 0; /* a requested loss, and recorded */
	station_forget_session(station);
	live_reset(station->options.live);
	return r;
}

static bool discards(const struct station *station)
{
	const Uxrec__ClientMessage *message = station->request ? station->request->message : NULL;

	return message && message->body_case == UXREC__CLIENT_MESSAGE__BODY_STOP &&
		message->stop->discard;
}

static int finish_files(struct station *station, int r, struct error *error)
{
	struct recorder_backlog backlog;

	if (r != -EINPROGRESS)
		return complete_end(station, r, error);
	if (discards(station) && !station->recording.discarded) {
		station->recording.discarded = true;
		recorder_give_up(station->recording.recorder);
		return station_run_surely(station, station_write_files, finish_files, error);
	}
	station->state = STATE_WAITING;
	backlog = recorder_get_backlog(station->recording.recorder);
	error_set(error, r,
		"session %s has ended, but %s of it are still in memory: the disk is full. Free "
		"space in %.80s to write them, or discard them with 'uxrec stop --discard'",
		station->recording.session, station_backlog_text(&backlog).text,
		station->options.library);
	log_warning("session %s: ended, but %s of it are not written: waiting for disk space",
		station->recording.session, station_backlog_text(&backlog).text);
	return r;
}

static int finish_capture(struct station *station, int r, struct error *error)
{
	(void)r;
	station_push_restart_gap(station);
	station_push_withdrawn_gaps(station);
	if (station->state == STATE_PAUSED)
		station_push_pause_gap(station, clock_now_ns());
	if (station_end_course(station, &station->self, error) < 0)
		log_error("session %s: %s", station->recording.session, error->text);
	station_push_event(
		station, UXREC__SESSION_EVENT__KIND__KIND_ENDED, station->recording.end_reason);
	live_close(station->options.live);
	station->last.end_ns = station_now_ns(station);
	station->last.ended_ns = clock_now_ns();
	utf8_copy(station->last.participant, sizeof(station->last.participant),
		station->recording.participant);
	station->last.duration_ns = clock_now_ns() - station->recording.started_ns;
	recorder_end(station->recording.recorder);
	station->state = STATE_ENDING;
	return station_run_surely(station, station_write_files, finish_files, error);
}

int station_stop(struct station *station, const char *reason, struct error *reterr)
{
	if (station->state == STATE_IDLE)
		return 0;
	if (station->state == STATE_WAITING)
		return station_run_surely(station, station_write_files, finish_files, reterr);
	report_disk_errors(station); /* one just now is an act too */
	utf8_copy(station->recording.end_reason, sizeof(station->recording.end_reason), reason);
	return station_run_surely(station, station_stop_sources, finish_capture, reterr);
}

int station_stop_now(struct station *station, const char *reason)
{
	int r;

	station->exits = true;
	r = station_end_background(station, clock_now_ns() + START_TIMEOUT_NS);
	if (r == 0)
		r = station_stop(station, reason, NULL);
	if (r != -EINPROGRESS)
		return r;
	recorder_give_up(station->recording.recorder);
	return station_stop(station, reason, NULL);
}

int station_stop_asked(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	const Uxrec__Stop *stop = request->message->stop;
	int r = 0;

	if (station->state == STATE_IDLE && request->cancels_start)
		return 0;
	if (station->state == STATE_IDLE)
		return error_set(reterr, -ENOENT, "no session is being recorded");
	if (station->state != STATE_WAITING)
		r = station_end_task_for_stop(station, stop, request->principal, reterr);
	return r < 0 ? r : station_stop(station, "stopped by the moderator", reterr);
}

void station_stop_session(struct station *station, unsigned number, const char *reason)
{
	if (number != station->number || station->state == STATE_IDLE)
		return;
	if (station->background.run)
		station_stop_afterwards(station, reason);
	else
		station_stop(station, reason, NULL);
}

void station_tick(struct station *station)
{
	station_poll(station);
	station_enforce_consent(station);
	if (station->state != STATE_IDLE && station->state != STATE_STARTING)
		report_disk_errors(station);
}
