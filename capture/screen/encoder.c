#include "capture/screen/encoder.h"

#include "protocol/base/av_error.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Measured on desktops (see `make bench`): a wide motion search finds scrolled text, and everything
 * that moves bits from text to texture is off. With that, a rate factor would choose the same
 * quantizer for every picture, after a lookahead over the whole picture, a seventh of its cost
 * (`make bench-damage`). No scene cuts and no regular keyframes: the screen source requests them.
 */
#define X264_PRESET "superfast"
#define X264_QP     "24"
#define X264_PARAMS                                                                                \
	"me=umh:merange=64:aq-mode=0:weightp=0:scenecut=0:qcomp=1:keyint=infinite:bframes=0"

/* constant quality, as close as VA-API gets */
#define VAAPI_QP 22

/*
 * Quality as close to the screen as libx264's. A keyframe of text costs half a second at 1920x1080,
 * nearly a whole one with the tools for photographs, which are off here.
 *
 * SVT-AV1 1.4 is no option: it holds back two pictures and ignores keyframe requests.
 */
#define AOM_CRF "36"
#define AOM_PARAMS                                                                                 \
	"cpu-used=9:tune-content=screen:enable-rect-partitions=0:enable-filter-intra=0:"           \
	"enable-smooth-intra=0:enable-paeth-intra=0:enable-cfl-intra=0:enable-angle-delta=0:"      \
	"enable-tx64=0:reduced-tx-type-set=1"

#define DEVICES "/dev/dri/renderD"

/* An encoder of libavcodec. */
struct kind {
	const char *name;
	const char *format;   /* in CompressedVideo */
	const char *settings; /* user-facing */
	bool hardware;        /* VA-API, CHROMA_420 only */
	bool by_name;         /* never taken by "auto" */
	void (*set_up)(AVCodecContext *codec);
};

struct encoder {
	const struct kind *kind;
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	AVBufferRef *device;
	AVFrame *surface, *interleaved; /* hardware only */
	int64_t last_us;
	char description[320];
	char skip_reason[320];
};

static const enum AVPixelFormat planar[CHROMA_COUNT] = {
	[CHROMA_420] = AV_PIX_FMT_YUV420P,
	[CHROMA_444] = AV_PIX_FMT_YUV444P,
};

static void leave_picture(void *opaque, uint8_t *data)
{
	(void)opaque;
	(void)data; /* memory stays owned by the picture */
}

/* Wrap a picture in a frame without copying. */
static int wrap_picture(AVFrame *frame, const struct picture *picture)
{
	frame->buf[0] = av_buffer_create(
		picture->memory, picture->size_bytes, leave_picture, NULL, AV_BUFFER_FLAG_READONLY);
	if (!frame->buf[0])
		return -ENOMEM;
	frame->format = planar[picture->chroma];
	frame->width = picture->width;
	frame->height = picture->height;
	frame->data[0] = picture->y;
	frame->data[1] = picture->u;
	frame->data[2] = picture->v;
	frame->linesize[0] = picture->stride_y;
	frame->linesize[1] = frame->linesize[2] = picture->stride_uv;
	return 0;
}

static void set_up_x264(AVCodecContext *codec)
{
	codec->thread_count = 1;
	av_opt_set(codec->priv_data, "preset", X264_PRESET, 0);
	av_opt_set(codec->priv_data, "tune", "zerolatency", 0);
	av_opt_set(codec->priv_data, "qp", X264_QP, 0);
	av_opt_set(codec->priv_data, "forced-idr", "1", 0);
	av_opt_set(codec->priv_data, "x264-params", X264_PARAMS, 0);
}

static void set_up_vaapi(AVCodecContext *codec)
{
	codec->global_quality = VAAPI_QP;
	av_opt_set(codec->priv_data, "rc_mode", "CQP", 0);
	/* one in, one out */
	av_opt_set(codec->priv_data, "async_depth", "1", 0);
	av_opt_set(codec->priv_data, "sei", "0", 0);
}

static void set_up_aom(AVCodecContext *codec)
{
	codec->thread_count = 1;
	av_opt_set(codec->priv_data, "usage", "realtime", 0);
	av_opt_set(codec->priv_data, "lag-in-frames", "0", 0);
	av_opt_set(codec->priv_data, "row-mt", "0", 0);
	av_opt_set(codec->priv_data, "crf", AOM_CRF, 0);
	av_opt_set(codec->priv_data, "enable-palette", "1", 0);
	av_opt_set(codec->priv_data, "enable-intrabc", "0", 0);
	av_opt_set(codec->priv_data, "aom-params", AOM_PARAMS, 0);
}

static const struct kind kinds[] = {
	{"h264_vaapi", "h264", "rc_mode=CQP:qp=22:bframes=0", .hardware = true,
		.set_up = set_up_vaapi},
	{"libx264", "h264", "preset=" X264_PRESET ":qp=" X264_QP ":tune=zerolatency:" X264_PARAMS,
		.set_up = set_up_x264},
	{"libaom-av1", "av1", "usage=realtime:lag-in-frames=0:crf=" AOM_CRF ":" AOM_PARAMS,
		.by_name = true, .set_up = set_up_aom},
};

const char *const encoder_names[] = {"auto", "h264_vaapi", "libx264", "libaom-av1", NULL};

bool encoder_supports(const char *name, enum chroma chroma)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return chroma == CHROMA_420 || !kinds[i].hardware;
	return true;
}

static void set_up(AVCodecContext *codec, const struct kind *kind, int width, int height,
	const struct encoder_options *options)
{
	codec->width = width;
	codec->height = height;
	codec->pix_fmt = kind->hardware ? AV_PIX_FMT_VAAPI : planar[options->chroma];
	codec->time_base = (AVRational){1, 1000000};
	codec->framerate = (AVRational){options->max_fps, 1};
	codec->gop_size = INT32_MAX;
	codec->max_b_frames = 0;
	/* libyuv's colour space; untagged video is taken for BT.709 */
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->colorspace = AVCOL_SPC_SMPTE170M;
	codec->color_primaries = AVCOL_PRI_SMPTE170M;
	codec->color_trc = AVCOL_TRC_SMPTE170M;
	kind->set_up(codec);
}

/* ---- hardware ---- */

/* Open the first VA-API device. */
static int open_device(struct encoder *encoder, struct error *reterr)
{
	char path[64];
	int r = -ENODEV;

	for (int i = 128; i < 136 && r < 0; i++) {
		snprintf(path, sizeof(path), DEVICES "%d", i);
		if (access(path, R_OK | W_OK) == 0)
			r = av_hwdevice_ctx_create(
				&encoder->device, AV_HWDEVICE_TYPE_VAAPI, path, NULL, 0);
	}
	if (r == -ENODEV)
		return error_set(reterr, r, "no device " DEVICES "* that this user may open");
	return r < 0 ? error_set(reterr, from_av(r), "%s has no working VA-API driver", path) : 0;
}

/* Surfaces for the hardware: luma, and both chroma planes interleaved. */
static int open_surfaces(struct encoder *encoder, int width, int height, struct error *reterr)
{
	AVBufferRef *surfaces = av_hwframe_ctx_alloc(encoder->device);
	AVHWFramesContext *context;
	int r = -ENOMEM;

	if (surfaces) {
		context = (AVHWFramesContext *)(void *)surfaces->data;
		context->format = AV_PIX_FMT_VAAPI;
		context->sw_format = AV_PIX_FMT_NV12;
		context->width = width;
		context->height = height;
		context->initial_pool_size = 4;
		r = av_hwframe_ctx_init(surfaces);
		if (r == 0)
			encoder->codec->hw_frames_ctx = av_buffer_ref(surfaces);
		av_buffer_unref(&surfaces);
	}
	encoder->surface = av_frame_alloc();
	encoder->interleaved = av_frame_alloc();
	if (r == 0 && (!encoder->surface || !encoder->interleaved))
		r = -ENOMEM;
	if (r == 0) {
		encoder->interleaved->format = AV_PIX_FMT_NV12;
		encoder->interleaved->width = width;
		encoder->interleaved->height = height;
		r = av_frame_get_buffer(encoder->interleaved, 0);
	}
	return r < 0
		? error_set(reterr, from_av(r),
			  "the hardware cannot allocate surfaces of %d × %d pixels", width, height)
		: 0;
}

/* @return the frame to send to the encoder, or NULL */
static AVFrame *upload(struct encoder *encoder, const struct picture *picture)
{
	AVFrame *frame = encoder->interleaved;

	av_frame_unref(encoder->surface);
	picture_interleave(
		picture, frame->data[0], frame->linesize[0], frame->data[1], frame->linesize[1]);
	if (av_hwframe_get_buffer(encoder->codec->hw_frames_ctx, encoder->surface, 0) < 0 ||
		av_hwframe_transfer_data(encoder->surface, frame, 0) < 0)
		return NULL;
	return encoder->surface;
}

/* ---- one encoder ---- */

static int open_kind(struct encoder *encoder, int width, int height,
	const struct encoder_options *options, struct error *reterr)
{
	const struct kind *kind = encoder->kind;
	const AVCodec *codec = avcodec_find_encoder_by_name(kind->name);
	int r = 0;

	if (!codec)
		return error_set(reterr, -ENOENT, "the installed libavcodec does not have it");
	if (!encoder_supports(kind->name, options->chroma))
		return error_set(
			reterr, -EOPNOTSUPP, "it does not support 4:4:4: use libx264, or 4:2:0");
	encoder->last_us = INT64_MIN;
	encoder->codec = avcodec_alloc_context3(codec);
	encoder->frame = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	if (!encoder->codec || !encoder->frame || !encoder->packet)
		return error_set(reterr, -ENOMEM, "out of memory");
	set_up(encoder->codec, kind, width, height, options);
	if (kind->hardware)
		r = open_device(encoder, reterr);
	if (r == 0 && kind->hardware)
		r = open_surfaces(encoder, width, height, reterr);
	if (r < 0)
		return r;
	r = avcodec_open2(encoder->codec, codec, NULL);
	if (r < 0)
		return error_set(
			reterr, from_av(r), "it cannot encode %d × %d pixels", width, height);
	snprintf(encoder->description, sizeof(encoder->description), "%s chroma=%s:%s", kind->name,
		chroma_names[options->chroma], kind->settings);
	return 0;
}

static bool has_parameters(const struct encoded *encoded)
{
	for (size_t i = 0; i + 3 < encoded->size_bytes; i++)
		if (encoded->data[i] == 0 && encoded->data[i + 1] == 0 &&
			encoded->data[i + 2] == 1 && (encoded->data[i + 3] & 31) == 7)
			return true;
	return false;
}

/* Check the hardware's output before a session relies on it. */
static int try_out(struct encoder *encoder, int width, int height, struct error *reterr)
{
	_destroy_(picture) struct picture *picture = NULL;
	struct encoded encoded;
	int r = picture_create(&picture, width, height, CHROMA_420);

	for (int i = 0; i < 3 && r == 0; i++) {
		bool keyframe = i != 1;

		r = encoder_encode(encoder, picture, i * NS_PER_MS, keyframe, &encoded);
		if (r == 0 &&
			(encoded.keyframe != keyframe || (keyframe && !has_parameters(&encoded))))
			r = -EPROTO;
	}
	encoder->last_us = INT64_MIN;
	return r < 0 ? error_set(reterr, r, "its output is not as requested") : 0;
}

static int create_kind(struct encoder **ret, const struct kind *kind, int width, int height,
	const struct encoder_options *options, struct error *reterr)
{
	_destroy_(encoder) struct encoder *encoder = calloc(1, sizeof(*encoder));
	int r;

	if (!encoder)
		return error_set(reterr, -ENOMEM, "out of memory");
	encoder->kind = kind;
	r = open_kind(encoder, width, height, options, reterr);
	if (r == 0 && kind->hardware)
		r = try_out(encoder, width, height, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(encoder);
	return 0;
}

int encoder_create(struct encoder **ret, int width, int height,
	const struct encoder_options *options, struct error *reterr)
{
	bool any = strcmp(options->name, "auto") == 0;
	char skip_reason[sizeof((*ret)->skip_reason)] = "";
	struct error error = {""};
	int r = -ENOENT;

	av_log_set_level(AV_LOG_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r < 0; i++) {
		if (any ? kinds[i].by_name : strcmp(options->name, kinds[i].name) != 0)
			continue;
		r = create_kind(ret, &kinds[i], width, height, options, &error);
		if (r < 0 && any)
			snprintf(skip_reason, sizeof(skip_reason), "%s is not used: %s",
				kinds[i].name, error.text);
	}
	if (r < 0)
		return error_set(reterr, r, "the encoder %s is not available: %s",
			any ? ENCODER_FALLBACK : options->name,
			error.text[0] ? error.text : "unknown encoder");
	memcpy((*ret)->skip_reason, skip_reason, sizeof(skip_reason));
	return 0;
}

void encoder_destroy(struct encoder *encoder)
{
	if (!encoder)
		return;
	avcodec_free_context(&encoder->codec);
	av_frame_free(&encoder->frame);
	av_frame_free(&encoder->surface);
	av_frame_free(&encoder->interleaved);
	av_packet_free(&encoder->packet);
	av_buffer_unref(&encoder->device);
	free(encoder);
}

const char *encoder_skip_reason(const struct encoder *encoder)
{
	return encoder->skip_reason;
}

const char *encoder_name(const struct encoder *encoder)
{
	return encoder->kind->name;
}

bool encoder_is_hardware(const struct encoder *encoder)
{
	return encoder->kind->hardware;
}

const char *encoder_describe(const struct encoder *encoder)
{
	return encoder->description;
}

const char *encoder_format(const struct encoder *encoder)
{
	return encoder->kind->format;
}

/* @return a frame with the picture, or NULL */
static AVFrame *prepare(struct encoder *encoder, const struct picture *picture)
{
	if (encoder->kind->hardware)
		return upload(encoder, picture);
	return wrap_picture(encoder->frame, picture) == 0 ? encoder->frame : NULL;
}

int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t time_ns,
	bool keyframe, struct encoded *ret)
{
	AVFrame *frame = prepare(encoder, picture);
	int64_t us = time_ns / NS_PER_US;
	int r;

	if (!frame)
		return -EIO;
	if (us <= encoder->last_us)
		us = encoder->last_us + 1;
	encoder->last_us = us;
	frame->pts = us;
	frame->pict_type = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	r = avcodec_send_frame(encoder->codec, frame);
	av_frame_unref(frame);
	if (r < 0)
		return from_av(r);
	av_packet_unref(encoder->packet);
	r = avcodec_receive_packet(encoder->codec, encoder->packet);
	if (r < 0)
		return r == AVERROR(EAGAIN) ? -EIO : from_av(r); /* it must not buffer pictures */
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
	codec->pix_fmt = planar[picture->chroma];
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL; /* for limited range */
	codec->time_base = (AVRational){1, 1};
	codec->flags |= AV_CODEC_FLAG_QSCALE;
	codec->global_quality = 3 * FF_QP2LAMBDA;
	r = avcodec_open2(codec, NULL, NULL);
	if (r < 0)
		return from_av(r);
	r = wrap_picture(frame, picture);
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
