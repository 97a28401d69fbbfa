#include "tests/fuzz/target.h"

#include "protocol/acts/act_check.h"
#include "protocol/acts/annotations.h"
#include "protocol/name.h"
#include "protocol/schema.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"
#include "replay/study/study.h"

#include <stdlib.h>

/* Bytes from the network: a frame; and, carried in frames, a study file's text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProtobufCMessage *message;
	Uxrec__ClientMessage *client;

	wire_frame_size((struct view){data, size, 0}, 65536);
	if (wire_parse((struct view){data, size, 0}, &uxrec__client_message__descriptor, &message,
		    NULL) < 0)
		return 0;
	client = (Uxrec__ClientMessage *)message;
	/* a refused name leaves a whole message */
	names_normalise(message, NULL);
	if (client->body_case == UXREC__CLIENT_MESSAGE__BODY_PUT_ACT && client->put_act->act)
		act_check(client->put_act->act, NULL);
	if (client->body_case == UXREC__CLIENT_MESSAGE__BODY_START && *client->start->study_yaml) {
		Uxrec__Study *study;

		if (study_parse(&study, client->start->study_yaml,
			    strlen(client->start->study_yaml), "fuzz", NULL) == 0)
			uxrec__study__free_unpacked(study, NULL);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}
