#include "protocol/acts/layer.h"

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODER "coder:"

enum layer_kind layer_kind(const char *text)
{
	return strcmp(text, "live") == 0                   ? LAYER_LIVE
		: strcmp(text, "consensus") == 0           ? LAYER_CONSENSUS
		: strncmp(text, CODER, strlen(CODER)) == 0 ? LAYER_CODER
							   : LAYER_UNKNOWN;
}

const char *layer_coder(const char *text)
{
	return layer_kind(text) == LAYER_CODER ? text + strlen(CODER) : NULL;
}

/* The principal that identifies an act's layer; "": identified by its text. */
static const char *identity(const Uxrec__Act *act)
{
	return layer_kind(act->layer) == LAYER_CODER ? act->layer_principal : "";
}

static bool is_same(const char *text, const char *principal, const Uxrec__Act *act)
{
	if (strcmp(principal, identity(act)) != 0)
		return false;
	return *principal != '\0' || strcmp(text, act->layer) == 0;
}

bool layer_same(const Uxrec__Act *a, const Uxrec__Act *b)
{
	return is_same(a->layer, identity(a), b);
}

bool layer_has(const struct layer *layer, const Uxrec__Act *act)
{
	return is_same(layer->text, layer->principal, act);
}

int layers_index(const struct layers *layers, const Uxrec__Act *act)
{
	for (size_t i = 0; i < layers->count; i++)
		if (layer_has(&layers->entries[i], act))
			return (int)i;
	return -ENOENT;
}

/* ---- labels ---- */

/* number of hex digits that distinguish the principal from those of other layers with this text;
 * 0: the text is unique */
static int distinct_digits(const struct layers *layers, const struct layer *layer)
{
	int digits = 0;

	for (size_t i = 0; i < layers->count; i++) {
		const struct layer *other = &layers->entries[i];

		if (other == layer || strcmp(other->text, layer->text) != 0)
			continue;
		if (digits == 0)
			digits = 4;
		while (digits < 32 && *layer->principal &&
			strncmp(other->principal, layer->principal, (size_t)digits) == 0)
			digits *= 2;
	}
	return digits;
}

static int set_label(const struct layers *layers, struct layer *layer)
{
	int digits = distinct_digits(layers, layer);
	char *label;

	if (digits == 0)
		label = strdup(layer->text);
	else if (asprintf(&label, "%s (%.*s)", layer->text, *layer->principal ? digits : 5,
			 *layer->principal ? layer->principal : "no id") < 0)
		label = NULL;
	if (!label)
		return -ENOMEM;
	free(layer->label);
	layer->label = label;
	return 0;
}

static int set_labels(struct layers *layers)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < layers->count; i++)
		r = set_label(layers, &layers->entries[i]);
	return r;
}

/* ---- list ---- */

static void finish_layer(struct layer *layer)
{
	free(layer->text);
	free(layer->principal);
	free(layer->label);
}

/* A coder may have been renamed since. */
static int update_name(struct layers *layers, struct layer *layer, const Uxrec__Act *act)
{
	char *text;

	if (act->wall_ns <= layer->named_ns)
		return 0;
	layer->named_ns = act->wall_ns;
	if (strcmp(layer->text, act->layer) == 0)
		return 0;
	text = strdup(act->layer);
	if (!text)
		return -ENOMEM;
	free(layer->text);
	layer->text = text;
	return set_labels(layers);
}

int layers_add(struct layers *layers, const Uxrec__Act *act)
{
	struct layer layer = {.named_ns = act->wall_ns};
	int index = layers_index(layers, act), r;

	if (index >= 0) {
		r = update_name(layers, &layers->entries[index], act);
		return r < 0 ? r : index;
	}
	if (layers->count >= LAYERS_LIMIT)
		return -E2BIG;
	if (!array_grow(layers->entries, layers->count))
		return -ENOMEM;
	layer.text = strdup(act->layer);
	layer.principal = strdup(identity(act));
	layer.label = strdup(act->layer);
	if (!layer.text || !layer.principal || !layer.label) {
		finish_layer(&layer);
		return -ENOMEM;
	}
	layers->entries[layers->count++] = layer;
	r = set_labels(layers);
	return r < 0 ? r : (int)layers->count - 1;
}

void layers_finish(struct layers *layers)
{
	for (size_t i = 0; i < layers->count; i++)
		finish_layer(&layers->entries[i]);
	free(layers->entries);
	*layers = (struct layers){0};
}

/* ---- lookup by typed text ---- */

static bool is_typed(const struct layer *layer, const char *typed)
{
	const char *coder = layer_coder(typed);

	return strcmp(layer->label, typed) == 0 ||
		(coder && *layer->principal && strcmp(layer->principal, coder) == 0);
}

/* @param text  NULL: every layer */
static void name_layers(
	const struct layers *layers, const char *text, char *names, size_t size_bytes)
{
	size_t length = 0;

	*names = '\0';
	for (size_t i = 0; i < layers->count && length < size_bytes; i++) {
		if (text && strcmp(layers->entries[i].text, text) != 0)
			continue;
		length += (size_t)snprintf(names + length, size_bytes - length, "%s'%s'",
			length ? ", " : "", text_quote(layers->entries[i].label).text);
	}
}

int layers_find(const struct layers *layers, const char *typed, struct error *reterr)
{
	int found = -ENOENT;
	char names[200];

	for (size_t i = 0; i < layers->count; i++)
		if (is_typed(&layers->entries[i], typed))
			return (int)i;
	for (size_t i = 0; i < layers->count; i++)
		if (strcmp(layers->entries[i].text, typed) == 0)
			found = found == -ENOENT ? (int)i : -ENOTUNIQ;
	if (found >= 0)
		return found;
	name_layers(layers, found == -ENOTUNIQ ? typed : NULL, names, sizeof(names));
	if (found == -ENOTUNIQ)
		return error_set(reterr, found, "several layers are named '%s': %s",
			text_quote(typed).text, names);
	return error_set(reterr, found, "no act is in the layer '%s'%s%s", text_quote(typed).text,
		*names ? "; there are " : "", names);
}
