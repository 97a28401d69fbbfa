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
 * @param layer     whose tags count; NULL or "": consensus if there is one, else the only coder's
 *                  layer, else "live"
 * @return 0, or a negative errno with the reason
 */
int metrics_compute(Uxrec__Metrics **ret, struct session *const *sessions, size_t count,
	const char *layer, struct error *reterr);
