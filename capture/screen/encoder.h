#pragma once

#include "capture/screen/picture.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/** Encoder of pictures of one size to H.264 or AV1. One thread at a time. */
struct encoder;

struct encoder_options {
	const char *name; /* from encoder_names; "auto": the first working H.264 encoder */
	int max_fps;
	enum chroma chroma; /* of the pictures */
};

/** The encoder that is always available. */
#define ENCODER_FALLBACK "libx264"

#define ENCODER_KIND_BYTES 32 /* of a name in encoder_names */

/** Selectable encoders; NULL-terminated. */
extern const char *const encoder_names[];

/** @return true when an encoder of encoder_names supports this chroma */
bool encoder_supports(const char *name, enum chroma chroma);

/**
 * Create an encoder. A hardware encoder is tried out at once and accepted when it emits one picture
 * per input and SPS and PPS with each keyframe, as this program requires. With "auto" the log gives
 * the reason for each encoder passed over.
 *
 * @param ret            set on success; freed by encoder_destroy()
 * @param width, height  even, in pixels
 * @return 0, or a negative errno with the reason: -EOPNOTSUPP for unsupported chroma
 */
int encoder_create(struct encoder **ret, int width, int height,
	const struct encoder_options *options, struct error *reterr);
void encoder_destroy(struct encoder *encoder);
DEFINE_DESTROY(encoder);

/** @return the encoder's name in encoder_names */
const char *encoder_name(const struct encoder *encoder);

/** @return true for encoding in graphics hardware, false on the processor */
bool encoder_is_hardware(const struct encoder *encoder);

/** Name and requested settings, for the session file. */
const char *encoder_describe(const struct encoder *encoder);

/** Output format as in CompressedVideo.format: "h264" or "av1". */
const char *encoder_format(const struct encoder *encoder);

/**
 * Why "auto" skipped a preferred encoder, as user-facing text: "not h264_vaapi: ...". "" when none
 * was skipped.
 */
const char *encoder_skip_reason(const struct encoder *encoder);

/** One coded picture; valid until the next call on the encoder. */
struct encoded {
	/* Exactly one picture. H.264: Annex B, SPS and PPS with a keyframe. AV1: a temporal unit
	 * of the low-overhead format (AV1 specification, section 5), a sequence header with a
	 * keyframe. */
	const unsigned char *data;
	size_t size_bytes;
	bool keyframe;
};

/**
 * Encode the picture in its present state. No delay: one picture in, one picture out.
 *
 * @param picture   of the requested chroma
 * @param time_ns   strictly increasing
 * @param keyframe  force a keyframe
 * @return 0, or a negative errno: the encoder must then be replaced
 */
int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t time_ns,
	bool keyframe, struct encoded *ret);

/**
 * Compress one picture as JPEG.
 *
 * @return the size of the data, to be freed by the caller, or -errno
 */
int64_t encode_jpeg(const struct picture *picture, uint8_t **ret_data);
