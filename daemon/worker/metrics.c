/* The metrics of sessions of a library: see replay/metrics. */

#include "daemon/worker/handlers.h"

#include "protocol/reply.h"
#include "replay/metrics/metrics.h"
#include "replay/session/session.h"

#include <errno.h>
#include <string.h>

struct chosen {
	const char **ids;
	size_t count;
	/* each session is read for its layers, then for its numbers */
	size_t read;
	const struct work_context *context;
};

static int open_chosen(void *user, size_t i, struct session **ret, struct error *reterr)
{
	struct chosen *chosen = user;
	int r = session_open(ret, chosen->context->library, chosen->ids[i], false, reterr);

	if (chosen->read < 2 * chosen->count)
		chosen->read++;
	chosen->context->progress(chosen->context->user, chosen->read, 2 * chosen->count);
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

int work_metrics(const struct work_context *context, const Uxrec__ClientMessage *message,
	struct packet **ret, struct error *reterr)
{
	const Uxrec__GetMetrics *asked = message->get_metrics;
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	struct chosen chosen = {.context = context};
	struct metrics_request request = {
		.open = open_chosen,
		.user = &chosen,
		.study = *asked->study ? asked->study : NULL,
		.library = context->library,
		.layer = asked->layer,
		.coding = !*asked->study,
	};
	Uxrec__Metrics *metrics;
	int r = session_ids_list(&ids, context->library);

	if (r < 0)
		return error_set(reterr, r, "the library cannot be read: %s", strerror(-r));
	r = choose_all(&chosen, asked, &ids, reterr);
	request.count = chosen.count;
	if (r == 0)
		r = metrics_compute(&metrics, &request, reterr);
	free(chosen.ids);
	if (r < 0)
		return r;
	*ret = reply_packet(message->request, &metrics->base);
	uxrec__metrics__free_unpacked(metrics, NULL);
	return *ret ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}
