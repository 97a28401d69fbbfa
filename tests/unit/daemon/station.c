/* The states of a session, on a station without screen, input and sound: refusals, pause, tasks, consent, end. */

#include "tests/harness/helpers.h"

#include "daemon/access/requests.h"
#include "daemon/station/station.h"
#include "protocol/acts/act.h"
#include "protocol/base/clock.h"
#include "protocol/mcap.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID    "00112233445566778899aabbccddeeff"
#define STUDY "study: Shop\ntasks:\n  - {id: find, title: Find it}\n  - {id: pay, title: Pay it}\n"

/* ---- the station ---- */

struct lab {
	char *folder;
	struct identity identity;
	struct live live;
	struct acts *acts;
	struct station *station;
};

static void ignore_stop(void *user, unsigned session, const char *reason)
{
	(void)user;
	(void)session;
	(void)reason;
}

static void ignore(void *user)
{
	(void)user;
}

static unsigned no_observers(void *user)
{
	(void)user;
	return 0;
}

/* Nobody watches. */
static void drop(void *user, const struct audience *audience, struct packet *packet, unsigned kind)
{
	(void)user;
	(void)audience;
	(void)kind;
	packet_unref(packet);
}

static const struct outlet outlet = {.broadcast = drop};

static void begin_lab(struct lab *lab)
{
	static unsigned number;
	char name[20];

	snprintf(name, sizeof(name), "library-%u", number++);
	*lab = (struct lab){.folder = temporary_path(name), .identity = {ID, ID, ID, ID}};
	check(mkdir(lab->folder, 0700) == 0 && live_init(&lab->live) == 0);
	check(acts_create(&lab->acts, lab->folder, &lab->live, NULL) == 0);
	acts_set_outlet(lab->acts, &outlet);
	check(station_create(&lab->station,
		      &(struct station_options){.library = lab->folder,
			      .screen = "none",
			      .devices = "",
			      .input = "none",
			      .sound = {.name = "none"},
			      .helper = "",
			      .encoder = "",
			      .priority = "usual",
			      .sync_every_ns = NS_PER_S,
			      .identity = &lab->identity,
			      .page_marker = "marker",
			      .live = &lab->live,
			      .acts = lab->acts,
			      .must_stop = ignore_stop,
			      .wake = ignore,
			      .observers = no_observers}) == 0);
}

static void end_lab(struct lab *lab)
{
	station_destroy(lab->station);
	acts_destroy(lab->acts);
	live_finish(&lab->live);
	free(lab->folder);
}

static ProtobufCMessage *empty_body(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *body = calloc(1, descriptor->sizeof_message);

	check(body != NULL);
	protobuf_c_message_init(descriptor, body);
	return body;
}

static const struct principal ana = {UXREC__ROLE__ROLE_MODERATOR, "Ana", ID, true, ""};

struct asked {
	struct station_request request;
	Uxrec__ClientMessage message;
	unsigned answers;
	struct packet *packet;
	bool changed;
};

static void on_answered(struct station_request *request, struct packet *packet, bool changed)
{
	struct asked *asked = (struct asked *)request;

	asked->answers++;
	asked->packet = packet;
	asked->changed = changed;
}

static void hand_in(struct lab *lab, struct asked *asked, const Uxrec__ClientMessage *message)
{
	*asked = (struct asked){.message = *message};
	asked->request = (struct station_request){
		.message = &asked->message, .principal = &ana, .answered = on_answered};
	station_handle(lab->station, &asked->request);
}

/* Have the station go on until a request is answered. @return its answer, freed by the caller */
static Uxrec__ServerMessage *await_answer(struct lab *lab, struct asked *asked)
{
	_packet_unref_ struct packet *packet = NULL;

	while (asked->answers == 0) {
		usleep(1000);
		station_tick(lab->station);
	}
	packet = asked->packet;
	check(asked->answers == 1 && packet != NULL);
	return uxrec__server_message__unpack(NULL, packet->size_bytes - MCAP_RECORD_HEADER_BYTES,
		packet->record + MCAP_RECORD_HEADER_BYTES);
}

/* @return the answer, freed by the caller */
static Uxrec__ServerMessage *answer(
	struct lab *lab, const Uxrec__ClientMessage *message, bool *ret_changed)
{
	struct asked asked;
	Uxrec__ServerMessage *answered;

	hand_in(lab, &asked, message);
	answered = await_answer(lab, &asked);
	*ret_changed = asked.changed;
	return answered;
}

static void message_free(Uxrec__ServerMessage **message)
{
	uxrec__server_message__free_unpacked(*message, NULL);
}
#define _message_free_ _cleanup_(message_free)

/* @return 0, or the code of the failure */
static int ask(struct lab *lab, Uxrec__ClientMessage__BodyCase kind, void *body)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	_message_free_ Uxrec__ServerMessage *answered = NULL;
	bool changed = false;
	int code;

	message.request = 5;
	message.body_case = kind;
	message.start = body;
	answered = answer(lab, &message, &changed);
	check(answered && answered->request == 5);
	code = answered->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE ? answered->failure->code
									  : 0;
	expect(changed == (code == 0));
	return code;
}

#define ASK(lab, KIND, type, ...)                                                                  \
	({                                                                                         \
		type asked_body = __VA_ARGS__;                                                     \
		ask(lab, UXREC__CLIENT_MESSAGE__BODY_##KIND, &asked_body);                         \
	})

static int pause_session(struct lab *lab)
{
	return ASK(lab, PAUSE, Uxrec__Pause, UXREC__PAUSE__INIT);
}

static int resume_session(struct lab *lab)
{
	return ASK(lab, RESUME, Uxrec__Resume, UXREC__RESUME__INIT);
}

static int stop_session(struct lab *lab, Uxrec__Attempt__Outcome outcome)
{
	Uxrec__Stop stop = UXREC__STOP__INIT;

	stop.outcome = outcome;
	return ASK(lab, STOP, Uxrec__Stop, stop);
}

static int start_task(struct lab *lab, const char *id)
{
	Uxrec__TaskStart start = UXREC__TASK_START__INIT;

	start.task = (char *)id;
	return ASK(lab, TASK_START, Uxrec__TaskStart, start);
}

static int end_task(struct lab *lab, Uxrec__Attempt__Outcome outcome)
{
	Uxrec__TaskEnd end = UXREC__TASK_END__INIT;

	end.outcome = outcome;
	return ASK(lab, TASK_END, Uxrec__TaskEnd, end);
}

static Uxrec__ServerMessage *status_of(struct lab *lab)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__GetStatus get = UXREC__GET_STATUS__INIT;
	Uxrec__ServerMessage *answered;
	bool changed = false;

	message.body_case = UXREC__CLIENT_MESSAGE__BODY_GET_STATUS;
	message.get_status = &get;
	answered = answer(lab, &message, &changed);
	check(answered && answered->body_case == UXREC__SERVER_MESSAGE__BODY_STATUS);
	expect(!changed);
	return answered;
}

static bool is_in_state(struct lab *lab, Uxrec__Status__State state)
{
	_message_free_ Uxrec__ServerMessage *message = status_of(lab);

	return message->status->state == state;
}

/* Have the station go on until it is in a state, for ten seconds at most. */
static bool comes_to_state(struct lab *lab, Uxrec__Status__State state)
{
	int64_t until_ns = clock_now_ns() + 10 * NS_PER_S;

	while (!is_in_state(lab, state)) {
		if (clock_now_ns() > until_ns)
			return false;
		usleep(1000);
		station_tick(lab->station);
	}
	return true;
}

static bool task_is(struct lab *lab, const char *task)
{
	_message_free_ Uxrec__ServerMessage *message = status_of(lab);

	return strcmp(message->status->task, task) == 0;
}

/* ---- starts ---- */

struct wish {
	const char *participant, *study, *modality, *use, *keys;
	bool full_keys;
	Uxrec__Consent__Method method;
	int code;
};

static const struct wish good = {
	"P01", STUDY, "screen", "analysis", "", false, UXREC__CONSENT__METHOD__METHOD_PAPER, 0};

struct start {
	Uxrec__Start message;
	Uxrec__Consent consent;
	char *modalities[2], *uses[1];
};

/* @param sound  consent covers it too */
static void fill_start(struct start *ret, const struct wish *wish, bool sound)
{
	*ret = (struct start){UXREC__START__INIT, UXREC__CONSENT__INIT,
		{(char *)wish->modality, (char *)"sound"}, {(char *)wish->use}};
	ret->consent.method = wish->method;
	ret->consent.modalities = ret->modalities;
	ret->consent.n_modalities = wish->modality ? 1u + sound : 0;
	ret->consent.uses = ret->uses;
	ret->consent.n_uses = 1;
	ret->consent.full_keys = wish->full_keys;
	ret->message.consent = &ret->consent;
	ret->message.participant = (char *)wish->participant;
	ret->message.study_yaml = (char *)wish->study;
	ret->message.keys = (char *)wish->keys;
}

static int start(struct lab *lab, const struct wish *wish, bool sound)
{
	struct start start;

	fill_start(&start, wish, sound);
	return ask(lab, UXREC__CLIENT_MESSAGE__BODY_START, &start.message);
}

static unsigned sessions_in(const char *folder)
{
	DIR *opened = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	check(opened != NULL);
	while ((entry = readdir(opened)))
		count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	closedir(opened);
	return count;
}

static void a_refused_start_leaves_nothing(void)
{
	struct wish wishes[] = {[0 ... 9] = good};
	Uxrec__Start without = UXREC__START__INIT;
	struct lab lab;

	wishes[0].participant = "", wishes[0].code = EINVAL;
	wishes[1].participant = "a/b", wishes[1].code = EINVAL;
	wishes[2].study = "", wishes[2].code = EINVAL;
	wishes[3].study = "study: [", wishes[3].code = EINVAL;
	wishes[4].modality = "smell", wishes[4].code = EINVAL;
	wishes[5].modality = NULL, wishes[5].code = EACCES;
	wishes[6].use = "gossip", wishes[6].code = EINVAL;
	wishes[7].keys = "some", wishes[7].code = EINVAL;
	wishes[8].keys = "full", wishes[8].code = EACCES;
	wishes[9].method = UXREC__CONSENT__METHOD__METHOD_UNSPECIFIED, wishes[9].code = EACCES;
	begin_lab(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		expect(start(&lab, &wishes[i], false) == wishes[i].code);
	without.participant = (char *)"P01";
	without.study_yaml = (char *)STUDY;
	expect(ask(&lab, UXREC__CLIENT_MESSAGE__BODY_START, &without) == EACCES);
	expect(sessions_in(lab.folder) == 0 && !station_is_busy(lab.station));
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	/* and the next one is not hindered */
	expect(start(&lab, &good, false) == 0);
	end_lab(&lab);
}

static void full_keys_need_consent_for_input_and_for_full_keys(void)
{
	struct wish wish = good;
	struct lab lab;

	begin_lab(&lab);
	wish.keys = "full";
	wish.full_keys = true; /* but not for input */
	expect(start(&lab, &wish, false) == EACCES);
	wish.modality = "input";
	wish.full_keys = false;
	expect(start(&lab, &wish, false) == EACCES);
	wish.full_keys = true;
	expect(start(&lab, &wish, false) == 0);
	end_lab(&lab);
}

static void one_session_at_a_time_which_has_a_status_and_an_end(void)
{
	_message_free_ Uxrec__ServerMessage *running = NULL, *ended = NULL;
	struct lab lab;

	begin_lab(&lab);
	expect(!station_last(lab.station));
	check(start(&lab, &good, false) == 0);
	running = status_of(&lab);
	expect(running->status->state == UXREC__STATUS__STATE__STATE_RECORDING);
	expect(strcmp(running->status->participant, "P01") == 0);
	expect(strcmp(running->status->study_name, "Shop") == 0);
	expect(start(&lab, &good, false) == EBUSY && sessions_in(lab.folder) == 1);
	expect(live_is(&lab.live, running->status->session));
	expect(stop_session(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED) == 0);
	ended = status_of(&lab);
	expect(ended->status->state == UXREC__STATUS__STATE__STATE_IDLE);
	expect(strcmp(ended->status->last_session, running->status->session) == 0);
	expect(!live_is(&lab.live, running->status->session));
	check(station_last(lab.station));
	expect(strcmp(station_last(lab.station)->participant, "P01") == 0);
	end_lab(&lab);
}

static void without_a_session_its_requests_are_refused(void)
{
	static const Uxrec__ClientMessage__BodyCase kinds[] = {UXREC__CLIENT_MESSAGE__BODY_PAUSE,
		UXREC__CLIENT_MESSAGE__BODY_RESUME, UXREC__CLIENT_MESSAGE__BODY_TASK_READY,
		UXREC__CLIENT_MESSAGE__BODY_INTERRUPTION_END};
	struct lab lab;

	begin_lab(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		expect(ask(&lab, kinds[i], NULL) == ENOENT);
	expect(start_task(&lab, "find") == ENOENT);
	expect(stop_session(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED) == ENOENT);
	expect(ask(&lab, UXREC__CLIENT_MESSAGE__BODY__NOT_SET, NULL) == ENOSYS);
	end_lab(&lab);
}

/* ---- a running session ---- */

static void a_session_is_paused_and_resumed_once_each(void)
{
	_message_free_ Uxrec__ServerMessage *paused = NULL;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	expect(resume_session(&lab) == EALREADY);
	expect(pause_session(&lab) == 0 && pause_session(&lab) == EALREADY);
	paused = status_of(&lab);
	expect(paused->status->state == UXREC__STATUS__STATE__STATE_PAUSED);
	expect(live_paused_ns(&lab.live) > 0);
	expect(resume_session(&lab) == 0 && live_paused_ns(&lab.live) == 0);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_RECORDING));
	/* it may end in a pause */
	expect(pause_session(&lab) == 0);
	expect(stop_session(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED) == 0);
	end_lab(&lab);
}

static void observers_are_muted_and_unmuted_once_each(void)
{
	Uxrec__MuteObservers mute = UXREC__MUTE_OBSERVERS__INIT;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, true) == 0);
	for (int muted = 0; muted <= 1; muted++) {
		mute.muted = !muted;
		expect(ask(&lab, UXREC__CLIENT_MESSAGE__BODY_MUTE_OBSERVERS, &mute) == 0);
		expect(ask(&lab, UXREC__CLIENT_MESSAGE__BODY_MUTE_OBSERVERS, &mute) == EALREADY);
	}
	end_lab(&lab);
}

static void a_running_task_needs_an_outcome_to_end(void)
{
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	expect(start_task(&lab, "dance") != 0 && task_is(&lab, ""));
	expect(end_task(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED) != 0);
	expect(start_task(&lab, "find") == 0 && task_is(&lab, "find"));
	expect(end_task(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED) != 0);
	expect(stop_session(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED) != 0);
	expect(task_is(&lab, "find"));
	expect(end_task(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED) == 0);
	expect(task_is(&lab, ""));
	/* a stop may have the outcome too */
	expect(start_task(&lab, "pay") == 0);
	expect(stop_session(&lab, UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED) == 0);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	end_lab(&lab);
}

/* ---- consent ---- */

/* A withdrawal by another program. @param modality  NULL: of everything */
static void withdraw(struct lab *lab, const char *modality)
{
	_message_free_ Uxrec__ServerMessage *message = status_of(lab);
	_autofree_ char *path = NULL;
	Uxrec__Withdrawal withdrawal = UXREC__WITHDRAWAL__INIT;
	struct annotations *log;
	Uxrec__Act act = UXREC__ACT__INIT;
	char id[33];

	check(asprintf(&path, "%s/%s/annotations.mcap", lab->folder, message->status->session) > 0);
	check(annotations_open(&log, path, true, NULL) == 0 && act_new_id(id) == 0);
	withdrawal.participant = (char *)"P01";
	withdrawal.modalities = (char **)&modality;
	withdrawal.n_modalities = modality ? 1 : 0;
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_WITHDRAWAL;
	act.withdrawal = &withdrawal;
	check(annotations_append(log, &act, NULL, NULL) == 0);
	annotations_destroy(log);
}

static void a_whole_withdrawal_ends_the_session(void)
{
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, true) == 0);
	station_tick(lab.station);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_RECORDING));
	withdraw(&lab, NULL);
	expect(comes_to_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	check(station_last(lab.station));
	expect(strstr(station_last(lab.station)->reason, "withdrawn"));
	end_lab(&lab);
}

static void a_withdrawal_of_a_part_leaves_the_rest(void)
{
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, true) == 0);
	withdraw(&lab, "sound");
	station_tick(lab.station);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_RECORDING));
	expect(!(live_recordable(&lab.live) >> MODALITY_SOUND & 1));
	expect(live_recordable(&lab.live) >> MODALITY_SCREEN & 1);
	withdraw(&lab, "screen");
	expect(comes_to_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	end_lab(&lab);
}

/* ---- requests while the sources are created ---- */

static void hand_in_body(
	struct lab *lab, struct asked *asked, Uxrec__ClientMessage__BodyCase kind, void *body)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;

	message.body_case = kind;
	message.start = body;
	hand_in(lab, asked, &message);
}

/* @return 0, or the code of the failure */
static int await_code(struct lab *lab, struct asked *asked)
{
	_message_free_ Uxrec__ServerMessage *answered = await_answer(lab, asked);

	return answered->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE ? answered->failure->code
									  : 0;
}

static void requests_wait_for_a_start_in_their_order(void)
{
	Uxrec__TaskStart task = UXREC__TASK_START__INIT;
	Uxrec__Pause pause = UXREC__PAUSE__INIT;
	struct asked starting, first, second;
	struct start wanted;
	struct lab lab;

	begin_lab(&lab);
	fill_start(&wanted, &good, false);
	task.task = (char *)"find";
	hand_in_body(&lab, &starting, UXREC__CLIENT_MESSAGE__BODY_START, &wanted.message);
	hand_in_body(&lab, &first, UXREC__CLIENT_MESSAGE__BODY_TASK_START, &task);
	hand_in_body(&lab, &second, UXREC__CLIENT_MESSAGE__BODY_PAUSE, &pause);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_STARTING));
	expect(starting.answers + first.answers + second.answers == 0);
	expect(await_code(&lab, &second) == 0);
	expect(await_code(&lab, &starting) == 0 && await_code(&lab, &first) == 0);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_PAUSED) && task_is(&lab, "find"));
	end_lab(&lab);
}

static void a_stop_in_a_start_ends_it(void)
{
	Uxrec__Stop stop = UXREC__STOP__INIT;
	struct asked starting, stopping;
	struct start wanted;
	struct lab lab;
	int code;

	begin_lab(&lab);
	fill_start(&wanted, &good, false);
	hand_in_body(&lab, &starting, UXREC__CLIENT_MESSAGE__BODY_START, &wanted.message);
	hand_in_body(&lab, &stopping, UXREC__CLIENT_MESSAGE__BODY_STOP, &stop);
	code = await_code(&lab, &starting);
	/* it was cancelled, or a moment too late for that */
	expect(code == 0 || code == ECANCELED);
	expect(await_code(&lab, &stopping) == 0);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	expect(sessions_in(lab.folder) == (code == 0 ? 1 : 0));
	end_lab(&lab);
}

static void requests_wait_for_a_pause_and_for_a_stop(void)
{
	Uxrec__Pause pause = UXREC__PAUSE__INIT;
	Uxrec__Resume resume = UXREC__RESUME__INIT;
	Uxrec__Stop stop = UXREC__STOP__INIT;
	struct asked pausing, resuming, stopping, again, starting;
	struct start wanted;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	hand_in_body(&lab, &pausing, UXREC__CLIENT_MESSAGE__BODY_PAUSE, &pause);
	hand_in_body(&lab, &resuming, UXREC__CLIENT_MESSAGE__BODY_RESUME, &resume);
	hand_in_body(&lab, &stopping, UXREC__CLIENT_MESSAGE__BODY_STOP, &stop);
	hand_in_body(&lab, &again, UXREC__CLIENT_MESSAGE__BODY_STOP, &stop);
	fill_start(&wanted, &good, false);
	hand_in_body(&lab, &starting, UXREC__CLIENT_MESSAGE__BODY_START, &wanted.message);
	/* none is executed at once, and the session still is there */
	expect(pausing.answers + resuming.answers + stopping.answers + again.answers == 0);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_RECORDING));
	expect(await_code(&lab, &starting) == 0);
	/* a stop cancels the resume before it */
	expect(await_code(&lab, &pausing) == 0);
	expect(resuming.answers == 1);
	packet_unref(resuming.packet);
	expect(await_code(&lab, &stopping) == 0 && await_code(&lab, &again) == ENOENT);
	expect(is_in_state(&lab, UXREC__STATUS__STATE__STATE_RECORDING));
	expect(sessions_in(lab.folder) == 2);
	end_lab(&lab);
}

static void the_end_of_the_program_in_a_stop_answers_it(void)
{
	Uxrec__Stop stop = UXREC__STOP__INIT;
	struct asked stopping, waiting;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	hand_in_body(&lab, &stopping, UXREC__CLIENT_MESSAGE__BODY_STOP, &stop);
	hand_in_body(&lab, &waiting, UXREC__CLIENT_MESSAGE__BODY_STOP, &stop);
	expect(station_stop_now(lab.station, "the program ends") == 0);
	expect(await_code(&lab, &stopping) == 0 && await_code(&lab, &waiting) == ESHUTDOWN);
	check(station_last(lab.station));
	expect(strcmp(station_last(lab.station)->reason, "stopped by the moderator") == 0);
	end_lab(&lab);
}

static void a_lost_source_in_a_pause_ends_the_session_after_it(void)
{
	Uxrec__Pause pause = UXREC__PAUSE__INIT;
	struct asked pausing;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	hand_in_body(&lab, &pausing, UXREC__CLIENT_MESSAGE__BODY_PAUSE, &pause);
	station_stop_session(lab.station, 7, "of another session");
	station_stop_session(lab.station, 1, "the helper was killed");
	expect(await_code(&lab, &pausing) == 0);
	expect(comes_to_state(&lab, UXREC__STATUS__STATE__STATE_IDLE));
	check(station_last(lab.station));
	expect(strcmp(station_last(lab.station)->reason, "the helper was killed") == 0);
	end_lab(&lab);
}

static void the_end_of_the_program_refuses_waiting_requests(void)
{
	Uxrec__Pause pause = UXREC__PAUSE__INIT;
	struct asked starting, waiting;
	struct start wanted;
	struct lab lab;

	begin_lab(&lab);
	fill_start(&wanted, &good, false);
	hand_in_body(&lab, &starting, UXREC__CLIENT_MESSAGE__BODY_START, &wanted.message);
	hand_in_body(&lab, &waiting, UXREC__CLIENT_MESSAGE__BODY_PAUSE, &pause);
	expect(station_stop_now(lab.station, "the program ends") == 0);
	expect(await_code(&lab, &waiting) == ESHUTDOWN);
	expect(starting.answers == 1);
	packet_unref(starting.packet);
	expect(!station_is_busy(lab.station));
	end_lab(&lab);
}

static void too_many_waiting_requests_are_refused(void)
{
	Uxrec__Pause pause = UXREC__PAUSE__INIT;
	struct asked starting, waiting[70];
	unsigned refused = 0;
	struct start wanted;
	struct lab lab;

	begin_lab(&lab);
	fill_start(&wanted, &good, false);
	hand_in_body(&lab, &starting, UXREC__CLIENT_MESSAGE__BODY_START, &wanted.message);
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		hand_in_body(&lab, &waiting[i], UXREC__CLIENT_MESSAGE__BODY_PAUSE, &pause);
	expect(waiting[63].answers == 0 && waiting[64].answers == 1);
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		refused += await_code(&lab, &waiting[i]) == EBUSY;
	expect(refused == 6);
	expect(await_code(&lab, &starting) == 0);
	end_lab(&lab);
}

/* With an empty body each is refused or succeeds, by a handler of its own. */
static void every_request_of_the_recorder_has_its_handler(void)
{
	const ProtobufCMessageDescriptor *kind = &uxrec__client_message__descriptor;
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	struct lab lab;

	begin_lab(&lab);
	check(start(&lab, &good, false) == 0);
	for (unsigned i = 0; i < kind->n_fields; i++) {
		Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
		_message_free_ Uxrec__ServerMessage *answered = NULL;
		_autofree_ ProtobufCMessage *body = NULL;
		bool changed;

		if (kind->fields[i].type != PROTOBUF_C_TYPE_MESSAGE ||
			request_kind((Uxrec__ClientMessage__BodyCase)kind->fields[i].id)->owner !=
				REQUEST_OF_RECORDER)
			continue;
		body = empty_body(kind->fields[i].descriptor);
		message.body_case = (Uxrec__ClientMessage__BodyCase)kind->fields[i].id;
		message.hello = (Uxrec__Hello *)body; /* any of the union */
		if (message.body_case == UXREC__CLIENT_MESSAGE__BODY_START)
			message.start->consent = &consent;
		answered = answer(&lab, &message, &changed);
		expect(answered->body_case != UXREC__SERVER_MESSAGE__BODY_FAILURE ||
			answered->failure->code != ENOSYS);
	}
	end_lab(&lab);
}

static const struct test tests[] = {
	{"every request of the recorder has its handler",
		every_request_of_the_recorder_has_its_handler},
	{"a refused start leaves nothing", a_refused_start_leaves_nothing},
	{"full keys need consent for input and for full keys",
		full_keys_need_consent_for_input_and_for_full_keys},
	{"there is one session at a time, with a status and an end",
		one_session_at_a_time_which_has_a_status_and_an_end},
	{"without a session its requests are refused", without_a_session_its_requests_are_refused},
	{"a session is paused and resumed once each", a_session_is_paused_and_resumed_once_each},
	{"observers are muted and unmuted once each", observers_are_muted_and_unmuted_once_each},
	{"a running task needs an outcome to end", a_running_task_needs_an_outcome_to_end},
	{"requests wait for a start, in their order", requests_wait_for_a_start_in_their_order},
	{"a stop in a start ends it", a_stop_in_a_start_ends_it},
	{"requests wait for a pause, and for a stop", requests_wait_for_a_pause_and_for_a_stop},
	{"the end of the program in a stop answers it",
		the_end_of_the_program_in_a_stop_answers_it},
	{"a lost source in a pause ends the session after it",
		a_lost_source_in_a_pause_ends_the_session_after_it},
	{"the end of the program refuses waiting requests",
		the_end_of_the_program_refuses_waiting_requests},
	{"too many waiting requests are refused", too_many_waiting_requests_are_refused},
	{"a whole withdrawal ends the session", a_whole_withdrawal_ends_the_session},
	{"a withdrawal of a part leaves the rest", a_withdrawal_of_a_part_leaves_the_rest},
};

int main(void)
{
	return RUN_TESTS("station", tests);
}
