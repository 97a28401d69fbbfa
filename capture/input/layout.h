#pragma once

#include "capture/input/policy.h"
#include "capture/source.h"

/*
 * The layout of the session's keyboards, recorded as CHANNEL_KEYBOARD_LAYOUT: the X server's, with each change of it
 * and of its group; or without a server, and once, what XKB_DEFAULT_LAYOUT and its like name, or
 * /etc/default/keyboard. Under Wayland the compositor's is not known: the group is recorded as unknown.
 */
struct layout;

struct layout_options {
	const char *display;  /* NULL: the environment's, if there is one */
	bool labels;          /* with the label of every key: only where codes may be recorded */
	enum key_policy keys; /* a change has a time that is no more exact than a key's */
};

/** Learn it. @return 0, -ENOENT when it cannot be learned, or another negative errno */
int layout_create(struct layout **ret, const struct source_context *context,
	const struct layout_options *options);

/**
 * Record it, and from now on its changes.
 *
 * @param from_ns  CLOCK_MONOTONIC: not after the first key
 * @param levels   called from the layout's thread when keys have other meanings; must not block
 */
int layout_start(struct layout *layout, int64_t from_ns,
	void (*levels)(void *user, uint32_t level_keys), void *user);

/** While muted nothing is recorded: a password field has the focus. Any thread; does not block. */
void layout_set_muted(struct layout *layout, bool muted);

/**
 * Of modifier_keys those that are, in some group, another key than modifier_of_code() has it, as bits. Without the
 * keymap of an X server the right Ctrl is always one: many layouts have a level shift there.
 *
 * @param layout  NULL: nothing is known
 */
uint32_t layout_level_keys(const struct layout *layout);

void layout_destroy(struct layout *layout);
DEFINE_DESTROY(layout);
