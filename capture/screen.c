#include "capture/screen.h"

#include "capture/encoder.h"
#include "capture/grabber.h"
#include "capture/pace.h"
#include "capture/patcher.h"
#include "capture/pointer_told.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/* Keyframes come by work: a seek decodes at most this many pictures, and lays what ten seconds of change at
 * the full rate have laid over them. */
#define KEYFRAME_PICTURES 60
#define KEYFRAME_CHANGE_S 10

/* The video alone shows what lies over it at most a second later, or when that has become so much. */
#define OWED_NS    (900 * NS_PER_MS)
#define OWED_BYTES (64 * 1024)

/* One stroke of a program is often several requests: wait this long for the rest of it. */
#define COALESCE_NS (4 * NS_PER_MS)

/* How much later than its drawing a damage may reach us: nothing newer is called complete. */
#define REPORT_DELAY_NS (5 * NS_PER_MS)

/* An encoder that fails is replaced, but not for ever. */
#define ENCODER_FAILURES 3
#define ENCODER_TRUST_NS (10 * NS_PER_S)

#define LOW_NICE 5

/* A grabber that says "again" this often in a row is broken. */
#define RETRIES_LIMIT 100

struct screen_source {
	struct source base;
	struct source_context context;
	struct screen_options options;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop, keyframe_wanted;
	_Atomic bool focused_hidden;
	pthread_mutex_t hidden_lock;
	struct areas hidden[MASK_COUNT]; /* of the canvas, for others */
	_Atomic int64_t busy_since_ns;   /* 0: waiting for damage */

	pthread_mutex_t
		grabber_lock; /* of the pointer: another thread may cut what this one waits for */

	struct pointer_told pointer; /* of the grabber's own thread */

	/* of the thread */
	struct grabber *grabber;
	struct canvas *canvas;
	struct patcher *patcher;
	struct encoder *encoder;
	struct grabber_size size;
	struct monitors monitors; /* as they were said */
	struct pace pace;
	int64_t next_ns; /* not before, for the ceiling of the picture rate */
	int64_t last_time_ns, copied_ns;
	int64_t owed_ns,
		owed_bytes; /* since when the video lacks what lies over it, and how much; 0: it does not */
	int64_t encoder_failed_ns;
	int encoder_failures; /* not long apart */
	uint32_t pictures_since_keyframe, changes_since_keyframe;
	bool keyframe_seen;
};

static struct screen_source *screen(struct source *source)
{
	return (struct screen_source *)source;
}

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

static int push_info(struct screen_source *source, int64_t time_ns)
{
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
	info.fps = (uint32_t)source->pace.fps;
	return push(source, &(struct packet_info){CHANNEL_SCREEN_INFO, 0, time_ns, 0}, &info.base);
}

static int open_encoder(struct screen_source *source, const char *name, struct error *reterr)
{
	const struct picture *picture = source->canvas->picture;

	encoder_destroy(steal_ptr(source->encoder));
	return encoder_create(&source->encoder, picture->width, picture->height,
		&(struct encoder_options){name, source->options.max_fps, picture->chroma}, reterr);
}

/* A fresh canvas and encoder for the grabber's present size. */
static int set_up(struct screen_source *source, struct error *reterr)
{
	struct grabber_size size = source->grabber->ops->size(source->grabber);
	int r;

	patcher_destroy(steal_ptr(source->patcher));
	canvas_destroy(steal_ptr(source->canvas));
	r = canvas_create(&source->canvas, size.width, size.height, source->options.chroma);
	if (r == 0)
		r = patcher_create(&source->patcher, source->canvas);
	if (r < 0)
		return error_set(
			reterr, r, "no memory for a picture of %dx%d", size.width, size.height);
	if (source->options.hide)
		canvas_set_mask(source->canvas, MASK_FIXED, &source->options.hide->fixed, NULL);
	r = open_encoder(source, source->options.encoder, reterr);
	if (r < 0)
		return r;
	source->size = size;
	source->keyframe_seen = false;
	source->owed_ns = source->owed_bytes = 0;
	source->grabber->ops->damage_all(source->grabber);
	return 0;
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
		int r = push_info(source, time_ns);

		if (r < 0)
			return r;
	}
	source->keyframe_seen = true;
	return push(
		source, &(struct packet_info){CHANNEL_SCREEN_KEYFRAMES, 0, time_ns, 0}, &mark.base);
}

/* two pictures never have one time */
static int64_t take_time(struct screen_source *source, int64_t time_ns)
{
	if (time_ns <= source->last_time_ns)
		time_ns = source->last_time_ns + 1;
	source->last_time_ns = time_ns;
	return time_ns;
}

static int push_gap(
	struct screen_source *source, int64_t from_ns, int64_t to_ns, const char *detail)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topic = (char *)channel_kind_get(CHANNEL_SCREEN)->topic;

	gap.reason = UXREC__GAP__REASON__REASON_ENCODER;
	gap.from_ns = session_clock_at(source->context.clock, from_ns);
	gap.to_ns = session_clock_at(source->context.clock, to_ns);
	gap.topics = &topic;
	gap.n_topics = 1;
	gap.count = 1;
	gap.detail = (char *)detail;
	return push(source, &(struct packet_info){CHANNEL_GAPS, 0, from_ns, 0}, &gap.base);
}

/* The encoder has failed: the one that needs no hardware takes its place. What is to be shown is still there. */
static int replace_encoder(struct screen_source *source, int failed)
{
	int64_t now_ns = clock_now_ns();
	char detail[256];
	struct error error;
	int r;

	if (now_ns - source->encoder_failed_ns > ENCODER_TRUST_NS)
		source->encoder_failures = 0;
	source->encoder_failed_ns = now_ns;
	if (++source->encoder_failures > ENCODER_FAILURES)
		return failed;
	snprintf(detail, sizeof(detail), "%s: %s", encoder_describe(source->encoder),
		strerror(-failed));
	log_warning("screen: the encoder failed and is replaced: %s", detail);
	r = open_encoder(source, ENCODER_LAST, &error);
	if (r < 0)
		return log_errno(r, "screen: %s", error.text);
	source->keyframe_seen = false;
	return push_gap(source, now_ns, clock_now_ns(), detail);
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

/* What lies over the places that have changed goes with the picture; over a keyframe lies nothing. */
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
 * Show the canvas by the video.
 *
 * @param changed    where the video is the first to show it
 * @param copied_ns  0: it has not changed since it was copied
 */
static int push_picture(struct screen_source *source, const struct areas *changed, int64_t time_ns,
	int64_t copied_ns, bool keyframe)
{
	struct packet_info info = {CHANNEL_SCREEN, 0, take_time(source, time_ns), copied_ns};
	struct encoded encoded;
	int r = encode(source, info.time_ns, keyframe, &encoded);

	if (r < 0)
		return r;
	r = push_clear(source, changed, &info, encoded.keyframe);
	if (r < 0)
		return r;
	patcher_paid(source->patcher);
	source->owed_ns = source->owed_bytes = 0;
	source->pictures_since_keyframe++;
	info.flags = encoded.keyframe ? PACKET_KEYFRAME : 0;
	return push_video(source, &info, &encoded);
}

static int push_patches(struct screen_source *source, const Uxrec__ScreenPatches *patches,
	int64_t time_ns, int64_t copied_ns)
{
	return push(source,
		&(struct packet_info){
			CHANNEL_SCREEN_PATCHES, 0, take_time(source, time_ns), copied_ns},
		&patches->base);
}

static void owe(struct screen_source *source, const Uxrec__ScreenPatches *patches, int64_t now_ns)
{
	if (!source->owed_ns)
		source->owed_ns = now_ns;
	for (size_t i = 0; i < patches->n_patches; i++)
		source->owed_bytes += (int64_t)patches->patches[i]->png.len;
	if (source->owed_bytes > OWED_BYTES)
		source->owed_ns = now_ns - OWED_NS;
}

/* A monitor that was moved on the same screen. A keyframe says so anyway. */
static int tell_monitors(struct screen_source *source, int64_t time_ns)
{
	const struct grabber_ops *ops = source->grabber->ops;

	if (!source->keyframe_seen || !ops->monitors ||
		monitors_equal(ops->monitors(source->grabber), &source->monitors))
		return 0;
	return push_info(source, take_time(source, time_ns));
}

/* A picture that comes a little late, because what it shows did, does not make the next one late. */
static void set_next(struct screen_source *source)
{
	int64_t period_ns = pace_period_ns(&source->pace);
	int64_t earliest_ns = source->copied_ns - period_ns;

	source->next_ns =
		(source->next_ns > earliest_ns ? source->next_ns : earliest_ns) + period_ns;
}

static bool is_owed_due(const struct screen_source *source, int64_t now_ns)
{
	return source->owed_ns && source->owed_ns + OWED_NS <= now_ns;
}

/* The video shows what was laid over it, if it does not already. */
static int pay(struct screen_source *source, int64_t now_ns)
{
	static const struct areas nothing;

	if (patcher_owes(source->patcher))
		return push_picture(source, &nothing, now_ns, 0, false);
	source->owed_ns = source->owed_bytes = 0;
	return 0;
}

/* Show what has changed on the canvas. @return 1, 0 when nothing has, or a negative errno */
static int show(struct screen_source *source, int64_t damage_ns)
{
	struct areas changed = source->canvas->changed;
	const Uxrec__ScreenPatches *patches;
	bool keyframe;
	int r;

	source->canvas->changed.count = 0;
	/* a change of what is hidden is none, and brings no keyframe on */
	if (changed.count == 0 && !source->keyframe_wanted && source->keyframe_seen)
		return 0;
	keyframe = keyframe_is_due(source);
	set_next(source);
	source->changes_since_keyframe++;
	patches = keyframe ? NULL : patcher_lay(source->patcher, &changed, source->copied_ns);
	if (patches) {
		owe(source, patches, source->copied_ns);
		r = push_patches(source, patches, damage_ns, source->copied_ns);
		/* what never stops leaves no pause for it */
		if (r == 0 && is_owed_due(source, source->copied_ns))
			r = pay(source, source->copied_ns);
	} else {
		r = push_picture(source, &changed, damage_ns, source->copied_ns, keyframe);
	}
	return r < 0 ? r : 1;
}

static void tell_hidden(struct screen_source *source)
{
	pthread_mutex_lock(&source->hidden_lock);
	memcpy(source->hidden, source->canvas->mask, sizeof(source->hidden));
	pthread_mutex_unlock(&source->hidden_lock);
}

/* @return 1 when it was copied, 0 when it must be tried again, or a negative errno */
static int take_picture(struct screen_source *source, int64_t damage_ns)
{
	int64_t begun_ns = clock_now_ns();
	int r = source->grabber->ops->grab(source->grabber, source->canvas, &source->copied_ns);

	if (r == -EAGAIN) {
		struct grabber_size size = source->grabber->ops->size(source->grabber);

		if (size.width != source->size.width || size.height != source->size.height)
			r = set_up(source, NULL);
		return r == -EAGAIN ? 0 : r;
	}
	tell_hidden(source);
	if (r == 0)
		r = tell_monitors(source, damage_ns);
	if (r == 0)
		r = show(source, damage_ns);
	/* a display that is far away is left as much time as copying takes */
	if (r > 0 && source->next_ns < source->copied_ns + (source->copied_ns - begun_ns))
		source->next_ns = source->copied_ns + (source->copied_ns - begun_ns);
	return r < 0 ? r : 1;
}

/* The same, and what it took sets the pace. */
static int take_picture_at_pace(struct screen_source *source, int64_t damage_ns)
{
	int64_t began_ns = clock_now_ns(), cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	int64_t last_ns = source->last_time_ns;
	int before = source->pace.fps, r = take_picture(source, damage_ns);

	cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
	/* nothing has been shown: what is hidden sets no pace */
	if (r <= 0 || source->last_time_ns == last_ns)
		return r;
	if (!pace_note(&source->pace, began_ns, clock_now_ns(), cpu_ns))
		return r;
	log_info("screen: %d pictures a second at most instead of %d: %s", source->pace.fps, before,
		source->pace.fps < before ? "the machine is busy" : "there is room again");
	return push_info(source, take_time(source, clock_now_ns())) < 0 ? -ENOMEM : 1;
}

static int64_t due_ns(struct screen_source *source, int64_t now_ns)
{
	int64_t rest_ns = patcher_rest_ns(source->patcher, now_ns);
	int64_t owed_ns = source->owed_ns ? source->owed_ns + OWED_NS : INT64_MAX;

	return owed_ns < rest_ns ? owed_ns : rest_ns;
}

/* Nothing has changed: do what has time until then. @return 1 when there was some, 0, or a negative errno */
static int use_the_pause(struct screen_source *source, int64_t *ret_due_ns)
{
	int64_t now_ns = clock_now_ns();
	const Uxrec__ScreenPatches *patches;
	int r = 0;

	*ret_due_ns = due_ns(source, now_ns);
	if (*ret_due_ns > now_ns)
		return 0;
	source->busy_since_ns = now_ns;
	now_ns = clock_now_ns(); /* of what was called complete meanwhile nothing may come */
	if (is_owed_due(source, now_ns))
		r = pay(source, now_ns);
	else if ((patches = patcher_rest(source->patcher, now_ns)))
		r = push_patches(source, patches, now_ns, 0);
	return r < 0 ? r : 1;
}

static void sleep_until(struct screen_source *source, int64_t until_ns)
{
	while (!source->stop && clock_now_ns() < until_ns) {
		struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
}

/* As a grabber waits: 1 there is damage, 0 somebody wants something, or nothing. */
static int await_damage(struct screen_source *source, int64_t *ret_damage_ns)
{
	const struct grabber_ops *ops = source->grabber->ops;
	int64_t until_ns;
	int r;

	/* damage goes on accumulating; a grabber that copies while it waits shall have the newest */
	sleep_until(source, source->next_ns);
	do {
		r = ops->wait(source->grabber, source->wake_fd, 0, ret_damage_ns);
		if (r != 0 || source->keyframe_wanted || source->stop)
			return r;
		r = use_the_pause(source, &until_ns);
	} while (r > 0);
	if (r < 0)
		return r;
	source->busy_since_ns = 0;
	return ops->wait(source->grabber, source->wake_fd, until_ns, ret_damage_ns);
}

static int run(struct screen_source *source)
{
	int retries = 0;

	while (!source->stop) {
		int64_t damage_ns = 0;
		int r = await_damage(source, &damage_ns);

		if (r < 0)
			return r;
		if (r == 0) {
			eventfd_t ignored;

			eventfd_read(source->wake_fd, &ignored);
			if (!source->keyframe_wanted)
				continue;
			damage_ns = clock_now_ns(); /* a keyframe of what does not change */
		}
		source->busy_since_ns = damage_ns;
		sleep_until(source, damage_ns + COALESCE_NS);
		if (source->stop)
			break;
		r = take_picture_at_pace(source, damage_ns);
		if (r == 0 && ++retries > RETRIES_LIMIT)
			return -EIO;
		if (r < 0)
			return r;
		if (r > 0) {
			retries = 0;
			/* up to the copy; what came while it was encoded may wait in the connection */
			source->busy_since_ns = source->copied_ns;
		}
	}
	return 0;
}

/* The participant's programs come first. */
static void set_priority(const char *priority)
{
	const struct sched_param none = {0};

	if (!priority || strcmp(priority, "usual") == 0)
		return;
	/* of a thread: what is asked of process 0 on Linux */
	if (setpriority(PRIO_PROCESS, 0, LOW_NICE) < 0)
		log_warning("screen: no lower priority: %s", strerror(errno));
	if (strcmp(priority, "idle") == 0 &&
		pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0)
		log_warning("screen: no idle priority");
}

/* What cannot be hidden is not recorded. */
static int hide_windows(struct screen_source *source, struct error *reterr)
{
	const struct grabber_ops *ops = source->grabber->ops;
	const struct hide_rules *rules = source->options.hide;

	if (!rules || !hide_needs_windows(rules))
		return 0;
	if (!ops->hide)
		return error_set(reterr, -EOPNOTSUPP,
			"the study hides windows, and the screen source '%s' cannot know where they are: "
			"hide fixed areas, or record an X11 session",
			ops->name);
	return ops->hide(source->grabber, rules, &source->focused_hidden, reterr);
}

/* The display is there again, and the next picture one that a decoder can begin with. */
static int connect_again(struct source *base, struct error *reterr)
{
	struct screen_source *source = screen(base);
	struct grabber *grabber, *gone = source->grabber;
	int r;

	source->busy_since_ns = clock_now_ns(); /* from here on something may come */
	r = gone->ops->create(&grabber, source->options.display, reterr);
	if (r == 0) {
		pthread_mutex_lock(&source->grabber_lock);
		source->grabber = grabber;
		pthread_mutex_unlock(&source->grabber_lock);
		grabber_destroy(gone);
		r = hide_windows(source, reterr);
	}
	if (r == 0)
		r = set_up(source, reterr);
	if (r < 0)
		source->busy_since_ns = 0;
	return r;
}

/* What a person has ended, or has to allow again, is not looked for. */
static bool come_back(struct screen_source *source)
{
	const struct source_absence absence = {"the display is gone", CHANNEL_SCREEN,
		source->wake_fd, &source->stop, connect_again};

	if (source->grabber->ops->why)
		return false;
	source->busy_since_ns = 0;
	return source_come_back(&source->base, &source->context, &absence);
}

static const char *why_gone(const struct screen_source *source)
{
	const struct grabber_ops *ops = source->grabber->ops;

	return ops->why ? ops->why(source->grabber) : "the display is gone";
}

static void *screen_thread(void *user)
{
	struct screen_source *source = user;
	int r;

	pthread_setname_np(pthread_self(), "uxrec-screen");
	set_priority(source->options.priority);
	do {
		r = run(source);
		/* what is shown last, the video alone shows too */
		if ((r == 0 || r == -EPIPE) && source->owed_ns)
			pay(source, clock_now_ns());
	} while (r == -EPIPE && !source->stop && come_back(source));
	if (r < 0 && !source->stop)
		source->context.lost(source->context.user, &source->base,
			r == -EPIPE            ? why_gone(source)
				: r == -ENOMEM ? "no memory for pictures"
					       : "the screen could not be encoded any more");
	return NULL;
}

static int64_t screen_complete_until(struct source *base, int64_t now_ns)
{
	struct screen_source *source = screen(base);
	int64_t busy_since_ns = source->busy_since_ns;

	return busy_since_ns ? busy_since_ns - 1 : now_ns - REPORT_DELAY_NS;
}

static void screen_request_keyframe(struct source *base)
{
	screen(base)->keyframe_wanted = true;
	eventfd_write(screen(base)->wake_fd, 1);
}

static void cut_grabber(void *user)
{
	struct screen_source *source = user;

	pthread_mutex_lock(&source->grabber_lock);
	if (source->grabber->ops->cut)
		source->grabber->ops->cut(source->grabber);
	pthread_mutex_unlock(&source->grabber_lock);
}

static void screen_destroy(struct source *base)
{
	struct screen_source *source = screen(base);

	source->stop = true;
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	if (source->thread)
		source_join(source->thread, cut_grabber, source);
	encoder_destroy(source->encoder);
	patcher_destroy(source->patcher);
	canvas_destroy(source->canvas);
	grabber_destroy(source->grabber);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	pthread_mutex_destroy(&source->grabber_lock);
	pthread_mutex_destroy(&source->hidden_lock);
	free(source);
}

static const struct source_ops screen_source_ops = {
	.name = "screen",
	.destroy = screen_destroy,
	.complete_until = screen_complete_until,
	.request_keyframe = screen_request_keyframe,
};

void screen_source_hide_focused(struct source *base, bool hidden)
{
	if (atomic_exchange(&screen(base)->focused_hidden, hidden) != hidden)
		eventfd_write(screen(base)->wake_fd, 1);
}

bool screen_source_hides(struct source *base, int x_px, int y_px)
{
	struct screen_source *source = screen(base);
	bool hides = false;

	pthread_mutex_lock(&source->hidden_lock);
	for (int m = 0; m < MASK_COUNT; m++)
		hides |= areas_have(&source->hidden[m], x_px, y_px);
	pthread_mutex_unlock(&source->hidden_lock);
	return hides;
}

int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct screen_source));
	struct screen_source *source = screen(base);
	const struct grabber_ops *ops = grabber_find(options->grabber);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &screen_source_ops;
	pthread_mutex_init(&source->grabber_lock, NULL);
	pthread_mutex_init(&source->hidden_lock, NULL);
	source->context = *context;
	source->options = *options;
	pace_init(&source->pace, options->max_fps);
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "no event descriptor: %s", strerror(errno));
	if (!ops)
		return error_set(reterr, -EINVAL, "no screen source '%s'", options->grabber);
	/* until the first picture has been pushed nothing is complete */
	source->busy_since_ns = clock_now_ns();
	source->focused_hidden = true;
	r = ops->create(&source->grabber, options->display, reterr);
	if (r == 0)
		r = hide_windows(source, reterr);
	if (r == 0)
		r = set_up(source, reterr);
	if (r < 0)
		return r;
	tell_hidden(source);
	r = pthread_create(&source->thread, NULL, screen_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	source->pointer.context = &source->context;
	if (ops->follow)
		ops->follow(source->grabber, pointer_told, &source->pointer);
	*ret = steal_ptr(base);
	return 0;
}
