#include "replay/session/session_order.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/os/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Time zones are at most a day from UTC (POSIX, "TZ"), plus two hours for adjusted clocks. */
#define ZONE_NS (26 * 3600 * NS_PER_S)

/* The local time in an id, read as UTC. */
static int64_t id_time(const char *id)
{
	struct tm time = {0};

	if (!strptime(id, "%Y%m%d-%H%M%S", &time))
		return 0;
	return (int64_t)timegm(&time) * NS_PER_S;
}

static bool is_older(const struct session_place *a, const struct session_place *b)
{
	return a->begin_ns != b->begin_ns ? a->begin_ns < b->begin_ns : strcmp(a->id, b->id) < 0;
}

int session_order_add(struct session_order *order, const char *id, int64_t begin_ns, void *item)
{
	struct session_place place = {.begin_ns = begin_ns ? begin_ns : id_time(id), .item = item};
	size_t at;

	if (!array_grow(order->places, order->count))
		return -ENOMEM;
	snprintf(place.id, sizeof(place.id), "%s", id);
	at = bisect(order->count, i, is_older(&order->places[i], &place));
	memmove(order->places + at + 1, order->places + at, (order->count++ - at) * sizeof(place));
	order->places[at] = place;
	return 0;
}

bool session_order_pop(struct session_order *order, const char *next, struct session_place *ret)
{
	const struct session_place *newest;

	if (order->count == 0)
		return false;
	newest = &order->places[order->count - 1];
	if (next && newest->begin_ns <= id_time(next) + ZONE_NS)
		return false;
	*ret = *newest;
	order->count--;
	return true;
}

void session_order_finish(struct session_order *order)
{
	free(order->places);
	*order = (struct session_order){0};
}

bool session_ids_newest(const struct session_ids *ids, const char *library, char ret[21])
{
	_cleanup_(session_order_finish) struct session_order order = {0};
	struct session_place newest;

	for (size_t i = 0; i <= ids->count; i++) {
		_destroy_(session) struct session *session = NULL;
		int64_t begin_ns = 0, end_ns;

		if (session_order_pop(&order, i < ids->count ? ids->ids[i] : NULL, &newest)) {
			memcpy(ret, newest.id, sizeof(newest.id));
			return true;
		}
		if (i == ids->count)
			break;
		if (session_open(&session, library, ids->ids[i], false, NULL) == 0)
			session_span(session, &begin_ns, &end_ns);
		if (session_order_add(&order, ids->ids[i], begin_ns, NULL) < 0)
			break;
	}
	return false;
}
