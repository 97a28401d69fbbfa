#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

/* The tone in place of bleeped sound: 1 kHz at -20 dB of full scale, at 48 kHz. */

#define TONE_PACKET_SAMPLES 960 /* 20 ms */

/** The tone as Opus packets of 20 ms, mono. */
struct tone;

/** @return 0 (freed by tone_destroy()) or a negative errno with the reason */
int tone_create(struct tone **ret, struct error *reterr);
void tone_destroy(struct tone *tone);
DEFINE_DESTROY(tone);

/** @return packet @p number since the bleep began; valid as long as the tone */
struct view tone_packet(const struct tone *tone, size_t number);

/** Write samples of the tone. @param position  of the first one, from any origin */
void tone_fill(int16_t *samples, size_t count, int64_t position);
