#pragma once

#include "replay/decode/frames.h"

/*
 * The sandboxed part of replay/decode/frames.h: the video decoder and the overlay, run in the jail of
 * replay/decode/frames.c. Its functions have the contracts of replay/decode/frames.h.
 */
struct decoder;

/**
 * @param pixels      output buffer for pictures, zeroed
 * @param size_bytes  size of @p pixels: SCREEN_LIMIT_PIXELS * 4
 * @return as frames_create()
 */
int decoder_create(struct decoder **ret, struct session_reader *reader, uint8_t *pixels,
	size_t size_bytes, struct error *reterr);
void decoder_destroy(struct decoder *decoder);
DEFINE_DESTROY(decoder);

void decoder_end(struct decoder *decoder, int64_t to_ns);
int decoder_seek(struct decoder *decoder, int64_t at_ns, struct frame *ret);
int decoder_next(struct decoder *decoder, struct frame *ret);
const struct screen_gap *decoder_gap(const struct decoder *decoder);
int64_t decoder_peek(const struct decoder *decoder);
struct frames_faults decoder_faults(const struct decoder *decoder);
