/* The screen source with an encoder that fails when it is told to, and the pace it keeps. */

#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"

#include "capture/encoder.h"
#include "capture/pace.h"
#include "capture/screen.h"
#include "protocol/base/clock.h"
#include "protocol/base/queue.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- an encoder, instead of capture/encoder.c ---- */

struct encoder {
	char name[32];
	int pictures;
};

static _Atomic int fails_after = -1; /* pictures of one encoder */
static _Atomic int made;

const char *const encoder_names[] = {"auto", NULL};

int encoder_create(struct encoder **ret, int width, int height,
	const struct encoder_options *options, struct error *reterr)
{
	struct encoder *encoder = calloc(1, sizeof(*encoder));

	(void)width;
	(void)height;
	(void)reterr;
	snprintf(encoder->name, sizeof(encoder->name), "%s %d", options->name, ++made);
	*ret = encoder;
	return 0;
}

void encoder_destroy(struct encoder *encoder)
{
	free(encoder);
}

const char *encoder_describe(const struct encoder *encoder)
{
	return encoder->name;
}

const char *encoder_format(const struct encoder *encoder)
{
	(void)encoder;
	return "h264";
}

int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t time_ns,
	bool keyframe, struct encoded *ret)
{
	(void)picture;
	(void)time_ns;
	if (fails_after >= 0 && encoder->pictures >= fails_after)
		return -EIO;
	encoder->pictures++;
	*ret = (struct encoded){(const unsigned char *)"picture", 7, keyframe};
	return 0;
}

int64_t encode_jpeg(const struct picture *picture, uint8_t **ret_data)
{
	(void)picture;
	(void)ret_data;
	return -ENOSYS;
}

/* ---- a session in memory ---- */

struct memory_sink {
	struct packet_sink base;
	struct queue *queue;
};

struct lab {
	struct session_clock clock;
	struct memory_sink sink;
	struct source *source;
	_Atomic bool lost;
};

static void sink_push(struct packet_sink *sink, struct packet *packet)
{
	if (queue_push(((struct memory_sink *)sink)->queue, packet, 0, true) < 0)
		packet_unref(packet);
}

static void source_lost(void *user, struct source *source, const char *reason)
{
	(void)source;
	expect(strcmp(reason, "the screen could not be encoded any more") == 0);
	((struct lab *)user)->lost = true;
}

static void begin(struct lab *session)
{
	const struct source_context context = {.clock = &session->clock,
		.sink = &session->sink.base,
		.lost = source_lost,
		.user = session};
	const struct screen_options options = {
		.grabber = "test", .encoder = "first", .priority = "idle", .max_fps = 30};

	*session = (struct lab){.sink = {{sink_push}, NULL}};
	made = 0;
	check(queue_create(&session->sink.queue, SIZE_MAX, false) == 0);
	session_clock_init(&session->clock);
	check(screen_source_create(&session->source, &context, &options, NULL) == 0);
}

static void end(struct lab *session)
{
	source_destroy(session->source);
	queue_set_drop(session->sink.queue, (void (*)(void *))packet_unref);
	queue_destroy(session->sink.queue);
}

static struct packet *next_of(struct lab *session, uint16_t channel)
{
	for (;;) {
		struct packet *packet =
			queue_pop(session->sink.queue, clock_now_ns() + 20 * NS_PER_S);

		check(packet != NULL);
		if (packet->channel == channel)
			return packet;
		packet_unref(packet);
	}
}

static void expect_encoder(struct lab *session, const char *name)
{
	_packet_unref_ struct packet *packet = next_of(session, CHANNEL_SCREEN_INFO);
	Uxrec__Screen *screen =
		uxrec__screen__unpack(NULL, packet_data_size(packet), packet_data(packet));

	check(screen != NULL);
	expect(strcmp(screen->encoder, name) == 0);
	expect(screen->fps == 30 && screen->max_fps == 30);
	uxrec__screen__free_unpacked(screen, NULL);
}

static void a_failed_encoder_is_replaced(void)
{
	struct lab session;
	struct packet *packet;
	Uxrec__Gap *gap;

	fails_after = 2;
	begin(&session);
	expect_encoder(&session, "first 1");
	packet = next_of(&session, CHANNEL_GAPS);
	gap = uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));
	check(gap && gap->reason == UXREC__GAP__REASON__REASON_ENCODER);
	expect(strcmp(gap->topics[0], "/screen") == 0 && gap->count == 1);
	expect(gap->from_ns > 0 && gap->to_ns >= gap->from_ns);
	expect(strncmp(gap->detail, "first 1: ", 9) == 0);
	uxrec__gap__free_unpacked(gap, NULL);
	packet_unref(packet);
	fails_after = -1;
	/* what comes next a decoder can begin with */
	expect_encoder(&session, ENCODER_LAST " 2");
	packet = next_of(&session, CHANNEL_SCREEN);
	expect(packet->flags & PACKET_KEYFRAME);
	packet_unref(packet);
	expect(!session.lost);
	end(&session);
}

static void a_hopeless_encoder_ends_the_source(void)
{
	struct lab session;

	fails_after = 0;
	begin(&session);
	for (int i = 0; i < 200 && !session.lost; i++)
		sleep_ms(50);
	expect(session.lost);
	expect(made == 4);
	end(&session);
	fails_after = -1;
}

/* ---- the pace ---- */

/* a second of pictures, each of which takes so many milliseconds, of which it has a processor for `cpu_ms` */
static bool second(struct pace *pace, int64_t *now_ns, int work_ms, int cpu_ms)
{
	int64_t end_ns = *now_ns + NS_PER_S;
	bool changed = false;

	while (*now_ns < end_ns) {
		int64_t period_ns = pace_period_ns(pace);

		changed |=
			pace_note(pace, *now_ns, *now_ns + work_ms * NS_PER_MS, cpu_ms * NS_PER_MS);
		*now_ns += period_ns > work_ms * NS_PER_MS ? period_ns : work_ms * NS_PER_MS;
	}
	return changed;
}

static void the_pace_follows_the_load(void)
{
	struct pace pace;
	int64_t now_ns = 5 * NS_PER_S;

	pace_init(&pace, 30);
	for (int i = 0; i < 20; i++)
		expect(!second(&pace, &now_ns, 10, 9));
	expect(pace.fps == 30);
	/* more than seven tenths of a processor */
	for (int i = 0; i < 4; i++)
		second(&pace, &now_ns, 28, 27);
	expect(pace.fps == 15);
	for (int i = 0; i < 20; i++)
		expect(!second(&pace, &now_ns, 28, 27)); /* the double would be too much */
	/* others need the machine: it waits longer than it works */
	for (int i = 0; i < 10; i++)
		second(&pace, &now_ns, 60, 10);
	expect(pace.fps >= PACE_LEAST_FPS && pace.fps < 8);
	for (int i = 0; i < 30; i++)
		second(&pace, &now_ns, 5, 5);
	expect(pace.fps == 30);
	/* waiting for little is not waiting */
	for (int i = 0; i < 10; i++)
		expect(!second(&pace, &now_ns, 1, 0));
	pace_init(&pace, 5);
	for (int i = 0; i < 10; i++)
		second(&pace, &now_ns, 500, 499);
	expect(pace.fps == 5);
}

static const struct test tests[] = {
	{"an encoder that fails is replaced, and a gap says so", a_failed_encoder_is_replaced},
	{"one that always fails ends the source", a_hopeless_encoder_ends_the_source},
	{"the pace follows the load", the_pace_follows_the_load},
};

int main(void)
{
	return RUN_TESTS("screen", tests);
}
