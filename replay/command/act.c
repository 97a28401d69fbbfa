#include "replay/command/act.h"

#include "protocol/acts/act.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/json.h"
#include "replay/command/command.h"

int command_act_list(const struct command_act *kind, const struct session *session, bool json)
{
	const struct annotations *log = session->annotations;
	struct json_object *document = json ? json_object_new_array() : NULL;
	int64_t begin_ns = 0, end_ns;

	session_span(session, &begin_ns, &end_ns);
	for (size_t i = 0; log && i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (!kind->lists(act))
			continue;
		if (json)
			json_object_array_add(document, kind->to_json(act, begin_ns));
		else
			kind->print(act, begin_ns);
	}
	if (json)
		json_print(document);
	return *session->annotations_error.text ? EXIT_FAILED : EXIT_OK;
}

/* @param ret_log  owns *ret */
static int append(const struct session *session, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct annotations **ret_log)
{
	struct error error = {"no reason given"};

	if (annotations_open_below(ret_log, session->folder, true, &error) < 0 ||
		annotations_append(*ret_log, act, ret, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

int command_act_add(const struct command_act *kind, const struct session *session, Uxrec__Act *act,
	bool json, char ret_id[33])
{
	_destroy_(annotations) struct annotations *log = NULL;
	const Uxrec__Act *stored;
	int64_t begin_ns = 0, end_ns;
	int r;

	if (act_new_id(ret_id) < 0) {
		log_error("cannot get random numbers");
		return EXIT_FAILED;
	}
	act->id = ret_id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->body_case = kind->body;
	r = append(session, act, &stored, &log);
	if (r != EXIT_OK)
		return r;
	session_span(session, &begin_ns, &end_ns);
	if (json)
		json_print(kind->to_json(stored, begin_ns));
	else
		kind->print(stored, begin_ns);
	return EXIT_OK;
}

int command_act_remove(const struct command_act *kind, const struct session *session,
	const char *id, Uxrec__Act *act)
{
	_destroy_(annotations) struct annotations *log = NULL;
	const Uxrec__Act *before =
		session->annotations ? annotations_find(session->annotations, id) : NULL;
	const Uxrec__Act *stored;

	if (!before || before->body_case != kind->body) {
		log_error("this session has no %s '%s'", kind->noun, text_quote(id).text);
		return EXIT_NO;
	}
	act->id = before->id;
	act->layer = before->layer;
	act->layer_principal = before->layer_principal;
	act->kind = UXREC__ACT__KIND__KIND_REMOVE;
	return append(session, act, &stored, &log);
}
