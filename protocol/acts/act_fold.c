#include "protocol/acts/act_fold.h"

#include "protocol/acts/act.h"
#include "protocol/acts/act_check.h"
#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/cleanup.h"
#include "protocol/message_patch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct act_thing {
	Uxrec__Act *whole;    /* the last act that is not a patch; NULL: only patches so far */
	Uxrec__Act **patches; /* later ones, in order; each sets a field no later one sets */
	size_t patch_count;
	Uxrec__Act *patched; /* whole act with its patches; NULL: the whole act stands */
	bool changed;        /* since act_fold_settle() */
	char id[33];
};

/* ---- act order ---- */

static int compare_bytes(const Uxrec__Act *a, const Uxrec__Act *b)
{
	size_t a_bytes = uxrec__act__get_packed_size(a), b_bytes = uxrec__act__get_packed_size(b);
	_autofree_ uint8_t *packed = NULL;

	if (a_bytes != b_bytes)
		return a_bytes < b_bytes ? -1 : 1;
	packed = malloc(a_bytes + b_bytes + 1);
	if (!packed)
		return 0;
	uxrec__act__pack(a, packed);
	uxrec__act__pack(b, packed + a_bytes);
	return memcmp(packed, packed + a_bytes, a_bytes);
}

/* @return 0 only for identical acts */
static int act_order(const Uxrec__Act *a, const Uxrec__Act *b)
{
	int order;

	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	order = strcmp(a->act_id, b->act_id);
	if (order == 0)
		order = strcmp(a->author, b->author);
	if (order == 0)
		order = strcmp(a->id, b->id);
	return order ? order : compare_bytes(a, b);
}

static int state_compare(const void *a, const void *b)
{
	return act_order(*(const Uxrec__Act *const *)a, *(const Uxrec__Act *const *)b);
}

/* ---- patches ---- */

/* @param covered  fields set by later patches, as bits, by body; those of this one are added */
static bool sets_another(const Uxrec__Act *patch, uint64_t covered[64])
{
	const ProtobufCMessage *body = act_body(patch, NULL);
	uint64_t fields = 0, before;

	if (!body || (unsigned)patch->body_case >= 64)
		return false;
	for (size_t i = 0; i < patch->n_fields; i++) {
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(
				body->descriptor, patch->fields[i]);

		if (field)
			fields |= UINT64_C(1) << ((field - body->descriptor->fields) & 63);
	}
	before = covered[patch->body_case];
	covered[patch->body_case] |= fields;
	return (fields & ~before) != 0;
}

/* Keep the patches that set a field no later one sets.
 * @param dropped  called for the others; may be NULL */
static size_t prune(Uxrec__Act **patches, size_t count, void (*dropped)(Uxrec__Act *patch))
{
	uint64_t covered[64] = {0};
	size_t kept = count;

	for (size_t i = count; i-- > 0;)
		if (sets_another(patches[i], covered))
			patches[--kept] = patches[i];
		else if (dropped)
			dropped(patches[i]);
	memmove(patches, patches + kept, (count - kept) * sizeof(Uxrec__Act *));
	return count - kept;
}

/* A value is moved out of the patch, so a repeated name would move the old one back. */
static bool is_named_before(const Uxrec__Act *patch, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(patch->fields[k], patch->fields[i]) == 0)
			return true;
	return false;
}

/* @return a copy of an act with the fields of a patch applied, or NULL when out of memory */
static Uxrec__Act *apply(const Uxrec__Act *before, const Uxrec__Act *patch)
{
	Uxrec__Act *act = (Uxrec__Act *)message_copy(&before->base), head = *before;
	Uxrec__Act *copy = (Uxrec__Act *)message_copy(&patch->base), *result = NULL;
	int r = act && copy ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < patch->n_fields; i++)
		if (!is_named_before(patch, i) &&
			message_set_field(act_body(act, NULL), act_body(copy, NULL),
				patch->fields[i]) == -ENOMEM)
			r = -ENOMEM;
	if (r == 0) {
		head.kind = UXREC__ACT__KIND__KIND_CHANGE;
		head.counter = patch->counter;
		head.act_id = patch->act_id;
		head.wall_ns = patch->wall_ns;
		head.tag = act->tag; /* the body, of any type */
		result = (Uxrec__Act *)message_copy(&head.base);
	}
	if (act)
		uxrec__act__free_unpacked(act, NULL);
	if (copy)
		uxrec__act__free_unpacked(copy, NULL);
	return result;
}

static void free_act(Uxrec__Act *act)
{
	if (act)
		uxrec__act__free_unpacked(act, NULL);
}

struct patched {
	Uxrec__Act *act;     /* NULL: no patch has an effect */
	bool last_was_used;  /* of the patches */
	struct error reason; /* set when the result is invalid */
};

/* @param careful  skip patches that make the thing invalid */
static int apply_all(const Uxrec__Act *whole, Uxrec__Act *const *patches, size_t count,
	bool careful, struct patched *ret)
{
	*ret = (struct patched){0};
	for (size_t i = 0; i < count; i++) {
		Uxrec__Act *next;

		ret->last_was_used = patches[i]->body_case == whole->body_case;
		if (!ret->last_was_used)
			continue;
		next = apply(ret->act ? ret->act : whole, patches[i]);
		if (!next)
			return -ENOMEM;
		if (careful && act_judge(next).invalid) {
			ret->last_was_used = false;
			free_act(next);
			continue;
		}
		free_act(ret->act);
		ret->act = next;
	}
	return 0;
}

static int combine(
	const Uxrec__Act *whole, Uxrec__Act *const *patches, size_t count, struct patched *ret)
{
	struct act_standing standing;
	int r = apply_all(whole, patches, count, false, ret);

	if (r == 0 && ret->act) {
		standing = act_judge(ret->act);
		if (standing.invalid) {
			free_act(ret->act);
			r = apply_all(whole, patches, count, true, ret);
			ret->reason = standing.reason;
		}
	}
	if (r < 0)
		free_act(steal_ptr(ret->act));
	return r;
}

/* ---- things ---- */

static size_t thing_position(const struct act_fold *fold, const char *id)
{
	return bisect(fold->count, i, strcmp(fold->things[i]->id, id) < 0);
}

static struct act_thing *find_thing(const struct act_fold *fold, const char *id)
{
	size_t at = thing_position(fold, id);

	return at < fold->count && strcmp(fold->things[at]->id, id) == 0 ? fold->things[at] : NULL;
}

/* Reserve one entry in both lists, so that settling cannot fail. */
static struct act_thing *make_thing(struct act_fold *fold, const char *id)
{
	struct act_thing **things, *thing;
	size_t at;

	if (!array_grow(fold->things, fold->count) || !array_grow(fold->state, fold->count))
		return NULL;
	things = fold->things;
	thing = calloc(1, sizeof(*thing));
	if (!thing)
		return NULL;
	memcpy(thing->id, id, sizeof(thing->id) - 1);
	at = thing_position(fold, id);
	memmove(things + at + 1, things + at, (fold->count - at) * sizeof(*things));
	things[at] = thing;
	fold->count++;
	return thing;
}

/* the standing act about a thing, or NULL */
static const Uxrec__Act *standing_of(const struct act_thing *thing)
{
	if (!thing || !thing->whole || thing->whole->kind == UXREC__ACT__KIND__KIND_REMOVE)
		return NULL;
	return thing->patched ? thing->patched : thing->whole;
}

static int add_whole(struct act_thing *thing, Uxrec__Act *act)
{
	size_t older = 0;

	if (thing->whole && act_order(thing->whole, act) >= 0) {
		free_act(act);
		return 0;
	}
	free_act(thing->whole);
	thing->whole = act;
	while (older < thing->patch_count && act_order(thing->patches[older], act) < 0)
		free_act(thing->patches[older++]);
	thing->patch_count -= older;
	if (older > 0)
		memmove(thing->patches, thing->patches + older, thing->patch_count * sizeof(act));
	return 1;
}

static int add_patch(struct act_thing *thing, Uxrec__Act *act)
{
	Uxrec__Act **patches;
	size_t at = thing->patch_count;
	int order = 1;

	if (thing->whole && act_order(act, thing->whole) < 0) {
		free_act(act);
		return 0;
	}
	while (at > 0 && (order = act_order(act, thing->patches[at - 1])) < 0)
		at--;
	if (at > 0 && order == 0) {
		free_act(act);
		return 0;
	}
	if (!array_grow(thing->patches, thing->patch_count)) {
		free_act(act);
		return -ENOMEM;
	}
	patches = thing->patches;
	memmove(patches + at + 1, patches + at, (thing->patch_count - at) * sizeof(act));
	patches[at] = act;
	thing->patch_count = prune(patches, thing->patch_count + 1, free_act);
	return 1;
}

int act_fold_add(struct act_fold *fold, Uxrec__Act *act)
{
	struct act_thing *thing = find_thing(fold, act->id);
	int r;

	if (act->counter > fold->counter)
		fold->counter = act->counter;
	if (!thing)
		thing = make_thing(fold, act->id);
	if (!thing) {
		free_act(act);
		return -ENOMEM;
	}
	r = act->kind == UXREC__ACT__KIND__KIND_PATCH ? add_patch(thing, act)
						      : add_whole(thing, act);
	thing->changed |= r > 0;
	return r < 0 ? r : 0;
}

static int settle_thing(struct act_thing *thing)
{
	struct patched patched = {0};
	int r = 0;

	free_act(steal_ptr(thing->patched));
	if (thing->patch_count > 0 && standing_of(thing))
		r = combine(thing->whole, thing->patches, thing->patch_count, &patched);
	thing->patched = patched.act;
	thing->changed = r < 0;
	return r;
}

int act_fold_settle(struct act_fold *fold)
{
	int r = 0;

	fold->state_count = 0;
	for (size_t i = 0; i < fold->count && r == 0; i++)
		if (fold->things[i]->changed)
			r = settle_thing(fold->things[i]);
	for (size_t i = 0; i < fold->count; i++) {
		const Uxrec__Act *standing = standing_of(fold->things[i]);

		if (standing)
			fold->state[fold->state_count++] = standing;
	}
	if (fold->state_count > 1)
		qsort(fold->state, fold->state_count, sizeof(*fold->state), state_compare);
	return r;
}

const Uxrec__Act *act_fold_find(const struct act_fold *fold, const char *id)
{
	return standing_of(find_thing(fold, id));
}

bool act_fold_knows(const struct act_fold *fold, const char *id)
{
	return find_thing(fold, id) != NULL;
}

int act_fold_try(const struct act_fold *fold, const Uxrec__Act *patch, struct error *reterr)
{
	const struct act_thing *thing = find_thing(fold, patch->id);
	_autofree_ Uxrec__Act **patches = NULL;
	const Uxrec__Act *standing = standing_of(thing);
	struct patched patched;
	size_t count;
	int r;

	if (!standing)
		return error_set(reterr, -ENOENT, "the act to be changed does not exist");
	if (standing->body_case != patch->body_case)
		return error_set(reterr, -EINVAL, "a patch keeps the kind of body");
	patches = malloc((thing->patch_count + 1) * sizeof(*patches));
	if (!patches)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (thing->patch_count)
		memcpy(patches, thing->patches, thing->patch_count * sizeof(*patches));
	patches[thing->patch_count] = (Uxrec__Act *)patch;
	count = prune(patches, thing->patch_count + 1, NULL);
	r = combine(thing->whole, patches, count, &patched);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	free_act(patched.act);
	return patched.last_was_used ? 0 : error_set(reterr, -EINVAL, "%s", patched.reason.text);
}

void act_fold_finish(struct act_fold *fold)
{
	for (size_t i = 0; i < fold->count; i++) {
		struct act_thing *thing = fold->things[i];

		free_act(thing->whole);
		free_act(thing->patched);
		for (size_t k = 0; k < thing->patch_count; k++)
			free_act(thing->patches[k]);
		free(thing->patches);
		free(thing);
	}
	free(fold->things);
	free(fold->state);
	*fold = (struct act_fold){0};
}
