#pragma once

#include <stddef.h>
#include <stdint.h>

/* steps, of one frame each, in one message: SESSION_LEVELS_SPAN_NS */
#define SOUND_LEVELS_STEPS 10

/* 16-bit full scale: the positive side is one short */
#define SOUND_FULL_SCALE 0.9999f

/** Peak and RMS accumulator. Zero-initialised is empty. */
struct loudness {
	double squares; /* sum of squared samples */
	float peak;
	size_t count;
	uint32_t clipped; /* samples at full scale */
};

/** Non-finite samples count as silence. */
void loudness_add(struct loudness *loudness, const float *samples, size_t count);

/** @return half decibels below full scale, 255 for silence; sound.proto */
uint8_t loudness_peak(const struct loudness *loudness);
uint8_t loudness_rms(const struct loudness *loudness);

/** Levels frame by frame: an uxrec.SoundLevels being filled. */
struct sound_levels {
	uint8_t peak[SOUND_LEVELS_STEPS], rms[SOUND_LEVELS_STEPS];
	size_t count; /* number of valid steps */
	uint32_t clipped;
	int64_t begin_ns; /* of the first step; set by the caller */
};

/** Add a frame; the caller empties the levels when they are full. @param samples  -1 to 1 */
void sound_levels_add(struct sound_levels *levels, const float *samples, size_t count);

/** @return half decibels below full scale, 255 for silence; sound.proto */
uint8_t sound_level_of(double amplitude);

/** @return decibels of full scale, at most 0; -127.5 for silence */
double sound_level_db(uint8_t level);
