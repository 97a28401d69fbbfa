#pragma once

#include "protocol/acts/layer.h"
#include "protocol/base/error.h"
#include "replay/session/session.h"

/** Parameters of a computation and its sessions. */
struct metrics_request {
	/**
	 * Open session @p i, of 0 to count - 1. It is closed right after reading, so that memory does not limit the
	 * number of sessions; each is opened more than once.
	 *
	 * @param ret  set on success; NULL: unreadable, and not counted
	 * @return 0, or a negative errno with the reason, which ends the computation
	 */
	int (*open)(void *user, size_t i, struct session **ret, struct error *reterr);
	void *user;
	size_t count;
	/*
	 * Name of the study: sessions of others are ignored. NULL: the study of the first session with a known one;
	 * sessions of others are listed as left out.
	 */
	const char *study;
	/*
	 * Layer whose tags count: its label, "coder:" with its principal, or the name of one; sessions not coded in it
	 * are left out. NULL or "": `choice`.
	 */
	const char *layer;
	/* Folder of the sessions, whose study log has the chosen layer; NULL: `choice`. */
	const char *library;
	/*
	 * Act with the body LayerChoice. NULL, and none in the log: consensus when it is finished in every counted
	 * session, else the only coder's layer when every one is coded in it, else "live".
	 */
	const Uxrec__Act *choice;
	/* A coder is at work: sessions not coded yet have no errors yet. */
	bool coding;
};

/**
 * Compute the metrics of the sessions of one study: per attempt, per task, and over all tasks. Definitions and
 * formulas: uxrec-metrics(7).
 *
 * @param ret  set on success; freed with uxrec__metrics__free_unpacked(…, NULL)
 * @return 0, -ENODATA when no session is coded in the layer, -ENOTUNIQ for an ambiguous layer name, -EINVAL without
 *         any session, or a negative errno; with the reason
 */
int metrics_compute(
	Uxrec__Metrics **ret, const struct metrics_request *request, struct error *reterr);

/** @return the display name of an outcome */
const char *metrics_outcome_name(Uxrec__Attempt__Outcome outcome);

/** Add the layers in which a session is coded. @return 0, or an error of layers_add() */
int metrics_collect_session_layers(struct layers *layers, const struct session *session);

/** @return the index of the layer chosen for a study, or -ENOENT */
int metrics_find_chosen(const struct layers *layers, const Uxrec__LayerChoice *choice);
