#include "daemon/access/principal.h"
#include "protocol/base/utf8.h"

#include <stdio.h>

struct peer *peer_create(Uxrec__Role role, const char *name, const char *principal, bool identified)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->refs = 1;
	peer->role = role;
	utf8_copy(peer->name, sizeof(peer->name), name);
	snprintf(peer->principal, sizeof(peer->principal), "%s", principal);
	peer->identified = identified;
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
