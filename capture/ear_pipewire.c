#include "capture/ear.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pipewire/pipewire.h>
#include <pthread.h>
#include <spa/param/audio/format-utils.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* A device that gives nothing for so long is gone, or its server stalls. */
#define SILENT_NS (2 * NS_PER_S)

/* Blocks from PipeWire's thread, which must not wait, to ours. Ten cycles of the longest quantum. */
#define BLOCK_SAMPLES 8192
#define BLOCKS        32 /* a power of two */

/* A resampler's cycles differ by a few samples; less than a quantum is never lost. */
#define JUMP_SAMPLES 32

struct block {
	int64_t position, time_ns;
	size_t count;
	float samples[BLOCK_SAMPLES];
};

struct pipewire_ear {
	struct ear base;
	char device[160];
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook listener;
	int fd; /* eventfd: there are blocks, or the stream has failed */
	_Atomic bool failed;
	_Atomic unsigned written, read; /* numbers of blocks */
	struct block *blocks;
	bool holds; /* the block that was given last is still the caller's */

	/* of PipeWire's thread */
	int64_t position; /* of the next sample */
	double ticks_end; /* where the last cycle ended, in samples of the driver's count */
	bool begun;
};

static struct pipewire_ear *pipewire_ear(struct ear *ear)
{
	return (struct pipewire_ear *)ear;
}

/* ---- PipeWire's thread: no locks, no memory, no waiting ---- */

static void take(struct pipewire_ear *ear, const float *samples, size_t count)
{
	struct pw_time time = {0};
	struct block *block;
	double rate, ticks;

	if (pw_stream_get_time_n(ear->stream, &time, sizeof(time)) < 0 || time.rate.denom == 0)
		return;
	rate = (double)time.rate.num / time.rate.denom; /* seconds a tick */
	ticks = (double)time.ticks * rate * EAR_RATE_HZ;
	/* the driver counts on when a cycle is missed */
	if (ear->begun && ticks - ear->ticks_end > JUMP_SAMPLES)
		ear->position += (int64_t)(ticks - ear->ticks_end + 0.5);
	ear->ticks_end = ticks + (double)count;
	ear->begun = true;
	if (ear->written - ear->read < BLOCKS) {
		block = &ear->blocks[ear->written % BLOCKS];
		block->position = ear->position;
		/* what the resampler holds is older than what it gives */
		block->time_ns = time.now -
			(int64_t)((double)(time.delay + (int64_t)time.buffered) * rate *
				(double)NS_PER_S);
		block->count = count < BLOCK_SAMPLES ? count : BLOCK_SAMPLES;
		memcpy(block->samples, samples, block->count * sizeof(*samples));
		ear->written++;
		eventfd_write(ear->fd, 1);
	}
	ear->position += (int64_t)count; /* what did not fit is a jump */
}

static void on_process(void *user)
{
	struct pipewire_ear *ear = user;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(ear->stream);
	struct spa_data *data;

	if (!buffer)
		return;
	data = &buffer->buffer->datas[0];
	if (data->data && data->chunk->offset + data->chunk->size <= data->maxsize)
		take(ear, SPA_PTROFF(data->data, data->chunk->offset, const float),
			data->chunk->size / sizeof(float));
	pw_stream_queue_buffer(ear->stream, buffer);
}

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct pipewire_ear *ear = user;

	(void)before;
	(void)error;
	if (state == PW_STREAM_STATE_ERROR || state == PW_STREAM_STATE_UNCONNECTED) {
		ear->failed = true;
		eventfd_write(ear->fd, 1);
	}
}

static const struct pw_stream_events stream_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.process = on_process,
};

/* ---- ours ---- */

static int connect_stream(struct pipewire_ear *ear)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	struct spa_audio_info_raw format = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = EAR_RATE_HZ,
		.channels = 1,
		.position = {SPA_AUDIO_CHANNEL_MONO},
	};
	const struct spa_pod *params[] = {
		spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &format)};

	return pw_stream_connect(ear->stream, PW_DIRECTION_INPUT, PW_ID_ANY,
		PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS,
		params, 1);
}

/* Where the system allows it, samples are taken with real-time priority: a busy machine loses less. */
static int create_core(struct pipewire_ear *ear, struct pw_core **ret)
{
	ear->context = pw_context_new(pw_thread_loop_get_loop(ear->loop),
		pw_properties_new(PW_KEY_CONFIG_NAME, "client-rt.conf", NULL), 0);
	if (!ear->context)
		return -errno;
	*ret = pw_context_connect(ear->context, NULL, 0);
	return *ret ? 0 : -errno;
}

static int create_stream(struct pipewire_ear *ear, const char *device, bool monitor)
{
	struct pw_core *core;
	struct pw_properties *properties = pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio",
		PW_KEY_MEDIA_CATEGORY, "Capture", PW_KEY_MEDIA_ROLE, "Communication",
		PW_KEY_NODE_NAME, "uxrec", PW_KEY_NODE_LATENCY, "480/48000", NULL);
	int r;

	if (!properties)
		return -ENOMEM;
	r = create_core(ear, &core);
	if (r < 0) {
		pw_properties_free(properties);
		return r;
	}
	if (monitor)
		pw_properties_set(properties, PW_KEY_STREAM_CAPTURE_SINK, "true");
	if (device)
		pw_properties_set(properties, PW_KEY_TARGET_OBJECT, device);
	ear->stream = pw_stream_new(core, "think-aloud sound", properties);
	if (!ear->stream)
		return -errno;
	pw_stream_add_listener(ear->stream, &ear->listener, &stream_events, ear);
	return connect_stream(ear);
}

static void pipewire_destroy(struct ear *base)
{
	struct pipewire_ear *ear = pipewire_ear(base);

	if (ear->loop)
		pw_thread_loop_stop(ear->loop);
	if (ear->stream)
		pw_stream_destroy(ear->stream);
	if (ear->context)
		pw_context_destroy(ear->context);
	if (ear->loop)
		pw_thread_loop_destroy(ear->loop);
	if (ear->fd >= 0)
		close(ear->fd);
	free(ear->blocks);
	free(ear);
}

static void init_once(void)
{
	pw_init(NULL, NULL);
}

static int pipewire_create(struct ear **ret, const char *device, bool monitor, struct error *reterr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_destroy_(ear) struct ear *base = calloc(1, sizeof(struct pipewire_ear));
	struct pipewire_ear *ear = pipewire_ear(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &ear_pipewire;
	pthread_once(&once, init_once);
	snprintf(
		ear->device, sizeof(ear->device), "%s", device ? device : "the default microphone");
	ear->blocks = calloc(BLOCKS, sizeof(*ear->blocks));
	ear->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ear->loop = pw_thread_loop_new("uxrec-pipewire", NULL);
	if (!ear->blocks || ear->fd < 0 || !ear->loop)
		return error_set(reterr, -ENOMEM, "no memory");
	r = create_stream(ear, device, monitor);
	if (r < 0)
		return error_set(reterr, r,
			"no sound: PipeWire does not answer (%s); is it running in this session?",
			strerror(-r));
	r = pw_thread_loop_start(ear->loop);
	if (r < 0)
		return error_set(reterr, r, "cannot start a thread: %s", strerror(-r));
	*ret = steal_ptr(base);
	return 0;
}

static int pipewire_hear(struct ear *base, int wake_fd, struct heard *ret)
{
	struct pipewire_ear *ear = pipewire_ear(base);
	struct block *block;

	if (ear->holds)
		ear->read++;
	ear->holds = false;
	while (ear->written == ear->read) {
		struct pollfd fds[] = {{ear->fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
		eventfd_t ignored;
		int r = poll(fds, 2, (int)(SILENT_NS / NS_PER_MS));

		if (r == 0 || ear->failed)
			return -EPIPE;
		if (fds[1].revents)
			return 0;
		eventfd_read(ear->fd, &ignored);
	}
	block = &ear->blocks[ear->read % BLOCKS];
	*ret = (struct heard){block->samples, block->count, block->position, block->time_ns, false};
	ear->holds = true;
	return 1;
}

static const char *pipewire_device(const struct ear *ear)
{
	return ((const struct pipewire_ear *)ear)->device;
}

const struct ear_ops ear_pipewire = {
	.name = "pipewire",
	.create = pipewire_create,
	.hear = pipewire_hear,
	.device = pipewire_device,
	.destroy = pipewire_destroy,
};
