#include "daemon/peers/outlet.h"

#include "protocol/reply.h"

void outlet_send(const struct outlet *outlet, struct peer *peer, struct packet *packet)
{
	if (packet)
		outlet->send(outlet->user, peer, packet, 0);
}

void outlet_answer(const struct outlet *outlet, struct peer *peer, uint64_t request,
	const ProtobufCMessage *body)
{
	outlet_send(outlet, peer, reply_packet(request, body));
}

void outlet_fail(
	const struct outlet *outlet, struct peer *peer, uint64_t request, int r, const char *text)
{
	outlet_send(outlet, peer, reply_failure(request, r, text));
}

void outlet_broadcast(
	const struct outlet *outlet, const struct audience *audience, const ProtobufCMessage *body)
{
	struct packet *packet = reply_packet(0, body);

	if (packet)
		outlet->broadcast(outlet->user, audience, packet, 0);
}
