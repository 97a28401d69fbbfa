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
#define SILENT_NS (2 * NS_PER_S)

/* Blocks from PipeWire's thread, which must not wait, to ours. Ten cycles of the longest quantum. */
#define BLOCK_SAMPLES 8192
#define BLOCKS        32 /* a power of two */

/* Requested latency: two packets, as far as the server's other clients allow it; polled at the same
 * interval. Waking a thread costs more than all processing of the sound. */
#define PIECE_MS      40
#define PIECE_SAMPLES (EAR_RATE_HZ * PIECE_MS / 1000)

/* Requested latency of a monitor. The playback time of an output's buffer is known only to within a
 * cycle: the server does not report it to listeners. */
#define MONITOR_SAMPLES (EAR_RATE_HZ / 100)

/* Cycles of a resampler differ by a few samples; a loss is never less than a quantum. */
#define JUMP_SAMPLES 32

struct block {
	int64_t position, time_ns;
	size_t count;
	float samples[BLOCK_SAMPLES];
};

#define NAME_BYTES 160

struct pipewire_ear {
	struct ear base;
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook listener;
	_Atomic bool failed;
	bool any_device;     /* accept microphones only: no device was named */
	_Atomic bool is_one; /* the feeding node is acceptable: no sound is returned before */
	_Atomic unsigned written, read; /* block counters */
	struct block *blocks;
	int64_t heard_ns; /* time of the last sound */
	bool holds;       /* the block returned last is still in use by the caller */

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

static struct pipewire_ear *pipewire_ear(struct ear *ear)
{
	return (struct pipewire_ear *)ear;
}

/* ---- PipeWire's data thread: no locks, no allocation, no waiting ---- */

static void take(struct pipewire_ear *ear, const float *samples, size_t count)
{
	struct pw_time time = {0};
	struct block *block;
	double rate, ticks;

	if (pw_stream_get_time_n(ear->stream, &time, sizeof(time)) < 0 || time.rate.denom == 0)
		return;
	rate = (double)time.rate.num / time.rate.denom; /* seconds a tick */
	ticks = (double)time.ticks * rate * EAR_RATE_HZ;
	/* the driver's clock continues through missed cycles */
	if (ear->begun && ticks - ear->ticks_end > JUMP_SAMPLES)
		ear->position += (int64_t)(ticks - ear->ticks_end + 0.5);
	ear->ticks_end = ticks + (double)count;
	ear->begun = true;
	if (ear->written - ear->read < BLOCKS) {
		block = &ear->blocks[ear->written % BLOCKS];
		block->position = ear->position;
		/* samples held in the resampler are older than its output */
		block->time_ns = time.now -
			(int64_t)((double)(time.delay + (int64_t)time.buffered) * rate *
				(double)NS_PER_S);
		block->count = count < BLOCK_SAMPLES ? count : BLOCK_SAMPLES;
		memcpy(block->samples, samples, block->count * sizeof(*samples));
		ear->written++;
	}
	ear->position += (int64_t)count; /* dropped blocks show as a jump */
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

/* ---- PipeWire's loop: the feeding node and its mute state ---- */

static void set_name(struct pipewire_ear *ear, const char *name)
{
	pthread_mutex_lock(&ear->name_lock);
	utf8_copy(ear->name, sizeof(ear->name), name);
	pthread_mutex_unlock(&ear->name_lock);
}

static void on_node_info(void *user, const struct pw_node_info *info)
{
	struct pipewire_ear *ear = user;
	const char *name = NULL, *class;

	if (info->props)
		name = spa_dict_lookup(info->props, PW_KEY_NODE_DESCRIPTION);
	if (info->props && !name)
		name = spa_dict_lookup(info->props, PW_KEY_NODE_NAME);
	if (name)
		set_name(ear, name);
	/* without a microphone the server feeds the monitor of an output, which nobody asked for */
	class = info->props ? spa_dict_lookup(info->props, PW_KEY_MEDIA_CLASS) : NULL;
	if (class && ear->any_device && strcmp(class, "Audio/Sink") == 0)
		ear->failed = true;
	else if (class)
		ear->is_one = true;
}

static void on_node_param(void *user, int sequence, uint32_t id, uint32_t index, uint32_t next,
	const struct spa_pod *param)
{
	struct pipewire_ear *ear = user;
	const struct spa_pod_prop *muted;
	bool is_muted;

	(void)sequence;
	(void)index;
	(void)next;
	muted = param && id == SPA_PARAM_Props ? spa_pod_find_prop(param, NULL, SPA_PROP_mute)
					       : NULL;
	if (muted && spa_pod_get_bool(&muted->value, &is_muted) == 0)
		ear->device_muted = is_muted;
}

static const struct pw_node_events node_events = {
	PW_VERSION_NODE_EVENTS,
	.info = on_node_info,
	.param = on_node_param,
};

static void forget_node(struct pipewire_ear *ear)
{
	if (!ear->node)
		return;
	spa_hook_remove(&ear->node_listener);
	pw_proxy_destroy((struct pw_proxy *)ear->node);
	ear->node = NULL;
	ear->device_muted = false;
	ear->is_one = !ear->any_device;
}

static void look_at_node(struct pipewire_ear *ear, uint32_t id)
{
	uint32_t params[] = {SPA_PARAM_Props};

	if (ear->node && ear->node_id == id)
		return;
	forget_node(ear);
	ear->node = pw_registry_bind(ear->registry, id, PW_TYPE_INTERFACE_Node, PW_VERSION_NODE, 0);
	if (!ear->node)
		return;
	ear->node_id = id;
	pw_node_add_listener(ear->node, &ear->node_listener, &node_events, ear);
	pw_node_subscribe_params(ear->node, params, 1);
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
	struct pipewire_ear *ear = user;
	uint32_t from;

	(void)id;
	(void)permissions;
	(void)version;
	if (strcmp(type, PW_TYPE_INTERFACE_Link) != 0 ||
		id_of(properties, PW_KEY_LINK_INPUT_NODE) != pw_stream_get_node_id(ear->stream))
		return;
	from = id_of(properties, PW_KEY_LINK_OUTPUT_NODE);
	if (from != PW_ID_ANY)
		look_at_node(ear, from);
}

static void on_global_remove(void *user, uint32_t id)
{
	struct pipewire_ear *ear = user;

	if (ear->node && ear->node_id == id)
		forget_node(ear);
}

static const struct pw_registry_events registry_events = {
	PW_VERSION_REGISTRY_EVENTS,
	.global = on_global,
	.global_remove = on_global_remove,
};

static void on_state(
	void *user, enum pw_stream_state before, enum pw_stream_state state, const char *error)
{
	struct pipewire_ear *ear = user;

	(void)before;
	(void)error;
	if (state == PW_STREAM_STATE_ERROR || state == PW_STREAM_STATE_UNCONNECTED)
		ear->failed = true;
}

static void on_control(void *user, uint32_t id, const struct pw_stream_control *control)
{
	struct pipewire_ear *ear = user;

	if (id == SPA_PROP_mute && control->n_values > 0)
		ear->stream_muted = control->values[0] > 0.5f;
}

static const struct pw_stream_events stream_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.control_info = on_control,
	.process = on_process,
};

/* ---- the caller's thread ---- */

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

/* Uses real-time priority where the system allows it: fewer losses on a busy machine. */
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
	struct pw_properties *properties =
		pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Capture",
			PW_KEY_MEDIA_ROLE, "Communication", PW_KEY_NODE_NAME, "uxrec", NULL);
	int r;

	if (!properties)
		return -ENOMEM;
	r = create_core(ear, &core);
	if (r < 0) {
		pw_properties_free(properties);
		return r;
	}
	pw_properties_setf(properties, PW_KEY_NODE_LATENCY, "%d/%d",
		monitor ? MONITOR_SAMPLES : PIECE_SAMPLES, EAR_RATE_HZ);
	if (monitor)
		pw_properties_set(properties, PW_KEY_STREAM_CAPTURE_SINK, "true");
	if (device)
		pw_properties_set(properties, PW_KEY_TARGET_OBJECT, device);
	ear->stream = pw_stream_new(core, "think-aloud sound", properties);
	if (!ear->stream)
		return -errno;
	pw_stream_add_listener(ear->stream, &ear->listener, &stream_events, ear);
	r = connect_stream(ear);
	if (r < 0)
		return r;
	ear->registry = pw_core_get_registry(core, PW_VERSION_REGISTRY, 0);
	if (!ear->registry)
		return -errno;
	pw_registry_add_listener(ear->registry, &ear->registry_listener, &registry_events, ear);
	return 0;
}

static void pipewire_destroy(struct ear *base)
{
	struct pipewire_ear *ear = pipewire_ear(base);

	if (ear->loop)
		pw_thread_loop_stop(ear->loop);
	forget_node(ear);
	if (ear->registry)
		pw_proxy_destroy((struct pw_proxy *)ear->registry);
	if (ear->stream)
		pw_stream_destroy(ear->stream);
	if (ear->context)
		pw_context_destroy(ear->context);
	if (ear->loop)
		pw_thread_loop_destroy(ear->loop);
	pthread_mutex_destroy(&ear->name_lock);
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
	ear->any_device = !monitor && !device;
	ear->is_one = !ear->any_device;
	pthread_mutex_init(&ear->name_lock, NULL);
	set_name(ear,
		device            ? device
			: monitor ? "what the machine plays"
				  : "the default microphone");
	ear->blocks = calloc(BLOCKS, sizeof(*ear->blocks));
	ear->loop = pw_thread_loop_new("uxrec-pipewire", NULL);
	if (!ear->blocks || !ear->loop)
		return error_set(reterr, -ENOMEM, "no memory");
	r = create_stream(ear, device, monitor);
	if (r < 0)
		return error_set(reterr, r,
			"no sound: PipeWire does not answer; is it running in this session?");
	ear->heard_ns = clock_now_ns();
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
	while (ear->written == ear->read || !ear->is_one) {
		struct pollfd wake = {wake_fd, POLLIN, 0};

		if (ear->failed || clock_now_ns() - ear->heard_ns > SILENT_NS)
			return -EPIPE;
		if (poll(&wake, 1, PIECE_MS) > 0)
			return 0;
	}
	ear->heard_ns = clock_now_ns();
	block = &ear->blocks[ear->read % BLOCKS];
	*ret = (struct heard){block->samples, block->count, block->position, block->time_ns,
		ear->device_muted || ear->stream_muted};
	ear->holds = true;
	return 1;
}

static const char *pipewire_device(struct ear *base)
{
	struct pipewire_ear *ear = pipewire_ear(base);

	pthread_mutex_lock(&ear->name_lock);
	memcpy(ear->device, ear->name, sizeof(ear->device));
	pthread_mutex_unlock(&ear->name_lock);
	return ear->device;
}

const struct ear_ops ear_pipewire = {
	.name = "pipewire",
	.create = pipewire_create,
	.hear = pipewire_hear,
	.device = pipewire_device,
	.destroy = pipewire_destroy,
};
