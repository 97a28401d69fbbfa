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
	gap.to_ns = session_clock_at(&station->clock, now_ns);
	gap.detail = (char *)detail;
	gap.topics = topics;
	for (uint16_t id = 1; id < CHANNEL_END; id++)
		if (modalities >> channel_kind_get(id)->modality & 1)
			topics[gap.n_topics++] = (char *)channel_kind_get(id)->topic;
	recorder_push(station->recorder, CHANNEL_GAPS, now_ns, &gap.base);
}

void station_push_withdrawn_gaps(struct station *station)
{
	for (unsigned m = MODALITY_SESSION + 1; m < MODALITY_COUNT; m++)
		if (station->withdrawn_ns[m])
			push_gap(station, 1u << m, station->withdrawn_ns[m], WITHDRAWN);
}

/*
 * Sources depend on each other (screen hiding and key policy on the focus): all are recreated without the
 * withdrawn ones, at the cost of a short gap in the rest.
 */
static int capture_without(struct station *station, uint32_t lost, struct error *reterr)
{
	int64_t stopped_ns = station_now_ns(station);
	int r;

	station_stop_sources(station);
	station->agreed &= ~lost;
	r = station_start_sources(station, reterr);
	push_gap(station, station->agreed, stopped_ns,
		"capture began anew, without what the participant has withdrawn");
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_RESUMED, WITHDRAWN);
	return r;
}

void station_enforce_consent(struct station *station)
{
	struct live *live = station->options.live;
	int64_t now_ns = station_now_ns(station);
	struct error error = {"no reason given"};
	struct annotations *log;
	uint32_t lost;

	if (station->state != STATE_RECORDING && station->state != STATE_PAUSED)
		return;
	/* withdrawn by another program, or expired */
	log = session_log_lock(station->log);
	if (annotations_refresh(log) == 0)
		live_apply_consent(live, station->session, log);
	session_log_unlock(station->log);
	lost = station->agreed & ~live_recordable(live);
	if (!lost)
		return;
	for (unsigned m = MODALITY_SESSION + 1; m < MODALITY_COUNT; m++)
		if (lost >> m & 1)
			station->withdrawn_ns[m] = now_ns;
	if (lost == station->agreed) {
		station_stop(station, WITHDRAWN, NULL);
		return;
	}
	log_info("session %s: consent was withdrawn in part: it is recorded without that",
		station->session);
	if (station->state == STATE_PAUSED)
		station->agreed &= ~lost;
	else if (capture_without(station, lost, &error) < 0)
		station_stop(station, error.text, NULL);
}
