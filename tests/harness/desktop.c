#include "tests/harness/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/base/io.h"
#include "tests/harness/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <xcb/xtest.h>

#define ARGUMENTS_LIMIT 40

static const char small_study[] =
	"study: Small\n"
	"tasks:\n"
	"  - id: one\n    title: Do it\n    opportunities: [{id: o1}, {id: o2}]\n"
	"  - {id: two, title: Do more}\n";

const char *build_folder(void)
{
	const char *folder = getenv("UXREC_BUILD");

	return folder ? folder : "build";
}

void sleep_ms(int ms)
{
	clock_nanosleep(
		CLOCK_MONOTONIC, 0, &(struct timespec){ms / 1000, (ms % 1000) * NS_PER_MS}, NULL);
}

struct child start_child(const char *name, const char *const *arguments)
{
	static int number;
	struct child child;
	const char *argv[ARGUMENTS_LIMIT] = {name};
	size_t count = 1;

	while (arguments && *arguments && count < ARGUMENTS_LIMIT - 1)
		argv[count++] = *arguments++;
	snprintf(child.log, sizeof(child.log), "%s/log-%d", temporary_folder(), ++number);
	child.pid = fork();
	check(child.pid >= 0);
	if (child.pid == 0) {
		int fd = open(child.log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing behind */
		setsid();
		dup2(fd, 1);
		dup2(fd, 2);
		close(fd);
		execvp(name, (char *const *)argv);
		_exit(127);
	}
	return child;
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int wait_child(struct child *child, int seconds)
{
	int64_t until_ns = clock_now_ns() + seconds * NS_PER_S;
	int status;

	do {
		if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
			child->pid = 0;
			return status_of(status);
		}
		sleep_ms(5);
	} while (clock_now_ns() < until_ns);
	return -1;
}

int end_child(struct child *child, int signal_number)
{
	int r;

	if (child->pid <= 0)
		return 0;
	kill(child->pid, signal_number);
	r = wait_child(child, 30);
	if (r < 0) {
		kill(child->pid, SIGKILL);
		wait_child(child, 10);
	}
	return r;
}

char *child_output(const struct child *child)
{
	char *text = NULL;

	return io_read_file(child->log, 1 << 24, &text) < 0 ? strdup("") : text;
}

bool child_says(const struct child *child, const char *text, int seconds)
{
	int64_t until_ns = clock_now_ns() + seconds * NS_PER_S;

	do {
		_autofree_ char *output = child_output(child);

		if (strstr(output, text))
			return true;
		sleep_ms(10);
	} while (clock_now_ns() < until_ns);
	return false;
}

static int run_with(char **ret_output, const char *name, const char *const *arguments)
{
	struct child child = start_child(name, arguments);
	int r = wait_child(&child, 120);

	if (r < 0)
		end_child(&child, SIGKILL);
	if (ret_output)
		*ret_output = child_output(&child);
	return r;
}

static void collect(const char **arguments, size_t count, va_list args)
{
	const char *argument;

	while (count < ARGUMENTS_LIMIT - 1 && (argument = va_arg(args, const char *)))
		arguments[count++] = argument;
	arguments[count] = NULL;
}

int run_child(char **ret_output, const char *name, ...)
{
	const char *arguments[ARGUMENTS_LIMIT];
	va_list args;

	va_start(args, name);
	collect(arguments, 0, args);
	va_end(args);
	return run_with(ret_output, name, arguments);
}

bool has_program(const char *name)
{
	return run_child(NULL, "sh", "-c", "command -v \"$0\" >/dev/null", name, NULL) == 0;
}

/* ---- the X server ---- */

bool desktop_start(struct desktop *desktop, int width, int height)
{
	char size[32], number[16] = "", fd_text[16];
	int pipe_fds[2];
	ssize_t n = 0;

	if (system("command -v Xvfb >/dev/null") != 0)
		return false;
	check(pipe(pipe_fds) == 0);
	snprintf(size, sizeof(size), "%dx%dx24", width, height);
	snprintf(fd_text, sizeof(fd_text), "%d", pipe_fds[1]);
	desktop->xvfb = start_child("Xvfb",
		(const char *[]){"-displayfd", fd_text, "-screen", "0", size, "-nolisten", "tcp",
			"-noreset", NULL});
	close(pipe_fds[1]);
	for (ssize_t got; n < 15 && (got = read(pipe_fds[0], number + n, 1)) > 0; n += got)
		if (number[n] == '\n')
			break;
	close(pipe_fds[0]);
	check(n > 0);
	snprintf(desktop->display, sizeof(desktop->display), ":%d", atoi(number));
	setenv("DISPLAY", desktop->display, 1);
	desktop->connection = xcb_connect(desktop->display, NULL);
	check(!xcb_connection_has_error(desktop->connection));
	desktop->screen = xcb_setup_roots_iterator(xcb_get_setup(desktop->connection)).data;
	return true;
}

void desktop_end(struct desktop *desktop)
{
	if (desktop->connection)
		xcb_disconnect(steal_ptr(desktop->connection));
	end_child(&desktop->xvfb, SIGTERM);
}

static void round_trip(xcb_connection_t *connection)
{
	free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
}

void desktop_paint(struct desktop *desktop, uint32_t rgb, int x, int y, int width, int height)
{
	xcb_connection_t *c = desktop->connection;
	const uint32_t values[] = {rgb, XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS};
	const xcb_rectangle_t rectangle = {
		(int16_t)x, (int16_t)y, (uint16_t)width, (uint16_t)height};
	xcb_gcontext_t gc = xcb_generate_id(c);

	xcb_create_gc(
		c, gc, desktop->screen->root, XCB_GC_FOREGROUND | XCB_GC_SUBWINDOW_MODE, values);
	xcb_poly_fill_rectangle(c, desktop->screen->root, gc, 1, &rectangle);
	xcb_free_gc(c, gc);
	round_trip(c);
}

void desktop_fake(struct desktop *desktop, uint8_t type, uint8_t detail, int x, int y)
{
	xcb_test_fake_input(desktop->connection, type, detail, XCB_CURRENT_TIME,
		desktop->screen->root, (int16_t)x, (int16_t)y, 0);
	round_trip(desktop->connection);
}

/* ---- uxrecd ---- */

void daemon_start(struct daemon_child *daemon, const char *library, const char *const *extra)
{
	static int number;
	char program[256];
	const char *arguments[ARGUMENTS_LIMIT] = {"--library", daemon->library, "--control",
		daemon->control, "--listen", "127.0.0.1:0"};
	size_t count = 6;

	number++;
	snprintf(daemon->library, sizeof(daemon->library), "%s", library);
	snprintf(daemon->control, sizeof(daemon->control), "%s/control-%d", temporary_folder(),
		number);
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	while (extra && *extra)
		arguments[count++] = *extra++;
	daemon->child = start_child(program, arguments);
	if (!child_says(&daemon->child, "\nlibrary http", 20)) {
		_autofree_ char *output = child_output(&daemon->child);

		fprintf(stderr, "# uxrecd: %s\n", output);
		check(!"uxrecd started");
	}
}

int daemon_command(const struct daemon_child *daemon, char **ret_output, const char *command, ...)
{
	const char *arguments[ARGUMENTS_LIMIT] = {"--control", daemon->control, command};
	char program[256];
	va_list args;

	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	va_start(args, command);
	collect(arguments, 3, args);
	va_end(args);
	return run_with(ret_output, program, arguments);
}

void daemon_record(const struct daemon_child *daemon, const char *keys, char ret_session[21])
{
	daemon_record_agreed(daemon, "paper", keys, ret_session);
}

void daemon_record_agreed(const struct daemon_child *daemon, const char *consent, const char *keys,
	char ret_session[21])
{
	_autofree_ char *study = temporary_path("small.yaml"), *output = NULL;
	_autoclose_ int fd = open(study, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int r;

	check(io_write_all(fd, small_study, strlen(small_study)) == 0);
	r = daemon_command(daemon, &output, "start", "--study", study, "--participant", "P01",
		"--consent", consent, "--keys", keys, NULL);
	if (r != 0)
		fprintf(stderr, "# uxrec start: %s\n", output);
	check(r == 0 && strlen(output) == 21);
	memcpy(ret_session, output, 20);
	ret_session[20] = '\0';
}

struct session *daemon_session(const struct daemon_child *daemon, const char *session)
{
	struct session *opened = NULL;
	struct error error = {""};

	if (session_open(&opened, daemon->library, session, false, &error) < 0)
		fprintf(stderr, "# %s\n", error.text);
	check(opened != NULL);
	return opened;
}
