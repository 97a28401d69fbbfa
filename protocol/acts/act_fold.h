#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/**
 * State that acts fold to. It depends on the set of acts only, not on the order in which they are
 * added:
 *
 * - Acts are totally ordered: by counter, then act_id (empty first), author, id, and packed bytes.
 * - Of the acts about a thing that are whole (KIND_ADD, KIND_CHANGE) or remove it, the last one
 *   counts. If it removes the thing, nothing of it stands, regardless of patches.
 * - Later patches set their fields, in order. A patch of another body, or of an unknown field, has
 *   no effect.
 * - If the thing with all patches is invalid (two people have moved start and end past each other),
 *   patches are applied one by one, skipping those that would make the thing invalid.
 *
 * A patched act has author, principal, layer and session of the whole act, and counter, act_id and
 * wall_ns of the last patch; its kind is KIND_CHANGE. Superseded acts are not kept: a thing costs
 * its whole act and at most one patch per field of each body.
 */
struct act_fold {
	struct act_thing **things; /* by id; removed things stay as tombstones */
	size_t count;
	const Uxrec__Act **state; /* not removed, in act order */
	size_t state_count;
	uint64_t counter; /* the highest */
};

void act_fold_finish(struct act_fold *fold);

/** Add an act that folds by act_judge(), and take it over. @return 0 or -ENOMEM */
int act_fold_add(struct act_fold *fold, Uxrec__Act *act);

/** Update the standing acts, and `state`, with the added acts. @return 0 or -ENOMEM */
int act_fold_settle(struct act_fold *fold);

/** @return the standing act about a thing, or NULL; as of the last act_fold_settle() */
const Uxrec__Act *act_fold_find(const struct act_fold *fold, const char *id);

/** @return true when an act about a thing was added, even if the thing was removed since */
bool act_fold_knows(const struct act_fold *fold, const char *id);

/**
 * Check the outcome of a patch as if it were the last act.
 *
 * @return 0, -ENOENT without the thing, -EINVAL when its body differs or the outcome would be
 *         invalid, or -ENOMEM; with the reason
 */
int act_fold_try(const struct act_fold *fold, const Uxrec__Act *patch, struct error *reterr);
