#include "replay/session/spans.h"

#include <stdlib.h>

static int compare_spans(const void *a, const void *b)
{
	const struct time_span *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

int64_t spans_cover_ns(struct time_span *spans, size_t count, int64_t from_ns, int64_t to_ns)
{
	int64_t covered = 0, done_ns = from_ns;

	if (count > 1)
		qsort(spans, count, sizeof(*spans), compare_spans);
	for (size_t i = 0; i < count; i++) {
		int64_t begin_ns = spans[i].from_ns > done_ns ? spans[i].from_ns : done_ns;
		int64_t end_ns = spans[i].to_ns && spans[i].to_ns < to_ns ? spans[i].to_ns : to_ns;

		if (end_ns <= begin_ns)
			continue;
		covered += end_ns - begin_ns;
		done_ns = end_ns;
	}
	return covered;
}
