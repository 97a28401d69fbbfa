#pragma once

/* A real Wayland session without hardware: sway, a window of ours, and grim's screenshots to compare with. */

#include "tests/harness/screens/desktop.h"

#include <stdint.h>

struct lab_window;

struct lab_wayland {
	struct child sway;
	char folder[100], socket[128], ipc[128];
	struct lab_window *window;
};

/**
 * Start sway with one output of 1280×720, HEADLESS-1, in one colour; sets WAYLAND_DISPLAY.
 *
 * @return NULL, or why it cannot run here: skip the test
 */
const char *lab_wayland_start(struct lab_wayland *lab);
void lab_wayland_end(struct lab_wayland *lab);

/** End it as a crash would. */
void lab_wayland_kill(struct lab_wayland *lab);
/** Start another one in its place, with one output again. */
void lab_wayland_renew(struct lab_wayland *lab);

/** Give sway a command, as swaymsg(1) takes it. */
bool lab_wayland_say(const struct lab_wayland *lab, const char *command);

/** A floating window of 300×200 pixels whose place on the output is 100, 50. */
void lab_window_open(struct lab_wayland *lab);

/** Draw noise in a part of the window, and tell the compositor of it. */
void lab_window_paint(struct lab_wayland *lab, uint32_t seed, int x, int y, int width, int height);

/** What grim sees of an output: rows of width * 3 bytes, R G B; the caller frees it. */
uint8_t *lab_wayland_screenshot(
	const struct lab_wayland *lab, const char *output, int *ret_width, int *ret_height);
