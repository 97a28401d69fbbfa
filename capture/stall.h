#pragma once

#include "capture/source.h"

/**
 * Watch for stalls of the recorder itself. When none of its threads ran for STALL_NS or more
 * (process stopped, virtual machine paused, no processor time), the screen was not captured
 * meanwhile, and a gap of REASON_STALL is pushed. A thread that waits for a processor while others
 * of the recorder run is no stall; its source handles the latency.
 *
 * @param topics  the topics captured by this program's threads; must outlive the source
 */
int stall_source_create(struct source **ret, const struct source_context *context,
	const char *const *topics, size_t topic_count, struct error *reterr);

#define STALL_NS (250 * NS_PER_MS)

/**
 * @param interval_ns  time since the previous run of the watching thread
 * @param cpu_ns       processor time of all threads in that interval
 * @return true when the program did not run for at least STALL_NS of it
 */
bool stall_occurred(int64_t interval_ns, int64_t cpu_ns);
