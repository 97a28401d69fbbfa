#pragma once

/*
 * Messages of the recorder as packets: a ServerMessage as one private record. Each function returns
 * one reference, owned by the caller, or NULL when out of memory.
 */

#include "protocol/base/error.h"
#include "protocol/packet.h"

/**
 * @param request  number of the request that is answered, or 0 for an unsolicited message
 * @param body     of the type of any body of ServerMessage, which determines its field; packed,
 *                 not kept
 */
struct packet *reply_packet(uint64_t request, const ProtobufCMessage *body);

/** @param session  the session concerned, or "" */
struct packet *reply_done(uint64_t request, const char *session);

/**
 * @param r     a negative errno
 * @param text  one sentence for display; NULL: none
 */
struct packet *reply_failure(uint64_t request, int r, const char *text);

/** reply_done(), or with a negative @p r reply_failure() with the text of @p error. */
struct packet *reply_result(
	uint64_t request, int r, const char *session, const struct error *error);
