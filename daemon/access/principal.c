#include "daemon/access/principal.h"

#include <stdlib.h>

struct peer *peer_create(const struct principal *principal)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->refs = 1;
	peer->principal = *principal;
	return peer;
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
