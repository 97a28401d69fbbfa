#pragma once

#include <stddef.h>
#include <stdint.h>

/* so many steps of a frame are one message: SESSION_LEVELS_SPAN_NS */
#define SOUND_LEVELS_STEPS 10

/* of 16 bits, of which the positive side is one short */
#define SOUND_FULL_SCALE 0.9999f

/** How loud some sound was. Zero-initialised has heard none. */
struct loudness {
	double squares; /* sum of the samples' */
	float peak;
	size_t count;
	uint32_t clipped; /* samples at full scale */
};

/** What is no number counts as silence. */
void loudness_take(struct loudness *loudness, const float *samples, size_t count);

/** @return half decibels below full scale, 255 for nothing; sound.proto */
uint8_t loudness_peak(const struct loudness *loudness);
uint8_t loudness_rms(const struct loudness *loudness);

/** How loud sound was, frame by frame: uxrec.SoundLevels as it grows. */
struct sound_levels {
	uint8_t peak[SOUND_LEVELS_STEPS], rms[SOUND_LEVELS_STEPS];
	size_t count; /* of the steps that are there */
	uint32_t clipped;
	int64_t begin_ns; /* of the first; of the caller */
};

/** Take in a frame; the caller empties the levels when they are full. @param samples  -1 to 1 */
void sound_levels_take(struct sound_levels *levels, const float *samples, size_t count);

/** @return half decibels below full scale, 255 for nothing; sound.proto */
uint8_t sound_level_of(double amplitude);

/** @return decibels of full scale, at most 0; -127.5 for nothing */
double sound_level_db(uint8_t level);
