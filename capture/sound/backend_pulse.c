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
#define CONNECT_TIMEOUT_NS (2 * NS_PER_S)

/* Longest pause: after it the device is gone or its server stalls. */
#define STALL_TIMEOUT_NS (2 * NS_PER_S)

/* The first sound may take longer: an idle output first plays its buffer, up to two seconds. Sound
 * whose time is still unknown by then is of no use. */
#define FIRST_BLOCK_TIMEOUT_NS (6 * NS_PER_S)

#define FRAGMENT_SAMPLES (AUDIO_RATE_HZ / 50)
#define BLOCK_SAMPLES    8192

/* Poll interval of the server's timing information. An answer slower than SLOW_NS may be off by as
 * much: it counts only after SLOW_LIMIT of them in a row. */
#define TIMING_INTERVAL_NS (100 * NS_PER_MS)
#define SLOW_NS            (2 * NS_PER_MS)
#define SLOW_LIMIT         10

struct pulse_backend {
	struct audio_backend base;
	pa_threaded_mainloop *loop;
	pa_context *context;
	pa_stream *stream;
	int fd;            /* eventfd: new sound or a state change */
	bool follows_sink; /* captures the monitor of the default sink */
	bool any_device;   /* accept microphones only: no device was named */

	/* under the loop's lock */
	struct pulse_clock clock;
	int64_t begun_ns, arrived_ns; /* arrived: of the last sound; 0: none yet */
	int64_t count;                /* samples taken, lost ones included */
	size_t consumed;              /* samples taken of the current fragment */
	bool timing_requested;
	int64_t timing_requested_ns;
	unsigned slow; /* consecutive slow answers */
	bool is_monitor, answered;
	int64_t answer_count, answer_ns, unsent; /* samples */
	bool device_muted, stream_muted, failed;
	char source_description[160], sink[160];

	/* used by the capturing thread only */
	char device[160];
	float samples[BLOCK_SAMPLES];
};

static struct pulse_backend *pulse_backend(struct audio_backend *backend)
{
	return (struct pulse_backend *)backend;
}

static void wake(struct pulse_backend *backend)
{
	eventfd_write(backend->fd, 1);
}

static void unref_operation(pa_operation *operation)
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
	struct pulse_backend *backend = user;

	(void)stream;
	(void)size_bytes;
	backend->arrived_ns = clock_now_ns();
	wake(backend);
}

static void on_source(pa_context *context, const pa_source_info *info, int end, void *user)
{
	struct pulse_backend *backend = user;

	(void)context;
	if (end)
		return;
	utf8_copy(backend->source_description, sizeof(backend->source_description),
		info->description);
	backend->device_muted = info->mute;
	backend->is_monitor = info->monitor_of_sink != PA_INVALID_INDEX;
	/* without a microphone the server feeds the monitor of an output, which nobody asked for */
	if (backend->is_monitor && backend->any_device) {
		backend->failed = true;
		wake(backend);
	}
}

static void on_output(pa_context *context, const pa_source_output_info *info, int end, void *user)
{
	struct pulse_backend *backend = user;
	int64_t held_ns;

	(void)context;
	if (end)
		return;
	backend->stream_muted = info->mute;
	if (!backend->answered)
		return;
	/* A sink may rewind unplayed samples, so its monitor holds these back; the timing
	 * information does not include them. */
	held_ns =
		(int64_t)info->buffer_usec * NS_PER_US - backend->unsent * NS_PER_S / AUDIO_RATE_HZ;
	pulse_clock_feed(&backend->clock, backend->answer_count, backend->answer_ns - held_ns);
	backend->answered = false;
}

static void on_server(pa_context *context, const pa_server_info *info, void *user)
{
	struct pulse_backend *backend = user;

	(void)context;
	if (!info || !info->default_sink_name)
		return;
	if (*backend->sink && strcmp(backend->sink, info->default_sink_name) != 0) {
		/* the default output has changed */
		backend->failed = true;
		wake(backend);
	}
	snprintf(backend->sink, sizeof(backend->sink), "%s", info->default_sink_name);
}

static void query_source(struct pulse_backend *backend)
{
	unref_operation(pa_context_get_source_info_by_index(
		backend->context, pa_stream_get_device_index(backend->stream), on_source, backend));
}

static void query_source_output(struct pulse_backend *backend)
{
	unref_operation(pa_context_get_source_output_info(
		backend->context, pa_stream_get_index(backend->stream), on_output, backend));
}

static void query_server(struct pulse_backend *backend)
{
	if (backend->follows_sink)
		unref_operation(pa_context_get_server_info(backend->context, on_server, backend));
}

static void on_moved(pa_stream *stream, void *user)
{
	(void)stream;
	query_source(user);
}

static void on_event(
	pa_context *context, pa_subscription_event_type_t type, uint32_t index, void *user)
{
	struct pulse_backend *backend = user;
	unsigned facility = type & PA_SUBSCRIPTION_EVENT_FACILITY_MASK;

	(void)context;
	if (facility == PA_SUBSCRIPTION_EVENT_SERVER)
		query_server(backend);
	else if (facility == PA_SUBSCRIPTION_EVENT_SOURCE &&
		index == pa_stream_get_device_index(backend->stream))
		query_source(backend);
	else if (facility == PA_SUBSCRIPTION_EVENT_SOURCE_OUTPUT &&
		index == pa_stream_get_index(backend->stream))
		query_source_output(backend);
}

/* The timing information gives a sample count at a timestamp and the age of the last of these
 * samples: for a monitor, the time until it is played. */
static void on_timing(pa_stream *stream, int success, void *user)
{
	struct pulse_backend *backend = user;
	const pa_timing_info *info = pa_stream_get_timing_info(stream);
	struct clock_sample now = clock_sample_take();
	int64_t time_us, missing;

	backend->timing_requested = false;
	if (!success || !info || !info->playing || info->write_index_corrupt ||
		info->read_index_corrupt)
		return;
	if (now.monotonic_ns - backend->timing_requested_ns > SLOW_NS &&
		++backend->slow < SLOW_LIMIT)
		return;
	backend->slow = 0;
	/* samples sent but not received are lost */
	missing = info->read_index / (int64_t)sizeof(float) -
		(backend->count - (int64_t)backend->consumed);
	if (missing > 0)
		backend->count += missing;
	time_us = (int64_t)pa_timeval_load(&info->timestamp) - (int64_t)info->source_usec +
		(int64_t)info->sink_usec;
	backend->answer_count = info->write_index / (int64_t)sizeof(float);
	backend->answer_ns = time_us * NS_PER_US - now.wall_ns + now.monotonic_ns;
	if (!backend->is_monitor) {
		pulse_clock_feed(&backend->clock, backend->answer_count, backend->answer_ns);
		return;
	}
	/* the held-back samples come with the source output info */
	backend->unsent = backend->answer_count -
		(info->read_index + (int64_t)pa_stream_readable_size(stream)) /
			(int64_t)sizeof(float);
	backend->answered = true;
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
static int context_is_ready(struct pulse_backend *backend)
{
	pa_context_state_t state = pa_context_get_state(backend->context);

	return state == PA_CONTEXT_READY    ? 1
		: PA_CONTEXT_IS_GOOD(state) ? 0
					    : errno_of(pa_context_errno(backend->context));
}

static int stream_is_ready(struct pulse_backend *backend)
{
	pa_stream_state_t state = pa_stream_get_state(backend->stream);
	int r = context_is_ready(backend);

	if (r <= 0)
		return r;
	return state == PA_STREAM_READY    ? 1
		: PA_STREAM_IS_GOOD(state) ? 0
					   : errno_of(pa_context_errno(backend->context));
}

static int wait_until(struct pulse_backend *backend, int (*is_ready)(struct pulse_backend *backend),
	int64_t until_ns)
{
	for (;;) {
		struct pollfd fd = {backend->fd, POLLIN, 0};
		int64_t left_ns = until_ns - clock_now_ns();
		eventfd_t ignored;
		int r;

		pa_threaded_mainloop_lock(backend->loop);
		r = is_ready(backend);
		pa_threaded_mainloop_unlock(backend->loop);
		if (r != 0)
			return r;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		poll(&fd, 1, (int)(left_ns / NS_PER_MS) + 1);
		eventfd_read(backend->fd, &ignored);
	}
}

static int connect_context(struct pulse_backend *backend)
{
	int r;

	backend->context = pa_context_new(pa_threaded_mainloop_get_api(backend->loop), "uxrec");
	if (!backend->context)
		return -ENOMEM;
	pa_context_set_state_callback(backend->context, on_context, backend);
	pa_context_set_subscribe_callback(backend->context, on_event, backend);
	r = pa_context_connect(backend->context, NULL, PA_CONTEXT_NOAUTOSPAWN, NULL);
	if (r < 0)
		return errno_of(pa_context_errno(backend->context));
	return pa_threaded_mainloop_start(backend->loop) < 0 ? -ENOMEM : 0;
}

/* Under the loop's lock. A named device is not replaced by another when it goes: least of all a
 * microphone by the monitor of an output. */
static int connect_stream(struct pulse_backend *backend, const char *device, bool monitor)
{
	const pa_sample_spec format = {PA_SAMPLE_FLOAT32NE, AUDIO_RATE_HZ, 1};
	const pa_buffer_attr sizes = {
		.maxlength = (uint32_t)-1,
		.fragsize = FRAGMENT_SAMPLES * sizeof(float),
	};
	pa_stream_flags_t flags = PA_STREAM_ADJUST_LATENCY |
		(device || monitor ? PA_STREAM_DONT_MOVE : PA_STREAM_NOFLAGS);
	char name[256] = "@DEFAULT_MONITOR@";

	if (device)
		snprintf(name, sizeof(name), "%s%s", device, monitor ? ".monitor" : "");
	backend->stream = pa_stream_new(backend->context, "think-aloud sound", &format, NULL);
	if (!backend->stream)
		return -ENOMEM;
	pa_stream_set_state_callback(backend->stream, on_stream, backend);
	pa_stream_set_suspended_callback(backend->stream, on_stream, backend);
	pa_stream_set_moved_callback(backend->stream, on_moved, backend);
	pa_stream_set_read_callback(backend->stream, on_readable, backend);
	if (pa_stream_connect_record(
		    backend->stream, device || monitor ? name : NULL, &sizes, flags) < 0)
		return errno_of(pa_context_errno(backend->context));
	return 0;
}

static int connect_all(
	struct pulse_backend *backend, const char *device, bool monitor, struct error *reterr)
{
	int64_t until_ns = clock_now_ns() + CONNECT_TIMEOUT_NS;
	int r = connect_context(backend);

	if (r == 0)
		r = wait_until(backend, context_is_ready, until_ns);
	if (r == -EACCES)
		return error_set(
			reterr, r, "no sound: PulseAudio denied access: does it run as this user?");
	if (r < 0)
		return error_set(reterr, r,
			"no sound: PulseAudio does not answer; is it running in this session?");
	pa_threaded_mainloop_lock(backend->loop);
	r = connect_stream(backend, device, monitor);
	pa_threaded_mainloop_unlock(backend->loop);
	if (r == 0)
		r = wait_until(backend, stream_is_ready, until_ns);
	if (r == -ENODEV)
		return error_set(reterr, r, "no sound: PulseAudio has no %s '%.80s'",
			monitor ? "output" : "microphone", device ? device : "by default");
	return r < 0 ? error_set(reterr, r, "no sound: PulseAudio cannot open a stream of it") : 0;
}

static void pulse_destroy(struct audio_backend *base)
{
	struct pulse_backend *backend = pulse_backend(base);

	/* without its thread no callback runs, and nothing waits */
	if (backend->loop)
		pa_threaded_mainloop_stop(backend->loop);
	if (backend->stream) {
		pa_stream_disconnect(backend->stream);
		pa_stream_unref(backend->stream);
	}
	if (backend->context) {
		pa_context_disconnect(backend->context);
		pa_context_unref(backend->context);
	}
	if (backend->loop)
		pa_threaded_mainloop_free(backend->loop);
	if (backend->fd >= 0)
		close(backend->fd);
	free(backend);
}

static int pulse_create(
	struct audio_backend **ret, const char *device, bool monitor, struct error *reterr)
{
	_destroy_(audio_backend) struct audio_backend *base =
		calloc(1, sizeof(struct pulse_backend));
	struct pulse_backend *backend = pulse_backend(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &audio_backend_pulse;
	backend->follows_sink = monitor && !device;
	backend->any_device = !monitor && !device;
	backend->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	backend->loop = pa_threaded_mainloop_new();
	if (backend->fd < 0 || !backend->loop)
		return error_set(reterr, -ENOMEM, "out of memory");
	pa_threaded_mainloop_set_name(backend->loop, "uxrec-pulse");
	r = connect_all(backend, device, monitor, reterr);
	if (r < 0)
		return r;
	pa_threaded_mainloop_lock(backend->loop);
	backend->begun_ns = clock_now_ns();
	utf8_copy(backend->source_description, sizeof(backend->source_description),
		pa_stream_get_device_name(backend->stream));
	unref_operation(pa_context_subscribe(backend->context,
		PA_SUBSCRIPTION_MASK_SOURCE | PA_SUBSCRIPTION_MASK_SOURCE_OUTPUT |
			PA_SUBSCRIPTION_MASK_SERVER,
		NULL, NULL));
	query_source(backend);
	query_source_output(backend);
	query_server(backend);
	pa_threaded_mainloop_unlock(backend->loop);
	*ret = steal_ptr(base);
	return 0;
}

/* ---- samples: under the loop's lock ---- */

static void request_timing(struct pulse_backend *backend)
{
	int64_t now_ns = clock_now_ns();
	pa_operation *operation;

	if (backend->timing_requested || now_ns - backend->timing_requested_ns < TIMING_INTERVAL_NS)
		return;
	operation = pa_stream_update_timing_info(backend->stream, on_timing, backend);
	backend->timing_requested = operation != NULL;
	backend->timing_requested_ns = now_ns;
	backend->answered = false;
	unref_operation(operation);
	if (backend->is_monitor)
		query_source_output(backend);
}

/* @return 1 with sound, 0 without, -EPIPE when there will be none */
static int read_block(struct pulse_backend *backend, struct audio_block *ret)
{
	const void *fragment;
	size_t size_bytes, count, left;

	/* samples stay in the stream until their time is known */
	while (backend->clock.settled) {
		if (pa_stream_peek(backend->stream, &fragment, &size_bytes) < 0)
			return -EPIPE;
		if (size_bytes == 0)
			return 0;
		left = size_bytes / sizeof(float) - backend->consumed;
		/* a fragment may span many blocks, or be a hole */
		count = fragment && left > BLOCK_SAMPLES ? BLOCK_SAMPLES : left;
		if (fragment) {
			int64_t position = backend->count + backend->clock.lost;

			memcpy(backend->samples, (const float *)fragment + backend->consumed,
				count * sizeof(float));
			*ret = (struct audio_block){backend->samples, count, position,
				pulse_clock_at(&backend->clock, position),
				backend->device_muted || backend->stream_muted};
		}
		backend->count += (int64_t)count;
		backend->consumed += count;
		if (count == left) {
			backend->consumed = 0;
			pa_stream_drop(backend->stream);
		}
		if (fragment) {
			memcpy(backend->device, backend->source_description,
				sizeof(backend->device));
			return 1;
		}
	}
	return 0;
}

static int try_read_block(struct pulse_backend *backend, struct audio_block *ret)
{
	int64_t now_ns = clock_now_ns();
	int r;

	if (backend->failed || stream_is_ready(backend) <= 0 ||
		pa_stream_is_suspended(backend->stream) != 0)
		return -EPIPE;
	request_timing(backend);
	r = read_block(backend, ret);
	if (r == 0 && backend->arrived_ns && now_ns - backend->arrived_ns > STALL_TIMEOUT_NS)
		return -EPIPE;
	if (r == 0 && !backend->clock.settled &&
		now_ns - backend->begun_ns > FIRST_BLOCK_TIMEOUT_NS)
		return -EPIPE;
	return r;
}

static int pulse_read(struct audio_backend *base, int wake_fd, struct audio_block *ret)
{
	struct pulse_backend *backend = pulse_backend(base);

	for (;;) {
		struct pollfd fds[] = {{backend->fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
		eventfd_t ignored;
		int r;

		pa_threaded_mainloop_lock(backend->loop);
		r = try_read_block(backend, ret);
		pa_threaded_mainloop_unlock(backend->loop);
		if (r != 0)
			return r;
		poll(fds, 2, (int)(STALL_TIMEOUT_NS / NS_PER_MS / 4));
		if (fds[1].revents)
			return 0;
		eventfd_read(backend->fd, &ignored);
	}
}

static const char *pulse_device(struct audio_backend *backend)
{
	return pulse_backend(backend)->device;
}

const struct audio_backend_ops audio_backend_pulse = {
	.name = "pulse",
	.create = pulse_create,
	.read = pulse_read,
	.device = pulse_device,
	.destroy = pulse_destroy,
};
