/* uxrec bleep: what nobody is to hear of a session, said, listed and taken back. */

#include "protocol/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/name.h"
#include "replay/command.h"
#include "replay/json.h"
#include "replay/vtt.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"bleep FOLDER [--from T --to T [--reason TEXT] | --remove ID] "
	"[--who NAME] [--json]";

/* ---- listing ---- */

static const Uxrec__Act *bleep_at(const struct annotations *log, size_t i)
{
	const Uxrec__Act *act = annotations_get(log, i);

	return act->body_case == UXREC__ACT__BODY_BLEEP ? act : NULL;
}

static void print_bleep(const Uxrec__Act *act, int64_t begin_ns)
{
	char from[24], to[24];

	vtt_format_time(from, act->bleep->from_ns - begin_ns);
	vtt_format_time(to, act->bleep->to_ns - begin_ns);
	printf("%s  %s  %s  %s: %s\n", act->id, from, to, text_quote(act->author).text,
		text_quote(act->bleep->reason).text);
}

static struct json_object *bleep_to_json(const Uxrec__Act *act, int64_t begin_ns)
{
	struct json_object *bleep = json_of_message(&act->bleep->base);

	json_object_object_add(bleep, "id", json_text(act->id));
	json_object_object_add(bleep, "author", json_text(act->author));
	json_object_object_add(bleep, "layer", json_text(act->layer));
	json_object_object_add(bleep, "from_s",
		json_object_new_double((double)(act->bleep->from_ns - begin_ns) / 1e9));
	json_object_object_add(bleep, "to_s",
		json_object_new_double((double)(act->bleep->to_ns - begin_ns) / 1e9));
	return bleep;
}

static int list(const struct session *session, bool json)
{
	const struct annotations *log = session->annotations;
	struct json_object *document = json ? json_object_new_array() : NULL;
	int64_t begin_ns = 0, end_ns;

	session_span(session, &begin_ns, &end_ns);
	for (size_t i = 0; log && i < annotations_count(log); i++) {
		const Uxrec__Act *act = bleep_at(log, i);

		if (act && json)
			json_object_array_add(document, bleep_to_json(act, begin_ns));
		else if (act)
			print_bleep(act, begin_ns);
	}
	if (json)
		json_print(document);
	/* a list that may lack some is no answer */
	return log || !*session->unsaid.text ? EXIT_GOOD : EXIT_COULD_NOT;
}

/* ---- saying ---- */

static int append(const struct session *session, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct annotations **ret_log)
{
	struct error error = {"no reason given"};

	if (annotations_open_below(ret_log, session->folder, true, &error) < 0 ||
		annotations_append(*ret_log, act, ret, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_COULD_NOT;
	}
	return EXIT_GOOD;
}

static int add(const struct session *session, const Uxrec__Bleep *bleep, Uxrec__Act *act, bool json)
{
	_destroy_(annotations) struct annotations *log = NULL;
	const Uxrec__Act *stored;
	int64_t begin_ns = 0, end_ns;
	char id[33];
	int r;

	if (act_new_id(id) < 0)
		return EXIT_COULD_NOT;
	act->id = id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->body_case = UXREC__ACT__BODY_BLEEP;
	act->bleep = (Uxrec__Bleep *)bleep;
	r = append(session, act, &stored, &log);
	if (r != EXIT_GOOD)
		return r;
	session_span(session, &begin_ns, &end_ns);
	if (json)
		json_print(bleep_to_json(stored, begin_ns));
	else
		print_bleep(stored, begin_ns);
	return EXIT_GOOD;
}

static int take_back(const struct session *session, const char *id, Uxrec__Act *act)
{
	_destroy_(annotations) struct annotations *log = NULL;
	const Uxrec__Act *before =
		session->annotations ? annotations_find(session->annotations, id) : NULL;
	const Uxrec__Act *stored;

	if (!before || before->body_case != UXREC__ACT__BODY_BLEEP) {
		log_error("this session has no bleep '%s'", text_quote(id).text);
		return EXIT_NO;
	}
	act->id = before->id;
	act->layer = before->layer;
	act->layer_principal = before->layer_principal;
	act->kind = UXREC__ACT__KIND__KIND_REMOVE;
	return append(session, act, &stored, &log);
}

static int say(const struct session *session, const char *from, const char *to, const char *reason,
	Uxrec__Act *act, bool json)
{
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;
	int r = command_parse_span(session->reader, from, to, &bleep.from_ns, &bleep.to_ns);

	bleep.reason = (char *)(reason ? reason : "");
	return r == 0 ? add(session, &bleep, act, json) : r;
}

int command_bleep(const struct command_options *options, int argc, char **argv)
{
	const char *from = command_take_value(&argc, argv, "--from");
	const char *to = command_take_value(&argc, argv, "--to");
	const char *reason = command_take_value(&argc, argv, "--reason");
	const char *id = command_take_value(&argc, argv, "--remove");
	const char *who = command_take_value(&argc, argv, "--who");
	bool json = command_take_flag(&argc, argv, "--json");
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *layer = NULL, *author = NULL;
	struct identity identity;
	Uxrec__Act act = UXREC__ACT__INIT;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2 || !from != !to || (id && from) || (reason && !from))
		return command_usage(usage);
	if (command_check_text("--reason", reason) != EXIT_GOOD)
		return EXIT_USAGE;
	if (command_take_name(&author, "--who", who ? who : "moderator") != EXIT_GOOD)
		return EXIT_USAGE;
	act.author = author;
	if (asprintf(&layer, "coder:%s", act.author) < 0) {
		layer = NULL;
		return EXIT_COULD_NOT;
	}
	act.layer = layer;
	if (command_open_folder(&session, argv[1]) != 0)
		return EXIT_COULD_NOT;
	command_sign(&act, &identity);
	if (id)
		return take_back(session, id, &act);
	return from ? say(session, from, to, reason, &act, json) : list(session, json);
}
