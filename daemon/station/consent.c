#include "daemon/station/internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/session.pb-c.h"

#include <stdio.h>

#define WITHDRAWN "the participant has withdrawn their consent"

static void push_gap(
	struct station *station, uint32_t modalities, int64_t from_ns, const char *detail)
{
	int64_t now_ns = clock_now_ns();
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[CHANNEL_END];

	gap.reason = UXREC__GAP__REASON__REASON_CONSENT;
	gap.from_ns = from_ns;
	gap.to_ns = session_clock_at(&station->recording.clock, now_ns);
	gap.detail = (char *)detail;
	gap.topics = topics;
	for (uint16_t id = 1; id < CHANNEL_END; id++)
		if (modalities >> channel_kind_get(id)->modality & 1)
			topics[gap.n_topics++] = (char *)channel_kind_get(id)->topic;
	recorder_push(station->recording.recorder, CHANNEL_GAPS, now_ns, &gap.base);
}

void station_push_withdrawn_gaps(struct station *station)
{
	for (unsigned m = MODALITY_SESSION + 1; m < MODALITY_COUNT; m++)
		if (station->recording.withdrawn_ns[m])
			push_gap(station, 1u << m, station->recording.withdrawn_ns[m], WITHDRAWN);
}

void station_push_restart_gap(struct station *station)
{
	struct recording *recording = &station->recording;

	if (recording->restarted_ns)
		push_gap(station, recording->agreed, recording->restarted_ns,
			"capture was restarted without the withdrawn modalities");
	recording->restarted_ns = 0;
}

/* A cancelled restart is left to its canceller: a stop, or the next station_enforce_consent(). */
static int finish_restart(struct station *station, int r, struct error *error)
{
	if (r < 0 && !station_was_cancelled(station, r))
		station_stop(station, error->text, NULL);
	if (r < 0)
		return r;
	station_push_restart_gap(station);
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_RESUMED, WITHDRAWN);
	return 0;
}

static int restart_sources(struct station *station, struct error *reterr)
{
	station_stop_sources(station, NULL);
	return station_start_sources(station, reterr);
}

/*
 * Sources depend on each other (screen hiding and key policy on the focus): all are recreated without the
 * withdrawn ones, at the cost of a short gap in the rest.
 */
static int capture_without(struct station *station, uint32_t lost, struct error *reterr)
{
	if (!station->recording.restarted_ns)
		station->recording.restarted_ns = station_now_ns(station);
	station->recording.agreed &= ~lost;
	return station_run(station, restart_sources, finish_restart, reterr);
}

void station_enforce_consent(struct station *station)
{
	struct live *live = station->options.live;
	struct error error = {"no reason given"};
	struct annotations *log;
	int64_t now_ns;
	uint32_t lost;

	if (station->state != STATE_RECORDING && station->state != STATE_PAUSED)
		return;
	now_ns = station_now_ns(station);
	/* withdrawn by another program, or expired */
	log = session_log_lock(station->recording.log);
	if (annotations_refresh(log) == 0)
		live_apply_consent(live, station->recording.session, log);
	session_log_unlock(station->recording.log);
	lost = station->recording.agreed & ~live_recordable(live);
	if (!lost && !station->recording.restarted_ns)
		return;
	if (station->background.run) {
		if (lost)
			station->background.cancelled = true;
		return;
	}
	for (unsigned m = MODALITY_SESSION + 1; m < MODALITY_COUNT; m++)
		if (lost >> m & 1)
			station->recording.withdrawn_ns[m] = now_ns;
	if (lost == station->recording.agreed) {
		station_stop(station, WITHDRAWN, NULL);
		return;
	}
	if (lost)
		log_info(
			"session %s: consent was withdrawn in part: recording continues without "
			"the withdrawn modalities",
			station->recording.session);
	if (station->state == STATE_PAUSED)
		station->recording.agreed &= ~lost;
	else if (capture_without(station, lost, &error) < 0)
		station_stop(station, error.text, NULL);
}
