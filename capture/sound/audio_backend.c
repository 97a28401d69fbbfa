#include "capture/sound/audio_backend.h"

#include "capture/sound/levels.h"
#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Duration of a check, and its timeout. */
#define CHECK_SAMPLES (EAR_RATE_HZ * 6 / 5)
#define CHECK_NS      (4 * NS_PER_S)

/* in the order of attempts */
static const struct ear_ops *const servers[] = {&ear_pipewire, &ear_pulse};

static const struct ear_ops *const all[] = {&ear_pipewire, &ear_pulse, &ear_tone};

static const struct ear_ops *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

bool ear_exists(const char *name)
{
	return strcmp(name, "auto") == 0 || find(name);
}

bool ear_wish_parse(struct ear_wish *ret, const char *text)
{
	static const char *const names[] = {"auto", "none"};
	size_t length = strcspn(text, ":");

	*ret = (struct ear_wish){.device = text[length] ? text + length + 1 : NULL};
	for (size_t i = 0; i < ARRAY_SIZE(names) + ARRAY_SIZE(all); i++) {
		const char *name =
			i < ARRAY_SIZE(names) ? names[i] : all[i - ARRAY_SIZE(names)]->name;

		if (strlen(name) == length && strncmp(name, text, length) == 0)
			ret->name = name;
	}
	return ret->name != NULL;
}

int ear_open(struct ear **ret, const struct ear_wish *wish, unsigned tries, struct error *reterr)
{
	const struct ear_ops *ops = find(wish->name);
	int r = -ENOENT;

	if (ops)
		return ops->create(ret, wish->device, wish->monitor, reterr);
	for (size_t i = 0; i < ARRAY_SIZE(servers) && r < 0; i++) {
		ops = servers[(tries + i) % ARRAY_SIZE(servers)];
		r = ops->create(ret, wish->device, wish->monitor, reterr);
	}
	if (r < 0)
		return error_set(reterr, r,
			"no sound: neither PipeWire nor PulseAudio answers in this session");
	return 0;
}

static int listen_for_a_moment(struct ear *ear, struct ear_report *ret)
{
	int64_t until_ns = clock_now_ns() + CHECK_NS;
	struct loudness loudness = {0};
	struct heard heard;
	int r;

	snprintf(ret->ear, sizeof(ret->ear), "%s", ear->ops->name);
	while ((r = ear->ops->hear(ear, -1, &heard)) > 0) {
		loudness_take(&loudness, heard.samples, heard.count);
		ret->muted = heard.muted;
		if (loudness.count >= CHECK_SAMPLES || clock_now_ns() > until_ns)
			break;
	}
	if (r < 0)
		return r;
	ret->peak_db = sound_level_db(loudness_peak(&loudness));
	ret->rms_db = sound_level_db(loudness_rms(&loudness));
	ret->clipped = loudness.clipped;
	utf8_copy(ret->device, sizeof(ret->device), ear->ops->device(ear));
	return 0;
}

int ear_check(struct ear_report *ret, const struct ear_wish *wish, struct error *reterr)
{
	size_t turns = find(wish->name) ? 1 : ARRAY_SIZE(servers);
	int r = -EPIPE;

	*ret = (struct ear_report){0};
	for (unsigned tries = 0; tries < turns && r < 0; tries++) {
		_destroy_(ear) struct ear *ear = NULL;

		r = ear_open(&ear, wish, tries, reterr);
		if (r < 0)
			return r;
		r = listen_for_a_moment(ear, ret);
	}
	return r < 0 ? error_set(reterr, r, "no sound: %s answers, but no microphone gives any",
			       ret->ear)
		     : 0;
}
