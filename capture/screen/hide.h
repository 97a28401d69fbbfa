#pragma once

#include "capture/screen/canvas.h"

#include <stdatomic.h>

#define HIDE_WINDOWS 50

/** Rule for windows by class and title: fnmatch(3) patterns, "" matches any. */
struct hide_window {
	const char *class, *title;
};

/** Visibility of the recorder's own pages on the screen. */
enum hide_own {
	HIDE_OWN_UNKNOWN, /* the grabber has no window information */
	HIDE_OWN_NONE,
	HIDE_OWN_VISIBLE, /* at least part of one is visible; it is hidden */
};

/** Rules for areas and windows never recorded. Its strings must outlive all users of the rules. */
struct hide_rules {
	struct areas fixed;
	struct hide_window windows[HIDE_WINDOWS];
	int window_count;
	bool passwords; /* the focused window, while enabled by screen_source_hide_focused() */
	/* Title pattern of the recorder's own windows; NULL: none. Only their parts not occluded by other
	 * windows are hidden, and nothing else is hidden on doubt; ignored by a grabber without window
	 * information. */
	const char *own_title;
	_Atomic int *own; /* set to enum hide_own by the grabber; NULL: unused */
};

/** @return true when the rules require a grabber with window information */
static inline bool hide_needs_windows(const struct hide_rules *rules)
{
	return rules->window_count > 0 || rules->passwords;
}

/** @return true when a grabber with window information has windows to hide */
static inline bool hide_uses_windows(const struct hide_rules *rules)
{
	return hide_needs_windows(rules) || rules->own_title;
}
