/*
 * Runs inside the virtual machine, as root: a desktop moves its pointer by libinput, from the same devices that uxrec
 * reads. The position of each click by the device must equal the pointer's at that time: with Xorg by the recording of
 * its pointer, with sway by the events of a client of its own. That client gets keys too.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "capture/screen/grabber.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xcb/randr.h>

#define DISPLAY_NAME ":7"
#define DISPLAY_CARD "/dev/dri/card0"
#define SWAY_FOLDER  "/run/uxrec-sway"
#define NOBODY       65534
#define TABLET_LAST  32767
#define XKB_FIRST    8 /* a client's keycode is the kernel's code plus this */

/* in the tablet's units */
static const int32_t places[][2] = {
	{1000, 2000}, {8000, 16000}, {16384, 16384}, {30000, 100}, {32767, 32767}};

struct click {
	int64_t time_ns; /* CLOCK_MONOTONIC, of the release */
	double x, y;
};

struct clicks {
	struct click list[2 * ARRAY_SIZE(places)];
	size_t count;
};

static void add_click(struct clicks *clicks, int64_t time_ns, double x, double y)
{
	check(clicks->count < ARRAY_SIZE(clicks->list));
	clicks->list[clicks->count++] = (struct click){time_ns, x, y};
}

static void click_places(int pause_ms)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		check(lab_host_click(places[i][0], places[i][1]));
		sleep_ms(pause_ms);
	}
}

/* from the device, in its units */
static struct clicks clicks_of_tablet(const struct lab_file *file)
{
	uint32_t tablet = lab_file_device(file, "USB Tablet")->device;
	struct clicks clicks = {.count = 0};
	int32_t x = -1, y = -1;

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		if (seen->device != tablet || seen->channel != CHANNEL_CONTROLS)
			continue;
		x = seen->what == UXREC__CONTROL__CONTROL_ABS_X ? seen->value : x;
		y = seen->what == UXREC__CONTROL__CONTROL_ABS_Y ? seen->value : y;
		if (seen->what == UXREC__CONTROL__CONTROL_BUTTON_LEFT && seen->value == 0)
			add_click(&clicks, seen->time_ns, x, y);
	}
	return clicks;
}

static bool is_near(double value, int size, double pixel)
{
	double wanted = value * size / (TABLET_LAST + 1);

	return pixel > wanted - 1.5 && pixel < wanted + 1.5;
}

static void expect_same_places(
	const struct clicks *tablet, const struct clicks *pointer, int width, int height)
{
	expect(tablet->count == ARRAY_SIZE(places));
	check(tablet->count == pointer->count);
	for (size_t i = 0; i < tablet->count; i++) {
		const struct click *wanted = &tablet->list[i], *click = &pointer->list[i];

		printf("# the tablet %.0f, %.0f, the pointer %.2f, %.2f of %d x %d\n", wanted->x,
			wanted->y, click->x, click->y, width, height);
		expect(is_near(wanted->x, width, click->x));
		expect(is_near(wanted->y, height, click->y));
	}
}

static void write_file(const char *path, const char *text)
{
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

/* ---- Xorg ---- */

static const char xorg_configuration[] =
	"Section \"ServerFlags\"\n"
	"  Option \"DontVTSwitch\" \"true\"\n"
	"  Option \"AutoAddDevices\" \"true\"\n"
	"EndSection\n"
	"Section \"Device\"\n"
	"  Identifier \"screen\"\n"
	"  Driver \"modesetting\"\n"
	"  Option \"AccelMethod\" \"none\"\n"
	"EndSection\n";

/* shared by the tests: this machine takes seconds to start it */
static struct {
	struct child child;
	bool runs;
	int width, height;
} xorg;

static bool await_xorg(void)
{
	for (int i = 0; i < 300; i++) {
		xcb_connection_t *connection = xcb_connect(DISPLAY_NAME, NULL);
		bool failed = xcb_connection_has_error(connection);

		if (!failed) {
			const xcb_screen_t *screen =
				xcb_setup_roots_iterator(xcb_get_setup(connection)).data;

			xorg.width = screen->width_in_pixels;
			xorg.height = screen->height_in_pixels;
		}
		xcb_disconnect(connection);
		if (!failed)
			return true;
		sleep_ms(100);
	}
	return false;
}

static void end_xorg(void)
{
	if (xorg.runs)
		end_child(&xorg.child, SIGTERM);
	xorg.runs = false;
}

/* @return false without one: the test is skipped */
static bool start_xorg(void)
{
	_autofree_ char *path = temporary_path("xorg.conf"), *log = temporary_path("xorg.log");
	bool answers;

	if (xorg.runs)
		return true;
	if (!has_program("Xorg") || access(DISPLAY_CARD, F_OK) != 0) {
		skip_test("no Xorg, or no display");
		return false;
	}
	write_file(path, xorg_configuration);
	xorg.runs = true;
	xorg.child = start_child("Xorg",
		(const char *[]){DISPLAY_NAME, "vt7", "-keeptty", "-novtswitch", "-nolisten", "tcp",
			"-noreset", "-config", path, "-logfile", log, NULL});
	answers = await_xorg();
	if (!answers) {
		printf("# %s\n", child_output(&xorg.child));
		end_xorg();
	}
	check(answers);
	return true;
}

/* position of the screen's pointer, from its last message before a time */
static const struct lab_seen *pointer_at(const struct lab_file *file, int64_t time_ns)
{
	const struct lab_seen *newest = NULL;

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		if (seen->channel == CHANNEL_POINTER && seen->time_ns <= time_ns)
			newest = seen;
	}
	return newest;
}

static struct clicks clicks_of_xorg(const struct lab_file *file, const struct clicks *tablet)
{
	struct clicks clicks = {.count = 0};

	for (size_t i = 0; i < tablet->count; i++) {
		int64_t time_ns = tablet->list[i].time_ns;
		const struct lab_seen *pointer = pointer_at(file, time_ns + 500 * NS_PER_MS);

		check(pointer != NULL);
		add_click(&clicks, time_ns, pointer->what, pointer->value);
	}
	return clicks;
}

static void xorg_agrees(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct clicks tablet, pointer;

	if (!start_xorg())
		return;
	lab_record_with(&recording, "classes",
		(const char *[]){"--screen", "x11", "--display", DISPLAY_NAME, "--fps", "2",
			"--input", "evdev", NULL});
	click_places(1000);
	file = lab_recording_end(&recording);
	tablet = clicks_of_tablet(file);
	pointer = clicks_of_xorg(file, &tablet);
	expect_same_places(&tablet, &pointer, xorg.width, xorg.height);
}

/* ---- a rotated monitor ---- */

/* Grab until no change has come for a second. */
static void follow(struct grabber *grabber, struct canvas **canvas)
{
	int64_t damage_ns, copied_ns;

	while (grabber->ops->wait(grabber, -1, clock_now_ns() + NS_PER_S, &damage_ns) == 1) {
		int r = *canvas ? grabber->ops->grab(grabber, *canvas, &copied_ns) : -EAGAIN;
		struct grabber_size size = grabber->ops->size(grabber);

		check(r == 0 || r == -EAGAIN);
		if (*canvas && (*canvas)->width == size.width && (*canvas)->height == size.height)
			continue;
		canvas_destroy(steal_ptr(*canvas));
		check(canvas_create(canvas, size.width, size.height, CHROMA_420) == 0);
		grabber->ops->damage_all(grabber);
	}
}

static int wrong_pixels(struct desktop *desktop, const struct canvas *canvas)
{
	int width, height, wrong = 0;
	_autofree_ uint32_t *pixels = desktop_picture(desktop, &width, &height);

	if (width != canvas->width || height != canvas->height)
		return width * height;
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			uint32_t pixel;

			memcpy(&pixel, canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * x, 4);
			wrong += ((pixel ^ pixels[y * width + x]) & 0xffffff) != 0;
		}
	return wrong;
}

static void turned_monitors_are_copied(void)
{
	static const uint16_t turns[] = {XCB_RANDR_ROTATION_ROTATE_90,
		XCB_RANDR_ROTATION_ROTATE_180, XCB_RANDR_ROTATION_ROTATE_270,
		XCB_RANDR_ROTATION_ROTATE_0};
	struct desktop desktop = {.display = DISPLAY_NAME};
	_destroy_(grabber) struct grabber *grabber = NULL;
	_destroy_(canvas) struct canvas *canvas = NULL;
	struct error error = {""};

	if (!start_xorg())
		return;
	desktop.connection = xcb_connect(DISPLAY_NAME, NULL);
	desktop.screen = xcb_setup_roots_iterator(xcb_get_setup(desktop.connection)).data;
	if (grabber_x11.create(
		    &grabber, &(struct grabber_target){.display = DISPLAY_NAME}, &error) < 0)
		printf("# %s\n", error.text);
	check(grabber != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		const struct monitors *monitors;
		bool upright =
			turns[i] & (XCB_RANDR_ROTATION_ROTATE_0 | XCB_RANDR_ROTATION_ROTATE_180);

		check(desktop_turn(&desktop, turns[i]));
		desktop_paint(&desktop, 0x204060 * (uint32_t)(i + 1), 0, 0, 300, 500);
		desktop_paint(&desktop, 0x908070 + (uint32_t)i, 33, 55, 77, 99);
		follow(grabber, &canvas);
		expect(canvas->width == (upright ? xorg.width : xorg.height));
		expect(canvas->height == (upright ? xorg.height : xorg.width));
		expect(wrong_pixels(&desktop, canvas) == 0);
		monitors = grabber->ops->monitors(grabber);
		expect(monitors->count == 1 && monitors->monitor[0].area.width == canvas->width &&
			monitors->monitor[0].area.height == canvas->height);
	}
	grabber_destroy(steal_ptr(grabber));
	xcb_disconnect(desktop.connection);
}

/* ---- sway ---- */

/* One client has the whole screen, so that its coordinates are the screen's; its events are in sway's log. */
static const char sway_configuration[] =
	"xwayland disable\n"
	"default_border none\n"
	"exec stdbuf -oL wev -f xdg_toplevel:configure -f wl_pointer -f wl_keyboard\n";

static const char typed[] = "uxrec7";

#define TYPED_COUNT (sizeof(typed) - 1)

struct stroke {
	int64_t time_ms; /* CLOCK_MONOTONIC */
	unsigned code;
	bool down;
};

struct strokes {
	struct stroke list[4 * TYPED_COUNT];
	size_t count;
};

struct sway {
	struct child seatd, child;
};

/* events of sway's client */
struct words {
	int width, height;
	double x, y;
	struct clicks clicks;
	struct strokes strokes;
};

static void add_stroke(struct strokes *strokes, int64_t time_ms, unsigned code, bool down)
{
	check(strokes->count < ARRAY_SIZE(strokes->list));
	strokes->list[strokes->count++] = (struct stroke){time_ms, code, down};
}

static void take_line(struct words *words, const char *line)
{
	const char *end = strchr(line, ']'), *place = strstr(line, "x, y: ");
	unsigned code, down;
	long long time_ms;

	if (*line != '[' || !end)
		return;
	if (place)
		sscanf(place, "x, y: %lf, %lf", &words->x, &words->y);
	sscanf(end, "] configure: width: %d; height: %d", &words->width, &words->height);
	if (sscanf(end, "] button: serial: %*d; time: %lld; button: %u (left), state: %u", &time_ms,
		    &code, &down) == 3 &&
		!down)
		add_click(&words->clicks, time_ms * NS_PER_MS, words->x, words->y);
	if (sscanf(end, "] key: serial: %*d; time: %lld; key: %u; state: %u", &time_ms, &code,
		    &down) == 3)
		add_stroke(&words->strokes, time_ms, code - XKB_FIRST, down);
}

static struct words words_of_sway(const struct sway *sway)
{
	_autofree_ char *output = child_output(&sway->child);
	struct words words = {.x = -1, .y = -1};
	char *rest = output, *line;

	while ((line = strsep(&rest, "\n")))
		if (rest) /* a whole line */
			take_line(&words, line);
	return words;
}

/* Wait until all events have reached the client, however slow this machine is. */
static struct words await_words(const struct sway *sway)
{
	struct words words;

	for (int i = 0; i < 200; i++) {
		words = words_of_sway(sway);
		if (words.clicks.count >= ARRAY_SIZE(places) &&
			words.strokes.count >= 2 * TYPED_COUNT)
			break;
		sleep_ms(100);
	}
	return words;
}

static void end_sway(struct sway *sway)
{
	end_child(&sway->child, SIGTERM);
	end_child(&sway->seatd, SIGTERM);
}

/* As nobody, since it refuses root. @return false if it does not answer; its output has been printed then */
static bool start_sway(struct sway *sway)
{
	check(mkdir(SWAY_FOLDER, 0700) == 0 && chown(SWAY_FOLDER, NOBODY, NOBODY) == 0);
	write_file(SWAY_FOLDER "/config", sway_configuration);
	sway->seatd = start_child(
		"env", (const char *[]){"SEATD_VTBOUND=0", "seatd", "-g", "nogroup", NULL});
	check(child_says(&sway->seatd, "seatd started", 30));
	sway->child = start_child("env",
		(const char *[]){"HOME=" SWAY_FOLDER, "XDG_RUNTIME_DIR=" SWAY_FOLDER,
			"LIBSEAT_BACKEND=seatd", "WLR_BACKENDS=drm,libinput", "WLR_RENDERER=pixman",
			"WLR_DRM_DEVICES=" DISPLAY_CARD, "setpriv", "--reuid=nobody",
			"--regid=nogroup", "--clear-groups", "sway", "-c", SWAY_FOLDER "/config",
			NULL});
	if (child_says(&sway->child, "wl_keyboard] enter", 180) &&
		child_says(&sway->child, "wl_pointer] enter", 180))
		return true;
	printf("# %s\n", child_output(&sway->child));
	end_sway(sway);
	return false;
}

/* clients get milliseconds */
static void expect_same_times(const struct clicks *tablet, const struct clicks *pointer)
{
	for (size_t i = 0; i < tablet->count; i++)
		expect(tablet->list[i].time_ns / NS_PER_MS == pointer->list[i].time_ns / NS_PER_MS);
}

static struct strokes strokes_of_keyboards(const struct lab_file *file)
{
	struct strokes strokes = {.count = 0};

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		/* clients do not get the kernel's key repeats */
		if (seen->channel == CHANNEL_KEYS && seen->value <= 1)
			add_stroke(&strokes, seen->time_ns / NS_PER_MS, (unsigned)seen->what,
				seen->value);
	}
	return strokes;
}

static void expect_same_strokes(const struct strokes *recorded, const struct strokes *told)
{
	printf("# keys: %zu strokes recorded, sway has told %zu\n", recorded->count, told->count);
	expect(recorded->count == 2 * TYPED_COUNT);
	check(recorded->count == told->count);
	for (size_t i = 0; i < recorded->count; i++) {
		const struct stroke *wanted = &recorded->list[i], *stroke = &told->list[i];

		expect(wanted->code == stroke->code && wanted->down == stroke->down);
		expect(wanted->time_ms == stroke->time_ms);
	}
}

static void expect_agreement(const struct lab_file *file, const struct words *words)
{
	struct clicks tablet = clicks_of_tablet(file);
	struct strokes strokes = strokes_of_keyboards(file);

	expect_same_places(&tablet, &words->clicks, words->width, words->height);
	expect_same_times(&tablet, &words->clicks);
	expect_same_strokes(&strokes, &words->strokes);
}

static void sway_agrees(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct words words;
	struct sway sway;

	if (!has_program("sway") || !has_program("seatd") || !has_program("wev") ||
		access(DISPLAY_CARD, F_OK) != 0) {
		skip_test("no sway, no seatd, no wev, or no display");
		return;
	}
	end_xorg(); /* both need the display */
	if (!start_sway(&sway)) {
		check(!"sway started");
		return;
	}
	lab_record_with(
		&recording, "full", (const char *[]){"--screen", "none", "--input", "evdev", NULL});
	click_places(200);
	for (size_t i = 0; i < TYPED_COUNT; i++)
		check(lab_host_tap(typed[i]));
	words = await_words(&sway);
	file = lab_recording_end(&recording);
	end_sway(&sway);
	expect_agreement(file, &words);
}

static const struct test tests[] = {
	{"Xorg's pointer is where the device puts it", xorg_agrees},
	{"a rotated monitor is copied as displayed", turned_monitors_are_copied},
	{"sway's pointer is where the device puts it, and its keys are those recorded",
		sway_agrees},
};

int main(void)
{
	int failed = RUN_TESTS("vm pointer", tests) + lab_end();

	end_xorg();
	return failed;
}
