#include "daemon/record/segments_internal.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/file/wal.h"
#include "protocol/file/writer.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Limit of packets held in memory: twenty seconds of a busy screen. */
#define UNSYNCED_LIMIT_BYTES (64 * 1024 * 1024)

/* Released when the disk is full, so that the end of the segment finds room. */
#define RESERVE_BYTES (2 * SESSION_CHUNK_BYTES)

/* A new segment requires room for itself, its log and its reserve. */
#define ROOM_BYTES        (4 * RESERVE_BYTES)
#define RETRY_INTERVAL_NS NS_PER_S

#define RESERVE_NAME ".reserve"

/* Too much is held: drop the oldest pictures, up to a keyframe; never input or tags. */
static void drop_pictures(struct segments *segments)
{
	int64_t from_ns = 0, to_ns = 0;
	uint64_t count = 0, until = 0;
	struct packet **mark = NULL;

	for (size_t i = 0; i < segments->unsynced.ring.count; i++) {
		struct packet **place = backlog_at(&segments->unsynced, i), *packet = *place;
		bool picture = packet && channel_is_picture(packet->channel);

		if (packet && packet->channel == CHANNEL_SCREEN_KEYFRAMES)
			mark = place;
		if (!picture)
			continue;
		if (count > 0 && (packet->flags & PACKET_KEYFRAME) &&
			segments->unsynced.bytes <= UNSYNCED_LIMIT_BYTES)
			break;
		from_ns = count++ ? from_ns : packet->time_ns;
		to_ns = packet->time_ns;
		until = segments->unsynced.number + i + 1;
		/* a mark without its keyframe is no entry point */
		if (mark && packet->flags & PACKET_KEYFRAME)
			backlog_drop(&segments->unsynced, steal_ptr(mark));
		backlog_drop(&segments->unsynced, place);
	}
	if (count > 0 && !segments->writer) {
		segments->context.dropped(segments->context.user, "/screen", from_ns, to_ns, count);
	} else if (count > 0) {
		/* a slow disk, not a missing one: nothing is lost if its sync succeeds */
		if (segments->evicted.count == 0)
			segments->evicted.from_ns = from_ns;
		segments->evicted.to_ns = to_ns;
		segments->evicted.until = until;
		segments->evicted.count += count;
	}
}

/* Report dropped pictures whose write or sync has failed. */
static void report_evicted(struct segments *segments)
{
	uint64_t count = segments->evicted.count;

	segments->evicted.count = 0;
	if (count > 0)
		segments->context.dropped(segments->context.user, "/screen",
			segments->evicted.from_ns, segments->evicted.to_ns, count);
}

static void note_lost(struct segments *segments, const struct packet *packet)
{
	log_error("recorder: out of memory to hold a packet until it is on the disk");
	if (segments->lost_count++ == 0)
		segments->lost_from_ns = segments->lost_to_ns = packet->time_ns;
	if (packet->time_ns < segments->lost_from_ns)
		segments->lost_from_ns = packet->time_ns;
	if (packet->time_ns > segments->lost_to_ns)
		segments->lost_to_ns = packet->time_ns;
}

static void report_lost(struct segments *segments)
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
		/* at the configured interval; when stopping, at once */
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
		/* packets of a segment broken off meanwhile are written again anyway */
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

/* ---- segments ---- */

static const char *reason_of(int r)
{
	switch (r) {
	case -ENOSPC: return "the disk is full";
	case -EDQUOT: return "the quota of the disk is used up";
	case -EROFS: return "the disk is read-only";
	case -EFBIG: return "its file has reached the limit of its size";
	case -ENOENT: return "its file was removed";
	default: return strerror(-r);
	}
}

void segments_name(char name[SEGMENT_NAME_BYTES], unsigned number)
{
	snprintf(name, SEGMENT_NAME_BYTES, SESSION_SEGMENT_NAME, number);
}

static int make_reserve(struct segments *segments)
{
	int r;

	if (segments->reserve_fd < 0) {
		r = folder_remove(segments->folder, RESERVE_NAME); /* left by a killed recorder */
		if (r == 0 || r == -ENOENT)
			r = folder_create(segments->folder, RESERVE_NAME, NULL);
		if (r < 0)
			return r;
		segments->reserve_fd = r;
	}
	return -posix_fallocate(segments->reserve_fd, 0, RESERVE_BYTES);
}

bool segments_are_unfinished(const struct folder *folder)
{
	return folder_has(folder, RESERVE_NAME) > 0;
}

void segments_remove_reserve(struct segments *segments)
{
	if (segments->reserve_fd < 0)
		return;
	close(steal_fd(&segments->reserve_fd));
	folder_remove(segments->folder, RESERVE_NAME);
}

static void release_lock(struct segments *segments)
{
	if (segments->lock_fd >= 0)
		close(steal_fd(&segments->lock_fd));
}

/* A segment keeps its log after a failed sync: the success of a later one proves nothing. */
static void note_ended(struct segments *segments, bool failed_to_sync)
{
	if (!failed_to_sync)
		buf_put(&segments->ended, &segments->number, sizeof(segments->number));
}

/* Remove the logs of segments ended on a full disk, once those are on disk. */
void segments_remove_logs(const struct segments *segments)
{
	const unsigned *numbers = (const void *)segments->ended.data;

	for (size_t i = 0; i < segments->ended.size_bytes / sizeof(*numbers); i++) {
		char name[SEGMENT_NAME_BYTES];
		_autoclose_ int fd = -1;

		segments_name(name, numbers[i]);
		fd = folder_write(segments->folder, name, NULL);
		if (fd >= 0 && fdatasync(fd) == 0)
			wal_remove_of(segments->folder, name);
	}
}

static uint32_t sequence_of(const struct packet *packet)
{
	return (uint32_t)le_load(packet->record + MCAP_RECORD_HEADER_BYTES + 2, 4);
}

/*
 * End the segment with an open-ended gap: the recorder may be killed before there is room again, and nothing
 * may follow. The next segment replaces the gap.
 */
static void put_marker(struct segments *segments, struct session_writer *writer)
{
	_packet_unref_ struct packet *marker = segments->context.missing(
		segments->context.user, segments->missing_from_ns, NULL, 0);

	if (!marker || session_writer_append(writer, marker) < 0)
		return;
	segments->marker = (struct segments_marker){true, sequence_of(marker)};
}

/*
 * Handle a write failure: end the segment, so that it opens, and hold further packets.
 *
 * @param failed  the packet not written, the newest held one; NULL: all held packets may be missing
 */
void segments_handle_error(struct segments *segments, int r, const struct packet *failed)
{
	struct session_writer *writer;
	bool failed_to_sync;
	int r_back;

	log_errno(r, "recorder: cannot write %s; new data is held in memory",
		folder_path(segments->folder));
	if (segments->reserve_fd >= 0 && ftruncate(segments->reserve_fd, 0) < 0)
		log_warning("recorder: cannot release the disk reserve of %s",
			folder_path(segments->folder));
	pthread_mutex_lock(&segments->lock);
	writer = steal_ptr(segments->writer);
	failed_to_sync = segments->sync_failed != 0;
	segments->sync_failed = 0;
	pthread_mutex_unlock(&segments->lock);
	/* on a full disk they are in the ended segment, except one that it had no room for */
	if (failed_to_sync || segments->evicted.until > segments->appended)
		report_evicted(segments);
	segments->evicted.count = 0;
	for (size_t i = 0; i < segments->unsynced.ring.count && !failed; i++)
		failed = *backlog_at(&segments->unsynced, i);
	if (failed && !session_writer_is_finished(writer)) {
		segments->missing_from_ns = segments->missing_to_ns = failed->time_ns;
		put_marker(segments, writer);
	}
	if (session_writer_end(writer) == 0)
		note_ended(segments, failed_to_sync);
	else
		log_warning("recorder: segment %u of %s has no index; it can be read without one",
			segments->number, folder_path(segments->folder));
	r_back = session_writer_restore(writer);
	if (r_back < 0)
		log_errno(r_back, "recorder: segment %u of %s was removed", segments->number,
			folder_path(segments->folder));
	release_lock(segments);
	segments->lock_fd = session_writer_keep_lock(writer);
	segments->bytes_before += session_writer_get_totals(writer).bytes;
	pthread_mutex_lock(&segments->lock);
	/* must outlive a sync in progress: the sync thread then frees it */
	if (segments->syncing == writer)
		segments->retired = steal_ptr(writer);
	pthread_mutex_unlock(&segments->lock);
	session_writer_destroy(writer);
	segments->disk_error = r;
	/* retry with a new file at once, unless the disk itself is the problem */
	segments->retry_ns = clock_now_ns() + (r == -EFBIG ? 0 : RETRY_INTERVAL_NS);
	segments->context.disk_error(segments->context.user, reason_of(r));
}

bool segments_has_room(const struct segments *segments, uint64_t bytes)
{
	struct statvfs status;

	return fstatvfs(folder_fd(segments->folder), &status) == 0 &&
		(uint64_t)status.f_bavail * status.f_frsize >= bytes;
}

static void put_pair(struct buf *pairs, const char *key, const char *value)
{
	buf_put_string(pairs, key);
	buf_put_string(pairs, value);
}

static void note_first(uint32_t *first, bool *unsynced, uint16_t channel, uint32_t sequence)
{
	if (!unsynced[channel] || sequence < first[channel])
		first[channel] = sequence;
	unsynced[channel] = true;
}

/* Write the first sequences of packets repeated from earlier segments: FORMAT.md, "Segments". */
int segments_put_metadata(
	const struct segments *segments, struct session_writer *writer, unsigned number)
{
	_cleanup_(buf_finish) struct buf pairs = {0};
	uint32_t first[CHANNEL_END];
	bool unsynced[CHANNEL_END] = {0};
	char key[40], value[24];

	snprintf(value, sizeof(value), "%u", number);
	put_pair(&pairs, "number", value);
	put_pair(&pairs, "reason",
		segments->disk_error ? reason_of(segments->disk_error) : "the recorder was killed");
	for (size_t i = 0; i < segments->unsynced.ring.count; i++) {
		const struct packet *packet = *backlog_at(&segments->unsynced, i);

		if (packet)
			note_first(first, unsynced, packet->channel, sequence_of(packet));
	}
	if (segments->marker.is_there)
		note_first(first, unsynced, CHANNEL_GAPS, segments->marker.sequence);
	for (unsigned id = 1; id < CHANNEL_END; id++) {
		if (!unsynced[id])
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

/* Write the ids of the session, so that each segment alone has them. */
int segments_put_identity(const struct segments *segments, struct session_writer *writer)
{
	const struct segments_context *context = &segments->context;
	_cleanup_(buf_finish) struct buf pairs = {0};

	if (!context->session_uuid || !*context->session_uuid)
		return 0;
	put_pair(&pairs, "session_uuid", context->session_uuid);
	put_pair(&pairs, "station_id", context->station_id);
	if (buf_error(&pairs) < 0)
		return -ENOMEM;
	return session_writer_put_metadata(writer,
		&(struct mcap_metadata){
			mcap_text(SESSION_IDENTITY_METADATA), {pairs.data, pairs.size_bytes, 0}});
}

int segments_write_unsynced(const struct segments *segments, struct session_writer *writer)
{
	int r = 0;

	for (size_t i = 0; i < segments->unsynced.ring.count && r == 0; i++) {
		const struct packet *packet = *backlog_at(&segments->unsynced, i);

		if (packet)
			r = session_writer_append(writer, packet);
	}
	return r;
}

static void use_writer(struct segments *segments, struct session_writer *writer)
{
	pthread_mutex_lock(&segments->lock);
	segments->writer = writer;
	segments->appended = segments->unsynced.number + segments->unsynced.ring.count;
	if (segments->sync_every_ns == 0)
		segments->synced = segments->appended;
	else
		segments->dirty = true;
	pthread_cond_signal(&segments->changed);
	pthread_mutex_unlock(&segments->lock);
}

static int begin_segment(struct segments *segments)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	char name[SEGMENT_NAME_BYTES];
	int r = make_reserve(segments);

	segments_name(name, segments->number + 1);
	if (r == 0)
		r = session_writer_create_below(
			&writer, segments->folder, name, SESSION_WRITER_RECORDING);
	if (r < 0)
		return r;
	if (segments->number > 0)
		r = segments_put_metadata(segments, writer, segments->number + 1);
	if (r == 0)
		r = segments_put_identity(segments, writer);
	if (r == 0)
		r = segments_write_unsynced(segments, writer);
	/* on this thread: with per-packet sync no other one may use the writer */
	if (r == 0 && segments->sync_every_ns == 0)
		r = session_writer_sync(writer);
	if (r < 0) {
		session_writer_discard(steal_ptr(writer));
		return r;
	}
	segments->number++;
	segments->marker.is_there = false;
	release_lock(segments);
	use_writer(segments, steal_ptr(writer));
	return 0;
}

static void retry(struct segments *segments)
{
	int r;

	segments->retry_ns = clock_now_ns() + RETRY_INTERVAL_NS;
	if (!segments_has_room(segments, ROOM_BYTES))
		return;
	r = begin_segment(segments);
	if (r < 0) {
		if (segments->reserve_fd >= 0 && ftruncate(segments->reserve_fd, 0) < 0)
			log_warning(
				"recorder: %s: %s", folder_path(segments->folder), strerror(errno));
		return;
	}
	log_info("recorder: %s: the disk is available again, recording continues in segment %u",
		folder_path(segments->folder), segments->number);
	segments->disk_error = 0;
	segments->context.disk_error(segments->context.user, NULL);
}

/* Release packets that are on disk; end the segment when a sync has failed. */
void segments_check_sync(struct segments *segments)
{
	uint64_t synced;
	int r;

	pthread_mutex_lock(&segments->lock);
	r = segments->sync_failed;
	synced = segments->synced;
	pthread_mutex_unlock(&segments->lock);
	backlog_release(&segments->unsynced, synced);
	if (synced >= segments->evicted.until)
		segments->evicted.count = 0;
	if (!segments->disk_error)
		report_lost(segments);
	if (r < 0 && segments->writer)
		segments_handle_error(segments, r, NULL);
}

void segments_check(struct segments *segments)
{
	segments_check_sync(segments);
	if (segments->disk_error && clock_now_ns() >= segments->retry_ns)
		retry(segments);
}

static void note_appended(struct segments *segments)
{
	pthread_mutex_lock(&segments->lock);
	segments->appended = segments->unsynced.number + segments->unsynced.ring.count;
	if (segments->sync_every_ns == 0) {
		segments->synced = segments->appended;
	} else if (!segments->dirty) {
		/* the thread waits for the first packet only, then for its interval */
		segments->dirty = true;
		pthread_cond_signal(&segments->changed);
	}
	pthread_mutex_unlock(&segments->lock);
}

void segments_append(struct segments *segments, struct packet *packet)
{
	int r;

	segments_check(segments);
	/* nothing is written that could not be written again, should its sync fail */
	if (backlog_push(&segments->unsynced, packet) < 0) {
		note_lost(segments, packet);
		return;
	}
	if (packet->time_ns > segments->missing_to_ns)
		segments->missing_to_ns = packet->time_ns;
	if (segments->unsynced.bytes > UNSYNCED_LIMIT_BYTES)
		drop_pictures(segments);
	r = segments->writer ? session_writer_append(segments->writer, packet)
			     : segments->disk_error;
	if (!segments->writer)
		return;
	if (r == 0 && segments->sync_every_ns == 0)
		r = session_writer_sync(segments->writer);
	if (r < 0)
		segments_handle_error(segments, r, packet);
	else
		note_appended(segments);
}

uint64_t segments_bytes(const struct segments *segments)
{
	return segments->bytes_before +
		(segments->writer ? session_writer_get_totals(segments->writer).bytes : 0);
}

struct segments_backlog segments_backlog(const struct segments *segments)
{
	if (!segments->disk_error)
		return (struct segments_backlog){0};
	return (struct segments_backlog){segments->unsynced.ring.count, segments->unsynced.bytes,
		segments->missing_from_ns, segments->missing_to_ns};
}

/* ---- lifecycle ---- */

int segments_create(struct segments **ret, const char *folder, unsigned before,
	int64_t sync_every_ns, const struct segments_context *context, struct error *reterr)
{
	_destroy_(segments) struct segments *segments = calloc(1, sizeof(*segments));
	int r;

	if (!segments)
		return error_set(reterr, -ENOMEM, "out of memory");
	segments->context = *context;
	segments->marker = context->marker;
	segments->reserve_fd = segments->lock_fd = -1;
	segments->sync_every_ns = sync_every_ns;
	segments->number = before;
	pthread_mutex_init(&segments->lock, NULL);
	clock_init_condition(&segments->changed);
	r = folder_open(&segments->folder, folder, reterr);
	if (r < 0)
		return r;
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

void segments_stop_syncing(struct segments *segments)
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

void segments_destroy(struct segments *segments)
{
	if (!segments)
		return;
	segments_stop_syncing(segments);
	segments_remove_reserve(segments);
	backlog_finish(&segments->unsynced);
	session_writer_destroy(segments->retired);
	session_writer_destroy(segments->writer);
	pthread_cond_destroy(&segments->changed);
	pthread_mutex_destroy(&segments->lock);
	buf_finish(&segments->ended);
	release_lock(segments);
	folder_unref(segments->folder);
	free(segments);
}
