/* Choice of the layer that metrics are computed from. */

#include "protocol/base/array.h"
#include "protocol/base/log.h"
#include "replay/metrics/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- layers of sessions ---- */

static struct coding *find_coding(const struct coded *coded, int layer)
{
	for (size_t i = 0; i < coded->coding_count; i++)
		if (coded->codings[i].layer == layer)
			return &coded->codings[i];
	return NULL;
}

static struct coding *add_coding(struct coded *coded, int layer)
{
	struct coding *found = find_coding(coded, layer);

	if (found)
		return found;
	if (!array_grow(coded->codings, coded->coding_count))
		return NULL;
	coded->codings[coded->coding_count] = (struct coding){.layer = layer};
	return &coded->codings[coded->coding_count++];
}

/* A finished layer counts as coded, even without a tag. */
static bool is_coding(const Uxrec__Act *act)
{
	return act->body_case == UXREC__ACT__BODY_TAG ||
		act->body_case == UXREC__ACT__BODY_OPPORTUNITY_SCORE ||
		(act->body_case == UXREC__ACT__BODY_LAYER_STATE && act->layer_state->finished);
}

int metrics_collect_layers(
	struct computing *computing, struct coded *coded, const struct session *session)
{
	for (size_t i = 0; i < annotations_count(session->annotations); i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);
		struct coding *coding;
		int layer;

		if (!is_coding(act))
			continue;
		layer = layers_add(&computing->layers, act);
		coding = layer < 0 ? NULL : add_coding(coded, layer);
		if (!coding)
			return layer < 0 ? layer : -ENOMEM;
		if (act->body_case == UXREC__ACT__BODY_LAYER_STATE)
			coding->finished = true;
		coding->begun = true;
	}
	return 0;
}

int metrics_collect_session_layers(struct layers *layers, const struct session *session)
{
	size_t count = session->annotations ? annotations_count(session->annotations) : 0;

	for (size_t i = 0; i < count; i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);
		int r = is_coding(act) ? layers_add(layers, act) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int metrics_find_chosen(const struct layers *layers, const Uxrec__LayerChoice *choice)
{
	Uxrec__Act act = UXREC__ACT__INIT;

	act.layer = choice->layer;
	act.layer_principal = choice->layer_principal;
	return layers_index(layers, &act);
}

bool metrics_shows(const struct computing *computing, const Uxrec__Act *act)
{
	return layer_same(act, &computing->shown);
}

bool metrics_covers(const struct computing *computing, const struct coded *coded)
{
	int layer = layers_index(&computing->layers, &computing->shown);

	return layer_kind(computing->shown.layer) == LAYER_LIVE ||
		(layer >= 0 && find_coding(coded, layer));
}

/* ---- the shown layer ---- */

/* Number of counted sessions coded in a layer. */
static size_t count_coded(
	const struct computing *computing, int layer, bool finished, size_t *ret_all)
{
	size_t count = 0;

	*ret_all = 0;
	for (size_t i = 0; i < computing->request->count; i++) {
		const struct coding *coding = find_coding(&computing->coded[i], layer);

		if (computing->coded[i].why)
			continue;
		(*ret_all)++;
		count += coding && (finished ? coding->finished : coding->begun);
	}
	return count;
}

static int show(struct computing *computing, const char *text, const char *principal)
{
	Uxrec__Act *shown = &computing->shown;

	uxrec__act__init(shown);
	shown->layer = computing->shown_text = strdup(text);
	shown->layer_principal = computing->shown_principal = strdup(principal);
	return shown->layer && shown->layer_principal ? 0 : -ENOMEM;
}

static int show_layer(struct computing *computing, const struct layer *layer)
{
	return show(computing, layer->text, layer->principal);
}

static int explain(Uxrec__Metrics *metrics, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int explain(Uxrec__Metrics *metrics, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&metrics->layer_reason, format, arguments);
	va_end(arguments);
	if (r >= 0)
		return 0;
	metrics->layer_reason = (char *)protobuf_c_empty_string;
	return -ENOMEM;
}

static int show_asked(struct computing *computing)
{
	const char *asked = computing->request->layer;
	struct error error = {""};
	int layer = layers_find(&computing->layers, asked, &error), r;

	if (layer == -ENOTUNIQ)
		return error_set(computing->error, layer, "%s", error.text);
	if (layer == -ENOENT && !computing->request->coding && layer_kind(asked) != LAYER_LIVE)
		return error_set(computing->error, -ENODATA, "nothing is coded in the layer: %s",
			error.text);
	if (layer >= 0) {
		r = show_layer(computing, &computing->layers.entries[layer]);
	} else {
		/* not coded in any session: identify the coder by name or by principal */
		const char *coder = layer_coder(asked);
		bool is_principal =
			coder && strlen(coder) == 32 && strspn(coder, "0123456789abcdef") == 32;

		r = show(computing, asked, is_principal ? coder : "");
	}
	return r < 0 ? r : explain(computing->metrics, "asked for");
}

/* @return the act that chose the study's layer, or NULL */
static const Uxrec__Act *find_choice(struct computing *computing)
{
	const struct metrics_request *request = computing->request;
	struct error error;
	int r;

	if (request->choice || !request->library || !*computing->metrics->study)
		return request->choice;
	r = study_log_open(&computing->log, request->library, computing->study_id,
		computing->metrics->study, NULL, &error);
	if (r == -ENOENT)
		return NULL;
	if (r < 0) {
		log_warning("the layer that was chosen for the study is not known: %s", error.text);
		return NULL;
	}
	return study_log_layer(computing->log);
}

static int show_choice(struct computing *computing, const Uxrec__Act *act)
{
	Uxrec__Metrics *metrics = computing->metrics;
	int r = show(computing, act->layer_choice->layer, act->layer_choice->layer_principal);

	metrics->layer_author = strdup(act->author);
	metrics->layer_since_ns = act->wall_ns;
	if (r < 0 || !metrics->layer_author)
		return -ENOMEM;
	return explain(metrics, "chosen for the study");
}

/* The consensus layer, or -1, with the number of sessions in which it is finished. */
static int find_consensus(const struct computing *computing, size_t *ret_finished, size_t *ret_all)
{
	for (size_t i = 0; i < computing->layers.count; i++) {
		if (layer_kind(computing->layers.entries[i].text) != LAYER_CONSENSUS)
			continue;
		*ret_finished = count_coded(computing, (int)i, true, ret_all);
		return (int)i;
	}
	return -1;
}

/* The reason for the live layer although a coder has begun. */
static int explain_live(struct computing *computing)
{
	const struct layers *layers = &computing->layers;
	size_t coders = 0, all, finished, most = 0;
	const struct layer *coder = NULL;
	int consensus = find_consensus(computing, &finished, &all);

	for (size_t i = 0; i < layers->count; i++) {
		size_t count;

		if (layer_kind(layers->entries[i].text) != LAYER_CODER)
			continue;
		coders++;
		count = count_coded(computing, (int)i, false, &all);
		if (count > most) {
			most = count;
			coder = &layers->entries[i];
		}
	}
	if (coders > 1)
		return explain(computing->metrics,
			"none is chosen, and %zu coders have begun; 'uxrec study layer' chooses one",
			coders);
	if (coder)
		return explain(computing->metrics,
			"none is chosen, and %s has coded %zu of %zu sessions; 'uxrec study layer' "
			"chooses one",
			coder->label, most, all);
	if (consensus >= 0)
		return explain(computing->metrics,
			"the consensus is finished in %zu of %zu sessions", finished, all);
	return explain(computing->metrics, "nobody has coded afterwards");
}

/*
 * The consensus if it is finished in every counted session, else the layer of the only coder if all sessions are coded
 * in it; else live.
 */
static int show_usual(struct computing *computing)
{
	const struct layers *layers = &computing->layers;
	size_t coders = 0, all = 0, finished = 0;
	int consensus = find_consensus(computing, &finished, &all), coder = -1, r;

	if (consensus >= 0 && finished == all && all > 0) {
		r = show_layer(computing, &layers->entries[consensus]);
		return r < 0 ? r
			     : explain(computing->metrics,
				       "the consensus is finished in every session that counts");
	}
	for (size_t i = 0; i < layers->count; i++) {
		if (layer_kind(layers->entries[i].text) != LAYER_CODER)
			continue;
		if (count_coded(computing, (int)i, false, &all) == all && all > 0) {
			coder = (int)i;
			coders++;
		}
	}
	if (coders == 1) {
		r = show_layer(computing, &layers->entries[coder]);
		return r < 0 ? r
			     : explain(computing->metrics,
				       "the only coder of every session that counts");
	}
	r = show(computing, "live", "");
	return r < 0 ? r : explain_live(computing);
}

/* Label of the shown layer, unique among all layers. */
static int name_shown(struct computing *computing)
{
	Uxrec__Metrics *metrics = computing->metrics;
	int layer = layers_index(&computing->layers, &computing->shown);

	metrics->layer = strdup(
		layer >= 0 ? computing->layers.entries[layer].label : computing->shown.layer);
	return metrics->layer ? 0 : -ENOMEM;
}

int metrics_decide_layer(struct computing *computing)
{
	const struct metrics_request *request = computing->request;
	Uxrec__Metrics *metrics = computing->metrics;
	const Uxrec__Act *choice;
	int r;

	for (size_t i = 0; i < computing->layers.count; i++)
		if (metrics_append_text(&metrics->layers, &metrics->n_layers,
			    computing->layers.entries[i].label) < 0)
			return -ENOMEM;
	if (request->layer && *request->layer)
		r = show_asked(computing);
	else if ((choice = find_choice(computing)))
		r = show_choice(computing, choice);
	else
		r = show_usual(computing);
	return r < 0 ? r : name_shown(computing);
}
