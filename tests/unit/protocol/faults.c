#include "tests/harness/screens/pattern.h"

#include "daemon/record/segments.h"
#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/file/copy.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "protocol/session.pb-c.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A fault at every write, sync, read and allocation in turn, like SQLite's tests: a run is repeated with the fault one
 * call later each time, until it ends before its fault. The linker puts the __wrap_ functions between our code and libc
 * (Makefile, FAULT_CALLS).
 */

#define BEGIN_NS (1000 * NS_PER_S)
#define FOREVER  1000000
#define SLICE_NS (200 * NS_PER_US)

enum fault {
	FAULT_WRITE = 1,
	FAULT_SHORT = 2, /* a short write of half the size */
	FAULT_INTERRUPT = 4,
	FAULT_SYNC = 8,
	FAULT_READ = 16,
	FAULT_MEMORY = 32,
};

static struct {
	_Atomic bool armed;
	unsigned kinds;
	_Atomic long left; /* calls until the fault */
	long count;        /* failing calls from then on */
	_Atomic long hits;
	_Atomic int64_t ahead_ns; /* added to the monotonic clock */
	_Atomic bool stall;       /* syncs block while set */
	_Atomic bool stalled;     /* a sync is blocked */
	struct synced {
		uint64_t inode;
		int64_t size;
	} synced[64]; /* files and their sizes at successful syncs */
	_Atomic unsigned synced_count;
	/* the file whose sync failed, and its size at its last successful one */
	_Atomic uint64_t unsynced_inode;
	_Atomic int64_t unsynced_from;
} faults;

/* set while this thread runs the test's own code; other threads run only the code under test */
static _Thread_local bool outside;

static long runs;

static bool fails(unsigned kind)
{
	long n;

	if (outside || !faults.armed || !(faults.kinds & kind))
		return false;
	n = atomic_fetch_sub(&faults.left, 1);
	if (n > 0 || n <= -faults.count)
		return false;
	faults.hits++;
	return true;
}

static void arm(unsigned kinds, long left, long count)
{
	faults.kinds = kinds;
	faults.left = left;
	faults.count = count;
	faults.hits = 0;
	faults.unsynced_inode = 0;
	memset(faults.synced, 0, sizeof(faults.synced));
	faults.armed = true;
}

/* @return true if the run ended before its fault */
static bool disarm(void)
{
	faults.armed = false;
	if (faults.hits > 0)
		runs++;
	return faults.hits == 0;
}

/* Repeat a run with the fault one call later each time. */
#define AT_EVERY_CALL(run)                                                                         \
	do {                                                                                       \
		long at = 0;                                                                       \
		while (run)                                                                        \
			at++;                                                                      \
		check(at > 2);                                                                     \
	} while (0)

#define inside(call)                                                                               \
	({                                                                                         \
		outside = false;                                                                   \
		__auto_type value = (call);                                                        \
		outside = true;                                                                    \
		value;                                                                             \
	})

/* ---- between our code and libc ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_openat(int folder, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
int __real_fstat(int fd, struct stat *status);
int __real_ftruncate(int fd, off_t size);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_unlinkat(int folder, const char *path, int flags);
int __real_posix_fallocate(int fd, off_t offset, off_t size);
int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __real_pthread_cond_timedwait(
	pthread_cond_t *changed, pthread_mutex_t *lock, const struct timespec *until);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_openat(int folder, const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
int __wrap_fstat(int fd, struct stat *status);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_unlinkat(int folder, const char *path, int flags);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_pthread_cond_timedwait(
	pthread_cond_t *changed, pthread_mutex_t *lock, const struct timespec *until);

static bool no_memory(void)
{
	if (!fails(FAULT_MEMORY))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return no_memory() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return no_memory() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
	return no_memory() ? NULL : __real_strndup(text, size);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int r;

	if (no_memory())
		return -1;
	va_start(args, format);
	r = vasprintf(ret, format, args);
	va_end(args);
	return r;
}

/* @return 1: fails with errno, 0: continue */
static bool cannot_write(void)
{
	if (fails(FAULT_INTERRUPT)) {
		errno = EINTR;
		return true;
	}
	if (!fails(FAULT_WRITE))
		return false;
	errno = faults.hits % 2 ? ENOSPC : EIO;
	return true;
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	if (fails((flags & O_ACCMODE) == O_RDONLY ? FAULT_READ : FAULT_WRITE)) {
		errno = (flags & O_ACCMODE) == O_RDONLY ? EMFILE : EROFS;
		return -1;
	}
	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
	va_end(args);
	return __real_openat(folder, path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	if (cannot_write())
		return -1;
	return __real_write(fd, data, fails(FAULT_SHORT) && size > 1 ? size / 2 : size);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (cannot_write())
		return -1;
	return __real_pwrite(fd, data, fails(FAULT_SHORT) && size > 1 ? size / 2 : size, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	if (cannot_write()) {
		/* a full disk may take a part */
		if (errno == ENOSPC && parts->iov_len > 1)
			__real_pwrite(fd, parts->iov_base, parts->iov_len / 2, offset);
		errno = errno == EINTR ? EINTR : ENOSPC;
		return -1;
	}
	if (fails(FAULT_SHORT))
		return parts->iov_len > 1
			? __real_pwrite(fd, parts->iov_base, parts->iov_len / 2, offset)
			: __real_pwritev(fd, parts, 1, offset);
	return __real_pwritev(fd, parts, count, offset);
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
	if (!fails(FAULT_READ))
		return __real_pread(fd, data, size, offset);
	errno = EIO;
	return -1;
}

int __wrap_fstat(int fd, struct stat *status)
{
	if (!fails(FAULT_READ))
		return __real_fstat(fd, status);
	errno = EIO;
	return -1;
}

int __wrap_ftruncate(int fd, off_t size)
{
	return cannot_write() ? -1 : __real_ftruncate(fd, size);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	return cannot_write() ? -1 : __real_renameat(from_folder, from, to_folder, to);
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
	struct stat status;

	if (cannot_write())
		return -1;
	/* the next file may reuse its inode */
	if (fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		status.st_ino == faults.unsynced_inode)
		faults.unsynced_inode = 0;
	return __real_unlinkat(folder, path, flags);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t size)
{
	return fails(FAULT_WRITE) ? ENOSPC : __real_posix_fallocate(fd, offset, size);
}

/* disks are slow, and their work is irrelevant here: no real sync; a failed sync's data count as lost */
static int sync_file(int fd)
{
	struct stat status;

	while (!outside && faults.stall) {
		faults.stalled = true;
		usleep(1000);
	}
	if (__real_fstat(fd, &status) < 0)
		return -1;
	if (!fails(FAULT_SYNC)) {
		faults.synced[faults.synced_count++ % ARRAY_SIZE(faults.synced)] =
			(struct synced){status.st_ino, status.st_size};
		return 0;
	}
	faults.unsynced_inode = status.st_ino;
	faults.unsynced_from = 0;
	for (size_t i = 0; i < ARRAY_SIZE(faults.synced); i++)
		if (faults.synced[i].inode == status.st_ino &&
			faults.synced[i].size > faults.unsynced_from)
			faults.unsynced_from = faults.synced[i].size;
	errno = EIO;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	return sync_file(fd);
}

int __wrap_fsync(int fd)
{
	return sync_file(fd);
}

/* A timed wait polls the clock, which the test moves ahead. */
int __wrap_pthread_cond_timedwait(
	pthread_cond_t *changed, pthread_mutex_t *lock, const struct timespec *until)
{
	int64_t now_ns = clock_now_ns();
	struct timespec soon;
	int r;

	if (now_ns >= until->tv_sec * NS_PER_S + until->tv_nsec)
		return ETIMEDOUT;
	now_ns += SLICE_NS - faults.ahead_ns;
	soon = (struct timespec){now_ns / NS_PER_S, now_ns % NS_PER_S};
	r = __real_pthread_cond_timedwait(changed, lock, &soon);
	return r == ETIMEDOUT ? 0 : r;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = __real_clock_gettime(id, ret);

	if (r == 0 && id == CLOCK_MONOTONIC) {
		int64_t ns = ret->tv_nsec + faults.ahead_ns % NS_PER_S;

		ret->tv_sec += (time_t)(faults.ahead_ns / NS_PER_S + ns / NS_PER_S);
		ret->tv_nsec = (long)(ns % NS_PER_S);
	}
	return r;
}

/* ---- packets written and read ---- */

#define PACKETS 80
#define STEP_NS (60 * NS_PER_MS) /* about sixteen packets make a chunk */

static const uint16_t channels[] = {
	CHANNEL_SCREEN, CHANNEL_CONTROLS, CHANNEL_CLOCK, CHANNEL_POINTER};

struct written {
	bool taken[CHANNEL_END][PACKETS];
	struct session_clock clock;
};

static struct packet *next_packet(struct written *written, size_t i)
{
	return pattern_packet(&written->clock, channels[i % ARRAY_SIZE(channels)],
		BEGIN_NS + (int64_t)i * STEP_NS);
}

static void note_taken(struct written *written, const struct packet *packet)
{
	written->taken[packet->channel][written->clock.sequence[packet->channel] - 1] = true;
}

/* each message read equals the written one and comes once; @return the last session_cursor_next() */
static int read_right(struct session_reader *reader, bool seen[CHANNEL_END][PACKETS])
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = inside(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0));

	while (r == 0 && (r = inside(session_cursor_next(cursor, &message))) > 0) {
		uint16_t channel = message.channel->known;

		r = 0;
		if (channel == CHANNEL_GAPS)
			continue;
		check(channel < CHANNEL_END && message.sequence < PACKETS);
		check(!seen[channel][message.sequence]);
		seen[channel][message.sequence] = true;
		check(is_the_pattern(&message));
	}
	return r;
}

/* exactly the taken packets are there */
static void check_taken(struct session_reader *reader, const struct written *written)
{
	bool seen[CHANNEL_END][PACKETS] = {0};

	check(read_right(reader, seen) == 0);
	check(memcmp(seen, written->taken, sizeof(seen)) == 0);
}

static void remove_recording(const char *path)
{
	static const char *const suffixes[] = {"", ".wal-a", ".wal-b"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_autofree_ char *name = NULL;

		check(asprintf(&name, "%s%s", path, suffixes[i]) >= 0);
		unlink(name);
	}
}

/* ---- writing ---- */

static int put_metadata(struct session_writer *writer)
{
	static const unsigned char pair[] = "\1\0\0\0k\1\0\0\0v";

	return session_writer_put_metadata(
		writer, &(struct mcap_metadata){mcap_text("m"), {pair, sizeof(pair) - 1, 0}});
}

static void write_packets(struct session_writer *writer, struct written *written, bool invisible)
{
	for (size_t i = 0; i < PACKETS; i++) {
		_packet_unref_ struct packet *packet = next_packet(written, i);
		int r = inside(session_writer_append(writer, packet));

		check(r == 0 || !invisible);
		if (r < 0) /* retry allowed */
			r = inside(session_writer_append(writer, packet));
		check(r == 0 || faults.count > 1);
		if (r == 0)
			note_taken(written, packet);
		if (i % 10 == 9)
			inside(session_writer_sync(writer));
		if (i == 30 && inside(put_metadata(writer)) < 0)
			inside(put_metadata(writer));
	}
}

/* @return true if the fault was reached */
static bool write_with_fault(const char *path, unsigned kinds, long at, long count)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct written written = {0};
	bool invisible = kinds == FAULT_SHORT || kinds == FAULT_INTERRUPT, none;
	int r;

	remove_recording(path);
	arm(kinds, at, count);
	r = inside(session_writer_create(&writer, path, SESSION_WRITER_RECORDING));
	if (r < 0) {
		check(!disarm() && !invisible);
		/* no file left, if it could be removed */
		check(access(path, F_OK) < 0 || count > 1);
		return true;
	}
	write_packets(writer, &written, invisible);
	r = inside(session_writer_finish(writer));
	check(r == 0 || !invisible);
	none = disarm();
	if (r == 0)
		check(access(path, F_OK) == 0);
	session_writer_destroy(steal_ptr(writer));
	check(session_reader_open(&reader, path, NULL) == 0);
	check_taken(reader, &written);
	check(r < 0 || session_reader_is_complete(reader));
	return !none;
}

static void writing_survives_every_fault(void)
{
	static const struct {
		unsigned kinds;
		long count;
	} ways[] = {
		{FAULT_WRITE, 1},
		{FAULT_WRITE, 7},
		{FAULT_WRITE, FOREVER},
		{FAULT_SHORT, 1},
		{FAULT_SHORT, FOREVER},
		{FAULT_INTERRUPT, 1},
		{FAULT_SYNC, 1},
		{FAULT_SYNC, FOREVER},
		{FAULT_MEMORY, 1},
		{FAULT_MEMORY, FOREVER},
	};
	_autofree_ char *path = temporary_path("faults.mcap");

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		AT_EVERY_CALL(write_with_fault(path, ways[i].kinds, at, ways[i].count));
	}
}

/* ---- reading ---- */

static void write_whole(const char *path, struct written *written, bool finish)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;

	remove_recording(path);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	write_packets(writer, written, true);
	check(!finish || session_writer_finish(writer) == 0);
}

static bool read_with_fault(
	const char *path, const struct written *written, unsigned kinds, long at, long count)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	bool seen[CHANNEL_END][PACKETS] = {0};
	struct reader_message message;
	int r;

	arm(kinds, at, count);
	r = inside(session_reader_open(&reader, path, NULL));
	if (r == 0) {
		const struct reader_channel *channel = session_reader_find(reader, CHANNEL_CLOCK);

		r = read_right(reader, seen);
		if (channel &&
			inside(session_reader_latest(
				reader, channel, BEGIN_NS + 3 * NS_PER_S, &message)) > 0)
			check(is_the_pattern(&message));
		if (inside(session_reader_refresh(reader)) == 0) {
			memset(seen, 0, sizeof(seen));
			r = read_right(reader, seen);
		}
	}
	if (disarm())
		return false;
	/* success implies complete data */
	if (r == 0 && session_reader_damages(reader, NULL) == 0)
		check(memcmp(seen, written->taken, sizeof(seen)) == 0);
	return true;
}

static void reading_survives_every_fault(void)
{
	static const unsigned kinds[] = {FAULT_READ, FAULT_MEMORY};
	_autofree_ char *path = temporary_path("read.mcap");

	for (int finish = 0; finish < 2; finish++) {
		struct written written = {0};

		write_whole(path, &written, finish);
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			for (long count = 1; count <= FOREVER; count *= FOREVER)
				AT_EVERY_CALL(read_with_fault(path, &written, kinds[i], at, count));
	}
}

/* ---- a recording over several segments ---- */

static unsigned dropped;

static void note_trouble(void *user, const char *text)
{
	(void)user;
	(void)text;
}

static void note_dropped(
	void *user, const char *topic, int64_t from_ns, int64_t to_ns, uint64_t count)
{
	(void)user;
	(void)topic;
	check(from_ns <= to_ns && from_ns >= BEGIN_NS);
	dropped += (unsigned)count;
}

/* @return a folder without recordings */
static char *fresh_folder(const char *name)
{
	char *folder = temporary_path(name);

	check(folder != NULL);
	mkdir(folder, 0700);
	for (unsigned number = 1; number < 40; number++) {
		char path[400];

		snprintf(path, sizeof(path), "%s/" SESSION_SEGMENT_NAME, folder, number);
		remove_recording(path);
	}
	return folder;
}

/* The disk lost the data of the failed sync. */
static void lose_unsynced(const char *folder)
{
	for (unsigned number = 1; number < 40 && faults.unsynced_inode; number++) {
		static const unsigned char zeros[4096];
		struct stat status;
		char path[400];
		int fd;

		snprintf(path, sizeof(path), "%s/" SESSION_SEGMENT_NAME, folder, number);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return;
		if (fstat(fd, &status) == 0 && status.st_ino == faults.unsynced_inode)
			for (off_t at = faults.unsynced_from; at < status.st_size; at += 4096) {
				size_t size = status.st_size - at < 4096
					? (size_t)(status.st_size - at)
					: 4096;

				check(io_pwrite_all(fd, zeros, size, at) == 0);
			}
		close(fd);
	}
}

/* give the sync thread its turn; with a disk in trouble it does nothing */
static void wait_for_sync(unsigned before)
{
	for (int i = 0; i < 40 && faults.synced_count + (unsigned)faults.hits == before; i++)
		usleep(100);
}

/* like the recorder's */
static struct packet *make_gap(void *user, int64_t from_ns, const char *topic, uint64_t count)
{
	struct written *written = user;
	Uxrec__Gap gap = UXREC__GAP__INIT;
	struct packet *packet = NULL;

	(void)topic;
	gap.reason = UXREC__GAP__REASON__REASON_DISK;
	gap.from_ns = from_ns;
	gap.count = count;
	packet_create(&packet, &written->clock, &(struct packet_info){CHANNEL_GAPS, 0, from_ns, 0},
		&gap.base);
	return packet;
}

static bool record_with_fault(unsigned kinds, long at, long count)
{
	struct written written = {0};
	const struct segments_context context = {
		note_trouble, note_dropped, make_gap, NULL, NULL, {false, 0}, &written};
	_autofree_ char *folder = fresh_folder("segments");
	_destroy_(segments) struct segments *segments = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	bool seen[CHANNEL_END][PACKETS] = {0}, none;
	unsigned missing = 0;

	dropped = 0;
	arm(kinds, at, count);
	if (inside(segments_create(&segments, folder, 0, NS_PER_S, &context, NULL)) < 0) {
		check(!disarm());
		return true;
	}
	for (size_t i = 0; i < PACKETS; i++) {
		_packet_unref_ struct packet *packet = next_packet(&written, i);
		unsigned before = faults.synced_count + (unsigned)faults.hits;

		faults.ahead_ns += 200 * NS_PER_MS;
		inside((segments_append(segments, packet), 0));
		note_taken(&written, packet);
		if (kinds == FAULT_SYNC && i % 5 == 4)
			wait_for_sync(before);
	}
	/* the disk works again */
	none = disarm();
	for (int i = 0; i < 3; i++) {
		faults.ahead_ns += 2 * NS_PER_S;
		segments_check(segments);
	}
	check(segments_backlog(segments).packets == 0);
	segments_finish(segments);
	lose_unsynced(folder);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check(read_right(reader, seen) == 0);
	for (size_t c = 0; c < CHANNEL_END; c++)
		for (size_t i = 0; i < PACKETS; i++)
			missing += written.taken[c][i] && !seen[c][i];
	check(missing == dropped);
	check(missing == 0 || kinds == FAULT_MEMORY);
	return !none;
}

static void recording_survives_every_fault(void)
{
	static const struct {
		unsigned kinds;
		long count;
	} ways[] = {
		{FAULT_WRITE, 1},
		{FAULT_WRITE, 20},
		{FAULT_WRITE, FOREVER},
		{FAULT_SYNC, 1},
		{FAULT_SYNC, 3},
		{FAULT_MEMORY, 1},
		{FAULT_MEMORY, 20},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		AT_EVERY_CALL(record_with_fault(ways[i].kinds, at, ways[i].count));
	}
}

static bool has_open_gap(struct session_reader *reader)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	bool is_open = false;

	check(session_cursor_create(
		      &cursor, reader, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_GAPS) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, message.data.size_bytes, message.data.data);

		check(gap != NULL);
		is_open |= gap->to_ns == 0;
		uxrec__gap__free_unpacked(gap, NULL);
	}
	return is_open;
}

/* A disk that fails from a call on to the end; then it has room again, or the backlog is given up. */
static bool end_with_fault(long at, bool room)
{
	struct written written = {0};
	const struct segments_context context = {
		note_trouble, note_dropped, make_gap, NULL, NULL, {false, 0}, &written};
	_autofree_ char *folder = fresh_folder("segments");
	_destroy_(segments) struct segments *segments = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct segments_backlog lost;
	bool seen[CHANNEL_END][PACKETS] = {0}, none;
	int r;

	arm(FAULT_WRITE, at, FOREVER);
	if (inside(segments_create(&segments, folder, 0, NS_PER_S, &context, NULL)) < 0) {
		check(!disarm());
		return true;
	}
	for (size_t i = 0; i < PACKETS; i++) {
		_packet_unref_ struct packet *packet = next_packet(&written, i);

		inside((segments_append(segments, packet), 0));
		note_taken(&written, packet);
	}
	r = inside(segments_finish(segments));
	if (r == -EAGAIN && !room)
		check(inside(segments_give_up(segments, &lost)) < 0);
	none = disarm();
	if (r == -EAGAIN && room)
		check(segments_finish(segments) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check(read_right(reader, seen) == 0);
	/* complete, or not marked as complete */
	if (r == -EAGAIN && !room)
		check(!session_reader_is_complete(reader) || has_open_gap(reader));
	else
		check(memcmp(seen, written.taken, sizeof(seen)) == 0 && !has_open_gap(reader));
	return !none;
}

static void the_end_waits_for_room(void)
{
	AT_EVERY_CALL(end_with_fault(at, true));
	AT_EVERY_CALL(end_with_fault(at, false));
}

/* While a sync blocks, all appended packets survive the process. */
static void a_stalled_sync_holds_up_nothing(void)
{
	struct written written = {0};
	const struct segments_context context = {
		note_trouble, note_dropped, make_gap, NULL, NULL, {false, 0}, &written};
	_autofree_ char *folder = fresh_folder("stalled");
	_destroy_(segments) struct segments *segments = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;

	check(segments_create(&segments, folder, 0, NS_PER_S, &context, NULL) == 0);
	faults.stalled = false;
	faults.stall = true;
	for (size_t i = 0; i < PACKETS; i++) {
		_packet_unref_ struct packet *packet = next_packet(&written, i);

		faults.ahead_ns += 200 * NS_PER_MS;
		segments_append(segments, packet);
		note_taken(&written, packet);
		/* the sync thread may be late */
		for (int k = 0; i >= 10 && i < 60 && k < 100 && !faults.stalled; k++)
			usleep(1000);
	}
	/* the sync is still blocked: the state left by a process killed now */
	expect(faults.stalled && faults.stall);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check_taken(reader, &written);
	faults.stall = false;
	check(segments_finish(segments) == 0);
}

/* ---- annotations of a session ---- */

#define ACTS 8

static bool annotate_with_fault(const char *path, unsigned kinds, long at, long count)
{
	_destroy_(annotations) struct annotations *log = NULL, *again = NULL;
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;
	bool stored[ACTS] = {0}, none;
	char ids[ACTS][33];
	size_t count_stored = 0;

	unlink(path);
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	note.media_ns = 1;
	note.text = (char *)"said";
	for (size_t i = 0; i < ACTS; i++)
		check(act_new_id(ids[i]) == 0);
	arm(kinds, at, count);
	for (size_t i = 0; i < ACTS; i++) {
		const Uxrec__Act *kept;

		if (!log && inside(annotations_open(&log, path, true, NULL)) < 0)
			continue;
		act.id = ids[i];
		stored[i] = inside(annotations_append(log, &act, &kept, NULL)) == 0;
		check(!stored[i] || strcmp(kept->id, ids[i]) == 0);
		count_stored += stored[i];
	}
	none = disarm();
	check(kinds != FAULT_SHORT || count_stored == ACTS);
	check(!log || annotations_count(log) == count_stored);
	/* acknowledged acts are there; failed ones do not come back, unless the disk failed their removal too */
	check(annotations_open(&again, path, true, NULL) == 0);
	for (size_t i = 0; i < ACTS; i++) {
		if (stored[i])
			check(annotations_find(again, ids[i]) != NULL);
		else if (count == 1)
			check(annotations_find(again, ids[i]) == NULL);
	}
	/* and it can be continued */
	act.id = ids[0];
	check(annotations_append(again, &act, NULL, NULL) == 0);
	return !none;
}

static void annotations_survive_every_fault(void)
{
	static const unsigned kinds[] = {
		FAULT_WRITE, FAULT_SHORT, FAULT_SYNC, FAULT_READ, FAULT_MEMORY};
	_autofree_ char *path = temporary_path("acts.mcap");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (long count = 1; count <= FOREVER; count *= 1000)
			AT_EVERY_CALL(annotate_with_fault(path, kinds[i], at, count));
}

/* ---- erasing ---- */

#define ERASED_FROM_NS (BEGIN_NS + 1500 * NS_PER_MS)
#define ERASED_TO_NS   (BEGIN_NS + 2500 * NS_PER_MS)

/* two segments, the second of them with a log */
static void make_session(const char *folder, struct written *written)
{
	for (unsigned number = 1; number <= 2; number++) {
		_destroy_(session_writer) struct session_writer *writer = NULL;
		char path[400];

		snprintf(path, sizeof(path), "%s/" SESSION_SEGMENT_NAME, folder, number);
		check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
		for (size_t i = (number - 1) * PACKETS / 2; i < number * PACKETS / 2; i++) {
			_packet_unref_ struct packet *packet = next_packet(written, i);

			check(session_writer_append(writer, packet) == 0);
			note_taken(written, packet);
		}
		if (number == 1)
			check(session_writer_finish(writer) == 0);
	}
}

static size_t count_erased_that_are_there(const char *folder, size_t *ret_others)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	*ret_others = 0;
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		uint16_t known = message.channel->known;
		bool gone = (known == CHANNEL_SCREEN || known == CHANNEL_CONTROLS ||
				    known == CHANNEL_POINTER) &&
			message.time_ns >= ERASED_FROM_NS && message.time_ns < ERASED_TO_NS;

		if (known == CHANNEL_GAPS)
			continue;
		check(is_the_pattern(&message));
		count += gone;
		*ret_others += !gone && known == CHANNEL_CLOCK;
	}
	return count;
}

static bool erase_with_fault(unsigned kinds, long at, long count)
{
	static const struct session_erase_options options = {ERASED_FROM_NS, ERASED_TO_NS,
		1 << MODALITY_SCREEN | 1 << MODALITY_INPUT, "Ana", "asked"};
	_autofree_ char *folder = fresh_folder("erase"),
			*left = temporary_path("erase/erased.mcap"),
			*second = temporary_path("erase/recording-0002.mcap");
	_folder_unref_ struct folder *below = open_folder(folder);
	struct written written = {0};
	size_t before, others, others_after;
	int64_t gap[2];
	bool none;
	int r;

	unlink(left);
	make_session(folder, &written);
	before = count_erased_that_are_there(folder, &others);
	check(before > 5 && others == PACKETS / 4);
	arm(kinds, at, count);
	r = inside(session_erase(below, &options, gap, NULL));
	none = disarm();
	/* unchanged, or erased; everything else is there in any case */
	if (r == 0)
		check(count_erased_that_are_there(folder, &others_after) == 0);
	else
		check(count_erased_that_are_there(folder, &others_after) % before == 0);
	check(others_after == others);
	if (r < 0)
		check(session_erase(below, &options, gap, NULL) == 0);
	check(count_erased_that_are_there(folder, &others_after) == 0);
	check(others_after == others);
	check(access(left, F_OK) < 0 && access(second, F_OK) < 0);
	return !none;
}

static void erasing_survives_every_fault(void)
{
	static const unsigned kinds[] = {
		FAULT_WRITE, FAULT_SHORT, FAULT_SYNC, FAULT_READ, FAULT_MEMORY};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (long count = 1; count <= FOREVER; count *= FOREVER)
			AT_EVERY_CALL(erase_with_fault(kinds[i], at, count));
}

static size_t cues_of(const struct folder *below)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct error error = {""};
	int r = transcript_load(&vtt, below, &error);

	check(r == 0 || r == -ENOENT);
	return vtt ? vtt->count : 0;
}

static bool transcript_with_fault(unsigned kinds, long at, long count)
{
	static const char said[] =
		"WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n"
		"00:02.000 --> 00:03.000\ntwo\n\n00:03.000 --> 00:04.000\nthree\n";
	_autofree_ char *folder = fresh_folder("transcript"),
			*left = temporary_path("transcript/.transcript.vtt.new");
	_folder_unref_ struct folder *below = open_folder(folder);
	_destroy_(vtt) struct vtt *vtt = NULL;
	size_t erased, there;
	bool none;
	int r;

	check(vtt_parse(&vtt, said, sizeof(said) - 1, "said", NULL, NULL) == 0);
	check(transcript_store(below, vtt, true, NULL) == 0);
	arm(kinds, at, count);
	r = inside(transcript_erase(below, NS_PER_S, 2 * NS_PER_S, &erased, NULL));
	none = disarm();
	there = cues_of(below);
	check(r == 0 ? there == 2 : there == 2 || there == 3);
	check(transcript_erase(below, NS_PER_S, 2 * NS_PER_S, &erased, NULL) == 0);
	check(cues_of(below) == 2 && access(left, F_OK) < 0);
	arm(kinds, at, count);
	r = inside(transcript_store(below, vtt, true, NULL));
	none = disarm() && none;
	there = cues_of(below);
	check(r == 0 ? there == 3 : there == 2 || there == 3);
	return !none;
}

static void a_transcript_survives_every_fault(void)
{
	static const unsigned kinds[] = {FAULT_WRITE, FAULT_SHORT | FAULT_SYNC,
		FAULT_WRITE | FAULT_SYNC, FAULT_READ | FAULT_SHORT, FAULT_MEMORY};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (long count = 1; count <= FOREVER; count *= FOREVER)
			AT_EVERY_CALL(transcript_with_fault(kinds[i], at, count));
}

#define ITEMS 100

/* A failed growth loses no item and is repeated. */
static bool array_with_fault(long at)
{
	uint32_t *items = NULL;
	bool none;

	arm(FAULT_MEMORY, at, 1);
	for (size_t count = 0; count < ITEMS; count++) {
		uint32_t *before = items;

		if (!inside(array_grow(items, count))) {
			check(items == before);
			check(inside(array_grow(items, count)));
		}
		items[count] = (uint32_t)count;
		for (size_t i = 0; i < count; i++)
			check(items[i] == i);
	}
	none = disarm();
	free(items);
	return !none;
}

static void arrays_survive_every_fault(void)
{
	AT_EVERY_CALL(array_with_fault(at));
}

static const struct test tests[] = {
	{"an array without memory is unchanged and can grow later", arrays_survive_every_fault},
	{"writing loses no accepted data, whichever call fails", writing_survives_every_fault},
	{"reading never returns wrong data, whichever call fails", reading_survives_every_fault},
	{"a recording goes on in segments, whichever call fails", recording_survives_every_fault},
	{"a recording that ends on a full disk waits for room, or has a gap to its end",
		the_end_waits_for_room},
	{"a stalled sync blocks nothing and loses nothing", a_stalled_sync_holds_up_nothing},
	{"an acknowledged act stays, whichever call fails", annotations_survive_every_fault},
	{"erasing can be ended, whichever call fails", erasing_survives_every_fault},
	{"a transcript is the old or the new one, whichever call fails",
		a_transcript_survives_every_fault},
};

int main(void)
{
	int failed;

	outside = true;
	log_set_level(0); /* thousands of expected errors are not logged */
	failed = RUN_TESTS("faults", tests);
	printf("# %ld runs with a fault\n", runs);
	return failed;
}
