#include "daemon/station_internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/message_text.h"
#include "replay/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* the recorder's thread goes round at least every five seconds */
#define STUCK_NS (20 * NS_PER_S)

/* ---- what other threads ask ---- */

void station_request_keyframe(void *user)
{
	struct station *station = user;

	pthread_mutex_lock(&station->sources_lock);
	if (station->screen)
		source_request_keyframe(station->screen);
	pthread_mutex_unlock(&station->sources_lock);
}

void station_get_trouble(struct station *station, char text[TROUBLE_BYTES])
{
	pthread_mutex_lock(&station->sources_lock);
	memcpy(text, station->trouble, TROUBLE_BYTES);
	pthread_mutex_unlock(&station->sources_lock);
}

/* ---- what may be recorded ---- */

bool station_may_record(const struct station *station, enum modality modality)
{
	return station->agreed >> modality & 1;
}

size_t station_name_modalities(const struct station *station, char *names[MODALITY_COUNT])
{
	size_t count = 0;

	for (unsigned m = 0; m < MODALITY_COUNT; m++)
		if (station_may_record(station, (enum modality)m))
			names[count++] = (char *)modality_name((enum modality)m);
	return count;
}

/* ---- messages of the session itself ---- */

void station_push_event(struct station *station, Uxrec__SessionEvent__Kind kind, const char *reason)
{
	Uxrec__SessionEvent event = UXREC__SESSION_EVENT__INIT;
	char *modalities[MODALITY_COUNT];

	event.kind = kind;
	event.reason = (char *)reason;
	event.recorder = (char *)"uxrecd " UXREC_VERSION;
	event.keys = (char *)key_policy_name(station->keys);
	event.modalities = modalities;
	event.n_modalities = station_name_modalities(station, modalities);
	recorder_push(station->recorder, CHANNEL_EVENTS, clock_now_ns(), &event.base);
}

void station_push_pause_gap(struct station *station, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = UXREC__GAP__REASON__REASON_PAUSE;
	gap.from_ns = session_clock_at(&station->clock, station->paused_ns);
	gap.to_ns = session_clock_at(&station->clock, to_ns);
	gap.detail = (char *)"paused by the moderator";
	recorder_push(station->recorder, CHANNEL_GAPS, station->paused_ns, &gap.base);
}

int station_say(struct station *station, Uxrec__Act *act, struct error *reterr)
{
	struct annotations *log = session_log_lock(station->log);
	const Uxrec__Act *stored;
	int r = annotations_append(log, act, &stored, reterr);

	if (r == 0 && station->recorder)
		recorder_push(station->recorder, CHANNEL_ACTS, clock_now_ns(), &stored->base);
	if (r == 0)
		library_tell_act(station->options.studies, station->session, stored);
	session_log_unlock(station->log);
	return r;
}

void station_act_init(Uxrec__Act *act, char *id, const char *author)
{
	uxrec__act__init(act);
	act->id = id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->author = (char *)author;
	act->layer = (char *)"live";
}

void station_forget_session(struct station *station)
{
	session_log_unref(steal_ptr(station->log));
	if (station->study)
		uxrec__study__free_unpacked(steal_ptr(station->study), NULL);
	free(steal_ptr(station->participant));
	free(steal_ptr(station->folder));
	station->session[0] = station->attempt_id[0] = station->output[0] = '\0';
	station->trouble[0] = station->new_trouble[0] = '\0';
	station->trouble_told = station->observers_muted = false;
	station->state = STATE_IDLE;
}

/* ---- pause, resume, stop ---- */

static int need_session(const struct station *station, struct error *reterr)
{
	if (station->state == STATE_IDLE)
		return error_set(reterr, -ENOENT, "no session is being recorded");
	if (station->state == STATE_ENDING)
		return error_set(reterr, -EBUSY,
			"session %s has ended, and waits for room on the disk", station->session);
	return 0;
}

static int do_pause(struct station *station, struct error *reterr)
{
	int r = need_session(station, reterr);

	if (r < 0)
		return r;
	if (station->state == STATE_PAUSED)
		return error_set(reterr, -EALREADY, "the session is paused already");
	station_stop_sources(station);
	station->paused_ns = clock_now_ns();
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_PAUSED, "");
	station->state = STATE_PAUSED;
	log_info("session %s: paused, nothing is recorded", station->session);
	return 0;
}

static int do_resume(struct station *station, struct error *reterr)
{
	int64_t resumed_ns;
	int r = need_session(station, reterr);

	if (r < 0)
		return r;
	if (station->state == STATE_RECORDING)
		return error_set(reterr, -EALREADY, "the session is not paused");
	resumed_ns = clock_now_ns();
	r = station_start_sources(station, reterr);
	station_push_pause_gap(station, resumed_ns);
	if (r < 0) {
		/* what one source recorded until another failed lies between two holes */
		station->paused_ns = clock_now_ns();
		return r;
	}
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_RESUMED, "");
	station->state = STATE_RECORDING;
	log_info("session %s: recording again", station->session);
	return 0;
}

static int mute_observers(struct station *station, bool muted, struct error *reterr)
{
	int r = need_session(station, reterr);

	if (r < 0)
		return r;
	if (muted == station->observers_muted)
		return error_set(reterr, -EALREADY, "the observers %s",
			muted ? "are muted already" : "hear the sound already");
	station->observers_muted = muted;
	hub_set_muted(station->options.live->hub, muted);
	station_push_event(station,
		muted ? UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_MUTED
		      : UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_UNMUTED,
		"");
	return 0;
}

int station_end_attempt(struct station *station, Uxrec__Attempt__Outcome outcome,
	Uxrec__Attempt__Failure failure, const char *author, struct error *reterr)
{
	Uxrec__Act act;
	int r;

	station_act_init(&act, station->attempt_id, author);
	act.kind = UXREC__ACT__KIND__KIND_CHANGE;
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &station->attempt;
	station->attempt.live_end_ns = session_clock_at(&station->clock, clock_now_ns());
	station->attempt.outcome = outcome;
	station->attempt.failure = failure;
	r = station_say(station, &act, reterr);
	if (r == 0)
		station->attempt_id[0] = '\0';
	return r;
}

/* ---- tasks and tags ---- */

static uint32_t next_number(struct station *station, const char *task)
{
	struct annotations *log = session_log_lock(station->log);
	uint32_t number = 1;

	annotations_refresh(log);
	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		number += act->body_case == UXREC__ACT__BODY_ATTEMPT &&
			strcmp(act->attempt->task, task) == 0;
	}
	session_log_unlock(station->log);
	return number;
}

static int start_task(struct station *station, const Uxrec__TaskStart *start, const char *author,
	struct error *reterr)
{
	Uxrec__Act act;
	int r = need_session(station, reterr);

	if (r < 0)
		return r;
	if (*station->attempt_id)
		return error_set(
			reterr, -EBUSY, "task '%s' is running: end it first", station->task);
	if (!study_task(station->study, start->task))
		return error_set(reterr, -ENOENT, "the study has no task '%s'",
			text_quote(start->task).text);
	if (act_new_id(station->attempt_id) < 0)
		return error_set(reterr, -EIO, "no random numbers");
	snprintf(station->task, sizeof(station->task), "%s", start->task);
	uxrec__attempt__init(&station->attempt);
	station->attempt.participant = station->participant;
	station->attempt.task = station->task;
	station->attempt.number = next_number(station, start->task);
	station->attempt.live_begin_ns = session_clock_at(&station->clock, clock_now_ns());
	station_act_init(&act, station->attempt_id, author);
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &station->attempt;
	r = station_say(station, &act, reterr);
	if (r < 0)
		station->attempt_id[0] = '\0';
	else
		station_request_keyframe(station); /* people jump to the starts of tasks */
	return r;
}

static int end_task(struct station *station, const Uxrec__TaskEnd *end, const char *author,
	struct error *reterr)
{
	int r = need_session(station, reterr);

	if (r < 0)
		return r;
	if (!*station->attempt_id)
		return error_set(reterr, -ENOENT, "no task is running");
	if (end->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED)
		return error_set(reterr, -EINVAL, "how did the task end? An outcome is needed");
	return station_end_attempt(station, end->outcome, end->failure, author, reterr);
}

/* A tag by somebody who is in the room: what they saw is what is now. */
static int tag_now(struct station *station, const Uxrec__TagNow *wanted, const char *author,
	struct error *reterr)
{
	Uxrec__Tag tag = UXREC__TAG__INIT;
	const Uxrec__Study__Code *code;
	Uxrec__Act act;
	char id[33];
	int r = need_session(station, reterr);

	if (r == 0)
		r = message_check_typed(&wanted->base, reterr);
	if (r < 0)
		return r;
	code = study_code_typed(station->study, wanted->code);
	if (!code)
		return error_set(reterr, -ENOENT, "the code book has no code '%s'",
			text_quote(wanted->code).text);
	if (act_new_id(id) < 0)
		return error_set(reterr, -EIO, "no random numbers");
	tag.code = code->id;
	tag.attempt = station->attempt_id;
	tag.note = wanted->note;
	tag.opportunity = wanted->opportunity;
	tag.impact = wanted->impact;
	tag.watching = UXREC__TAG__WATCHING__WATCHING_ROOM;
	tag.media_ns = tag.press_ns = session_clock_at(&station->clock, clock_now_ns());
	station_act_init(&act, id, *wanted->author ? wanted->author : author);
	act.body_case = UXREC__ACT__BODY_TAG;
	act.tag = &tag;
	return station_say(station, &act, reterr);
}

/* ---- answers ---- */

struct packet *station_answer(struct station *station, const Uxrec__ClientMessage *message,
	const char *author, bool *ret_changed)
{
	struct error error = {"it could not be done"};
	char session[21];
	int r;

	snprintf(session, sizeof(session), "%s", station->session);
	switch (message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_GET_STATUS:
		return station_status_packet(station, message->request, false);
	case UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE:
		return station_status_packet(station, message->request, true);
	case UXREC__CLIENT_MESSAGE__BODY_RUN_DOCTOR:
		return station_doctor_packet(station, message->request);
	case UXREC__CLIENT_MESSAGE__BODY_START:
		r = station_start(station, message->start, author, &error);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_STOP:
		r = station_stop_asked(station, message->stop->discard, &error);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_PAUSE: r = do_pause(station, &error); break;
	case UXREC__CLIENT_MESSAGE__BODY_RESUME: r = do_resume(station, &error); break;
	case UXREC__CLIENT_MESSAGE__BODY_MUTE_OBSERVERS:
		r = mute_observers(station, message->mute_observers->muted, &error);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_TASK_START:
		r = start_task(station, message->task_start, author, &error);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_TASK_END:
		r = end_task(station, message->task_end, author, &error);
		break;
	case UXREC__CLIENT_MESSAGE__BODY_TAG_NOW:
		r = tag_now(station, message->tag_now, author, &error);
		break;
	default: r = error_set(&error, -EINVAL, "the recorder does not know that message");
	}
	*ret_changed = r == 0;
	return station_result_packet(
		message->request, r, *station->session ? station->session : session, &error);
}

/* ---- life of the station ---- */

int station_create(struct station **ret, const struct station_options *options)
{
	struct station *station = calloc(1, sizeof(*station));

	if (!station)
		return -ENOMEM;
	station->options = *options;
	pthread_mutex_init(&station->sources_lock, NULL);
	*ret = station;
	return 0;
}

void station_destroy(struct station *station)
{
	if (!station)
		return;
	station_stop_now(station, "the recorder was ended");
	pthread_mutex_destroy(&station->sources_lock);
	free(station);
}

bool station_is_busy(const struct station *station)
{
	return station->state != STATE_IDLE;
}

bool station_is_alive(struct station *station)
{
	return station->state == STATE_IDLE ||
		clock_now_ns() - recorder_alive_ns(station->recorder) < STUCK_NS;
}

const struct station_summary *station_last(const struct station *station)
{
	return *station->last.session ? &station->last : NULL;
}
