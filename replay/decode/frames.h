#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/file/reader.h"
#include "replay/session/screen_gaps.h"

/**
 * The displayed pictures of a session: the video, with the patches over it (FORMAT.md, "To show time T"). The picture
 * at a time is independent of the seeks before. The file is untrusted: a picture that cannot be decoded keeps the one
 * before, an invalid patch is skipped, and both are counted; after a lost keyframe nothing is shown up to the next
 * keyframe. Nothing is shown in a gap of the screen either (replay/session/screen_gaps.h). Decoding runs in a
 * sandboxed process (replay/base/jail.h): when it crashes, hangs or exceeds its memory limit, the call and every later
 * one fail. The caller must be single-threaded.
 */
struct frames;

/** One picture; its pixels are valid until the next call on the frames. */
struct frame {
	int64_t time_ns;       /* session time of its last change */
	int width, height;     /* of the screen, in pixels; may differ from picture to picture */
	int stride_bytes;      /* >= 4 * width */
	const uint8_t *pixels; /* height rows, top row first, bytes B G R X, X 255 */
};

/** Content that could not be decoded. */
struct frames_faults {
	uint64_t pictures, patches;
};

/**
 * @param ret     set on success, before the first picture; freed by frames_destroy() before its reader
 * @param reader  neither refreshed nor extended while the frames exist
 * @return 0, -ENOENT without a decoder for H.264 or AV1, or -ENOMEM, with the reason
 */
int frames_create(struct frames **ret, struct session_reader *reader, struct error *reterr);
void frames_destroy(struct frames *frames);
DEFINE_DESTROY(frames);

/** Show no picture copied at or after a time, even if it begins before. To be called before the first seek. */
void frames_end(struct frames *frames, int64_t to_ns);

/**
 * Seek to a time. From an earlier time of the same keyframe interval it is as cheap as stepping.
 *
 * @return 1 with the picture, 0 when nothing is shown at that time (frames_next() then steps to the next picture), or
 *         a negative errno: -EBADMSG and -ETIMEDOUT with frames_error()
 */
int frames_seek(struct frames *frames, int64_t at_ns, struct frame *ret);

/**
 * Step to the next time at which the picture changes; from the start before any seek.
 *
 * @return 1 with the picture, 0 at the end, or a negative errno
 */
int frames_next(struct frames *frames, struct frame *ret);

/** @return the gap of the screen that hides the picture at the last seeked time; or NULL */
const struct screen_gap *frames_gap(const struct frames *frames);

/** @return the earliest time of the next change of the picture; INT64_MAX: none. After a seek. */
int64_t frames_peek(const struct frames *frames);

/** @return the failure of the decoder, "" when there is none */
const char *frames_error(const struct frames *frames);

/** Faults so far; pictures decoded twice count twice. */
struct frames_faults frames_faults(const struct frames *frames);
