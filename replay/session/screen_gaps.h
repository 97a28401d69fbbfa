#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/file/reader.h"
#include "protocol/session.pb-c.h"

/*
 * The spans of a session for which no picture of the screen was recorded: pauses, an absent display, a
 * failed disk, a locked session, erased spans. Whoever shows such a moment shows no picture.
 */

/** [from, to) in session times. */
struct screen_gap {
	/* the picture is back with the first keyframe, later than the gap's own end; INT64_MAX: never */
	int64_t from_ns, to_ns;
	Uxrec__Gap__Reason reason;
	bool video_goes_on; /* the next picture is none of a keyframe: it depends on those before the gap */
};

/** In the order of time; none touches another. */
struct screen_gaps {
	struct screen_gap *list;
	size_t count;
};

/**
 * Collect them. A gap that merely counts pictures that were left out is none.
 *
 * @return 0 (freed by screen_gaps_finish()) or a negative errno
 */
int screen_gaps_collect(struct screen_gaps *ret, struct session_reader *reader);
void screen_gaps_finish(struct screen_gaps *gaps);

/** @return the gap that a moment lies in, or NULL */
const struct screen_gap *screen_gaps_at(const struct screen_gaps *gaps, int64_t at_ns);

/** @return the next begin or end of a gap that is later than a moment; INT64_MAX: none */
int64_t screen_gaps_next(const struct screen_gaps *gaps, int64_t at_ns);

/** Room for the text of a gap. */
struct screen_gap_text {
	char text[128];
};

/** Describe a gap for people: "nothing recorded from 0:12.0 to 0:20.5: paused". @param begin_ns  the session's */
struct screen_gap_text screen_gap_describe(const struct screen_gap *gap, int64_t begin_ns);
