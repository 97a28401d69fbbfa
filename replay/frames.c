#include "replay/frames.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"
#include "replay/overlay.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libyuv.h>
#include <string.h>

/* Going on for this long is cheaper than looking for a keyframe. */
#define NEAR_NS NS_PER_S

#define WANTED                                                                                     \
	(UINT64_C(1) << CHANNEL_SCREEN_INFO | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES |            \
		UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_PATCHES)

struct frames {
	struct session_reader *reader;
	struct session_cursor *cursor;
	struct reader_message next; /* of the cursor, not taken yet */
	bool has_next;
	int64_t end_ns; /* what was copied then or later is not shown */
	struct screen_gaps gaps;

	/* what all messages up to at_ns make */
	int64_t at_ns, changed_ns;
	int64_t keyframe_ns; /* INT64_MIN: there was none */
	bool keyframe_comes; /* it was said, and its picture is the next */
	bool is_shown;       /* the keyframe was decoded */
	uint32_t screen_width, screen_height;
	AVFrame *picture; /* the newest */
	struct overlay *overlay;

	/* of `pixels` */
	int width, height;
	uint8_t *pixels;
	bool is_stale;             /* it must be made anew of picture and overlay */
	struct overlay_area fresh; /* otherwise, what of the overlay is not laid yet */

	const struct video *video; /* what the decoder is for */
	AVCodecContext *decoder;   /* NULL: there was no picture yet */
	AVFrame *decoded;
	AVPacket *packet;
	uint64_t bad_pictures, bad_patches; /* the latter of overlays that are gone */
};

/* What the video may be, by CompressedVideo.format. */
static const struct video {
	const char *format, *name;
	enum AVCodecID id;
} videos[] = {
	{"h264", "H.264", AV_CODEC_ID_H264},
	{"av1", "AV1", AV_CODEC_ID_AV1},
};

static int from_av(int r)
{
	return r > -4096 ? r : -EIO;
}

/* ---- decoding ---- */

static int make_room(struct frames *frames, struct error *reterr)
{
	for (size_t i = 0; i < ARRAY_SIZE(videos); i++)
		if (!avcodec_find_decoder(videos[i].id))
			return error_set(
				reterr, -ENOENT, "libavcodec has no %s decoder", videos[i].name);
	av_log_set_level(AV_LOG_QUIET); /* a damaged stream would be told line by line */
	frames->picture = av_frame_alloc();
	frames->decoded = av_frame_alloc();
	frames->packet = av_packet_alloc();
	if (!frames->picture || !frames->decoded || !frames->packet)
		return error_set(reterr, -ENOMEM, "no memory");
	return 0;
}

/* An encoder that failed may have been replaced by one for another format. @return also -EBADMSG */
static int choose_decoder(struct frames *frames, const char *format)
{
	const struct video *video = videos;

	while (strcmp(video->format, format) != 0)
		if (++video == videos + ARRAY_SIZE(videos))
			return -EBADMSG;
	if (video == frames->video)
		return 0;
	frames->video = NULL;
	avcodec_free_context(&frames->decoder);
	frames->decoder = avcodec_alloc_context3(avcodec_find_decoder(video->id));
	if (!frames->decoder)
		return -ENOMEM;
	/* one picture in, one picture out */
	frames->decoder->thread_count = 1;
	frames->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
	frames->decoder->err_recognition = AV_EF_EXPLODE;
	frames->decoder->max_pixels = SCREEN_LIMIT_PIXELS;
	frames->video = video;
	return from_av(avcodec_open2(frames->decoder, NULL, NULL));
}

/* how its pixels become B G R X; NULL: no recorder makes it */
static int (*conversion_of(const AVFrame *picture))(const uint8_t *y, int stride_y,
	const uint8_t *u, int stride_u, const uint8_t *v, int stride_v, uint8_t *to, int to_stride,
	int width, int height)
{
	return picture->format == AV_PIX_FMT_YUV420P    ? I420ToARGB
		: picture->format == AV_PIX_FMT_YUV444P ? I444ToARGB
							: NULL;
}

/* @return 0 with the picture in frames->decoded, -EBADMSG when there is none, or -ENOMEM */
static int decode(struct frames *frames, const void *data, size_t size)
{
	int r = size == 0 || size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE
		? AVERROR_INVALIDDATA
		: av_new_packet(frames->packet, (int)size);

	if (r >= 0) {
		memcpy(frames->packet->data, data, size);
		r = avcodec_send_packet(frames->decoder, frames->packet);
		av_packet_unref(frames->packet);
	}
	if (r >= 0)
		r = avcodec_receive_frame(frames->decoder, frames->decoded);
	if (r == AVERROR(ENOMEM))
		return -ENOMEM;
	/* what is made up for lost parts would depend on what was decoded before */
	return r < 0 || !conversion_of(frames->decoded) || frames->decoded->decode_error_flags ||
			frames->decoded->flags & AV_FRAME_FLAG_CORRUPT
		? -EBADMSG
		: 0;
}

/* room for pictures of another size; what lies over them goes */
static int resize(struct frames *frames, int width, int height)
{
	struct overlay *overlay;
	uint8_t *pixels;

	if (frames->overlay && width == frames->width && height == frames->height)
		return 0;
	if (overlay_create(&overlay, width, height) < 0)
		return -ENOMEM;
	pixels = realloc(frames->pixels, (size_t)width * (size_t)height * 4);
	if (!pixels) {
		overlay_destroy(overlay);
		return -ENOMEM;
	}
	frames->pixels = pixels;
	if (frames->overlay)
		frames->bad_patches += overlay_faults(frames->overlay);
	overlay_destroy(frames->overlay);
	frames->overlay = overlay;
	frames->width = width;
	frames->height = height;
	return 0;
}

/* ---- messages ---- */

static void take_info(struct frames *frames, const struct reader_message *message)
{
	Uxrec__Screen *screen =
		uxrec__screen__unpack(NULL, message->data.size_bytes, message->data.data);

	if (!screen)
		return;
	frames->screen_width = screen->width_px;
	frames->screen_height = screen->height_px;
	uxrec__screen__free_unpacked(screen, NULL);
}

static void begin_span(struct frames *frames, int64_t time_ns)
{
	if (frames->decoder)
		avcodec_flush_buffers(frames->decoder);
	frames->keyframe_ns = time_ns;
	frames->keyframe_comes = true;
	frames->is_shown = false;
	if (frames->overlay)
		overlay_empty(frames->overlay);
}

/* @return 1 when it is shown now, 0 when not, or a negative errno */
static int take_picture(struct frames *frames, const struct reader_message *message)
{
	Foxglove__CompressedVideo *video;
	int r = -EBADMSG;

	if (!frames->is_shown && !frames->keyframe_comes)
		return 0;
	video = foxglove__compressed_video__unpack(
		NULL, message->data.size_bytes, message->data.data);
	if (video)
		r = choose_decoder(frames, video->format);
	if (r == 0)
		r = decode(frames, video->data.data, video->data.len);
	foxglove__compressed_video__free_unpacked(video, NULL);
	if (r == 0)
		r = resize(frames, frames->decoded->width, frames->decoded->height);
	if (r == 0) {
		av_frame_unref(frames->picture);
		av_frame_move_ref(frames->picture, frames->decoded);
		frames->is_shown = frames->is_stale = true;
	}
	av_frame_unref(frames->decoded);
	frames->keyframe_comes = false;
	if (r != -EBADMSG)
		return r < 0 ? r : 1;
	frames->bad_pictures++;
	return 0;
}

/* @return 1 when what is shown may have changed, 0 when not, or a negative errno */
static int take_patches(struct frames *frames, const struct reader_message *message)
{
	Uxrec__ScreenPatches *patches;
	struct overlay_area laid;
	bool cleared;
	int r;

	/* one of the keyframe's own moment is not later than it */
	if (!frames->is_shown || message->time_ns <= frames->keyframe_ns)
		return 0;
	patches = uxrec__screen_patches__unpack(NULL, message->data.size_bytes, message->data.data);
	if (!patches) {
		frames->bad_patches++;
		return 0;
	}
	r = overlay_take(frames->overlay, patches, &laid, &cleared);
	uxrec__screen_patches__free_unpacked(patches, NULL);
	if (r < 0)
		return r;
	overlay_join(&frames->fresh, &laid);
	frames->is_stale |= cleared;
	return cleared || laid.width > 0;
}

static int take(struct frames *frames, const struct reader_message *message)
{
	switch (message->channel->known) {
	case CHANNEL_SCREEN_INFO: take_info(frames, message); return 0;
	case CHANNEL_SCREEN_KEYFRAMES: begin_span(frames, message->time_ns); return 0;
	case CHANNEL_SCREEN: return take_picture(frames, message);
	default: return take_patches(frames, message);
	}
}

/* ---- moments ---- */

static int fetch(struct frames *frames)
{
	int64_t shown_ns = INT64_MIN;
	int r, failed = 0;

	do {
		r = session_cursor_next(frames->cursor, &frames->next);
		if (r > 0 && frames->end_ns != INT64_MAX)
			failed = session_reader_shown_until(
				frames->reader, &frames->next, &shown_ns);
	} while (r > 0 && failed == 0 && shown_ns >= frames->end_ns);
	if (failed < 0)
		r = failed;
	frames->has_next = r > 0;
	return r;
}

/* Take all messages of the next moment: what belongs together has one time.
 * @return 1 when what is shown has changed, 0 when not, or a negative errno */
static int step(struct frames *frames)
{
	bool changed = false;
	int r = 0;

	frames->at_ns = frames->next.time_ns;
	while (r >= 0 && frames->has_next && frames->next.time_ns == frames->at_ns) {
		r = take(frames, &frames->next);
		changed |= r > 0;
		if (r >= 0)
			r = fetch(frames);
	}
	if (changed && frames->is_shown)
		frames->changed_ns = frames->at_ns;
	return r < 0 ? r : changed && frames->is_shown;
}

/* go to right before the first message at or behind a time, with nothing shown */
static int begin_at(struct frames *frames, int64_t from_ns)
{
	int r;

	session_cursor_destroy(steal_ptr(frames->cursor));
	frames->has_next = frames->is_shown = frames->keyframe_comes = false;
	frames->keyframe_ns = INT64_MIN;
	frames->at_ns = from_ns > INT64_MIN ? from_ns - 1 : from_ns;
	if (frames->overlay)
		overlay_empty(frames->overlay);
	r = session_cursor_create(&frames->cursor, frames->reader, from_ns, frames->end_ns, WANTED);
	if (r == 0)
		r = fetch(frames);
	/* a cursor begins a little before */
	while (r > 0 && frames->next.time_ns < from_ns)
		r = fetch(frames);
	return r < 0 ? r : 0;
}

/* the newest size of the screen at a time */
static int find_size(struct frames *frames, int64_t at_ns)
{
	const struct reader_channel *info =
		session_reader_find(frames->reader, CHANNEL_SCREEN_INFO);
	struct reader_message message;
	int r = info ? session_reader_latest(frames->reader, info, at_ns, &message) : 0;

	frames->screen_width = frames->screen_height = 0;
	if (r > 0)
		take_info(frames, &message);
	return r < 0 ? r : 0;
}

/* @return as session_reader_latest() */
static int newest_keyframe(struct frames *frames, int64_t at_ns, struct reader_message *ret)
{
	const struct reader_channel *channel =
		session_reader_find(frames->reader, CHANNEL_SCREEN_KEYFRAMES);
	int64_t shown_ns = INT64_MIN;
	int r = 0, failed = 0;

	do {
		r = channel ? session_reader_latest(frames->reader, channel, at_ns, ret) : 0;
		if (r > 0 && frames->end_ns != INT64_MAX)
			failed = session_reader_shown_until(frames->reader, ret, &shown_ns);
		at_ns = r > 0 ? ret->time_ns - 1 : at_ns;
	} while (r > 0 && failed == 0 && shown_ns >= frames->end_ns);
	return failed < 0 ? failed : r;
}

/* go to the newest keyframe at or before a time, unless what is shown is made from it */
static int find_keyframe(struct frames *frames, int64_t at_ns)
{
	struct reader_message keyframe;
	int64_t from_ns;
	int r = newest_keyframe(frames, at_ns, &keyframe);

	if (r < 0)
		return r;
	if (r > 0 && frames->cursor && keyframe.time_ns == frames->keyframe_ns &&
		at_ns >= frames->at_ns)
		return 0;
	from_ns = r > 0 ? keyframe.time_ns : INT64_MIN;
	r = find_size(frames, from_ns);
	return r < 0 ? r : begin_at(frames, from_ns);
}

/* ---- what is shown ---- */

static bool has_padding(uint32_t screen, int coded)
{
	return screen > 0 && screen == (uint32_t)coded - 1 && coded % 2 == 0;
}

static void show(struct frames *frames, struct frame *ret)
{
	const AVFrame *picture = frames->picture;
	int stride = frames->width * 4;

	if (frames->is_stale) {
		conversion_of(picture)(picture->data[0], picture->linesize[0], picture->data[1],
			picture->linesize[1], picture->data[2], picture->linesize[2],
			frames->pixels, stride, frames->width, frames->height);
		frames->fresh = overlay_covered(frames->overlay);
	}
	overlay_lay(frames->overlay, frames->fresh, frames->pixels);
	frames->is_stale = false;
	frames->fresh = (struct overlay_area){0};
	*ret = (struct frame){
		.time_ns = frames->changed_ns,
		/* of an odd screen the last column or row is doubled */
		.width = frames->width - has_padding(frames->screen_width, frames->width),
		.height = frames->height - has_padding(frames->screen_height, frames->height),
		.stride_bytes = stride,
		.pixels = frames->pixels,
	};
}

void frames_end(struct frames *frames, int64_t to_ns)
{
	frames->end_ns = to_ns;
}

int frames_seek(struct frames *frames, int64_t at_ns, struct frame *ret)
{
	bool is_near = frames->cursor && frames->is_shown && at_ns >= frames->at_ns &&
		at_ns - frames->at_ns < NEAR_NS;
	int r = is_near ? 0 : find_keyframe(frames, at_ns);

	while (r >= 0 && frames->has_next && frames->next.time_ns <= at_ns)
		r = step(frames);
	if (r < 0)
		return r;
	frames->at_ns = at_ns;
	if (!frames->is_shown || frames_gap(frames))
		return 0;
	show(frames, ret);
	return 1;
}

const struct screen_gap *frames_gap(const struct frames *frames)
{
	return screen_gaps_at(&frames->gaps, frames->at_ns);
}

int frames_next(struct frames *frames, struct frame *ret)
{
	int r = frames->cursor ? 0 : begin_at(frames, INT64_MIN);

	while (r == 0 && frames->has_next) {
		r = step(frames);
		if (r > 0 && frames_gap(frames))
			r = 0;
	}
	if (r > 0)
		show(frames, ret);
	return r;
}

int64_t frames_peek(const struct frames *frames)
{
	int64_t gap_ns = screen_gaps_next(&frames->gaps, frames->at_ns);
	int64_t next_ns = frames->has_next ? frames->next.time_ns : INT64_MAX;

	return gap_ns < next_ns ? gap_ns : next_ns;
}

struct frames_faults frames_faults(const struct frames *frames)
{
	return (struct frames_faults){
		.pictures = frames->bad_pictures,
		.patches = frames->bad_patches +
			(frames->overlay ? overlay_faults(frames->overlay) : 0),
	};
}

/* ---- beginning and end ---- */

int frames_create(struct frames **ret, struct session_reader *reader, struct error *reterr)
{
	_destroy_(frames) struct frames *frames = calloc(1, sizeof(*frames));
	int r;

	if (!frames)
		return error_set(reterr, -ENOMEM, "no memory");
	frames->reader = reader;
	frames->at_ns = frames->keyframe_ns = INT64_MIN;
	frames->end_ns = INT64_MAX;
	r = screen_gaps_collect(&frames->gaps, reader);
	if (r < 0)
		return error_set(reterr, r, "the session's gaps cannot be read: %s", strerror(-r));
	r = make_room(frames, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(frames);
	return 0;
}

void frames_destroy(struct frames *frames)
{
	if (!frames)
		return;
	session_cursor_destroy(frames->cursor);
	screen_gaps_finish(&frames->gaps);
	overlay_destroy(frames->overlay);
	avcodec_free_context(&frames->decoder);
	av_frame_free(&frames->picture);
	av_frame_free(&frames->decoded);
	av_packet_free(&frames->packet);
	free(frames->pixels);
	free(frames);
}
