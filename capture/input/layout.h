#pragma once

#include "capture/input/policy.h"
#include "capture/source.h"

/*
 * Keyboard layout of the session, recorded as CHANNEL_KEYBOARD_LAYOUT: the X server's, with each change of
 * its keymap and group. Without a server it is recorded once, from XKB_DEFAULT_LAYOUT and its companions, or
 * from /etc/default/keyboard. Under Wayland the compositor's group is not available and is recorded as
 * unknown.
 */
struct layout;

struct layout_options {
	const char *display;  /* NULL: from the environment, if set */
	bool labels;          /* record the label of every key: only where codes may be recorded */
	enum key_policy keys; /* limits the time resolution of changes to that of keys */
};

/** Read the layout. @return 0, -ENOENT when there is none to read, or another negative errno */
int layout_create(struct layout **ret, const struct source_context *context,
	const struct layout_options *options);

/**
 * Record the layout, and its changes from now on.
 *
 * @param from_ns  CLOCK_MONOTONIC: not after the first key
 * @param levels   called from the layout's thread when keys have other meanings; must not block
 */
int layout_start(struct layout *layout, int64_t from_ns,
	void (*levels)(void *user, uint32_t level_keys), void *user);

/** While muted nothing is recorded: a password field has the focus. Any thread; does not block. */
void layout_set_muted(struct layout *layout, bool muted);

/**
 * @return as bits, those of modifier_keys that have, in some group, another meaning than in
 *         modifier_of_code(). Without the keymap of an X server the right Ctrl is always included: many
 *         layouts have a level shift there.
 *
 * @param layout  NULL: unknown
 */
uint32_t layout_level_keys(const struct layout *layout);

void layout_destroy(struct layout *layout);
DEFINE_DESTROY(layout);
