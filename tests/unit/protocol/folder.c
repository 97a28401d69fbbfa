/* Attacks by a session's folder made by others on its readers. */

#include "tests/harness/helpers.h"

#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/cleanup.h"
#include "protocol/file/reader.h"
#include "protocol/os/folder.h"
#include "protocol/os/io.h"
#include "replay/session/delete.h"
#include "replay/session/session.h"
#include "replay/session/timeline.h"
#include "replay/session/transcript.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ID     "20261101-120000-abcd"
#define SECRET "what the reviewer has in their own files\n"

/* ---- files of all types ---- */

enum kind { LINK, DANGLING, FIFO, SOCKET, FOLDER, DEVICE_LINK, KIND_COUNT };

static const char *const kind_words[KIND_COUNT] = {
	"a symbolic link", "a symbolic link", "a FIFO", "a socket", "a folder", "a symbolic link"};

static void put(const char *path, const char *text)
{
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_autoclose_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	check(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static void make_kind(const char *path, enum kind kind, const char *target)
{
	_autofree_ char *nothing = NULL;

	check(asprintf(&nothing, "%s-made", target) > 0);
	switch (kind) {
	case LINK: check(symlink(target, path) == 0); break;
	case DANGLING: check(symlink(nothing, path) == 0); break;
	case FIFO: check(mkfifo(path, 0600) == 0); break;
	case SOCKET: make_socket(path); break;
	case FOLDER: check(mkdir(path, 0700) == 0); break;
	default: check(symlink("/dev/zero", path) == 0);
	}
}

static void remove_kind(const char *path, enum kind kind)
{
	check((kind == FOLDER ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT);
}

/* ---- a folder alone ---- */

static void other_kinds_are_refused_by_name(void)
{
	_autofree_ char *target = temporary_path("target"), *path = temporary_path("kinds/thing");
	_autofree_ char *above = temporary_path("kinds"), *data = NULL;
	_folder_unref_ struct folder *folder = NULL;

	put(target, SECRET);
	check(mkdir(above, 0700) == 0);
	folder = open_folder(above);
	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		struct error error = {""};
		int wanted =
			kind == LINK || kind == DANGLING || kind == DEVICE_LINK ? -ELOOP : -EBADMSG;

		make_kind(path, kind, target);
		expect(folder_read(folder, "thing", &error) == wanted);
		expect(strstr(error.text, "kinds/thing: it is ") &&
			strstr(error.text, kind_words[kind]));
		expect(folder_write(folder, "thing", NULL) == wanted);
		expect(folder_read_whole(folder, "thing", 100, &data, NULL) == wanted);
		expect(folder_create(folder, "thing", NULL) == -EEXIST);
		expect(folder_has(folder, "thing") == 1);
		remove_kind(path, kind);
	}
	expect(folder_read(folder, "thing", NULL) == -ENOENT && folder_has(folder, "thing") == 0);
}

static void linked_folders_are_refused(void)
{
	_autofree_ char *real = temporary_path("real"), *link = temporary_path("linked"),
			*slash = temporary_path("linked/"), *file = temporary_path("real/file"),
			*through = temporary_path("linked/file");
	_folder_unref_ struct folder *folder = NULL, *above = open_folder(temporary_folder());
	struct error error = {""};
	const char *name;

	check(mkdir(real, 0700) == 0 && symlink(real, link) == 0);
	put(file, "x");
	expect(folder_open(&folder, link, &error) == -ELOOP &&
		strstr(error.text, "it is a symbolic link"));
	expect(folder_open(&folder, slash, NULL) == -ELOOP);
	expect(folder_open_below(&folder, above, "linked", NULL) == -ELOOP);
	expect(folder_open(&folder, file, NULL) == -ENOTDIR);
	/* a library is the user's own, and so is the path to a file named by the user */
	check(folder_open_linked(&folder, link, NULL) == 0);
	expect(folder_has(folder, "file") == 1);
	folder_unref(steal_ptr(folder));
	check(folder_open_of(&folder, through, &name, NULL) == 0 && strcmp(name, "file") == 0);
}

static void several_names_are_not_written(void)
{
	_autofree_ char *one = temporary_path("one"), *two = temporary_path("two");
	_folder_unref_ struct folder *folder = open_folder(temporary_folder());
	_autoclose_ int fd = -1;
	struct error error = {""};

	put(one, SECRET);
	check(link(one, two) == 0);
	expect(folder_write(folder, "two", &error) == -EMLINK && strstr(error.text, "2 names"));
	fd = folder_read(folder, "two", NULL);
	expect(fd >= 0);
}

static void new_files_are_private(void)
{
	static const mode_t masks[] = {0, 022, 077};
	_autofree_ char *path = temporary_path("private"), *out = temporary_path("given-out");
	_folder_unref_ struct folder *folder = open_folder(temporary_folder());

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		mode_t before = umask(masks[i]);
		_autoclose_ int fd = folder_create(folder, "private", NULL), given = io_create(out);
		struct stat status;

		umask(before);
		check(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0600);
		check(given >= 0 && fstat(given, &status) == 0);
		expect((status.st_mode & 07777) == 0600);
		expect(io_create(out) == -EEXIST);
		check(folder_remove(folder, "private") == 0 && unlink(out) == 0);
	}
	/* a link's target is not created */
	check(symlink(path, out) == 0);
	expect(io_create(out) == -EEXIST && access(path, F_OK) < 0);
}

static void large_files_have_a_limit(void)
{
	_autofree_ char *path = temporary_path("large"), *data = NULL;
	_folder_unref_ struct folder *folder = open_folder(temporary_folder());
	struct error error = {""};

	put(path, "12345");
	expect(folder_read_whole(folder, "large", 4, &data, &error) == -EFBIG &&
		strstr(error.text, "larger than 4 bytes"));
	expect(file_read_whole(path, 4, &data, NULL) == -EFBIG);
	check(folder_read_whole(folder, "large", 5, &data, NULL) == 5);
	expect(strcmp(data, "12345") == 0);
}

static void named_files_are_files(void)
{
	_autofree_ char *path = temporary_path("pipe"), *data = NULL;
	struct error error = {""};

	check(mkfifo(path, 0600) == 0);
	expect(file_read_whole(path, 100, &data, &error) == -EBADMSG &&
		strstr(error.text, "pipe: it is a FIFO"));
	expect(io_read_file(path, 100, &data) == -EBADMSG);
	expect(file_read_whole("/dev/zero", 100, &data, NULL) == -EBADMSG);
	expect(file_read_whole("/", 100, &data, NULL) == -EISDIR);
}

static void open_mounts_are_found(void)
{
	/* a file made with 0600: on ext4, on vfat with umask=022, with umask=077, with uid=0 */
	static const struct {
		mode_t mode;
		uid_t owner;
		bool is_private;
	} table[] = {
		{S_IFREG | 0600, 1000, true},
		{S_IFREG | 0755, 1000, false},
		{S_IFREG | 0700, 1000, true},
		{S_IFREG | 0600, 0, false},
		{S_IFREG | 0640, 1000, false},
		{S_IFREG | 0604, 1000, false},
	};
	_folder_unref_ struct folder *folder = open_folder(temporary_folder());
	struct error error = {""};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct stat status = {.st_mode = table[i].mode, .st_uid = table[i].owner};

		expect(folder_status_is_private(&status, 1000) == table[i].is_private);
	}
	expect(folder_is_private(folder, &error) == 1 && !*error.text);
}

/* ---- a session in a library ---- */

static char *library_path(const char *name)
{
	_autofree_ char *relative = NULL;

	check(asprintf(&relative, "library/" ID "%s%s", *name ? "/" : "", name) > 0);
	return temporary_path(relative);
}

static void copy_file(const char *from, const char *name)
{
	_autofree_ char *to = library_path(name), *data = NULL;
	ssize_t size = io_read_file(from, 1 << 24, &data);
	_autoclose_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(size > 0 && fd >= 0 && io_write_all(fd, data, (size_t)size) == 0);
}

/* a killed session, with every file that one can have */
static void fill_session(void)
{
	_autofree_ char *transcript = library_path("transcript.vtt");

	copy_file("tests/data/format-1/killed/annotations.mcap", "annotations.mcap");
	copy_file("tests/data/format-1/killed/recording-0001.mcap", "recording-0001.mcap");
	copy_file("tests/data/format-1/killed/recording-0001.mcap.wal-a",
		"recording-0001.mcap.wal-a");
	copy_file("tests/data/format-1/killed/recording-0001.mcap.wal-b",
		"recording-0001.mcap.wal-b");
	put(transcript, "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n");
}

static void begin_library(void)
{
	_autofree_ char *library = temporary_path("library"), *folder = library_path("");

	mkdir(library, 0700);
	mkdir(folder, 0700);
	fill_session();
}

/* order-independent checksum of the names, sizes and times of a session's folder */
static uint64_t sum_of_folder(void)
{
	_autofree_ char *path = library_path("");
	DIR *folder = opendir(path);
	struct dirent *entry;
	uint64_t sum = 0;

	check(folder != NULL);
	while ((entry = readdir(folder))) {
		struct stat status;
		uint64_t one = 1469598103934665603u;

		check(fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0);
		for (const char *at = entry->d_name; *at; at++)
			one = (one ^ (unsigned char)*at) * 1099511628211u;
		one = (one ^ (uint64_t)status.st_size) * 1099511628211u;
		one = (one ^ (uint64_t)status.st_mtim.tv_nsec) * 1099511628211u;
		sum += (one ^ (uint64_t)status.st_ino) * 1099511628211u;
	}
	closedir(folder);
	return sum;
}

/* read it like the list, an opening, the pages and uxrec info. @return true if the session could be listed */
static bool read_all_of_it(bool writable)
{
	_autofree_ char *library = temporary_path("library");
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults;
	Uxrec__SessionSummary *summary;

	if (session_open(&session, library, ID, writable, NULL) < 0)
		return false;
	summary = session_summarise(session);
	check(summary != NULL);
	uxrec__session_summary__free_unpacked(summary, NULL);
	if (session->annotations)
		annotations_refresh(session->annotations);
	if (session->reader)
		check(timeline_create(&timeline, session) == 0);
	transcript_show(&vtt, session, &faults, NULL);
	return true;
}

static void reading_changes_nothing_and_waits_for_nothing(void)
{
	static const char *const names[] = {"recording-0001.mcap", "recording-0002.mcap",
		"recording-0001.mcap.wal-a", "recording-0001.mcap.wal-b", "annotations.mcap",
		"annotations.mcap.torn-8", "transcript.vtt", ".transcript.vtt.new", "erased.mcap",
		".erasing.mcap", ".reserve"};
	_autofree_ char *target = temporary_path("victim"), *made = temporary_path("victim-made"),
			*text = NULL;

	begin_library();
	put(target, SECRET);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
			_autofree_ char *path = library_path(names[i]);
			uint64_t before;

			unlink(path);
			make_kind(path, kind, target);
			before = sum_of_folder();
			check(read_all_of_it(kind % 2));
			check(sum_of_folder() == before && access(made, F_OK) < 0);
			free(steal_ptr(text));
			check(io_read_file(target, 1000, &text) > 0 && strcmp(text, SECRET) == 0);
			remove_kind(path, kind);
			fill_session();
		}
}

static int append_tag(const char *code, struct error *reterr)
{
	_autofree_ char *library = temporary_path("library");
	_destroy_(session) struct session *session = NULL;
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Tag tag = UXREC__TAG__INIT;
	char id[33];

	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)"Ana";
	act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_TAG;
	act.tag = &tag;
	tag.code = (char *)code;
	tag.media_ns = 1000000000;
	check(session_open(&session, library, ID, true, NULL) == 0);
	check(session->annotations != NULL);
	return annotations_append(session->annotations, &act, NULL, reterr);
}

static void a_torn_end_is_moved_through_no_link(void)
{
	_autofree_ char *log = library_path("annotations.mcap"),
			*torn = library_path("annotations.mcap.torn-8"),
			*second = library_path("annotations.mcap.torn-8.2"),
			*target = temporary_path("shell"), *text = NULL;
	struct stat status;

	begin_library();
	put(target, SECRET);
	check(symlink(target, torn) == 0);
	put(log, "\x89MCAP0\r\n#!/bin/sh\necho written by the session's maker\n");
	check(read_all_of_it(true) && access(second, F_OK) < 0);
	check(append_tag("slip", NULL) == 0);
	check(io_read_file(target, 1000, &text) > 0 && strcmp(text, SECRET) == 0);
	/* no data are dropped, and the act is there */
	free(steal_ptr(text));
	check(io_read_file(second, 1000, &text) > 0 && strstr(text, "session's maker"));
	check(stat(second, &status) == 0 && (status.st_mode & 0777) == 0600);
	check(append_tag("slip", NULL) == 0);
	unlink(torn);
	unlink(second);
}

static void acts_go_into_no_foreign_file(void)
{
	_autofree_ char *log = library_path("annotations.mcap"), *target = temporary_path("empty");
	struct error error = {""};
	struct stat status;

	begin_library();
	/* an empty file could become a log: by another name, or through a link */
	put(target, "");
	check(unlink(log) == 0 && link(target, log) == 0);
	expect(append_tag("slip", &error) == -EMLINK && strstr(error.text, "hard links"));
	check(stat(target, &status) == 0 && status.st_size == 0);
	/* nor a file that has replaced it since it was read */
	check(unlink(log) == 0 && append_tag("slip", NULL) == 0);
	{
		_destroy_(annotations) struct annotations *open = NULL;
		_autofree_ char *aside = library_path("aside");
		Uxrec__Act act = UXREC__ACT__INIT;
		Uxrec__Tag tag = UXREC__TAG__INIT;
		char id[33];

		check(annotations_open(&open, log, true, NULL) == 0 && act_new_id(id) == 0);
		check(rename(log, aside) == 0 && append_tag("slip", NULL) == 0);
		act.id = id;
		act.author = (char *)"Ana";
		act.layer = (char *)"live";
		act.kind = UXREC__ACT__KIND__KIND_ADD;
		act.body_case = UXREC__ACT__BODY_TAG;
		act.tag = &tag;
		tag.code = (char *)"slip";
		tag.media_ns = 1;
		expect(annotations_append(open, &act, NULL, &error) == -ESTALE);
		check(unlink(aside) == 0);
	}
}

/* A reader of a file can hold its lock for ever. */
static void reading_waits_for_no_lock(void)
{
	_autofree_ char *log = library_path("annotations.mcap"), *folder = library_path("");
	_autoclose_ int file_fd = -1, folder_fd = -1;

	begin_library();
	file_fd = open(log, O_RDONLY | O_CLOEXEC);
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(flock(file_fd, LOCK_EX) == 0 && flock(folder_fd, LOCK_EX) == 0);
	check(read_all_of_it(true));
}

static void a_link_is_no_session(void)
{
	_autofree_ char *library = temporary_path("links"), *link = temporary_path("links/" ID),
			*real = library_path(""),
			*file = temporary_path("links/" ID "/recording-0001.mcap"),
			*recording = library_path("recording-0001.mcap");
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct error error = {""};

	begin_library();
	check(mkdir(library, 0700) == 0 && symlink(real, link) == 0);
	expect(session_open(&session, library, ID, true, &error) == -ELOOP);
	expect(strstr(error.text, "it is a symbolic link"));
	expect(session_open_path(&session, link, NULL) == -ELOOP);
	expect(session_open_path(&session, file, NULL) == -ELOOP);
	expect(session_reader_open_folder(&reader, link, NULL) == -ELOOP);
	check(unlink(link) == 0 && mkfifo(link, 0600) == 0);
	expect(session_open(&session, library, ID, true, &error) == -ENOTDIR);
	expect(strstr(error.text, "it is a FIFO"));
	/* a file opens by its own name as before */
	check(session_open_path(&session, recording, NULL) == 0);
	expect(strcmp(session->id, ID) == 0);
}

static void broken_parts_are_named(void)
{
	_autofree_ char *second = library_path("recording-0002.mcap"),
			*wal = library_path("recording-0001.mcap.wal-a"),
			*folder = library_path("");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	const struct reader_damage *damages;

	begin_library();
	check(mkfifo(second, 0600) == 0 && unlink(wal) == 0 && symlink("/dev/zero", wal) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check(session_reader_damages(reader, &damages) == 2);
	expect(strstr(damages[0].text, "recording-0001.mcap.wal-a: it is a symbolic link") ==
		damages[0].text);
	expect(strstr(damages[1].text, "recording-0002.mcap: it is a FIFO") == damages[1].text);
	unlink(second);
	unlink(wal);
}

/* ---- deleting ---- */

/* A library with a session that has an entry of every type, all leading to `secret`. */
static char *make_hostile_session(const char *library, const char *secret)
{
	char *session;

	check(asprintf(&session, "%s/%s", library, ID) > 0);
	check(mkdir(session, 0700) == 0);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		_autofree_ char *path = NULL;

		check(asprintf(&path, "%s/entry-%d", session, kind) > 0);
		if (kind != FOLDER)
			make_kind(path, (enum kind)kind, secret);
	}
	return session;
}

static void deleting_follows_nothing(void)
{
	_autofree_ char *secret = temporary_path("secret"), *outside = temporary_path("outside"),
			*kept = NULL, *session = NULL, *hard = NULL, *inner = NULL, *link = NULL;
	_autofree_ char *library_path = temporary_path("hostile-library");
	_folder_unref_ struct folder *library = NULL;
	struct folder_removed removed;
	struct error error = {""};

	check(mkdir(library_path, 0700) == 0 && mkdir(outside, 0700) == 0);
	check(asprintf(&kept, "%s/kept", outside) > 0);
	put(secret, SECRET);
	put(kept, SECRET);
	session = make_hostile_session(library_path, secret);
	check(asprintf(&hard, "%s/hard", session) > 0 &&
		linkat(AT_FDCWD, secret, AT_FDCWD, hard, 0) == 0);
	check(asprintf(&link, "%s/to-folder", session) > 0 && symlink(outside, link) == 0);
	check(folder_open(&library, library_path, NULL) == 0);
	/* a folder in it stays, and the error names it; all else is gone */
	check(asprintf(&inner, "%s/inner", session) > 0 && mkdir(inner, 0700) == 0);
	expect(session_delete(library, ID, &removed, &error) == -ENOTEMPTY);
	expect(strstr(error.text, "inner") && removed.left == 1);
	expect(access(hard, F_OK) < 0 && access(inner, F_OK) == 0);
	check(rmdir(inner) == 0);
	expect(session_delete(library, ID, &removed, &error) == 0);
	expect(access(session, F_OK) < 0);
	expect(access(secret, F_OK) == 0 && access(kept, F_OK) == 0);
	expect(session_delete(library, ID, &removed, &error) == -ENOENT);
	/* a link in place of the session, and folders without a session's name */
	check(symlink(outside, session) == 0);
	expect(session_delete(library, ID, &removed, &error) == -ELOOP);
	expect(session_delete(library, "..", &removed, &error) == -EINVAL);
	expect(session_delete(library, "outside", &removed, &error) == -EINVAL);
	expect(access(kept, F_OK) == 0);
}

static const struct test tests[] = {
	{"non-regular files are refused with name and kind, at once",
		other_kinds_are_refused_by_name},
	{"a symbolic link in place of a folder is refused", linked_folders_are_refused},
	{"a file with several names is read and not written", several_names_are_not_written},
	{"new files replace none and are private whatever the umask", new_files_are_private},
	{"files that are read whole have a limit", large_files_have_a_limit},
	{"a file named by a person must be a regular file", named_files_are_files},
	{"a file system without owners and modes is detected", open_mounts_are_found},
	{"reading a hostile session changes nothing and waits for nothing",
		reading_changes_nothing_and_waits_for_nothing},
	{"a torn end is moved through no link", a_torn_end_is_moved_through_no_link},
	{"acts go into no foreign file", acts_go_into_no_foreign_file},
	{"reading waits for no lock", reading_waits_for_no_lock},
	{"a symbolic link to a session is no session", a_link_is_no_session},
	{"parts of a session that are no files are reported as damage", broken_parts_are_named},
	{"deleting a session follows no link, and leaves a folder in it with its name",
		deleting_follows_nothing},
};

int main(void)
{
	return RUN_TESTS("folder", tests);
}
