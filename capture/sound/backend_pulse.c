#include "capture/sound/audio_backend.h"

#include "capture/sound/pulse_clock.h"
#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pulse/pulseaudio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A server that takes longer to accept us stalls. */
#define ANSWER_NS (2 * NS_PER_S)

/* Longest pause: after it the device is gone or its server stalls. */
#define SILENT_NS (2 * NS_PER_S)

/* The first sound may take longer: an idle output first plays its buffer, up to two seconds. Sound
 * whose time is still unknown by then is of no use. */
#define FIRST_NS (6 * NS_PER_S)

#define FRAGMENT_SAMPLES (EAR_RATE_HZ / 50)
#define BLOCK_SAMPLES    8192

/* Poll interval of the server's timing information. An answer slower than SLOW_NS may be off by as
 * much: it counts only after SLOW_LIMIT of them in a row. */
#define ASK_NS     (100 * NS_PER_MS)
#define SLOW_NS    (2 * NS_PER_MS)
#define SLOW_LIMIT 10

struct pulse_ear {
	struct ear base;
	pa_threaded_mainloop *loop;
	pa_context *context;
	pa_stream *stream;
	int fd;            /* eventfd: new sound or a state change */
	bool follows_sink; /* captures the monitor of the default sink */
	bool any_device;   /* accept microphones only: no device was named */

	/* under the loop's lock */
	struct ear_anchor anchor;
	int64_t begun_ns, arrived_ns; /* arrived: of the last sound; 0: none yet */
	int64_t count;                /* samples taken, lost ones included */
	size_t taken;                 /* samples taken of the current fragment */
	bool asking;
	int64_t asked_ns;
	unsigned slow; /* consecutive slow answers */
	bool is_monitor, answered;
	int64_t answer_count, answer_ns, unsent; /* samples */
	bool device_muted, stream_muted, failed;
	char described[160], sink[160];

	/* used by the capturing thread only */
	char device[160];
	float samples[BLOCK_SAMPLES];
};

static struct pulse_ear *pulse_ear(struct ear *ear)
{
	return (struct pulse_ear *)ear;
}

static void wake(struct pulse_ear *ear)
{
	eventfd_write(ear->fd, 1);
}

static void let_go(pa_operation *operation)
{
	if (operation)
		pa_operation_unref(operation);
}

/* ---- the loop's thread ---- */

static void on_context(pa_context *context, void *user)
{
	(void)context;
	wake(user);
}

static void on_stream(pa_stream *stream, void *user)
{
	(void)stream;
	wake(user);
}

static void on_readable(pa_stream *stream, size_t size_bytes, void *user)
{
	struct pulse_ear *ear = user;

	(void)stream;
	(void)size_bytes;
	ear->arrived_ns = clock_now_ns();
	wake(ear);
}

static void on_source(pa_context *context, const pa_source_info *info, int end, void *user)
{
	struct pulse_ear *ear = user;

	(void)context;
	if (end)
		return;
	utf8_copy(ear->described, sizeof(ear->described), info->description);
	ear->device_muted = info->mute;
	ear->is_monitor = info->monitor_of_sink != PA_INVALID_INDEX;
	/* without a microphone the server feeds the monitor of an output, which nobody asked for */
	if (ear->is_monitor && ear->any_device) {
		ear->failed = true;
		wake(ear);
	}
}

static void on_output(pa_context *context, const pa_source_output_info *info, int end, void *user)
{
	struct pulse_ear *ear = user;
	int64_t held_ns;

	(void)context;
	if (end)
		return;
	ear->stream_muted = info->mute;
	if (!ear->answered)
		return;
	/* A sink may rewind unplayed samples, so its monitor holds these back; the timing
	 * information does not include them. */
	held_ns = (int64_t)info->buffer_usec * NS_PER_US - ear->unsent * NS_PER_S / EAR_RATE_HZ;
	ear_anchor_feed(&ear->anchor, ear->answer_count, ear->answer_ns - held_ns);
	ear->answered = false;
}

static void on_server(pa_context *context, const pa_server_info *info, void *user)
{
	struct pulse_ear *ear = user;

	(void)context;
	if (!info || !info->default_sink_name)
		return;
	if (*ear->sink && strcmp(ear->sink, info->default_sink_name) != 0) {
		/* the default output has changed */
		ear->failed = true;
		wake(ear);
	}
	snprintf(ear->sink, sizeof(ear->sink), "%s", info->default_sink_name);
}

static void look_at_source(struct pulse_ear *ear)
{
	let_go(pa_context_get_source_info_by_index(
		ear->context, pa_stream_get_device_index(ear->stream), on_source, ear));
}

static void look_at_output(struct pulse_ear *ear)
{
	let_go(pa_context_get_source_output_info(
		ear->context, pa_stream_get_index(ear->stream), on_output, ear));
}

static void look_at_server(struct pulse_ear *ear)
{
	if (ear->follows_sink)
		let_go(pa_context_get_server_info(ear->context, on_server, ear));
}

static void on_moved(pa_stream *stream, void *user)
{
	(void)stream;
	look_at_source(user);
}

static void on_event(
	pa_context *context, pa_subscription_event_type_t type, uint32_t index, void *user)
{
	struct pulse_ear *ear = user;
	unsigned facility = type & PA_SUBSCRIPTION_EVENT_FACILITY_MASK;

	(void)context;
	if (facility == PA_SUBSCRIPTION_EVENT_SERVER)
		look_at_server(ear);
	else if (facility == PA_SUBSCRIPTION_EVENT_SOURCE &&
		index == pa_stream_get_device_index(ear->stream))
		look_at_source(ear);
	else if (facility == PA_SUBSCRIPTION_EVENT_SOURCE_OUTPUT &&
		index == pa_stream_get_index(ear->stream))
		look_at_output(ear);
}

/* The timing information gives a sample count at a timestamp and the age of the last of these
 * samples: for a monitor, the time until it is played. */
static void on_time(pa_stream *stream, int success, void *user)
{
	struct pulse_ear *ear = user;
	const pa_timing_info *info = pa_stream_get_timing_info(stream);
	struct clock_sample now = clock_sample_take();
	int64_t time_us, missing;

	ear->asking = false;
	if (!success || !info || !info->playing || info->write_index_corrupt ||
		info->read_index_corrupt)
		return;
	if (now.monotonic_ns - ear->asked_ns > SLOW_NS && ++ear->slow < SLOW_LIMIT)
		return;
	ear->slow = 0;
	/* samples sent but not received are lost */
	missing = info->read_index / (int64_t)sizeof(float) - (ear->count - (int64_t)ear->taken);
	if (missing > 0)
		ear->count += missing;
	time_us = (int64_t)pa_timeval_load(&info->timestamp) - (int64_t)info->source_usec +
		(int64_t)info->sink_usec;
	ear->answer_count = info->write_index / (int64_t)sizeof(float);
	ear->answer_ns = time_us * NS_PER_US - now.wall_ns + now.monotonic_ns;
	if (!ear->is_monitor) {
		ear_anchor_feed(&ear->anchor, ear->answer_count, ear->answer_ns);
		return;
	}
	/* the held-back samples come with the source output info */
	ear->unsent = ear->answer_count -
		(info->read_index + (int64_t)pa_stream_readable_size(stream)) /
			(int64_t)sizeof(float);
	ear->answered = true;
}

/* ---- the caller's thread ---- */

static int errno_of(int error)
{
	switch (error) {
	case PA_ERR_CONNECTIONREFUSED: return -ECONNREFUSED;
	case PA_ERR_ACCESS:
	case PA_ERR_AUTHKEY: return -EACCES;
	case PA_ERR_NOENTITY: return -ENODEV;
	case PA_ERR_TIMEOUT: return -ETIMEDOUT;
	default: return -EIO;
	}
}

/* @return 1 when ready, 0 when pending, or -errno */
static int context_is_there(struct pulse_ear *ear)
{
	pa_context_state_t state = pa_context_get_state(ear->context);

	return state == PA_CONTEXT_READY    ? 1
		: PA_CONTEXT_IS_GOOD(state) ? 0
					    : errno_of(pa_context_errno(ear->context));
}

static int stream_is_there(struct pulse_ear *ear)
{
	pa_stream_state_t state = pa_stream_get_state(ear->stream);
	int r = context_is_there(ear);

	if (r <= 0)
		return r;
	return state == PA_STREAM_READY    ? 1
		: PA_STREAM_IS_GOOD(state) ? 0
					   : errno_of(pa_context_errno(ear->context));
}

static int wait_until(
	struct pulse_ear *ear, int (*is_there)(struct pulse_ear *ear), int64_t until_ns)
{
	for (;;) {
		struct pollfd fd = {ear->fd, POLLIN, 0};
		int64_t left_ns = until_ns - clock_now_ns();
		eventfd_t ignored;
		int r;

		pa_threaded_mainloop_lock(ear->loop);
		r = is_there(ear);
		pa_threaded_mainloop_unlock(ear->loop);
		if (r != 0)
			return r;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		poll(&fd, 1, (int)(left_ns / NS_PER_MS) + 1);
		eventfd_read(ear->fd, &ignored);
	}
}

static int connect_context(struct pulse_ear *ear)
{
	int r;

	ear->context = pa_context_new(pa_threaded_mainloop_get_api(ear->loop), "uxrec");
	if (!ear->context)
		return -ENOMEM;
	pa_context_set_state_callback(ear->context, on_context, ear);
	pa_context_set_subscribe_callback(ear->context, on_event, ear);
	r = pa_context_connect(ear->context, NULL, PA_CONTEXT_NOAUTOSPAWN, NULL);
	if (r < 0)
		return errno_of(pa_context_errno(ear->context));
	return pa_threaded_mainloop_start(ear->loop) < 0 ? -ENOMEM : 0;
}

/* Under the loop's lock. A named device is not replaced by another when it goes: least of all a
 * microphone by the monitor of an output. */
static int connect_stream(struct pulse_ear *ear, const char *device, bool monitor)
{
	const pa_sample_spec format = {PA_SAMPLE_FLOAT32NE, EAR_RATE_HZ, 1};
	const pa_buffer_attr sizes = {
		.maxlength = (uint32_t)-1,
		.fragsize = FRAGMENT_SAMPLES * sizeof(float),
	};
	pa_stream_flags_t flags = PA_STREAM_ADJUST_LATENCY |
		(device || monitor ? PA_STREAM_DONT_MOVE : PA_STREAM_NOFLAGS);
	char name[256] = "@DEFAULT_MONITOR@";

	if (device)
		snprintf(name, sizeof(name), "%s%s", device, monitor ? ".monitor" : "");
	ear->stream = pa_stream_new(ear->context, "think-aloud sound", &format, NULL);
	if (!ear->stream)
		return -ENOMEM;
	pa_stream_set_state_callback(ear->stream, on_stream, ear);
	pa_stream_set_suspended_callback(ear->stream, on_stream, ear);
	pa_stream_set_moved_callback(ear->stream, on_moved, ear);
	pa_stream_set_read_callback(ear->stream, on_readable, ear);
	if (pa_stream_connect_record(ear->stream, device || monitor ? name : NULL, &sizes, flags) <
		0)
		return errno_of(pa_context_errno(ear->context));
	return 0;
}

static int connect_all(
	struct pulse_ear *ear, const char *device, bool monitor, struct error *reterr)
{
	int64_t until_ns = clock_now_ns() + ANSWER_NS;
	int r = connect_context(ear);

	if (r == 0)
		r = wait_until(ear, context_is_there, until_ns);
	if (r == -EACCES)
		return error_set(reterr, r,
			"no sound: PulseAudio does not let us in (access denied); is it this user's?");
	if (r < 0)
		return error_set(reterr, r,
			"no sound: PulseAudio does not answer; is it running in this session?");
	pa_threaded_mainloop_lock(ear->loop);
	r = connect_stream(ear, device, monitor);
	pa_threaded_mainloop_unlock(ear->loop);
	if (r == 0)
		r = wait_until(ear, stream_is_there, until_ns);
	if (r == -ENODEV)
		return error_set(reterr, r, "no sound: PulseAudio has no %s '%.80s'",
			monitor ? "output" : "microphone", device ? device : "by default");
	return r < 0 ? error_set(reterr, r, "no sound: PulseAudio lends no stream of it") : 0;
}

static void pulse_destroy(struct ear *base)
{
	struct pulse_ear *ear = pulse_ear(base);

	/* without its thread no callback runs, and nothing waits */
	if (ear->loop)
		pa_threaded_mainloop_stop(ear->loop);
	if (ear->stream) {
		pa_stream_disconnect(ear->stream);
		pa_stream_unref(ear->stream);
	}
	if (ear->context) {
		pa_context_disconnect(ear->context);
		pa_context_unref(ear->context);
	}
	if (ear->loop)
		pa_threaded_mainloop_free(ear->loop);
	if (ear->fd >= 0)
		close(ear->fd);
	free(ear);
}

static int pulse_create(struct ear **ret, const char *device, bool monitor, struct error *reterr)
{
	_destroy_(ear) struct ear *base = calloc(1, sizeof(struct pulse_ear));
	struct pulse_ear *ear = pulse_ear(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &ear_pulse;
	ear->follows_sink = monitor && !device;
	ear->any_device = !monitor && !device;
	ear->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ear->loop = pa_threaded_mainloop_new();
	if (ear->fd < 0 || !ear->loop)
		return error_set(reterr, -ENOMEM, "no memory");
	pa_threaded_mainloop_set_name(ear->loop, "uxrec-pulse");
	r = connect_all(ear, device, monitor, reterr);
	if (r < 0)
		return r;
	pa_threaded_mainloop_lock(ear->loop);
	ear->begun_ns = clock_now_ns();
	utf8_copy(ear->described, sizeof(ear->described), pa_stream_get_device_name(ear->stream));
	let_go(pa_context_subscribe(ear->context,
		PA_SUBSCRIPTION_MASK_SOURCE | PA_SUBSCRIPTION_MASK_SOURCE_OUTPUT |
			PA_SUBSCRIPTION_MASK_SERVER,
		NULL, NULL));
	look_at_source(ear);
	look_at_output(ear);
	look_at_server(ear);
	pa_threaded_mainloop_unlock(ear->loop);
	*ret = steal_ptr(base);
	return 0;
}

/* ---- samples: under the loop's lock ---- */

static void ask_for_time(struct pulse_ear *ear)
{
	int64_t now_ns = clock_now_ns();
	pa_operation *operation;

	if (ear->asking || now_ns - ear->asked_ns < ASK_NS)
		return;
	operation = pa_stream_update_timing_info(ear->stream, on_time, ear);
	ear->asking = operation != NULL;
	ear->asked_ns = now_ns;
	ear->answered = false;
	let_go(operation);
	if (ear->is_monitor)
		look_at_output(ear);
}

/* @return 1 with sound, 0 without, -EPIPE when there will be none */
static int take(struct pulse_ear *ear, struct heard *ret)
{
	const void *piece;
	size_t size_bytes, count, left;

	/* samples stay in the stream until their time is known */
	while (ear->anchor.settled) {
		if (pa_stream_peek(ear->stream, &piece, &size_bytes) < 0)
			return -EPIPE;
		if (size_bytes == 0)
			return 0;
		left = size_bytes / sizeof(float) - ear->taken;
		/* a fragment may span many blocks, or be a hole */
		count = piece && left > BLOCK_SAMPLES ? BLOCK_SAMPLES : left;
		if (piece) {
			int64_t position = ear->count + ear->anchor.lost;

			memcpy(ear->samples, (const float *)piece + ear->taken,
				count * sizeof(float));
			*ret = (struct heard){ear->samples, count, position,
				ear_anchor_at(&ear->anchor, position),
				ear->device_muted || ear->stream_muted};
		}
		ear->count += (int64_t)count;
		ear->taken += count;
		if (count == left) {
			ear->taken = 0;
			pa_stream_drop(ear->stream);
		}
		if (piece) {
			memcpy(ear->device, ear->described, sizeof(ear->device));
			return 1;
		}
	}
	return 0;
}

static int take_if_any(struct pulse_ear *ear, struct heard *ret)
{
	int64_t now_ns = clock_now_ns();
	int r;

	if (ear->failed || stream_is_there(ear) <= 0 || pa_stream_is_suspended(ear->stream) != 0)
		return -EPIPE;
	ask_for_time(ear);
	r = take(ear, ret);
	if (r == 0 && ear->arrived_ns && now_ns - ear->arrived_ns > SILENT_NS)
		return -EPIPE;
	if (r == 0 && !ear->anchor.settled && now_ns - ear->begun_ns > FIRST_NS)
		return -EPIPE;
	return r;
}

static int pulse_hear(struct ear *base, int wake_fd, struct heard *ret)
{
	struct pulse_ear *ear = pulse_ear(base);

	for (;;) {
		struct pollfd fds[] = {{ear->fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
		eventfd_t ignored;
		int r;

		pa_threaded_mainloop_lock(ear->loop);
		r = take_if_any(ear, ret);
		pa_threaded_mainloop_unlock(ear->loop);
		if (r != 0)
			return r;
		poll(fds, 2, (int)(SILENT_NS / NS_PER_MS / 4));
		if (fds[1].revents)
			return 0;
		eventfd_read(ear->fd, &ignored);
	}
}

static const char *pulse_device(struct ear *ear)
{
	return pulse_ear(ear)->device;
}

const struct ear_ops ear_pulse = {
	.name = "pulse",
	.create = pulse_create,
	.hear = pulse_hear,
	.device = pulse_device,
	.destroy = pulse_destroy,
};
