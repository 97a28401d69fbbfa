#include "daemon/acts/changes.h"

#include "daemon/peers/worker.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/reply.h"
#include "replay/export/way_out.h"
#include "replay/session/delete.h"
#include "replay/session/session.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <string.h>

struct changes {
	struct changes_options options;
	const struct outlet *outlet;
	struct acts *acts;
	struct worker *worker; /* of all others */
};

static int open_session(
	struct changes *changes, const char *id, struct session **ret, struct error *reterr)
{
	return session_open(ret, changes->options.folder, id, true, reterr);
}

/* ---- transcripts ---- */

static int store(const struct session *session, const char *text, struct vtt_faults *faults,
	struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	int r;

	if (!*text)
		return transcript_remove(session->folder, reterr);
	r = vtt_parse(&vtt, text, strlen(text), "the transcript", faults, reterr);
	return r < 0 ? r : transcript_store(session->folder, vtt, true, reterr);
}

static int put_transcript(struct changes *changes, const struct job *job, struct error *reterr)
{
	const Uxrec__PutTranscript *put = job->message->put_transcript;
	_destroy_(session) struct session *session = NULL;
	/* removing it is not an export */
	enum way_out way = *put->vtt ? WAY_OUT_TRANSCRIPT : WAY_OUT_KEEPING;
	struct vtt_faults faults = {0};
	Uxrec__Transcript *transcript;
	int r = open_session(changes, put->session, &session, reterr);

	if (r == 0 && !session_allows_way(session, way))
		r = error_set(reterr, -EACCES, "%s", way_out_refusal_reason(session, way).text);
	if (r == 0)
		r = store(session, put->vtt, &faults, reterr);
	if (r == 0)
		r = transcript_describe(&transcript, session, &faults, reterr);
	if (r < 0)
		return r;
	outlet_answer(changes->outlet, job->peer, job->message->request, &transcript->base);
	uxrec__transcript__free_unpacked(transcript, NULL);
	return 0;
}

/* ---- deletion ---- */

/* @return 0 when the label names a participant of the session, or its id when it has none; or -EINVAL */
static int check_label(const struct session *session, const char *label, struct error *reterr)
{
	const Uxrec__SessionInfo *info = session_info(session);
	size_t count = info ? info->n_participants : 0;

	for (size_t i = 0; i < count; i++)
		if (strcmp(info->participants[i], label) == 0)
			return 0;
	if (count == 0 && strcmp(session->id, label) == 0)
		return 0;
	return error_set(reterr, -EINVAL, "that is not the %s of the session: nothing was deleted",
		count ? "participant" : "id");
}

static int check_deletion(
	struct changes *changes, const Uxrec__DeleteSession *asked, struct error *reterr)
{
	_destroy_(session) struct session *session = NULL;
	int r;

	if (changes->options.live && live_is(changes->options.live, asked->session))
		return error_set(reterr, -EBUSY, "the session is being recorded: end it first");
	r = open_session(changes, asked->session, &session, reterr);
	return r < 0 ? r : check_label(session, asked->label, reterr);
}

static int delete_session(struct changes *changes, const struct job *job, struct error *reterr)
{
	const Uxrec__DeleteSession *asked = job->message->delete_session;
	_folder_unref_ struct folder *folder = NULL;
	struct folder_removed removed;
	int r = check_deletion(changes, asked, reterr);

	if (r == 0)
		r = folder_open_linked(&folder, changes->options.folder, reterr);
	if (r < 0)
		return r;
	changes->options.forget(changes->options.user, asked->session);
	r = session_delete(folder, asked->session, &removed, reterr);
	log_info("session %s: deleted by %s: %u files%s", asked->session,
		text_quote(job->peer->principal.name).text, removed.files,
		r < 0 ? ", but not all of it" : "");
	if (r == 0)
		outlet_send(changes->outlet, job->peer,
			reply_done(job->message->request, asked->session));
	return r;
}

/* ---- the thread ---- */

static bool work(void *user, struct job *job)
{
	struct changes *changes = user;
	struct error error = {"the request failed"};
	int r = 0;

	if (!job || job->peer->closed)
		return false;
	if (job->message->body_case == UXREC__CLIENT_MESSAGE__BODY_PUT_TRANSCRIPT)
		r = put_transcript(changes, job, &error);
	else if (job->message->body_case == UXREC__CLIENT_MESSAGE__BODY_DELETE_SESSION)
		r = delete_session(changes, job, &error);
	if (r < 0)
		outlet_fail(changes->outlet, job->peer, job->message->request, r, error.text);
	return false;
}

void changes_handle(struct changes *changes, struct peer *peer, Uxrec__ClientMessage *message)
{
	if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_PUT_ACT)
		acts_handle(changes->acts, peer, message);
	else
		jobs_submit(worker_jobs(changes->worker), changes->outlet, peer, message);
}

struct acts *changes_acts(struct changes *changes)
{
	return changes->acts;
}

void changes_set_outlet(struct changes *changes, const struct outlet *outlet)
{
	changes->outlet = outlet;
	acts_set_outlet(changes->acts, outlet);
}

int changes_create(
	struct changes **ret, const struct changes_options *options, struct error *reterr)
{
	_destroy_(changes) struct changes *changes = calloc(1, sizeof(*changes));
	int r;

	if (!changes)
		return error_set(reterr, -ENOMEM, "out of memory");
	changes->options = *options;
	r = acts_create(&changes->acts, options->folder, options->live, reterr);
	if (r == 0)
		r = worker_create(&changes->worker, "uxrec-changes", work, changes, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(changes);
	return 0;
}

int changes_stop(struct changes *changes, int64_t deadline_ns)
{
	int r;

	if (!changes)
		return 0;
	r = acts_stop(changes->acts, deadline_ns);
	return r < 0 ? r : worker_stop(changes->worker, deadline_ns);
}

void changes_destroy(struct changes *changes)
{
	if (!changes)
		return;
	acts_destroy(changes->acts);
	worker_destroy(changes->worker);
	free(changes);
}
