#include "daemon/record/recorder.h"

#include "daemon/record/segments.h"
#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/queue.h"
#include "protocol/input.pb-c.h"
#include "protocol/limits.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define CLOCK_SAMPLE_NS (5 * NS_PER_S)
#define COMPLETE_NS     (250 * NS_PER_MS)
#define ROUND_NS        (100 * NS_PER_MS)
#define ROOM_NS         (500 * NS_PER_MS) /* polling interval for room at the end of a recording */

/* Limit of the queue for the disk: twenty seconds of a busy screen. */
#define QUEUE_BYTES (64 * 1024 * 1024)

/* Suspend detection: BOOTTIME advances during a suspend, MONOTONIC does not. */
#define SUSPEND_NS (100 * NS_PER_MS)

struct recorder {
	struct packet_sink sink;
	struct recorder_context context;
	struct queue *queue;
	pthread_t thread;
	bool started;
	struct segments *segments;
	_Atomic int64_t alive_ns;
	_Atomic uint64_t bytes, pictures, events, gaps;

	/* of the recorder's thread */
	int64_t next_clock_ns, suspended_ns;
	int result;     /* result of the end */
	struct buf own; /* of struct packet *: gaps reported by the files meanwhile */

	/* the end, under end_lock */
	pthread_mutex_t end_lock;
	pthread_cond_t end_changed;
	bool ended, waits, gives_up;
	struct recorder_backlog backlog, lost;

	/* under losses_lock */
	pthread_mutex_t losses_lock;
	struct losses losses;

	/* dropping, under drop_lock: any source's thread */
	pthread_mutex_t drop_lock;
	bool dropping; /* pictures, until the next keyframe */
	uint64_t dropped;
	int64_t dropped_from_ns;
	struct packet *mark; /* mark of the next keyframe */
};

/* ---- pushing: any thread ---- */

static void push_gap(struct recorder *recorder, Uxrec__Gap__Reason reason, int64_t from_ns,
	int64_t to_ns, const char *topic, uint64_t count, const char *detail)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)topic};

	gap.reason = reason;
	gap.from_ns = session_clock_at(recorder->context.clock, from_ns);
	gap.to_ns = session_clock_at(recorder->context.clock, to_ns);
	gap.topics = topics;
	gap.n_topics = topic ? 1 : 0;
	gap.count = count;
	gap.detail = (char *)detail;
	recorder_push(recorder, CHANNEL_GAPS, from_ns, &gap.base);
}

/* @param to_ns  session times; 0: to the end */
static struct packet *create_disk_gap(const struct recorder *recorder, const char *topic,
	int64_t from_ns, int64_t to_ns, uint64_t count, const char *detail)
{
	static const char *const sound[] = {"/screen", "/sound", "/sound/monitor"};
	struct session_clock *clock = recorder->context.clock;
	Uxrec__Gap gap = UXREC__GAP__INIT;
	struct packet *packet = NULL;

	gap.reason = UXREC__GAP__REASON__REASON_DISK;
	gap.from_ns = from_ns;
	gap.to_ns = to_ns;
	gap.topics = (char **)sound;
	gap.n_topics = !topic ? 0 : strcmp(topic, "/sound") == 0 ? ARRAY_SIZE(sound) : 1;
	gap.count = count;
	gap.detail = (char *)detail;
	packet_create(&packet, clock,
		&(struct packet_info){CHANNEL_GAPS, 0, from_ns - clock->utc_offset_ns, 0},
		&gap.base);
	return packet;
}

static void push_drops(struct recorder *recorder, int64_t from_ns, int64_t to_ns, uint64_t dropped)
{
	push_gap(recorder, UXREC__GAP__REASON__REASON_OVERLOAD, from_ns, to_ns, "/screen", dropped,
		"the disk is slower than the pictures");
}

/* @return true when the picture must be dropped because its references were */
static bool drops(struct recorder *recorder, const struct packet *packet, bool full)
{
	uint64_t dropped = 0;
	int64_t from_ns = 0, at_ns = packet->time_ns - recorder->context.clock->utc_offset_ns;
	/* require half of the queue free, so that dropping does not restart at once */
	bool drop, room = queue_weight(recorder->queue) <= QUEUE_BYTES / 2, ask = false;

	pthread_mutex_lock(&recorder->drop_lock);
	if (full && !recorder->dropping) {
		recorder->dropping = true;
		recorder->dropped_from_ns = at_ns;
	} else if (recorder->dropping && room && (packet->flags & PACKET_KEYFRAME)) {
		recorder->dropping = false;
		dropped = recorder->dropped;
		from_ns = recorder->dropped_from_ns;
		recorder->dropped = 0;
	} else if (recorder->dropping && room) {
		ask = true;
	}
	drop = recorder->dropping;
	recorder->dropped += drop;
	pthread_mutex_unlock(&recorder->drop_lock);
	if (dropped)
		push_drops(recorder, from_ns, at_ns, dropped);
	if (ask)
		recorder->context.request_keyframe(recorder->context.user);
	return drop;
}

/* A static screen pushes no picture that would trigger the request. */
static void ask_for_keyframe(struct recorder *recorder)
{
	bool ask;

	pthread_mutex_lock(&recorder->drop_lock);
	ask = recorder->dropping && queue_weight(recorder->queue) <= QUEUE_BYTES / 2;
	pthread_mutex_unlock(&recorder->drop_lock);
	if (ask)
		recorder->context.request_keyframe(recorder->context.user);
}

/* the session pauses or ends while pictures are being dropped */
static void end_drops(struct recorder *recorder)
{
	uint64_t dropped;
	int64_t from_ns;

	pthread_mutex_lock(&recorder->drop_lock);
	dropped = recorder->dropped;
	from_ns = recorder->dropped_from_ns;
	recorder->dropped = 0;
	recorder->dropping = false;
	pthread_mutex_unlock(&recorder->drop_lock);
	if (dropped)
		push_drops(recorder, from_ns, clock_now_ns(), dropped);
}

static struct packet *change_mark(struct recorder *recorder, struct packet *mark)
{
	struct packet *before;

	pthread_mutex_lock(&recorder->drop_lock);
	before = recorder->mark;
	recorder->mark = mark;
	pthread_mutex_unlock(&recorder->drop_lock);
	return before;
}

/* takes over the packet */
static int enqueue(struct recorder *recorder, struct packet *packet, bool force)
{
	int r = queue_push(recorder->queue, packet, packet->size_bytes, force);

	if (r < 0)
		packet_unref(packet);
	return r;
}

/* A mark without its keyframe would be a false entry point: push both or drop both. */
static void push_picture(struct recorder *recorder, struct packet *packet)
{
	_packet_unref_ struct packet *mark =
		packet->flags & PACKET_KEYFRAME ? change_mark(recorder, NULL) : NULL;
	bool fits = queue_weight(recorder->queue) + packet->size_bytes <= QUEUE_BYTES;

	if (drops(recorder, packet, !fits)) {
		packet_unref(packet);
		return;
	}
	if (mark)
		enqueue(recorder, steal_ptr(mark), true);
	enqueue(recorder, packet, true);
}

/*
 * Overflow never drops input or tags: pictures are dropped up to the next keyframe, and a gap records their
 * number.
 */
static void sink_push(struct packet_sink *sink, struct packet *packet)
{
	struct recorder *recorder = (struct recorder *)sink;

	if (channel_is_picture(packet->channel))
		push_picture(recorder, packet);
	else if (packet->channel == CHANNEL_SCREEN_KEYFRAMES)
		packet_unref(change_mark(recorder, packet));
	else
		enqueue(recorder, packet, true);
}

int recorder_push(struct recorder *recorder, uint16_t channel, int64_t time_ns,
	const ProtobufCMessage *message)
{
	struct packet *packet;
	int r = packet_create(&packet, recorder->context.clock,
		&(struct packet_info){channel, 0, time_ns, 0}, message);

	if (r == 0)
		sink_push(&recorder->sink, packet);
	return r;
}

struct packet_sink *recorder_sink(struct recorder *recorder)
{
	return &recorder->sink;
}

/* ---- callbacks of the files ---- */

static void on_disk_error(void *user, const char *text)
{
	struct recorder *recorder = user;

	recorder->context.disk_error(recorder->context.user, text);
}

/* Bypasses the queue: it is closed at the end of the recording, while files are still written. */
static void files_dropped(
	void *user, const char *topic, int64_t from_ns, int64_t to_ns, uint64_t count)
{
	struct recorder *recorder = user;
	struct packet *gap = create_disk_gap(recorder, topic, from_ns, to_ns, count,
		topic ? "the disk was unavailable for longer than pictures can be held in memory"
		      : "the disk was unavailable and memory ran out");

	/* later pictures may depend on the dropped ones */
	recorder->context.request_keyframe(recorder->context.user);
	if (!gap)
		return;
	buf_put(&recorder->own, &gap, sizeof(gap));
	if (buf_error(&recorder->own) < 0)
		packet_unref(gap);
}

static struct packet *files_missing(void *user, int64_t from_ns, const char *topic, uint64_t count)
{
	return create_disk_gap(user, topic, from_ns, 0, count, "the disk had no free space");
}

/* ---- the recorder's thread ---- */

static uint64_t count_events(const struct packet *packet)
{
	const void *data = packet_data(packet);
	size_t size = packet_data_size(packet);
	uint64_t count = 0;

	if (packet->channel == CHANNEL_CONTROLS) {
		Uxrec__ControlBatch *batch = uxrec__control_batch__unpack(NULL, size, data);

		for (size_t i = 0; batch && i < batch->n_control; i++)
			count += batch->control[i] != UXREC__CONTROL__CONTROL_FRAME;
		uxrec__control_batch__free_unpacked(batch, NULL);
	} else if (packet->channel == CHANNEL_KEY_CLASSES) {
		Uxrec__KeyClassBatch *batch = uxrec__key_class_batch__unpack(NULL, size, data);

		count = batch ? batch->n_key_class : 0;
		uxrec__key_class_batch__free_unpacked(batch, NULL);
	} else if (packet->channel == CHANNEL_KEYS) {
		Uxrec__KeyBatch *batch = uxrec__key_batch__unpack(NULL, size, data);

		count = batch ? batch->n_code : 0;
		uxrec__key_batch__free_unpacked(batch, NULL);
	} else if (packet->channel == CHANNEL_KEY_COUNTS) {
		Uxrec__KeyCount *presses = uxrec__key_count__unpack(NULL, size, data);

		count = presses ? presses->presses : 0;
		uxrec__key_count__free_unpacked(presses, NULL);
	}
	return count;
}

static void note_gap(struct recorder *recorder, const struct packet *packet)
{
	Uxrec__Gap *gap = uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));

	recorder->gaps++;
	if (!gap)
		return;
	pthread_mutex_lock(&recorder->losses_lock);
	losses_add(&recorder->losses, gap);
	pthread_mutex_unlock(&recorder->losses_lock);
	uxrec__gap__free_unpacked(gap, NULL);
}

static void store_packet(struct recorder *recorder, struct packet *packet)
{
	segments_append(recorder->segments, packet);
	recorder->bytes = segments_bytes(recorder->segments);
	recorder->pictures += packet->channel == CHANNEL_SCREEN;
	if (packet->channel == CHANNEL_GAPS)
		note_gap(recorder, packet);
	recorder->events += count_events(packet);
	recorder->context.feed->publish(recorder->context.feed->user, packet);
	packet_unref(packet);
	recorder->alive_ns = clock_now_ns();
}

static void store_own(struct recorder *recorder)
{
	while (recorder->own.size_bytes > 0) {
		struct packet *packet;

		recorder->own.size_bytes -= sizeof(packet);
		memcpy(&packet, recorder->own.data + recorder->own.size_bytes, sizeof(packet));
		store_packet(recorder, packet);
	}
}

static void handle_packet(struct recorder *recorder, struct packet *packet)
{
	store_packet(recorder, packet);
	store_own(recorder);
}

static void note_backlog(struct recorder *recorder)
{
	struct segments_backlog unsynced = segments_backlog(recorder->segments);

	pthread_mutex_lock(&recorder->end_lock);
	recorder->backlog = (struct recorder_backlog){
		unsynced.packets, unsynced.bytes, unsynced.from_ns, unsynced.to_ns};
	pthread_mutex_unlock(&recorder->end_lock);
}

static void sample_clocks(struct recorder *recorder)
{
	Uxrec__ClockSample message = UXREC__CLOCK_SAMPLE__INIT;
	struct clock_sample sample = clock_sample_take();
	int64_t suspended_ns = sample.boottime_ns - sample.monotonic_ns;

	message.monotonic_ns = sample.monotonic_ns;
	message.boottime_ns = sample.boottime_ns;
	message.wall_ns = sample.wall_ns;
	message.bracket_ns = sample.bracket_ns;
	message.utc_offset_ns = recorder->context.clock->utc_offset_ns;
	recorder_push(recorder, CHANNEL_CLOCK, sample.monotonic_ns, &message.base);
	if (recorder->suspended_ns && suspended_ns - recorder->suspended_ns > SUSPEND_NS)
		push_gap(recorder, UXREC__GAP__REASON__REASON_SUSPEND,
			recorder->next_clock_ns - CLOCK_SAMPLE_NS, sample.monotonic_ns, NULL, 0,
			"the machine was suspended");
	recorder->suspended_ns = suspended_ns;
	recorder->next_clock_ns = sample.monotonic_ns + CLOCK_SAMPLE_NS;
}

/* @return true when waiting for room must stop */
static bool wait_for_room(struct recorder *recorder)
{
	int64_t until_ns = clock_now_ns() + ROOM_NS;
	struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
	bool gives_up;

	note_backlog(recorder);
	pthread_mutex_lock(&recorder->end_lock);
	recorder->waits = true;
	pthread_cond_broadcast(&recorder->end_changed);
	while (!recorder->gives_up &&
		pthread_cond_timedwait(&recorder->end_changed, &recorder->end_lock, &until) == 0)
		;
	gives_up = recorder->gives_up;
	pthread_mutex_unlock(&recorder->end_lock);
	recorder->alive_ns = clock_now_ns();
	return gives_up;
}

static void end_files(struct recorder *recorder)
{
	struct segments_backlog lost = {0};
	int r;

	while ((r = segments_finish(recorder->segments)) == -EAGAIN)
		if (wait_for_room(recorder)) {
			r = segments_give_up(recorder->segments, &lost);
			break;
		}
	recorder->result = r;
	recorder->bytes = segments_bytes(recorder->segments);
	pthread_mutex_lock(&recorder->end_lock);
	recorder->lost =
		(struct recorder_backlog){lost.packets, lost.bytes, lost.from_ns, lost.to_ns};
	recorder->ended = true;
	pthread_cond_broadcast(&recorder->end_changed);
	pthread_mutex_unlock(&recorder->end_lock);
	if (recorder->context.ended)
		recorder->context.ended(recorder->context.user);
}

static void *recorder_thread(void *user)
{
	struct recorder *recorder = user;
	const struct recorder_context *context = &recorder->context;
	const struct feed *feed = context->feed;

	pthread_setname_np(pthread_self(), "uxrec-recorder");
	while (!queue_ended(recorder->queue)) {
		int64_t now_ns = clock_now_ns(), deadline_ns, watermark_ns;
		struct packet *packet;

		recorder->alive_ns = now_ns;
		if (now_ns >= recorder->next_clock_ns)
			sample_clocks(recorder);
		deadline_ns = recorder->next_clock_ns;
		if ((feed->is_watched(feed->user) || recorder->backlog.packets > 0) &&
			now_ns + COMPLETE_NS < deadline_ns)
			deadline_ns = now_ns + COMPLETE_NS;
		packet = queue_pop(recorder->queue, deadline_ns);
		/* watermark before queue: nothing older can arrive later */
		watermark_ns = context->watermark(context->user, clock_now_ns());
		for (; packet; packet = queue_pop(recorder->queue, 0)) {
			handle_packet(recorder, packet);
			/* a disk slower than the sources must not stall observers */
			if (recorder->alive_ns - now_ns > ROUND_NS)
				break;
		}
		segments_check(recorder->segments);
		store_own(recorder);
		note_backlog(recorder);
		ask_for_keyframe(recorder);
		if (!packet)
			feed->complete(feed->user, session_clock_at(context->clock, watermark_ns));
		feed->flush(feed->user);
	}
	end_files(recorder);
	return NULL;
}

void recorder_wake(struct recorder *recorder)
{
	queue_wake(recorder->queue);
}

/* ---- lifecycle ---- */

static void drop_packet(void *packet)
{
	packet_unref(packet);
}

int recorder_create(struct recorder **ret, const char *folder, unsigned before,
	const struct recorder_context *context, struct error *reterr)
{
	_destroy_(recorder) struct recorder *recorder = calloc(1, sizeof(*recorder));
	const struct segments_context files = {on_disk_error, files_dropped, files_missing,
		context->session_uuid, context->station_id, context->marker, recorder};
	int r;

	if (!recorder)
		return error_set(reterr, -ENOMEM, "out of memory");
	recorder->sink.push = sink_push;
	recorder->context = *context;
	recorder->alive_ns = clock_now_ns();
	pthread_mutex_init(&recorder->drop_lock, NULL);
	pthread_mutex_init(&recorder->losses_lock, NULL);
	pthread_mutex_init(&recorder->end_lock, NULL);
	clock_init_condition(&recorder->end_changed);
	if (queue_create(&recorder->queue, QUEUE_BYTES, false) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	queue_set_drop(recorder->queue, drop_packet);
	r = segments_create(
		&recorder->segments, folder, before, context->sync_every_ns, &files, reterr);
	if (r < 0)
		return r;
	recorder->bytes = segments_bytes(recorder->segments);
	r = pthread_create(&recorder->thread, NULL, recorder_thread, recorder);
	if (r != 0)
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	recorder->started = true;
	*ret = steal_ptr(recorder);
	return 0;
}

struct recorder_backlog recorder_get_backlog(struct recorder *recorder)
{
	struct recorder_backlog backlog;

	pthread_mutex_lock(&recorder->end_lock);
	backlog = recorder->backlog;
	pthread_mutex_unlock(&recorder->end_lock);
	return backlog;
}

void recorder_end(struct recorder *recorder)
{
	if (!recorder->started)
		return;
	end_drops(recorder);
	queue_close(recorder->queue);
}

bool recorder_wait(struct recorder *recorder, int64_t room_ns)
{
	int64_t room_until_ns = clock_now_ns() + room_ns;
	bool ended;

	pthread_mutex_lock(&recorder->end_lock);
	while (!(ended = recorder->ended)) {
		int64_t now_ns = clock_now_ns(), until_ns = now_ns + NS_PER_S;
		struct timespec until;

		if (recorder->waits && !recorder->gives_up && now_ns >= room_until_ns)
			break;
		if (recorder->waits && !recorder->gives_up && until_ns > room_until_ns)
			until_ns = room_until_ns;
		until = (struct timespec){until_ns / NS_PER_S, until_ns % NS_PER_S};
		pthread_cond_timedwait(&recorder->end_changed, &recorder->end_lock, &until);
		/* a slow disk may take long: extend the service manager's timeout */
		sd_notify(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000");
	}
	pthread_mutex_unlock(&recorder->end_lock);
	return ended;
}

void recorder_give_up(struct recorder *recorder)
{
	pthread_mutex_lock(&recorder->end_lock);
	recorder->gives_up = true;
	pthread_cond_broadcast(&recorder->end_changed);
	pthread_mutex_unlock(&recorder->end_lock);
}

int recorder_finish(struct recorder *recorder, struct recorder_backlog *ret_lost)
{
	if (recorder->started) {
		recorder_end(recorder);
		recorder_give_up(recorder);
		recorder_wait(recorder, 0);
		pthread_join(recorder->thread, NULL);
		recorder->started = false;
	}
	if (ret_lost)
		*ret_lost = recorder->lost;
	return recorder->result;
}

void recorder_destroy(struct recorder *recorder)
{
	if (!recorder)
		return;
	recorder_finish(recorder, NULL);
	segments_destroy(recorder->segments);
	packet_unref(recorder->mark);
	queue_destroy(recorder->queue);
	pthread_mutex_destroy(&recorder->drop_lock);
	losses_finish(&recorder->losses);
	pthread_mutex_destroy(&recorder->losses_lock);
	pthread_mutex_destroy(&recorder->end_lock);
	pthread_cond_destroy(&recorder->end_changed);
	buf_finish(&recorder->own);
	free(recorder);
}

struct recorder_totals recorder_get_totals(struct recorder *recorder)
{
	return (struct recorder_totals){
		.bytes = recorder->bytes,
		.pictures = recorder->pictures,
		.events = recorder->events,
		.gaps = recorder->gaps,
	};
}

void recorder_sum_losses(struct recorder *recorder, int64_t now_ns, struct loss *ret)
{
	pthread_mutex_lock(&recorder->losses_lock);
	losses_sum(&recorder->losses, now_ns, ret);
	pthread_mutex_unlock(&recorder->losses_lock);
}

int64_t recorder_alive_ns(struct recorder *recorder)
{
	return recorder->alive_ns;
}
