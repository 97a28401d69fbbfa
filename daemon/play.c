/* uxrec-play, run as `uxrec play`: serves the pages for existing sessions, without a recorder. */

#include "daemon/access/requests.h"
#include "daemon/acts/changes.h"
#include "daemon/front/front.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/folder.h"
#include "protocol/os/identity.h"
#include "protocol/os/paths.h"
#include "protocol/os/signals.h"
#include "replay/session/session.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
	"Usage: uxrec play [OPTION]... FILE|FOLDER\n"
	"Show a session, or a library of sessions, in the browser until Ctrl-C.\n"
	"\n"
	"  --listen 127.0.0.1:PORT   where the pages are served (default any free port)\n"
	"  --help\n"
	"\n"
	"It prints the link. Exit status: 0 success, 2 wrong usage, 3 failure.\n";

struct player {
	struct access access;
	struct hosts hosts;
	struct identity identity;
	char *server, *worker; /* paths of uxrec-server and uxrec-worker */
	char *web;
	struct changes *changes;
	struct front *front;
};

static void handle_message(void *user, struct peer *peer, Uxrec__ClientMessage *message)
{
	struct player *player = user;

	if (request_kind(message->body_case)->owner == REQUEST_OF_WRITER) {
		changes_handle(player->changes, peer, message);
	} else {
		outlet_fail(front_outlet(player->front), peer, message->request, -ENODEV,
			"nothing is recorded here: this is a library");
		uxrec__client_message__free_unpacked(message, NULL);
	}
}

static void forget(void *user, const char *session)
{
	struct player *player = user;

	front_forget(player->front, session);
}

/*
 * Resolve the argument: a recording, a session's folder, or a library.
 *
 * @param ret_library  the folder that holds the sessions
 * @param ret_session  the session's id, or NULL for a whole library
 */
static int find_session(
	const char *path, char **ret_library, char **ret_session, struct error *reterr)
{
	_autofree_ char *whole = realpath(path, NULL);
	_folder_unref_ struct folder *folder = NULL;
	struct stat status;
	char *name;

	if (!whole || stat(whole, &status) < 0)
		return error_set(reterr, -errno, "%s: %s", path, strerror(errno));
	name = strrchr(whole, '/');
	/* a library may be a symbolic link, a session and its files may not */
	if ((!S_ISDIR(status.st_mode) || (name && session_id_is_valid(name + 1))) &&
		folder_open(&folder, path, reterr) == -ELOOP)
		return -ELOOP;
	if (!S_ISDIR(status.st_mode))
		*strrchr(whole, '/') = '\0';
	name = strrchr(whole, '/');
	if (name && session_id_is_valid(name + 1)) {
		*ret_session = strdup(name + 1);
		*name = '\0';
	} else if (!S_ISDIR(status.st_mode)) {
		return error_set(reterr, -EINVAL,
			"%s is not in a session's folder; choose a session of a library", path);
	}
	*ret_library = strdup(*whole ? whole : "/");
	return 0;
}

static int start_changes(struct player *player, const char *library, struct error *reterr)
{
	const struct changes_options wanted = {library, NULL, forget, player};
	int r = changes_create(&player->changes, &wanted, reterr);

	if (r < 0)
		return r;
	changes_set_outlet(player->changes, front_outlet(player->front));
	return 0;
}

static int find_parts(struct player *player, struct error *reterr)
{
	player->server = paths_helper("uxrec-server");
	player->worker = paths_helper("uxrec-worker");
	player->web = paths_web();
	return player->server && player->web
		? 0
		: error_set(reterr, -ENOENT, "%s is missing beside the program; `make` builds it",
			  player->server ? "the folder of the pages" : "uxrec-server");
}

static int open_access(struct player *player, struct error *reterr)
{
	struct error error = {"no reason given"};

	if (identity_load(&player->identity, &error) < 0)
		log_warning("ids of this station: %s; this run uses new ids", error.text);
	/* keys valid for this run only */
	return access_init(&player->access, NULL, NULL, player->identity.secret,
		player->identity.user, reterr);
}

static int serve(struct player *player, const char *library, const char *session, int port,
	struct error *reterr)
{
	char key[KEY_BYTES];
	int r = find_parts(player, reterr);
	const struct front_options options = {
		.server = player->server,
		.program = "uxrec-play",
		.address = "127.0.0.1",
		.port = port,
		.web = player->web,
		.library = library,
		.worker = player->worker,
		.hosts = &player->hosts,
		.access = &player->access,
		.handle_message = handle_message,
		.user = player,
	};

	if (r == 0)
		r = open_access(player, reterr);
	if (r == 0)
		r = front_create(&player->front, &options, reterr);
	if (r == 0)
		r = start_changes(player, library, reterr);
	if (r == 0)
		r = front_start(player->front, reterr);
	if (r < 0)
		return r;
	keyring_present(player->access.keyring, UXREC__ROLE__ROLE_REVIEWER, key, NULL);
	if (session)
		printf("replay http://127.0.0.1:%d/replay?session=%s#%s\n",
			front_port(player->front), session, key);
	printf("library http://127.0.0.1:%d/library#%s\n", front_port(player->front), key);
	fflush(stdout);
	return 0;
}

static void finish(struct player *player, int status)
{
	front_stop(player->front);
	if (changes_stop(player->changes, clock_now_ns() + NS_PER_S) < 0)
		_exit(status); /* a file hangs: do not wait for it */
	changes_destroy(player->changes);
	front_destroy(player->front);
	access_finish(&player->access);
	free(player->server);
	free(player->worker);
	free(player->web);
}

static int parse_port(const char *value)
{
	const char *colon = strrchr(value, ':');
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : -1;

	if (port < 0 || port > 65535 || *end || strncmp(value, "127.", 4) != 0) {
		log_error("--listen '%s': must be 127.0.0.1:PORT", text_quote(value).text);
		return -1;
	}
	return (int)port;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	_autofree_ char *library = NULL, *session = NULL;
	struct player player = {0};
	struct error error = {"no reason given"};
	sigset_t signals;
	int c, r, port = 0, signal_number = SIGTERM;

	descriptors_raise();
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'l') {
			log_error(
				"unknown option '%s', or its value is missing; see uxrec play --help",
				text_quote(argv[optind - 1]).text);
			return 2;
		}
		port = parse_port(optarg);
		if (port < 0)
			return 2;
	}
	if (optind + 1 != argc) {
		log_error("no session is named; see uxrec play --help");
		return 2;
	}
	signals_disable_core_dumps();
	signals_ignore_unused();
	signals = signals_block_termination();
	r = find_session(argv[optind], &library, &session, &error);
	if (r == 0)
		r = serve(&player, library, session, port, &error);
	if (r == 0)
		do
			sigwait(&signals, &signal_number);
		while (!signals_is_termination(signal_number));
	else
		log_error("%s", error.text);
	finish(&player, r < 0 ? 3 : 0);
	return r < 0 ? 3 : 0;
}
