#include "protocol/packet.h"

#include "protocol/base/buf.h"
#include "protocol/mcap.h"
#include "protocol/message_text.h"

#include <errno.h>

/* opcode and length, then channel id, sequence, log time, publish time */
#define MESSAGE_HEADER_BYTES (MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES)

static struct packet *packet_allocate(size_t record_bytes)
{
	size_t total;
	struct packet *packet;

	if (__builtin_add_overflow(record_bytes, sizeof(*packet) + PACKET_HEADROOM_BYTES, &total))
		return NULL;
	packet = malloc(total);
	if (!packet)
		return NULL;
	*packet = (struct packet){
		.refs = 1,
		.size_bytes = record_bytes,
		.record = (unsigned char *)(packet + 1) + PACKET_HEADROOM_BYTES,
	};
	return packet;
}

static struct packet *packet_begin(
	struct session_clock *clock, const struct packet_info *info, size_t data_bytes)
{
	struct packet *packet = packet_allocate(MESSAGE_HEADER_BYTES + data_bytes);
	int64_t publish_ns = info->publish_ns ? info->publish_ns : info->time_ns;

	if (!packet)
		return NULL;
	packet->channel = info->channel;
	packet->flags = info->flags;
	packet->time_ns = session_clock_at(clock, info->time_ns);
	packet->data_offset = MESSAGE_HEADER_BYTES;
	mcap_store_record_header(packet->record, MCAP_MESSAGE, packet->size_bytes);
	mcap_store_message_header(packet->record + MCAP_RECORD_HEADER_BYTES,
		&(struct mcap_message){
			.channel_id = info->channel,
			.sequence = atomic_fetch_add(&clock->sequence[info->channel], 1),
			.log_time = (uint64_t)packet->time_ns,
			.publish_time = (uint64_t)session_clock_at(clock, publish_ns),
		});
	return packet;
}

/* names from outside, and no multi-line text */
static bool has_names(uint16_t channel)
{
	return channel == CHANNEL_SCREEN_INFO || channel == CHANNEL_INPUT_DEVICES ||
		channel == CHANNEL_SOUND_INFO || channel == CHANNEL_MONITOR_INFO ||
		channel == CHANNEL_CLICKED || channel == CHANNEL_KEYBOARD_LAYOUT;
}

static int create(struct packet **ret, struct session_clock *clock, const struct packet_info *info,
	const ProtobufCMessage *message)
{
	size_t size_bytes = protobuf_c_message_get_packed_size(message);
	struct packet *packet = packet_begin(clock, info, size_bytes);

	if (!packet)
		return -ENOMEM;
	protobuf_c_message_pack(message, packet->record + packet->data_offset);
	*ret = packet;
	return 0;
}

int packet_create(struct packet **ret, struct session_clock *clock, const struct packet_info *info,
	const ProtobufCMessage *message)
{
	ProtobufCMessage *clean = message_clean_copy(message, has_names(info->channel));
	int r = create(ret, clock, info, clean ? clean : message);

	if (clean)
		protobuf_c_message_free_unpacked(clean, NULL);
	return r;
}

int packet_create_data(struct packet **ret, struct session_clock *clock,
	const struct packet_info *info, const void *data, size_t size_bytes)
{
	struct packet *packet = packet_begin(clock, info, size_bytes);

	if (!packet)
		return -ENOMEM;
	if (size_bytes)
		memcpy(packet->record + packet->data_offset, data, size_bytes);
	*ret = packet;
	return 0;
}

int packet_create_record(
	struct packet **ret, uint8_t opcode, const void *content, size_t size_bytes)
{
	struct packet *packet = packet_allocate(MCAP_RECORD_HEADER_BYTES + size_bytes);

	if (!packet)
		return -ENOMEM;
	mcap_store_record_header(packet->record, opcode, packet->size_bytes);
	packet->data_offset = MCAP_RECORD_HEADER_BYTES;
	if (size_bytes)
		memcpy(packet->record + MCAP_RECORD_HEADER_BYTES, content, size_bytes);
	*ret = packet;
	return 0;
}

static int create_record_message(
	struct packet **ret, uint8_t opcode, const ProtobufCMessage *message)
{
	size_t size_bytes = protobuf_c_message_get_packed_size(message);
	struct packet *packet = packet_allocate(MCAP_RECORD_HEADER_BYTES + size_bytes);

	if (!packet)
		return -ENOMEM;
	mcap_store_record_header(packet->record, opcode, packet->size_bytes);
	packet->data_offset = MCAP_RECORD_HEADER_BYTES;
	protobuf_c_message_pack(message, packet->record + MCAP_RECORD_HEADER_BYTES);
	*ret = packet;
	return 0;
}

int packet_create_record_message(
	struct packet **ret, uint8_t opcode, const ProtobufCMessage *message)
{
	ProtobufCMessage *clean = message_clean_copy(message, false);
	int r = create_record_message(ret, opcode, clean ? clean : message);

	if (clean)
		protobuf_c_message_free_unpacked(clean, NULL);
	return r;
}

struct packet *packet_ref(struct packet *packet)
{
	atomic_fetch_add(&packet->refs, 1);
	return packet;
}

void packet_unref(struct packet *packet)
{
	if (packet && atomic_fetch_sub(&packet->refs, 1) == 1)
		free(packet);
}
