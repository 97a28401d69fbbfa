#include "replay/command/command.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/os/io.h"
#include "protocol/wire.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * A link in a command line is visible to every user of the machine (ps), and browsers keep it in their history. The
 * browser is therefore given the path of a private file, which redirects to a link with a ticket; the ticket is used
 * up once the page is loaded.
 */

#define READ_WITHIN_S 20

extern char **environ;

/* A browser in a snap can read only non-hidden files in the home folder. */
static bool browser_is_snap(void)
{
	char name[100] = "", path[200];
	FILE *settings = popen("xdg-settings get default-web-browser 2>/dev/null", "re");

	if (!settings)
		return false;
	if (!fgets(name, sizeof(name), settings))
		*name = '\0';
	pclose(settings);
	name[strcspn(name, "\n")] = '\0';
	snprintf(path, sizeof(path), "/var/lib/snapd/desktop/applications/%s", name);
	return *name && !strchr(name, '/') && access(path, F_OK) == 0;
}

/* @return the file descriptor of a new file with mode 0600, or a negative errno */
static int make_file(char **ret_path)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME"),
		   *temporary = getenv("TMPDIR");
	_autofree_ char *own = NULL;
	const char *folder = temporary && *temporary ? temporary : "/tmp";
	int fd;

	if (runtime && *runtime && asprintf(&own, "%s/uxrec", runtime) < 0)
		return -ENOMEM;
	if (own && (mkdir(own, 0700) == 0 || errno == EEXIST))
		folder = own;
	if (home && *home && browser_is_snap())
		folder = home;
	if (asprintf(ret_path, "%s/uxrec-XXXXXX.html", folder) < 0)
		return -ENOMEM;
	fd = mkostemps(*ret_path, 5, O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Links have no characters special to HTML or JavaScript. */
static int write_file(int fd, const char *link)
{
	_autofree_ char *text = NULL;
	int n = asprintf(&text,
		"<!doctype html><meta charset=\"utf-8\"><title>uxrec</title>"
		"<meta name=\"referrer\" content=\"no-referrer\">"
		"<script>location.replace(\"%s\")</script>"
		"<noscript>The pages of uxrec need JavaScript.</noscript>\n",
		link);

	if (strspn(link, "abcdefghijklmnopqrstuvwxyz0123456789.:/#-") != strlen(link))
		return -EBADMSG;
	return n < 0 ? -ENOMEM : io_write_all(fd, text, (size_t)n);
}

/* Runs in the background, since a newly started browser does not return. @return 0 or a negative errno */
static int start_browser(char *path)
{
	char *argv[] = {(char *)"xdg-open", path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t child;
	int r;

	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	r = posix_spawnp(&child, argv[0], &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Runs in a child process, after this one has ended. */
static void remove_later(const char *path)
{
	if (fork() != 0)
		return;
	setsid();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sleep(READ_WITHIN_S);
	unlink(path);
	_exit(0);
}

static int open_link(const char *link)
{
	_autofree_ char *path = NULL;
	_autoclose_ int fd = make_file(&path);
	int r = fd < 0 ? fd : write_file(fd, link);

	if (fd >= 0 && r == 0)
		r = start_browser(path);
	if (r < 0) {
		if (fd >= 0)
			unlink(path);
		log_errno(r,
			r == -ENOENT && fd >= 0 ? "xdg-open, which knows your browser"
						: "a file that opens the page");
		return EXIT_FAILED;
	}
	remove_later(path);
	return EXIT_OK;
}

int command_open_page(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__OpenPage page = UXREC__OPEN_PAGE__INIT;
	Uxrec__ServerMessage *answer;
	int r;

	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	page.page = argc > 1 ? argv[1] : (char *)"moderate";
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_OPEN_PAGE;
	message.open_page = &page;
	r = command_request(options, &message, &answer);
	if (r != EXIT_OK)
		return r;
	r = answer->body_case == UXREC__SERVER_MESSAGE__BODY_PAGE_LINK
		? open_link(answer->page_link->link)
		: EXIT_FAILED;
	uxrec__server_message__free_unpacked(answer, NULL);
	return r;
}
