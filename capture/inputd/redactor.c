#include "capture/inputd/redactor.h"

#include "capture/inputd/batch.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <string.h>

/*
 * A key is read up to two milliseconds after its press. Intervals are reported a little after their end, so
 * that each is reported once and the time of the report reveals nothing about its keys.
 */
#define SLACK_NS (5 * NS_PER_MS)

static const Uxrec__KeyPolicy__Level levels[] = {
	[KEY_POLICY_NONE] = UXREC__KEY_POLICY__LEVEL__LEVEL_NONE,
	[KEY_POLICY_COUNTS] = UXREC__KEY_POLICY__LEVEL__LEVEL_COUNTS,
	[KEY_POLICY_CLASSES] = UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES,
	[KEY_POLICY_FULL] = UXREC__KEY_POLICY__LEVEL__LEVEL_FULL,
};

static struct redactor_key *key_at(struct redactor *redactor, size_t i)
{
	return &redactor->keys[ring_at(&redactor->ring, i)];
}

static int64_t hold_ns(const struct redactor *redactor)
{
	return redactor->hold ? REDACTOR_HOLD_NS : 0;
}

/* ---- intervals ---- */

/* width of the intervals to which key times are rounded; 0: exact times */
static int64_t interval_ns(enum key_policy policy)
{
	switch (policy) {
	case KEY_POLICY_COUNTS: return REDACTOR_COUNTS_NS;
	case KEY_POLICY_CLASSES: return REDACTOR_CLASSES_NS;
	default: return 0;
	}
}

/* Start of the interval of a key; a late key counts for the next interval. */
static int64_t begin_ns(const struct redactor *redactor, const struct redactor_key *key)
{
	int64_t interval = interval_ns(redactor->now), begin;

	if (interval == 0)
		return key->time_ns;
	begin = key->time_ns - key->time_ns % interval;
	if (begin < redactor->reported_ns)
		begin = redactor->reported_ns;
	return begin < redactor->since_ns ? redactor->since_ns : begin;
}

static int64_t due_ns(const struct redactor *redactor, const struct redactor_key *key)
{
	int64_t interval = interval_ns(redactor->now), begin;

	if (interval == 0)
		return key->time_ns + INPUT_FLUSH_NS + hold_ns(redactor);
	begin = begin_ns(redactor, key);
	return begin - begin % interval + interval + SLACK_NS + hold_ns(redactor);
}

int64_t redactor_time_ns(const struct redactor *redactor, int64_t time_ns, int64_t now_ns)
{
	int64_t interval = interval_ns(redactor->now);

	if (redactor->now == KEY_POLICY_FULL && time_ns >= redactor->since_ns &&
		time_ns <= now_ns - hold_ns(redactor))
		return time_ns;
	if (interval == 0)
		interval = REDACTOR_COUNTS_NS; /* the widest, as not even counts are reported */
	return time_ns - time_ns % interval;
}

/* ---- focus ---- */

/*
 * Character keys type into the focused object; any other key may move the focus, also when it is released,
 * and a modifier may be part of a shortcut.
 */
static bool moves_focus(const struct key_event *key)
{
	return key->key_class != UXREC__KEY_CLASS__KEY_CLASS_LETTER &&
		key->key_class != UXREC__KEY_CLASS__KEY_CLASS_DIGIT &&
		key->key_class != UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION;
}

/* Time of the first key since @p from_ns that may have moved the focus, INT64_MAX without one. */
static int64_t first_mover_ns(const struct redactor *redactor, int64_t from_ns)
{
	if (redactor->dropped > 0)
		return from_ns;
	for (size_t i = 0; i < redactor->ring.count; i++) {
		const struct redactor_key *key = &redactor->keys[ring_at(&redactor->ring, i)];

		if (key->moves_focus && key->time_ns >= from_ns)
			return key->time_ns;
	}
	return INT64_MAX;
}

/* Time of the first button since @p from_ns, INT64_MAX without one. */
static int64_t first_button_ns(const struct redactor *redactor, int64_t from_ns)
{
	int64_t first_ns = INT64_MAX;

	for (uint32_t i = 0; i < REDACTOR_BUTTONS_LIMIT && i < redactor->buttons; i++)
		if (redactor->button_ns[i] >= from_ns && redactor->button_ns[i] < first_ns)
			first_ns = redactor->button_ns[i];
	return first_ns;
}

int64_t redactor_unsure_ns(const struct redactor *redactor, int64_t now_ns)
{
	int64_t from_ns = now_ns - REDACTOR_HOLD_NS, unsure_ns = now_ns - REDACTOR_AHEAD_NS;
	int64_t interval = interval_ns(redactor->now), mover_ns, button_ns;

	if (!redactor->hold)
		return INT64_MAX;
	mover_ns = first_mover_ns(redactor, from_ns);
	button_ns = first_button_ns(redactor, from_ns);
	if (mover_ns < unsure_ns)
		unsure_ns = mover_ns;
	if (button_ns < unsure_ns)
		unsure_ns = button_ns;
	return interval > 0 ? unsure_ns - unsure_ns % interval : unsure_ns;
}

/* ---- reports ---- */

static void send_policy(struct redactor *redactor, Uxrec__KeyPolicy__Reason reason, int64_t from_ns)
{
	Uxrec__KeyPolicy message = UXREC__KEY_POLICY__INIT;

	redactor->reason = reason;
	message.level = levels[redactor->now];
	message.reason = reason;
	message.shortcuts = redactor->shortcuts;
	message.passwords_watched = redactor->hold;
	input_out_packet(redactor->out, CHANNEL_KEY_POLICY, from_ns, &message.base);
}

/* With interval times, as for keys: the time of each lost key must not be recorded either. */
static void send_dropped(struct redactor *redactor, int64_t now_ns)
{
	int64_t interval = interval_ns(redactor->now);
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)"/input/keys"};

	gap.reason = UXREC__GAP__REASON__REASON_OVERLOAD;
	gap.from_ns = redactor->dropped_ns;
	gap.to_ns = now_ns;
	if (interval > 0) {
		gap.from_ns -= gap.from_ns % interval;
		gap.to_ns -= gap.to_ns % interval;
	}
	gap.count = redactor->dropped;
	gap.topics = topics;
	gap.n_topics = ARRAY_SIZE(topics);
	gap.detail = (char *)"more keys came than the redactor can hold back";
	input_out_packet(redactor->out, CHANNEL_GAPS, gap.from_ns, &gap.base);
	redactor->dropped = 0;
}

/* buttons are in the ring some milliseconds before the keys around them are reported */
static uint32_t buttons_before(const struct redactor *redactor, int64_t time_ns)
{
	uint32_t before = redactor->buttons;

	for (size_t i = 0; i < REDACTOR_BUTTONS_LIMIT && before > 0; i++) {
		if (redactor->button_ns[(before - 1) % REDACTOR_BUTTONS_LIMIT] <= time_ns)
			break;
		before--;
	}
	return before;
}

/* Columns of one packet: keys of one device, below "full" of one interval. */
struct columns {
	size_t count;
	int64_t last_ns;
	uint32_t dt_us[INPUT_BATCH_EVENTS];
	uint32_t code[INPUT_BATCH_EVENTS];
	uint32_t modifiers[INPUT_BATCH_EVENTS];
	uint32_t buttons[INPUT_BATCH_EVENTS];
	int32_t key_class[INPUT_BATCH_EVENTS];
	int32_t action[INPUT_BATCH_EVENTS];
};

_Static_assert(sizeof(Uxrec__KeyClass) == sizeof(int32_t), "enum columns");

static void add(struct columns *columns, const struct redactor *redactor,
	const struct redactor_key *key, int64_t time_ns)
{
	size_t i = columns->count++;
	int64_t dt_us = 0;

	if (i == 0)
		columns->last_ns = time_ns;
	if (time_ns > columns->last_ns)
		dt_us = (time_ns - columns->last_ns) / NS_PER_US;
	columns->last_ns += dt_us * NS_PER_US;
	columns->dt_us[i] = (uint32_t)dt_us;
	columns->code[i] = key->code;
	columns->modifiers[i] = key->modifiers;
	columns->buttons[i] = buttons_before(redactor, key->time_ns);
	columns->key_class[i] = key->key_class;
	columns->action[i] = key->action;
}

static void send_classes(
	struct input_out *out, uint32_t device, int64_t time_ns, struct columns *columns)
{
	Uxrec__KeyClassBatch message = UXREC__KEY_CLASS_BATCH__INIT;

	message.device = device;
	message.n_dt_us = message.n_key_class = message.n_action = message.n_buttons_before =
		columns->count;
	message.dt_us = columns->dt_us;
	message.key_class = (Uxrec__KeyClass *)columns->key_class;
	message.action = (Uxrec__KeyAction *)columns->action;
	message.buttons_before = columns->buttons;
	input_out_packet(out, CHANNEL_KEY_CLASSES, time_ns, &message.base);
}

static void send_shortcuts(
	struct input_out *out, uint32_t device, int64_t time_ns, struct columns *columns)
{
	Uxrec__ShortcutBatch message = UXREC__SHORTCUT_BATCH__INIT;

	message.device = device;
	message.n_dt_us = message.n_code = message.n_modifiers = message.n_buttons_before =
		columns->count;
	message.dt_us = columns->dt_us;
	message.code = columns->code;
	message.modifiers = columns->modifiers;
	message.buttons_before = columns->buttons;
	input_out_packet(out, CHANNEL_SHORTCUTS, time_ns, &message.base);
}

static void send_keys(
	struct input_out *out, uint32_t device, int64_t time_ns, struct columns *columns)
{
	Uxrec__KeyBatch message = UXREC__KEY_BATCH__INIT;

	message.device = device;
	message.n_dt_us = message.n_code = message.n_action = message.n_buttons_before =
		columns->count;
	message.dt_us = columns->dt_us;
	message.code = columns->code;
	message.action = (Uxrec__KeyAction *)columns->action;
	message.buttons_before = columns->buttons;
	input_out_packet(out, CHANNEL_KEYS, time_ns, &message.base);
}

static void send_count(struct input_out *out, uint32_t device, int64_t time_ns, size_t presses)
{
	Uxrec__KeyCount message = UXREC__KEY_COUNT__INIT;

	message.device = device;
	message.presses = (uint32_t)presses;
	input_out_packet(out, CHANNEL_KEY_COUNTS, time_ns, &message.base);
}

/* Report the first @p count keys, all of one device and, below "full", of one interval. */
static void send_run(struct redactor *redactor, size_t count)
{
	const struct redactor_key *first = key_at(redactor, 0);
	int64_t time_ns = begin_ns(redactor, first);
	bool exact = interval_ns(redactor->now) == 0;
	struct columns all = {.count = 0}, shortcuts = {.count = 0};

	for (size_t i = 0; i < count; i++) {
		const struct redactor_key *key = key_at(redactor, i);

		add(&all, redactor, key, exact ? key->time_ns : time_ns);
		if (key->modifiers && key->confirmed)
			add(&shortcuts, redactor, key, time_ns);
	}
	switch (redactor->now) {
	case KEY_POLICY_FULL: send_keys(redactor->out, first->device, time_ns, &all); break;
	case KEY_POLICY_CLASSES:
		send_classes(redactor->out, first->device, time_ns, &all);
		if (shortcuts.count > 0)
			send_shortcuts(redactor->out, first->device, time_ns, &shortcuts);
		break;
	case KEY_POLICY_COUNTS: send_count(redactor->out, first->device, time_ns, count); break;
	case KEY_POLICY_NONE: break;
	}
}

static void forget_first(struct redactor *redactor, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memset(&redactor->keys[ring_pop(&redactor->ring)], 0, sizeof(struct redactor_key));
}

/* number of keys, from the first on, for one packet */
static size_t run_length(struct redactor *redactor, int64_t now_ns)
{
	const struct redactor_key *first = key_at(redactor, 0);
	bool exact = interval_ns(redactor->now) == 0;
	size_t n = 1;

	while (n < redactor->ring.count && n < INPUT_BATCH_EVENTS) {
		const struct redactor_key *key = key_at(redactor, n);

		/* exact times: keys past the hold time go along with the first that is due */
		if (key->device != first->device ||
			(exact ? key->time_ns + hold_ns(redactor) > now_ns ||
						key->time_ns - first->time_ns > 2 * INPUT_FLUSH_NS
			       : begin_ns(redactor, key) != begin_ns(redactor, first)))
			break;
		n++;
	}
	return n;
}

/* Report one packet of keys. @return the end of their interval */
static int64_t send_first(struct redactor *redactor, int64_t now_ns)
{
	int64_t interval = interval_ns(redactor->now);
	int64_t begin = begin_ns(redactor, key_at(redactor, 0));
	size_t count = run_length(redactor, now_ns);

	send_run(redactor, count);
	forget_first(redactor, count);
	return interval > 0 ? begin - begin % interval + interval : 0;
}

int64_t redactor_flush_due(struct redactor *redactor, int64_t now_ns)
{
	int64_t reported_ns = redactor->reported_ns;

	while (redactor->ring.count > 0 && due_ns(redactor, key_at(redactor, 0)) <= now_ns)
		reported_ns = send_first(redactor, now_ns);
	redactor->reported_ns = reported_ns;
	/* once for all keys dropped since there was room */
	if (redactor->dropped > 0 && !ring_is_full(&redactor->ring))
		send_dropped(redactor, now_ns);
	return redactor->ring.count > 0 ? due_ns(redactor, key_at(redactor, 0)) : INT64_MAX;
}

/* ---- keys ---- */

/* Turn waiting shortcuts into plain keys: all after a time, or only the unconfirmed ones. */
static void strip_shortcuts(struct redactor *redactor, int64_t after_ns, bool confirmed_too)
{
	for (size_t i = redactor->ring.count; i > 0; i--) {
		struct redactor_key *key = key_at(redactor, i - 1);

		if (key->time_ns <= after_ns)
			break;
		if (!key->modifiers || (key->confirmed && !confirmed_too))
			continue;
		key->modifiers = 0;
		key->code = 0;
	}
}

/* Devices are read in turn: a key may be read before the release of a modifier that preceded it. */
static void update_modifiers(struct redactor *redactor, const struct key_event *key, bool recorded)
{
	if (!redactor->shortcuts || !key->modifier)
		return;
	if (!modifiers_update(&redactor->modifiers, key, recorded))
		redactor_invalidate_modifiers(redactor);
	else if (key->action != UXREC__KEY_ACTION__KEY_ACTION_REPEAT)
		strip_shortcuts(redactor, key->time_ns, true);
}

void redactor_invalidate_modifiers(struct redactor *redactor)
{
	modifiers_forget(&redactor->modifiers);
	strip_shortcuts(redactor, INT64_MIN, false);
	redactor->unsettled = false;
}

void redactor_settle(struct redactor *redactor, bool holds)
{
	if (!holds) {
		redactor_invalidate_modifiers(redactor);
		return;
	}
	for (size_t i = 0; redactor->unsettled && i < redactor->ring.count; i++)
		key_at(redactor, i)->confirmed = true;
	redactor->unsettled = false;
}

void redactor_release_modifiers(struct redactor *redactor)
{
	redactor_invalidate_modifiers(redactor);
	modifiers_reset(&redactor->modifiers);
}

/* Devices are read in turn: a digit of a character's number may be read before the key that began the entry. */
static uint8_t shortcut_of(struct redactor *redactor, const struct key_event *key)
{
	uint8_t modifiers = modifiers_of_shortcut(&redactor->modifiers, key);

	if (redactor->modifiers.is_entry)
		strip_shortcuts(redactor, key->time_ns, true);
	return modifiers;
}

/* Insert in order of time: devices are read in turn. */
static void insert(struct redactor *redactor, const struct redactor_key *key)
{
	size_t at;

	for (at = redactor->ring.count++;
		at > 0 && key_at(redactor, at - 1)->time_ns > key->time_ns; at--)
		*key_at(redactor, at) = *key_at(redactor, at - 1);
	*key_at(redactor, at) = *key;
}

void redactor_key(struct redactor *redactor, const struct key_event *key)
{
	bool is_ruled = redactor->now != KEY_POLICY_NONE && key->time_ns >= redactor->since_ns;
	bool fits = !ring_is_full(&redactor->ring);
	struct redactor_key left = {
		.time_ns = key->time_ns,
		.device = key->device,
		.moves_focus = moves_focus(key),
	};

	update_modifiers(redactor, key, is_ruled && fits);
	if (!is_ruled)
		return;
	if (redactor->now == KEY_POLICY_COUNTS) {
		if (key->action != UXREC__KEY_ACTION__KEY_ACTION_PRESS)
			return;
	} else {
		left.key_class = (unsigned)key->key_class & 15u;
		left.action = (unsigned)key->action & 7u;
		if (redactor->now == KEY_POLICY_CLASSES && redactor->shortcuts)
			left.modifiers = shortcut_of(redactor, key) & 15u;
		if (redactor->now == KEY_POLICY_FULL || left.modifiers)
			left.code = key->code;
	}
	if (!fits) {
		if (redactor->dropped++ == 0)
			redactor->dropped_ns = key->time_ns;
		return;
	}
	redactor->unsettled |= left.modifiers != 0;
	insert(redactor, &left);
}

uint32_t redactor_button(struct redactor *redactor, int64_t time_ns)
{
	redactor->button_ns[redactor->buttons % REDACTOR_BUTTONS_LIMIT] = time_ns;
	return redactor->buttons++;
}

/* ---- the policy ---- */

void redactor_start(struct redactor *redactor, enum key_policy allowed, bool shortcuts, bool hold,
	int64_t now_ns)
{
	redactor->ring.capacity = REDACTOR_KEYS_LIMIT;
	redactor->allowed = allowed;
	redactor->shortcuts = shortcuts && allowed == KEY_POLICY_CLASSES;
	redactor->hold = hold;
	redactor->now = hold ? KEY_POLICY_NONE : allowed;
	redactor->since_ns = now_ns;
	send_policy(redactor,
		hold ? UXREC__KEY_POLICY__REASON__REASON_UNWATCHED
		     : UXREC__KEY_POLICY__REASON__REASON_START,
		now_ns);
}

/* drop the keys that still wait, report the others under the policy so far */
static void flush_before(struct redactor *redactor, int64_t from_ns)
{
	size_t kept = 0;

	while (kept < redactor->ring.count && key_at(redactor, kept)->time_ns < from_ns)
		kept++;
	while (redactor->ring.count > kept)
		memset(key_at(redactor, --redactor->ring.count), 0, sizeof(struct redactor_key));
	/* past the hold time: none of them will be held back */
	while (redactor->ring.count > 0)
		send_first(redactor, INT64_MAX);
}

void redactor_set(struct redactor *redactor, enum key_policy policy,
	Uxrec__KeyPolicy__Reason reason, int64_t now_ns)
{
	int64_t from_ns = now_ns;

	if (policy > redactor->allowed)
		policy = redactor->allowed;
	if (policy == redactor->now) {
		if (reason != redactor->reason && redactor->allowed > KEY_POLICY_NONE)
			send_policy(redactor, reason, now_ns);
		return;
	}
	if (policy < redactor->now && redactor->hold)
		from_ns = redactor_unsure_ns(redactor, now_ns);
	/* the policies of a session are ordered by time */
	if (from_ns < redactor->since_ns)
		from_ns = redactor->since_ns;
	flush_before(redactor, from_ns);
	/* presses that are missing from the session make no shortcuts */
	redactor_invalidate_modifiers(redactor);
	redactor->since_ns = now_ns;
	redactor->reported_ns = 0;
	redactor->now = policy;
	send_policy(redactor, reason, from_ns);
}

void redactor_finish(struct redactor *redactor, int64_t now_ns)
{
	flush_before(redactor, redactor_unsure_ns(redactor, now_ns));
	if (redactor->dropped > 0)
		send_dropped(redactor, now_ns);
}
