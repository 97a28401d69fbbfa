#include "daemon/segments.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/wal.h"
#include "protocol/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What may be held in memory: twenty seconds of a busy screen. */
#define HELD_BYTES (64 * 1024 * 1024)

/* Given back when the disk is full, so that the end of the segment finds room. */
#define RESERVE_BYTES (2 * SESSION_CHUNK_BYTES)

/* A new segment is begun with room for it, its log and its reserve. */
#define ROOM_BYTES   (4 * RESERVE_BYTES)
#define TRY_AGAIN_NS NS_PER_S

struct segments {
	struct segments_context context;
	char *folder;
	int64_t sync_every_ns;
	int reserve_fd;

	/* of the thread that appends */
	unsigned number; /* of the newest segment */
	int trouble;     /* negative errno, 0: none */
	int64_t try_again_ns;
	uint64_t bytes_before; /* in the segments before this one */
	struct buf ended;      /* of unsigned: segments that were ended on a full disk */
	/* packets that are not known to be on the disk, in the order they came; a ring */
	struct packet **held;
	size_t held_first, held_count, held_capacity, held_bytes;
	uint64_t held_number; /* of the first one, counted from the begin of the recording */
	/* pictures that are in the segment, and are held no longer although they are not known to be on the disk */
	struct {
		uint64_t count, until; /* until: the number behind the last of them */
		int64_t from_ns, to_ns;
	} unheld;
	/* packets there was neither memory nor disk for, and that are not told yet */
	uint64_t lost_count;
	int64_t lost_from_ns, lost_to_ns;

	pthread_t sync_thread;
	bool sync_started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct session_writer *writer; /* NULL in trouble */
	struct session_writer *syncing, *retired;
	bool dirty, stop;
	uint64_t appended, synced; /* numbers of packets */
	int sync_failed;
};

/* ---- what is held ---- */

static struct packet **held_at(const struct segments *segments, size_t i)
{
	return &segments->held[(segments->held_first + i) % segments->held_capacity];
}

static int hold(struct segments *segments, struct packet *packet)
{
	if (segments->held_count == segments->held_capacity) {
		size_t capacity = segments->held_capacity ? segments->held_capacity * 2 : 256;
		struct packet **held = calloc(capacity, sizeof(struct packet *));

		if (!held)
			return -ENOMEM;
		for (size_t i = 0; i < segments->held_count; i++)
			held[i] = *held_at(segments, i);
		free(segments->held);
		segments->held = held;
		segments->held_first = 0;
		segments->held_capacity = capacity;
	}
	segments->held_count++;
	*held_at(segments, segments->held_count - 1) = packet_ref(packet);
	segments->held_bytes += packet->size_bytes;
	return 0;
}

/* a place that was given up before is NULL */
static void let_go(struct segments *segments, struct packet **place)
{
	if (*place)
		segments->held_bytes -= (*place)->size_bytes;
	packet_unref(steal_ptr(*place));
}

static void let_go_until(struct segments *segments, uint64_t number)
{
	while (segments->held_count > 0 && segments->held_number < number) {
		let_go(segments, held_at(segments, 0));
		segments->held_first = (segments->held_first + 1) % segments->held_capacity;
		segments->held_count--;
		segments->held_number++;
	}
}

/* Too much is held: the oldest pictures go, up to a keyframe; never input, never a tag. */
static void drop_pictures(struct segments *segments)
{
	int64_t from_ns = 0, to_ns = 0;
	uint64_t count = 0, until = 0;
	struct packet **mark = NULL;

	for (size_t i = 0; i < segments->held_count; i++) {
		struct packet **place = held_at(segments, i), *packet = *place;
		bool picture = packet && channel_is_picture(packet->channel);

		if (packet && packet->channel == CHANNEL_SCREEN_KEYFRAMES)
			mark = place;
		if (!picture)
			continue;
		if (count > 0 && (packet->flags & PACKET_KEYFRAME) &&
			segments->held_bytes <= HELD_BYTES)
			break;
		from_ns = count++ ? from_ns : packet->time_ns;
		to_ns = packet->time_ns;
		until = segments->held_number + i + 1;
		/* nobody can begin at a keyframe that is gone */
		if (mark && packet->flags & PACKET_KEYFRAME)
			let_go(segments, steal_ptr(mark));
		let_go(segments, place);
	}
	if (count > 0 && !segments->writer) {
		segments->context.dropped(segments->context.user, "/screen", from_ns, to_ns, count);
	} else if (count > 0) {
		/* a disk that is slow, and not away: nothing is missing, if its sync is good */
		if (segments->unheld.count == 0)
			segments->unheld.from_ns = from_ns;
		segments->unheld.to_ns = to_ns;
		segments->unheld.until = until;
		segments->unheld.count += count;
	}
}

/* What they should have come to the disk by has failed. */
static void tell_unheld(struct segments *segments)
{
	uint64_t count = segments->unheld.count;

	segments->unheld.count = 0;
	if (count > 0)
		segments->context.dropped(segments->context.user, "/screen",
			segments->unheld.from_ns, segments->unheld.to_ns, count);
}

static void note_lost(struct segments *segments, const struct packet *packet)
{
	log_error("recorder: no memory to hold a packet until it is on the disk");
	if (segments->lost_count++ == 0)
		segments->lost_from_ns = segments->lost_to_ns = packet->time_ns;
	if (packet->time_ns < segments->lost_from_ns)
		segments->lost_from_ns = packet->time_ns;
	if (packet->time_ns > segments->lost_to_ns)
		segments->lost_to_ns = packet->time_ns;
}

static void tell_lost(struct segments *segments)
{
	uint64_t count = segments->lost_count;

	segments->lost_count = 0;
	if (count > 0)
		segments->context.dropped(segments->context.user, NULL, segments->lost_from_ns,
			segments->lost_to_ns, count);
}

/* ---- syncing ---- */

static void *sync_thread(void *user)
{
	struct segments *segments = user;
	int64_t next_ns = clock_now_ns() + segments->sync_every_ns;
	bool stop;

	pthread_setname_np(pthread_self(), "uxrec-sync");
	pthread_mutex_lock(&segments->lock);
	do {
		struct session_writer *retired;
		uint64_t appended;
		int r = 0;

		while (!segments->dirty && !segments->stop)
			pthread_cond_wait(&segments->changed, &segments->lock);
		/* as often as was asked for; stopping syncs at once */
		while (!segments->stop && clock_now_ns() < next_ns) {
			struct timespec until = {next_ns / NS_PER_S, next_ns % NS_PER_S};

			pthread_cond_timedwait(&segments->changed, &segments->lock, &until);
		}
		segments->dirty = false;
		stop = segments->stop;
		appended = segments->appended;
		segments->syncing = segments->sync_failed ? NULL : segments->writer;
		pthread_mutex_unlock(&segments->lock);
		if (segments->syncing)
			r = session_writer_sync(segments->syncing);
		pthread_mutex_lock(&segments->lock);
		/* what a segment that was given up meanwhile has is written again anyway */
		if (segments->syncing && segments->syncing == segments->writer) {
			if (r < 0)
				segments->sync_failed = r;
			else
				segments->synced = appended;
		}
		segments->syncing = NULL;
		retired = steal_ptr(segments->retired);
		pthread_mutex_unlock(&segments->lock);
		session_writer_destroy(retired);
		next_ns = clock_now_ns() + segments->sync_every_ns;
		pthread_mutex_lock(&segments->lock);
	} while (!stop);
	pthread_mutex_unlock(&segments->lock);
	return NULL;
}

/* ---- one segment after the other ---- */

static const char *reason_of(int r)
{
	switch (r) {
	case -ENOSPC:
	case -EDQUOT: return "the disk is full";
	case -ENOENT: return "its file was removed";
	default: return strerror(-r);
	}
}

static char *segment_path(const struct segments *segments, unsigned number)
{
	char *path;

	return asprintf(&path, "%s/" SESSION_SEGMENT_NAME, segments->folder, number) < 0 ? NULL
											 : path;
}

static int make_reserve(struct segments *segments)
{
	_autofree_ char *path = NULL;

	if (segments->reserve_fd < 0) {
		if (asprintf(&path, "%s/.reserve", segments->folder) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		segments->reserve_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (segments->reserve_fd < 0)
			return -errno;
	}
	return -posix_fallocate(segments->reserve_fd, 0, RESERVE_BYTES);
}

static void remove_reserve(struct segments *segments)
{
	_autofree_ char *path = NULL;

	if (segments->reserve_fd < 0)
		return;
	close(steal_fd(&segments->reserve_fd));
	if (asprintf(&path, "%s/.reserve", segments->folder) >= 0)
		unlink(path);
	else
		path = NULL;
}

/* A sync that has failed says nothing when it is tried again: such a segment keeps its log. */
static void note_ended(struct segments *segments, bool failed_to_sync)
{
	if (!failed_to_sync)
		buf_put(&segments->ended, &segments->number, sizeof(segments->number));
}

/* The logs of segments that were ended on a full disk go when the disk has these. */
static void remove_logs(const struct segments *segments)
{
	const unsigned *numbers = (const void *)segments->ended.data;

	for (size_t i = 0; i < segments->ended.size_bytes / sizeof(*numbers); i++) {
		_autofree_ char *path = segment_path(segments, numbers[i]);
		_autoclose_ int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

		if (fd >= 0 && fdatasync(fd) == 0)
			wal_remove_of(path);
	}
}

/* The segment cannot be written any more: end it, so that it opens, and hold what comes. */
static void break_off(struct segments *segments, int r)
{
	struct session_writer *writer;
	bool failed_to_sync;
	int r_back;

	log_errno(r, "recorder: writing %s; what comes is held in memory", segments->folder);
	if (segments->reserve_fd >= 0 && ftruncate(segments->reserve_fd, 0) < 0)
		log_warning(
			"recorder: the reserve of %s could not be given back", segments->folder);
	pthread_mutex_lock(&segments->lock);
	writer = steal_ptr(segments->writer);
	failed_to_sync = segments->sync_failed != 0;
	segments->sync_failed = 0;
	pthread_mutex_unlock(&segments->lock);
	/* those of a full disk are in the segment that ends, but for one that it had no room for */
	if (failed_to_sync || segments->unheld.until > segments->appended)
		tell_unheld(segments);
	segments->unheld.count = 0;
	if (session_writer_end(writer) == 0)
		note_ended(segments, failed_to_sync);
	else
		log_warning("recorder: segment %u of %s has no index; it opens without",
			segments->number, segments->folder);
	r_back = session_writer_put_back(writer);
	if (r_back < 0)
		log_errno(r_back, "recorder: segment %u of %s was removed", segments->number,
			segments->folder);
	segments->bytes_before += session_writer_get_totals(writer).bytes;
	pthread_mutex_lock(&segments->lock);
	/* while it is being synced it must stay: the thread that does so frees it */
	if (segments->syncing == writer)
		segments->retired = steal_ptr(writer);
	pthread_mutex_unlock(&segments->lock);
	session_writer_destroy(writer);
	segments->trouble = r;
	segments->try_again_ns = clock_now_ns() + TRY_AGAIN_NS;
	segments->context.trouble(segments->context.user, reason_of(r));
}

static bool has_room(const struct segments *segments)
{
	struct statvfs status;

	return statvfs(segments->folder, &status) == 0 &&
		(uint64_t)status.f_bavail * status.f_frsize >= ROOM_BYTES;
}

static void put_pair(struct buf *pairs, const char *key, const char *value)
{
	buf_put_string(pairs, key);
	buf_put_string(pairs, value);
}

/* Say what of the segments before is written again here: FORMAT.md, "Segments". */
static int put_segment_metadata(
	const struct segments *segments, struct session_writer *writer, unsigned number)
{
	_cleanup_(buf_finish) struct buf pairs = {0};
	uint32_t first[CHANNEL_END];
	bool held[CHANNEL_END] = {0};
	char key[40], value[24];

	snprintf(value, sizeof(value), "%u", number);
	put_pair(&pairs, "number", value);
	put_pair(&pairs, "reason",
		segments->trouble ? reason_of(segments->trouble) : "the recorder was killed");
	for (size_t i = 0; i < segments->held_count; i++) {
		const struct packet *packet = *held_at(segments, i);

		if (!packet || held[packet->channel])
			continue;
		held[packet->channel] = true;
		first[packet->channel] =
			(uint32_t)le_load(packet->record + MCAP_RECORD_HEADER_BYTES + 2, 4);
	}
	for (unsigned id = 1; id < CHANNEL_END; id++) {
		if (!held[id])
			continue;
		snprintf(key, sizeof(key), "first_sequence/%u", id);
		snprintf(value, sizeof(value), "%u", first[id]);
		put_pair(&pairs, key, value);
	}
	if (buf_error(&pairs) < 0)
		return -ENOMEM;
	return session_writer_put_metadata(writer,
		&(struct mcap_metadata){
			mcap_text(SESSION_SEGMENT_METADATA), {pairs.data, pairs.size_bytes, 0}});
}

static int write_held(const struct segments *segments, struct session_writer *writer)
{
	int r = 0;

	for (size_t i = 0; i < segments->held_count && r == 0; i++) {
		const struct packet *packet = *held_at(segments, i);

		if (packet)
			r = session_writer_append(writer, packet);
	}
	return r;
}

static void use_writer(struct segments *segments, struct session_writer *writer)
{
	pthread_mutex_lock(&segments->lock);
	segments->writer = writer;
	segments->appended = segments->held_number + segments->held_count;
	if (segments->sync_every_ns == 0)
		segments->synced = segments->appended;
	else
		segments->dirty = true;
	pthread_cond_signal(&segments->changed);
	pthread_mutex_unlock(&segments->lock);
}

static int begin_segment(struct segments *segments)
{
	_autofree_ char *path = segment_path(segments, segments->number + 1);
	_destroy_(session_writer) struct session_writer *writer = NULL;
	int r = path ? make_reserve(segments) : -ENOMEM;

	if (r == 0)
		r = session_writer_create(&writer, path, SESSION_WRITER_RECORDING);
	if (r < 0)
		return r;
	if (segments->number > 0)
		r = put_segment_metadata(segments, writer, segments->number + 1);
	if (r == 0)
		r = write_held(segments, writer);
	/* here, because no other thread may be at it while a packet is synced before it counts */
	if (r == 0 && segments->sync_every_ns == 0)
		r = session_writer_sync(writer);
	if (r < 0) {
		session_writer_discard(steal_ptr(writer));
		return r;
	}
	segments->number++;
	use_writer(segments, steal_ptr(writer));
	return 0;
}

static void try_again(struct segments *segments)
{
	int r;

	segments->try_again_ns = clock_now_ns() + TRY_AGAIN_NS;
	if (!has_room(segments))
		return;
	r = begin_segment(segments);
	if (r < 0) {
		if (segments->reserve_fd >= 0 && ftruncate(segments->reserve_fd, 0) < 0)
			log_warning("recorder: %s: %s", segments->folder, strerror(errno));
		return;
	}
	log_info("recorder: %s: the disk is there again, it goes on in segment %u",
		segments->folder, segments->number);
	segments->trouble = 0;
	segments->context.trouble(segments->context.user, NULL);
}

void segments_check(struct segments *segments)
{
	uint64_t synced;
	int r;

	pthread_mutex_lock(&segments->lock);
	r = segments->sync_failed;
	synced = segments->synced;
	pthread_mutex_unlock(&segments->lock);
	let_go_until(segments, synced);
	if (synced >= segments->unheld.until)
		segments->unheld.count = 0;
	if (!segments->trouble)
		tell_lost(segments);
	if (r < 0 && segments->writer)
		break_off(segments, r);
	else if (segments->trouble && clock_now_ns() >= segments->try_again_ns)
		try_again(segments);
}

static void note_appended(struct segments *segments)
{
	pthread_mutex_lock(&segments->lock);
	segments->appended = segments->held_number + segments->held_count;
	if (segments->sync_every_ns == 0) {
		segments->synced = segments->appended;
	} else if (!segments->dirty) {
		/* it waits for the first only, and then for its time */
		segments->dirty = true;
		pthread_cond_signal(&segments->changed);
	}
	pthread_mutex_unlock(&segments->lock);
}

void segments_append(struct segments *segments, struct packet *packet)
{
	bool held;
	int r;

	segments_check(segments);
	held = hold(segments, packet) == 0;
	if (segments->held_bytes > HELD_BYTES)
		drop_pictures(segments);
	r = segments->writer ? session_writer_append(segments->writer, packet) : segments->trouble;
	if (r < 0 && !held)
		note_lost(segments, packet);
	if (!segments->writer)
		return;
	if (r == 0 && segments->sync_every_ns == 0)
		r = session_writer_sync(segments->writer);
	if (r < 0)
		break_off(segments, r);
	else
		note_appended(segments);
}

uint64_t segments_bytes(const struct segments *segments)
{
	return segments->bytes_before +
		(segments->writer ? session_writer_get_totals(segments->writer).bytes : 0);
}

size_t segments_held(const struct segments *segments)
{
	return segments->trouble ? segments->held_count : 0;
}

/* ---- life ---- */

int segments_create(struct segments **ret, const char *folder, unsigned before,
	int64_t sync_every_ns, const struct segments_context *context, struct error *reterr)
{
	_destroy_(segments) struct segments *segments = calloc(1, sizeof(*segments));
	pthread_condattr_t attributes;
	int r;

	if (!segments)
		return error_set(reterr, -ENOMEM, "no memory");
	segments->context = *context;
	segments->reserve_fd = -1;
	segments->sync_every_ns = sync_every_ns;
	segments->number = before;
	pthread_mutex_init(&segments->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&segments->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	segments->folder = strdup(folder);
	if (!segments->folder)
		return error_set(reterr, -ENOMEM, "no memory");
	r = begin_segment(segments);
	if (r < 0)
		return error_set(reterr, r, "cannot record into %s: %s", folder, reason_of(r));
	r = pthread_create(&segments->sync_thread, NULL, sync_thread, segments);
	if (r != 0)
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	segments->sync_started = true;
	*ret = steal_ptr(segments);
	return 0;
}

static void stop_syncing(struct segments *segments)
{
	if (!segments->sync_started)
		return;
	pthread_mutex_lock(&segments->lock);
	segments->stop = true;
	pthread_cond_signal(&segments->changed);
	pthread_mutex_unlock(&segments->lock);
	pthread_join(segments->sync_thread, NULL);
	segments->sync_started = false;
}

int segments_finish(struct segments *segments)
{
	int r;

	segments_check(segments);
	if (!segments->writer)
		try_again(segments); /* the last chance for what is held */
	stop_syncing(segments);
	remove_reserve(segments);
	if (!segments->writer) {
		remove_logs(segments);
		return segments->trouble;
	}
	/* a sync that failed is not tried again; what it was for may be lost */
	r = segments->sync_failed;
	if (r == 0) {
		r = session_writer_finish(segments->writer);
		remove_logs(segments);
	} else {
		session_writer_end(segments->writer);
	}
	if (r < 0)
		log_errno(
			r, "recorder: ending segment %u of %s", segments->number, segments->folder);
	return r;
}

void segments_destroy(struct segments *segments)
{
	if (!segments)
		return;
	stop_syncing(segments);
	remove_reserve(segments);
	while (segments->held_count > 0)
		let_go_until(segments, segments->held_number + 1);
	session_writer_destroy(segments->retired);
	session_writer_destroy(segments->writer);
	pthread_cond_destroy(&segments->changed);
	pthread_mutex_destroy(&segments->lock);
	buf_finish(&segments->ended);
	free(segments->held);
	free(segments->folder);
	free(segments);
}
