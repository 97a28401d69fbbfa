/* uxrec transcribe: run an external speech recogniser on a session. */

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/file/copy.h"
#include "protocol/limits.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/io.h"
#include "replay/command/command.h"
#include "replay/export/export.h"
#include "replay/session/transcript.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

struct transcribing {
	const char *program, *language; /* language may be NULL */
	bool force;
};

/* ---- cleanup on signals ---- */

/* Temporary sound file; global, as a handler has no argument. */
static struct {
	char folder[160], wav[180];
	volatile sig_atomic_t program; /* pid and process group; 0: not running */
} left;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void remove_sound(void)
{
	unlink(left.wav);
	rmdir(left.folder);
}

/* Restricted to functions allowed by signal-safety(7). */
static void on_signal(int number)
{
	if (left.program)
		kill(-left.program, SIGTERM);
	remove_sound();
	signal(number, SIG_DFL);
	raise(number); /* delivered after this handler returns */
}

static void handle_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&action.sa_mask, signals[i]);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction before;

		/* keep it ignored under nohup(1) */
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(how, &set, NULL);
}

/* Create a private temporary folder. */
static int make_folder(struct error *reterr)
{
	const char *base = getenv("TMPDIR");
	int length, r = 0;

	hold_signals(SIG_BLOCK);
	length = snprintf(
		left.folder, sizeof(left.folder), "%s/uxrec-XXXXXX", base && *base ? base : "/tmp");
	if ((size_t)length >= sizeof(left.folder))
		r = -ENAMETOOLONG;
	else if (!mkdtemp(left.folder))
		r = -errno;
	else
		snprintf(left.wav, sizeof(left.wav), "%s/sound.wav", left.folder);
	hold_signals(SIG_UNBLOCK);
	return r < 0 ? error_set(reterr, r, "cannot create a temporary folder: %s", strerror(-r))
		     : 0;
}

/* ---- the program ---- */

/* @return 0 or a negative errno */
static int spawn_with(const struct transcribing *how, int out, pid_t *ret)
{
	const char *argv[] = {how->program, left.wav, how->language, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* main() ignores it */
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, out, 1);
	descriptors_restore(0); /* the child inherits our limit */
	if (r == 0)
		r = posix_spawnp(
			ret, how->program, &files, &attributes, (char *const *)argv, environ);
	descriptors_raise();
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* @return 0, -EFBIG, or the error of read(2) */
static int read_all(int fd, struct buf *text)
{
	for (;;) {
		unsigned char *at = buf_reserve(text, 65536);
		ssize_t n = at ? read(fd, at, 65536) : 0;

		if (!at)
			return -ENOMEM;
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text->size_bytes += (size_t)n;
		if (text->size_bytes > TRANSCRIPT_LIMIT_BYTES)
			return -EFBIG;
	}
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* Evaluate the exit status. @return 0 or a negative errno with the reason */
static int check_status(const struct transcribing *how, int status, struct error *reterr)
{
	struct text_quoted name = text_quote(how->program);

	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (status >= 0 && WIFSIGNALED(status))
		return error_set(
			reterr, -EIO, "%s was ended by signal %d", name.text, WTERMSIG(status));
	return error_set(reterr, -EIO, "%s ended with exit status %d", name.text,
		status < 0 ? status : WEXITSTATUS(status));
}

/* Run the program; its output is the text. */
static int run(const struct transcribing *how, struct buf *text, struct error *reterr)
{
	int ends[2], r, status;
	pid_t pid = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(reterr, -errno, "cannot create a pipe: %s", strerror(errno));
	hold_signals(SIG_BLOCK);
	r = spawn_with(how, ends[1], &pid);
	left.program = r == 0 ? (sig_atomic_t)pid : 0;
	hold_signals(SIG_UNBLOCK);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return error_set(reterr, r, "cannot start the recogniser '%s': %s",
			text_quote(how->program).text, strerror(-r));
	}
	r = read_all(ends[0], text);
	close(ends[0]);
	if (r < 0)
		kill(-pid, SIGTERM);
	status = wait_for(pid);
	left.program = 0;
	if (r < 0)
		return error_set(reterr, r, "what '%s' prints: %s", text_quote(how->program).text,
			r == -EFBIG ? "it exceeds the size limit of a transcript" : strerror(-r));
	return check_status(how, status, reterr);
}

/* ---- the session ---- */

static int export_sound(const struct session *session, struct error *reterr)
{
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	const struct export_options options = {
		.format = EXPORT_WAV, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .bleeps = &bleeps};
	mode_t mask;
	int r = bleeps_collect(&bleeps, session);

	if (r < 0)
		return error_set(reterr, r, "out of memory");
	mask = umask(077);
	r = session_export(session, left.wav, &options, NULL, reterr);
	umask(mask);
	return r;
}

static int recognise(struct vtt **ret, struct vtt_faults *ret_faults, const struct session *session,
	const struct transcribing *how, struct error *reterr)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int r = make_folder(reterr);

	if (r < 0)
		return r;
	r = export_sound(session, reterr);
	if (r == 0)
		r = run(how, &text, reterr);
	remove_sound();
	if (r < 0)
		return r;
	buf_put_u8(&text, 0);
	if (text.failed)
		return error_set(reterr, -ENOMEM, "out of memory");
	return vtt_parse(ret, (const char *)text.data, text.size_bytes - 1,
		"the recogniser's output", ret_faults, reterr);
}

/* @return 0, or an exit status with the reason logged */
static int check_session(struct session *session, const char *path, const struct transcribing *how)
{
	if (command_open_way_out(session, WAY_OUT_TRANSCRIBE, CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	command_warn_withheld(session, 1u << MODALITY_SOUND);
	if (session_reader_is_recorded(session->reader)) {
		log_error("%s: it is being recorded: end the session first", path);
		return EXIT_FAILED;
	}
	if (!session->annotations && *session->annotations_error.text) {
		log_error("%s: its bleeps cannot be read", path);
		return EXIT_FAILED;
	}
	if (!how->force && transcript_exists(session->folder)) {
		log_error("%s: it has a transcript already: use --force to replace it", path);
		return EXIT_FAILED;
	}
	return 0;
}

static int transcribe(const char *path, const struct transcribing *how)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct error error = {"no reason given"};
	struct vtt_faults faults;
	int r;

	if (command_open_folder(&session, path) != 0)
		return EXIT_FAILED;
	r = check_session(session, path, how);
	if (r != 0)
		return r;
	if (recognise(&vtt, &faults, session, how, &error) < 0 ||
		transcript_store(session->folder, vtt, how->force, &error) < 0) {
		log_error("%s: %s", path, error.text);
		return EXIT_FAILED;
	}
	printf("%s: %zu cues\n", path, vtt->count);
	fflush(stdout);
	return command_log_faults(&faults, "the recogniser's output");
}

/* Must not be mistaken for an option. */
static bool language_is_valid(const char *language)
{
	if (!isalpha((unsigned char)*language) || strlen(language) > 35)
		return false;
	for (; *language; language++)
		if (!isalnum((unsigned char)*language) && *language != '-')
			return false;
	return true;
}

int command_transcribe(const struct command_options *options, int argc, char **argv)
{
	const char *with = command_pop_value(&argc, argv, "--with");
	struct transcribing how = {with ? with : getenv("UXREC_TRANSCRIBER"),
		command_pop_value(&argc, argv, "--language"),
		command_pop_flag(&argc, argv, "--force")};
	int status = EXIT_OK;

	(void)options;
	if (command_has_leftovers(argc, argv, argc))
		return EXIT_USAGE;
	if (argc < 2)
		return command_usage(
			"transcribe FOLDER... [--with PROGRAM] [--language XX] [--force]");
	if (how.language && !language_is_valid(how.language)) {
		log_error("--language '%s': must be a tag such as en or de-AT",
			text_quote(how.language).text);
		return EXIT_USAGE;
	}
	if (!how.program || !*how.program) {
		log_error(
			"no recogniser: use --with PROGRAM, or set UXREC_TRANSCRIBER; uxrec(1) "
			"has an example");
		return EXIT_FAILED;
	}
	handle_signals();
	for (int i = 1; i < argc; i++)
		if (transcribe(argv[i], &how) != EXIT_OK)
			status = EXIT_FAILED;
	return status;
}
