#include "capture/encoder.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>

/*
 * Measured on desktops (see `make bench`): a wide motion search finds scrolled text, and all that
 * moves bits from text to texture is off. No scene cuts and no regular keyframes: the screen source
 * says when.
 */
#define X264_PRESET "superfast"
#define X264_CRF    "24"
#define X264_PARAMS                                                                                \
	"me=umh:merange=64:aq-mode=0:weightp=0:scenecut=0:qcomp=1:keyint=infinite:bframes=0"

struct encoder {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	int64_t last_us;
	char description[160];
};

static int from_av(int r)
{
	/* AVERROR(e) is -e; FFmpeg's own codes are large negative tags */
	return r > -4096 ? r : -EIO;
}

static void leave_picture(void *opaque, uint8_t *data)
{
	(void)opaque;
	(void)data; /* the picture stays its owner's */
}

/* Let a frame show a picture without copying it. */
static int show_picture(AVFrame *frame, const struct picture *picture, int format)
{
	frame->buf[0] = av_buffer_create(picture->memory,
		(size_t)picture->stride_y * (size_t)picture->height * 3 / 2, leave_picture, NULL,
		AV_BUFFER_FLAG_READONLY);
	if (!frame->buf[0])
		return -ENOMEM;
	frame->format = format;
	frame->width = picture->width;
	frame->height = picture->height;
	frame->data[0] = picture->y;
	frame->data[1] = picture->u;
	frame->data[2] = picture->v;
	frame->linesize[0] = picture->stride_y;
	frame->linesize[1] = frame->linesize[2] = picture->stride_uv;
	return 0;
}

static void set_up(AVCodecContext *codec, int width, int height, int max_fps)
{
	codec->width = width;
	codec->height = height;
	codec->pix_fmt = AV_PIX_FMT_YUV420P;
	codec->time_base = (AVRational){1, 1000000};
	codec->framerate = (AVRational){max_fps, 1};
	codec->gop_size = INT32_MAX;
	codec->max_b_frames = 0;
	codec->thread_count = 1;
	/* what libyuv made; untagged it would be taken for BT.709 */
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->colorspace = AVCOL_SPC_SMPTE170M;
	codec->color_primaries = AVCOL_PRI_SMPTE170M;
	codec->color_trc = AVCOL_TRC_SMPTE170M;
	av_opt_set(codec->priv_data, "preset", X264_PRESET, 0);
	av_opt_set(codec->priv_data, "tune", "zerolatency", 0);
	av_opt_set(codec->priv_data, "crf", X264_CRF, 0);
	av_opt_set(codec->priv_data, "forced-idr", "1", 0);
	av_opt_set(codec->priv_data, "x264-params", X264_PARAMS, 0);
}

int encoder_create(struct encoder **ret, int width, int height, int max_fps, struct error *reterr)
{
	_destroy_(encoder) struct encoder *encoder = calloc(1, sizeof(*encoder));
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	int r;

	if (!codec)
		return error_set(
			reterr, -ENOENT, "no H.264 encoder: libavcodec was built without libx264");
	if (!encoder)
		return -ENOMEM;
	av_log_set_level(AV_LOG_ERROR);
	encoder->last_us = INT64_MIN;
	encoder->codec = avcodec_alloc_context3(codec);
	encoder->frame = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	if (!encoder->codec || !encoder->frame || !encoder->packet)
		return -ENOMEM;
	set_up(encoder->codec, width, height, max_fps);
	r = avcodec_open2(encoder->codec, codec, NULL);
	if (r < 0)
		return error_set(reterr, from_av(r), "the H.264 encoder refuses %dx%d: %s", width,
			height, av_err2str(r));
	snprintf(encoder->description, sizeof(encoder->description),
		"libx264 preset=" X264_PRESET ":crf=" X264_CRF ":tune=zerolatency:" X264_PARAMS);
	*ret = steal_ptr(encoder);
	return 0;
}

void encoder_destroy(struct encoder *encoder)
{
	if (!encoder)
		return;
	avcodec_free_context(&encoder->codec);
	av_frame_free(&encoder->frame);
	av_packet_free(&encoder->packet);
	free(encoder);
}

const char *encoder_describe(const struct encoder *encoder)
{
	return encoder->description;
}

int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t time_ns,
	bool keyframe, struct encoded *ret)
{
	AVFrame *frame = encoder->frame;
	int64_t us = time_ns / NS_PER_US;
	int r;

	if (us <= encoder->last_us)
		us = encoder->last_us + 1;
	encoder->last_us = us;
	r = show_picture(frame, picture, AV_PIX_FMT_YUV420P);
	if (r < 0)
		return r;
	frame->pts = us;
	frame->pict_type = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	r = avcodec_send_frame(encoder->codec, frame);
	av_frame_unref(frame);
	if (r < 0)
		return from_av(r);
	av_packet_unref(encoder->packet);
	r = avcodec_receive_packet(encoder->codec, encoder->packet);
	if (r < 0)
		return r == AVERROR(EAGAIN) ? -EIO : from_av(r); /* it must not hold any back */
	*ret = (struct encoded){
		.data = encoder->packet->data,
		.size_bytes = (size_t)encoder->packet->size,
		.keyframe = encoder->packet->flags & AV_PKT_FLAG_KEY,
	};
	return 0;
}

static int jpeg_encode(
	AVCodecContext *codec, AVFrame *frame, AVPacket *packet, const struct picture *picture)
{
	int r;

	codec->width = picture->width;
	codec->height = picture->height;
	codec->pix_fmt = AV_PIX_FMT_YUV420P;
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL; /* for limited range */
	codec->time_base = (AVRational){1, 1};
	codec->flags |= AV_CODEC_FLAG_QSCALE;
	codec->global_quality = 3 * FF_QP2LAMBDA;
	r = avcodec_open2(codec, NULL, NULL);
	if (r < 0)
		return from_av(r);
	r = show_picture(frame, picture, AV_PIX_FMT_YUV420P);
	if (r < 0)
		return r;
	frame->quality = codec->global_quality;
	frame->pts = 0;
	r = avcodec_send_frame(codec, frame);
	if (r >= 0)
		r = avcodec_receive_packet(codec, packet);
	return r < 0 ? from_av(r) : 0;
}

int64_t encode_jpeg(const struct picture *picture, uint8_t **ret_data)
{
	const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	AVCodecContext *context = codec ? avcodec_alloc_context3(codec) : NULL;
	AVFrame *frame = av_frame_alloc();
	AVPacket *packet = av_packet_alloc();
	int64_t r = -ENOMEM;

	if (context && frame && packet)
		r = jpeg_encode(context, frame, packet, picture);
	if (r == 0) {
		*ret_data = malloc((size_t)packet->size);
		r = *ret_data ? packet->size : -ENOMEM;
		if (r > 0)
			memcpy(*ret_data, packet->data, (size_t)packet->size);
	}
	avcodec_free_context(&context);
	av_frame_free(&frame);
	av_packet_free(&packet);
	return r;
}
