#include "daemon/stream/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int stream_init(struct stream *stream)
{
	*stream = (struct stream){0};
	pthread_mutex_init(&stream->lock, NULL);
	return hub_create(&stream->hub);
}

void stream_finish(struct stream *stream)
{
	free(stream->muted);
	hub_destroy(stream->hub);
	pthread_mutex_destroy(&stream->lock);
}

/* Drop the packets. Lock held. */
static void reset(struct stream *stream)
{
	uint32_t observers, all;
	bool keyframes = hub_has_keyframes(stream->hub);

	hub_get_withheld(stream->hub, &observers, &all);
	hub_reset(stream->hub);
	hub_set_withheld(stream->hub, observers, all);
	hub_set_keyframes(stream->hub, keyframes);
}

/* ---- from the feed ---- */

/* Lock held. */
static int set_muted(struct stream *stream, const Uxrec__ToServer__State *state)
{
	struct consent_span *spans = calloc(state->n_muted + 1, sizeof(*spans));

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < state->n_muted; i++)
		spans[i] = (struct consent_span){state->muted[i]->from_ns, state->muted[i]->to_ns};
	free(stream->muted);
	stream->muted = spans;
	stream->muted_count = state->n_muted;
	return 0;
}

int stream_set_state(struct stream *stream, const Uxrec__ToServer__State *state)
{
	int r;

	pthread_mutex_lock(&stream->lock);
	snprintf(stream->session, sizeof(stream->session), "%s", state->session);
	stream->utc_offset_ns = state->utc_offset_ns;
	r = set_muted(stream, state);
	hub_set_keyframes(stream->hub, state->keyframes);
	hub_set_withheld(stream->hub,
		r < 0 ? state->withheld | 1u << MODALITY_SOUND : state->withheld,
		state->withheld_of_all);
	pthread_mutex_unlock(&stream->lock);
	return r;
}

void stream_begin(struct stream *stream, uint32_t epoch)
{
	pthread_mutex_lock(&stream->lock);
	if (epoch == stream->epoch) {
		/* its first watchers have joined already */
		if (stream->begun)
			reset(stream);
		stream->begun = true;
	}
	pthread_mutex_unlock(&stream->lock);
}

void stream_publish(struct stream *stream, struct packet *packet)
{
	pthread_mutex_lock(&stream->lock);
	if (stream->begun)
		hub_publish(stream->hub, packet);
	pthread_mutex_unlock(&stream->lock);
}

void stream_complete(struct stream *stream, int64_t session_ns)
{
	pthread_mutex_lock(&stream->lock);
	if (stream->begun)
		hub_set_watermark(stream->hub, session_ns);
	pthread_mutex_unlock(&stream->lock);
}

/* ---- for the server ---- */

bool stream_join(struct stream *stream, struct hub_cursor *cursor, bool receives_muted,
	uint32_t *ret_epoch, char ret_session[21],
	void (*receive)(void *user, struct packet *packet), void *user)
{
	bool ask;

	pthread_mutex_lock(&stream->lock);
	if (stream->watchers++ == 0)
		stream->epoch++;
	ask = hub_join(stream->hub, cursor, receives_muted, receive, user);
	*ret_epoch = stream->epoch;
	memcpy(ret_session, stream->session, sizeof(stream->session));
	pthread_mutex_unlock(&stream->lock);
	return ask;
}

void stream_leave(struct stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	if (--stream->watchers == 0) {
		reset(stream);
		stream->begun = false;
	}
	pthread_mutex_unlock(&stream->lock);
}

int64_t stream_now_ns(struct stream *stream)
{
	int64_t now_ns;

	pthread_mutex_lock(&stream->lock);
	now_ns = *stream->session ? clock_now_ns() + stream->utc_offset_ns : 0;
	pthread_mutex_unlock(&stream->lock);
	return now_ns;
}

/* ---- for the library ---- */

/* Lock held. */
static bool is_running(const struct stream *stream, const char *session)
{
	return *stream->session && strcmp(stream->session, session) == 0;
}

bool stream_is(struct stream *stream, const char *session)
{
	bool is;

	pthread_mutex_lock(&stream->lock);
	is = is_running(stream, session);
	pthread_mutex_unlock(&stream->lock);
	return is;
}

int stream_copy_muted(
	struct stream *stream, const char *session, struct consent_span **ret, size_t *ret_count)
{
	int r = 0;

	*ret = NULL;
	*ret_count = 0;
	pthread_mutex_lock(&stream->lock);
	if (is_running(stream, session) && stream->muted_count > 0) {
		*ret = malloc(stream->muted_count * sizeof(**ret));
		r = *ret ? 0 : -ENOMEM;
		*ret_count = *ret ? stream->muted_count : 0;
		if (*ret)
			memcpy(*ret, stream->muted, stream->muted_count * sizeof(**ret));
	}
	pthread_mutex_unlock(&stream->lock);
	return r;
}
