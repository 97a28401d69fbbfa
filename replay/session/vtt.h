#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdint.h>

/* WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format"): speech as text with times. */

/* marks of direction, which WebVTT escapes */
#define VTT_LRM 0x200e
#define VTT_RLM 0x200f

struct vtt_cue {
	int64_t from_ns, to_ns; /* whole milliseconds; to >= from */
	char *speaker;          /* one line of UTF-8, "" when unknown */
	char *text;             /* plain, separated by '\n', no empty lines; never "" */
	size_t number;          /* insertion order, for cues of the same time */
};

/** Cues sorted by start. */
struct vtt {
	struct vtt_cue *cues;
	size_t count;
};

/* Limit of listed faults. */
#define VTT_FAULTS_NAMED 20

/** Lines that could not be parsed. */
struct vtt_faults {
	struct {
		unsigned line;     /* from 1 */
		const char *why;   /* constant text, never content of the file */
	} named[VTT_FAULTS_NAMED]; /* sorted by line */
	size_t count;              /* all faults; only the first ones are listed */
};

/**
 * Parse a WebVTT file from an untrusted source. Keeps times, voices and text; drops styles, regions, comments,
 * settings and other tags. A cue with several voices becomes several cues. Control characters become spaces. Common
 * deviations in times are accepted: missing digits, hours or fraction, or a comma before the fraction. All else that
 * is neither cue nor comment is a fault: lines of text without a time, a cue that ends before it begins, invalid
 * UTF-8.
 *
 * @param ret         set on success; freed by vtt_destroy()
 * @param text        size_bytes bytes, followed by a 0 byte
 * @param name        name of the file, for the error, which never repeats content of the file
 * @param ret_faults  set on success: dropped lines; the rest is kept. NULL: the first fault is an error
 * @return 0, -EINVAL with file, line and reason (also when nothing was readable), -EFBIG, or -ENOMEM
 */
int vtt_parse(struct vtt **ret, const char *text, size_t size_bytes, const char *name,
	struct vtt_faults *ret_faults, struct error *reterr);

/** Append a copy of a cue. @return 0, -EFBIG when there are too many, or -ENOMEM */
int vtt_add(struct vtt *vtt, const struct vtt_cue *cue);

/** Sort the cues by start, stably. */
void vtt_sort(struct vtt *vtt);

/** Append the file text; vtt_parse() restores the same cues. */
void vtt_write(struct buf *out, const struct vtt *vtt);

/** Format a time for WebVTT: "01:02:03.456". */
void vtt_format_time(char text[24], int64_t time_ns);

void vtt_destroy(struct vtt *vtt);
DEFINE_DESTROY(vtt);
