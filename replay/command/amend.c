/* uxrec amend: list and correct the acts of a session. Each correction is an act; nothing is overwritten. */

#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/message_patch.h"
#include "protocol/message_text.h"
#include "protocol/name.h"
#include "protocol/os/identity.h"
#include "replay/base/enum_text.h"
#include "replay/command/amend.h"
#include "replay/command/command.h"
#include "replay/study/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_LIMIT 24

static const char usage[] =
	"amend FOLDER [--list] [--json] | amend FOLDER [ID] --FIELD VALUE... | "
	"amend FOLDER ID --remove; [--who NAME]";

/* ---- the correctable fields ---- */

enum value_kind {
	VALUE_TEXT,         /* up to 8 KiB; "" clears it */
	VALUE_ENUM,         /* a member's name */
	VALUE_YES_NO,       /* a bool */
	VALUE_TIME,         /* a time in the session */
	VALUE_TIME_OR_NONE, /* the same, or "none": unset */
	VALUE_IMPACT,       /* 0 to 4, or "none" */
	VALUE_CODE,         /* a code of the code book */
	VALUE_OPPORTUNITY,  /* an opportunity of the attempt's task, or "none" */
	VALUE_TASK,
	VALUE_PARTICIPANT,
};

/* An option of the command, for one kind of act. */
static const struct amendable {
	Uxrec__Act__BodyCase body;
	const char *option, *field;
	enum value_kind kind;
} amendable[] = {
	{UXREC__ACT__BODY_SESSION_INFO, "--participant", "participants", VALUE_PARTICIPANT},
	{UXREC__ACT__BODY_SESSION_INFO, "--segment", "segment", VALUE_TEXT},
	{UXREC__ACT__BODY_SESSION_INFO, "--condition", "condition", VALUE_TEXT},
	{UXREC__ACT__BODY_SESSION_INFO, "--build", "product_build", VALUE_TEXT},
	{UXREC__ACT__BODY_SESSION_INFO, "--pilot", "pilot", VALUE_YES_NO},
	{UXREC__ACT__BODY_SESSION_INFO, "--excluded", "excluded", VALUE_YES_NO},
	{UXREC__ACT__BODY_SESSION_INFO, "--reason", "excluded_reason", VALUE_TEXT},
	{UXREC__ACT__BODY_SESSION_INFO, "--think-aloud", "thinking", VALUE_ENUM},
	{UXREC__ACT__BODY_SESSION_INFO, "--place", "place", VALUE_ENUM},
	{UXREC__ACT__BODY_SESSION_INFO, "--site", "site", VALUE_ENUM},
	{UXREC__ACT__BODY_ATTEMPT, "--outcome", "outcome", VALUE_ENUM},
	{UXREC__ACT__BODY_ATTEMPT, "--failure", "failure", VALUE_ENUM},
	{UXREC__ACT__BODY_ATTEMPT, "--task", "task", VALUE_TASK},
	{UXREC__ACT__BODY_ATTEMPT, "--begin", "begin_ns", VALUE_TIME_OR_NONE},
	{UXREC__ACT__BODY_ATTEMPT, "--end", "end_ns", VALUE_TIME_OR_NONE},
	{UXREC__ACT__BODY_TAG, "--at", "media_ns", VALUE_TIME},
	{UXREC__ACT__BODY_TAG, "--until", "end_ns", VALUE_TIME_OR_NONE},
	{UXREC__ACT__BODY_TAG, "--code", "code", VALUE_CODE},
	{UXREC__ACT__BODY_TAG, "--impact", "impact", VALUE_IMPACT},
	{UXREC__ACT__BODY_TAG, "--recovered", "recovery", VALUE_ENUM},
	{UXREC__ACT__BODY_TAG, "--note", "note", VALUE_TEXT},
	{UXREC__ACT__BODY_TAG, "--opportunity", "opportunity", VALUE_OPPORTUNITY},
	{UXREC__ACT__BODY_NOTE, "--at", "media_ns", VALUE_TIME},
	{UXREC__ACT__BODY_NOTE, "--note", "text", VALUE_TEXT},
	{UXREC__ACT__BODY_INTERRUPTION, "--kind", "kind", VALUE_ENUM},
	{UXREC__ACT__BODY_INTERRUPTION, "--begin", "from_ns", VALUE_TIME},
	{UXREC__ACT__BODY_INTERRUPTION, "--end", "to_ns", VALUE_TIME},
	{UXREC__ACT__BODY_INTERRUPTION, "--stops-clock", "stops_clock", VALUE_YES_NO},
	{UXREC__ACT__BODY_INTERRUPTION, "--note", "note", VALUE_TEXT},
	{UXREC__ACT__BODY_PHASE, "--kind", "kind", VALUE_ENUM},
	{UXREC__ACT__BODY_PHASE, "--begin", "from_ns", VALUE_TIME},
	{UXREC__ACT__BODY_PHASE, "--end", "to_ns", VALUE_TIME},
};

bool amend_allows(Uxrec__Act__BodyCase body)
{
	for (size_t i = 0; i < ARRAY_SIZE(amendable); i++)
		if (amendable[i].body == body)
			return true;
	return false;
}

/* ---- values ---- */

/* A copy of an act with changed values, and the names of the changed fields. */
struct amendment {
	const struct session *session;
	const struct annotations *log;
	Uxrec__Act *act; /* owned copy */
	char *fields[FIELDS_LIMIT];
	size_t field_count;
};

static void add_field(struct amendment *amendment, const char *name)
{
	for (size_t i = 0; i < amendment->field_count; i++)
		if (strcmp(amendment->fields[i], name) == 0)
			return;
	if (amendment->field_count < FIELDS_LIMIT)
		amendment->fields[amendment->field_count++] = (char *)name;
}

static void *place_of(
	const struct amendment *amendment, const char *name, const ProtobufCFieldDescriptor **ret)
{
	ProtobufCMessage *body = act_body(amendment->act, NULL);

	*ret = protobuf_c_message_descriptor_get_field_by_name(body->descriptor, name);
	return (char *)body + (*ret)->offset;
}

static void set_int(struct amendment *amendment, const char *name, int64_t value)
{
	const ProtobufCFieldDescriptor *field;
	void *at = place_of(amendment, name, &field);

	if (field->type == PROTOBUF_C_TYPE_INT64)
		*(int64_t *)at = value;
	else if (field->type == PROTOBUF_C_TYPE_BOOL)
		*(protobuf_c_boolean *)at = value != 0;
	else
		*(int *)at = (int)value; /* an enum */
	add_field(amendment, name);
}

static int set_text(struct amendment *amendment, const char *name, const char *value)
{
	const ProtobufCFieldDescriptor *field;
	char **at = place_of(amendment, name, &field);
	char *copy = strdup(value);

	if (!copy)
		return EXIT_FAILED;
	if (*at != (char *)field->default_value && *at != protobuf_c_empty_string)
		free(*at);
	*at = copy;
	add_field(amendment, name);
	return EXIT_OK;
}

static int refuse(const char *option, const char *value, const char *allowed)
{
	log_error("%s '%s': must be %s", option, text_quote(value).text, allowed);
	return EXIT_USAGE;
}

static int set_enum(struct amendment *amendment, const struct amendable *option, const char *value)
{
	const ProtobufCFieldDescriptor *field;
	struct error error;
	int number;

	place_of(amendment, option->field, &field);
	if (strcmp(option->option, "--recovered") == 0)
		value = strcmp(value, "yes") == 0  ? "recovered"
			: strcmp(value, "no") == 0 ? "not_recovered"
						   : value;
	if (enum_parse(field->descriptor, 0, option->option, value, &number, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_USAGE;
	}
	set_int(amendment, option->field, number);
	return EXIT_OK;
}

static const Uxrec__Attempt *attempt_of(const struct amendment *amendment, const char *id)
{
	const Uxrec__Act *act = *id ? annotations_find(amendment->log, id) : NULL;

	return act && act->body_case == UXREC__ACT__BODY_ATTEMPT ? act->attempt : NULL;
}

static int set_opportunity(struct amendment *amendment, const char *value)
{
	const Uxrec__Attempt *attempt = attempt_of(amendment, amendment->act->tag->attempt);
	const Uxrec__Study__Task *task =
		attempt ? study_task(amendment->session->study, attempt->task) : NULL;
	char names[256] = "none";

	for (size_t i = 0; task && i < task->n_opportunities; i++) {
		size_t n = strlen(names);

		if (strcmp(task->opportunities[i]->id, value) == 0) {
			set_int(amendment, "planned", UXREC__TAG__PLANNED__PLANNED_UNSPECIFIED);
			return set_text(amendment, "opportunity", value);
		}
		snprintf(names + n, sizeof(names) - n, ", %s", task->opportunities[i]->id);
	}
	if (strcmp(value, "none") != 0)
		return refuse("--opportunity", value, names);
	set_int(amendment, "planned", UXREC__TAG__PLANNED__PLANNED_UNSPECIFIED);
	return set_text(amendment, "opportunity", "");
}

/* For a task or a code; the error lists all valid ids. */
static int set_study_id(
	struct amendment *amendment, const struct amendable *option, const char *value)
{
	const Uxrec__Study *study = amendment->session->study;
	const Uxrec__Study__Code *code =
		option->kind == VALUE_CODE ? study_code_typed(study, value) : NULL;
	char names[512] = "one of";

	if (code)
		return set_text(amendment, option->field, code->id);
	if (option->kind == VALUE_TASK && study_task(study, value))
		return set_text(amendment, option->field, value);
	for (size_t i = 0; i < (option->kind == VALUE_CODE ? study->n_codes : study->n_tasks);
		i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s %s", i ? "," : "",
			option->kind == VALUE_CODE ? study->codes[i]->id : study->tasks[i]->id);
	}
	return refuse(option->option, value, names);
}

static int set_time(struct amendment *amendment, const struct amendable *option, const char *value)
{
	int64_t ns = 0;
	int r = EXIT_OK;

	if (option->kind != VALUE_TIME_OR_NONE || strcmp(value, "none") != 0)
		r = command_parse_moment(value, amendment->session->reader, &ns);
	if (r == EXIT_OK)
		set_int(amendment, option->field, ns);
	return r;
}

static int set_participant(struct amendment *amendment, const char *value)
{
	Uxrec__SessionInfo *info = amendment->act->session_info;
	_autofree_ char *name = NULL;

	if (info->n_participants != 1) {
		log_error("this session has %zu participants: correct them one by one on its page",
			info->n_participants);
		return EXIT_USAGE;
	}
	if (command_normalise_name(&name, "--participant", value) != EXIT_OK)
		return EXIT_USAGE;
	free(info->participants[0]);
	info->participants[0] = steal_ptr(name);
	add_field(amendment, "participants");
	/* the id belonged to the old label */
	for (size_t i = 0; i < info->n_participant_ids; i++)
		free(info->participant_ids[i]);
	info->n_participant_ids = 0;
	add_field(amendment, "participant_ids");
	return EXIT_OK;
}

static int set_value(struct amendment *amendment, const struct amendable *option, const char *value)
{
	bool yes = strcmp(value, "yes") == 0;

	switch (option->kind) {
	case VALUE_ENUM: return set_enum(amendment, option, value);
	case VALUE_TIME:
	case VALUE_TIME_OR_NONE: return set_time(amendment, option, value);
	case VALUE_CODE:
	case VALUE_TASK: return set_study_id(amendment, option, value);
	case VALUE_OPPORTUNITY: return set_opportunity(amendment, value);
	case VALUE_PARTICIPANT: return set_participant(amendment, value);
	case VALUE_TEXT:
		return command_check_text(option->option, value) == EXIT_OK
			? set_text(amendment, option->field, value)
			: EXIT_USAGE;
	case VALUE_IMPACT:
		if (strcmp(value, "none") == 0)
			set_int(amendment, option->field, 0);
		else if (strlen(value) == 1 && *value >= '0' && *value <= '4')
			set_int(amendment, option->field, *value - '0' + 1);
		else
			return refuse(option->option, value, "0 to 4, or none");
		return EXIT_OK;
	default:
		if (!yes && strcmp(value, "no") != 0)
			return refuse(option->option, value, "yes or no");
		set_int(amendment, option->field, yes);
		return EXIT_OK;
	}
}

/* ---- the consequences of a correction ---- */

static bool has_field(const struct amendment *amendment, const char *name)
{
	for (size_t i = 0; i < amendment->field_count; i++)
		if (strcmp(amendment->fields[i], name) == 0)
			return true;
	return false;
}

/* Keep boolean fields of format 1 in step with the enums that replaced them, for old readers. */
static void set_older_fields(struct amendment *amendment)
{
	const Uxrec__SessionInfo *info = amendment->act->session_info;

	if (has_field(amendment, "recovery"))
		set_int(amendment, "recovered",
			amendment->act->tag->recovery == UXREC__TAG__RECOVERY__RECOVERY_RECOVERED);
	if (has_field(amendment, "place"))
		set_int(amendment, "own_device",
			info->place == UXREC__SESSION_INFO__PLACE__PLACE_OWN_DEVICE);
	if (has_field(amendment, "site"))
		set_int(amendment, "remote", info->site == UXREC__SESSION_INFO__SITE__SITE_REMOTE);
	if (has_field(amendment, "thinking"))
		set_int(amendment, "think_aloud", info->thinking > 0 ? (int)info->thinking - 1 : 0);
}

/* A moved tag is assigned to the attempt at its new time; outside of all attempts it keeps its own. */
static int follow_attempt(struct amendment *amendment)
{
	const Uxrec__Tag *tag = amendment->act->tag;

	for (size_t i = 0; i < annotations_count(amendment->log); i++) {
		const Uxrec__Act *act = annotations_get(amendment->log, i);
		const Uxrec__Attempt *attempt = act->attempt;
		int64_t end_ns;

		if (act->body_case != UXREC__ACT__BODY_ATTEMPT)
			continue;
		end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
		if (tag->media_ns <
				(attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns) ||
			(end_ns && tag->media_ns >= end_ns))
			continue;
		return strcmp(tag->attempt, act->id) == 0 ? EXIT_OK
							  : set_text(amendment, "attempt", act->id);
	}
	return EXIT_OK;
}

static int complete(struct amendment *amendment)
{
	Uxrec__Act *act = amendment->act;

	set_older_fields(amendment);
	switch (act->body_case) {
	case UXREC__ACT__BODY_SESSION_INFO:
		if (!act->session_info->excluded || *act->session_info->excluded_reason)
			return EXIT_OK;
		log_error("an excluded session needs a reason: --reason TEXT");
		return EXIT_USAGE;
	case UXREC__ACT__BODY_ATTEMPT:
		if (act->attempt->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED ||
			!act->attempt->failure)
			return EXIT_OK;
		if (has_field(amendment, "failure")) {
			log_error("--failure is allowed only with the outcome failed");
			return EXIT_USAGE;
		}
		set_int(amendment, "failure", UXREC__ATTEMPT__FAILURE__FAILURE_NONE);
		return EXIT_OK;
	case UXREC__ACT__BODY_TAG:
		return has_field(amendment, "media_ns") ? follow_attempt(amendment) : EXIT_OK;
	default: return EXIT_OK;
	}
}

/* ---- storing ---- */

struct signer {
	char *author;
	struct identity identity;
};

/* @param kind  without a body for a removal */
static int append(struct annotations *log, struct amendment *amendment, struct signer *signer,
	Uxrec__Act__Kind kind)
{
	const Uxrec__Act *before = amendment->act, *stored;
	Uxrec__Act act = UXREC__ACT__INIT;
	struct error error = {"no reason given"};

	act.id = before->id;
	act.kind = kind;
	act.author = signer->author;
	act.layer = before->layer;
	command_sign(&act, &signer->identity);
	act.layer_principal = before->layer_principal;
	if (kind != UXREC__ACT__KIND__KIND_REMOVE) {
		act.fields = amendment->fields;
		act.n_fields = amendment->field_count;
		act.body_case = before->body_case;
		act.attempt = before->attempt; /* union: copies any body */
	}
	if (annotations_append(log, &act, &stored, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void free_amendment(struct amendment *amendment)
{
	if (amendment->act)
		uxrec__act__free_unpacked(amendment->act, NULL);
}

/* Rename the participant in all other acts with the old label: attempts, consent, answers. */
static int rename_participant(const struct session *session, struct annotations *log,
	struct signer *signer, const char *old, const char *new)
{
	const struct annotations *before = session->annotations;
	int r = EXIT_OK;

	for (size_t i = 0; r == EXIT_OK && i < annotations_count(before); i++) {
		_cleanup_(free_amendment) struct amendment amendment = {
			.session = session, .log = before};
		const Uxrec__Act *act = annotations_get(before, i);
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(
				act_body(act, NULL)->descriptor, "participant");

		if (!field || field->type != PROTOBUF_C_TYPE_STRING ||
			strcmp(*(char *const *)((const char *)act_body(act, NULL) + field->offset),
				old) != 0)
			continue;
		amendment.act = (Uxrec__Act *)message_copy(&act->base);
		r = amendment.act ? set_text(&amendment, "participant", new) : EXIT_FAILED;
		if (r == EXIT_OK &&
			protobuf_c_message_descriptor_get_field_by_name(
				act_body(act, NULL)->descriptor, "participant_id"))
			r = set_text(&amendment, "participant_id", "");
		if (r == EXIT_OK)
			r = append(log, &amendment, signer, UXREC__ACT__KIND__KIND_PATCH);
	}
	return r;
}

/* ---- the command ---- */

struct value {
	const char *option, *text;
};

/* Take all options of the table out of the arguments. @return the number found */
static size_t pop_values(int *argc, char **argv, struct value values[ARRAY_SIZE(amendable)])
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(amendable); i++) {
		const char *text = command_pop_value(argc, argv, amendable[i].option);

		if (text)
			values[count++] = (struct value){amendable[i].option, text};
	}
	return count;
}

static const struct amendable *find_option(Uxrec__Act__BodyCase body, const char *option)
{
	char names[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(amendable); i++) {
		size_t n = strlen(names);

		if (amendable[i].body != body)
			continue;
		if (strcmp(amendable[i].option, option) == 0)
			return &amendable[i];
		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", amendable[i].option);
	}
	log_error("%s is not a field of the %s; its fields: %s", option, amend_thing(body), names);
	return NULL;
}

/* @param id  NULL: the session info */
static const Uxrec__Act *find_thing(const struct session *session, const char *id)
{
	const struct annotations *log = session->annotations;
	const Uxrec__Act *found = log && id ? annotations_find(log, id) : NULL;

	for (size_t i = 0; log && !id && i < annotations_count(log); i++)
		if (annotations_get(log, i)->body_case == UXREC__ACT__BODY_SESSION_INFO)
			found = annotations_get(log, i);
	if (found && amend_allows(found->body_case))
		return found;
	if (id)
		log_error(
			"this session has no '%s' that can be corrected; 'uxrec amend FOLDER' "
			"lists the ids",
			text_quote(id).text);
	else
		log_error("this session has no description that could be corrected%s%s",
			*session->annotations_error.text ? ": " : "",
			session->annotations_error.text);
	return NULL;
}

static int amend(const struct session *session, const Uxrec__Act *thing, struct signer *signer,
	const struct value *values, size_t count)
{
	_cleanup_(free_amendment) struct amendment amendment = {.session = session,
		.log = session->annotations,
		.act = (Uxrec__Act *)message_copy(&thing->base)};
	_destroy_(annotations) struct annotations *log = NULL;
	struct error error = {"no reason given"};
	int r = amendment.act ? EXIT_OK : EXIT_FAILED;

	for (size_t i = 0; r == EXIT_OK && i < count; i++) {
		const struct amendable *option = find_option(thing->body_case, values[i].option);

		r = option ? set_value(&amendment, option, values[i].text) : EXIT_USAGE;
	}
	if (r == EXIT_OK)
		r = complete(&amendment);
	if (r != EXIT_OK)
		return r;
	if (annotations_open_below(&log, session->folder, true, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	r = append(log, &amendment, signer,
		count ? UXREC__ACT__KIND__KIND_PATCH : UXREC__ACT__KIND__KIND_REMOVE);
	if (r == EXIT_OK && has_field(&amendment, "participants"))
		r = rename_participant(session, log, signer, thing->session_info->participants[0],
			amendment.act->session_info->participants[0]);
	return r;
}

int command_amend(const struct command_options *options, int argc, char **argv)
{
	_destroy_(session) struct session *session = NULL;
	struct signer signer = {0};
	struct value values[ARRAY_SIZE(amendable)];
	size_t count = pop_values(&argc, argv, values);
	const char *who = command_pop_value(&argc, argv, "--who");
	bool removes = command_pop_flag(&argc, argv, "--remove");
	bool lists = command_pop_flag(&argc, argv, "--list");
	bool json = command_pop_flag(&argc, argv, "--json");
	const Uxrec__Act *thing;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 2))
		return EXIT_USAGE;
	lists |= count == 0 && !removes && argc == 2;
	if (argc < 2 || (lists && (count > 0 || removes || argc != 2)) || (json && !lists) ||
		(!lists && removes == (count > 0)) || (removes && argc != 3))
		return command_usage(usage);
	if (command_open_folder(&session, argv[1]) != 0)
		return EXIT_FAILED;
	if (lists)
		return amend_list(session, json);
	thing = find_thing(session, argc == 3 ? argv[2] : NULL);
	if (!thing)
		return EXIT_NO;
	if (removes && thing->body_case == UXREC__ACT__BODY_SESSION_INFO) {
		log_error("the description of a session can be corrected, not removed");
		return EXIT_USAGE;
	}
	if (command_normalise_name(&signer.author, "--who", who ? who : "moderator") != EXIT_OK)
		return EXIT_USAGE;
	r = amend(session, thing, &signer, values, count);
	free(signer.author);
	return r;
}
