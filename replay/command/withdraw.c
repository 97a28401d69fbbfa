/* uxrec withdraw: store, list and undo withdrawals of consent. */

#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/json.h"
#include "replay/command/act.h"
#include "replay/command/command.h"
#include "replay/session/vtt.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"withdraw FOLDER [--modality screen,input,sound,camera] "
	"[--use analysis,observers,clips,publication] [--from T] [--participant NAME] "
	"[--who NAME] [--why TEXT] [--json] | --list [--json] | --remove ID [--who NAME]";

#define WORDS 8

/* ---- listing ---- */

/* A Withdrawal, or a withdrawn Consent of format 1. */
static bool is_withdrawal(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_WITHDRAWAL ||
		(act->body_case == UXREC__ACT__BODY_CONSENT && act->consent->withdrawn);
}

static void print_words(char *const *words, size_t count, const char *none)
{
	if (count == 0)
		fputs(none, stdout);
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i ? "," : "", text_quote(words[i]).text);
}

static void print_withdrawal(const Uxrec__Act *act, int64_t begin_ns)
{
	static const Uxrec__Withdrawal all = UXREC__WITHDRAWAL__INIT;
	const Uxrec__Withdrawal *taken =
		act->body_case == UXREC__ACT__BODY_WITHDRAWAL ? act->withdrawal : &all;
	char from[24] = "the begin";

	if (taken->from_ns)
		vtt_format_time(from, taken->from_ns > begin_ns ? taken->from_ns - begin_ns : 0);
	printf("%s  ", act->id);
	print_words(taken->modalities, taken->n_modalities, "everything");
	fputs(" for ", stdout);
	print_words(taken->uses, taken->n_uses, "every use");
	printf(", from %s, of %s  %s: %s\n", from,
		*taken->participant ? text_quote(taken->participant).text : "all participants",
		text_quote(act->author).text, text_quote(taken->reason).text);
}

static struct json_object *withdrawal_to_json(const Uxrec__Act *act, int64_t begin_ns)
{
	static const Uxrec__Withdrawal all = UXREC__WITHDRAWAL__INIT;
	const Uxrec__Withdrawal *taken =
		act->body_case == UXREC__ACT__BODY_WITHDRAWAL ? act->withdrawal : &all;
	struct json_object *withdrawal = json_of_message(&taken->base);

	json_object_object_add(withdrawal, "id", json_text(act->id));
	json_object_object_add(withdrawal, "author", json_text(act->author));
	json_object_object_add(withdrawal, "from_s",
		json_object_new_double(
			taken->from_ns > begin_ns ? (double)(taken->from_ns - begin_ns) / 1e9 : 0));
	return withdrawal;
}

static const struct command_act withdrawals = {
	.noun = "withdrawal",
	.body = UXREC__ACT__BODY_WITHDRAWAL,
	.lists = is_withdrawal,
	.print = print_withdrawal,
	.to_json = withdrawal_to_json,
};

/* ---- the command ---- */

static int withdraw(
	const struct session *session, Uxrec__Withdrawal *withdrawal, Uxrec__Act *act, bool json)
{
	char id[33];
	int r;

	act->withdrawal = withdrawal;
	r = command_act_add(&withdrawals, session, act, json, id);
	if (r == EXIT_OK && !json)
		printf("%s: the data stays in the recording, but is no longer shown or exported. "
		       "uxrec erase erases it permanently; --remove %s undoes the withdrawal.\n",
			session->path, id);
	return r;
}

/* Split "screen,sound" into words, in place. @return 0, or EXIT_USAGE with the reason logged */
static int split(char *text, const char *option, const char *known, int (*find)(const char *name),
	char **words, size_t *ret_count)
{
	for (char *at = text, *word; at && (word = strsep(&at, ","));) {
		if (find(word) < 0 || *ret_count == WORDS) {
			log_error("%s '%s': must be a list of %s", option, text_quote(word).text,
				known);
			return EXIT_USAGE;
		}
		words[(*ret_count)++] = word;
	}
	return 0;
}

struct asked {
	const char *modality, *use, *from, *participant, *who, *why, *remove;
	bool list, json;
};

static int check_combination(const struct asked *asked)
{
	bool says =
		asked->modality || asked->use || asked->from || asked->participant || asked->why;

	if ((asked->list && (says || asked->remove || asked->who)) ||
		(asked->remove && (says || asked->json)))
		return command_usage(usage);
	return 0;
}

static int withdraw_asked(const struct session *session, const struct asked *asked, Uxrec__Act *act)
{
	_autofree_ char *modality = asked->modality ? strdup(asked->modality) : NULL;
	_autofree_ char *use = asked->use ? strdup(asked->use) : NULL;
	Uxrec__Withdrawal withdrawal = UXREC__WITHDRAWAL__INIT;
	char *modalities[WORDS], *uses[WORDS];
	int64_t begin_ns = 0, end_ns;
	int r = split(modality, "--modality", "screen, input, sound, camera", consent_modality_find,
		modalities, &withdrawal.n_modalities);

	if (r == 0)
		r = split(use, "--use", "analysis, observers, clips, publication", consent_use_find,
			uses, &withdrawal.n_uses);
	if (r == 0 && asked->from)
		r = command_parse_moment(asked->from, session->reader, &withdrawal.from_ns);
	if (r != 0)
		return r;
	/* from the first message on means from the start on */
	if (session_span(session, &begin_ns, &end_ns) && withdrawal.from_ns == begin_ns)
		withdrawal.from_ns = 0;
	withdrawal.modalities = modalities;
	withdrawal.uses = uses;
	withdrawal.participant = (char *)(asked->participant ? asked->participant : "");
	withdrawal.reason = (char *)(asked->why ? asked->why : "");
	return withdraw(session, &withdrawal, act, asked->json);
}

int command_withdraw(const struct command_options *options, int argc, char **argv)
{
	const struct asked asked = {
		.modality = command_pop_value(&argc, argv, "--modality"),
		.use = command_pop_value(&argc, argv, "--use"),
		.from = command_pop_value(&argc, argv, "--from"),
		.participant = command_pop_value(&argc, argv, "--participant"),
		.who = command_pop_value(&argc, argv, "--who"),
		.why = command_pop_value(&argc, argv, "--why"),
		.remove = command_pop_value(&argc, argv, "--remove"),
		.list = command_pop_flag(&argc, argv, "--list"),
		.json = command_pop_flag(&argc, argv, "--json"),
	};
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *author = NULL;
	struct identity identity;
	Uxrec__Act act = UXREC__ACT__INIT;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage(usage);
	if (check_combination(&asked) != 0 || command_check_text("--why", asked.why) != EXIT_OK ||
		command_check_text("--participant", asked.participant) != EXIT_OK ||
		command_normalise_name(&author, "--who", asked.who ? asked.who : "moderator") !=
			EXIT_OK)
		return EXIT_USAGE;
	if (command_open_folder(&session, argv[1]) != 0)
		return EXIT_FAILED;
	if (asked.list)
		return command_act_list(&withdrawals, session, asked.json);
	act.author = author;
	act.layer = (char *)"live";
	command_sign(&act, &identity);
	return asked.remove ? command_act_remove(&withdrawals, session, asked.remove, &act)
			    : withdraw_asked(session, &asked, &act);
}
