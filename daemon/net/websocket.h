#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Frames of RFC 6455 as a server reads and writes them. No extension is offered. What section 5
 * forbids a client is refused, unmasked frames among it.
 */

#define WEBSOCKET_HEADER_BYTES     14  /* of a client's frame at most */
#define WEBSOCKET_OWN_HEADER_BYTES 10  /* of a server's, which is not masked */
#define WEBSOCKET_CONTROL_BYTES    125 /* payload of a control frame at most */

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
 * @return its size in bytes, 0 when more are needed, or -EBADMSG: not masked, reserved bits or opcode, a
 *         length not in its shortest form, a control frame that is long or in fragments
 */
int websocket_parse_header(struct websocket_frame *frame, const unsigned char *data, size_t size);

/**
 * Take the mask away, in place.
 *
 * @param offset  of the data in the payload
 */
void websocket_unmask(
	unsigned char *data, size_t size, const unsigned char mask[4], uint64_t offset);

/** Write the header of a frame that is a whole message, so that it ends at @p end. @return its begin */
unsigned char *websocket_put_header(
	unsigned char *end, enum websocket_opcode opcode, size_t payload_bytes);

/** Which status a client's close frame is answered with. @param payload  of that frame, unmasked */
enum websocket_status websocket_close_status(const unsigned char *payload, size_t size);
