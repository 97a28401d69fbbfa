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
 * @return NULL, or the reason to skip the test
 */
const char *lab_wayland_start(struct lab_wayland *lab);
void lab_wayland_end(struct lab_wayland *lab);

/** Kill it, like a crash. */
void lab_wayland_kill(struct lab_wayland *lab);
/** Start another one in its place, again with one output. */
void lab_wayland_renew(struct lab_wayland *lab);

/** Send sway a command, in the syntax of swaymsg(1). */
bool lab_wayland_say(const struct lab_wayland *lab, const char *command);

/** A floating window of 300×200 pixels at 100, 50 on the output. */
void lab_window_open(struct lab_wayland *lab);

/** Draw noise in a part of the window, and damage it. */
void lab_window_paint(struct lab_wayland *lab, uint32_t seed, int x, int y, int width, int height);

/** Grim's screenshot of an output: rows of width * 3 bytes, R G B; the caller frees it. */
uint8_t *lab_wayland_screenshot(
	const struct lab_wayland *lab, const char *output, int *ret_width, int *ret_height);
