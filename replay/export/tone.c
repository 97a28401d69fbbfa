#include "replay/export/tone.h"

#include "protocol/base/av_error.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <math.h>
#include <string.h>

#define RATE_HZ   48000
#define TONE_HZ   1000
#define AMPLITUDE 3277 /* -20 dB */

/*
 * The encoder is in steady state a few packets after the initial silence. The last packet then repeats: 20 ms are
 * whole periods.
 */
#define PACKETS            12
#define PACKET_LIMIT_BYTES 1275 /* RFC 6716, section 3.4 */

struct tone {
	struct {
		unsigned char data[PACKET_LIMIT_BYTES];
		size_t size_bytes;
	} packets[PACKETS];
};

/* Encoder state. */
struct encoder {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
};

void tone_fill(int16_t *samples, size_t count, int64_t position)
{
	const int64_t period = RATE_HZ / TONE_HZ;

	for (size_t i = 0; i < count; i++) {
		int64_t at = (position + (int64_t)i) % period;

		samples[i] =
			(int16_t)lround(AMPLITUDE * sin(2 * M_PI * (double)at / (double)period));
	}
}

static void encoder_finish(struct encoder *encoder)
{
	avcodec_free_context(&encoder->codec);
	av_frame_free(&encoder->frame);
	av_packet_free(&encoder->packet);
}

static int open_encoder(struct encoder *encoder)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libopus");
	int r;

	if (!codec)
		return -ENOENT;
	encoder->codec = avcodec_alloc_context3(codec);
	encoder->frame = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	if (!encoder->codec || !encoder->frame || !encoder->packet)
		return -ENOMEM;
	encoder->codec->sample_rate = RATE_HZ;
	encoder->codec->sample_fmt = AV_SAMPLE_FMT_S16;
	encoder->codec->bit_rate = 32000;
	av_channel_layout_default(&encoder->codec->ch_layout, 1);
	/* CELT only: independent of any preceding voice. */
	av_opt_set(encoder->codec->priv_data, "application", "lowdelay", 0);
	av_opt_set(encoder->codec->priv_data, "frame_duration", "20", 0);
	r = avcodec_open2(encoder->codec, codec, NULL);
	if (r < 0)
		return from_av(r);
	encoder->frame->format = AV_SAMPLE_FMT_S16;
	encoder->frame->nb_samples = TONE_PACKET_SAMPLES;
	encoder->frame->sample_rate = RATE_HZ;
	r = av_channel_layout_copy(&encoder->frame->ch_layout, &encoder->codec->ch_layout);
	return r < 0 ? from_av(r) : from_av(av_frame_get_buffer(encoder->frame, 0));
}

static int encode(struct encoder *encoder, struct tone *tone, size_t number)
{
	int r = av_frame_make_writable(encoder->frame);

	if (r < 0)
		return from_av(r);
	encoder->frame->pts = (int64_t)number * TONE_PACKET_SAMPLES;
	tone_fill((int16_t *)(void *)encoder->frame->data[0], TONE_PACKET_SAMPLES,
		encoder->frame->pts);
	r = avcodec_send_frame(encoder->codec, encoder->frame);
	if (r >= 0)
		r = avcodec_receive_packet(encoder->codec, encoder->packet);
	if (r < 0 || encoder->packet->size > PACKET_LIMIT_BYTES)
		return r < 0 ? from_av(r) : -EIO;
	tone->packets[number].size_bytes = (size_t)encoder->packet->size;
	memcpy(tone->packets[number].data, encoder->packet->data, (size_t)encoder->packet->size);
	av_packet_unref(encoder->packet);
	return 0;
}

int tone_create(struct tone **ret, struct error *reterr)
{
	_destroy_(tone) struct tone *tone = calloc(1, sizeof(*tone));
	_cleanup_(encoder_finish) struct encoder encoder = {0};
	int r = tone ? open_encoder(&encoder) : -ENOMEM;

	for (size_t i = 0; i < PACKETS && r == 0; i++)
		r = encode(&encoder, tone, i);
	if (r < 0)
		return error_set(reterr, r, "the tone of the bleeps cannot be made: %s",
			r == -ENOENT ? "libavcodec was built without libopus" : strerror(-r));
	*ret = steal_ptr(tone);
	return 0;
}

void tone_destroy(struct tone *tone)
{
	free(tone);
}

struct view tone_packet(const struct tone *tone, size_t number)
{
	size_t i = number < PACKETS ? number : PACKETS - 1;

	return (struct view){tone->packets[i].data, tone->packets[i].size_bytes, 0};
}
