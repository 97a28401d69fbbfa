/* uxrec delete: delete a whole session permanently. */

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/command/command.h"
#include "replay/session/delete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Print the session before the confirmation. */
static void describe(const struct folder *library, const char *id, char **ret_label)
{
	_destroy_(session) struct session *session = NULL;
	const Uxrec__SessionInfo *info;
	int64_t begin_ns = 0, end_ns = 0;

	*ret_label = NULL;
	if (session_open_below(&session, library, id, false, NULL) < 0)
		return;
	info = session_info(session);
	session_span(session, &begin_ns, &end_ns);
	if (info && info->n_participants > 0)
		*ret_label = strdup(info->participants[0]);
	fprintf(stderr, "Session %s of participant %s, study %s, %.0f s long: all of its files.\n",
		id, text_quote(*ret_label ? *ret_label : "?").text,
		text_quote(info ? info->study : "?").text, (double)(end_ns - begin_ns) / 1e9);
}

static bool answers(const char *question, const char *wanted)
{
	char line[256];
	size_t length;

	fprintf(stderr, "%s", question);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	length = strcspn(line, "\n");
	line[length] = '\0';
	return strcmp(line, wanted) == 0;
}

/* @return EXIT_OK when the user has confirmed twice */
static int confirm(const struct folder *library, const char *id)
{
	_autofree_ char *label = NULL;
	char question[300];

	if (!isatty(STDIN_FILENO)) {
		log_error("nothing was deleted: --yes is required without a terminal");
		return EXIT_USAGE;
	}
	describe(library, id, &label);
	if (!answers("Delete it permanently? Type yes: ", "yes")) {
		fputs("Nothing was deleted.\n", stderr);
		return EXIT_NO;
	}
	snprintf(question, sizeof(question),
		"To confirm, type the %s (%s): ", label ? "participant" : "session",
		text_quote(label ? label : id).text);
	if (!answers(question, label ? label : id)) {
		fputs("Nothing was deleted.\n", stderr);
		return EXIT_NO;
	}
	return EXIT_OK;
}

int command_delete(const struct command_options *options, int argc, char **argv)
{
	_folder_unref_ struct folder *library = NULL;
	bool yes = command_pop_flag(&argc, argv, "--yes");
	struct folder_removed removed;
	struct error error = {"no reason given"};
	const char *id;
	size_t length;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage("delete FOLDER [--yes]");
	for (length = strlen(argv[1]); length > 1 && argv[1][length - 1] == '/'; length--)
		argv[1][length - 1] = '\0';
	if (folder_open_of(&library, argv[1], &id, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	if (!session_id_is_valid(id)) {
		log_error(
			"'%s' is not a session name (YYYYMMDD-HHMMSS-xxxx); only sessions are "
			"deleted",
			text_quote(id).text);
		return EXIT_USAGE;
	}
	r = yes ? EXIT_OK : confirm(library, id);
	if (r != EXIT_OK)
		return r;
	r = session_delete(library, id, &removed, &error);
	if (removed.files > 0 || r == 0)
		printf("deleted: %u files, %llu bytes of %s\n", removed.files,
			(unsigned long long)removed.bytes, id);
	if (r < 0) {
		log_error("%s%s", removed.left > 0 ? "not all was deleted: " : "", error.text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
