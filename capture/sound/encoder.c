#include "capture/sound/encoder.h"

#include "capture/sound/audio_backend.h"
#include "protocol/base/av_error.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <string.h>

#define BITS_PER_S 32000

struct sound_encoder {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	int64_t position;
};

static void set_up(AVCodecContext *codec)
{
	codec->sample_rate = AUDIO_RATE_HZ;
	codec->sample_fmt = AV_SAMPLE_FMT_FLT;
	codec->bit_rate = BITS_PER_S;
	av_channel_layout_default(&codec->ch_layout, 1);
	/* a voice at this rate needs no model of one, which would cost four times as much */
	codec->compression_level = 4;
	av_opt_set(codec->priv_data, "application", "audio", 0);
	av_opt_set(codec->priv_data, "frame_duration", "20", 0);
	av_opt_set(codec->priv_data, "vbr", "constrained", 0);
	/* no DTX: packets are continuous, silence is data */
	av_opt_set(codec->priv_data, "dtx", "0", 0);
}

int sound_encoder_create(struct sound_encoder **ret, struct error *reterr)
{
	_destroy_(sound_encoder) struct sound_encoder *encoder = calloc(1, sizeof(*encoder));
	const AVCodec *codec = avcodec_find_encoder_by_name("libopus");
	int r;

	if (!codec)
		return error_set(
			reterr, -ENOENT, "no Opus encoder: libavcodec was built without libopus");
	if (!encoder)
		return error_set(reterr, -ENOMEM, "out of memory");
	av_log_set_level(AV_LOG_ERROR);
	encoder->codec = avcodec_alloc_context3(codec);
	encoder->frame = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	if (!encoder->codec || !encoder->frame || !encoder->packet)
		return error_set(reterr, -ENOMEM, "out of memory");
	set_up(encoder->codec);
	r = avcodec_open2(encoder->codec, codec, NULL);
	if (r < 0)
		return error_set(
			reterr, from_av(r), "cannot open the Opus encoder: %s", av_err2str(r));
	encoder->frame->format = AV_SAMPLE_FMT_FLT;
	encoder->frame->nb_samples = SOUND_FRAME_SAMPLES;
	encoder->frame->sample_rate = AUDIO_RATE_HZ;
	r = av_channel_layout_copy(&encoder->frame->ch_layout, &encoder->codec->ch_layout);
	if (r >= 0)
		r = av_frame_get_buffer(encoder->frame, 0);
	if (r < 0)
		return error_set(reterr, from_av(r), "out of memory");
	*ret = steal_ptr(encoder);
	return 0;
}

void sound_encoder_destroy(struct sound_encoder *encoder)
{
	if (!encoder)
		return;
	avcodec_free_context(&encoder->codec);
	av_frame_free(&encoder->frame);
	av_packet_free(&encoder->packet);
	free(encoder);
}

const char *sound_encoder_describe(const struct sound_encoder *encoder)
{
	(void)encoder;
	return "libopus "
	       "application=audio:frame_duration=20:vbr=constrained:dtx=0:compression_level=4 "
	       "32 kbit/s";
}

int sound_encoder_preskip(const struct sound_encoder *encoder)
{
	return encoder->codec->initial_padding;
}

int sound_encoder_encode(
	struct sound_encoder *encoder, const float *samples, const unsigned char **ret_packet)
{
	int r = av_frame_make_writable(encoder->frame);

	if (r < 0)
		return from_av(r);
	memcpy(encoder->frame->data[0], samples, SOUND_FRAME_SAMPLES * sizeof(*samples));
	encoder->frame->pts = encoder->position;
	encoder->position += SOUND_FRAME_SAMPLES;
	r = avcodec_send_frame(encoder->codec, encoder->frame);
	if (r < 0)
		return from_av(r);
	av_packet_unref(encoder->packet);
	r = avcodec_receive_packet(encoder->codec, encoder->packet);
	if (r < 0)
		return r == AVERROR(EAGAIN) ? -EIO : from_av(r); /* must not buffer packets */
	*ret_packet = encoder->packet->data;
	return encoder->packet->size;
}
