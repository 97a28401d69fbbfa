#include "capture/sound/levels.h"

#include <math.h>

uint8_t sound_level_of(double amplitude)
{
	double half_decibels = -40 * log10(amplitude);

	if (!(amplitude > 0))
		return 255;
	return half_decibels <= 0 ? 0 : half_decibels >= 254 ? 254 : (uint8_t)lround(half_decibels);
}

double sound_level_db(uint8_t level)
{
	return -0.5 * level;
}

void loudness_add(struct loudness *loudness, const float *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		float loud = isfinite(samples[i]) ? fabsf(samples[i]) : 0;

		loudness->peak = loud > loudness->peak ? loud : loudness->peak;
		loudness->squares += (double)loud * (double)loud;
		loudness->clipped += loud >= SOUND_FULL_SCALE;
	}
	loudness->count += count;
}

uint8_t loudness_peak(const struct loudness *loudness)
{
	return sound_level_of((double)loudness->peak);
}

uint8_t loudness_rms(const struct loudness *loudness)
{
	return sound_level_of(
		loudness->count ? sqrt(loudness->squares / (double)loudness->count) : 0);
}

void sound_levels_add(struct sound_levels *levels, const float *samples, size_t count)
{
	struct loudness loudness = {0};

	loudness_add(&loudness, samples, count);
	levels->peak[levels->count] = loudness_peak(&loudness);
	levels->rms[levels->count] = loudness_rms(&loudness);
	levels->clipped += loudness.clipped;
	levels->count++;
}
