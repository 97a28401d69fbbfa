#pragma once

#include "capture/screen/canvas.h"
#include "tests/harness/screens/glyphs.h"
#include "tests/harness/screens/motion.h"

/* A desktop with a text editor in memory, without a server, and changes to it. All deterministic from the seed. */

#define EDITOR_WIDTH   1920
#define EDITOR_HEIGHT  1080
#define EDITOR_CHANGES 7

struct editor {
	struct image screen;
	struct canvas *canvas; /* has the screen; its `changed` is the last change's area */
	struct font mono, sans;
	struct motion_picture motion;
	struct image film;
	uint64_t random_state;
	int caret;
	struct rect dialog;
	uint32_t *below; /* pixels under the dialog */
};

extern const struct editor_change {
	const char *name, *sentence;
	void (*make)(struct editor *editor, int number);
} editor_changes[EDITOR_CHANGES];

void editor_create(struct editor *editor, uint64_t seed);
void editor_destroy(struct editor *editor);

/** Change the screen and the canvas. @param number  index among the changes of this kind, from 0 */
void editor_change(struct editor *editor, int kind, int number);
