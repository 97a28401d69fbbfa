#include "protocol/reply.h"

#include "protocol/mcap.h"
#include "protocol/wire.pb-c.h"

#include <assert.h>
#include <string.h>

/* No two bodies have the same type. */
static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *body)
{
	const ProtobufCMessageDescriptor *descriptor = &uxrec__server_message__descriptor;
	const ProtobufCFieldDescriptor *field = NULL;

	for (unsigned i = 0; i < descriptor->n_fields && !field; i++)
		if (descriptor->fields[i].descriptor == body->descriptor)
			field = &descriptor->fields[i];
	assert(field);
	return field;
}

struct packet *reply_packet(uint64_t request, const ProtobufCMessage *body)
{
	const ProtobufCFieldDescriptor *field = field_of(body);
	Uxrec__ServerMessage message = UXREC__SERVER_MESSAGE__INIT;
	struct packet *packet = NULL;

	message.request = request;
	message.body_case = (Uxrec__ServerMessage__BodyCase)field->id;
	memcpy((char *)&message + field->offset, &body, sizeof(body));
	packet_create_record_message(&packet, MCAP_PRIVATE, &message.base);
	return packet;
}

struct packet *reply_done(uint64_t request, const char *session)
{
	Uxrec__Done done = UXREC__DONE__INIT;

	done.session = (char *)session;
	return reply_packet(request, &done.base);
}

struct packet *reply_failure(uint64_t request, int r, const char *text)
{
	Uxrec__Failure failure = UXREC__FAILURE__INIT;

	failure.code = -r;
	failure.text = (char *)text;
	return reply_packet(request, &failure.base);
}

struct packet *reply_result(uint64_t request, int r, const char *session, const struct error *error)
{
	return r < 0 ? reply_failure(request, r, error->text) : reply_done(request, session);
}
