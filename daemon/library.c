#include "daemon/library.h"

#include "daemon/acts.h"
#include "daemon/lists.h"
#include "daemon/worker.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/pointer_shape.h"
#include "protocol/mcap.h"
#include "replay/bleeps.h"
#include "replay/delete.h"
#include "replay/metrics.h"
#include "replay/study.h"
#include "replay/timeline.h"
#include "replay/transcript.h"
#include "replay/way_out.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A read goes on while less than this waits for its peer. */
#define AHEAD_BYTES (2 * 1024 * 1024)
#define OPEN_LIMIT  8

/* a session that is kept open for the next question about it */
struct open_session {
	struct session *session;
	unsigned users; /* reads that go on */
	int64_t used_ns;
	struct consent_span *muted; /* spans of sound kept from all but moderators */
};

/* messages of a span on their way to a peer */
struct reading {
	struct reading *next;
	struct peer *peer;
	uint64_t request;
	struct open_session *open;
	struct session_cursor *cursor;
	struct bleeps bleeps; /* as they were when it began */
	int64_t from_ns, to_ns;
	bool state; /* it began with what is needed to show `from` */
};

struct library {
	char *folder, *studies, *examples;
	struct live *live;
	struct server *server;
	struct worker *reader; /* its thread has what follows but for `acts` */
	struct acts *acts;
	struct lists *lists;
	struct open_session open[OPEN_LIMIT];
	struct reading *readings;
};

/* ---- open sessions ---- */

static void close_session(struct open_session *open)
{
	session_destroy(open->session);
	free(open->muted);
	*open = (struct open_session){0};
}

static struct open_session *find_place(struct library *library)
{
	struct open_session *oldest = NULL;

	for (size_t i = 0; i < OPEN_LIMIT; i++) {
		struct open_session *open = &library->open[i];

		if (open->users == 0 && (!oldest || open->used_ns < oldest->used_ns))
			oldest = open;
	}
	if (oldest)
		close_session(oldest);
	return oldest;
}

/* A recording that is still growing is opened anew each time: its reader knows only what was there. */
static int open_session(
	struct library *library, const char *id, struct open_session **ret, struct error *reterr)
{
	bool growing = library->live && live_is(library->live, id);
	struct open_session *place = NULL;
	int r;

	for (size_t i = 0; i < OPEN_LIMIT && !place; i++) {
		struct open_session *open = &library->open[i];

		if (!open->session || strcmp(open->session->id, id) != 0)
			continue;
		if (open->users == 0 &&
			(growing || !open->session->reader ||
				!session_reader_is_complete(open->session->reader)))
			close_session(open);
		else
			place = open;
	}
	if (!place) {
		place = find_place(library);
		if (!place)
			return error_set(reterr, -EBUSY, "too many sessions are open at once");
		r = session_open(&place->session, library->folder, id, true, reterr);
		if (r < 0)
			return r;
	}
	place->used_ns = clock_now_ns();
	*ret = place;
	return 0;
}

/*
 * Gate a session for a peer, as its consent is now: before each piece of work, since peers share it and the
 * consent may be taken back in between. While a session is being recorded, none but the moderator gets sound
 * that was recorded while observers were muted.
 */
static int gate_session(struct library *library, struct open_session *open, const struct peer *peer,
	enum way_out way, struct error *reterr)
{
	struct session *session = open->session;
	struct consent_span *muted = NULL;
	size_t count = 0;
	int r = session_refresh(session);

	if (r == 0 && library->live && peer->role != UXREC__ROLE__ROLE_MODERATOR)
		r = live_copy_muted(library->live, session->id, &muted, &count);
	if (r < 0)
		return error_set(
			reterr, r, "the session's consent cannot be read: %s", strerror(-r));
	free(open->muted);
	open->muted = muted;
	session_set_muted(session, (struct consent_muted){muted, count});
	if (session_allows_way(session, way))
		return 0;
	return error_set(reterr, -EACCES, "%s", way_out_why_not(session, way).text);
}

/* Open a session for a peer's request. @return as open_session(), or -EACCES without consent to it */
static int open_for(struct library *library, const struct job *job, const char *id,
	enum way_out way, struct open_session **ret, struct error *reterr)
{
	int r = open_session(library, id, ret, reterr);

	return r < 0 ? r : gate_session(library, *ret, job->peer, way, reterr);
}

/* ---- answers ---- */

static void send_answer(
	struct library *library, const struct job *job, Uxrec__ServerMessage *message)
{
	server_answer(library->server, job->peer, job->message->request, message);
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

/* All acts; without consent to show them those that the consent is of. @return how many */
static size_t collect_acts(Uxrec__Act ***ret, const struct session *session)
{
	const struct annotations *log = session->annotations;
	bool allowed = session_allows_way(session, WAY_OUT_REPLAY);
	size_t room = log ? annotations_count(log) : 0, count = 0;
	Uxrec__Act **acts = calloc(room + 1, sizeof(*acts));

	for (size_t i = 0; acts && i < room; i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (allowed || act->body_case == UXREC__ACT__BODY_CONSENT ||
			act->body_case == UXREC__ACT__BODY_WITHDRAWAL)
			acts[count++] = (Uxrec__Act *)act;
	}
	*ret = acts;
	return count;
}

static int answer_open(struct library *library, const struct job *job, struct error *reterr)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__SessionOpened opened = UXREC__SESSION_OPENED__INIT;
	struct open_session *open;
	int r = open_for(
		library, job, job->message->open_session->session, WAY_OUT_LABELS, &open, reterr);

	if (r < 0)
		return r;
	if (!open->session->reader)
		return error_set(reterr, -EBADMSG, "%s", open->session->trouble.text);
	send_declarations(library, job->peer, open->session->reader);
	opened.summary = session_summarise(open->session);
	if (opened.summary)
		mark_live(library, opened.summary);
	opened.study = open->session->study;
	opened.n_acts = collect_acts(&opened.acts, open->session);
	message.body_case = UXREC__SERVER_MESSAGE__BODY_SESSION_OPENED;
	message.session_opened = &opened;
	send_answer(library, job, &message);
	if (opened.summary)
		uxrec__session_summary__free_unpacked(opened.summary, NULL);
	free(opened.acts);
	return 0;
}

static int answer_timeline(struct library *library, const struct job *job, struct error *reterr)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct open_session *open;
	int r = open_for(
		library, job, job->message->get_timeline->session, WAY_OUT_TIMELINE, &open, reterr);

	if (r == 0) {
		r = timeline_create(&timeline, open->session);
		if (r < 0)
			return error_set(reterr, r, "the session cannot be read: %s", strerror(-r));
		message.timeline = timeline_to_message(timeline);
		if (!message.timeline)
			return error_set(reterr, -ENOMEM, "no memory");
		message.body_case = UXREC__SERVER_MESSAGE__BODY_TIMELINE;
		send_answer(library, job, &message);
		uxrec__timeline__free_unpacked(message.timeline, NULL);
	}
	return r;
}

/* ---- metrics ---- */

/* ids of the sessions of one computation, which are opened apart from those that are kept */
struct chosen {
	const char *library;
	const char **ids;
	size_t count;
};

static int open_chosen(void *user, size_t i, struct session **ret, struct error *reterr)
{
	const struct chosen *chosen = user;
	int r = session_open(ret, chosen->library, chosen->ids[i], false, reterr);

	/* a number that leaves some out without a word is worse than none; others are in the list */
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : 0;
}

static void choose(struct chosen *chosen, const char *id)
{
	for (size_t i = 0; i < chosen->count; i++)
		if (strcmp(chosen->ids[i], id) == 0)
			return;
	chosen->ids[chosen->count++] = id;
}

/* a study's sessions, or those that were named */
static int choose_all(struct chosen *chosen, const Uxrec__GetMetrics *asked,
	const struct session_ids *ids, struct error *reterr)
{
	chosen->ids = calloc(ids->count + 1, sizeof(*chosen->ids));
	if (!chosen->ids)
		return error_set(reterr, -ENOMEM, "no memory");
	for (size_t i = 0; i < ids->count && *asked->study; i++)
		chosen->ids[chosen->count++] = ids->ids[i];
	for (size_t i = 0; i < asked->n_sessions && i < ids->count && !*asked->study; i++)
		choose(chosen, asked->sessions[i]);
	return 0;
}

static int answer_metrics(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__GetMetrics *asked = job->message->get_metrics;
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	struct chosen chosen = {.library = library->folder};
	struct metrics_request request = {
		.open = open_chosen,
		.user = &chosen,
		.study = *asked->study ? asked->study : NULL,
		.library = library->folder,
		.layer = asked->layer,
		.coding = !*asked->study,
	};
	int r = session_ids_list(&ids, library->folder);

	if (r < 0)
		return error_set(reterr, r, "the library cannot be read: %s", strerror(-r));
	r = choose_all(&chosen, asked, &ids, reterr);
	request.count = chosen.count;
	if (r == 0)
		r = metrics_compute(&message.metrics, &request, reterr);
	if (r == 0) {
		message.body_case = UXREC__SERVER_MESSAGE__BODY_METRICS;
		send_answer(library, job, &message);
		uxrec__metrics__free_unpacked(message.metrics, NULL);
	}
	free(chosen.ids);
	return r;
}

/* ---- transcripts ---- */

/* @param stored  of the file that was stored just now; NULL: none was */
static int answer_transcript(struct library *library, const struct job *job,
	const struct session *session, const struct vtt_faults *stored, struct error *reterr)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	int64_t begin_ns = 0, end_ns;
	int r = session->reader ? transcript_show(&vtt, session, &faults, reterr)
				: error_set(reterr, -EBADMSG, "%s", session->trouble.text);

	if (r < 0 && r != -ENOENT)
		return r;
	session_span(session, &begin_ns, &end_ns);
	message.transcript = transcript_to_message(
		vtt ? vtt : &(struct vtt){0}, stored ? stored : &faults, begin_ns);
	if (!message.transcript)
		return error_set(reterr, -ENOMEM, "no memory");
	message.body_case = UXREC__SERVER_MESSAGE__BODY_TRANSCRIPT;
	send_answer(library, job, &message);
	uxrec__transcript__free_unpacked(message.transcript, NULL);
	return 0;
}

static int get_transcript(struct library *library, const struct job *job, struct error *reterr)
{
	struct open_session *open;
	int r = open_for(library, job, job->message->get_transcript->session, WAY_OUT_TRANSCRIPT,
		&open, reterr);

	return r < 0 ? r : answer_transcript(library, job, open->session, NULL, reterr);
}

static int put_transcript(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__PutTranscript *put = job->message->put_transcript;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	struct open_session *open;
	/* taking it away is no way out */
	enum way_out way = *put->vtt ? WAY_OUT_TRANSCRIPT : WAY_OUT_KEEPING;
	int r = open_for(library, job, put->session, way, &open, reterr);

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

/* ---- reading for a player ---- */

static void end_reading(struct reading *reading)
{
	session_cursor_destroy(reading->cursor);
	bleeps_finish(&reading->bleeps);
	reading->open->users--;
	peer_unref(reading->peer);
	free(reading);
}

static void send_message(
	struct library *library, struct peer *peer, const struct reader_message *message)
{
	struct packet *packet;

	if (packet_create_record(&packet, MCAP_MESSAGE,
		    message->record.data + MCAP_RECORD_HEADER_BYTES,
		    message->record.size_bytes - MCAP_RECORD_HEADER_BYTES) == 0)
		server_send(library->server, peer, packet);
}

/* The shapes of the pointer that a message from a time on may refer to. */
static void send_shapes(
	struct library *library, struct peer *peer, struct session_reader *reader, int64_t at_ns)
{
	const struct reader_channel *channel = session_reader_find(reader, CHANNEL_POINTER_SHAPE);
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;

	if (!channel || session_reader_latest(reader, channel, at_ns, &message) <= 0 ||
		session_cursor_create(&cursor, reader, message.time_ns - SESSION_SHAPE_SPAN_NS,
			at_ns, UINT64_C(1) << CHANNEL_POINTER_SHAPE) < 0)
		return;
	while (session_cursor_next(cursor, &message) > 0) {
		Uxrec__PointerShape *shape = uxrec__pointer_shape__unpack(
			NULL, message.data.size_bytes, message.data.data);

		if (shape && shape->shape && !pointer_shape_is_reference(shape))
			send_message(library, peer, &message);
		uxrec__pointer_shape__free_unpacked(shape, NULL);
	}
}

/* What is latched at `at`; @return the time of the keyframe to begin with, or `at` */
static int64_t send_state(
	struct library *library, struct peer *peer, struct session_reader *reader, int64_t at_ns)
{
	const struct reader_channel *channel;
	struct reader_message message;

	for (size_t i = 0; (channel = session_reader_channel(reader, i)); i++)
		if (channel->known && channel_kind_get(channel->known)->latched &&
			channel->known != CHANNEL_STUDY &&
			session_reader_latest(reader, channel, at_ns, &message) > 0)
			send_message(library, peer, &message);
	channel = session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	if (channel && session_reader_latest(reader, channel, at_ns, &message) > 0)
		return message.time_ns;
	return at_ns;
}

static void send_begun(struct library *library, const struct job *job)
{
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__ReadBegun begun = UXREC__READ_BEGUN__INIT;

	begun.from_ns = job->message->read->from_ns;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_READ_BEGUN;
	message.read_begun = &begun;
	send_answer(library, job, &message);
}

static int begin_reading(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__Read *read = job->message->read;
	struct open_session *open;
	struct reading *reading;
	int64_t begin_ns;
	int r = open_for(library, job, read->session, WAY_OUT_REPLAY, &open, reterr);

	if (r < 0)
		return r;
	if (!open->session->reader)
		return error_set(reterr, -EBADMSG, "%s", open->session->trouble.text);
	if (read->from_ns < 0 || read->to_ns < read->from_ns || read->to_ns > READER_TIME_LIMIT_NS)
		return error_set(reterr, -EINVAL, "a span that ends before it begins");
	reading = calloc(1, sizeof(*reading));
	if (!reading)
		return error_set(reterr, -ENOMEM, "no memory");
	begin_ns = read->from_ns;
	if (read->state) {
		for (struct reading **link = &library->readings; *link;) {
			struct reading *other = *link;

			if (other->peer != job->peer) {
				link = &other->next;
				continue;
			}
			*link = other->next;
			server_fail(library->server, other->peer, other->request, -ECANCELED,
				"another read took its place");
			end_reading(other);
		}
		send_begun(library, job);
		begin_ns = send_state(library, job->peer, open->session->reader, begin_ns);
		if (begin_ns > read->from_ns - SESSION_BATCH_SPAN_NS)
			begin_ns = read->from_ns - SESSION_BATCH_SPAN_NS;
		send_shapes(library, job->peer, open->session->reader, begin_ns);
	}
	r = bleeps_collect(&reading->bleeps, open->session);
	if (r == 0)
		r = session_cursor_create(
			&reading->cursor, open->session->reader, begin_ns, read->to_ns, 0);
	if (r < 0) {
		bleeps_finish(&reading->bleeps);
		free(reading);
		return error_set(reterr, r, "no memory");
	}
	open->users++;
	reading->open = open;
	reading->peer = peer_ref(job->peer);
	reading->request = job->message->request;
	reading->from_ns = read->from_ns;
	reading->to_ns = read->to_ns;
	reading->state = read->state;
	reading->next = library->readings;
	library->readings = reading;
	return 0;
}

/* Before `from` only pictures are wanted, to build the first one from, and batches that reach in. What is
 * bleeped is never sent. */
static bool is_wanted(const struct reading *reading, const struct reader_message *message)
{
	if (bleeps_silence(&reading->bleeps, message))
		return false;
	if (message->time_ns >= reading->from_ns)
		return message->channel->known != CHANNEL_STUDY;
	switch (message->channel->known) {
	case CHANNEL_SCREEN:
	case CHANNEL_SCREEN_PATCHES:
	case CHANNEL_SCREEN_KEYFRAMES: return true;
	case CHANNEL_CONTROLS:
	case CHANNEL_KEY_CLASSES:
	case CHANNEL_KEY_COUNTS:
	case CHANNEL_SHORTCUTS:
	case CHANNEL_KEYS:
	case CHANNEL_POINTER: return message->time_ns >= reading->from_ns - SESSION_BATCH_SPAN_NS;
	default: return false;
	}
}

/* @return true when the reading has ended */
static bool go_on_reading(struct library *library, struct reading *reading)
{
	Uxrec__ServerMessage done = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__ReadDone body = UXREC__READ_DONE__INIT;
	struct reader_message message;
	struct error error = {""};
	int r = 1;

	if (gate_session(library, reading->open, reading->peer, WAY_OUT_REPLAY, &error) < 0) {
		server_fail(library->server, reading->peer, reading->request, -EACCES, error.text);
		return true;
	}
	while (!reading->peer->closed && reading->peer->queued_bytes < AHEAD_BYTES) {
		r = session_cursor_next(reading->cursor, &message);
		if (r <= 0)
			break;
		if (is_wanted(reading, &message))
			send_message(library, reading->peer, &message);
	}
	if (reading->peer->closed)
		return true;
	if (r > 0)
		return false;
	if (r < 0) {
		server_fail(library->server, reading->peer, reading->request, r,
			"the session cannot be read any further");
		return true;
	}
	body.to_ns = reading->to_ns;
	done.body_case = UXREC__SERVER_MESSAGE__BODY_READ_DONE;
	done.read_done = &body;
	server_answer(library->server, reading->peer, reading->request, &done);
	return true;
}

static void go_on_all(struct library *library)
{
	for (struct reading **link = &library->readings; *link;) {
		struct reading *reading = *link;

		if (!go_on_reading(library, reading)) {
			link = &reading->next;
			continue;
		}
		*link = reading->next;
		end_reading(reading);
	}
}

/* ---- studies ---- */

struct studies {
	Uxrec__StudyEntry *entries[200];
	size_t count;
};

static void add_study(struct studies *studies, const char *folder, const char *file)
{
	_autofree_ char *path = NULL;
	Uxrec__StudyEntry *entry;
	struct yaml_problems problems;
	struct error error = {0};

	if (studies->count == ARRAY_SIZE(studies->entries) ||
		asprintf(&path, "%s/%s", folder, file) < 0)
		return;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return;
	uxrec__study_entry__init(entry);
	if (study_read_file(&entry->study, path, &problems, &error) == 0) {
		entry->name = strdup(entry->study->name);
	} else {
		entry->name = strndup(file, strlen(file) - 5);
		entry->trouble = problems.errors > 0 ? yaml_problems_text(&problems, file)
						     : strdup(error.text);
	}
	if (!entry->name || (!entry->study && !entry->trouble)) {
		uxrec__study_entry__free_unpacked(entry, NULL);
		return;
	}
	for (size_t i = 0; i < studies->count; i++)
		if (strcmp(studies->entries[i]->name, entry->name) == 0) {
			uxrec__study_entry__free_unpacked(entry, NULL);
			return; /* the library's own goes before the example */
		}
	studies->entries[studies->count++] = entry;
}

static void collect_studies(struct studies *studies, const char *folder)
{
	DIR *opened = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	while (opened && (entry = readdir(opened))) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && length > 5 &&
			strcmp(entry->d_name + length - 5, ".yaml") == 0)
			add_study(studies, folder, entry->d_name);
	}
	if (opened)
		closedir(opened);
}

static void studies_finish(struct studies *studies)
{
	for (size_t i = 0; i < studies->count; i++)
		uxrec__study_entry__free_unpacked(studies->entries[i], NULL);
}

static void collect_all(struct library *library, struct studies *studies)
{
	collect_studies(studies, library->studies);
	collect_studies(studies, library->examples);
}

/* Refuse a study with the first line of its problems. */
static int refuse_study(const char *trouble, struct error *reterr)
{
	size_t line = strcspn(trouble, "\n");

	return error_set(reterr, -EINVAL, "%.*s%s", line < 250 ? (int)line : 250, trouble,
		trouble[line] ? "; and more, which 'uxrec study check' lists" : "");
}

int library_find_study(
	struct library *library, const char *name, Uxrec__Study **ret, struct error *reterr)
{
	_cleanup_(studies_finish) struct studies studies = {0};

	collect_all(library, &studies);
	for (size_t i = 0; i < studies.count; i++) {
		if (strcmp(studies.entries[i]->name, name) != 0)
			continue;
		if (!studies.entries[i]->study)
			return refuse_study(studies.entries[i]->trouble, reterr);
		*ret = steal_ptr(studies.entries[i]->study);
		return 0;
	}
	return error_set(reterr, -ENOENT,
		"no study '%s': put its file into %s, or give the file's path",
		text_quote(name).text,
		library->studies ? library->studies : "the folder of studies");
}

bool library_studies_hide(struct library *library)
{
	_cleanup_(studies_finish) struct studies studies = {0};
	bool hides = false;

	collect_all(library, &studies);
	for (size_t i = 0; i < studies.count; i++)
		hides |= studies.entries[i]->study && studies.entries[i]->study->n_hide > 0;
	return hides;
}

static int list_studies(struct library *library, const struct job *job)
{
	_cleanup_(studies_finish) struct studies studies = {0};
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__StudyList list = UXREC__STUDY_LIST__INIT;

	collect_all(library, &studies);
	list.studies = studies.entries;
	list.n_studies = studies.count;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_STUDY_LIST;
	message.study_list = &list;
	send_answer(library, job, &message);
	return 0;
}

/* ---- deleting ---- */

/* Reads in progress fail: the files are gone. */
static void forget_session(struct library *library, const char *id)
{
	struct reading **link = &library->readings;

	while (*link) {
		struct reading *reading = *link;

		if (strcmp(reading->open->session->id, id) == 0) {
			server_fail(library->server, reading->peer, reading->request, -ENOENT,
				"the session was deleted");
			*link = reading->next;
			end_reading(reading);
		} else {
			link = &reading->next;
		}
	}
	for (size_t i = 0; i < OPEN_LIMIT; i++)
		if (library->open[i].session && strcmp(library->open[i].session->id, id) == 0)
			close_session(&library->open[i]);
}

/* @return 0 when the label is one of the session's participants, or its id when it has none; or -EINVAL */
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
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	Uxrec__Done done = UXREC__DONE__INIT;
	struct folder_removed removed;
	struct open_session *open;
	int r;

	if (library->live && live_is(library->live, asked->session))
		return error_set(reterr, -EBUSY, "the session is being recorded: end it first");
	r = open_session(library, asked->session, &open, reterr);
	if (r == 0)
		r = check_label(open->session, asked->label, reterr);
	if (r == 0)
		r = folder_open_linked(&folder, library->folder, reterr);
	if (r < 0)
		return r;
	forget_session(library, asked->session);
	r = session_delete(folder, asked->session, &removed, reterr);
	log_info("session %s: deleted by %s: %u files%s", asked->session,
		text_quote(job->peer->name).text, removed.files,
		r < 0 ? ", and not all of it" : "");
	if (r < 0)
		return r;
	done.session = asked->session;
	message.body_case = UXREC__SERVER_MESSAGE__BODY_DONE;
	message.done = &done;
	send_answer(library, job, &message);
	return 0;
}

/* ---- the thread ---- */

bool library_answers(const Uxrec__ClientMessage *message)
{
	switch (message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_LIST_SESSIONS:
	case UXREC__CLIENT_MESSAGE__BODY_OPEN_SESSION:
	case UXREC__CLIENT_MESSAGE__BODY_READ:
	case UXREC__CLIENT_MESSAGE__BODY_GET_TIMELINE:
	case UXREC__CLIENT_MESSAGE__BODY_GET_METRICS:
	case UXREC__CLIENT_MESSAGE__BODY_PUT_ACT:
	case UXREC__CLIENT_MESSAGE__BODY_GET_TRANSCRIPT:
	case UXREC__CLIENT_MESSAGE__BODY_PUT_TRANSCRIPT:
	case UXREC__CLIENT_MESSAGE__BODY_DELETE_SESSION:
	case UXREC__CLIENT_MESSAGE__BODY_LIST_STUDIES: return true;
	default: return false;
	}
}

static int do_job(struct library *library, const struct job *job, struct error *reterr)
{
	switch (job->message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_LIST_SESSIONS:
		return lists_begin(library->lists, job->peer, job->message->request,
			job->message->list_sessions->parts, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_OPEN_SESSION: return answer_open(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_READ: return begin_reading(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_GET_TIMELINE: return answer_timeline(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_GET_METRICS: return answer_metrics(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_GET_TRANSCRIPT:
		return get_transcript(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_PUT_TRANSCRIPT:
		return put_transcript(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_DELETE_SESSION:
		return delete_session(library, job, reterr);
	case UXREC__CLIENT_MESSAGE__BODY_LIST_STUDIES: return list_studies(library, job);
	default: return error_set(reterr, -EINVAL, "that is not for the library");
	}
}

/* One request, then some of what earlier ones began: neither waits for all of the other. */
static bool work(void *user, struct job *job)
{
	struct library *library = user;
	struct error error = {"it could not be done"};
	int r = job && !job->peer->closed ? do_job(library, job, &error) : 0;

	if (r < 0)
		server_fail(library->server, job->peer, job->message->request, r, error.text);
	go_on_all(library);
	return lists_step(library->lists);
}

void library_take(struct library *library, struct peer *peer, Uxrec__ClientMessage *message)
{
	if (message->body_case == UXREC__CLIENT_MESSAGE__BODY_PUT_ACT)
		acts_take(library->acts, peer, message);
	else
		jobs_ask(worker_jobs(library->reader), library->server, peer, message);
}

void library_tell_act(struct library *library, const char *session, const Uxrec__Act *act)
{
	acts_announce(library->server, session, act);
}

void library_poke(struct library *library)
{
	worker_wake(library->reader);
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
		return error_set(reterr, -ENOMEM, "no memory");
	library->folder = strdup(folder);
	library->studies = studies ? strdup(studies) : NULL;
	library->examples = examples ? strdup(examples) : NULL;
	library->live = live;
	if (!library->folder || lists_create(&library->lists, library->folder, live) < 0)
		return error_set(reterr, -ENOMEM, "no memory");
	r = acts_create(&library->acts, library->folder, live, reterr);
	if (r == 0)
		r = worker_create(&library->reader, "uxrec-library", work, library, reterr);
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
	r = acts_stop(library->acts, deadline_ns);
	return r < 0 ? r : worker_stop(library->reader, deadline_ns);
}

void library_destroy(struct library *library)
{
	if (!library)
		return;
	worker_destroy(library->reader);
	acts_destroy(library->acts);
	while (library->readings) {
		struct reading *reading = library->readings;

		library->readings = reading->next;
		end_reading(reading);
	}
	for (size_t i = 0; i < OPEN_LIMIT; i++)
		close_session(&library->open[i]);
	lists_destroy(library->lists);
	free(library->folder);
	free(library->studies);
	free(library->examples);
	free(library);
}
