/* Copies a session file with its pictures, patches, pointer shapes and sound broken at random, like an attack on their
 * decoders. Usage: hostile_session FILE COPY SEED. The same seed gives the same copy. */

#include "protocol/base/buf.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "tests/fuzz/png.h"
#include "tests/harness/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES 65536

struct copying {
	struct session_writer *writer;
	struct session_clock clock;
	uint64_t random;
	int one_in;               /* one of this many messages is broken */
	uint8_t kept[KEPT_BYTES]; /* an earlier payload, for splicing */
	size_t kept_size;
};

static void must(bool good)
{
	if (!good)
		abort();
}

static size_t below(struct copying *copying, size_t limit)
{
	return (size_t)(next_random(&copying->random) >> 16) % limit;
}

/* half of them in the head, where the formats have sizes and types */
static size_t offset_in(struct copying *copying, size_t size)
{
	return below(copying, below(copying, 2) && size > 64 ? 64 : size);
}

static void put_noise(struct copying *copying, struct buf *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buf_put_u8(buf, (uint8_t)(next_random(&copying->random) >> 24));
}

static void put_number(struct copying *copying, uint8_t *data, size_t size)
{
	static const uint32_t numbers[] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 0x10000};
	uint32_t number = numbers[below(copying, ARRAY_SIZE(numbers))];
	size_t at = offset_in(copying, size);

	for (size_t i = 0; i < 4 && at + i < size; i++)
		data[at + i] = (uint8_t)(number >> (24 - 8 * i));
}

static void break_once(struct copying *copying, struct buf *data)
{
	size_t size = data->size_bytes, from;

	if (size == 0) {
		put_noise(copying, data, 1 + below(copying, 64));
		return;
	}
	switch (below(copying, 7)) {
	case 0:
	case 1:
		for (size_t i = 1 + below(copying, 8); i > 0; i--)
			data->data[offset_in(copying, size)] ^= (uint8_t)(1 << below(copying, 8));
		break;
	case 2: data->size_bytes = below(copying, size); break;
	case 3: put_noise(copying, data, 1 + below(copying, 300)); break;
	case 4: /* the rest of an earlier one */
		from = copying->kept_size ? below(copying, copying->kept_size) : 0;
		data->size_bytes = below(copying, size);
		buf_put(data, copying->kept + from, copying->kept_size - from);
		break;
	case 5:
		from = below(copying, size);
		memset(data->data + from, below(copying, 2) ? 0xff : 0,
			1 + below(copying, size - from));
		break;
	case 6: put_number(copying, data->data, size); break;
	}
}

/* @param field  its bytes are replaced */
static void break_bytes(struct copying *copying, ProtobufCBinaryData *field, bool png)
{
	struct buf data = {0};

	buf_put(&data, field->data, field->len);
	for (size_t i = 1 + below(copying, 4); i > 0; i--)
		break_once(copying, &data);
	must(!data.failed);
	if (png && below(copying, 5))
		png_mend_checksums(data.data, data.size_bytes);
	copying->kept_size = field->len < KEPT_BYTES ? field->len : KEPT_BYTES;
	if (copying->kept_size)
		memcpy(copying->kept, field->data, copying->kept_size);
	free(field->data);
	*field = (ProtobufCBinaryData){data.size_bytes, data.data};
}

/* ---- messages ---- */

static void break_video(struct copying *copying, ProtobufCMessage *message)
{
	Foxglove__CompressedVideo *video = (Foxglove__CompressedVideo *)message;

	break_bytes(copying, &video->data, false);
	if (below(copying, 10) == 0) {
		free(video->format);
		video->format = strdup(below(copying, 2) ? "h264" : "av1");
	}
}

static void break_sound(struct copying *copying, ProtobufCMessage *message)
{
	break_bytes(copying, &((Foxglove__CompressedAudio *)message)->data, false);
}

static void break_patches(struct copying *copying, ProtobufCMessage *message)
{
	Uxrec__ScreenPatches *patches = (Uxrec__ScreenPatches *)message;

	for (size_t i = 0; i < patches->n_patches; i++) {
		break_bytes(copying, &patches->patches[i]->png, true);
		if (below(copying, 8) == 0)
			patches->patches[i]->x_px = (uint32_t)next_random(&copying->random);
	}
}

static void break_screen(struct copying *copying, ProtobufCMessage *message)
{
	static const uint32_t sides[] = {
		0, 1, 2, 3, 255, 4096, 16384, 65535, 0x7fffffff, 0xffffffff};
	Uxrec__Screen *screen = (Uxrec__Screen *)message;

	screen->width_px = sides[below(copying, ARRAY_SIZE(sides))];
	if (below(copying, 2))
		screen->height_px = sides[below(copying, ARRAY_SIZE(sides))];
}

static void break_shape(struct copying *copying, ProtobufCMessage *message)
{
	Uxrec__PointerShape *shape = (Uxrec__PointerShape *)message;

	break_bytes(copying, below(copying, 4) ? &shape->deflated : &shape->rgba, false);
	if (below(copying, 4) == 0)
		shape->width_px = (uint32_t)next_random(&copying->random);
}

static const struct hostile {
	uint16_t channel;
	const ProtobufCMessageDescriptor *type;
	void (*break_it)(struct copying *copying, ProtobufCMessage *message);
} hostile[] = {
	{CHANNEL_SCREEN, &foxglove__compressed_video__descriptor, break_video},
	{CHANNEL_SCREEN_PATCHES, &uxrec__screen_patches__descriptor, break_patches},
	{CHANNEL_SCREEN_INFO, &uxrec__screen__descriptor, break_screen},
	{CHANNEL_POINTER_SHAPE, &uxrec__pointer_shape__descriptor, break_shape},
	{CHANNEL_SOUND, &foxglove__compressed_audio__descriptor, break_sound},
	{CHANNEL_MONITOR, &foxglove__compressed_audio__descriptor, break_sound},
};

static void append(struct copying *copying, const struct reader_message *message, const void *data,
	size_t size)
{
	_packet_unref_ struct packet *packet = NULL;
	struct packet_info info = {
		message->channel->known, 0, message->time_ns, message->publish_ns};

	must(packet_create_data(&packet, &copying->clock, &info, data, size) == 0);
	must(session_writer_append(copying->writer, packet) == 0);
}

static void copy_broken(
	struct copying *copying, const struct reader_message *source, const struct hostile *how)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
		how->type, NULL, source->data.size_bytes, source->data.data);
	uint8_t *data;

	must(message != NULL);
	how->break_it(copying, message);
	data = malloc(protobuf_c_message_get_packed_size(message) + 1);
	must(data != NULL);
	append(copying, source, data, protobuf_c_message_pack(message, data));
	free(data);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void copy(struct copying *copying, const struct reader_message *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		if (hostile[i].channel == message->channel->known &&
			below(copying, (size_t)copying->one_in) == 0) {
			copy_broken(copying, message, &hostile[i]);
			return;
		}
	append(copying, message, message->data.data, message->data.size_bytes);
}

int main(int argc, char **argv)
{
	static struct copying copying;
	static const int often[] = {1, 3, 20, 100};
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;

	if (argc != 4)
		return 2;
	/* xorshift needs a seed other than 0, and small seeds start alike */
	copying.random = strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15 | 1;
	copying.one_in = often[below(&copying, ARRAY_SIZE(often))];
	must(session_reader_open(&reader, argv[1], NULL) == 0);
	must(session_writer_create(&copying.writer, argv[2], SESSION_WRITER_LAST) == 0);
	must(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		if (message.channel->known)
			copy(&copying, &message);
	must(session_writer_finish(copying.writer) == 0);
	session_writer_destroy(copying.writer);
	return 0;
}
