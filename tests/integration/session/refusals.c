/* Wrong commands, files and names: one clear sentence, a non-zero exit, and no files left. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/os/io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define X11_INPUT ((const char *[]){"--input", "x11", NULL})

struct wrong {
	const char *arguments[8];
	int status;
	const char *says;
};

static void refuses(const char *program_name, const struct wrong *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_autofree_ char *output = NULL;
		char program[256];
		const char *const *a = table[i].arguments;
		int r;

		snprintf(program, sizeof(program), "%s/%s", build_folder(), program_name);
		r = run_child(&output, program, a[0], a[1], a[2], a[3], a[4], a[5], a[6], NULL);
		if (r != table[i].status || !strstr(output, table[i].says))
			printf("# %s %s …: exit %d, '%s'\n", program_name, a[0] ? a[0] : "", r,
				output);
		expect(r == table[i].status);
		expect(strstr(output, table[i].says) != NULL);
		expect(strncmp(output, "error: ", 7) == 0);
		expect(strchr(output, '\n') == output + strlen(output) - 1);
	}
}

static void wrong_recorder_commands_are_refused(void)
{
	static const struct wrong table[] = {
		{{"--display", ":4711", "--library", "/tmp/uxrec-never"}, 3, "set XAUTHORITY"},
		{{"--librray", "/tmp"}, 2, "--librray"},
		{{"--library"}, 2, "--library"},
		{{"--listen", "127.0.0.1"}, 2, "ADDRESS:PORT"},
		{{"--listen", "127.0.0.1:99999"}, 2, "port"},
		{{"--listen", "0.0.0.0:7310"}, 2, "SSH tunnel"},
		{{"--library", "/tmp/uxrec-never"}, 3, "name one with --display"},
		{{"--fps", "0"}, 2, "1 to 240"},
		{{"--chroma", "422"}, 2, "--chroma"},
		{{"--chroma", "444", "--encoder", "h264_vaapi"}, 2, "libx264 and libaom-av1"},
		{{"--screen", "wayland"}, 2, "--screen"},
		{{"--screen", "wlr", "--library", "/tmp/uxrec-never"}, 3,
			"WAYLAND_DISPLAY is not set"},
		{{"--screen", "x11", "--output", "HDMI-1"}, 2, "all monitors are recorded"},
		{{"--screen", "portal", "--output", "HDMI-1"}, 2, "in its dialog"},
		{{"--screen", "none", "--output", "HDMI-1"}, 2, "--output 'HDMI-1'"},
		{{"--display", ":4711", "--output", "HDMI-1"}, 3, "all monitors are recorded"},
		{{"--encoder", "h265"}, 2, "--encoder 'h265': no such choice; see --help"},
		{{"--encoder"}, 2, "or its value is missing"},
		{{"--screen", "x11", "--library", "/tmp/uxrec-never"}, 3,
			"neither --display nor DISPLAY"},
		{{"--display", "nonsense", "--library", "/tmp/uxrec-never"}, 3, "'nonsense'"},
		{{"--input", "keyboard"}, 2, "--input"},
		{{"extra"}, 2, "unexpected argument 'extra'"},
		{{"--screen", "none", "--library", "/proc/nowhere"}, 3, "cannot be written"},
		{{"--screen", "none", "--library", "/dev/null/x"}, 3, "cannot be written"},
	};

	unsetenv("DISPLAY");
	unsetenv("WAYLAND_DISPLAY");
	refuses("uxrecd", table, ARRAY_SIZE(table));
}

static void wrong_commands_are_refused(void)
{
	_autofree_ char *text = temporary_path("text.mcap"), *unknown = temporary_path("bad.yaml");
	_autoclose_ int fd = open(text, O_WRONLY | O_CREAT, 0600);
	_autoclose_ int yaml = open(unknown, O_WRONLY | O_CREAT, 0600);
	const struct wrong table[] = {
		{{"frobnicate"}, 2, "no command 'frobnicate'"},
		{{"--frob"}, 2, "unknown option"},
		{{"info"}, 2, "usage"},
		{{"info", "/nowhere"}, 3, "/nowhere"},
		{{"info", text}, 3, "not a session file"},
		{{"info", text, "--frob"}, 2, "unknown option '--frob'"},
		{{"verify", text}, 1, "not a session file"},
		{{"verify", "/nowhere"}, 3, "/nowhere"},
		{{"metrics"}, 2, "usage"},
		{{"metrics", text}, 3, "not a session file"},
		{{"list", "--library", "/nowhere"}, 3, "/nowhere"},
		{{"study", "check", unknown}, 1,
			"bad.yaml:2:1: unexpected key 'colour': must be one of study, tasks"},
		{{"study", "check", "/nowhere.yaml"}, 1, "/nowhere.yaml"},
		{{"study", "check"}, 2, "usage"},
		{{"--control", "/nowhere/control", "status"}, 3, "start uxrecd"},
		{{"start", "--study", "x"}, 2, "usage"},
		{{"start", "--study", "x", "--participant", "P", "--consent", "verbal"}, 2,
			"--consent"},
		{{"task", "begin", "x"}, 2, "usage"},
		{{"task", "end", "fine"}, 2, "outcome 'fine'"},
		{{"tag", "s", "--impact", "9"}, 2, "--impact"},
		{{"doctor", "--chroma", "422"}, 2, "uxrec doctor --help"},
		{{"bench", "--size", "1x1"}, 2, "--size '1x1': must be WIDTHxHEIGHT in pixels"},
		{{"bench", "--fps", "0"}, 2, "--fps '0': must be 1 to 240"},
		{{"bench", "--encoder", "h264"}, 2, "one of auto, h264_vaapi"},
		{{"bench", "--encoder", "h264_vaapi", "--chroma", "444"}, 2,
			"does not support 4:4:4"},
		{{"bench", "now"}, 2, "unknown argument 'now'"},
		{{"doctor", "--encoder", "h264_vaapi", "--chroma", "444"}, 2,
			"uxrec doctor --help"},
	};

	check(io_write_all(fd, "hello\n", 6) == 0);
	check(io_write_all(yaml, "study: a\ncolour: red\n", 21) == 0);
	refuses("uxrec", table, ARRAY_SIZE(table));
}

static void all_errors_of_studies_are_listed(void)
{
	static const char bad_text[] = "study: a\ncolour: red\nkeys: all\ntasks: [{id: x}]\n";
	static const char good_text[] =
		"study: Pr\xc3\xbc"
		"fung\n";
	_autofree_ char *bad = temporary_path("bad.yaml"), *good = temporary_path("good.yaml"),
			*output = NULL, *json = NULL;
	_autoclose_ int bad_fd = open(bad, O_WRONLY | O_CREAT, 0600);
	_autoclose_ int good_fd = open(good, O_WRONLY | O_CREAT, 0600);
	char program[256];
	static const char *const lines[] = {"bad.yaml:2:1: unexpected key 'colour'",
		"bad.yaml:3:7: keys: 'all': must be one of none, counts, classes, full",
		"bad.yaml:4:9: the key 'title' is missing", "error: /nowhere.yaml",
		"good.yaml: there are no tasks",
		"good.yaml: study 'Pr\xc3\xbc"
		"fung', 0 tasks, 7 codes"};

	check(io_write_all(bad_fd, bad_text, strlen(bad_text)) == 0);
	check(io_write_all(good_fd, good_text, strlen(good_text)) == 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&output, program, "study", "check", bad, "/nowhere.yaml", good, NULL) ==
		1);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!strstr(output, lines[i]))
			printf("# '%s' is not in '%s'\n", lines[i], output);
		expect(strstr(output, lines[i]) != NULL);
	}
	expect(run_child(&json, program, "study", "check", "--json", bad, NULL) == 1);
	expect(strstr(json, "\"errors\": 3") && strstr(json, "\"column\": 7") &&
		strstr(json, "\"severity\": \"error\""));
	free(steal_ptr(output));
	expect(run_child(&output, program, "study", "check", good, NULL) == 0);
}

static void new_study_is_a_good_one(void)
{
	_autofree_ char *studies = temporary_path("new-studies"), *path = NULL, *again = NULL,
			*output = NULL, *wrong = NULL;
	char program[256];

	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&path, program, "study", "new", "Ana's  caf\xc3\xa9", "--studies", studies,
		       NULL) == 0);
	path[strcspn(path, "\n")] = '\0';
	expect(strstr(path, "/Ana's caf\xc3\xa9.yaml") != NULL);
	expect(run_child(&output, program, "study", "check", path, NULL) == 0);
	expect(strstr(output, "study 'Ana's caf\xc3\xa9', 1 tasks, 7 codes") != NULL);
	expect(!strstr(output, "warning"));
	expect(run_child(&again, program, "study", "new", "Ana's caf\xc3\xa9", "--studies", studies,
		       NULL) == 3);
	expect(run_child(&wrong, program, "study", "new", "../x", "--studies", studies, NULL) == 2);
}

static void bad_sessions_are_not_started(void)
{
	static const struct {
		const char *study, *participant, *says;
	} table[] = {
		{"Demo study", "../../etc", "participant"},
		{"Demo study", "<script>alert(1)</script>", "participant"},
		{"Demo study", "", "participant"},
		{"../../etc/passwd.yaml", "P01", "study file"},
		{"<script>", "P01", "no study"},
		{"No such study", "P01", "no study 'No such study'"},
		{"/dev/null/x.yaml", "P01", "study file"},
	};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	_autofree_ char *library = temporary_path("clean"), *status = NULL;
	struct session_ids ids = {0};

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, library, X11_INPUT);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_autofree_ char *output = NULL;

		expect(daemon_command(&daemon, &output, "start", "--study", table[i].study,
			       "--participant", table[i].participant, "--consent", "paper",
			       NULL) != 0);
		if (!strstr(output, table[i].says))
			printf("# '%s'\n", output);
		expect(strstr(output, table[i].says) != NULL);
	}
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 3);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 3);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 3);
	expect(daemon_command(&daemon, &status, "status", NULL) == 0 && strstr(status, "idle"));
	/* no files left behind */
	check(session_ids_list(&ids, library) == 0);
	expect(ids.count == 0);
	session_ids_finish(&ids);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void nothing_is_shared(void)
{
	_autofree_ char *output = NULL, *precious = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	_autoclose_ int fd = socket(AF_INET, SOCK_STREAM, 0);
	char listen_on[32], program[256];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	expect(run_child(&output, program, "--library", daemon.library, "--control", daemon.control,
		       "--listen", "127.0.0.1:0", NULL) == 3);
	expect(strstr(output, "another uxrecd") != NULL);
	free(steal_ptr(output));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%d", ntohs(address.sin_port));
	expect(run_child(&output, program, "--library", daemon.library, "--control",
		       "/tmp/uxrec-test-control", "--listen", listen_on, NULL) == 3);
	expect(strstr(output, "another program") != NULL);
	/* a file other than a socket stays */
	precious = temporary_path("thesis.txt");
	close(open(precious, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	free(steal_ptr(output));
	expect(run_child(&output, program, "--library", daemon.library, "--control", precious,
		       "--listen", "127.0.0.1:0", NULL) == 3);
	expect(access(precious, F_OK) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"wrong uxrecd commands get one sentence", wrong_recorder_commands_are_refused},
	{"wrong uxrec commands get one sentence", wrong_commands_are_refused},
	{"all errors of study files are listed, each on its line",
		all_errors_of_studies_are_listed},
	{"uxrec study new makes a study file without errors", new_study_is_a_good_one},
	{"bad names and files start nothing and leave nothing", bad_sessions_are_not_started},
	{"a port or a socket in use is reported, a file is not removed", nothing_is_shared},
};

int main(void)
{
	return RUN_TESTS("refusals", tests);
}
