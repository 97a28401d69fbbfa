#pragma once

#include "capture/screen/picture.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/** Encodes pictures of one size to H.264 or AV1. One thread at a time. */
struct encoder;

struct encoder_options {
	const char *name; /* of encoder_names; "auto": the first for H.264 that works */
	int max_fps;
	enum chroma chroma; /* of the pictures */
};

/** The one that is always there. */
#define ENCODER_LAST "libx264"

#define ENCODER_KIND_BYTES 32 /* of a name of encoder_names */

/** What may be asked for; ends with NULL. */
extern const char *const encoder_names[];

/** @return whether an encoder of encoder_names is for pictures of such chroma */
bool encoder_keeps(const char *name, enum chroma chroma);

/**
 * A hardware encoder is asked for a picture at once: it is taken when it gives what this program relies on, one
 * picture for each and SPS and PPS with a keyframe. Of "auto" the log says why not another.
 *
 * @param ret            set on success; freed by encoder_destroy()
 * @param width, height  even, in pixels
 * @return 0, or a negative errno with the reason: -EOPNOTSUPP when it is not for such chroma
 */
int encoder_create(struct encoder **ret, int width, int height,
	const struct encoder_options *options, struct error *reterr);
void encoder_destroy(struct encoder *encoder);
DEFINE_DESTROY(encoder);

/** @return its name, one of encoder_names */
const char *encoder_name(const struct encoder *encoder);

/** @return true when the graphics hardware encodes, false when the processor does */
bool encoder_is_hardware(const struct encoder *encoder);

/** Name and settings as they were asked for, for the session file. */
const char *encoder_describe(const struct encoder *encoder);

/** What comes of it, as CompressedVideo.format says it: "h264" or "av1". */
const char *encoder_format(const struct encoder *encoder);

/** Why "auto" did not take what it would rather have, for a person: "not h264_vaapi: ...". "" when it did. */
const char *encoder_passed_over(const struct encoder *encoder);

/** One coded picture; valid until the next call on the encoder. */
struct encoded {
	/* exactly one picture: of H.264 Annex B, SPS and PPS with a keyframe; of AV1 a temporal unit of the low-overhead
	 * format (AV1 specification, section 5), a sequence header with a keyframe */
	const unsigned char *data;
	size_t size_bytes;
	bool keyframe;
};

/**
 * Encode the picture as it is now. There is no delay: one picture in, one picture out.
 *
 * @param picture   of the chroma that was asked for
 * @param time_ns   must grow from call to call
 * @param keyframe  make it one that a decoder can begin with
 * @return 0, or a negative errno: the encoder must then be replaced
 */
int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t time_ns,
	bool keyframe, struct encoded *ret);

/** Compress one picture as JPEG. @return the size of what the caller must free, or -errno */
int64_t encode_jpeg(const struct picture *picture, uint8_t **ret_data);
