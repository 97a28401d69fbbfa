#include "replay/export_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"

#include <errno.h>
#include <libavutil/opt.h>
#include <libyuv.h>

/* A picture is coded when something has changed, at most 30 times a second. It shows what has become of
 * the change a moment later: what lies over the video comes right behind it. */
#define PICTURE_NS (NS_PER_S / 30)
#define SETTLE_NS  (4 * NS_PER_MS)

/* H.264 and VP9 go on above it, players do not. */
#define FILM_SIDE_LIMIT   8192
#define PROGRESS_PICTURES 64

struct drawer {
	struct frames *frames;
	struct drawing *drawing;
	AVCodecContext *encoder;
	AVFrame *yuv;
	AVPacket *packet;
	int width, height;
	int64_t next_ns;  /* of the picture that is to come; INT64_MAX: none any more */
	int64_t drawn_ns; /* what the picture before shows */
	uint64_t count;
};

void export_close_drawer(struct export *export)
{
	struct drawer *drawer = export->drawer;

	if (!drawer)
		return;
	avcodec_free_context(&drawer->encoder);
	av_frame_free(&drawer->yuv);
	av_packet_free(&drawer->packet);
	drawing_destroy(drawer->drawing);
	frames_destroy(drawer->frames);
	free(drawer);
	export->drawer = NULL;
}

/* ---- how large ---- */

static void take_size(struct drawer *drawer, const struct reader_message *message)
{
	Uxrec__Screen *screen =
		uxrec__screen__unpack(NULL, message->data.size_bytes, message->data.data);

	if (screen && screen->width_px <= FILM_SIDE_LIMIT && screen->height_px <= FILM_SIDE_LIMIT) {
		if ((int)screen->width_px > drawer->width)
			drawer->width = (int)screen->width_px;
		if ((int)screen->height_px > drawer->height)
			drawer->height = (int)screen->height_px;
	}
	uxrec__screen__free_unpacked(screen, NULL);
}

/* All pictures have one size, which has room for every size that the screen has there. */
static int find_size(struct export *export, struct drawer *drawer, const struct frame *first)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, export->session->reader, export->begin_ns,
		export->end_ns, UINT64_C(1) << CHANNEL_SCREEN_INFO);

	drawer->width = first->width;
	drawer->height = first->height;
	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0)
		take_size(drawer, &message);
	drawer->width = (drawer->width + 1) & ~1;
	drawer->height = (drawer->height + 1) & ~1;
	return r;
}

/* ---- the encoder ---- */

/* The screen of a moment costs one picture: nothing is looked ahead at, so that what is drawn needs no
 * memory however long it is. */
static void set_up(AVCodecContext *codec, bool vp9)
{
	codec->pix_fmt = AV_PIX_FMT_YUV420P;
	codec->time_base = (AVRational){1, 1000};
	codec->framerate = (AVRational){30, 1};
	codec->gop_size = 150;
	codec->max_b_frames = 0;
	codec->color_range = AVCOL_RANGE_MPEG;
	codec->colorspace = AVCOL_SPC_SMPTE170M;
	codec->color_primaries = AVCOL_PRI_SMPTE170M;
	codec->color_trc = AVCOL_TRC_SMPTE170M;
	if (vp9) {
		codec->bit_rate = 0;
		av_opt_set(codec->priv_data, "crf", "30", 0);
		av_opt_set(codec->priv_data, "deadline", "realtime", 0);
		av_opt_set(codec->priv_data, "cpu-used", "7", 0);
		av_opt_set(codec->priv_data, "lag-in-frames", "0", 0);
		av_opt_set(codec->priv_data, "auto-alt-ref", "0", 0);
		av_opt_set(codec->priv_data, "row-mt", "1", 0);
		av_opt_set(codec->priv_data, "tile-columns", "2", 0);
		av_opt_set(codec->priv_data, "tune-content", "screen", 0);
	} else {
		av_opt_set(codec->priv_data, "preset", "veryfast", 0);
		av_opt_set(codec->priv_data, "tune", "zerolatency", 0);
		av_opt_set(codec->priv_data, "crf", "20", 0);
	}
}

static int open_encoder(struct export *export, struct drawer *drawer)
{
	bool vp9 = export->options->format == EXPORT_WEBM;
	const char *name = vp9 ? "libvpx-vp9" : "libx264";
	const AVCodec *codec = avcodec_find_encoder_by_name(name);
	int r;

	if (!codec)
		return error_set(export->error, -ENOENT, "libavcodec was built without %s", name);
	drawer->encoder = avcodec_alloc_context3(codec);
	if (!drawer->encoder)
		return -ENOMEM;
	drawer->encoder->width = drawer->width;
	drawer->encoder->height = drawer->height;
	set_up(drawer->encoder, vp9);
	if (export->out->oformat->flags & AVFMT_GLOBALHEADER)
		drawer->encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	r = avcodec_open2(drawer->encoder, codec, NULL);
	return r < 0 ? error_set(export->error, from_av(r), "%s refuses %dx%d: %s", name,
			       drawer->width, drawer->height, av_err2str(r))
		     : 0;
}

static int make_room(struct drawer *drawer)
{
	drawer->yuv = av_frame_alloc();
	drawer->packet = av_packet_alloc();
	if (!drawer->yuv || !drawer->packet)
		return -ENOMEM;
	drawer->yuv->format = AV_PIX_FMT_YUV420P;
	drawer->yuv->width = drawer->width;
	drawer->yuv->height = drawer->height;
	return from_av(av_frame_get_buffer(drawer->yuv, 0));
}

static int add_stream(struct export *export, struct drawer *drawer)
{
	int r;

	export->video = avformat_new_stream(export->out, NULL);
	if (!export->video)
		return -ENOMEM;
	r = avcodec_parameters_from_context(export->video->codecpar, drawer->encoder);
	export->video->time_base = (AVRational){1, 1000};
	av_dict_set(&export->video->metadata, "title", "screen", 0);
	return from_av(r);
}

/* @return 1 with the first picture and its time, 0 without any, or a negative errno */
static int find_first(struct export *export, struct drawer *drawer, struct frame *ret)
{
	int r = frames_seek(drawer->frames, export->begin_ns + SETTLE_NS, ret);

	drawer->next_ns = export->begin_ns;
	if (r != 0)
		return r;
	r = frames_next(drawer->frames, ret);
	drawer->next_ns = r > 0 ? ret->time_ns : INT64_MAX;
	return r > 0 && ret->time_ns < export->end_ns ? 1 : r < 0 ? r : 0;
}

int export_open_drawer(struct export *export)
{
	struct drawer *drawer = export->drawer = calloc(1, sizeof(*drawer));
	struct frame first;
	int r;

	if (!drawer)
		return -ENOMEM;
	r = frames_create(&drawer->frames, export->session->reader, export->error);
	av_log_set_level(AV_LOG_ERROR);
	if (r == 0)
		frames_end(drawer->frames, export->options->to_ns);
	if (r == 0)
		r = find_first(export, drawer, &first);
	if (r <= 0) {
		export_close_drawer(export);
		return r;
	}
	r = drawing_create(&drawer->drawing, export->session, export->options->draw, export->error);
	if (r == 0)
		r = find_size(export, drawer, &first);
	if (r >= 0)
		r = open_encoder(export, drawer);
	if (r >= 0)
		r = make_room(drawer);
	return r < 0 ? r : add_stream(export, drawer);
}

/* ---- pictures ---- */

/* the encoder gives one packet for one picture */
static int encode(struct export *export, const struct frame *picture, int64_t pts, int64_t duration)
{
	struct drawer *drawer = export->drawer;
	AVFrame *yuv = drawer->yuv;
	int r = from_av(av_frame_make_writable(yuv));

	if (r < 0)
		return r;
	ARGBToI420(picture->pixels, picture->stride_bytes, yuv->data[0], yuv->linesize[0],
		yuv->data[1], yuv->linesize[1], yuv->data[2], yuv->linesize[2], picture->width,
		picture->height);
	yuv->pts = pts;
	r = avcodec_send_frame(drawer->encoder, yuv);
	if (r >= 0)
		r = avcodec_receive_packet(drawer->encoder, drawer->packet);
	if (r < 0)
		return from_av(r == AVERROR(EAGAIN) ? AVERROR(EIO) : r);
	export->is_key = drawer->packet->flags & AV_PKT_FLAG_KEY;
	r = export_write(export, export->video, pts, duration, drawer->packet->data,
		(size_t)drawer->packet->size);
	av_packet_unref(drawer->packet);
	return r;
}

/* the picture of drawer->next_ns */
static int write_picture(struct export *export, int64_t duration_ms)
{
	struct drawer *drawer = export->drawer;
	struct frame frame;
	int64_t pts = (drawer->next_ns - export->begin_ns + NS_PER_MS / 2) / NS_PER_MS;
	int r;

	drawer->drawn_ns = drawer->next_ns + SETTLE_NS;
	r = frames_seek(drawer->frames, drawer->drawn_ns, &frame);
	if (r <= 0)
		return r; /* a keyframe is lost: what was shown stays */
	r = drawing_draw(
		drawer->drawing, &frame, drawer->width, drawer->height, drawer->drawn_ns, &frame);
	if (r == 0)
		r = encode(export, &frame, pts, duration_ms);
	export->last_video = pts;
	if (++drawer->count % PROGRESS_PICTURES == 0 && export->options->progress)
		export->options->progress(export->options->user, drawer->next_ns);
	return r;
}

static int64_t find_next(const struct drawer *drawer)
{
	int64_t screen_ns = frames_peek(drawer->frames);
	int64_t drawing_ns = drawing_next(drawer->drawing, drawer->drawn_ns);
	int64_t next_ns = screen_ns < drawing_ns ? screen_ns : drawing_ns;

	return next_ns < drawer->next_ns + PICTURE_NS ? drawer->next_ns + PICTURE_NS : next_ns;
}

/* The last picture once more, as long as it is shown: players take its begin for the end of the film. */
static int write_last(struct export *export)
{
	struct drawer *drawer = export->drawer;
	int64_t last_ns = export->end_ns - PICTURE_NS;

	drawer->next_ns = INT64_MAX;
	if (export->last_video < 0 ||
		last_ns - export->begin_ns <= (export->last_video + 1) * NS_PER_MS)
		return 0;
	drawer->next_ns = last_ns;
	return write_picture(export, PICTURE_NS / NS_PER_MS);
}

int export_draw_until(struct export *export, int64_t to_ns)
{
	struct drawer *drawer = export->drawer;
	bool is_end = to_ns >= export->end_ns;
	int r = 0;

	if (is_end)
		to_ns = export->end_ns;
	while (r >= 0 && drawer->next_ns < to_ns) {
		int64_t left_ns = export->end_ns - drawer->next_ns;

		/* what write_last() does not show again lasts to the end: what lasts no time is no picture of an MP4 */
		r = write_picture(
			export, left_ns < PICTURE_NS + 2 * NS_PER_MS ? left_ns / NS_PER_MS + 1 : 0);
		drawer->next_ns = find_next(drawer);
		if (r >= 0)
			r = export_check_cut(export);
	}
	return r >= 0 && is_end ? write_last(export) : r;
}

struct frames_faults export_draw_faults(const struct export *export)
{
	return export->drawer ? frames_faults(export->drawer->frames) : (struct frames_faults){0};
}
