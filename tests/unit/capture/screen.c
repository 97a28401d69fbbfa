/* The screen source with an encoder that fails or is slow on request, with a screen that never stops changing, and its
 * pacing. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "capture/screen/encoder.h"
#include "capture/screen/grabber.h"
#include "capture/screen/rate_control.h"
#include "capture/screen/screen_internal.h"
#include "protocol/base/clock.h"
#include "protocol/base/queue.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- encoder, replaces capture/screen/encoder.c ---- */

struct encoder {
	char name[32];
	int pictures;
	const char *passed_over;
};

static _Atomic int fails_after = -1; /* pictures of one encoder until it fails */
static _Atomic int made;
static _Atomic int works_ms; /* per picture */
static _Atomic int waits_ms; /* per picture, not on a processor */
static int widest;           /* widest picture of the first encoder; 0: any width */

const char *const encoder_names[] = {"auto", NULL};

int encoder_create(struct encoder **ret, int width, int height,
	const struct encoder_options *options, struct error *reterr)
{
	struct encoder *encoder = calloc(1, sizeof(*encoder));

	const bool other = widest > 0 && width > widest;

	(void)height;
	(void)reterr;
	snprintf(encoder->name, sizeof(encoder->name), "%s %d", other ? "other" : options->name,
		++made);
	encoder->passed_over = other ? "not first: it is too wide" : "";
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

const char *encoder_skip_reason(const struct encoder *encoder)
{
	return encoder->passed_over;
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
	for (int64_t end_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + works_ms * NS_PER_MS;
		clock_read_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns;)
		;
	sleep_ms(waits_ms);
	*ret = (struct encoded){(const unsigned char *)"picture", 7, keyframe};
	return 0;
}

int64_t encode_jpeg(const struct picture *picture, uint8_t **ret_data)
{
	(void)picture;
	(void)ret_data;
	return -ENOSYS;
}

/* ---- a screen that always changes, replaces capture/screen/grabber.c ---- */

#define BUSY_WIDTH  320
#define BUSY_HEIGHT 256

static struct rect busy_area;              /* changing area */
static _Atomic int changes_left = INT_MAX; /* then redraws without change */
static int busy_width = BUSY_WIDTH;
static int64_t busy_since_ns;
static const struct grabber_ops busy;

static int busy_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	(void)target;
	(void)reterr;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->ops = &busy;
	return 0;
}

static int busy_wait(
	struct grabber *grabber, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	(void)grabber;
	(void)wake_fd;
	(void)deadline_ns;
	*ret_damage_ns = busy_since_ns;
	return 1;
}

static struct grabber_size busy_size(const struct grabber *grabber)
{
	(void)grabber;
	return (struct grabber_size){busy_width, BUSY_HEIGHT};
}

static int busy_grab(struct grabber *grabber, struct canvas *canvas, int64_t *ret_copied_ns)
{
	static uint8_t pixels[BUSY_WIDTH * BUSY_HEIGHT * 4];
	static const struct rect whole = {0, 0, BUSY_WIDTH, BUSY_HEIGHT};
	static uint8_t value;

	(void)grabber;
	if (changes_left > 0) {
		changes_left--;
		value++;
	}
	for (int y = busy_area.y; y < busy_area.y + busy_area.height; y++)
		memset(&pixels[(y * BUSY_WIDTH + busy_area.x) * 4], value,
			(size_t)busy_area.width * 4);
	canvas_put(canvas, &whole, pixels, sizeof(pixels) / BUSY_HEIGHT);
	*ret_copied_ns = busy_since_ns = clock_now_ns();
	return 0;
}

static void busy_damage_all(struct grabber *grabber)
{
	(void)grabber;
}

static void busy_destroy(struct grabber *grabber)
{
	free(grabber);
}

static const struct grabber_ops busy = {
	.name = "busy",
	.create = busy_create,
	.wait = busy_wait,
	.size = busy_size,
	.grab = busy_grab,
	.damage_all = busy_damage_all,
	.destroy = busy_destroy,
};

const struct grabber_ops *grabber_find(const char *name)
{
	return strcmp(name, busy.name) == 0 ? &busy : &grabber_test;
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
	_Atomic bool failed;
};

static void sink_push(struct packet_sink *sink, struct packet *packet)
{
	if (queue_push(((struct memory_sink *)sink)->queue, packet, 0, true) < 0)
		packet_unref(packet);
}

static void source_lost(void *user, struct source *source, const char *reason)
{
	(void)source;
	expect(strcmp(reason, "encoding the screen failed") == 0);
	((struct lab *)user)->failed = true;
}

static void begin_with(struct lab *session, const char *grabber, const char *priority)
{
	const struct source_context context = {.clock = &session->clock,
		.sink = &session->sink.base,
		.failed = source_lost,
		.user = session};
	const struct screen_options options = {
		.grabber = grabber, .encoder = "first", .max_fps = 30, .priority = priority};

	*session = (struct lab){.sink = {{sink_push}, NULL}};
	made = 0;
	check(queue_create(&session->sink.queue, SIZE_MAX, false) == 0);
	session_clock_init(&session->clock);
	check(screen_source_create(&session->source, &context, &options, NULL) == 0);
}

static void begin(struct lab *session, const char *grabber)
{
	begin_with(session, grabber, NULL);
}

static void end(struct lab *session)
{
	source_destroy(steal_ptr(session->source));
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

/* On a busy machine other gaps come before it. */
static Uxrec__Gap *next_gap(struct lab *session, Uxrec__Gap__Reason reason)
{
	for (;;) {
		_packet_unref_ struct packet *packet = next_of(session, CHANNEL_GAPS);
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));

		check(gap != NULL);
		if (gap->reason == reason)
			return gap;
		uxrec__gap__free_unpacked(gap, NULL);
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
	static struct lab session;
	struct packet *packet;
	Uxrec__Gap *gap;

	fails_after = 2;
	begin(&session, "test");
	expect_encoder(&session, "first 1");
	gap = next_gap(&session, UXREC__GAP__REASON__REASON_ENCODER);
	expect(strcmp(gap->topics[0], "/screen") == 0 && gap->count == 1);
	expect(gap->from_ns > 0 && gap->to_ns >= gap->from_ns);
	expect(strncmp(gap->detail, "first 1: ", 9) == 0);
	uxrec__gap__free_unpacked(gap, NULL);
	fails_after = -1;
	/* a decoder can start at the next packet */
	expect_encoder(&session, ENCODER_FALLBACK " 2");
	packet = next_of(&session, CHANNEL_SCREEN);
	expect(packet->flags & PACKET_KEYFRAME);
	packet_unref(packet);
	expect(!session.failed);
	end(&session);
}

static void a_hopeless_encoder_ends_the_source(void)
{
	static struct lab session;

	fails_after = 0;
	begin(&session, "test");
	for (int i = 0; i < 200 && !session.failed; i++)
		sleep_ms(50);
	expect(session.failed);
	expect(made == 4);
	end(&session);
	fails_after = -1;
}

/* Hardware encoders limit the screen's size. */
static void another_encoder_for_a_larger_screen_is_told(void)
{
	struct lab session = {.sink = {{sink_push}, NULL}};
	struct screen_source source = {
		.context = {.clock = &session.clock, .sink = &session.sink.base},
		.options = {.encoder = "first", .max_fps = 30}};
	struct packet *packet;
	Uxrec__Gap *gap;

	widest = 400;
	made = 0;
	check(queue_create(&session.sink.queue, SIZE_MAX, false) == 0);
	check(busy_create(&source.grabber, NULL, NULL) == 0);
	check(screen_set_up(&source, NULL) == 0);
	expect(strcmp(encoder_describe(source.encoder), "first 1") == 0);
	expect(queue_pop(session.sink.queue, 0) == NULL);
	busy_width = 640;
	check(screen_set_up(&source, NULL) == 0);
	expect(strcmp(encoder_describe(source.encoder), "other 2") == 0);
	packet = next_of(&session, CHANNEL_GAPS);
	gap = uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));
	check(gap && gap->reason == UXREC__GAP__REASON__REASON_ENCODER && gap->count == 0);
	expect(strcmp(gap->detail, "not first: it is too wide") == 0);
	uxrec__gap__free_unpacked(gap, NULL);
	packet_unref(packet);
	/* and back */
	busy_width = BUSY_WIDTH;
	check(screen_set_up(&source, NULL) == 0);
	expect(queue_pop(session.sink.queue, 0) == NULL);
	screen_tear_down(&source);
	grabber_destroy(source.grabber);
	queue_destroy(session.sink.queue);
	widest = 0;
}

static void a_screen_that_is_too_large_is_refused(void)
{
	struct screen_source source = {.options = {.encoder = "first", .max_fps = 30}};
	struct error error = {""};

	check(busy_create(&source.grabber, NULL, NULL) == 0);
	busy_width = 16385;
	expect(screen_set_up(&source, &error) == -E2BIG);
	expect(strstr(error.text, "16385x256 pixels is too large to be recorded"));
	busy_width = BUSY_WIDTH;
	screen_tear_down(&source);
	grabber_destroy(source.grabber);
}

/* ---- continuous change ---- */

/* A letter that blinks thirty times a second, and a static rest. */
static void what_never_stops_leaves_room(void)
{
	static struct lab session;
	int64_t begun_ns, video_ns = 0, longest_ns = 0, rested = 0;
	int videos = 0;

	busy_since_ns = clock_now_ns();
	busy_area = (struct rect){8, 8, 16, 16};
	begin(&session, "busy");
	begun_ns = clock_now_ns();
	while (clock_now_ns() < begun_ns + 4 * NS_PER_S) {
		_packet_unref_ struct packet *packet =
			queue_pop(session.sink.queue, clock_now_ns() + 20 * NS_PER_S);

		check(packet != NULL);
		if (packet->channel == CHANNEL_SCREEN) {
			if (video_ns && packet->time_ns - video_ns > longest_ns)
				longest_ns = packet->time_ns - video_ns;
			video_ns = packet->time_ns;
			videos++;
		} else if (packet->channel == CHANNEL_SCREEN_PATCHES) {
			Uxrec__ScreenPatches *patches = uxrec__screen_patches__unpack(
				NULL, packet_data_size(packet), packet_data(packet));

			check(patches != NULL);
			for (size_t i = 0; patches->unchanged && i < patches->n_patches; i++)
				rested++;
			uxrec__screen_patches__free_unpacked(patches, NULL);
		}
	}
	end(&session);
	/* the video takes over patched content after a second; the machine may be busy */
	expect(videos >= 3);
	expect(longest_ns < 3 * NS_PER_S);
	/* the tiles beside it, in up to four per file */
	expect(rested >= 5);
}

/* A program that redraws the same pixels, and once others. */
static void what_is_drawn_as_it_was_leaves_room(void)
{
	static struct lab session;

	busy_since_ns = clock_now_ns();
	busy_area = (struct rect){8, 8, 16, 16};
	changes_left = 3;
	begin(&session, "busy");
	packet_unref(next_of(&session, CHANNEL_SCREEN));
	packet_unref(next_of(&session, CHANNEL_SCREEN_PATCHES));
	/* patched changes reach the video a second later */
	packet_unref(next_of(&session, CHANNEL_SCREEN));
	expect(changes_left == 0);
	end(&session);
	changes_left = INT_MAX;
}

static void expect_left_out(struct lab *session)
{
	_packet_unref_ struct packet *packet = next_of(session, CHANNEL_GAPS);
	Uxrec__Gap *gap = uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));

	check(gap && gap->reason == UXREC__GAP__REASON__REASON_OVERLOAD);
	expect(strcmp(gap->topics[0], "/screen") == 0 && gap->count > 0);
	expect(gap->to_ns > gap->from_ns);
	/* at most the count of the requested rate */
	expect((int64_t)gap->count <= (gap->to_ns - gap->from_ns) * 30 / NS_PER_S + 1);
	uxrec__gap__free_unpacked(gap, NULL);
}

/* An encoder that takes its time, and leaves the processors alone: the rate stays. */
static void pictures_that_take_too_long_are_counted(void)
{
	static struct lab session;

	busy_since_ns = clock_now_ns();
	busy_area = (struct rect){0, 0, BUSY_WIDTH, BUSY_HEIGHT};
	waits_ms = 60;
	begin(&session, "busy");
	for (int i = 0; i < 15; i++)
		packet_unref(next_of(&session, CHANNEL_SCREEN));
	waits_ms = 0;
	source_destroy(steal_ptr(session.source));
	expect_left_out(&session);
	end(&session);
}

/* Pictures dropped for lack of time are counted in a gap with their time span. */
static void left_out_pictures_are_counted(void)
{
	static struct lab session;

	busy_since_ns = clock_now_ns();
	busy_area = (struct rect){0, 0, BUSY_WIDTH, BUSY_HEIGHT};
	works_ms = 45;
	begin(&session, "busy");
	for (bool lower = false; !lower;) {
		struct packet *packet = next_of(&session, CHANNEL_SCREEN_INFO);
		Uxrec__Screen *screen;

		screen = uxrec__screen__unpack(NULL, packet_data_size(packet), packet_data(packet));
		check(screen != NULL);
		lower = screen->fps < screen->max_fps;
		uxrec__screen__free_unpacked(screen, NULL);
		packet_unref(packet);
	}
	/* pictures come at the lower rate */
	for (int i = 0; i < 8; i++)
		packet_unref(next_of(&session, CHANNEL_SCREEN));
	works_ms = 0;
	source_destroy(steal_ptr(session.source));
	expect_left_out(&session);
	end(&session);
}

/* ---- keyframes ---- */

/* between two keyframes */
struct stretch {
	int pictures, patches, said; /* `said`: the second keyframe's pictures_since */
};

/* true if it adds patches, not only clears */
static bool lays(const struct packet *packet)
{
	Uxrec__ScreenPatches *patches;
	bool lays;

	if (packet->channel != CHANNEL_SCREEN_PATCHES)
		return false;
	patches =
		uxrec__screen_patches__unpack(NULL, packet_data_size(packet), packet_data(packet));
	check(patches != NULL);
	lays = patches->n_patches > 0;
	uxrec__screen_patches__free_unpacked(patches, NULL);
	return lays;
}

/* Show changes of an area, thirty a second, without waiting for the clock; `wanted`: request a keyframe at the last.
 * @return the number of stretches filled in */
static int show(struct rect area, int changes, bool wanted, struct stretch *stretches, int most)
{
	struct lab session = {.sink = {{sink_push}, NULL}};
	struct screen_source source = {
		.context = {.clock = &session.clock, .sink = &session.sink.base},
		.options = {.encoder = "first", .max_fps = 30}};
	struct stretch now = {0};
	struct packet *packet;
	int64_t time_ns = clock_now_ns(), ignored;
	int count = -1;

	check(queue_create(&session.sink.queue, SIZE_MAX, false) == 0);
	busy_area = area;
	check(busy_create(&source.grabber, NULL, NULL) == 0);
	rate_control_init(&source.rate_control, 30);
	check(screen_set_up(&source, NULL) == 0);
	for (int i = 0; i < changes; i++) {
		check(busy_grab(source.grabber, source.canvas, &ignored) == 0);
		source.copied_ns = time_ns += NS_PER_S / 30;
		source.keyframe_wanted = wanted && i == changes - 1;
		check(screen_show(&source, time_ns) == 1);
	}
	while ((packet = queue_pop(session.sink.queue, 0))) {
		if (packet->channel == CHANNEL_SCREEN && packet->flags & PACKET_KEYFRAME) {
			if (count >= 0 && count < most)
				stretches[count] = now;
			count++;
			now = (struct stretch){.pictures = 1};
		} else if (packet->channel == CHANNEL_SCREEN_KEYFRAMES) {
			Uxrec__Keyframe *mark = uxrec__keyframe__unpack(
				NULL, packet_data_size(packet), packet_data(packet));

			check(mark != NULL);
			now.said = (int)mark->pictures_since;
			uxrec__keyframe__free_unpacked(mark, NULL);
		}
		now.pictures +=
			packet->channel == CHANNEL_SCREEN && !(packet->flags & PACKET_KEYFRAME);
		now.patches += lays(packet);
		packet_unref(packet);
	}
	screen_tear_down(&source);
	grabber_destroy(source.grabber);
	queue_destroy(session.sink.queue);
	return count;
}

static void a_keyframe_comes_after_sixty_pictures(void)
{
	const struct rect whole = {0, 0, BUSY_WIDTH, BUSY_HEIGHT};
	struct stretch stretches[8] = {{0}};

	check(show(whole, 250, false, stretches, 8) == 4);
	for (int i = 0; i < 4; i++) {
		expect(stretches[i].pictures > 50 && stretches[i].pictures <= 60);
		expect(stretches[i].said == stretches[i].pictures);
		expect(stretches[i].patches == 0);
	}
}

/* Patches over the video bring a keyframe on too: a seek draws all of them. */
static void a_keyframe_comes_after_ten_seconds_of_change(void)
{
	const struct rect letter = {8, 8, 16, 16};
	struct stretch stretches[4] = {{0}};

	check(show(letter, 650, false, stretches, 4) == 2);
	for (int i = 0; i < 2; i++) {
		expect(stretches[i].patches > 250 && stretches[i].patches <= 300);
		expect(stretches[i].pictures < 30);
		expect(stretches[i].said == stretches[i].pictures);
	}
}

static void a_keyframe_comes_when_it_is_asked_for(void)
{
	const struct rect letter = {8, 8, 16, 16}, nothing = {0};
	struct stretch stretches[2] = {{0}};

	check(show(letter, 5, true, stretches, 2) == 1);
	expect(stretches[0].pictures == 1 && stretches[0].patches == 3);
	/* also without a change */
	check(show(nothing, 1, true, stretches, 2) == 0);
}

/* ---- priorities ---- */

/* @return the thread of the screen source, which gets its name before its priority */
static pid_t find_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = 0;

	check(tasks != NULL);
	while ((entry = readdir(tasks))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(name, sizeof(name), file) && strcmp(name, "uxrec-screen\n") == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return found;
}

static void the_thread_has_the_priority(void)
{
	static const struct {
		const char *name;
		int nice, scheduler;
	} priorities[] = {
		{"usual", 0, SCHED_OTHER},
		{"low", 5, SCHED_OTHER},
		{"idle", 5, SCHED_IDLE},
	};
	int own = getpriority(PRIO_PROCESS, 0);

	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++) {
		int nice = priorities[i].nice ? priorities[i].nice : own;
		static struct lab session;
		pid_t thread;

		begin_with(&session, "test", priorities[i].name);
		/* the priority is set before the first picture */
		packet_unref(next_of(&session, CHANNEL_SCREEN));
		thread = find_thread();
		check(thread > 0);
		expect(getpriority(PRIO_PROCESS, (id_t)thread) == nice);
		expect(sched_getscheduler(thread) == priorities[i].scheduler);
		/* and not for other threads */
		expect(getpriority(PRIO_PROCESS, 0) == own);
		expect(sched_getscheduler(0) == SCHED_OTHER);
		end(&session);
	}
}

/* ---- pacing ---- */

/* A second of pictures at `work_ms` each: `cpu_ms` on a processor, `waited_ms` waiting for one. */
static bool second(
	struct rate_control *rate_control, int64_t *now_ns, int work_ms, int cpu_ms, int waited_ms)
{
	int64_t end_ns = *now_ns + NS_PER_S;
	bool changed = false;

	while (*now_ns < end_ns) {
		int64_t period_ns = rate_control_period_ns(rate_control);

		changed |= rate_control_update(rate_control, *now_ns, *now_ns + work_ms * NS_PER_MS,
			(struct rate_control_usage){0},
			(struct rate_control_usage){cpu_ms * NS_PER_MS, waited_ms * NS_PER_MS});
		*now_ns += period_ns > work_ms * NS_PER_MS ? period_ns : work_ms * NS_PER_MS;
	}
	return changed;
}

static void the_rate_follows_the_load(void)
{
	struct rate_control rate_control;
	int64_t now_ns = 5 * NS_PER_S;

	rate_control_init(&rate_control, 30);
	for (int i = 0; i < 20; i++)
		expect(!second(&rate_control, &now_ns, 10, 9, 1));
	expect(rate_control.fps == 30);
	/* more than seven tenths of a processor */
	for (int i = 0; i < 4; i++)
		second(&rate_control, &now_ns, 28, 27, 1);
	expect(rate_control.fps == 15);
	for (int i = 0; i < 20; i++)
		expect(!second(&rate_control, &now_ns, 28, 27, 1)); /* doubled, too much */
	/* others need the machine: waiting for a processor exceeds the work */
	for (int i = 0; i < 10; i++)
		second(&rate_control, &now_ns, 60, 10, 50);
	expect(rate_control.fps >= RATE_CONTROL_MIN_FPS && rate_control.fps < 8);
	for (int i = 0; i < 30; i++)
		second(&rate_control, &now_ns, 5, 5, 0);
	expect(rate_control.fps == 30);
	/* short waits do not count */
	for (int i = 0; i < 10; i++)
		expect(!second(&rate_control, &now_ns, 1, 0, 1));
	/* nor does the time of a graphics card or a remote display */
	for (int i = 0; i < 10; i++)
		expect(!second(&rate_control, &now_ns, 25, 3, 1));
	rate_control_init(&rate_control, 5);
	for (int i = 0; i < 10; i++)
		second(&rate_control, &now_ns, 500, 499, 1);
	expect(rate_control.fps == 5);
}

static const struct test tests[] = {
	{"a failed encoder is replaced, with a gap", a_failed_encoder_is_replaced},
	{"one that always fails ends the source", a_hopeless_encoder_ends_the_source},
	{"constant changes leave room for the video and for areas at rest",
		what_never_stops_leaves_room},
	{"a change of encoder for a larger screen is reported with the reason",
		another_encoder_for_a_larger_screen_is_told},
	{"a screen that is too large is refused with its size",
		a_screen_that_is_too_large_is_refused},
	{"the video catches up while the same is drawn again and again",
		what_is_drawn_as_it_was_leaves_room},
	{"pictures that take too long are counted at the full rate too",
		pictures_that_take_too_long_are_counted},
	{"dropped pictures are counted, with a gap", left_out_pictures_are_counted},
	{"a keyframe comes after at most sixty pictures", a_keyframe_comes_after_sixty_pictures},
	{"and after ten seconds of patches over the video",
		a_keyframe_comes_after_ten_seconds_of_change},
	{"and when it is asked for", a_keyframe_comes_when_it_is_asked_for},
	{"the screen's thread, and no other, has the priority that was asked for",
		the_thread_has_the_priority},
	{"the pace follows the load", the_rate_follows_the_load},
};

int main(void)
{
	return RUN_TESTS("screen", tests);
}
