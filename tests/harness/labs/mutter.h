#pragma once

#include "tests/harness/screens/desktop.h"

#include <stdint.h>

/*
 * GNOME's compositor without hardware, on the bus and the PipeWire server of lab_pipewire, and a Wayland program that
 * fills its screen. The test sends the requests of GNOME's portal itself: there is no dialog.
 */

#define MUTTER_WIDTH  800
#define MUTTER_HEIGHT 600

struct mutter_lab {
	struct child mutter, program;
	struct sd_bus *bus;
	char session[128];
	uint32_t node; /* of its screen's stream */
};

/** @return false if a program is missing: the test is skipped */
bool mutter_lab_start(struct mutter_lab *lab);
void mutter_lab_end(struct mutter_lab *lab);

/** The program paints one more rectangle, or removes it. */
void mutter_lab_paint(struct mutter_lab *lab);

/** @return the expected value of a pixel of the screen */
uint32_t mutter_lab_pixel(bool painted, int x, int y);
