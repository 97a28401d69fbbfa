#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/**
 * Check all properties of an act that depend on neither its session nor the study: ids, kind,
 * author, layer, texts, lists, times, enums, ranges, and constraints between the fields of a body.
 * Unknown bodies, kinds, layers, enum members, fields and list entries are refused.
 *
 * For a KIND_PATCH only the fields it names are checked; the resulting whole act needs a check of
 * its own.
 *
 * @return 0, or -EINVAL with the reason, which names the field: "tag.media_ns: ..."
 */
int act_check(const Uxrec__Act *act, struct error *reterr);

/** Standing of an act read from a log. */
struct act_standing {
	bool later;   /* of a later version: has unknown parts */
	bool invalid; /* refused by act_check() for another reason */
	bool folds;   /* takes part in the state */
	struct error reason;
};

/**
 * Judge an act read from a log, and reduce it to the part that this version understands:
 *
 * - An unknown body, kind or layer: the act does not fold.
 * - An unknown enum member becomes member 0, "unspecified". Tag.source and SessionInfo.think_aloud
 *   have no such member: the act does not fold.
 * - Of the unknown fields the first is kept. Unknown list entries (modalities, uses) are kept, and
 *   match nothing.
 * - An invalid act does not fold.
 * - Exception: statements about consent always fold. An opaque or invalid one folds as a consent to
 *   nothing or a withdrawal of everything.
 *
 * @param act  unpacked; modified
 */
struct act_standing act_judge(Uxrec__Act *act);
