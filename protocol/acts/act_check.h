#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/**
 * Check everything about an act that needs neither its session nor the study: ids, kind, author, layer, texts,
 * lists, times, enums, ranges, and constraints between the fields of a body. A body, a kind, a layer,
 * an enum member, a field or a word of a list that this version does not know is refused.
 *
 * Of a KIND_PATCH the fields that it names are checked; the thing that comes of it is a whole act, to be checked
 * by another call.
 *
 * @return 0, or -EINVAL with the reason, which names the field: "tag.media_ns: ..."
 */
int act_check(const Uxrec__Act *act, struct error *reterr);

/** The standing of an act that was read from a log. */
struct act_standing {
	bool later;   /* of a later version: has something that this one does not know */
	bool invalid; /* refused by act_check() for another reason */
	bool folds;   /* takes part in the state */
	struct error why;
};

/**
 * Judge an act that was read from a log, and turn it into the part of it that this version understands:
 *
 * - A body, kind or layer that is not known: the act does not fold.
 * - An enum member that is not known becomes the member 0, "unspecified". Tag.source and SessionInfo.think_aloud
 *   have no such member: the act does not fold.
 * - Of the fields that are not known the first stays. Words of lists (modalities, uses) stay, and match nothing.
 * - An act that is not valid does not fold.
 * - But a statement about consent is never passed over: one that cannot be understood, or is not valid, folds as a
 *   consent to nothing or a withdrawal of everything.
 *
 * @param act  unpacked; changed
 */
struct act_standing act_judge(Uxrec__Act *act);
