#include "capture/screen/screen_internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Keyframes are spaced by work: a seek decodes at most KEYFRAME_PICTURES pictures, and lays the patches of ten
 * seconds of change at the full rate. */
#define KEYFRAME_PICTURES 60
#define KEYFRAME_CHANGE_S 10

/* The video catches up with its patches after a second at most, or at this many bytes. */
#define REFRESH_NS    (900 * NS_PER_MS)
#define REFRESH_BYTES (64 * 1024)

/* Replace a failed encoder, up to ENCODER_FAILURES times in quick succession. */
#define ENCODER_FAILURES 3
#define ENCODER_TRUST_NS (10 * NS_PER_S)

/* Longest gap of pictures left out. */
#define LEFT_OUT_NS (10 * NS_PER_S)
/* A second without missing pictures ends a gap; a few pictures late by chance make none. */
#define LEFT_OUT_REST_NS NS_PER_S
#define LEFT_OUT_LEAST   5

static int push(struct screen_source *source, const struct packet_info *info,
	const ProtobufCMessage *message)
{
	struct packet *packet;
	int r = packet_create(&packet, source->context.clock, info, message);

	if (r == 0)
		source->context.sink->push(source->context.sink, packet);
	return r;
}

static void fill_monitors(struct monitors *monitors, Uxrec__Monitor *messages)
{
	for (int i = 0; i < monitors->count; i++) {
		uxrec__monitor__init(&messages[i]);
		messages[i].x_px = monitors->monitor[i].area.x;
		messages[i].y_px = monitors->monitor[i].area.y;
		messages[i].width_px = (uint32_t)monitors->monitor[i].area.width;
		messages[i].height_px = (uint32_t)monitors->monitor[i].area.height;
		messages[i].name = monitors->monitor[i].name;
	}
}

static size_t fill_hidden(unsigned hidden, Uxrec__Screen__HiddenReason *ret)
{
	static const struct {
		unsigned hidden;
		Uxrec__Screen__HiddenReason reason;
	} reasons[] = {
		{HIDDEN_PLACE, UXREC__SCREEN__HIDDEN_REASON__HIDDEN_REASON_PLACE},
		{HIDDEN_WINDOW, UXREC__SCREEN__HIDDEN_REASON__HIDDEN_REASON_WINDOW},
		{HIDDEN_PASSWORD, UXREC__SCREEN__HIDDEN_REASON__HIDDEN_REASON_PASSWORD},
		{HIDDEN_OWN_PAGE, UXREC__SCREEN__HIDDEN_REASON__HIDDEN_REASON_OWN_PAGE},
	};
	size_t count = 0;

	_Static_assert(ARRAY_SIZE(reasons) == HIDDEN_REASONS, "room for all");
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (hidden & reasons[i].hidden)
			ret[count++] = reasons[i].reason;
	return count;
}

int screen_push_info(struct screen_source *source, int64_t time_ns)
{
	Uxrec__Screen__HiddenReason hidden[HIDDEN_REASONS];
	Uxrec__Screen info = UXREC__SCREEN__INIT;
	Uxrec__Monitor messages[MONITORS_LIMIT], *monitors[MONITORS_LIMIT];
	const struct grabber_ops *ops = source->grabber->ops;

	if (ops->monitors)
		source->monitors = *ops->monitors(source->grabber);
	fill_monitors(&source->monitors, messages);
	for (int i = 0; i < source->monitors.count; i++)
		monitors[i] = &messages[i];
	info.monitors = monitors;
	info.n_monitors = (size_t)source->monitors.count;

	info.width_px = (uint32_t)source->size.width;
	info.height_px = (uint32_t)source->size.height;
	info.grabber = (char *)source->grabber->ops->name;
	info.encoder = (char *)encoder_describe(source->encoder);
	info.max_fps = (uint32_t)source->options.max_fps;
	if (source->options.hide) {
		info.hidden_places = (uint32_t)source->options.hide->fixed.count;
		info.hidden_window_rules = (uint32_t)source->options.hide->window_count;
		info.hidden_passwords = source->options.hide->passwords;
	}
	source->hidden_now = canvas_hidden(source->canvas);
	info.hidden_now = hidden;
	info.n_hidden_now = fill_hidden(source->hidden_now, hidden);
	info.fps = (uint32_t)source->rate_control.fps;
	return push(source, &(struct packet_info){CHANNEL_SCREEN_INFO, 0, time_ns, 0}, &info.base);
}

static int open_encoder(struct screen_source *source, const char *name, struct error *reterr)
{
	const struct picture *picture = source->canvas->picture;
	const char *skip_reason;
	int r;

	encoder_destroy(steal_ptr(source->encoder));
	r = encoder_create(&source->encoder, picture->width, picture->height,
		&(struct encoder_options){name, source->options.max_fps, picture->chroma}, reterr);
	if (r < 0)
		return r;
	skip_reason = encoder_skip_reason(source->encoder);
	log_info("screen: %dx%d, encoded by %s%s%s", picture->width, picture->height,
		encoder_describe(source->encoder), *skip_reason ? "; " : "", skip_reason);
	return 0;
}

static int push_gap(struct screen_source *source, Uxrec__Gap__Reason reason, int64_t from_ns,
	int64_t to_ns, uint64_t count, const char *detail)
{
	const char *topics[] = {channel_kind_get(CHANNEL_SCREEN)->topic};

	return source_push_gap(&source->context,
		&(struct source_gap){reason, from_ns, to_ns, topics, 1, count, detail});
}

/* Replace a failed encoder by the software encoder. */
static int fall_back(struct screen_source *source, int64_t failed_ns, const char *why)
{
	struct error error = {""};
	int r;

	log_warning("screen: the encoder failed and is replaced: %s", why);
	r = open_encoder(source, ENCODER_FALLBACK, &error);
	if (r < 0)
		return log_errno(r, "screen: %s", error.text);
	source->keyframe_seen = false;
	return push_gap(
		source, UXREC__GAP__REASON__REASON_ENCODER, failed_ns, clock_now_ns(), 1, why);
}

/* First word of the encoder's description. */
static void put_kind(const struct encoder *encoder, char kind[ENCODER_KIND_BYTES])
{
	const char *about = encoder ? encoder_describe(encoder) : "";

	snprintf(kind, ENCODER_KIND_BYTES, "%.*s", (int)strcspn(about, " "), about);
}

/* Push a gap when a screen too large for the hardware encoder has led to another encoder. */
static int push_encoder_gap(struct screen_source *source, const char *before, int64_t from_ns)
{
	char now[ENCODER_KIND_BYTES];

	put_kind(source->encoder, now);
	if (!*before || strcmp(now, before) == 0 || !*encoder_skip_reason(source->encoder))
		return 0;
	return push_gap(source, UXREC__GAP__REASON__REASON_ENCODER, from_ns, clock_now_ns(), 0,
		encoder_skip_reason(source->encoder));
}

int screen_set_up(struct screen_source *source, struct error *reterr)
{
	struct grabber_size size = source->grabber->ops->size(source->grabber);
	struct error error = {""};
	char before[ENCODER_KIND_BYTES];
	int64_t from_ns = clock_now_ns();
	int r;

	put_kind(source->encoder, before);
	patcher_destroy(steal_ptr(source->patcher));
	canvas_destroy(steal_ptr(source->canvas));
	r = canvas_create(&source->canvas, size.width, size.height, source->options.chroma);
	if (r == 0)
		r = patcher_create(&source->patcher, source->canvas);
	if (r == -E2BIG)
		return error_set(reterr, r,
			"a screen of %dx%d pixels is too large to be recorded: the limit is %d on "
			"a side, %d million in all",
			size.width, size.height, CANVAS_SIDE_LIMIT, SCREEN_LIMIT_PIXELS / 1000000);
	if (r < 0)
		return error_set(
			reterr, r, "out of memory for a picture of %dx%d", size.width, size.height);
	if (source->options.hide)
		canvas_set_mask(source->canvas, MASK_FIXED, &source->options.hide->fixed, NULL);
	r = open_encoder(source, source->options.encoder, &error);
	/* a screen grown too large for the hardware does not end the session */
	if (r < 0 && source->size.width != 0)
		r = fall_back(source, clock_now_ns(), error.text);
	else if (r == 0)
		r = push_encoder_gap(source, before, from_ns);
	if (r < 0)
		return error_set(reterr, r, "%s", error.text);
	source->size = size;
	source->keyframe_seen = false;
	source->refresh_pending_ns = source->refresh_pending_bytes = 0;
	source->grabber->ops->damage_all(source->grabber);
	return 0;
}

void screen_tear_down(struct screen_source *source)
{
	encoder_destroy(source->encoder);
	patcher_destroy(source->patcher);
	canvas_destroy(source->canvas);
}

static bool keyframe_is_due(struct screen_source *source)
{
	uint32_t changes = KEYFRAME_CHANGE_S * (uint32_t)source->options.max_fps;

	return atomic_exchange(&source->keyframe_wanted, false) || !source->keyframe_seen ||
		source->pictures_since_keyframe + 1 >= KEYFRAME_PICTURES ||
		source->changes_since_keyframe >= changes;
}

static int push_keyframe_mark(struct screen_source *source, int64_t time_ns)
{
	Uxrec__Keyframe mark = UXREC__KEYFRAME__INIT;

	mark.pictures_since = source->pictures_since_keyframe;
	source->pictures_since_keyframe = source->changes_since_keyframe = 0;
	if (!source->keyframe_seen) {
		int r = screen_push_info(source, time_ns);

		if (r < 0)
			return r;
	}
	source->keyframe_seen = true;
	return push(
		source, &(struct packet_info){CHANNEL_SCREEN_KEYFRAMES, 0, time_ns, 0}, &mark.base);
}

int64_t screen_unique_time(struct screen_source *source, int64_t time_ns)
{
	if (time_ns <= source->last_time_ns)
		time_ns = source->last_time_ns + 1;
	source->last_time_ns = time_ns;
	return time_ns;
}

/* Replace an encoder that failed with a picture; the picture's contents remain in the canvas. */
static int replace_encoder(struct screen_source *source, int failed)
{
	int64_t now_ns = clock_now_ns();
	char detail[256];

	if (now_ns - source->encoder_failed_ns > ENCODER_TRUST_NS)
		source->encoder_failures = 0;
	source->encoder_failed_ns = now_ns;
	if (++source->encoder_failures > ENCODER_FAILURES)
		return failed;
	utf8_format(detail, sizeof(detail), "%s: %s", encoder_describe(source->encoder),
		strerror(-failed));
	return fall_back(source, now_ns, detail);
}

static int encode(struct screen_source *source, int64_t time_ns, bool keyframe, struct encoded *ret)
{
	int r;

	while ((r = encoder_encode(source->encoder, source->canvas->picture, time_ns,
			keyframe || !source->keyframe_seen, ret)) < 0) {
		r = replace_encoder(source, r);
		if (r < 0)
			return r;
	}
	return 0;
}

static int push_video(
	struct screen_source *source, const struct packet_info *info, const struct encoded *encoded)
{
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;
	Google__Protobuf__Timestamp timestamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	int64_t session_ns = session_clock_at(source->context.clock, info->time_ns);

	timestamp.seconds = session_ns / NS_PER_S;
	timestamp.nanos = (int32_t)(session_ns % NS_PER_S);
	video.timestamp = &timestamp;
	video.frame_id = (char *)"screen0";
	video.format = (char *)encoder_format(source->encoder);
	video.data.data = (uint8_t *)encoded->data;
	video.data.len = encoded->size_bytes;
	return push(source, info, &video.base);
}

/* Clear patches over changed places together with the picture; a keyframe clears all. */
static int push_clear(struct screen_source *source, const struct areas *changed,
	const struct packet_info *info, bool keyframe)
{
	const Uxrec__ScreenPatches *patches =
		patcher_clear(source->patcher, changed, info->time_ns);
	int r = 0;

	if (patches && (!keyframe || patches->unchanged))
		r = push(source,
			&(struct packet_info){
				CHANNEL_SCREEN_PATCHES, 0, info->time_ns, info->publish_ns},
			&patches->base);
	if (r < 0 || !keyframe)
		return r;
	patcher_reset(source->patcher);
	return push_keyframe_mark(source, info->time_ns);
}

/**
 * Push the canvas as a video picture.
 *
 * @param changed    places first shown by the video
 * @param copied_ns  0: unchanged since it was copied
 */
static int push_picture(struct screen_source *source, const struct areas *changed, int64_t time_ns,
	int64_t copied_ns, bool keyframe)
{
	struct packet_info info = {
		CHANNEL_SCREEN, 0, screen_unique_time(source, time_ns), copied_ns};
	struct encoded encoded;
	int r = encode(source, info.time_ns, keyframe, &encoded);

	if (r < 0)
		return r;
	r = push_clear(source, changed, &info, encoded.keyframe);
	if (r < 0)
		return r;
	patcher_refreshed(source->patcher);
	source->refresh_pending_ns = source->refresh_pending_bytes = 0;
	source->pictures_since_keyframe++;
	info.flags = encoded.keyframe ? PACKET_KEYFRAME : 0;
	return push_video(source, &info, &encoded);
}

static int push_patches(struct screen_source *source, const Uxrec__ScreenPatches *patches,
	int64_t time_ns, int64_t copied_ns)
{
	return push(source,
		&(struct packet_info){
			CHANNEL_SCREEN_PATCHES, 0, screen_unique_time(source, time_ns), copied_ns},
		&patches->base);
}

static void mark_refresh_pending(
	struct screen_source *source, const Uxrec__ScreenPatches *patches, int64_t now_ns)
{
	if (!source->refresh_pending_ns)
		source->refresh_pending_ns = now_ns;
	for (size_t i = 0; i < patches->n_patches; i++)
		source->refresh_pending_bytes += (int64_t)patches->patches[i]->png.len;
	if (source->refresh_pending_bytes > REFRESH_BYTES)
		source->refresh_pending_ns = now_ns - REFRESH_NS;
}

/* Push a moved monitor or a change of hidden areas. A keyframe includes both anyway. */
static int push_changed_info(struct screen_source *source, int64_t time_ns)
{
	const struct grabber_ops *ops = source->grabber->ops;
	bool moved =
		ops->monitors && !monitors_equal(ops->monitors(source->grabber), &source->monitors);

	if (!source->keyframe_seen ||
		(!moved && canvas_hidden(source->canvas) == source->hidden_now))
		return 0;
	return screen_push_info(source, screen_unique_time(source, time_ns));
}

static bool is_refresh_due(const struct screen_source *source, int64_t now_ns)
{
	return source->refresh_pending_ns && source->refresh_pending_ns + REFRESH_NS <= now_ns;
}

/* Let the video show its patches, if any differ. */
static int refresh_video(struct screen_source *source, int64_t now_ns)
{
	static const struct areas nothing;

	if (patcher_is_stale(source->patcher))
		return push_picture(source, &nothing, now_ns, 0, false);
	source->refresh_pending_ns = source->refresh_pending_bytes = 0;
	return 0;
}

/* ---- pictures left out ---- */

int screen_push_left_out(struct screen_source *source)
{
	struct left_out *left_out = &source->left_out;
	int r = 0;

	if (left_out->count >= LEFT_OUT_LEAST || (left_out->count > 0 && left_out->lower))
		r = push_gap(source, UXREC__GAP__REASON__REASON_OVERLOAD, left_out->from_ns,
			left_out->to_ns, left_out->count, "pictures took too long");
	*left_out = (struct left_out){0};
	return r;
}

/* Count the pictures missing since the damage at the requested rate. */
static int count_left_out(struct screen_source *source, int64_t damage_ns)
{
	struct left_out *left_out = &source->left_out;
	int64_t period_ns = NS_PER_S / source->rate_control.max_fps;
	int64_t due_ns = source->shown_ns + period_ns, missed;
	int r = 0;

	if (due_ns < damage_ns + COALESCE_NS)
		due_ns = damage_ns + COALESCE_NS;
	source->shown_ns = source->copied_ns;
	missed = (source->copied_ns - due_ns + period_ns / 2) / period_ns;
	if (missed <= 0)
		return 0;
	if (left_out->count > 0 && due_ns - left_out->to_ns > LEFT_OUT_REST_NS)
		r = screen_push_left_out(source);
	if (left_out->count == 0)
		left_out->from_ns = due_ns;
	left_out->count += (uint64_t)missed;
	left_out->lower |= source->rate_control.fps < source->rate_control.max_fps;
	left_out->to_ns = source->copied_ns;
	if (r == 0 && left_out->to_ns - left_out->from_ns > LEFT_OUT_NS)
		r = screen_push_left_out(source);
	return r;
}

/* ---- changes ---- */

int screen_show(struct screen_source *source, int64_t damage_ns)
{
	struct areas changed = source->canvas->changed;
	const Uxrec__ScreenPatches *patches;
	bool keyframe;
	int r = push_changed_info(source, damage_ns);

	if (r < 0)
		return r;
	source->canvas->changed.count = 0;
	/* changes within hidden areas do not count, and bring no keyframe nearer */
	if (changed.count == 0 && !source->keyframe_wanted && source->keyframe_seen)
		return is_refresh_due(source, source->copied_ns)
			? refresh_video(source, source->copied_ns)
			: 0;
	keyframe = keyframe_is_due(source);
	r = count_left_out(source, damage_ns);
	if (r < 0)
		return r;
	source->changes_since_keyframe++;
	patches = keyframe ? NULL : patcher_apply(source->patcher, &changed, source->copied_ns);
	if (patches) {
		mark_refresh_pending(source, patches, source->copied_ns);
		r = push_patches(source, patches, damage_ns, source->copied_ns);
		/* nonstop changes leave no pause for it */
		if (r == 0 && is_refresh_due(source, source->copied_ns))
			r = refresh_video(source, source->copied_ns);
	} else {
		r = push_picture(source, &changed, damage_ns, source->copied_ns, keyframe);
	}
	return r < 0 ? r : 1;
}

/* ---- while nothing changes ---- */

int64_t screen_refine_due_ns(struct screen_source *source, int64_t now_ns)
{
	/* patches need a picture below them */
	return source->keyframe_seen ? patcher_refine_ns(source->patcher, now_ns) : INT64_MAX;
}

int screen_refine(struct screen_source *source, int64_t now_ns)
{
	const Uxrec__ScreenPatches *patches = patcher_refine(source->patcher, now_ns);

	return patches ? push_patches(source, patches, now_ns, 0) : 0;
}

int64_t screen_idle_due_ns(struct screen_source *source, int64_t now_ns)
{
	int64_t refine_ns = screen_refine_due_ns(source, now_ns);
	int64_t refresh_pending_ns =
		source->refresh_pending_ns ? source->refresh_pending_ns + REFRESH_NS : INT64_MAX;

	return refresh_pending_ns < refine_ns ? refresh_pending_ns : refine_ns;
}

int screen_use_idle(struct screen_source *source, int64_t now_ns)
{
	return is_refresh_due(source, now_ns) ? refresh_video(source, now_ns)
					      : screen_refine(source, now_ns);
}

void screen_finish(struct screen_source *source)
{
	if (source->refresh_pending_ns)
		refresh_video(source, clock_now_ns());
	screen_push_left_out(source);
}
