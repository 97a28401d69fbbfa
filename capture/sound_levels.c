#include "capture/sound_levels.h"

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

void sound_levels_take(struct sound_levels *levels, const float *samples, size_t count)
{
	double squares = 0;
	float peak = 0;

	for (size_t i = 0; i < count; i++) {
		float loud = fabsf(samples[i]);

		peak = loud > peak ? loud : peak;
		squares += (double)loud * loud;
		levels->clipped += loud >= SOUND_FULL_SCALE;
	}
	levels->peak[levels->count] = sound_level_of(peak);
	levels->rms[levels->count] = sound_level_of(sqrt(squares / (double)count));
	levels->count++;
}
