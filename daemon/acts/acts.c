#include "daemon/acts/acts.h"

#include "daemon/acts/act_policy.h"
#include "daemon/peers/worker.h"
#include "daemon/record/session_log.h"
#include "protocol/acts/act.h"
#include "protocol/acts/act_check.h"
#include "protocol/base/clock.h"
#include "protocol/message_text.h"
#include "replay/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPEN_LOGS 8

/* log of a session not being recorded, kept open for its next act */
struct open_log {
	struct session_log *log;
	char session[21];
	int64_t begin_ns, end_ns; /* as in struct act_context */
	int64_t used_ns;
};

struct acts {
	const char *folder;
	struct live *live;
	const struct outlet *outlet;
	struct worker *running, *recorded; /* no `running` without `live` */
	struct open_log open[OPEN_LOGS];   /* of the thread `recorded` */
};

/* ---- the way of an act ---- */

/* To all peers that have the session open or watch it. */
static void announce(struct acts *acts, const char *session, const Uxrec__Act *act)
{
	Uxrec__ActStored stored = UXREC__ACT_STORED__INIT;

	stored.session = (char *)session;
	stored.act = (Uxrec__Act *)act;
	outlet_broadcast(acts->outlet, &(struct audience){.session = session}, &stored.base);
}

static void answer(struct acts *acts, const struct job *job, const Uxrec__Act *act)
{
	Uxrec__ActStored stored = UXREC__ACT_STORED__INIT;

	stored.session = job->message->put_act->session;
	stored.act = (Uxrec__Act *)act;
	outlet_answer(acts->outlet, job->peer, job->message->request, &stored.base);
}

/* After a withdrawal only moderators add acts: corrections and removals. */
static int check_consent(
	const struct principal *principal, const struct annotations *log, struct error *reterr)
{
	_destroy_(consent) struct consent *consent = NULL;
	int r = principal->role == UXREC__ROLE__ROLE_MODERATOR
		? 0
		: consent_create(&consent, log, NULL, "");

	if (r < 0)
		return error_set(reterr, r, "out of memory");
	return consent && consent_is_withdrawn(consent)
		? error_set(reterr, -EACCES, "the participant has withdrawn their consent")
		: 0;
}

/* With the log's lock held. */
static int append(struct acts *acts, const struct principal *principal,
	const struct act_session *session, Uxrec__Act *act, struct annotations *log,
	const struct act_context *context, const Uxrec__Act **ret_stored, struct error *reterr)
{
	const Uxrec__Act *before;
	int r = annotations_refresh(log);

	if (r < 0)
		return error_set(reterr, r, "the annotation log cannot be read: %s", strerror(-r));
	r = check_consent(principal, log, reterr);
	if (r < 0)
		return r;
	before = annotations_find(log, act->id);
	if (before && act->kind != UXREC__ACT__KIND__KIND_ADD)
		act->layer_principal = before->layer_principal;
	r = act_policy_check_against(principal, act, context, reterr);
	if (r == 0)
		r = annotations_append(log, act, ret_stored, reterr);
	if (r < 0 || !acts->live)
		return r;
	live_push_act(acts->live, session->id, annotations_appended(log));
	/* before anybody is notified */
	if (act->kind == UXREC__ACT__KIND__KIND_REMOVE || act_is_about_consent(act))
		live_apply_consent(acts->live, session->id, log);
	return 0;
}

static enum act_window window_of(const struct acts *acts, const struct principal *principal,
	const struct act_session *session)
{
	if (session->running)
		return ACT_WINDOW_RUNNING;
	return acts->live && live_accepts_notes(acts->live, session->id, principal->id)
		? ACT_WINDOW_NOTES
		: ACT_WINDOW_CLOSED;
}

int acts_add(struct acts *acts, const struct principal *principal,
	const struct act_session *session, Uxrec__Act *act, const struct job *job,
	struct error *reterr)
{
	struct act_context context = {.study = session_log_study(session->log),
		.begin_ns = session->begin_ns,
		.end_ns = session->end_ns,
		.window = window_of(acts, principal, session)};
	const Uxrec__Act *stored = NULL;
	struct annotations *log;
	int r;

	act_policy_sign(principal, act);
	/* a removal has no body */
	if (act->kind == UXREC__ACT__KIND__KIND_REMOVE)
		act->body_case = UXREC__ACT__BODY__NOT_SET;
	r = message_check_typed(&act->base, reterr);
	if (r == 0)
		r = act_policy_check(principal, act, context.window, reterr);
	if (r == 0)
		r = act_check(act, reterr);
	if (r < 0)
		return r;
	if (session->running) {
		live_span(acts->live, &context.begin_ns, &context.now_ns);
		context.paused_ns = live_paused_ns(acts->live);
	}
	context.log = log = session_log_lock(session->log);
	r = append(acts, principal, session, act, log, &context, &stored, reterr);
	if (r == 0) {
		if (job)
			answer(acts, job, stored);
		announce(acts, session->id, stored);
	}
	session_log_unlock(session->log);
	return r;
}

/* ---- acts of peers ---- */

static int put(struct acts *acts, const struct job *job, const struct act_session *session,
	struct error *reterr)
{
	Uxrec__Act act = *job->message->put_act->act;

	return acts_add(acts, &job->peer->principal, session, &act, job, reterr);
}

static void refuse(struct acts *acts, const struct job *job, int r, const struct error *error)
{
	outlet_fail(acts->outlet, job->peer, job->message->request, r, error->text);
}

/* ---- the running session ---- */

/* The session has ended since: store the act like those of others. */
static void forward(struct acts *acts, struct job *job)
{
	jobs_submit(worker_jobs(acts->recorded), acts->outlet, job->peer, steal_ptr(job->message));
}

static bool work_running(void *user, struct job *job)
{
	struct acts *acts = user;
	_session_log_unref_ struct session_log *log = NULL;
	struct error error = {"the act could not be stored"};
	int r;

	if (!job)
		return false;
	log = live_log(acts->live, job->message->put_act->session);
	if (!log) {
		forward(acts, job);
		return false;
	}
	r = put(acts, job,
		&(struct act_session){
			.id = job->message->put_act->session, .log = log, .running = true},
		&error);
	if (r < 0)
		refuse(acts, job, r, &error);
	return false;
}

/* ---- other sessions ---- */

static void close_log(struct open_log *open)
{
	session_log_unref(open->log);
	*open = (struct open_log){0};
}

/* Open the recording for its study, and close it again. */
static int open_log(struct acts *acts, struct open_log *open, const char *id, struct error *reterr)
{
	_destroy_(session) struct session *session = NULL;
	struct act_context context;
	int r = session_open(&session, acts->folder, id, true, reterr);

	if (r < 0)
		return r;
	if (!session->annotations)
		return error_set(reterr, -EROFS, "this session has no annotation log: %s",
			session->annotations_error.text);
	context = act_context_of(session);
	open->begin_ns = context.begin_ns;
	open->end_ns = context.end_ns;
	r = session_log_create(
		&open->log, steal_ptr(session->annotations), steal_ptr(session->study));
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	snprintf(open->session, sizeof(open->session), "%s", id);
	return 0;
}

/* @param ret  set to the slot for the session's log @return false when it must be opened first */
static bool find_log(struct acts *acts, const char *id, struct open_log **ret)
{
	struct open_log *oldest = &acts->open[0];

	for (size_t i = 0; i < OPEN_LOGS; i++) {
		struct open_log *open = &acts->open[i];

		if (open->log && strcmp(open->session, id) == 0) {
			*ret = open;
			return true;
		}
		if (open->used_ns < oldest->used_ns)
			oldest = open;
	}
	close_log(oldest);
	*ret = oldest;
	return false;
}

static int store_recorded(struct acts *acts, const struct job *job, struct error *reterr)
{
	const char *id = job->message->put_act->session;
	struct open_log *open;
	int r = find_log(acts, id, &open) ? 0 : open_log(acts, open, id, reterr);

	if (r < 0)
		return r;
	open->used_ns = clock_now_ns();
	r = put(acts, job,
		&(struct act_session){.id = id,
			.log = open->log,
			.begin_ns = open->begin_ns,
			.end_ns = open->end_ns},
		reterr);
	/* on file errors close the log: the next act reopens it */
	if (r < 0 && r != -EACCES && r != -EINVAL && r != -EILSEQ && r != -EEXIST && r != -ENOENT &&
		r != -ERANGE)
		close_log(open);
	return r;
}

static bool work_recorded(void *user, struct job *job)
{
	struct acts *acts = user;
	struct error error = {"the act could not be stored"};
	int r = job ? store_recorded(acts, job, &error) : 0;

	if (r < 0)
		refuse(acts, job, r, &error);
	return false;
}

/* ---- lifecycle ---- */

void acts_handle(struct acts *acts, struct peer *peer, Uxrec__ClientMessage *message)
{
	bool running = acts->live && live_is(acts->live, message->put_act->session);

	if (message->put_act->act) {
		jobs_submit(worker_jobs(running ? acts->running : acts->recorded), acts->outlet,
			peer, message);
		return;
	}
	outlet_fail(acts->outlet, peer, message->request, -EINVAL, "an act is missing");
	uxrec__client_message__free_unpacked(message, NULL);
}

void acts_set_outlet(struct acts *acts, const struct outlet *outlet)
{
	acts->outlet = outlet;
}

int acts_create(struct acts **ret, const char *folder, struct live *live, struct error *reterr)
{
	_destroy_(acts) struct acts *acts = calloc(1, sizeof(*acts));
	int r;

	if (!acts)
		return error_set(reterr, -ENOMEM, "out of memory");
	acts->folder = folder;
	acts->live = live;
	r = worker_create(&acts->recorded, "uxrec-acts", work_recorded, acts, reterr);
	if (r == 0 && live)
		r = worker_create(&acts->running, "uxrec-acts-live", work_running, acts, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(acts);
	return 0;
}

int acts_stop(struct acts *acts, int64_t deadline_ns)
{
	int r;

	if (!acts)
		return 0;
	r = worker_stop(acts->running, deadline_ns);
	return r < 0 ? r : worker_stop(acts->recorded, deadline_ns);
}

void acts_destroy(struct acts *acts)
{
	if (!acts)
		return;
	worker_destroy(acts->running); /* first: it passes jobs on to the other */
	worker_destroy(acts->recorded);
	for (size_t i = 0; i < OPEN_LOGS; i++)
		close_log(&acts->open[i]);
	free(acts);
}
