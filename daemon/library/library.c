#include "daemon/library/internal.h"
#include "protocol/acts/act.h"
#include "protocol/base/terminal.h"

#include "daemon/access/requests.h"
#include "daemon/library/lists.h"
#include "daemon/worker/work.h"
#include "protocol/base/log.h"
#include "protocol/mcap.h"
#include "replay/session/delete.h"
#include "replay/session/timeline.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <string.h>

/* Limits of a request that a worker process does. */
#define WORK_MEMORY_BYTES (UINT64_C(1) << 30)
#define WORK_ANSWER_BYTES (20u << 20)
#define WORK_S            300

/* ---- answers ---- */

void library_send_answer(
	struct library *library, const struct job *job, const ProtobufCMessage *body)
{
	server_answer(library->server, job->peer, job->message->request, body);
}

static void mark_live(struct library *library, Uxrec__SessionSummary *summary)
{
	if (library->live && live_is(library->live, summary->session))
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
			server_send(library->server, peer, packet);
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

/* ---- transcripts ---- */

/* @param stored  faults of a transcript just stored; NULL: none was stored */
static int answer_transcript(struct library *library, const struct job *job,
	const struct session *session, const struct vtt_faults *stored, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	Uxrec__Transcript *transcript;
	struct vtt_faults faults = {0};
	int64_t begin_ns = 0, end_ns;
	int r = session->reader ? transcript_show(&vtt, session, &faults, reterr)
				: error_set(reterr, -EBADMSG, "%s", session->error.text);

	if (r < 0 && r != -ENOENT)
		return r;
	session_span(session, &begin_ns, &end_ns);
	transcript = transcript_to_message(
		vtt ? vtt : &(struct vtt){0}, stored ? stored : &faults, begin_ns);
	if (!transcript)
		return error_set(reterr, -ENOMEM, "out of memory");
	library_send_answer(library, job, &transcript->base);
	uxrec__transcript__free_unpacked(transcript, NULL);
	return 0;
}

static int get_transcript(struct library *library, const struct job *job, struct error *reterr)
{
	struct open_session *open;
	int r = library_open_for(library, job, job->message->get_transcript->session,
		WAY_OUT_TRANSCRIPT, &open, reterr);

	return r < 0 ? r : answer_transcript(library, job, open->session, NULL, reterr);
}

static int put_transcript(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__PutTranscript *put = job->message->put_transcript;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	struct open_session *open;
	/* removing it is not an export */
	enum way_out way = *put->vtt ? WAY_OUT_TRANSCRIPT : WAY_OUT_KEEPING;
	int r = library_open_for(library, job, put->session, way, &open, reterr);

	if (r < 0)
		return r;
	if (!*put->vtt) {
		r = transcript_remove(open->session->folder, reterr);
	} else {
		r = vtt_parse(&vtt, put->vtt, strlen(put->vtt), "the transcript", &faults, reterr);
		if (r == 0)
			r = transcript_store(open->session->folder, vtt, true, reterr);
	}
	return r < 0 ? r : answer_transcript(library, job, open->session, &faults, reterr);
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

static int delete_session(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__DeleteSession *asked = job->message->delete_session;
	_folder_unref_ struct folder *folder = NULL;
	Uxrec__Done done = UXREC__DONE__INIT;
	struct folder_removed removed;
	struct open_session *open;
	int r;

	if (library->live && live_is(library->live, asked->session))
		return error_set(reterr, -EBUSY, "the session is being recorded: end it first");
	r = library_open_session(library, asked->session, &open, reterr);
	if (r == 0)
		r = check_label(open->session, asked->label, reterr);
	if (r == 0)
		r = folder_open_linked(&folder, library->folder, reterr);
	if (r < 0)
		return r;
	/* reads in progress fail: the files are gone */
	library_fail_readings(library, NULL, asked->session, -ENOENT, "the session was deleted");
	library_close_sessions(library, asked->session);
	r = session_delete(folder, asked->session, &removed, reterr);
	log_info("session %s: deleted by %s: %u files%s", asked->session,
		text_quote(job->peer->principal.name).text, removed.files,
		r < 0 ? ", but not all of it" : "");
	if (r < 0)
		return r;
	done.session = asked->session;
	library_send_answer(library, job, &done.base);
	return 0;
}

/* ---- the thread ---- */

typedef int handler_fn(struct library *library, const struct job *job, struct error *reterr);

static int begin_list(struct library *library, const struct job *job, struct error *reterr)
{
	return lists_begin(library->lists, job->peer, job->message->request,
		job->message->list_sessions->parts, reterr);
}

#define HANDLER(name) [UXREC__CLIENT_MESSAGE__BODY_##name]

/* of the kinds that requests[] has for the library */
static handler_fn *const handlers[] = {
	HANDLER(LIST_SESSIONS) = begin_list,
	HANDLER(LIST_STUDIES) = library_list_studies,
	HANDLER(OPEN_SESSION) = answer_open,
	HANDLER(READ) = library_begin_reading,
	HANDLER(GET_TIMELINE) = answer_timeline,
	HANDLER(GET_TRANSCRIPT) = get_transcript,
	HANDLER(PUT_TRANSCRIPT) = put_transcript,
	HANDLER(DELETE_SESSION) = delete_session,
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
	int r = job && !job->peer->closed ? do_job(library, job, &error) : 0;

	if (r < 0)
		server_fail(library->server, job->peer, job->message->request, r, error.text);
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

	server_send(watched->library->server, watched->job->peer, record);
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
		server_send(library->server, job->peer, answer);
	else
		server_fail(library->server, job->peer, job->message->request, r, error.text);
	if (r < 0 && r != -ECANCELED)
		log_warning("library: work for %s: %s", text_quote(job->peer->principal.name).text,
			error.text);
	return false;
}

void library_handle(struct library *library, struct peer *peer, Uxrec__ClientMessage *message)
{
	enum request_owner owner = request_kind(message->body_case)->owner;

	if (owner == REQUEST_OF_ACTS)
		acts_handle(library->acts, peer, message);
	else
		jobs_submit(
			worker_jobs(owner == REQUEST_OF_WORKER ? library->worker : library->reader),
			library->server, peer, message);
}

struct acts *library_acts(struct library *library)
{
	return library->acts;
}

void library_wake(struct library *library)
{
	worker_wake(library->reader);
}

void library_set_worker(struct library *library, const char *program)
{
	library->worker_program = program;
}

void library_set_server(struct library *library, struct server *server)
{
	library->server = server;
	lists_set_server(library->lists, server);
	acts_set_server(library->acts, server);
}

int library_create(struct library **ret, const char *folder, const char *studies,
	const char *examples, struct live *live, struct error *reterr)
{
	_destroy_(library) struct library *library = calloc(1, sizeof(*library));
	int r;

	if (!library)
		return error_set(reterr, -ENOMEM, "out of memory");
	library->folder = strdup(folder);
	library->studies = studies ? strdup(studies) : NULL;
	library->examples = examples ? strdup(examples) : NULL;
	library->live = live;
	if (!library->folder || lists_create(&library->lists, library->folder, live) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = acts_create(&library->acts, library->folder, live, reterr);
	if (r == 0)
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
	if (r == 0)
		r = acts_stop(library->acts, deadline_ns);
	return r < 0 ? r : worker_stop(library->reader, deadline_ns);
}

void library_destroy(struct library *library)
{
	if (!library)
		return;
	worker_destroy(library->worker);
	worker_destroy(library->reader);
	acts_destroy(library->acts);
	library_end_readings(library);
	library_close_sessions(library, NULL);
	lists_destroy(library->lists);
	free(library->folder);
	free(library->studies);
	free(library->examples);
	free(library);
}
