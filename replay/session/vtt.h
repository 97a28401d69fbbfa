#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdint.h>

/* WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format"): what was said, as text with times. */

struct vtt_cue {
	int64_t from_ns, to_ns; /* whole milliseconds; to >= from */
	char *speaker;          /* one line of UTF-8, "" when not said */
	char *text;             /* plain, lines parted by '\n', none of them empty; never "" */
	size_t number;          /* keeps the order of cues of the same time */
};

/** Cues in the order of their begin. */
struct vtt {
	struct vtt_cue *cues;
	size_t count, capacity;
};

/* How many faults of a file are named. */
#define VTT_FAULTS_NAMED 20

/** Lines that could not be read. */
struct vtt_faults {
	struct {
		unsigned line;     /* from 1 */
		const char *why;   /* constant text, which never repeats what is in the file */
	} named[VTT_FAULTS_NAMED]; /* in the order of lines */
	size_t count;              /* of all; only the first ones are named */
};

/**
 * Read a WebVTT file. Everything in it is hostile. Of what the format has, times, voices and text are
 * kept; styles, regions, comments, settings and other tags are not. A cue in which several voices speak
 * becomes several. Control characters become spaces. Times may lack digits, hours or the fraction, or have it
 * behind a comma, as programs write them. Everything else that is neither cue nor comment is a fault: lines
 * of text without a time, a cue that ends before it begins, what is no UTF-8.
 *
 * @param ret         set on success; freed by vtt_destroy()
 * @param text        with a 0 byte behind its size_bytes
 * @param name        of the file, for the error, which never repeats what is in it
 * @param ret_faults  set on success: what was left out; the rest is read. NULL: the first fault is an error
 * @return 0, -EINVAL with file, line and reason (also when nothing at all could be read), -EFBIG, or -ENOMEM
 */
int vtt_parse(struct vtt **ret, const char *text, size_t size_bytes, const char *name,
	struct vtt_faults *ret_faults, struct error *reterr);

/** Add a copy of a cue at the end. @return 0, -EFBIG when there are too many, or -ENOMEM */
int vtt_add(struct vtt *vtt, const struct vtt_cue *cue);

/** Bring the cues into the order of their begin; of the same, as they were added. */
void vtt_sort(struct vtt *vtt);

/** Append the file that vtt_parse() reads the same cues from. */
void vtt_write(struct buf *out, const struct vtt *vtt);

/** Format a time as WebVTT has it: "01:02:03.456". */
void vtt_format_time(char text[24], int64_t time_ns);

void vtt_destroy(struct vtt *vtt);
DEFINE_DESTROY(vtt);
