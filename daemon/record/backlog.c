#include "daemon/record/backlog.h"

#include <errno.h>

struct packet **backlog_at(const struct backlog *backlog, size_t i)
{
	return &backlog->packets[ring_at(&backlog->ring, i)];
}

int backlog_push(struct backlog *backlog, struct packet *packet)
{
	if (!ring_grow(&backlog->ring, backlog->packets))
		return -ENOMEM;
	backlog->packets[ring_push(&backlog->ring)] = packet_ref(packet);
	backlog->bytes += packet->size_bytes;
	return 0;
}

void backlog_drop(struct backlog *backlog, struct packet **place)
{
	if (*place)
		backlog->bytes -= (*place)->size_bytes;
	packet_unref(steal_ptr(*place));
}

void backlog_release(struct backlog *backlog, uint64_t number)
{
	while (backlog->ring.count > 0 && backlog->number < number) {
		backlog_drop(backlog, &backlog->packets[ring_pop(&backlog->ring)]);
		backlog->number++;
	}
}

void backlog_finish(struct backlog *backlog)
{
	backlog_release(backlog, UINT64_MAX);
	free(backlog->packets);
	*backlog = (struct backlog){0};
}
