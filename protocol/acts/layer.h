#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Layers of acts: "live", "consensus", and one a coder. The layer of a coder is identified by
 * Act.layer_principal; where that is empty (format 1, clients without an identity) by NAME in "coder:NAME".
 * Otherwise NAME is for display alone: two coders of one name have two layers, a renamed coder keeps theirs.
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

/** Whether two acts are in the same layer. */
bool layer_same(const Uxrec__Act *a, const Uxrec__Act *b);

/** One of the layers of some acts. */
struct layer {
	char *text;       /* "live", "consensus" or "coder:NAME" with the newest name */
	char *principal;  /* "": the text identifies the layer */
	char *label;      /* for people: unique among the layers of its list */
	int64_t named_ns; /* CLOCK_REALTIME of the act that the text is from */
};

/** The layers of the acts of one or several sessions. Zero-initialised is empty and valid. */
struct layers {
	struct layer *entries; /* in the order in which they were added */
	size_t count;
};

/** Layers in one list; acts of more are of no honest session. */
#define LAYERS_LIMIT 1000

/**
 * Add the layer of an act, unless it is there; a newer name is taken over. Two layers of one name get labels
 * with a piece of their principals: "coder:Reviewer (1a2b)"; the one without a principal: "coder:Reviewer (no id)".
 *
 * @return the layer's index, good until layers_finish(); -ENOMEM, or -E2BIG above LAYERS_LIMIT
 */
int layers_add(struct layers *layers, const Uxrec__Act *act);

/** @return the index of an act's layer, or -ENOENT */
int layers_index(const struct layers *layers, const Uxrec__Act *act);

bool layer_has(const struct layer *layer, const Uxrec__Act *act);

/**
 * Find the layer that somebody typed: its label, its principal ("coder:" and 32 hex digits), or the name of one.
 *
 * @return its index; -ENOENT when there is none, -ENOTUNIQ when several have that name; with a sentence that
 *         names those there are
 */
int layers_find(const struct layers *layers, const char *typed, struct error *reterr);

void layers_finish(struct layers *layers);
