#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Frames of RFC 6455, server side. No extension is offered. Client frames that violate section 5 are refused,
 * including unmasked ones.
 */

#define WEBSOCKET_HEADER_BYTES     14  /* maximum of a client's frame */
#define WEBSOCKET_OWN_HEADER_BYTES 10  /* maximum of a server's frame, which is unmasked */
#define WEBSOCKET_CONTROL_BYTES    125 /* maximum payload of a control frame */

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

/* section 7.4.1; 4000 to 4999 are for applications */
enum websocket_status {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_UNACCEPTABLE = 1003,
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_LARGE = 1009,
	WEBSOCKET_TRY_LATER = 1013,
};

struct websocket_frame {
	enum websocket_opcode opcode;
	bool final;
	uint64_t size_bytes; /* of the payload */
	unsigned char mask[4];
};

/**
 * Parse the header of a client's frame.
 *
 * @return its size in bytes, 0 when incomplete, or -EBADMSG: unmasked, reserved bits or opcode, a length not in
 *         its shortest form, a control frame that is long or fragmented
 */
int websocket_parse_header(struct websocket_frame *frame, const unsigned char *data, size_t size);

/**
 * Unmask in place.
 *
 * @param offset  of the data in the payload
 */
void websocket_unmask(
	unsigned char *data, size_t size, const unsigned char mask[4], uint64_t offset);

/** Write the header of a single-frame message, ending at @p end. @return the start of the header */
unsigned char *websocket_put_header(
	unsigned char *end, enum websocket_opcode opcode, size_t payload_bytes);

/** Status to answer a client's close frame with. @param payload  of that frame, unmasked */
enum websocket_status websocket_close_status(const unsigned char *payload, size_t size);
