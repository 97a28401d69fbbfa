#include "protocol/file/redaction_shortcuts.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Upper bound on holding a modifier across a gap, or across a change of policy. */
#define AFTER_GAP_NS    (10 * NS_PER_S)
#define AFTER_POLICY_NS (2 * NS_PER_S)

void redaction_shortcuts_finish(struct redaction_shortcuts *shortcuts)
{
	free(shortcuts->unknown);
	shortcuts->unknown = NULL;
	shortcuts->count = 0;
}

/* Saturating: a file may hold any time. */
static int64_t later(int64_t time_ns, int64_t by_ns)
{
	int64_t sum;

	if (__builtin_add_overflow(time_ns, by_ns, &sum))
		return by_ns < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

/* Spans arrive roughly in time order: overlapping ones are merged. */
static int add_unknown(struct redaction_shortcuts *shortcuts, int64_t from_ns, int64_t to_ns)
{
	struct redaction_span *last =
		shortcuts->count ? &shortcuts->unknown[shortcuts->count - 1] : NULL;

	if (last && from_ns >= last->from_ns && from_ns <= last->to_ns) {
		if (to_ns > last->to_ns)
			last->to_ns = to_ns;
		return 0;
	}
	if (!array_grow(shortcuts->unknown, shortcuts->count))
		return -ENOMEM;
	shortcuts->unknown[shortcuts->count++] = (struct redaction_span){from_ns, to_ns};
	return 0;
}

int redaction_shortcuts_gap(struct redaction_shortcuts *shortcuts, const Uxrec__Gap *gap)
{
	bool is_input = gap->n_topics == 0;

	for (size_t i = 0; i < gap->n_topics; i++)
		is_input |= strncmp(gap->topics[i], "/input", strlen("/input")) == 0;
	/* an interval lies up to 100 ms before its keys */
	return is_input ? add_unknown(shortcuts, later(gap->from_ns, -NS_PER_S),
				  later(gap->to_ns, AFTER_GAP_NS))
			: 0;
}

int redaction_shortcuts_policy(struct redaction_shortcuts *shortcuts, int64_t time_ns)
{
	return add_unknown(shortcuts, time_ns, later(time_ns, AFTER_POLICY_NS));
}

static bool is_unknown(const struct redaction_shortcuts *shortcuts, int64_t time_ns)
{
	for (size_t i = 0; i < shortcuts->count; i++)
		if (time_ns >= shortcuts->unknown[i].from_ns &&
			time_ns <= shortcuts->unknown[i].to_ns)
			return true;
	return false;
}

/* @return as redaction_shortcuts_batch(), for the interval before this time */
static bool begin(struct redaction_shortcuts *shortcuts, int64_t time_ns, int64_t *ret_time_ns)
{
	bool holds = true;

	if (shortcuts->begun && shortcuts->time_ns == time_ns)
		return true;
	if (shortcuts->begun && shortcuts->needed > shortcuts->available &&
		!is_unknown(shortcuts, shortcuts->time_ns)) {
		*ret_time_ns = shortcuts->time_ns;
		holds = false;
	}
	shortcuts->begun = true;
	shortcuts->time_ns = time_ns;
	shortcuts->available = shortcuts->held + shortcuts->found;
	shortcuts->needed = 0;
	return holds;
}

static void handle_action(
	struct redaction_shortcuts *shortcuts, Uxrec__KeyAction action, unsigned *found_at_once)
{
	switch (action) {
	case UXREC__KEY_ACTION__KEY_ACTION_PRESS:
		shortcuts->held++;
		shortcuts->available++;
		break;
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN:
		/* keys found down include those whose press is recorded */
		if (++*found_at_once > shortcuts->held + shortcuts->found) {
			shortcuts->found++;
			shortcuts->available++;
		}
		break;
	case UXREC__KEY_ACTION__KEY_ACTION_RELEASE:
	case UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP:
		if (shortcuts->found > 0)
			shortcuts->found--;
		else if (shortcuts->held > 0)
			shortcuts->held--;
		break;
	default: break;
	}
}

bool redaction_shortcuts_classes(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__KeyClassBatch *batch, int64_t *ret_time_ns)
{
	bool holds = begin(shortcuts, time_ns, ret_time_ns);
	unsigned found = 0;

	for (size_t i = 0; i < batch->n_key_class && i < batch->n_action; i++)
		if (batch->key_class[i] == UXREC__KEY_CLASS__KEY_CLASS_MODIFIER)
			handle_action(shortcuts, batch->action[i], &found);
	return holds;
}

bool redaction_shortcuts_batch(struct redaction_shortcuts *shortcuts, int64_t time_ns,
	const Uxrec__ShortcutBatch *batch, int64_t *ret_time_ns)
{
	bool holds = begin(shortcuts, time_ns, ret_time_ns);

	for (size_t i = 0; i < batch->n_modifiers; i++) {
		unsigned needed = (unsigned)__builtin_popcount(batch->modifiers[i]);

		if (needed > shortcuts->needed)
			shortcuts->needed = needed;
	}
	return holds;
}

bool redaction_shortcuts_end(struct redaction_shortcuts *shortcuts, int64_t *ret_time_ns)
{
	/* any time other than that of the last interval */
	return begin(
		shortcuts, shortcuts->time_ns == INT64_MAX ? INT64_MIN : INT64_MAX, ret_time_ns);
}
