#pragma once

#include "protocol/base/error.h"
#include "protocol/wire.pb-c.h"

/** Called after each session that was read. */
typedef void work_progress_fn(void *user, size_t done, size_t total);

/**
 * Compute the metrics of a GetMetrics.
 *
 * @param ret  set on success; freed with uxrec__metrics__free_unpacked(…, NULL)
 * @return 0, or a negative errno of metrics_compute(), with the reason
 */
int work_metrics(Uxrec__Metrics **ret, const char *library, const Uxrec__GetMetrics *asked,
	work_progress_fn *progress, void *user, struct error *reterr);
