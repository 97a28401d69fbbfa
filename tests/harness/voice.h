#pragma once

#include <stddef.h>
#include <stdint.h>

/** Signal of a virtual microphone: a function of time (CLOCK_MONOTONIC). */
struct voice {
	float (*at)(const struct voice *voice, int64_t time_ns);
	/* of a file's samples */
	float *samples;
	size_t count;
	double rate_hz;
	int64_t begin_ns;
};

/** A click of 5 ms at every whole second. */
extern const struct voice voice_clicks;

/** Same, with NaN and infinite samples for a tenth of a second in between. */
extern const struct voice voice_broken;

/** Read a WAV file of one channel and 16 bits, played once from a time on. */
void voice_read(struct voice *voice, const char *path, int64_t begin_ns);
void voice_finish(struct voice *voice);
