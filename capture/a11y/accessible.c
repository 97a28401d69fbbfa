#include "capture/a11y/internal.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

/* Timeout for the first reply of the bus; one that has not replied by then may still come. */
#define FIRST_NS (2 * NS_PER_S)

struct accessible_source {
	struct source base;
	struct source_context context;
	struct accessible_options options;
	pthread_t thread;
	int stop_fd;
	struct windows *windows;  /* NULL: clicks are not described */
	_Atomic uint32_t dropped; /* clicks that found the queue full */
	_Atomic int64_t dropped_ns;

	/* used by the thread only */
	sd_event *event;
	bool stop;
	struct a11y_bus *bus;
	struct focus *focus; /* NULL: not followed */
	struct clicks *clicks;

	/* shared with the creating thread until the first reply of the bus */
	pthread_mutex_t lock;
	pthread_cond_t replied;
	bool has_replied;
	bool timed_out; /* the creator's wait timed out */
	int first;
	int64_t begun_ns;
};

static struct accessible_source *accessible(struct source *source)
{
	return (struct accessible_source *)source;
}

/* ---- the thread ---- */

static void push_gap(struct accessible_source *source)
{
	static const char *const topics[] = {
		"/input/keys", "/input/keys/full", "/input/keys/counts", "/input/shortcuts"};

	source_push_gap(&source->context,
		&(struct source_gap){
			.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST,
			.from_ns = source->begun_ns,
			.to_ns = clock_now_ns(),
			.topics = topics,
			.topic_count = ARRAY_SIZE(topics),
			.detail = "the accessibility bus did not answer: unknown whether a "
				  "password field had the focus",
		});
}

/* First result of the bus: wakes the creator, or, once that has timed out, pushes the gap in which
 * keys were not recorded. */
static void report_reply(struct accessible_source *source, int r)
{
	bool late;

	pthread_mutex_lock(&source->lock);
	late = source->timed_out && !source->has_replied;
	if (!source->has_replied)
		source->first = r;
	source->has_replied = true;
	pthread_cond_signal(&source->replied);
	pthread_mutex_unlock(&source->lock);
	if (!late || !source->options.focus)
		return;
	push_gap(source);
	if (r < 0)
		source->options.focus(source->options.user, FOCUS_ABSENT);
}

static void on_first(void *user, int r)
{
	report_reply(user, r);
}

static void on_up(void *user)
{
	struct accessible_source *source = user;

	clicks_set_bus(source->clicks, source->bus);
	if (source->focus)
		focus_up(source->focus, source->bus);
}

static void on_down(void *user)
{
	struct accessible_source *source = user;

	clicks_set_bus(source->clicks, NULL);
	if (source->focus)
		focus_down(source->focus);
}

static void on_focused(void *user, const char *name, const char *path, bool gained)
{
	struct accessible_source *source = user;

	if (gained)
		clicks_focused(source->clicks, name, path);
	if (source->focus)
		focus_event(source->focus, name, path, gained);
}

static void on_deactivated(void *user, const char *name)
{
	struct accessible_source *source = user;

	if (source->focus)
		focus_deactivated(source->focus, name);
}

static int on_click(sd_event_source *io, int fd, uint32_t events, void *user)
{
	struct accessible_source *source = user;
	struct a11y_click click;
	uint32_t dropped = atomic_exchange(&source->dropped, 0);

	(void)io;
	(void)fd;
	(void)events;
	while (dropped-- > 0)
		clicks_missed(source->clicks, source->dropped_ns);
	while (windows_pop(source->windows, &click)) {
		if (source->focus)
			focus_hurry(source->focus);
		clicks_describe(source->clicks, &click);
	}
	return 0;
}

static int on_stop(sd_event_source *io, int fd, uint32_t events, void *user)
{
	struct accessible_source *source = user;

	(void)io;
	(void)fd;
	(void)events;
	source->stop = true;
	return 0;
}

static int open_all(struct accessible_source *source)
{
	const struct a11y_listener listener = {
		on_up, on_down, on_focused, on_deactivated, on_first, source};
	int r = sd_event_new(&source->event);

	if (r >= 0)
		r = sd_event_add_io(source->event, NULL, source->stop_fd, EPOLLIN, on_stop, source);
	if (r >= 0 && source->windows)
		r = sd_event_add_io(source->event, NULL, windows_fd(source->windows), EPOLLIN,
			on_click, source);
	if (r >= 0)
		r = clicks_create(
			&source->clicks, source->event, &source->context, source->options.names);
	if (r >= 0 && source->options.focus)
		r = focus_create(
			&source->focus, source->event, source->options.focus, source->options.user);
	return r < 0 ? r : a11y_bus_create(&source->bus, source->event, true, &listener);
}

static void *accessible_thread(void *user)
{
	struct accessible_source *source = user;
	int r;

	pthread_setname_np(pthread_self(), "uxrec-a11y");
	r = open_all(source);
	/* not sd_event_exit(), which blocks while flushing the buses */
	while (r >= 0 && !source->stop)
		r = sd_event_run(source->event, UINT64_MAX);
	if (r < 0)
		report_reply(source, r);
	clicks_destroy(steal_ptr(source->clicks));
	focus_destroy(steal_ptr(source->focus));
	a11y_bus_destroy(steal_ptr(source->bus));
	source->event = sd_event_unref(source->event);
	return NULL;
}

/* ---- called from other threads ---- */

void accessible_source_click(struct source *base, int64_t time_ns, int x_px, int y_px)
{
	struct accessible_source *source = accessible(base);
	const struct a11y_click click = {.time_ns = time_ns, .x = x_px, .y = y_px};

	if (!source->windows || windows_find(source->windows, &click))
		return;
	source->dropped_ns = time_ns;
	source->dropped++;
}

bool accessible_source_waits(struct source *base)
{
	struct accessible_source *source = accessible(base);
	bool waits;

	pthread_mutex_lock(&source->lock);
	waits = source->timed_out && !source->has_replied;
	pthread_mutex_unlock(&source->lock);
	return waits;
}

static void accessible_destroy(struct source *base)
{
	struct accessible_source *source = accessible(base);

	if (source->stop_fd >= 0)
		eventfd_write(source->stop_fd, 1);
	/* the thread blocks on its events only */
	if (source->thread)
		pthread_join(source->thread, NULL);
	/* the bus never replied */
	if (source->timed_out && !source->has_replied && source->options.focus)
		push_gap(source);
	windows_destroy(source->windows);
	if (source->stop_fd >= 0)
		close(source->stop_fd);
	pthread_cond_destroy(&source->replied);
	pthread_mutex_destroy(&source->lock);
	free(source);
}

static const struct source_ops accessible_source_ops = {
	.name = "accessible",
	.destroy = accessible_destroy,
};

static int wait_for_bus(struct accessible_source *source, struct error *reterr)
{
	int64_t until_ns = source->begun_ns + FIRST_NS;
	const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
	int r = 0;

	pthread_mutex_lock(&source->lock);
	while (!source->has_replied &&
		pthread_cond_clockwait(&source->replied, &source->lock, CLOCK_MONOTONIC, &until) ==
			0)
		;
	if (source->has_replied)
		r = source->first;
	source->timed_out = !source->has_replied;
	pthread_mutex_unlock(&source->lock);
	return r < 0 ? error_set(reterr, -ENOENT,
			       "no accessibility bus (org.a11y.Bus: %s): install at-spi2-core, and "
			       "check DBUS_SESSION_BUS_ADDRESS",
			       strerror(-r))
		     : 0;
}

int accessible_source_create(struct source **ret, const struct source_context *context,
	const struct accessible_options *options, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct accessible_source));
	struct accessible_source *source = accessible(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &accessible_source_ops;
	source->context = *context;
	source->options = *options;
	source->begun_ns = clock_now_ns();
	pthread_mutex_init(&source->lock, NULL);
	pthread_cond_init(&source->replied, NULL);
	source->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->stop_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	if (options->names != NAMES_NONE) {
		r = windows_create(&source->windows, options->display);
		if (r < 0 && r != -ENOENT)
			return error_set(reterr, r, "cannot watch windows: %s", strerror(-r));
	}
	r = pthread_create(&source->thread, NULL, accessible_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	r = wait_for_bus(source, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(base);
	return 0;
}

/* ---- announcement without a source ---- */

struct accessible_announcement {
	struct a11y_bus *bus;
};

static void ignore(void *user)
{
	(void)user;
}

static void ignore_focus(void *user, const char *name, const char *path, bool gained)
{
	(void)user;
	(void)name;
	(void)path;
	(void)gained;
}

static void ignore_window(void *user, const char *name)
{
	(void)user;
	(void)name;
}

static void ignore_first(void *user, int r)
{
	(void)user;
	(void)r;
}

int accessible_announcement_create(struct accessible_announcement **ret, sd_event *event)
{
	const struct a11y_listener nobody = {
		ignore, ignore, ignore_focus, ignore_window, ignore_first, NULL};
	_destroy_(accessible_announcement) struct accessible_announcement *announcement =
		calloc(1, sizeof(*announcement));
	int r;

	if (!announcement)
		return -ENOMEM;
	r = a11y_bus_create(&announcement->bus, event, false, &nobody);
	if (r == 0)
		*ret = steal_ptr(announcement);
	return r;
}

void accessible_announcement_destroy(struct accessible_announcement *announcement)
{
	if (!announcement)
		return;
	a11y_bus_destroy(announcement->bus);
	free(announcement);
}
