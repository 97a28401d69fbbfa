#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/**
 * The state that acts fold to. It depends on which acts there are, and not on the order in which they are added:
 *
 * - Acts are in one order: by counter, then act_id (empty before all others), author, id, and packed bytes.
 * - Of the acts about one thing that are whole (KIND_ADD, KIND_CHANGE) or remove it, the last one counts. If it
 *   removes the thing, nothing of the thing stands, whatever patches there are.
 * - Patches that are later than it set their fields, in their order. A patch of another body, or of a field that
 *   is not known, has no effect.
 * - If the thing with all patches is not valid (two people have moved begin and end past each other), patches are
 *   applied one by one and those left out that would make the thing invalid.
 *
 * A patched act has author, principal, layer and session of the whole act, and counter, act_id and wall_ns of the
 * last patch; its kind is KIND_CHANGE. Superseded acts are not kept: a thing costs its whole
 * act and at most one patch for each field of each body.
 */
struct act_fold {
	struct act_thing **things; /* by id; removed things stay as tombstones */
	size_t count;
	const Uxrec__Act **state; /* not removed, in the order of acts */
	size_t state_count;
	uint64_t counter; /* the greatest */
};

void act_fold_finish(struct act_fold *fold);

/** Add an act, which act_judge() lets fold, and take it over. @return 0 or -ENOMEM */
int act_fold_add(struct act_fold *fold, Uxrec__Act *act);

/** Bring the standing acts, and `state`, up to the acts that were added. @return 0 or -ENOMEM */
int act_fold_settle(struct act_fold *fold);

/** @return the act about a thing that stands, or NULL; as of the last act_fold_settle() */
const Uxrec__Act *act_fold_find(const struct act_fold *fold, const char *id);

/** @return true when there was an act about a thing, which may have been removed since */
bool act_fold_knows(const struct act_fold *fold, const char *id);

/**
 * Check the outcome of a patch as if it were the last act.
 *
 * @return 0, -ENOENT without the thing, -EINVAL when its body is another or the outcome would not be valid, or
 *         -ENOMEM; with the reason
 */
int act_fold_try(const struct act_fold *fold, const Uxrec__Act *patch, struct error *reterr);
