#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/file/reader.h"
#include "protocol/session.pb-c.h"

/*
 * Spans of a session without a recorded picture of the screen: pauses, an absent display, a failed disk, a locked
 * session, erased spans. Players show no picture there.
 */

/** [from, to) in session times. */
struct screen_gap {
	/* end: the first keyframe after the gap's own end; INT64_MAX: none */
	int64_t from_ns, to_ns;
	Uxrec__Gap__Reason reason;
	bool video_continues; /* the next picture is not a keyframe but depends on those before */
};

/** Sorted by time; no two touch. */
struct screen_gaps {
	struct screen_gap *list;
	size_t count;
};

/**
 * Collect the gaps. Gaps that only count dropped pictures are ignored.
 *
 * @return 0 (freed by screen_gaps_finish()) or a negative errno
 */
int screen_gaps_collect(struct screen_gaps *ret, struct session_reader *reader);
void screen_gaps_finish(struct screen_gaps *gaps);

/** @return the gap at a time, or NULL */
const struct screen_gap *screen_gaps_at(const struct screen_gaps *gaps, int64_t at_ns);

/** @return the first start or end of a gap after a time; INT64_MAX: none */
int64_t screen_gaps_next(const struct screen_gaps *gaps, int64_t at_ns);

/** Buffer for the description of a gap. */
struct screen_gap_text {
	char text[128];
};

/** Describe a gap: "nothing recorded from 0:12.0 to 0:20.5: paused". @param begin_ns  start of the session */
struct screen_gap_text screen_gap_describe(const struct screen_gap *gap, int64_t begin_ns);
