#include "daemon/net/outbox.h"

#include <errno.h>
#include <stdlib.h>

void outbox_finish(struct outbox *outbox)
{
	struct packet *packet;

	while ((packet = outbox_pop(outbox)))
		packet_unref(packet);
	free(outbox->entries);
	*outbox = (struct outbox){0};
}

static struct outbox_entry *entry_at(struct outbox *outbox, size_t i)
{
	return &outbox->entries[ring_at(&outbox->ring, i)];
}

int outbox_put(struct outbox *outbox, struct packet *packet, unsigned kind)
{
	if (!ring_grow(&outbox->ring, outbox->entries))
		return -ENOMEM;
	outbox->entries[ring_push(&outbox->ring)] = (struct outbox_entry){packet, kind};
	return 0;
}

struct packet *outbox_pop(struct outbox *outbox)
{
	return outbox->ring.count > 0 ? outbox->entries[ring_pop(&outbox->ring)].packet : NULL;
}

size_t outbox_drop(struct outbox *outbox, unsigned kind)
{
	size_t kept = 0, cost = 0;

	for (size_t i = 0; i < outbox->ring.count; i++) {
		struct outbox_entry entry = *entry_at(outbox, i);

		if (entry.kind != kind) {
			*entry_at(outbox, kept++) = entry;
		} else {
			cost += packet_cost(entry.packet);
			packet_unref(entry.packet);
		}
	}
	outbox->ring.count = kept;
	return cost;
}
