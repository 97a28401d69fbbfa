/* Requests for the library, answered without a network: lists, sessions, reads, files, deletion, studies. */

#include "tests/harness/screens/desktop.h"
#include "tests/harness/studies.h"

#include "daemon/access/requests.h"
#include "daemon/acts/changes.h"
#include "daemon/library/library.h"
#include "daemon/peers/worker.h"
#include "daemon/record/live.h"
#include "protocol/acts/act.h"
#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/reply.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PRINCIPAL "00112233445566778899aabbccddeeff"
#define FIRST     "20261120-101500-aaaa"
#define SECOND    "20261121-101500-bbbb"
#define THIRD     "20261122-101500-cccc"
#define REVIEWER  UXREC__ROLE__ROLE_REVIEWER
#define MODERATOR UXREC__ROLE__ROLE_MODERATOR
/* above the backlog at which lists and reads wait for their peer */
#define LONG_BACKLOG_BYTES (8 * 1024 * 1024)

/* ---- the server: it keeps the answers ---- */

struct sent {
	struct sent *next;
	struct peer *peer;
	Uxrec__ServerMessage *message; /* NULL: a record of a session */
	uint8_t opcode;
	uint16_t channel; /* of a message */
	int64_t time_ns;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct sent *first, **end = &first;

static void put_sent(struct sent *sent)
{
	pthread_mutex_lock(&lock);
	*end = sent;
	end = &sent->next;
	pthread_cond_broadcast(&arrived);
	pthread_mutex_unlock(&lock);
}

static void sent_free(struct sent *sent)
{
	if (sent->message)
		uxrec__server_message__free_unpacked(sent->message, NULL);
	peer_unref(sent->peer);
	free(sent);
}

/* A named peer "slow" never reads: its backlog grows. */
static void send_to_peer(void *user, struct peer *peer, struct packet *packet, unsigned kind)
{
	struct view record = {packet->record, packet->size_bytes, 0};
	struct sent *sent = calloc(1, sizeof(*sent));
	struct mcap_record parsed;

	(void)user;
	(void)kind;
	if (!sent || mcap_next_record(&record, &parsed) <= 0)
		abort();
	*sent = (struct sent){.peer = peer_ref(peer), .opcode = parsed.opcode};
	if (strcmp(peer->principal.name, "slow") == 0)
		peer->queued_bytes += packet->size_bytes;
	if (parsed.opcode == MCAP_PRIVATE) {
		sent->message = uxrec__server_message__unpack(
			NULL, parsed.content.size_bytes, parsed.content.data);
	} else if (parsed.opcode == MCAP_MESSAGE) {
		sent->channel = (uint16_t)le_load(parsed.content.data, 2);
		sent->time_ns = (int64_t)le_load(parsed.content.data + 6, 8);
	}
	packet_unref(packet);
	put_sent(sent);
}

static const struct outlet outlet = {.send = send_to_peer};

/* Lock held. @return the link to the oldest answer to a peer */
static struct sent **find_sent(const struct peer *peer)
{
	struct sent **link = &first;

	while (*link && (*link)->peer != peer)
		link = &(*link)->next;
	return *link ? link : NULL;
}

/* @return the next answer to a peer, freed with sent_free(); waits for it, up to a minute */
static struct sent *next_sent(const struct peer *peer)
{
	const int64_t until_ns = clock_now_ns() + 60 * NS_PER_S;
	const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
	struct sent **link, *sent = NULL;

	pthread_mutex_lock(&lock);
	while (!(link = find_sent(peer)) &&
		pthread_cond_clockwait(&arrived, &lock, CLOCK_MONOTONIC, &until) == 0)
		;
	if (link) {
		sent = *link;
		*link = sent->next;
		if (!*link)
			end = link;
	}
	pthread_mutex_unlock(&lock);
	check(sent != NULL);
	return sent;
}

static bool has_answer(const struct peer *peer)
{
	bool has;

	pthread_mutex_lock(&lock);
	has = find_sent(peer) != NULL;
	pthread_mutex_unlock(&lock);
	return has;
}

/* The next message of wire.proto for a peer, freed by the caller; records before it are dropped. */
static Uxrec__ServerMessage *next_message(const struct peer *peer)
{
	Uxrec__ServerMessage *message = NULL;

	while (!message) {
		struct sent *sent = next_sent(peer);

		message = steal_ptr(sent->message);
		sent_free(sent);
	}
	return message;
}

static void message_free(Uxrec__ServerMessage **message)
{
	if (*message)
		uxrec__server_message__free_unpacked(*message, NULL);
}
#define _message_free_ _cleanup_(message_free)

static int code_of(const Uxrec__ServerMessage *message, uint64_t request)
{
	check(message->request == request);
	return message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE ? message->failure->code
									 : 0;
}

/* ---- the library ---- */

struct lab {
	char *folder, *studies, *examples;
	struct library *library;
	struct changes *changes;
	struct live live;     /* of the owner */
	struct stream stream; /* of the server */
	struct peer *reviewer, *moderator, *slow, *other;
	uint64_t request; /* of the newest */
};

static struct peer *make_peer(Uxrec__Role role, const char *name)
{
	struct principal principal = {.role = role, .id = PRINCIPAL, .identified = true};
	struct peer *peer;

	snprintf(principal.name, sizeof(principal.name), "%s", name);
	peer = peer_create(0, &principal);
	check(peer != NULL);
	return peer;
}

static char *new_folder(const char *kind)
{
	static unsigned number;
	char name[40];
	char *path;

	snprintf(name, sizeof(name), "%s-%u", kind, number++);
	path = temporary_path(name);
	check(mkdir(path, 0700) == 0);
	return path;
}

static void forget(void *user, const char *session)
{
	library_forget(((struct lab *)user)->library, session);
}

static void begin_lab(struct lab *lab)
{
	static char worker[300];
	struct changes_options options;

	*lab = (struct lab){.folder = new_folder("library"),
		.studies = new_folder("studies"),
		.examples = new_folder("examples"),
		.reviewer = make_peer(REVIEWER, "Ana"),
		.moderator = make_peer(MODERATOR, "Bob"),
		.slow = make_peer(REVIEWER, "slow"),
		.other = make_peer(MODERATOR, "other")};
	check(live_init(&lab->live) == 0 && stream_init(&lab->stream) == 0);
	check(library_create(&lab->library, lab->folder,
		      &(struct studies){lab->studies, lab->examples}, &lab->stream, NULL) == 0);
	options = (struct changes_options){lab->folder, &lab->live, forget, lab};
	check(changes_create(&lab->changes, &options, NULL) == 0);
	library_set_outlet(lab->library, &outlet);
	changes_set_outlet(lab->changes, &outlet);
	snprintf(worker, sizeof(worker), "%s/uxrec-worker", build_folder());
	library_set_worker(lab->library, worker, NULL, NULL);
}

static void end_lab(struct lab *lab)
{
	changes_destroy(lab->changes);
	library_destroy(lab->library);
	live_finish(&lab->live);
	stream_finish(&lab->stream);
	while (first) {
		struct sent *sent = first;

		first = sent->next;
		sent_free(sent);
	}
	end = &first;
	peer_unref(lab->reviewer);
	peer_unref(lab->moderator);
	peer_unref(lab->slow);
	peer_unref(lab->other);
	free(lab->folder);
	free(lab->studies);
	free(lab->examples);
}

/* Hand over a copy of a message. @return its request */
static uint64_t ask(struct lab *lab, struct peer *peer, Uxrec__ClientMessage *message)
{
	_cleanup_(buf_finish) struct buf packed = {0};
	size_t size;

	message->request = ++lab->request;
	size = uxrec__client_message__get_packed_size(message);
	check(buf_reserve(&packed, size) != NULL);
	uxrec__client_message__pack(message, packed.data);
	message = uxrec__client_message__unpack(NULL, size, packed.data);
	check(message != NULL);
	if (request_kind(message->body_case)->owner == REQUEST_OF_WRITER)
		changes_handle(lab->changes, peer, message);
	else
		library_handle(lab->library, peer, message);
	return lab->request;
}

#define ASK(lab, peer, KIND, field, ...)                                                           \
	({                                                                                         \
		Uxrec__ClientMessage asked_message = UXREC__CLIENT_MESSAGE__INIT;                  \
		__typeof__(*asked_message.field) asked_body = __VA_ARGS__;                         \
		asked_message.body_case = UXREC__CLIENT_MESSAGE__BODY_##KIND;                      \
		asked_message.field = &asked_body;                                                 \
		ask(lab, peer, &asked_message);                                                    \
	})

static uint64_t ask_list(struct lab *lab, struct peer *peer, bool parts)
{
	Uxrec__ListSessions list = UXREC__LIST_SESSIONS__INIT;

	list.parts = parts;
	return ASK(lab, peer, LIST_SESSIONS, list_sessions, list);
}

static uint64_t ask_open(struct lab *lab, struct peer *peer, const char *session)
{
	Uxrec__OpenSession open = UXREC__OPEN_SESSION__INIT;

	open.session = (char *)session;
	return ASK(lab, peer, OPEN_SESSION, open_session, open);
}

static uint64_t ask_read(struct lab *lab, struct peer *peer, const char *session, double from_s,
	double to_s, bool state)
{
	Uxrec__Read read = UXREC__READ__INIT;

	read.session = (char *)session;
	read.from_ns = AT(from_s);
	read.to_ns = AT(to_s);
	read.state = state;
	return ASK(lab, peer, READ, read, read);
}

static uint64_t ask_export(struct lab *lab, struct peer *peer, const char *session, int part)
{
	Uxrec__ExportSession export = UXREC__EXPORT_SESSION__INIT;

	export.session = (char *)session;
	export.part = (Uxrec__ExportSession__Part)part;
	return ASK(lab, peer, EXPORT_SESSION, export_session, export);
}

static uint64_t ask_delete(
	struct lab *lab, struct peer *peer, const char *session, const char *label)
{
	Uxrec__DeleteSession delete = UXREC__DELETE_SESSION__INIT;

	delete.session = (char *)session;
	delete.label = (char *)label;
	return ASK(lab, peer, DELETE_SESSION, delete_session, delete);
}

static uint64_t ask_transcript(struct lab *lab, struct peer *peer, const char *session)
{
	Uxrec__GetTranscript get = UXREC__GET_TRANSCRIPT__INIT;

	get.session = (char *)session;
	return ASK(lab, peer, GET_TRANSCRIPT, get_transcript, get);
}

static uint64_t put_transcript(struct lab *lab, const char *session, const char *vtt)
{
	Uxrec__PutTranscript put = UXREC__PUT_TRANSCRIPT__INIT;

	put.session = (char *)session;
	put.vtt = (char *)vtt;
	return ASK(lab, lab->reviewer, PUT_TRANSCRIPT, put_transcript, put);
}

/* On return everything asked before has been begun and has had its turn. */
static void settle(struct lab *lab)
{
	Uxrec__ListStudies list = UXREC__LIST_STUDIES__INIT;

	for (int i = 0; i < 2; i++) {
		uint64_t request = ASK(lab, lab->other, LIST_STUDIES, list_studies, list);
		_message_free_ Uxrec__ServerMessage *message = next_message(lab->other);

		check(message->request == request);
	}
}

static void drain(struct peer *peer)
{
	peer->queued_bytes = 0;
}

static void hold(struct peer *peer)
{
	peer->queued_bytes = LONG_BACKLOG_BYTES;
}

/* The peer's backlog has drained. */
static void release(struct lab *lab, struct peer *peer)
{
	drain(peer);
	library_wake(lab->library);
}

/* ---- sessions ---- */

static void begin_session_of_lab(
	struct lab *lab, struct making *making, const char *id, const char *participant)
{
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;
	char *folder;

	check(asprintf(&folder, "%s/%s", lab->folder, id) > 0);
	info.participants = (char **)&participant;
	info.n_participants = participant ? 1 : 0;
	begin_session_in(making, folder, NULL, NULL, &info);
}

static void end_session_of_lab(struct making *making)
{
	session_destroy(end_session(making));
}

static void make_session(struct lab *lab, const char *id, const char *participant)
{
	struct making making;

	begin_session_of_lab(lab, &making, id, participant);
	end_session_of_lab(&making);
}

static void put_data(struct making *making, uint16_t channel, double at_s, size_t size)
{
	_packet_unref_ struct packet *packet = make_packet(&making->clock, channel, AT(at_s), size);

	check(session_writer_append(making->writer, packet) == 0);
}

/* A keyframe of the screen at 2 s, pictures and clicked objects every second up to 9 s. */
static void make_recording(struct lab *lab, const char *id)
{
	struct making making;

	begin_session_of_lab(lab, &making, id, "P01");
	put_data(&making, CHANNEL_SCREEN_INFO, 1, 0);
	for (int i = 1; i < 10; i++) {
		if (i == 2)
			put_data(&making, CHANNEL_SCREEN_KEYFRAMES, i, 0);
		put_data(&making, CHANNEL_SCREEN, i, 100);
		put_data(&making, CHANNEL_POINTER, i + 0.25, 10);
		put_data(&making, CHANNEL_CLICKED, i + 0.5, 10);
	}
	end_session_of_lab(&making);
}

/* Eight megabytes between 1 and 9 s. */
static void make_large_recording(struct lab *lab, const char *id)
{
	struct making making;

	begin_session_of_lab(lab, &making, id, "P01");
	for (int i = 0; i < 80; i++)
		put_data(&making, CHANNEL_SCREEN, 1 + i / 10.0, 100 * 1000);
	end_session_of_lab(&making);
}

static void append_act(struct lab *lab, const char *id, Uxrec__Act *act)
{
	_autofree_ char *path = NULL;
	struct annotations *log;
	char act_id[33];

	check(asprintf(&path, "%s/%s/annotations.mcap", lab->folder, id) > 0);
	check(annotations_open(&log, path, true, NULL) == 0);
	check(act_new_id(act_id) == 0);
	act->id = act_id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->author = act->layer = (char *)"live";
	check(annotations_append(log, act, NULL, NULL) == 0);
	annotations_destroy(log);
}

/* @param modality  NULL: all is withdrawn */
static void state_consent(struct lab *lab, const char *id, const char *modality)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	Uxrec__Withdrawal withdrawal = UXREC__WITHDRAWAL__INIT;

	consent.participant = withdrawal.participant = (char *)"P01";
	consent.method = UXREC__CONSENT__METHOD__METHOD_PAPER;
	consent.modalities = (char **)&modality;
	consent.n_modalities = 1;
	act.body_case = modality ? UXREC__ACT__BODY_CONSENT : UXREC__ACT__BODY_WITHDRAWAL;
	if (modality)
		act.consent = &consent;
	else
		act.withdrawal = &withdrawal;
	append_act(lab, id, &act);
}

/* ---- lists ---- */

static void a_list_is_newest_first_and_an_unreadable_session_has_its_reason(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	_autofree_ char *path = NULL;
	const Uxrec__SessionList *list;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_session(&lab, SECOND, "P02");
	make_session(&lab, FIRST, "P01");
	check(asprintf(&path, "%s/" THIRD, lab.folder) > 0);
	check(mkdir(path, 0700) == 0); /* without a recording */
	request = ask_list(&lab, lab.reviewer, false);
	message = next_message(lab.reviewer);
	check(code_of(message, request) == 0);
	list = message->session_list;
	check(list && list->n_sessions == 3 && !list->more);
	for (size_t i = 0; i < 3; i++) {
		bool unreadable = strcmp(list->sessions[i]->session, THIRD) == 0;

		expect(unreadable == (*list->sessions[i]->trouble != '\0'));
		expect(unreadable ==
			(list->sessions[i]->health ==
				UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNREADABLE));
	}
	/* without a begin in the order of ids */
	expect(strcmp(list->sessions[0]->session, THIRD) == 0);
	expect(strcmp(list->sessions[1]->session, SECOND) == 0);
	expect(strcmp(list->sessions[2]->session, FIRST) == 0);
	end_lab(&lab);
}

static void the_session_being_recorded_is_listed_as_such(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	Uxrec__ToServer__State state = UXREC__TO_SERVER__STATE__INIT;
	struct lab lab;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	make_session(&lab, SECOND, "P02");
	state.session = (char *)SECOND;
	check(stream_set_state(&lab.stream, &state) == 0);
	ask_list(&lab, lab.reviewer, false);
	message = next_message(lab.reviewer);
	check(message->session_list && message->session_list->n_sessions == 2);
	expect(message->session_list->sessions[0]->health ==
		UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING);
	expect(message->session_list->sessions[1]->health !=
		UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING);
	end_lab(&lab);
}

static void a_list_waits_for_its_own_peer_and_for_no_other(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL, *late = NULL;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	hold(lab.slow);
	request = ask_list(&lab, lab.slow, true);
	ask_list(&lab, lab.reviewer, true);
	message = next_message(lab.reviewer);
	expect(message->session_list && message->session_list->n_sessions == 1);
	settle(&lab);
	expect(!has_answer(lab.slow));
	release(&lab, lab.slow);
	late = next_message(lab.slow);
	expect(code_of(late, request) == 0 && late->session_list);
	end_lab(&lab);
}

static void of_lists_that_wait_the_newest_is_served_and_others_are_refused(void)
{
	struct lab lab;
	uint64_t requests[3];
	unsigned refused = 0, served = 0;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	hold(lab.slow);
	for (size_t i = 0; i < 3; i++) {
		requests[i] = ask_list(&lab, lab.slow, true);
		settle(&lab);
	}
	release(&lab, lab.slow);
	for (size_t i = 0; i < 3; i++) {
		_message_free_ Uxrec__ServerMessage *message = next_message(lab.slow);

		drain(lab.slow);
		if (message->request == requests[1])
			refused += code_of(message, requests[1]) == ECANCELED;
		else
			served += message->session_list != NULL;
	}
	expect(refused == 1 && served == 2);
	end_lab(&lab);
}

/* ---- sessions ---- */

static void an_opened_session_has_its_channels_summary_study_and_acts(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	struct lab lab;
	struct sent *sent;
	uint64_t request;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	request = ask_open(&lab, lab.reviewer, FIRST);
	sent = next_sent(lab.reviewer);
	expect(sent->opcode == MCAP_CHANNEL);
	sent_free(sent);
	message = next_message(lab.reviewer);
	check(code_of(message, request) == 0);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_SESSION_OPENED);
	expect(strcmp(message->session_opened->summary->session, FIRST) == 0);
	expect(strcmp(message->session_opened->study->name, "Invoices") == 0);
	expect(message->session_opened->n_acts == 1);
	end_lab(&lab);
}

static void what_is_no_session_is_refused_by_every_request(void)
{
	static const struct {
		const char *id;
		int code;
	} wanted[] = {
		{"", EINVAL},
		{"..", EINVAL},
		{"../" FIRST, EINVAL},
		{FIRST "/", EINVAL},
		{SECOND, ENOENT},
	};
	struct lab lab;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const char *id = wanted[i].id;
		const uint64_t requests[] = {ask_open(&lab, lab.moderator, id),
			ask_read(&lab, lab.moderator, id, 0, 1, true),
			ask_transcript(&lab, lab.moderator, id),
			ask_export(&lab, lab.moderator, id, UXREC__EXPORT_SESSION__PART__PART_TAGS),
			ask_export(&lab, lab.moderator, id, UXREC__EXPORT_SESSION__PART__PART_FILM),
			ask_delete(&lab, lab.moderator, id, "P01")};
		bool answered[ARRAY_SIZE(requests)] = {false};

		for (size_t k = 0; k < ARRAY_SIZE(requests); k++) {
			_message_free_ Uxrec__ServerMessage *message = next_message(lab.moderator);
			size_t asked = message->request - requests[0];

			/* the library and the worker answer in their own order */
			check(asked < ARRAY_SIZE(requests) && !answered[asked]);
			answered[asked] = true;
			expect(code_of(message, requests[asked]) == wanted[i].code);
		}
	}
	end_lab(&lab);
}

static void of_a_withdrawn_session_only_labels_and_consent_are_shown(void)
{
	_message_free_ Uxrec__ServerMessage *opened = NULL;
	struct lab lab;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	state_consent(&lab, FIRST, "screen");
	state_consent(&lab, FIRST, NULL);
	ask_open(&lab, lab.moderator, FIRST);
	opened = next_message(lab.moderator);
	check(opened->body_case == UXREC__SERVER_MESSAGE__BODY_SESSION_OPENED);
	expect(opened->session_opened->summary->withdrawn);
	for (size_t i = 0; i < opened->session_opened->n_acts; i++)
		expect(act_is_about_consent(opened->session_opened->acts[i]));
	for (unsigned i = 0; i < 3; i++) {
		uint64_t request = i == 0 ? ask_read(&lab, lab.moderator, FIRST, 0, 9, true)
			: i == 1          ? ask_transcript(&lab, lab.moderator, FIRST)
					  : ask_export(&lab, lab.moderator, FIRST,
						    UXREC__EXPORT_SESSION__PART__PART_TAGS);
		_message_free_ Uxrec__ServerMessage *message = next_message(lab.moderator);

		expect(code_of(message, request) == EACCES);
	}
	end_lab(&lab);
}

/* ---- reads ---- */

/* Read up to the answer. @return the number of messages, and which in @p list */
static size_t read_messages(
	struct peer *peer, struct sent list[100], Uxrec__ServerMessage **ret_answer)
{
	size_t count = 0;

	for (;;) {
		struct sent *sent = next_sent(peer);

		if (sent->message) {
			*ret_answer = steal_ptr(sent->message);
			sent_free(sent);
			return count;
		}
		check(count < 100);
		if (sent->opcode == MCAP_MESSAGE)
			list[count++] = *sent;
		sent_free(sent);
	}
}

static void a_read_sends_the_messages_of_its_span_in_order(void)
{
	_message_free_ Uxrec__ServerMessage *done = NULL;
	struct sent list[100];
	struct lab lab;
	uint64_t request;
	size_t count;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	request = ask_read(&lab, lab.reviewer, FIRST, 3, 6, false);
	count = read_messages(lab.reviewer, list, &done);
	expect(count == 9);
	for (size_t i = 0; i < count; i++) {
		static const uint16_t channels[] = {
			CHANNEL_SCREEN, CHANNEL_POINTER, CHANNEL_CLICKED};

		expect(list[i].channel == channels[i % 3]);
		expect(list[i].time_ns == AT(3 + (double)(i / 3) + (double)(i % 3) * 0.25));
	}
	check(code_of(done, request) == 0);
	expect(done->body_case == UXREC__SERVER_MESSAGE__BODY_READ_DONE);
	expect(done->read_done->to_ns == AT(6));
	end_lab(&lab);
}

static void a_read_with_state_begins_with_the_video_from_its_keyframe(void)
{
	_message_free_ Uxrec__ServerMessage *begun = NULL, *done = NULL;
	struct sent list[100];
	unsigned pictures = 0, pointers = 0, clicked = 0, infos = 0;
	struct lab lab;
	size_t count;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	ask_read(&lab, lab.reviewer, FIRST, 5.4, 7, true);
	begun = next_message(lab.reviewer);
	check(begun->body_case == UXREC__SERVER_MESSAGE__BODY_READ_BEGUN);
	expect(begun->read_begun->from_ns == AT(5.4));
	count = read_messages(lab.reviewer, list, &done);
	for (size_t i = 0; i < count; i++) {
		infos += list[i].channel == CHANNEL_SCREEN_INFO;
		pictures += list[i].channel == CHANNEL_SCREEN;
		pointers += list[i].channel == CHANNEL_POINTER;
		clicked += list[i].channel == CHANNEL_CLICKED;
		expect(list[i].channel != CHANNEL_SCREEN || list[i].time_ns >= AT(2));
		/* a batch reaches a quarter of a second behind its time */
		expect(list[i].channel != CHANNEL_POINTER || list[i].time_ns >= AT(5.25));
		expect(list[i].channel != CHANNEL_CLICKED || list[i].time_ns >= AT(5.5));
	}
	/* the pointer's newest batch also as a latched message */
	expect(infos == 1 && pictures == 5 && pointers == 3 && clicked == 2);
	expect(done->body_case == UXREC__SERVER_MESSAGE__BODY_READ_DONE);
	end_lab(&lab);
}

static void spans_that_are_none_are_refused(void)
{
	static const int64_t spans[][2] = {
		{-1, AT(5)}, {AT(5), AT(4)}, {AT(5), INT64_MAX}, {AT(5), READER_TIME_LIMIT_NS + 1}};
	struct lab lab;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		_message_free_ Uxrec__ServerMessage *message = NULL;
		Uxrec__Read read = UXREC__READ__INIT;
		uint64_t request;

		read.session = (char *)FIRST;
		read.from_ns = spans[i][0];
		read.to_ns = spans[i][1];
		read.state = true;
		request = ASK(&lab, lab.reviewer, READ, read, read);
		message = next_message(lab.reviewer);
		expect(code_of(message, request) == EINVAL);
	}
	end_lab(&lab);
}

static void a_read_pauses_while_its_peer_does_not_read(void)
{
	_message_free_ Uxrec__ServerMessage *done = NULL;
	struct sent list[100];
	struct lab lab;
	size_t rounds = 0, paused_bytes;

	begin_lab(&lab);
	make_large_recording(&lab, FIRST);
	ask_read(&lab, lab.slow, FIRST, 1, 10, false);
	for (;; rounds++) {
		settle(&lab);
		paused_bytes = lab.slow->queued_bytes;
		if (paused_bytes < 1024 * 1024)
			break;
		expect(paused_bytes < 3 * 1024 * 1024);
		check(rounds < 20);
		release(&lab, lab.slow);
	}
	expect(rounds >= 3);
	expect(read_messages(lab.slow, list, &done) == 80);
	for (size_t i = 0; i < 80; i++)
		expect(list[i].time_ns == AT(1 + (double)i / 10.0));
	expect(done->body_case == UXREC__SERVER_MESSAGE__BODY_READ_DONE);
	end_lab(&lab);
}

static void a_read_with_state_replaces_the_peers_earlier_one(void)
{
	_message_free_ Uxrec__ServerMessage *failed = NULL, *begun = NULL;
	struct lab lab;
	uint64_t one, two;

	begin_lab(&lab);
	make_large_recording(&lab, FIRST);
	hold(lab.slow);
	one = ask_read(&lab, lab.slow, FIRST, 0, 10, false);
	settle(&lab);
	two = ask_read(&lab, lab.slow, FIRST, 5, 10, true);
	failed = next_message(lab.slow);
	expect(code_of(failed, one) == ECANCELED);
	begun = next_message(lab.slow);
	expect(begun->request == two && begun->body_case == UXREC__SERVER_MESSAGE__BODY_READ_BEGUN);
	end_lab(&lab);
}

static void a_withdrawal_ends_a_read_in_progress(void)
{
	_message_free_ Uxrec__ServerMessage *failed = NULL;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_large_recording(&lab, FIRST);
	state_consent(&lab, FIRST, "screen");
	hold(lab.slow);
	request = ask_read(&lab, lab.slow, FIRST, 0, 10, false);
	settle(&lab);
	state_consent(&lab, FIRST, NULL);
	release(&lab, lab.slow);
	failed = next_message(lab.slow);
	expect(code_of(failed, request) == EACCES);
	end_lab(&lab);
}

static void a_read_of_a_peer_that_is_gone_ends(void)
{
	_message_free_ Uxrec__ServerMessage *done = NULL;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_large_recording(&lab, FIRST);
	hold(lab.slow);
	ask_read(&lab, lab.slow, FIRST, 0, 10, false);
	settle(&lab);
	lab.slow->closed = true;
	release(&lab, lab.slow);
	settle(&lab);
	expect(!has_answer(lab.slow));
	/* nothing holds the session */
	request = ask_delete(&lab, lab.moderator, FIRST, "P01");
	done = next_message(lab.moderator);
	expect(code_of(done, request) == 0);
	end_lab(&lab);
}

static void ninth_session(const char *id, char ret[21])
{
	snprintf(ret, 21, "20261123-101500-%s", id);
}

static void beyond_eight_sessions_in_use_the_next_waits_for_one_to_end(void)
{
	static const char *const names[] = {
		"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"};
	_message_free_ Uxrec__ServerMessage *busy = NULL, *opened = NULL;
	char ids[9][21];
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	hold(lab.slow);
	for (size_t i = 0; i < 9; i++) {
		ninth_session(names[i], ids[i]);
		make_session(&lab, ids[i], "P01");
		if (i < 8)
			ask_read(&lab, lab.slow, ids[i], 0, 10, false);
	}
	settle(&lab);
	request = ask_open(&lab, lab.reviewer, ids[8]);
	busy = next_message(lab.reviewer);
	expect(code_of(busy, request) == EBUSY);
	lab.slow->closed = true;
	release(&lab, lab.slow);
	settle(&lab);
	request = ask_open(&lab, lab.reviewer, ids[8]);
	opened = next_message(lab.reviewer);
	expect(code_of(opened, request) == 0);
	end_lab(&lab);
}

/* ---- deletion ---- */

static int delete (struct lab *lab, const char *id, const char *label)
{
	uint64_t request = ask_delete(lab, lab->moderator, id, label);
	_message_free_ Uxrec__ServerMessage *message = next_message(lab->moderator);

	return code_of(message, request);
}

static bool exists(struct lab *lab, const char *id)
{
	_autofree_ char *path = NULL;
	struct stat status;

	check(asprintf(&path, "%s/%s", lab->folder, id) > 0);
	return lstat(path, &status) == 0;
}

static void a_session_is_deleted_by_the_label_of_its_participant(void)
{
	struct lab lab;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	make_session(&lab, SECOND, NULL);
	expect(delete (&lab, FIRST, "P02") == EINVAL && delete (&lab, FIRST, "") == EINVAL);
	expect(delete (&lab, FIRST, FIRST) == EINVAL && delete (&lab, SECOND, "") == EINVAL);
	expect(exists(&lab, FIRST) && exists(&lab, SECOND));
	expect(delete (&lab, FIRST, "P01") == 0 && !exists(&lab, FIRST));
	/* without a participant by its id */
	expect(delete (&lab, SECOND, SECOND) == 0 && !exists(&lab, SECOND));
	end_lab(&lab);
}

static void the_session_being_recorded_is_not_deleted(void)
{
	struct session_clock clock = {0};
	struct lab lab;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	live_open(&lab.live, FIRST, &clock, AT(0), NULL, NULL, NULL, NULL);
	expect(delete (&lab, FIRST, "P01") == EBUSY && exists(&lab, FIRST));
	live_close(&lab.live);
	expect(delete (&lab, FIRST, "P01") == 0);
	end_lab(&lab);
}

static void reads_of_a_deleted_session_fail(void)
{
	_message_free_ Uxrec__ServerMessage *failed = NULL;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_large_recording(&lab, FIRST);
	hold(lab.slow);
	request = ask_read(&lab, lab.slow, FIRST, 0, 10, false);
	settle(&lab);
	expect(delete (&lab, FIRST, "P01") == 0);
	failed = next_message(lab.slow);
	expect(code_of(failed, request) == ENOENT);
	end_lab(&lab);
}

/* ---- files ---- */

static void an_exported_table_has_the_sessions_name(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	struct making making;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	begin_session_of_lab(&lab, &making, FIRST, "P01");
	add_tag(&making, "live", "error", 3, AT_NONE);
	end_session_of_lab(&making);
	request = ask_export(&lab, lab.reviewer, FIRST, UXREC__EXPORT_SESSION__PART__PART_TAGS);
	message = next_message(lab.reviewer);
	check(code_of(message, request) == 0);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_EXPORTED);
	expect(strncmp(message->exported->name, FIRST, strlen(FIRST)) == 0);
	expect(message->exported->content.len > 0 && *message->exported->type);
	expect(!*message->exported->command);
	end_lab(&lab);
}

static void of_a_film_a_page_gets_the_command_with_the_path_only_for_moderators(void)
{
	_message_free_ Uxrec__ServerMessage *to_moderator = NULL, *to_reviewer = NULL;
	struct lab lab;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	ask_export(&lab, lab.moderator, FIRST, UXREC__EXPORT_SESSION__PART__PART_FILM);
	to_moderator = next_message(lab.moderator);
	check(to_moderator->body_case == UXREC__SERVER_MESSAGE__BODY_EXPORTED);
	expect(strstr(to_moderator->exported->command, "uxrec export '/"));
	expect(strstr(to_moderator->exported->command, "/" FIRST "' --to mp4 -o " FIRST ".mp4"));
	ask_export(&lab, lab.reviewer, FIRST, UXREC__EXPORT_SESSION__PART__PART_FILM);
	to_reviewer = next_message(lab.reviewer);
	check(to_reviewer->body_case == UXREC__SERVER_MESSAGE__BODY_EXPORTED);
	expect(strstr(to_reviewer->exported->command, "uxrec export 'LIBRARY/" FIRST "'"));
	expect(!strstr(to_reviewer->exported->command, lab.folder));
	end_lab(&lab);
}

static int export_code(struct lab *lab, int part)
{
	uint64_t request = ask_export(lab, lab->reviewer, FIRST, part);
	_message_free_ Uxrec__ServerMessage *message = next_message(lab->reviewer);

	if (message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE)
		expect(!strstr(message->failure->text, lab->folder));
	return code_of(message, request);
}

static void files_need_the_consent_of_their_way_out(void)
{
	struct lab lab;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	state_consent(&lab, FIRST, "sound");
	expect(export_code(&lab, UXREC__EXPORT_SESSION__PART__PART_TAGS) == 0);
	expect(export_code(&lab, UXREC__EXPORT_SESSION__PART__PART_EVENTS) == EACCES);
	expect(export_code(&lab, UXREC__EXPORT_SESSION__PART__PART_FILM) == EACCES);
	expect(export_code(&lab, UXREC__EXPORT_SESSION__PART__PART_UNSPECIFIED) == EINVAL);
	expect(export_code(&lab, 1000) == EINVAL);
	end_lab(&lab);
}

static void a_transcript_is_attached_replaced_and_removed(void)
{
	static const struct {
		const char *vtt;
		size_t cues;
	} steps[] = {
		{"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", 1},
		{"WEBVTT\n\n00:01.000 --> 00:02.000\nOne\n\n00:02.000 --> 00:03.000\nTwo\n", 2},
		{"", 0},
	};
	struct lab lab;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t request = put_transcript(&lab, FIRST, steps[i].vtt);
		_message_free_ Uxrec__ServerMessage *stored = next_message(lab.reviewer);
		_message_free_ Uxrec__ServerMessage *message = NULL;

		check(code_of(stored, request) == 0);
		expect(stored->transcript && stored->transcript->n_cues == steps[i].cues);
		ask_transcript(&lab, lab.reviewer, FIRST);
		message = next_message(lab.reviewer);
		check(message->body_case == UXREC__SERVER_MESSAGE__BODY_TRANSCRIPT);
		expect(message->transcript->n_cues == steps[i].cues);
	}
	end_lab(&lab);
}

static void a_text_that_is_no_transcript_replaces_none(void)
{
	_message_free_ Uxrec__ServerMessage *stored = NULL, *refused = NULL, *kept = NULL;
	struct lab lab;
	uint64_t request;

	begin_lab(&lab);
	make_recording(&lab, FIRST);
	put_transcript(&lab, FIRST, "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n");
	stored = next_message(lab.reviewer);
	request = put_transcript(&lab, FIRST, "Dear Sir or Madam,\n");
	refused = next_message(lab.reviewer);
	expect(code_of(refused, request) != 0);
	ask_transcript(&lab, lab.reviewer, FIRST);
	kept = next_message(lab.reviewer);
	expect(kept->transcript && kept->transcript->n_cues == 1);
	end_lab(&lab);
}

/* ---- metrics ---- */

static void metrics_count_a_session_once_however_often_it_is_named(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	char *ids[] = {(char *)FIRST, (char *)FIRST, (char *)FIRST};
	Uxrec__GetMetrics get = UXREC__GET_METRICS__INIT;
	struct making making;
	struct lab lab;

	begin_lab(&lab);
	begin_session_of_lab(&lab, &making, FIRST, "P01");
	add_attempt(&making, "P01", "pay", 1, 5, UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED);
	end_session_of_lab(&making);
	make_session(&lab, SECOND, "P02");
	get.sessions = ids;
	get.n_sessions = 3;
	ASK(&lab, lab.reviewer, GET_METRICS, get_metrics, get);
	message = next_message(lab.reviewer);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_METRICS);
	expect(message->metrics->n_attempts == 1);
	expect(strcmp(message->metrics->study, "Invoices") == 0);
	end_lab(&lab);
}

/* ---- studies ---- */

static void write_study(const char *folder, const char *name, const char *text)
{
	_autofree_ char *path = NULL;
	FILE *file;

	check(asprintf(&path, "%s/%s", folder, name) > 0);
	file = fopen(path, "we");
	check(file != NULL);
	fputs(text, file);
	fclose(file);
}

#define STUDY(name) "study: " name "\ntasks:\n  - {id: a, title: A}\n"

static void a_study_shadows_an_example_and_a_wrong_file_has_its_reason(void)
{
	_message_free_ Uxrec__ServerMessage *message = NULL;
	Uxrec__ListStudies list = UXREC__LIST_STUDIES__INIT;
	unsigned seen = 0;
	struct lab lab;

	begin_lab(&lab);
	write_study(lab.examples, "shop.yaml", STUDY("Shop"));
	write_study(lab.examples, "bank.yaml", STUDY("Bank"));
	write_study(lab.studies, "own.yaml", STUDY("Shop"));
	write_study(lab.studies, "wrong.yaml", "study: [\n");
	write_study(lab.studies, ".hidden.yaml", STUDY("Hidden"));
	write_study(lab.studies, "notes.txt", STUDY("Notes"));
	ASK(&lab, lab.moderator, LIST_STUDIES, list_studies, list);
	message = next_message(lab.moderator);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_STUDY_LIST);
	for (size_t i = 0; i < message->study_list->n_studies; i++) {
		const Uxrec__StudyEntry *entry = message->study_list->studies[i];

		seen |= strcmp(entry->name, "Shop") == 0 && !entry->example && entry->study ? 1u
											    : 0;
		seen |= strcmp(entry->name, "Bank") == 0 && entry->example ? 2u : 0;
		seen |= strcmp(entry->name, "wrong") == 0 && *entry->trouble && !entry->study ? 4u
											      : 0;
	}
	expect(message->study_list->n_studies == 3 && seen == 7);
	end_lab(&lab);
}

static void a_study_is_found_by_its_name(void)
{
	Uxrec__Study *study = NULL;
	struct error error = {""};
	struct studies studies;
	struct lab lab;

	begin_lab(&lab);
	studies = (struct studies){lab.studies, lab.examples};
	write_study(lab.studies, "shop.yaml", STUDY("Web shop"));
	write_study(lab.studies, "wrong.yaml", "study: [\n");
	check(studies_find(&studies, "Web shop", &study, &error) == 0);
	expect(strcmp(study->name, "Web shop") == 0);
	uxrec__study__free_unpacked(study, NULL);
	expect(studies_find(&studies, "shop", &study, &error) == -ENOENT);
	expect(strstr(error.text, lab.studies) != NULL);
	expect(studies_find(&studies, "wrong", &study, &error) == -EINVAL);
	expect(!studies_hide(&studies));
	end_lab(&lab);
}

/* ---- worker threads ---- */

/* Work that counts its calls, and waits with a job until it may end. */
struct gated {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls, jobs, more; /* more: calls to come without a job */
	bool open;
};

static bool do_gated(void *user, struct job *job)
{
	struct gated *gated = user;
	bool more;

	pthread_mutex_lock(&gated->lock);
	gated->calls++;
	gated->jobs += job != NULL;
	pthread_cond_broadcast(&gated->changed);
	while (job && !gated->open)
		pthread_cond_wait(&gated->changed, &gated->lock);
	more = gated->more > 0;
	gated->more -= more;
	pthread_mutex_unlock(&gated->lock);
	return more;
}

static void begin_gated(struct gated *gated, struct worker **ret)
{
	*gated = (struct gated){
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	check(worker_create(ret, "test", do_gated, gated, NULL) == 0);
}

static void wait_for_calls(struct gated *gated, unsigned calls)
{
	pthread_mutex_lock(&gated->lock);
	while (gated->calls < calls)
		pthread_cond_wait(&gated->changed, &gated->lock);
	pthread_mutex_unlock(&gated->lock);
}

static void open_gate(struct gated *gated)
{
	pthread_mutex_lock(&gated->lock);
	gated->open = true;
	pthread_cond_broadcast(&gated->changed);
	pthread_mutex_unlock(&gated->lock);
}

static void submit(struct worker *worker, struct peer *peer, const char *session, uint64_t number)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__OpenSession open = UXREC__OPEN_SESSION__INIT;
	unsigned char packed[200];

	open.session = (char *)session;
	message.request = number;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_OPEN_SESSION;
	message.open_session = &open;
	jobs_submit(worker_jobs(worker), &outlet, peer,
		uxrec__client_message__unpack(
			NULL, uxrec__client_message__pack(&message, packed), packed));
}

static void a_worker_goes_on_without_a_job_while_there_is_more(void)
{
	struct worker *worker;
	struct gated gated;

	begin_gated(&gated, &worker);
	gated.more = 3;
	worker_wake(worker);
	wait_for_calls(&gated, 4);
	worker_destroy(worker);
	expect(gated.jobs == 0 && gated.more == 0);
}

static void a_stop_does_not_wait_beyond_its_deadline_for_a_job(void)
{
	struct peer *peer = make_peer(REVIEWER, "Ana");
	struct worker *worker;
	struct gated gated;

	begin_gated(&gated, &worker);
	for (uint64_t i = 1; i <= 5; i++)
		submit(worker, peer, i == 1 ? FIRST : i == 2 ? SECOND : THIRD, i);
	wait_for_calls(&gated, 1);
	expect(worker_stop(worker, clock_now_ns()) == -ETIMEDOUT);
	open_gate(&gated);
	expect(worker_stop(worker, INT64_MAX) == 0);
	/* those that waited are dropped */
	expect(gated.jobs == 1);
	worker_destroy(worker);
	peer_unref(peer);
}

static void superseded_and_too_many_requests_are_answered(void)
{
	struct peer *peer = make_peer(REVIEWER, "Bob");
	char ids[200][21];
	unsigned codes[2] = {0};
	struct worker *worker;
	struct gated gated;

	begin_gated(&gated, &worker);
	submit(worker, peer, FIRST, 1000);
	wait_for_calls(&gated, 1); /* and it does not end */
	submit(worker, peer, SECOND, 1001);
	submit(worker, peer, SECOND, 1002);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(ids[i], sizeof(ids[i]), "20261123-101500-%04zx", i);
		submit(worker, peer, ids[i], i);
	}
	while (has_answer(peer)) {
		_message_free_ Uxrec__ServerMessage *message = next_message(peer);

		check(message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE);
		codes[0] += message->failure->code == ECANCELED && message->request == 1001;
		codes[1] += message->failure->code == EBUSY;
	}
	expect(codes[0] == 1 && codes[1] > 100 && codes[1] < 200);
	open_gate(&gated);
	worker_destroy(worker);
	peer_unref(peer);
}

/* ---- the thread ---- */

static void after_a_stop_nothing_is_answered(void)
{
	struct lab lab;

	begin_lab(&lab);
	make_session(&lab, FIRST, "P01");
	expect(library_stop(lab.library, INT64_MAX) == 0);
	ask_open(&lab, lab.reviewer, FIRST);
	{
		_message_free_ Uxrec__ServerMessage *message = next_message(lab.reviewer);

		expect(code_of(message, lab.request) == EPIPE);
	}
	end_lab(&lab);
}

static void every_request_of_the_library_has_its_handler(void)
{
	const ProtobufCMessageDescriptor *kind = &uxrec__client_message__descriptor;
	struct lab lab;

	begin_lab(&lab);
	for (unsigned i = 0; i < kind->n_fields; i++) {
		Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
		const ProtobufCMessageDescriptor *descriptor;
		_message_free_ Uxrec__ServerMessage *answered = NULL;
		_autofree_ ProtobufCMessage *body = NULL;

		if (kind->fields[i].type != PROTOBUF_C_TYPE_MESSAGE ||
			request_kind((Uxrec__ClientMessage__BodyCase)kind->fields[i].id)->owner !=
				REQUEST_OF_LIBRARY)
			continue;
		descriptor = kind->fields[i].descriptor;
		body = calloc(1, descriptor->sizeof_message);
		check(body != NULL);
		protobuf_c_message_init(descriptor, body);
		message.body_case = (Uxrec__ClientMessage__BodyCase)kind->fields[i].id;
		message.hello = (Uxrec__Hello *)body; /* any of the union */
		ask(&lab, lab.moderator, &message);
		answered = next_message(lab.moderator);
		expect(answered->body_case != UXREC__SERVER_MESSAGE__BODY_FAILURE ||
			!strstr(answered->failure->text, "not a request"));
	}
	end_lab(&lab);
}

static const struct test tests[] = {
	{"every request of the library has its handler",
		every_request_of_the_library_has_its_handler},
	{"a list is newest first, and an unreadable session has its reason",
		a_list_is_newest_first_and_an_unreadable_session_has_its_reason},
	{"the session being recorded is listed as such",
		the_session_being_recorded_is_listed_as_such},
	{"a list waits while its own peer's backlog is long, and for no other peer",
		a_list_waits_for_its_own_peer_and_for_no_other},
	{"of lists that wait for one in progress the newest is served, others are refused",
		of_lists_that_wait_the_newest_is_served_and_others_are_refused},
	{"an opened session has its channels, summary, study and acts",
		an_opened_session_has_its_channels_summary_study_and_acts},
	{"an id that is none, or of no session, is refused by every request",
		what_is_no_session_is_refused_by_every_request},
	{"of a withdrawn session only labels and consent are shown",
		of_a_withdrawn_session_only_labels_and_consent_are_shown},
	{"a read sends the messages of its span, in order",
		a_read_sends_the_messages_of_its_span_in_order},
	{"a read with state sends latched messages, and the video from its keyframe",
		a_read_with_state_begins_with_the_video_from_its_keyframe},
	{"a span that ends before it begins, or has no time, is refused",
		spans_that_are_none_are_refused},
	{"a read pauses at its peer's backlog, and neither loses nor repeats a message",
		a_read_pauses_while_its_peer_does_not_read},
	{"a read with state replaces the peer's earlier one",
		a_read_with_state_replaces_the_peers_earlier_one},
	{"a withdrawal ends a read in progress", a_withdrawal_ends_a_read_in_progress},
	{"a read of a closed peer ends and releases its session",
		a_read_of_a_peer_that_is_gone_ends},
	{"beyond eight sessions in use another one is refused until a read ends",
		beyond_eight_sessions_in_use_the_next_waits_for_one_to_end},
	{"a session is deleted by the label of a participant, without one by its id",
		a_session_is_deleted_by_the_label_of_its_participant},
	{"the session being recorded is not deleted", the_session_being_recorded_is_not_deleted},
	{"reads of a deleted session fail", reads_of_a_deleted_session_fail},
	{"an exported table has the session's name", an_exported_table_has_the_sessions_name},
	{"a page gets a film's command, and the library's path only for moderators",
		of_a_film_a_page_gets_the_command_with_the_path_only_for_moderators},
	{"files need the consent of their way out", files_need_the_consent_of_their_way_out},
	{"a transcript is attached, replaced and removed",
		a_transcript_is_attached_replaced_and_removed},
	{"a text that is no transcript replaces none", a_text_that_is_no_transcript_replaces_none},
	{"metrics count a session once, however often it is named",
		metrics_count_a_session_once_however_often_it_is_named},
	{"a study shadows an example, and a wrong file has its reason",
		a_study_shadows_an_example_and_a_wrong_file_has_its_reason},
	{"a study is found by its name", a_study_is_found_by_its_name},
	{"a worker continues without a job while there is more to do",
		a_worker_goes_on_without_a_job_while_there_is_more},
	{"a stop waits for a job up to its deadline, and drops those that wait",
		a_stop_does_not_wait_beyond_its_deadline_for_a_job},
	{"superseded requests are answered with ECANCELED, too many with EBUSY",
		superseded_and_too_many_requests_are_answered},
	{"after a stop requests are refused", after_a_stop_nothing_is_answered},
};

int main(void)
{
	return RUN_TESTS("library requests", tests);
}
