#include "daemon/record/live.h"

#include "daemon/record/recorder.h"
#include "protocol/base/array.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the feed ---- */

static void publish(void *user, struct packet *packet)
{
	struct live *live = user;

	hub_publish(live->hub, packet);
}

static void complete(void *user, int64_t session_ns)
{
	struct live *live = user;

	hub_set_watermark(live->hub, session_ns);
}

static void flush(void *user)
{
	struct live *live = user;

	if (live->watchers > 0 && live->published)
		live->published(live->owner);
}

static bool is_watched(void *user)
{
	struct live *live = user;

	return live->watchers > 0;
}

static void changed(struct live *live)
{
	live->revision++;
	if (live->published)
		live->published(live->owner);
}

/* ---- lifecycle ---- */

int live_init(struct live *live)
{
	*live = (struct live){.feed = {publish, complete, flush, is_watched, live}};
	pthread_mutex_init(&live->lock, NULL);
	return hub_create(&live->hub);
}

void live_finish(struct live *live)
{
	free(live->muted);
	hub_destroy(live->hub);
	pthread_mutex_destroy(&live->lock);
}

void live_open(struct live *live, const char *session, struct session_clock *clock,
	int64_t begin_ns, struct recorder *recorder, struct session_log *log,
	void (*request_keyframe)(void *user), void *user)
{
	pthread_mutex_lock(&live->lock);
	snprintf(live->session, sizeof(live->session), "%s", session);
	live->clock = clock;
	live->begin_ns = begin_ns;
	live->paused_ns = 0;
	live->recorder = recorder;
	live->log = log;
	live->muted_count = 0;
	live->recordable = UINT32_MAX;
	live->request_keyframe = request_keyframe;
	live->user = user;
	pthread_mutex_unlock(&live->lock);
	changed(live);
}

/* Lock held. */
static bool is_running(const struct live *live, const char *session)
{
	return live->session[0] && strcmp(live->session, session) == 0;
}

void live_close(struct live *live)
{
	pthread_mutex_lock(&live->lock);
	if (is_running(live, live->audiences[0].session))
		live->audiences[0].ended_ns = clock_now_ns();
	live->session[0] = '\0';
	live->paused_ns = 0;
	live->clock = NULL;
	live->recorder = NULL;
	live->log = NULL;
	pthread_mutex_unlock(&live->lock);
	changed(live);
}

void live_reset(struct live *live)
{
	hub_reset(live->hub);
	changed(live);
}

void live_set_keyframes(struct live *live, bool available)
{
	hub_set_keyframes(live->hub, available);
	changed(live);
}

bool live_is(struct live *live, const char *session)
{
	bool is;

	pthread_mutex_lock(&live->lock);
	is = is_running(live, session);
	pthread_mutex_unlock(&live->lock);
	return is;
}

struct session_log *live_log(struct live *live, const char *session)
{
	struct session_log *log = NULL;

	pthread_mutex_lock(&live->lock);
	if (live->log && strcmp(live->session, session) == 0)
		log = session_log_ref(live->log);
	pthread_mutex_unlock(&live->lock);
	return log;
}

int64_t live_now_ns(struct live *live)
{
	int64_t now_ns = 0;

	pthread_mutex_lock(&live->lock);
	if (live->clock)
		now_ns = session_clock_at(live->clock, clock_now_ns());
	pthread_mutex_unlock(&live->lock);
	return now_ns;
}

void live_span(struct live *live, int64_t *ret_begin_ns, int64_t *ret_now_ns)
{
	pthread_mutex_lock(&live->lock);
	*ret_begin_ns = live->clock ? live->begin_ns : 0;
	*ret_now_ns = live->clock ? session_clock_at(live->clock, clock_now_ns()) : 0;
	pthread_mutex_unlock(&live->lock);
}

void live_set_paused(struct live *live, int64_t at_ns)
{
	pthread_mutex_lock(&live->lock);
	live->paused_ns = at_ns;
	pthread_mutex_unlock(&live->lock);
}

int64_t live_paused_ns(struct live *live)
{
	int64_t paused_ns;

	pthread_mutex_lock(&live->lock);
	paused_ns = live->paused_ns;
	pthread_mutex_unlock(&live->lock);
	return paused_ns;
}

/* ---- audiences ---- */

static bool has_watched(const struct live_audience *audience, const char *principal)
{
	for (size_t i = 0; i < audience->count && i < LIVE_WATCHERS; i++)
		if (strcmp(audience->principals[i], principal) == 0)
			return true;
	return false;
}

/* Lock held. A session without watchers has no audience, so that a failed start ages none. */
static struct live_audience *running_audience(struct live *live)
{
	struct live_audience *newest = &live->audiences[0];

	if (!is_running(live, newest->session)) {
		memmove(&live->audiences[1], newest, (LIVE_AUDIENCES - 1) * sizeof(*newest));
		*newest = (struct live_audience){0};
		snprintf(newest->session, sizeof(newest->session), "%s", live->session);
	}
	return newest;
}

/* Lock held. */
static void remember(struct live *live, const char *principal)
{
	struct live_audience *audience = running_audience(live);

	if (!has_watched(audience, principal))
		snprintf(audience->principals[audience->count++ % LIVE_WATCHERS],
			sizeof(audience->principals[0]), "%s", principal);
}

void live_watch(struct live *live, const char *principal)
{
	live->watchers++;
	pthread_mutex_lock(&live->lock);
	if (*live->session)
		remember(live, principal);
	if (live->recorder)
		recorder_wake(live->recorder);
	pthread_mutex_unlock(&live->lock);
}

void live_leave(struct live *live)
{
	live->watchers--;
}

void live_request_keyframe(struct live *live)
{
	pthread_mutex_lock(&live->lock);
	if (live->recorder)
		live->request_keyframe(live->user);
	pthread_mutex_unlock(&live->lock);
}

bool live_accepts_notes(struct live *live, const char *session, const char *principal)
{
	bool takes = false;

	pthread_mutex_lock(&live->lock);
	for (size_t i = 0; i < LIVE_AUDIENCES && !takes; i++) {
		const struct live_audience *audience = &live->audiences[i];

		takes = audience->ended_ns && strcmp(audience->session, session) == 0 &&
			clock_now_ns() - audience->ended_ns < LIVE_NOTES_NS &&
			has_watched(audience, principal);
	}
	pthread_mutex_unlock(&live->lock);
	return takes;
}

/* ---- muted sound ---- */

/* A recorder starts muting to the accuracy of one packet; margin for its thread. */
#define MUTED_MARGIN_NS (100 * NS_PER_MS)

int live_set_muted(struct live *live, bool muted, int64_t at_ns)
{
	int r = 0;

	hub_set_muted(live->hub, muted, at_ns);
	pthread_mutex_lock(&live->lock);
	if (!muted && live->muted_count > 0) {
		live->muted[live->muted_count - 1].to_ns = at_ns + MUTED_MARGIN_NS;
	} else if (muted && array_grow(live->muted, live->muted_count)) {
		live->muted[live->muted_count++] =
			(struct consent_span){at_ns - MUTED_MARGIN_NS, INT64_MAX};
	} else if (muted) {
		r = -ENOMEM;
		if (live->muted_count > 0)
			live->muted[live->muted_count - 1].to_ns = INT64_MAX;
	}
	pthread_mutex_unlock(&live->lock);
	changed(live);
	return r;
}

void live_apply_consent(struct live *live, const char *session, const struct annotations *log)
{
	_destroy_(consent) struct consent *consent = NULL;
	uint32_t recordable = 0, observable = 0;
	int64_t now_ns = live_now_ns(live);
	bool known = false, lost = false;

	if (!live_is(live, session))
		return;
	/* while consent is unknown everything is withheld, but recording of agreed modalities continues */
	if (annotations_damaged(log) == 0 && consent_create(&consent, log, NULL, "") == 0)
		known = consent_is_known(consent);
	for (unsigned m = MODALITY_SESSION + 1; known && m < MODALITY_COUNT; m++) {
		recordable |= (uint32_t)consent_allows_recording(consent, m, now_ns) << m;
		observable |=
			(uint32_t)consent_allows(consent, m, CONSENT_OBSERVERS, now_ns, now_ns + 1)
			<< m;
	}
	recordable |= 1u << MODALITY_SESSION;
	observable |= 1u << MODALITY_SESSION;
	pthread_mutex_lock(&live->lock);
	if (is_running(live, session)) {
		hub_set_withheld(live->hub, ~observable, ~recordable);
		lost = known && live->recordable & ~recordable;
		if (known)
			live->recordable = recordable;
	}
	pthread_mutex_unlock(&live->lock);
	changed(live);
	if (lost && live->request_tick)
		live->request_tick(live->owner);
}

uint32_t live_recordable(struct live *live)
{
	uint32_t recordable;

	pthread_mutex_lock(&live->lock);
	recordable = live->recordable;
	pthread_mutex_unlock(&live->lock);
	return recordable;
}

void live_push_act(struct live *live, const char *session, const Uxrec__Act *act)
{
	pthread_mutex_lock(&live->lock);
	if (live->recorder && strcmp(live->session, session) == 0)
		recorder_push(live->recorder, CHANNEL_ACTS, clock_now_ns(), &act->base);
	pthread_mutex_unlock(&live->lock);
}

/* ---- for others ---- */

/* Lock held. */
static int describe_muted(const struct live *live, Uxrec__ToServer__State *state)
{
	state->muted = calloc(live->muted_count + 1, sizeof(*state->muted));
	if (!state->muted)
		return -ENOMEM;
	for (size_t i = 0; i < live->muted_count; i++) {
		Uxrec__ToServer__State__Span *span = malloc(sizeof(*span));

		if (!span)
			return -ENOMEM;
		uxrec__to_server__state__span__init(span);
		span->from_ns = live->muted[i].from_ns;
		span->to_ns = live->muted[i].to_ns;
		state->muted[state->n_muted++] = span;
	}
	return 0;
}

static int describe(const struct live *live, Uxrec__ToServer__State *state)
{
	uxrec__to_server__state__init(state);
	state->session = strdup(live->session);
	state->utc_offset_ns = live->clock ? live->clock->utc_offset_ns : 0;
	state->keyframes = hub_has_keyframes(live->hub);
	hub_get_withheld(live->hub, &state->withheld, &state->withheld_of_all);
	return state->session ? describe_muted(live, state) : -ENOMEM;
}

int live_describe(struct live *live, Uxrec__ToServer **ret)
{
	Uxrec__ToServer *message = malloc(sizeof(*message));
	int r = -ENOMEM;

	if (!message)
		return -ENOMEM;
	uxrec__to_server__init(message);
	message->state = malloc(sizeof(*message->state));
	if (message->state) {
		message->body_case = UXREC__TO_SERVER__BODY_STATE;
		pthread_mutex_lock(&live->lock);
		r = describe(live, message->state);
		pthread_mutex_unlock(&live->lock);
	}
	if (r < 0)
		uxrec__to_server__free_unpacked(message, NULL);
	else
		*ret = message;
	return r;
}
