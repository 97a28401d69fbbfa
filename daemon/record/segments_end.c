/* End of a recording, including while its disk is in trouble. */

#include "daemon/record/segments_internal.h"

#include "protocol/base/log.h"

#include <errno.h>

/* Of the last segment: header, indexes, summary and footer. */
#define END_BYTES (64 * 1024)

/* End of a recording in trouble: write all held packets to a separate segment, which needs neither log nor
 * reserve. */
static int write_rest(struct segments *segments)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	char name[SEGMENT_NAME_BYTES];
	int r;

	if (!segments_has_room(segments, segments->unsynced.bytes + END_BYTES))
		return -ENOSPC;
	segments_name(name, segments->number + 1);
	r = session_writer_create_below(&writer, segments->folder, name, SESSION_WRITER_LAST);
	if (r < 0)
		return r;
	r = segments_put_metadata(segments, writer, segments->number + 1);
	if (r == 0)
		r = segments_put_identity(segments, writer);
	if (r == 0)
		r = segments_write_unsynced(segments, writer);
	if (r == 0)
		r = session_writer_finish(writer);
	if (r < 0) {
		session_writer_discard(steal_ptr(writer));
		return r;
	}
	segments->number++;
	segments->marker.is_there = false;
	segments->bytes_before += session_writer_get_totals(writer).bytes;
	segments->disk_error = 0;
	log_info("recorder: %s: the disk is available again, the rest is in segment %u",
		folder_path(segments->folder), segments->number);
	segments->context.disk_error(segments->context.user, NULL);
	return 0;
}

/* @return 0, or a negative errno: the segment was broken off */
static int end_writer(struct segments *segments)
{
	int r = session_writer_end(segments->writer);

	if (r == 0) {
		r = session_writer_finish(segments->writer);
		segments->sync_failed = r; /* the end is written, at most unsynced */
	}
	if (r == 0)
		segments_remove_logs(segments);
	else
		segments_handle_error(segments, r, NULL);
	return r;
}

/* Include packets for which there was no memory in the missing data. */
static void add_lost_gap(struct segments *segments)
{
	_packet_unref_ struct packet *gap = NULL;

	if (segments->lost_count == 0)
		return;
	gap = segments->context.missing(
		segments->context.user, segments->lost_from_ns, NULL, segments->lost_count);
	if (gap && backlog_push(&segments->unsynced, gap) == 0)
		segments->lost_count = 0;
}

int segments_finish(struct segments *segments)
{
	int r = 0;

	if (segments->sync_started) {
		segments_check(segments);
		segments_stop_syncing(segments);
		segments_remove_reserve(segments);
		segments_check_sync(segments);
		if (segments->writer && end_writer(segments) == 0)
			return 0;
	}
	if (segments->disk_error) {
		add_lost_gap(segments);
		r = write_rest(segments);
	}
	if (r == 0)
		segments_remove_logs(segments);
	return r < 0 ? -EAGAIN : 0;
}

/* Packets that take most of the room, and on which the rest does not depend. */
static bool is_bulk(const struct packet *packet)
{
	return channel_is_picture(packet->channel) || packet->channel == CHANNEL_SCREEN_KEYFRAMES ||
		packet->channel == CHANNEL_SOUND || packet->channel == CHANNEL_MONITOR;
}

static void drop_bulk(struct segments *segments, struct segments_backlog *lost)
{
	bool sound = false;

	*lost = (struct segments_backlog){0};
	for (size_t i = 0; i < segments->unsynced.ring.count; i++) {
		struct packet **place = backlog_at(&segments->unsynced, i), *packet = *place;

		if (!packet || !is_bulk(packet))
			continue;
		if (lost->packets++ == 0 || packet->time_ns < lost->from_ns)
			lost->from_ns = packet->time_ns;
		if (packet->time_ns > lost->to_ns)
			lost->to_ns = packet->time_ns;
		lost->bytes += packet->size_bytes;
		sound |= packet->channel != CHANNEL_SCREEN_KEYFRAMES &&
			!channel_is_picture(packet->channel);
		backlog_drop(&segments->unsynced, place);
	}
	if (lost->packets > 0) {
		/* open-ended: the remaining ones may be incomplete */
		_packet_unref_ struct packet *gap =
			segments->context.missing(segments->context.user, lost->from_ns,
				sound ? "/sound" : "/screen", lost->packets);

		if (gap)
			backlog_push(&segments->unsynced, gap);
	}
}

int segments_give_up(struct segments *segments, struct segments_backlog *ret_lost)
{
	struct segments_backlog all = segments_backlog(segments);
	int disk_error = segments->disk_error;

	*ret_lost = (struct segments_backlog){0};
	if (segments_finish(segments) == 0)
		return 0;
	drop_bulk(segments, ret_lost);
	if (segments_finish(segments) == 0)
		return disk_error;
	*ret_lost = all;
	log_errno(disk_error, "recorder: ending %s: %zu packets are discarded",
		folder_path(segments->folder), all.packets);
	return disk_error;
}
