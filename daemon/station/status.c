#include "daemon/station/internal.h"

#include "capture/doctor/doctor.h"
#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"
#include "protocol/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* warning threshold: about ten minutes of a busy screen */
#define LOW_DISK_BYTES   (200 * 1024 * 1024)
#define LOW_DISK_MINUTES 30
#define WARNING_BYTES    200

static uint64_t free_bytes(const struct station *station)
{
	struct statvfs status;

	if (statvfs(station->options.library, &status) < 0)
		return 0;
	return (uint64_t)status.f_bavail * status.f_frsize;
}

/* Storage for a temporary status, until it is packed. */
struct status_room {
	char *modalities[MODALITY_COUNT], warning[WARNING_BYTES];
	Uxrec__LostTime lost[GAP_PART_END], *lost_list[GAP_PART_END];
};

static void fill_lost(struct station *station, Uxrec__Status *status, struct status_room *room)
{
	struct loss sums[GAP_PART_END];

	recorder_sum_losses(station->recording.recorder, status->now_ns, sums);
	status->lost = room->lost_list;
	for (int part = 1; part < GAP_PART_END; part++) {
		if (sums[part].count == 0)
			continue;
		room->lost[part] = (Uxrec__LostTime)UXREC__LOST_TIME__INIT;
		room->lost[part].part = (Uxrec__LostTime__Part)part;
		room->lost[part].lost_ns = sums[part].lost_ns;
		room->lost[part].gaps = sums[part].count;
		room->lost_list[status->n_lost++] = &room->lost[part];
	}
}

static void fill_running(struct station *station, Uxrec__Status *status, struct status_room *room)
{
	struct recorder_totals totals = recorder_get_totals(station->recording.recorder);
	struct recorder_backlog backlog = recorder_get_backlog(station->recording.recorder);

	status->session = station->recording.session;
	status->study_name = station->recording.study->name;
	status->participant = station->recording.participant;
	status->started_ns =
		session_clock_at(&station->recording.clock, station->recording.started_ns);
	status->now_ns = station_now_ns(station);
	status->keys = (char *)key_policy_name(station->recording.keys);
	status->modalities = room->modalities;
	status->n_modalities = station_name_modalities(station, room->modalities);
	station_fill_course(station, status);
	status->killed_from_ns = station->recording.killed_from_ns;
	status->killed_to_ns = station->recording.killed_to_ns;
	status->bytes = totals.bytes;
	status->pictures = totals.pictures;
	status->events = totals.events;
	status->gaps = (uint32_t)totals.gaps;
	fill_lost(station, status, room);
	status->observers_muted = station->recording.observers_muted;
	status->waiting_bytes = backlog.bytes;
	status->waiting_from_ns = backlog.from_ns;
	status->waiting_to_ns = backlog.to_ns;
}

/* present or imminent disk trouble: at the present rate, and at that of a busy screen */
static char *disk_warning(struct station *station, uint64_t free, char text[WARNING_BYTES])
{
	char disk_error[ERROR_TEXT_BYTES];
	double seconds = (double)(clock_now_ns() - station->recording.started_ns) / 1e9,
	       minutes = 0;
	uint64_t bytes = station->recording.recorder
		? recorder_get_totals(station->recording.recorder).bytes
		: 0;

	station_get_disk_error(station, disk_error);
	if (*disk_error) {
		struct recorder_backlog backlog = recorder_get_backlog(station->recording.recorder);

		utf8_format(text, WARNING_BYTES,
			station->state == STATE_WAITING
				? "%s: the session has ended, and %s of it are still in memory: "
				  "free disk space, or discard them with uxrec stop --discard"
				: "%s: recording continues in memory, %s so far: free disk space",
			disk_error, station_backlog_text(&backlog).text);
		return text;
	}
	if (station->state != STATE_IDLE && seconds > 10 && bytes > 0)
		minutes = (double)free / ((double)bytes / seconds) / 60;
	if (minutes > 0 && minutes < LOW_DISK_MINUTES) {
		utf8_format(text, WARNING_BYTES,
			"the disk will be full in about %.0f minutes at the current rate", minutes);
		return text;
	}
	if (free < LOW_DISK_BYTES)
		return (char *)"the disk is almost full: a few minutes are left";
	return (char *)"";
}

/* The test pattern is not a display. */
static Uxrec__Status__OwnPages own_pages(const struct station *station)
{
	const char *screen = station->options.screen;
	int own = station->recording.own_pages;

	if (strcmp(screen, "none") == 0 || strcmp(screen, "test") == 0)
		return UXREC__STATUS__OWN_PAGES__OWN_PAGES_UNSPECIFIED;
	if (strcmp(screen, "x11") != 0)
		return UXREC__STATUS__OWN_PAGES__OWN_PAGES_UNKNOWN;
	if (station->state == STATE_IDLE || !station_may_record(station, MODALITY_SCREEN))
		return UXREC__STATUS__OWN_PAGES__OWN_PAGES_UNSPECIFIED;
	switch (own) {
	case HIDE_OWN_NONE: return UXREC__STATUS__OWN_PAGES__OWN_PAGES_NONE;
	case HIDE_OWN_VISIBLE: return UXREC__STATUS__OWN_PAGES__OWN_PAGES_HIDDEN;
	default: return UXREC__STATUS__OWN_PAGES__OWN_PAGES_UNKNOWN;
	}
}

static char *warn(struct station *station, uint64_t free, char text[WARNING_BYTES])
{
	char disconnected[ERROR_TEXT_BYTES];

	if (station->state == STATE_STARTING || station->background.is_starting)
		return (char *)"the capture starts: the desktop may ask for permission to share "
		               "the "
			       "screen";
	station_get_disconnected(station, disconnected);
	if (!*disconnected && station->state == STATE_RECORDING && station_keys_wait(station))
		return (char *)"keys are not recorded: the accessibility bus does not answer, "
		               "and the focused field is unknown";
	if (!*disconnected)
		return disk_warning(station, free, text);
	utf8_format(text, WARNING_BYTES, "%s; not recorded until reconnected", disconnected);
	return text;
}

/* The wire has an ending state for sessions that wait for room. */
static Uxrec__Status__State wire_state(const struct station *station)
{
	switch (station->state) {
	case STATE_STARTING: return UXREC__STATUS__STATE__STATE_STARTING;
	case STATE_PAUSED: return UXREC__STATUS__STATE__STATE_PAUSED;
	case STATE_RECORDING:
	case STATE_ENDING: return UXREC__STATUS__STATE__STATE_RECORDING;
	case STATE_WAITING: return UXREC__STATUS__STATE__STATE_ENDING;
	default: return UXREC__STATUS__STATE__STATE_IDLE;
	}
}

/* Fill in the last session while it takes notes. An ending session is not the last one yet. */
static void fill_last(struct station *station, Uxrec__Status *status, bool whole)
{
	const struct station_summary *last = &station->last;
	int64_t left_ns = last->ended_ns + LIVE_NOTES_NS - clock_now_ns();

	status->last_session = station->last.session;
	status->last_reason = station->last.reason;
	if (!*last->session || station->state == STATE_ENDING || station->state == STATE_WAITING ||
		left_ns <= 0)
		return;
	status->last_notes_ms = (uint32_t)(left_ns / NS_PER_MS);
	status->last_participant = station->last.participant;
	status->last_end_ns = last->end_ns;
	status->last_watched = whole && station->request &&
		live_accepts_notes(
			station->options.live, last->session, station->request->principal->id);
}

static void fill_status(struct station *station, Uxrec__Status *status, struct status_room *room)
{
	status->state = wire_state(station);
	status->display = (char *)(station->options.display ? station->options.display : "");
	if (strcmp(station->options.sound.name, "none") != 0)
		status->sound = (char *)station->options.sound.name;
	status->monitor = station->options.monitor;
	status->observers = station->options.observers(station->options.user);
	status->own_pages = own_pages(station);
	status->disk_free_bytes = free_bytes(station);
	status->warning = warn(station, status->disk_free_bytes, room->warning);
	if (station->state != STATE_IDLE && station->state != STATE_STARTING)
		fill_running(station, status, room);
}

/* Pack the status of the running session, with its study and all acts of its log. */
static struct packet *pack_whole(struct station *station, uint64_t request, Uxrec__Status *status)
{
	struct annotations *log = session_log_lock(station->recording.log);
	_autofree_ Uxrec__Act **acts = NULL;
	struct packet *packet;

	annotations_refresh(log);
	acts = calloc(annotations_count(log) + 1, sizeof(Uxrec__Act *));
	for (size_t i = 0; acts && i < annotations_count(log); i++)
		acts[status->n_acts++] = (Uxrec__Act *)annotations_get(log, i);
	status->acts = acts;
	status->study = station->recording.study;
	packet = reply_packet(request, &status->base);
	session_log_unlock(station->recording.log);
	return packet;
}

struct packet *station_status_packet(struct station *station, uint64_t request, bool whole)
{
	Uxrec__Status status = UXREC__STATUS__INIT;
	struct status_room room;

	fill_status(station, &status, &room);
	fill_last(station, &status, whole);
	if (whole && *status.session)
		return pack_whole(station, request, &status);
	return reply_packet(request, &status.base);
}

struct packet *station_status(struct station *station, uint64_t request)
{
	return station_status_packet(station, request, false);
}

/* ---- the doctor ---- */

static int run_doctor(struct station *station, struct error *reterr)
{
	const struct station_options *options = &station->options;
	const struct doctor_options wanted = {.grabber = options->screen,
		.display = options->display,
		.output = options->output,
		.input = options->input,
		.devices = options->devices,
		.helper = options->helper,
		.library = options->library,
		.sound = options->sound,
		.encoder = options->encoder,
		.chroma = options->chroma,
		.picture = true,
		.hidden = studies_hide(&options->studies),
		.cancelled = &station->background.cancelled};
	int r = doctor_run(&station->background.report, &wanted);

	return r < 0 ? error_set(reterr, r, "out of memory") : 0;
}

static int finish_doctor(struct station *station, int r, struct error *error)
{
	struct background *background = &station->background;

	(void)error;
	if (r < 0)
		return r;
	background->answer =
		reply_packet(station->request->message->request, &background->report->base);
	uxrec__doctor_report__free_unpacked(steal_ptr(background->report), NULL);
	return 0;
}

int station_start_doctor(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	(void)request;
	/* the doctor takes a picture of the screen: not during a session, least of all in a pause */
	if (station->state != STATE_IDLE)
		return error_set(reterr, -EBUSY,
			"session %s is being recorded: check for problems before or after it",
			station->recording.session);
	return station_run(station, run_doctor, finish_doctor, reterr);
}
