#include "replay/session/track.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/file/shape_references.h"
#include "protocol/pointer_shape.h"

#include <errno.h>

#define WANTED (UINT64_C(1) << CHANNEL_POINTER | UINT64_C(1) << CHANNEL_POINTER_SHAPE)

/* Reading forward this far is cheaper than seeking. */
#define NEAR_NS (10 * NS_PER_S)

/* Cache size: the frames of an animated cursor, so that they are not looked up again each time. */
#define SHAPES 64

struct track {
	struct session_reader *reader;
	struct session_cursor *cursor;
	struct reader_message next; /* of the cursor, not consumed yet */
	bool has_next;
	int64_t at_ns;
	Uxrec__PointerBatch *batch; /* current batch, with `consumed_count` events consumed */
	size_t consumed_count;
	int64_t event_ns; /* of the next event in the batch */
	bool is_known;
	int x, y;
	Uxrec__PointerShape *shape, *shapes[SHAPES]; /* shape: one of the cached shapes */
	size_t next_shape;
};

int track_create(struct track **ret, struct session_reader *reader)
{
	struct track *track = calloc(1, sizeof(*track));

	if (!track)
		return -ENOMEM;
	track->reader = reader;
	*ret = track;
	return 0;
}

static void drop_batch(struct track *track)
{
	uxrec__pointer_batch__free_unpacked(steal_ptr(track->batch), NULL);
}

void track_destroy(struct track *track)
{
	if (!track)
		return;
	session_cursor_destroy(track->cursor);
	drop_batch(track);
	for (size_t i = 0; i < SHAPES; i++)
		uxrec__pointer_shape__free_unpacked(track->shapes[i], NULL);
	free(track);
}

/* ---- messages ---- */

static int64_t batch_next(const struct track *track)
{
	return track->batch ? track->event_ns : INT64_MAX;
}

static void apply_position(struct track *track)
{
	const Uxrec__PointerBatch *batch = track->batch;

	track->x = batch->x_px[track->consumed_count];
	track->y = batch->y_px[track->consumed_count];
	track->is_known = true;
	if (++track->consumed_count < batch->n_dt_us)
		track->event_ns += (int64_t)batch->dt_us[track->consumed_count] * NS_PER_US;
	else
		drop_batch(track);
}

static void handle_batch(struct track *track, const struct reader_message *message)
{
	Uxrec__PointerBatch *batch;

	while (track->batch)
		apply_position(track);
	batch = uxrec__pointer_batch__unpack(NULL, message->data.size_bytes, message->data.data);
	if (!batch || batch->n_dt_us == 0 || batch->n_x_px != batch->n_dt_us ||
		batch->n_y_px != batch->n_dt_us) {
		/* a seek finds this message, not the one before */
		uxrec__pointer_batch__free_unpacked(batch, NULL);
		track->is_known = false;
		return;
	}
	track->batch = batch;
	track->consumed_count = 0;
	track->event_ns = message->time_ns + (int64_t)batch->dt_us[0] * NS_PER_US;
}

/* @return true when the message has, or refers to, a cached shape */
static bool is_cached(struct track *track, const struct reader_message *message)
{
	Uxrec__PointerShape *shape =
		uxrec__pointer_shape__unpack(NULL, message->data.size_bytes, message->data.data);
	uint64_t identity = shape ? shape->shape : 0;

	uxrec__pointer_shape__free_unpacked(shape, NULL);
	for (size_t i = 0; i < SHAPES && identity; i++)
		if (track->shapes[i] && track->shapes[i]->shape == identity &&
			!pointer_shape_is_reference(track->shapes[i])) {
			track->shape = track->shapes[i];
			return true;
		}
	return false;
}

static int handle_shape(struct track *track, const struct reader_message *message)
{
	Uxrec__PointerShape **place = &track->shapes[track->next_shape % SHAPES], *shape;
	int r;

	if (is_cached(track, message))
		return 0;
	r = pointer_shape_read(&shape, track->reader, message);
	track->shape = NULL;
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	uxrec__pointer_shape__free_unpacked(*place, NULL);
	*place = shape;
	track->next_shape++;
	/* a shape without pixels is unknown, not hidden */
	track->shape = pointer_shape_is_reference(shape) ? NULL : shape;
	return 0;
}

static int fetch(struct track *track)
{
	int r = session_cursor_next(track->cursor, &track->next);

	track->has_next = r > 0;
	return r;
}

/* ---- seeking ---- */

/* Take the newest message of a channel. @return its time in ret_ns, unchanged when there is none */
static int handle_latest(struct track *track, uint16_t known, int64_t at_ns, int64_t *ret_ns)
{
	const struct reader_channel *channel = session_reader_find(track->reader, known);
	struct reader_message message;
	int r = channel ? session_reader_latest(track->reader, channel, at_ns, &message) : 0;

	if (r <= 0)
		return r;
	if (known == CHANNEL_POINTER)
		handle_batch(track, &message);
	else
		r = handle_shape(track, &message);
	*ret_ns = message.time_ns;
	return r < 0 ? r : 0;
}

static int begin_at(struct track *track, int64_t at_ns)
{
	int64_t batch_ns = at_ns, shape_ns;
	int r;

	session_cursor_destroy(steal_ptr(track->cursor));
	drop_batch(track);
	track->shape = NULL;
	track->is_known = track->has_next = false;
	r = handle_latest(track, CHANNEL_POINTER, at_ns, &batch_ns);
	if (r == 0)
		r = handle_latest(track, CHANNEL_POINTER_SHAPE, at_ns, &shape_ns);
	if (r == 0)
		r = session_cursor_create(&track->cursor, track->reader, at_ns, INT64_MAX, WANTED);
	if (r == 0)
		r = fetch(track);
	/* a cursor begins slightly early */
	while (r > 0 && track->next.time_ns <= at_ns)
		r = fetch(track);
	return r < 0 ? r : 0;
}

int track_seek(struct track *track, int64_t at_ns)
{
	bool near = track->cursor && at_ns >= track->at_ns && at_ns - track->at_ns < NEAR_NS;
	int r = near ? 0 : begin_at(track, at_ns);

	while (r >= 0 && (track->batch || track->has_next) && track_next(track) <= at_ns) {
		if (batch_next(track) == track_next(track)) {
			apply_position(track);
			continue;
		}
		if (track->next.channel->known == CHANNEL_POINTER)
			handle_batch(track, &track->next);
		else
			r = handle_shape(track, &track->next);
		if (r >= 0)
			r = fetch(track);
	}
	track->at_ns = at_ns;
	return r < 0 ? r : 0;
}

int64_t track_next(const struct track *track)
{
	int64_t message_ns = track->has_next ? track->next.time_ns : INT64_MAX;

	return batch_next(track) < message_ns ? batch_next(track) : message_ns;
}

bool track_position(const struct track *track, int *ret_x, int *ret_y)
{
	if (track->is_known) {
		*ret_x = track->x;
		*ret_y = track->y;
	}
	return track->is_known;
}

const Uxrec__PointerShape *track_shape(const struct track *track)
{
	return track->shape;
}
