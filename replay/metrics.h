#pragma once

#include "protocol/base/error.h"
#include "replay/session.h"

/**
 * Compute what is said about sessions of one study: per attempt, per task, and over all tasks.
 * Definitions and formulas: uxrec-metrics(7).
 *
 * @param ret       set on success; freed with uxrec__metrics__free_unpacked(…, NULL)
 * @param sessions  count of them; the first decides the study, those of another are left out and
 *                  said to be
 * @param layer     whose tags count; sessions that are not coded in it are left out. NULL or "":
 *                  consensus, else the only coder's layer, if all sessions that count are coded in
 *                  it, else "live"
 * @return 0, -ENODATA when nobody has coded in the layer, or a negative errno; with the reason
 */
int metrics_compute(Uxrec__Metrics **ret, struct session *const *sessions, size_t count,
	const char *layer, struct error *reterr);

/** The same while a coder works on it: what is not coded yet has no errors yet. */
int metrics_compute_coding(Uxrec__Metrics **ret, struct session *const *sessions, size_t count,
	const char *layer, struct error *reterr);
