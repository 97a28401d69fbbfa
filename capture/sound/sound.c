#include "capture/sound/sound.h"

#include "capture/sound/audio_backend.h"
#include "capture/sound/clock.h"
#include "capture/sound/encoder.h"
#include "capture/sound/levels.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define CLOCK_SAMPLE_NS (5 * NS_PER_S)

/* Longer losses are not filled with silence: the device was away. */
#define SILENCE_LIMIT (10 * AUDIO_RATE_HZ)

/* channels of one kind of source */
struct sound_channels {
	uint16_t info, sound, levels;
};

struct sound_source {
	struct source base;
	struct source_context context;
	const struct sound_channels *channels;
	struct audio_config config;
	char *device; /* owns config.device */
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop;

	/* used by the thread only */
	struct audio_backend *backend;
	struct sound_encoder *encoder;
	struct sound_clock clock;
	struct sound_levels levels;
	float frame[SOUND_FRAME_SAMPLES];
	size_t filled;
	int64_t frame_position, next_position; /* of the frame's first sample; next one expected */
	int64_t last_ns, clock_sample_ns, disconnected_since_ns;
	struct error disconnect_reason;
	unsigned tries;
	bool pushed_muted; /* device state last pushed */
	char pushed_device[160];
};

static struct sound_source *sound(struct source *source)
{
	return (struct sound_source *)source;
}

static const struct sound_channels microphone = {
	CHANNEL_SOUND_INFO, CHANNEL_SOUND, CHANNEL_SOUND_LEVELS};
static const struct sound_channels monitor = {
	CHANNEL_MONITOR_INFO, CHANNEL_MONITOR, CHANNEL_MONITOR_LEVELS};

/* ---- messages ---- */

static int push(struct sound_source *source, const struct packet_info *info,
	const ProtobufCMessage *message)
{
	struct packet *packet;
	int r = packet_create(&packet, source->context.clock, info, message);

	if (r == 0)
		source->context.sink->push(source->context.sink, packet);
	return r;
}

static char *topic(const struct sound_source *source)
{
	return (char *)channel_kind_get(source->channels->sound)->topic;
}

static int push_info(struct sound_source *source, int64_t time_ns)
{
	Uxrec__Sound info = UXREC__SOUND__INIT;

	info.topic = topic(source);
	info.backend = (char *)source->backend->ops->name;
	info.device = source->pushed_device;
	info.encoder = (char *)sound_encoder_describe(source->encoder);
	info.rate_hz = AUDIO_RATE_HZ;
	info.channels = 1;
	info.preskip = (uint32_t)sound_encoder_preskip(source->encoder);
	info.muted = source->pushed_muted;
	return push(
		source, &(struct packet_info){source->channels->info, 0, time_ns, 0}, &info.base);
}

/* push the device state if it has changed, or in any case with @p again */
static int push_device_state(
	struct sound_source *source, const struct audio_block *block, bool again)
{
	const char *device = source->backend->ops->device(source->backend);

	if (!again && block->muted == source->pushed_muted &&
		strncmp(device, source->pushed_device, sizeof(source->pushed_device) - 1) == 0)
		return 0;
	utf8_copy(source->pushed_device, sizeof(source->pushed_device), device);
	source->pushed_muted = block->muted;
	return push_info(source, block->time_ns);
}

static int push_levels(struct sound_source *source)
{
	Uxrec__SoundLevels message = UXREC__SOUND_LEVELS__INIT;
	struct sound_levels *levels = &source->levels;
	int r;

	if (levels->count == 0)
		return 0;
	message.peak = (ProtobufCBinaryData){levels->count, levels->peak};
	message.rms = (ProtobufCBinaryData){levels->count, levels->rms};
	message.clipped = levels->clipped;
	r = push(source,
		&(struct packet_info){
			source->channels->levels, 0, levels->begin_ns, clock_now_ns()},
		&message.base);
	*levels = (struct sound_levels){0};
	return r;
}

static int push_gap(struct sound_source *source, Uxrec__Gap__Reason reason, int64_t from_ns,
	int64_t to_ns, uint64_t count, const char *detail)
{
	const char *topics[] = {topic(source)};

	return source_push_gap(&source->context,
		&(struct source_gap){reason, from_ns, to_ns, topics, 1, count, detail});
}

/* A clock sample: the machine's clocks and the device's. */
static int push_clock(struct sound_source *source)
{
	struct clock_sample taken = clock_sample_take();
	Uxrec__ClockSample sample = UXREC__CLOCK_SAMPLE__INIT;
	Uxrec__DeviceClock device = UXREC__DEVICE_CLOCK__INIT, *devices[] = {&device};

	device.topic = topic(source);
	device.position = source->next_position;
	device.time_ns = session_clock_at(
		source->context.clock, sound_clock_at(&source->clock, source->next_position));
	device.drift_ppm = sound_clock_drift_ppm(&source->clock);
	device.error_ns = sound_clock_error_ns(&source->clock);
	sample.monotonic_ns = taken.monotonic_ns;
	sample.boottime_ns = taken.boottime_ns;
	sample.wall_ns = taken.wall_ns;
	sample.bracket_ns = taken.bracket_ns;
	sample.utc_offset_ns = source->context.clock->utc_offset_ns;
	sample.devices = devices;
	sample.n_devices = 1;
	source->clock_sample_ns = taken.monotonic_ns;
	return push(source, &(struct packet_info){CHANNEL_CLOCK, 0, taken.monotonic_ns, 0},
		&sample.base);
}

/* ---- samples ---- */

static int add_levels(struct sound_source *source)
{
	if (source->levels.count == 0)
		source->levels.begin_ns = sound_clock_at(&source->clock, source->frame_position);
	sound_levels_add(&source->levels, source->frame, SOUND_FRAME_SAMPLES);
	return source->levels.count == SOUND_LEVELS_STEPS ? push_levels(source) : 0;
}

static int push_frame(struct sound_source *source)
{
	Foxglove__CompressedAudio audio = FOXGLOVE__COMPRESSED_AUDIO__INIT;
	Google__Protobuf__Timestamp timestamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	const unsigned char *data;
	int64_t time_ns, session_ns;
	int size = sound_encoder_encode(source->encoder, source->frame, &data);

	if (size < 0)
		return size;
	/* encoder delay: the decoded packet begins that many samples earlier */
	time_ns = sound_clock_at(
		&source->clock, source->frame_position - sound_encoder_preskip(source->encoder));
	if (time_ns <= source->last_ns)
		time_ns = source->last_ns + 1;
	source->last_ns = time_ns;
	session_ns = session_clock_at(source->context.clock, time_ns);
	timestamp.seconds = session_ns / NS_PER_S;
	timestamp.nanos = (int32_t)(session_ns % NS_PER_S);
	audio.timestamp = &timestamp;
	audio.format = (char *)"opus";
	audio.data.data = (uint8_t *)data;
	audio.data.len = (size_t)size;
	return push(source,
		&(struct packet_info){source->channels->sound, 0, time_ns, clock_now_ns()},
		&audio.base);
}

static int end_frame(struct sound_source *source)
{
	int r = push_frame(source);

	if (r == 0)
		r = add_levels(source);
	source->filled = 0;
	source->frame_position += SOUND_FRAME_SAMPLES;
	return r;
}

/* non-finite samples become silence */
static float clamp(float sample)
{
	if (sample >= -1 && sample <= 1)
		return sample;
	if (!isfinite(sample))
		return 0;
	return sample > 1 ? 1 : -1;
}

/* @param samples  NULL: silence */
static int push_samples(struct sound_source *source, const float *samples, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		source->frame[source->filled++] = samples ? clamp(samples[i]) : 0;
		if (source->filled == SOUND_FRAME_SAMPLES)
			r = end_frame(source);
	}
	source->next_position += (int64_t)count;
	return r;
}

static int begin_sound(struct sound_source *source, const struct audio_block *block)
{
	int r = push_levels(source); /* levels from before the break */

	if (r < 0)
		return r;
	sound_clock_init(&source->clock, AUDIO_RATE_HZ);
	source->filled = 0;
	source->frame_position = source->next_position = block->position;
	sound_clock_feed(&source->clock, block->position, block->time_ns);
	if (source->disconnected_since_ns) {
		r = push_gap(source, UXREC__GAP__REASON__REASON_SOURCE_LOST,
			source->disconnected_since_ns, block->time_ns, 0,
			source->disconnect_reason.text);

		source->disconnected_since_ns = 0;
		if (r < 0)
			return r;
	}
	source->clock_sample_ns = block->time_ns;
	return push_device_state(source, block, true);
}

static int handle_lost_samples(struct sound_source *source, const struct audio_block *block)
{
	int64_t lost = block->position - source->next_position;
	int64_t from_ns = sound_clock_at(&source->clock, source->next_position);
	int r;

	if (lost < 0 || lost > SILENCE_LIMIT) {
		r = push_gap(source, UXREC__GAP__REASON__REASON_SOURCE_LOST, from_ns,
			block->time_ns, 0, "the sound device restarted");
		return r < 0 ? r : begin_sound(source, block);
	}
	r = push_gap(source, UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW, from_ns,
		sound_clock_at(&source->clock, block->position), (uint64_t)lost,
		"samples were lost and replaced by silence");
	return r < 0 ? r : push_samples(source, NULL, (size_t)lost);
}

static int handle_block(struct sound_source *source, const struct audio_block *block)
{
	int r = 0;

	if (source->clock.first_ns == 0)
		r = begin_sound(source, block);
	else
		sound_clock_feed(&source->clock, block->position, block->time_ns);
	if (r == 0 && block->position != source->next_position)
		r = handle_lost_samples(source, block);
	if (r == 0)
		r = push_device_state(source, block, false);
	if (r == 0)
		r = push_samples(source, block->samples, block->count);
	if (r == 0 && block->time_ns - source->clock_sample_ns >= CLOCK_SAMPLE_NS)
		r = push_clock(source);
	return r;
}

/* Flush the partial frame and the encoder delay: both fit in two frames. */
static void end_sound(struct sound_source *source)
{
	if (source->clock.first_ns == 0)
		return;
	push_samples(source, NULL, 2 * SOUND_FRAME_SAMPLES - source->filled);
	push_levels(source);
	if (source->clock.ring.count > 0)
		push_clock(source);
}

/* ---- the thread ---- */

static int read_blocks(struct sound_source *source)
{
	struct audio_block block;
	int r = 0;

	while (r >= 0 && !source->stop) {
		r = source->backend->ops->read(source->backend, source->wake_fd, &block);
		if (r > 0)
			r = handle_block(source, &block);
	}
	end_sound(source);
	source->clock.first_ns = 0;
	return r;
}

static void *sound_thread(void *user)
{
	struct sound_source *source = user;
	struct error error = {"it ended"};
	unsigned waits = 0;

	pthread_setname_np(pthread_self(), "uxrec-sound");
	while (!source->stop) {
		int r = audio_backend_open(
			&source->backend, &source->config, source->tries++, &error);

		if (r == 0) {
			r = read_blocks(source);
			audio_backend_destroy(steal_ptr(source->backend));
			error_set(&error, r, "the connection to the sound device was lost");
		}
		if (source->stop)
			break;
		if (source->disconnected_since_ns == 0) {
			source->disconnected_since_ns = clock_now_ns();
			source->disconnect_reason = error;
			waits = 0;
		}
		source_sleep(source->wake_fd, &source->stop,
			clock_now_ns() + backoff_ns(&source_backoff, waits++));
	}
	/* still away at the end */
	if (source->disconnected_since_ns)
		push_gap(source, UXREC__GAP__REASON__REASON_SOURCE_LOST,
			source->disconnected_since_ns, clock_now_ns(), 0,
			source->disconnect_reason.text);
	return NULL;
}

static void sound_destroy(struct source *base)
{
	struct sound_source *source = sound(base);

	source->stop = true;
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	if (source->thread)
		pthread_join(source->thread, NULL);
	audio_backend_destroy(source->backend);
	sound_encoder_destroy(source->encoder);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	free(source->device);
	free(source);
}

static const struct source_ops sound_source_ops = {
	.name = "sound",
	.destroy = sound_destroy,
};

int sound_source_create(struct source **ret, const struct source_context *context,
	const struct audio_config *config, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct sound_source));
	struct sound_source *source = sound(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &sound_source_ops;
	source->context = *context;
	source->config = *config;
	source->channels = config->monitor ? &monitor : &microphone;
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	if (!audio_backend_exists(config->name))
		return error_set(reterr, -EINVAL, "no sound source '%s'", config->name);
	if (config->device) {
		source->config.device = source->device = strdup(config->device);
		if (!source->device)
			return error_set(reterr, -ENOMEM, "out of memory");
	}
	r = sound_encoder_create(&source->encoder, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&source->thread, NULL, sound_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = steal_ptr(base);
	return 0;
}
