/* uxrec: control of a running recorder, and commands for its files. See uxrec.1.scd. */

#include "replay/command/command.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/descriptors.h"
#include "protocol/base/log.h"
#include "protocol/acts/layer.h"
#include "protocol/message_text.h"
#include "protocol/os/paths.h"
#include "protocol/base/terminal.h"
#include "protocol/name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: uxrec [--control SOCKET] COMMAND [ARGUMENT]...\n"
	"\n"
	"With a running recorder (uxrecd):\n"
	"  start --study FILE|NAME --participant ID --consent METHOD[:WHAT,...]\n"
	"        [--keys none|counts|classes|full] [--pilot]\n"
	"                         begin to record; prints the session's id\n"
	"                         METHOD: paper, page, guardian, demo; WHAT: screen, input,\n"
	"                         sound, full-keys (default screen,input); analysis, observers,\n"
	"                         clips, publication (default all but the last)\n"
	"  stop [--outcome OUTCOME] [--discard]\n"
	"                         end the session; returns when its file is complete. While a task is\n"
	"                         running its outcome is needed\n"
	"  pause, resume          stop recording for a while; visible as a gap\n"
	"  mute, unmute           mute the sound for the observers; it is still recorded\n"
	"  open [moderate|live|library]\n"
	"                         the page in this machine's browser\n"
	"  links [--json]         the links of the pages: role, made, last used; never the key\n"
	"  links revoke ROLE|ID|all [--json]\n"
	"                         make links invalid; ROLE: observer, reviewer, moderator\n"
	"  status [--json]\n"
	"  task start TASK        the participant gets a task\n"
	"  task ready             they have read it and begin: time on task counts from here\n"
	"  task end OUTCOME       completed, completed_with_assist, failed, abandoned, void, skipped,\n"
	"                         not_reached\n"
	"  interruption begin [technical|moderator|external] [--keeps-clock] [--note TEXT]\n"
	"  interruption end       time on task is stopped meanwhile, except with --keeps-clock\n"
	"  phase intro|warm-up|task|post-task|debrief|break\n"
	"                         begin a phase; the running one ends\n"
	"  tag CODE [--note TEXT] [--opportunity ID] [--impact 0-4] [--author NAME]\n"
	"                         set a tag now\n"
	"\n"
	"With files:\n"
	"  list [--library DIR] [--json]\n"
	"  info FILE [--json]     channels, gaps, accuracy of its times\n"
	"  verify FILE [--json]   read every byte; exit 0 whole, 1 damaged or truncated\n"
	"  verify --redaction FILE\n"
	"                         prove that no key code is where the policy allows none\n"
	"  metrics FILE... [--layer LAYER] [--json]\n"
	"                         outcomes, times, errors and rates with their intervals\n"
	"  recover FILE [--compression none|lz4|zstd] -o OUT\n"
	"                         copy all readable data to one whole file; exit 3 if data was lost\n"
	"  export FILE --to mkv|mp4|webm|h264|opus|wav [--from T] [--until T] [--monitor]\n"
	"         [--draw pointer,clicks,keys,patches] [--vtt transcript,tasks,tags]\n"
	"         [--for analysis|clips|publication] -o OUT\n"
	"                         with a tone where it is bleeped, and tasks as chapters\n"
	"  export FILE --to png --at T,...|--every SECONDS [--draw pointer,clicks,keys] -o OUT\n"
	"                         pictures of the screen\n"
	"  export FILE --to csv --table tags|notes|events|attempts -o OUT\n"
	"  cut FILE [--from T] [--to T] -o OUT\n"
	"                         a part of a session, from the keyframe before T; T is 90, 1:30\n"
	"                         or 1:02:03.5 from the begin\n"
	"  erase FOLDER --from T --to T --who NAME [--why TEXT] [--modality screen|input|sound]\n"
	"                         erase a span of a recording permanently; a gap marks it\n"
	"  amend FOLDER [--json]  list what can be corrected, with ids\n"
	"  amend FOLDER [ID] --FIELD VALUE... [--who NAME]\n"
	"                         correct an attempt (--outcome --failure --task --begin --end), a tag\n"
	"                         (--at --until --code --impact --recovered --note --opportunity), a note,\n"
	"                         an interruption, a phase; without ID the session (--participant\n"
	"                         --segment --condition --build --pilot --excluded --reason --think-aloud\n"
	"                         --place --site)\n"
	"  amend FOLDER ID --remove\n"
	"  delete FOLDER [--yes]  delete a whole session permanently; asks twice on a terminal\n"
	"  bleep FOLDER --from T --to T [--reason TEXT] [--who NAME]\n"
	"                         mute a span for everybody; without times, list the bleeps [--json]\n"
	"  bleep FOLDER --remove ID [--who NAME]\n"
	"                         make it audible again\n"
	"  withdraw FOLDER [--modality LIST] [--use LIST] [--from T] [--participant NAME]\n"
	"           [--who NAME] [--why TEXT] [--json]\n"
	"                         withdraw a participant's consent: all of it, or the parts listed\n"
	"  withdraw FOLDER --list [--json] | --remove ID [--who NAME]\n"
	"                         the withdrawals; undo one\n"
	"  transcript FILE [--json] [--export OUT.vtt]\n"
	"  transcript FOLDER --attach FILE.vtt [--offset SECONDS] [--force]\n"
	"  transcript FOLDER --remove\n"
	"  transcript FILE... --search TEXT [--json]\n"
	"                         search the transcripts; exit 1 if nothing was found\n"
	"  transcribe FOLDER... [--with PROGRAM] [--language XX] [--force]\n"
	"                         make the transcript by a speech recogniser on this machine\n"
	"  merge FOLDER OTHER...  merge the annotations of other copies of a session\n"
	"  dump FILE [--channel TOPIC] [--from T] [--to T] [--json]\n"
	"                         every message, a line each\n"
	"  play FILE|FOLDER [--listen ADDR:PORT]\n"
	"                         show a session in the browser\n"
	"  study new NAME [--studies DIR]\n"
	"                         create a study file to start from\n"
	"  study check FILE...    list the errors in study files\n"
	"  study layer STUDY [LAYER] [--who NAME] [--library DIR]\n"
	"                         show or choose the layer of a study's metrics\n"
	"\n"
	"  doctor [--json]        check screen, input, sound and disk, and list problems\n"
	"  bench [--size WxH] [--json]\n"
	"                         measure the load of recording the screen; exit 1 if too high\n"
	"\n"
	"FILE is a session's folder or the recording in it.\n"
	"Exit status: 0 success, 1 negative result, 2 wrong usage, 3 failure.\n";

static const struct {
	const char *name;
	int (*run)(const struct command_options *options, int argc, char **argv);
	const char *helper; /* instead of run: a helper program in another folder, as in git */
} commands[] = {
	{"start", command_start, NULL},
	{"stop", command_stop, NULL},
	{"pause", command_pause, NULL},
	{"resume", command_resume, NULL},
	{"mute", command_mute, NULL},
	{"unmute", command_unmute, NULL},
	{"status", command_status, NULL},
	{"task", command_task, NULL},
	{"interruption", command_interruption, NULL},
	{"phase", command_phase, NULL},
	{"tag", command_tag, NULL},
	{"open", command_open_page, NULL},
	{"links", command_links, NULL},
	{"list", command_list, NULL},
	{"info", command_info, NULL},
	{"verify", command_verify, NULL},
	{"metrics", command_metrics, NULL},
	{"recover", command_recover, NULL},
	{"dump", command_dump, NULL},
	{"cut", command_cut, NULL},
	{"export", command_export, NULL},
	{"erase", command_erase, NULL},
	{"amend", command_amend, NULL},
	{"delete", command_delete, NULL},
	{"bleep", command_bleep, NULL},
	{"withdraw", command_withdraw, NULL},
	{"transcript", command_transcript, NULL},
	{"transcribe", command_transcribe, NULL},
	{"merge", command_merge, NULL},
	{"study", command_study, NULL},
	{"play", NULL, "uxrec-play"},
	{"doctor", NULL, "uxrec-doctor"},
	{"bench", NULL, "uxrec-bench"},
};

int command_usage(const char *text)
{
	log_error("usage: uxrec %s", text);
	return EXIT_USAGE;
}

void command_sign(Uxrec__Act *act, struct identity *identity)
{
	struct error error = {"no reason given"};

	if (identity_load(identity, &error) < 0)
		log_warning("ids of this station: %s; this run uses new ids", error.text);
	act->principal = identity->user;
	if (layer_kind(act->layer) == LAYER_CODER)
		act->layer_principal = identity->user;
}

static void remove_arguments(int *argc, char **argv, int at, int count)
{
	memmove(argv + at, argv + at + count, (size_t)(*argc - at - count + 1) * sizeof(*argv));
	*argc -= count;
}

bool command_pop_flag(int *argc, char **argv, const char *flag)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], flag) == 0) {
			remove_arguments(argc, argv, i, 1);
			return true;
		}
	return false;
}

int command_check_text(const char *option, const char *text)
{
	struct error error;

	if (!text || text_check_typed(option, text, &error) == 0)
		return EXIT_OK;
	log_error("%s", error.text);
	return EXIT_USAGE;
}

int command_normalise_name(char **ret, const char *option, const char *text)
{
	_autofree_ char *name = NULL;
	struct error error;

	if (name_normalise(&name, option, text, &error) < 0 ||
		name_check(option, name, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_USAGE;
	}
	*ret = steal_ptr(name);
	return EXIT_OK;
}

int command_pop_layer(char **ret, int *argc, char **argv)
{
	const char *layer = command_pop_value(argc, argv, "--layer");
	_autofree_ char *copy = layer ? strdup(layer) : NULL;
	struct error error = {"out of memory"};

	if (layer && (!copy || name_normalise_in(&copy, "--layer", "coder:", &error) < 0)) {
		log_error("%s", error.text);
		return EXIT_USAGE;
	}
	*ret = steal_ptr(copy);
	return EXIT_OK;
}

const char *command_pop_value(int *argc, char **argv, const char *name)
{
	size_t length = strlen(name);

	for (int i = 1; i < *argc; i++) {
		const char *value = NULL;

		if (strcmp(argv[i], name) == 0) {
			if (i + 1 == *argc) {
				log_error("option '%s' needs a value; see uxrec --help", name);
				exit(EXIT_USAGE);
			}
			value = argv[i + 1];
			remove_arguments(argc, argv, i, 2);
			return value;
		}
		if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') {
			value = argv[i] + length + 1;
			remove_arguments(argc, argv, i, 1);
			return value;
		}
	}
	return NULL;
}

bool command_has_leftovers(int argc, char **argv, int most_arguments)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1]) {
			log_error(
				"unknown option '%s'; see uxrec --help", text_quote(argv[i]).text);
			return true;
		}
	if (argc - 1 > most_arguments) {
		log_error("unexpected argument '%s'; see uxrec --help",
			text_quote(argv[most_arguments + 1]).text);
		return true;
	}
	return false;
}

static int run_helper(const char *name, char **argv)
{
	_autofree_ char *path = paths_helper(name);

	if (!path) {
		log_error("%s is not installed beside this program", name);
		return EXIT_FAILED;
	}
	descriptors_restore(0); /* the helper raises its own limit */
	execv(path, argv);
	log_errno(-errno, "cannot start %s", path);
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	_autofree_ char *control = paths_control();
	struct command_options options = {.control = control};

	signal(SIGPIPE, SIG_IGN);
	terminal_init();
	descriptors_raise();
	while (argc > 1 && argv[1][0] == '-') {
		if (strcmp(argv[1], "--help") == 0) {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (strcmp(argv[1], "--version") == 0) {
			puts("uxrec " UXREC_VERSION);
			return EXIT_OK;
		}
		if (strcmp(argv[1], "--control") != 0 || argc < 3) {
			log_error(
				"unknown option '%s'; see uxrec --help", text_quote(argv[1]).text);
			return EXIT_USAGE;
		}
		options.control = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 2) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) != 0)
			continue;
		if (argc > 2 && strcmp(argv[argc - 1], "--help") == 0) {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		return commands[i].run ? commands[i].run(&options, argc - 1, argv + 1)
				       : run_helper(commands[i].helper, argv + 1);
	}
	log_error("no command '%s'; see uxrec --help", text_quote(argv[1]).text);
	return EXIT_USAGE;
}
