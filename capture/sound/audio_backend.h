#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every ear gives, whatever its device has: the sound server converts. */
#define EAR_RATE_HZ 48000

/** Hears: a device, or what stands for one. Used by one thread. */
struct ear;

/** Samples one behind the other, mono, -1 to 1; valid until the next call. */
struct heard {
	const float *samples;
	size_t count;
	int64_t position; /* of the first, in the device's own count; a jump says that some are lost */
	int64_t time_ns; /* when the first was heard, CLOCK_MONOTONIC, with the device's jitter */
	bool muted;      /* by somebody, at the device or in the server */
};

/** One implementation: each exports one constant object. */
struct ear_ops {
	const char *name; /* "pipewire", "pulse", "tone" */

	/**
	 * @param device   NULL: the default one
	 * @param monitor  hear what the machine plays: then the device is one that plays
	 * @return 0 or -errno with the reason
	 */
	int (*create)(struct ear **ret, const char *device, bool monitor, struct error *reterr);

	/**
	 * Wait for sound.
	 *
	 * @param wake_fd  returns early when it becomes readable
	 * @return 1 with sound, 0 without (wake_fd), -EPIPE the device is gone
	 */
	int (*hear)(struct ear *ear, int wake_fd, struct heard *ret);

	/** The device's name, for the session file; it may change when hear() gives sound. Valid until
	 *  the next hear(). */
	const char *(*device)(struct ear *ear);

	void (*destroy)(struct ear *ear);
};

struct ear {
	const struct ear_ops *ops;
};

/** A microphone of the PipeWire server of this session. */
extern const struct ear_ops ear_pipewire;

/** A source of the PulseAudio server of this session; no server is started for it. */
extern const struct ear_ops ear_pulse;

/** A click at every whole second of CLOCK_MONOTONIC, by a clock of its own: device "200" is 200 ppm
 *  fast, "0,lossy" loses 768 samples every five seconds. */
extern const struct ear_ops ear_tone;

static inline void ear_destroy(struct ear *ear)
{
	if (ear)
		ear->ops->destroy(ear);
}
DEFINE_DESTROY(ear);

/** What is to be heard. */
struct ear_wish {
	const char *
		name; /* "auto": the first sound server that answers; "pipewire", "pulse", "tone" */
	const char *device; /* NULL: the default one */
	bool monitor;       /* what the machine plays */
};

/**
 * Understand what was typed: NAME or NAME:DEVICE, or "none".
 *
 * @param ret  its name is constant, its device points into @p text
 * @return false when there is no such ear
 */
bool ear_wish_parse(struct ear_wish *ret, const char *text);

/** @return true when there is an ear of that name, or it is "auto" */
bool ear_exists(const char *name);

/**
 * Open an ear.
 *
 * @param tries  how often that was done before: a server may answer and have no microphone, because it
 *               is there for pictures alone; then it is the other's turn
 */
int ear_open(struct ear **ret, const struct ear_wish *wish, unsigned tries, struct error *reterr);

/** What a microphone gives. */
struct ear_report {
	char ear[16], device[160];
	double peak_db, rms_db; /* of full scale, at most 0; -127.5: nothing */
	uint32_t clipped;       /* samples at full scale */
	bool muted;
};

/**
 * Listen for a moment and keep nothing of it. Takes up to a few seconds.
 *
 * @return 0, or a negative errno with the reason: there is no sound
 */
int ear_check(struct ear_report *ret, const struct ear_wish *wish, struct error *reterr);
