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
	return &outbox->entries[(outbox->first + i) % outbox->capacity];
}

static int grow(struct outbox *outbox)
{
	size_t capacity = outbox->capacity ? outbox->capacity * 2 : 16;
	struct outbox_entry *entries = malloc(capacity * sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < outbox->count; i++)
		entries[i] = *entry_at(outbox, i);
	free(outbox->entries);
	outbox->entries = entries;
	outbox->capacity = capacity;
	outbox->first = 0;
	return 0;
}

int outbox_put(struct outbox *outbox, struct packet *packet, unsigned kind)
{
	if (outbox->count == outbox->capacity && grow(outbox) < 0)
		return -ENOMEM;
	*entry_at(outbox, outbox->count++) = (struct outbox_entry){packet, kind};
	return 0;
}

struct packet *outbox_pop(struct outbox *outbox)
{
	struct packet *packet;

	if (outbox->count == 0)
		return NULL;
	packet = entry_at(outbox, 0)->packet;
	outbox->first = (outbox->first + 1) % outbox->capacity;
	outbox->count--;
	return packet;
}

size_t outbox_drop(struct outbox *outbox, unsigned kind)
{
	size_t kept = 0, bytes = 0;

	for (size_t i = 0; i < outbox->count; i++) {
		struct outbox_entry entry = *entry_at(outbox, i);

		if (entry.kind != kind) {
			*entry_at(outbox, kept++) = entry;
		} else {
			bytes += entry.packet->size_bytes;
			packet_unref(entry.packet);
		}
	}
	outbox->count = kept;
	return bytes;
}
