#include "daemon/record/backlog.h"

#include <errno.h>

struct packet **backlog_at(const struct backlog *backlog, size_t i)
{
	return &backlog->ring[(backlog->first + i) % backlog->capacity];
}

static int grow(struct backlog *backlog)
{
	size_t capacity = backlog->capacity ? backlog->capacity * 2 : 256;
	struct packet **ring = calloc(capacity, sizeof(struct packet *));

	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < backlog->count; i++)
		ring[i] = *backlog_at(backlog, i);
	free(backlog->ring);
	backlog->ring = ring;
	backlog->first = 0;
	backlog->capacity = capacity;
	return 0;
}

int backlog_push(struct backlog *backlog, struct packet *packet)
{
	if (backlog->count == backlog->capacity && grow(backlog) < 0)
		return -ENOMEM;
	backlog->count++;
	*backlog_at(backlog, backlog->count - 1) = packet_ref(packet);
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
	while (backlog->count > 0 && backlog->number < number) {
		backlog_drop(backlog, backlog_at(backlog, 0));
		backlog->first = (backlog->first + 1) % backlog->capacity;
		backlog->count--;
		backlog->number++;
	}
}

void backlog_finish(struct backlog *backlog)
{
	backlog_release(backlog, UINT64_MAX);
	free(backlog->ring);
	*backlog = (struct backlog){0};
}
