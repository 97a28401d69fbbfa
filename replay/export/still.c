/*
 * Pictures added to copied video: the card of a screen gap, and the last picture repeated when the container has no
 * duration for it.
 */

#include "replay/export/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>

/* Minimum duration of the last picture in any player. */
#define LAST_NS (NS_PER_S / 30)

struct stills {
	struct screen_gaps gaps;
	size_t next; /* first gap that has not begun */
	struct drawing *drawing;
};

int export_open_stills(struct export *export)
{
	int r;

	export->stills = calloc(1, sizeof(*export->stills));
	if (!export->stills)
		return -ENOMEM;
	r = screen_gaps_collect(&export->stills->gaps, export->session->reader);
	return r < 0 ? r
		     : drawing_create(&export->stills->drawing, export->session, 0, export->error);
}

void export_close_stills(struct export *export)
{
	if (!export->stills)
		return;
	screen_gaps_finish(&export->stills->gaps);
	drawing_destroy(export->stills->drawing);
	free(export->stills);
	export->stills = NULL;
}

/* Each still uses its own encoder: it is a keyframe with its own parameters. */
static int write_still(
	struct export *export, int64_t at_ns, int64_t to_ns, const struct frame *frame)
{
	_cleanup_(picture_encoder_close) struct picture_encoder encoder = {0};
	int64_t pts = export_ms(export, at_ns), duration = export_ms(export, to_ns) - pts;
	int r;

	if (pts <= export->last_video)
		pts = export->last_video + 1;
	r = picture_encoder_open(&encoder, export->video->codecpar->codec_id, frame->width,
		frame->height, export->is_444 ? PICTURE_444 : 0, export->error);
	if (r == 0)
		r = picture_encoder_encode(&encoder, frame, 0);
	if (r < 0)
		return r;
	export->is_key = true;
	r = export_write(export, export->video, pts, duration > 0 ? duration : 1,
		encoder.packet->data, (size_t)encoder.packet->size);
	export->is_key = false;
	export->last_video = pts;
	return r;
}

static int write_blank(
	struct export *export, const struct screen_gap *gap, int64_t from_ns, int64_t to_ns)
{
	const AVCodecParameters *codec = export->video->codecpar;
	struct screen_gap_text text;
	int64_t begin_ns = 0, end_ns;
	struct frame frame;
	int r;

	session_span(export->session, &begin_ns, &end_ns);
	text = screen_gap_describe(gap, begin_ns);
	r = drawing_blank(export->stills->drawing, codec->width, codec->height, text.text, &frame);
	return r < 0 ? r
		     : write_still(export, from_ns, to_ns < export->end_ns ? to_ns : export->end_ns,
			       &frame);
}

/* After a still, a picture that depends on those before the gap could not be decoded. */
static bool has_still(const struct export *export, const struct screen_gap *gap)
{
	return gap && !gap->video_continues && export->video->codecpar->width > 0;
}

int export_stills_until(struct export *export, int64_t to_ns)
{
	struct stills *stills = export->stills;
	int r = 0;

	if (!stills)
		return 0;
	for (; r >= 0 && stills->next < stills->gaps.count; stills->next++) {
		const struct screen_gap *gap = &stills->gaps.list[stills->next];

		if (gap->from_ns >= to_ns || gap->from_ns >= export->end_ns)
			break;
		if (gap->to_ns > export->begin_ns && export->last_video >= 0 &&
			has_still(export, gap))
			r = write_blank(export, gap, gap->from_ns, gap->to_ns);
	}
	return r;
}

bool export_in_still(const struct export *export, int64_t at_ns)
{
	return export->stills && has_still(export, screen_gaps_at(&export->stills->gaps, at_ns));
}

/* Matroska has no duration of pictures: the last one is repeated at its end. */
static int repeat_last(struct export *export)
{
	_destroy_(frames) struct frames *frames = NULL;
	int64_t last_ns = export->end_ns - LAST_NS;
	struct frame frame, even;
	int r;

	if (export->last_video < 0 || export_ms(export, last_ns) <= export->last_video + 1)
		return 0;
	r = frames_create(&frames, export->session->reader, export->error);
	if (r < 0)
		return r;
	frames_end(frames, export->options->to_ns);
	r = frames_seek(frames, export->end_ns - 1, &frame);
	export_decoder_error(export->session, frames, r, export->error);
	if (r > 0) {
		r = drawing_draw(export->stills->drawing, &frame, (frame.width + 1) & ~1,
			(frame.height + 1) & ~1, last_ns, &even);
		return r < 0 ? r : write_still(export, last_ns, export->end_ns, &even);
	}
	if (r == 0 && has_still(export, frames_gap(frames)))
		r = write_blank(export, frames_gap(frames), last_ns, export->end_ns);
	return r < 0 ? r : 0;
}

int export_end_stills(struct export *export)
{
	int r = export_stills_until(export, export->end_ns);

	if (r < 0 || !export->stills || export->options->format == EXPORT_MP4)
		return r;
	return repeat_last(export);
}
