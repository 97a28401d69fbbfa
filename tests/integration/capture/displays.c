/* X servers of labs: the recording of each equals its screen. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/screen.pb-c.h"
#include "replay/decode/frames.h"
#include "replay/session/info.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a changed area is at rest after half a second, and exact soon after */
#define REST_MS 1500

static const char *const screen_alone[] = {"--input", "none", NULL};

/* ---- recorded data ---- */

struct found {
	size_t pictures, keyframes, positions;
	size_t infos; /* with another size; on a busy machine others carry just the frame rate */
	uint32_t width_px, height_px;
	int64_t keyframe_ns; /* newest */
};

static int count_message(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__Screen *info = (const void *)unpacked;
	struct found *found = user;

	switch (message->channel->known) {
	case CHANNEL_SCREEN: found->pictures++; break;
	case CHANNEL_SCREEN_KEYFRAMES:
		found->keyframes++;
		found->keyframe_ns = message->time_ns;
		break;
	case CHANNEL_SCREEN_INFO:
		found->infos +=
			info->width_px != found->width_px || info->height_px != found->height_px;
		found->width_px = info->width_px;
		found->height_px = info->height_px;
		break;
	case CHANNEL_POINTER: found->positions++; break;
	default: break;
	}
	return 0;
}

static struct found look(const struct session *session, int64_t from_ns)
{
	struct found found = {0};

	check(session_each(session, from_ns, INT64_MAX,
		      UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES |
			      UINT64_C(1) << CHANNEL_SCREEN_INFO | UINT64_C(1) << CHANNEL_POINTER,
		      count_message, &found) == 0);
	return found;
}

/* @return the number of pixels of the last picture that differ from `pixels`, or SIZE_MAX if its size does */
static size_t wrong_at_the_end(
	const struct session *session, const uint32_t *pixels, int width, int height)
{
	_destroy_(frames) struct frames *frames = NULL;
	struct frame frame;
	size_t wrong = 0;

	check(frames_create(&frames, session->reader, NULL) == 0);
	check(frames_seek(frames, INT64_MAX, &frame) == 1);
	if (frame.width != width || frame.height != height)
		return SIZE_MAX;
	for (int y = 0; y < height; y++) {
		const uint32_t *shown =
			(const void *)(frame.pixels + (ptrdiff_t)y * frame.stride_bytes);

		for (int x = 0; x < width; x++)
			wrong += (shown[x] ^ pixels[(ptrdiff_t)y * width + x]) << 8 != 0;
	}
	return wrong;
}

/* ---- a restarted server ---- */

static void paint_marks(struct desktop *desktop, uint32_t rgb)
{
	for (int i = 0; i < 8; i++)
		desktop_paint(desktop, rgb, 10 + 70 * i, 20 + 30 * i, 40, 20);
}

static size_t count_gaps(const struct session_facts *facts, const char *topic)
{
	size_t count = 0;

	for (size_t i = 0; i < facts->gap_count; i++) {
		const Uxrec__Gap *gap = facts->gaps[i];

		count += gap->reason == UXREC__GAP__REASON__REASON_SOURCE_LOST &&
			gap->n_topics == 1 && strcmp(gap->topics[0], topic) == 0 &&
			gap->to_ns - gap->from_ns > NS_PER_S;
	}
	return count;
}

static void server_comes_back(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_autofree_ char *status = NULL, *after = NULL;
	_autofree_ uint32_t *pixels = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct found found;
	int64_t back_ns;
	char id[21];
	int number = desktop_own_number(), width, height;

	if (!desktop_start_with(&desktop, number, "640x480x24", NULL))
		return;
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	paint_marks(&desktop, 0xff8000);
	sleep_ms(300);
	xcb_disconnect(steal_ptr(desktop.connection));
	end_child(&desktop.xvfb, SIGKILL);
	check(child_says(&daemon.child, "screen: the connection to the display was lost", 10));
	check(child_says(&daemon.child, "pointer: the connection to the display was lost", 10));
	expect(daemon_command(&daemon, &status, "status", "--json", NULL) == 0);
	expect(strstr(status, "\"recording\"") &&
		strstr(status, "the connection to the display was lost"));
	sleep_ms(1500);
	back_ns = clock_now_ns();
	check(desktop_start_with(&desktop, number, "800x300x24", NULL));
	paint_marks(&desktop, 0x0080ff);
	check(child_says(&daemon.child, "screen: no longer reconnecting", 15));
	check(child_says(&daemon.child, "pointer: no longer reconnecting", 15));
	expect(daemon_command(&daemon, &after, "status", "--json", NULL) == 0);
	expect(!strstr(after, "the connection to the display was lost"));
	paint_marks(&desktop, 0x00ff40);
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 77, 55);
	sleep_ms(REST_MS);
	pixels = desktop_picture(&desktop, &width, &height);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(count_gaps(facts, "/screen") == 1 && count_gaps(facts, "/pointer") == 1);
	found = look(session, session_offset_ns(session) + back_ns);
	expect(found.infos == 1 && found.keyframes >= 1 && found.positions >= 1);
	expect(wrong_at_the_end(session, pixels, width, height) == 0);
}

/* reconnects are tried again and again, but nothing waits for them */
static void server_stays_away(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start_with(&desktop, desktop_own_number(), "640x480x24", NULL))
		return;
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	sleep_ms(300);
	end_child(&desktop.xvfb, SIGKILL);
	sleep_ms(1500);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "stop", "--outcome", "failed", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(count_gaps(facts, "/screen") == 1 && count_gaps(facts, "/pointer") == 1);
	desktop_end(&desktop);
}

/* ---- other kinds of servers ---- */

/* A server's pixel format as masks; pictures of it have 8 bits per channel. */
struct colours {
	int bits; /* per pixel */
	struct channel_bits {
		int shift, bits;
	} red, green, blue;
};

static uint32_t eight_bits(uint32_t pixel, struct channel_bits channel)
{
	uint32_t value = pixel >> channel.shift & ((1u << channel.bits) - 1);

	if (channel.bits >= 8)
		return value >> (channel.bits - 8);
	return value << (8 - channel.bits) | value >> (2 * channel.bits - 8);
}

static uint32_t as_rgb(uint32_t pixel, const struct colours *colours)
{
	return eight_bits(pixel, colours->red) << 16 | eight_bits(pixel, colours->green) << 8 |
		eight_bits(pixel, colours->blue);
}

/* the screen's expected picture in the recording; the caller frees it */
static uint32_t *expected(
	struct desktop *desktop, const struct colours *colours, int width, int height)
{
	xcb_connection_t *c = desktop->connection;
	_autofree_ xcb_get_image_reply_t *image = xcb_get_image_reply(c,
		xcb_get_image(c, XCB_IMAGE_FORMAT_Z_PIXMAP, desktop->screen->root, 0, 0,
			(uint16_t)width, (uint16_t)height, UINT32_MAX),
		NULL);
	int stride = (width * colours->bits + 31) / 32 * 4;
	uint32_t *pixels = calloc((size_t)width * (size_t)height, 4);

	check(image && pixels && xcb_get_image_data_length(image) >= stride * height);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			uint32_t pixel = 0;

			memcpy(&pixel,
				xcb_get_image_data(image) + (ptrdiff_t)y * stride +
					x * (colours->bits / 8),
				(size_t)colours->bits / 8);
			pixels[y * width + x] = as_rgb(pixel, colours);
		}
	return pixels;
}

struct kind {
	const char *screen; /* WIDTHxHEIGHTxDEPTH */
	const char *const *extra;
	struct colours colours;
	const char *says; /* in the log and the doctor's report; NULL: nothing */
};

/* every value of every channel, and a moving part */
static void draw_colours(
	struct desktop *desktop, const struct colours *colours, int width, int height)
{
	int bits = colours->red.bits + colours->green.bits + colours->blue.bits;
	uint64_t random = 6;

	for (int i = 0; i < 300; i++) {
		uint32_t pixel = (uint32_t)(next_random(&random) & ((UINT64_C(1) << bits) - 1));

		desktop_paint(desktop, pixel, (int)(next_random(&random) % (uint64_t)width),
			(int)(next_random(&random) % (uint64_t)height), 1 + i % 40, 1 + i % 23);
		if (i % 10 == 0)
			sleep_ms(15);
	}
}

static void doctor_says(const char *wanted)
{
	_autofree_ char *output = NULL;
	char program[256];

	snprintf(program, sizeof(program), "%s/uxrec-doctor", build_folder());
	run_child(&output, program, "--input", "none", "--sound", "none", NULL);
	expect((strstr(output, "The X server") || strstr(output, "the X server")) ==
		(wanted != NULL));
	if (wanted && !strstr(output, wanted))
		printf("# uxrec-doctor: %s\n", output);
	expect(!wanted || strstr(output, wanted) != NULL);
}

static void is_recorded(const struct kind *kind)
{
	_destroy_(session) struct session *session = NULL;
	_autofree_ uint32_t *pixels = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	int width, height;
	size_t wrong;
	char id[21];

	if (!desktop_start_with(&desktop, -1, kind->screen, kind->extra))
		return;
	check(sscanf(kind->screen, "%dx%d", &width, &height) == 2);
	daemon_start(&daemon, temporary_folder(), screen_alone);
	expect(child_says(&daemon.child, "the X server", 0) == (kind->says != NULL));
	expect(!kind->says || child_says(&daemon.child, kind->says, 0));
	doctor_says(kind->says);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	draw_colours(&desktop, &kind->colours, width, height);
	sleep_ms(REST_MS + 500 + width * height / 3000); /* 8K: 11 s */
	pixels = expected(&desktop, &kind->colours, width, height);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	session = daemon_session(&daemon, id);
	wrong = wrong_at_the_end(session, pixels, width, height);
	if (wrong > 0)
		printf("# %s: %zu wrong pixels\n", kind->screen, wrong);
	expect(wrong == 0);
	printf("# %s: %zu pictures\n", kind->screen, look(session, INT64_MIN).pictures);
}

#define COLOURS_24                                                                                 \
	{                                                                                          \
		32, {16, 8}, {8, 8},                                                               \
		{                                                                                  \
			0, 8                                                                       \
		}                                                                                  \
	}

static void few_colours_are_recorded(void)
{
	static const struct kind kinds[] = {
		{"323x241x16", NULL, {16, {11, 5}, {5, 6}, {0, 5}}, NULL},
		{"323x241x15", NULL, {16, {10, 5}, {5, 5}, {0, 5}}, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		is_recorded(&kinds[i]);
}

static void many_colours_are_recorded(void)
{
	is_recorded(&(struct kind){"323x241x30", NULL, {32, {20, 10}, {10, 10}, {0, 10}}, NULL});
}

static void colour_maps_are_refused(void)
{
	_autofree_ char *output = NULL;
	struct desktop desktop = {0};
	char program[256];

	if (!desktop_start_with(&desktop, -1, "320x240x8", NULL))
		return;
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	expect(run_child(&output, program, "--library", temporary_folder(), "--input", "none",
		       NULL) == 3);
	expect(strstr(output, "colour map") && strstr(output, "depth 24"));
	desktop_end(&desktop);
}

static void no_shared_memory_is_needed(void)
{
	static const char *const extra[] = {"-extension", "MIT-SHM", NULL};

	is_recorded(&(struct kind){"1001x703x24", extra, COLOURS_24, "no shared memory"});
	is_recorded(&(struct kind){
		"323x241x16", extra, {16, {11, 5}, {5, 6}, {0, 5}}, "no shared memory"});
}

static void no_damage_is_needed(void)
{
	static const char *const no_damage[] = {"-extension", "DAMAGE", NULL};
	static const char *const nothing[] = {
		"-extension", "DAMAGE", "-extension", "MIT-SHM", NULL};

	is_recorded(&(struct kind){"641x480x24", no_damage, COLOURS_24, "no change events"});
	/* XFIXES cannot be turned off: this Xvfb then fails an assertion when a client leaves */
	is_recorded(&(struct kind){"641x480x24", nothing, COLOURS_24, "pictures come over"});
}

/* the smallest possible X screen, and sizes that an encoder cannot take unpadded */
static void small_screens_are_recorded(void)
{
	static const char *const sizes[] = {"1x1x24", "2x1x24", "15x17x24", "3x400x24"};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		is_recorded(&(struct kind){sizes[i], NULL, COLOURS_24, NULL});
}

static void large_screens_are_recorded(void)
{
	const char *size = getenv("UXREC_LONG") ? "7680x4320x24" : "3840x2160x24";

	is_recorded(&(struct kind){size, NULL, COLOURS_24, NULL});
}

/* The server draws blanking like any other content. */
static void blanked_screen_is_recorded(void)
{
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *log = NULL;
	_autofree_ uint32_t *pixels = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct found found;
	char id[21];
	int width, height;

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	paint_marks(&desktop, 0xff8000);
	xcb_force_screen_saver(desktop.connection, XCB_SCREEN_SAVER_ACTIVE);
	xcb_flush(desktop.connection);
	sleep_ms(REST_MS);
	desktop_paint(&desktop, 0x336699, 100, 100, 50, 50);
	sleep_ms(REST_MS);
	pixels = desktop_picture(&desktop, &width, &height);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	log = child_output(&daemon.child);
	expect(!strstr(log, "warning: screen") && !strstr(log, "error:"));
	desktop_end(&desktop);
	session = daemon_session(&daemon, id);
	found = look(session, INT64_MIN);
	expect(found.pictures < 15);
	expect(wrong_at_the_end(session, pixels, width, height) == 0);
}

/* ---- several monitors ---- */

struct layouts {
	char text[8][200]; /* "HDMI-1 0,0 100x100; …" of every /screen/info with a new layout */
	size_t count;
};

static int take_layout(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__Screen *screen = (const void *)unpacked;
	struct layouts *layouts = user;
	char *text = layouts->text[layouts->count];
	size_t at = 0;

	(void)message;
	check(layouts->count++ < ARRAY_SIZE(layouts->text));
	for (size_t i = 0; i < screen->n_monitors && at < sizeof(layouts->text[0]); i++) {
		const Uxrec__Monitor *monitor = screen->monitors[i];

		at += (size_t)snprintf(text + at, sizeof(layouts->text[0]) - at, "%s%s %d,%d %ux%u",
			i ? "; " : "", monitor->name, monitor->x_px, monitor->y_px,
			monitor->width_px, monitor->height_px);
	}
	/* a lower frame rate on a busy machine has an info too */
	if (layouts->count > 1 && strcmp(text, text - sizeof(layouts->text[0])) == 0)
		layouts->count--;
	return 0;
}

static void blacken(uint32_t *pixels, int stride, int x, int y, int width, int height)
{
	for (int row = y; row < y + height; row++)
		memset(&pixels[row * stride + x], 0, (size_t)width * 4);
}

static void check_info(const struct daemon_child *daemon, const char *id)
{
	_autofree_ char *text = NULL, *json = NULL, *folder = NULL;
	char program[512];

	check(asprintf(&folder, "%s/%s", daemon->library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&text, program, "info", folder, NULL) == 0);
	expect(run_child(&json, program, "info", folder, "--json", NULL) == 0);
	expect(strstr(text,
		"\nscreen       800x600, by x11\n"
		"monitor      screen: 800x600 at 0,0\n"
		"screen       800x600, by x11, from "));
	expect(strstr(text,
		"\nmonitor      screen: 400x600 at 0,0\n"
		"monitor      without a name: 300x400 at 450,100\n"));
	/* a user-chosen monitor name is private */
	expect(!strstr(text, "Ana") && !strstr(json, "Ana"));
	expect(strstr(json, "\"screens\"") && strstr(json, "\"name\": \"screen\""));
	expect(strstr(json, "\"x_px\": 450") && strstr(json, "\"grabber\": \"x11\""));
}

static struct layouts layouts_of(const struct session *session)
{
	struct layouts layouts = {.count = 0};

	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_SCREEN_INFO,
		      take_layout, &layouts) == 0);
	return layouts;
}

/* during the recording */
static bool gets_layouts(const struct daemon_child *daemon, const char *id, size_t count)
{
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	do {
		_destroy_(session) struct session *session = daemon_session(daemon, id);

		if (session->reader && layouts_of(session).count >= count)
			return true;
		sleep_ms(50);
	} while (clock_now_ns() < until_ns);
	return false;
}

static void monitors_are_kept(void)
{
	_destroy_(session) struct session *session = NULL;
	_autofree_ uint32_t *pixels = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct layouts layouts;
	char id[21];
	int width, height;

	if (!desktop_start(&desktop, 800, 600))
		return;
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	desktop_paint(&desktop, 0x8080ff, 0, 0, 800, 600);
	check(gets_layouts(&daemon, id, 1));
	desktop_add_monitor(&desktop, "Ana's left one", true, 0, 0, 400, 600);
	check(gets_layouts(&daemon, id, 2));
	desktop_add_monitor(&desktop, "Ana's right one", false, 450, 100, 300, 400);
	check(gets_layouts(&daemon, id, 3));
	draw_colours(&desktop, &(const struct colours)COLOURS_24, 800, 600);
	sleep_ms(REST_MS + 500);
	pixels = desktop_picture(&desktop, &width, &height);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	session = daemon_session(&daemon, id);
	layouts = layouts_of(session);
	check(layouts.count == 3);
	expect(strcmp(layouts.text[0], "screen 0,0 800x600") == 0);
	expect(strcmp(layouts.text[1], "screen 0,0 400x600") == 0);
	expect(strcmp(layouts.text[2], "screen 0,0 400x600;  450,100 300x400") == 0);
	check_info(&daemon, id);
	blacken(pixels, width, 400, 0, 50, 600);
	blacken(pixels, width, 750, 0, 50, 600);
	blacken(pixels, width, 450, 0, 300, 100);
	blacken(pixels, width, 450, 500, 300, 100);
	expect(wrong_at_the_end(session, pixels, width, height) == 0);
}

static const struct test tests[] = {
	{"a restarted server is recorded again, with a gap", server_comes_back},
	{"a server that stays away blocks nobody, and is a gap", server_stays_away},
	{"screens of 15 and 16 bits of colour are recorded exactly", few_colours_are_recorded},
	{"a screen of 30 bits of colour is recorded with 24", many_colours_are_recorded},
	{"a screen with a colour map is refused, with a remedy", colour_maps_are_refused},
	{"a server that shares no memory is recorded over its connection",
		no_shared_memory_is_needed},
	{"a server without damage reports is polled", no_damage_is_needed},
	{"screens of a few pixels are recorded", small_screens_are_recorded},
	{"a screen of 33 million pixels is recorded", large_screens_are_recorded},
	{"a blanked screen is recorded as it is", blanked_screen_is_recorded},
	{"monitors are kept, and areas outside of them are black", monitors_are_kept},
};

int main(void)
{
	return RUN_TESTS("displays", tests);
}
