/* Failures of a lab: signals, a lost or frozen display, a killed or stopped recorder. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/os/identity.h"
#include "replay/session/info.h"
#include "replay/session/timeline.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xcb/xcb.h>

#define X11_INPUT ((const char *[]){"--input", "x11", NULL})

static void signal_ends_well(int signal_number, const char *name)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_autofree_ char *output = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	desktop_paint(&desktop, 0xff00ff, 10, 10, 50, 50);
	sleep_ms(200);
	expect(end_child(&daemon.child, signal_number) == 0);
	output = child_output(&daemon.child);
	expect(strstr(output, "recorded ") && strstr(output, id) && strstr(output, "pictures"));
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(strcmp(facts->end_reason, name) == 0);
	expect(reason_is_said(session, name));
	expect(access(daemon.control, F_OK) < 0);
	desktop_end(&desktop);
}

static void sigterm_ends_well(void)
{
	signal_ends_well(SIGTERM, "SIGTERM");
}

static void sigint_ends_well(void)
{
	signal_ends_well(SIGINT, "SIGINT");
}

/* the terminal is closed */
static void sighup_ends_well(void)
{
	signal_ends_well(SIGHUP, "SIGHUP");
}

static void sigquit_ends_well(void)
{
	signal_ends_well(SIGQUIT, "SIGQUIT");
}

/* Started like by nohup, and sent every signal that terminates by default and is neither a request to end nor a
 * fault. */
static void other_signals_end_nothing(void)
{
	static const int strays[] = {SIGHUP, SIGPIPE, SIGXFSZ, SIGXCPU, SIGUSR1, SIGUSR2, SIGALRM,
		SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT};
	_autofree_ char *status = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];
	int helper;

	if (!desktop_start(&desktop, 640, 480))
		return;
	signal(SIGHUP, SIG_IGN);
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	signal(SIGHUP, SIG_DFL);
	daemon_record(&daemon, "classes", id);
	helper = first_child(daemon.child.pid);
	check(helper > 0);
	for (size_t i = 0; i < ARRAY_SIZE(strays); i++) {
		check(kill(daemon.child.pid, strays[i]) == 0);
		check(kill(helper, strays[i]) == 0);
	}
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		check(kill(daemon.child.pid, number) == 0 && kill(helper, number) == 0);
	/* a stopped service signals all of its processes: the helper ends with the recorder */
	check(kill(helper, SIGTERM) == 0);
	sleep_ms(300);
	expect(daemon_command(&daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "recording") != NULL);
	expect(first_child(daemon.child.pid) == helper);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void vanished_display_ends_its_input(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_autofree_ char *status = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start_with(&desktop, desktop_own_number(), "640x480x24", NULL))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	sleep_ms(200);
	end_child(&desktop.xvfb, SIGKILL);
	check(child_says(&daemon.child, "ended: ", 10));
	expect(child_says(&daemon.child, "was lost", 1));
	/* the library is still served, and a new session is refused with the reason */
	expect(daemon_command(&daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "idle") && strstr(status, id));
	expect(daemon_command(&daemon, NULL, "start", "--study", "Demo study", "--participant",
		       "P02", "--consent", "paper", NULL) == 3);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(strstr(facts->end_reason, "was lost") != NULL);
	expect(reason_is_said(session, "was lost"));
	desktop_end(&desktop);
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Packets have unique identities, and all acts of a session have its ids. */
static void check_ids(const struct session *session)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	_cleanup_(buf_finish) struct buf keys = {0};
	const Uxrec__SessionInfo *info = session_info(session);
	struct reader_message message;
	const uint64_t *key;
	size_t count;

	check(identity_id_is_valid(session->uuid));
	check(info && info->n_participant_ids == 1);
	expect(identity_id_is_valid(info->participant_ids[0]));
	expect(identity_id_is_valid(session_study_id(session)));
	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		expect(strcmp(act->session_uuid, session->uuid) == 0);
		expect(identity_id_is_valid(act->principal));
		if (act->body_case == UXREC__ACT__BODY_ATTEMPT)
			expect(strcmp(act->attempt->participant_id, info->participant_ids[0]) == 0);
	}
	check(session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		buf_put_u64(&keys, (uint64_t)message.channel->id << 32 | message.sequence);
	count = keys.size_bytes / sizeof(*key);
	key = (const uint64_t *)(const void *)keys.data;
	check(count > 10);
	qsort(keys.data, count, sizeof(*key), compare_keys);
	for (size_t i = 1; i < count; i++)
		expect(key[i - 1] != key[i]);
}

static void killed_recorder_leaves_a_file_that_opens(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	const Uxrec__Gap *gap;
	_autofree_ char *path = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon, again, other;
	uint64_t random = 5;
	char id[21], program[256], uuid[33];

	if (!desktop_start(&desktop, 1280, 720))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "mute", NULL) == 0);
	for (int i = 0; i < 60; i++) {
		desktop_paint_noise(&desktop, &random);
		sleep_ms(50);
	}
	end_child(&daemon.child, SIGKILL);
	session = daemon_session(&daemon, id);
	check(session->reader && !session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(facts->duration_s > 1.5 && facts->damage_count == 0);
	memcpy(uuid, session->uuid, sizeof(uuid));
	check_ids(session);
	check(asprintf(&path, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "verify", path, NULL) == 1);
	session_destroy(steal_ptr(session));
	/* the next recorder takes over its socket, and continues the session */
	daemon_start(&again, daemon.library,
		(const char *[]){"--input", "x11", "--control", daemon.control, NULL});
	check(child_says(&again.child, "resumed after the recorder was killed", 5));
	/* a second recorder of the same library does not touch a session in progress */
	daemon_start(&other, daemon.library, X11_INPUT);
	expect(!child_says(&other.child, "goes on", 1));
	expect(end_child(&other.child, SIGTERM) == 0);
	memcpy(again.control, daemon.control, sizeof(again.control));
	desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
	desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
	sleep_ms(500);
	/* withheld channels stay withheld from observers */
	expect(daemon_command(&again, NULL, "mute", NULL) == 3);
	expect(daemon_command(&again, NULL, "unmute", NULL) == 0);
	expect(daemon_command(&again, NULL, "task", "end", "failed", NULL) == 0);
	expect(daemon_command(&again, NULL, "stop", NULL) == 0);
	session = daemon_session(&again, id);
	check(session->reader && session_reader_is_complete(session->reader));
	expect(session_reader_segments(session->reader) == 2);
	expect(strcmp(session->uuid, uuid) == 0);
	check_ids(session);
	session_facts_destroy(steal_ptr(facts));
	check(session_facts_create(&facts, session) == 0);
	expect(facts->damage_count == 0);
	gap = session_gap(facts);
	check(gap != NULL);
	expect(strstr(gap->detail, "was killed") != NULL);
	expect(gap->to_ns > gap->from_ns);
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 1);
	/* an ended session is not touched */
	end_child(&again.child, SIGTERM);
	daemon_start(&again, daemon.library,
		(const char *[]){"--input", "x11", "--control", daemon.control, NULL});
	expect(!child_says(&again.child, "goes on", 1));
	expect(end_child(&again.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* a hanging display and helper delay nothing for long */
static void frozen_sources_are_left(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	_autofree_ char *status = NULL;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	desktop_paint(&desktop, 0x00ff00, 0, 0, 300, 300);
	sleep_ms(300);
	kill(desktop.xvfb.pid, SIGSTOP);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	expect(daemon_command(&daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "paused") != NULL);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	kill(desktop.xvfb.pid, SIGCONT);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static const Uxrec__Gap *next_stall(const struct session_facts *facts, size_t *at)
{
	for (; *at < facts->gap_count; ++*at)
		if (facts->gaps[*at]->reason == UXREC__GAP__REASON__REASON_STALL)
			return facts->gaps[(*at)++];
	return NULL;
}

/* A recorder that is stopped for a while (SIGSTOP), like in a paused virtual machine. */
static void a_stall_is_a_gap(void)
{
	static const int64_t stalls_ms[] = {600, 1500};
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	const Uxrec__Gap *gap;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	size_t at = 0;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	sleep_ms(500);
	for (size_t i = 0; i < ARRAY_SIZE(stalls_ms); i++) {
		kill(daemon.child.pid, SIGSTOP);
		sleep_ms((int)stalls_ms[i]);
		kill(daemon.child.pid, SIGCONT);
		sleep_ms(500);
	}
	/* during a pause nothing is missing */
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	kill(daemon.child.pid, SIGSTOP);
	sleep_ms(400);
	kill(daemon.child.pid, SIGCONT);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_facts_create(&facts, session) == 0);
	/* a busy machine may have caused more gaps, but none for the pause */
	for (size_t i = 0; i < ARRAY_SIZE(stalls_ms); i++) {
		do
			check((gap = next_stall(facts, &at)) != NULL);
		while (gap->to_ns - gap->from_ns < (stalls_ms[i] - 100) * NS_PER_MS);
		expect(gap->n_topics >= 2 && strcmp(gap->topics[0], "/screen") == 0);
		expect(strcmp(gap->topics[1], "/pointer") == 0);
	}
	while ((gap = next_stall(facts, &at)))
		expect(gap->to_ns - gap->from_ns < 390 * NS_PER_MS);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"SIGTERM ends the session with its reason", sigterm_ends_well},
	{"SIGINT ends the session with its reason", sigint_ends_well},
	{"SIGHUP ends the session with its reason", sighup_ends_well},
	{"SIGQUIT ends the session with its reason", sigquit_ends_well},
	{"no other signal ends a recording, and under nohup SIGHUP does not either",
		other_signals_end_nothing},
	{"a display that vanishes ends a session whose input it is, the recorder goes on",
		vanished_display_ends_its_input},
	{"a killed recorder leaves a file that opens, and the next one goes on",
		killed_recorder_leaves_a_file_that_opens},
	{"a recorder that was stopped has gaps of that length, but not for a pause",
		a_stall_is_a_gap},
	{"a display that is frozen holds up neither pause nor stop", frozen_sources_are_left},
};

int main(void)
{
	return RUN_TESTS("failures", tests);
}
