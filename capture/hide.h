#pragma once

#include "capture/canvas.h"

#include <stdatomic.h>

#define HIDE_WINDOWS 50

/** A window with such a class and such a title: patterns of fnmatch(3), "" is any. */
struct hide_window {
	const char *class, *title;
};

/** What of a screen is never seen, by anybody. Its texts live longer than whoever is given it. */
struct hide_rules {
	struct areas fixed;
	struct hide_window windows[HIDE_WINDOWS];
	int window_count;
	bool passwords; /* the window that has the focus, while screen_source_hide_focused() says so */
};

/** @return whether a grabber must know of windows to keep the rules */
static inline bool hide_needs_windows(const struct hide_rules *rules)
{
	return rules->window_count > 0 || rules->passwords;
}
