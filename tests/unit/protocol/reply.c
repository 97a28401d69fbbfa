/* Answers and announcements of the recorder as records. */

#include "tests/harness/helpers.h"

#include "protocol/reply.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"

#include <errno.h>
#include <string.h>

/* Takes over the packet. @return freed with uxrec__server_message__free_unpacked() */
static Uxrec__ServerMessage *parse(struct packet *packet)
{
	ProtobufCMessage *message;

	check(packet != NULL);
	check(wire_parse((struct view){packet->record, packet->size_bytes, 0},
		      &uxrec__server_message__descriptor, &message, NULL) == 0);
	expect(packet->channel == 0 && packet->time_ns == 0 && packet->refs == 1);
	packet_unref(packet);
	return (Uxrec__ServerMessage *)message;
}

static void expect_failure(struct packet *packet, uint64_t request, int code, const char *text)
{
	Uxrec__ServerMessage *message = parse(packet);

	expect(message->request == request);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE);
	expect(message->failure->code == code);
	expect(strcmp(message->failure->text, text) == 0);
	uxrec__server_message__free_unpacked(message, NULL);
}

static void expect_done(struct packet *packet, uint64_t request, const char *session)
{
	Uxrec__ServerMessage *message = parse(packet);

	expect(message->request == request);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_DONE);
	expect(strcmp(message->done->session, session) == 0);
	uxrec__server_message__free_unpacked(message, NULL);
}

static void a_body_arrives_with_its_request(void)
{
	Uxrec__Pong pong = UXREC__PONG__INIT;
	Uxrec__ServerMessage *message;

	pong.client_ms = 1500;
	pong.session_ns = INT64_MAX;
	message = parse(reply_packet(UINT64_MAX, &pong.base));
	expect(message->request == UINT64_MAX);
	check(message->body_case == UXREC__SERVER_MESSAGE__BODY_PONG);
	expect(message->pong->client_ms == 1500 && message->pong->session_ns == INT64_MAX);
	uxrec__server_message__free_unpacked(message, NULL);
	message = parse(reply_packet(0, &pong.base));
	expect(message->request == 0 && message->body_case == UXREC__SERVER_MESSAGE__BODY_PONG);
	uxrec__server_message__free_unpacked(message, NULL);
}

/* The type determines the field: two bodies of one type would fail here. */
static void every_body_is_put_into_its_field(void)
{
	const ProtobufCMessageDescriptor *descriptor = &uxrec__server_message__descriptor;
	unsigned bodies = 0;

	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const ProtobufCMessageDescriptor *type = field->descriptor;
		_autofree_ ProtobufCMessage *body = NULL;
		Uxrec__ServerMessage *message;

		if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		body = malloc(type->sizeof_message);
		check(body != NULL);
		protobuf_c_message_init(type, body);
		message = parse(reply_packet(7, body));
		expect(message->request == 7 && message->body_case == field->id);
		uxrec__server_message__free_unpacked(message, NULL);
		bodies++;
	}
	expect(bodies == descriptor->n_fields - 1); /* all but the request */
}

static void a_result_is_done_or_a_failure(void)
{
	const struct error error = {"the session is paused already"};

	expect_done(reply_done(3, "20260102-030405-abcd"), 3, "20260102-030405-abcd");
	expect_done(reply_result(4, 0, "20260102-030405-abcd", &error), 4, "20260102-030405-abcd");
	expect_done(reply_result(5, 0, "", NULL), 5, "");
	expect_failure(reply_result(6, -EALREADY, "", &error), 6, EALREADY, error.text);
}

static void a_failure_has_its_code_and_text(void)
{
	expect_failure(reply_failure(8, -EACCES, "this link does not allow that"), 8, EACCES,
		"this link does not allow that");
	expect_failure(reply_failure(9, -ENOMEM, NULL), 9, ENOMEM, "");
	expect_failure(reply_failure(10, -EIO, "no file \xe4"), 10, EIO, "no file ?");
}

static const struct test tests[] = {
	{"a body arrives with the number of its request", a_body_arrives_with_its_request},
	{"every body is put into the field of its type", every_body_is_put_into_its_field},
	{"a result is done, or a failure with its reason", a_result_is_done_or_a_failure},
	{"a failure has its code, and its text in UTF-8", a_failure_has_its_code_and_text},
};

int main(void)
{
	return RUN_TESTS("reply", tests);
}
