#pragma once

#include "protocol/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xcb/xcb.h>

/*
 * A keymap (XKB): an X server's, with its group in effect, or one compiled from names. One thread at a time.
 */

/* offset from the kernel's code to an XKB keycode (xkeyboard-config, keycodes/evdev) */
#define KEYMAP_CODE_OFFSET 8

struct keymap;

/**
 * Read the keymap of a server's core keyboard and select its change events: see keymap_handle_event().
 *
 * @param connection  must outlive the keymap
 * @return 0, -EOPNOTSUPP when the server has no XKB or its keymap cannot be read, or another negative errno
 */
int keymap_create_server(struct keymap **ret, xcb_connection_t *connection);

/** Names of xkeyboard-config; "": the default. */
struct keymap_names {
	const char *rules, *model, *layout, *variant, *options;
};

/** @return 0, or -ENOENT when there is no such layout */
int keymap_create_names(struct keymap **ret, const struct keymap_names *names);

void keymap_destroy(struct keymap *keymap);
DEFINE_DESTROY(keymap);

enum keymap_change {
	KEYMAP_SAME,  /* no event of the keymap, or no change */
	KEYMAP_GROUP, /* another group is in effect */
	KEYMAP_KEYS,  /* keys have other meanings; the group may have changed too */
};

/** Handle an event of the connection. Blocks on the server when keys have changed. */
enum keymap_change keymap_handle_event(struct keymap *keymap, const xcb_generic_event_t *event);

/** @return the group in effect, from 0; always 0 for a keymap from names */
unsigned keymap_group(const struct keymap *keymap);
unsigned keymap_group_count(const struct keymap *keymap);

/** @return the keysym of a keycode in a group, without modifiers; 0: none */
uint32_t keymap_keysym(const struct keymap *keymap, uint32_t keycode, unsigned group);

/**
 * Get the label of a key in the group in effect: its character without modifiers, or the name of its keysym.
 *
 * @param code  Linux input event code
 * @return false when the key has no keysym
 */
bool keymap_label(const struct keymap *keymap, uint32_t code, char text[static 32]);
