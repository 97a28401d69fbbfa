#include "replay/export/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"

#include <errno.h>

/*
 * Pictures are encoded on changes, at most 30 a second. Each shows the state shortly after its change, since patches
 * follow the video closely.
 */
#define PICTURE_NS (NS_PER_S / 30)
#define SETTLE_NS  (4 * NS_PER_MS)

/* Limit of common players; H.264 and VP9 allow more. */
#define FILM_SIDE_LIMIT   8192
#define PROGRESS_PICTURES 64

struct drawer {
	struct frames *frames;
	struct drawing *drawing;
	struct picture_encoder encoder;
	int width, height;
	int64_t next_ns;  /* time of the pending picture; INT64_MAX: none */
	int64_t drawn_ns; /* time shown by the previous picture */
	uint64_t count;
};

void export_close_drawer(struct export *export)
{
	struct drawer *drawer = export->drawer;

	if (!drawer)
		return;
	picture_encoder_close(&drawer->encoder);
	drawing_destroy(drawer->drawing);
	frames_destroy(drawer->frames);
	free(drawer);
	export->drawer = NULL;
}

/* ---- size ---- */

static void handle_screen_info(struct drawer *drawer, const struct reader_message *message)
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

/* All pictures have one size, with room for every screen size within the span. */
static int find_size(struct export *export, struct drawer *drawer, const struct frame *first)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, export->session->reader, export->begin_ns,
		export->end_ns, UINT64_C(1) << CHANNEL_SCREEN_INFO);

	drawer->width = first->width;
	drawer->height = first->height;
	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0)
		handle_screen_info(drawer, &message);
	drawer->width = (drawer->width + 1) & ~1;
	drawer->height = (drawer->height + 1) & ~1;
	return r;
}

static int open_encoder(struct export *export, struct drawer *drawer)
{
	return picture_encoder_open(&drawer->encoder,
		export->options->format == EXPORT_WEBM ? AV_CODEC_ID_VP9 : AV_CODEC_ID_H264,
		drawer->width, drawer->height,
		export->out->oformat->flags & AVFMT_GLOBALHEADER ? PICTURE_GLOBAL_HEADER : 0,
		export->error);
}

static int add_stream(struct export *export, struct drawer *drawer)
{
	int r;

	export->video = avformat_new_stream(export->out, NULL);
	if (!export->video)
		return -ENOMEM;
	r = avcodec_parameters_from_context(export->video->codecpar, drawer->encoder.codec);
	export->video->time_base = (AVRational){1, 1000};
	export_set_title(export->video, "screen");
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
	export_decoder_error(export->session, drawer->frames, r, export->error);
	if (r <= 0) {
		export_close_drawer(export);
		return r;
	}
	r = drawing_create(&drawer->drawing, export->session, export->options->draw, export->error);
	if (r == 0)
		r = find_size(export, drawer, &first);
	if (r >= 0)
		r = open_encoder(export, drawer);
	return r < 0 ? r : add_stream(export, drawer);
}

/* ---- pictures ---- */

static int encode(struct export *export, const struct frame *picture, int64_t pts, int64_t duration)
{
	struct picture_encoder *encoder = &export->drawer->encoder;
	int r = picture_encoder_encode(encoder, picture, pts);

	if (r < 0)
		return r;
	export->is_key = encoder->packet->flags & AV_PKT_FLAG_KEY;
	return export_write(export, export->video, pts, duration, encoder->packet->data,
		(size_t)encoder->packet->size);
}

/* Draw the picture at drawer->drawn_ns. @return 1, 0 to keep the previous picture, or a negative errno */
static int draw(struct export *export, struct frame *ret)
{
	struct drawer *drawer = export->drawer;
	const struct screen_gap *gap;
	struct frame frame;
	int64_t begin_ns = 0, end_ns;
	int r = frames_seek(drawer->frames, drawer->drawn_ns, &frame);

	export_decoder_error(export->session, drawer->frames, r, export->error);
	if (r > 0)
		r = drawing_draw(drawer->drawing, &frame, drawer->width, drawer->height,
			drawer->drawn_ns, ret);
	else if (r == 0 && !(gap = frames_gap(drawer->frames)))
		return 0; /* keyframe lost */
	else if (r == 0) {
		session_span(export->session, &begin_ns, &end_ns);
		r = drawing_blank(drawer->drawing, drawer->width, drawer->height,
			screen_gap_describe(gap, begin_ns).text, ret);
	}
	return r < 0 ? r : 1;
}

/* Write the picture at drawer->next_ns. */
static int write_picture(struct export *export, int64_t duration_ms)
{
	struct drawer *drawer = export->drawer;
	struct frame frame;
	int64_t pts = export_ms(export, drawer->next_ns);
	int r;

	drawer->drawn_ns = drawer->next_ns + SETTLE_NS;
	r = draw(export, &frame);
	if (r <= 0)
		return r;
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

/* Repeat the last picture at its end: players take its start for the end of the film. */
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

		/* The last picture lasts to the end unless write_last() repeats it: MP4 needs a duration above 0. */
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
