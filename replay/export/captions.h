#pragma once

#include "replay/session/chapters.h"
#include "replay/session/vtt.h"

/* What belongs beside a film of a session, as WebVTT. */

enum caption_part {
	CAPTION_TRANSCRIPT = 1, /* what was said, with its bleeps */
	CAPTION_TASKS = 2,      /* title and outcome of every attempt */
	CAPTION_TAGS = 4,       /* name and note of every tag, said by its author */
};

/** @return the part of that name ("transcript", "tasks", "tags"), or 0 */
unsigned caption_find(const char *name);

/**
 * Collect captions of a part of a session.
 *
 * @param ret      set on success; freed by vtt_destroy()
 * @param parts    enum caption_part
 * @param layer    whose tags; NULL: those of the consensus, and without any the live ones
 * @param zero_ns  session time of the film's time 0; what ends before it or begins after to_ns is left
 *                 out, what reaches over is cut
 * @return 0, -ENOENT when the transcript is wanted and there is none, -EFBIG, or another negative errno,
 *         with the reason
 */
int captions_collect(struct vtt **ret, const struct session *session, unsigned parts,
	const char *layer, int64_t zero_ns, int64_t to_ns, struct error *reterr);
