#pragma once

#include "capture/screen/canvas.h"

#include <stdatomic.h>

#define HIDE_WINDOWS 50

/** A window with such a class and such a title: patterns of fnmatch(3), "" is any. */
struct hide_window {
	const char *class, *title;
};

/** Whether windows of the recorder's own pages are on the screen. */
enum hide_own {
	HIDE_OWN_UNKNOWN, /* the grabber knows no windows */
	HIDE_OWN_NONE,
	HIDE_OWN_SEEN, /* at least a part of one; it is hidden */
};

/** What of a screen is never seen, by anybody. Its texts live longer than whoever is given it. */
struct hide_rules {
	struct areas fixed;
	struct hide_window windows[HIDE_WINDOWS];
	int window_count;
	bool passwords; /* the window that has the focus, while screen_source_hide_focused() says so */
	/* Pattern of the titles of the recorder's own windows; NULL: none. Of them only the parts are hidden that
	 * no other window lies over, and nothing else is hidden on doubt; a grabber that knows no windows does
	 * without. */
	const char *own_title;
	_Atomic int *own; /* set to enum hide_own by the grabber; NULL: nobody asks */
};

/** @return true when a grabber must know of windows to keep the rules */
static inline bool hide_needs_windows(const struct hide_rules *rules)
{
	return rules->window_count > 0 || rules->passwords;
}

/** @return true when a grabber that knows windows has something to hide */
static inline bool hide_uses_windows(const struct hide_rules *rules)
{
	return hide_needs_windows(rules) || rules->own_title;
}
