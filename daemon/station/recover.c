#include "daemon/station/internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/file/copy.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/session_order.h"
#include "replay/study/study.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Limit for resuming after a kill: later the situation may have changed, and recording requires a new start.
 * The unit restarts the recorder after five seconds. */
#define RECOVER_LIMIT_NS (60 * NS_PER_S)

/* Upper bound on sequences published to observers but in no file, because of a full disk. Skipped, so that no
 * sequence is reused. */
#define SEQUENCES_LATE (1u << 20)

#define MUTED_SPANS 256

/* last state of a recording */
struct last_state {
	bool started, paused, ended, muted;
	struct consent_span muted_spans[MUTED_SPANS];
	size_t muted_count;
	uint32_t agreed;
	enum key_policy keys;
	int64_t offset_ns, begun_ns, paused_ns;
	/* the last segment was ended on a full disk: data is missing from there on */
	struct segments_marker marker;
	int64_t missing_from_ns;
	struct station *station;        /* gets the ended pauses */
	char output[OUTPUT_NAME_BYTES]; /* of a Wayland session: the recorded output; "": unknown */
};

/* Never switch to another output: it may be the moderator's. */
static void handle_screen(struct last_state *state, const Uxrec__Screen *screen)
{
	if (strcmp(screen->grabber, grabber_wlr.name) == 0 && screen->n_monitors == 1)
		utf8_copy(state->output, sizeof(state->output), screen->monitors[0]->name);
}

/* Spans beyond the limit are merged into the last one. */
static void handle_mute(struct last_state *state, int64_t at_ns)
{
	state->muted = true;
	if (state->muted_count < MUTED_SPANS)
		state->muted_spans[state->muted_count++] = (struct consent_span){at_ns, INT64_MAX};
	else
		state->muted_spans[MUTED_SPANS - 1].to_ns = INT64_MAX;
}

static int handle_gap(struct last_state *state, uint32_t sequence, const Uxrec__Gap *gap)
{
	if (gap->reason == UXREC__GAP__REASON__REASON_DISK && gap->to_ns == 0) {
		state->marker = (struct segments_marker){true, sequence};
		state->missing_from_ns = gap->from_ns;
	}
	return gap->reason == UXREC__GAP__REASON__REASON_PAUSE
		? station_add_pause(state->station, gap->from_ns, gap->to_ns)
		: 0;
}

static int handle_message(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct last_state *state = user;
	const Uxrec__SessionEvent *event = (const void *)unpacked;

	if (message->channel->known == CHANNEL_GAPS)
		return handle_gap(state, message->sequence, (const void *)unpacked);
	if (message->channel->known == CHANNEL_CLOCK) {
		state->offset_ns = ((const Uxrec__ClockSample *)unpacked)->utc_offset_ns;
		return 0;
	}
	if (message->channel->known == CHANNEL_SCREEN_INFO) {
		handle_screen(state, (const void *)unpacked);
		return 0;
	}
	if (event->kind == UXREC__SESSION_EVENT__KIND__KIND_STARTED) {
		state->started = key_policy_parse(event->keys, &state->keys) == 0;
		state->begun_ns = message->time_ns;
		for (size_t i = 0; i < event->n_modalities; i++) {
			int modality = modality_find(event->modalities[i]);

			if (modality >= 0)
				state->agreed |= 1u << modality;
		}
	}
	switch (event->kind) {
	case UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_MUTED:
		handle_mute(state, message->time_ns);
		break;
	case UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_UNMUTED:
		state->muted = false;
		if (state->muted_count > 0)
			state->muted_spans[state->muted_count - 1].to_ns = message->time_ns;
		break;
	default:
		/* a recorder that resumes in a pause repeats the event */
		if (!state->paused)
			state->paused_ns = message->time_ns;
		state->paused = event->kind == UXREC__SESSION_EVENT__KIND__KIND_PAUSED;
		state->ended = event->kind == UXREC__SESSION_EVENT__KIND__KIND_ENDED;
	}
	return 0;
}

/*
 * Continue the previous clock: only in the same boot, verified by a session time shortly after the last
 * message. Sequences continue after the newest, with a margin for those that came late.
 */
static bool restore_clock(struct station *station, const struct session *session,
	const struct last_state *state, int64_t last_ns)
{
	struct clock_sample sample = clock_sample_take();
	int64_t since_ns = sample.monotonic_ns + state->offset_ns - last_ns;
	struct reader_message message;

	if (since_ns < 0 || since_ns > RECOVER_LIMIT_NS)
		return false;
	station->recording.clock = (struct session_clock){.utc_offset_ns = state->offset_ns};
	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		const struct reader_channel *channel = session_reader_find(session->reader, id);

		if (channel &&
			session_reader_latest(session->reader, channel, INT64_MAX, &message) > 0)
			station->recording.clock.sequence[id] = message.sequence + SEQUENCES_LATE;
	}
	return true;
}

/* Restore participant and consent from the log. @return the participant, or NULL; owned by the log */
static const char *restore_consent(struct station *station, const struct annotations *log)
{
	const Uxrec__SessionInfo *info = NULL;

	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case == UXREC__ACT__BODY_SESSION_INFO)
			info = act->session_info;
		if (act->body_case == UXREC__ACT__BODY_CONSENT)
			memcpy(station->recording.consent_id, act->id,
				sizeof(station->recording.consent_id));
	}
	if (info && info->n_participant_ids > 0)
		snprintf(station->recording.participant_id,
			sizeof(station->recording.participant_id), "%s", info->participant_ids[0]);
	return info && info->n_participants > 0 && *station->recording.consent_id
		? info->participants[0]
		: NULL;
}

static void restore_attempt(struct station *station, const Uxrec__Act *act)
{
	memcpy(station->recording.attempt_id, act->id, sizeof(station->recording.attempt_id));
	snprintf(
		station->recording.task, sizeof(station->recording.task), "%s", act->attempt->task);
	uxrec__attempt__init(&station->recording.attempt);
	station->recording.attempt.participant = station->recording.participant;
	station->recording.attempt.participant_id = station->recording.participant_id;
	station->recording.attempt.task = station->recording.task;
	station->recording.attempt.number = act->attempt->number;
	station->recording.attempt.live_begin_ns = act->attempt->live_begin_ns;
	station->recording.attempt.reading_ns = act->attempt->reading_ns;
}

/* Restore consent, participant and a running attempt. @return false when they are not in the log */
static bool restore_annotations(struct station *station)
{
	struct annotations *log = session_log_lock(station->recording.log);
	const char *participant = restore_consent(station, log);

	station->recording.participant = participant ? strdup(participant) : NULL;
	for (size_t i = 0; station->recording.participant && i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case == UXREC__ACT__BODY_ATTEMPT && !act->attempt->live_end_ns)
			restore_attempt(station, act);
	}
	session_log_unlock(station->recording.log);
	return station->recording.participant != NULL;
}

static int finish_recover(struct station *station, int r, struct error *error)
{
	if (station_was_cancelled(station, r)) {
		station->recording.restarted_ns = station->recording.killed_to_ns;
	} else if (r < 0) {
		log_error("the session of the killed recorder cannot be resumed: %s", error->text);
		station_stop(station, error->text, NULL);
	}
	return r;
}

static int recover(struct station *station, const struct session *session,
	const struct last_state *state, int64_t last_ns, struct error *reterr)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	int64_t now_ns = clock_now_ns();
	struct annotations *log;
	int r = station_open_recorder(
		station, session_reader_segments(session->reader), state->marker, reterr);

	if (r < 0)
		return r;
	live_open(station->options.live, station->recording.session, &station->recording.clock,
		state->begun_ns, station->recording.recorder, station->recording.log,
		station_request_keyframe, station);
	station->recording.started_ns = state->begun_ns - state->offset_ns;
	/* modalities withdrawn since, or before the kill, are not captured again */
	log = session_log_lock(station->recording.log);
	live_apply_consent(station->options.live, station->recording.session, log);
	session_log_unlock(station->recording.log);
	station->recording.agreed &= live_recordable(station->options.live);
	station->recording.observers_muted = state->muted;
	/* ended spans can be closed at once: their sound was never in this recorder's stream */
	for (size_t i = 0; i < state->muted_count; i++) {
		live_set_muted(station->options.live, true, state->muted_spans[i].from_ns);
		if (state->muted_spans[i].to_ns != INT64_MAX)
			live_set_muted(station->options.live, false, state->muted_spans[i].to_ns);
	}
	recorder_push(station->recording.recorder, CHANNEL_STUDY, now_ns,
		&station->recording.study->base);
	gap.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST;
	gap.from_ns = state->marker.is_there ? state->missing_from_ns : last_ns;
	gap.to_ns = session_clock_at(&station->recording.clock, now_ns);
	station->recording.killed_from_ns = gap.from_ns;
	station->recording.killed_to_ns = gap.to_ns;
	gap.detail = state->marker.is_there
		? (char *)"the disk was full, then the recorder was killed and started again"
		: (char *)"the recorder was killed and started again";
	recorder_push(station->recording.recorder, CHANNEL_GAPS, now_ns, &gap.base);
	if (!station->recording.agreed) {
		station->state = STATE_RECORDING;
		return error_set(reterr, -EACCES, "the participant has withdrawn their consent");
	}
	if (state->paused) {
		/* the gap for the whole pause is pushed at its end */
		station->recording.paused_ns = state->paused_ns - state->offset_ns;
		station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_PAUSED, "");
		station->state = STATE_PAUSED;
		live_set_paused(station->options.live, state->paused_ns);
		return 0;
	}
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_RESUMED,
		"the recorder was killed and started again");
	station->state = STATE_RECORDING;
	return station_run(station, station_start_sources, finish_recover, reterr);
}

/* A pause, an end or a mute since then may have been lost with the recorder's memory: assume a pause and a mute. */
static void assume_paused_muted(struct last_state *state)
{
	if (!state->muted)
		handle_mute(state, state->missing_from_ns);
	if (!state->paused)
		state->paused_ns = clock_now_ns() + state->offset_ns;
	state->paused = true;
}

/*
 * An ended recording has no reserve, even when there was no room for the end of the file. The file itself is
 * inconclusive: a segment cut off by a full disk has its end.
 */
static bool was_ended(const struct session *session)
{
	return session->folder ? !segments_are_unfinished(session->folder)
			       : session_reader_is_complete(session->reader);
}

/* @return 1 when the session was resumed, 0 when there is none to resume, or a negative errno */
static int try_recover(struct station *station, const char *id, struct error *reterr)
{
	_destroy_(session) struct session *session = NULL;
	struct last_state state = {.station = station};
	int64_t first_ns, last_ns;
	int r = session_open(&session, station->options.library, id, false, reterr);

	if (r < 0 || !session->reader || was_ended(session) ||
		!session_span(session, &first_ns, &last_ns) ||
		session_reader_is_recorded(session->reader))
		return 0; /* another recorder may be recording it */
	session_ungate(session);
	r = session_each(session, INT64_MIN, INT64_MAX,
		UINT64_C(1) << CHANNEL_EVENTS | UINT64_C(1) << CHANNEL_CLOCK |
			UINT64_C(1) << CHANNEL_SCREEN_INFO | UINT64_C(1) << CHANNEL_GAPS,
		handle_message, &state);
	if (session_reader_is_complete(session->reader) && !state.marker.is_there)
		r = -ENODATA;
	if (r < 0 || !state.started || state.ended || !state.offset_ns ||
		!restore_clock(station, session, &state, last_ns)) {
		station_forget_session(station);
		return 0;
	}
	snprintf(station->recording.session, sizeof(station->recording.session), "%s", id);
	memcpy(station->recording.uuid, session->uuid, sizeof(station->recording.uuid));
	station->recording.folder = strdup(session->path);
	station->recording.study = study_copy(session->study);
	if (!station->recording.folder || !station->recording.study ||
		station_open_log(station, reterr) < 0 || !restore_annotations(station)) {
		station_forget_session(station);
		return 0;
	}
	if (state.marker.is_there)
		assume_paused_muted(&state);
	station->number++;
	station->recording.agreed = state.agreed;
	station->recording.keys = state.keys;
	memcpy(station->recording.output, state.output, sizeof(station->recording.output));
	r = recover(station, session, &state, last_ns, reterr);
	return r < 0 ? r : 1;
}

int station_recover(struct station *station, struct error *reterr)
{
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	int r = session_ids_list(&ids, station->options.library);
	char newest[21];

	if (r < 0 || !session_ids_newest(&ids, station->options.library, newest))
		return 0;
	r = try_recover(station, newest, reterr);
	if (r > 0)
		log_warning("session %s: resumed after the recorder was killed",
			station->recording.session);
	if (r < 0 && station->state == STATE_IDLE)
		station_forget_session(station);
	else if (r < 0)
		station_stop(station, reterr->text, NULL);
	return r;
}
