/* uxrec study new: create a study file from a template. */

#include "protocol/base/buf.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/os/folder.h"
#include "protocol/os/io.h"
#include "protocol/os/paths.h"
#include "replay/command/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char template[] =
	"# The keys of this file are explained in uxrec-study(5); 'uxrec study check FILE' lists its errors.\n"
	"study: '%s'\n"
	"\n"
	"# The text that the participant agrees to.\n"
	"consent: |\n"
	"  We record the screen, the pointer and the kinds of the keys that you press, and use the\n"
	"  recording to improve the product. You may stop at any time and take your consent back.\n"
	"\n"
	"# One entry a task. The opportunities are the places where an error can be made.\n"
	"tasks:\n"
	"  - id: first\n"
	"    title: The first task\n"
	"    instructions: The text that the participant reads.\n"
	"    success: How to tell that the task was completed.\n"
	"    time_limit_s: 300\n"
	"    opportunities:\n"
	"      - id: begin\n"
	"        title: Finds where to begin\n"
	"      - id: end\n"
	"        title: Confirms at the end\n"
	"\n"
	"# Without 'codes' the usual code book holds: slip, mistake, omission, assist, hesitation, system, flag.\n";

/* Quotes are doubled inside of single quotes. @return the file's text, freed by the caller, or NULL */
static char *fill_template(const char *name)
{
	struct buf quoted = {0};
	char *text = NULL;

	for (; *name; name++)
		buf_put(&quoted, *name == '\'' ? "''" : name, *name == '\'' ? 2 : 1);
	buf_put_u8(&quoted, 0);
	if (buf_error(&quoted) == 0 && asprintf(&text, template, (char *)quoted.data) < 0)
		text = NULL;
	buf_finish(&quoted);
	return text;
}

/* Open the folder of study files, created if missing. */
static int open_studies(struct folder **ret, const char *path, struct error *reterr)
{
	_folder_unref_ struct folder *parent = NULL;
	const char *name;
	int r = folder_open_linked(ret, path, reterr);

	if (r != -ENOENT)
		return r;
	r = folder_open_of(&parent, path, &name, reterr);
	return r < 0 ? r : folder_make_below(ret, parent, name, reterr);
}

static int write_study(const char *path, const char *file, const char *text, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	_autoclose_ int fd = -1;
	int r = open_studies(&folder, path, reterr);

	if (r < 0)
		return r;
	fd = folder_create(folder, file, reterr);
	if (fd < 0)
		return fd;
	r = io_write_all(fd, text, strlen(text));
	return r < 0 ? error_set(reterr, r, "%s/%s: %s", path, file, strerror(-r)) : 0;
}

int command_study_new(int argc, char **argv)
{
	const char *studies = command_pop_value(&argc, argv, "--studies");
	_autofree_ char *library = paths_library(), *usual = NULL, *name = NULL, *text = NULL,
			*file = NULL;
	struct error error = {"out of memory"};

	if (command_has_leftovers(argc, argv, 3))
		return EXIT_USAGE;
	if (argc != 3)
		return command_usage("study new NAME [--studies FOLDER]");
	if (name_check("study", argv[2], &error) < 0 ||
		name_normalise(&name, "study", argv[2], &error) < 0) {
		log_error("%s", error.text);
		return EXIT_USAGE;
	}
	if (!studies && library && asprintf(&usual, "%s/studies", library) >= 0)
		studies = usual;
	if (!studies) {
		log_error(
			"no studies folder: neither HOME nor XDG_DATA_HOME is set; choose a "
			"folder with --studies");
		return EXIT_FAILED;
	}
	text = fill_template(name);
	if (!text || asprintf(&file, "%s.yaml", name) < 0 ||
		write_study(studies, file, text, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	printf("%s/%s\n", studies, file);
	return EXIT_OK;
}
