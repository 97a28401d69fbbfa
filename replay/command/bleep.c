/* uxrec bleep: add, list and remove muted spans. */

#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/name.h"
#include "replay/base/json.h"
#include "replay/command/act.h"
#include "replay/command/command.h"
#include "replay/session/vtt.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"bleep FOLDER [--from T --to T [--reason TEXT] | --remove ID] "
	"[--who NAME] [--json]";

/* ---- listing ---- */

static bool is_bleep(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_BLEEP;
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

static const struct command_act bleeps = {
	.noun = "bleep",
	.body = UXREC__ACT__BODY_BLEEP,
	.lists = is_bleep,
	.print = print_bleep,
	.to_json = bleep_to_json,
};

/* ---- the command ---- */

static int add(const struct session *session, const char *from, const char *to, const char *reason,
	Uxrec__Act *act, bool json)
{
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;
	char id[33];
	int r = command_parse_span(session->reader, from, to, &bleep.from_ns, &bleep.to_ns);

	bleep.reason = (char *)(reason ? reason : "");
	act->bleep = &bleep;
	return r == 0 ? command_act_add(&bleeps, session, act, json, id) : r;
}

int command_bleep(const struct command_options *options, int argc, char **argv)
{
	const char *from = command_pop_value(&argc, argv, "--from");
	const char *to = command_pop_value(&argc, argv, "--to");
	const char *reason = command_pop_value(&argc, argv, "--reason");
	const char *id = command_pop_value(&argc, argv, "--remove");
	const char *who = command_pop_value(&argc, argv, "--who");
	bool json = command_pop_flag(&argc, argv, "--json");
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *layer = NULL, *author = NULL;
	struct identity identity;
	Uxrec__Act act = UXREC__ACT__INIT;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2 || !from != !to || (id && from) || (reason && !from))
		return command_usage(usage);
	if (command_check_text("--reason", reason) != EXIT_OK)
		return EXIT_USAGE;
	if (command_normalise_name(&author, "--who", who ? who : "moderator") != EXIT_OK)
		return EXIT_USAGE;
	act.author = author;
	if (asprintf(&layer, "coder:%s", act.author) < 0) {
		layer = NULL;
		return EXIT_FAILED;
	}
	act.layer = layer;
	if (command_open_folder(&session, argv[1]) != 0)
		return EXIT_FAILED;
	command_sign(&act, &identity);
	if (id)
		return command_act_remove(&bleeps, session, id, &act);
	return from ? add(session, from, to, reason, &act, json)
		    : command_act_list(&bleeps, session, json);
}
