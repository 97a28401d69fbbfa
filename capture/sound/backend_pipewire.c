#include "capture/sound/audio_backend.h"

#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pipewire/pipewire.h>
#include <pthread.h>
#include <spa/param/audio/format-utils.h>
#include <spa/param/props.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest pause: after it the device is gone or its server stalls. */
#define STALL_TIMEOUT_NS (2 * NS_PER_S)

/* Blocks from PipeWire's thread, which must not wait, to ours. Ten cycles of the longest quantum. */
#define BLOCK_SAMPLES 8192
#define BLOCKS        32 /* a power of two */

/* Requested latency: two packets, as far as the server's other clients allow it; polled at the same
 * interval. Waking a thread costs more than all processing of the sound. */
#define LATENCY_MS      40
#define LATENCY_SAMPLES (AUDIO_RATE_HZ * LATENCY_MS / 1000)

/* Requested latency of a monitor. The playback time of an output's buffer is known only to within a
 * cycle: the server does not report it to listeners. */
#define MONITOR_LATENCY_SAMPLES (AUDIO_RATE_HZ / 100)

/* Cycles of a resampler differ by a few samples; a loss is never less than a quantum. */
#define JUMP_SAMPLES 32

struct block {
	int64_t position, time_ns;
	size_t count;
	float samples[BLOCK_SAMPLES];
};

#define NAME_BYTES 160

struct pipewire_backend {
	struct audio_backend base;
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook listener;
	_Atomic bool failed;
	bool any_device; /* accept microphones only: no device was named */
	_Atomic bool
		node_accepted; /* the feeding node is acceptable: no sound is returned before */
	_Atomic unsigned write_index, read_index; /* block counters */
	struct block *blocks;
	int64_t last_block_ns; /* time of the last sound */
	bool block_in_use;     /* the block returned last is still in use by the caller */

	_Atomic bool device_muted, stream_muted; /* at the microphone, and for this stream only */
	char device[NAME_BYTES];                 /* as returned last */
	pthread_mutex_t name_lock;
	char name[NAME_BYTES]; /* of the feeding node, under the lock */

	/* used by the thread loop: the feeding node and its properties */
	struct pw_registry *registry;
	struct pw_node *node;
	uint32_t node_id;
	struct spa_hook registry_listener, node_listener;

	/* used by the data thread */
	int64_t position; /* of the next sample */
	double ticks_end; /* end of the last cycle, in samples of the driver's clock */
	bool begun;
};

static struct pipewire_backend *pipewire_backend(struct audio_backend *backend)
{
	return (struct pipewire_backend *)backend;
}

/* ---- PipeWire's data thread: no locks, no allocation, no waiting ---- */

static void push_block(struct pipewire_backend *backend, const float *samples, size_t count)
{
	struct pw_time time = {0};
	struct block *block;
	double rate, ticks;

	if (pw_stream_get_time_n(backend->stream, &time, sizeof(time)) < 0 || time.rate.denom == 0)
		return;
	rate = (double)time.rate.num / time.rate.denom; /* seconds a tick */
	ticks = (double)time.ticks * rate * AUDIO_RATE_HZ;
	/* the driver's clock continues through missed cycles */
	if (backend->begun && ticks - backend->ticks_end > JUMP_SAMPLES)
		backend->position += (int64_t)(ticks - backend->ticks_end + 0.5);
	backend->ticks_end = ticks + (double)count;
	backend->begun = true;
	if (backend->write_index - backend->read_index < BLOCKS) {
		block = &backend->blocks[backend->write_index % BLOCKS];
		block->position = backend->position;
		/* samples held in the resampler are older than its output */
		block->time_ns = time.now -
			(int64_t)((double)(time.delay + (int64_t)time.buffered) * rate *
				(double)NS_PER_S);
		block->count = count < BLOCK_SAMPLES ? count : BLOCK_SAMPLES;
		memcpy(block->samples, samples, block->count * sizeof(*samples));
		backend->write_index++;
	}
	backend->position += (int64_t)count; /* dropped blocks show as a jump */
}

static void on_process(void *user)
{
	struct pipewire_backend *backend = user;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(backend->stream);
	struct spa_data *data;

	if (!buffer)
		return;
	data = &buffer->buffer->datas[0];
	if (data->data && data->chunk->offset + data->chunk->size <= data->maxsize)
		push_block(backend, SPA_PTROFF(data->data, data->chunk->offset, const float),
			data->chunk->size / sizeof(float));
	pw_stream_queue_buffer(backend->stream, buffer);
}

/* ---- PipeWire's loop: the feeding node and its mute state ---- */

static void set_name(struct pipewire_backend *backend, const char *name)
{
	pthread_mutex_lock(&backend->name_lock);
	utf8_copy(backend->name, sizeof(backend->name), name);
	pthread_mutex_unlock(&backend->name_lock);
}

static void on_node_info(void *user, const struct pw_node_info *info)
{
	struct pipewire_backend *backend = user;
	const char *name = NULL, *class;

	if (info->props)
		name = spa_dict_lookup(info->props, PW_KEY_NODE_DESCRIPTION);
	if (info->props && !name)
		name = spa_dict_lookup(info->props, PW_KEY_NODE_NAME);
	if (name)
		set_name(backend, name);
	/* without a microphone the server feeds the monitor of an output, which nobody asked for */
	class = info->props ? spa_dict_lookup(info->props, PW_KEY_MEDIA_CLASS) : NULL;
	if (class && backend->any_device && strcmp(class, "Audio/Sink") == 0)
		backend->failed = true;
	else if (class)
		backend->node_accepted = true;
}

static void on_node_param(void *user, int sequence, uint32_t id, uint32_t index, uint32_t next,
	const struct spa_pod *param)
{
	struct pipewire_backend *backend = user;
	const struct spa_pod_prop *muted;
	bool is_muted;

	(void)sequence;
	(void)index;
	(void)next;
	muted = param && id == SPA_PARAM_Props ? spa_pod_find_prop(param, NULL, SPA_PROP_mute)
					       : NULL;
	if (muted && spa_pod_get_bool(&muted->value, &is_muted) == 0)
		backend->device_muted = is_muted;
}

static const struct pw_node_events node_events = {
	PW_VERSION_NODE_EVENTS,
	.info = on_node_info,
	.param = on_node_param,
};

static void unbind_node(struct pipewire_backend *backend)
{
	if (!backend->node)
		return;
	spa_hook_remove(&backend->node_listener);
	pw_proxy_destroy((struct pw_proxy *)backend->node);
	backend->node = NULL;
	backend->device_muted = false;
	backend->node_accepted = !backend->any_device;
}

static void bind_node(struct pipewire_backend *backend, uint32_t id)
{
	uint32_t params[] = {SPA_PARAM_Props};

	if (backend->node && backend->node_id == id)
		return;
	unbind_node(backend);
	backend->node =
		pw_registry_bind(backend->registry, id, PW_TYPE_INTERFACE_Node, PW_VERSION_NODE, 0);
	if (!backend->node)
		return;
	backend->node_id = id;
	pw_node_add_listener(backend->node, &backend->node_listener, &node_events, backend);
	pw_node_subscribe_params(backend->node, params, 1);
}

static uint32_t id_of(const struct spa_dict *properties, const char *key)
{
	const char *text = properties ? spa_dict_lookup(properties, key) : NULL;

	return text ? (uint32_t)strtoul(text, NULL, 10) : PW_ID_ANY;
}

/* a link to our stream identifies the feeding node */
static void on_global(void *user, uint32_t id, uint32_t permissions, const char *type,
	uint32_t version, const struct spa_dict *properties)
{
	struct pipewire_backend *backend = user;
	uint32_t from;

	(void)id;
	(void)permissions;
	(void)version;
	if (strcmp(type, PW_TYPE_INTERFACE_Link) != 0 ||
		id_of(properties, PW_KEY_LINK_INPUT_NODE) != pw_stream_get_node_id(backend->stream))
		return;
	from = id_of(properties, PW_KEY_LINK_OUTPUT_NODE);
	if (from != PW_ID_ANY)
		bind_node(backend, from);
}

static void on_global_remove(void *user, uint32_t id)
{
	struct pipewire_backend *backend = user;

	if (backend->node && backend->node_id == id)
		unbind_node(backend);
}

static const struct pw_registry_events registry_events = {
	PW_VERSION_REGISTRY_EVENTS,
	.global = on_global,
	.global_remove = on_global_remove,
};

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct pipewire_backend *backend = user;

	(void)before;
	(void)error;
	if (state == PW_STREAM_STATE_ERROR || state == PW_STREAM_STATE_UNCONNECTED)
		backend->failed = true;
}

static void on_control(void *user, uint32_t id, const struct pw_stream_control *control)
{
	struct pipewire_backend *backend = user;

	if (id == SPA_PROP_mute && control->n_values > 0)
		backend->stream_muted = control->values[0] > 0.5f;
}

static const struct pw_stream_events stream_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.control_info = on_control,
	.process = on_process,
};

/* ---- the caller's thread ---- */

static int connect_stream(struct pipewire_backend *backend)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	struct spa_audio_info_raw format = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = AUDIO_RATE_HZ,
		.channels = 1,
		.position = {SPA_AUDIO_CHANNEL_MONO},
	};
	const struct spa_pod *params[] = {
		spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &format)};

	return pw_stream_connect(backend->stream, PW_DIRECTION_INPUT, PW_ID_ANY,
		PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS,
		params, 1);
}

/* Uses real-time priority where the system allows it: fewer losses on a busy machine. */
static int create_core(struct pipewire_backend *backend, struct pw_core **ret)
{
	backend->context = pw_context_new(pw_thread_loop_get_loop(backend->loop),
		pw_properties_new(PW_KEY_CONFIG_NAME, "client-rt.conf", NULL), 0);
	if (!backend->context)
		return -errno;
	*ret = pw_context_connect(backend->context, NULL, 0);
	return *ret ? 0 : -errno;
}

static int create_stream(struct pipewire_backend *backend, const char *device, bool monitor)
{
	struct pw_core *core;
	struct pw_properties *properties =
		pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Capture",
			PW_KEY_MEDIA_ROLE, "Communication", PW_KEY_NODE_NAME, "uxrec", NULL);
	int r;

	if (!properties)
		return -ENOMEM;
	r = create_core(backend, &core);
	if (r < 0) {
		pw_properties_free(properties);
		return r;
	}
	pw_properties_setf(properties, PW_KEY_NODE_LATENCY, "%d/%d",
		monitor ? MONITOR_LATENCY_SAMPLES : LATENCY_SAMPLES, AUDIO_RATE_HZ);
	if (monitor)
		pw_properties_set(properties, PW_KEY_STREAM_CAPTURE_SINK, "true");
	if (device)
		pw_properties_set(properties, PW_KEY_TARGET_OBJECT, device);
	backend->stream = pw_stream_new(core, "think-aloud sound", properties);
	if (!backend->stream)
		return -errno;
	pw_stream_add_listener(backend->stream, &backend->listener, &stream_events, backend);
	r = connect_stream(backend);
	if (r < 0)
		return r;
	backend->registry = pw_core_get_registry(core, PW_VERSION_REGISTRY, 0);
	if (!backend->registry)
		return -errno;
	pw_registry_add_listener(
		backend->registry, &backend->registry_listener, &registry_events, backend);
	return 0;
}

static void pipewire_destroy(struct audio_backend *base)
{
	struct pipewire_backend *backend = pipewire_backend(base);

	if (backend->loop)
		pw_thread_loop_stop(backend->loop);
	unbind_node(backend);
	if (backend->registry)
		pw_proxy_destroy((struct pw_proxy *)backend->registry);
	if (backend->stream)
		pw_stream_destroy(backend->stream);
	if (backend->context)
		pw_context_destroy(backend->context);
	if (backend->loop)
		pw_thread_loop_destroy(backend->loop);
	pthread_mutex_destroy(&backend->name_lock);
	free(backend->blocks);
	free(backend);
}

static void init_once(void)
{
	pw_init(NULL, NULL);
}

static int pipewire_create(
	struct audio_backend **ret, const char *device, bool monitor, struct error *reterr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_destroy_(audio_backend) struct audio_backend *base =
		calloc(1, sizeof(struct pipewire_backend));
	struct pipewire_backend *backend = pipewire_backend(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &audio_backend_pipewire;
	pthread_once(&once, init_once);
	backend->any_device = !monitor && !device;
	backend->node_accepted = !backend->any_device;
	pthread_mutex_init(&backend->name_lock, NULL);
	set_name(backend,
		device            ? device
			: monitor ? "the machine's sound"
				  : "the default microphone");
	backend->blocks = calloc(BLOCKS, sizeof(*backend->blocks));
	backend->loop = pw_thread_loop_new("uxrec-pipewire", NULL);
	if (!backend->blocks || !backend->loop)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = create_stream(backend, device, monitor);
	if (r < 0)
		return error_set(reterr, r,
			"no sound: PipeWire does not answer; is it running in this session?");
	backend->last_block_ns = clock_now_ns();
	r = pw_thread_loop_start(backend->loop);
	if (r < 0)
		return error_set(reterr, r, "cannot start a thread: %s", strerror(-r));
	*ret = steal_ptr(base);
	return 0;
}

static int pipewire_read(struct audio_backend *base, int wake_fd, struct audio_block *ret)
{
	struct pipewire_backend *backend = pipewire_backend(base);
	struct block *block;

	if (backend->block_in_use)
		backend->read_index++;
	backend->block_in_use = false;
	while (backend->write_index == backend->read_index || !backend->node_accepted) {
		struct pollfd wake = {wake_fd, POLLIN, 0};

		if (backend->failed || clock_now_ns() - backend->last_block_ns > STALL_TIMEOUT_NS)
			return -EPIPE;
		if (poll(&wake, 1, LATENCY_MS) > 0)
			return 0;
	}
	backend->last_block_ns = clock_now_ns();
	block = &backend->blocks[backend->read_index % BLOCKS];
	*ret = (struct audio_block){block->samples, block->count, block->position, block->time_ns,
		backend->device_muted || backend->stream_muted};
	backend->block_in_use = true;
	return 1;
}

static const char *pipewire_device(struct audio_backend *base)
{
	struct pipewire_backend *backend = pipewire_backend(base);

	pthread_mutex_lock(&backend->name_lock);
	memcpy(backend->device, backend->name, sizeof(backend->device));
	pthread_mutex_unlock(&backend->name_lock);
	return backend->device;
}

const struct audio_backend_ops audio_backend_pipewire = {
	.name = "pipewire",
	.create = pipewire_create,
	.read = pipewire_read,
	.device = pipewire_device,
	.destroy = pipewire_destroy,
};
