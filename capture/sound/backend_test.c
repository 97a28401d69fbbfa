#include "capture/sound/audio_backend.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SAMPLES 960 /* 20 ms */
#define CLICK_NS      (5 * NS_PER_MS)
#define LOST_SAMPLES  768

struct tone {
	struct audio_backend base;
	char device[40];
	double rate_hz; /* actual rate */
	bool lossy;
	int64_t begun_ns, position;
	float samples[BLOCK_SAMPLES];
};

static int tone_create(
	struct audio_backend **ret, const char *device, bool monitor, struct error *reterr)
{
	struct tone *tone;
	char *end = NULL;
	double ppm = device && *device ? strtod(device, &end) : 0;

	(void)monitor;
	if (end && *end && strcmp(end, ",lossy") != 0)
		return error_set(reterr, -EINVAL,
			"the tone '%.40s': must be a drift in ppm, with ',lossy' after it or not",
			device);
	if (!(fabs(ppm) <= 10000))
		return error_set(reterr, -EINVAL, "the tone's drift is at most 10000 ppm");
	tone = calloc(1, sizeof(*tone));
	if (!tone)
		return error_set(reterr, -ENOMEM, "out of memory");
	tone->base.ops = &audio_backend_test;
	snprintf(tone->device, sizeof(tone->device), "clicks, %s ppm fast",
		device && *device ? device : "0");
	tone->rate_hz = AUDIO_RATE_HZ * (1 + ppm / 1e6);
	tone->lossy = end && *end;
	tone->begun_ns = clock_now_ns();
	*ret = &tone->base;
	return 0;
}

static int64_t time_of(const struct tone *tone, int64_t position)
{
	return tone->begun_ns + llround((double)position / tone->rate_hz * (double)NS_PER_S);
}

/* a 1 kHz click with a step onset, so that its onset is one sample; never the tail of one */
static float sample_at(const struct tone *tone, int64_t time_ns)
{
	int64_t ns = time_ns % NS_PER_S;

	return ns < CLICK_NS && time_ns - ns >= tone->begun_ns
		? (float)(0.5 * cos(2 * M_PI * 1000 * (double)ns / (double)NS_PER_S))
		: 0;
}

static void fill(struct tone *tone)
{
	int64_t begin_ns = time_of(tone, tone->position);
	int64_t end_ns = time_of(tone, tone->position + BLOCK_SAMPLES);

	memset(tone->samples, 0, sizeof(tone->samples));
	/* a click is shorter than a block */
	if (begin_ns / NS_PER_S == end_ns / NS_PER_S && begin_ns % NS_PER_S >= CLICK_NS)
		return;
	for (int i = 0; i < BLOCK_SAMPLES; i++)
		tone->samples[i] = sample_at(tone, time_of(tone, tone->position + i));
}

static int tone_read(struct audio_backend *backend, int wake_fd, struct audio_block *ret)
{
	struct tone *tone = (struct tone *)backend;
	int64_t ready_ns = time_of(tone, tone->position + BLOCK_SAMPLES), wait_ns;

	while ((wait_ns = ready_ns - clock_now_ns()) > 0) {
		struct pollfd wake = {wake_fd, POLLIN, 0};
		struct timespec timeout = {wait_ns / NS_PER_S, wait_ns % NS_PER_S};

		if (ppoll(&wake, 1, &timeout, NULL) > 0)
			return 0;
	}
	fill(tone);
	*ret = (struct audio_block){
		tone->samples, BLOCK_SAMPLES, tone->position, time_of(tone, tone->position), false};
	tone->position += BLOCK_SAMPLES;
	if (tone->lossy && tone->position % (5 * AUDIO_RATE_HZ) < BLOCK_SAMPLES)
		tone->position += LOST_SAMPLES;
	return 1;
}

static const char *tone_device(struct audio_backend *backend)
{
	return ((struct tone *)backend)->device;
}

static void tone_destroy(struct audio_backend *backend)
{
	free(backend);
}

const struct audio_backend_ops audio_backend_test = {
	.name = "tone",
	.create = tone_create,
	.read = tone_read,
	.device = tone_device,
	.destroy = tone_destroy,
};
