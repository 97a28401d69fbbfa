#include "replay/session/screen_gaps.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/gap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A shorter hole between two pictures is a low frame rate. */
#define SLOW_NS NS_PER_S

/* Limit for hostile files; later gaps are ignored. */
#define GAPS_LIMIT 4096

#define PICTURES (UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES)

void screen_gaps_finish(struct screen_gaps *gaps)
{
	free(gaps->list);
	*gaps = (struct screen_gaps){0};
}

/* ---- gaps of the screen ---- */

static bool concerns_screen(const Uxrec__Gap *gap)
{
	const char *topic = channel_kind_get(CHANNEL_SCREEN)->topic;

	for (size_t i = 0; i < gap->n_topics; i++)
		if (strcmp(gap->topics[i], topic) == 0)
			return true;
	return gap->n_topics == 0;
}

/* CLOCK_MONOTONIC stops during suspend: no session time lacks pictures. */
static bool lacks_pictures(const Uxrec__Gap *gap)
{
	return concerns_screen(gap) && gap->reason != UXREC__GAP__REASON__REASON_SUSPEND &&
		gap->reason != UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW;
}

/* Pictures were dropped, but others may have been recorded. */
static bool is_low_rate(const Uxrec__Gap *gap)
{
	return gap->n_topics > 0 &&
		(gap->reason == UXREC__GAP__REASON__REASON_OVERLOAD ||
			gap->reason == UXREC__GAP__REASON__REASON_ENCODER);
}

/*
 * Find the end of a gap: the video can be decoded again from the next keyframe on. When the next message is a picture
 * that depends on those before the gap, nothing of the video is missing.
 *
 * @return 1, 0 when the gap is not one of the screen, or a negative errno
 */
static int find_end(struct session_reader *reader, const Uxrec__Gap *gap, struct screen_gap *ret)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, reader, gap->from_ns, INT64_MAX, PICTURES);

	*ret = (struct screen_gap){gap->from_ns, INT64_MAX, gap->reason, false};
	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		if (message.time_ns < gap->from_ns)
			continue;
		if (is_low_rate(gap) && message.time_ns < gap->to_ns)
			return 0;
		if (gap->to_ns == 0 || message.time_ns < gap->to_ns)
			continue;
		ret->video_continues = message.channel->known != CHANNEL_SCREEN_KEYFRAMES;
		ret->to_ns = ret->video_continues ? gap->to_ns : message.time_ns;
		return 1;
	}
	return r < 0 ? r : 1;
}

/* ---- the list ---- */

static int add_gap(struct screen_gaps *gaps, struct session_reader *reader, const Uxrec__Gap *gap)
{
	struct screen_gap found;
	int r;

	if (!lacks_pictures(gap) || (gap->to_ns != 0 && gap->to_ns <= gap->from_ns) ||
		(is_low_rate(gap) && gap->to_ns - gap->from_ns < SLOW_NS))
		return 0;
	r = find_end(reader, gap, &found);
	if (r <= 0)
		return r;
	if (!array_grow(gaps->list, gaps->count))
		return -ENOMEM;
	gaps->list[gaps->count++] = found;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct screen_gap *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static void join(struct screen_gaps *gaps)
{
	size_t kept = 0;

	if (gaps->count > 1)
		qsort(gaps->list, gaps->count, sizeof(*gaps->list), compare);
	for (size_t i = 1; i < gaps->count; i++) {
		struct screen_gap *last = &gaps->list[kept], *next = &gaps->list[i];

		if (next->from_ns > last->to_ns)
			gaps->list[++kept] = *next;
		else if (next->to_ns > last->to_ns)
			*last = (struct screen_gap){
				last->from_ns, next->to_ns, last->reason, next->video_continues};
	}
	gaps->count = gaps->count ? kept + 1 : 0;
}

struct collecting {
	struct screen_gaps *gaps;
	struct session_reader *reader;
};

static int add_withheld_gap(void *user, const Uxrec__Gap *gap)
{
	struct collecting *collecting = user;

	return add_gap(collecting->gaps, collecting->reader, gap);
}

int screen_gaps_collect(struct screen_gaps *ret, struct session_reader *reader)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct screen_gaps gaps = {0};
	struct reader_message message;
	size_t seen = 0;
	int r = session_cursor_create(
		&cursor, reader, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_GAPS);

	while (r >= 0 && seen++ < GAPS_LIMIT && (r = session_cursor_next(cursor, &message)) > 0) {
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, message.data.size_bytes, message.data.data);

		if (!gap)
			continue;
		r = add_gap(&gaps, reader, gap);
		uxrec__gap__free_unpacked(gap, NULL);
	}
	if (r >= 0)
		r = session_reader_each_withheld(
			reader, add_withheld_gap, &(struct collecting){&gaps, reader});
	if (r < 0) {
		screen_gaps_finish(&gaps);
		return r;
	}
	join(&gaps);
	*ret = gaps;
	return 0;
}

/* ---- lookup ---- */

/* @return the number of gaps that begin at or before a time */
static size_t begun(const struct screen_gaps *gaps, int64_t at_ns)
{
	return bisect(gaps->count, i, gaps->list[i].from_ns <= at_ns);
}

const struct screen_gap *screen_gaps_at(const struct screen_gaps *gaps, int64_t at_ns)
{
	size_t i = begun(gaps, at_ns);

	return i > 0 && at_ns < gaps->list[i - 1].to_ns ? &gaps->list[i - 1] : NULL;
}

int64_t screen_gaps_next(const struct screen_gaps *gaps, int64_t at_ns)
{
	size_t i = begun(gaps, at_ns);

	if (i > 0 && at_ns < gaps->list[i - 1].to_ns)
		return gaps->list[i - 1].to_ns;
	return i < gaps->count ? gaps->list[i].from_ns : INT64_MAX;
}

/* ---- description ---- */

static void put_moment(char text[24], int64_t after_ns)
{
	int64_t tenths = after_ns / (NS_PER_S / 10);

	snprintf(text, 24, "%lld:%02d.%d", (long long)(tenths / 600), (int)(tenths / 10 % 60),
		(int)(tenths % 10));
}

struct screen_gap_text screen_gap_describe(const struct screen_gap *gap, int64_t begin_ns)
{
	struct screen_gap_text ret;
	char from[24], to[24] = "the end";

	put_moment(from, gap->from_ns > begin_ns ? gap->from_ns - begin_ns : 0);
	if (gap->to_ns != INT64_MAX)
		put_moment(to, gap->to_ns > begin_ns ? gap->to_ns - begin_ns : 0);
	snprintf(ret.text, sizeof(ret.text), "nothing recorded from %s to %s: %s", from, to,
		gap_reason_text(gap->reason));
	return ret;
}
