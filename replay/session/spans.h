#pragma once

#include <stddef.h>
#include <stdint.h>

/** A span of session time, [from_ns, to_ns); to_ns is 0 while open. */
struct time_span {
	int64_t from_ns, to_ns;
};

/**
 * Measure the union of spans within [from_ns, to_ns): overlaps count once. An open span extends to @p to_ns. Sorts the
 * spans.
 */
int64_t spans_cover_ns(struct time_span *spans, size_t count, int64_t from_ns, int64_t to_ns);
