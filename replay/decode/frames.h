#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/file/reader.h"
#include "replay/session/screen_gaps.h"

/**
 * What the screen of a session showed: the video, and the patches that lie over it (FORMAT.md, "To show
 * time T"). What is shown at a moment never depends on the way there. Everything in the file is hostile: a
 * picture that cannot be decoded leaves what was shown, a patch is left out, and both are counted; when
 * the picture of a keyframe is lost, nothing is shown up to the next keyframe. Nothing is shown in a gap of
 * the screen either (replay/session/screen_gaps.h). Decoding happens in a process without rights (replay/base/jail.h): when it
 * crashes, hangs or wants too much memory, the call fails and so does every later one. The caller has one thread.
 */
struct frames;

/** One picture; its pixels are valid until the next call on the frames. */
struct frame {
	int64_t time_ns;       /* session time of the change that made it */
	int width, height;     /* of the screen, in pixels; may differ from picture to picture */
	int stride_bytes;      /* >= 4 * width */
	const uint8_t *pixels; /* height rows, top row first, bytes B G R X, X 255 */
};

/** What could not be shown. */
struct frames_faults {
	uint64_t pictures, patches;
};

/**
 * @param ret     set on success, before the first picture; freed by frames_destroy() before its reader
 * @param reader  not refreshed nor added to as long as the frames are used
 * @return 0, -ENOENT without a decoder for H.264 or AV1, or -ENOMEM, with the reason
 */
int frames_create(struct frames **ret, struct session_reader *reader, struct error *reterr);
void frames_destroy(struct frames *frames);
DEFINE_DESTROY(frames);

/** Show no picture that was copied at or after a time, though it may begin before. Before the first one is sought. */
void frames_end(struct frames *frames, int64_t to_ns);

/**
 * Go to any moment. From an earlier one of the same keyframe that is as cheap as going on.
 *
 * @return 1 with the picture, 0 when nothing is shown there (frames_next() then gives what comes), or a
 *         negative errno: -EBADMSG and -ETIMEDOUT with frames_trouble()
 */
int frames_seek(struct frames *frames, int64_t at_ns, struct frame *ret);

/**
 * Go to the next moment at which the picture changes; from the begin when nothing was sought.
 *
 * @return 1 with the picture, 0 at the end, or a negative errno
 */
int frames_next(struct frames *frames, struct frame *ret);

/** @return the gap of the screen at the moment that was gone to last, because of which nothing is shown; or NULL */
const struct screen_gap *frames_gap(const struct frames *frames);

/** @return the time before which the picture does not change; INT64_MAX: never again. After a seek. */
int64_t frames_peek(const struct frames *frames);

/** @return what happened to the decoder, "" when nothing did */
const char *frames_trouble(const struct frames *frames);

/** What could not be shown so far; of what was decoded twice, twice. */
struct frames_faults frames_faults(const struct frames *frames);
