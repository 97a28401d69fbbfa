#include "replay/decode/frames_internal.h"

#include "protocol/base/av_error.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"
#include "replay/decode/overlay.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libyuv.h>
#include <string.h>

/* Decoding forward this far is cheaper than looking for a keyframe. */
#define NEAR_NS NS_PER_S

#define WANTED                                                                                     \
	(UINT64_C(1) << CHANNEL_SCREEN_INFO | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES |            \
		UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_PATCHES)

struct decoder {
	struct session_reader *reader;
	struct session_cursor *cursor;
	struct reader_message next; /* of the cursor, not consumed yet */
	bool has_next;
	int64_t end_ns; /* content copied at or after it is not shown */
	struct screen_gaps gaps;

	/* state after all messages up to at_ns */
	int64_t at_ns, changed_ns;
	int64_t keyframe_ns; /* INT64_MIN: none */
	bool keyframe_comes; /* keyframe announced; its picture is the next */
	bool is_shown;       /* the keyframe was decoded */
	uint32_t screen_width, screen_height;
	AVFrame *picture; /* the newest */
	struct overlay *overlay;

	/* geometry of `pixels` */
	int width, height;
	uint8_t *pixels; /* the caller's */
	size_t size_bytes;
	bool is_stale;             /* pixels must be rebuilt from picture and overlay */
	struct overlay_area fresh; /* otherwise, the part of the overlay not laid yet */

	const struct video *video; /* format of the codec */
	AVCodecContext *codec;     /* NULL before the first picture */
	AVFrame *decoded;
	AVPacket *packet;
	uint64_t bad_pictures, bad_patches; /* bad_patches: of destroyed overlays */
};

/* Supported values of CompressedVideo.format. */
static const struct video {
	const char *format, *name;
	enum AVCodecID id;
} videos[] = {
	{"h264", "H.264", AV_CODEC_ID_H264},
	{"av1", "AV1", AV_CODEC_ID_AV1},
};

/* ---- decoding ---- */

static int make_room(struct decoder *decoder, struct error *reterr)
{
	for (size_t i = 0; i < ARRAY_SIZE(videos); i++)
		if (!avcodec_find_decoder(videos[i].id))
			return error_set(
				reterr, -ENOENT, "libavcodec has no %s decoder", videos[i].name);
	av_log_set_level(AV_LOG_QUIET); /* a damaged stream would log every line */
	decoder->picture = av_frame_alloc();
	decoder->decoded = av_frame_alloc();
	decoder->packet = av_packet_alloc();
	if (!decoder->picture || !decoder->decoded || !decoder->packet)
		return error_set(reterr, -ENOMEM, "out of memory");
	return 0;
}

/* The format may change after an encoder failure. @return also -EBADMSG */
static int choose_decoder(struct decoder *decoder, const char *format)
{
	const struct video *video = videos;

	while (strcmp(video->format, format) != 0)
		if (++video == videos + ARRAY_SIZE(videos))
			return -EBADMSG;
	if (video == decoder->video)
		return 0;
	decoder->video = NULL;
	avcodec_free_context(&decoder->codec);
	decoder->codec = avcodec_alloc_context3(avcodec_find_decoder(video->id));
	if (!decoder->codec)
		return -ENOMEM;
	/* one picture in, one picture out */
	decoder->codec->thread_count = 1;
	decoder->codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
	decoder->codec->err_recognition = AV_EF_EXPLODE;
	decoder->codec->max_pixels = SCREEN_LIMIT_PIXELS;
	decoder->video = video;
	return from_av(avcodec_open2(decoder->codec, NULL, NULL));
}

/* Conversion of the pixels to B G R X; NULL: a format that no recorder writes. */
static int (*conversion_of(const AVFrame *picture))(const uint8_t *y, int stride_y,
	const uint8_t *u, int stride_u, const uint8_t *v, int stride_v, uint8_t *to, int to_stride,
	int width, int height)
{
	return picture->format == AV_PIX_FMT_YUV420P    ? I420ToARGB
		: picture->format == AV_PIX_FMT_YUV444P ? I444ToARGB
							: NULL;
}

/* @return 0 with the picture in decoder->decoded, -EBADMSG when there is none, or -ENOMEM */
static int decode(struct decoder *decoder, const void *data, size_t size)
{
	int r = size == 0 || size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE
		? AVERROR_INVALIDDATA
		: av_new_packet(decoder->packet, (int)size);

	if (r >= 0) {
		memcpy(decoder->packet->data, data, size);
		r = avcodec_send_packet(decoder->codec, decoder->packet);
		av_packet_unref(decoder->packet);
	}
	if (r >= 0)
		r = avcodec_receive_frame(decoder->codec, decoder->decoded);
	if (r == AVERROR(ENOMEM))
		return -ENOMEM;
	/* Concealed errors would depend on the pictures decoded before. */
	return r < 0 || !conversion_of(decoder->decoded) || decoder->decoded->decode_error_flags ||
			decoder->decoded->flags & AV_FRAME_FLAG_CORRUPT
		? -EBADMSG
		: 0;
}

/* Resize for pictures of another size; drops the overlay. */
static int resize(struct decoder *decoder, int width, int height)
{
	struct overlay *overlay;

	if (decoder->overlay && width == decoder->width && height == decoder->height)
		return 0;
	if ((size_t)width * (size_t)height > decoder->size_bytes / 4)
		return -EBADMSG;
	if (overlay_create(&overlay, width, height) < 0)
		return -ENOMEM;
	if (decoder->overlay)
		decoder->bad_patches += overlay_faults(decoder->overlay);
	overlay_destroy(decoder->overlay);
	decoder->overlay = overlay;
	decoder->width = width;
	decoder->height = height;
	return 0;
}

/* ---- messages ---- */

static void handle_screen_info(struct decoder *decoder, const struct reader_message *message)
{
	Uxrec__Screen *screen =
		uxrec__screen__unpack(NULL, message->data.size_bytes, message->data.data);

	if (!screen)
		return;
	decoder->screen_width = screen->width_px;
	decoder->screen_height = screen->height_px;
	uxrec__screen__free_unpacked(screen, NULL);
}

static void begin_span(struct decoder *decoder, int64_t time_ns)
{
	if (decoder->codec)
		avcodec_flush_buffers(decoder->codec);
	decoder->keyframe_ns = time_ns;
	decoder->keyframe_comes = true;
	decoder->is_shown = false;
	if (decoder->overlay)
		overlay_empty(decoder->overlay);
}

/* @return 1 when the picture is shown now, 0 when not, or a negative errno */
static int handle_picture(struct decoder *decoder, const struct reader_message *message)
{
	Foxglove__CompressedVideo *video;
	int r = -EBADMSG;

	if (!decoder->is_shown && !decoder->keyframe_comes)
		return 0;
	video = foxglove__compressed_video__unpack(
		NULL, message->data.size_bytes, message->data.data);
	if (video)
		r = choose_decoder(decoder, video->format);
	if (r == 0)
		r = decode(decoder, video->data.data, video->data.len);
	foxglove__compressed_video__free_unpacked(video, NULL);
	if (r == 0)
		r = resize(decoder, decoder->decoded->width, decoder->decoded->height);
	if (r == 0) {
		av_frame_unref(decoder->picture);
		av_frame_move_ref(decoder->picture, decoder->decoded);
		decoder->is_shown = decoder->is_stale = true;
	}
	av_frame_unref(decoder->decoded);
	decoder->keyframe_comes = false;
	if (r != -EBADMSG)
		return r < 0 ? r : 1;
	decoder->bad_pictures++;
	return 0;
}

/* @return 1 when the shown picture may have changed, 0 when not, or a negative errno */
static int handle_patches(struct decoder *decoder, const struct reader_message *message)
{
	Uxrec__ScreenPatches *patches;
	struct overlay_area patched;
	bool cleared;
	int r;

	/* patches with the keyframe's time are not later than it */
	if (!decoder->is_shown || message->time_ns <= decoder->keyframe_ns)
		return 0;
	patches = uxrec__screen_patches__unpack(NULL, message->data.size_bytes, message->data.data);
	if (!patches) {
		decoder->bad_patches++;
		return 0;
	}
	r = overlay_apply(decoder->overlay, patches, &patched, &cleared);
	uxrec__screen_patches__free_unpacked(patches, NULL);
	if (r < 0)
		return r;
	overlay_join(&decoder->fresh, &patched);
	decoder->is_stale |= cleared;
	return cleared || patched.width > 0;
}

static int handle_message(struct decoder *decoder, const struct reader_message *message)
{
	switch (message->channel->known) {
	case CHANNEL_SCREEN_INFO: handle_screen_info(decoder, message); return 0;
	case CHANNEL_SCREEN_KEYFRAMES: begin_span(decoder, message->time_ns); return 0;
	case CHANNEL_SCREEN: return handle_picture(decoder, message);
	default: return handle_patches(decoder, message);
	}
}

/* ---- seeking ---- */

static int fetch(struct decoder *decoder)
{
	int64_t shown_ns = INT64_MIN;
	int r, failed = 0;

	do {
		r = session_cursor_next(decoder->cursor, &decoder->next);
		if (r > 0 && decoder->end_ns != INT64_MAX)
			failed = session_reader_shown_until(
				decoder->reader, &decoder->next, &shown_ns);
	} while (r > 0 && failed == 0 && shown_ns >= decoder->end_ns);
	if (failed < 0)
		r = failed;
	decoder->has_next = r > 0;
	return r;
}

/*
 * Take all messages of the next timestamp: messages that belong together share it.
 * @return 1 when the shown picture has changed, 0 when not, or a negative errno
 */
static int step(struct decoder *decoder)
{
	bool changed = false;
	int r = 0;

	decoder->at_ns = decoder->next.time_ns;
	while (r >= 0 && decoder->has_next && decoder->next.time_ns == decoder->at_ns) {
		r = handle_message(decoder, &decoder->next);
		changed |= r > 0;
		if (r >= 0)
			r = fetch(decoder);
	}
	if (changed && decoder->is_shown)
		decoder->changed_ns = decoder->at_ns;
	return r < 0 ? r : changed && decoder->is_shown;
}

/* Seek right before the first message at or after a time, with nothing shown. */
static int begin_at(struct decoder *decoder, int64_t from_ns)
{
	int r;

	session_cursor_destroy(steal_ptr(decoder->cursor));
	decoder->has_next = decoder->is_shown = decoder->keyframe_comes = false;
	decoder->keyframe_ns = INT64_MIN;
	decoder->at_ns = from_ns > INT64_MIN ? from_ns - 1 : from_ns;
	if (decoder->overlay)
		overlay_empty(decoder->overlay);
	r = session_cursor_create(
		&decoder->cursor, decoder->reader, from_ns, decoder->end_ns, WANTED);
	if (r == 0)
		r = fetch(decoder);
	/* a cursor begins slightly early */
	while (r > 0 && decoder->next.time_ns < from_ns)
		r = fetch(decoder);
	return r < 0 ? r : 0;
}

/* Find the newest screen size at a time. */
static int find_size(struct decoder *decoder, int64_t at_ns)
{
	const struct reader_channel *info =
		session_reader_find(decoder->reader, CHANNEL_SCREEN_INFO);
	struct reader_message message;
	int r = info ? session_reader_latest(decoder->reader, info, at_ns, &message) : 0;

	decoder->screen_width = decoder->screen_height = 0;
	if (r > 0)
		handle_screen_info(decoder, &message);
	return r < 0 ? r : 0;
}

/* @return as session_reader_latest() */
static int newest_keyframe(struct decoder *decoder, int64_t at_ns, struct reader_message *ret)
{
	const struct reader_channel *channel =
		session_reader_find(decoder->reader, CHANNEL_SCREEN_KEYFRAMES);
	int64_t shown_ns = INT64_MIN;
	int r = 0, failed = 0;

	do {
		r = channel ? session_reader_latest(decoder->reader, channel, at_ns, ret) : 0;
		if (r > 0 && decoder->end_ns != INT64_MAX)
			failed = session_reader_shown_until(decoder->reader, ret, &shown_ns);
		at_ns = r > 0 ? ret->time_ns - 1 : at_ns;
	} while (r > 0 && failed == 0 && shown_ns >= decoder->end_ns);
	return failed < 0 ? failed : r;
}

/* Seek to the newest keyframe at or before a time, unless the shown picture depends on it already. */
static int find_keyframe(struct decoder *decoder, int64_t at_ns)
{
	struct reader_message keyframe;
	int64_t from_ns;
	int r = newest_keyframe(decoder, at_ns, &keyframe);

	if (r < 0)
		return r;
	if (r > 0 && decoder->cursor && keyframe.time_ns == decoder->keyframe_ns &&
		at_ns >= decoder->at_ns)
		return 0;
	from_ns = r > 0 ? keyframe.time_ns : INT64_MIN;
	r = find_size(decoder, from_ns);
	return r < 0 ? r : begin_at(decoder, from_ns);
}

/* ---- picture output ---- */

static bool has_padding(uint32_t screen, int coded)
{
	return screen > 0 && screen == (uint32_t)coded - 1 && coded % 2 == 0;
}

static void show(struct decoder *decoder, struct frame *ret)
{
	const AVFrame *picture = decoder->picture;
	int stride = decoder->width * 4;

	if (decoder->is_stale) {
		conversion_of(picture)(picture->data[0], picture->linesize[0], picture->data[1],
			picture->linesize[1], picture->data[2], picture->linesize[2],
			decoder->pixels, stride, decoder->width, decoder->height);
		decoder->fresh = overlay_covered(decoder->overlay);
	}
	overlay_compose(decoder->overlay, decoder->fresh, decoder->pixels);
	decoder->is_stale = false;
	decoder->fresh = (struct overlay_area){0};
	*ret = (struct frame){
		.time_ns = decoder->changed_ns,
		/* the last column or row of an odd screen is padding */
		.width = decoder->width - has_padding(decoder->screen_width, decoder->width),
		.height = decoder->height - has_padding(decoder->screen_height, decoder->height),
		.stride_bytes = stride,
		.pixels = decoder->pixels,
	};
}

void decoder_end(struct decoder *decoder, int64_t to_ns)
{
	decoder->end_ns = to_ns;
}

int decoder_seek(struct decoder *decoder, int64_t at_ns, struct frame *ret)
{
	bool is_near = decoder->cursor && decoder->is_shown && at_ns >= decoder->at_ns &&
		at_ns - decoder->at_ns < NEAR_NS;
	int r = is_near ? 0 : find_keyframe(decoder, at_ns);

	while (r >= 0 && decoder->has_next && decoder->next.time_ns <= at_ns)
		r = step(decoder);
	if (r < 0)
		return r;
	decoder->at_ns = at_ns;
	if (!decoder->is_shown || decoder_gap(decoder))
		return 0;
	show(decoder, ret);
	return 1;
}

const struct screen_gap *decoder_gap(const struct decoder *decoder)
{
	return screen_gaps_at(&decoder->gaps, decoder->at_ns);
}

int decoder_next(struct decoder *decoder, struct frame *ret)
{
	int r = decoder->cursor ? 0 : begin_at(decoder, INT64_MIN);

	while (r == 0 && decoder->has_next) {
		r = step(decoder);
		if (r > 0 && decoder_gap(decoder))
			r = 0;
	}
	if (r > 0)
		show(decoder, ret);
	return r;
}

int64_t decoder_peek(const struct decoder *decoder)
{
	int64_t gap_ns = screen_gaps_next(&decoder->gaps, decoder->at_ns);
	int64_t next_ns = decoder->has_next ? decoder->next.time_ns : INT64_MAX;

	return gap_ns < next_ns ? gap_ns : next_ns;
}

struct frames_faults decoder_faults(const struct decoder *decoder)
{
	return (struct frames_faults){
		.pictures = decoder->bad_pictures,
		.patches = decoder->bad_patches +
			(decoder->overlay ? overlay_faults(decoder->overlay) : 0),
	};
}

/* ---- create and destroy ---- */

int decoder_create(struct decoder **ret, struct session_reader *reader, uint8_t *pixels,
	size_t size_bytes, struct error *reterr)
{
	_destroy_(decoder) struct decoder *decoder = calloc(1, sizeof(*decoder));
	int r;

	if (!decoder)
		return error_set(reterr, -ENOMEM, "out of memory");
	decoder->reader = reader;
	decoder->pixels = pixels;
	decoder->size_bytes = size_bytes;
	decoder->at_ns = decoder->keyframe_ns = INT64_MIN;
	decoder->end_ns = INT64_MAX;
	r = screen_gaps_collect(&decoder->gaps, reader);
	if (r < 0)
		return error_set(reterr, r, "the session's gaps cannot be read: %s", strerror(-r));
	r = make_room(decoder, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(decoder);
	return 0;
}

void decoder_destroy(struct decoder *decoder)
{
	if (!decoder)
		return;
	session_cursor_destroy(decoder->cursor);
	screen_gaps_finish(&decoder->gaps);
	overlay_destroy(decoder->overlay);
	avcodec_free_context(&decoder->codec);
	av_frame_free(&decoder->picture);
	av_frame_free(&decoder->decoded);
	av_packet_free(&decoder->packet);
	free(decoder);
}
