#include "replay/decode/sound_decode.h"

#include "replay/base/jail.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <string.h>

/* A packet takes well below a millisecond. */
#define CPU_S        10
#define WALL_S       60
#define MEMORY_BYTES (UINT64_C(64) << 20)

#define RATE_HZ 48000
/* More than the longest packet: 48 frames of 1,275 bytes with their lengths (RFC 6716, section 3.2.5). */
#define PACKET_BYTES 65536

/* shared memory */
struct shared {
	int16_t samples[SOUND_DECODER_SAMPLES];
	uint8_t packet[PACKET_BYTES];
};

struct sound_decoder {
	/* used only in the jail */
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;

	struct jail *jail;
	struct shared *shared;
};

struct request {
	uint32_t size_bytes; /* of the packet */
};

struct answer {
	int32_t count; /* of samples */
};

/* ---- jailed process ---- */

static int decode(struct sound_decoder *decoder, uint32_t size_bytes)
{
	int count = 0;

	if (size_bytes > PACKET_BYTES || av_new_packet(decoder->packet, (int)size_bytes) < 0)
		return 0;
	memcpy(decoder->packet->data, decoder->shared->packet, size_bytes);
	if (avcodec_send_packet(decoder->codec, decoder->packet) >= 0 &&
		avcodec_receive_frame(decoder->codec, decoder->frame) >= 0) {
		if (decoder->frame->format == AV_SAMPLE_FMT_S16 &&
			decoder->frame->ch_layout.nb_channels == 1 &&
			decoder->frame->nb_samples <= SOUND_DECODER_SAMPLES)
			count = decoder->frame->nb_samples;
		memcpy(decoder->shared->samples, decoder->frame->data[0],
			(size_t)count * sizeof(int16_t));
		av_frame_unref(decoder->frame);
	}
	av_packet_unref(decoder->packet);
	return count;
}

static void serve(void *user, const void *request, void *answer)
{
	((struct answer *)answer)->count =
		decode(user, ((const struct request *)request)->size_bytes);
}

/* ---- requests ---- */

int sound_decoder_decode(struct sound_decoder *decoder, const void *packet, size_t size_bytes,
	const int16_t **ret, struct error *reterr)
{
	struct request request = {(uint32_t)size_bytes};
	struct answer answer;
	int r;

	*ret = decoder->shared->samples;
	if (size_bytes == 0 || size_bytes > PACKET_BYTES)
		return 0;
	memcpy(decoder->shared->packet, packet, size_bytes);
	r = jail_call(decoder->jail, &request, &answer, reterr);
	if (r < 0)
		return r;
	/* a compromised decoder may send any answer */
	if (answer.count < 0 || answer.count > SOUND_DECODER_SAMPLES)
		return error_set(reterr, -EBADMSG, "invalid answer of the sound's decoder");
	return answer.count;
}

/* ---- create and destroy ---- */

static int open_codec(struct sound_decoder *decoder, struct error *reterr)
{
	const AVCodec *codec = avcodec_find_decoder_by_name("libopus");

	if (!codec)
		return error_set(reterr, -ENOENT, "libavcodec was built without libopus");
	av_log_set_level(AV_LOG_QUIET); /* a damaged stream would log a line per packet */
	decoder->codec = avcodec_alloc_context3(codec);
	decoder->packet = av_packet_alloc();
	decoder->frame = av_frame_alloc();
	decoder->shared = jail_map(sizeof(*decoder->shared));
	if (!decoder->codec || !decoder->packet || !decoder->frame || !decoder->shared)
		return error_set(reterr, -ENOMEM, "out of memory");
	decoder->codec->sample_rate = RATE_HZ;
	decoder->codec->request_sample_fmt = AV_SAMPLE_FMT_S16;
	av_channel_layout_default(&decoder->codec->ch_layout, 1);
	if (avcodec_open2(decoder->codec, codec, NULL) < 0)
		return error_set(reterr, -EIO, "libavcodec's Opus decoder cannot be opened");
	return 0;
}

static int start_jail(struct sound_decoder *decoder, struct error *reterr)
{
	const struct jail_options options = {
		.name = "the sound's decoder",
		.serve = serve,
		.user = decoder,
		.request_bytes = sizeof(struct request),
		.answer_bytes = sizeof(struct answer),
		.memory_bytes = MEMORY_BYTES,
		.cpu_s = CPU_S,
		.wall_s = WALL_S,
	};

	return jail_create(&decoder->jail, &options, reterr);
}

int sound_decoder_create(struct sound_decoder **ret, struct error *reterr)
{
	_destroy_(sound_decoder) struct sound_decoder *decoder = calloc(1, sizeof(*decoder));
	int r;

	if (!decoder)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = open_codec(decoder, reterr);
	if (r == 0)
		r = start_jail(decoder, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(decoder);
	return 0;
}

void sound_decoder_destroy(struct sound_decoder *decoder)
{
	if (!decoder)
		return;
	jail_destroy(decoder->jail);
	avcodec_free_context(&decoder->codec);
	av_packet_free(&decoder->packet);
	av_frame_free(&decoder->frame);
	jail_unmap(decoder->shared, sizeof(*decoder->shared));
	free(decoder);
}
