#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stddef.h>

/* 20 ms at 48 kHz: one Opus packet */
#define SOUND_FRAME_SAMPLES 960

/** Encodes mono sound to Opus. One thread at a time. */
struct sound_encoder;

/**
 * @param ret  set on success; freed by sound_encoder_destroy()
 * @return 0, or a negative errno with the reason
 */
int sound_encoder_create(struct sound_encoder **ret, struct error *reterr);
void sound_encoder_destroy(struct sound_encoder *encoder);
DEFINE_DESTROY(sound_encoder);

/** Name and settings, for the session file. */
const char *sound_encoder_describe(const struct sound_encoder *encoder);

/** Encoder delay in samples ("pre-skip", RFC 7845). */
int sound_encoder_preskip(const struct sound_encoder *encoder);

/**
 * Encode 20 ms. One frame in, one packet out.
 *
 * @param samples     SOUND_FRAME_SAMPLES of them
 * @param ret_packet  set to the packet, valid until the next call
 * @return size of the packet in bytes, or a negative errno
 */
int sound_encoder_encode(
	struct sound_encoder *encoder, const float *samples, const unsigned char **ret_packet);
