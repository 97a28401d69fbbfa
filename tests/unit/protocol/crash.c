#include "tests/harness/screens/pattern.h"

#include "protocol/base/clock.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Loss limits of a recording: a killed process loses none of the appended packets, a power cut none of those appended
 * before the last sync. UXREC_CRASH_ROUNDS multiplies the rounds.
 */

#define BEGIN_NS (1000 * NS_PER_S)

static size_t rounds(size_t few)
{
	const char *text = getenv("UXREC_CRASH_ROUNDS");

	return text ? few * (size_t)atoi(text) : few;
}

static const uint16_t channels[] = {
	CHANNEL_SCREEN, CHANNEL_CONTROLS, CHANNEL_CLOCK, CHANNEL_POINTER};

/* packet number i of a run; the same in every run */
static int append_number(struct session_writer *writer, struct session_clock *clock, size_t i)
{
	_packet_unref_ struct packet *packet = pattern_packet(
		clock, channels[i % ARRAY_SIZE(channels)], BEGIN_NS + (int64_t)i * 4 * NS_PER_MS);

	return session_writer_append(writer, packet);
}

static size_t appended_on(uint16_t channel, size_t count)
{
	size_t on = 0;

	for (size_t i = 0; i < count; i++)
		on += channels[i % ARRAY_SIZE(channels)] == channel;
	return on;
}

/*
 * Read all of it: only written packets, each once.
 *
 * @return the number of the first @p count packets that are missing
 */
static size_t missing_of(const char *path, size_t count)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	_autofree_ unsigned char *seen = calloc(CHANNEL_END, count + 200000);
	struct reader_message message;
	struct error error = {""};
	size_t missing = 0;
	int r;

	check(seen != NULL);
	if (session_reader_open(&reader, path, &error) < 0)
		return count;
	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while ((r = session_cursor_next(cursor, &message)) > 0) {
		unsigned char *mark =
			&seen[message.channel->id * (count + 200000) + message.sequence];

		check(message.sequence < count + 200000);
		check(!*mark);
		*mark = 1;
		check(is_the_pattern(&message));
	}
	check(r == 0);
	for (size_t c = 0; c < ARRAY_SIZE(channels); c++)
		for (size_t i = 0; i < appended_on(channels[c], count); i++)
			missing += !seen[channels[c] * (count + 200000) + i];
	return missing;
}

static void remove_recording(const char *path)
{
	static const char *const suffixes[] = {"", ".wal-a", ".wal-b"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char name[300];

		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

/* ---- an exiting process ---- */

static void nothing_appended_is_lost(void)
{
	_autofree_ char *path = temporary_path("gone.mcap");

	for (size_t count = 0; count < 700; count += count < 20 ? 1 : 37) {
		_destroy_(session_writer) struct session_writer *writer = NULL;
		_destroy_(session_reader) struct session_reader *reader = NULL;
		struct session_clock clock = {0};

		remove_recording(path);
		check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
		for (size_t i = 0; i < count; i++) {
			check(append_number(writer, &clock, i) == 0);
			if (i % 50 == 49)
				check(session_writer_sync(writer) == 0);
		}
		session_writer_destroy(steal_ptr(writer));
		check(missing_of(path, count) == 0);
		check(session_reader_open(&reader, path, NULL) == 0);
		check(!session_reader_is_complete(reader));
		check(session_reader_damages(reader, NULL) == 0);
	}
}

struct progress {
	_Atomic size_t appended, synced;
};

static void write_until_killed(const char *path, struct progress *progress)
{
	struct session_writer *writer;
	struct session_clock clock = {0};

	if (session_writer_create(&writer, path, SESSION_WRITER_RECORDING) < 0)
		_exit(1);
	for (size_t i = 0;; i++) {
		if (append_number(writer, &clock, i) < 0)
			_exit(1);
		progress->appended = i + 1;
		if (i % 200 == 199) {
			if (session_writer_sync(writer) < 0)
				_exit(1);
			progress->synced = i + 1;
		}
		if (i == 150000)
			_exit(0);
	}
}

static void kill_anywhere(void)
{
	_autofree_ char *path = temporary_path("killed.mcap");
	struct progress *progress = mmap(
		NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t random = 11;

	check(progress != MAP_FAILED);
	for (size_t round = 0; round < rounds(100); round++) {
		int64_t at_ns;
		pid_t pid;

		remove_recording(path);
		*progress = (struct progress){0};
		pid = fork();
		check(pid >= 0);
		if (pid == 0)
			write_until_killed(path, progress);
		while (progress->appended == 0)
			usleep(100);
		at_ns = (int64_t)(next_random(&random) % 40) * NS_PER_MS / 2;
		usleep((unsigned)(at_ns / 1000 + next_random(&random) % 500));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		check(missing_of(path, progress->appended) == 0);
	}
	munmap(progress, sizeof(*progress));
}

/* ---- a power cut ---- */

#define FILES 3

/* present content of the three files */
struct image {
	char *data[FILES];
	size_t size[FILES];
};

static void file_name(char *name, size_t size, const char *path, int i)
{
	static const char *const suffixes[FILES] = {"", ".wal-a", ".wal-b"};

	snprintf(name, size, "%s%s", path, suffixes[i]);
}

static void image_take(struct image *image, const char *path)
{
	for (int i = 0; i < FILES; i++) {
		char name[300];
		ssize_t size;

		free(steal_ptr(image->data[i]));
		file_name(name, sizeof(name), path, i);
		size = io_read_file(name, SIZE_MAX / 2, &image->data[i]);
		check(size >= 0);
		image->size[i] = (size_t)size;
	}
}

static void image_finish(struct image *image)
{
	for (int i = 0; i < FILES; i++)
		free(image->data[i]);
}

/*
 * Possible state of a disk after a power cut: of the data written since the sync, any pages, in any state between old
 * and new, and the old or new size.
 */
static void write_torn(
	const char *path, const struct image *synced, const struct image *after, uint64_t *random)
{
	for (int i = 0; i < FILES; i++) {
		size_t block = next_random(random) % 2 ? 512 : 4096;
		size_t size = next_random(random) % 3 ? after->size[i] : synced->size[i];
		_autofree_ char *data = calloc(1, size + 1);
		unsigned bias = (unsigned)(next_random(random) % 4);
		char name[300];
		_autoclose_ int fd = -1;

		check(data != NULL);
		for (size_t at = 0; at < size; at += block) {
			size_t length = size - at < block ? size - at : block;
			uint64_t choice = next_random(random) % 4;
			bool same = at + length <= synced->size[i] &&
				at + length <= after->size[i] &&
				memcmp(synced->data[i] + at, after->data[i] + at, length) == 0;

			if (same || choice < bias) { /* unsynced data survived */
				if (at < after->size[i])
					memcpy(data + at, after->data[i] + at,
						after->size[i] - at < length ? after->size[i] - at
									     : length);
			} else if (at < synced->size[i]) {
				memcpy(data + at, synced->data[i] + at,
					synced->size[i] - at < length ? synced->size[i] - at
								      : length);
			}
		}
		file_name(name, sizeof(name), path, i);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		check(fd >= 0 && io_write_all(fd, data, size) == 0);
	}
}

static void power_cuts_lose_nothing_synced(void)
{
	_autofree_ char *path = temporary_path("power.mcap"), *torn = temporary_path("torn.mcap");
	uint64_t random = 23;
	size_t tries = rounds(1000);

	for (size_t done = 0; done < tries;) {
		_destroy_(session_writer) struct session_writer *writer = NULL;
		_cleanup_(image_finish) struct image synced = {0}, after = {0};
		struct session_clock clock = {0};
		size_t before = 20 + next_random(&random) % 1500, count;
		size_t since = next_random(&random) % (next_random(&random) % 3 ? 60 : 800);

		remove_recording(path);
		check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
		for (size_t i = 0; i < before; i++) {
			check(append_number(writer, &clock, i) == 0);
			if (next_random(&random) % 100 == 0)
				check(session_writer_sync(writer) == 0);
		}
		check(session_writer_sync(writer) == 0);
		image_take(&synced, path);
		count = before + since;
		for (size_t i = before; i < count; i++)
			check(append_number(writer, &clock, i) == 0);
		image_take(&after, path);
		for (int k = 0; k < 60 && done < tries; k++, done++) {
			write_torn(torn, &synced, &after, &random);
			check(missing_of(torn, before) == 0);
		}
	}
}

/* ---- a file truncated anywhere ---- */

/* layout of a file, from its record headers alone */
struct layout {
	struct whole {
		size_t end;      /* of a record */
		size_t messages; /* in the chunks up to there, by their indexes */
	} records[4096];
	size_t count;
};

static void layout_take(struct layout *layout, const unsigned char *data, size_t size)
{
	size_t at = MCAP_MAGIC_BYTES, messages = 0, in_indexes = 0;

	layout->records[layout->count++] = (struct whole){at, 0};
	while (at + MCAP_RECORD_HEADER_BYTES <= size - MCAP_MAGIC_BYTES) {
		uint8_t opcode = data[at];

		if (opcode == MCAP_MESSAGE_INDEX)
			in_indexes += le_load(data + at + MCAP_RECORD_HEADER_BYTES + 2, 4) / 16;
		at += MCAP_RECORD_HEADER_BYTES + le_load(data + at + 1, 8);
		check(layout->count < ARRAY_SIZE(layout->records));
		if (opcode == MCAP_CHUNK) {
			/* followed by its indexes, which have its message count */
			for (size_t next = at; data[next] == MCAP_MESSAGE_INDEX;
				next += MCAP_RECORD_HEADER_BYTES + le_load(data + next + 1, 8))
				messages +=
					le_load(data + next + MCAP_RECORD_HEADER_BYTES + 2, 4) / 16;
		}
		layout->records[layout->count++] = (struct whole){at, messages};
	}
	check(at == size - MCAP_MAGIC_BYTES && in_indexes == messages);
}

static size_t count_right(struct session_reader *reader)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;
	int r;

	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	for (; (r = session_cursor_next(cursor, &message)) > 0; count++)
		check(is_the_pattern(&message));
	check(r == 0);
	return count;
}

/* A truncated file keeps all its whole records. Reads all of them now and then. */
static void a_cut_loses_what_is_behind_it(void)
{
	_autofree_ char *path = temporary_path("cut.mcap"), *data = NULL;
	_destroy_(session_writer) struct session_writer *writer = NULL;
	static struct layout layout;
	struct session_clock clock = {0};
	size_t step = rounds(1) > 1 ? 1 : 1009, reading = 0, last;
	ssize_t size;

	remove_recording(path);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	for (size_t i = 0; i < 3300; i++)
		check(append_number(writer, &clock, i) == 0);
	check(session_writer_finish(writer) == 0);
	size = io_read_file(path, SIZE_MAX / 2, &data);
	check(size > 4 * 1024 * 1024);
	layout_take(&layout, (unsigned char *)data, (size_t)size);
	last = layout.count - 1;
	for (size_t length = (size_t)size - 1; length >= MCAP_MAGIC_BYTES; length -= step) {
		_destroy_(session_reader) struct session_reader *reader = NULL;

		check(truncate(path, (off_t)length) == 0);
		check(session_reader_open(&reader, path, NULL) == 0);
		check(!session_reader_is_complete(reader));
		check(session_reader_damages(reader, NULL) == 0);
		if (layout.records[last].end > length || reading++ % 4096 == 0) {
			while (layout.records[last].end > length)
				last--;
			check(count_right(reader) == layout.records[last].messages);
		}
		/* the footer is whole before the closing magic */
		check(session_reader_whole_bytes(reader) ==
			(last == layout.count - 1 ? length : layout.records[last].end));
		if (length < MCAP_MAGIC_BYTES + step)
			break;
	}
	for (off_t length = 0; length < MCAP_MAGIC_BYTES; length++) {
		_destroy_(session_reader) struct session_reader *reader = NULL;

		check(truncate(path, MCAP_MAGIC_BYTES - 1 - length) == 0);
		check(session_reader_open(&reader, path, NULL) == -EBADMSG);
	}
}

static const struct test tests[] = {
	{"appended data outlives its writer", nothing_appended_is_lost},
	{"kill -9 at any moment loses no appended data", kill_anywhere},
	{"a power cut loses no synced data, and adds none", power_cuts_lose_nothing_synced},
	{"a file truncated anywhere has all its whole records", a_cut_loses_what_is_behind_it},
};

int main(void)
{
	return RUN_TESTS("crash", tests);
}
