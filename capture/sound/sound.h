#pragma once

#include "capture/sound/audio_backend.h"
#include "capture/source.h"

/**
 * A source of sound: pushes Opus packets of 20 ms on CHANNEL_SOUND, each with the time of the first
 * sample that it decodes to; five times a second how loud it was; and every 5 s a clock sample with the
 * device's clock. Samples that the device has lost become silence and a gap. A device that is gone, or
 * not there yet, is looked for every few seconds; meanwhile there is a gap.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason
 */
int sound_source_create(struct source **ret, const struct source_context *context,
	const struct ear_wish *wish, struct error *reterr);
