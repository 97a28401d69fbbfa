#include "replay/export/internal.h"

#include <libavutil/opt.h>
#include <libyuv.h>

/* One picture in, one packet out: no lookahead, so that memory does not grow with the length of a film. */
static const struct {
	enum AVCodecID id;
	const char *name;
	const char *settings[9][2];
} encoders[] = {
	{AV_CODEC_ID_H264, "libx264",
		{{"preset", "veryfast"}, {"tune", "zerolatency"}, {"crf", "20"}}},
	{AV_CODEC_ID_VP9, "libvpx-vp9",
		{{"crf", "30"}, {"deadline", "realtime"}, {"cpu-used", "7"}, {"lag-in-frames", "0"},
			{"auto-alt-ref", "0"}, {"row-mt", "1"}, {"tile-columns", "2"},
			{"tune-content", "screen"}}},
	{AV_CODEC_ID_AV1, "libaom-av1",
		{{"usage", "realtime"}, {"crf", "24"}, {"cpu-used", "8"}, {"lag-in-frames", "0"}}},
};

static void set_up(AVCodecContext *codec, const char *const (*settings)[2])
{
	codec->time_base = (AVRational){1, 1000};
	codec->framerate = (AVRational){30, 1};
	codec->gop_size = 150;
	codec->max_b_frames = 0;
	codec->bit_rate = 0;
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->colorspace = AVCOL_SPC_SMPTE170M;
	codec->color_primaries = AVCOL_PRI_SMPTE170M;
	codec->color_trc = AVCOL_TRC_SMPTE170M;
	for (; (*settings)[0]; settings++)
		av_opt_set(codec->priv_data, (*settings)[0], (*settings)[1], 0);
}

static int make_room(struct picture_encoder *encoder)
{
	encoder->yuv = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	if (!encoder->yuv || !encoder->packet)
		return -ENOMEM;
	encoder->yuv->format = encoder->codec->pix_fmt;
	encoder->yuv->width = encoder->codec->width;
	encoder->yuv->height = encoder->codec->height;
	return from_av(av_frame_get_buffer(encoder->yuv, 0));
}

int picture_encoder_open(struct picture_encoder *ret, enum AVCodecID id, int width, int height,
	unsigned flags, struct error *reterr)
{
	size_t i = 0;
	const AVCodec *codec;
	int r;

	while (encoders[i].id != id)
		if (++i == ARRAY_SIZE(encoders))
			return -EINVAL;
	codec = avcodec_find_encoder_by_name(encoders[i].name);
	if (!codec)
		return error_set(
			reterr, -ENOENT, "libavcodec was built without %s", encoders[i].name);
	ret->codec = avcodec_alloc_context3(codec);
	if (!ret->codec)
		return -ENOMEM;
	ret->codec->width = width;
	ret->codec->height = height;
	set_up(ret->codec, encoders[i].settings);
	ret->codec->pix_fmt = flags & PICTURE_444 ? AV_PIX_FMT_YUV444P : AV_PIX_FMT_YUV420P;
	if (flags & PICTURE_GLOBAL_HEADER)
		ret->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	r = avcodec_open2(ret->codec, codec, NULL);
	if (r < 0)
		return error_set(reterr, from_av(r), "%s cannot encode %dx%d: %s", encoders[i].name,
			width, height, av_err2str(r));
	return make_room(ret);
}

int picture_encoder_encode(
	struct picture_encoder *encoder, const struct frame *picture, int64_t pts)
{
	AVFrame *yuv = encoder->yuv;
	int r = from_av(av_frame_make_writable(yuv));

	if (r < 0)
		return r;
	(yuv->format == AV_PIX_FMT_YUV444P ? ARGBToI444 : ARGBToI420)(picture->pixels,
		picture->stride_bytes, yuv->data[0], yuv->linesize[0], yuv->data[1],
		yuv->linesize[1], yuv->data[2], yuv->linesize[2], picture->width, picture->height);
	yuv->pts = pts;
	av_packet_unref(encoder->packet);
	r = avcodec_send_frame(encoder->codec, yuv);
	if (r >= 0)
		r = avcodec_receive_packet(encoder->codec, encoder->packet);
	/* one picture in, one packet out */
	return from_av(r == AVERROR(EAGAIN) ? AVERROR(EIO) : r);
}

void picture_encoder_close(struct picture_encoder *encoder)
{
	avcodec_free_context(&encoder->codec);
	av_frame_free(&encoder->yuv);
	av_packet_free(&encoder->packet);
}
