#include "protocol/gap.h"

#include "protocol/base/clock.h"
#include "protocol/base/cleanup.h"
#include "protocol/constants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limit on disjoint spans, exceeded only by hostile files; later ones are left out of the sums. */
#define SPANS_LIMIT 65536

static const char *const part_names[GAP_PART_END] = {
	[GAP_PART_ALL] = "everything",
	[GAP_PART_SCREEN] = "screen",
	[GAP_PART_POINTER] = "pointer",
	[GAP_PART_INPUT] = "input",
	[GAP_PART_KEYS] = "keys",
	[GAP_PART_SOUND] = "sound",
	[GAP_PART_MACHINE_SOUND] = "the machine's sound",
	[GAP_PART_NAMES] = "names of clicked objects",
	[GAP_PART_OTHER] = "other data",
};

static bool is_below(const char *topic, const char *folder)
{
	size_t size = strlen(folder);

	return strncmp(topic, folder, size) == 0 && (topic[size] == '\0' || topic[size] == '/');
}

static enum gap_part part_of(const char *topic)
{
	static const struct {
		const char *folder;
		enum gap_part part;
	} folders[] = {
#define ROW(topic, part) {topic, GAP_PART_##part},
		GAP_FOLDERS(ROW)
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (is_below(topic, folders[i].folder))
			return folders[i].part;
	return GAP_PART_OTHER;
}

uint32_t gap_parts(const Uxrec__Gap *gap)
{
	uint32_t parts = 0;

	for (size_t i = 0; i < gap->n_topics; i++)
		parts |= 1u << part_of(gap->topics[i]);
	/* input includes the keys */
	if (parts & 1u << GAP_PART_INPUT)
		parts &= ~(1u << GAP_PART_KEYS);
	return parts ? parts : 1u << GAP_PART_ALL;
}

bool gap_is_loss(const Uxrec__Gap *gap)
{
	switch (gap->reason) {
	case UXREC__GAP__REASON__REASON_PAUSE:
	case UXREC__GAP__REASON__REASON_SUSPEND:
	case UXREC__GAP__REASON__REASON_ERASED:
	case UXREC__GAP__REASON__REASON_AWAY:
	case UXREC__GAP__REASON__REASON_CONSENT: return false;
	default: return true;
	}
}

/* ---- texts ---- */

int64_t gap_length_ns(const Uxrec__Gap *gap)
{
	int64_t length_ns;

	if (gap->to_ns <= gap->from_ns ||
		__builtin_sub_overflow(gap->to_ns, gap->from_ns, &length_ns))
		return 0;
	return length_ns;
}

struct duration_text duration_describe(int64_t ns)
{
	struct duration_text ret;
	int64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2), s = (ms + 500) / 1000;

	if (ns > 0 && ms == 0)
		snprintf(ret.text, sizeof(ret.text), "less than 1 ms");
	else if (ms < 1000)
		snprintf(ret.text, sizeof(ret.text), "%lld ms", (long long)ms);
	else if (ms < 59950)
		snprintf(ret.text, sizeof(ret.text), "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		snprintf(ret.text, sizeof(ret.text), "%lld:%02lld min", (long long)(s / 60),
			(long long)(s % 60));
	else
		snprintf(ret.text, sizeof(ret.text), "%lld:%02lld:%02lld h", (long long)(s / 3600),
			(long long)(s / 60 % 60), (long long)(s % 60));
	return ret;
}

const char *gap_reason_text(Uxrec__Gap__Reason reason)
{
	switch (reason) {
	case UXREC__GAP__REASON__REASON_PAUSE: return "paused";
	case UXREC__GAP__REASON__REASON_OVERLOAD: return "the machine could not keep up";
	case UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW: return "the device's queue overflowed";
	case UXREC__GAP__REASON__REASON_SOURCE_LOST: return "the source was lost";
	case UXREC__GAP__REASON__REASON_DISK: return "the disk failed or was full";
	case UXREC__GAP__REASON__REASON_SUSPEND: return "machine suspended";
	case UXREC__GAP__REASON__REASON_ERASED: return "erased";
	case UXREC__GAP__REASON__REASON_AWAY: return "locked, or another user's";
	case UXREC__GAP__REASON__REASON_ENCODER: return "the encoder failed";
	case UXREC__GAP__REASON__REASON_STALL: return "the recorder stood still";
	case UXREC__GAP__REASON__REASON_CONSENT: return "not covered by the consent";
	default: return "for an unknown reason";
	}
}

struct gap_text gap_parts_describe(const Uxrec__Gap *gap)
{
	struct gap_text ret = {""};
	uint32_t parts = gap_parts(gap);
	size_t at = 0;

	for (int part = 1; part < GAP_PART_END; part++)
		if (parts & 1u << part)
			at += (size_t)snprintf(ret.text + at, sizeof(ret.text) - at, "%s%s",
				at ? ", " : "", part_names[part]);
	return ret;
}

struct gap_text gap_describe(const Uxrec__Gap *gap)
{
	struct gap_text ret;
	struct gap_text parts = gap_parts_describe(gap);
	char length[48] = "";
	int64_t length_ns = gap_length_ns(gap);

	if (gap->to_ns == 0)
		snprintf(length, sizeof(length), " to the end");
	else if (length_ns > 0)
		snprintf(length, sizeof(length), " for %s", duration_describe(length_ns).text);
	if (gap_is_loss(gap))
		snprintf(ret.text, sizeof(ret.text), "%.128s lost%s: %s", parts.text, length,
			gap_reason_text(gap->reason));
	else if (gap->n_topics > 0)
		snprintf(ret.text, sizeof(ret.text), "%.128s: %s%s", parts.text,
			gap_reason_text(gap->reason), length);
	else
		snprintf(ret.text, sizeof(ret.text), "%s%s", gap_reason_text(gap->reason), length);
	return ret;
}

/* ---- lost time ---- */

static int compare(const void *a, const void *b)
{
	const struct loss_span *x = a, *y = b;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* Sort, and join touching spans. */
static void join(struct losses *losses)
{
	size_t kept = 0;

	if (losses->count > 1)
		qsort(losses->spans, losses->count, sizeof(*losses->spans), compare);
	for (size_t i = 1; i < losses->count; i++) {
		struct loss_span *last = &losses->spans[kept];
		const struct loss_span *next = &losses->spans[i];

		if (next->part != last->part || next->from_ns > last->to_ns) {
			losses->spans[++kept] = *next;
			continue;
		}
		last->count += next->count;
		if (next->to_ns > last->to_ns)
			last->to_ns = next->to_ns;
	}
	losses->count = losses->count ? kept + 1 : 0;
}

static int make_room(struct losses *losses)
{
	size_t capacity = losses->capacity ? 2 * losses->capacity : 64;
	struct loss_span *spans;

	if (losses->count < losses->capacity)
		return 0;
	join(losses);
	if (losses->count < losses->capacity / 2)
		return 0;
	if (losses->capacity >= SPANS_LIMIT) {
		losses->full = losses->count == losses->capacity;
		return 0;
	}
	spans = realloc(losses->spans, capacity * sizeof(*spans));
	if (!spans)
		return -ENOMEM;
	losses->spans = spans;
	losses->capacity = capacity;
	return 0;
}

int losses_add(struct losses *losses, const Uxrec__Gap *gap)
{
	uint32_t parts = gap_is_loss(gap) ? gap_parts(gap) : 0;
	int64_t from_ns = gap->from_ns > 0 ? gap->from_ns : 0, to_ns = gap->to_ns;

	if (to_ns == 0)
		to_ns = INT64_MAX;
	if (to_ns < from_ns)
		to_ns = from_ns;
	for (int part = 1; part < GAP_PART_END && !losses->full; part++) {
		if (!(parts & 1u << part))
			continue;
		if (make_room(losses) < 0)
			return -ENOMEM;
		if (!losses->full)
			losses->spans[losses->count++] =
				(struct loss_span){part, from_ns, to_ns, 1};
	}
	return 0;
}

void losses_finish(struct losses *losses)
{
	free(losses->spans);
	*losses = (struct losses){0};
}

void losses_sum(struct losses *losses, int64_t end_ns, struct loss *ret)
{
	memset(ret, 0, GAP_PART_END * sizeof(*ret));
	join(losses);
	for (size_t i = 0; i < losses->count; i++) {
		const struct loss_span *span = &losses->spans[i];
		int64_t to_ns = span->to_ns < end_ns ? span->to_ns : end_ns;

		ret[span->part].count += span->count;
		if (to_ns > span->from_ns)
			ret[span->part].lost_ns += to_ns - span->from_ns;
	}
}

struct losses_text losses_describe(const struct loss *sums)
{
	struct losses_text ret = {""};
	size_t at = 0;

	for (int part = 1; part < GAP_PART_END; part++) {
		if (sums[part].count == 0 || at >= sizeof(ret.text))
			continue;
		at += (size_t)snprintf(ret.text + at, sizeof(ret.text) - at, "%s%s %s",
			at ? ", " : "", part_names[part],
			duration_describe(sums[part].lost_ns).text);
		if (sums[part].count > 1 && at < sizeof(ret.text))
			at += (size_t)snprintf(ret.text + at, sizeof(ret.text) - at, " in %u holes",
				sums[part].count);
	}
	return ret;
}

struct losses_text losses_of_message(Uxrec__LostTime *const *lost, size_t count)
{
	struct loss sums[GAP_PART_END] = {{0}};

	for (size_t i = 0; i < count; i++)
		if (lost[i]->part > 0 && (int)lost[i]->part < GAP_PART_END)
			sums[lost[i]->part] = (struct loss){lost[i]->lost_ns, lost[i]->gaps};
	return losses_describe(sums);
}
