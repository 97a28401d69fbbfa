#include "tests/harness/voice.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "tests/harness/helpers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float click_at(const struct voice *voice, int64_t time_ns)
{
	int64_t ns = time_ns % NS_PER_S;

	(void)voice;
	/* starts with a jump, so that its onset is one sample */
	return ns < 5 * NS_PER_MS
		? (float)(0.5 * cos(2 * M_PI * 1000 * (double)ns / (double)NS_PER_S))
		: 0;
}

static float broken_at(const struct voice *voice, int64_t time_ns)
{
	int64_t ms = time_ns % NS_PER_S / NS_PER_MS;

	if (ms < 500 || ms >= 600)
		return click_at(voice, time_ns);
	return ms % 3 == 0 ? NAN : ms % 3 == 1 ? INFINITY : -INFINITY;
}

static float read_at(const struct voice *voice, int64_t time_ns)
{
	double place = (double)(time_ns - voice->begin_ns) / (double)NS_PER_S * voice->rate_hz;
	double whole = floor(place);
	size_t i = (size_t)whole;

	if (place < 0 || i + 1 >= voice->count)
		return 0;
	return voice->samples[i] +
		(float)(place - whole) * (voice->samples[i + 1] - voice->samples[i]);
}

const struct voice voice_clicks = {.at = click_at};
const struct voice voice_broken = {.at = broken_at};

void voice_read(struct voice *voice, const char *path, int64_t begin_ns)
{
	_autofree_ char *data = NULL;
	ssize_t size = io_read_file(path, 100 * 1024 * 1024, &data);
	const char *samples;
	uint32_t rate_hz;

	check(size > 44 && memcmp(data, "RIFF", 4) == 0);
	memcpy(&rate_hz, data + 24, sizeof(rate_hz));
	samples = memmem(data, (size_t)size, "data", 4);
	check(samples != NULL);
	samples += 8;
	*voice = (struct voice){
		.at = read_at,
		.count = (size_t)(data + size - samples) / sizeof(int16_t),
		.rate_hz = rate_hz,
		.begin_ns = begin_ns,
	};
	voice->samples = calloc(voice->count, sizeof(float));
	check(voice->samples != NULL);
	for (size_t i = 0; i < voice->count; i++) {
		int16_t sample;

		memcpy(&sample, samples + i * sizeof(sample), sizeof(sample));
		voice->samples[i] = (float)sample / 32768;
	}
}

void voice_finish(struct voice *voice)
{
	free(voice->samples);
	voice->samples = NULL;
}
