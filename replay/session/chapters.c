#include "replay/session/chapters.h"

#include "protocol/base/array.h"
#include "protocol/base/cleanup.h"
#include "replay/study/study.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void chapters_finish(struct chapters *chapters)
{
	for (size_t i = 0; i < chapters->count; i++)
		free(chapters->list[i].title);
	free(chapters->list);
	*chapters = (struct chapters){0};
}

static char *title_of(const struct session *session, const Uxrec__Attempt *attempt)
{
	const Uxrec__Study__Task *task = study_task(session->study, attempt->task);
	const char *name = task && *task->title ? task->title : attempt->task;
	char *title;

	if (attempt->number > 1 ? asprintf(&title, "%s (%u)", name, attempt->number) < 0
				: asprintf(&title, "%s", name) < 0)
		return NULL;
	for (char *at = title; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	return title;
}

static int add(struct chapters *chapters, const struct chapter *chapter)
{
	if (!array_grow(chapters->list, chapters->count))
		return -ENOMEM;
	chapters->list[chapters->count++] = *chapter;
	return 0;
}

/* an attempt without an end ends with the session */
static int add_attempt(struct chapters *chapters, const struct session *session,
	const Uxrec__Attempt *attempt, int64_t end_ns)
{
	struct chapter chapter = {
		.from_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns,
		.to_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns,
		.attempt = attempt,
	};
	int r;

	if (chapter.to_ns == 0)
		chapter.to_ns = end_ns;
	if (chapter.to_ns <= chapter.from_ns)
		return 0;
	chapter.title = title_of(session, attempt);
	r = chapter.title ? add(chapters, &chapter) : -ENOMEM;
	if (r < 0)
		free(chapter.title);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct chapter *x = a, *y = b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	return (x->to_ns > y->to_ns) - (x->to_ns < y->to_ns);
}

int chapters_collect(struct chapters *ret, const struct session *session)
{
	struct chapters chapters = {0};
	int64_t begin_ns, end_ns;
	int r = 0;

	*ret = chapters;
	if (!session->annotations || !session_span(session, &begin_ns, &end_ns))
		return 0;
	for (size_t i = 0; i < annotations_count(session->annotations) && r == 0; i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_ATTEMPT)
			r = add_attempt(&chapters, session, act->attempt, end_ns);
	}
	if (r < 0) {
		chapters_finish(&chapters);
		return r;
	}
	if (chapters.count > 1)
		qsort(chapters.list, chapters.count, sizeof(*chapters.list), compare);
	*ret = chapters;
	return 0;
}

/* ---- flattening ---- */

static int compare_times(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorted starts and ends of chapters within a span, and the ends of the span. @return the count, 0: no memory */
static size_t find_edges(
	int64_t **ret, const struct chapters *chapters, int64_t from_ns, int64_t to_ns)
{
	int64_t *edges = calloc(2 * chapters->count + 2, sizeof(*edges));
	size_t count = 0;

	if (!edges)
		return 0;
	edges[count++] = from_ns;
	edges[count++] = to_ns;
	for (size_t i = 0; i < chapters->count; i++) {
		const int64_t ends[] = {chapters->list[i].from_ns, chapters->list[i].to_ns};

		for (size_t k = 0; k < 2; k++)
			if (ends[k] > from_ns && ends[k] < to_ns)
				edges[count++] = ends[k];
	}
	qsort(edges, count, sizeof(*edges), compare_times);
	*ret = edges;
	return count;
}

/* The chapter that began last; of equal starts, the one that ends first. */
static const struct chapter *innermost(const struct chapters *chapters, int64_t at_ns)
{
	const struct chapter *found = NULL;

	for (size_t i = 0; i < chapters->count && chapters->list[i].from_ns <= at_ns; i++)
		if (chapters->list[i].to_ns > at_ns &&
			(!found || chapters->list[i].from_ns > found->from_ns))
			found = &chapters->list[i];
	return found;
}

static int add_part(
	struct chapters *ret, const struct chapter *whole, int64_t from_ns, int64_t to_ns)
{
	struct chapter part = {.from_ns = from_ns, .to_ns = to_ns};
	struct chapter *last = ret->count ? &ret->list[ret->count - 1] : NULL;
	int r;

	part.attempt = whole ? whole->attempt : NULL;
	if (last && last->attempt == part.attempt) {
		last->to_ns = to_ns;
		return 0;
	}
	part.title = strdup(whole ? whole->title : "(no task)");
	r = part.title ? add(ret, &part) : -ENOMEM;
	if (r < 0)
		free(part.title);
	return r;
}

int chapters_flatten(
	struct chapters *ret, const struct chapters *chapters, int64_t from_ns, int64_t to_ns)
{
	_autofree_ int64_t *edges = NULL;
	size_t count = find_edges(&edges, chapters, from_ns, to_ns);
	bool any = false;
	int r = count > 0 ? 0 : -ENOMEM;

	*ret = (struct chapters){0};
	for (size_t i = 0; i + 1 < count && r == 0; i++) {
		const struct chapter *inner = innermost(chapters, edges[i]);

		any |= inner != NULL;
		if (edges[i + 1] > edges[i])
			r = add_part(ret, inner, edges[i], edges[i + 1]);
	}
	if (r < 0 || !any)
		chapters_finish(ret);
	return r;
}
