#pragma once

#include "capture/x11/mask.h"
#include "protocol/unicode.h"

#include <stdlib.h>

/* mask_x11.c knows where windows are and which are hidden; mask_x11_ask.c asks the server what they are. */

#define TRACES    64
#define INSPECTED 128 /* windows in one: a frame has thirty around its client */
#define TELLING   7

/** A child of the root: a window manager's frame with a client in it, or a window that no one manages. */
struct top {
	xcb_window_t id;
	struct rect rect;             /* with its border */
	bool measured, mapped, blank; /* blank: it has no pixels */
	bool known;                   /* what follows is true */
	bool override, managed;
	bool matches; /* a rule is for it */
	bool own;     /* its title is that of the recorder's own pages */
	bool emptied; /* a frame without a client */
	bool crowded; /* there are more windows in it than were asked */
	xcb_window_t client, transient_for, leader;
	uint32_t process;
	xcb_window_t inside[INSPECTED];
	int inside_count;
	bool hidden, was_hidden;
};

static inline bool top_has(const struct top *top, xcb_window_t window)
{
	for (int i = 0; i < top->inside_count; i++)
		if (top->inside[i] == window)
			return true;
	return top->id == window;
}

static inline void top_place(struct top *top, int x, int y, int width, int height, int border)
{
	top->rect = (struct rect){x, y, width + 2 * border, height + 2 * border};
	top->measured = true;
}

/** Where something hidden was. */
struct trace {
	struct rect rect;
	int64_t until_ns;
};

struct mask_x11 {
	xcb_connection_t *connection;
	xcb_window_t root;
	uint32_t id_mask; /* the bits of an id that its program chooses */
	const struct hide_rules *rules;
	const _Atomic bool *focused;
	xcb_atom_t telling[TELLING]; /* properties that say what a window is */
	xcb_atom_t utf8_string, compound_text, manager;
	locale_t letters;

	struct rect screen;
	int64_t looked_ns;
	struct top *tops;
	size_t count, capacity;
	struct trace traces[TRACES];
	int trace_count;
	xcb_window_t focus; /* child of the root that has it; only while it is hidden */
	bool focus_lost;    /* it could not be found, or where it is shows nothing */
	bool focused_seen;
	bool lost; /* there was no memory for a window */
	bool changed;
	struct areas own; /* what is seen of the recorder's own windows */
};

/** Without rules for windows of others nothing is hidden on doubt. */
static inline bool mask_x11_is_strict(const struct mask_x11 *mask)
{
	return hide_needs_windows(mask->rules);
}

/**
 * Add to `own` what is seen now of the recorder's own windows, and of those that are transient for them:
 * their place without that of the windows over them. Menus and other windows that no window manager knows
 * lie over nothing.
 *
 * @return 0 or -EPIPE
 */
int mask_x11_add_own(struct mask_x11 *mask);

/** @return true while one of the recorder's own windows is mapped */
bool mask_x11_has_own(const struct mask_x11 *mask);

/** Have a child of the root. @return it, or NULL without memory */
struct top *mask_x11_add(struct mask_x11 *mask, xcb_window_t window);

/** Watch the root, and take in what is there. @return 0 or -EPIPE */
int mask_x11_begin(struct mask_x11 *mask);

/** @return whether a property says what a window is */
bool mask_x11_is_telling(const struct mask_x11 *mask, xcb_atom_t atom);

/** Find out what a window is; it stays unknown when it goes meanwhile. @return 0 or -EPIPE */
int mask_x11_inspect(struct mask_x11 *mask, struct top *top);

/** @return 0 with the child of the root that has the focus or XCB_NONE, -EAGAIN, or -EPIPE */
int mask_x11_find_focus(struct mask_x11 *mask, xcb_window_t *ret);
