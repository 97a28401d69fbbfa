#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sample rate of every audio backend, whatever the device's own: the sound server converts. */
#define AUDIO_RATE_HZ 48000

/** An audio input: a device or a synthetic one. Used by one thread. */
struct audio_backend;

/** A block of consecutive mono samples, -1 to 1; valid until the next call. */
struct audio_block {
	const float *samples;
	size_t count;
	int64_t position; /* of the first sample, in the device's count; a jump: lost samples */
	int64_t time_ns; /* capture time of the first sample, CLOCK_MONOTONIC, with device jitter */
	bool muted;      /* at the device or in the server */
};

/** An audio backend: each exports one constant object. */
struct audio_backend_ops {
	const char *name; /* "pipewire", "pulse", "tone" */

	/**
	 * @param device   NULL: the default device
	 * @param monitor  capture the output of the machine: @p device is then an output
	 * @return 0 or -errno with the reason
	 */
	int (*create)(
		struct audio_backend **ret, const char *device, bool monitor, struct error *reterr);

	/**
	 * Wait for a block of sound.
	 *
	 * @param wake_fd  returns early when it becomes readable
	 * @return 1 with a block, 0 without (wake_fd), -EPIPE when the device is gone
	 */
	int (*read)(struct audio_backend *backend, int wake_fd, struct audio_block *ret);

	/** Device name for the session file; it may change whenever read() returns sound. Valid
	 *  until the next read(). */
	const char *(*device)(struct audio_backend *backend);

	void (*destroy)(struct audio_backend *backend);
};

struct audio_backend {
	const struct audio_backend_ops *ops;
};

/** A microphone of this session's PipeWire server. */
extern const struct audio_backend_ops audio_backend_pipewire;

/** A source of this session's PulseAudio server; never starts a server. */
extern const struct audio_backend_ops audio_backend_pulse;

/** A click at every whole second of CLOCK_MONOTONIC, sampled by its own clock: device "200" is 200
 *  ppm fast, "0,lossy" loses 768 samples every five seconds. */
extern const struct audio_backend_ops audio_backend_test;

static inline void audio_backend_destroy(struct audio_backend *backend)
{
	if (backend)
		backend->ops->destroy(backend);
}
DEFINE_DESTROY(audio_backend);

/** The requested audio input. */
struct audio_config {
	const char *
		name; /* "auto": the first sound server that answers; "pipewire", "pulse", "tone" */
	const char *device; /* NULL: the default device */
	bool monitor;       /* capture the output of the machine */
};

/**
 * Parse user input: NAME or NAME:DEVICE, or "none".
 *
 * @param ret  its name is constant, its device points into @p text
 * @return false for an unknown backend
 */
bool audio_config_parse(struct audio_config *ret, const char *text);

/** @return true for the name of a backend and for "auto" */
bool audio_backend_exists(const char *name);

/**
 * Open an audio input.
 *
 * @param tries  number of earlier attempts: each starts with the next server, because a server that
 *               is there for video only answers but has no microphone
 */
int audio_backend_open(struct audio_backend **ret, const struct audio_config *config,
	unsigned tries, struct error *reterr);

/** Result of audio_backend_check(). */
struct audio_backend_report {
	char backend[16], device[160];
	double peak_db, rms_db; /* in dB of full scale, at most 0; -127.5: silence */
	uint32_t clipped;       /* samples at full scale */
	bool muted;
};

/**
 * Listen briefly and discard the sound. Takes up to a few seconds.
 *
 * @return 0, or a negative errno with the reason when there is no sound
 */
int audio_backend_check(
	struct audio_backend_report *ret, const struct audio_config *config, struct error *reterr);
