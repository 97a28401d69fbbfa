#include "capture/screen/screen_internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/* Upper bound on damage-report latency; the watermark trails now by it. Damage reported later still, by a
 * machine that is too busy, gets a timestamp past the watermark. */
#define REPORT_DELAY_NS (40 * NS_PER_MS)

/* Patches at rest are laid between two pictures too, if the next is at least this far off. */
#define STEP_NS (8 * NS_PER_MS)

/* Changes come first: time for a compositor, which answers in steps, to report damage. */
#define ANSWER_NS (2 * NS_PER_MS)

#define LOW_NICE 5

/* During a change of size there may be nothing to copy: retry interval, and the limit after which a grabber that
 * keeps returning -EAGAIN counts as broken. */
#define RETRY_NS       (10 * NS_PER_MS)
#define RETRY_LIMIT_NS (10 * NS_PER_S)

static struct screen_source *screen(struct source *source)
{
	return (struct screen_source *)source;
}

static void publish_hidden(struct screen_source *source)
{
	pthread_mutex_lock(&source->hidden_lock);
	memcpy(source->hidden, source->canvas->mask, sizeof(source->hidden));
	pthread_mutex_unlock(&source->hidden_lock);
}

/* A picture delayed by late damage does not delay the next one. */
static void set_next(struct screen_source *source)
{
	int64_t period_ns = rate_control_period_ns(&source->rate_control);
	int64_t earliest_ns = source->copied_ns - period_ns;

	source->next_ns =
		(source->next_ns > earliest_ns ? source->next_ns : earliest_ns) + period_ns;
}

/* @return 1 copied, 0 retry, or a negative errno */
static int capture_picture(struct screen_source *source, int64_t damage_ns)
{
	int64_t begun_ns = clock_now_ns();
	int r = source->grabber->ops->grab(source->grabber, source->canvas, &source->copied_ns);

	if (r == -EAGAIN) {
		struct grabber_size size = source->grabber->ops->size(source->grabber);

		if (size.width != source->size.width || size.height != source->size.height) {
			/* the canvas still has the old size */
			screen_finish(source);
			return screen_set_up(source, NULL);
		}
		source->next_ns = clock_now_ns() + RETRY_NS;
		return 0;
	}
	publish_hidden(source);
	if (r == 0)
		r = screen_show(source, damage_ns);
	/* every copy costs, with or without a change */
	if (r >= 0)
		set_next(source);
	/* remote displays get as much idle time as copying takes */
	if (r > 0 && source->next_ns < source->copied_ns + (source->copied_ns - begun_ns))
		source->next_ns = source->copied_ns + (source->copied_ns - begun_ns);
	return r < 0 ? r : 1;
}

/* capture_picture(), and rate control by its cost */
static int capture_picture_at_rate(struct screen_source *source, int64_t damage_ns)
{
	struct rate_control_usage used = rate_control_usage_now();
	int64_t began_ns = clock_now_ns(), last_ns = source->last_time_ns;
	int before = source->rate_control.fps, r = capture_picture(source, damage_ns);

	/* nothing was shown: hidden changes do not affect the rate */
	if (r <= 0 || source->last_time_ns == last_ns)
		return r;
	if (!rate_control_update(&source->rate_control, began_ns, clock_now_ns(), used,
		    rate_control_usage_now()))
		return r;
	log_info("screen: %d pictures a second at most instead of %d: %s", source->rate_control.fps,
		before,
		source->rate_control.fps < before ? "the machine is busy"
						  : "the machine has capacity again");
	if (screen_push_left_out(source) < 0 ||
		screen_push_info(source, screen_unique_time(source, clock_now_ns())) < 0)
		return -ENOMEM;
	return 1;
}

static void sleep_until(struct screen_source *source, int64_t until_ns)
{
	while (!source->stop && clock_now_ns() < until_ns) {
		struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
}

/* A screen that never stops changing leaves no pause: lay patches at rest between two pictures. */
static int await_next(struct screen_source *source)
{
	/* later changes are possible, in places still unknown */
	int64_t seen_ns = source->copied_ns;

	while (!source->stop && clock_now_ns() + STEP_NS < source->next_ns &&
		screen_refine_due_ns(source, seen_ns) <= seen_ns) {
		int r = screen_refine(source, seen_ns);

		if (r < 0)
			return r;
	}
	/* damage keeps accumulating; a grabber that copies during wait() shall get the newest */
	sleep_until(source, source->next_ns);
	return 0;
}

/* Wait as in grabber_ops.wait(): 1 damaged, 0 woken or deadline. */
static int await_damage(struct screen_source *source, int64_t *ret_damage_ns)
{
	const struct grabber_ops *ops = source->grabber->ops;
	int64_t due_ns;
	int r = await_next(source);

	if (r < 0)
		return r;
	for (;;) {
		int64_t now_ns = clock_now_ns();

		due_ns = screen_idle_due_ns(source, now_ns);
		r = ops->wait(source->grabber, source->wake_fd,
			due_ns <= now_ns ? now_ns + ANSWER_NS : 0, ret_damage_ns);
		if (r != 0 || source->keyframe_wanted || source->stop)
			return r;
		if (due_ns > now_ns)
			break;
		now_ns = clock_now_ns();
		if (source->busy_since_ns < now_ns - REPORT_DELAY_NS)
			source->busy_since_ns = now_ns - REPORT_DELAY_NS;
		/* nothing may be pushed below the watermark returned meanwhile */
		r = screen_use_idle(source, clock_now_ns());
		if (r < 0)
			return r;
	}
	source->busy_since_ns = 0;
	return ops->wait(source->grabber, source->wake_fd, due_ns, ret_damage_ns);
}

/**
 * Hold the watermark below this damage. A watermark already returned stays valid: the damage is moved past it.
 * @return the timestamp of the damage
 */
static int64_t become_busy(struct screen_source *source, int64_t damage_ns)
{
	int64_t reported_ns;

	/* in this order: a concurrent screen_watermark() checks a second time */
	source->busy_since_ns = damage_ns;
	reported_ns = source->reported_watermark_ns;
	if (damage_ns <= reported_ns)
		source->busy_since_ns = damage_ns = reported_ns + 1;
	return damage_ns;
}

static int run(struct screen_source *source)
{
	int64_t tried_ns = 0; /* start of the retries; 0: none */

	while (!source->stop) {
		int64_t damage_ns = 0;
		int r = await_damage(source, &damage_ns);
		bool asked;

		if (r < 0)
			return r;
		if (r == 0) {
			eventfd_t ignored;

			eventfd_read(source->wake_fd, &ignored);
			if (!source->keyframe_wanted)
				continue;
			damage_ns = clock_now_ns(); /* a keyframe without a change */
		}
		asked = r == 0;
		damage_ns = become_busy(source, damage_ns);
		sleep_until(source, damage_ns + COALESCE_NS);
		if (source->stop)
			break;
		r = capture_picture_at_rate(source, damage_ns);
		if (r < 0)
			return r;
		if (r > 0) {
			tried_ns = 0;
			/* up to the copy; damage reported during encoding may wait in the connection */
			source->busy_since_ns = source->copied_ns;
		} else if (asked) {
			source->busy_since_ns = 0; /* no change, and no retry needed */
		} else if (!tried_ns) {
			tried_ns = damage_ns;
		} else if (clock_now_ns() - tried_ns > RETRY_LIMIT_NS) {
			return -EPIPE;
		}
	}
	return 0;
}

/* Give way to the participant's programs. */
static void set_priority(const char *priority)
{
	const struct sched_param none = {0};

	if (!priority || strcmp(priority, "usual") == 0)
		return;
	/* per thread: on Linux `who` 0 means the calling thread */
	if (setpriority(PRIO_PROCESS, 0, LOW_NICE) < 0)
		log_warning("screen: cannot lower the priority: %s", strerror(errno));
	if (strcmp(priority, "idle") == 0 &&
		pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0)
		log_warning("screen: cannot set the idle priority");
}

/* Refuse to record where hiding is impossible. */
static int hide_windows(struct screen_source *source, struct error *reterr)
{
	const struct grabber_ops *ops = source->grabber->ops;
	const struct hide_rules *rules = source->options.hide;

	int r;

	if (rules && rules->own)
		*rules->own = HIDE_OWN_UNKNOWN;
	if (!rules || !hide_uses_windows(rules) || (!ops->hide && !hide_needs_windows(rules)))
		return 0;
	if (!ops->hide)
		return error_set(reterr, -EOPNOTSUPP,
			"the study hides windows, but the screen source '%s' cannot locate them: "
			"hide fixed areas, or record an X11 session",
			ops->name);
	r = ops->hide(source->grabber, rules, &source->focused_hidden, reterr);
	/* a failure to hide only the recorder's own pages is no reason not to record */
	return hide_needs_windows(rules) ? r : 0;
}

/* Pin the recorded output, so that no other replaces it after a reconnect. */
static void remember_output(struct screen_source *source)
{
	const struct grabber_ops *ops = source->grabber->ops;
	const char *name = ops->output ? ops->output(source->grabber) : NULL;

	if (name)
		utf8_copy(source->output, sizeof(source->output), name);
}

/* Reconnect; the next picture is a keyframe. */
static int try_reconnect(struct source *base, struct error *reterr)
{
	struct screen_source *source = screen(base);
	struct grabber *grabber, *gone = source->grabber;
	const struct grabber_target target = {source->options.display,
		*source->output ? source->output : source->options.output, &source->stop};
	int r;

	source->busy_since_ns = clock_now_ns(); /* packets are possible from here on */
	r = gone->ops->create(&grabber, &target, reterr);
	if (r == 0) {
		pthread_mutex_lock(&source->grabber_lock);
		source->grabber = grabber;
		pthread_mutex_unlock(&source->grabber_lock);
		grabber_destroy(gone);
		r = hide_windows(source, reterr);
	}
	if (r == 0)
		r = screen_set_up(source, reterr);
	if (r < 0)
		source->busy_since_ns = 0;
	return r;
}

/* Reconnect, unless a person has ended the capture or must permit it again. */
static bool reconnect(struct screen_source *source)
{
	const struct source_outage outage = {"the connection to the display was lost",
		CHANNEL_SCREEN, source->wake_fd, &source->stop, try_reconnect};

	if (source->grabber->ops->failure_reason)
		return false;
	source->busy_since_ns = 0;
	return source_reconnect(&source->base, &source->context, &outage);
}

static const char *get_failure_reason(const struct screen_source *source)
{
	const struct grabber_ops *ops = source->grabber->ops;

	return ops->failure_reason ? ops->failure_reason(source->grabber)
				   : "the connection to the display was lost";
}

static void *screen_thread(void *user)
{
	struct screen_source *source = user;
	int r;

	pthread_setname_np(pthread_self(), "uxrec-screen");
	set_priority(source->options.priority);
	do {
		r = run(source);
		if (r == 0 || r == -EPIPE)
			screen_finish(source);
	} while (r == -EPIPE && !source->stop && reconnect(source));
	if (r < 0 && !source->stop)
		source->context.failed(source->context.user, &source->base,
			r == -EPIPE            ? get_failure_reason(source)
				: r == -ENOMEM ? "out of memory for pictures"
				: r == -E2BIG  ? "the screen is larger than can be recorded"
					       : "encoding the screen failed");
	return NULL;
}

static int64_t screen_watermark(struct source *base, int64_t now_ns)
{
	struct screen_source *source = screen(base);
	int64_t busy_since_ns = source->busy_since_ns;
	int64_t until_ns = busy_since_ns ? busy_since_ns - 1 : now_ns - REPORT_DELAY_NS;
	int64_t reported_ns = source->reported_watermark_ns;

	while (reported_ns < until_ns &&
		!atomic_compare_exchange_weak(
			&source->reported_watermark_ns, &reported_ns, until_ns))
		;
	/* concurrent damage may not have seen the watermark set here */
	busy_since_ns = source->busy_since_ns;
	return busy_since_ns && busy_since_ns <= until_ns ? busy_since_ns - 1 : until_ns;
}

static void screen_request_keyframe(struct source *base)
{
	screen(base)->keyframe_wanted = true;
	eventfd_write(screen(base)->wake_fd, 1);
}

static void abort_grabber(void *user)
{
	struct screen_source *source = user;

	pthread_mutex_lock(&source->grabber_lock);
	if (source->grabber->ops->abort)
		source->grabber->ops->abort(source->grabber);
	pthread_mutex_unlock(&source->grabber_lock);
}

static void screen_destroy(struct source *base)
{
	struct screen_source *source = screen(base);

	source->stop = true;
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	if (source->thread)
		source_join(source->thread, abort_grabber, source);
	screen_tear_down(source);
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
	.watermark = screen_watermark,
	.request_keyframe = screen_request_keyframe,
};

const char *screen_source_output(const struct source *source)
{
	const char *name = ((const struct screen_source *)source)->output;

	return *name ? name : NULL;
}

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
		hides |= areas_contain(&source->hidden[m], x_px, y_px);
	pthread_mutex_unlock(&source->hidden_lock);
	return hides;
}

int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct screen_source));
	struct screen_source *source = screen(base);
	const struct grabber_ops *ops =
		options->ops ? options->ops : grabber_find(options->grabber);
	const struct grabber_target target = {
		options->display, options->output, context->cancelled};
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &screen_source_ops;
	pthread_mutex_init(&source->grabber_lock, NULL);
	pthread_mutex_init(&source->hidden_lock, NULL);
	source->context = *context;
	source->options = *options;
	rate_control_init(&source->rate_control, options->max_fps);
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	if (!ops)
		return error_set(reterr, -EINVAL, "no screen source '%s'", options->grabber);
	/* no watermark until the first picture has been pushed */
	source->busy_since_ns = clock_now_ns();
	source->focused_hidden = true;
	r = ops->create(&source->grabber, &target, reterr);
	if (r == 0)
		remember_output(source);
	if (r == 0)
		r = hide_windows(source, reterr);
	if (r == 0)
		r = screen_set_up(source, reterr);
	if (r < 0)
		return r;
	publish_hidden(source);
	r = pthread_create(&source->thread, NULL, screen_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	source->pointer.context = &source->context;
	if (ops->track_pointer)
		ops->track_pointer(source->grabber, pointer_report, &source->pointer);
	*ret = steal_ptr(base);
	return 0;
}
