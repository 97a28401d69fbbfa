/* Disks of a lab that are full, files that are removed or may not grow: no recorded data are lost. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "replay/session/info.h"
#include "replay/session/timeline.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xcb/xcb.h>

#define X11_INPUT ((const char *[]){"--input", "x11", NULL})

/* A library on a disk of 24 MB, partly taken by a file. @return false if not permitted */
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

#define SNOW_WIDTH  320
#define SNOW_HEIGHT 240

/* Incompressible content. */
static void paint_snow(struct desktop *desktop, xcb_gcontext_t gc, uint64_t *random)
{
	static uint32_t pixels[SNOW_WIDTH * SNOW_HEIGHT];

	for (size_t i = 0; i < ARRAY_SIZE(pixels); i++)
		pixels[i] = (uint32_t)(next_random(random) >> 40);
	xcb_put_image(desktop->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, desktop->screen->root, gc,
		SNOW_WIDTH, SNOW_HEIGHT, (int16_t)(next_random(random) % (1280 - SNOW_WIDTH)),
		(int16_t)(next_random(random) % (720 - SNOW_HEIGHT)), 0,
		desktop->screen->root_depth, sizeof(pixels), (const uint8_t *)pixels);
	xcb_flush(desktop->connection);
}

static void fill_disk(struct desktop *desktop, const struct daemon_child *daemon)
{
	xcb_gcontext_t gc = xcb_generate_id(desktop->connection);
	uint64_t random = 17;

	/* a session of some length: the snow fills the disk in no time */
	sleep_ms(700);
	xcb_create_gc(desktop->connection, gc, desktop->screen->root, 0, NULL);
	for (int i = 0; i < 3000 && !child_says(&daemon->child, "No space left", 0); i++)
		paint_snow(desktop, gc, &random);
	xcb_free_gc(desktop->connection, gc);
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
	check(child_says(&daemon.child, "continues in segment 2", 10));
	desktop_paint(&desktop, 0x123456, 0, 0, 100, 100);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	expect(session_reader_segments(session->reader) == 2);
	expect(session_reader_damages(session->reader, NULL) == 0);
	expect(reason_is_said(session, "the disk is full"));
	/* keys pressed meanwhile are all there, once */
	check(timeline_create(&timeline, session) == 0);
	expect(timeline_count(timeline, PRESS_KEY, INT64_MIN, INT64_MAX) == 50);
	check(asprintf(&path, "%s/%s", library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "verify", path, NULL) == 0);
	/* only the segments and the annotations are left */
	expect(count_files(path) == 3);
	session_destroy(steal_ptr(session));
	umount2(library, MNT_DETACH);
	desktop_end(&desktop);
}

/* A session on a disk that is full to the last byte, and twenty keys without room. */
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
	/* also fill space that the recorder has freed from its reserve */
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

/* The session is missing from one time to the end, and is not marked complete. */
static void expect_no_end(const struct session *session)
{
	_destroy_(session_facts) struct session_facts *facts = NULL;
	Uxrec__SessionSummary *summary = session_summarise(session);
	const Uxrec__Gap *gap = NULL;

	check(summary && session_facts_create(&facts, session) == 0);
	expect(summary->health == UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNFINISHED);
	expect(!facts->complete && facts->duration_s > 0.5);
	for (size_t i = 0; i < facts->gap_count; i++)
		if (facts->gaps[i]->to_ns == 0) {
			expect(gap == NULL);
			gap = facts->gaps[i];
		}
	check(gap != NULL && gap->reason == UXREC__GAP__REASON__REASON_DISK);
	for (size_t i = 0; i < facts->gap_count; i++)
		expect(facts->gaps[i] == gap || facts->gaps[i]->to_ns <= gap->from_ns ||
			facts->gaps[i]->reason == UXREC__GAP__REASON__REASON_STALL);
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
	expect(strstr(refused, "the disk is full") && strstr(refused, "--discard"));
	expect(daemon_command(&full.daemon, &status, "status", NULL) == 0);
	expect(strstr(status, "ending") && strstr(status, "in memory"));
	expect(daemon_command(&full.daemon, &again, "start", "--study", "Demo study",
		       "--participant", "P02", "--consent", "paper", NULL) == 3);
	expect(strstr(again, "waits for disk space") != NULL);
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
	check(child_says(&full.daemon.child, "of it were discarded", 5));
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
	/* less than the timeout of service managers */
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

/* A session given up stays so; a killed one continues once there is room. */
static void what_was_killed_on_a_full_disk_goes_on_and_what_was_given_up_does_not(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	struct daemon_child again;
	struct full_disk full;
	_autofree_ char *path = NULL;
	struct stat found_file;
	const Uxrec__Gap *gap;
	int found = 0;

	if (!full_disk_start(&full, "given-up"))
		return;
	expect(daemon_command(&full.daemon, NULL, "stop", "--discard", NULL) == 0);
	expect(end_child(&full.daemon.child, SIGTERM) == 0);
	check(unlink(full.filler) == 0);
	/* nor if there was no room for the end of its file */
	check(asprintf(&path, "%s/%s/" SESSION_SEGMENT_NAME, full.library, full.id, 1) > 0);
	check(stat(path, &found_file) == 0 && truncate(path, found_file.st_size - 8) == 0);
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
	check(child_says(&again.child, "resumed after the recorder was killed", 5));
	/* a pause and a mute from before the kill are not in the file */
	expect(daemon_command(&again, NULL, "pause", NULL) == 3);
	expect(daemon_command(&again, NULL, "mute", NULL) == 3);
	expect(daemon_command(&again, NULL, "resume", NULL) == 0);
	expect(daemon_command(&again, NULL, "unmute", NULL) == 0);
	sleep_ms(500);
	expect(daemon_command(&again, NULL, "stop", NULL) == 0);
	expect(end_child(&again.child, SIGTERM) == 0);
	session = session_of(&full);
	expect(session_is_complete(session));
	/* the gap that was open has an end */
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

/* A file limited to 4 MB (RLIMIT_FSIZE) is like a full disk, but another file can be written at once. */
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
	for (int i = 0; i < 3000 && !child_says(&daemon.child, "continues in segment 2", 0); i++) {
		desktop_paint_noise(&desktop, &random);
		if (i < 20) {
			desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
			desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
		}
	}
	check(child_says(&daemon.child, "continues in segment 2", 10));
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
	check(child_says(&daemon.child, "continues in segment 2", 10));
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

static const struct test tests[] = {
	{"a full disk is reported, and the session goes on in a new segment",
		full_disk_holds_and_goes_on},
	{"removed files are made again, and nothing is missing", removed_files_are_made_again},
	{"a session that is stopped on a full disk ends when there is room, and lacks nothing",
		stop_on_a_full_disk_waits_for_room},
	{"data without room can be given up, and is a gap to the end",
		what_has_no_room_can_be_given_up},
	{"SIGTERM on a full disk ends the recorder in time, with a gap to the end",
		sigterm_on_a_full_disk_leaves_a_gap},
	{"a recorder that is killed on a full disk leaves a gap to the end",
		a_recorder_that_is_killed_on_a_full_disk_leaves_a_gap},
	{"a session that was killed on a full disk goes on, one that was given up does not",
		what_was_killed_on_a_full_disk_goes_on_and_what_was_given_up_does_not},
	{"a file that has reached the limit of its size is followed by a segment",
		a_limit_of_file_size_begins_a_segment},
};

int main(void)
{
	return RUN_TESTS("disk", tests);
}
