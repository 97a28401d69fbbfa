#include "daemon/library/internal.h"
#include "protocol/acts/act.h"
#include "protocol/base/terminal.h"

#include "daemon/access/requests.h"
#include "daemon/library/lists.h"
#include "daemon/worker/work.h"
#include "protocol/base/log.h"
#include "protocol/mcap.h"
#include "replay/session/timeline.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Limits of a request that a worker process does. */
#define WORK_MEMORY_BYTES (UINT64_C(1) << 30)
#define WORK_ANSWER_BYTES (20u << 20)
#define WORK_S            300

/* ---- answers ---- */

void library_send_answer(
	struct library *library, const struct job *job, const ProtobufCMessage *body)
{
	outlet_answer(library->outlet, job->peer, job->message->request, body);
}

static void mark_live(struct library *library, Uxrec__SessionSummary *summary)
{
	if (stream_is(library->stream, summary->session))
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING;
}

static void send_declarations(
	struct library *library, struct peer *peer, const struct session_reader *reader)
{
	const struct reader_channel *channel;

	for (size_t i = 0; (channel = session_reader_channel(reader, i)); i++) {
		_cleanup_(buf_finish) struct buf record = {0};
		struct packet *packet;

		mcap_put_channel(&record,
			&(struct mcap_channel){.id = channel->id,
				.topic = mcap_text(channel->topic),
				.message_encoding = mcap_text("protobuf")});
		if (!record.failed &&
			packet_create_record(&packet, MCAP_CHANNEL,
				record.data + MCAP_RECORD_HEADER_BYTES,
				record.size_bytes - MCAP_RECORD_HEADER_BYTES) == 0)
			outlet_send(library->outlet, peer, packet);
	}
}

/* Collect all acts; without consent to replay, only acts about consent. @return their number */
static size_t collect_acts(Uxrec__Act ***ret, const struct session *session)
{
	const struct annotations *log = session->annotations;
	bool allowed = session_allows_way(session, WAY_OUT_REPLAY);
	size_t room = log ? annotations_count(log) : 0, count = 0;
	Uxrec__Act **acts = calloc(room + 1, sizeof(*acts));

	for (size_t i = 0; acts && i < room; i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (allowed || act_is_about_consent(act))
			acts[count++] = (Uxrec__Act *)act;
	}
	*ret = acts;
	return count;
}

static int answer_open(struct library *library, const struct job *job, struct error *reterr)
{
	Uxrec__SessionOpened opened = UXREC__SESSION_OPENED__INIT;
	struct open_session *open;
	int r = library_open_for(
		library, job, job->message->open_session->session, WAY_OUT_LABELS, &open, reterr);

	if (r < 0)
		return r;
	if (!open->session->reader)
		return error_set(reterr, -EBADMSG, "%s", open->session->error.text);
	send_declarations(library, job->peer, open->session->reader);
	opened.summary = session_summarise(open->session);
	if (opened.summary)
		mark_live(library, opened.summary);
	opened.study = open->session->study;
	opened.n_acts = collect_acts(&opened.acts, open->session);
	library_send_answer(library, job, &opened.base);
	if (opened.summary)
		uxrec__session_summary__free_unpacked(opened.summary, NULL);
	free(opened.acts);
	return 0;
}

static int answer_timeline(struct library *library, const struct job *job, struct error *reterr)
{
	_destroy_(timeline) struct timeline *timeline = NULL;
	Uxrec__Timeline *body;
	struct open_session *open;
	int r = library_open_for(
		library, job, job->message->get_timeline->session, WAY_OUT_TIMELINE, &open, reterr);

	if (r == 0) {
		r = timeline_create(&timeline, open->session);
		if (r < 0)
			return error_set(reterr, r, "the session cannot be read: %s", strerror(-r));
		body = timeline_to_message(timeline);
		if (!body)
			return error_set(reterr, -ENOMEM, "out of memory");
		library_send_answer(library, job, &body->base);
		uxrec__timeline__free_unpacked(body, NULL);
	}
	return r;
}

static int get_transcript(struct library *library, const struct job *job, struct error *reterr)
{
	Uxrec__Transcript *transcript;
	struct open_session *open;
	int r = library_open_for(library, job, job->message->get_transcript->session,
		WAY_OUT_TRANSCRIPT, &open, reterr);

	if (r == 0)
		r = transcript_describe(&transcript, open->session, NULL, reterr);
	if (r < 0)
		return r;
	library_send_answer(library, job, &transcript->base);
	uxrec__transcript__free_unpacked(transcript, NULL);
	return 0;
}

/* ---- deleted sessions ---- */

struct forgotten {
	char session[21];
};

void library_forget(struct library *library, const char *session)
{
	struct forgotten *forgotten = calloc(1, sizeof(*forgotten));

	if (!forgotten)
		return;
	snprintf(forgotten->session, sizeof(forgotten->session), "%s", session);
	if (queue_push(library->forgotten, forgotten, 1, true) < 0)
		free(forgotten);
	worker_wake(library->reader);
}

/* Reads in progress fail: the files are gone. */
static void forget_sessions(struct library *library)
{
	struct forgotten *forgotten;

	while ((forgotten = queue_pop(library->forgotten, 0))) {
		library_fail_readings(
			library, NULL, forgotten->session, -ENOENT, "the session was deleted");
		library_close_sessions(library, forgotten->session);
		free(forgotten);
	}
}

/* ---- the thread ---- */

typedef int handler_fn(struct library *library, const struct job *job, struct error *reterr);

static int begin_list(struct library *library, const struct job *job, struct error *reterr)
{
	return lists_begin(library->lists, job->peer, job->message->request,
		job->message->list_sessions->parts, reterr);
}

static int list_studies(struct library *library, const struct job *job, struct error *reterr)
{
	(void)reterr;
	outlet_send(library->outlet, job->peer,
		studies_reply(&library->studies, job->message->request));
	return 0;
}

#define HANDLER(name) [UXREC__CLIENT_MESSAGE__BODY_##name]

/* of the kinds that requests[] has for the library */
static handler_fn *const handlers[] = {
	HANDLER(LIST_SESSIONS) = begin_list,
	HANDLER(LIST_STUDIES) = list_studies,
	HANDLER(OPEN_SESSION) = answer_open,
	HANDLER(READ) = library_begin_reading,
	HANDLER(GET_TIMELINE) = answer_timeline,
	HANDLER(GET_TRANSCRIPT) = get_transcript,
};

static int do_job(struct library *library, const struct job *job, struct error *reterr)
{
	size_t kind = job->message->body_case;
	handler_fn *handler = kind < ARRAY_SIZE(handlers) ? handlers[kind] : NULL;

	return handler ? handler(library, job, reterr)
		       : error_set(reterr, -EINVAL, "not a request for the library");
}

/* Do one request, then some work of earlier ones: neither waits for all of the other. */
static bool work(void *user, struct job *job)
{
	struct library *library = user;
	struct error error = {"the request failed"};
	int r;

	forget_sessions(library);
	r = job && !job->peer->closed ? do_job(library, job, &error) : 0;
	if (r < 0)
		outlet_fail(library->outlet, job->peer, job->message->request, r, error.text);
	library_continue_reading(library);
	return lists_step(library->lists);
}

/* ---- work in a process of its own ---- */

struct watched {
	struct library *library;
	const struct job *job;
};

static bool is_cancelled(void *user)
{
	const struct watched *watched = user;
	const struct peer *peer = watched->job->peer;

	return peer->closed || jobs_closed(worker_jobs(watched->library->worker)) ||
		peer_has_cancelled(peer, watched->job->message->request);
}

static void send_progress(void *user, struct packet *record)
{
	const struct watched *watched = user;

	outlet_send(watched->library->outlet, watched->job->peer, record);
}

static int run_worker(
	struct library *library, const struct job *job, struct packet **ret, struct error *reterr)
{
	struct watched watched = {library, job};
	const struct work_watch watch = {is_cancelled, send_progress, &watched};
	const struct work work = {
		.program = library->worker_program,
		.library = library->folder,
		.moderator = job->peer->principal.role == UXREC__ROLE__ROLE_MODERATOR,
		.memory_bytes = WORK_MEMORY_BYTES,
		.cpu_s = WORK_S,
		.wall_s = 2 * WORK_S,
		.answer_bytes = WORK_ANSWER_BYTES,
		.end = library->end_worker,
		.user = library->end_user,
	};

	if (is_cancelled(&watched))
		return error_set(reterr, -ECANCELED, "cancelled");
	if (!work.program)
		return error_set(
			reterr, -ENOENT, "the program uxrec-worker is missing: install it again");
	return work_run(&work, job->message, &watch, ret, reterr);
}

static bool do_work(void *user, struct job *job)
{
	struct library *library = user;
	struct error error = {"the request failed"};
	struct packet *answer;
	int r;

	if (!job)
		return false;
	r = run_worker(library, job, &answer, &error);
	if (r == 0 && job->message->body_case == UXREC__CLIENT_MESSAGE__BODY_EXPORT_SESSION)
		log_info("session %s: an export was made for %s",
			text_quote(job->message->export_session->session).text,
			text_quote(job->peer->principal.name).text);
	if (r == 0)
		outlet_send(library->outlet, job->peer, answer);
	else
		outlet_fail(library->outlet, job->peer, job->message->request, r, error.text);
	if (r < 0 && r != -ECANCELED)
		log_warning("library: work for %s: %s", text_quote(job->peer->principal.name).text,
			error.text);
	return false;
}

void library_handle(struct library *library, struct peer *peer, Uxrec__ClientMessage *message)
{
	enum request_owner owner = request_kind(message->body_case)->owner;

	jobs_submit(worker_jobs(owner == REQUEST_OF_WORKER ? library->worker : library->reader),
		library->outlet, peer, message);
}

void library_wake(struct library *library)
{
	worker_wake(library->reader);
}

void library_set_worker(struct library *library, const char *program,
	void (*end)(void *user, pid_t worker), void *user)
{
	library->worker_program = program;
	library->end_worker = end;
	library->end_user = user;
}

void library_set_outlet(struct library *library, const struct outlet *outlet)
{
	library->outlet = outlet;
	lists_set_outlet(library->lists, outlet);
}

int library_create(struct library **ret, const char *folder, const struct studies *studies,
	struct stream *stream, struct error *reterr)
{
	_destroy_(library) struct library *library = calloc(1, sizeof(*library));
	int r;

	if (!library)
		return error_set(reterr, -ENOMEM, "out of memory");
	library->folder = strdup(folder);
	library->studies = *studies;
	library->stream = stream;
	if (!library->folder || queue_create(&library->forgotten, SIZE_MAX, false) < 0 ||
		lists_create(&library->lists, library->folder, stream) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	queue_set_drop(library->forgotten, free);
	r = worker_create(&library->reader, "uxrec-library", work, library, reterr);
	if (r == 0)
		r = worker_create(&library->worker, "uxrec-work", do_work, library, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(library);
	return 0;
}

int library_stop(struct library *library, int64_t deadline_ns)
{
	int r;

	if (!library)
		return 0;
	r = worker_stop(library->worker, deadline_ns);
	return r < 0 ? r : worker_stop(library->reader, deadline_ns);
}

void library_destroy(struct library *library)
{
	if (!library)
		return;
	worker_destroy(library->worker);
	worker_destroy(library->reader);
	library_end_readings(library);
	library_close_sessions(library, NULL);
	lists_destroy(library->lists);
	queue_destroy(library->forgotten);
	free(library->folder);
	free(library);
}
