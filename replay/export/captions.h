#pragma once

#include "replay/session/chapters.h"
#include "replay/session/vtt.h"

/* Captions for a film of a session, as WebVTT. */

enum caption_part {
	CAPTION_TRANSCRIPT = 1, /* the transcript, with its bleeps */
	CAPTION_TASKS = 2,      /* title and outcome of each attempt */
	CAPTION_TAGS = 4,       /* name and note of each tag, with its author as the speaker */
};

/** @return the part with this name ("transcript", "tasks", "tags"), or 0 */
unsigned caption_find(const char *name);

/**
 * Collect captions of a part of a session.
 *
 * @param ret      set on success; freed by vtt_destroy()
 * @param parts    enum caption_part
 * @param layer    layer of the tags; NULL: the consensus, or else the live layer
 * @param zero_ns  session time of the film's time 0; captions are clipped to zero_ns and to_ns, and omitted outside
 * @return 0, -ENOENT when the transcript is requested and there is none, -EFBIG, or another negative errno, with the
 *         reason
 */
int captions_collect(struct vtt **ret, const struct session *session, unsigned parts,
	const char *layer, int64_t zero_ns, int64_t to_ns, struct error *reterr);
