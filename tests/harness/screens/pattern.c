#include "tests/harness/screens/pattern.h"

#include <stdlib.h>
#include <string.h>

static size_t pattern_size(uint16_t channel, uint32_t sequence)
{
	uint64_t state = (uint64_t)channel << 32 | sequence;
	uint64_t random = next_random(&state);

	return channel == CHANNEL_SCREEN ? 200 + random % (random % 16 ? 6000 : 60000)
					 : 10 + random % 300;
}

static void pattern_fill(unsigned char *data, size_t size, uint16_t channel, uint32_t sequence)
{
	uint64_t state = ((uint64_t)sequence << 16 | channel) + 1, word = 0;

	for (size_t i = 0; i < size; i++) {
		if (i % 8 == 0)
			word = next_random(&state);
		data[i] = (unsigned char)(word >> (i % 8 * 8));
	}
}

struct packet *pattern_packet(struct session_clock *clock, uint16_t channel, int64_t time_ns)
{
	uint32_t sequence = clock->sequence[channel];
	size_t size = pattern_size(channel, sequence);
	_autofree_ unsigned char *data = malloc(size);
	struct packet *packet;

	check(data != NULL);
	pattern_fill(data, size, channel, sequence);
	check(packet_create_data(&packet, clock, &(struct packet_info){channel, 0, time_ns, 0},
		      data, size) == 0);
	return packet;
}

bool is_the_pattern(const struct reader_message *message)
{
	size_t size = pattern_size(message->channel->id, message->sequence);
	_autofree_ unsigned char *data = malloc(size);

	check(data != NULL);
	pattern_fill(data, size, message->channel->id, message->sequence);
	return size == message->data.size_bytes && memcmp(data, message->data.data, size) == 0;
}
