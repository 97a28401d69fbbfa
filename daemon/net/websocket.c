#include "daemon/net/websocket.h"

#include <errno.h>
#include <string.h>

static uint64_t load_be(const unsigned char *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

static bool is_known(unsigned opcode)
{
	return opcode <= WEBSOCKET_BINARY ||
		(opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

int websocket_parse_header(struct websocket_frame *frame, const unsigned char *data, size_t size)
{
	size_t length_bytes;
	unsigned length;

	if (size < 2)
		return 0;
	length = data[1] & 0x7f;
	length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
	frame->opcode = data[0] & 0x0f;
	frame->final = data[0] & 0x80;
	if ((data[0] & 0x70) || !(data[1] & 0x80) || !is_known(data[0] & 0x0f) ||
		(frame->opcode >= WEBSOCKET_CLOSE && (!frame->final || length_bytes)))
		return -EBADMSG;
	if (size < 2 + length_bytes + 4)
		return 0;
	frame->size_bytes = length_bytes ? load_be(data + 2, length_bytes) : length;
	if ((length_bytes == 2 && frame->size_bytes < 126) ||
		(length_bytes == 8 && (frame->size_bytes < 65536 || frame->size_bytes >> 63)))
		return -EBADMSG;
	memcpy(frame->mask, data + 2 + length_bytes, 4);
	return (int)(2 + length_bytes + 4);
}

void websocket_unmask(
	unsigned char *data, size_t size, const unsigned char mask[4], uint64_t offset)
{
	for (size_t i = 0; i < size; i++)
		data[i] ^= mask[(offset + i) & 3];
}

unsigned char *websocket_put_header(
	unsigned char *end, enum websocket_opcode opcode, size_t payload_bytes)
{
	size_t length_bytes = payload_bytes > 65535 ? 8 : payload_bytes > 125 ? 2 : 0;
	unsigned char *at = end - length_bytes - 2;

	at[0] = (unsigned char)(0x80 | opcode);
	at[1] = (unsigned char)(length_bytes == 8 ? 127 : length_bytes == 2 ? 126 : payload_bytes);
	for (size_t i = 0; i < length_bytes; i++)
		at[2 + i] = (unsigned char)(payload_bytes >> 8 * (length_bytes - 1 - i));
	return at;
}

enum websocket_status websocket_close_status(const unsigned char *payload, size_t size)
{
	unsigned status;

	if (size == 0)
		return WEBSOCKET_NORMAL;
	status = size >= 2 ? (unsigned)load_be(payload, 2) : 0;
	if ((status >= 1000 && status <= 1011 && (status < 1004 || status > 1006)) ||
		(status >= 3000 && status <= 4999))
		return (enum websocket_status)status;
	return WEBSOCKET_PROTOCOL_ERROR;
}
