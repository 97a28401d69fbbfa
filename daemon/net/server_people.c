#include "daemon/net/server_internal.h"

#include "protocol/base/clock.h"

/* Names and roles of connected peers go to moderators only: observers get the count, in Status. */

#define EVERY_NS     (2 * NS_PER_S)
#define PEOPLE_LIMIT 100

static void describe(const struct client *client, int64_t now_ns, Uxrec__People__Person *ret)
{
	*ret = (Uxrec__People__Person)UXREC__PEOPLE__PERSON__INIT;
	ret->principal = (char *)client->principal.id;
	ret->name = (char *)client->principal.name;
	ret->role = client->principal.role;
	ret->since_s = (uint32_t)((now_ns - client->admitted_ns) / NS_PER_S);
	ret->live = client->live;
	ret->behind_ms = client->behind_ms;
	ret->hidden = client->hidden;
	ret->hears = client->hears;
}

static void send_people(struct server *server, int64_t now_ns)
{
	Uxrec__People people = UXREC__PEOPLE__INIT;
	Uxrec__People__Person persons[PEOPLE_LIMIT], *pointers[PEOPLE_LIMIT];

	people.people = pointers;
	for (const struct client *client = server->clients; client; client = client->next) {
		if (client->state != CLIENT_PEER)
			continue;
		if (people.n_people == PEOPLE_LIMIT) {
			people.more++;
			continue;
		}
		describe(client, now_ns, &persons[people.n_people]);
		pointers[people.n_people] = &persons[people.n_people];
		people.n_people++;
	}
	for (struct client *client = server->clients; client; client = client->next)
		if (client->state == CLIENT_PEER &&
			client->principal.role == UXREC__ROLE__ROLE_MODERATOR)
			peer_put(server, client, &people.base, KIND_PEOPLE);
}

void people_tick(struct server *server, int64_t now_ns)
{
	if (server->people_ns && now_ns - server->people_ns < EVERY_NS)
		return;
	server->people_ns = now_ns;
	if (server->keys[UXREC__ROLE__ROLE_MODERATOR].connections > 0)
		send_people(server, now_ns);
}
