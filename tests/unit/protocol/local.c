/* Sockets and folders of other users, in place of this user's own. */

#include "capture/input/input.h"
#include "protocol/base/cleanup.h"
#include "protocol/os/local.h"
#include "protocol/os/paths.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define STRANGER 4711

static char *runtime, *control; /* $XDG_RUNTIME_DIR, and the socket in it */

/* Make XDG_RUNTIME_DIR, with a folder for the socket. @return false if skipped */
static bool set_up(mode_t mode, uid_t owner)
{
	_autofree_ char *folder = NULL;

	if (geteuid() != 0) {
		skip_test("files of other users need root");
		return false;
	}
	free(runtime);
	free(control);
	check(asprintf(&runtime, "%s/runtime-XXXXXX", temporary_folder()) > 0);
	check(mkdtemp(runtime) && setenv("XDG_RUNTIME_DIR", runtime, 1) == 0);
	control = paths_control();
	check(control != NULL && strncmp(control, runtime, strlen(runtime)) == 0);
	check(asprintf(&folder, "%s/uxrec", runtime) > 0);
	check(mkdir(folder, 0700) == 0 && chmod(folder, mode) == 0 &&
		chown(folder, owner, owner) == 0);
	return true;
}

/* A listener of a user at a path; the child exits with 1 if a peer sends it a byte. */
static pid_t listen_as(uid_t uid, int type, const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	pid_t child;

	check(fd >= 0 && local_address(&address, path, NULL) == 0);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		char byte;
		int peer;

		if (setgid(uid) < 0 || setuid(uid) < 0 || listen(fd, 8) < 0)
			_exit(3);
		do
			peer = accept(fd, NULL, NULL);
		while (recv(peer, &byte, 1, 0) <= 0 && close(peer) == 0);
		_exit(1);
	}
	close(fd);
	return child;
}

/* @return true if it has received nothing */
static bool was_sent_nothing(pid_t child)
{
	int status;

	sleep_ms(100); /* for a byte in flight */
	if (waitpid(child, &status, WNOHANG) == child)
		return false;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return true;
}

/* "uxrec status" on the usual socket, which must fail with 3 and @p reason */
static bool uxrec_says(const char *reason)
{
	_autofree_ char *output = NULL;
	char program[256];
	bool good;

	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	good = run_child(&output, program, "status", NULL) == 3 && strstr(output, reason);
	if (!good)
		printf("# %s\n", output);
	return good;
}

static bool uxrecd_says(const char *socket, const char *reason)
{
	_autofree_ char *output = NULL, *library = temporary_path("library");
	char program[256];
	bool good;

	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	good = run_child(&output, program, "--library", library, "--screen", "test", "--input",
		       "none", "--sound", "none", "--listen", "127.0.0.1:0", "--control", socket,
		       NULL) == 3 &&
		strstr(output, reason);
	if (!good)
		printf("# %s\n", output);
	return good;
}

static void a_recorder_of_another_user_is_sent_nothing(void)
{
	pid_t fake;

	if (!set_up(0700, 0))
		return;
	fake = listen_as(STRANGER, SOCK_STREAM, control);
	sleep_ms(50);
	expect(uxrec_says("a program of user 4711, not yours"));
	expect(was_sent_nothing(fake));
}

static void a_folder_of_another_user_is_refused(void)
{
	pid_t fake;

	if (!set_up(0700, STRANGER))
		return;
	expect(uxrecd_says(control, "belongs to user 4711 and is not trusted"));
	fake = listen_as(0, SOCK_STREAM, control);
	expect(uxrec_says("belongs to user 4711 and is not trusted"));
	expect(was_sent_nothing(fake));
}

static void a_folder_that_is_open_to_others_is_refused(void)
{
	static const mode_t modes[] = {0755, 0777, 01777, 0710, 0702};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct error error;

		if (!set_up(modes[i], 0))
			return;
		expect(local_make_folder(control, &error) == -EPERM);
		expect(strstr(error.text, "is open to other users") != NULL);
	}
	expect(uxrecd_says(control, "is open to other users"));
	expect(uxrec_says("is open to other users"));
}

static void a_link_in_its_place_is_refused(void)
{
	_autofree_ char *folder = NULL, *real = NULL;

	if (!set_up(0700, 0))
		return;
	check(asprintf(&folder, "%s/uxrec", runtime) > 0 &&
		asprintf(&real, "%s/real", runtime) > 0);
	check(rename(folder, real) == 0 && symlink(real, folder) == 0);
	expect(uxrecd_says(control, "is not a folder, or is a symbolic link"));
	expect(uxrec_says("is not a folder, or is a symbolic link"));
	/* dangling */
	check(rmdir(real) == 0);
	expect(uxrecd_says(control, "is not a folder, or is a symbolic link"));
	expect(access(real, F_OK) < 0);
}

/* without XDG_RUNTIME_DIR, as a user without a folder in /tmp yet */
static void in_tmp_the_folder_is_made_for_its_user_alone(void)
{
	uid_t uid = 1000000 + (uid_t)getpid();
	char folder[64];
	struct stat status;
	int exit_status;
	pid_t child;

	if (!set_up(0700, 0))
		return;
	child = fork();
	check(child >= 0);
	if (child == 0) {
		_autofree_ char *path = NULL;

		umask(0);
		unsetenv("XDG_RUNTIME_DIR");
		if (setgid(uid) < 0 || setuid(uid) < 0)
			_exit(2);
		path = paths_control();
		_exit(path && local_make_folder(path, NULL) == 0 &&
					local_check_folder(path, NULL) == 0
				? 0
				: 1);
	}
	check(waitpid(child, &exit_status, 0) == child && WIFEXITED(exit_status));
	expect(WEXITSTATUS(exit_status) == 0);
	snprintf(folder, sizeof(folder), "/tmp/uxrec-%u", uid);
	check(lstat(folder, &status) == 0);
	expect(S_ISDIR(status.st_mode) && status.st_uid == uid && (status.st_mode & 07777) == 0700);
	rmdir(folder);
}

/* in a folder of root, which is valid, but with another program listening */
static void an_input_service_of_another_user_is_asked_nothing(void)
{
	const struct source_context context = {0};
	_autofree_ char *path = NULL, *option = NULL;
	struct input_options options = {.devices = "", .keys = KEY_POLICY_CLASSES};
	struct source *source = NULL;
	struct error error = {""};
	pid_t fake;

	if (!set_up(0700, 0))
		return;
	check(asprintf(&path, "%s/inputd.sock", runtime) > 0 &&
		asprintf(&option, "service:%s", path) > 0);
	options.source = option;
	fake = listen_as(STRANGER, SOCK_SEQPACKET, path);
	sleep_ms(50);
	expect(input_source_create(&source, &context, &options, &error) == -EPERM);
	expect(strstr(error.text, "not trusted") && strstr(error.text, "a program of user 4711"));
	expect(was_sent_nothing(fake));
}

static int check_in(const char *folder, mode_t mode, uid_t owner)
{
	_autofree_ char *path = NULL;

	check(chmod(folder, mode) == 0 && chown(folder, owner, owner) == 0);
	check(asprintf(&path, "%s/socket", folder) > 0);
	return local_check_folder(path, NULL);
}

static void a_named_folder_is_one_where_nobody_can_replace_the_socket(void)
{
	_autofree_ char *folder = NULL;

	if (!set_up(0700, 0))
		return;
	check(asprintf(&folder, "%s/named", runtime) > 0 && mkdir(folder, 0700) == 0);
	expect(check_in(folder, 0700, 0) == 0);
	expect(check_in(folder, 0755, 0) == 0);
	expect(check_in(folder, 01777, 0) == 0);
	expect(check_in(folder, 0777, 0) == -EPERM);
	expect(check_in(folder, 0770, 0) == -EPERM);
	expect(check_in(folder, 0700, STRANGER) == -EPERM);
	expect(check_in(folder, 01777, STRANGER) == -EPERM);
	expect(local_check_folder("/nonexistent/socket", NULL) == -ENOENT);
	expect(local_check_folder("/dev/null/socket", NULL) == -ENOTDIR);
}

static void a_socket_of_another_user_is_not_taken_for_ours(void)
{
	_autofree_ char *path = NULL;
	pid_t fake;

	if (!set_up(0700, 0))
		return;
	check(asprintf(&path, "%s/squatted", runtime) > 0);
	fake = listen_as(STRANGER, SOCK_STREAM, path);
	check(chown(path, STRANGER, STRANGER) == 0);
	expect(uxrecd_says(path, "it belongs to user 4711"));
	expect(was_sent_nothing(fake));
	expect(access(path, F_OK) == 0);
}

static void peers_are_known_on_both_sides(void)
{
	_autofree_ char *path = NULL;
	struct sockaddr_un address;
	struct error error;
	int fd, peer, status;
	pid_t child;

	if (!set_up(0700, 0))
		return;
	check(asprintf(&path, "%s/open", runtime) > 0 && chmod(runtime, 0711) == 0);
	check(chmod(temporary_folder(), 0711) == 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check(local_address(&address, path, NULL) == 0);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0 &&
		chmod(path, 0666) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0)
		/* root's listener is trusted by clients: like the system's input service */
		_exit(setgid(STRANGER) == 0 && setuid(STRANGER) == 0 &&
					local_connect(path, SOCK_SEQPACKET, NULL) >= 0
				? 0
				: 1);
	peer = accept(fd, NULL, NULL);
	check(peer >= 0);
	expect(local_check_peer(peer, &error) == -EPERM && strstr(error.text, "user 4711"));
	close(peer);
	check(waitpid(child, &status, 0) == child);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	peer = local_connect(path, SOCK_SEQPACKET, &error);
	expect(peer >= 0);
	close(peer);
	close(fd);
}

static void without_a_home_nothing_is_kept_in_tmp(void)
{
	const char *home = getenv("HOME");
	_autofree_ char *saved = home ? strdup(home) : NULL, *output = NULL;
	char program[256];

	unsetenv("HOME");
	unsetenv("XDG_DATA_HOME");
	unsetenv("XDG_STATE_HOME");
	expect(paths_library() == NULL && paths_state() == NULL);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&output, program, "list", NULL) == 3);
	expect(strstr(output, "choose a folder with --library") != NULL);
	free(steal_ptr(output));
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	expect(run_child(&output, program, "--screen", "test", NULL) == 3);
	expect(strstr(output, "choose a folder with --library") != NULL);
	if (saved)
		setenv("HOME", saved, 1);
}

/* a dump would contain pixels and keys */
static void a_recorder_leaves_nothing_of_its_memory_in_a_dump(void)
{
	_autofree_ char *library = temporary_path("library-2"), *socket = NULL, *text = NULL;
	char program[256], path[64];
	struct child child;

	if (!set_up(0700, geteuid()))
		return;
	check(asprintf(&socket, "%s/control", runtime) > 0);
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	child = start_child(program,
		(const char *const[]){"--library", library, "--screen", "test", "--input", "none",
			"--sound", "none", "--listen", "127.0.0.1:0", "--control", socket, NULL});
	for (int i = 0; i < 1500 && access(socket, F_OK) < 0; i++)
		sleep_ms(20);
	check(access(socket, F_OK) == 0);
	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", child.pid);
	check(run_child(&text, "cat", path, NULL) == 0);
	expect(strtoul(text, NULL, 16) == 0);
	free(steal_ptr(text));
	snprintf(path, sizeof(path), "/proc/%d/limits", child.pid);
	expect(run_child(&text, "grep", "Max core file size *0 *0 ", path, NULL) == 0);
	expect(end_child(&child, SIGTERM) == 0);
}

static const struct test tests[] = {
	{"a recorder of another user is sent nothing", a_recorder_of_another_user_is_sent_nothing},
	{"a folder of another user is refused", a_folder_of_another_user_is_refused},
	{"a folder that is open to others is refused", a_folder_that_is_open_to_others_is_refused},
	{"a link in the place of the folder is refused", a_link_in_its_place_is_refused},
	{"in /tmp the folder is made for its user alone",
		in_tmp_the_folder_is_made_for_its_user_alone},
	{"an input service of another user is asked nothing",
		an_input_service_of_another_user_is_asked_nothing},
	{"a named folder is one where nobody can replace the socket",
		a_named_folder_is_one_where_nobody_can_replace_the_socket},
	{"a socket of another user is not taken for the recorder's own",
		a_socket_of_another_user_is_not_taken_for_ours},
	{"peers are known on both sides of a socket", peers_are_known_on_both_sides},
	{"a recorder leaves nothing of its memory in a dump",
		a_recorder_leaves_nothing_of_its_memory_in_a_dump},
	{"without a home nothing is kept in /tmp", without_a_home_nothing_is_kept_in_tmp},
};

int main(void)
{
	int failed = RUN_TESTS("local", tests);

	free(runtime);
	free(control);
	return failed;
}
