#include "tests/harness/labs/mutter.h"

#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define MUTTER  "org.gnome.Mutter.ScreenCast"
#define DISPLAY "uxrec-wayland"

/* Debian's, whatever else is installed */
#define PYTHON "/usr/bin/python3"

/* of MetaScreenCastCursorMode */
#define CURSOR_METADATA 2

static const char program[] =
	"import gi, signal\n"
	"gi.require_version('Gtk', '3.0')\n"
	"from gi.repository import Gtk, GLib, GdkPixbuf\n"
	"W, H, painted = 800, 600, False\n"
	"row = bytes.fromhex('123456') * 400 + bytes.fromhex('abcdef') * 400\n"
	"spot = row[:300] + bytes.fromhex('ff8800') * 50 + row[450:]\n"
	"def show():\n"
	"  rows = row * 150 + (spot if painted else row) * 40 + row * 410\n"
	"  image.set_from_pixbuf(GdkPixbuf.Pixbuf.new_from_bytes(GLib.Bytes.new(rows),\n"
	"    GdkPixbuf.Colorspace.RGB, False, 8, W, H, 3 * W))\n"
	"def toggle():\n"
	"  global painted\n"
	"  painted = not painted\n"
	"  show()\n"
	"  return True\n"
	"window = Gtk.Window(title='test')\n"
	"image = Gtk.Image()\n"
	"window.add(image)\n"
	"show()\n"
	"window.fullscreen()\n"
	"window.show_all()\n"
	"GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, toggle)\n"
	"print('drawing', flush=True)\n"
	"Gtk.main()\n";

uint32_t mutter_lab_pixel(bool painted, int x, int y)
{
	if (painted && x >= 100 && x < 150 && y >= 150 && y < 190)
		return 0xff8800;
	return x < 400 ? 0x123456 : 0xabcdef;
}

void mutter_lab_paint(struct mutter_lab *lab)
{
	kill(lab->program.pid, SIGUSR1);
}

static int on_stream(sd_bus_message *m, void *user, sd_bus_error *error)
{
	struct mutter_lab *lab = user;

	(void)error;
	return sd_bus_message_read(m, "u", &lab->node);
}

/* Mutter shows its screen to this connection, and to any client that may see its node. */
static bool ask_mutter(struct mutter_lab *lab)
{
	sd_bus_message *reply = NULL;
	const char *path;
	int64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
	bool asked;

	asked = sd_bus_open_user(&lab->bus) >= 0 &&
		sd_bus_match_signal(lab->bus, NULL, MUTTER, NULL, MUTTER ".Stream",
			"PipeWireStreamAdded", on_stream, lab) >= 0 &&
		sd_bus_call_method(lab->bus, MUTTER, "/org/gnome/Mutter/ScreenCast", MUTTER,
			"CreateSession", NULL, &reply, "a{sv}", 0) >= 0 &&
		sd_bus_message_read(reply, "o", &path) >= 0;
	if (asked)
		snprintf(lab->session, sizeof(lab->session), "%s", path);
	sd_bus_message_unref(reply);
	asked = asked &&
		sd_bus_call_method(lab->bus, MUTTER, lab->session, MUTTER ".Session",
			"RecordMonitor", NULL, NULL, "sa{sv}", "", 1, "cursor-mode", "u",
			CURSOR_METADATA) >= 0 &&
		sd_bus_call_method(lab->bus, MUTTER, lab->session, MUTTER ".Session", "Start", NULL,
			NULL, "") >= 0;
	while (asked && !lab->node && clock_now_ns() < until_ns)
		if (sd_bus_process(lab->bus, NULL) == 0)
			sd_bus_wait(lab->bus, 50000);
	return lab->node;
}

static bool comes_up(struct mutter_lab *lab)
{
	for (int tries = 0; tries < 200; tries++) {
		sd_bus *bus = NULL;
		int r = sd_bus_open_user(&bus);

		if (r >= 0)
			r = sd_bus_get_name_creds(bus, MUTTER, 0, NULL);
		sd_bus_flush_close_unref(bus);
		if (r >= 0)
			return true;
		if (kill(lab->mutter.pid, 0) < 0)
			return false;
		sleep_ms(50);
	}
	return false;
}

bool mutter_lab_start(struct mutter_lab *lab)
{
	char size[32];

	if (!has_program("mutter") ||
		run_child(NULL, PYTHON, "-c",
			"import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk",
			NULL) != 0) {
		skip_test("no mutter, or no GTK 3 for Python");
		return false;
	}
	snprintf(size, sizeof(size), "%dx%d", MUTTER_WIDTH, MUTTER_HEIGHT);
	unsetenv("DISPLAY");
	setenv("GSETTINGS_BACKEND", "memory", 1);
	setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
	lab->mutter = start_child("mutter",
		(const char *const[]){"--headless", "--wayland", "--no-x11", "--virtual-monitor",
			size, "--wayland-display", DISPLAY, NULL});
	if (!comes_up(lab)) {
		_autofree_ char *output = child_output(&lab->mutter);

		printf("# %s\n", output);
	}
	setenv("GDK_BACKEND", "wayland", 1);
	setenv("NO_AT_BRIDGE", "1", 1);
	setenv("WAYLAND_DISPLAY", DISPLAY, 1);
	lab->program = start_child(PYTHON, (const char *const[]){"-c", program, NULL});
	unsetenv("WAYLAND_DISPLAY");
	check(child_says(&lab->program, "drawing", 20));
	/* The window fades in, and the pointer gets a shape. Of a picture and a pointer update right after it, mutter
	 * 43 and PipeWire 0.3.65 now and then lose the picture, which only shows when it is the last one. */
	sleep_ms(2000);
	check(ask_mutter(lab));
	return true;
}

void mutter_lab_end(struct mutter_lab *lab)
{
	end_child(&lab->program, SIGKILL);
	if (lab->bus)
		sd_bus_flush_close_unref(lab->bus);
	end_child(&lab->mutter, SIGTERM);
}
