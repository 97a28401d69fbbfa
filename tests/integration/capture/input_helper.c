/* Loss and reports of a session when uxrec-inputd hangs or dies, or the bus that keys depend on. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "capture/input/input.h"
#include "capture/input/inputd_protocol.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/input.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEYCODE_OFFSET 8

static void key(struct desktop *desktop, int code, bool press)
{
	desktop_fake(desktop, press ? XCB_KEY_PRESS : XCB_KEY_RELEASE,
		(uint8_t)(code + KEYCODE_OFFSET), 0, 0);
}

static void tap(struct desktop *desktop, int code)
{
	key(desktop, code, true);
	key(desktop, code, false);
}

/* The recorder's helper, its only child, of any of its threads. @return 0 without one */
static pid_t helper_of(const struct daemon_child *daemon)
{
	char folder[64];
	pid_t helper = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(folder, sizeof(folder), "/proc/%d/task", daemon->child.pid);
	tasks = opendir(folder);
	check(tasks != NULL);
	while (helper == 0 && (entry = readdir(tasks))) {
		char path[400];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s/children", folder, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%d", &helper) != 1)
			helper = 0;
		fclose(file);
	}
	closedir(tasks);
	return helper;
}

/* @return true if the status contains a text, or lacks it, within @p seconds */
static bool status_has(const struct daemon_child *daemon, const char *text, bool has, int seconds)
{
	int64_t until_ns = clock_now_ns() + seconds * NS_PER_S;

	do {
		_autofree_ char *status = NULL;

		check(daemon_command(daemon, &status, "status", NULL) == 0);
		if ((strstr(status, text) != NULL) == has)
			return true;
		sleep_ms(100);
	} while (clock_now_ns() < until_ns);
	return false;
}

struct counted {
	size_t presses, shortcuts;
};

static int count(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__KeyClassBatch *classes = (const void *)unpacked;
	const Uxrec__ShortcutBatch *shortcuts = (const void *)unpacked;
	struct counted *counted = user;

	if (message->channel->known == CHANNEL_SHORTCUTS)
		counted->shortcuts += shortcuts->n_code;
	for (size_t i = 0; message->channel->known == CHANNEL_KEY_CLASSES && i < classes->n_action;
		i++)
		counted->presses += classes->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS;
	return 0;
}

static struct counted count_keys(struct session *session)
{
	struct counted counted = {0};

	check(session_each(session, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_KEY_CLASSES | UINT64_C(1) << CHANNEL_SHORTCUTS, count,
		      &counted) == 0);
	return counted;
}

static const Uxrec__Gap *input_gap(const struct session_facts *facts)
{
	const Uxrec__Gap *gap = session_gap(facts);

	check(gap != NULL);
	expect(gap->reason == UXREC__GAP__REASON__REASON_SOURCE_LOST);
	expect(gap->n_topics == 1 && strcmp(gap->topics[0], "/input") == 0);
	return gap;
}

#define X11_INPUT                                                                                  \
	(const char *[])                                                                           \
	{                                                                                          \
		"--input", "x11", "--screen", "none", NULL                                         \
	}

static void a_helper_that_hangs_is_told(void)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_destroy_(session) struct session *session = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	const Uxrec__Gap *gap;
	int64_t hung_ns, on_ns;
	char id[21];
	pid_t helper;

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	tap(&desktop, KEY_A);
	sleep_ms(500);
	helper = helper_of(&daemon);
	hung_ns = clock_now_ns();
	check(helper > 0 && kill(helper, SIGSTOP) == 0);
	expect(status_has(&daemon, "uxrec-inputd does not answer", true, 30));
	tap(&desktop, KEY_B);
	on_ns = clock_now_ns();
	check(kill(helper, SIGCONT) == 0);
	expect(status_has(&daemon, "uxrec-inputd does not answer", false, 30));
	tap(&desktop, KEY_C);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(session_facts_create(&facts, session) == 0);
	gap = input_gap(facts);
	expect(gap->from_ns <= hung_ns + session_offset_ns(session) + NS_PER_S);
	expect(gap->to_ns >= on_ns + session_offset_ns(session));
	/* the X server has buffered them */
	expect(count_keys(session).presses == 3);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void a_helper_that_hangs_to_the_end_is_a_gap(void)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_destroy_(session) struct session *session = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	check(kill(helper_of(&daemon), SIGSTOP) == 0);
	expect(status_has(&daemon, "uxrec-inputd does not answer", true, 30));
	tap(&desktop, KEY_B);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(session_facts_create(&facts, session) == 0);
	input_gap(facts);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void a_helper_that_dies_is_started_again(void)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_destroy_(session) struct session *session = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct counted counted;
	pid_t helper, other = 0;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	tap(&desktop, KEY_A);
	sleep_ms(500);
	key(&desktop, KEY_LEFTCTRL, true);
	helper = helper_of(&daemon);
	check(helper > 0 && kill(helper, SIGKILL) == 0);
	for (int i = 0; i < 100 && (other == 0 || other == helper); i++) {
		sleep_ms(100);
		other = helper_of(&daemon);
	}
	expect(other > 0 && other != helper);
	expect(status_has(&daemon, "uxrec-inputd", false, 30));
	key(&desktop, KEY_LEFTCTRL, false);
	tap(&desktop, KEY_B);
	tap(&desktop, KEY_C);
	sleep_ms(500);
	expect(status_has(&daemon, "recording", true, 1));
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(session_facts_create(&facts, session) == 0);
	input_gap(facts);
	counted = count_keys(session);
	expect(counted.presses >= 3 && counted.shortcuts == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- the service ---- */

/* a service that accepts connections, reports ready, and closes the first one */
struct service {
	int fd;
	_Atomic unsigned served;
	_Atomic uint32_t keys; /* last request of the second one */
	_Atomic bool stop;
};

static void serve(struct service *service, int fd)
{
	struct inputd_header header = {.kind = INPUTD_READY};
	struct inputd_request request;

	check(recv(fd, &request, sizeof(request), 0) == sizeof(request));
	check(request.type == INPUTD_START);
	check(send(fd, &header, sizeof(header), MSG_NOSIGNAL) == sizeof(header));
	if (++service->served == 1)
		return;
	while (recv(fd, &request, sizeof(request), 0) == sizeof(request)) {
		if (request.type == INPUTD_KEYS)
			service->keys = request.keys;
		header.kind = INPUTD_PONG;
		if (request.type == INPUTD_PING)
			send(fd, &header, sizeof(header), MSG_NOSIGNAL);
	}
}

static void *service_thread(void *user)
{
	struct service *service = user;

	while (!service->stop) {
		int fd = accept(service->fd, NULL, NULL);

		if (fd < 0)
			break;
		if (!service->stop)
			serve(service, fd);
		close(fd);
	}
	return NULL;
}

struct taking {
	struct packet_sink base;
	_Atomic unsigned gaps;
	_Atomic int disconnected, failed;
};

static void take_packet(struct packet_sink *base, struct packet *packet)
{
	struct taking *taking = (struct taking *)base;

	taking->gaps += packet->channel == CHANNEL_GAPS;
	packet_unref(packet);
}

static void take_away(void *user, struct source *source, const char *reason)
{
	struct taking *taking = user;

	(void)source;
	taking->disconnected += reason ? 1 : -1;
}

static void take_lost(void *user, struct source *source, const char *reason)
{
	struct taking *taking = user;

	(void)source;
	(void)reason;
	taking->failed++;
}

static void a_service_that_ends_is_asked_again(void)
{
	_autofree_ char *path = temporary_path("service.sock"), *wanted = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct taking taking = {.base = {take_packet}};
	struct service service = {.keys = KEY_POLICY_FULL};
	struct session_clock clock;
	const struct source_context context = {.clock = &clock,
		.sink = &taking.base,
		.failed = take_lost,
		.user = &taking,
		.disconnected = take_away};
	struct input_options options = {
		.keys = KEY_POLICY_CLASSES, .consent_id = "", .passwords_watched = true};
	struct error error = {""};
	struct source *source;
	pthread_t thread;

	session_clock_init(&clock);
	check(asprintf(&wanted, "service:%s", path) > 0);
	options.source = wanted;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	service.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check(service.fd >= 0 &&
		bind(service.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		listen(service.fd, 4) == 0);
	check(pthread_create(&thread, NULL, service_thread, &service) == 0);
	check(input_source_create(&source, &context, &options, &error) == 0);
	/* the policy at its death applies to its successor, too */
	input_source_set_keys(source, KEY_POLICY_COUNTS, UXREC__KEY_POLICY__REASON__REASON_WATCHED);
	for (int i = 0; i < 200 &&
		(service.served < 2 || service.keys != KEY_POLICY_COUNTS || taking.gaps == 0 ||
			taking.disconnected != 0);
		i++)
		sleep_ms(50);
	expect(service.served == 2 && service.keys == KEY_POLICY_COUNTS);
	expect(taking.gaps == 1 && taking.disconnected == 0 && taking.failed == 0);
	service.stop = true;
	shutdown(service.fd, SHUT_RDWR);
	source_destroy(source);
	pthread_join(thread, NULL);
	close(service.fd);
	expect(taking.failed == 0);
}

/* ---- a bus that does not answer ---- */

/* A session bus without services, so without an accessibility bus. @return false without dbus-daemon */
static bool start_bus(struct child *bus)
{
	_autofree_ char *conf = temporary_path("bus.conf"), *path = temporary_path("bus"),
			*address = NULL, *option = NULL;
	FILE *file;

	if (!has_program("dbus-daemon")) {
		skip_test("no dbus-daemon");
		return false;
	}
	file = fopen(conf, "we");
	check(file != NULL);
	fprintf(file,
		"<busconfig><type>session</type><listen>unix:path=%s</listen>"
		"<policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>"
		"</policy></busconfig>\n",
		path);
	fclose(file);
	check(asprintf(&address, "unix:path=%s", path) > 0 &&
		asprintf(&option, "--config-file=%s", conf) > 0);
	setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
	*bus = start_child("dbus-daemon", (const char *[]){option, "--nofork", NULL});
	for (int i = 0; i < 200 && access(path, F_OK) < 0; i++)
		sleep_ms(25);
	return access(path, F_OK) == 0;
}

#define BUS_WARNING "keys are not recorded: the accessibility bus does not answer"

static void record_with_a_slow_bus(bool answers)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *uxrec = NULL, *folder = NULL, *metrics = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	const Uxrec__Gap *gap;
	struct child bus;
	char id[21];

	if (!start_bus(&bus) || !desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	check(kill(bus.pid, SIGSTOP) == 0);
	daemon_record(&daemon, "classes", id);
	expect(status_has(&daemon, BUS_WARNING, true, 5));
	if (answers) {
		check(kill(bus.pid, SIGCONT) == 0);
		expect(status_has(&daemon, BUS_WARNING, false, 30));
	}
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	sleep_ms(200); /* keys have the begin of their 100 ms interval */
	tap(&desktop, KEY_A);
	tap(&desktop, KEY_B);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "task", "end", "completed", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	check(kill(bus.pid, SIGCONT) == 0);
	session = daemon_session(&daemon, id);
	check(session_facts_create(&facts, session) == 0);
	gap = session_gap(facts);
	check(gap != NULL && gap->n_topics > 0);
	expect(strcmp(gap->topics[0], "/input/keys") == 0);
	expect(strstr(gap->detail, "accessibility bus did not answer") != NULL);
	expect(count_keys(session).presses == (answers ? 2 : 0));
	check(asprintf(&uxrec, "%s/uxrec", build_folder()) > 0 &&
		asprintf(&folder, "%s/%s", daemon.library, id) > 0);
	check(run_child(&metrics, uxrec, "metrics", folder, "--json", NULL) == 0);
	expect(strstr(metrics, answers ? "\"keys\": 2" : "\"keys\": null") != NULL);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	end_child(&bus, SIGTERM);
	unsetenv("DBUS_SESSION_BUS_ADDRESS");
}

static void keys_are_recorded_once_a_slow_bus_has_answered(void)
{
	record_with_a_slow_bus(true);
}

static void keys_that_no_bus_lets_record_are_not_none(void)
{
	record_with_a_slow_bus(false);
}

static const struct test tests[] = {
	{"a hung helper is a warning meanwhile, and a gap", a_helper_that_hangs_is_told},
	{"a helper that hangs to the end is a gap", a_helper_that_hangs_to_the_end_is_a_gap},
	{"a helper that dies is started again, with a gap, and the session goes on",
		a_helper_that_dies_is_started_again},
	{"a service that ends is asked again, under the policy that holds",
		a_service_that_ends_is_asked_again},
	{"keys are recorded once a slow bus has answered, with a gap before",
		keys_are_recorded_once_a_slow_bus_has_answered},
	{"keys not recorded, because no bus answered, are missing and not zero",
		keys_that_no_bus_lets_record_are_not_none},
};

int main(void)
{
	return RUN_TESTS("input helper", tests);
}
