/* Subcommands for the running session: stop, task, interruption, phase, tag. */

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/enum_text.h"
#include "replay/command/command.h"

#include <string.h>

/* @return EXIT_OK, or EXIT_USAGE with the allowed names logged */
static int parse_enum(const ProtobufCEnumDescriptor *descriptor, int lowest, const char *what,
	const char *text, int *ret)
{
	struct error error;

	if (enum_parse(descriptor, lowest, what, text, ret, &error) == 0)
		return EXIT_OK;
	log_error("%s", error.text);
	return EXIT_USAGE;
}

static int parse_outcome(const char *outcome, const char *failure,
	Uxrec__Attempt__Outcome *ret_outcome, Uxrec__Attempt__Failure *ret_failure)
{
	int value = 0, r;

	r = parse_enum(&uxrec__attempt__outcome__descriptor, 1, "outcome", outcome, &value);
	*ret_outcome = (Uxrec__Attempt__Outcome)value;
	if (r != EXIT_OK || !failure)
		return r;
	r = parse_enum(&uxrec__attempt__failure__descriptor, 1, "--failure", failure, &value);
	*ret_failure = (Uxrec__Attempt__Failure)value;
	return r;
}

int command_stop(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Stop stop = UXREC__STOP__INIT;
	const char *outcome = command_pop_value(&argc, argv, "--outcome");
	const char *failure = command_pop_value(&argc, argv, "--failure");

	stop.discard = command_pop_flag(&argc, argv, "--discard");
	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	if (failure && !outcome)
		return command_usage("stop [--outcome OUTCOME [--failure KIND]] [--discard]");
	if (outcome && parse_outcome(outcome, failure, &stop.outcome, &stop.failure) != EXIT_OK)
		return EXIT_USAGE;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_STOP;
	message.stop = &stop;
	return command_send(options, &message, true);
}

/* ---- tasks ---- */

int command_task(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__TaskStart start = UXREC__TASK_START__INIT;
	Uxrec__TaskReady ready = UXREC__TASK_READY__INIT;
	Uxrec__TaskEnd end = UXREC__TASK_END__INIT;
	const char *failure = command_pop_value(&argc, argv, "--failure");
	const char *verb;

	if (command_has_leftovers(argc, argv, 2))
		return EXIT_USAGE;
	verb = argc > 1 ? argv[1] : "";
	if (argc == 3 && strcmp(verb, "start") == 0 && !failure) {
		start.task = argv[2];
		message.body_case = UXREC__CLIENT_MESSAGE__BODY_TASK_START;
		message.task_start = &start;
	} else if (argc == 2 && strcmp(verb, "ready") == 0 && !failure) {
		message.body_case = UXREC__CLIENT_MESSAGE__BODY_TASK_READY;
		message.task_ready = &ready;
	} else if (argc == 3 && strcmp(verb, "end") == 0) {
		if (parse_outcome(argv[2], failure, &end.outcome, &end.failure) != EXIT_OK)
			return EXIT_USAGE;
		message.body_case = UXREC__CLIENT_MESSAGE__BODY_TASK_END;
		message.task_end = &end;
	} else {
		return command_usage(
			"task start TASK | task ready | task end OUTCOME [--failure KIND]");
	}
	return command_send(options, &message, false);
}

/* ---- interruptions and phases ---- */

int command_interruption(const struct command_options *options, int argc, char **argv)
{
	static const char usage[] =
		"interruption begin [technical|moderator|external] "
		"[--keeps-clock] [--note TEXT] | interruption end";
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__InterruptionBegin begin = UXREC__INTERRUPTION_BEGIN__INIT;
	Uxrec__InterruptionEnd end = UXREC__INTERRUPTION_END__INIT;
	const char *note = command_pop_value(&argc, argv, "--note");
	bool keeps_clock = command_pop_flag(&argc, argv, "--keeps-clock");
	int kind = 0;

	if (command_has_leftovers(argc, argv, 2))
		return EXIT_USAGE;
	if (argc == 2 && strcmp(argv[1], "end") == 0 && !note && !keeps_clock) {
		message.body_case = UXREC__CLIENT_MESSAGE__BODY_INTERRUPTION_END;
		message.interruption_end = &end;
		return command_send(options, &message, false);
	}
	if (argc < 2 || strcmp(argv[1], "begin") != 0)
		return command_usage(usage);
	if (command_check_text("--note", note) != EXIT_OK ||
		(argc == 3 &&
			parse_enum(&uxrec__interruption__kind__descriptor, 1, "interruption",
				argv[2], &kind) != EXIT_OK))
		return EXIT_USAGE;
	begin.kind = (Uxrec__Interruption__Kind)kind;
	begin.keeps_clock = keeps_clock;
	begin.note = (char *)(note ? note : "");
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_INTERRUPTION_BEGIN;
	message.interruption_begin = &begin;
	return command_send(options, &message, false);
}

int command_phase(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__PhaseBegin begin = UXREC__PHASE_BEGIN__INIT;
	int kind;

	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage("phase intro|warm-up|task|post-task|debrief|break");
	if (parse_enum(&uxrec__phase__kind__descriptor, 1, "phase", argv[1], &kind) != EXIT_OK)
		return EXIT_USAGE;
	begin.kind = (Uxrec__Phase__Kind)kind;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_PHASE_BEGIN;
	message.phase_begin = &begin;
	return command_send(options, &message, false);
}

/* ---- tags ---- */

int command_tag(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__TagNow tag = UXREC__TAG_NOW__INIT;
	const char *note = command_pop_value(&argc, argv, "--note");
	const char *opportunity = command_pop_value(&argc, argv, "--opportunity");
	const char *author = command_pop_value(&argc, argv, "--author");
	const char *impact = command_pop_value(&argc, argv, "--impact");

	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage(
			"tag CODE [--note TEXT] [--opportunity ID] [--impact 0-4] [--author NAME]");
	if (impact) {
		if (strlen(impact) != 1 || *impact < '0' || *impact > '4') {
			log_error("--impact '%s': must be 0 to 4", text_quote(impact).text);
			return EXIT_USAGE;
		}
		tag.impact = (Uxrec__Impact)(*impact - '0' + 1);
	}
	if (command_check_text("--note", note) != EXIT_OK ||
		command_check_text("--opportunity", opportunity) != EXIT_OK ||
		command_check_text("--author", author) != EXIT_OK ||
		command_check_text("CODE", argv[1]) != EXIT_OK)
		return EXIT_USAGE;
	tag.code = argv[1];
	tag.note = (char *)(note ? note : "");
	tag.opportunity = (char *)(opportunity ? opportunity : "");
	tag.author = (char *)(author ? author : "");
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_TAG_NOW;
	message.tag_now = &tag;
	return command_send(options, &message, false);
}
