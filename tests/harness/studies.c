#include "tests/harness/studies.h"

#include "protocol/acts/act.h"
#include "protocol/session.pb-c.h"
#include "replay/study/study.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char study_text[] =
	"study: Invoices\n"
	"tasks:\n"
	"  - id: find\n    title: Find the invoice\n"
	"    opportunities: [{id: menu}, {id: date}, {id: sort}, {id: open}]\n"
	"  - {id: pay, title: Pay it}\n";

void push(struct making *making, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, time_ns, message);
}

static void push_start(struct making *making, const char *uuid, const char *text)
{
	Uxrec__SessionEvent started = UXREC__SESSION_EVENT__INIT;
	char *input = (char *)"input";
	Uxrec__Study *study;

	check(study_parse(&study, text, strlen(text), "x", NULL) == 0);
	push(making, CHANNEL_STUDY, AT(0), &study->base);
	uxrec__study__free_unpacked(study, NULL);
	started.kind = UXREC__SESSION_EVENT__KIND__KIND_STARTED;
	started.keys = (char *)"classes";
	started.modalities = &input;
	started.n_modalities = 1;
	if (uuid)
		started.session_uuid = (char *)uuid;
	push(making, CHANNEL_EVENTS, AT(0), &started.base);
}

void begin_session_in(struct making *making, char *folder, const char *uuid, const char *study,
	Uxrec__SessionInfo *info)
{
	_autofree_ char *recording = NULL, *annotations = NULL;
	Uxrec__Act act = UXREC__ACT__INIT;
	char id[33];

	*making = (struct making){.folder = folder, .author = "Ana", .principal = ""};
	check(mkdir(making->folder, 0700) == 0);
	check(asprintf(&recording, "%s/recording-0001.mcap", making->folder) > 0);
	check(asprintf(&annotations, "%s/annotations.mcap", making->folder) > 0);
	check(session_writer_create(&making->writer, recording, SESSION_WRITER_RECORDING) == 0);
	check(annotations_open(&making->log, annotations, true, NULL) == 0);
	push_start(making, uuid, study ? study : study_text);
	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_SESSION_INFO;
	act.session_info = info;
	check(annotations_append(making->log, &act, NULL, NULL) == 0);
}

void begin_session_of(struct making *making, const char *name, const char *participant, bool pilot,
	const char *uuid)
{
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;

	info.participants = (char **)&participant;
	info.n_participants = 1;
	info.pilot = pilot;
	begin_session_in(making, temporary_path(name), uuid, NULL, &info);
}

void begin_session(struct making *making, const char *name, const char *participant, bool pilot)
{
	begin_session_of(making, name, participant, pilot, NULL);
}

void put_act_as(struct making *making, Uxrec__Act *act, const char *id, const char *layer)
{
	act->id = (char *)id;
	if (act->kind == UXREC__ACT__KIND__KIND_UNSPECIFIED)
		act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->author = (char *)making->author;
	act->principal = (char *)making->principal;
	act->layer = (char *)layer;
	act->layer_principal = (char *)(strncmp(layer, "coder:", 6) == 0 ? making->principal : "");
	check(annotations_append(making->log, act, NULL, NULL) == 0);
	if (act->body_case == UXREC__ACT__BODY_ATTEMPT)
		memcpy(making->attempt, id, sizeof(making->attempt));
}

void put_act(struct making *making, Uxrec__Act *act, const char *layer)
{
	static char id[33];

	check(act_new_id(id) == 0);
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	put_act_as(making, act, id, layer);
}

void add_attempt(struct making *making, const char *participant, const char *task, double from_s,
	double to_s, Uxrec__Attempt__Outcome outcome)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;

	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &attempt;
	attempt.participant = (char *)participant;
	attempt.task = (char *)task;
	attempt.number = 1;
	attempt.live_begin_ns = AT(from_s);
	attempt.live_end_ns = AT(to_s);
	attempt.outcome = outcome;
	put_act(making, &act, "live");
}

void add_tag(struct making *making, const char *layer, const char *code, double at_s,
	const char *opportunity)
{
	add_tag_of(making, layer, code, at_s, opportunity, "");
}

void add_tag_of(struct making *making, const char *layer, const char *code, double at_s,
	const char *opportunity, const char *attempt)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Tag tag = UXREC__TAG__INIT;

	act.body_case = UXREC__ACT__BODY_TAG;
	act.tag = &tag;
	tag.code = (char *)code;
	tag.media_ns = AT(at_s);
	if (strcmp(opportunity, AT_NONE) == 0)
		tag.planned = UXREC__TAG__PLANNED__PLANNED_UNPLANNED;
	else
		tag.opportunity = (char *)opportunity;
	tag.attempt = (char *)attempt;
	put_act(making, &act, layer);
}

void add_score(struct making *making, const char *layer, const char *opportunity, bool met)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__OpportunityScore score = UXREC__OPPORTUNITY_SCORE__INIT;

	act.body_case = UXREC__ACT__BODY_OPPORTUNITY_SCORE;
	act.opportunity_score = &score;
	score.attempt = making->attempt;
	score.opportunity = (char *)opportunity;
	score.met = met;
	score.score = met ? UXREC__OPPORTUNITY_SCORE__SCORE__SCORE_MET
			  : UXREC__OPPORTUNITY_SCORE__SCORE__SCORE_NOT_MET;
	put_act(making, &act, layer);
}

void finish_layer(struct making *making, const char *layer)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__LayerState state = UXREC__LAYER_STATE__INIT;

	act.body_case = UXREC__ACT__BODY_LAYER_STATE;
	act.layer_state = &state;
	state.finished = true;
	put_act(making, &act, layer);
}

struct session *end_session(struct making *making)
{
	struct session *session;

	check(session_writer_finish(making->writer) == 0);
	session_writer_destroy(making->writer);
	annotations_destroy(making->log);
	check(session_open_path(&session, making->folder, NULL) == 0);
	free(making->folder);
	return session;
}

static int open_again(void *user, size_t i, struct session **ret, struct error *reterr)
{
	struct session *const *sessions = user;

	return session_open_path(ret, sessions[i]->path, reterr);
}

int compute(Uxrec__Metrics **ret, struct session **sessions, size_t count, const char *layer,
	struct error *reterr)
{
	const struct metrics_request request = {
		.open = open_again, .user = sessions, .count = count, .layer = layer};

	return metrics_compute(ret, &request, reterr);
}

int compute_chosen(Uxrec__Metrics **ret, struct session **sessions, size_t count,
	const char *library, const Uxrec__Act *choice)
{
	const struct metrics_request request = {.open = open_again,
		.user = sessions,
		.count = count,
		.library = library,
		.choice = choice};

	return metrics_compute(ret, &request, NULL);
}
