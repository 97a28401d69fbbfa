#include "tests/harness/helpers.h"

#include "protocol/acts/act.h"
#include "protocol/acts/act_fold.h"
#include "protocol/acts/annotations.h"
#include "protocol/message_patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define S      INT64_C(1000000000)
#define ACTS   24
#define THINGS 3

/* ---- a random history ---- */

static const char *const fields[] = {"code", "note", "impact", "modifiers"};

static char *one_of(uint64_t *random, const char *const *texts, size_t count)
{
	return (char *)texts[next_random(random) % count];
}

/* An act about one of a few objects: whole, a removal or a patch; counters and act ids have ties. */
static Uxrec__Act *random_act(uint64_t *random)
{
	static const char *const authors[] = {"Ana", "Ben"};
	static const char *const codes[] = {"slip", "mistake", "omission"};
	static const char *const notes[] = {"", "seen", "again"};
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Tag tag = UXREC__TAG__INIT;
	char id[33], act_id[33], *modifiers[2], *names[2];
	unsigned kind = (unsigned)(next_random(random) % 8);

	snprintf(id, sizeof(id), "%032llx", (unsigned long long)(next_random(random) % THINGS));
	snprintf(act_id, sizeof(act_id), "%032llx", (unsigned long long)(next_random(random) % 99));
	act.id = id;
	act.act_id = next_random(random) % 3 ? act_id : (char *)"";
	act.counter = next_random(random) % 9;
	act.author = one_of(random, authors, ARRAY_SIZE(authors));
	act.layer = (char *)"live";
	act.kind = kind == 0 ? UXREC__ACT__KIND__KIND_REMOVE
		: kind == 1  ? UXREC__ACT__KIND__KIND_ADD
		: kind == 2  ? UXREC__ACT__KIND__KIND_CHANGE
			     : UXREC__ACT__KIND__KIND_PATCH;
	tag.code = one_of(random, codes, ARRAY_SIZE(codes));
	tag.note = one_of(random, notes, ARRAY_SIZE(notes));
	tag.impact = (Uxrec__Impact)(next_random(random) % 6);
	tag.media_ns = S;
	modifiers[0] = modifiers[1] = one_of(random, codes, ARRAY_SIZE(codes));
	tag.modifiers = modifiers;
	tag.n_modifiers = next_random(random) % 3;
	if (kind > 0) {
		act.body_case = UXREC__ACT__BODY_TAG;
		act.tag = &tag;
	}
	if (kind > 2) {
		names[0] = one_of(random, fields, ARRAY_SIZE(fields));
		names[1] = one_of(random, fields, ARRAY_SIZE(fields));
		act.fields = names;
		act.n_fields = 1 + next_random(random) % 2;
	}
	return (Uxrec__Act *)message_copy(&act.base);
}

/* ---- model: sort all acts, and apply them in order ---- */

static int compare(const Uxrec__Act *a, const Uxrec__Act *b)
{
	uint8_t a_bytes[1000], b_bytes[1000];
	size_t a_size = uxrec__act__pack(a, a_bytes), b_size = uxrec__act__pack(b, b_bytes);
	int order = a->counter < b->counter ? -1 : a->counter > b->counter;

	order = order ? order : strcmp(a->act_id, b->act_id);
	order = order ? order : strcmp(a->author, b->author);
	order = order ? order : strcmp(a->id, b->id);
	if (order || a_size != b_size)
		return order ? order : a_size < b_size ? -1 : 1;
	return memcmp(a_bytes, b_bytes, a_size);
}

static int compare_pointers(const void *a, const void *b)
{
	return compare(*(Uxrec__Act *const *)a, *(Uxrec__Act *const *)b);
}

/* a tag's fields that the history changes, as text */
static void describe(char *text, size_t size, const Uxrec__Tag *tag)
{
	snprintf(text, size, "%s/%s/%d/%zu%s", tag->code, tag->note, (int)tag->impact,
		tag->n_modifiers, tag->n_modifiers ? tag->modifiers[0] : "");
}

static void model(Uxrec__Act *const *acts, size_t count, const char *id, char *text, size_t size)
{
	Uxrec__Act *sorted[ACTS];
	Uxrec__Tag tag;
	bool there = false;
	size_t begin = 0;

	memcpy(sorted, acts, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_pointers);
	for (size_t i = 0; i < count; i++)
		if (strcmp(sorted[i]->id, id) == 0 &&
			sorted[i]->kind != UXREC__ACT__KIND__KIND_PATCH) {
			there = sorted[i]->kind != UXREC__ACT__KIND__KIND_REMOVE;
			begin = i + 1;
			if (there)
				tag = *sorted[i]->tag;
		}
	snprintf(text, size, "none");
	if (!there)
		return;
	for (size_t i = begin; i < count; i++)
		for (size_t f = 0; strcmp(sorted[i]->id, id) == 0 && f < sorted[i]->n_fields; f++) {
			const Uxrec__Tag *patch = sorted[i]->tag;

			if (strcmp(sorted[i]->fields[f], "code") == 0)
				tag.code = patch->code;
			else if (strcmp(sorted[i]->fields[f], "note") == 0)
				tag.note = patch->note;
			else if (strcmp(sorted[i]->fields[f], "impact") == 0)
				tag.impact = patch->impact;
			else {
				tag.modifiers = patch->modifiers;
				tag.n_modifiers = patch->n_modifiers;
			}
		}
	describe(text, size, &tag);
}

static void shuffle(uint64_t *random, Uxrec__Act **acts, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = next_random(random) % i;
		Uxrec__Act *held = acts[i - 1];

		acts[i - 1] = acts[other];
		acts[other] = held;
	}
}

/* Add acts, settling now and then, like a log's reader. */
static void add_all(struct act_fold *fold, uint64_t *random, Uxrec__Act *const *acts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check(act_fold_add(fold, (Uxrec__Act *)message_copy(&acts[i]->base)) == 0);
		if (next_random(random) % 4 == 0)
			check(act_fold_settle(fold) == 0);
	}
	check(act_fold_settle(fold) == 0);
}

static void the_order_of_arrival_changes_nothing(void)
{
	uint64_t random = 20251129;
	size_t patched = 0;

	for (unsigned round = 0; round < 150; round++) {
		Uxrec__Act *acts[ACTS];

		for (size_t i = 0; i < ACTS; i++)
			acts[i] = random_act(&random);
		for (unsigned permutation = 0; permutation < 20; permutation++) {
			struct act_fold fold = {0};
			size_t there = 0;

			shuffle(&random, acts, ACTS);
			add_all(&fold, &random, acts, ACTS);
			for (unsigned thing = 0; thing < THINGS; thing++) {
				char id[33], wanted[200], is[200] = "none";
				const Uxrec__Act *act;

				snprintf(id, sizeof(id), "%032x", thing);
				model(acts, ACTS, id, wanted, sizeof(wanted));
				act = act_fold_find(&fold, id);
				if (act)
					describe(is, sizeof(is), act->tag);
				there += act != NULL;
				patched += act && act->kind == UXREC__ACT__KIND__KIND_CHANGE;
				check(strcmp(is, wanted) == 0);
			}
			check(fold.state_count == there);
			act_fold_finish(&fold);
		}
		for (size_t i = 0; i < ACTS; i++)
			uxrec__act__free_unpacked(acts[i], NULL);
	}
	expect(patched > 1000);
}

/* ---- attempts with contradictory begin and end ---- */

static Uxrec__Act *attempt_act(uint64_t counter, int64_t begin_ns, int64_t end_ns)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Attempt attempt = UXREC__ATTEMPT__INIT;
	char act_id[33], *names[2];

	snprintf(act_id, sizeof(act_id), "%032llx", (unsigned long long)counter);
	act.id = (char *)"00000000000000000000000000000001";
	act.act_id = act_id;
	act.counter = counter;
	act.author = (char *)(counter == 1 ? "Ana" : "Ben");
	act.layer = (char *)"live";
	act.kind = counter == 1 ? UXREC__ACT__KIND__KIND_ADD : UXREC__ACT__KIND__KIND_PATCH;
	act.body_case = UXREC__ACT__BODY_ATTEMPT;
	act.attempt = &attempt;
	act.fields = names;
	if (counter > 1 && begin_ns)
		names[act.n_fields++] = (char *)"begin_ns";
	if (counter > 1 && end_ns)
		names[act.n_fields++] = (char *)"end_ns";
	attempt.participant = (char *)"P01";
	attempt.task = (char *)"find";
	attempt.number = 1;
	attempt.begin_ns = begin_ns;
	attempt.end_ns = end_ns;
	return (Uxrec__Act *)message_copy(&act.base);
}

static void patches_that_contradict_each_other_leave_the_thing_valid(void)
{
	Uxrec__Act *acts[] = {attempt_act(1, 10 * S, 20 * S), attempt_act(2, 18 * S, 0),
		attempt_act(3, 0, 15 * S), attempt_act(4, 0, 12 * S)};
	uint64_t random = 7;

	for (unsigned round = 0; round < 50; round++) {
		struct act_fold fold = {0};
		const Uxrec__Act *act;

		shuffle(&random, acts, ARRAY_SIZE(acts));
		add_all(&fold, &random, acts, ARRAY_SIZE(acts));
		act = act_fold_find(&fold, acts[0]->id);
		/* the begin came first; the end before it is ignored */
		check(act && act->attempt->begin_ns == 18 * S && act->attempt->end_ns == 20 * S);
		/* author and layer stay the creator's */
		check(strcmp(act->author, "Ana") == 0 && act->counter == 2);
		act_fold_finish(&fold);
	}
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		uxrec__act__free_unpacked(acts[i], NULL);
}

/* ---- through a log ---- */

static void fill(Uxrec__Act *act, Uxrec__Tag *tag, const char *id, Uxrec__Act__Kind kind)
{
	uxrec__act__init(act);
	uxrec__tag__init(tag);
	act->id = (char *)id;
	act->kind = kind;
	act->author = (char *)"Ana";
	act->layer = (char *)"live";
	act->body_case = UXREC__ACT__BODY_TAG;
	act->tag = tag;
	tag->code = (char *)"slip";
	tag->media_ns = S;
}

static void a_patch_is_checked_stored_and_given_whole(void)
{
	static const char id[] = "00000000000000000000000000000001";
	_autofree_ char *path = temporary_path("patches.mcap");
	_destroy_(annotations) struct annotations *log = NULL;
	char *names[] = {(char *)"note", (char *)"end_ns"};
	const Uxrec__Act *stands;
	struct error error = {""};
	Uxrec__Act act;
	Uxrec__Tag tag;

	check(annotations_open(&log, path, true, NULL) == 0);
	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_PATCH);
	act.fields = names;
	act.n_fields = 1;
	expect(annotations_append(log, &act, NULL, &error) == -ENOENT);
	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_ADD);
	check(annotations_append(log, &act, &stands, NULL) == 0);
	expect(act_id_is_valid(stands->act_id) && stands->kind == UXREC__ACT__KIND__KIND_ADD);
	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_PATCH);
	act.fields = names;
	act.n_fields = 1;
	act.author = (char *)"Ben";
	tag.note = (char *)"seen";
	tag.code = (char *)"";
	check(annotations_append(log, &act, &stands, NULL) == 0);
	expect(stands->kind == UXREC__ACT__KIND__KIND_CHANGE && stands->n_fields == 0);
	expect(strcmp(stands->tag->note, "seen") == 0 && strcmp(stands->tag->code, "slip") == 0);
	expect(strcmp(stands->author, "Ana") == 0 && stands->counter == 2);
	expect(annotations_appended(log)->kind == UXREC__ACT__KIND__KIND_PATCH);
	expect(strcmp(annotations_appended(log)->act_id, stands->act_id) == 0);
	/* the patched act would be invalid */
	act.n_fields = 2;
	tag.end_ns = S / 2;
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	expect(strstr(error.text, "ends before it begins") && annotations_counts(log)->acts == 2);
	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_REMOVE);
	act.body_case = UXREC__ACT__BODY__NOT_SET;
	check(annotations_append(log, &act, &stands, NULL) == 0);
	expect(stands->kind == UXREC__ACT__KIND__KIND_REMOVE && !annotations_find(log, id));
	expect(annotations_knows(log, id));
	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_PATCH);
	act.fields = names;
	act.n_fields = 1;
	expect(annotations_append(log, &act, NULL, NULL) == -ENOENT);
}

/* Thousands of acts about one object cost no memory, and no time that grows with them. */
static void many_patches_of_one_thing_are_few(void)
{
	static const char id[] = "00000000000000000000000000000001";
	static const char *const names[] = {"note", "impact", "end_ns", "modifiers"};
	struct act_fold fold = {0};
	Uxrec__Act act;
	Uxrec__Tag tag;

	fill(&act, &tag, id, UXREC__ACT__KIND__KIND_ADD);
	check(act_fold_add(&fold, (Uxrec__Act *)message_copy(&act.base)) == 0);
	for (unsigned i = 0; i < 10000; i++) {
		char *name = (char *)names[i % ARRAY_SIZE(names)];

		fill(&act, &tag, id, UXREC__ACT__KIND__KIND_PATCH);
		act.fields = &name;
		act.n_fields = 1;
		act.counter = i + 1;
		tag.end_ns = S + i + 1;
		check(act_fold_add(&fold, (Uxrec__Act *)message_copy(&act.base)) == 0);
		check(act_fold_settle(&fold) == 0);
	}
	expect(act_fold_find(&fold, id)->tag->end_ns == S + 9999);
	expect(act_fold_find(&fold, id)->counter == 10000);
	act_fold_finish(&fold);
}

static void a_member_of_a_oneof_takes_the_place_of_the_other(void)
{
	Uxrec__Answer__Item to = UXREC__ANSWER__ITEM__INIT, from = UXREC__ANSWER__ITEM__INIT;
	Uxrec__Answer__Item *a, *b;

	to.value_case = UXREC__ANSWER__ITEM__VALUE_NUMBER;
	to.number = 4;
	from.value_case = UXREC__ANSWER__ITEM__VALUE_TEXT;
	from.text = (char *)"much";
	a = (Uxrec__Answer__Item *)message_copy(&to.base);
	b = (Uxrec__Answer__Item *)message_copy(&from.base);
	expect(message_set_field(&a->base, &b->base, "number") == 0);
	expect(a->value_case == UXREC__ANSWER__ITEM__VALUE__NOT_SET);
	expect(message_set_field(&a->base, &b->base, "text") == 0);
	expect(a->value_case == UXREC__ANSWER__ITEM__VALUE_TEXT && strcmp(a->text, "much") == 0);
	expect(message_set_field(&a->base, &b->base, "colour") == -ENOENT);
	protobuf_c_message_free_unpacked(&a->base, NULL);
	protobuf_c_message_free_unpacked(&b->base, NULL);
}

static const struct test tests[] = {
	{"acts, patches and removals fold to the same result in any order of arrival",
		the_order_of_arrival_changes_nothing},
	{"contradictory patches leave the thing valid",
		patches_that_contradict_each_other_leave_the_thing_valid},
	{"a patch is checked with the thing, stored as it is, and given whole",
		a_patch_is_checked_stored_and_given_whole},
	{"ten thousand patches of one thing are kept as few", many_patches_of_one_thing_are_few},
	{"a member of a oneof replaces the other",
		a_member_of_a_oneof_takes_the_place_of_the_other},
};

int main(void)
{
	return RUN_TESTS("act_fold", tests);
}
