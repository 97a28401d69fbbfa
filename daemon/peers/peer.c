#include "daemon/peers/peer.h"

#include <stdlib.h>

struct peer *peer_create(uint64_t number, const struct principal *principal)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->refs = 1;
	peer->number = number;
	peer->principal = *principal;
	return peer;
}

void peer_cancel(struct peer *peer, uint64_t request)
{
	peer->cancelled[peer->cancelled_count++ % PEER_CANCELLED] = request;
}

/* Numbers of requests are not 0. */
bool peer_has_cancelled(const struct peer *peer, uint64_t request)
{
	for (size_t i = 0; request && i < PEER_CANCELLED; i++)
		if (peer->cancelled[i] == request)
			return true;
	return false;
}

struct peer *peer_ref(struct peer *peer)
{
	peer->refs++;
	return peer;
}

void peer_unref(struct peer *peer)
{
	if (peer && --peer->refs == 0)
		free(peer);
}
