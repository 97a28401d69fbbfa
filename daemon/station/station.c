#include "daemon/station/internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* the recorder's thread iterates at least every five seconds */
#define STUCK_NS (20 * NS_PER_S)

/* ---- callbacks on other threads ---- */

void station_request_keyframe(void *user)
{
	struct station *station = user;

	pthread_mutex_lock(&station->sources_lock);
	if (station->recording.screen)
		source_request_keyframe(station->recording.screen);
	pthread_mutex_unlock(&station->sources_lock);
}

void station_get_disk_error(struct station *station, char text[ERROR_TEXT_BYTES])
{
	pthread_mutex_lock(&station->sources_lock);
	memcpy(text, station->recording.disk_error, ERROR_TEXT_BYTES);
	pthread_mutex_unlock(&station->sources_lock);
}

/* ---- consent ---- */

bool station_may_record(const struct station *station, enum modality modality)
{
	return station->recording.agreed >> modality & 1;
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

int64_t station_now_ns(const struct station *station)
{
	return session_clock_at(&station->recording.clock, clock_now_ns());
}

void station_push_event(struct station *station, Uxrec__SessionEvent__Kind kind, const char *reason)
{
	Uxrec__SessionEvent event = UXREC__SESSION_EVENT__INIT;
	char *modalities[MODALITY_COUNT], *participant_id = station->recording.participant_id;

	event.kind = kind;
	event.reason = (char *)reason;
	event.recorder = (char *)"uxrecd " UXREC_VERSION;
	event.keys = (char *)key_policy_name(station->recording.keys);
	event.modalities = modalities;
	event.n_modalities = station_name_modalities(station, modalities);
	if (kind == UXREC__SESSION_EVENT__KIND__KIND_STARTED) {
		event.session_uuid = station->recording.uuid;
		event.station_id = (char *)station->options.identity->station;
		event.study_id = station->recording.study->study_id;
		event.participant_ids = &participant_id;
		event.n_participant_ids = *participant_id ? 1 : 0;
	}
	recorder_push(station->recording.recorder, CHANNEL_EVENTS, clock_now_ns(), &event.base);
}

void station_push_pause_gap(struct station *station, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;

	gap.reason = UXREC__GAP__REASON__REASON_PAUSE;
	gap.from_ns = session_clock_at(&station->recording.clock, station->recording.paused_ns);
	gap.to_ns = session_clock_at(&station->recording.clock, to_ns);
	gap.detail = (char *)"paused by the moderator";
	recorder_push(
		station->recording.recorder, CHANNEL_GAPS, station->recording.paused_ns, &gap.base);
}

int station_add_act(struct station *station, const struct principal *principal, Uxrec__Act *act,
	struct error *reterr)
{
	const struct act_session session = {
		.id = station->recording.session, .log = station->recording.log, .running = true};

	return acts_add(station->options.acts, principal, &session, act, NULL, reterr);
}

void station_act_init(Uxrec__Act *act, char *id)
{
	uxrec__act__init(act);
	act->id = id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->layer = (char *)"live";
}

void station_forget_session(struct station *station)
{
	struct recording *recording = &station->recording;

	session_log_unref(recording->log);
	if (recording->study)
		uxrec__study__free_unpacked(recording->study, NULL);
	free(recording->participant);
	free(recording->folder);
	free(recording->pauses);
	*recording = (struct recording){0};
	station->state = STATE_IDLE;
}

/* ---- pause, resume, stop ---- */

static int need_session(const struct station *station, struct error *reterr)
{
	if (station->state == STATE_IDLE)
		return error_set(reterr, -ENOENT, "no session is being recorded");
	if (station->state == STATE_WAITING)
		return error_set(reterr, -EBUSY, "session %s has ended, and waits for disk space",
			station->recording.session);
	return 0;
}

static int finish_pause(struct station *station, int r, struct error *error)
{
	(void)r;
	(void)error;
	station_push_restart_gap(station);
	station->recording.paused_ns = clock_now_ns();
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_PAUSED, "");
	station->state = STATE_PAUSED;
	live_set_paused(station->options.live,
		session_clock_at(&station->recording.clock, station->recording.paused_ns));
	log_info("session %s: paused, nothing is recorded", station->recording.session);
	return 0;
}

static int do_pause(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	(void)request;
	if (station->state == STATE_PAUSED)
		return error_set(reterr, -EALREADY, "the session is already paused");
	return station_run_surely(station, station_stop_sources, finish_pause, reterr);
}

static int finish_resume(struct station *station, int r, struct error *error)
{
	int64_t resumed_ns = station->recording.resumed_ns;

	(void)error;
	station_push_pause_gap(station, resumed_ns);
	station_add_pause(station,
		session_clock_at(&station->recording.clock, station->recording.paused_ns),
		session_clock_at(&station->recording.clock, resumed_ns));
	if (r < 0) {
		/* data of one source until another failed lies between two gaps */
		station->recording.paused_ns = clock_now_ns();
		return r;
	}
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_RESUMED, "");
	station->state = STATE_RECORDING;
	live_set_paused(station->options.live, 0);
	log_info("session %s: recording resumed", station->recording.session);
	return 0;
}

static int do_resume(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	(void)request;
	if (station->state == STATE_RECORDING)
		return error_set(reterr, -EALREADY, "the session is not paused");
	station->recording.resumed_ns = clock_now_ns();
	return station_run(station, station_start_sources, finish_resume, reterr);
}

static int mute_observers(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	bool muted = request->message->mute_observers->muted;
	int r;

	if (muted == station->recording.observers_muted)
		return error_set(reterr, -EALREADY, "the observers %s",
			muted ? "are already muted" : "already hear the sound");
	r = live_set_muted(station->options.live, muted, station_now_ns(station));
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	station->recording.observers_muted = muted;
	station_push_event(station,
		muted ? UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_MUTED
		      : UXREC__SESSION_EVENT__KIND__KIND_OBSERVERS_UNMUTED,
		"");
	return 0;
}

/* ---- answers ---- */

/* @return 0, or a negative errno with the reason; unless the request is to be answered later */
typedef int handler_fn(
	struct station *station, const struct station_request *request, struct error *reterr);

struct handler {
	handler_fn *execute;
	bool in_session; /* refused without a session */
};

#define HANDLER(name) [UXREC__CLIENT_MESSAGE__BODY_##name]

/* of the kinds that requests[] has for the recorder, apart from questions */
static const struct handler handlers[] = {
	HANDLER(START) = {station_start, false},
	HANDLER(STOP) = {station_stop_asked, false},
	HANDLER(RUN_DOCTOR) = {station_start_doctor, false},
	HANDLER(PAUSE) = {do_pause, true},
	HANDLER(RESUME) = {do_resume, true},
	HANDLER(MUTE_OBSERVERS) = {mute_observers, true},
	HANDLER(TASK_START) = {station_start_task, true},
	HANDLER(TASK_READY) = {station_task_ready, true},
	HANDLER(TASK_END) = {station_end_task, true},
	HANDLER(INTERRUPTION_BEGIN) = {station_begin_interruption, true},
	HANDLER(INTERRUPTION_END) = {station_end_interruption, true},
	HANDLER(PHASE_BEGIN) = {station_begin_phase, true},
	HANDLER(TAG_NOW) = {station_tag_now, true},
};

static int execute(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	static const struct handler none = {0};
	size_t kind = request->message->body_case;
	const struct handler *handler = kind < ARRAY_SIZE(handlers) ? &handlers[kind] : &none;
	int r = handler->in_session ? need_session(station, reterr) : 0;

	if (r < 0)
		return r;
	return handler->execute ? handler->execute(station, request, reterr)
				: error_set(reterr, -ENOSYS,
					  "this recorder has no such request, as it is of another "
					  "version than the command");
}

static void change(struct station *station, struct station_request *request)
{
	const struct recording *recording = &station->recording;
	struct error error = {"the request failed"};
	char session[SESSION_ID_BYTES];
	int r;

	snprintf(session, sizeof(session), "%s", recording->session);
	r = execute(station, request, &error);
	if (r == 0 && station->background.request == request)
		return;
	request->answered(request,
		reply_result(request->message->request, r,
			*recording->session ? recording->session : session, &error),
		r == 0);
}

void station_handle(struct station *station, struct station_request *request)
{
	const Uxrec__ClientMessage *message = request->message;

	if (station_must_wait(station, request))
		return;
	station->request = request;
	if (station_is_question(message))
		request->answered(request,
			station_status_packet(station, message->request,
				message->body_case == UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE),
			false);
	else
		change(station, request);
	station->request = NULL;
}

/* ---- lifecycle ---- */

int station_create(struct station **ret, const struct station_options *options)
{
	struct station *station = calloc(1, sizeof(*station));

	if (!station)
		return -ENOMEM;
	station->options = *options;
	station->self.role = UXREC__ROLE__ROLE_MODERATOR;
	snprintf(station->self.name, sizeof(station->self.name), "uxrecd");
	snprintf(station->self.id, sizeof(station->self.id), "%s", options->identity->recorder);
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
	return station->state == STATE_IDLE || station->state == STATE_STARTING ||
		clock_now_ns() - recorder_alive_ns(station->recording.recorder) < STUCK_NS;
}

const struct station_summary *station_last(const struct station *station)
{
	return *station->last.session ? &station->last : NULL;
}
