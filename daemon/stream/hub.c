#include "daemon/stream/hub.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* Bounds of the ring buffer, both enforced. A GOP of 60 pictures of a video is about 4 MB. */
#define RING_PACKETS 8192
#define RING_BYTES   (16 * 1024 * 1024)

/* A burst from the ring up to this size decodes in about 100 ms; longer ones justify a keyframe. */
#define BURST_PICTURES   30
#define BURST_BYTES      (1024 * 1024)
#define JOIN_KEYFRAME_NS (10 * NS_PER_S)

/* Limit of pointer shapes that may be referenced: the same as in capture/screen/pointer_shapes.c. */
#define SHAPES 64

/* An observer this far behind the newest keyframe skips to it. */
#define BEHIND_NS (1 * NS_PER_S)

struct hub {
	pthread_mutex_t lock;
	struct {
		struct packet *packet;
		bool muted;   /* withheld from observers */
	} ring[RING_PACKETS]; /* packet number n at n % RING_PACKETS */
	uint64_t first, end;  /* numbers: oldest, and one past the newest */
	size_t bytes;
	uint64_t keyframe; /* number of the newest keyframe; UINT64_MAX: none published */
	unsigned burst_pictures;
	size_t burst_bytes;
	struct packet *latched[CHANNEL_END];
	/* pointer shapes with pixels, for later references to them; newest last */
	struct packet *shapes[SHAPES];
	uint16_t shape_count;
	int64_t watermark_ns;
	int64_t join_keyframe_ns; /* time of the last request */
	uint64_t generation;
	bool no_keyframes;                  /* the screen is not captured */
	bool muted;                         /* sound is withheld from observers */
	int64_t muted_until_ns;             /* so is sound from before this session time */
	uint32_t withheld, withheld_of_all; /* modalities as bits: from observers, from everybody */
};

int hub_create(struct hub **ret)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	pthread_mutex_init(&hub->lock, NULL);
	hub->keyframe = UINT64_MAX;
	hub->muted_until_ns = INT64_MIN;
	hub->generation = 1;
	*ret = hub;
	return 0;
}

static void drop_oldest(struct hub *hub)
{
	struct packet **slot = &hub->ring[hub->first++ % RING_PACKETS].packet;

	hub->bytes -= (*slot)->size_bytes;
	packet_unref(steal_ptr(*slot));
}

/* drop the oldest shapes */
static void drop_shapes(struct hub *hub, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++)
		packet_unref(hub->shapes[i]);
	hub->shape_count -= count;
	memmove(hub->shapes, hub->shapes + count, hub->shape_count * sizeof(*hub->shapes));
}

static void keep_shape(struct hub *hub, struct packet *packet)
{
	uint16_t old = hub->shape_count == SHAPES;

	while (old < hub->shape_count &&
		hub->shapes[old]->time_ns < packet->time_ns - SESSION_SHAPE_SPAN_NS)
		old++;
	drop_shapes(hub, old);
	hub->shapes[hub->shape_count++] = packet_ref(packet);
}

static void reset(struct hub *hub)
{
	while (hub->first < hub->end)
		drop_oldest(hub);
	for (size_t i = 0; i < CHANNEL_END; i++)
		packet_unref(steal_ptr(hub->latched[i]));
	drop_shapes(hub, hub->shape_count);
	hub->keyframe = UINT64_MAX;
	hub->burst_pictures = 0;
	hub->burst_bytes = 0;
	hub->watermark_ns = 0;
	hub->join_keyframe_ns = 0;
	hub->no_keyframes = hub->muted = false;
	hub->muted_until_ns = INT64_MIN;
	hub->withheld = hub->withheld_of_all = 0;
	hub->generation++;
}

void hub_reset(struct hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	reset(hub);
	pthread_mutex_unlock(&hub->lock);
}

void hub_set_keyframes(struct hub *hub, bool available)
{
	pthread_mutex_lock(&hub->lock);
	hub->no_keyframes = !available;
	pthread_mutex_unlock(&hub->lock);
}

void hub_set_muted(struct hub *hub, bool muted, int64_t at_ns)
{
	pthread_mutex_lock(&hub->lock);
	hub->muted = muted;
	if (!muted)
		hub->muted_until_ns = at_ns;
	pthread_mutex_unlock(&hub->lock);
}

void hub_set_withheld(struct hub *hub, uint32_t observers, uint32_t all)
{
	pthread_mutex_lock(&hub->lock);
	hub->withheld = observers | all;
	hub->withheld_of_all = all;
	pthread_mutex_unlock(&hub->lock);
}

void hub_get_withheld(struct hub *hub, uint32_t *ret_observers, uint32_t *ret_all)
{
	pthread_mutex_lock(&hub->lock);
	*ret_observers = hub->withheld;
	*ret_all = hub->withheld_of_all;
	pthread_mutex_unlock(&hub->lock);
}

bool hub_has_keyframes(struct hub *hub)
{
	bool available;

	pthread_mutex_lock(&hub->lock);
	available = !hub->no_keyframes;
	pthread_mutex_unlock(&hub->lock);
	return available;
}

bool hub_is_joined(struct hub *hub, const struct hub_cursor *cursor)
{
	bool is;

	pthread_mutex_lock(&hub->lock);
	is = cursor->generation == hub->generation;
	pthread_mutex_unlock(&hub->lock);
	return is;
}

static bool is_withheld(
	const struct hub *hub, const struct hub_cursor *cursor, const struct packet *packet)
{
	const struct channel_kind *kind = channel_kind_get(packet->channel);

	return kind &&
		(cursor->receives_muted ? hub->withheld_of_all : hub->withheld) >> kind->modality &
		1;
}

void hub_destroy(struct hub *hub)
{
	if (!hub)
		return;
	reset(hub);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* a latched packet of sound describes its source only, and is for all */
static bool is_muted(
	const struct hub *hub, const struct channel_kind *kind, const struct packet *packet)
{
	return packet->flags & PACKET_MUTED ||
		((hub->muted || packet->time_ns < hub->muted_until_ns) &&
			kind->modality == MODALITY_SOUND && !kind->latched);
}

static void publish(struct hub *hub, struct packet *packet)
{
	const struct channel_kind *kind = channel_kind_get(packet->channel);

	while (hub->end - hub->first >= RING_PACKETS ||
		(hub->first < hub->end && hub->bytes + packet->size_bytes > RING_BYTES))
		drop_oldest(hub);
	if (channel_is_picture(packet->channel)) {
		if (packet->flags & PACKET_KEYFRAME) {
			hub->keyframe = hub->end;
			hub->burst_pictures = 0;
			hub->burst_bytes = 0;
		}
		hub->burst_pictures += packet->channel == CHANNEL_SCREEN;
		hub->burst_bytes += packet->size_bytes;
	}
	if (kind->latched) {
		packet_unref(hub->latched[packet->channel]);
		hub->latched[packet->channel] = packet_ref(packet);
	}
	if (packet->channel == CHANNEL_POINTER_SHAPE && packet->flags & PACKET_KEYFRAME)
		keep_shape(hub, packet);
	hub->ring[hub->end % RING_PACKETS].packet = packet_ref(packet);
	hub->ring[hub->end % RING_PACKETS].muted = is_muted(hub, kind, packet);
	hub->end++;
	hub->bytes += packet->size_bytes;
}

void hub_publish(struct hub *hub, struct packet *packet)
{
	pthread_mutex_lock(&hub->lock);
	publish(hub, packet);
	pthread_mutex_unlock(&hub->lock);
}

void hub_set_watermark(struct hub *hub, int64_t session_ns)
{
	pthread_mutex_lock(&hub->lock);
	if (session_ns > hub->watermark_ns)
		hub->watermark_ns = session_ns;
	pthread_mutex_unlock(&hub->lock);
}

int64_t hub_watermark(struct hub *hub)
{
	int64_t watermark_ns;

	pthread_mutex_lock(&hub->lock);
	watermark_ns = hub->watermark_ns;
	pthread_mutex_unlock(&hub->lock);
	return watermark_ns;
}

static bool has_keyframe(const struct hub *hub)
{
	return hub->keyframe != UINT64_MAX && hub->keyframe >= hub->first;
}

static bool join(struct hub *hub, struct hub_cursor *cursor)
{
	bool near = hub->burst_pictures <= BURST_PICTURES && hub->burst_bytes <= BURST_BYTES;
	int64_t now_ns = clock_now_ns();
	bool ask = !has_keyframe(hub) || !near;

	/* prefer a long burst to many keyframes */
	if (ask && hub->join_keyframe_ns && now_ns - hub->join_keyframe_ns < JOIN_KEYFRAME_NS)
		ask = false;
	if (hub->no_keyframes)
		ask = false;
	if (ask)
		hub->join_keyframe_ns = now_ns;
	*cursor = (struct hub_cursor){.burst_end = hub->end, .generation = hub->generation};
	if (has_keyframe(hub) && !ask) {
		cursor->next = hub->keyframe;
	} else {
		cursor->next = hub->end;
		cursor->needs_keyframe = true;
	}
	return ask;
}

bool hub_join(struct hub *hub, struct hub_cursor *cursor, bool receives_muted,
	void (*receive)(void *user, struct packet *packet), void *user)
{
	bool ask;

	pthread_mutex_lock(&hub->lock);
	ask = join(hub, cursor);
	cursor->receives_muted = receives_muted;
	for (size_t i = 0; i < hub->shape_count; i++)
		if (!is_withheld(hub, cursor, hub->shapes[i]))
			receive(user, packet_ref(hub->shapes[i]));
	for (size_t i = 0; i < CHANNEL_END; i++)
		if (hub->latched[i] && !is_withheld(hub, cursor, hub->latched[i]))
			receive(user, packet_ref(hub->latched[i]));
	pthread_mutex_unlock(&hub->lock);
	return ask;
}

/* skip to the next entry point when too far behind */
static void catch_up(struct hub *hub, struct hub_cursor *cursor)
{
	const struct packet *next, *keyframe;

	if (cursor->next < hub->first) {
		uint64_t to = has_keyframe(hub) ? hub->keyframe : hub->end;

		cursor->skipped += to - cursor->next;
		cursor->latched = 1;
		cursor->shape = 0;
		cursor->next = to;
		cursor->needs_keyframe = true;
		return;
	}
	if (cursor->next >= hub->end || !has_keyframe(hub) || cursor->next >= hub->keyframe)
		return;
	next = hub->ring[cursor->next % RING_PACKETS].packet;
	keyframe = hub->ring[hub->keyframe % RING_PACKETS].packet;
	if (keyframe->time_ns - next->time_ns < BEHIND_NS)
		return;
	cursor->skipped += hub->keyframe - cursor->next;
	cursor->latched = 1;
	cursor->shape = 0;
	cursor->next = hub->keyframe;
	cursor->needs_keyframe = true;
}

static bool is_wanted(struct hub_cursor *cursor, uint64_t number, const struct packet *packet)
{
	if (channel_is_picture(packet->channel)) {
		if (packet->flags & PACKET_KEYFRAME)
			cursor->needs_keyframe = false;
		return !cursor->needs_keyframe;
	}
	return number >= cursor->burst_end;
}

/* @return a reference, or NULL when there is none or it is withheld */
static struct packet *ref_unless_withheld(
	const struct hub *hub, struct hub_cursor *cursor, struct packet *candidate)
{
	static const struct hub_cursor observer = {0};

	if (!candidate)
		return NULL;
	if (!is_withheld(hub, cursor, candidate)) {
		cursor->withheld = is_withheld(hub, &observer, candidate);
		return packet_ref(candidate);
	}
	/* later pictures depend on this one: the video resumes with a keyframe */
	cursor->needs_keyframe |= channel_is_picture(candidate->channel);
	return NULL;
}

struct packet *hub_next(struct hub *hub, struct hub_cursor *cursor)
{
	struct packet *packet = NULL;

	pthread_mutex_lock(&hub->lock);
	if (cursor->generation == hub->generation) {
		catch_up(hub, cursor);
		while (!packet && cursor->latched == 1 && cursor->shape < hub->shape_count)
			packet = ref_unless_withheld(hub, cursor, hub->shapes[cursor->shape++]);
		while (!packet && cursor->latched && cursor->latched < CHANNEL_END)
			packet = ref_unless_withheld(hub, cursor, hub->latched[cursor->latched++]);
		while (!packet && cursor->next < hub->end) {
			uint64_t number = cursor->next++;
			struct packet *candidate = hub->ring[number % RING_PACKETS].packet;
			bool muted = hub->ring[number % RING_PACKETS].muted;

			if ((!muted || cursor->receives_muted) &&
				is_wanted(cursor, number, candidate))
				packet = ref_unless_withheld(hub, cursor, candidate);
			cursor->withheld |= muted;
		}
	}
	pthread_mutex_unlock(&hub->lock);
	return packet;
}
