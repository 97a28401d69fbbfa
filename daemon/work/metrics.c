/* The metrics of sessions of a library: see replay/metrics. */

#include "daemon/work/metrics.h"

#include "replay/metrics/metrics.h"
#include "replay/session/session.h"

#include <errno.h>
#include <string.h>

struct chosen {
	const char *library;
	const char **ids;
	size_t count;
	/* each session is read for its layers, then for its numbers */
	size_t read;
	work_progress_fn *progress;
	void *user;
};

static int open_chosen(void *user, size_t i, struct session **ret, struct error *reterr)
{
	struct chosen *chosen = user;
	int r = session_open(ret, chosen->library, chosen->ids[i], false, reterr);

	if (chosen->read < 2 * chosen->count)
		chosen->read++;
	chosen->progress(chosen->user, chosen->read, 2 * chosen->count);
	/* a metric that silently leaves sessions out is worse than none; other failures are listed */
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : 0;
}

static void choose(struct chosen *chosen, const char *id)
{
	for (size_t i = 0; i < chosen->count; i++)
		if (strcmp(chosen->ids[i], id) == 0)
			return;
	chosen->ids[chosen->count++] = id;
}

/* all sessions of a study, or the sessions requested */
static int choose_all(struct chosen *chosen, const Uxrec__GetMetrics *asked,
	const struct session_ids *ids, struct error *reterr)
{
	chosen->ids = calloc(ids->count + 1, sizeof(*chosen->ids));
	if (!chosen->ids)
		return error_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ids->count && *asked->study; i++)
		chosen->ids[chosen->count++] = ids->ids[i];
	for (size_t i = 0; i < asked->n_sessions && i < ids->count && !*asked->study; i++)
		choose(chosen, asked->sessions[i]);
	return 0;
}

int work_metrics(Uxrec__Metrics **ret, const char *library, const Uxrec__GetMetrics *asked,
	work_progress_fn *progress, void *user, struct error *reterr)
{
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	struct chosen chosen = {.library = library, .progress = progress, .user = user};
	struct metrics_request request = {
		.open = open_chosen,
		.user = &chosen,
		.study = *asked->study ? asked->study : NULL,
		.library = library,
		.layer = asked->layer,
		.coding = !*asked->study,
	};
	int r = session_ids_list(&ids, library);

	if (r < 0)
		return error_set(reterr, r, "the library cannot be read: %s", strerror(-r));
	r = choose_all(&chosen, asked, &ids, reterr);
	request.count = chosen.count;
	if (r == 0)
		r = metrics_compute(ret, &request, reterr);
	free(chosen.ids);
	return r;
}
