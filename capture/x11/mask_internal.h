#pragma once

#include "capture/x11/mask.h"
#include "protocol/unicode.h"

#include <stdlib.h>

/*
 * mask.c tracks window positions and hidden windows; mask_query.c queries the server for window properties.
 */

#define TRACES    64
#define INSPECTED 128 /* nested windows queried; a frame has thirty around its client */
#define WATCHED   7

/** A child of the root: a window manager's frame with a client in it, or an unmanaged window. */
struct top {
	xcb_window_t id;
	struct rect rect;             /* including its border */
	bool measured, mapped, blank; /* blank: without pixels (InputOnly) */
	bool known;                   /* the fields below are valid */
	bool override, managed;
	bool matches; /* matches a rule */
	bool own;     /* has the title of the recorder's own pages */
	bool emptied; /* a frame without a client */
	bool crowded; /* contains more windows than were queried */
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

/** A recently hidden area. */
struct trace {
	struct rect rect;
	int64_t until_ns;
};

struct mask_x11 {
	xcb_connection_t *connection;
	xcb_window_t root;
	uint32_t id_mask; /* bits of a resource id chosen by its client */
	const struct hide_rules *rules;
	const _Atomic bool *focused;
	xcb_atom_t watched[WATCHED]; /* properties used to classify windows */
	xcb_atom_t utf8_string, compound_text, manager;
	locale_t locale;

	struct rect screen;
	int64_t updated_ns;
	struct top *tops;
	size_t count;
	struct trace traces[TRACES];
	int trace_count;
	xcb_window_t focus; /* the root's child with the focus, while hidden; else none */
	bool focus_lost;    /* not found, or on a window with no visible area */
	bool focused_seen;
	bool out_of_memory; /* out of memory for a window */
	bool changed;
	struct areas own; /* visible parts of the recorder's own windows */
};

/** @return true when unknown windows are hidden; false without rules for foreign windows */
static inline bool mask_x11_is_strict(const struct mask_x11 *mask)
{
	return hide_needs_windows(mask->rules);
}

/**
 * Add to `own` the visible parts of the recorder's own windows and of their transients: their areas minus those of
 * the windows above. Menus and other override-redirect windows occlude nothing.
 *
 * @return 0 or -EPIPE
 */
int mask_x11_add_own(struct mask_x11 *mask);

/** @return true while one of the recorder's own windows is mapped */
bool mask_x11_has_own(const struct mask_x11 *mask);

/** Find or add a child of the root. @return the child, or NULL when out of memory */
struct top *mask_x11_add(struct mask_x11 *mask, xcb_window_t window);

/** Watch the root and add its present children. @return 0 or -EPIPE */
int mask_x11_begin(struct mask_x11 *mask);

/** @return true for a property used to classify windows */
bool mask_x11_is_watched(const struct mask_x11 *mask, xcb_atom_t atom);

/** Query a window's properties; a window destroyed meanwhile stays unknown. @return 0 or -EPIPE */
int mask_x11_inspect(struct mask_x11 *mask, struct top *top);

/** @return 0 with the root's focused child or XCB_NONE, -EAGAIN, or -EPIPE */
int mask_x11_find_focus(struct mask_x11 *mask, xcb_window_t *ret);
