#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/io.h"
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
#include <xcb/randr.h>
#include <xcb/xcbext.h>
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

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a crashing test leaves no process behind */
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
	/* up to a second is for unexpected texts; all others get four times as long for a busy machine */
	int64_t until_ns = clock_now_ns() + seconds * (seconds > 1 ? 4 : 1) * NS_PER_S;

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
	char screen[32];

	snprintf(screen, sizeof(screen), "%dx%dx24", width, height);
	return desktop_start_with(desktop, -1, screen, NULL);
}

/* @return the display number reported by the server, or -1 if it has exited */
static int await_server(int fd)
{
	char number[16] = "";
	ssize_t n = 0;

	for (ssize_t got; n < 15 && (got = read(fd, number + n, 1)) > 0; n += got)
		if (number[n] == '\n')
			break;
	return n > 0 ? atoi(number) : -1;
}

int desktop_own_number(void)
{
	return 5000 + getpid() % 50000;
}

bool desktop_start_with(
	struct desktop *desktop, int display, const char *screen, const char *const *extra)
{
	char wanted[16], fd_text[16];
	const char *arguments[ARGUMENTS_LIMIT] = {
		"-displayfd", fd_text, "-screen", "0", screen, "-nolisten", "tcp", "-noreset"};
	size_t count = 8;
	int pipe_fds[2];

	if (system("command -v Xvfb >/dev/null") != 0) {
		skip_test("no Xvfb");
		return false;
	}
	check(pipe(pipe_fds) == 0);
	snprintf(fd_text, sizeof(fd_text), "%d", pipe_fds[1]);
	snprintf(wanted, sizeof(wanted), ":%d", display);
	while (extra && *extra)
		arguments[count++] = *extra++;
	if (display >= 0)
		arguments[count++] = wanted;
	desktop->xvfb = start_child("Xvfb", arguments);
	close(pipe_fds[1]);
	display = await_server(pipe_fds[0]);
	close(pipe_fds[0]);
	check(display >= 0);
	snprintf(desktop->display, sizeof(desktop->display), ":%d", display);
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
	unsetenv("DISPLAY"); /* another test may use it by now */
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

void desktop_paint_noise(struct desktop *desktop, uint64_t *random)
{
	for (int i = 0; i < 60; i++)
		desktop_paint(desktop, (uint32_t)next_random(random) & 0xffffff,
			(int)(next_random(random) % 1200), (int)(next_random(random) % 700),
			(int)(next_random(random) % 80) + 1, (int)(next_random(random) % 80) + 1);
}

void desktop_fake(struct desktop *desktop, uint8_t type, uint8_t detail, int x, int y)
{
	xcb_test_fake_input(desktop->connection, type, detail, XCB_CURRENT_TIME,
		desktop->screen->root, (int16_t)x, (int16_t)y, 0);
	round_trip(desktop->connection);
}

/* Turn off Xvfb's one output: it shows all of the screen, which could not shrink otherwise. */
static void turn_outputs_off(struct desktop *desktop)
{
	xcb_connection_t *c = desktop->connection;
	_autofree_ xcb_randr_get_screen_resources_reply_t *resources =
		xcb_randr_get_screen_resources_reply(
			c, xcb_randr_get_screen_resources(c, desktop->screen->root), NULL);
	const xcb_randr_crtc_t *crtcs = xcb_randr_get_screen_resources_crtcs(resources);

	for (int i = 0; i < resources->num_crtcs; i++)
		free(xcb_randr_set_crtc_config_reply(c,
			xcb_randr_set_crtc_config(c, crtcs[i], 0, resources->config_timestamp, 0, 0,
				0, XCB_RANDR_ROTATION_ROTATE_0, 0, NULL),
			NULL));
}

bool desktop_resize(struct desktop *desktop, int width, int height)
{
	_autofree_ xcb_generic_error_t *refused = NULL;

	turn_outputs_off(desktop);
	refused = xcb_request_check(desktop->connection,
		xcb_randr_set_screen_size_checked(desktop->connection, desktop->screen->root,
			(uint16_t)width, (uint16_t)height, (uint32_t)width, (uint32_t)height));
	return !refused;
}

bool desktop_turn(struct desktop *desktop, uint16_t rotation)
{
	xcb_connection_t *c = desktop->connection;
	_autofree_ xcb_randr_get_screen_resources_reply_t *resources =
		xcb_randr_get_screen_resources_reply(
			c, xcb_randr_get_screen_resources(c, desktop->screen->root), NULL);
	const xcb_randr_crtc_t *crtcs = xcb_randr_get_screen_resources_crtcs(resources);
	_autofree_ xcb_randr_get_crtc_info_reply_t *crtc = NULL;
	_autofree_ xcb_randr_set_crtc_config_reply_t *reply = NULL;
	int width, height;

	for (int i = 0; i < resources->num_crtcs && (!crtc || !crtc->mode); i++, crtcs++) {
		free(crtc);
		crtc = xcb_randr_get_crtc_info_reply(
			c, xcb_randr_get_crtc_info(c, *crtcs, resources->config_timestamp), NULL);
	}
	if (!crtc || !crtc->mode || !(crtc->rotations & rotation))
		return false;
	crtcs--;
	width = crtc->width;
	height = crtc->height;
	/* the CRTC's present size is already rotated */
	if ((crtc->rotation ^ rotation) &
		(XCB_RANDR_ROTATION_ROTATE_90 | XCB_RANDR_ROTATION_ROTATE_270)) {
		width = crtc->height;
		height = crtc->width;
	}
	if (!desktop_resize(desktop, width, height))
		return false;
	reply = xcb_randr_set_crtc_config_reply(c,
		xcb_randr_set_crtc_config(c, *crtcs, 0, resources->config_timestamp, 0, 0,
			crtc->mode, rotation, crtc->num_outputs,
			xcb_randr_get_crtc_info_outputs(crtc)),
		NULL);
	return reply && reply->status == XCB_RANDR_SET_CONFIG_SUCCESS;
}

static xcb_randr_output_t first_output(struct desktop *desktop)
{
	xcb_connection_t *c = desktop->connection;
	_autofree_ xcb_randr_get_screen_resources_reply_t *resources =
		xcb_randr_get_screen_resources_reply(
			c, xcb_randr_get_screen_resources(c, desktop->screen->root), NULL);

	check(resources && resources->num_outputs > 0);
	return xcb_randr_get_screen_resources_outputs(resources)[0];
}

/* encoded by hand: xcb_randr_set_monitor() of libxcb 1.15 counts the request as too long */
void desktop_add_monitor(struct desktop *desktop, const char *name, bool on_output, int x, int y,
	int width, int height)
{
	static const xcb_protocol_request_t kind = {
		.count = 1, .ext = &xcb_randr_id, .opcode = XCB_RANDR_SET_MONITOR, .isvoid = 1};
	xcb_connection_t *c = desktop->connection;
	_autofree_ xcb_intern_atom_reply_t *atom =
		xcb_intern_atom_reply(c, xcb_intern_atom(c, 0, (uint16_t)strlen(name), name), NULL);
	struct {
		uint32_t head; /* filled in by xcb */
		xcb_window_t window;
		xcb_randr_monitor_info_t info;
		xcb_randr_output_t output;
	} request = {0, desktop->screen->root,
		{
			.name = atom->atom,
			.nOutput = on_output,
			.x = (int16_t)x,
			.y = (int16_t)y,
			.width = (uint16_t)width,
			.height = (uint16_t)height,
		},
		first_output(desktop)};
	/* xcb writes its own parts into the two iovecs in front */
	struct iovec parts[3] = {
		{0}, {0}, {&request, sizeof(request) - (on_output ? 0 : sizeof(request.output))}};
	xcb_void_cookie_t cookie = {xcb_send_request(c, XCB_REQUEST_CHECKED, parts + 2, &kind)};
	_autofree_ xcb_generic_error_t *refused = xcb_request_check(c, cookie);

	check(!refused);
}

uint32_t *desktop_picture(struct desktop *desktop, int *ret_width, int *ret_height)
{
	xcb_connection_t *c = desktop->connection;
	xcb_window_t root = desktop->screen->root;
	_autofree_ xcb_get_geometry_reply_t *size =
		xcb_get_geometry_reply(c, xcb_get_geometry(c, root), NULL);
	_autofree_ xcb_get_image_reply_t *image = xcb_get_image_reply(c,
		xcb_get_image(c, XCB_IMAGE_FORMAT_Z_PIXMAP, root, 0, 0, size->width, size->height,
			UINT32_MAX),
		NULL);
	size_t bytes = (size_t)size->width * size->height * 4;
	uint32_t *picture = malloc(bytes + 1);

	check(image && picture && (size_t)xcb_get_image_data_length(image) == bytes);
	memcpy(picture, xcb_get_image_data(image), bytes);
	*ret_width = size->width;
	*ret_height = size->height;
	return picture;
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

const Uxrec__Gap *session_gap(const struct session_facts *facts)
{
	const Uxrec__Gap *found = NULL;

	for (size_t i = 0; i < facts->gap_count; i++) {
		if (facts->gaps[i]->reason == UXREC__GAP__REASON__REASON_OVERLOAD ||
			facts->gaps[i]->reason == UXREC__GAP__REASON__REASON_STALL)
			continue;
		if (found)
			return NULL;
		found = facts->gaps[i];
	}
	return found;
}

bool reason_is_said(const struct session *session, const char *reason)
{
	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_FINDING &&
			strstr(act->finding->text, reason))
			return true;
	}
	return false;
}

static int take_offset(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	(void)message;
	*(int64_t *)user = ((const Uxrec__ClockSample *)unpacked)->utc_offset_ns;
	return 1;
}

/* constant for the session, and in every clock sample */
int64_t session_offset_ns(const struct session *session)
{
	int64_t offset_ns = 0;

	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_CLOCK, take_offset,
		      &offset_ns) == 1);
	return offset_ns;
}
