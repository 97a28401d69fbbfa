/* What goes wrong in a lab: signals, a display that vanishes, a full disk, wrong commands. */

#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/base/identity.h"
#include "protocol/base/io.h"
#include "protocol/verify.h"
#include "replay/info.h"
#include "replay/timeline.h"

#include <dirent.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <xcb/xcb.h>

#define X11_INPUT ((const char *[]){"--input", "x11", NULL})

static void paint_noise(struct desktop *desktop, uint64_t *random)
{
	for (int i = 0; i < 60; i++)
		desktop_paint(desktop, (uint32_t)next_random(random) & 0xffffff,
			(int)(next_random(random) % 1200), (int)(next_random(random) % 700),
			(int)(next_random(random) % 80) + 1, (int)(next_random(random) % 80) + 1);
}

/* @return 0 when a file has none at its begin */
static int first_number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	int number = 0;

	check(file != NULL);
	if (fscanf(file, "%d", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

/* the annotations say why the session ended */
static bool reason_is_said(const struct session *session, const char *reason)
{
	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_FINDING &&
			strstr(act->finding->text, reason))
			return true;
	}
	return false;
}

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

/* Started as by nohup, and sent every signal that ends a process by default and is neither an end nor a fault. */
static void other_signals_end_nothing(void)
{
	static const int strays[] = {SIGHUP, SIGPIPE, SIGXFSZ, SIGXCPU, SIGUSR1, SIGUSR2, SIGALRM,
		SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT};
	_autofree_ char *status = NULL, *children = NULL;
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
	check(asprintf(&children, "/proc/%d/task/%d/children", daemon.child.pid, daemon.child.pid) >
		0);
	helper = first_number_in(children);
	check(helper > 0);
	for (size_t i = 0; i < ARRAY_SIZE(strays); i++) {
		check(kill(daemon.child.pid, strays[i]) == 0);
		check(kill(helper, strays[i]) == 0);
	}
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		check(kill(daemon.child.pid, number) == 0 && kill(helper, number) == 0);
	/* a service that is stopped sends it to all of its processes: the helper ends with the recorder */
	check(kill(helper, SIGTERM) == 0);
	sleep_ms(300);
	expect(daemon_command(&daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "recording") != NULL);
	expect(first_number_in(children) == helper);
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
	expect(child_says(&daemon.child, "gone", 1));
	/* the library is still served, and a new session is refused with the reason */
	expect(daemon_command(&daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "idle") && strstr(status, id));
	expect(daemon_command(&daemon, NULL, "start", "--study", "Demo study", "--participant",
		       "P02", "--consent", "paper", NULL) == 3);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(strstr(facts->end_reason, "gone") != NULL);
	expect(reason_is_said(session, "gone"));
	desktop_end(&desktop);
}

/* A library on a disk of 24 MB of which a file takes some. @return false when that cannot be had */
static bool small_disk_start(
	struct desktop *desktop, const char *library, const char *filler, int filler_mb)
{
	_autoclose_ int fd = -1;

	check(mkdir(library, 0700) == 0);
	if (mount("tmpfs", library, "tmpfs", 0, "size=24m") < 0) {
		skip_test("this user may not mount a small tmpfs");
		return false;
	}
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && posix_fallocate(fd, 0, (off_t)filler_mb << 20) == 0);
	if (desktop_start(desktop, 1280, 720))
		return true;
	umount2(library, MNT_DETACH);
	return false;
}

static void fill_disk(struct desktop *desktop, const struct daemon_child *daemon)
{
	uint64_t random = 17;

	for (int i = 0; i < 3000 && !child_says(&daemon->child, "No space left", 0); i++)
		paint_noise(desktop, &random);
	check(child_says(&daemon->child, "No space left", 10));
}

static int count_files(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	int count = 0;

	check(entries != NULL);
	while ((entry = readdir(entries)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(entries);
	return count;
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* No packet has the identity of another, and all acts of a session have its ids. */
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

static void full_disk_holds_and_goes_on(void)
{
	_autofree_ char *library = temporary_path("small-disk"), *status = NULL, *path = NULL;
	_autofree_ char *filler = temporary_path("small-disk/filler");
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21], program[256];

	if (!small_disk_start(&desktop, library, filler, 14))
		return;
	daemon_start(&daemon, library, X11_INPUT);
	daemon_record(&daemon, "classes", id);
	fill_disk(&desktop, &daemon);
	for (int i = 0; i < 50; i++) {
		desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
		desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
	}
	sleep_ms(2500);
	expect(daemon_command(&daemon, &status, "status", "--json", NULL) == 0);
	expect(strstr(status, "the disk is full") && strstr(status, "recording"));
	check(unlink(filler) == 0);
	check(child_says(&daemon.child, "goes on in segment 2", 10));
	desktop_paint(&desktop, 0x123456, 0, 0, 100, 100);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	expect(session_reader_segments(session->reader) == 2);
	expect(session_reader_damages(session->reader, NULL) == 0);
	expect(reason_is_said(session, "the disk is full"));
	/* nothing of what was pressed meanwhile is missing or there twice */
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 50);
	check(asprintf(&path, "%s/%s", library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "verify", path, NULL) == 0);
	/* nothing is left beside the segments and what was said */
	expect(count_files(path) == 3);
	session_destroy(steal_ptr(session));
	umount2(library, MNT_DETACH);
	desktop_end(&desktop);
}

/* A session on a disk that is full to the last byte, and twenty keys that there is no room for. */
struct full_disk {
	struct desktop desktop;
	struct daemon_child daemon;
	char *library, *filler;
	char id[21];
};

static void full_disk_finish(struct full_disk *full)
{
	if (full->library)
		umount2(full->library, MNT_DETACH);
	free(full->library);
	free(full->filler);
	desktop_end(&full->desktop);
}

static bool full_disk_start(struct full_disk *full, const char *name)
{
	_autofree_ char *filler = NULL;
	off_t at = 0;
	int fd;

	*full = (struct full_disk){.library = temporary_path(name)};
	check(asprintf(&full->filler, "%s/filler", full->library) > 0);
	if (!small_disk_start(&full->desktop, full->library, full->filler, 19)) {
		free(steal_ptr(full->library));
		return false;
	}
	daemon_start(&full->daemon, full->library, X11_INPUT);
	daemon_record(&full->daemon, "classes", full->id);
	fill_disk(&full->desktop, &full->daemon);
	/* what the recorder has given back of its reserve is taken too */
	check(asprintf(&filler, "%s.2", full->filler) > 0);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0);
	for (int rounds = 0; rounds < 5; rounds++, sleep_ms(100))
		while (posix_fallocate(fd, at, 4096) == 0)
			at += 4096;
	close(fd);
	for (int i = 0; i < 20; i++) {
		desktop_fake(&full->desktop, XCB_KEY_PRESS, 38, 0, 0);
		desktop_fake(&full->desktop, XCB_KEY_RELEASE, 38, 0, 0);
	}
	sleep_ms(1000);
	return true;
}

static struct session *session_of(const struct full_disk *full)
{
	struct session *session = daemon_session(&full->daemon, full->id);

	check(session->reader && session_reader_damages(session->reader, NULL) == 0);
	return session;
}

/* What is missing is missing to the end, and the session does not pass for whole. */
static void expect_no_end(const struct session *session)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	Uxrec__SessionSummary *summary = session_summarise(session);
	const Uxrec__Gap *gap;

	check(summary && session_facts_create(&facts, session) == 0);
	expect(summary->health == UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNFINISHED);
	expect(!facts->complete && facts->duration_s > 0.5);
	gap = session_gap(facts);
	check(gap != NULL);
	expect(gap->reason == UXREC__GAP__REASON__REASON_DISK && gap->to_ns == 0);
	expect(gap->from_ns > facts->begin_ns);
	uxrec__session_summary__free_unpacked(summary, NULL);
}

static void stop_on_a_full_disk_waits_for_room(void)
{
	_autofree_ char *status = NULL, *refused = NULL, *again = NULL;
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct full_disk full;

	if (!full_disk_start(&full, "full-disk"))
		return;
	expect(daemon_command(&full.daemon, &refused, "stop", NULL) == 3);
	expect(strstr(refused, "no room on the disk") && strstr(refused, "--discard"));
	expect(daemon_command(&full.daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "ending") && strstr(status, "in memory"));
	expect(daemon_command(&full.daemon, &again, "start", "--study", "Demo study",
		       "--participant", "P02", "--consent", "paper", NULL) == 3);
	expect(strstr(again, "waits for room") != NULL);
	expect(daemon_command(&full.daemon, NULL, "pause", NULL) == 3);
	check(unlink(full.filler) == 0);
	check(child_says(&full.daemon.child, "ended: stopped by the moderator", 10));
	expect(end_child(&full.daemon.child, SIGTERM) == 0);
	session = session_of(&full);
	expect(session_is_complete(session));
	expect(reason_is_said(session, "stopped by the moderator"));
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 20);
	session_destroy(steal_ptr(session));
	full_disk_finish(&full);
}

static void what_has_no_room_can_be_given_up(void)
{
	_destroy_(session) struct session *session = NULL;
	struct full_disk full;

	if (!full_disk_start(&full, "discarded"))
		return;
	expect(daemon_command(&full.daemon, NULL, "stop", "--discard", NULL) == 0);
	check(child_says(&full.daemon.child, "of it were given up", 5));
	session = session_of(&full);
	expect_no_end(session);
	session_destroy(steal_ptr(session));
	expect(end_child(&full.daemon.child, SIGTERM) == 0);
	full_disk_finish(&full);
}

static void sigterm_on_a_full_disk_leaves_a_gap(void)
{
	_destroy_(session) struct session *session = NULL;
	struct full_disk full;
	int64_t begun_ns;

	if (!full_disk_start(&full, "terminated"))
		return;
	begun_ns = clock_now_ns();
	expect(end_child(&full.daemon.child, SIGTERM) == 0);
	/* less than service managers wait for */
	expect(clock_now_ns() - begun_ns < 25 * NS_PER_S);
	session = session_of(&full);
	expect_no_end(session);
	session_destroy(steal_ptr(session));
	full_disk_finish(&full);
}

static void a_recorder_that_is_killed_on_a_full_disk_leaves_a_gap(void)
{
	_destroy_(session) struct session *session = NULL;
	struct full_disk full;

	if (!full_disk_start(&full, "killed"))
		return;
	end_child(&full.daemon.child, SIGKILL);
	session = session_of(&full);
	expect_no_end(session);
	session_destroy(steal_ptr(session));
	full_disk_finish(&full);
}

/* In two ways: what was given up stays so, and what was killed goes on when there is room. */
static void what_was_killed_on_a_full_disk_goes_on_and_what_was_given_up_does_not(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	struct daemon_child again;
	struct full_disk full;
	const Uxrec__Gap *gap;
	int found = 0;

	if (!full_disk_start(&full, "given-up"))
		return;
	expect(daemon_command(&full.daemon, NULL, "stop", "--discard", NULL) == 0);
	expect(end_child(&full.daemon.child, SIGTERM) == 0);
	check(unlink(full.filler) == 0);
	daemon_start(&again, full.library, X11_INPUT);
	expect(!child_says(&again.child, "goes on", 1));
	expect(end_child(&again.child, SIGTERM) == 0);
	full_disk_finish(&full);

	if (!full_disk_start(&full, "resumed"))
		return;
	expect(daemon_command(&full.daemon, NULL, "pause", NULL) == 0);
	expect(daemon_command(&full.daemon, NULL, "mute", NULL) == 0);
	end_child(&full.daemon.child, SIGKILL);
	check(unlink(full.filler) == 0);
	daemon_start(&again, full.library, X11_INPUT);
	check(child_says(&again.child, "goes on after a recorder that was killed", 5));
	/* what was asked for before is not in the file, a pause and a mute among it */
	expect(daemon_command(&again, NULL, "pause", NULL) == 3);
	expect(daemon_command(&again, NULL, "mute", NULL) == 3);
	expect(daemon_command(&again, NULL, "resume", NULL) == 0);
	expect(daemon_command(&again, NULL, "unmute", NULL) == 0);
	sleep_ms(500);
	expect(daemon_command(&again, NULL, "stop", NULL) == 0);
	expect(end_child(&again.child, SIGTERM) == 0);
	session = session_of(&full);
	expect(session_is_complete(session));
	/* the gap that was open to the end has its end */
	check(session_facts_create(&facts, session) == 0);
	for (size_t i = 0; i < facts->gap_count; i++) {
		gap = facts->gaps[i];
		expect(gap->to_ns > gap->from_ns);
		found += strstr(gap->detail, "the disk was full, then") != NULL;
	}
	expect(found == 1);
	session_facts_destroy(steal_ptr(facts));
	session_destroy(steal_ptr(session));
	full_disk_finish(&full);
}

/* A file that may not grow over 4 MB (RLIMIT_FSIZE) is like a full disk, but another file can be written at once. */
static void a_limit_of_file_size_begins_a_segment(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct rlimit before;
	uint64_t random = 3;
	char id[21];

	if (!desktop_start(&desktop, 1280, 720))
		return;
	check(getrlimit(RLIMIT_FSIZE, &before) == 0);
	check(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4 << 20, before.rlim_max}) == 0);
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	check(setrlimit(RLIMIT_FSIZE, &before) == 0);
	daemon_record(&daemon, "classes", id);
	for (int i = 0; i < 3000 && !child_says(&daemon.child, "goes on in segment 2", 0); i++) {
		paint_noise(&desktop, &random);
		if (i < 20) {
			desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
			desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
		}
	}
	check(child_says(&daemon.child, "goes on in segment 2", 10));
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_is_complete(session));
	expect(session_reader_damages(session->reader, NULL) == 0);
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 20);
	desktop_end(&desktop);
}

static void removed_files_are_made_again(void)
{
	static const char *const names[] = {"recording-0001.mcap", "recording-0001.mcap.wal-a",
		"recording-0001.mcap.wal-b", "annotations.mcap"};
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21], path[400], program[256];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	for (int i = 0; i < 60; i++) {
		desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
		desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
		for (size_t k = 0; i == 30 && k < ARRAY_SIZE(names); k++) {
			snprintf(path, sizeof(path), "%s/%s/%s", temporary_folder(), id, names[k]);
			check(unlink(path) == 0);
		}
		sleep_ms(30);
	}
	check(child_says(&daemon.child, "goes on in segment 2", 10));
	expect(daemon_command(&daemon, NULL, "stop", "--outcome", "failed", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	expect(session_reader_segments(session->reader) == 2);
	expect(reason_is_said(session, "its file was removed"));
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 60);
	snprintf(path, sizeof(path), "%s/%s", temporary_folder(), id);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "verify", path, NULL) == 0);
	desktop_end(&desktop);
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
		paint_noise(&desktop, &random);
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
	/* its socket is taken over by the next one, which goes on with the session */
	daemon_start(&again, daemon.library,
		(const char *[]){"--input", "x11", "--control", daemon.control, NULL});
	check(child_says(&again.child, "goes on after a recorder that was killed", 5));
	/* a second recorder of the same library leaves a session alone that is being recorded */
	daemon_start(&other, daemon.library, X11_INPUT);
	expect(!child_says(&other.child, "goes on", 1));
	expect(end_child(&other.child, SIGTERM) == 0);
	memcpy(again.control, daemon.control, sizeof(again.control));
	desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
	desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
	sleep_ms(500);
	/* what was kept from the observers is kept from them still */
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
	/* an ended session is left alone */
	end_child(&again.child, SIGTERM);
	daemon_start(&again, daemon.library,
		(const char *[]){"--input", "x11", "--control", daemon.control, NULL});
	expect(!child_says(&again.child, "goes on", 1));
	expect(end_child(&again.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- wrong commands: one clear sentence and a non-zero exit ---- */

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
			"bad.yaml:2:1: unexpected key 'colour': it is one of study, tasks"},
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
		{{"bench", "--size", "1x1"}, 2, "--size '1x1': it is WIDTHxHEIGHT in pixels"},
		{{"bench", "--fps", "0"}, 2, "--fps '0': it is 1 to 240"},
		{{"bench", "--encoder", "h264"}, 2, "one of auto, h264_vaapi"},
		{{"bench", "--encoder", "h264_vaapi", "--chroma", "444"}, 2, "has no 4:4:4"},
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
		"bad.yaml:3:7: keys: 'all': it is one of none, counts, classes, full",
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
	/* nothing of it was left behind */
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
	/* what is no socket is not taken away */
	precious = temporary_path("thesis.txt");
	close(open(precious, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	free(steal_ptr(output));
	expect(run_child(&output, program, "--library", daemon.library, "--control", precious,
		       "--listen", "127.0.0.1:0", NULL) == 3);
	expect(access(precious, F_OK) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* a display and a helper that do not answer any more hold up nobody for long */
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

/* A recorder that is stopped for a while (SIGSTOP), as in a virtual machine that is paused. */
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
	/* in a pause nothing is missing */
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	kill(daemon.child.pid, SIGSTOP);
	sleep_ms(400);
	kill(daemon.child.pid, SIGCONT);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_facts_create(&facts, session) == 0);
	/* a busy machine may have made more of them, but none for the pause */
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
	{"a full disk is said, and the session goes on in a new segment",
		full_disk_holds_and_goes_on},
	{"files that somebody removes are made again, and nothing is missing",
		removed_files_are_made_again},
	{"a session that is stopped on a full disk ends when there is room, and lacks nothing",
		stop_on_a_full_disk_waits_for_room},
	{"what there is no room for can be given up, and is a gap to the end",
		what_has_no_room_can_be_given_up},
	{"SIGTERM on a full disk ends the recorder in time, with a gap to the end",
		sigterm_on_a_full_disk_leaves_a_gap},
	{"a recorder that is killed on a full disk leaves a gap to the end",
		a_recorder_that_is_killed_on_a_full_disk_leaves_a_gap},
	{"a session that was killed on a full disk goes on, one that was given up does not",
		what_was_killed_on_a_full_disk_goes_on_and_what_was_given_up_does_not},
	{"a file that has reached the limit of its size is followed by a segment",
		a_limit_of_file_size_begins_a_segment},
	{"a killed recorder leaves a file that opens, and the next one goes on",
		killed_recorder_leaves_a_file_that_opens},
	{"wrong uxrecd commands get one sentence", wrong_recorder_commands_are_refused},
	{"wrong uxrec commands get one sentence", wrong_commands_are_refused},
	{"all errors of study files are listed, each on its line",
		all_errors_of_studies_are_listed},
	{"uxrec study new makes a study file without errors", new_study_is_a_good_one},
	{"bad names and files start nothing and leave nothing", bad_sessions_are_not_started},
	{"a port or a socket in use is told, a file is not taken away", nothing_is_shared},
	{"a recorder that was stopped has gaps of that length, but not for a pause",
		a_stall_is_a_gap},
	{"a display that is frozen holds up neither pause nor stop", frozen_sources_are_left},
};

int main(void)
{
	return RUN_TESTS("failures", tests);
}
