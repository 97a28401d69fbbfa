#pragma once

#include "capture/sound/audio_backend.h"
#include "capture/source.h"

/**
 * A source of sound: pushes 20 ms Opus packets on CHANNEL_SOUND, each with the time of the first
 * sample that it decodes to; levels five times a second; and every 5 s a clock sample with the
 * device's clock. Samples lost by the device become silence and a gap. A missing device is retried
 * every few seconds; meanwhile there is a gap.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason
 */
int sound_source_create(struct source **ret, const struct source_context *context,
	const struct audio_config *config, struct error *reterr);
