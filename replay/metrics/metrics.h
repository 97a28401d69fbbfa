#pragma once

#include "protocol/acts/layer.h"
#include "protocol/base/error.h"
#include "replay/session/session.h"

/** What to compute, and of which sessions. */
struct metrics_request {
	/**
	 * Open session @p i, of 0 to count - 1. It is closed as soon as it has been read, so that no
	 * number of sessions is too large; each is opened more than once.
	 *
	 * @param ret  set on success; NULL: it cannot be read, and the numbers are without it
	 * @return 0, or a negative errno with the reason, which ends the computation
	 */
	int (*open)(void *user, size_t i, struct session **ret, struct error *reterr);
	void *user;
	size_t count;
	/* Of which study: sessions of another do not count as asked for. NULL: that of the first session
	 * that knows its own; those of another are listed as left out. */
	const char *study;
	/* Whose tags count: a layer's label, "coder:" with its principal, or the name of one; sessions that are not
	 * coded in it are left out. NULL or "": `choice`. */
	const char *layer;
	/* Folder of the sessions, in which the study's log has the layer that was chosen; NULL: `choice`. */
	const char *library;
	/* The act with the body LayerChoice. NULL, and none in the log: consensus when it is finished in
	 * every session that counts, else the only coder's layer when every one is coded in it, else "live". */
	const Uxrec__Act *choice;
	/* A coder works on it: what is not coded yet has no errors yet. */
	bool coding;
};

/**
 * Compute the numbers of the sessions of one study: per attempt, per task, and over all tasks.
 * Definitions and formulas: uxrec-metrics(7).
 *
 * @param ret  set on success; freed with uxrec__metrics__free_unpacked(…, NULL)
 * @return 0, -ENODATA when nobody has coded in the layer, -ENOTUNIQ when several are named so, -EINVAL without any session, or a negative
 *         errno; with the reason
 */
int metrics_compute(
	Uxrec__Metrics **ret, const struct metrics_request *request, struct error *reterr);

/** @return the name of an outcome, for people */
const char *metrics_outcome_name(Uxrec__Attempt__Outcome outcome);

/** Add the layers that a session is coded in. @return 0, or an error of layers_add() */
int metrics_collect_session_layers(struct layers *layers, const struct session *session);

/** @return the index of the layer that was chosen for a study, or -ENOENT */
int metrics_find_chosen(const struct layers *layers, const Uxrec__LayerChoice *choice);
