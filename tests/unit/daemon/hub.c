#include "tests/harness/helpers.h"

#include "daemon/stream/hub.h"
#include "protocol/base/clock.h"

#include <string.h>

struct joined {
	struct packet *latched[CHANNEL_END];
	size_t count;
};

static void take_latched(void *user, struct packet *packet)
{
	struct joined *joined = user;

	joined->latched[joined->count++] = packet;
}

static void joined_finish(struct joined *joined)
{
	for (size_t i = 0; i < joined->count; i++)
		packet_unref(joined->latched[i]);
}

static struct session_clock session_clock;

static void publish(struct hub *hub, uint16_t channel, int64_t time_ns, size_t size, bool keyframe)
{
	struct packet *packet;
	unsigned char *data = calloc(1, size + 1);

	check(packet_create_data(&packet, &session_clock,
		      &(struct packet_info){channel, keyframe ? PACKET_KEYFRAME : 0, time_ns, 0},
		      data, size) == 0);
	hub_publish(hub, packet);
	packet_unref(packet);
	free(data);
}

static bool next_is(struct hub *hub, struct hub_cursor *cursor, uint16_t channel, int64_t time_ns)
{
	struct packet *packet = hub_next(hub, cursor);
	bool is = packet && packet->channel == channel && packet->time_ns == time_ns;

	packet_unref(packet);
	return is;
}

static void joining_gives_what_is_latched_and_a_burst(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor cursor;

	check(hub_create(&hub) == 0);
	publish(hub, CHANNEL_SCREEN_INFO, 1, 10, false);
	publish(hub, CHANNEL_SCREEN, 2, 100, true);
	publish(hub, CHANNEL_POINTER, 3, 10, false);
	publish(hub, CHANNEL_POINTER, 4, 10, false);
	publish(hub, CHANNEL_SCREEN, 5, 100, false);
	expect(!hub_join(hub, &cursor, false, take_latched, &joined));
	check(joined.count == 2);
	expect(joined.latched[0]->channel == CHANNEL_SCREEN_INFO);
	expect(joined.latched[1]->time_ns == 4);
	/* the burst has only pictures */
	expect(next_is(hub, &cursor, CHANNEL_SCREEN, 2));
	expect(next_is(hub, &cursor, CHANNEL_SCREEN, 5));
	expect(!hub_next(hub, &cursor));
	publish(hub, CHANNEL_POINTER, 6, 10, false);
	expect(next_is(hub, &cursor, CHANNEL_POINTER, 6));
}

static void long_bursts_ask_for_a_keyframe_once(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor one, two;

	check(hub_create(&hub) == 0);
	publish(hub, CHANNEL_SCREEN, 1, 100, true);
	for (int i = 2; i < 40; i++)
		publish(hub, CHANNEL_SCREEN, i, 100, false);
	expect(hub_join(hub, &one, false, take_latched, &joined));
	expect(one.needs_keyframe);
	/* a second request within ten seconds is served from the ring */
	expect(!hub_join(hub, &two, false, take_latched, &joined));
	expect(next_is(hub, &two, CHANNEL_SCREEN, 1));
	publish(hub, CHANNEL_SCREEN, 40, 100, false);
	expect(!hub_next(hub, &one)); /* skipped */
	publish(hub, CHANNEL_SCREEN, 41, 100, true);
	expect(next_is(hub, &one, CHANNEL_SCREEN, 41));
}

static void joining_without_a_keyframe_asks(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor cursor;

	check(hub_create(&hub) == 0);
	expect(hub_join(hub, &cursor, false, take_latched, &joined));
	expect(cursor.needs_keyframe && !hub_next(hub, &cursor));
}

static void slow_observers_skip_to_a_keyframe(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor slow, fast;

	check(hub_create(&hub) == 0);
	publish(hub, CHANNEL_SCREEN, 0, 100, true);
	hub_join(hub, &slow, false, take_latched, &joined);
	hub_join(hub, &fast, false, take_latched, &joined);
	expect(next_is(hub, &slow, CHANNEL_SCREEN, 0));
	for (int i = 1; i < 50; i++) {
		publish(hub, CHANNEL_SCREEN, i * 100 * NS_PER_MS, 100, i == 30);
		if (i == 1)
			expect(next_is(hub, &fast, CHANNEL_SCREEN, 0));
		expect(next_is(hub, &fast, CHANNEL_SCREEN, i * 100 * NS_PER_MS));
	}
	/* the slow one had seen number 0 and resumes at number 30, without a further loss */
	for (int i = 30; i < 50; i++)
		expect(next_is(hub, &slow, CHANNEL_SCREEN, i * 100 * NS_PER_MS));
	expect(slow.skipped == 29 && fast.skipped == 0);
}

static void ring_is_bounded(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor cursor;
	struct packet *packet;
	size_t held = 0;

	check(hub_create(&hub) == 0);
	publish(hub, CHANNEL_SCREEN, 1, 100, true);
	hub_join(hub, &cursor, false, take_latched, &joined);
	for (int i = 2; i < 500; i++)
		publish(hub, CHANNEL_SCREEN, i, 200 * 1024, i % 20 == 0);
	while ((packet = hub_next(hub, &cursor))) {
		expect(held > 0 || (packet->flags & PACKET_KEYFRAME));
		held += packet->size_bytes;
		packet_unref(packet);
	}
	expect(held > 0 && held < 20 * 1024 * 1024);
	expect(cursor.skipped > 0);
}

static void sessions_do_not_mix(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor cursor;

	check(hub_create(&hub) == 0);
	publish(hub, CHANNEL_SCREEN, 1, 100, true);
	hub_set_watermark(hub, 50);
	expect(hub_watermark(hub) == 50);
	hub_set_watermark(hub, 40); /* it never goes back */
	expect(hub_watermark(hub) == 50);
	hub_join(hub, &cursor, false, take_latched, &joined);
	hub_reset(hub);
	expect(hub_watermark(hub) == 0);
	publish(hub, CHANNEL_SCREEN, 2, 100, true);
	expect(!hub_next(hub, &cursor));
	joined_finish(&joined);
	joined.count = 0;
	hub_join(hub, &cursor, false, take_latched, &joined);
	expect(joined.count == 0 && next_is(hub, &cursor, CHANNEL_SCREEN, 2));
}

/* ---- permissions ---- */

static void muted_sound_is_the_moderators(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor observer, moderator;

	check(hub_create(&hub) == 0);
	hub_join(hub, &observer, false, take_latched, &joined);
	hub_join(hub, &moderator, true, take_latched, &joined);
	publish(hub, CHANNEL_SOUND, 1, 10, false);
	hub_set_muted(hub, true, 2);
	publish(hub, CHANNEL_SOUND, 2, 10, false);
	publish(hub, CHANNEL_SOUND_LEVELS, 3, 10, false);
	publish(hub, CHANNEL_MONITOR, 4, 10, false);
	publish(hub, CHANNEL_CONTROLS, 5, 10, false);
	hub_set_muted(hub, false, 6);
	publish(hub, CHANNEL_SOUND, 5, 10, false); /* recorded before, published late */
	publish(hub, CHANNEL_SOUND, 6, 10, false);
	/* a later reader, after the unmute, gets none of it either */
	expect(next_is(hub, &observer, CHANNEL_SOUND, 1));
	expect(next_is(hub, &observer, CHANNEL_CONTROLS, 5));
	expect(next_is(hub, &observer, CHANNEL_SOUND, 6));
	expect(!hub_next(hub, &observer));
	for (int64_t i = 1; i <= 7; i++) {
		_packet_unref_ struct packet *packet = hub_next(hub, &moderator);

		expect(packet && packet->time_ns == (i <= 5 ? i : i - 1));
	}
}

/* As packets cross to uxrec-server: its hub knows of muting by their flags alone. */
static void relay(struct hub *from, struct hub_cursor *cursor, struct hub *to)
{
	struct packet *packet;

	while ((packet = hub_next(from, cursor))) {
		packet->flags |= cursor->withheld ? PACKET_MUTED : 0;
		hub_publish(to, packet);
		packet_unref(packet);
	}
}

static void muting_crosses_to_another_hub_with_its_packets(void)
{
	const uint32_t screen = 1u << MODALITY_SCREEN;
	_destroy_(hub) struct hub *hub = NULL, *other = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor feed, observer, moderator;

	check(hub_create(&hub) == 0 && hub_create(&other) == 0);
	hub_join(hub, &feed, true, take_latched, &joined);
	hub_join(other, &observer, false, take_latched, &joined);
	hub_join(other, &moderator, true, take_latched, &joined);
	publish(hub, CHANNEL_SOUND, 1, 10, false);
	hub_set_muted(hub, true, 2);
	publish(hub, CHANNEL_SOUND, 2, 10, false);
	publish(hub, CHANNEL_CONTROLS, 3, 10, false);
	/* muted when published, whatever holds when it crosses */
	hub_set_muted(hub, false, 4);
	publish(hub, CHANNEL_SOUND, 5, 10, false);
	publish(hub, CHANNEL_SCREEN, 6, 10, true);
	hub_set_withheld(hub, screen, 0);
	relay(hub, &feed, other);
	expect(next_is(other, &observer, CHANNEL_SOUND, 1));
	expect(next_is(other, &observer, CHANNEL_CONTROLS, 3));
	expect(next_is(other, &observer, CHANNEL_SOUND, 5));
	expect(!hub_next(other, &observer));
	for (int64_t i = 1; i <= 5; i++) {
		_packet_unref_ struct packet *packet = hub_next(other, &moderator);

		expect(packet && packet->time_ns == (i <= 3 ? i : i + 1));
	}
}

static void what_consent_does_not_cover_is_withheld(void)
{
	const uint32_t screen = 1u << MODALITY_SCREEN, sound = 1u << MODALITY_SOUND;
	_destroy_(hub) struct hub *hub = NULL;
	_cleanup_(joined_finish) struct joined joined = {0};
	struct hub_cursor observer, moderator, late;

	check(hub_create(&hub) == 0);
	hub_join(hub, &observer, false, take_latched, &joined);
	hub_join(hub, &moderator, true, take_latched, &joined);
	publish(hub, CHANNEL_SCREEN_INFO, 1, 10, false);
	publish(hub, CHANNEL_SCREEN, 2, 10, true);
	publish(hub, CHANNEL_SOUND, 3, 10, false);
	publish(hub, CHANNEL_CONTROLS, 4, 10, false);
	/* including packets that are in the ring already */
	hub_set_withheld(hub, screen, sound);
	expect(next_is(hub, &observer, CHANNEL_CONTROLS, 4));
	expect(!hub_next(hub, &observer));
	expect(next_is(hub, &moderator, CHANNEL_SCREEN_INFO, 1));
	expect(next_is(hub, &moderator, CHANNEL_SCREEN, 2));
	expect(next_is(hub, &moderator, CHANNEL_CONTROLS, 4));
	expect(!hub_next(hub, &moderator));
	joined_finish(&joined);
	joined = (struct joined){0};
	hub_join(hub, &late, false, take_latched, &joined);
	expect(joined.count == 0 && !hub_next(hub, &late));
	/* granted again: the video resumes at a keyframe */
	publish(hub, CHANNEL_SCREEN, 5, 10, false);
	expect(!hub_next(hub, &observer));
	hub_set_withheld(hub, 0, sound);
	publish(hub, CHANNEL_SCREEN, 6, 10, false);
	expect(!hub_next(hub, &observer));
	publish(hub, CHANNEL_SCREEN, 7, 10, true);
	publish(hub, CHANNEL_SOUND, 8, 10, false);
	expect(next_is(hub, &observer, CHANNEL_SCREEN, 7));
	expect(!hub_next(hub, &observer));
}

static const struct test tests[] = {
	{"joining gives latched messages, then a burst of pictures",
		joining_gives_what_is_latched_and_a_burst},
	{"a long burst asks for one keyframe in ten seconds", long_bursts_ask_for_a_keyframe_once},
	{"joining without a keyframe asks for one", joining_without_a_keyframe_asks},
	{"a slow observer goes on at the newest keyframe, a fast one misses nothing",
		slow_observers_skip_to_a_keyframe},
	{"muted sound is for the moderator alone", muted_sound_is_the_moderators},
	{"muting crosses to another hub with its packets",
		muting_crosses_to_another_hub_with_its_packets},
	{"data without consent is withheld", what_consent_does_not_cover_is_withheld},
	{"the ring is bounded", ring_is_bounded},
	{"two sessions do not mix", sessions_do_not_mix},
};

int main(void)
{
	return RUN_TESTS("hub", tests);
}
