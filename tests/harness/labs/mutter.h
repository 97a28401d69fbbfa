#pragma once

#include "tests/harness/screens/desktop.h"

#include <stdint.h>

/*
 * GNOME's compositor without hardware, on the bus and the PipeWire server of lab_pipewire, and a Wayland program
 * that fills its screen. What its portal would ask of it the test asks itself: there is no dialog.
 */

#define MUTTER_WIDTH  800
#define MUTTER_HEIGHT 600

struct mutter_lab {
	struct child mutter, program;
	struct sd_bus *bus;
	char session[128];
	uint32_t node; /* of its screen's stream */
};

/** @return false: something is not installed, and the test counts as skipped */
bool mutter_lab_start(struct mutter_lab *lab);
void mutter_lab_end(struct mutter_lab *lab);

/** The program paints a rectangle the more, or takes it away. */
void mutter_lab_paint(struct mutter_lab *lab);

/** @return what a pixel of the screen is */
uint32_t mutter_lab_pixel(bool painted, int x, int y);
