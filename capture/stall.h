#pragma once

#include "capture/source.h"

/**
 * Watch that the recorder itself runs. When none of its threads ran for STALL_NS or more (it was stopped, its virtual machine
 * was paused, the machine gave it no time), nothing of the screen was captured meanwhile, and a gap of REASON_STALL is pushed.
 * A thread that waits for a processor while others of the recorder run is no stall: what it is late for is its source's matter.
 *
 * @param topics  what the threads of this program capture; must live as long as the source
 */
int stall_source_create(struct source **ret, const struct source_context *context,
	const char *const *topics, size_t topic_count, struct error *reterr);

#define STALL_NS (250 * NS_PER_MS)

/**
 * @param interval_ns  since the thread that watches ran before
 * @param cpu_ns       processor time of all threads meanwhile
 * @return true when the program did not run for STALL_NS of it
 */
bool stall_is_one(int64_t interval_ns, int64_t cpu_ns);
