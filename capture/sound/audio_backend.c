#include "capture/sound/audio_backend.h"

#include "capture/sound/levels.h"
#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Duration of a check, and its timeout. */
#define CHECK_SAMPLES (AUDIO_RATE_HZ * 6 / 5)
#define CHECK_NS      (4 * NS_PER_S)

/* in the order of attempts */
static const struct audio_backend_ops *const servers[] = {
	&audio_backend_pipewire, &audio_backend_pulse};

static const struct audio_backend_ops *const all[] = {
	&audio_backend_pipewire, &audio_backend_pulse, &audio_backend_test};

static const struct audio_backend_ops *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

bool audio_backend_exists(const char *name)
{
	return strcmp(name, "auto") == 0 || find(name);
}

bool audio_config_parse(struct audio_config *ret, const char *text)
{
	static const char *const names[] = {"auto", "none"};
	size_t length = strcspn(text, ":");

	*ret = (struct audio_config){.device = text[length] ? text + length + 1 : NULL};
	for (size_t i = 0; i < ARRAY_SIZE(names) + ARRAY_SIZE(all); i++) {
		const char *name =
			i < ARRAY_SIZE(names) ? names[i] : all[i - ARRAY_SIZE(names)]->name;

		if (strlen(name) == length && strncmp(name, text, length) == 0)
			ret->name = name;
	}
	return ret->name != NULL;
}

int audio_backend_open(struct audio_backend **ret, const struct audio_config *config,
	unsigned tries, struct error *reterr)
{
	const struct audio_backend_ops *ops = find(config->name);
	int r = -ENOENT;

	if (ops)
		return ops->create(ret, config->device, config->monitor, reterr);
	for (size_t i = 0; i < ARRAY_SIZE(servers) && r < 0; i++) {
		ops = servers[(tries + i) % ARRAY_SIZE(servers)];
		r = ops->create(ret, config->device, config->monitor, reterr);
	}
	if (r < 0)
		return error_set(reterr, r,
			"no sound: neither PipeWire nor PulseAudio answers in this session");
	return 0;
}

static int measure_levels(struct audio_backend *backend, struct audio_backend_report *ret)
{
	int64_t until_ns = clock_now_ns() + CHECK_NS;
	struct loudness loudness = {0};
	struct audio_block block;
	int r;

	snprintf(ret->backend, sizeof(ret->backend), "%s", backend->ops->name);
	while ((r = backend->ops->read(backend, -1, &block)) > 0) {
		loudness_add(&loudness, block.samples, block.count);
		ret->muted = block.muted;
		if (loudness.count >= CHECK_SAMPLES || clock_now_ns() > until_ns)
			break;
	}
	if (r < 0)
		return r;
	ret->peak_db = sound_level_db(loudness_peak(&loudness));
	ret->rms_db = sound_level_db(loudness_rms(&loudness));
	ret->clipped = loudness.clipped;
	utf8_copy(ret->device, sizeof(ret->device), backend->ops->device(backend));
	return 0;
}

int audio_backend_check(
	struct audio_backend_report *ret, const struct audio_config *config, struct error *reterr)
{
	size_t attempts = find(config->name) ? 1 : ARRAY_SIZE(servers);
	int r = -EPIPE;

	*ret = (struct audio_backend_report){0};
	for (unsigned tries = 0; tries < attempts && r < 0; tries++) {
		_destroy_(audio_backend) struct audio_backend *backend = NULL;

		r = audio_backend_open(&backend, config, tries, reterr);
		if (r < 0)
			return r;
		r = measure_levels(backend, ret);
	}
	return r < 0
		? error_set(reterr, r, "no sound: %s answers, but no microphone delivers samples",
			  ret->backend)
		: 0;
}
