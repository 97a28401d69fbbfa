/*
 * Runs inside the virtual machine, as root: a desktop moves its pointer by libinput, from the same devices that
 * uxrec reads. Where each click was by the device, and where the pointer was then, is one place.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/lab_evdev.h"

#include "protocol/base/clock.h"
#include "protocol/base/io.h"
#include "protocol/channel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DISPLAY_NAME ":7"
#define TABLET_LAST  32767

/* in the tablet's units */
static const int32_t places[][2] = {
	{1000, 2000}, {8000, 16000}, {16384, 16384}, {30000, 100}, {32767, 32767}};

static const char configuration[] =
	"Section \"ServerFlags\"\n"
	"  Option \"DontVTSwitch\" \"true\"\n"
	"  Option \"AutoAddDevices\" \"true\"\n"
	"EndSection\n"
	"Section \"Device\"\n"
	"  Identifier \"screen\"\n"
	"  Driver \"modesetting\"\n"
	"  Option \"AccelMethod\" \"none\"\n"
	"EndSection\n";

struct xorg {
	struct child child;
	int width, height;
};

/* @return false when it does not answer: then what it said has been printed */
static bool await_xorg(struct xorg *xorg)
{
	for (int i = 0; i < 300; i++) {
		xcb_connection_t *connection = xcb_connect(DISPLAY_NAME, NULL);
		bool failed = xcb_connection_has_error(connection);

		if (!failed) {
			const xcb_screen_t *screen =
				xcb_setup_roots_iterator(xcb_get_setup(connection)).data;

			xorg->width = screen->width_in_pixels;
			xorg->height = screen->height_in_pixels;
		}
		xcb_disconnect(connection);
		if (!failed)
			return true;
		sleep_ms(100);
	}
	return false;
}

static bool start_xorg(struct xorg *xorg)
{
	_autofree_ char *path = temporary_path("xorg.conf"), *log = temporary_path("xorg.log");
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(io_write_all(fd, configuration, strlen(configuration)) == 0);
	xorg->child = start_child("Xorg",
		(const char *[]){DISPLAY_NAME, "vt7", "-keeptty", "-novtswitch", "-nolisten", "tcp",
			"-noreset", "-config", path, "-logfile", log, NULL});
	if (await_xorg(xorg))
		return true;
	printf("# %s\n", child_output(&xorg->child));
	end_child(&xorg->child, SIGTERM);
	return false;
}

/* where the screen's pointer was, at the last word of it before a time */
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

static bool is_near(int32_t value, int32_t size, int32_t pixel)
{
	double wanted = (double)value * size / (TABLET_LAST + 1);

	return pixel > wanted - 1.5 && pixel < wanted + 1.5;
}

static void expect_clicks(const struct lab_file *file, const struct xorg *xorg)
{
	uint32_t tablet = lab_file_device(file, "USB Tablet")->device;
	int32_t x = -1, y = -1;
	size_t clicks = 0;

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i], *pointer;

		if (seen->device != tablet || seen->channel != CHANNEL_CONTROLS)
			continue;
		x = seen->what == UXREC__CONTROL__CONTROL_ABS_X ? seen->value : x;
		y = seen->what == UXREC__CONTROL__CONTROL_ABS_Y ? seen->value : y;
		if (seen->what != UXREC__CONTROL__CONTROL_BUTTON_LEFT || seen->value)
			continue;
		pointer = pointer_at(file, seen->time_ns + 500 * NS_PER_MS);
		check(pointer != NULL);
		printf("# the tablet %d, %d, the pointer %d, %d of %d x %d\n", x, y, pointer->what,
			pointer->value, xorg->width, xorg->height);
		expect(is_near(x, xorg->width, pointer->what));
		expect(is_near(y, xorg->height, pointer->value));
		clicks++;
	}
	expect(clicks == ARRAY_SIZE(places));
}

static void xorg_agrees(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct xorg xorg;

	if (!has_program("Xorg") || access("/dev/dri/card0", F_OK) != 0) {
		skip_test("no Xorg, or no display");
		return;
	}
	if (!start_xorg(&xorg)) {
		check(!"Xorg started");
		return;
	}
	lab_record_with(&recording, "classes",
		(const char *[]){"--screen", "x11", "--display", DISPLAY_NAME, "--fps", "2",
			"--input", "evdev", NULL});
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		check(lab_host_click(places[i][0], places[i][1]));
		sleep_ms(1000);
	}
	file = lab_recording_end(&recording);
	expect_clicks(file, &xorg);
	end_child(&xorg.child, SIGTERM);
}

static const struct test tests[] = {
	{"Xorg's pointer is where the device says", xorg_agrees},
};

int main(void)
{
	return RUN_TESTS("vm pointer", tests) + lab_end();
}
