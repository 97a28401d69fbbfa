#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Decoder for the Opus packets of one sound stream, in order, in a sandboxed process (replay/base/jail.h): packets are
 * untrusted. The caller must be single-threaded.
 */
struct sound_decoder;

/** 120 ms at 48 kHz, the maximum duration of a packet (RFC 6716, section 2.1.4). */
#define SOUND_DECODER_SAMPLES 5760

/**
 * @param ret  set on success; freed by sound_decoder_destroy()
 * @return 0, -ENOENT without a decoder, or a negative errno, with the reason
 */
int sound_decoder_create(struct sound_decoder **ret, struct error *reterr);
void sound_decoder_destroy(struct sound_decoder *decoder);
DEFINE_DESTROY(sound_decoder);

/**
 * Decode the next packet.
 *
 * @param ret  mono, 48 kHz, 16 bits; valid until the next call
 * @return the number of samples, at most SOUND_DECODER_SAMPLES; 0 for an invalid packet; or a negative errno with the
 *         reason: the decoder crashed, hung or exceeded its memory limit, and every later call fails
 */
int sound_decoder_decode(struct sound_decoder *decoder, const void *packet, size_t size_bytes,
	const int16_t **ret, struct error *reterr);
