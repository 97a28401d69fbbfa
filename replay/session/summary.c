/* Summary of a session for the list of a library. */

#include "protocol/acts/layer.h"
#include "protocol/base/array.h"
#include "protocol/channel.h"
#include "protocol/gap.h"
#include "replay/session/session.h"
#include "replay/session/spans.h"
#include "replay/study/study.h"

#include <errno.h>
#include <string.h>

/* ---- acts ---- */

static void add_label(char ***list, size_t *count, const char *label)
{
	if (!array_grow(*list, *count))
		return;
	(*list)[*count] = strdup(label);
	if ((*list)[*count])
		(*count)++;
}

static bool is_finished(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_LAYER_STATE && act->layer_state->finished;
}

static Uxrec__SessionSummary__Coding *add_coding(
	Uxrec__SessionSummary *summary, const struct layer *layer)
{
	Uxrec__SessionSummary__Coding *coding = malloc(sizeof(*coding));
	size_t count = summary->n_coding;

	add_label(&summary->layers, &summary->n_layers, layer->label);
	if (!coding)
		return NULL;
	uxrec__session_summary__coding__init(coding);
	summary->coding =
		summary->coding ? summary->coding : calloc(LAYERS_LIMIT, sizeof(*summary->coding));
	if (!summary->coding || count == LAYERS_LIMIT) {
		free(coding);
		return NULL;
	}
	summary->coding[summary->n_coding++] = coding;
	return coding;
}

/* An act of a coder in a layer: tags, notes and statements. */
static bool is_coding(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_TAG || act->body_case == UXREC__ACT__BODY_NOTE ||
		act->body_case == UXREC__ACT__BODY_OPPORTUNITY_SCORE ||
		act->body_case == UXREC__ACT__BODY_LAYER_STATE;
}

static void summarise_coding(
	Uxrec__SessionSummary *summary, const struct layers *layers, const struct annotations *log)
{
	for (size_t i = 0; i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);
		int layer = is_coding(act) ? layers_index(layers, act) : -ENOENT;
		Uxrec__SessionSummary__Coding *coding;

		if (layer < 0 || (size_t)layer >= summary->n_coding)
			continue;
		coding = summary->coding[layer];
		coding->tags += act->body_case == UXREC__ACT__BODY_TAG;
		coding->finished |= is_finished(act);
		if (act->wall_ns > coding->changed_ns)
			coding->changed_ns = act->wall_ns;
	}
}

/* Layers with tags, and those marked finished by their coders, with or without tags. */
static void summarise_layers(Uxrec__SessionSummary *summary, const struct session *session)
{
	_cleanup_(layers_finish) struct layers layers = {0};

	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_TAG || is_finished(act))
			layers_add(&layers, act);
	}
	for (size_t i = 0; i < layers.count; i++)
		if (!add_coding(summary, &layers.entries[i]))
			return;
	summarise_coding(summary, &layers, session->annotations);
	for (size_t i = 0; i < layers.count; i++)
		if (summary->coding[i]->finished)
			add_label(&summary->finished_layers, &summary->n_finished_layers,
				layers.entries[i].label);
}

static void summarise_act(
	Uxrec__SessionSummary *summary, const struct session *session, const Uxrec__Act *act)
{
	const Uxrec__Study__Code *code;

	switch (act->body_case) {
	case UXREC__ACT__BODY_ATTEMPT:
		summary->attempts++;
		summary->completed +=
			act->attempt->outcome == UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED;
		break;
	case UXREC__ACT__BODY_TAG:
		summary->tags++;
		code = study_code(session->study, act->tag->code);
		summary->errors +=
			code && code->counts_as == UXREC__STUDY__COUNTS_AS__COUNTS_AS_ERROR;
		break;
	default: break;
	}
}

static void summarise_acts(Uxrec__SessionSummary *summary, const struct session *session)
{
	const Uxrec__SessionInfo *info = session_info(session);

	for (size_t i = 0; session->annotations && i < annotations_count(session->annotations); i++)
		summarise_act(summary, session, annotations_get(session->annotations, i));
	if (session->annotations)
		summarise_layers(summary, session);
	if (!info)
		return;
	summary->pilot = info->pilot;
	summary->excluded = info->excluded;
	if (*info->excluded_reason)
		summary->excluded_reason = strdup(info->excluded_reason);
	summary->segment = *info->segment ? strdup(info->segment) : summary->segment;
	summary->participants = calloc(info->n_participants + 1, sizeof(char *));
	for (size_t i = 0; summary->participants && i < info->n_participants; i++) {
		summary->participants[i] = strdup(info->participants[i]);
		if (summary->participants[i])
			summary->n_participants++;
	}
}

Uxrec__SessionSummary *session_summarise_unreadable(const char *id, const char *error)
{
	Uxrec__SessionSummary *summary = malloc(sizeof(*summary));

	if (!summary)
		return NULL;
	uxrec__session_summary__init(summary);
	summary->session = strdup(id);
	summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNREADABLE;
	summary->trouble = strdup(error);
	return summary;
}

/* A withheld session has counts of 0. */
static void summarise_consent(Uxrec__SessionSummary *summary, const struct session *session)
{
	bool allowed = consent_allows_some(session->consent, MODALITY_SESSION, CONSENT_ANALYSIS);

	summary->withdrawn = consent_is_withdrawn(session->consent);
	summary->kept_back = !allowed;
	if (summary->withdrawn)
		summary->consent = strdup("withdrawn");
	else if (!allowed)
		summary->consent = strdup(
			consent_denial_reason(session->consent, MODALITY_SESSION, CONSENT_ANALYSIS)
				.text);
	else if (consent_is_narrowed(session->consent))
		summary->consent = strdup("partly withdrawn");
	if (allowed)
		return;
	summary->attempts = summary->completed = summary->tags = summary->errors = 0;
	while (summary->n_coding > 0)
		free(summary->coding[--summary->n_coding]);
}

/* ---- gaps ---- */

/* Limit of spans per kind; further ones are ignored. */
#define SPANS_LIMIT 4096

struct spans {
	struct time_span *list;
	size_t count;
};

struct gaps {
	struct losses losses;
	struct spans paused, removed;
	uint32_t count;
	bool open; /* true when a gap extends to the end */
};

static void add_span(struct spans *spans, const Uxrec__Gap *gap)
{
	if (!spans->list)
		spans->list = calloc(SPANS_LIMIT, sizeof(*spans->list));
	if (spans->list && spans->count < SPANS_LIMIT)
		spans->list[spans->count++] = (struct time_span){gap->from_ns, gap->to_ns};
}

static int handle_gap(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__Gap *gap = (const void *)unpacked;
	struct gaps *gaps = user;

	(void)message;
	gaps->count++;
	gaps->open |= gap->from_ns != 0 && gap->to_ns == 0;
	if (gap->reason == UXREC__GAP__REASON__REASON_PAUSE)
		add_span(&gaps->paused, gap);
	if (gap->reason == UXREC__GAP__REASON__REASON_ERASED ||
		gap->reason == UXREC__GAP__REASON__REASON_CONSENT)
		add_span(&gaps->removed, gap);
	return losses_add(&gaps->losses, gap);
}

/* Without memory the sums are omitted. */
static void put_lost(Uxrec__SessionSummary *summary, struct losses *losses)
{
	struct loss sums[GAP_PART_END];

	losses_sum(losses, summary->end_ns, sums);
	summary->lost = calloc(GAP_PART_END, sizeof(*summary->lost));
	for (int part = 1; summary->lost && part < GAP_PART_END; part++) {
		Uxrec__LostTime *lost = sums[part].count ? malloc(sizeof(*lost)) : NULL;

		if (!lost)
			continue;
		uxrec__lost_time__init(lost);
		lost->part = (Uxrec__LostTime__Part)part;
		lost->lost_ns = sums[part].lost_ns;
		lost->gaps = sums[part].count;
		summary->lost[summary->n_lost++] = lost;
	}
}

/* @return true when a gap is open to the end */
static bool summarise_gaps(Uxrec__SessionSummary *summary, const struct session *session)
{
	struct gaps gaps = {0};

	/* damages are reported separately */
	session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_GAPS, handle_gap, &gaps);
	summary->gaps = gaps.count;
	put_lost(summary, &gaps.losses);
	summary->paused_ns = spans_cover_ns(
		gaps.paused.list, gaps.paused.count, summary->begin_ns, summary->end_ns);
	summary->removed_ns = spans_cover_ns(
		gaps.removed.list, gaps.removed.count, summary->begin_ns, summary->end_ns);
	losses_finish(&gaps.losses);
	free(gaps.paused.list);
	free(gaps.removed.list);
	return gaps.open;
}

/* True when a source of the modality wrote its first message. */
static bool was_recorded(const struct session *session, enum modality modality)
{
	static const uint16_t channels[] = {CHANNEL_SCREEN_INFO, CHANNEL_SOUND_INFO,
		CHANNEL_MONITOR_INFO, CHANNEL_KEY_POLICY, CHANNEL_INPUT_DEVICES, CHANNEL_CONTROLS,
		CHANNEL_KEY_CLASSES, CHANNEL_KEYS};

	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		const struct reader_channel *channel;
		struct reader_message message;

		if (channel_kind_get(channels[i])->modality != modality)
			continue;
		channel = session_reader_find(session->reader, channels[i]);
		if (channel &&
			session_reader_latest(session->reader, channel, INT64_MAX, &message) > 0)
			return true;
	}
	return false;
}

Uxrec__SessionSummary *session_summarise(const struct session *session)
{
	Uxrec__SessionSummary *summary = malloc(sizeof(*summary));
	const struct reader_damage *damages;
	bool misses_end;

	if (!summary)
		return NULL;
	uxrec__session_summary__init(summary);
	summary->session = strdup(session->id);
	summary->session_uuid = strdup(session->uuid);
	summary->study = strdup(session->study->name);
	summary->study_id = strdup(session_study_id(session));
	summarise_acts(summary, session);
	summarise_consent(summary, session);
	if (!session->reader) {
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNREADABLE;
		summary->trouble = strdup(session->error.text);
		return summary;
	}
	session_span(session, &summary->begin_ns, &summary->end_ns);
	summary->bytes = session_reader_size(session->reader);
	misses_end = summarise_gaps(summary, session);
	for (unsigned m = MODALITY_SESSION + 1; m < MODALITY_COUNT; m++)
		if (was_recorded(session, m))
			add_label(&summary->recorded, &summary->n_recorded, modality_name(m));
	summary->health = session_reader_is_complete(session->reader) && !misses_end
		? UXREC__SESSION_SUMMARY__HEALTH__HEALTH_WHOLE
		: UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNFINISHED;
	/* A recorder also keeps the lock when a full disk made it end the segment. */
	if (session_reader_is_recorded(session->reader)) {
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING;
	} else if (session_reader_damages(session->reader, &damages) > 0) {
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_DAMAGED;
		summary->trouble = strdup(damages[0].text);
	} else if (*session->annotations_error.text) {
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_DAMAGED;
		summary->trouble = strdup(session->annotations_error.text);
	}
	return summary;
}
