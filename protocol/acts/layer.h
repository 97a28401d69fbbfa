#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Layers of acts: "live", "consensus", and one per coder. A coder's layer is identified by
 * Act.layer_principal; where that is empty (format 1, clients without an identity) by NAME in
 * "coder:NAME". Otherwise NAME is for display only: two coders of one name have two layers, a
 * renamed coder keeps theirs.
 */

enum layer_kind {
	LAYER_UNKNOWN, /* of a later version: identified by its text */
	LAYER_LIVE,
	LAYER_CONSENSUS,
	LAYER_CODER,
};

enum layer_kind layer_kind(const char *text);

/** @return NAME of "coder:NAME", or NULL for other layers */
const char *layer_coder(const char *text);

/** @return true when two acts are in the same layer */
bool layer_same(const Uxrec__Act *a, const Uxrec__Act *b);

/** A layer with acts in it. */
struct layer {
	char *text;       /* "live", "consensus" or "coder:NAME" with the newest name */
	char *principal;  /* "": identified by the text */
	char *label;      /* for display: unique in its list */
	int64_t named_ns; /* CLOCK_REALTIME of the act that the text is from */
};

/** Layers of the acts of one or several sessions. Zero-initialised is empty and valid. */
struct layers {
	struct layer *entries; /* in the order of addition */
	size_t count;
};

/** Limit on the layers in one list; no legitimate session has more. */
#define LAYERS_LIMIT 1000

/**
 * Add the layer of an act unless present; a newer name replaces the old one. Layers with the same
 * name get labels with part of their principal: "coder:Reviewer (1a2b)"; without a principal:
 * "coder:Reviewer (no id)".
 *
 * @return the layer's index, valid until layers_finish(); -ENOMEM, or -E2BIG above LAYERS_LIMIT
 */
int layers_add(struct layers *layers, const Uxrec__Act *act);

/** @return the index of an act's layer, or -ENOENT */
int layers_index(const struct layers *layers, const Uxrec__Act *act);

bool layer_has(const struct layer *layer, const Uxrec__Act *act);

/**
 * Find a layer by typed text: its label, its principal ("coder:" and 32 hex digits), or a unique
 * name.
 *
 * @return its index; -ENOENT when there is none, -ENOTUNIQ when the name is ambiguous; with an
 *         error that lists the candidates
 */
int layers_find(const struct layers *layers, const char *typed, struct error *reterr);

void layers_finish(struct layers *layers);
