#pragma once

#include "protocol/session.pb-c.h"
#include "protocol/wire.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Presentation of gaps: affected parts of a recording, text, and time lost by part. */

/** Parts of a recording, one or more topics each; numbered as LostTime.Part. */
enum gap_part {
	GAP_PART_ALL = 1, /* gap without topics */
	GAP_PART_SCREEN,
	GAP_PART_POINTER,
	GAP_PART_INPUT, /* buttons, wheels and touch, with or without keys */
	GAP_PART_KEYS,  /* keys only */
	GAP_PART_SOUND,
	GAP_PART_MACHINE_SOUND,
	GAP_PART_NAMES, /* accessible names of clicked objects */
	GAP_PART_OTHER, /* topics of a later version */
	GAP_PART_END,
};

/** @return the parts of a gap as bits 1 << part; never 0 */
uint32_t gap_parts(const Uxrec__Gap *gap);

/**
 * @return false for spans not meant to be recorded: pauses, consent, erased spans, locked sessions,
 *         suspended machines
 */
bool gap_is_loss(const Uxrec__Gap *gap);

/** "the machine could not keep up", "paused". @return a static text */
const char *gap_reason_text(Uxrec__Gap__Reason reason);

/** @return the length of a gap; 0 when it is open-ended or its times are out of order */
int64_t gap_length_ns(const Uxrec__Gap *gap);

struct duration_text {
	char text[32];
};

/** "2 ms", "1.2 s", "3:07 min", "1:02:03 h". @param ns  not negative */
struct duration_text duration_describe(int64_t ns);

struct gap_text {
	char text[256];
};

/** "screen, pointer" */
struct gap_text gap_parts_describe(const Uxrec__Gap *gap);

/** "sound lost for 2 ms: a queue overflowed", "paused for 1:04 min", "screen lost to the end: the disk failed" */
struct gap_text gap_describe(const Uxrec__Gap *gap);

/* ---- lost time ---- */

/** Spans of losses of any number of gaps. Zero-initialised is empty. */
struct losses {
	struct loss_span {
		enum gap_part part;
		int64_t from_ns, to_ns; /* INT64_MAX: to the end */
		uint32_t count;
	} * spans;
	size_t count, capacity;
	bool full; /* of disjoint spans: further ones are dropped */
};

/** Add a gap; gaps that are not losses are ignored. @return 0 or -ENOMEM */
int losses_add(struct losses *losses, const Uxrec__Gap *gap);

void losses_finish(struct losses *losses);

/** Totals of a part. */
struct loss {
	int64_t lost_ns; /* of the union of its gaps */
	uint32_t count;  /* of gaps */
};

/**
 * Sum up by part.
 *
 * @param end_ns  the session's end, or now: the end of open gaps
 * @param ret     GAP_PART_END items
 */
void losses_sum(struct losses *losses, int64_t end_ns, struct loss *ret);

/** Buffer for the text of all parts. */
struct losses_text {
	char text[512];
};

/** "sound 460 ms, screen 12.0 s"; "" when nothing was lost. @param sums  GAP_PART_END items */
struct losses_text losses_describe(const struct loss *sums);

/** Same for the totals in a message. */
struct losses_text losses_of_message(Uxrec__LostTime *const *lost, size_t count);
